"""RGB of YCbCr at the color matrix and the range of a clip, and back: ITU-T H.273, section 8.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import EcbsrError
from .planes import BT709, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .probe import Clip

UNSPECIFIED, BT601 = 2, 6

_WEIGHTS = {
    BT709: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), BT601: (0.299, 0.114), 7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}  # fmt: skip
"""Matrix → the weights of red and blue in luma."""


def usual_matrix(size: tuple[int, int]) -> int:
    """The matrix that players take for a clip that names none, by its width and height."""
    return BT709 if size[0] >= 1280 or size[1] > 576 else BT601


def conversions(clip: Clip) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matrices [3, 4], with the offset last: from Y, Cb and Cr as stored to RGB in [0, 1], and back.

    Raises:
        EcbsrError: the color matrix of the clip is none that luma and chroma are linear in.
    """
    matrix = BT709 if clip.source.rgb else clip.color.matrix
    if matrix not in _WEIGHTS:
        raise EcbsrError(
            f"{clip.path}: has the color matrix {matrix} of ITU-T H.273, which RGB networks cannot use; "
            "take a luma network"
        )
    stored = _stored(clip.source, *_WEIGHTS[matrix])
    inverse = np.linalg.inv(stored)
    return inverse[:3].astype(np.float32), stored[:3].astype(np.float32)


def _stored(source: Source, red: float, blue: float) -> NDArray[np.float64]:
    """The affine map [4, 4] from RGB in [0, 1] to codes of Y, Cb and Cr."""
    layout = source.layout
    luma = np.array([red, 1 - red - blue, blue])
    rows = [luma, ([0, 0, 1] - luma) / (2 * (1 - blue)), ([1, 0, 0] - luma) / (2 * (1 - red))]
    fine = 1 << (layout.depth - 8)
    black, luma_codes, chroma_codes = (
        (0, layout.peak, layout.peak) if layout.full else (16 * fine, 219 * fine, 224 * fine)
    )
    result = np.eye(4)
    result[:3, :3] = np.array(rows) * np.array([[luma_codes], [chroma_codes], [chroma_codes]])
    result[:3, 3] = black, layout.neutral, layout.neutral
    return result
