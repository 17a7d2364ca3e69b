"""Hypothesis strategies for TFLite graphs that need not compute anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecbsr_mobile.tflite import Graph, Node, Quantization, Signature, Tensor
from ecbsr_mobile.tflite.graph import DTYPES
from ecbsr_mobile.tflite.reader import NEEDED_INPUTS, OPERATOR_NAMES

NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)  # no surrogates: they have no UTF-8
TYPES = st.sampled_from(list(DTYPES.values()))
INT32 = st.integers(-(2**31), 2**31 - 1)
OPTIONS = st.one_of(
    st.none(),
    st.builds(schema.LeakyReluOptionsT, alpha=st.floats(width=32, allow_nan=False)),
    st.builds(schema.DepthToSpaceOptionsT, blockSize=INT32),
    st.builds(schema.Conv2DOptionsT, padding=st.integers(0, 1), strideW=INT32, strideH=INT32),
    st.builds(schema.ReshapeOptionsT, newShape=st.lists(INT32, min_size=1, max_size=4)),
)


@st.composite
def quantizations(draw: st.DrawFn, shape: tuple[int, ...]) -> Quantization | None:
    """No quantization, one scale, or one scale per slice."""
    if not draw(st.booleans()):
        return None
    axis = draw(st.integers(0, len(shape) - 1)) if shape else 0
    count = shape[axis] if shape and draw(st.booleans()) else 1
    scales = draw(arrays(np.float32, count, elements=st.floats(width=32)))
    return Quantization(scales, draw(arrays(np.int64, count)), axis)


@st.composite
def tensors(draw: st.DrawFn, constant: bool) -> Tensor:
    """A constant with values, or an activation whose caller may choose dimensions."""
    shape = tuple(draw(st.lists(st.integers(1, 3) if constant else st.integers(0, 2**31 - 1), max_size=4)))
    dtype = draw(TYPES)
    data = draw(arrays(dtype, shape)) if constant else None
    chosen = draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    signature = None
    if not constant and any(chosen):
        signature = tuple(-1 if free else size for free, size in zip(chosen, shape, strict=True))
    quantization = draw(quantizations(shape if constant else shape[:0]))
    return Tensor(draw(NAMES), shape, dtype, data, quantization, signature, variable=draw(st.booleans()))


@st.composite
def nodes(draw: st.DrawFn, inputs: st.SearchStrategy[int], outputs: st.SearchStrategy[int]) -> Node:
    """A built-in operator with any options, or a custom one."""
    custom = draw(st.booleans())
    built_in = sorted(set(OPERATOR_NAMES.values()) - {"CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES"})
    operator = draw(NAMES if custom else st.sampled_from(built_in))
    needed = not custom and operator in NEEDED_INPUTS
    return Node(
        operator=operator,
        inputs=tuple(draw(st.lists(inputs if needed else st.one_of(st.just(-1), inputs), max_size=4))),
        outputs=tuple(draw(st.lists(outputs, max_size=3))),
        version=draw(st.integers(1, 9)),
        options=draw(OPTIONS),
        custom_options=draw(st.one_of(st.none(), st.binary(max_size=9))),
        custom=custom,
        intermediates=tuple(draw(st.lists(outputs, max_size=2))),
    )


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph in which every tensor is used, so that writing it drops none."""
    activations = draw(st.lists(tensors(constant=False), min_size=1, max_size=4))
    constants = draw(st.lists(tensors(constant=True), max_size=4))
    count = len(activations) + len(constants)
    activation, anything = st.integers(0, len(activations) - 1), st.integers(0, count - 1)
    last = Node("CUSTOM_LAST", tuple(range(count)), (), custom=True)
    named = st.dictionaries(NAMES, anything, max_size=3)
    return Graph(
        tensors=(*activations, *constants),
        nodes=(*draw(st.lists(nodes(anything, activation), max_size=4)), last),
        inputs=tuple(draw(st.lists(activation, max_size=2))),
        outputs=tuple(draw(st.lists(anything, max_size=2))),
        signature=draw(st.one_of(st.none(), st.builds(Signature, NAMES, named, named))),
        metadata=draw(st.dictionaries(NAMES, st.binary(max_size=9), max_size=3)),
        description=draw(NAMES),
    )


def plain(value: Any) -> Any:
    """A graph as values that compare with `==`: arrays by type, shape and bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (Graph, Tensor, Node, Quantization)):
        return type(value).__name__, {name: plain(item) for name, item in vars(value).items()}
    if type(value).__module__ == schema.__name__:  # vectors are read as arrays
        return type(value).__name__, {name: np.array(item).tolist() for name, item in vars(value).items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value
