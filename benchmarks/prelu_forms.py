"""What each way to write PReLU costs a CPU in int8: its time over that of "single".

    python benchmarks/prelu_forms.py WEIGHTS [--size 540p]

"single", "double" and "native" are what `ecbsr-export --prelu` writes, with calibrated ranges. Two others are changed
copies of "double", for their time alone (the values are wrong): "clamp" has RELU in place of its first depthwise
convolution, which would do if the convolution before computed (1 - slope)·x, and "maximum" is MAXIMUM(x, slope·x).
Prints, for each, the nodes that XNNPACK delegates, and the time on one thread with its 95 % interval.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from interleaved import add_rounds_option, compare, processor
from tflite_runner import add_size_option, runner

from ecbsr_mobile.cli import common

if TYPE_CHECKING:
    from ecbsr_mobile.tflite import Graph, Node

EXPORTED = {"single": "cpu", "double": "cpu", "native": "npu"}  # form, and the target that has it


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    from ecbsr_mobile import tflite
    from ecbsr_mobile.tflite.xnnpack_probe import probe

    files = dict(_files(options.weights))
    print(f"{processor()}\n\n| PReLU | delegated | time over single |\n|---|---|---|", flush=True)
    for name, data in files.items():
        report, nodes = probe(data), len(tflite.read(data).nodes)
        ratio = compare(runner(data, options.size), runner(files["single"], options.size), options.rounds)
        print(f"| {name} | {len(report.nodes)} of {nodes} | {ratio} |", flush=True)


def _files(weights: str) -> Iterator[tuple[str, bytes]]:
    from ecbsr_mobile import tflite

    exported = {form: _export(weights, form, target) for form, target in EXPORTED.items()}
    double = tflite.read(exported["double"])
    yield from exported.items()
    yield "clamp", tflite.write(_as_clamp(double))
    yield "maximum", tflite.write(_as_maximum(double))


def _export(weights: str, form: str, target: str) -> bytes:
    from export import export

    with tempfile.TemporaryDirectory(prefix="ecbsr-forms-") as folder:
        options = {"precisions": ("int8",), "sizes": ("48x32",), "finetune": 0, "max_drop": 100}
        (file,) = export(weights, folder, target=target, prelu=form, **options).files
        return file.path.read_bytes()


def _as_clamp(graph: Graph) -> Graph:
    from ecbsr_mobile.tflite import Node

    tensors, nodes = list(graph.tensors), []
    for node in graph.nodes:
        if not _is_clamped(node):
            nodes.append(node)
            continue
        source, (result,) = node.inputs[0], node.outputs
        tensors[result] = replace(tensors[result], quantization=tensors[source].quantization)
        nodes.append(Node("RELU", (source,), (result,)))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def _as_maximum(graph: Graph) -> Graph:
    from ai_edge_litert import schema_py_generated as schema

    from ecbsr_mobile.tflite import Node

    tensors, nodes = list(graph.tensors), []
    clamped = {node.outputs[0]: node.inputs[0] for node in graph.nodes if _is_clamped(node)}
    for node in graph.nodes:
        positive = next((tensor for tensor in node.inputs if tensor in clamped), None)
        if _is_clamped(node):
            continue
        if node.operator != "ADD" or positive is None:
            nodes.append(node)
            continue
        (sloped,) = (tensor for tensor in node.inputs if tensor != positive)
        for tensor in (sloped, node.outputs[0]):  # MAXIMUM needs one scale
            tensors[tensor] = replace(tensors[tensor], quantization=tensors[clamped[positive]].quantization)
        inputs = (clamped[positive], sloped)
        nodes.append(Node("MAXIMUM", inputs, node.outputs, version=2, options=schema.MaximumMinimumOptionsT()))
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def _is_clamped(node: Node) -> bool:
    from ai_edge_litert import schema_py_generated as schema

    relu = schema.ActivationFunctionType.RELU
    return node.operator == "DEPTHWISE_CONV_2D" and node.options.fusedActivationFunction == relu


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("prelu_forms.py", __doc__.splitlines()[0])
    parser.add_argument("weights", help="a weights file, or the name of a bundled model, with PReLU")
    add_size_option(parser)
    add_rounds_option(parser)
    return parser


if __name__ == "__main__":
    common.run(main)
