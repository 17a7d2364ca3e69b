"""Fixtures of the benchmark's tests: a private adb server, a stand-in phone, its benchmark tool, and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import android_bench
from ecbsr_mobile import tflite
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import private_adb, run_adb
from tests.helpers.bench import ON_LINUX, QUICK, Bench
from tests.helpers.standin_tool import elf
from tests.helpers.tflite_models import plain_network


@pytest.fixture(scope="session")
def _adb_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if not ON_LINUX:
        pytest.skip("the stand-in phone and its benchmark tool need Linux on x86-64")
    with private_adb(tmp_path_factory.mktemp("home")) as environment:
        yield environment


@pytest.fixture
def adb_server(_adb_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of this worker's own adb server."""
    for name, value in _adb_environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def new_device(adb_server: None, tmp_path: Path) -> Iterator[Callable[..., Device]]:
    """Make stand-in phones, which are disconnected after the test."""
    with ExitStack() as stack:

        def make(*arguments: Any, **properties: str) -> Device:
            root = tmp_path / f"phone{len(list(tmp_path.glob('phone*')))}"
            root.mkdir()
            device = Device(root, *arguments, **properties)
            stack.callback(run_adb, "disconnect", device.serial)
            stack.callback(device.close)
            return device

        yield make


@pytest.fixture
def device(new_device: Callable[..., Device]) -> Device:
    """A stand-in phone."""
    return new_device()


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the stand-in's benchmark tool."""
    path = tmp_path_factory.mktemp("tool") / 'it\'s a "tool"'
    path.write_bytes(elf())
    return str(path)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float model in a path with quotes and spaces."""
    path = tmp_path_factory.mktemp("the 'models' here") / 'float "x2".tflite'
    path.write_bytes(tflite.write(plain_network()))
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A float model and an int8 model with PRELU."""
    folder = tmp_path_factory.mktemp("models")
    graphs = {"float": plain_network(), "int8-prelu": plain_network("int8")}
    for name, graph in graphs.items():
        (folder / f"{name}.tflite").write_bytes(tflite.write(graph))
    return {name: folder / f"{name}.tflite" for name in graphs}


@pytest.fixture(scope="session")
def int8(files: dict[str, Path]) -> Path:
    """An int8 model with PRELU."""
    return files["int8-prelu"]


@pytest.fixture
def bench(device: Device, model: Path, tool: str) -> Bench:
    """Benchmark the float model on the stand-in phone, with other options of `android_bench.bench` where given."""

    def call(**options: Any) -> android_bench.Results:
        defaults: dict[str, Any] = {"devices": [device.serial], "sizes": ["24x16"], "rounds": 2, "limits": QUICK}
        return android_bench.bench(options.pop("models", [model]), **{**defaults, "tool": tool, **options})

    return call
