"""What tests share: the reference data beside the repository, where there is any, and small pictures."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is first imported

# A run started in the background ignores Ctrl-C, and so would every command that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """Weights files of other people's layouts with their networks' outputs."""
    return _reference("checkpoints")


@pytest.fixture(scope="session")
def benchmark_sets() -> Path:
    """Set5 and Set14 with LR pictures made by MATLAB."""
    return _reference("data/benchmark")


def _reference(name: str) -> Path:
    folder = REFERENCE / name
    if not folder.is_dir():
        pytest.skip(f"reference data ({name}) is not beside the repository")
    return folder


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)
