"""A `.tflite` file as a model for images of any size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import images, tflite
from .errors import EcbsrError
from .reference_picture import SIZE, reference_picture
from .tflite.image_io import ImageIO, image_io
from .tflite.interpreter import litert_errors
from .tflite.litert_shapes import at_probe_size, read_as_litert
from .tflite.receptive_field import ReceptiveField, receptive_field
from .tflite.resize import subgraph_call
from .tflite_range import settle
from .tflite_tiles import halo, seams
from .utils.native_messages import without_info
from .utils.scheduling import usable_cores
from .utils.text import named

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGE = 256**2
"""A model of more pixels is compared with its resized form at a smaller size, not at a larger one."""


class TfliteModel:
    """A `.tflite` file, float or quantized, run by LiteRT on the CPU at any input size.

    A file with a dynamic size is resized by LiteRT, and one with a fixed size by `tflite.at_size`. Where that is not
    possible, it runs on tiles of its own size.
    """

    def __init__(
        self, path: str | os.PathLike[str], threads: int | None = None, value_range: float | None = None
    ) -> None:
        """Load the file, and try it on a bundled image.

        Notes about what had to be assumed are `UserWarning`s.

        Args:
            path: the file.
            threads: number of threads; None for one per core.
            value_range: 1, 255 or -1 (from -1 to 1), the range of float values that the file does not record; None: see
                `tflite_range`.

        Raises:
            EcbsrError: the file is missing, not a `.tflite`, or not a super-resolution network with one image as input
                and one as output.
            UsageError: `value_range` is none of these, or the file records another one.
        """
        self.name = Path(path).stem
        self._path, self._threads = path, threads or len(usable_cores())
        with _named(path):
            self._data, graph = read_as_litert(tflite.read_bytes(path), str(path))
        with _named(path, f" (the first of its {graph.subgraphs} subgraphs)" if _ignores_subgraphs(graph) else ""):
            width, height = tflite.input_size(graph)
            self._graph: tflite.Graph | None = graph if width > 1 and height > 1 else None  # None: LiteRT resizes it
            self._interpreter = self._load(self._data)
            try:
                self._io = image_io(graph, value_range)
            except EcbsrError:
                if self._graph is not None:
                    raise
                graph = at_probe_size(graph, self._data)
                self._io = image_io(graph, value_range)
            self.scale, self.colors = self._io.scale, self._io.colors
            self.radius, self.step = receptive_field(graph)
            self._own_size = None if self._can_resize() else (width, height)
            self._io = self._settled()
        self._warn(graph)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `upscaling.Model.run`."""
        height, width = image.shape[:2]
        padded = images.pad_to_size(image, (_multiple(width, self.step), _multiple(height, self.step)))
        result = self._run(padded) if self._own_size is None else self._run_tiles(padded, self._own_size)
        return result[: height * self.scale, : width * self.scale]

    @property
    def reads_bytes(self) -> bool:
        """Whether the input has 8 bits."""
        return bool(self._io.input.tensor.dtype.itemsize == 1)

    def sized(self, width: int, height: int, threads: int = 1) -> SizedTflite | None:
        """See `upscaling.Model.sized`; it has an interpreter of its own.

        None if the file runs only in tiles of its own size, or LiteRT resizes it.

        Raises:
            EcbsrError: LiteRT cannot load it at this size.
        """
        if self._graph is None or self._own_size is not None:
            return None
        with _named(self._path), litert_errors("load it"):
            graph = tflite.at_size(self._graph, _multiple(width, self.step), _multiple(height, self.step))
            return SizedTflite(tflite.write(graph), self._io.of(graph), threads)

    def _run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        result = self._io.output.load(self._invoke(self._io.input.store(image)))
        if result.shape != (height * self.scale, width * self.scale, self.colors):
            raise EcbsrError(f"{self._path}: turns {width}x{height} into {result.shape[1]}x{result.shape[0]}")
        return result

    def _run_tiles(self, image: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """The image in overlapping tiles of the model's own size (width, height)."""
        height, width = image.shape[:2]
        image, scale = images.pad_to_size(image, size), self.scale
        result = np.empty((height * scale, width * scale, self.colors), np.float32)
        for top, rows in self._tiles(height, size[1]):
            for left, columns in self._tiles(width, size[0]):
                tile = self._run(image[top : top + size[1], left : left + size[0]])
                result[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale] = tile[
                    (rows.start - top) * scale : (rows.stop - top) * scale,
                    (columns.start - left) * scale : (columns.stop - left) * scale,
                ]
        return result

    def _tiles(self, length: int, size: int) -> Iterator[tuple[int, range]]:
        """Starts of tiles of `size` pixels in 0..length, and the part of each that is kept."""
        overlap = halo(size, self.radius)
        start = done = 0
        while done < length:
            stop = length if start + size >= length else start + size - overlap
            yield start, range(done, stop)
            done = stop
            following = max(done - overlap, start + 1) // self.step * self.step
            start = max(min(following, length - size), 0) if following > start else start + self.step

    def _invoke(self, stored: NDArray[Any]) -> NDArray[Any]:
        with _named(self._path), litert_errors("run it"):
            if not self._allocated or tuple(self._interpreter.get_input_details()[0]["shape"]) != stored.shape:
                self._resize(stored.shape)
            interpreter = self._interpreter
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], stored)
            interpreter.invoke()
            result: NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
            return result

    def _resize(self, shape: tuple[int, ...]) -> None:
        """Make the interpreter one for an input of another shape."""
        if self._graph is None:
            self._interpreter.resize_tensor_input(self._interpreter.get_input_details()[0]["index"], shape)
            with without_info():
                self._interpreter.allocate_tensors()
            self._allocated = True
            return
        height, width = shape[2:] if self._io.input.channels_first else shape[1:3]
        own = (width, height) == tflite.input_size(self._graph)
        self._interpreter = self._load(self._data if own else tflite.write(tflite.at_size(self._graph, width, height)))

    def _load(self, data: bytes) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        with _named(self._path), litert_errors("load it"), without_info():
            interpreter = Interpreter(model_content=data, num_threads=self._threads)
            self._allocated = self._graph is not None  # otherwise its size is not one that it runs at
            if self._allocated:
                interpreter.allocate_tensors()
        return interpreter

    def _can_resize(self) -> bool:
        """Whether the model can be given other sizes, at which it computes the same."""
        if self._graph is None:
            return True
        graph, (width, height) = self._graph, tflite.input_size(self._graph)
        larger = width * height <= LARGE
        other = [2 * side if larger else _multiple(side // 2, self.step) for side in (width, height)]
        try:
            sized = tflite.at_size(graph, *other)
        except EcbsrError:
            return False
        constants_changed = [node.inputs for node in sized.nodes] != [node.inputs for node in graph.nodes]
        if not constants_changed or self.radius is None:
            return True
        picture = reference_picture(self.scale, self.colors, (max(width, other[0]), max(height, other[1])))
        inner = tuple(
            slice(max(min(pair) - self.radius, 0) * self.scale) for pair in ((height, other[1]), (width, other[0]))
        )
        sizes = ((width, height), (other[0], other[1]))
        own, resized = (self._run(picture.image[: size[1], : size[0]])[inner] for size in sizes)
        return not own.size or bool(np.abs(own - resized).max() <= 0.01 * max(1.0, float(np.abs(own).max())))

    def _settled(self) -> ImageIO:
        size = self._own_size or (_multiple(SIZE[0], self.step), _multiple(SIZE[1], self.step))
        io, notes = settle(self._io, self._invoke, size, str(self._path))
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=3)
        return io

    def _warn(self, graph: tflite.Graph) -> None:
        if _ignores_subgraphs(graph):
            note = f"{self._path}: the first of its {graph.subgraphs} subgraphs is used"
            warnings.warn(note, UserWarning, stacklevel=3)
        if self._own_size is None:
            return
        width, height = self._own_size
        reason = seams(self._run, (height, width, self.colors), ReceptiveField(self.radius, self.step))
        if reason:
            note = f"{self._path}: runs at {width}x{height} only and {reason}: tiles may have seams"
            warnings.warn(note, UserWarning, stacklevel=3)


class SizedTflite:
    """A model at one size, for one thread: stored pixels in, stored pixels out."""

    def __init__(self, data: bytes, io: ImageIO, threads: int) -> None:
        """`data`: the file at its size; `io`: how it stores images."""
        from ai_edge_litert.interpreter import Interpreter

        self.io = io
        with without_info():
            self._interpreter = Interpreter(model_content=data, num_threads=threads)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input."""
        shape = self._input["shape"].tolist()
        height, width = shape[2:] if self.io.input.channels_first else shape[1:3]
        return width, height

    def run(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Run a batch of one; the result is a view, valid until the next call.

        Raises:
            EcbsrError: LiteRT cannot run it.
        """
        with litert_errors("run the model"):
            self._interpreter.set_tensor(self._input["index"], stored)
            self._interpreter.invoke()
        result: NDArray[Any] = self._interpreter.tensor(self._output["index"])()
        return result


@contextmanager
def _named(path: str | os.PathLike[str], end: str = "") -> Iterator[None]:
    """Begin the messages of errors with the file, and end them with `end`."""
    try:
        yield
    except EcbsrError as error:
        raise type(error)(named(str(path), str(error)) + end) from None


def _ignores_subgraphs(graph: tflite.Graph) -> bool:
    """Whether the file has other subgraphs that the first one does not run, as an IF does."""
    return graph.subgraphs > 1 and subgraph_call(graph) is None


def _multiple(length: int, step: int) -> int:
    """The length, rounded up to a multiple of `step`."""
    return -(-length // step) * step
