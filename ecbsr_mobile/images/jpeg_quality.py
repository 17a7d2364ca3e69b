"""How much a JPEG was compressed."""

from __future__ import annotations

import os

from .opening import MAX_PIXELS, header, opened

_SUM_AT_50 = 3688
"""The sum of the luma quantization table of ITU-T T.81, Annex K, which libjpeg scales by the quality."""


def jpeg_quality(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> int | None:
    """The quality from 1 to 100 that libjpeg calls the compression of a JPEG; None for other images.

    Other encoders have tables of their own: then it is the quality at which libjpeg quantizes as coarsely. Below 20,
    where entries of libjpeg's tables reach their limit, it is too high by up to 10.

    Raises:
        EcbsrError: the file is missing, not an image, or larger than `max_pixels`.
    """
    with opened(path) as file:
        tables = getattr(header(file, path, max_pixels), "quantization", None)
    if not tables:
        return None
    percent = 100 * sum(tables[min(tables)]) / _SUM_AT_50
    return max(1, min(100, round(5000 / percent if percent > 100 else 100 - percent / 2)))
