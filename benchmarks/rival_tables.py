"""Look-up tables of others (SR-LUT, MuLUT, HKLUT) as models: their data, run by our own `lut.c`."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.upscaling import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

Taps = Sequence[tuple[int, int]]
SQUARE: Taps = ((0, 0), (0, 1), (1, 0), (1, 1))
WIDE: Taps = ((0, 0), (0, 2), (2, 0), (2, 2))
FORK: Taps = ((0, 0), (1, 1), (1, 2), (2, 1))
ROW: Taps = ((0, 0), (0, 1), (0, 2))
DIAGONAL: Taps = ((0, 0), (1, 1), (2, 2))
BENT: Taps = ((0, 0), (1, 2), (2, 1))
REACH = 2  # pixels of the farthest tap


class LookUp(Model):
    """A model that upscales each plane with look-up tables."""

    radius = 2 * REACH

    def __init__(self, name: str, scale: int, colors: int = 1) -> None:
        self.name, self.scale, self.colors = name, scale, colors

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """[H, W, C] to [scale·H, scale·W, C], in [0, 1]; the input is rounded to 8 bits."""
        planes = np.round(image.transpose(2, 0, 1) * 255).astype(np.uint8)
        return np.stack([self.plane(plane) for plane in planes], axis=-1) / np.float32(255)

    def plane(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One plane, 8 bits."""
        raise NotImplementedError


class Simplex(LookUp):
    """SR-LUT and MuLUT: tables of four taps, interpolated; each turned four times; summed, in one stage or two."""

    def __init__(
        self, name: str, scale: int, stages: Sequence[Sequence[tuple[Taps, Path]]], padding: str, colors: int = 1
    ) -> None:
        super().__init__(name, scale, colors)
        self._padding = padding
        self._stages = [[(taps, np.load(path).astype(np.int8)) for taps, path in stage] for stage in stages]

    def plane(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `LookUp.plane`."""
        for stage in self._stages[:-1]:
            plane = _finished(self._summed(plane, stage, 1), 1, 16 * 4 * len(stage), 127)
        stage = self._stages[-1]
        return _finished(self._summed(plane, stage, self.scale), self.scale, 16 * len(stage))

    def _summed(
        self, plane: NDArray[np.uint8], stage: Sequence[tuple[Taps, NDArray[np.int8]]], scale: int
    ) -> NDArray[np.int32]:
        sums = np.zeros((*plane.shape, scale**2), np.int32)
        padded, first = _padded(plane, self._padding)
        for taps, table in stage:
            for turned in turns(taps, scale):
                offsets = turned.offsets(padded.shape[1])
                library().simplex(first, *plane.shape, padded.shape[1], offsets, _pointer(table), turned.order,
                                  scale**2, _pointer(sums))  # fmt: skip
        return sums


class Nibbles(LookUp):
    """HKLUT: stages of x2, with tables for the upper half of each byte (three taps) and for the lower one (two)."""

    def __init__(self, name: str, folder: Path, stages: int = 2, colors: int = 1) -> None:
        super().__init__(name, 2**stages, colors)

        def load(stage: int, half: str, kind: str) -> NDArray[np.int8]:
            return np.load(folder / f"S{stage}_{half}_LUT_{kind}_x2_4bit_int8.npy").astype(np.int8)

        self._stages = [
            (
                [(taps, load(stage, "MSB_HDB", kind)) for kind, taps in (("H", ROW), ("D", DIAGONAL), ("B", BENT))],
                [(taps[:2], load(stage, "LSB_HD", kind)) for kind, taps in (("H", ROW), ("D", DIAGONAL))],
            )
            for stage in range(stages)
        ]

    def plane(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `LookUp.plane`."""
        sixths = plane.astype(np.int32) * 6  # the upper tables count a third each, the lower ones a half
        for number, (upper, lower) in enumerate(self._stages):
            whole = (sixths // 6).astype(np.uint8)
            sums = np.repeat(sixths[:, :, None], 4, axis=2)
            for tables, shift, factor, padding in ((upper, 4, 2, "reflect"), (lower, 0, 3, "edge")):
                padded, first = _padded(whole, padding)
                for taps, table in tables:
                    for turned in turns(taps, 2):
                        offsets = turned.offsets(padded.shape[1])
                        library().nibbles(first, *whole.shape, padded.shape[1], offsets, len(taps), shift,
                                          _pointer(table), turned.order, factor, _pointer(sums))  # fmt: skip
            if number + 1 < len(self._stages):
                height, width = whole.shape
                blocks = sums.reshape(height, width, 2, 2).transpose(0, 2, 1, 3)
                sixths = np.clip(blocks.reshape(2 * height, 2 * width), 0, 6 * 255)
        return _finished(sums, 2, 6)


@dataclass(frozen=True)
class Turn:
    """Taps in one of four directions, and where each output of the table then goes."""

    taps: Taps
    order: Any

    def offsets(self, stride: int) -> Any:
        """The distances of the taps from a pixel in a plane with rows of `stride`."""
        return (ctypes.c_int32 * len(self.taps))(*(dy * stride + dx for dy, dx in self.taps))


def turns(taps: Taps, scale: int) -> Iterator[Turn]:
    """A table in four directions: what it does on the image turned by 0, 90, 180 and 270 degrees, turned back."""
    places = [(row, column) for row in range(scale) for column in range(scale)]
    for _ in range(4):
        yield Turn(taps, (ctypes.c_int32 * len(places))(*(row * scale + column for row, column in places)))
        taps = [(dx, -dy) for dy, dx in taps]
        places = [(column, scale - 1 - row) for row, column in places]


def _padded(plane: NDArray[np.uint8], mode: str) -> tuple[NDArray[np.uint8], Any]:
    """The plane with a border, and a pointer to its first pixel inside."""
    padded = np.pad(plane, REACH, mode=mode)
    return padded, ctypes.c_void_p(padded.ctypes.data + REACH * padded.shape[1] + REACH)


def _finished(sums: NDArray[np.int32], scale: int, divisor: int, bias: int = 0) -> NDArray[np.uint8]:
    """[H, W, scale²] to 8 bits [scale·H, scale·W]: the sums over `divisor`, plus `bias`."""
    height, width = sums.shape[:2]
    image = np.empty((height * scale, width * scale), np.uint8)
    library().finish(_pointer(sums), height, width, scale, divisor, bias, _pointer(image))
    return image


def _pointer(array: NDArray[Any]) -> Any:
    return ctypes.c_void_p(array.ctypes.data)


@cache
def library() -> ctypes.CDLL:
    """`lut.c`, compiled for this processor.

    Raises:
        EcbsrError: there is no C compiler, or it fails.
    """
    source = Path(__file__).with_name("lut.c")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "lut.so")
        command = ["cc", "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(target)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise EcbsrError("cc: not found; install a C compiler, which look-up tables need") from None
        except subprocess.CalledProcessError as error:
            raise EcbsrError(f"cc failed on {source}: {error.stderr.strip().splitlines()[-1]}") from None
        return ctypes.CDLL(str(target))
