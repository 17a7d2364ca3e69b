"""Several files at once."""

from __future__ import annotations

from pathlib import Path

from ecbsr_mobile.tflite import write
from export.audit.batch import audit_all
from export.audit.model_audit import audit
from tests.helpers.tflite_models import plain_network


def test_audits_the_files_of_a_folder_once_each(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.tflite").write_bytes(write(plain_network()))
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    (tmp_path / "notes.txt").write_text("")
    audits = audit_all([tmp_path, tmp_path / "b.tflite"])
    assert [Path(path).name for path in audits.by_path] == ["a.tflite", "b.tflite"]
    assert [Path(path).name for path in audits.errors] == ["broken.tflite"]
    assert audits.by_path[str(tmp_path / "a.tflite")] == audit(tmp_path / "a.tflite")
    assert audits.by_path[str(tmp_path / "a.tflite")].npu is None
    assert audits.sample_crops == {}


def test_a_folder_without_models_is_an_error(tmp_path: Path) -> None:
    assert "contains no .tflite file" in audit_all([tmp_path]).errors[str(tmp_path)]


def test_a_model_that_cannot_run_on_the_crop_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "five.tflite"
    path.write_bytes(write(plain_network(colors=5)))
    assert "5 channels" in str(audit_all([path], sample_crops=True).sample_crops[str(path)])
