"""Fine-tune the int8 weights of bundled models on more pictures than are bundled, and keep what is better.

    python benchmarks/finetune_zoo.py --pictures ../shared/data/train --val ../shared/data/val [NAME...]

Starts from the stored int8 weights and from calibrated ones, learns to give the float network's results, and writes the
weights with the least expected loss on the pictures of `--val` and the bundled ones into `ecbsr_mobile/zoo/`. Then
`make zoo` writes the `.tflite` files. Prints, for each model, the expected loss in dB of the stored weights and of each
candidate.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common

if TYPE_CHECKING:
    from ecbsr_mobile.network import Int8Weights, PlainNet
    from export.validation.sample_images import Sample

RATES = {"prelu": 3e-4, "leaky": 3e-4, "relu": 1e-4}
CALIBRATED_ON = 24


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import checkpoint, load
    from ecbsr_mobile.quantization.fake_quant import FakeQuantNet
    from ecbsr_mobile.utils.one_thread import one_thread
    from export.quantize.distillation import expected_loss, targets
    from export.quantize.finetune import finetune
    from export.validation.sample_images import samples

    pictures = cache(samples)
    for name in options.names or zoo.names():
        net = load(name)
        architecture = net.architecture
        given = (architecture.scale, architecture.colors)
        learned = pictures(options.pictures, *given, options.count)
        held_out = pictures(options.val, *given) + pictures(None, *given)
        (stored,) = net.int8.values()
        measured = targets(net, held_out)
        simulation = FakeQuantNet(stored.net, stored.decomposition, stored.ranges, stored.channel_ranges)
        with one_thread():
            best, least = stored, expected_loss(simulation, measured)
        losses = [f"stored {least:.4f}"]
        for start_name, start in _starts(net, stored, learned):
            rate = options.rate or RATES[architecture.activation]
            tuned = finetune(net, start, learned, options.steps, held_out=held_out, rate=rate)
            losses.append(f"from {start_name} {tuned.loss_db[0]:.4f} → {tuned.loss_db[1]:.4f} ({tuned.steps} steps)")
            if tuned.loss_db[1] < least:
                best, least = tuned.weights, tuned.loss_db[1]
        print(f"{name}: {', '.join(losses)}", flush=True)
        if best is not stored:
            net.int8 = {best.decomposition: best}
            checkpoint.save(net, zoo.weights(name))


def _starts(net: PlainNet, stored: Int8Weights, learned: Sequence[Sample]) -> Iterator[tuple[str, Int8Weights]]:
    from export.convert.direct import direct_graph
    from export.quantize.calibration import observe, search
    from export.quantize.distillation import targets
    from export.validation.quality import CHECK_SIZE

    yield "stored", stored
    chosen = [learned[i] for i in np.linspace(0, len(learned) - 1, CALIBRATED_ON).round().astype(int)]
    graph, measured = direct_graph(net, CHECK_SIZE), targets(net, chosen)
    calibrated = observe(net, stored.decomposition, graph, chosen, measured)
    if net.architecture.activation != "relu":
        calibrated = search(calibrated, graph, chosen, measured)
    if calibrated.weights.ranges.shape == stored.ranges.shape:  # else a slope is one that LEAKY_RELU cannot have
        yield "calibrated", calibrated.weights


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("finetune_zoo.py", __doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="bundled models (all)")
    parser.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="pictures to learn from")
    parser.add_argument("--val", type=Path, required=True, metavar="DIR", help="pictures to choose on")
    parser.add_argument("--count", type=int, default=120, help="pictures of it, spread over their names (%(default)s)")
    parser.add_argument("--rate", type=float, help="learning rate (3e-4; 1e-4 with ReLU)")
    parser.add_argument("--steps", type=int, default=1000, help="steps of fine-tuning (%(default)s)")
    return parser


if __name__ == "__main__":
    common.run(main)
