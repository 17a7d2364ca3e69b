"""Machines without Qualcomm's compiler, or with a broken one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError
from export.npu import qualcomm_sdk, toolchain


def test_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm_sdk, "package_folder", lambda name: None)
    with (
        pytest.raises(EcbsrError, match=r"is not installed; run: pip install '\.\[qualcomm\]'"),
        qualcomm_sdk.toolchain(),
    ):
        pass


def test_rejects_other_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualcomm_sdk.platform, "machine", lambda: "aarch64")
    with (
        pytest.raises(EcbsrError, match="runs on Linux on x86_64, not on Linux on aarch64"),
        qualcomm_sdk.toolchain(),
    ):
        pass


def test_names_a_library_that_does_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (
        toolchain.DRIVER,
        qualcomm_sdk.PLUGIN,
        qualcomm_sdk.BACKEND,
        qualcomm_sdk.EMULATOR,
        "libQnnSaver.so",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"\x7fELF, but no more")
    monkeypatch.setattr(qualcomm_sdk, "package_folder", lambda name: tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(EcbsrError, match=r"does not load \(.*libQnnHtp.so.*\); it needs glibc 2.35"),
        qualcomm_sdk.toolchain(),
    ):
        pass
    assert not list(tmp_path.glob("ecbsr-*"))
    (tmp_path / qualcomm_sdk.PLUGIN).unlink()
    missing = r"incomplete, libLiteRtCompilerPlugin_Qualcomm\.so is missing"
    with pytest.raises(EcbsrError, match=missing), qualcomm_sdk.toolchain():
        pass
