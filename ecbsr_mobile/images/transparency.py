"""The colors below transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..utils.opencv import opencv

if TYPE_CHECKING:
    from numpy.typing import NDArray


def filled(pixels: NDArray[np.unsignedinteger], alpha: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """The pixels [H, W, C] with each fully transparent one in the color of the nearest other one.

    Nobody sees its own color, which editors often leave black: a filter would blend it into the edges of what is seen.
    `alpha` is [H, W].
    """
    cv2 = opencv()
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    _, labels = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = np.empty((labels.max() + 1, pixels.shape[2]), pixels.dtype)
    seen[labels[~hidden]] = pixels[~hidden]
    result = pixels.copy()
    result[hidden] = seen[labels[hidden]]
    return result
