from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from export.validation import sample_crop
from export.validation.sample_crop import SIZE, run_sample_crop
from tests.helpers import upscalers


def litert(model: bytes, image: np.ndarray) -> np.ndarray:
    """The result of a model's signature for an input of its own data type, [1, h, w, C]."""
    return Interpreter(model_content=model).get_signature_runner("serving_default")(image=image)["upscaled"][0]


@pytest.mark.parametrize("name", ["ecbsr-m4c16-x2", "ecbsr-m4c16-rgb-x3"])
def test_the_results_are_those_of_litert_and_of_the_bundled_float_counterpart(name: str) -> None:
    crop = run_sample_crop(zoo.tflite(name, "int8").read_bytes())
    assert crop.lr.shape == (SIZE[1], SIZE[0], 3 if "rgb" in name else 1)
    assert crop.scale == int(name[-1])
    expected = litert(crop.model, (crop.lr ^ 0x80).view(np.int8)[None]).view(np.uint8) ^ 0x80
    np.testing.assert_allclose(crop.result, expected, atol=1e-4)
    counterpart = tflite.write(tflite.at_size(tflite.read(zoo.tflite(name, "fp32")), *SIZE))
    expected = np.clip(litert(counterpart, crop.lr[None].astype(np.float32) / 255), 0, 1) * 255
    np.testing.assert_allclose(crop.fp32, expected, atol=1e-2)


def test_a_float_counterpart_is_found_among_the_other_files_first() -> None:
    int8, fp32 = (zoo.tflite("ecbsr-m4c8-x2", precision).read_bytes() for precision in ("int8", "fp32"))
    graph = tflite.read(fp32)
    brighter = [
        tensor
        if tensor.data is None or tensor.data.ndim != 1
        else replace(tensor, data=tensor.data + np.float32(0.1))  # the biases
        for tensor in graph.tensors
    ]
    other = tflite.write(replace(graph, tensors=tuple(brighter)))
    first, second = run_sample_crop(int8), run_sample_crop(int8, [int8, other])
    assert first.fp32 is not None
    assert second.fp32 is not None
    np.testing.assert_array_equal(first.result, second.result)
    assert np.abs(first.fp32 - second.fp32).mean() > 1


def test_a_model_whose_input_is_no_image_is_refused() -> None:
    graph = tflite.read(zoo.tflite("ecbsr-m4c8-x2", "int8"))
    graph = tflite.with_metadata(graph, "ecbsr_mobile.recipe", b"null")
    assert run_sample_crop(tflite.write(graph)).fp32 is None
    tensors = list(graph.tensors)
    tensors[graph.inputs[0]] = replace(tensors[graph.inputs[0]], shape=(1, 270, 480, 2))
    with pytest.raises(EcbsrError, match="has 2 channels"):
        run_sample_crop(tflite.write(replace(graph, tensors=tuple(tensors))))


def test_bundled_files_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [tflite.read(zoo.tflite(name, "int8").read_bytes()) for name in zoo.names()]
    reads: list[Path] = []
    read_bytes = Path.read_bytes

    def recorded(path: Path) -> bytes:
        reads.append(path)
        return read_bytes(path)

    sample_crop._bundled_float_files.cache_clear()
    monkeypatch.setattr(Path, "read_bytes", recorded)
    counterparts = [sample_crop._float_counterpart(model, ()) for model in models]
    assert counterparts == [read_bytes(zoo.tflite(name, "fp32")) for name in zoo.names()]
    assert len(reads) == len(zoo.names()) + len(models)


def test_the_crop_is_read_as_the_file_stores_it_and_what_is_assumed_is_noted() -> None:
    scale_1 = run_sample_crop(tflite.write(upscalers.quantized_resize("uint8", (1.0, 0))))
    np.testing.assert_array_equal(scale_1.result, scale_1.lr.repeat(2, axis=0).repeat(2, axis=1))
    assert ["dB on a bundled image where bicubic gives" in note for note in scale_1.notes] == [True]
    recorded = run_sample_crop(zoo.tflite(zoo.DEFAULT, "fp32").read_bytes())
    assumed = run_sample_crop(tflite.write(upscalers.bundled_in_0_255()), name="m.tflite")
    np.testing.assert_allclose(assumed.result, recorded.result, atol=1e-2)
    assert [note.partition(", with which")[0] for note in assumed.notes] == ["m.tflite: values in [0, 255] are assumed"]
    first = run_sample_crop(tflite.write(upscalers.DOUBLING["NCHW"]()))
    np.testing.assert_allclose(first.result, first.lr.repeat(2, axis=0).repeat(2, axis=1), atol=1e-4)


@pytest.mark.parametrize("stale", upscalers.STALE)
def test_the_crop_of_a_file_with_outdated_shapes(stale: str) -> None:
    crop = run_sample_crop(tflite.write(upscalers.with_stale_shapes(upscalers.DOUBLING["6-D shuffle"](), stale)))
    np.testing.assert_allclose(crop.result, crop.lr.repeat(2, axis=0).repeat(2, axis=1), atol=1e-4)
