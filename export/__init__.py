"""From a plain network to ONNX and TFLite files that are measured and audited.

Importing the package is light: every public name loads its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Exported": "export.results",
    "Graph": "export.tflite",
    "at_size": "export.tflite",
    "export": "export.pipeline",
    "read": "export.tflite",
    "write": "export.tflite",
}

__all__ = ["Exported", "Graph", "at_size", "export", "read", "write"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
