"""The GPU delegate on this machine, for tests that need an adapter."""

from __future__ import annotations

from functools import cache

import pytest

from export.gpu.accelerator import Adapter, find_adapter

_found = cache(find_adapter)


def adapter() -> Adapter:
    """The adapter of this machine; the test is skipped where there is none."""
    found = _found()
    if isinstance(found, str):
        pytest.skip(f"the GPU delegate has no adapter: {found} (Debian: apt install chromium)")
    return found
