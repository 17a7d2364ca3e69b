"""The extras of this package, and how a missing one is installed."""

from __future__ import annotations

_EXTRAS = {
    "av": "video",
    "perfetto": "energy",
    **dict.fromkeys(("torch", "safetensors", "matplotlib", "tensorboardX"), "train"),
    **dict.fromkeys(("onnx", "onnxruntime", "onnx2tf", "tensorflow", "tf_keras"), "export"),
}


def extra_of(module: str) -> str | None:
    """The extra in setup.cfg that installs an optional module; None for a module of no extra."""
    return _EXTRAS.get(module.partition(".")[0])


def how_to_install(extra: str) -> str:
    """How an extra is installed, for an error message: from a clone, or by the name that an index would have."""
    return f"pip install '.[{extra}]' in the folder of this project ('ecbsr-mobile[{extra}]' where an index has it)"
