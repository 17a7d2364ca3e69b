"""The legacy Hexagon delegate (Snapdragon 600 series to 855)."""

from __future__ import annotations

from ecbsr_mobile.tflite.graph import INT8, UINT8

from ..op_rules import (
    activation_types,
    exact_rank,
    max_option,
    max_output_side,
    max_rank,
    min_kernel_height,
    no_broadcast,
    type_conversion,
    unsupported,
)
from .base import Delegate, Rule, rules_for, small_integers

_SOURCE = "LiteRT hexagon/utils.cc, README.md"

HEXAGON = Delegate(
    name="hexagon",
    title="Hexagon (legacy, Snapdragon 6xx to 855)",
    operators={
        "CONV_2D": (
            Rule(max_option(("dilationWFactor", "dilationHFactor"), 1, "a dilation of"), _SOURCE),
            Rule(max_option(("strideW", "strideH"), 3, "a stride of"), _SOURCE),
        ),
        **rules_for(_SOURCE, "DEPTHWISE_CONV_2D", min_kernel_height(2)),
        **rules_for(_SOURCE, "PRELU LEAKY_RELU DEQUANTIZE RELU_0_TO_1", unsupported("is not among its operators")),
        **rules_for(_SOURCE, "RELU RELU6 CONCATENATION DEPTH_TO_SPACE MINIMUM MAXIMUM MUL RESIZE_NEAREST_NEIGHBOR"),
        "ADD": (Rule(no_broadcast, f"{_SOURCE}: broadcast not verified", "unknown"),),
        **rules_for(_SOURCE, "RESIZE_BILINEAR", exact_rank(4), max_output_side(65)),
        **rules_for(_SOURCE, "QUANTIZE", type_conversion(((INT8, INT8), (INT8, UINT8), (UINT8, UINT8), (UINT8, INT8)))),
    },
    source=_SOURCE,
    common_rules=(
        Rule(activation_types((INT8, UINT8)), _SOURCE),
        Rule(max_rank(4), _SOURCE),
        small_integers(_SOURCE),
    ),
    notes=("deprecated",),
)
