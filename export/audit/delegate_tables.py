"""What each delegate takes of a model: a table, with the source of every rule.

Nothing here was tried on a phone. The entries were read in the delegates' own sources (and, for XNNPACK,
checked against the runtime); a vendor's driver or compiler may still refuse what its delegate offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .op_rules import (
    FLOAT32,
    INT8,
    INT32,
    UINT8,
    Condition,
    at_most,
    block,
    constant,
    conversion,
    exact_rank,
    fused,
    inputs,
    kernel_height,
    kernel_types,
    max_rank,
    max_side,
    max_version,
    never,
    no_broadcast,
    no_corner_flags,
    no_empty_dimension,
    no_groups,
    present,
    same_type,
    slope_of_gpu,
    square_output,
    types,
    unit_strides,
    wide_first,
)
from .quant_rules import (
    bias_scale,
    input_ratios,
    kernel_axis,
    kernel_channel_zero_points,
    kernel_zero_point,
    leaky_ranges,
    nonzero_alpha,
    normal_scales,
    one_scale,
    per_tensor_kernel,
    positive_alpha,
    product_ratio,
    requantisation,
    same_quantization,
    zero_point_zero,
    zero_points_in_range,
)

NodeSupport = Literal["taken", "refused", "fatal", "unknown"]
"""`refused`: the node stays on the built-in CPU kernels. `fatal`: the delegate accepts the node, and then the
model fails to load, or computes something else. `unknown`: not verified."""

SOURCES = {
    "LiteRT": "google-ai-edge/LiteRT @ f6745779 (2026-08-21)",
    "XNNPACK": "google/XNNPACK @ 75db3c09 (2026-08-21)",
    "NNAPI": "Android Open Source Project, NeuralNetworks.h of API level 30",
    "measured": "hand-built models on ai-edge-litert 2.3.0, x86-64",
}
"""The short names with which the rules' sources begin; LiteRT's paths are under `tflite/delegates/` unless they
start with `litert/`, `ml_drift_delegate/` or `tflite/`."""


@dataclass(frozen=True)
class Rule:
    """A condition on a node, where it was found, and what happens to a node that fails it."""

    condition: Condition
    source: str
    otherwise: NodeSupport = "refused"


@dataclass(frozen=True)
class Delegate:
    """What one delegate takes.

    `operators` maps an operator to the conditions on it besides `always`; any other operator gets the
    verdict `unlisted`. `limit` is the number of partitions that it is really given, largest first (None:
    all). `folds` says when a DEQUANTIZE of a constant vanishes: once all its consumers are taken ("each"),
    or once all nodes of the model are ("all"); None where it is a node like others.
    """

    name: str
    title: str
    operators: Mapping[str, tuple[Rule, ...]]
    source: str
    always: tuple[Rule, ...] = ()
    unlisted: NodeSupport = "unknown"
    limit: int | None = None
    dynamic: bool = False
    folds: Literal["each", "all"] | None = None
    notes: tuple[str, ...] = ()
    integer_notes: tuple[str, ...] = ()  # that concern models of integers alone


def _listed(source: str, operators: str, *conditions: Condition) -> dict[str, tuple[Rule, ...]]:
    """The same conditions on several operators."""
    return {operator: tuple(Rule(condition, source) for condition in conditions) for operator in operators.split()}


_NUMERIC = (FLOAT32, INT8, UINT8)
_FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")

# XNNPACK: the CPU's fast kernels, on by default in every TFLite runtime.

_X = "LiteRT xnnpack/xnnpack_delegate.cc"
_ELEMENTWISE = "XNNPACK src/operators/binary-elementwise-nd.c; measured"

_XNNPACK_FLOAT = "ABS AVERAGE_POOL_2D CEIL COS EXP FLOOR GELU HARD_SWISH LOG NEG ROUND RSQRT SIN SOFTMAX SQRT SQUARE"
_XNNPACK_NUMERIC = "ELU FULLY_CONNECTED LOGISTIC MAX_POOL_2D MEAN PAD SLICE SPACE_TO_DEPTH SPLIT TANH TRANSPOSE_CONV"


def _xnnpack_kernel(axis: int, dynamic_range: bool, without_bias: NodeSupport) -> tuple[Rule, ...]:
    return (
        Rule(types(_NUMERIC), f"{_X} CheckTensorFloat32OrQInt8Type"),
        Rule(kernel_types(dynamic_range), f"{_X} VisitConv2DNode; measured"),
        Rule(constant(1, "kernel"), f"{_X} VisitConv2DNode"),
        Rule(present(2, "bias"), f"{_X} VisitConv2DNode; measured", without_bias),
        Rule(constant(2, "bias"), f"{_X} VisitConv2DNode"),
        Rule(kernel_axis(axis), f"{_X} CheckTensorFloat32OrQCInt8Type"),
        Rule(fused(_FUSED), f"{_X} ConvertActivationToOutputRange"),
        Rule(kernel_zero_point, "XNNPACK src/subgraph/convolution-2d.c; measured", "fatal"),
        Rule(requantisation(256.0), "XNNPACK src/operators/convolution-nhwc.c; measured", "fatal"),
    )


XNNPACK = Delegate(
    "xnnpack",
    "XNNPACK (CPU)",
    {
        "CONV_2D": _xnnpack_kernel(0, True, "fatal"),
        "DEPTHWISE_CONV_2D": (
            # The built-in kernels take what is refused here; those of CONV_2D fail too.
            Rule(kernel_channel_zero_points, "XNNPACK src/tensor.c; measured"),
            *_xnnpack_kernel(3, False, "refused"),
        ),
        "PRELU": (
            Rule(types((FLOAT32,)), f"{_X} VisitBinaryNode; measured"),
            Rule(constant(1, "slope"), f"{_X} VisitBinaryNode"),
        ),
        "LEAKY_RELU": (
            Rule(types(_NUMERIC), f"{_X} VisitUnaryNode"),
            Rule(nonzero_alpha, f"{_X} VisitUnaryNode; measured"),
            Rule(leaky_ranges, f"{_X} VisitUnaryNode; measured"),
        ),
        **_listed(f"{_X} VisitUnaryNode; measured", "RELU RELU6 RELU_N1_TO_1", types((FLOAT32,))),
        **_listed(f"{_X} VisitNode", "RELU_0_TO_1 RESIZE_NEAREST_NEIGHBOR", never("is not taken in any type")),
        **_listed(f"{_X} VisitBinaryNode; measured", "MINIMUM MAXIMUM DIV SQUARED_DIFFERENCE", types((FLOAT32,))),
        **_listed("measured", _XNNPACK_FLOAT, types((FLOAT32,))),
        **_listed("measured", _XNNPACK_NUMERIC, types(_NUMERIC)),
        **_listed("measured", "STRIDED_SLICE", types(_NUMERIC), unit_strides),
        **_listed("measured", "MIRROR_PAD SIGN", never("is not taken in any type")),
        **_listed(
            _ELEMENTWISE,
            "ADD SUB",
            types(_NUMERIC),
            same_type(2),
            fused(_FUSED),
            input_ratios(2.0**-10, 2.0**8),
        ),
        **_listed(_ELEMENTWISE, "MUL", types(_NUMERIC), same_type(2), fused(_FUSED), product_ratio(2.0**-16, 2.0**8)),
        "CONCATENATION": (
            Rule(types(_NUMERIC), f"{_X} VisitConcatenationNode"),
            Rule(inputs(2, 5), "XNNPACK src/subgraph/concatenate.c XNN_MAX_OPERATOR_OBJECTS; measured"),
            Rule(fused(("NONE",)), f"{_X} VisitConcatenationNode"),
            Rule(same_quantization(5, (UINT8,)), f"{_X} VisitConcatenationNode"),
            Rule(same_quantization(5, (INT8,)), "XNNPACK src/subgraph/concatenate.c; measured", "fatal"),
        ),
        "DEPTH_TO_SPACE": (
            Rule(types(_NUMERIC), f"{_X} VisitDepthToSpaceNode"),
            Rule(block(2), f"{_X} VisitDepthToSpaceNode"),
            Rule(same_quantization(), "XNNPACK src/subgraph/depth-to-space-2d.c; measured", "fatal"),
        ),
        "QUANTIZE": (
            Rule(
                conversion(((FLOAT32, INT8), (FLOAT32, UINT8), (INT8, INT8), (UINT8, UINT8))),
                f"{_X} VisitUnaryNode; measured",
            ),
            Rule(input_ratios(1 / 256, 128.0, closed=True), f"{_X} VisitUnaryNode; measured"),
        ),
        "DEQUANTIZE": (Rule(conversion(((INT8, FLOAT32), (UINT8, FLOAT32))), f"{_X} VisitUnaryNode; measured"),),
        "RESIZE_BILINEAR": (
            Rule(types(_NUMERIC), f"{_X} VisitResizeBilinearNode"),
            Rule(exact_rank(4), f"{_X} VisitResizeBilinearNode"),
            Rule(constant(1, "size"), f"{_X} VisitResizeBilinearNode"),
            Rule(same_quantization(), "XNNPACK src/subgraph/static-resize-bilinear-2d.c; measured", "fatal"),
        ),
        "RESHAPE": (
            Rule(types(_NUMERIC), f"{_X} VisitReshapeNode"),
            Rule(max_rank(6), "XNNPACK include/xnnpack.h XNN_MAX_TENSOR_DIMS; measured"),
            Rule(same_quantization(), f"{_X} VisitReshapeNode"),
        ),
        "TRANSPOSE": (
            Rule(types(_NUMERIC), f"{_X} VisitTransposeNode"),
            Rule(constant(1, "order"), f"{_X} VisitTransposeNode"),
            Rule(max_rank(6), "XNNPACK include/xnnpack.h XNN_MAX_TENSOR_DIMS; measured"),
            Rule(same_quantization(), "XNNPACK src/subgraph/static-transpose.c; measured", "fatal"),
        ),
    },
    f"{_X}; measured",
    always=(
        Rule(no_empty_dimension, f"{_X} CheckTensorShape"),
        Rule(one_scale, f"{_X} CheckTensor*"),
        Rule(zero_points_in_range, f"{_X}; measured", "fatal"),
    ),
    dynamic=True,
    folds="each",
    notes=("a refusal is silent: the node runs on the built-in kernels",),
)

# The GPU. Both delegates compute in floating point, whatever the model's type.

_GPU_TYPES = (FLOAT32, "FLOAT16", INT8, UINT8)
_GPU_QUANTIZED = (
    "an integer model is computed in floating point, with a step that imitates its rounding; its input and output "
    "are converted on the CPU at every inference"
)
_G = "LiteRT gpu/common/model_builder.cc, tflite/tools/versioning/gpu_compatibility.cc"
_D = "LiteRT ml_drift_delegate/tflite/model_builder.cc"
_GPU_UNARY = "LOGISTIC TANH EXP ABS SQRT RSQRT SQUARE NEG HARD_SWISH ELU"


def _gpu_broadcast(source: str) -> tuple[Rule, ...]:
    return (
        Rule(wide_first, f"{source}; gpu/common/tasks/add.cc", "fatal"),
        Rule(no_broadcast, f"{source}; gpu/gl/kernels/add.cc: OpenCL computes it, OpenGL ES does not", "unknown"),
    )


GPU = Delegate(
    "gpu",
    "GPU (classic: OpenCL, OpenGL ES)",
    {
        **_listed(_G, "CONV_2D DEPTHWISE_CONV_2D", max_version(6), constant(1, "kernel")),
        "PRELU": (
            Rule(constant(1, "slope"), "LiteRT gpu/common/model_builder.cc PReLU", "fatal"),
            Rule(slope_of_gpu, "LiteRT gpu/common/model_builder.cc PReLU", "fatal"),
        ),
        **_listed(_G, "LEAKY_RELU RELU RELU6 RELU_N1_TO_1", max_version(2)),
        "RELU_0_TO_1": _listed("LiteRT 210bf4f78 (2025-12-02); older ones refuse it", "RELU_0_TO_1")["RELU_0_TO_1"],
        "ADD": _gpu_broadcast("LiteRT gpu/common/selectors/operation_selector.cc"),
        "MUL": _gpu_broadcast("LiteRT gpu/common/selectors/operation_selector.cc"),
        "CONCATENATION": _listed(_G, "CONCATENATION", max_version(2))["CONCATENATION"],
        "DEPTH_TO_SPACE": (Rule(block(2), "LiteRT gpu/common/model_builder.cc; absent in TensorFlow 2.5"),),
        **_listed(_G, "MINIMUM MAXIMUM SUB QUANTIZE DEQUANTIZE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RESHAPE"),
        **_listed(_G, f"AVERAGE_POOL_2D MAX_POOL_2D PAD SPACE_TO_DEPTH {_GPU_UNARY}"),
        "TRANSPOSE": (
            Rule(
                never("has an OpenCL kernel only, no OpenGL ES shader"), "LiteRT gpu/gl/kernels/registry.cc", "unknown"
            ),
        ),
    },
    _G,
    always=(Rule(types(_GPU_TYPES), _G), Rule(max_rank(4), _G)),
    limit=1,
    folds="all",
    notes=("only the largest partition goes to the GPU (max_delegated_partitions is 1)",),
    integer_notes=(_GPU_QUANTIZED,),
)

GPU_ML_DRIFT = Delegate(
    "gpu_ml_drift",
    "GPU (ML Drift, LiteRT 2)",
    {
        **_listed(_D, "CONV_2D DEPTHWISE_CONV_2D CONCATENATION", max_version(6)),
        "PRELU": (Rule(constant(1, "slope"), _D), Rule(slope_of_gpu, _D)),
        **_listed(_D, "LEAKY_RELU RELU RELU6", max_version(2)),
        "RELU_0_TO_1": (
            Rule(never("taken by 2.1.3, refused from 2.1.5 on"), "LiteRT issue 8598; gpu_compatibility.cc"),
        ),
        **dict.fromkeys(("ADD", "MUL"), (Rule(no_broadcast, f"{_D}: the kernels' source is not public", "unknown"),)),
        **_listed(_D, "DEPTH_TO_SPACE", block(2)),
        **_listed(_D, "MINIMUM MAXIMUM SUB QUANTIZE DEQUANTIZE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR"),
        **_listed(_D, "TRANSPOSE RESHAPE"),
    },
    _D,
    always=(Rule(types(_GPU_TYPES), _D), Rule(max_rank(4), f"{_D}; LiteRT issue 2540")),
    limit=1,
    folds="all",
    notes=(
        "compilation fails if any node is refused, unless the CPU is allowed too (litert/runtime/compiled_model.cc)",
    ),
    integer_notes=(_GPU_QUANTIZED,),
)

# NNAPI: what the delegate offers at a feature level; the vendor's driver is then asked.

_N = "LiteRT nnapi/nnapi_delegate.cc Validate"
_N_TYPES = types(_NUMERIC)


def _from_29(level: int, *conditions: Condition) -> tuple[Rule, ...]:
    late = () if level >= 29 else (never("exists from API level 29 on"),)
    return tuple(Rule(condition, _N) for condition in (*late, *conditions))


def _nnapi_kernel(level: int, version: int) -> tuple[Rule, ...]:
    conditions = [max_version(version), present(2, "bias"), constant(1, "kernel")]
    if level < 29:
        dilations = at_most(("dilationWFactor", "dilationHFactor"), 1, "a dilation of")
        conditions += [types((FLOAT32, UINT8)), per_tensor_kernel, requantisation(1.0), dilations]
        conditions += [no_groups] if version == 5 else []
    return tuple(Rule(condition, _N) for condition in (_N_TYPES, *conditions))


def _nnapi_dequantize(level: int) -> tuple[Rule, ...]:
    sources = ((UINT8, FLOAT32),) if level < 29 else ((UINT8, FLOAT32), (INT8, FLOAT32))
    conditions = [conversion(sources), *([zero_point_zero] if level == 29 else [])]
    return tuple(Rule(condition, _N) for condition in conditions)


def _nnapi_resize(level: int) -> tuple[Rule, ...]:
    conditions = [_N_TYPES, exact_rank(4), constant(1, "size")]
    if level < 29:
        conditions += [types((FLOAT32,)), square_output]
    if level < 30:
        conditions.append(no_corner_flags)
    return tuple(Rule(condition, _N) for condition in conditions)


def _nnapi(level: int, title: str) -> Delegate:
    arithmetic = _N_TYPES if level < 30 else types((*_NUMERIC, INT32))
    same = Rule(same_quantization(), "NNAPI DEPTH_TO_SPACE: input and output must have one scale and zero point")
    joined = [_N_TYPES, max_version(2), fused(("NONE",))]
    joined += [same_quantization(100, (UINT8,))] if level < 29 else []
    quantize = ((FLOAT32, UINT8),) if level < 30 else ((FLOAT32, UINT8), (FLOAT32, INT8), (INT8, INT8))
    table = {
        "CONV_2D": _nnapi_kernel(level, 5),
        "DEPTHWISE_CONV_2D": _nnapi_kernel(level, 3),
        **_listed(_N, "ADD", arithmetic, max_version(2)),
        **_listed(f"{_N}: version 3 with a named accelerator", "MUL", arithmetic, max_version(2)),
        "PRELU": _from_29(level, _N_TYPES, max_version(1)),
        "LEAKY_RELU": _from_29(level, _N_TYPES, max_version(1), positive_alpha),
        "DEPTH_TO_SPACE": (Rule(_N_TYPES, f"{_N}; NNAPI from API level 27 on"), same),
        **_listed(_N, "CONCATENATION", *joined),
        **_listed(_N, "RELU RELU6 RELU_N1_TO_1", _N_TYPES, max_version(2)),
        **_listed(_N, "RELU_0_TO_1", never("does not exist in NNAPI")),
        **dict.fromkeys(("MINIMUM", "MAXIMUM"), _from_29(level, types((*_NUMERIC, INT32)), max_version(3))),
        "QUANTIZE": _from_29(level, conversion(quantize)),
        "DEQUANTIZE": _nnapi_dequantize(level),
        "RESIZE_BILINEAR": _nnapi_resize(level),
        "RESIZE_NEAREST_NEIGHBOR": _from_29(level, *(rule.condition for rule in _nnapi_resize(max(level, 29)))),
        **_listed(_N, "RESHAPE", _N_TYPES),
        **_listed(_N, "TRANSPOSE", _N_TYPES, *([never("exists from API level 28 on")] if level < 28 else [])),
    }
    offered = (
        "at most 3 partitions, the largest; the phone's driver may refuse what is offered; deprecated in Android 15"
    )
    shifted = "INT8 is sent as UINT8: inputs and outputs are shifted by 128 on the CPU at every inference"
    return Delegate(
        f"nnapi_{level}",
        title,
        table,
        _N,
        always=(Rule(max_rank(4), _N),),
        limit=3,
        folds="all",
        notes=(offered,),
        integer_notes=(shifted,) if level < 30 else (),
    )


# Neural processors.

_Q = "LiteRT litert/vendors/qualcomm/compiler/qnn_compose_graph.cc"
_NPU_TYPES = types((FLOAT32, "FLOAT16", INT8, UINT8, "INT16"))
_NPU_COMMON = "CONCATENATION MINIMUM MAXIMUM QUANTIZE DEQUANTIZE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SUB"
_NPU_NOTE = "each taken node is then checked by the vendor's compiler for the phone's chip"


def _npu_broadcast(source: str) -> tuple[Rule, ...]:
    return (Rule(no_broadcast, f"{source}: broadcast not verified", "unknown"),)


QNN = Delegate(
    "qnn",
    "Qualcomm (QNN plugin)",
    {
        **_listed(_Q, f"CONV_2D DEPTHWISE_CONV_2D RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 DEPTH_TO_SPACE {_NPU_COMMON}"),
        **_listed(f"{_Q}; from 2.0.2 (2025-08) on", "PRELU"),
        **_listed(_Q, "LEAKY_RELU", positive_alpha),
        **dict.fromkeys(("ADD", "MUL"), _npu_broadcast(_Q)),
        **dict.fromkeys(("TRANSPOSE", "RESHAPE"), (Rule(max_rank(4), f"{_Q}: rank above 4 not verified", "unknown"),)),
    },
    _Q,
    always=(Rule(_NPU_TYPES, _Q),),
    notes=(_NPU_NOTE, "several partitions mean several contexts and have exhausted memory (LiteRT issue 5141)"),
)

_T = "LiteRT litert/vendors/mediatek/compiler/compiler_plugin.cc"
_T_ABSENT = "is not among the 45 operators of its table"
MEDIATEK = Delegate(
    "mediatek",
    "MediaTek (NeuroPilot plugin)",
    {
        **_listed(_T, f"CONV_2D DEPTHWISE_CONV_2D RELU {_NPU_COMMON}"),
        **_listed(f"{_T}; from 2.0.2 (2025-09) on", "PRELU"),
        **_listed(f"{_T}; from 2.1.3 (2026-01) on", "LEAKY_RELU"),
        **dict.fromkeys(("ADD", "MUL"), _npu_broadcast(_T)),
        **_listed(_T, "DEPTH_TO_SPACE RELU6 RELU_0_TO_1 RELU_N1_TO_1", never(_T_ABSENT)),
        **dict.fromkeys(("TRANSPOSE", "RESHAPE"), (Rule(max_rank(4), f"{_T}: rank above 4 not verified", "unknown"),)),
    },
    _T,
    always=(Rule(_NPU_TYPES, _T),),
    notes=(_NPU_NOTE,),
)

_S = "LiteRT litert/vendors/samsung/compiler/compiler_plugin.cc, create_model.cc"
_S_UNMAPPED = "is claimed, but has no counterpart: compilation fails"
SAMSUNG = Delegate(
    "samsung",
    "Samsung (Exynos plugin)",
    {
        **_listed(_S, f"CONV_2D DEPTHWISE_CONV_2D RELU RELU6 RELU_0_TO_1 LEAKY_RELU SPACE_TO_DEPTH {_NPU_COMMON}"),
        **dict.fromkeys(("ADD", "MUL"), _npu_broadcast(_S)),
        **dict.fromkeys(("PRELU", "DEPTH_TO_SPACE"), (Rule(never(_S_UNMAPPED), _S, "fatal"),)),
        **dict.fromkeys(("TRANSPOSE", "RESHAPE"), (Rule(max_rank(4), f"{_S}: rank above 4 not verified", "unknown"),)),
    },
    _S,
    notes=("it claims every operator; one that it cannot map makes compilation fail, with no way back to the CPU",),
)

GOOGLE_TENSOR = Delegate(
    "google_tensor",
    "Google Tensor (plugin)",
    {},
    "LiteRT litert/vendors/google_tensor/compiler/compiler_plugin.cc",
    notes=("all but a deny-list of 43 operators is offered to a closed compiler: what that takes is not verified",),
)

_H = "LiteRT hexagon/utils.cc, README.md"
HEXAGON = Delegate(
    "hexagon",
    "Hexagon (legacy, Snapdragon 6xx to 855)",
    {
        "CONV_2D": (
            Rule(at_most(("dilationWFactor", "dilationHFactor"), 1, "a dilation of"), _H),
            Rule(at_most(("strideW", "strideH"), 3, "a stride of"), _H),
        ),
        **_listed(_H, "DEPTHWISE_CONV_2D", kernel_height(2)),
        **_listed(_H, "PRELU LEAKY_RELU DEQUANTIZE RELU_0_TO_1", never("is not among its operators")),
        **_listed(_H, "RELU RELU6 CONCATENATION DEPTH_TO_SPACE MINIMUM MAXIMUM MUL RESIZE_NEAREST_NEIGHBOR"),
        "ADD": (Rule(no_broadcast, f"{_H}: broadcast not verified", "unknown"),),
        **_listed(_H, "RESIZE_BILINEAR", exact_rank(4), max_side(65)),
        **_listed(_H, "QUANTIZE", conversion(((INT8, INT8), (INT8, UINT8), (UINT8, UINT8), (UINT8, INT8)))),
    },
    _H,
    always=(Rule(types((INT8, UINT8)), _H), Rule(max_rank(4), _H)),
    notes=("deprecated",),
)

DELEGATES: tuple[Delegate, ...] = (
    XNNPACK,
    GPU,
    GPU_ML_DRIFT,
    _nnapi(27, "NNAPI, Android 8.1 (API 27)"),
    _nnapi(28, "NNAPI, Android 9 (API 28)"),
    _nnapi(29, "NNAPI, Android 10 (API 29)"),
    _nnapi(30, "NNAPI, Android 11 and later (API 30+)"),
    QNN,
    MEDIATEK,
    SAMSUNG,
    GOOGLE_TENSOR,
    HEXAGON,
)

# What must hold in an int8 file for its kernels to compute what it says, whoever runs it.

_U = "LiteRT tflite/kernels/kernel_util.cc"
_KERNEL: tuple[Rule, ...] = (
    Rule(kernel_zero_point, f"{_U} PopulateConvolutionQuantizationParams"),
    Rule(requantisation(256.0), "XNNPACK src/operators/convolution-nhwc.c"),
    Rule(bias_scale(), f"{_U} GetQuantizedConvolutionMultipler"),
)
INVARIANTS: dict[str, tuple[Rule, ...]] = {
    "CONV_2D": _KERNEL,
    "DEPTHWISE_CONV_2D": _KERNEL,
    **_listed(_ELEMENTWISE, "ADD SUB", input_ratios(2.0**-10, 2.0**8)),
    **_listed(_ELEMENTWISE, "MUL", product_ratio(2.0**-16, 2.0**8)),
    **_listed("XNNPACK src/subgraph/concatenate.c", "CONCATENATION", same_quantization(100)),
    **_listed("XNNPACK src/subgraph", "DEPTH_TO_SPACE RESHAPE TRANSPOSE RESIZE_BILINEAR", same_quantization()),
    **_listed("LiteRT tflite/kernels", "RESIZE_NEAREST_NEIGHBOR SPACE_TO_DEPTH PAD", same_quantization()),
    **_listed(f"{_X} VisitUnaryNode", "LEAKY_RELU", leaky_ranges),
}
INVARIANT_ALWAYS = (
    Rule(normal_scales, "XNNPACK src/tensor.c"),
    Rule(zero_points_in_range, "XNNPACK src/tensor.c; measured: the runtime crashes on some"),
)
