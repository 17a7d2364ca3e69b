"""OpenCV, imported where it is used."""

from __future__ import annotations

from typing import Any

from .signals import defer_signals


def opencv() -> Any:
    """The module `cv2`, without messages of its own about damaged files: ours say more.

    An interrupt is deferred during the import, because code that runs then catches every exception and drops it.
    """
    with defer_signals():
        import cv2
    cv2.utils.logging.setLogLevel(0)
    return cv2
