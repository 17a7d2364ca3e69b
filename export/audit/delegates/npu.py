"""Compiler plugins of LiteRT for NPUs: Qualcomm, MediaTek, Samsung, Google Tensor."""

from __future__ import annotations

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, INT16, UINT8

from ..op_rules import activation_types, int16_slope, max_rank, no_broadcast, unsupported
from ..quant_rules import positive_alpha
from .base import Delegate, Rule, rules_for, small_integers

_QUALCOMM = "LiteRT litert/vendors/qualcomm/compiler/qnn_compose_graph.cc"
_TYPES = activation_types((FLOAT32, "FLOAT16", INT8, UINT8, INT16))
_TYPES_BUT_INT16 = activation_types((FLOAT32, "FLOAT16", INT8, UINT8))
_COMMON = "CONCATENATION MINIMUM MAXIMUM QUANTIZE DEQUANTIZE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SUB"
_NOTE = "the vendor's compiler then checks each of these nodes for the phone's SoC"


def _broadcast(source: str) -> tuple[Rule, ...]:
    return (Rule(no_broadcast, f"{source}: broadcast not verified", "unknown"),)


def _rank_4(source: str) -> tuple[Rule, ...]:
    return (Rule(max_rank(4), f"{source}: rank above 4 not verified", "unknown"),)


QNN = Delegate(
    name="qnn",
    title="Qualcomm (QNN plugin)",
    operators={
        **rules_for(_QUALCOMM, f"CONV_2D RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 {_COMMON}"),
        **rules_for("QAIRT DepthWiseConv2d, DepthToSpace", "DEPTHWISE_CONV_2D DEPTH_TO_SPACE", _TYPES_BUT_INT16),
        **rules_for(f"QAIRT Prelu; {_QUALCOMM} since 2.0.2 (2025-08)", "PRELU", int16_slope(INT16)),
        **rules_for(_QUALCOMM, "LEAKY_RELU", positive_alpha),
        **dict.fromkeys(("ADD", "MUL"), _broadcast(_QUALCOMM)),
        **dict.fromkeys(("TRANSPOSE", "RESHAPE"), _rank_4(_QUALCOMM)),
    },
    source=_QUALCOMM,
    common_rules=(Rule(_TYPES, _QUALCOMM), small_integers(_QUALCOMM)),
    notes=(_NOTE, "each partition needs a context; several have exhausted the memory (LiteRT issue 5141)"),
)

_MEDIATEK = "LiteRT litert/vendors/mediatek/compiler/compiler_plugin.cc"
_ABSENT = "is not among the 45 operators of its table"
MEDIATEK = Delegate(
    name="mediatek",
    title="MediaTek (NeuroPilot plugin)",
    operators={
        **rules_for(_MEDIATEK, f"CONV_2D DEPTHWISE_CONV_2D RELU {_COMMON}"),
        **rules_for(f"{_MEDIATEK}; since 2.0.2 (2025-09)", "PRELU"),
        **rules_for(f"{_MEDIATEK}; since 2.1.3 (2026-01)", "LEAKY_RELU"),
        **dict.fromkeys(("ADD", "MUL"), _broadcast(_MEDIATEK)),
        **rules_for(_MEDIATEK, "DEPTH_TO_SPACE RELU6 RELU_0_TO_1 RELU_N1_TO_1", unsupported(_ABSENT)),
        **dict.fromkeys(("TRANSPOSE", "RESHAPE"), _rank_4(_MEDIATEK)),
    },
    source=_MEDIATEK,
    common_rules=(
        Rule(_TYPES, f"{_MEDIATEK}, legalizations/neuron_utils.cc GetNeuronTensorType"),
        small_integers(_MEDIATEK),
    ),
    notes=(_NOTE,),
)

_SAMSUNG = "LiteRT litert/vendors/samsung/compiler/compiler_plugin.cc, create_model.cc"
_UNMAPPED = "is accepted, but has no counterpart: compilation fails"
SAMSUNG = Delegate(
    name="samsung",
    title="Samsung (Exynos plugin)",
    operators={
        **rules_for(_SAMSUNG, f"CONV_2D DEPTHWISE_CONV_2D RELU RELU6 RELU_0_TO_1 LEAKY_RELU SPACE_TO_DEPTH {_COMMON}"),
        **dict.fromkeys(("ADD", "MUL"), _broadcast(_SAMSUNG)),
        **dict.fromkeys(("PRELU", "DEPTH_TO_SPACE"), (Rule(unsupported(_UNMAPPED), _SAMSUNG, "fatal"),)),
        **dict.fromkeys(("TRANSPOSE", "RESHAPE"), _rank_4(_SAMSUNG)),
    },
    source=_SAMSUNG,
    common_rules=(small_integers(_SAMSUNG),),
    notes=("it accepts every operator; if it cannot map one, compilation fails, without a fallback to the CPU",),
)

GOOGLE_TENSOR = Delegate(
    name="google_tensor",
    title="Google Tensor (plugin)",
    operators={},
    source="LiteRT litert/vendors/google_tensor/compiler/compiler_plugin.cc",
    notes=("a closed compiler is offered all but 43 operators: which of them it supports is not verified",),
)
