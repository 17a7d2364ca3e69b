"""Conditions on a node's scales and zero points (see `op_rules` for what a condition is)."""

from __future__ import annotations

import numpy as np

from ecbsr_mobile.tflite.graph import INT8, INT16, UINT8, Quantization, Tensor

from .op_rules import Condition, NodeView

QUANTIZED = ("INT4", INT8, UINT8, INT16)
BIAS_SCALE_TOLERANCE = 0.02
"""Largest error of a bias's scale, in output scales."""

SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def tensor_scale(tensor: Tensor | None) -> float | None:
    """The scale of a tensor with per-tensor quantization; None for any other."""
    if tensor is None or tensor.quantization is None or tensor.quantization.scale.size != 1:
        return None
    return float(tensor.quantization.scale[0])


def per_tensor_activations(view: NodeView) -> str | None:
    """Quantized activations have one scale for the whole tensor."""
    for tensor in view.activations():
        if tensor.type_name in QUANTIZED and tensor_scale(tensor) is None:
            return f"tensor {tensor.label} of {tensor.type_name} does not have one scale"
    return None


def unquantized(view: NodeView) -> str | None:
    """No activation has a scale."""
    scaled = [tensor for tensor in view.activations() if tensor.quantization is not None]
    return f"tensor {scaled[0].label} is quantized" if scaled else None


def per_channel_axis(axis: int) -> Condition:
    """Per-channel weights are quantized along `axis`."""

    def check(view: NodeView) -> str | None:
        quantization = _kernel_quantization(view)
        if quantization is None or quantization.scale.size == 1 or quantization.axis == axis:
            return None
        return f"supports weights quantized along axis {axis}, not {quantization.axis}"

    return check


def per_tensor_kernel(view: NodeView) -> str | None:
    """The weights have one scale."""
    quantization = _kernel_quantization(view)
    per_channel = quantization is not None and quantization.scale.size > 1
    return "supports weights with one scale, not with one per channel" if per_channel else None


def kernel_zero_point(view: NodeView) -> str | None:
    """The zero point of INT8 weights is 0."""
    quantization, weights = _kernel_quantization(view), view.input(1)
    if quantization is None or weights is None or weights.type_name != INT8 or not quantization.zero_point.any():
        return None
    return f"its weights have zero point {int(quantization.zero_point[quantization.zero_point != 0][0])}, not 0"


def kernel_channel_zero_points(view: NodeView) -> str | None:
    """The zero point of INT8 weights with one scale per channel is 0."""
    quantization = _kernel_quantization(view)
    return kernel_zero_point(view) if quantization is not None and quantization.scale.size > 1 else None


def zero_points_in_range(view: NodeView) -> str | None:
    """Every zero point is in the range of its tensor's type."""
    for tensor in [*view.operands(), *view.outputs]:
        if tensor.quantization is None or tensor.kind or tensor.dtype.kind not in "iu":
            continue
        limits, points = np.iinfo(tensor.dtype), tensor.quantization.zero_point
        wrong = points[(points < limits.min) | (points > limits.max)]
        if wrong.size:
            return f"tensor {tensor.label} of {tensor.type_name} has zero point {int(wrong[0])}"
    return None


def max_requantization_scale(limit: float) -> Condition:
    """The requantization scale of a convolution is below `limit` in every channel.

    It is input scale · weight scale / output scale.
    """

    def check(view: NodeView) -> str | None:
        source, target, kernel = tensor_scale(view.input(0)), tensor_scale(view.outputs[0]), _kernel_quantization(view)
        if not source or not target or kernel is None:
            return None
        ratio = source * float(kernel.scale.max(initial=0)) / target
        return f"input · weight / output scale is {ratio:.4g}, not below {limit:g}" if ratio >= limit else None

    return check


def bias_scale(view: NodeView) -> str | None:
    """The bias of a convolution has the scale input scale · weight scale and the zero point 0, as the kernels assume.

    The error of the scale may be up to `BIAS_SCALE_TOLERANCE` times the output scale.
    """
    bias, kernel = view.input(2), _kernel_quantization(view)
    source, target = tensor_scale(view.input(0)), tensor_scale(view.outputs[0])
    if bias is None or bias.quantization is None or kernel is None or not source or not target:
        return None
    if bias.quantization.zero_point.any():
        return "its bias has a zero point other than 0"
    if bias.quantization.scale.size not in (1, kernel.scale.size):
        return f"its bias has {bias.quantization.scale.size} scales, its weights {kernel.scale.size}"
    with np.errstate(invalid="ignore", over="ignore"):  # damaged files have infinite scales
        error = float(np.abs(bias.quantization.scale - source * kernel.scale).max()) / target
    if error <= BIAS_SCALE_TOLERANCE:
        return None
    return f"the error of its bias scale is {error:.3g} of the output scale, more than {BIAS_SCALE_TOLERANCE:g}"


def input_scale_ratio(least: float, most: float, closed: bool = False) -> Condition:
    """The ratio input scale / output scale is in [least, most) for each quantized input; [least, most] if `closed`."""

    def check(view: NodeView) -> str | None:
        target = tensor_scale(view.outputs[0])
        for source in map(tensor_scale, view.inputs):
            ratio = source / target if source and target else None
            reason = ratio and _outside(ratio, least, most, closed, "input / output scale")
            if reason:
                return reason
        return None

    return check


def xnnpack_product_scales(view: NodeView) -> str | None:
    """The ratio first scale · second scale / output scale of a product is in XNNPACK's range."""
    first, second, target = tensor_scale(view.input(0)), tensor_scale(view.input(1)), tensor_scale(view.outputs[0])
    if not first or not second or not target:
        return None
    return _outside(first * second / target, 2.0**-16, 2.0**8, False, "scale · scale / output scale")


def leaky_relu_scales(view: NodeView) -> str | None:
    """The scales of a quantized LEAKY_RELU are in XNNPACK's range.

    With ratio = input scale / output scale: ratio in [1/256, 128], alpha · ratio in [-127.996, -1/256] or [1/256, 128].
    """
    source, target = tensor_scale(view.input(0)), tensor_scale(view.outputs[0])
    if not source or not target:
        return None
    ratio, alpha = source / target, float(getattr(view.node.options, "alpha", 0.0))
    reason = _outside(ratio, 1 / 256, 128, True, "input / output scale")
    if reason is None and not (-127.99609375 <= alpha * ratio <= -1 / 256 or 1 / 256 <= alpha * ratio <= 128):
        reason = f"alpha {alpha:.4g} · scale ratio {ratio:.4g} is outside [-127.996, -1/256] and [1/256, 128]"
    return reason


def nonzero_alpha(view: NodeView) -> str | None:
    """The alpha of a LEAKY_RELU is not 0."""
    return None if getattr(view.node.options, "alpha", 0.0) else "alpha is 0"


def positive_alpha(view: NodeView) -> str | None:
    """The alpha of a quantized LEAKY_RELU is positive."""
    alpha = float(getattr(view.node.options, "alpha", 0.0))
    quantized = tensor_scale(view.input(0)) is not None
    return f"alpha {alpha:.4g} would be a scale, which must be positive" if quantized and alpha <= 0 else None


def same_quantization(count: int = 1, types: tuple[str, ...] = QUANTIZED) -> Condition:
    """The first `count` quantized inputs and the outputs have the same scale and zero point."""

    def check(view: NodeView) -> str | None:
        pairs = [tensor.quantization for tensor in [*view.inputs[:count], *view.outputs] if tensor is not None]
        known = [quantization for quantization in pairs if quantization is not None]
        if view.outputs[0].type_name not in types or not known:
            return None
        first = known[0]
        if all(_same(first, other) for other in known[1:]):
            return None
        return "input and output differ in scale or zero point"

    return check


def normal_scales(view: NodeView) -> str | None:
    """Every scale is positive and a normal float32."""
    for tensor in [*view.operands(), *view.outputs]:
        if tensor.quantization is not None:
            scale = tensor.quantization.scale
            if not np.isfinite(scale).all() or (scale < SMALLEST_NORMAL).any():
                return f"tensor {tensor.label} has a scale that is not a normal positive number"
    return None


def eight_bit(condition: Condition) -> Condition:
    """The condition, if the output has 8 bits: that of a kernel which INT16 never reaches."""

    def check(view: NodeView) -> str | None:
        return None if view.outputs[0].type_name == INT16 else condition(view)

    return check


def int16_zero_points(view: NodeView) -> str | None:
    """The zero point of every INT16 activation is 0."""
    for tensor in view.activations():
        if tensor.type_name == INT16 and tensor.quantization is not None and tensor.quantization.zero_point.any():
            return f"tensor {tensor.label} of INT16 has zero point {int(tensor.quantization.zero_point[0])}, not 0"
    return None


def zero_point_zero(view: NodeView) -> str | None:
    """The zero point of an INT8 input is 0."""
    source = view.input(0)
    if source is None or source.type_name != INT8 or source.quantization is None:
        return None
    point = int(source.quantization.zero_point[0])
    return f"supports INT8 with zero point 0, not {point}" if point else None


def _kernel_quantization(view: NodeView) -> Quantization | None:
    weights = view.input(1)
    return weights.quantization if weights is not None else None


def _same(first: Quantization, second: Quantization) -> bool:
    return np.array_equal(first.scale, second.scale) and np.array_equal(first.zero_point, second.zero_point)


def _outside(ratio: float, least: float, most: float, closed: bool, what: str) -> str | None:
    if least <= ratio < most or (closed and ratio == most):
        return None
    return f"{what} is {ratio:.4g}, outside [{least:.4g}, {most:g}{']' if closed else ')'}"


# The limits of XNNPACK, whose operators are refused, or which no quantized file should exceed.
xnnpack_requantization = max_requantization_scale(256.0)
xnnpack_sum_scales = input_scale_ratio(2.0**-10, 2.0**8)
