"""The plain network as an ONNX model that converts cleanly to TFLite.

Built with `onnx.helper` instead of `torch.onnx.export` for two reasons. Pixel shuffle becomes one DepthToSpace in DCR
mode, which TFLite has as an operator; torch writes CRD mode, which becomes a transpose of rank 6. The residual becomes
a 1×1 convolution with weights 0 and 1 and an addition of equal shapes, which every delegate supports; not all support
a broadcasting addition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray
    from torch import Tensor

    from ecbsr_mobile.network import PlainNet

INPUT, OUTPUT = "image", "upscaled"
OPSET = 13
IR_VERSION = 8  # old enough for any runtime of this opset: a runtime refuses IR versions that it does not know


def onnx_model(net: PlainNet, size: tuple[int, int] | None = None) -> onnx.ModelProto:
    """Build the ONNX model of a plain network.

    Args:
        net: the plain network, for values in [0, 1].
        size: (width, height) of the LR input in pixels; None leaves both dynamic.

    Returns:
        A checked model with input `image` [1, colors, H, W] and output `upscaled`
        [1, colors, scale·H, scale·W], float32, NCHW, values in [0, 1] (the output is not clipped).
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    arch = net.architecture
    order = dcr_order(arch.colors, arch.scale)
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[np.float32]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def conv(name: str, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        inputs = [source, constant(f"{name}.weight", weight), constant(f"{name}.bias", bias)]
        pad = weight.shape[2] // 2
        nodes.append(helper.make_node("Conv", inputs, [name], name, kernel_shape=weight.shape[2:], pads=[pad] * 4))
        return name

    y = INPUT
    *inner, (weight, bias, _) = net.layers()
    for number, (inner_weight, inner_bias, slope) in enumerate(inner):
        y = conv(f"conv{number}", y, array(inner_weight), array(inner_bias))
        nodes.append(_activation(arch.activation, slope, f"act{number}", y, constant))
        y = f"act{number}"
    y = conv(f"conv{len(inner)}", y, array(weight)[order], array(bias)[order])
    if arch.residual:
        residual = conv("residual", INPUT, residual_kernel(arch.colors, arch.scale), np.zeros(len(order), np.float32))
        nodes.append(helper.make_node("Add", [y, residual], ["sum"], "sum"))
        y = "sum"
    nodes.append(helper.make_node("DepthToSpace", [y], [OUTPUT], OUTPUT, blocksize=arch.scale, mode="DCR"))

    width, height = size or ("width", "height")
    out_width, out_height = [n * arch.scale for n in size] if size else ("out_width", "out_height")
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, arch.colors, height, width])
    upscaled = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, arch.colors, out_height, out_width])
    graph = helper.make_graph(nodes, net.name, [image], [upscaled], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ecbsr_mobile")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def dcr_order(colors: int, scale: int) -> list[int]:
    """For each channel in DepthToSpace's DCR order, its index in torch's `pixel_shuffle` order.

    DCR keeps the colors of a sub-pixel together; `pixel_shuffle` keeps the sub-pixels of a color together.
    """
    return [color * scale**2 + pixel for pixel in range(scale**2) for color in range(colors)]


def residual_kernel(colors: int, scale: int) -> NDArray[np.float32]:
    """[colors·scale², colors, 1, 1]: copies each color of the input to its sub-pixels, in DCR order."""
    copies = np.repeat(np.eye(colors, dtype=np.float32), scale**2, axis=0)
    return copies[dcr_order(colors, scale), :, None, None]


def _activation(
    kind: str, slope: Tensor | None, name: str, source: str, constant: Callable[[str, NDArray[np.float32]], str]
) -> onnx.NodeProto:
    from onnx import helper

    if slope is None:
        return helper.make_node("Relu", [source], [name], name)
    if kind == "leaky":
        return helper.make_node("LeakyRelu", [source], [name], name, alpha=float(array(slope)[0]))
    slopes = constant(f"{name}.slope", array(slope)[:, None, None])
    return helper.make_node("PRelu", [source, slopes], [name], name)


def array(tensor: Tensor) -> NDArray[np.float32]:
    """The values of a torch tensor, as float32; they may share its memory."""
    value: NDArray[np.float32] = tensor.detach().cpu().numpy().astype(np.float32)
    return value
