"""Fixtures of all tests: the reference data beside the repository, where there is any, random numbers and a browser."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from ecbsr_mobile.utils.signals import INTERRUPTS
from tests.helpers import shared
from tests.helpers.paths import REFERENCE

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is first imported

# A run started in the background ignores Ctrl-C, one under nohup the end of its terminal; every command that the tests
# start would do so, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Whether a test passes must not depend on the speed of the machine.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """A command that a test calls in this process sets handlers, which must not outlive the test."""
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The parent of the temporary folders of all pytest-xdist workers, or the one temporary folder without workers."""
    base = tmp_path_factory.getbasetemp()
    shared.use_folder(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """Weights files in the layouts of other implementations, with the outputs of their networks."""
    return _reference("checkpoints")


@pytest.fixture(scope="session")
def cases() -> Path:
    """Small inputs from reports about other programs, and hostile ones."""
    return _reference("cases")


@pytest.fixture(scope="session")
def benchmark_sets() -> Path:
    """Set5 and Set14 with LR images made by MATLAB."""
    return _reference("data/benchmark")


def _reference(name: str) -> Path:
    folder = REFERENCE / name
    if not folder.is_dir():
        pytest.skip(f"the reference data {name} is not beside the repository")
    return folder


@pytest.fixture
def random() -> np.random.Generator:
    """A generator of random numbers with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Callable[..., Any]]:
    """Starts Chromium with switches of its command line, driven by Playwright; skips the test where one is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: no page is opened")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("Chromium is not installed: no page is opened")
    quiet = ("first-run", "pings", "default-browser-check", "sandbox")
    disabled = ("quic", "background-networking", "component-update", "sync", "default-apps", "dev-shm-usage")
    arguments = [*(f"--no-{name}" for name in quiet), *(f"--disable-{name}" for name in disabled)]
    with playwright.sync_playwright() as driver, ExitStack() as started:

        def start(*switches: str) -> Any:
            switches = tuple(f"--{name}" for name in switches)
            browser = driver.chromium.launch(executable_path=program, args=[*arguments, *switches])
            started.callback(browser.close)
            return browser

        yield start


@pytest.fixture(scope="session")
def browser(chromium: Callable[..., Any]) -> Any:
    """Chromium without a GPU."""
    return chromium("disable-gpu")
