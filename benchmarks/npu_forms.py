"""How a network is best written for Qualcomm's NPUs: the forms of its activation and of its residual, compared.

For each recommended PReLU model and each SoC: the bytes that the compiler means to move for one image (static, not a
measurement) and how near the result is to the float network's on the vendor's emulator (not a device). `--target
npu` writes the form that the last line names. Needs the extra [qualcomm]; takes minutes.

"one slope" is another function: a LEAKY_RELU with the mean of the slopes, compared with itself in float.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common
from ecbsr_mobile.quantization.qparams import LEAKY_SLOPES
from ecbsr_mobile.utils import progress
from export import resolutions, tflite
from export.npu.results import EMULATED, STATIC, CompileReport
from export.npu.runner import compile_models, sized
from export.npu.socs import QUALCOMM, parse_socs
from export.quantize.calibration import calibrate
from export.quantize.quantizer import quantize
from export.tflite import Graph, Node
from export.transforms.prelu import decompose_prelu
from export.validation.sample_crop import show
from export.validation.sample_images import samples

ACTIVATIONS = ("PRELU", "depthwise", "one slope")
RESIDUALS = ("1x1 conv", "broadcast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=zoo.RECOMMENDED["npu"], help="bundled PReLU models' names")
    parser.add_argument("--size", type=resolutions.parse, default="540p", help="low-resolution input (540p)")
    parser.add_argument("--npu", type=parse_socs, default=parse_socs(QUALCOMM), help="qualcomm:SOC,… (all)")
    options = parser.parse_args()
    wins: dict[str, int] = {}
    for name in options.models:
        graph = tflite.read(zoo.tflite(name, "fp32"))
        if tflite.image_input(graph).shape[3] != 1:
            continue  # a broadcast exists for luma alone
        table = compared(name, graph, options.size, options.npu)
        show_table(name, table, options)
        for soc in options.npu:
            best = winner({form: verdicts[soc] for form, verdicts in table.items()})
            wins[best] = wins.get(best, 0) + 1
    print(f"fewest bytes, then nearest to float, of what computes the same function: {wins}")


def compared(
    name: str, graph: Graph, size: tuple[int, int], socs: tuple[str, ...]
) -> dict[str, dict[str, CompileReport]]:
    """Each form's verdicts."""
    pictures = samples(None, tflite.scale_of(graph), 1)
    models, shown = {}, {}
    for activation in ACTIVATIONS:
        written = with_activation(graph, activation)
        print(f"{name}, {activation}: calibrating", file=sys.stderr)
        found = calibrate(written, pictures)
        for residual in RESIDUALS:
            form = f"{activation}, {residual}"
            model = tflite.write(quantize(with_residual(found.graph, residual), found.ranges))
            models[form] = sized(model, size)
            shown[form] = replace(show(model), fp32=show(tflite.write(written)).result)
    verdicts = compile_models(models, socs, shown, notice=common.notice, progress=progress.bar)
    return {form: dict(one) for form, one in verdicts.items()}


def with_activation(graph: Graph, activation: str) -> Graph:
    """The float graph with its activations written in one of `ACTIVATIONS`."""
    if activation != "one slope":
        return decompose_prelu(graph, "cpu" if activation == "depthwise" else "npu")
    nodes = []
    for node in graph.nodes:
        if node.operator == "PRELU":
            slope = float(np.mean(graph.tensors[node.inputs[1]].data))
            options = schema.LeakyReluOptionsT(float(np.clip(slope, *LEAKY_SLOPES)))
            nodes.append(Node("LEAKY_RELU", node.inputs[:1], node.outputs, options=options))
        else:
            nodes.append(node)
    return decompose_prelu(replace(graph, nodes=tuple(nodes)), "npu")


def with_residual(graph: Graph, residual: str) -> Graph:
    """The graph with the image added as copies, which a 1x1 convolution makes, or by broadcasting."""
    if residual == "1x1 conv":
        return graph
    image = graph.inputs[0]
    copies = next(n for n in graph.nodes if image in n.inputs and graph.tensors[n.inputs[1]].shape[1:3] == (1, 1))
    nodes = []
    for node in graph.nodes:
        if copies.outputs[0] in node.inputs:
            others = tuple(index for index in node.inputs if index != copies.outputs[0])
            nodes.append(replace(node, inputs=(*others, image)))  # delegates want the wider operand first
        elif node is not copies:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def bytes_of(verdict: CompileReport) -> float:
    """MB read and written; infinite for what is not taken whole."""
    if verdict.status != "ok" or verdict.read_mb is None or verdict.write_mb is None:
        return float("inf")
    return verdict.read_mb + verdict.write_mb


def fidelity(verdict: CompileReport) -> float:
    """How near the emulated result is to the float network's, in dB."""
    seen = verdict.emulated
    if seen is None or seen.fp32 is None:
        return float("nan")
    return float("inf") if seen.fp32.psnr_db is None else seen.fp32.psnr_db


def winner(verdicts: dict[str, CompileReport]) -> str:
    """The form of the same function with the fewest bytes; of those within 5 %, the nearest to float."""
    same = {form: one for form, one in verdicts.items() if not form.startswith("one slope")}
    least = min(bytes_of(one) for one in same.values())
    near = {form: fidelity(one) for form, one in same.items() if bytes_of(one) <= least * 1.05}
    return max(near, key=lambda form: near[form])


def show_table(name: str, table: dict[str, dict[str, CompileReport]], options: argparse.Namespace) -> None:
    socs = options.npu
    print(f"\n{name}, {resolutions.name(options.size)}: MB read + written ({STATIC}) / dB to float ({EMULATED})\n")
    print(f"| activation, residual | {' | '.join(socs)} |\n|---|{'---|' * len(socs)}")
    for form, verdicts in table.items():
        cells = []
        for soc in socs:
            moved, near = bytes_of(verdicts[soc]), fidelity(verdicts[soc])
            cells.append(verdicts[soc].status if np.isinf(moved) else f"{moved:.1f} / {near:.1f}")
        print(f"| {form} | {' | '.join(cells)} |")
    print(flush=True)


if __name__ == "__main__":
    main()
