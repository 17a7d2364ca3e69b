from __future__ import annotations

from dataclasses import fields

import pytest

from ecbsr_mobile.errors import UsageError
from export import ExportOptions
from export.cli import export as command
from tests.helpers.commands import call_here


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precisions": ["int4"]}, "precision 'int4' is not known; use one of fp32, fp16, int8"),
        ({"precisions": []}, "nothing to write"),
        ({"sizes": ["0x5"]}, "size '0x5' is not known"),
        ({"sizes": ["540"]}, "size '540' is not known"),
        ({"sizes": [(480, 9000)]}, "size '480x9000' is not known"),
        ({"sizes": []}, "no size is given"),
        ({"sizes": (480, 270)}, "size '480' is not known; use WIDTHxHEIGHT"),
        ({"sizes": [(480, 270, 1)]}, r"size '\(480, 270, 1\)' is not known; use WIDTHxHEIGHT"),
        ({"target": "tpu"}, "target 'tpu' is not known"),
        ({"io_dtype": "int16"}, "io_dtype 'int16' is not known"),
        ({"finetune": -1}, "finetune is a number of steps, 0 or more, not -1"),
        ({"finetune": 2.5}, "finetune is a number of steps, 0 or more, not 2.5"),
        ({"precisions": "fp32", "fixed_size": True}, "fixed_size is an option of an int8 file"),
        ({"target": "npu", "fixed_size": True}, "fixed_size makes files quicker on CPUs, not for target npu"),
        ({"sizes": "585x1266", "fixed_size": True}, "fixed_size needs even sides, which 585x1266 has not"),
        ({"max_drop": -1}, "max_drop is a number of dB, 0 or more, not -1"),
        ({"max_drop": float("inf")}, "max_drop is a number of dB, 0 or more, not inf"),
        ({"max_drop": float("nan")}, "max_drop is a number of dB, 0 or more, not nan"),
        ({"activations": 12}, "activations have 8 or 16 bits, not 12"),
        ({"activations": 16}, "would run on no accelerator with target cpu: XNNPACK, .* use target npu"),
        ({"activations": 16, "target": "gpu"}, "would run on no accelerator with target gpu"),
        ({"activations": 16, "target": "npu", "precisions": "fp32"}, "belong to int8, not to fp32; add int8"),
        ({"activations": 16, "target": "npu", "prelu": "native"}, "as MUL and MAXIMUM, not as native; leave prelu out"),
        ({"activations": 16, "target": "npu", "finetune": 5}, "are not fine-tuned, so 5 steps cannot be made"),
        ({"precisions": ["fp32"], "target": "npu"}, "target is an option of an int8 file"),
        ({"precisions": ["fp32"], "io_dtype": "uint8"}, "io_dtype is an option of an int8 file"),
        ({"precisions": [], "onnx": True, "finetune": 9}, "finetune is an option of an int8 file"),
        ({"precisions": [], "onnx": True, "sizes": ["540p"]}, "sizes is an option of TFLite files"),
        ({"precisions": [], "onnx": True, "max_drop": 1}, "max_drop is an option of TFLite files"),
        ({"precisions": [], "onnx": True, "npu": "qualcomm"}, "npu is an option of TFLite files"),
        ({"npu": "apple"}, "NPU vendor 'apple' is not known"),
    ],
)
def test_a_value_that_is_not_known_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ExportOptions(**changes)


def test_values_are_kept_once_and_in_order() -> None:
    options = ExportOptions(precisions=["int8", "fp32", "int8"], sizes=["540p", (480, 270), "960x540"])
    assert options.precisions == ("int8", "fp32")
    assert options.lr_sizes == ((960, 540), (480, 270))
    assert ExportOptions(precisions="fp16", sizes="20x10").precisions == ("fp16",)
    assert ExportOptions(npu="qualcomm:SM8750,SM8650").npu_socs == ("SM8750", "SM8650")


def test_16_bit_activations_have_a_name_of_their_own() -> None:
    options = ExportOptions(activations=16, target="npu", finetune=0)
    assert (options.precisions, options.file_precisions) == (("fp32", "int8"), ("fp32", "int16x8"))
    assert ExportOptions().file_precisions == ("fp32", "int8")
    assert chosen("--int8", "--activations", "16", "--target", "npu").file_precisions == ("int16x8",)


def chosen(*flags: str) -> ExportOptions:
    """The options that the command makes of its flags."""
    return command.options_from(command.parser().parse_args(flags))


def test_the_flags_of_the_command_are_fields_with_their_defaults() -> None:
    assert chosen() == ExportOptions()
    assert set(command.FIELDS) <= {field.name for field in fields(ExportOptions)}
    flags = ["--int8", "--size", "540p,20x10", "--io-dtype", "uint8", "--finetune", "7", "--range", "255"]
    expected = ExportOptions(
        precisions=["int8"], sizes=["540p", "20x10"], io_dtype="uint8", finetune=7, value_range=255
    )  # fmt: skip
    assert chosen(*flags) == expected
    assert chosen("--onnx") == ExportOptions(precisions=(), onnx=True)
    assert chosen("--onnx", "--tflite") == ExportOptions(onnx=True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--fp32 --fixed-size", "--fixed-size is an option of an int8 file: add --int8, or leave it out"),
        ("--onnx --size 540p", "--size is an option of TFLite files: add --fp32, --fp16 or --int8, or leave it out"),
        ("--int8 --finetune=-1", "--finetune is a number of steps, 0 or more, not -1"),
        ("--int8 --max-drop=-1", "--max-drop is a number of dB, 0 or more, not -1.0"),
        ("--fp32 --activations 16 --target npu", "16-bit activations belong to int8, not to fp32; add --int8"),
        ("--int8 --activations 16", "no int16 convolution; use --target npu"),
        ("--int8 --activations 16 --target npu --finetune 5", "so 5 steps cannot be made; leave --finetune out"),
    ],
)
def test_a_command_speaks_of_flags(flags: str, message: str) -> None:
    result = call_here("ecbsr export", *flags.split())
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
