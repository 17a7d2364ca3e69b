"""The models of a session: `.tflite` files as given, and the bytes of each at a size."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import write_bytes
from export import recipe, resolutions, tflite

from . import config

PRECISIONS = ("int8", "fp32")


@dataclass(frozen=True, eq=False)
class Model:
    """A `.tflite` file. `recipe` is what the file says about its own making; None for others' files."""

    name: str
    path: Path
    graph: tflite.Graph
    precision: str
    sha256: str
    recipe: dict[str, Any] | None

    def at(self, size: tuple[int, int]) -> bytes:
        """The file's bytes with every shape fixed for `size`, (width, height).

        Raises:
            EcbsrError: the model cannot be given that size.
        """
        return tflite.write(tflite.at_size(self.graph, *size))

    def sizes(self) -> tuple[tuple[int, int], ...]:
        """The sizes to measure when none is asked for: the model's own, or the usual ones if it takes any."""
        width, height = tflite.input_size(self.graph)
        if width > 1 and height > 1:
            return ((width, height),)
        return tuple(resolutions.SIZES[name] for name in config.USUAL_SIZES)

    def facts(self) -> dict[str, Any]:
        """What results say about the model."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "precision": self.precision,
            "nodes": len(self.graph.nodes),
            "operators": tflite.operators(self.graph),
            "recipe": self.recipe,
        }


def load(paths: Sequence[str | os.PathLike[str]]) -> tuple[Model, ...]:
    """The models in `paths`, or the bundled ones that are recommended if there are none; names are unique.

    Raises:
        EcbsrError: a file is missing, or is no super-resolution model that can be timed.
    """
    chosen = [Path(path) for path in paths]
    if not chosen:
        chosen = [zoo.tflite(name, precision) for name in zoo.recommended() for precision in PRECISIONS]
    return tuple(_load(path, name) for path, name in zip(chosen, _names(chosen), strict=True))


def _load(path: Path, name: str) -> Model:
    graph = tflite.read(path)
    try:
        tflite.image_input(graph)
    except EcbsrError as error:
        raise EcbsrError(f"{path}: {error}") from None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Model(name, path.resolve(), graph, precision(graph), digest, recipe.read(graph))


def _names(paths: Sequence[Path]) -> list[str]:
    """File names without their ending; where two are alike, with the folder, then with a number."""
    names = [path.stem for path in paths]
    names = [
        f"{path.resolve().parent.name}/{name}" if names.count(name) > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return unique


def stamped(loaded: Mapping[str, Model], case: config.Case, folder: Path) -> Path:
    """The file in `folder` of the case's model at the case's size, written where it is missing.

    Raises:
        EcbsrError: the model cannot be given that size, or the file cannot be written.
    """
    width, height = case.size
    path = folder / f"{list(loaded).index(case.model)}-{width}x{height}.tflite"
    if not path.exists():
        write_bytes(path, loaded[case.model].at(case.size))
    return path


def precision(graph: tflite.Graph) -> str:
    """One of "int8", "int16", "fp16" (weights alone), "dynamic" (int8 weights, float arithmetic) and "fp32"."""
    kinds = Counter[str]()
    for node in graph.nodes:
        if node.operator in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            image, weights = (graph.tensors[index] for index in node.inputs[:2])
            arithmetic = image.type_name.lower().replace("uint8", "int8")
            kinds["dynamic" if (arithmetic, weights.type_name) == ("float32", "INT8") else arithmetic] += 1
    kind = kinds.most_common(1)[0][0] if kinds else tflite.image_input(graph).type_name.lower()
    if kind == "float32" and any(tensor.data is not None and tensor.dtype == np.float16 for tensor in graph.tensors):
        return "fp16"
    return {"float32": "fp32", "float16": "fp16"}.get(kind, kind)
