"""The two GPU delegates. Both compute in floating point, whatever the type of the model."""

from __future__ import annotations

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, UINT8

from ..op_rules import (
    activation_types,
    constant_input,
    max_rank,
    max_version,
    min_block_size,
    no_broadcast,
    prelu_slope_shape,
    unsupported,
    wide_operand_first,
)
from .base import Delegate, Rule, rules_for

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
    common_rules=(Rule(activation_types(_TYPES), _CLASSIC), Rule(max_rank(4), _CLASSIC)),
    max_partitions=1,
    folds_constants="all",
    notes=("only the largest partition runs on the GPU (max_delegated_partitions is 1)",),
    quantized_notes=(_QUANTIZED_NOTE,),
)

GPU_ML_DRIFT = Delegate(
    name="gpu_ml_drift",
    title="GPU (ML Drift, LiteRT 2)",
    operators={
        **rules_for(_ML_DRIFT, "CONV_2D DEPTHWISE_CONV_2D CONCATENATION", max_version(6)),
        "PRELU": (Rule(constant_input(1, "slope"), _ML_DRIFT), Rule(prelu_slope_shape, _ML_DRIFT)),
        **rules_for(_ML_DRIFT, "LEAKY_RELU RELU RELU6", max_version(2)),
        "RELU_0_TO_1": (
            Rule(
                unsupported("is supported by 2.1.3 and refused since 2.1.5"),
                "LiteRT issue 8598; gpu_compatibility.cc",
            ),
        ),
        **dict.fromkeys(
            ("ADD", "MUL"), (Rule(no_broadcast, f"{_ML_DRIFT}: the kernels' source is not public", "unknown"),)
        ),
        **rules_for(_ML_DRIFT, "DEPTH_TO_SPACE", min_block_size(2)),
        **rules_for(_ML_DRIFT, f"{_COMMON} TRANSPOSE RESHAPE"),
    },
    source=_ML_DRIFT,
    common_rules=(Rule(activation_types(_TYPES), _ML_DRIFT), Rule(max_rank(4), f"{_ML_DRIFT}; LiteRT issue 2540")),
    max_partitions=1,
    folds_constants="all",
    notes=("compilation fails if a node is refused, unless the CPU is allowed too (litert/runtime/compiled_model.cc)",),
    quantized_notes=(_QUANTIZED_NOTE,),
)
