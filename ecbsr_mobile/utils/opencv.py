"""OpenCV, imported where it is used."""

from __future__ import annotations

from typing import Any

from .signals import uninterrupted


def opencv() -> Any:
    """The module `cv2`, with its log off: our errors about damaged files name the file.

    Interrupts are deferred during the import, because OpenCV's start-up code drops every exception.
    """
    with uninterrupted():
        import cv2
    cv2.utils.logging.setLogLevel(0)
    return cv2
