"""The kinds of condition that a delegate sets on a node, each a function that says why a node fails it.

A table (`delegates`) puts them together; nothing here knows any delegate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ..tflite.graph import FLOAT32, INT8, Graph, Node, Tensor, fused_activation


class NodeView:
    """A node with its tensors at hand. Positions count inputs as the schema does; an absent one is None."""

    def __init__(self, graph: Graph, node: Node, folded: frozenset[int] = frozenset()) -> None:
        self.node = node
        self.inputs = [graph.tensors[i] if i >= 0 else None for i in node.inputs]
        self.outputs = [graph.tensors[i] for i in node.outputs]
        # `folded`: tensors that a DEQUANTIZE makes of a constant, which delegates treat as constants.
        self._constant = [i in folded or (i >= 0 and graph.tensors[i].data is not None) for i in node.inputs]

    def input(self, position: int) -> Tensor | None:
        """The input at `position`; None where absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    def is_constant(self, position: int) -> bool:
        """Whether the input at `position` is known before the model runs."""
        return position < len(self._constant) and self._constant[position]

    def activations(self) -> list[Tensor]:
        """Inputs and outputs that change from run to run."""
        sources = zip(self.inputs, self._constant, strict=True)
        return [tensor for tensor, constant in sources if tensor is not None and not constant] + self.outputs

    def operands(self) -> list[Tensor]:
        """All inputs that are there."""
        return [tensor for tensor in self.inputs if tensor is not None]


Condition = Callable[[NodeView], str | None]
"""Says what is wrong with a node, for a person to read; None when the node meets the condition."""


def unsupported(reason: str) -> Condition:
    """No node passes."""

    def check(view: NodeView) -> str | None:
        return reason

    return check


def activation_types(names: tuple[str, ...]) -> Condition:
    """Every activation is of one of these types."""

    def check(view: NodeView) -> str | None:
        wrong = [tensor.type_name for tensor in view.activations() if tensor.type_name not in names]
        return f"takes {_either(names)}, not {wrong[0]}" if wrong else None

    return check


def same_type(count: int = 1) -> Condition:
    """The first `count` inputs and the output are of one type."""

    def check(view: NodeView) -> str | None:
        found = {tensor.type_name for tensor in view.inputs[:count] if tensor} | {view.outputs[0].type_name}
        return f"mixes the types {', '.join(sorted(found))}" if len(found) > 1 else None

    return check


def type_conversion(pairs: tuple[tuple[str, str], ...]) -> Condition:
    """(input type, output type) is one of these."""

    def check(view: NodeView) -> str | None:
        source = view.input(0)
        pair = (source.type_name if source else "nothing", view.outputs[0].type_name)
        return None if pair in pairs else f"does not convert {pair[0]} to {pair[1]}"

    return check


def kernel_type(dynamic_range: bool = False) -> Condition:
    """Weights are of the activations' type; or INT8 under FLOAT32 activations where `dynamic_range` allows it."""

    def check(view: NodeView) -> str | None:
        source, weights = view.input(0), view.input(1)
        if source is None or weights is None:
            return "has no weights"
        pair = (source.type_name, weights.type_name)
        if pair[0] == pair[1] or (dynamic_range and pair == (FLOAT32, INT8)):
            return None
        return f"does not take {pair[1]} weights with {pair[0]} activations"

    return check


def max_version(version: int) -> Condition:
    """The operator's version is at most this."""

    def check(view: NodeView) -> str | None:
        if view.node.version <= version:
            return None
        return f"takes version {version} of the operator at most, not {view.node.version}"

    return check


def max_rank(most: int) -> Condition:
    """No tensor has more dimensions than this."""

    def check(view: NodeView) -> str | None:
        rank = max((len(tensor.shape) for tensor in [*view.operands(), *view.outputs]), default=0)
        return f"takes tensors of rank {most} at most, not {rank}" if rank > most else None

    return check


def exact_rank(wanted: int) -> Condition:
    """The first input has exactly this many dimensions."""

    def check(view: NodeView) -> str | None:
        source = view.input(0)
        rank = len(source.shape) if source else 0
        return None if rank == wanted else f"takes tensors of rank {wanted}, not {rank}"

    return check


def no_empty_dimension(view: NodeView) -> str | None:
    """Every dimension of every activation is positive."""
    empty = [tensor for tensor in view.activations() if 0 in tensor.shape]
    return f"tensor {empty[0].label} of shape {list(empty[0].shape)} is empty" if empty else None


def constant_input(position: int, what: str) -> Condition:
    """The input at `position`, where there is one, is known before the model runs."""

    def check(view: NodeView) -> str | None:
        wrong = view.input(position) is not None and not view.is_constant(position)
        return f"its {what} is not constant" if wrong else None

    return check


def has_input(position: int, what: str) -> Condition:
    """The input at `position` is there."""

    def check(view: NodeView) -> str | None:
        return f"has no {what}" if view.input(position) is None else None

    return check


def input_count(least: int, most: int) -> Condition:
    """The number of inputs lies between `least` and `most`."""

    def check(view: NodeView) -> str | None:
        count = len(view.operands())
        return None if least <= count <= most else f"takes {least} to {most} inputs, not {count}"

    return check


def fused_activation_in(names: tuple[str, ...]) -> Condition:
    """The fused activation is one of these."""

    def check(view: NodeView) -> str | None:
        name = fused_activation(view.node)
        return None if name in names else f"does not take the fused activation {name}"

    return check


def min_block_size(least: int) -> Condition:
    """The block is at least this."""

    def check(view: NodeView) -> str | None:
        block = int(getattr(view.node.options, "blockSize", 0))
        return None if block >= least else f"takes blocks of {least} at least, not {block}"

    return check


def prelu_slope_shape(view: NodeView) -> str | None:
    """A PRELU's slope is [C] or 1…1×C with exactly C values, or H×W×C equal to the input's."""
    source, slope = view.input(0), view.input(1)
    if source is None or slope is None or not source.shape:
        return "has no slope"
    channels = source.shape[-1]
    per_channel = bool(slope.shape) and slope.shape[-1] == channels and math.prod(slope.shape) == channels
    whole = slope.shape in (source.shape, source.shape[1:])
    if per_channel or whole:
        return None
    return f"takes a slope per channel ({channels}) or per value, not of shape {list(slope.shape)}"


def no_broadcast(view: NodeView) -> str | None:
    """Both inputs have the same shape, or the second is a constant of one value or one per channel."""
    first, second = view.input(0), view.input(1)
    if first is None or second is None or first.shape == second.shape:
        return None
    values = math.prod(second.shape)
    vector = second.shape[-1:] in ((), (values,)) and values in (1, first.shape[-1] if first.shape else 1)
    if vector and view.is_constant(1):
        return None
    return f"the inputs {list(first.shape)} and {list(second.shape)} have to be broadcast"


def wide_operand_first(view: NodeView) -> str | None:
    """In a broadcast over channels, the tensor of one channel is the second."""
    first, second = view.input(0), view.input(1)
    if first is None or second is None or not first.shape or not second.shape:
        return None
    narrow = first.shape[-1] == 1 < second.shape[-1]
    return "the tensor of one channel comes first, and only the first channel would receive it" if narrow else None


def max_option(options: tuple[str, ...], value: int, what: str) -> Condition:
    """These options are at most `value` (strides, dilations)."""

    def check(view: NodeView) -> str | None:
        found = max(int(getattr(view.node.options, option, 1)) for option in options)
        return f"takes {what} {value} at most, not {found}" if found > value else None

    return check


def unit_strides(view: NodeView) -> str | None:
    """A STRIDED_SLICE skips nothing."""
    strides = view.input(3)
    values = None if strides is None else strides.data
    return None if values is not None and (values == 1).all() else "takes slices without steps only"


def min_kernel_height(least: int) -> Condition:
    """The filter has at least this many rows."""

    def check(view: NodeView) -> str | None:
        weights = view.input(1)
        height = weights.shape[1] if weights and len(weights.shape) == 4 else 0
        return None if height >= least else f"takes filters of {least} rows at least, not {height}"

    return check


def no_grouped_convolution(view: NodeView) -> str | None:
    """The filter covers all input channels."""
    source, weights = view.input(0), view.input(1)
    grouped = source and weights and source.shape[-1:] != weights.shape[-1:]
    return "does not take grouped convolutions" if grouped else None


def square_output(view: NodeView) -> str | None:
    """The output is as high as wide."""
    shape = view.outputs[0].shape
    wrong = len(shape) == 4 and shape[1] != shape[2]
    return f"takes outputs as high as wide, not {shape[2]}x{shape[1]}" if wrong else None


def max_output_side(most: int) -> Condition:
    """The output is at most this high and wide."""

    def check(view: NodeView) -> str | None:
        side = max(view.outputs[0].shape[1:3], default=0)
        return f"takes outputs of {most} pixels each way at most, not {side}" if side > most else None

    return check


def no_corner_flags(view: NodeView) -> str | None:
    """Neither align_corners nor half_pixel_centers is set."""
    options = view.node.options
    corners, centres = getattr(options, "alignCorners", False), getattr(options, "halfPixelCenters", False)
    return "does not take align_corners or half_pixel_centers" if corners or centres else None


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def folded_constants(graph: Graph) -> Iterator[int]:
    """The tensors that a DEQUANTIZE makes of a constant."""
    for node in graph.nodes:
        if node.operator == "DEQUANTIZE" and node.inputs and graph.tensors[node.inputs[0]].data is not None:
            yield from node.outputs
