"""What the tests of the bench on phones share: a private adb server, a stand-in, its tool, models."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from export import tflite
from tests.helpers.adb_device import Device, elf, private_adb
from tests.helpers.tflite_models import plain_network


@pytest.fixture(scope="module")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with private_adb(tmp_path_factory.mktemp("home")) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def device(adb_server: None, tmp_path: Path) -> Iterator[Device]:
    (tmp_path / "phone").mkdir()
    standin = Device(tmp_path / "phone")
    yield standin
    standin.close()


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> str:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the stand-in's benchmark tool is a program for Linux on x86-64")
    path = tmp_path_factory.mktemp("tool") / 'it\'s a "tool"'
    path.write_bytes(elf())
    return str(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("the 'models' here") / 'float "x2".tflite'
    path.write_bytes(tflite.write(plain_network()))
    return path


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "int8.tflite"
    path.write_bytes(tflite.write(plain_network("int8")))
    return path
