"""`.tflite` files of other projects: the right picture at any size, or one sentence."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import ecbsr_mobile
from ecbsr_mobile import EcbsrError, TfliteModel, UsageError, images, load, tflite, upscale, zoo
from ecbsr_mobile.cli import evaluate as command
from ecbsr_mobile.tflite import Graph, with_metadata, write, xnnpack_probe
from ecbsr_mobile.tflite.value_range import METADATA
from ecbsr_mobile.upscaling import open_model
from tests.helpers import litert, upscalers
from tests.helpers.tflite_models import GraphBuilder, plain_network

pytestmark = pytest.mark.filterwarnings("ignore:.*where bicubic gives:UserWarning")


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    path = next(path for path in zoo.pictures() if path.stem == "chelsea")
    return images.read(path).pixels[40:177, 60:251]


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Graph | bytes], Path]:
    def save(model: Graph | bytes) -> Path:
        path = tmp_path / "model.tflite"
        path.write_bytes(model if isinstance(model, bytes) else write(model))
        return path

    return save


@pytest.mark.parametrize("name", upscalers.DOUBLING)
def test_any_form_of_a_model_that_repeats_pixels_does_so_at_any_size(
    name: str, cat: np.ndarray, save: Callable[..., Path]
) -> None:
    model = TfliteModel(save(upscalers.DOUBLING[name]()))
    for picture in (cat, cat[:32, :48], cat[:7, :9], cat[:33, :191]):
        luma = images.luma(picture)[:, :, None] / np.float32(255)
        values = luma if model.colors == 1 else picture.astype(np.float32) / np.float32(255)
        expected = values.repeat(2, axis=0).repeat(2, axis=1)
        assert np.abs(model.run(values) - expected).max() <= 0.51 / 127.5  # [-1, 1] in 8 bits is the coarsest


@pytest.mark.parametrize(
    "make",
    [
        upscalers.dilated,
        lambda: upscalers.dilated(8),
        upscalers.strided,
        upscalers.pooled,
        upscalers.space_to_depth,
        upscalers.space_to_depth_with_mean,
        upscalers.unshuffle_6d,
        lambda: upscalers.globally_pooled(by_mean=True),
        lambda: upscalers.resized("RESIZE_BILINEAR", half_pixel=True),
        lambda: upscalers.resized("RESIZE_BILINEAR", half_pixel=False, aligned=True),
    ],
)
def test_tiles_have_no_seams(make: Callable[[], Graph], cat: np.ndarray, save: Callable[..., Path]) -> None:
    model = TfliteModel(save(make()))
    np.testing.assert_array_equal(upscale(cat, model, tile=61), upscale(cat, model, tile=1000))


def test_a_size_that_cannot_be_changed_runs_in_tiles_and_seams_are_announced(
    cat: np.ndarray, save: Callable[..., Path]
) -> None:
    path = save(upscalers.globally_pooled(by_mean=False))
    with pytest.warns(UserWarning, match="runs at 48x32 only and can depend on all of it: tiles may have seams"):
        model = TfliteModel(path)
    own = TfliteModel(save(upscalers.globally_pooled(by_mean=True)))  # the same network, at its own size
    values = cat[:32, :48].astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(model.run(values), own.run(values), atol=1e-5)
    assert upscale(cat, model).shape == (274, 382, 3)


def test_a_field_that_is_wider_than_a_tile_of_a_fixed_size_is_announced(save: Callable[..., Path]) -> None:
    make = GraphBuilder()
    place = make.constant(np.linspace(0, 1, 24 * 24 * 3, dtype=np.float32).reshape(1, 24, 24, 3))
    features = make.conv(make.add(make.input((1, 24, 24, 3)), place), 12, dilation=12)
    path = save(make.graph(make.depth_to_space(features, 2)))
    with pytest.warns(UserWarning, match="runs at 24x24 only and can depend on what is 12 pixels away: tiles may"):
        TfliteModel(path)


def test_a_model_that_adds_something_to_each_place_is_announced(save: Callable[..., Path]) -> None:
    make = GraphBuilder()
    larger = make.depth_to_space(upscalers.copying(make, make.input((1, 32, 48, 3)), 4), 2)
    ramp = make.constant(np.linspace(0, 0.1, 96, dtype=np.float32).reshape(1, 1, 96, 1))
    path = save(make.graph(make.add(larger, ramp)))
    with pytest.warns(UserWarning, match="48x32 only and turns one gray into another at each place: tiles may"):
        TfliteModel(path, value_range=1)


def test_own_size_tiles_equal_the_whole_where_the_field_is_bounded(cat: np.ndarray, save: Callable[..., Path]) -> None:
    model = TfliteModel(save(upscalers.strided()))
    values = cat.astype(np.float32) / np.float32(255)
    whole = model.run(values)
    model._own_size = upscalers.SIZE
    in_tiles = model.run(values)[:-12, :-12]  # beyond its right and bottom border, the image is mirrored
    np.testing.assert_allclose(in_tiles, whole[:-12, :-12], atol=1e-5)


def test_a_resized_model_that_computes_something_else_is_not_resized(
    cat: np.ndarray, save: Callable[..., Path]
) -> None:
    make = GraphBuilder()
    image = make.input((1, 32, 48, 3))
    larger = make.depth_to_space(upscalers.copying(make, image, 4), 2)
    # It exchanges the halves of the rows, which no size of 2x and its half can be told from more rows.
    halves = upscalers.transpose(make, upscalers.reshape(make, larger, (1, 2, 32, 96, 3)), (0, 2, 1, 3, 4))
    path = save(make.graph(upscalers.reshape(make, halves, (1, 64, 96, 3))))
    result = TfliteModel(path).run(cat[:32, :48].astype(np.float32) / np.float32(255))
    assert result.shape == (64, 96, 3)
    with pytest.raises(EcbsrError, match="cannot be given the size 96x64: at node"):
        tflite.at_size(tflite.read(path), 96, 64)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (lambda: _of_shape((4, 32, 48, 3), (4, 64, 96, 3)), "is a batch of 4 images"),
        (lambda: _of_shape((32, 48, 3), (64, 96, 3)), r"has shape \[32, 48, 3\]; convert it for an image"),
        (lambda: _of_shape((1, 32, 48, 4), (1, 64, 96, 4)), "has 4 channels; convert it for images of 1"),
        (lambda: _of_shape((1, 32, 48, 3), (1, 64, 96, 1)), r"\[1, 64, 96, 1\], not an integer multiple"),
        (lambda: _of_shape((1, 32, 48, 3), (1, 48, 72, 3)), r"\[1, 48, 72, 3\], not an integer multiple"),
    ],
)
def test_what_is_no_image_is_refused(graph: Callable[[], Graph], message: str, save: Callable[..., Path]) -> None:
    path = save(graph())
    with pytest.raises(EcbsrError, match=message) as error:
        TfliteModel(path)
    assert str(error.value).startswith(f"{path}: ")


def test_infinities_and_nan_are_refused(tmp_path: Path, save: Callable[..., Path]) -> None:
    make = GraphBuilder()
    larger = make.depth_to_space(upscalers.copying(make, make.input((1, 32, 48, 3)), 4), 2)
    path = save(make.graph(make.add(larger, make.constant(np.float32([np.nan])))))
    with pytest.raises(EcbsrError, match="gives infinities or NaN for a bundled image; check its weights"):
        TfliteModel(path)
    net = load(zoo.DEFAULT)
    net.convs[0].weight.data[0, 0, 0, 0] = 3e38
    ecbsr_mobile.save(net, tmp_path / "large.safetensors")
    with pytest.raises(EcbsrError, match=r"large\.safetensors: it gives infinities or NaN"):
        open_model(tmp_path / "large.safetensors")


def test_variables_that_nothing_sets_are_refused(save: Callable[..., Path]) -> None:
    make = GraphBuilder()
    image = make.input((1, 32, 48, 3))
    handle = make.node("VAR_HANDLE", [], (), dtype="int32", options=schema.VarHandleOptionsT("", "bias"))
    make.tensors[handle] = replace(make.tensors[handle], kind="RESOURCE")
    bias = make.node("READ_VARIABLE", [handle], (12,), options=schema.ReadVariableOptionsT())
    path = save(make.graph(make.depth_to_space(make.add(upscalers.copying(make, image, 4), bias), 2)))
    with pytest.raises(EcbsrError, match=r"model\.tflite: the model reads variables that nothing in it sets, so its"):
        TfliteModel(path)


def _of_shape(shape: tuple[int, ...], result: tuple[int, ...]) -> Graph:
    make = GraphBuilder()
    target = make.constant(np.array(result, np.int32))
    return make.graph(
        make.node("BROADCAST_TO", [make.unary("ABS", make.input(shape)), target], result)
        if np.prod(shape) == np.prod(result)
        else make.node("RESHAPE", [_enlarged(make, shape, result), target], result)
    )


def _enlarged(make: GraphBuilder, shape: tuple[int, ...], result: tuple[int, ...]) -> int:
    flat = upscalers.reshape(make, make.input(shape), (1, int(np.prod(shape))))
    count = -(-int(np.prod(result)) // int(np.prod(shape)))
    times = make.constant(np.array([1, count], np.int32))
    tiled = make.node("TILE", [flat, times], (1, int(np.prod(shape)) * count))
    begin, size = make.constant(np.int32([0, 0])), make.constant(np.int32([1, int(np.prod(result))]))
    return make.node("SLICE", [tiled, begin, size], (1, int(np.prod(result))))


def test_names_that_are_no_utf_8_do_not_matter(cat: np.ndarray, save: Callable[..., Path]) -> None:
    """LiteRT loads the file and runs it; only its description of the tensors fails."""
    data = write(upscalers.DOUBLING["depth to space"]())
    assert data.count(b"\x02\0\0\0t0\0") == 1
    path = save(data.replace(b"\x02\0\0\0t0\0", b"\x02\0\0\0\xffa\0"))
    with pytest.raises(UnicodeDecodeError):
        litert.interpreter(path.read_bytes()).get_input_details()
    values = cat.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(TfliteModel(path).run(values), values.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("stale", upscalers.STALE)
def test_outdated_shapes_in_the_file_do_not_matter(stale: str, cat: np.ndarray, save: Callable[..., Path]) -> None:
    """LiteRT infers all shapes but the input's; an editor of the input's shape leaves the others as they were."""
    path = save(upscalers.with_stale_shapes(upscalers.DOUBLING["6-D shuffle"](), stale))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*tiles")
        model = TfliteModel(path)
    for picture in (cat, cat[:32, :48]):
        values = picture.astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(model.run(values), values.repeat(2, axis=0).repeat(2, axis=1))


def test_a_file_that_crashes_the_runtime_gives_a_sentence(save: Callable[..., Path]) -> None:
    path = save(upscalers.crashing())
    assert "crashed (SIG" in xnnpack_probe.probe(path.read_bytes()).error
    with pytest.raises(EcbsrError, match=r"model\.tflite: LiteRT crashes on it \(SIG[A-Z]+\): it is damaged"):
        TfliteModel(path)


def test_of_several_subgraphs_the_first_is_used_and_said(cat: np.ndarray, save: Callable[..., Path]) -> None:
    first, second = upscalers.DOUBLING["depth to space"](), plain_network(size=(96, 64), colors=3)
    path = save(upscalers.two_subgraphs(first, second))
    with pytest.warns(UserWarning, match="the first of its 2 subgraphs is used"):
        model = TfliteModel(path)
    values = cat.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(model.run(values), values.repeat(2, axis=0).repeat(2, axis=1))


def test_a_subgraph_that_the_first_runs_is_not_called_ignored(cat: np.ndarray, save: Callable[..., Path]) -> None:
    first, branch = GraphBuilder(), GraphBuilder()
    image = first.input((1, 32, 48, 3))
    options = schema.IfOptionsT(1, 1)
    chosen = first.node("IF", [first.constant(np.array(True)), image], (1, 32, 48, 3), options=options)
    larger = first.graph(first.depth_to_space(upscalers.copying(first, chosen, 4), 2))
    path = save(
        upscalers.two_subgraphs(larger, branch.graph(upscalers.copying(branch, branch.input((1, 32, 48, 3)), 1)))
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*subgraphs")
        model = TfliteModel(path)
    values = cat.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(model.run(values), values.repeat(2, axis=0).repeat(2, axis=1))


def test_a_refusal_of_the_first_of_several_subgraphs_says_so(save: Callable[..., Path]) -> None:
    make = GraphBuilder()
    path = save(upscalers.two_subgraphs(make.graph(make.conv(make.input((1, 32, 48, 3)), 4)), plain_network()))
    with pytest.raises(EcbsrError, match=r"not an integer multiple; .* \(the first of its 2 subgraphs\)$"):
        TfliteModel(path)


def test_a_float_range_that_is_not_recorded_is_the_one_that_gives_the_better_image(
    cat: np.ndarray, save: Callable[..., Path]
) -> None:
    expected = upscale(cat, zoo.tflite(zoo.DEFAULT, "fp32"))
    path = save(upscalers.bundled_in_0_255())
    with pytest.warns(
        UserWarning, match=r"values in \[0, 255\] are assumed, .* 34\.\d+ dB .*; \[0, 1\] gives 16\.\d+ dB"
    ):
        found = TfliteModel(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = TfliteModel(path, value_range=255)
    for model in (found, given):
        assert np.abs(upscale(cat, model).astype(int) - expected).max() <= 1
    with pytest.warns(UserWarning, match=r"gives 16\.\d+ dB on a bundled image where bicubic gives 33\.\d+ dB"):
        TfliteModel(path, value_range=1)
    for value_range in (0, 1.5, 256):
        with pytest.raises(UsageError, match=rf"the range {value_range} is not known; use 1, 255 or -1"):
            TfliteModel(path, value_range=value_range)


@pytest.mark.parametrize("name", [zoo.DEFAULT, "ecbsr-m4c8-x2", "ecbsr-m10c16-x4"])
def test_values_in_minus_1_to_1_are_found_though_other_values_give_nearly_the_same(
    name: str, cat: np.ndarray, save: Callable[..., Path]
) -> None:
    path = save(upscalers.bundled_for(-1, 1, name))
    with pytest.warns(UserWarning, match=r"values in \[-1, 1\] are assumed"):
        model = TfliteModel(path)
    expected = upscale(cat, zoo.tflite(name, "fp32"))
    for other in (model, TfliteModel(path, value_range=-1)):
        assert np.abs(upscale(cat, other).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", ["ecbsr-m6c16-leaky-real-x4", "ecbsr-m4c8-x2"])
def test_values_around_zero_are_found(name: str, cat: np.ndarray, save: Callable[..., Path]) -> None:
    with pytest.warns(UserWarning, match=r"values in \[-128, 127\] are assumed"):
        model = TfliteModel(save(upscalers.bundled_for(-128, 127, name)))
    assert np.abs(upscale(cat, model).astype(int) - upscale(cat, zoo.tflite(name, "fp32"))).max() <= 1


@pytest.mark.parametrize("name", [path.stem for path in sorted(zoo.FOLDER.glob("*-fp32.tflite"))])
def test_values_in_0_to_1_are_used_without_a_word(name: str, save: Callable[..., Path]) -> None:
    graph = tflite.read(zoo.FOLDER / f"{name}.tflite")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TfliteModel(save(replace(graph, metadata={})))


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("bytes", "unit", r"[0, 255] in and [0, 1] out"),
        ("signed", "bytes", r"[-1, 1] in and [0, 255] out"),
        ("bytes", "signed", r"[0, 255] in and [-1, 1] out"),
        ("centered", "centered", "[-0.5, 0.5]"),
        ("imagenet", "unit", "[-2.1179/-2.03571/-1.80444, 2.24891/2.42857/2.64] in and [0, 1] out"),
    ],
)
def test_ranges_of_a_model_that_is_less_good_than_bicubic(
    source: str, target: str, text: str, cat: np.ndarray, save: Callable[..., Path]
) -> None:
    graph = upscalers.between_ranges(source, target)
    with pytest.warns(UserWarning, match=rf"values in {re.escape(text)} are assumed"):
        model = TfliteModel(save(graph))
    values = cat.astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(model.run(values), values.repeat(2, axis=0).repeat(2, axis=1), atol=1e-5)


def test_the_range_of_a_model_that_changes_contrast_is_the_only_one_that_gives_an_image(
    cat: np.ndarray, save: Callable[..., Path]
) -> None:
    with pytest.warns(UserWarning, match=r"gives \d+\.\d+ dB .*: it is not trained for this, or .* not in \[0, 255\]"):
        model = TfliteModel(save(upscalers.changing_contrast()))
    expected = (cat * 0.7 + 25).repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(upscale(cat, model) - expected).max() <= 0.51


def test_three_channels_that_are_no_rgb_are_announced(save: Callable[..., Path]) -> None:
    with pytest.warns(UserWarning, match=r"seem to be Y, Cb and Cr, with which it gives 32\.\d+ dB .*, 31\.\d+ dB: "):
        TfliteModel(save(upscalers.in_ycbcr()))


@pytest.mark.parametrize(("dtype", "zero"), [("int8", 0), ("uint8", 128)])
def test_integers_of_an_output_without_a_mean_have_the_range_of_the_input(
    dtype: str, zero: int, cat: np.ndarray, save: Callable[..., Path]
) -> None:
    path = save(upscalers.between_ranges("centered", "centered", dtype, (1 / 255, zero)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = TfliteModel(path)
    stored = (cat[None, :32, :48].astype(int) - 128 + zero).astype(dtype)
    expected = litert.result(path.read_bytes(), stored)[0].astype(int) + 128 - zero
    assert np.abs(upscale(cat[:32, :48], model) - expected).max() <= 1


@pytest.mark.parametrize(
    ("values", "black", "white", "text"),
    [("unit", 0, 1, ""), ("bytes", 0, 255, r"[0, 255]"), ("signed", -1, 1, r"[-1, 1]")],
)
def test_the_range_of_a_model_of_scale_1_is_the_one_that_gives_the_better_image(
    values: str, black: float, white: float, text: str, cat: np.ndarray, save: Callable[..., Path]
) -> None:
    path = save(upscalers.restoring(values))
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        model = TfliteModel(path)
    assert [f"values in {text} are assumed" in str(note.message) for note in notes] == ([True] if text else [])
    stored = cat[None, :32, :48].astype(np.float32) / np.float32(255) * np.float32(white - black) + np.float32(black)
    expected = (litert.result(path.read_bytes(), stored)[0] - black) / (white - black) * 255
    assert np.abs(upscale(cat[:32, :48], model) - expected.clip(0, 255)).max() <= 0.51


def test_a_model_of_scale_1_that_changes_an_image_a_lot_is_announced(save: Callable[..., Path]) -> None:
    make = GraphBuilder()
    darker = upscalers.multiplied(make, make.input((1, 32, 48, 3)), 0.2)
    with pytest.warns(UserWarning, match=r"gives \d+\.\d+ dB on a noisy bundled image that has 24\.\d+ dB itself"):
        TfliteModel(save(make.graph(darker)))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("signed", [True, False])
def test_a_symmetric_quantization_stands_for_what_gives_the_better_image(
    dtype: str, signed: bool, cat: np.ndarray, save: Callable[..., Path]
) -> None:
    scale = (1 / 127, 0) if dtype == "int8" else (1 / 32767, 0)
    source = "signed" if signed else "unit"
    model = TfliteModel(save(upscalers.between_ranges(source, source, dtype, scale)))
    values = cat.astype(np.float32) / np.float32(255)
    difference = np.abs(model.run(values) - values.repeat(2, axis=0).repeat(2, axis=1))
    assert difference.max() <= (0.51 / 127 if dtype == "int8" else 1e-4)


def test_recorded_values_are_used_without_a_word(cat: np.ndarray, save: Callable[..., Path]) -> None:
    graph = with_metadata(upscalers.bundled_in_0_255(), METADATA, upscalers.normalization([0.0], [1.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = TfliteModel(save(graph))
        TfliteModel(zoo.tflite(zoo.DEFAULT))
    expected = upscale(cat, zoo.tflite(zoo.DEFAULT, "fp32"))
    assert np.abs(upscale(cat, model).astype(int) - expected).max() <= 1


def test_an_option_that_a_file_cannot_honor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out identity"):
        open_model(zoo.tflite(zoo.DEFAULT), identity=True)
    with pytest.raises(UsageError, match="leave out activation"):
        open_model(zoo.tflite(zoo.DEFAULT), activation="relu")
    with pytest.raises(UsageError, match="leave out the range 255"):
        open_model(zoo.tflite(zoo.DEFAULT), value_range=255)
    images.write(images.Picture(np.full((64, 64, 3), 90, np.uint8)), tmp_path / "one.png")
    assert command.main([str(zoo.tflite(zoo.DEFAULT)), "--range", "1", "--data", str(tmp_path)]) == 0


@pytest.mark.parametrize(("name", "psnr"), [("base7_D4C28_bs16ps64_lr1e-3", 32.86), ("trial11-model_none", 30.82)])
def test_public_files_of_scale_1(name: str, psnr: float, cases: Path, tmp_path: Path) -> None:
    from ecbsr_mobile import evaluate

    for path in zoo.pictures():
        if path.stem in ("chelsea", "coffee"):
            (tmp_path / path.name).symlink_to(path.resolve())
    mean, _ = evaluate(TfliteModel(cases / "range255" / f"{name}.tflite"), tmp_path)
    assert mean.psnr == pytest.approx(psnr, abs=0.005)
