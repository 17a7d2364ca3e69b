"""The traffic lights of an audit and of a benchmark: what each stands for is said where it is given."""

from __future__ import annotations

from typing import Literal

Light = Literal["good", "partial", "bad", "unknown"]

SIGNS: dict[Light, str] = {"good": "●", "partial": "◐", "bad": "✕", "unknown": "?"}
"""A sign for each light, since color alone does not reach everyone."""
