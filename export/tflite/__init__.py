"""The former place of `ecbsr_mobile.tflite`."""

from ecbsr_mobile.tflite import *  # noqa: F403
from ecbsr_mobile.tflite import interpreter as interpreter
from ecbsr_mobile.tflite import isolated as isolated
from ecbsr_mobile.tflite import xnnpack_probe as xnnpack_probe
