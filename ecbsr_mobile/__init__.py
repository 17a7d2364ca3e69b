"""ECBSR: super-resolution networks for phones, their weights, and everything about pictures.

Importing this package imports none of PyTorch, NumPy or OpenCV; they come with the first name used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import EcbsrError, UsageError

if TYPE_CHECKING:
    from .checkpoint import load, save
    from .evaluation import Score, evaluate
    from .images import Picture
    from .network import ECBSR, Architecture, PlainNet
    from .training.loop import Settings, train
    from .upscaling import TfliteModel, TorchModel, upscale

__version__ = "0.1.0"

_HOME = {
    "load": "checkpoint",
    "save": "checkpoint",
    "Score": "evaluation",
    "evaluate": "evaluation",
    "Picture": "images",
    "ECBSR": "network",
    "Architecture": "network",
    "PlainNet": "network",
    "Settings": "training.loop",
    "train": "training.loop",
    "TfliteModel": "upscaling",
    "TorchModel": "upscaling",
    "upscale": "upscaling",
}

__all__ = [
    "ECBSR",
    "Architecture",
    "EcbsrError",
    "Picture",
    "PlainNet",
    "Score",
    "Settings",
    "TfliteModel",
    "TorchModel",
    "UsageError",
    "evaluate",
    "load",
    "save",
    "train",
    "upscale",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
