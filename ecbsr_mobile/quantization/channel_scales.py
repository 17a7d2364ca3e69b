"""Cross-layer equalization: the channels of an int8 network that all use the whole range of their tensor.

An int8 activation has one scale for all its channels, so a channel of small values has few of the 256 integers. A PReLU
or ReLU network computes the same after channel c of an activation is divided by t_c, in the convolution before it, and
multiplied by t_c in the next one. With PReLU written as "double", what the convolution itself gives needs no common
scale either: the depthwise convolutions undo a scale and an offset per channel.

(M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019. Here the tail below zero, which a small slope makes unimportant, is not in the way.)
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..layers import bias_of
from ..network import PlainNet
from .qparams import scale_and_zero_point

CLIPPED_SHARES = (1e-5, 2e-6)
"""Candidates for the share of a channel's values that is clipped at each end."""

RELU_CLIPPED_SHARES = (1e-5, 2e-6, 0.0)
"""The same of a ReLU network, whose channels have one scale."""

NOISE_RATIOS = (0.0, 0.7, 1.0)
"""Candidates for the noise up to which a channel gets the scale of its activation; see `equalize_for_double`."""

NEGATIVE_SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0)
"""Candidates for the negative part of an activation's range, relative to its positive part."""

PARTLY_CLIPPED_SHARES = (1e-4, 5e-4, 2e-3)
"""Candidates for the share of a channel's smallest values that is clipped where PReLU has one scale for all."""

PARTLY_POWERS = (0.5, 0.75, 1.0)
"""Candidates for how far the channels of such a PReLU are made equal; see `equalize_partly`."""

PARTLY_NEGATIVE_SHARES = (0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0)
"""Candidates for the negative part of the range of such a PReLU's input, relative to the positive part."""

MIN_LIMIT = 1e-4
"""Smallest limit of a channel that is (almost) never on one side of zero."""

MIN_SCALE = 2.0**-10
"""Smallest scale of a channel, relative to the largest in its layer: a channel that is never active has none."""

MAX_SPREAD = 2.0**9
"""Largest ratio of the peaks of two channels of a layer that the functions below handle as they are."""

MIN_PEAK = 2.0**-8
"""Smallest largest peak of a layer that they handle."""

DEAD = 2.0**-40
"""A channel whose peak is below this share of the largest one in its layer is never active."""

CLIPPED_SHARE_OF_DRAWINGS = 1e-2
"""Share of the values of a channel, at each end, that drawings and screens have beyond any photograph, and that are
clipped: more costs drawings, and less costs photographs precision."""

FLAT_LEVELS = (0.0, 0.5, 1.0)
"""Values of each channel of the flat colors that are never clipped: photographs have few saturated ones."""

EXTREMES = 4096  # values that are kept of each channel at each end
CHUNK_PIXELS = 2**17


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """What a convolution gives before its activation function, by channel.

    `lowest` and `highest` [C, n] are the n smallest and largest values, the extreme ones first; `positive` [C] is the
    share of values above 0, `pixels` their number.
    """

    lowest: Tensor
    highest: Tensor
    positive: Tensor
    pixels: int

    def limits(self, clipped: float) -> tuple[Tensor, Tensor]:
        """Minimum and maximum [C] without the share `clipped` of the values at each end; below and above 0."""
        index = min(int(clipped * self.pixels), self.lowest.shape[1] - 1)
        low, high = -self.lowest[:, index].clamp(max=-MIN_LIMIT), self.highest[:, index].clamp(min=MIN_LIMIT)
        return -_rounded_up(low), _rounded_up(high)

    def with_drawings(self, drawings: ChannelStatistics) -> ChannelStatistics:
        """These statistics with the extremes of drawings, without the rarest (see `CLIPPED_SHARE_OF_DRAWINGS`)."""
        left_out = min(int(CLIPPED_SHARE_OF_DRAWINGS * drawings.pixels), drawings.lowest.shape[1] - 1)
        lowest = torch.cat([self.lowest, drawings.lowest[:, left_out:]], 1).sort(1).values
        highest = torch.cat([self.highest, drawings.highest[:, left_out:]], 1).sort(1, descending=True).values
        return replace(self, lowest=lowest, highest=highest)

    def with_values(self, values: Tensor) -> ChannelStatistics:
        """These statistics with values [C, n] that no clipping leaves out."""
        lowest = torch.minimum(self.lowest, values.amin(1, keepdim=True))
        return replace(self, lowest=lowest, highest=torch.maximum(self.highest, values.amax(1, keepdim=True)))


def flat_colors(colors: int) -> Tensor:
    """Every color [n, `colors`] of `FLAT_LEVELS`."""
    return torch.cartesian_prod(*[torch.tensor(FLAT_LEVELS)] * colors).reshape(-1, colors)


@torch.no_grad()
def limits_of_flat_colors(net: PlainNet) -> list[Tensor]:
    """Minimum and maximum [C, 2] of every convolution but the last on flat images of `flat_colors`.

    Padding makes values at the borders that the area inside does not have. Corners do not count: their few pixels would
    cost all others precision.
    """
    reach = len(net.convolutions)
    colors, limits = flat_colors(net.architecture.colors)[:, :, None, None], []
    lines = [colors.expand(-1, -1, 2 * reach + 1, 1), colors.expand(-1, -1, 1, 2 * reach + 1)]
    for conv, act in zip(net.convolutions, net.acts, strict=False):
        # In an image of equal lines, kernels are summed across them.
        lines = [
            F.conv2d(lines[0], conv.weight.sum(3, keepdim=True), bias_of(conv), padding=(1, 0)),
            F.conv2d(lines[1], conv.weight.sum(2, keepdim=True), bias_of(conv), padding=(0, 1)),
        ]
        values = torch.cat([line.flatten(2) for line in lines], 2)
        limits.append(torch.stack([values.amin((0, 2)), values.amax((0, 2))], 1))
        lines = [act(line) for line in lines]
    return limits


@torch.no_grad()
def channel_statistics(net: PlainNet, images: Sequence[Tensor]) -> list[ChannelStatistics]:
    """The statistics of every convolution but the last, on LR images, each [N, colors, H, W]."""
    lowest: list[list[Tensor]] = [[] for _ in net.acts]
    highest: list[list[Tensor]] = [[] for _ in net.acts]
    positives = [torch.zeros(net.architecture.channels) for _ in net.acts]
    pixels = 0
    for image in images:
        pixels += image.shape[0] * image.shape[2] * image.shape[3]
        for part in torch.split(image, max(1, CHUNK_PIXELS // (image.shape[2] * image.shape[3]))):
            y = part
            for layer, (conv, act) in enumerate(zip(net.convolutions, net.acts, strict=False)):
                y = conv(y)
                values = y.transpose(0, 1).flatten(1)
                positives[layer] += (values > 0).sum(1)
                count = min(EXTREMES, values.shape[1])
                lowest[layer].append(-(-values).topk(count).values)
                highest[layer].append(values.topk(count).values)
                y = act(y)
    return [
        ChannelStatistics(
            torch.cat(low, 1).sort(1).values[:, :EXTREMES],
            torch.cat(high, 1).sort(1, descending=True).values[:, :EXTREMES],
            positive / pixels,
            pixels,
        )
        for low, high, positive in zip(lowest, highest, positives, strict=True)
    ]


@torch.no_grad()
def balanced(net: PlainNet, images: Sequence[Tensor]) -> PlainNet:
    """The network with channels of one magnitude in each layer where their peaks are far apart, or all very small.

    It computes the same: channels are scaled by powers of two, which change no digit of a weight. Other people's
    weights can have any scales, since nothing in training prefers one; what follows looks for limits and scales that
    are sensible beside each other. A channel that is never active has no magnitude, but the weights that read it do: it
    is scaled until they are below twice those of the other channels, whose int8 steps they would decide.

    Args:
        net: the float network with slopes of at most 1 (see `fold_steep_slopes`), which stays as it is.
        images: typical LR images, each [N, colors, H, W].
    """
    result = deepcopy(net).requires_grad_(False).eval()
    statistics = channel_statistics(result, images)
    scales = []
    layers = result.layers()
    for channels, (_, _, slope), (following, _, _) in zip(statistics, layers, layers[1:], strict=False):
        low, high = channels.lowest[:, 0], channels.highest[:, 0].clamp(min=0)
        peak = high if slope is None else torch.maximum(high, (slope * low).abs())
        alive = peak > DEAD * peak.max()
        powers = torch.exp2(torch.floor(torch.log2(torch.where(alive, peak, 1))))
        usual = not alive.any() or (peak.max() <= MAX_SPREAD * peak[alive].min() and peak.max() >= MIN_PEAK)
        scale = torch.ones_like(peak) if usual else powers
        largest = following.abs().amax((2, 3))
        others = (largest * scale)[:, alive].amax(1, keepdim=True) if alive.any() else torch.zeros_like(largest[:, :1])
        excess = torch.where(others > 0, largest / others, 0).amax(0).clamp(min=1)
        scales.append(torch.where(alive, scale, torch.exp2(-torch.floor(torch.log2(excess)))))
    if all((scale == 1).all() for scale in scales):
        return net
    _divide_channels(result, scales)
    return result


@dataclass(frozen=True, eq=False)
class EqualizedLayer:
    """An activation after `equalize_for_double`.

    `channel_ranges` [C, 2] are those of the convolution, `act` is the range (minimum, maximum) of the activation.
    """

    channel_ranges: Tensor
    act: tuple[float, float]


@torch.no_grad()
def equalize_for_double(
    net: PlainNet,
    statistics: Sequence[ChannelStatistics],
    clipped: float = CLIPPED_SHARES[0],
    noise_ratio: float = NOISE_RATIOS[1],
) -> list[EqualizedLayer]:
    """Scale the channels of a PReLU network in place for "double"; it computes the same as before.

    The activation of each layer gets a range [-share·m, m]. Each channel is scaled to fill it, with slope·x and
    relu((1 - slope)·x) no wider than the range. Where the convolution's values x fit into as many steps of the
    activation's scale, they get that scale: positive values are then not rounded again. Of `NEGATIVE_SHARES`, the one
    with the least rounding noise is chosen, where the noise of each channel counts by its weight in the result.

    Args:
        net: a PReLU network with slopes of at most 1.
        statistics: of this network, on typical images.
        clipped: share of each channel's values that may be clipped at each end.
        noise_ratio: a channel is scaled further, until x fits, where its noise is then at most this many times as
            large.
    """
    slopes = [slope for _, _, slope in net.layers()[:-1] if slope is not None]
    importance = _importance(net, slopes, statistics)
    layers, scales = [], []
    for slope, channels, weight in zip(slopes, statistics, importance, strict=True):
        best = min(
            (_layout(share, slope, channels, clipped, noise_ratio) for share in NEGATIVE_SHARES),
            key=lambda layout: float((weight * layout.noise).sum()),
        )
        most = float(best.scale.max())
        scale = (best.scale / most).clamp(min=MIN_SCALE)
        act = (-best.share * most, most)
        step, _ = scale_and_zero_point(*act)
        low, high = best.low / scale, best.high / scale
        first = (torch.ceil(high / step - 1e-3) - 255).clamp(min=-255, max=0)
        on_grid = torch.stack([first, first + 255], 1) * step
        scales.append(scale)
        layers.append(EqualizedLayer(torch.where(best.on_grid[:, None], on_grid, torch.stack([low, high], 1)), act))
    _divide_channels(net, scales)
    return layers


@torch.no_grad()
def equalize_relu(
    net: PlainNet, statistics: Sequence[ChannelStatistics], clipped: float = CLIPPED_SHARES[0]
) -> list[tuple[float, float]]:
    """Scale the channels of a ReLU network in place until all have the same maximum; it computes the same as before.

    Args:
        net: a ReLU network.
        statistics: of this network, on typical images.
        clipped: share of each channel's largest values that may be clipped.

    Returns:
        The range (minimum, maximum) of each activation.
    """
    ranges, scales = [], []
    for channels in statistics:
        high = channels.limits(clipped)[1]
        most = float(high.max())
        ranges.append((0.0, most))
        scales.append((high / most).clamp(min=MIN_SCALE))
    _divide_channels(net, scales)
    return ranges


@torch.no_grad()
def equalize_partly(
    net: PlainNet, statistics: Sequence[ChannelStatistics], clipped: float, power: float, addends: bool
) -> list[tuple[float, float]]:
    """Scale the channels of a PReLU network in place for "native" and "single", whose PReLU has one scale for all.

    Long tails below zero then cost all channels precision, so the channels are made only partly equal.

    Args:
        net: a PReLU network; for "single", with slopes of at most 1.
        statistics: of this network, on typical images.
        clipped: share of each channel's smallest values that is clipped.
        power: 0 leaves the channels as they are, 1 makes all fill the range.
        addends: whether PReLU has an addend relu((slope - 1)·x), as in "single".

    Returns:
        The range (minimum, maximum) of each convolution, addend and activation, in the order of computation.
    """
    slopes = [slope for _, _, slope in net.layers()[:-1] if slope is not None]
    importance = _importance(net, slopes, statistics)
    ranges, scales = [], []
    for slope, channels, weight in zip(slopes, statistics, importance, strict=True):
        low, high = channels.limits(clipped)[0], channels.limits(CLIPPED_SHARES[0])[1]
        seen = channels.positive + slope.square() * (1 - channels.positive)
        noises, candidates = [], []
        for share in PARTLY_NEGATIVE_SHARES:
            scale = torch.stack([high, -low / share, slope * low]).amax(0)
            act_share = float((-slope * low / scale).clamp(min=0).max())
            noise = weight * scale.square() * ((1 + share) ** 2 * seen + (1 + act_share) ** 2)
            noises.append(float(noise.sum()))
            candidates.append(scale)
        scale = candidates[noises.index(min(noises))]
        scale = _rounded_up(((scale / scale.max()) ** power).clamp(min=MIN_SCALE))
        act = torch.stack([slope * low, high]) / scale
        ranges.append((float((low / scale).min()), float((high / scale).max())))
        if addends:
            ranges.append((0.0, float(((slope - 1) * low / scale).max())))
        ranges.append((min(0.0, float(act.min())), float(act.max())))
        scales.append(scale)
    _divide_channels(net, scales)
    return ranges


def _divide_channels(net: PlainNet, scales: Sequence[Tensor]) -> None:
    """Divide the channels of each activation; the network computes the same."""
    for layer, scale in enumerate(scales):
        conv, following = net.convolutions[layer : layer + 2]
        conv.weight /= scale[:, None, None, None]
        bias_of(conv).div_(scale)
        following.weight *= scale[:, None, None]


def _importance(net: PlainNet, slopes: Sequence[Tensor], statistics: Sequence[ChannelStatistics]) -> list[Tensor]:
    """For each activation, the mean square of the result per mean square of noise in a channel, [C]: an estimate."""
    later = torch.ones(len(net.convolutions[-1].weight))
    importance = []
    for layer in reversed(range(len(slopes))):
        weight = net.convolutions[layer + 1].weight
        importance.append((later[:, None] * weight.square().sum((2, 3))).sum(0))
        positive = statistics[layer].positive
        later = importance[-1] * (positive + slopes[layer].square() * (1 - positive))
    return importance[::-1]


@dataclass(frozen=True, eq=False)
class _Layout:
    """A choice for the activation of a layer; tensors are [C].

    `share` is the negative part of its range relative to the positive one, `scale` what each channel is divided by,
    `low` and `high` the range of the convolution, `on_grid` whether it has the activation's scale, and `noise` an
    estimate of the rounding errors' mean square.
    """

    share: float
    scale: Tensor
    low: Tensor
    high: Tensor
    on_grid: Tensor
    noise: Tensor


def _rounded_up(values: Tensor) -> Tensor:
    """Positive values, up to 1.1 % larger: powers of 2^(1/64).

    The last bits of a convolution depend on the processor; ranges and scales then do not.
    """
    exponents = torch.ceil(torch.log2(values.double()) * 64 - 1e-3)
    return torch.tensor([2 ** (exponent / 64) for exponent in exponents.tolist()], dtype=values.dtype)


def _layout(share: float, slope: Tensor, channels: ChannelStatistics, clipped: float, noise_ratio: float) -> _Layout:
    scale = _scale(share, slope, *channels.limits(clipped))
    low, high = channels.limits(0.0)
    width = (1 + share) * scale
    # Where the slope is small, values far below zero all give nearly the same: what is clipped is less than a step.
    low = torch.maximum(low, (low + width / 255 / slope.abs().clamp(min=1e-9)).clamp(max=-MIN_LIMIT))
    own = high - low
    up, down = channels.positive, 1 - channels.positive
    noise = up * (2 * width.square() + own.square()) + down * (width.square() + (slope * own).square())
    wide = torch.maximum(width, own)
    noise_on_grid = wide.square() * (up + down * (1 + slope.square()))
    on_grid = (own <= width) | (noise_on_grid <= noise_ratio * noise)
    return _Layout(
        share,
        _rounded_up(torch.where(on_grid, wide / (1 + share), scale)),
        low,
        high,
        on_grid,
        torch.where(on_grid, noise_on_grid, noise),
    )


def _scale(share: float, slope: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The least scale of each channel, [C], so that a range [-share, 1] contains the activation and both addends."""
    linear = torch.stack([slope * low, slope * high])
    above = torch.stack([high, *linear, (1 - slope) * high / (1 + share)]).amax(0)
    below = -linear.amin(0)
    if share:
        return torch.maximum(above, below / share)
    return torch.where(below > MIN_LIMIT, _IMPOSSIBLE, above)


_IMPOSSIBLE = 1e6
