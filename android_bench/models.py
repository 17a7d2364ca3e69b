"""The models of a benchmark: `.tflite` files, and their bytes with the input size of a case."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import recipe
from ecbsr_mobile.tflite.litert_shapes import with_litert_shapes
from ecbsr_mobile.tflite.reader import with_text_names
from ecbsr_mobile.tflite.resize import subgraph_call
from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.text import to_utf8
from export import resolutions
from export.npu.compiled_model import compiled_for

from .config import DEFAULT_SIZES, Case

BUNDLED_PRECISIONS = ("int8", "fp32")


@dataclass(frozen=True, eq=False)
class Model:
    """A `.tflite` file. `recipe` is the record that `ecbsr-export` writes into the file; None for other files."""

    name: str
    path: Path
    graph: tflite.Graph
    precision: str
    sha256: str
    recipe: dict[str, Any] | None

    def resized(self, size: tuple[int, int]) -> bytes:
        """The bytes of the file with every tensor shape fixed for the input `size`, (width, height).

        At its own size, they are the file as an app loads it, since what delegates take can depend on the shapes in it;
        of several subgraphs, the first alone, if it runs no other one.

        Raises:
            EcbsrError: the model does not support that size.
        """
        own = tflite.input_size(self.graph)
        if self.compiled_for and size != own:
            raise EcbsrError(f"it is compiled for {own[0]}x{own[1]}; compile it for the other size")
        if size == own and (self.graph.subgraphs == 1 or subgraph_call(self.graph)):
            return with_text_names(self.path.read_bytes())
        return tflite.write(tflite.at_size(self.graph, *size))

    @property
    def compiled_for(self) -> tuple[str, str] | None:
        """The maker and the SoC of the NPU that the file is compiled for; None: it is not compiled."""
        return compiled_for(self.graph)

    def default_sizes(self) -> tuple[tuple[int, int], ...]:
        """The (width, height) that the model is fixed to, or `DEFAULT_SIZES` where it accepts any size."""
        width, height = tflite.input_size(self.graph)
        if width > 1 and height > 1:
            return ((width, height),)
        return tuple(resolutions.SIZES[name] for name in DEFAULT_SIZES)

    def info(self) -> dict[str, Any]:
        """What `results.json` records about the model."""
        return {
            "path": to_utf8(str(self.path)),
            "sha256": self.sha256,
            "precision": self.precision,
            "nodes": len(self.graph.nodes),
            "operators": tflite.operators(self.graph),
            "recipe": self.recipe,
        }


def read_models(paths: Sequence[str | os.PathLike[str]]) -> dict[str, Model]:
    """Read `.tflite` files, or the recommended bundled models where `paths` is empty; by unique name.

    Raises:
        EcbsrError: a file is missing, or is not a super-resolution model.
    """
    chosen = [Path(path) for path in paths]
    if not chosen:
        chosen = [zoo.tflite(name, precision) for name in zoo.recommended() for precision in BUNDLED_PRECISIONS]
    return {name: _read_model(path, name) for path, name in zip(chosen, _names(chosen), strict=True)}


def _read_model(path: Path, name: str) -> Model:
    data = tflite.read_bytes(path)
    graph = tflite.read(data, str(path))
    try:
        tflite.image_input(graph)
    except EcbsrError as error:
        raise EcbsrError(f"{path}: {error}") from None
    with suppress(EcbsrError):  # LiteRT crashes: the status of its runs
        graph = with_litert_shapes(graph, data)
    digest = hashlib.sha256(data).hexdigest()
    return Model(name, path.resolve(), graph, precision_of(graph), digest, recipe.read(graph))


def _names(paths: Sequence[Path]) -> list[str]:
    """File names without suffix; equal names get their folder as prefix and, if still equal, a number as suffix."""
    names = [to_utf8(path.stem) for path in paths]
    names = [
        f"{to_utf8(path.resolve().parent.name)}/{name}" if names.count(name) > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return unique


def resized_file(models: Mapping[str, Model], case: Case, folder: Path) -> Path:
    """The path in `folder` of the case's model with the case's input size; the file is written if it is missing.

    Raises:
        EcbsrError: the model does not support that size, or the file cannot be written.
    """
    path = folder / f"{list(models).index(case.model)}-{case.size_text}.tflite"
    if not path.exists():
        write_bytes(path, models[case.model].resized(case.size))
    return path


def precision_of(graph: tflite.Graph) -> str:
    """The precision of most convolutions: "int8", "int16x8", "fp16", "dynamic" or "fp32".

    "int16x8" has 16-bit activations and int8 weights, "fp16" float16 weights, "dynamic" float activations and int8
    weights.
    """
    precisions = Counter[str]()
    for node in graph.nodes:
        if node.operator in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            activations, weights = (graph.tensors[index].type_name for index in node.inputs[:2])
            dtype = activations.lower().replace("uint8", "int8")
            mixed = {"float32": "dynamic", "int16": "int16x8"} if weights == "INT8" else {}
            precisions[mixed.get(dtype, dtype)] += 1
    precision = precisions.most_common(1)[0][0] if precisions else tflite.image_input(graph).type_name.lower()
    if precision == "float32" and any(t.data is not None and t.dtype == np.float16 for t in graph.tensors):
        return "fp16"
    return {"float32": "fp32", "float16": "fp16"}.get(precision, precision)
