"""Rules that every quantized model must meet: the kernels of all backends rely on them."""

from __future__ import annotations

from dataclasses import dataclass

from ecbsr_mobile.tflite.graph import INT8, Graph

from .delegates.base import Rule, rules_for
from .op_rules import NodeView, int16_slope
from .quant_rules import (
    bias_scale,
    eight_bit,
    int16_zero_points,
    kernel_zero_point,
    leaky_relu_scales,
    normal_scales,
    same_quantization,
    xnnpack_product_scales,
    xnnpack_requantization,
    xnnpack_sum_scales,
    zero_points_in_range,
)

_CONVOLUTION = (
    Rule(kernel_zero_point, "LiteRT tflite/kernels/kernel_util.cc PopulateConvolutionQuantizationParams"),
    Rule(xnnpack_requantization, "XNNPACK src/operators/convolution-nhwc.c"),
    Rule(bias_scale, "LiteRT tflite/kernels/kernel_util.cc GetQuantizedConvolutionMultipler"),
    Rule(int16_zero_points, "LiteRT tflite/kernels/conv.cc, depthwise_conv.cc"),
)
_ELEMENTWISE = "XNNPACK src/operators/binary-elementwise-nd.c; measured"
INVARIANTS: dict[str, tuple[Rule, ...]] = {
    "CONV_2D": _CONVOLUTION,
    "DEPTHWISE_CONV_2D": _CONVOLUTION,
    **rules_for(_ELEMENTWISE, "ADD SUB", eight_bit(xnnpack_sum_scales), int16_zero_points),
    **rules_for(_ELEMENTWISE, "MUL", eight_bit(xnnpack_product_scales)),
    **rules_for("LiteRT tflite/kernels/maximum_minimum.cc: compares integers", "MAXIMUM MINIMUM", same_quantization(2)),
    **rules_for("XNNPACK src/subgraph/concatenate.c", "CONCATENATION", same_quantization(100)),
    **rules_for("XNNPACK src/subgraph", "DEPTH_TO_SPACE RESHAPE TRANSPOSE RESIZE_BILINEAR", same_quantization()),
    **rules_for("LiteRT tflite/kernels", "RESIZE_NEAREST_NEIGHBOR SPACE_TO_DEPTH PAD", same_quantization()),
    **rules_for("LiteRT xnnpack/xnnpack_delegate.cc VisitUnaryNode", "LEAKY_RELU", eight_bit(leaky_relu_scales)),
    **rules_for("LiteRT tflite/kernels/activations.cc PreluEval: reads others as INT8", "PRELU", int16_slope(INT8)),
}
"""Operator → the rules that its nodes must meet."""

COMMON_INVARIANTS = (
    Rule(normal_scales, "XNNPACK src/tensor.c"),
    Rule(zero_points_in_range, "XNNPACK src/tensor.c; measured: the runtime crashes on some"),
)
"""Rules for every operator."""


@dataclass(frozen=True)
class BrokenInvariant:
    """An invariant that a node breaks."""

    node: int
    operator: str
    reason: str
    source: str


def broken_invariants(graph: Graph) -> list[BrokenInvariant]:
    """The invariants that a graph breaks; none apply to a float graph."""
    broken = []
    for number, node in enumerate(graph.nodes):
        view = NodeView(graph, node)
        # A custom operator may have the name of a built-in one; the table is about built-in ones.
        rules = () if node.custom else INVARIANTS.get(node.operator, ())
        for rule in (*COMMON_INVARIANTS, *rules):
            reason = rule.condition(view) if view.outputs else None
            if reason:
                broken.append(BrokenInvariant(number, node.operator, reason, rule.source))
    return broken
