"""Compare ways to write the activation and the residual of a network for Qualcomm's NPUs.

    python benchmarks/npu_variants.py [MODEL ...] [--size 540p] [--npu qualcomm:SM8650,SM8750]

Prints, for each PReLU model that is recommended for NPUs, a Markdown table with one row per variant and one column per
SoC: the MB that the compiler plans to read and write for one image (static, not a measurement), and the PSNR of the
output on the vendor's emulator (not a device) to that of the float network. The last line counts the SoCs for which
each variant is the best; `--target npu` writes that variant. Needs the extra [qualcomm]; takes minutes.

"one slope" is another function: LEAKY_RELU with the mean of the slopes. It is compared with itself in float.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tflite_runner import add_size_option

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.utils import progress
from export import resolutions

if TYPE_CHECKING:
    from ecbsr_mobile.architecture import PReLUDecomposition
    from ecbsr_mobile.network import PlainNet
    from ecbsr_mobile.tflite import Graph
    from export.npu.results import CompileReport
    from export.validation.sample_images import Sample

ACTIVATIONS = ("PRELU", "single", "one slope")
RESIDUALS = ("1x1 conv", "broadcast")
BYTES_TOLERANCE = 1.05  # variants within 5 % of the fewest bytes count as equal

Table = Mapping[str, Mapping[str, "CompileReport"]]
"""The report for each SoC of each variant, a pair such as "PRELU, broadcast"."""


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import load
    from export.npu.socs import parse_socs
    from export.validation.sample_images import samples

    socs = parse_socs(options.npu)
    wins: Counter[str] = Counter()
    for name in options.models:
        net = load(name)
        if (net.architecture.colors, net.architecture.activation) != (1, "prelu"):
            common.notice(f"{name}: skipped, because this compares luma models with PReLU")
            continue
        images = samples(None, net.architecture.scale, 1)
        variants = int8_variants(net, images, lambda text, name=name: common.notice(f"{name}, {text}"))
        reports = compile_variants(variants, options.size, socs)
        print(_markdown(name, reports, options.size, socs), flush=True)
        wins.update(best_variant({variant: by_soc[soc] for variant, by_soc in reports.items()}) for soc in socs)
    print(f"SoCs by best variant of the same function (fewest bytes, then nearest to float): {dict(wins)}")


def int8_variants(
    net: PlainNet, images: Sequence[Sample], notice: Callable[[str], None] = lambda _text: None
) -> dict[str, tuple[Graph, Graph]]:
    """The float and the int8 graph of each variant of a PReLU network, calibrated on `images`."""
    from export.convert.direct import direct_graph
    from export.quantize.calibration import calibrate
    from export.quantize.distillation import targets
    from export.quantize.qat_weights import decomposed_graph, qat_ranges
    from export.quantize.quantizer import quantize
    from export.validation.quality import CHECK_SIZE

    variants = {}
    for activation in ACTIVATIONS:
        notice(f"{activation}: calibrating")
        variant = with_mean_slopes(net) if activation == "one slope" else net
        graph = direct_graph(variant, CHECK_SIZE)
        decomposition: PReLUDecomposition = "single" if activation == "single" else "native"
        weights = calibrate(variant, decomposition, graph, images, targets(variant, images)).weights
        decomposed = decomposed_graph(graph, weights)
        ranges = qat_ranges(decomposed, weights)
        for residual in RESIDUALS:
            variants[f"{activation}, {residual}"] = graph, quantize(with_residual(decomposed, residual), ranges)
    return variants


def compile_variants(
    variants: Mapping[str, tuple[Graph, Graph]], size: tuple[int, int], socs: tuple[str, ...]
) -> Table:
    """Compile and emulate each int8 graph for each SoC, beside the float one."""
    from ecbsr_mobile import tflite
    from export.npu.runner import compile_models
    from export.validation.sample_crop import run_sample_crop

    models = {variant: tflite.write(int8) for variant, (_, int8) in variants.items()}
    crops = {
        variant: replace(run_sample_crop(models[variant]), fp32=run_sample_crop(tflite.write(graph)).result)
        for variant, (graph, _) in variants.items()
    }
    models = {variant: resolutions.sized(model, size) for variant, model in models.items()}
    return compile_models(models, socs, crops, notice=common.notice, progress=progress.bar)


def with_mean_slopes(net: PlainNet) -> PlainNet:
    """The network with the mean of each layer's slopes in place of all of them: LEAKY_RELU."""
    import torch

    from ecbsr_mobile.network import PlainNet
    from ecbsr_mobile.quantization.qparams import LEAKY_SLOPES

    leaky = PlainNet(replace(net.architecture, activation="leaky"))
    with torch.no_grad():
        for conv, given in zip(leaky.convolutions, net.convolutions, strict=True):
            conv.load_state_dict(given.state_dict())
        for act, given in zip(leaky.acts, net.acts, strict=True):
            act.weight.fill_(given.weight.mean().clamp(*LEAKY_SLOPES))
    return leaky.requires_grad_(False).eval()


def with_residual(graph: Graph, residual: str) -> Graph:
    """The graph with its residual written as one of `RESIDUALS`: copies of the image, or a broadcast of it."""
    if residual == "1x1 conv":
        return graph
    image = graph.inputs[0]
    copies = next(n for n in graph.nodes if image in n.inputs and graph.tensors[n.inputs[1]].shape[1:3] == (1, 1))
    nodes = []
    for node in graph.nodes:
        if copies.outputs[0] in node.inputs:
            others = tuple(index for index in node.inputs if index != copies.outputs[0])
            nodes.append(replace(node, inputs=(*others, image)))  # delegates require the wider operand first
        elif node is not copies:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def best_variant(reports: Mapping[str, CompileReport]) -> str:
    """The variant of the same function with the fewest bytes; of those within 5 %, the one nearest to float.

    "none" where the NPU runs none of them whole.
    """
    same_function = {name: report for name, report in reports.items() if not name.startswith("one slope")}
    fewest = min(_megabytes(report) for report in same_function.values())
    if fewest == float("inf"):
        return "none"
    near = {
        name: _fidelity(report)
        for name, report in same_function.items()
        if _megabytes(report) <= fewest * BYTES_TOLERANCE
    }
    return max(near, key=lambda name: near[name])


def _megabytes(report: CompileReport) -> float:
    """MB read and written for one image; infinite where the NPU does not run the whole model."""
    if report.status != "ok" or report.read_mb is None or report.write_mb is None:
        return float("inf")
    return report.read_mb + report.write_mb


def _fidelity(report: CompileReport) -> float:
    """PSNR in dB of the emulated output to that of the float network; nan where nothing was emulated."""
    emulated = report.emulated
    if emulated is None or emulated.fp32 is None:
        return float("nan")
    return float("inf") if emulated.fp32.psnr_db is None else emulated.fp32.psnr_db


def _markdown(name: str, reports: Table, size: tuple[int, int], socs: tuple[str, ...]) -> str:
    from export.npu.results import EMULATED, STATIC

    lines = [
        f"\n{name}, {resolutions.name(size)}: MB read + written ({STATIC}) / dB to float ({EMULATED})\n",
        f"| activation, residual | {' | '.join(socs)} |",
        "|---" * (len(socs) + 1) + "|",
    ]
    for variant, by_soc in reports.items():
        cells = []
        for soc in socs:
            megabytes = _megabytes(by_soc[soc])
            unknown = megabytes == float("inf")
            cells.append(by_soc[soc].status if unknown else f"{megabytes:.1f} / {_fidelity(by_soc[soc]):.1f}")
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("npu_variants.py", __doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=zoo.RECOMMENDED["npu"],
                        help="bundled PReLU models (those recommended for NPUs)")  # fmt: skip
    add_size_option(parser)
    parser.add_argument("--npu", default="qualcomm", help="qualcomm, or qualcomm:SOC,SOC (qualcomm: all SoCs)")
    return parser


if __name__ == "__main__":
    common.run(main)
