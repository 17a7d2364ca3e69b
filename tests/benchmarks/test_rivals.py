"""Look-up tables of others: `lut.c` gives what their definition gives, and turns tables as images are turned."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from tests.helpers.paths import ROOT

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

PLANE = np.random.default_rng(0).integers(0, 256, (9, 13), np.uint8)


def _saved(table: np.ndarray, path: Path) -> Path:
    np.save(path, table.astype(np.int8))
    return path


def _turned_sum(upscale: object, scale: int) -> np.ndarray:
    """What authors write: upscale the image turned by 0, 90, 180 and 270 degrees, turn back, add."""
    return sum(np.rot90(upscale(np.rot90(PLANE, turn)), -turn) for turn in range(4))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", ["SQUARE", "WIDE", "FORK"])
def test_interpolation_in_the_table_is_exact_for_a_linear_table(scale: int, shape: str, tmp_path: Path) -> None:
    import rival_tables

    taps = getattr(rival_tables, shape)
    random = np.random.default_rng(scale)
    slopes = random.integers(0, 2, (4, scale**2))  # per step of 16
    grid = np.stack(np.meshgrid(*[np.arange(17)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    path = _saved(grid @ slopes, tmp_path / "table.npy")

    def upscale(image: np.ndarray) -> np.ndarray:
        padded = np.pad(image.astype(float), 2, mode="edge")
        rows, columns = (axis + 2 for axis in np.indices(image.shape))
        seen = np.stack([map_coordinates(padded, [rows + dy, columns + dx], order=0) for dy, dx in taps], axis=-1)
        values = (seen / 16) @ slopes
        blocks = values.reshape(*image.shape, scale, scale).transpose(0, 2, 1, 3)
        return blocks.reshape(image.shape[0] * scale, image.shape[1] * scale)

    expected = np.clip(_turned_sum(upscale, scale), 0, 255)
    ours = rival_tables.Simplex("linear", scale, [[(taps, path)]], "edge").plane(PLANE)
    assert np.abs(ours - expected).max() <= 0.5
    assert len(np.unique(ours)) > 20


def test_interpolation_is_that_of_the_simplex_in_a_random_table(tmp_path: Path) -> None:
    import rival_tables

    table = np.random.default_rng(1).integers(-40, 128, (17,) * 4 + (4,))
    path = _saved(table.reshape(-1, 4), tmp_path / "table.npy")

    def upscale(image: np.ndarray) -> np.ndarray:
        padded = np.pad(image, ((0, 1), (0, 1)), mode="edge").astype(int)
        result = np.zeros((image.shape[0] * 2, image.shape[1] * 2))
        for y, x in itertools.product(*map(range, image.shape)):
            seen = np.array([padded[y, x], padded[y, x + 1], padded[y + 1, x], padded[y + 1, x + 1]])
            corner, fraction = seen // 16, seen % 16 / 16
            # Barycentric coordinates in Kuhn's triangulation: the unit steps in order of falling fraction.
            order = np.argsort(-fraction, kind="stable")
            levels = np.concatenate([[1], fraction[order], [0]])
            mixed = np.zeros(4)
            for k in range(5):
                mixed += (levels[k] - levels[k + 1]) * table[tuple(corner)]
                if k < 4:
                    corner = corner + np.eye(4, dtype=int)[order[k]]
            result[2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = mixed.reshape(2, 2)
        return result

    ours = rival_tables.Simplex("random", 2, [[(rival_tables.SQUARE, path)]], "edge").plane(PLANE)
    assert np.abs(ours - np.clip(_turned_sum(upscale, 2), 0, 255)).max() <= 0.5


def test_tables_of_half_bytes_are_read_and_added(tmp_path: Path) -> None:
    import rival_tables

    random = np.random.default_rng(2)
    tables = {}
    for kind in "HDB":
        tables["MSB", kind] = random.integers(-30, 31, (16, 16, 16, 4))
        _saved(tables["MSB", kind].reshape(-1, 4), tmp_path / f"S0_MSB_HDB_LUT_{kind}_x2_4bit_int8.npy")
    for kind in "HD":
        tables["LSB", kind] = random.integers(-9, 10, (16, 16, 4))
        _saved(tables["LSB", kind].reshape(-1, 4), tmp_path / f"S0_LSB_HD_LUT_{kind}_x2_4bit_int8.npy")
    shapes = {"H": ((0, 0), (0, 1), (0, 2)), "D": ((0, 0), (1, 1), (2, 2)), "B": ((0, 0), (1, 2), (2, 1))}

    def added(half: str, kind: str, padding: str) -> np.ndarray:
        def upscale(image: np.ndarray) -> np.ndarray:
            height, width = image.shape
            padded = np.pad(image, ((0, 2), (0, 2)), mode=padding)
            nibble = padded // 16 if half == "MSB" else padded % 16
            taps = shapes[kind][: tables[half, kind].ndim - 1]
            entries = tables[half, kind][tuple(nibble[dy : dy + height, dx : dx + width] for dy, dx in taps)]
            return entries.reshape(height, width, 2, 2).transpose(0, 2, 1, 3).reshape(2 * height, 2 * width)

        return _turned_sum(upscale, 2)

    expected = np.kron(PLANE, np.ones((2, 2)))
    expected = expected + sum(added("MSB", kind, "reflect") for kind in "HDB") / 3
    expected = expected + sum(added("LSB", kind, "edge") for kind in "HD") / 2
    ours = rival_tables.Nibbles("nibbles", tmp_path, stages=1).plane(PLANE)
    assert np.abs(ours - np.clip(expected, 0, 255)).max() <= 0.5


def test_the_stored_results_are_what_the_docs_show_and_the_plot_reads() -> None:
    import front
    import rivals

    path = ROOT / "benchmarks" / "rivals.json"
    document = json.loads(path.read_text())
    assert rivals.table(document) in (ROOT / "docs" / "models.md").read_text()
    points = front.read_rivals(path, ["Set5", "Set14"])
    assert {point.scale for point in points} == {2, 4} and len(points) == len(document["rivals"])
    assert all(rival["license"] == rivals.SOURCES[rival["source"]] for rival in document["rivals"])
