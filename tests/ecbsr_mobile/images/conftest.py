"""What the tests of reading and writing images share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _notes_are_errors() -> Iterator[None]:
    """A file without a problem gives no note."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def noise(random: np.random.Generator, *shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Uniform noise over all values of an integer type."""
    return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
