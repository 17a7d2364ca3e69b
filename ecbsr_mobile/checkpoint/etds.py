"""The networks of ECNUSR/ETDS that its own names mark: ETDS (trained and converted), its variants, and Plain.

Source: J. Chao et al., "Equivalent Transformation and Dual Stream Network Construction for Mobile Image
Super-Resolution", CVPR 2023, and the networks' definitions in https://github.com/ECNUSR/ETDS.

While it is trained, ETDS has a wide and a narrow stream of convolutions with ReLU, and convolutions between them; the
results of both are added. Side by side, they are one chain of convolutions without a skip connection. A converted
network ends with relu(1 - relu(1 - y)), written as a 1×1 convolution with weights -1: y clipped to [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..collapse import Kernel
from ..errors import EcbsrError
from .state import State

NAME = (
    r"(?:conv(?:_residual)?_(?:first|last)|conv_clip|(?:backbone|residual|add_residual|advanced_residual)_convs\.\d{1,4})"
    r"\.(?:weight|bias)"
)
"""A tensor's name in these networks."""


def as_plain_blocks(state: State) -> tuple[State, bool | None]:
    """The tensors under the names `convs.N`, with both streams merged, and whether the image is added to the result.

    None stands for unknown: Plain and a variant with a skip connection have the same names.

    Raises:
        EcbsrError: a tensor is missing, left over, or does not fit.
    """
    depth = len({name.split(".")[1] for name in state if name.startswith("backbone_convs.")})
    inner = range(depth)
    unused = dict(state)

    def kernel(name: str) -> Kernel:
        try:
            weight, bias = unused.pop(f"{name}.weight"), unused.pop(f"{name}.bias")
        except KeyError as missing:
            raise EcbsrError(f"has no tensor {missing}; save the whole network's state_dict()") from None
        if weight.ndim != 4 or bias.shape != weight.shape[:1]:
            raise EcbsrError(f"{name} has no convolution with bias")
        return weight, bias

    names = ["conv_first", *(f"backbone_convs.{index}" for index in inner), "conv_last"]
    kernels = [kernel(name) for name in names]
    dual = "conv_residual_first.weight" in state
    if dual:
        narrow = ["conv_residual_first", *(f"residual_convs.{index}" for index in inner), "conv_residual_last"]
        across = [
            [kernel(f"{kind}.{index}") if f"{kind}.{index}.weight" in state else None for index in inner]
            for kind in ("add_residual_convs", "advanced_residual_convs")
        ]
        try:
            kernels = _merged(kernels, [kernel(name) for name in narrow], *across)
        except RuntimeError:
            raise EcbsrError("has two streams of convolutions whose shapes do not fit together") from None
    if "conv_clip.weight" in state:
        kernels.append(kernel("conv_clip"))
    if unused:
        raise EcbsrError(f"tensor {next(iter(unused))!r} does not belong to a network of ETDS")
    merged: State = {}
    for index, (weight, bias) in enumerate(kernels):
        merged |= {f"convs.{index}.weight": weight, f"convs.{index}.bias": bias}
    return merged, False if dual else None


def _merged(
    wide: list[Kernel], narrow: list[Kernel], to_wide: Sequence[Kernel | None], to_narrow: Sequence[Kernel | None]
) -> list[Kernel]:
    """Both streams side by side: their channels follow each other, and the results of the last layers are added."""
    (first, *wide_inner, last), (narrow_first, *narrow_inner, narrow_last) = wide, narrow
    kernels = [(torch.cat([first[0], narrow_first[0]]), torch.cat([first[1], narrow_first[1]]))]
    for (weight, bias), (narrow_weight, narrow_bias), up, down in zip(
        wide_inner, narrow_inner, to_wide, to_narrow, strict=True
    ):
        channels, others = len(bias), len(narrow_bias)
        up_weight, up_bias = up or (weight.new_zeros(channels, others, 3, 3), bias.new_zeros(channels))
        down_weight, down_bias = down or (weight.new_zeros(others, channels, 3, 3), bias.new_zeros(others))
        rows = torch.cat([weight, up_weight], 1), torch.cat([down_weight, narrow_weight], 1)
        kernels.append((torch.cat(rows), torch.cat([bias + up_bias, narrow_bias + down_bias])))
    kernels.append((torch.cat([last[0], narrow_last[0]], 1), last[1] + narrow_last[1]))
    return kernels


def clips(blocks: list[State]) -> bool:
    """Whether the last of the blocks only clips: it is a 1×1 convolution.

    Raises:
        EcbsrError: it is one that computes something else.
    """
    weight, bias = (blocks[-1].get(f"conv3x3.{name}") for name in ("weight", "bias"))
    if weight is None or weight.shape[2:] != (1, 1):
        return False
    if (
        bias is None
        or "slope" in blocks[-2]
        or not torch.equal(weight.flatten(1), -torch.eye(len(weight), dtype=weight.dtype))
        or not (bias == 1).all()
    ):
        raise EcbsrError("ends with a 1x1 convolution that does more than clip to [0, 1], which is not supported")
    return True
