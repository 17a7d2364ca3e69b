"""Scaling the channels of a network for int8: the same function, with ranges that its values fill."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from ecbsr_mobile import PlainNet
from ecbsr_mobile.architecture import Activation
from ecbsr_mobile.network import Int8Weights
from ecbsr_mobile.quantization.channel_scales import (
    CLIPPED_SHARE_OF_DRAWINGS,
    EqualizedLayer,
    balanced,
    channel_statistics,
    equalize_for_double,
    equalize_partly,
    equalize_relu,
    flat_colors,
    limits_of_flat_colors,
)
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes
from ecbsr_mobile.quantization.qparams import double_ranges, scale_and_zero_point
from ecbsr_mobile.quantization.rounding import double_prelu, fake_quantize_channels
from tests.helpers.int8 import bundled_image, observed, with_long_tails
from tests.helpers.networks import net


def scaled(activation: Activation) -> tuple[PlainNet, list[EqualizedLayer]]:
    plain = fold_steep_slopes(net(1, 2, activation)).requires_grad_(False)
    statistics = channel_statistics(plain, [bundled_image(1)])
    if activation == "prelu":
        return plain, equalize_for_double(plain, statistics)
    ranges = equalize_relu(plain, statistics)
    limits = torch.tensor([-torch.inf, torch.inf]).expand(plain.architecture.channels, 2)
    return plain, [EqualizedLayer(limits, act) for act in ranges]


def activations(plain: PlainNet, image: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What each convolution but the last gives, and its activation."""
    found, y = [], image
    for conv, act in zip(plain.convolutions, plain.acts, strict=False):
        conv_result = conv(y)
        y = act(conv_result)
        found.append((conv_result, y))
    return found


@pytest.mark.parametrize("activation", ["prelu", "relu"])
def test_scaling_channels_does_not_change_the_function(activation: Activation) -> None:
    plain, image = net(1, 2, activation), bundled_image(1, 40, 50)
    torch.testing.assert_close(scaled(activation)[0](image), plain(image), rtol=0, atol=2e-5)
    native = fold_steep_slopes(net(1, 2, "prelu")).requires_grad_(False)
    equalize_partly(native, channel_statistics(native, [image]), 5e-4, 1.0, addends=True)
    torch.testing.assert_close(native(image), net(1, 2, "prelu")(image), rtol=0, atol=2e-5)


def test_statistics_are_those_of_all_images() -> None:
    plain = fold_steep_slopes(net(1, 2, "prelu")).requires_grad_(False)
    image = bundled_image(1)
    parts = [image[:, :, :60], image[:, :, 60:].repeat(3, 1, 1, 1)]
    first = [torch.cat([plain.convolutions[0](part).transpose(0, 1).flatten(1) for part in parts], 1)]
    found = channel_statistics(plain, parts)[0]
    assert found.pixels == first[0].shape[1]
    torch.testing.assert_close(found.lowest[:, 0], first[0].amin(1))
    torch.testing.assert_close(found.highest[:, 3], first[0].sort(1, descending=True).values[:, 3])
    torch.testing.assert_close(found.positive, (first[0] > 0).float().mean(1))


def test_of_drawings_all_but_the_rarest_extremes_count() -> None:
    plain = fold_steep_slopes(net(1, 2, "prelu")).requires_grad_(False)
    photographs, drawing = bundled_image(1) * 0.3, bundled_image(1, 60, 50) * 3
    parts = [channel_statistics(plain, [image]) for image in (photographs, drawing)]
    values = [plain.convolutions[0](image).transpose(0, 1).flatten(1) for image in (photographs, drawing)]
    found = parts[0][0].with_drawings(parts[1][0])
    left_out = int(CLIPPED_SHARE_OF_DRAWINGS * values[1].shape[1])
    assert left_out == 30
    highest = torch.maximum(values[0].amax(1), values[1].sort(1, descending=True).values[:, left_out])
    torch.testing.assert_close(found.highest[:, 0], highest)
    torch.testing.assert_close(
        found.lowest[:, 0], torch.minimum(values[0].amin(1), values[1].sort(1).values[:, left_out])
    )
    torch.testing.assert_close(found.positive, parts[0][0].positive)


@pytest.mark.parametrize("colors", [1, 3])
def test_limits_of_flat_colors_are_those_in_the_middle_and_at_the_border_of_a_large_flat_image(colors: int) -> None:
    plain = net(colors, 2, "prelu").requires_grad_(False)
    y = flat_colors(colors)[:, :, None, None].expand(-1, -1, 31, 41)
    for conv, act, limits in zip(plain.convolutions, plain.acts, limits_of_flat_colors(plain), strict=False):
        y = conv(y)
        values = torch.cat([y[:, :, 15], y[:, :, :, 20]], 2)
        torch.testing.assert_close(limits, torch.stack([values.amin((0, 2)), values.amax((0, 2))], 1))
        y = act(y)


@pytest.mark.parametrize("activation", ["prelu", "relu"])
def test_ranges_contain_the_values_and_channels_fill_them(activation: Activation) -> None:
    plain, layers = scaled(activation)
    for layer, (conv, act) in zip(layers, activations(plain, bundled_image(1)), strict=True):
        low, high = layer.act
        assert low - 1e-4 <= act.min() and act.max() <= high + 1e-4
        filled = torch.maximum(act.amax((0, 2, 3)) / high, -act.amin((0, 2, 3)) / -min(low, -1e-9))
        assert filled.max() > 0.98
        assert (conv.amax((0, 2, 3)) <= layer.channel_ranges[:, 1] + 1e-4).all()


def test_positive_values_pass_a_double_prelu_unchanged_where_the_scales_agree() -> None:
    """(1 - slope)·n and slope·n, rounded apart, add up to the integer n again, but where both end in a half."""
    plain, layers = scaled("prelu")
    layer, slope = layers[0], plain.acts[0].weight
    low, high = layer.channel_ranges.unbind(1)
    act = torch.tensor(layer.act)
    step, _ = scale_and_zero_point(*layer.act)
    agreeing = ((high - low) / 255 / step - 1).abs() < 1e-5
    assert 0 < agreeing.sum() < 8
    conv = plain.convolutions[0](bundled_image(1)).contiguous(memory_format=torch.channels_last)
    x = fake_quantize_channels(conv, low, high)
    y = double_prelu(x, slope, *double_ranges(tuple(act)), tuple(act))
    unchanged = ((x - y).abs() < 0.01 * step)[:, agreeing]
    assert unchanged[x[:, agreeing] > 0].float().mean() > 0.995
    assert ((x - y).abs() < 0.01 * step)[:, ~agreeing].float().mean() < 0.5


@torch.no_grad()
def with_magnitudes(plain: PlainNet, lowest: float, highest: float) -> PlainNet:
    """An equal network whose channels have magnitudes from `lowest` to `highest` times those of `plain`."""
    result = deepcopy(plain)
    factors = torch.logspace(math.log10(lowest), math.log10(highest), plain.architecture.channels)
    for conv, following in zip(result.convolutions, result.convolutions[1:], strict=False):
        conv.weight *= factors[:, None, None, None]
        conv.bias *= factors
        following.weight /= factors[:, None, None]
    return result


@pytest.mark.parametrize("activation", ["prelu", "relu", "leaky"])
@pytest.mark.parametrize("magnitudes", [(1e-4, 1e4), (1e-5, 1e-5)])
def test_channels_of_any_magnitude_are_balanced(activation: Activation, magnitudes: tuple[float, float]) -> None:
    plain = fold_steep_slopes(net(1, 2, activation)).requires_grad_(False)
    image = bundled_image(1)
    assert balanced(plain, [image]) is plain
    result = balanced(with_magnitudes(plain, *magnitudes), [image])
    torch.testing.assert_close(result(image), plain(image), rtol=0, atol=2e-5)
    peaks = [act.abs().amax((0, 2, 3)) for _, act in activations(result, image)]
    assert all(((peak == 0) | (peak >= 1) & (peak < 2)).all() for peak in peaks), peaks  # 0: never active


@pytest.mark.parametrize("magnitude", [1e-5, 0.1, 1.0, 1e5])
def test_weights_that_read_an_inactive_channel_do_not_decide_the_steps_of_others(magnitude: float) -> None:
    plain = fold_steep_slopes(net(1, 2, "relu")).requires_grad_(False)
    plain.convolutions[1].bias[2] = -100.0
    plain = with_magnitudes(plain, magnitude, magnitude)
    plain.convolutions[2].weight[:, 2] *= 50
    image = bundled_image(1)
    result = balanced(plain, [image])
    torch.testing.assert_close(result(image), plain(image), rtol=0, atol=2e-5)
    largest = result.convolutions[2].weight.abs().amax((2, 3))
    others = torch.cat([largest[:, :2], largest[:, 3:]], 1).amax(1)
    assert (largest[:, 2] > 0).all() and (largest[:, 2] < 2 * others).all()
    # Where it becomes active after all, it counts as before.
    result.convolutions[1].bias[2] *= -1
    plain.convolutions[1].bias[2] *= -1
    torch.testing.assert_close(result(image), plain(image), rtol=1e-4, atol=1e-4)


def test_int8_does_not_depend_on_the_magnitudes_of_channels() -> None:
    plain = with_long_tails()
    spread = balanced(with_magnitudes(plain, 1e-4, 1e4), [bundled_image(1)])
    errors = [error(observed(each, "double").weights(), plain) for each in (plain, spread)]
    assert errors[1] < 1.2 * errors[0]


def error(weights: Int8Weights, plain: PlainNet) -> float:
    image = bundled_image(1)
    with torch.no_grad():
        simulation = FakeQuantNet(weights.net, weights.decomposition, weights.ranges, weights.channel_ranges)
        return float(F.mse_loss(simulation(image), plain(image).clamp(0, 1)))


def test_double_keeps_a_network_whose_values_reach_far_below_zero() -> None:
    plain = with_long_tails()
    errors = {name: error(observed(plain, name).weights(), plain) for name in ("single", "double", "native")}
    assert errors["double"] < 0.1 * errors["single"]
    assert errors["double"] < errors["native"]
