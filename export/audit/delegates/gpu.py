"""The two GPU delegates. Both compute in floating point, whatever the type of the model.

The table of ML Drift is compared with the delegate itself, on this machine (`tests/helpers/gpu_cases.py`).
"""

from __future__ import annotations

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, INT16, UINT8

from ..op_rules import (
    activation_types,
    constant_input,
    input_count,
    max_rank,
    max_version,
    min_block_size,
    no_broadcast,
    no_empty_dimension,
    prelu_slope_shape,
    unsupported,
    wide_operand_first,
)
from ..quant_rules import unquantized
from .base import Delegate, Rule, rules_for, small_integers

_TYPES = (FLOAT32, "FLOAT16", INT8, UINT8)
_QUANTIZED_NOTE = (
    "a quantized model is computed in floating point, with an operation that imitates its rounding; "
    "its input and output are converted on the CPU at every inference"
)
_CLASSIC = "LiteRT gpu/common/model_builder.cc, tflite/tools/versioning/gpu_compatibility.cc"
_ML_DRIFT = "LiteRT ml_drift_delegate/tflite/model_builder.cc"
_COMMON = "MINIMUM MAXIMUM SUB QUANTIZE DEQUANTIZE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR"
_UNARY = "LOGISTIC TANH EXP ABS SQRT RSQRT SQUARE NEG HARD_SWISH ELU"


def _broadcast(source: str) -> tuple[Rule, ...]:
    return (
        Rule(wide_operand_first, f"{source}; gpu/common/tasks/add.cc", "fatal"),
        Rule(no_broadcast, f"{source}; gpu/gl/kernels/add.cc: OpenCL computes it, OpenGL ES does not", "unknown"),
    )


GPU = Delegate(
    name="gpu",
    title="GPU (classic: OpenCL, OpenGL ES)",
    operators={
        **rules_for(_CLASSIC, "CONV_2D DEPTHWISE_CONV_2D", max_version(6), constant_input(1, "kernel")),
        "PRELU": (
            Rule(constant_input(1, "slope"), "LiteRT gpu/common/model_builder.cc PReLU", "fatal"),
            Rule(prelu_slope_shape, "LiteRT gpu/common/model_builder.cc PReLU", "fatal"),
        ),
        **rules_for(_CLASSIC, "LEAKY_RELU RELU RELU6 RELU_N1_TO_1 CONCATENATION", max_version(2)),
        **rules_for("LiteRT 210bf4f78 (2025-12-02); older versions refuse it", "RELU_0_TO_1"),
        **dict.fromkeys(("ADD", "MUL"), _broadcast("LiteRT gpu/common/selectors/operation_selector.cc")),
        "DEPTH_TO_SPACE": (Rule(min_block_size(2), "LiteRT gpu/common/model_builder.cc; absent in TensorFlow 2.5"),),
        **rules_for(_CLASSIC, f"{_COMMON} RESHAPE"),
        **rules_for(_CLASSIC, f"AVERAGE_POOL_2D MAX_POOL_2D PAD SPACE_TO_DEPTH {_UNARY}"),
        "TRANSPOSE": (
            Rule(
                unsupported("has an OpenCL kernel, but no OpenGL ES shader"),
                "LiteRT gpu/gl/kernels/registry.cc",
                "unknown",
            ),
        ),
    },
    source=_CLASSIC,
    common_rules=(Rule(activation_types(_TYPES), _CLASSIC), Rule(max_rank(4), _CLASSIC), small_integers(_CLASSIC)),
    max_partitions=1,
    folds_constants="all",
    notes=("only the largest partition runs on the GPU (max_delegated_partitions is 1)",),
    quantized_notes=(_QUANTIZED_NOTE,),
)

_DRIFT_TYPES = activation_types(_TYPES)
_DRIFT_INT16 = activation_types((*_TYPES, INT16))  # of these operators, what INT16 computes was not compared
_MEASURED = "measured through the WebGPU accelerator"
_FLOAT_OPERATORS = "CEIL COS FLOOR POW ROUND SIN SQUARE"  # the built-in kernels have them in FLOAT32 only
_OPERATORS = (
    "ABS AVERAGE_POOL_2D DIV ELU EXP GELU HARD_SWISH LOG LOGISTIC MAX_POOL_2D MEAN MIRROR_PAD NEG PAD "
    "REDUCE_MAX RELU_N1_TO_1 RSQRT SIGN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT SQUARED_DIFFERENCE STRIDED_SLICE SUM "
    "TANH TILE TRANSPOSE_CONV CUMSUM"
)

GPU_ML_DRIFT = Delegate(
    name="gpu_ml_drift",
    title="GPU (ML Drift, LiteRT 2)",
    operators={
        **rules_for(f"{_ML_DRIFT}; measured", "CONV_2D DEPTHWISE_CONV_2D", _DRIFT_TYPES, max_version(6)),
        "CONCATENATION": (
            Rule(_DRIFT_TYPES, f"{_ML_DRIFT}; measured"),
            Rule(max_version(6), _ML_DRIFT),
            Rule(input_count(2, 128), f"{_MEASURED}: the GPU program of a single input is invalid", "fatal"),
        ),
        "PRELU": (
            Rule(_DRIFT_TYPES, f"{_ML_DRIFT}; measured"),
            Rule(constant_input(1, "slope"), f"{_ML_DRIFT}; measured"),
            Rule(prelu_slope_shape, f"{_ML_DRIFT}; measured"),
        ),
        **rules_for(f"{_ML_DRIFT}; measured", "LEAKY_RELU RELU RELU6", _DRIFT_TYPES, max_version(2)),
        "RELU_0_TO_1": (
            Rule(
                unsupported("is supported by 2.1.3 and refused since 2.1.5"),
                "LiteRT issue 8598; gpu_compatibility.cc; measured",
            ),
        ),
        **rules_for(_MEASURED, "ADD MUL SUB MINIMUM MAXIMUM", _DRIFT_INT16),
        **rules_for(f"{_ML_DRIFT}; measured", "DEPTH_TO_SPACE", _DRIFT_TYPES, min_block_size(2)),
        **rules_for(
            f"{_ML_DRIFT}; measured",
            "QUANTIZE DEQUANTIZE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR TRANSPOSE RESHAPE",
            _DRIFT_TYPES,
        ),
        **rules_for(_MEASURED, f"{_OPERATORS} {_FLOAT_OPERATORS}", _DRIFT_TYPES),
        **rules_for(_MEASURED, "FULLY_CONNECTED", activation_types((FLOAT32, "FLOAT16", INT8))),
        "CAST": (
            Rule(_DRIFT_TYPES, _MEASURED),
            Rule(unquantized, f"{_MEASURED}: it converts the real value, the CPU the stored one", "fatal"),
        ),
    },
    source=_ML_DRIFT,
    common_rules=(
        Rule(max_rank(4), f"{_ML_DRIFT}; LiteRT issue 2540; measured"),
        Rule(no_empty_dimension, f"{_MEASURED}: it divides by zero", "fatal"),
    ),
    max_partitions=1,
    folds_constants="all",
    notes=("compilation fails if a node is refused, unless the CPU is allowed too (litert/runtime/compiled_model.cc)",),
    quantized_notes=(_QUANTIZED_NOTE,),
)
