"""Degradations of LR images, such as photographs from the web have: blur, noise, a resize there and back, JPEG."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .dataset import Pair

LIMITS = {"blur": (0.0, 10.0), "noise": (0.0, 100.0), "resize": (0.1, 1.0), "jpeg": (1.0, 100.0)}
"""The kinds in the order in which they are applied, and the least and largest strength of each (see `STRENGTHS`)."""

STRENGTHS = {
    "blur": "standard deviation of a Gaussian in LR pixels",
    "noise": "standard deviation of Gaussian noise in 8-bit levels",
    "resize": "share of its side to which a picture shrinks before it grows back",
    "jpeg": "quality",
}

DEFAULTS = {"blur": (0.0, 1.0), "noise": (0.0, 8.0), "resize": (0.5, 1.0), "jpeg": (30.0, 95.0)}
"""The range of each kind that is named without one."""

EXAMPLE = "jpeg:30-95,blur:0-0.5,noise:0-1"
"""What the bundled models for real pictures were trained with."""

_ITEM = re.compile(r"(?P<kind>[a-z]+)(?::(?P<low>\d+(?:\.\d+)?)(?:-(?P<high>\d+(?:\.\d+)?))?)?")


@dataclass(frozen=True)
class Degradation:
    """A kind of `LIMITS`, and the range from which the strength of each image is drawn."""

    kind: str
    low: float
    high: float


def parse(text: str) -> tuple[Degradation, ...]:
    """The degradations of a list such as `EXAMPLE`, in the order of `LIMITS`.

    Raises:
        UsageError: an item is not KIND, KIND:STRENGTH or KIND:LOW-HIGH within the limits, or a kind is there twice.
    """
    by_kind: dict[str, Degradation] = {}
    for item in text.split(","):
        match = _ITEM.fullmatch(item.strip())
        kind = match["kind"] if match else item.partition(":")[0].strip()
        if kind not in LIMITS:
            raise UsageError(f"degrade {item!r} is unknown; use some of {', '.join(LIMITS)}, such as {EXAMPLE}")
        low, high = DEFAULTS[kind]
        if match and match["low"]:
            low, high = float(match["low"]), float(match["high"] or match["low"])
        least, most = LIMITS[kind]
        if not match or not least <= low <= high <= most:
            raise UsageError(f"degrade {item!r} is not a range; use {kind}:LOW-HIGH within {least:g} and {most:g}")
        if kind in by_kind:
            raise UsageError(f"degrade {text!r} has {kind} twice; give one range")
        by_kind[kind] = Degradation(kind, low, high)
    return tuple(by_kind[kind] for kind in LIMITS if kind in by_kind)


def degrade(rgb: NDArray[np.uint8], degradations: Sequence[Degradation], seed: Sequence[int]) -> NDArray[np.uint8]:
    """An image [H, W, 3] after all `degradations`, with strengths and noise drawn from `seed`."""
    if not degradations:
        return rgb
    import numpy as np

    from . import images

    random = np.random.default_rng(seed)
    values: NDArray[Any] = rgb
    for degradation in degradations:
        strength = random.uniform(degradation.low, degradation.high)
        values = _apply(degradation.kind, values, strength, random)
    return images.round_to(values, np.uint8)


def degraded(pairs: Iterable[Pair], degradations: Sequence[Degradation]) -> list[Pair]:
    """Pairs whose LR images are degraded, as they are for validation: the same way for every run."""
    return [replace(pair, lr=degrade(pair.lr, degradations, (number,))) for number, pair in enumerate(pairs)]


def _apply(kind: str, values: NDArray[Any], strength: float, random: np.random.Generator) -> NDArray[Any]:
    import numpy as np

    from . import images
    from .utils.opencv import opencv

    cv2 = opencv()
    if kind == "jpeg":
        bgr = images.round_to(values, np.uint8)[:, :, ::-1]
        _, file = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, round(strength)])
        decoded: NDArray[np.uint8] = cv2.imdecode(file, cv2.IMREAD_COLOR)[:, :, ::-1]
        return decoded
    values = values.astype(np.float32)
    height, width = values.shape[:2]
    if kind == "blur" and strength > 0:
        values = cv2.GaussianBlur(values, (0, 0), strength)
    elif kind == "noise":
        values = values + np.float32(strength) * random.standard_normal(values.shape, np.float32)
    elif kind == "resize":
        small = (max(1, round(strength * width)), max(1, round(strength * height)))
        shrunk = cv2.resize(values, small, interpolation=cv2.INTER_AREA)
        values = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)
    return values
