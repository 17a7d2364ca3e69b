"""Fine-tune the int8 weights of bundled models on more pictures than are bundled, and keep what is better.

    python benchmarks/finetune_zoo.py --pictures ../shared/data/train --val ../shared/data/val [NAME...]

Starts from the stored int8 weights, if there are some, and from calibrated ones, learns to give the float network's
results, and writes the weights with the least expected loss on the pictures of `--val` and the bundled ones, of which a
drawing is one, into `ecbsr_mobile/zoo/`. Then `make zoo` writes the `.tflite` files. Prints, for each model, the
expected loss in dB of the stored weights and of each candidate. `--degrade` is for a model that was trained with it: LR
is degraded the same way.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.architecture import PRELU_DECOMPOSITIONS, PReLUDecomposition
from ecbsr_mobile.cli import common
from ecbsr_mobile.degradation import Degradation, degrade, parse
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.cpu_instructions import use_common

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.network import Int8Weights, PlainNet
    from export.validation.sample_images import Sample

RATES = {"prelu": 3e-4, "leaky": 3e-4, "relu": 1e-4}
CALIBRATED_ON = 24


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import checkpoint, load
    from export.quantize.finetune import finetune
    from export.validation.sample_images import drawings, samples

    pictures, degradations = cache(samples), parse(options.degrade) if options.degrade else ()
    for name in options.names or zoo.names():
        net = load(name)
        if net.int8 and options.prelu:
            raise UsageError(f"{name} has int8 weights, whose decomposition stays; leave out --prelu")
        architecture = net.architecture
        given = (architecture.scale, architecture.colors)
        drawn = drawings(*given)
        learned = _degraded(pictures(options.pictures, *given, options.count) + drawn, degradations)
        held_out = _degraded(pictures(options.val, *given) + pictures(None, *given) + drawn, degradations)
        candidates: list[tuple[float, Int8Weights]] = []
        lines = []
        for start_name, start in _starts(net, options.prelu, learned):
            rate = options.rate or RATES[architecture.activation]
            tuned = finetune(net, start, learned, options.steps, held_out=held_out, rate=rate)
            before, after = tuned.loss_db
            candidates += [(before, start), (after, tuned.weights)]
            lines.append(f"{start_name} {before:.4f} → {after:.4f} ({tuned.steps} steps)")
        print(f"{name}: {', '.join(lines)}", flush=True)
        _, best = min(candidates, key=lambda candidate: candidate[0])
        if best is not net.int8.get(best.decomposition):
            net.int8 = {best.decomposition: best}
            checkpoint.save(net, zoo.weights(name))


def _degraded(samples: Sequence[Sample], degradations: Sequence[Degradation]) -> list[Sample]:
    """The samples with their LR degraded; of luma, as gray images."""
    if not degradations:
        return list(samples)
    return [
        replace(
            sample,
            lr=_degrade(sample.lr, degradations, (number,)),
            views=tuple(_degrade(view, degradations, (number, index)) for index, view in enumerate(sample.views)),
        )
        for number, sample in enumerate(samples)
    ]


def _degrade(lr: NDArray[np.uint8], degradations: Sequence[Degradation], seed: Sequence[int]) -> NDArray[np.uint8]:
    colors = lr.shape[2]
    return degrade(lr if colors == 3 else lr.repeat(3, axis=2), degradations, seed)[:, :, :colors]


def _starts(
    net: PlainNet, prelu: PReLUDecomposition | None, learned: Sequence[Sample]
) -> Iterator[tuple[str, Int8Weights]]:
    """The stored int8 weights, if there are some, and calibrated ones of the same decomposition, else of `prelu`."""
    from export.convert.direct import direct_graph
    from export.quantize.calibration import observe, search
    from export.quantize.distillation import targets
    from export.validation.quality import CHECK_SIZE

    stored = next(iter(net.int8.values()), None)
    if stored:
        yield "stored", stored
    photographs = [sample for sample in learned if not sample.drawing]
    chosen = [photographs[i] for i in np.linspace(0, len(photographs) - 1, CALIBRATED_ON).round().astype(int)]
    chosen += [sample for sample in learned if sample.drawing]
    graph, measured = direct_graph(net, CHECK_SIZE), targets(net, chosen)
    starts = observe(net, stored.decomposition if stored else prelu or "single", graph, chosen, measured)
    calibrated = starts[0] if net.architecture.activation == "relu" else search(starts, graph, chosen, measured)
    # Of another shape if a slope is one that LEAKY_RELU cannot have.
    if stored is None or calibrated.weights.ranges.shape == stored.ranges.shape:
        yield "calibrated", calibrated.weights


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("finetune_zoo.py", __doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="bundled models (all)")
    parser.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="pictures to learn from")
    parser.add_argument("--val", type=Path, required=True, metavar="DIR", help="pictures to choose on")
    parser.add_argument("--count", type=int, default=120, help="pictures of it, spread over their names (%(default)s)")
    parser.add_argument("--degrade", metavar="LIST", help="as in ecbsr-train --degrade")
    parser.add_argument("--prelu", choices=PRELU_DECOMPOSITIONS,
                        help="decomposition of a model without int8 weights (single)")  # fmt: skip
    parser.add_argument("--rate", type=float, help="learning rate (3e-4; 1e-4 with ReLU)")
    parser.add_argument("--steps", type=int, default=1000, help="steps of fine-tuning (%(default)s)")
    return parser


if __name__ == "__main__":
    use_common()  # the same pictures give the same weights on any processor
    common.run(main)
