"""TFLite's int16x8 kernels in NumPy, from their documentation and source: integers in, the same integers out.

`MultiplyByQuantizedMultiplier` of tflite/kernels/internal/common.cc in both widths, and what calls it.
"""

from __future__ import annotations

import math

import numpy as np

from ecbsr_mobile.tflite import Graph, Node


def run(graph: Graph, image: np.ndarray) -> np.ndarray:
    """The stored result [1, s·H, s·W, C] of a graph for a stored image [1, H, W, C]."""
    values: dict[int, np.ndarray] = {graph.inputs[0]: image.astype(np.int64)}
    for index, tensor in enumerate(graph.tensors):
        if tensor.data is not None:
            values[index] = tensor.data.astype(np.int64)
    for node in graph.nodes:
        inputs = [values[index] for index in node.inputs]
        tensor = graph.tensors[node.outputs[0]]
        result = _KERNELS[node.operator](graph, node, inputs)
        limits = np.iinfo(tensor.dtype)
        values[node.outputs[0]] = np.clip(result, limits.min, limits.max)
    return values[graph.outputs[0]].astype(graph.tensors[graph.outputs[0]].dtype)


def _multiplier(real: float) -> tuple[int, int]:
    """A factor as an integer m and an exponent e: m / 2^31 · 2^e."""
    fraction, exponent = math.frexp(real)
    fixed = math.floor(fraction * 2**31 + 0.5)
    return (fixed // 2, exponent + 1) if fixed == 2**31 else (fixed, exponent)


def _times(values: np.ndarray, real: float) -> np.ndarray:
    """int32 values times a factor: rounded to 31 bits, ties up, then shifted right, ties away from zero."""
    fixed, exponent = _multiplier(real)
    products = (values << max(exponent, 0)) * fixed
    high = (np.abs(products) + np.where(products >= 0, 2**30, 2**30 - 1) >> 31) * np.sign(products)
    right = max(-exponent, 0)
    return high if right == 0 else (np.abs(high) + 2 ** (right - 1) >> right) * np.sign(high)


def _times_int64(values: np.ndarray, real: float) -> np.ndarray:
    """int64 values times a factor of 16 bits, ties up."""
    fixed, exponent = _multiplier(real)
    reduced = (fixed + 2**15) >> 16 if fixed < 0x7FFF0000 else 0x7FFF
    shift = 15 - exponent
    return (values * reduced + (1 << (shift - 1))) >> shift


def _scale(graph: Graph, index: int) -> np.float32:
    return graph.tensors[index].quantization.scale[0]


def _zero_point(graph: Graph, index: int) -> int:
    return int(graph.tensors[index].quantization.zero_point[0])


def _quantize(graph: Graph, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    (source,), (result,) = node.inputs, node.outputs
    factor = float(_scale(graph, source)) / float(_scale(graph, result))
    return _times(inputs[0] - _zero_point(graph, source), factor) + _zero_point(graph, result)


def _conv(graph: Graph, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    image, weight, bias = inputs
    _, rows, columns, _ = weight.shape
    padded = np.pad(image[0], ((rows // 2,) * 2, (columns // 2,) * 2, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(0, 1))
    sums = np.einsum("hwcyx,oyxc->hwo", windows, weight) + bias
    scales = graph.tensors[node.inputs[1]].quantization.scale
    in_scale, out_scale = float(_scale(graph, node.inputs[0])), float(_scale(graph, node.outputs[0]))
    channels = [_times_int64(sums[..., c], in_scale * float(s) / out_scale) for c, s in enumerate(scales)]
    result = np.stack(channels, axis=-1)[None]
    return np.maximum(result, 0) if node.options.fusedActivationFunction == 1 else result


def _mul(graph: Graph, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    first, second = (_scale(graph, index) for index in node.inputs)
    return _times(inputs[0] * inputs[1], float(np.float32(first * second) / _scale(graph, node.outputs[0])))


def _add(graph: Graph, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    scales = [float(_scale(graph, index)) for index in node.inputs]
    largest = 2 * max(scales)
    total = sum(_times(v << 15, s / largest) for v, s in zip(inputs, scales, strict=True))
    return _times(total, largest / float(np.float32(2**15) * _scale(graph, node.outputs[0])))


def _leaky(graph: Graph, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    source, result = _scale(graph, node.inputs[0]), _scale(graph, node.outputs[0])
    alpha = np.float32(node.options.alpha)
    below, above = float(np.float32(source * alpha) / result), float(source / result)
    return np.where(inputs[0] >= 0, _times(inputs[0], above), _times(inputs[0], below))


def _depth_to_space(_graph: Graph, node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    block = node.options.blockSize
    n, h, w, c = inputs[0].shape
    moved = inputs[0].reshape(n, h, w, block, block, c // block**2).transpose(0, 1, 3, 2, 4, 5)
    return moved.reshape(n, h * block, w * block, c // block**2)


_KERNELS = {
    "QUANTIZE": _quantize,
    "CONV_2D": _conv,
    "MUL": _mul,
    "MAXIMUM": lambda _graph, _node, inputs: np.maximum(*inputs),
    "ADD": _add,
    "LEAKY_RELU": _leaky,
    "DEPTH_TO_SPACE": _depth_to_space,
}
