"""int8 quantization parameters: what every range and every value must satisfy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecbsr_mobile.quantization.qparams import (
    MIN_RANGE_WIDTH,
    align_activation_ranges,
    align_addend_max,
    dequantize,
    quantize,
    scale_and_zero_point,
)

ends = st.floats(-1e4, 1e4, width=32)
ranges = st.tuples(st.floats(-8, 0, width=32), st.floats(0, 8, width=32)).filter(lambda r: r[1] - r[0] > 0.01)


@given(ends, ends)
def test_zero_is_exact_and_the_range_is_covered(a: float, b: float) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    scale, zero_point = scale_and_zero_point(min(a, b), max(a, b))
    assert scale == np.float32(scale) > 0
    assert -128 <= zero_point <= 127
    stored = quantize(np.float32([0.0, low, high]), scale, zero_point)
    assert dequantize(stored, scale, zero_point)[0] == 0
    # 256 values cover the range up to the half scale by which it was shifted.
    assert (-128 - zero_point) * scale <= low + 0.51 * scale
    assert (127 - zero_point) * scale >= high - 0.51 * scale
    assert scale <= max(high - low, MIN_RANGE_WIDTH) / 255 * (1 + 1e-6)


@given(st.lists(ends, min_size=1), ranges, st.sampled_from([np.int8, np.uint8, np.int16]))
def test_rounding_errs_by_at_most_half_a_scale_and_clips(values: list[float], limits: tuple, dtype: type) -> None:
    scale, _ = scale_and_zero_point(*limits)
    real, bounds = np.float64(values), np.iinfo(dtype)
    stored = quantize(real, scale, 3, dtype)
    assert stored.dtype == dtype
    back = dequantize(stored, scale, 3, np.float64)
    inside = np.clip(real, (bounds.min - 3) * scale, (bounds.max - 3) * scale)
    assert np.all(np.abs(back - inside) <= scale * (0.5 + 1e-9))
    np.testing.assert_array_equal(quantize(back, scale, 3, dtype), stored)


def test_halves_round_to_even_as_in_pytorch() -> None:
    halves = np.arange(-5, 6, dtype=np.float32) / 2
    expected = torch.fake_quantize_per_tensor_affine(torch.from_numpy(halves), 1.0, 0, -128, 127).numpy()
    np.testing.assert_array_equal(quantize(halves, 1.0), expected)


def test_weights_leave_out_the_lowest_integer_and_have_a_scale_per_channel() -> None:
    weights = np.float32([[-9.0, 1.0], [-0.5, 0.25]])
    scale = np.abs(weights).max(axis=1, keepdims=True) / np.float32(127)
    assert quantize(weights * 2, scale, narrow=True).tolist() == [[-127, 28], [-127, 127]]
    np.testing.assert_allclose(dequantize(quantize(weights, scale), scale), weights, atol=0.04)


@given(ranges, ranges, st.booleans())
def test_scales_are_aligned_where_it_pays(conv: tuple, act: tuple, summed: bool) -> None:
    wide_conv, wide_act = align_activation_ranges(conv, act, summed)
    for before, after in ((conv, wide_conv), (act, wide_act)):
        assert after[0] <= before[0] + 1e-12
        assert after[1] >= before[1] - 1e-12
    ratio = (wide_conv[1] - wide_conv[0]) / (wide_act[1] - wide_act[0])
    before = (conv[1] - conv[0]) / (act[1] - act[0])
    aligned = ratio == pytest.approx(round(ratio), rel=1e-9)
    assert aligned or (
        not summed and (wide_conv, wide_act) == (conv, act) and before > 1.41 * min(math.floor(before), 32)
    )


@given(st.floats(0, 16, width=32), ranges)
def test_an_addend_has_a_multiple_of_the_scale_of_the_sum(addend_max: float, total: tuple) -> None:
    raised = align_addend_max(addend_max, total)
    assert raised >= addend_max - 1e-12
    width = total[1] - total[0]
    own, ratio = addend_max / width, raised / width
    aligned = ratio == pytest.approx(round(ratio), rel=1e-9)
    assert aligned or (raised == addend_max and math.ceil(own) ** 2 > own**2 + 1)


def test_gradients_pass_through_the_alignment() -> None:
    conv, act = (torch.tensor([low, high], requires_grad=True) for low, high in ((-1.0, 2.0), (-0.5, 2.0)))
    (low, high), (act_low, act_high) = align_activation_ranges((conv[0], conv[1]), (act[0], act[1]), summed=True)
    (low + high + act_low + act_high + align_addend_max(conv[1], (act_low, act_high))).backward()
    assert torch.isfinite(conv.grad).all()
    assert conv.grad.abs().sum() > 0
    with torch.no_grad():
        assert float((high - low) / (act_high - act_low)) == pytest.approx(1)
