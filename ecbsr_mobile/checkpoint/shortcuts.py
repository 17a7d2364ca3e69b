"""Skip connections that a network's answers prove (see `proof`), and the chain of layers that contains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from ..errors import EcbsrError, OptionError
from . import chains, proof
from .chains import Chain
from .proof import Skip
from .state import State


@dataclass(frozen=True)
class Interpretation:
    """How a network is read.

    `chain` says whether the image is added to its result, and `assumed` what was assumed about that, if anything.
    """

    identity: bool
    value_range: float
    chain: Chain
    assumed: str


def in_order(
    found: Chain, copy: State, value_range: float | None, residual: bool | None, unproven: str
) -> Interpretation:
    """How a chain is read of which only the order of its tensors is known.

    Args:
        found: its layers.
        copy: the 1×1 convolution of the image that is added, `weight` and `bias`; empty for none.
        value_range: see `checkpoint.load`.
        residual: likewise.
        unproven: why its names are refused.

    Raises:
        EcbsrError: its answers do not prove that it is one.
        UsageError: `residual` contradicts its tensors.
    """
    colors, outputs = chains.colors_and_outputs(found)
    added: tuple[Skip, ...] = ("nearest", "tiled") if colors > 1 else ("nearest",)
    skips: tuple[Skip, ...] = ("none",) if residual is False else added if residual else ("none", *added)
    said = ""
    if copy:
        if residual is False:
            raise OptionError("adds the image by a convolution of its own; leave out {residual|--no-skip}")
        matrix = copy["weight"].flatten(1)
        offset = copy.get("bias", matrix.new_zeros(len(matrix)))
        skips = ("nearest",)
        if offset.any() or not torch.equal(matrix, proof.copies(colors, outputs, "nearest")):
            found, skips = chains.with_image_inside(found, matrix, offset), ("none",)
            said = "an image that is added by a convolution, which becomes part of the network"
    ranges = (1.0, 255.0) if value_range is None else (value_range,)
    reading = proof.best_reading(found, ranges, skips)
    if not reading.is_proven:
        raise EcbsrError(
            f"{unproven}; as a chain in the order of its tensors, it does not keep flat colors and gradients, so it is "
            "untrained, trained too little, or another network"
        )
    chain, skip = _with_skip(found, reading.skip)
    return Interpretation(False, reading.value_range, chain, f"the order of its tensors, {said or skip}")


def tiled(known: Mapping[bool, Chain], value_range: float | None, residual: bool | None) -> Interpretation | None:
    """How an RGB network is read to whose result the image is proven to be added as copies of the whole image.

    Args:
        known: the network without and with identity branches, as far as that is unknown.
        value_range: see `checkpoint.load`.
        residual: likewise.
    """
    ranges = (1.0, 255.0) if value_range is None else (value_range,)
    for identity, found in known.items():
        is_rgb = found.kernels[0][0].shape[1] == 3
        if residual is not False and found.residual is None and is_rgb and found.slopes_fit:
            chains.colors_and_outputs(found)
            reading = proof.best_reading(found, ranges, ("nearest", "tiled"))
            if reading.is_proven and reading.skip == "tiled":
                return Interpretation(identity, reading.value_range, *_with_skip(found, reading.skip))
    return None


def _with_skip(found: Chain, skip: Skip) -> tuple[Chain, str]:
    """The chain with a skip connection, and what that is."""
    if skip == "tiled":
        colors, outputs = chains.colors_and_outputs(found)
        copies = proof.copies(colors, outputs, skip)
        chain = chains.with_image_inside(found, copies, copies.new_zeros(outputs))
        return chain, "copies of the image added in the order of torch.cat, which become part of the network"
    return replace(found, residual=skip == "nearest"), "the image added" if skip == "nearest" else "no skip connection"
