from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ecbsr_mobile import images, load
from ecbsr_mobile.architecture import Activation, PReLUDecomposition
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet
from ecbsr_mobile.reference_picture import reduced
from ecbsr_mobile.tflite import interpreter
from export.convert.direct import direct_graph
from export.quantize.calibration import calibrate, graph_loss, int8_of, observe, search, sheet
from export.quantize.distillation import expected_loss, targets
from export.validation.sample_images import Sample, drawings, samples
from tests.helpers.int8 import observed
from tests.helpers.networks import SIZE, net, photo


@pytest.fixture(scope="module")
def sample() -> Sample:
    pixels = (photo(1, 64, 64) * 255).round().astype(np.uint8)
    hr = np.repeat(np.repeat(pixels[:, :, 0], 2, 0), 2, 1)
    return Sample("photo.png", pixels, hr, (pixels,))


@pytest.mark.parametrize(
    ("activation", "decomposition"),
    [("prelu", "single"), ("prelu", "double"), ("prelu", "native"), ("relu", "single"), ("leaky", "native")],
)
def test_calibration_beats_observed_ranges_and_is_repeatable(
    activation: Activation, decomposition: PReLUDecomposition, sample: Sample
) -> None:
    plain = net(1, 2, activation)
    graph, measured = direct_graph(plain, SIZE), targets(plain, [sample])
    first, second = (calibrate(plain, decomposition, graph, [sample], measured) for _ in range(2))
    assert torch.equal(first.weights.ranges, second.weights.ranges)
    assert (first.method, first.loss_db, first.evaluations) == (second.method, second.loss_db, second.evaluations)
    assert first.loss_db == graph_loss(int8_of(graph, first.weights), measured)
    assert first.loss_db <= graph_loss(int8_of(graph, observed(plain, decomposition).weights()), measured)


@pytest.mark.parametrize("lowest", [0.0, -0.5])
def test_a_relu_network_loses_in_the_simulation_what_its_graph_loses(lowest: float, sample: Sample) -> None:
    """Whatever its ranges: training can move a lower end below zero, where a ReLU gives nothing."""
    plain = net(1, 2, "relu")
    graph, measured = direct_graph(plain, SIZE), targets(plain, [sample])
    weights = calibrate(plain, "single", graph, [sample], measured).weights
    ranges = torch.stack([weights.ranges[:, 0] + lowest, weights.ranges[:, 1]], 1)
    simulation = FakeQuantNet(weights.net, "single", ranges)
    in_graph = graph_loss(int8_of(graph, replace(weights, ranges=ranges)), measured)
    assert expected_loss(simulation, measured) == pytest.approx(in_graph, rel=0.02)


def test_the_expected_loss_is_that_of_an_error_independent_of_the_float_networks(sample: Sample) -> None:
    """Noise as large as the float network's own error costs 10·log10(2) dB; none costs none."""
    plain = net(1, 2, "prelu")
    (measured,) = targets(plain, [sample])
    float_result = plain(measured.image).clamp(0, 1)
    luma = float_result[0, 0].numpy() * 255
    assert measured.mse == pytest.approx(np.mean((luma - sample.hr_luma) ** 2) / 255**2, rel=1e-4)
    assert expected_loss(lambda image: plain(image).clamp(0, 1), [measured]) == 0
    noise = torch.full_like(float_result, measured.mse**0.5)
    assert expected_loss(lambda _image: float_result + noise, [measured]) == pytest.approx(3.0103, abs=1e-3)
    twice = [measured, replace(measured, mse=measured.mse / 3)]
    assert expected_loss(lambda _image: float_result + noise, twice) == pytest.approx((3.0103 + 6.0206) / 2, abs=1e-3)


def test_the_expected_loss_of_a_graph_is_that_of_its_result(sample: Sample) -> None:
    plain = net(1, 2, "prelu")
    graph, measured = int8_of(direct_graph(plain, SIZE), observed(plain, "double").weights()), targets(plain, [sample])
    result = np.clip(interpreter.run(graph, sample.image), 0, 1)
    added = np.mean((result - measured[0].result[0].numpy().transpose(1, 2, 0)) ** 2)
    assert graph_loss(graph, measured) == pytest.approx(10 * np.log10(1 + added / measured[0].mse), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "decomposition"), [("m4c16-relu", "single"), ("m4c16", "single"), ("m4c16", "double")]
)
def test_rendered_text_loses_little_after_calibration_on_the_bundled_drawing(
    name: str, decomposition: PReLUDecomposition
) -> None:
    """Other text than in the drawing: ranges of photographs alone clip its edges."""
    plain = load(f"ecbsr-{name}-x2")
    graph, photographs = direct_graph(plain, SIZE), samples(None, 2, 1)[:3]
    shown = targets(plain, [rendered_text()])
    losses = []
    for chosen in (photographs, [*photographs, *drawings(2, 1)]):
        weights = calibrate(plain, decomposition, graph, chosen, targets(plain, chosen)).weights
        losses.append(graph_loss(int8_of(graph, weights), shown))
    assert losses[1] < 0.6 * losses[0]


def test_of_ranges_that_are_about_equal_those_that_keep_text_are_taken() -> None:
    """The magnitudes of a network's channels mean nothing, but ranges that clip text are a little better with these."""
    plain = load("ecbsr-m4c16-relu-x2")
    for layer in range(len(plain.acts)):
        conv, following = plain.convolutions[layer : layer + 2]
        conv.weight *= 3.3
        conv.bias *= 3.3
        following.weight /= 3.3
    graph, shown = direct_graph(plain, SIZE), targets(plain, [rendered_text()])
    chosen = [*samples(None, 2, 1), *drawings(2, 1)]
    measured = targets(plain, chosen)
    starts = observe(plain, "single", graph, chosen, measured)
    result = search(starts, graph, chosen, measured)
    assert result.loss_db < 1.1 * starts[0].loss_db
    before, after = (graph_loss(int8_of(graph, each.weights), shown) for each in (starts[0], result))
    assert after < 0.5 * before


@pytest.mark.parametrize(
    ("activation", "decomposition"), [("relu", "single"), ("prelu", "single"), ("prelu", "double"), ("leaky", "native")]
)
def test_flat_colors_that_no_image_shows_are_not_clipped(
    activation: Activation, decomposition: PReLUDecomposition, sample: Sample
) -> None:
    """A channel is for blue alone, of which photographs have little, and gray ones nothing."""
    plain = deepcopy(net(3, 2, activation))
    for number, conv in enumerate(plain.convolutions):
        conv.bias.zero_()
        conv.weight.zero_()[0, 0, 1, 1] = number != 0
    plain.convolutions[0].weight[0, :, 1, 1] = torch.tensor([-1.0, -1.0, 3.0])
    plain.convolutions[-1].weight[:4, 0, 1, 1] = 0.15  # the red of every sub-pixel
    gray = replace(sample, lr=sample.lr.repeat(3, 2), views=(sample.lr.repeat(3, 2),))
    graph, measured = direct_graph(plain, SIZE), targets(plain, [gray])
    blue = np.broadcast_to(np.float32([0, 0, 1]), (9, 9, 3))
    weights = calibrate(plain, decomposition, graph, [gray], measured).weights
    result = interpreter.run(int8_of(graph, weights), blue)[9, 9]
    np.testing.assert_allclose(result, [0.45, 0, 1], atol=2 / 255)


@pytest.mark.parametrize("decomposition", ["single", "double", "native"])
def test_the_border_of_a_white_image_is_not_clipped(decomposition: PReLUDecomposition, sample: Sample) -> None:
    """A channel is for the last row, where padding makes it large: no photograph is white there."""
    plain = deepcopy(net(1, 2, "prelu"))
    for number, conv in enumerate(plain.convolutions):
        conv.bias.zero_()
        conv.weight.zero_()[0, 0, 1, 1] = number != 0
    plain.convolutions[0].weight[0, 0, :, 1] = torch.tensor([0.0, 1.0, -1.0])
    plain.convolutions[-1].weight[:, 0, 1, 1] = -0.4
    dark = replace(sample, lr=sample.lr // 4, views=(sample.lr // 4,))
    graph, measured = direct_graph(plain, SIZE), targets(plain, [dark])
    white = np.ones((9, 9, 1), np.float32)
    weights = calibrate(plain, decomposition, graph, [dark], measured).weights
    result = interpreter.run(int8_of(graph, weights), white)
    np.testing.assert_allclose(result[-2:], 0.6, atol=3 / 255)
    np.testing.assert_allclose(result[:-2], 1, atol=3 / 255)


def rendered_text() -> Sample:
    page = Image.new("L", (128, 96), 255)
    ImageDraw.Draw(page).text((4, 4), "WAITING\nfor 27 files\n#include <x.h>", fill=0, font_size=22)
    hr = np.array(page)
    lr = reduced(np.repeat(hr[:, :, None], 3, 2), 2, 1)
    return Sample("text.png", lr, images.round_to(images.luma(np.repeat(hr[:, :, None], 3, 2)), np.uint8), (lr,))


def test_a_leaky_network_loses_as_much_whatever_the_magnitudes_of_its_channels(sample: Sample) -> None:
    plain = load("ecbsr-m6c16-leaky-x2")
    uneven = deepcopy(plain)
    for layer in range(len(uneven.acts)):
        factors = torch.logspace(-1, 1, 16)[torch.randperm(16, generator=torch.Generator().manual_seed(layer))]
        conv, following = uneven.convolutions[layer : layer + 2]
        conv.weight *= factors[:, None, None, None]
        conv.bias *= factors
        following.weight /= factors[:, None, None]
    losses = [
        observe(each, "native", direct_graph(each, SIZE), [sample], targets(each, [sample]))[0].loss_db
        for each in (plain, uneven)
    ]
    assert losses[1] < 1.5 * losses[0]


def test_sheet_has_one_size_for_any_image(random) -> None:
    for shape in ((9, 200, 1), (300, 5, 3), (700, 900, 3), (1, 1, 1)):
        blocks = sheet([random.integers(0, 256, shape, np.uint8)])
        assert blocks.shape[1:] == (64, shape[2])
        assert blocks.shape[0] % 64 == 0 and 64 <= blocks.shape[0] <= 24 * 64
