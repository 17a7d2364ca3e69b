"""Latency of a `.tflite` on this machine and on Android phones, and the report about it.

`__init__.pyi` lists the public names. Importing this package is light, and nothing in it imports PyTorch or
TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
