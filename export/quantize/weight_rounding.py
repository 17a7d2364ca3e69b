"""8-bit weights for a float graph whose activations keep 16 bits: what is lost is in the weights alone.

Two steps, of which the second runs on a few blocks of real images; both give the same result when they run again.

1. Equalization. An input channel divided by t and the kernels that read it multiplied by t is the same network, and
   activations of 16 bits have room for it. With the right t, the weights of every input channel use the 8 bits of
   their output channel (M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
   ICCV 2019).
2. Rounding. Each convolution is fitted by least squares to the float network's result, from the inputs that it gets
   behind the rounded layers before it; then its weights are rounded one by one, and those that are still free make up
   for the error (E. Frantar et al., "GPTQ", ICLR 2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.tflite import Graph, Node, Tensor, interpreter
from ecbsr_mobile.utils.progress import Notify, with_percent

from ..transforms.channels import convolution_before, scale_channels
from .quantizer import copies_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

EQUALIZATION_STEPS = 10
MAX_FACTOR = 64.0  # of a channel in equalization: its activation keeps 16 - 6 bits
DAMPING = 0.01  # share of the inputs' mean square: keeps weights that the image does not determine (as in GPTQ)
ROWS = 64  # of the image, whose products of inputs are summed at once


@dataclass(frozen=True)
class RoundedWeights:
    """A float graph whose weights are multiples of the scale of their output channel, -127 to 127 times.

    `scales` are these scales [outputs] by the index of the weights' tensor.
    """

    graph: Graph
    scales: dict[int, NDArray[np.float32]]


def equalize(graph: Graph) -> Graph:
    """The same network with weights that use the 8 bits of every output channel evenly over its input channels.

    `graph` is a float graph with PReLU as one operator, each constant read by one node.
    """
    tensors = list(graph.tensors)
    for _, node in _convolutions(graph):
        before = convolution_before(graph, node)
        if before is not None:
            factors = _equalizing_factors(_data(tensors[node.inputs[1]]))
            scale_channels(tensors, before, node, 1 / factors, factors)
    return replace(graph, tensors=tuple(tensors))


def round_to_nearest(graph: Graph) -> RoundedWeights:
    """`graph` with each weight rounded by itself: what `round_weights` is compared with."""
    tensors, scales = list(graph.tensors), {}
    for _, node in _convolutions(graph):
        weight = tensors[node.inputs[1]]
        scale = _scales(_data(weight).reshape(len(_data(weight)), -1))
        steps = scale.reshape(-1, 1, 1, 1)
        tensors[node.inputs[1]] = replace(weight, data=np.round(_data(weight) / steps) * steps)
        scales[node.inputs[1]] = scale
    return RoundedWeights(replace(graph, tensors=tuple(tensors)), scales)


def round_weights(graph: Graph, image: NDArray[np.float32], progress: Notify) -> RoundedWeights:
    """Round the weights of a float graph, except those of convolutions that copy the image.

    Args:
        graph: a float graph, each constant read by one node.
        image: real pixels [H, W, C] in [0, 1] (see `calibration.sheet`).
        progress: called with a message at each convolution.
    """
    rounded, scales = graph, {}
    convolutions = list(_convolutions(graph))
    for count, (number, node) in enumerate(convolutions):
        progress(with_percent("rounding weights", count, len(convolutions)))
        rounded, scales[node.inputs[1]] = _round_convolution(graph, rounded, number, image)
    return RoundedWeights(rounded, scales)


def _equalizing_factors(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """A factor for each input channel of [O, h, w, I] that makes its largest weight one of the largest of an output."""
    largest = np.abs(weight.astype(np.float64)).max(axis=(1, 2))
    used = largest.max(axis=0) > 0  # the factor of an input channel that nothing reads stays 1
    factors = np.ones(largest.shape[1])
    if not used.any():
        return factors
    for _ in range(EQUALIZATION_STEPS):
        outputs = (largest * factors).max(axis=1, keepdims=True)
        shares = np.divide(largest, outputs, out=np.zeros_like(largest), where=outputs > 0)
        factors[used] = 1 / shares.max(axis=0)[used]
    factors[used] /= np.exp(np.log(factors[used]).mean())
    return np.clip(factors, 1 / MAX_FACTOR, MAX_FACTOR)


def _round_convolution(
    graph: Graph, rounded: Graph, number: int, image: NDArray[np.float32]
) -> tuple[Graph, NDArray[np.float32]]:
    """The graph `rounded` with the weights of one more convolution rounded, and their scales."""
    node = graph.nodes[number]
    weight, bias = (graph.tensors[index] for index in node.inputs[1:])
    outputs, height, width, _ = weight.shape
    weights = np.concatenate([_data(weight).reshape(outputs, -1), _data(bias)[:, None]], axis=1).astype(np.float64)
    exact, inputs = (_input_values(each, number, image) for each in (graph, rounded))
    gram = np.zeros((weights.shape[1],) * 2)
    missing = np.zeros((weights.shape[1], outputs))
    for patches, exact_patches in zip(_patches(inputs, height, width), _patches(exact, height, width), strict=True):
        gram += patches.T @ patches
        missing += patches.T @ ((exact_patches - patches) @ weights.T)
    gram += DAMPING * np.trace(gram) / len(gram) * np.eye(len(gram))
    fitted = weights + np.linalg.solve(gram, missing).T
    scale = _scales(fitted[:, :-1])
    result = _round_one_by_one(fitted, scale.astype(np.float64), gram)
    tensors = list(rounded.tensors)
    tensors[node.inputs[1]] = replace(weight, data=result[:, :-1].reshape(weight.shape).astype(np.float32))
    tensors[node.inputs[2]] = replace(bias, data=result[:, -1].astype(np.float32))
    return replace(rounded, tensors=tuple(tensors)), scale


def _scales(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    """The scale of each output channel of [O, n], with which its largest weight is 127 or -127."""
    largest: NDArray[np.floating] = np.abs(weights).max(axis=1)
    return np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)


def _round_one_by_one(
    weights: NDArray[np.float64], scale: NDArray[np.float64], gram: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights [O, n] rounded to multiples of `scale` [O], except the last column, the bias, which stays exact.

    `gram` [n, n] are the mean products of the inputs. The inputs with the most energy come first.
    """
    order = np.append(np.argsort(-np.diag(gram)[:-1], kind="stable"), len(gram) - 1)
    free = weights[:, order]
    factor = np.linalg.cholesky(np.linalg.inv(gram[np.ix_(order, order)])).T
    for column in range(len(order) - 1):
        rounded = np.clip(np.round(free[:, column] / scale), -127, 127) * scale
        error = (free[:, column] - rounded) / factor[column, column]
        free[:, column + 1 :] -= np.outer(error, factor[column, column + 1 :])
        free[:, column] = rounded
    result = np.empty_like(free)
    result[:, order] = free
    return result


def _patches(values: NDArray[np.float32], height: int, width: int) -> Iterator[NDArray[np.float64]]:
    """The inputs of each output pixel of [H, W, C], padded with 0, and a 1 for the bias: [n, height·width·C + 1]."""
    padded = np.pad(values, ((height // 2, height // 2), (width // 2, width // 2), (0, 0))).astype(np.float64)
    for top in range(0, values.shape[0], ROWS):
        rows = padded[top : top + ROWS + height - 1]
        windows = np.lib.stride_tricks.sliding_window_view(rows, (height, width), axis=(0, 1))
        flat = windows.transpose(0, 1, 3, 4, 2).reshape(-1, height * width * values.shape[2])
        yield np.concatenate([flat, np.ones((len(flat), 1))], axis=1)


def _convolutions(graph: Graph) -> Iterator[tuple[int, Node]]:
    """The convolutions with weights to round, and their numbers among the nodes."""
    for number, node in enumerate(graph.nodes):
        if node.operator == "CONV_2D" and not copies_image(graph, node):
            yield number, node


def _input_values(graph: Graph, number: int, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The input [H, W, C] of a node for an image; the nodes before it are all that is run."""
    source = graph.nodes[number].inputs[0]
    if source in graph.inputs:
        return image
    before = replace(graph, nodes=graph.nodes[:number], outputs=(source,), signature=None)
    return interpreter.run(before, image)


def _data(tensor: Tensor) -> NDArray[np.float32]:
    assert tensor.data is not None
    return tensor.data
