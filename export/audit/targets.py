"""The targets that an audit has a verdict for, and that can be required; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.text import did_you_mean


@dataclass(frozen=True)
class Target:
    """What `--require` calls `name`; `delegate` is its key in `delegates.DELEGATES`, `title` its name for people."""

    name: str
    delegate: str
    title: str


TARGETS = (
    Target("cpu", "xnnpack", "CPU"),
    Target("gpu", "gpu_ml_drift", "GPU (ML Drift)"),
    Target("gpu", "gpu", "GPU (classic)"),
    Target("nnapi", "nnapi_30", "NNAPI (Android 11+)"),
    Target("qualcomm", "qnn", "Qualcomm NPU"),
    Target("mediatek", "mediatek", "MediaTek NPU"),
    Target("samsung", "samsung", "Samsung NPU"),
    Target("tensor", "google_tensor", "Google Tensor"),
    Target("hexagon", "hexagon", "Hexagon (legacy)"),
)
"""Every target, in the order of verdicts. Old versions of NNAPI are only in tables."""

NAMES = tuple(dict.fromkeys(target.name for target in TARGETS))
"""The targets that can be required. "gpu" stands for both GPU delegates, since an app has one of them."""

TITLES = {target.delegate: target.title for target in TARGETS}
"""Delegate → its name for people."""


def parse(text: str) -> tuple[str, ...]:
    """The names in "cpu,gpu", each once.

    Raises:
        UsageError: a target is not known.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        name = (unknown or [text])[0]
        hint = did_you_mean(name, NAMES)
        raise UsageError(f"target {name!r} is not known; choose from {', '.join(NAMES)}{hint}")
    return names
