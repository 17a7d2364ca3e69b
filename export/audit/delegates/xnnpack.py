"""XNNPACK: the optimized CPU kernels, enabled by default in every TFLite runtime.

Every entry is compared with the runtime of this machine (`tests/helpers/audit_cases.py`).
"""

from __future__ import annotations

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, UINT8

from ..op_rules import (
    activation_types,
    constant_input,
    exact_rank,
    fused_activation_in,
    has_input,
    input_count,
    kernel_type,
    max_rank,
    min_block_size,
    no_empty_dimension,
    same_type,
    type_conversion,
    unit_strides,
    unsupported,
)
from ..quant_rules import (
    input_scale_ratio,
    kernel_channel_zero_points,
    kernel_zero_point,
    leaky_relu_scales,
    nonzero_alpha,
    per_channel_axis,
    per_tensor_activations,
    same_quantization,
    xnnpack_product_scales,
    xnnpack_requantization,
    xnnpack_sum_scales,
    zero_points_in_range,
)
from .base import FUSED, NUMERIC, Delegate, NodeSupport, Rule, rules_for

_SOURCE = "LiteRT xnnpack/xnnpack_delegate.cc"
_ELEMENTWISE = "XNNPACK src/operators/binary-elementwise-nd.c; measured"

_FLOAT_ONLY = "ABS AVERAGE_POOL_2D CEIL COS EXP FLOOR GELU HARD_SWISH LOG NEG ROUND RSQRT SIN SOFTMAX SQRT SQUARE"
_FLOAT_AND_INT8 = "ELU FULLY_CONNECTED LOGISTIC MAX_POOL_2D MEAN PAD SLICE SPACE_TO_DEPTH SPLIT TANH TRANSPOSE_CONV"

_NO_TYPE = unsupported("is not supported in any type")
_FLOAT = activation_types((FLOAT32,))
_NUMERIC_TYPES = activation_types(NUMERIC)
_TWO_OPERANDS = (_NUMERIC_TYPES, same_type(2), fused_activation_in(FUSED))
_CONVERSIONS = ((FLOAT32, INT8), (FLOAT32, UINT8), (INT8, INT8), (UINT8, UINT8))


def _convolution(axis: int, dynamic_range: bool, without_bias: NodeSupport) -> tuple[Rule, ...]:
    return (
        Rule(_NUMERIC_TYPES, f"{_SOURCE} CheckTensorFloat32OrQInt8Type"),
        Rule(kernel_type(dynamic_range), f"{_SOURCE} VisitConv2DNode; measured"),
        Rule(constant_input(1, "kernel"), f"{_SOURCE} VisitConv2DNode"),
        Rule(has_input(2, "bias"), f"{_SOURCE} VisitConv2DNode; measured", without_bias),
        Rule(constant_input(2, "bias"), f"{_SOURCE} VisitConv2DNode"),
        Rule(per_channel_axis(axis), f"{_SOURCE} CheckTensorFloat32OrQCInt8Type"),
        Rule(fused_activation_in(FUSED), f"{_SOURCE} ConvertActivationToOutputRange"),
        Rule(kernel_zero_point, "XNNPACK src/subgraph/convolution-2d.c; measured", "fatal"),
        Rule(xnnpack_requantization, "XNNPACK src/operators/convolution-nhwc.c; measured", "fatal"),
    )


XNNPACK = Delegate(
    name="xnnpack",
    title="XNNPACK (CPU)",
    operators={
        "CONV_2D": _convolution(0, True, "fatal"),
        "DEPTHWISE_CONV_2D": (
            # The built-in kernels run what is refused here; for CONV_2D they fail as well.
            Rule(kernel_channel_zero_points, "XNNPACK src/tensor.c; measured"),
            *_convolution(3, False, "refused"),
        ),
        "PRELU": (
            Rule(_FLOAT, f"{_SOURCE} VisitBinaryNode; measured"),
            Rule(constant_input(1, "slope"), f"{_SOURCE} VisitBinaryNode"),
        ),
        "LEAKY_RELU": (
            Rule(_NUMERIC_TYPES, f"{_SOURCE} VisitUnaryNode"),
            Rule(nonzero_alpha, f"{_SOURCE} VisitUnaryNode; measured"),
            Rule(leaky_relu_scales, f"{_SOURCE} VisitUnaryNode; measured"),
        ),
        **rules_for(f"{_SOURCE} VisitUnaryNode; measured", "RELU RELU6 RELU_N1_TO_1", _FLOAT),
        **rules_for(f"{_SOURCE} VisitNode", "RELU_0_TO_1 RESIZE_NEAREST_NEIGHBOR", _NO_TYPE),
        **rules_for(f"{_SOURCE} VisitBinaryNode; measured", "MINIMUM MAXIMUM DIV SQUARED_DIFFERENCE", _FLOAT),
        **rules_for("measured", _FLOAT_ONLY, _FLOAT),
        **rules_for("measured", _FLOAT_AND_INT8, _NUMERIC_TYPES),
        **rules_for("measured", "STRIDED_SLICE", _NUMERIC_TYPES, unit_strides),
        **rules_for("measured", "MIRROR_PAD SIGN", _NO_TYPE),
        **rules_for(_ELEMENTWISE, "ADD SUB", *_TWO_OPERANDS, xnnpack_sum_scales),
        **rules_for(_ELEMENTWISE, "MUL", *_TWO_OPERANDS, xnnpack_product_scales),
        "CONCATENATION": (
            Rule(_NUMERIC_TYPES, f"{_SOURCE} VisitConcatenationNode"),
            Rule(input_count(2, 5), "XNNPACK src/subgraph/concatenate.c XNN_MAX_OPERATOR_OBJECTS; measured"),
            Rule(fused_activation_in(("NONE",)), f"{_SOURCE} VisitConcatenationNode"),
            Rule(same_quantization(5, (UINT8,)), f"{_SOURCE} VisitConcatenationNode"),
            Rule(same_quantization(5, (INT8,)), "XNNPACK src/subgraph/concatenate.c; measured", "fatal"),
        ),
        "DEPTH_TO_SPACE": (
            Rule(_NUMERIC_TYPES, f"{_SOURCE} VisitDepthToSpaceNode"),
            Rule(min_block_size(2), f"{_SOURCE} VisitDepthToSpaceNode"),
            Rule(same_quantization(), "XNNPACK src/subgraph/depth-to-space-2d.c; measured", "fatal"),
        ),
        "QUANTIZE": (
            Rule(type_conversion(_CONVERSIONS), f"{_SOURCE} VisitUnaryNode; measured"),
            Rule(input_scale_ratio(1 / 256, 128.0, closed=True), f"{_SOURCE} VisitUnaryNode; measured"),
        ),
        "DEQUANTIZE": (
            Rule(type_conversion(((INT8, FLOAT32), (UINT8, FLOAT32))), f"{_SOURCE} VisitUnaryNode; measured"),
        ),
        "RESIZE_BILINEAR": (
            Rule(_NUMERIC_TYPES, f"{_SOURCE} VisitResizeBilinearNode"),
            Rule(exact_rank(4), f"{_SOURCE} VisitResizeBilinearNode"),
            Rule(constant_input(1, "size"), f"{_SOURCE} VisitResizeBilinearNode"),
            Rule(same_quantization(), "XNNPACK src/subgraph/static-resize-bilinear-2d.c; measured", "fatal"),
        ),
        "RESHAPE": (
            Rule(_NUMERIC_TYPES, f"{_SOURCE} VisitReshapeNode"),
            Rule(max_rank(6), "XNNPACK include/xnnpack.h XNN_MAX_TENSOR_DIMS; measured"),
            Rule(same_quantization(), f"{_SOURCE} VisitReshapeNode"),
        ),
        "TRANSPOSE": (
            Rule(_NUMERIC_TYPES, f"{_SOURCE} VisitTransposeNode"),
            Rule(constant_input(1, "order"), f"{_SOURCE} VisitTransposeNode"),
            Rule(max_rank(6), "XNNPACK include/xnnpack.h XNN_MAX_TENSOR_DIMS; measured"),
            Rule(same_quantization(), "XNNPACK src/subgraph/static-transpose.c; measured", "fatal"),
        ),
    },
    source=f"{_SOURCE}; measured",
    common_rules=(
        Rule(no_empty_dimension, f"{_SOURCE} CheckTensorShape"),
        Rule(per_tensor_activations, f"{_SOURCE} CheckTensor*"),
        Rule(zero_points_in_range, f"{_SOURCE}; measured", "fatal"),
    ),
    dynamic_shapes=True,
    folds_constants="each",
    notes=("a refused node runs on the built-in kernels, without a message",),
    fp16_notes=(
        "float16 weights become float32 when the model is loaded, and split nothing here (measured); LiteRT issue 9663 "
        "has runtimes that leave their convolutions to the built-in kernels: compare the nodes on the phone",
    ),
)
