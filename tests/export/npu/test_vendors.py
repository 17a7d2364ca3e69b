"""Vendors besides Qualcomm: LiteRT's plug-ins, without an SDK and with an empty one."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import write
from export.npu import results, vendors
from export.npu.runner import compile_models
from export.npu.socs import QUALCOMM, VENDORS, parse_socs
from tests.helpers.tflite_models import plain_network

OTHERS = [vendor for vendor in VENDORS if vendor != QUALCOMM]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the plug-ins run on Linux on x86_64"
)


def give_sdk(vendor: str, folder: Path, monkeypatch: pytest.MonkeyPatch, result: str) -> None:
    """Install an SDK of a vendor that gives this expression as its folder."""
    program = f"def path_to_sdk_libs(*version):\n    return {result}\n"
    (folder / f"{VENDORS[vendor].sdk}.py").write_text(program)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, VENDORS[vendor].sdk, raising=False)


def test_without_an_sdk_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendors, "find_spec", lambda _name: None)
    reports = compile_models({"a": write(plain_network("int8"))}, parse_socs(",".join(OTHERS)))["a"]
    assert {key: report.status for key, report in reports.items()} == dict.fromkeys(OTHERS, "not_installed")
    for vendor, report in reports.items():
        assert report.note == f"run: pip install {VENDORS[vendor].package}"
        assert report.status in results.STATUSES
    document = results.to_json(reports)
    assert list(document) == list(VENDORS) and document["qualcomm"] == "not checked"
    assert document["samsung"]["samsung"]["status"] == "not_installed"


@pytest.mark.parametrize(("vendor", "soc"), [("mediatek", "MT6989"), ("google_tensor", "Tensor_G5"),
                                             ("samsung", "E9965")])  # fmt: skip
def test_an_sdk_without_libraries_is_a_failed_compilation(
    vendor: str, soc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's plug-in itself runs, and does not find its compiler."""
    (tmp_path / "empty").mkdir()
    give_sdk(vendor, tmp_path, monkeypatch, repr(str(tmp_path / "empty")))
    notices: list[str] = []
    model = write(plain_network("int8"))
    report = compile_models({"a": model}, parse_socs(f"{vendor}:{soc}"), notice=notices.append)["a"][soc]
    assert (report.status, report.taken) == ("failed", None) and report.note
    assert len(notices) == 1 and "license of its SDK" in notices[0]


def test_an_sdk_that_fails_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_sdk("samsung", tmp_path, monkeypatch, "1 / 0")
    with pytest.raises(EcbsrError, match="Samsung's SDK does not give its libraries: division by zero; run: pip"):
        compile_models({"a": write(plain_network("int8"))}, ("E9965",))
