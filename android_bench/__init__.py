"""Milliseconds of a `.tflite` on this machine and on Android phones, and the report about them.

Importing the package is light, and nothing in it imports torch or TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Results": "android_bench.results",
    "Row": "android_bench.results",
    "bench": "android_bench.session",
    "compare": "android_bench.results.baseline",
    "html": "android_bench.report",
    "phones": "android_bench.phone.runner.adb",
    "resume": "android_bench.session",
}

__all__ = ["Results", "Row", "bench", "compare", "html", "phones", "resume"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
