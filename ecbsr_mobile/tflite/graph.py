"""A TFLite model in memory, as immutable values: tensors, and the nodes that compute them.

Activations are NHWC. The index -1 among a node's inputs is an absent optional input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..errors import EcbsrError
from ..utils.text import printable

FLOAT32, INT8, UINT8, INT16, INT32 = "FLOAT32", "INT8", "UINT8", "INT16", "INT32"
"""The schema's names of common types."""

COLORS = (1, 3)
"""Channels of luma and RGB images."""

SAME_PADDING = 0
"""The schema's number of the padding SAME; that of VALID is 1."""

MAX_LABEL = 80
"""Longest name of a tensor or operator in a message, in characters."""

_NAMES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 complex128"
DTYPES = {name.upper(): np.dtype(name) for name in _NAMES.split()}
"""The schema's name of a type → NumPy's type, which has the same name in lower case."""


@dataclass(frozen=True, eq=False)
class Quantization:
    """Affine quantization: real = scale · (stored - zero_point).

    One scale and zero point for the whole tensor, or one per slice along `axis`.
    """

    scale: np.ndarray  # float32 [1] or [slices]
    zero_point: np.ndarray  # int64, as long as scale
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor; a constant has its values in `data`, of `shape` and `dtype`.

    `signature` is the shape with -1 for each dimension that the caller chooses; None if all are fixed. `kind` names a
    schema type that NumPy lacks ("INT4", "STRING", ...); `data` then contains the raw bytes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: np.ndarray | None = None
    quantization: Quantization | None = None
    signature: tuple[int, ...] | None = None
    kind: str = ""
    variable: bool = False
    sparsity: Any = None
    quantization_details: Any = None  # the schema's object for block-wise and custom quantization

    @property
    def type_name(self) -> str:
        """The schema's name of the type, such as "INT8"."""
        return self.kind or self.dtype.name.upper()

    @property
    def label(self) -> str:
        """The name for messages: short, on one line."""
        return short_name(self.name)

    @property
    def dynamic(self) -> bool:
        """Whether the caller chooses a dimension other than the batch, which is one image for every user here."""
        return self.signature is not None and -1 in self.signature[1:]

    @property
    def declared_shape(self) -> tuple[int, ...]:
        """The shape, with -1 for each dimension that the caller chooses."""
        return self.shape if self.signature is None else self.signature


@dataclass(frozen=True, eq=False)
class Node:
    """One operation. `options` is the schema's options object (e.g. `Conv2DOptionsT`): treat it as read-only."""

    operator: str  # the schema's name, or the code of a custom operator
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1
    options: Any = None
    custom_options: bytes | None = None
    custom: bool = False
    intermediates: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """The operator for messages: "CONV_2D", or "custom operator Foo"."""
        return f"custom operator {short_name(self.operator)}" if self.custom else self.operator


class Signature(NamedTuple):
    """The names by which a caller addresses inputs and outputs: name → tensor index."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True, eq=False)
class Graph:
    """The first subgraph of a model; `subgraphs` is the number of subgraphs in the file."""

    tensors: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signature: Signature | None = None
    metadata: dict[str, bytes] = field(default_factory=dict)
    description: str = ""
    subgraphs: int = 1


def short_name(name: str) -> str:
    """The name of a tensor or operator for messages: printable and short."""
    return printable(name, MAX_LABEL)


def operators(graph: Graph) -> dict[str, int]:
    """Operator → number of its nodes, in order of first use."""
    return dict(Counter(node.operator for node in graph.nodes))


def folded_constants(graph: Graph) -> Iterator[int]:
    """The indices of tensors that a DEQUANTIZE computes from a constant."""
    for node in graph.nodes:
        if node.operator == "DEQUANTIZE" and node.inputs and graph.tensors[node.inputs[0]].data is not None:
            yield from node.outputs


def with_metadata(graph: Graph, name: str, data: bytes) -> Graph:
    """The graph with one metadata entry set."""
    return replace(graph, metadata={**graph.metadata, name: data})


def fused_activation(node: Node) -> str:
    """The fused activation of a node: "NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH" or "SIGN_BIT"."""
    names = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")  # the schema's order
    code = getattr(node.options, "fusedActivationFunction", 0)
    return names[code] if 0 <= code < len(names) else f"activation {code}"


def image_input(graph: Graph) -> Tensor:
    """The image that is the only input of the model: [1, H, W, C], or [1, C, H, W] if `is_channels_first`.

    Raises:
        EcbsrError: the model has several inputs, or its input does not have rank 4 or is a batch of several images.
    """
    if len(graph.inputs) != 1:
        raise EcbsrError(
            f"the model has {len(graph.inputs)} inputs; convert it with one, an image [1, height, width, channels]"
        )
    tensor = graph.tensors[graph.inputs[0]]
    if len(tensor.shape) != 4:
        raise EcbsrError(
            f"the model's input {tensor.label} has shape {list(tensor.shape)}; "
            "convert it for an image [1, height, width, channels]"
        )
    if tensor.declared_shape[0] not in (-1, 0, 1):
        raise EcbsrError(
            f"the model's input {tensor.label} is a batch of {tensor.declared_shape[0]} images; "
            "convert it for one image at a time"
        )
    return tensor


def is_channels_first(graph: Graph, side: str = "input") -> bool:
    """Whether the "input" or "output" image has the layout NCHW: its second dimension is that of 1 or 3 colors.

    Where its last dimension could be that, too, NHWC is assumed unless only NCHW turns the input into the output.
    """
    shapes = [graph.tensors[i].declared_shape for indices in (graph.inputs, graph.outputs) for i in indices[:1]]
    shape, other = (shapes[0], shapes[-1]) if side == "input" else (shapes[-1], shapes[0])
    first, last = (len(shape) == 4 and shape[axis] in COLORS for axis in (1, 3))
    if first and last:
        return not _fits(shape, other, 3) and _fits(shape, other, 1)
    return first


def image_shape(graph: Graph) -> tuple[int, int, int]:
    """(height, width, channels) of the input image; -1 where the caller chooses."""
    _, *sizes = image_input(graph).declared_shape
    height, width, channels = (sizes[1], sizes[2], sizes[0]) if is_channels_first(graph) else sizes
    return height, width, channels


def input_size(graph: Graph) -> tuple[int, int]:
    """(width, height) of the input image; -1 where the caller chooses."""
    height, width, _ = image_shape(graph)
    return width, height


def _fits(shape: tuple[int, ...], other: tuple[int, ...], axis: int) -> bool:
    """Whether one of two images with the colors in `axis` can be the other, enlarged."""
    if len(other) != 4 or shape[axis] != other[axis]:
        return False
    pairs = [sorted((shape[i], other[i])) for i in (1, 2, 3) if i != axis and min(shape[i], other[i]) > 0]
    return all(large % small == 0 for small, large in pairs) and len({large // small for small, large in pairs}) <= 1
