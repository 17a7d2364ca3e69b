"""NNAPI: what the delegate offers at an API level. The phone's driver may still reject it."""

from __future__ import annotations

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, INT32, UINT8

from ..op_rules import (
    Condition,
    activation_types,
    constant_input,
    exact_rank,
    fused_activation_in,
    has_input,
    max_option,
    max_rank,
    max_version,
    no_corner_flags,
    no_grouped_convolution,
    square_output,
    type_conversion,
    unsupported,
)
from ..quant_rules import (
    max_requantization_scale,
    per_tensor_kernel,
    positive_alpha,
    same_quantization,
    zero_point_zero,
)
from .base import NUMERIC, Delegate, Rule, rules_for, small_integers

_SOURCE = "LiteRT nnapi/nnapi_delegate.cc Validate"
_TYPES = activation_types(NUMERIC)


def _since_29(level: int, *conditions: Condition) -> tuple[Rule, ...]:
    late = () if level >= 29 else (unsupported("exists only since API level 29"),)
    return tuple(Rule(condition, _SOURCE) for condition in (*late, *conditions))


def _convolution(level: int, version: int) -> tuple[Rule, ...]:
    conditions = [max_version(version), has_input(2, "bias"), constant_input(1, "kernel")]
    if level < 29:
        dilations = max_option(("dilationWFactor", "dilationHFactor"), 1, "a dilation of")
        conditions += [activation_types((FLOAT32, UINT8)), per_tensor_kernel, max_requantization_scale(1.0), dilations]
        conditions += [no_grouped_convolution] if version == 5 else []
    return tuple(Rule(condition, _SOURCE) for condition in (_TYPES, *conditions))


def _dequantize(level: int) -> tuple[Rule, ...]:
    sources = ((UINT8, FLOAT32),) if level < 29 else ((UINT8, FLOAT32), (INT8, FLOAT32))
    conditions = [type_conversion(sources), *([zero_point_zero] if level == 29 else [])]
    return tuple(Rule(condition, _SOURCE) for condition in conditions)


def _resize(level: int) -> tuple[Rule, ...]:
    conditions = [_TYPES, exact_rank(4), constant_input(1, "size")]
    if level < 29:
        conditions += [activation_types((FLOAT32,)), square_output]
    if level < 30:
        conditions.append(no_corner_flags)
    return tuple(Rule(condition, _SOURCE) for condition in conditions)


def _nnapi(level: int, title: str) -> Delegate:
    arithmetic = _TYPES if level < 30 else activation_types((*NUMERIC, INT32))
    same = Rule(same_quantization(), "NNAPI DEPTH_TO_SPACE: input and output must have one scale and zero point")
    concatenation = [_TYPES, max_version(2), fused_activation_in(("NONE",))]
    concatenation += [same_quantization(100, (UINT8,))] if level < 29 else []
    quantize = ((FLOAT32, UINT8),) if level < 30 else ((FLOAT32, UINT8), (FLOAT32, INT8), (INT8, INT8))
    transpose = [unsupported("exists only since API level 28")] if level < 28 else []
    table = {
        "CONV_2D": _convolution(level, 5),
        "DEPTHWISE_CONV_2D": _convolution(level, 3),
        **rules_for(_SOURCE, "ADD", arithmetic, max_version(2)),
        **rules_for(f"{_SOURCE}: version 3 with a named accelerator", "MUL", arithmetic, max_version(2)),
        "PRELU": _since_29(level, _TYPES, max_version(1)),
        "LEAKY_RELU": _since_29(level, _TYPES, max_version(1), positive_alpha),
        "DEPTH_TO_SPACE": (Rule(_TYPES, f"{_SOURCE}; NNAPI since API level 27"), same),
        **rules_for(_SOURCE, "CONCATENATION", *concatenation),
        **rules_for(_SOURCE, "RELU RELU6 RELU_N1_TO_1", _TYPES, max_version(2)),
        **rules_for(_SOURCE, "RELU_0_TO_1", unsupported("does not exist in NNAPI")),
        **dict.fromkeys(("MINIMUM", "MAXIMUM"), _since_29(level, activation_types((*NUMERIC, INT32)), max_version(3))),
        "QUANTIZE": _since_29(level, type_conversion(quantize)),
        "DEQUANTIZE": _dequantize(level),
        "RESIZE_BILINEAR": _resize(level),
        "RESIZE_NEAREST_NEIGHBOR": _since_29(level, *(rule.condition for rule in _resize(max(level, 29)))),
        **rules_for(_SOURCE, "RESHAPE", _TYPES),
        **rules_for(_SOURCE, "TRANSPOSE", _TYPES, *transpose),
    }
    limits = "only the 3 largest partitions are delegated; the phone's driver may refuse them; deprecated in Android 15"
    shifted = "INT8 is converted to UINT8: the CPU shifts inputs and outputs by 128 at every inference"
    return Delegate(
        name=f"nnapi_{level}",
        title=title,
        operators=table,
        source=_SOURCE,
        common_rules=(Rule(max_rank(4), _SOURCE), small_integers(_SOURCE)),
        max_partitions=3,
        folds_constants="all",
        notes=(limits,),
        quantized_notes=(shifted,) if level < 30 else (),
    )


NNAPI = (
    _nnapi(27, "NNAPI, Android 8.1 (API 27)"),
    _nnapi(28, "NNAPI, Android 9 (API 28)"),
    _nnapi(29, "NNAPI, Android 10 (API 29)"),
    _nnapi(30, "NNAPI, Android 11 and later (API 30+)"),
)
