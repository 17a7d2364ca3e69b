"""Runs on this machine's GPU; SwiftShader stands in for a real one where its figures do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import android_bench
from android_bench.host import gpu
from export.gpu.accelerator import Adapter
from tests.helpers.bench import needs_linux
from tests.helpers.gpu import adapter

pytestmark = [needs_linux, pytest.mark.slow]


def rows(files: dict[str, Path], *names: str) -> list[android_bench.Row]:
    results = android_bench.bench([files[name] for name in names], delegates=["gpu"], sizes=["24x16"], rounds=1, runs=2)
    return list(results.results)


def test_a_software_adapter_is_refused_as_a_time(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    software = Adapter("Emulated GPU", software=True, fp16=False, environment={})
    monkeypatch.setattr(gpu, "find_adapter", lambda: software)
    (row,) = rows(files, "float")
    assert (row.status, row.median_ms) == ("unsupported", None)
    assert "Emulated GPU, a software one: its times are not a GPU's" in row.note


def test_a_machine_without_a_gpu_says_so(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_adapter", lambda: "no Vulkan driver is installed")
    (row,) = rows(files, "float")
    assert (row.status, row.median_ms) == ("unsupported", None)
    assert "no Vulkan driver is installed" in row.note


def test_a_gpu_is_timed_with_the_delegates_own_count_of_nodes(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = replace(adapter(), software=False)
    monkeypatch.setattr(gpu, "find_adapter", lambda: real)
    for row in rows(files, "float", "int8-prelu"):
        assert (row.status, row.nodes_delegated, row.nodes_total, row.partitions) == ("ok", 8, 8, 1)
        assert row.median_ms and row.p95_ms and real.name in row.note
