"""Accelerators that fail in every way; scripts stand in for LiteRT's."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ecbsr_mobile.tflite import write
from ecbsr_mobile.utils import subprocess_runner
from ecbsr_mobile.utils.limited import Limits
from export.gpu import accelerator
from export.gpu.accelerator import Adapter, Query
from export.gpu.results import STATUSES, GpuReport
from export.gpu.runner import query_models
from tests.helpers.tflite_models import plain_network

ADAPTER = Adapter("a stand-in", software=True, fp16=False, environment={})


def report_of(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str = "fp32", seconds: float = 120.0
) -> GpuReport:
    """The report on a small model when the worker is this Python script."""
    worker = tmp_path / "worker.py"
    worker.write_text(f"import os, signal, sys, time\n{script}\n")
    monkeypatch.setattr(accelerator, "WORKER", worker)
    report = query_models({"a": write(plain_network())}, precision, seconds=seconds, adapter=ADAPTER)["a"]
    assert report.status in STATUSES
    return report


@pytest.mark.parametrize(
    ("script", "status", "note"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed", "ended by SIGKILL"),
        ("sys.exit('no such library')", "failed", "no such library"),
        ("", "failed", "ended without an answer"),
        ("open('answers.jsonl', 'w').write('nonsense\\n')", "failed", "ended without an answer"),
        ("open('answers.jsonl', 'w').write('[]\\n')", "failed", "ended without an answer"),
        ("while True: os.write(1, bytes(2**20))", "failed", "File too large"),
        ("kept = [bytearray(2**28) for _ in range(99)]", "failed", "MemoryError"),
    ],
)
def test_every_failure_is_a_status(
    script: str, status: str, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "LIMITS", Limits(memory_bytes=2**29, file_bytes=2**24, address_space=False))
    report = report_of(script, tmp_path, monkeypatch)
    assert (report.status, report.taken, report.partitions, report.cpu) == (status, None, None, None)
    assert note in report.note


def test_a_delegate_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of("time.sleep(600)", tmp_path, monkeypatch, seconds=0.2)
    assert (report.status, report.note) == ("timeout", "ended after 0.2 s")


def test_stopping_ends_the_process() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(subprocess_runner.Canceled):
        accelerator.run([Query(write(plain_network()))], "fp32", {}, stop=stop)


def test_no_16_bit_arithmetic_is_a_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of("sys.exit('not started')", tmp_path, monkeypatch, precision="fp16")
    assert (report.status, report.adapter) == ("no_fp16", "a stand-in")


def test_no_adapter_is_a_status_that_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "_environments", list)
    report = query_models({"a": write(plain_network())})["a"]
    assert (report.status, report.adapter, report.taken) == ("no_adapter", None, None)
    assert "no Vulkan driver" in report.note and "apt install chromium" in report.note
    assert report.to_json()["max_abs_diff"] is None


def test_swiftshader_is_found_beside_chromium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "CHROMIUM", (str(tmp_path / "chrom*"),))
    monkeypatch.setattr(accelerator, "SYSTEM_DRIVERS", ())
    for name in accelerator.DRIVERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    monkeypatch.setattr(accelerator.sys, "platform", "linux")
    assert accelerator._environments() == []
    (tmp_path / "chromium").mkdir()
    driver = tmp_path / "chromium" / "vk_swiftshader_icd.json"
    driver.write_text("{}")
    (environment,) = accelerator._environments()
    assert environment["VK_DRIVER_FILES"] == environment["VK_ICD_FILENAMES"] == str(driver)
    assert environment["LD_LIBRARY_PATH"] == f"{driver.parent}:/mine"
    # A driver that the user names comes first.
    monkeypatch.setenv("VK_DRIVER_FILES", "/my.json")
    assert accelerator._environments() == [{}, environment]
