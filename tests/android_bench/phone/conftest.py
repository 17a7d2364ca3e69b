"""Fixtures of the tests of phones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.helpers.adb_device import Device


@pytest.fixture
def phone(new_device: Callable[..., Device]) -> Device:
    """A stand-in phone with a Snapdragon."""
    return new_device(**{"ro.soc.manufacturer": "QTI", "ro.soc.model": "SM8650-AC"})
