"""Images in and out of a model: the layout of its input and output, and how they store pixels.

This is the only place that decides what the numbers in an image tensor mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EcbsrError, UsageError
from ..quantization import qparams
from .graph import COLORS, Graph, Tensor, image_input, image_shape, is_channels_first
from .resize import CALLS, scale_of
from .value_range import (
    BYTES,
    CENTERED_RANGES,
    FLOAT_RANGES,
    SIGNED,
    UNIT,
    Side,
    ValueRange,
    float_range,
    integer_ranges,
    integer_scale,
    reaches_as_far,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GIVEN: dict[float, ValueRange] = {1: UNIT, 255: BYTES, -1: SIGNED}
"""The ranges that a caller can give."""


@dataclass(frozen=True, eq=False)
class ImageTensor:
    """An input or output tensor that stores one image.

    Attributes:
        tensor: its data type, quantization and shape.
        channels_first: the layout is NCHW instead of NHWC.
        values: the real values of black and white.
        others: the other possible ones, where the file does not record them and `values` is assumed.
    """

    tensor: Tensor
    channels_first: bool
    values: ValueRange
    others: tuple[ValueRange, ...] = ()

    @property
    def recorded(self) -> bool:
        """Whether the file says what its values are."""
        return not self.others

    def store(self, image: NDArray[np.floating]) -> NDArray[Any]:
        """An image [H, W, C] in [0, 1] as a batch of one, as the tensor stores it; rounded to its scale."""
        real: NDArray[Any] = image.astype(np.float32, copy=False)
        if self.values != UNIT:
            black, white = self._limits(np.float32)
            real = real * (white - black) + black
        batch = real[None].transpose(0, 3, 1, 2) if self.channels_first else real[None]
        dtype = self.tensor.dtype
        if dtype.kind == "f":
            return np.ascontiguousarray(batch, dtype)
        return np.ascontiguousarray(qparams.quantize(batch, *(integer_scale(self.tensor) or (1.0, 0)), dtype))

    def load(self, stored: NDArray[Any], dtype: type = np.float32) -> NDArray[Any]:
        """The image [H, W, C] that a batch of one stores: 0 is black and 1 is white; not clipped."""
        real: NDArray[Any]
        if stored.dtype.kind == "f":
            real = stored.astype(dtype)
        else:
            real = qparams.dequantize(stored, *(integer_scale(self.tensor) or (1.0, 0)), dtype)
        image = real[0].transpose(1, 2, 0) if self.channels_first else real[0]
        if self.values == UNIT:
            return image
        black, white = self._limits(dtype)
        return (image - black) / (white - black)

    def array(self, data: bytes) -> NDArray[Any]:
        """The bytes of the tensor as an array of its shape.

        Raises:
            EcbsrError: the number of bytes is not that of the tensor.
        """
        tensor = self.tensor
        if len(data) != math.prod(tensor.shape) * tensor.dtype.itemsize:
            raise EcbsrError(f"the output has {len(data)} bytes, which do not fit {list(tensor.shape)} {tensor.dtype}")
        return np.frombuffer(data, tensor.dtype).reshape(tensor.shape)

    def _limits(self, dtype: type) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.array(self.values.black, dtype), np.array(self.values.white, dtype)


@dataclass(frozen=True, eq=False)
class ImageIO:
    """The images in and out of a super-resolution model."""

    input: ImageTensor
    output: ImageTensor
    scale: int
    colors: int

    def alternatives(self) -> list[ImageIO]:
        """This reading first, then the others that the file does not exclude, the simpler ones first."""
        readings = [
            replace(self, input=image, output=result)
            for image in _readings(self.input)
            for result in _readings(self.output)
        ]
        return sorted(readings, key=lambda io: (io.text != self.text, io.centered, io.input.values != io.output.values))

    @property
    def centered(self) -> bool:
        """Whether it assumes a range of `CENTERED_RANGES`."""
        return any(not side.recorded and side.values in CENTERED_RANGES for side in (self.input, self.output))

    def of(self, sized: Graph) -> ImageIO:
        """The same reading, for the model at another size."""
        image, result = sized.tensors[sized.inputs[0]], sized.tensors[sized.outputs[0]]
        return replace(self, input=replace(self.input, tensor=image), output=replace(self.output, tensor=result))

    @property
    def text(self) -> str:
        """The ranges, for a message."""
        if self.input.values == self.output.values:
            return str(self.input.values)
        return f"{self.input.values} in and {self.output.values} out"


def image_io(graph: Graph, value_range: float | None = None) -> ImageIO:
    """How a super-resolution model stores images.

    Args:
        graph: a model with one image as input and a larger one as output.
        value_range: 1 or 255: the values of a float input or output are in [0, `value_range`]; -1: in [-1, 1]; None:
            as recorded.

    Raises:
        EcbsrError: its input or output is not such an image.
        UsageError: `value_range` is none of these, or the file records another one.
    """
    image_input(graph)
    operators = {node.operator for node in graph.nodes}
    if "READ_VARIABLE" in operators and not operators & {"ASSIGN_VARIABLE", *CALLS}:
        # XNNPACK reads such variables from memory that nobody wrote
        raise EcbsrError(
            "the model reads variables that nothing in it sets, so its weights are not in the file; convert it with "
            "constant weights, such as by TFLiteConverter.from_keras_model"
        )
    if len(graph.outputs) != 1:
        raise EcbsrError(f"the model has {len(graph.outputs)} outputs; convert it with one, the image")
    colors = image_shape(graph)[2]
    if colors not in COLORS:
        raise EcbsrError(f"the model's input has {colors} channels; convert it for images of 1 (luma) or 3 (RGB)")
    scale = scale_of(graph)
    image, result = input_image(graph, value_range), output_image(graph, value_range)
    if value_range is not None and not any(t.tensor.dtype.kind == "f" for t in (image, result)):
        stated = {image.values, result.values}
        if stated != {_given(value_range)}:
            raise UsageError(
                f"its integers say by themselves which values they stand for, {' and '.join(map(str, stated))}: "
                f"leave out the range {value_range:g}"
            )
    return ImageIO(image, result, scale, colors)


def input_image(graph: Graph, value_range: float | None = None) -> ImageTensor:
    """How a model stores its input; see `image_io`."""
    return _image(graph, image_input(graph), "input", value_range)


def output_image(graph: Graph, value_range: float | None = None) -> ImageTensor:
    """How a model stores its first output; see `image_io`.

    A float range that is not recorded is that of the input. Integers that reach as far as the input can have its range.
    """
    result = _image(graph, graph.tensors[graph.outputs[0]], "output", value_range)
    if result.tensor.dtype.kind == "f" and result.recorded:
        return result
    image = input_image(graph, value_range)
    if result.tensor.dtype.kind in "iu":
        known = (result.values, *result.others)
        possible = (values for values in (image.values, *image.others) if reaches_as_far(result.tensor, values))
        return replace(result, others=(*result.others, *(values for values in possible if values not in known)))
    if not image.recorded or image.values not in result.others:
        return result
    others = tuple(values for values in (result.values, *result.others) if values != image.values)
    return replace(result, values=image.values, others=others)


def _image(graph: Graph, tensor: Tensor, side: Side, value_range: float | None) -> ImageTensor:
    channels_first = is_channels_first(graph, side)
    if tensor.kind or tensor.dtype.kind not in "iuf":
        raise EcbsrError(
            f"the model's {side} {tensor.label} has the type {tensor.type_name}, which is no image; "
            "convert it with floats or integers"
        )
    recorded, colors = float_range(graph, side), tensor.shape[1 if channels_first else -1]
    if tensor.dtype.kind in "iu":
        stated = recorded if value_range is None else _given(value_range)
        possible = integer_ranges(tensor, side, colors)
        values, *others = (stated,) if stated in possible else possible
        return ImageTensor(tensor, channels_first, values, tuple(others))
    if value_range is not None:
        if recorded is not None and recorded != _given(value_range) and side == "input":
            raise UsageError(f"the file records values in {recorded}: leave out the range {value_range:g}")
        return ImageTensor(tensor, channels_first, _given(value_range))
    if recorded is not None:
        return ImageTensor(tensor, channels_first, recorded)
    assumed = tuple(values for values in (*FLOAT_RANGES[1:], *CENTERED_RANGES) if values.fits(colors))
    return ImageTensor(tensor, channels_first, UNIT, assumed)


def _given(value_range: float) -> ValueRange:
    if value_range not in _GIVEN:
        raise UsageError(f"the range {value_range:g} is not known; use 1, 255 or -1 (values from -1 to 1)")
    return _GIVEN[value_range]


def _readings(tensor: ImageTensor) -> list[ImageTensor]:
    """The tensor, and with every other range that it can have."""
    return [tensor, *(replace(tensor, values=values) for values in tensor.others)]
