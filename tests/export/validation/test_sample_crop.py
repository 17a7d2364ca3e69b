"""The sample crop: a model's result beside that of its float counterpart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import zoo
from export import tflite
from export.validation import sample_crop


def test_a_model_is_shown_with_its_bundled_float_counterpart() -> None:
    name = "ecbsr-m4c8-x2"
    crop = sample_crop.show(zoo.tflite(name, "int8").read_bytes())
    float_crop = sample_crop.show(zoo.tflite(name, "fp32").read_bytes())
    assert crop.fp32 is not None
    np.testing.assert_array_equal(crop.tile, float_crop.tile)
    np.testing.assert_array_equal(crop.fp32, float_crop.result)
    assert 0 < np.abs(crop.result - crop.fp32).mean() < 2


def test_given_files_come_before_bundled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    model, counterpart = (zoo.tflite("ecbsr-m4c8-x2", precision).read_bytes() for precision in ("int8", "fp32"))
    other = zoo.tflite("ecbsr-m4c16-x2", "fp32").read_bytes()
    monkeypatch.setattr(Path, "read_bytes", None)  # no file is read
    assert sample_crop._float_counterpart(tflite.read(model), [model, other, counterpart]) is counterpart


def test_bundled_files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [tflite.read(zoo.tflite(name, "int8").read_bytes()) for name in zoo.names()]
    reads: list[Path] = []
    read_bytes = Path.read_bytes

    def recorded(path: Path) -> bytes:
        reads.append(path)
        return read_bytes(path)

    sample_crop._bundled_float_files.cache_clear()
    monkeypatch.setattr(Path, "read_bytes", recorded)
    found = [sample_crop._float_counterpart(model, ()) for model in models]
    bundled = list(zoo.FOLDER.glob("*.tflite"))
    assert found == [read_bytes(zoo.tflite(name, "fp32")) for name in zoo.names()]
    assert len(reads) == len(bundled) + len(models)
