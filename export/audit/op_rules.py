"""Conditions on a node's operator, types and shapes, from which the tables in `delegates` are built.

A condition is a function from a node to the reason why the node violates it, or None. A factory such as
`max_rank(4)` gives a condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ecbsr_mobile.tflite.graph import FLOAT32, INT8, INT16, Graph, Node, Tensor, fused_activation


class NodeView:
    """A node with its tensors. Inputs are numbered as in the schema; an absent optional input is None."""

    def __init__(self, graph: Graph, node: Node, folded: frozenset[int] = frozenset()) -> None:
        self.node = node
        self.inputs = [graph.tensors[i] if i >= 0 else None for i in node.inputs]
        self.outputs = [graph.tensors[i] for i in node.outputs]
        # Delegates treat the output of a DEQUANTIZE of a constant (`folded`) as a constant.
        self._constant = [i in folded or (i >= 0 and graph.tensors[i].data is not None) for i in node.inputs]

    def input(self, position: int) -> Tensor | None:
        """The input at `position`, or None."""
        return self.inputs[position] if position < len(self.inputs) else None

    def is_constant(self, position: int) -> bool:
        """Whether the value of the input at `position` is known before the model runs."""
        return position < len(self._constant) and self._constant[position]

    def activations(self) -> list[Tensor]:
        """The outputs, and the inputs that are not constant."""
        inputs = zip(self.inputs, self._constant, strict=True)
        return [tensor for tensor, constant in inputs if tensor is not None and not constant] + self.outputs

    def operands(self) -> list[Tensor]:
        """The inputs that are present, constants included."""
        return [tensor for tensor in self.inputs if tensor is not None]


Condition = Callable[[NodeView], str | None]
"""Node → why it violates the condition, as the end of a sentence; None if it meets the condition."""


def unsupported(reason: str) -> Condition:
    """No node meets the condition."""
    return lambda _view: reason


def activation_types(names: tuple[str, ...]) -> Condition:
    """Every activation has one of these types."""

    def check(view: NodeView) -> str | None:
        wrong = [tensor.type_name for tensor in view.activations() if tensor.type_name not in names]
        return f"supports {' or '.join(names)}, not {wrong[0]}" if wrong else None

    return check


def no_small_integers(view: NodeView) -> str | None:
    """No operand has less than 8 bits."""
    small = [tensor.type_name for tensor in view.operands() if tensor.type_name in ("INT4", "UINT4", "INT2")]
    return f"support of {small[0]} is not verified" if small else None


def same_type(count: int = 1) -> Condition:
    """The first `count` inputs and the output have the same type."""

    def check(view: NodeView) -> str | None:
        names = {tensor.type_name for tensor in view.inputs[:count] if tensor} | {view.outputs[0].type_name}
        return f"mixes the types {', '.join(sorted(names))}" if len(names) > 1 else None

    return check


def type_conversion(pairs: tuple[tuple[str, str], ...]) -> Condition:
    """The pair (input type, output type) is one of these."""

    def check(view: NodeView) -> str | None:
        source = view.input(0)
        pair = (source.type_name if source else "nothing", view.outputs[0].type_name)
        return None if pair in pairs else f"does not convert {pair[0]} to {pair[1]}"

    return check


def kernel_type(dynamic_range: bool = False) -> Condition:
    """The weights have the type of the input; with `dynamic_range`, FLOAT32 inputs may have INT8 weights."""

    def check(view: NodeView) -> str | None:
        source, weights = view.input(0), view.input(1)
        if source is None or weights is None:
            return "has no weights"
        pair = (source.type_name, weights.type_name)
        if pair[0] == pair[1] or (dynamic_range and pair == (FLOAT32, INT8)):
            return None
        return f"does not support {pair[1]} weights with {pair[0]} activations"

    return check


def max_version(version: int) -> Condition:
    """The version of the operator is at most `version`."""

    def check(view: NodeView) -> str | None:
        if view.node.version <= version:
            return None
        return f"supports the operator up to version {version}, not {view.node.version}"

    return check


def max_rank(most: int) -> Condition:
    """No tensor has more than `most` dimensions."""

    def check(view: NodeView) -> str | None:
        rank = max((len(tensor.shape) for tensor in [*view.operands(), *view.outputs]), default=0)
        return f"supports tensors up to rank {most}, not {rank}" if rank > most else None

    return check


def exact_rank(expected: int) -> Condition:
    """The first input has `expected` dimensions."""

    def check(view: NodeView) -> str | None:
        source = view.input(0)
        rank = len(source.shape) if source else 0
        return None if rank == expected else f"supports tensors of rank {expected}, not {rank}"

    return check


def no_empty_dimension(view: NodeView) -> str | None:
    """Every dimension of every activation is positive."""
    empty = [tensor for tensor in view.activations() if 0 in tensor.shape]
    return f"tensor {empty[0].label} of shape {list(empty[0].shape)} is empty" if empty else None


def constant_input(position: int, what: str) -> Condition:
    """The input at `position` (called `what`) is constant or absent."""

    def check(view: NodeView) -> str | None:
        computed = view.input(position) is not None and not view.is_constant(position)
        return f"its {what} is not constant" if computed else None

    return check


def has_input(position: int, what: str) -> Condition:
    """The input at `position` (called `what`) is present."""

    def check(view: NodeView) -> str | None:
        return f"has no {what}" if view.input(position) is None else None

    return check


def input_count(least: int, most: int) -> Condition:
    """The number of inputs is between `least` and `most`, both included."""

    def check(view: NodeView) -> str | None:
        count = len(view.operands())
        return None if least <= count <= most else f"supports {least} to {most} inputs, not {count}"

    return check


def fused_activation_in(names: tuple[str, ...]) -> Condition:
    """The fused activation is one of these."""

    def check(view: NodeView) -> str | None:
        name = fused_activation(view.node)
        return None if name in names else f"does not support the fused activation {name}"

    return check


def min_block_size(least: int) -> Condition:
    """The block size of DEPTH_TO_SPACE is at least `least`."""

    def check(view: NodeView) -> str | None:
        block = int(getattr(view.node.options, "blockSize", 0))
        return None if block >= least else f"supports blocks of at least {least}, not {block}"

    return check


def int16_slope(name: str) -> Condition:
    """The slope of a PRELU of INT16 has this type."""

    def check(view: NodeView) -> str | None:
        source, slope = view.input(0), view.input(1)
        if source is None or slope is None or source.type_name != INT16 or slope.type_name == name:
            return None
        return f"supports {name} slopes with INT16 activations, not {slope.type_name}"

    return check


def prelu_slope_shape(view: NodeView) -> str | None:
    """The slope of a PRELU has C values (shape [..., C]), or the shape of the input."""
    source, slope = view.input(0), view.input(1)
    if source is None or slope is None or not source.shape:
        return "has no slope"
    channels = source.shape[-1]
    per_channel = bool(slope.shape) and slope.shape[-1] == channels and math.prod(slope.shape) == channels
    whole = slope.shape in (source.shape, source.shape[1:])
    if per_channel or whole:
        return None
    return f"supports a slope per channel ({channels}) or per value, not of shape {list(slope.shape)}"


def no_broadcast(view: NodeView) -> str | None:
    """Both inputs have the same shape, or the second is a constant with one value or one per channel."""
    first, second = view.input(0), view.input(1)
    if first is None or second is None or first.shape == second.shape:
        return None
    values = math.prod(second.shape)
    vector = second.shape[-1:] in ((), (values,)) and values in (1, first.shape[-1] if first.shape else 1)
    if vector and view.is_constant(1):
        return None
    return f"the inputs {list(first.shape)} and {list(second.shape)} need broadcasting"


def wide_operand_first(view: NodeView) -> str | None:
    """If an input with one channel is broadcast, it is the second."""
    first, second = view.input(0), view.input(1)
    if first is None or second is None or not first.shape or not second.shape:
        return None
    narrow = first.shape[-1] == 1 < second.shape[-1]
    return "the first input has one channel, and the kernel would add it to the first channel only" if narrow else None


def max_option(options: tuple[str, ...], value: int, what: str) -> Condition:
    """Each of these options (called `what`, e.g. "a stride of") is at most `value`."""

    def check(view: NodeView) -> str | None:
        largest = max(int(getattr(view.node.options, option, 1)) for option in options)
        return f"supports {what} at most {value}, not {largest}" if largest > value else None

    return check


def unit_strides(view: NodeView) -> str | None:
    """Every stride of a STRIDED_SLICE is 1."""
    strides = view.input(3)
    values = None if strides is None else strides.data
    return None if values is not None and (values == 1).all() else "supports strides of 1 only"


def min_kernel_height(least: int) -> Condition:
    """The kernel has at least `least` rows."""

    def check(view: NodeView) -> str | None:
        weights = view.input(1)
        height = weights.shape[1] if weights and len(weights.shape) == 4 else 0
        return None if height >= least else f"supports kernels of at least {least} rows, not {height}"

    return check


def no_grouped_convolution(view: NodeView) -> str | None:
    """The kernel covers all input channels."""
    source, weights = view.input(0), view.input(1)
    grouped = source and weights and source.shape[-1:] != weights.shape[-1:]
    return "does not support grouped convolutions" if grouped else None


def square_output(view: NodeView) -> str | None:
    """The output is square."""
    shape = view.outputs[0].shape
    oblong = len(shape) == 4 and shape[1] != shape[2]
    return f"supports square outputs, not {shape[2]}x{shape[1]}" if oblong else None


def max_output_side(most: int) -> Condition:
    """Height and width of the output are at most `most`."""

    def check(view: NodeView) -> str | None:
        side = max(view.outputs[0].shape[1:3], default=0)
        return f"supports outputs of at most {most}x{most}, not {side}" if side > most else None

    return check


def no_corner_flags(view: NodeView) -> str | None:
    """Neither align_corners nor half_pixel_centers is set."""
    options = view.node.options
    flags = getattr(options, "alignCorners", False) or getattr(options, "halfPixelCenters", False)
    return "does not support align_corners or half_pixel_centers" if flags else None
