"""The kinds of files and text that are damaged, and what reads each of them.

A reader may refuse an input (`EcbsrError`); every other exception is a find.
"""

from __future__ import annotations

import io
import json
import random
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from android_bench.benchmark_tool import log_parser, run_status
from android_bench.config import Delegate, Options
from android_bench.phone import device_info
from android_bench.report import page
from android_bench.results import journal, serialize
from android_bench.results.types import Check, OperatorTime
from ecbsr_mobile import images, load, tflite, zoo
from export.audit.model_audit import audit
from tests.android_bench.phone.test_device_info import READINGS
from tests.helpers import bench_logs, checkpoints
from tests.helpers.bench import CASE, results, runs
from tests.helpers.random_damage import damaged, damaged_json, damaged_lines


@dataclass(frozen=True)
class Kind:
    """`make(generator)` gives the bytes of an input, and `read(path)` does what a command does with such a file."""

    make: Callable[[random.Random], bytes]
    read: Callable[[Path], object]
    suffix: str


def kinds() -> dict[str, Kind]:
    """Every kind by its name."""
    pictures = _pictures()
    models = [path.read_bytes() for path in sorted(zoo.FOLDER.glob("*-m4c*-x2-*.tflite"))]
    weights = list(checkpoints.corpus().values())
    document = results(10.0, 12.0, None).as_json()
    lines, journal_lines = _log_lines(), _journal_lines()
    return {
        "tflite": Kind(lambda g: damaged(g.choice(models), g), _read_tflite, ".tflite"),
        "checkpoint": Kind(lambda g: checkpoints.mutated(g.choice(weights), g.getrandbits(32)), _read_weights, ".pth"),
        "picture": Kind(lambda g: damaged(g.choice(pictures), g), _read_picture, ".png"),
        "results": Kind(lambda g: damaged_json(document, g), _read_results, ".json"),
        "journal": Kind(lambda g: _damaged_journal(journal_lines, g), _read_journal, ".jsonl"),
        "log": Kind(lambda g: damaged_lines(lines, g), _read_log, ".txt"),
        "reading": Kind(lambda g: damaged_lines(READINGS, g), _read_reading, ".txt"),
    }


def _pictures() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    files = []
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM"):
        for mode in ("RGB", "L"):
            file = io.BytesIO()
            Image.fromarray(pixels).convert(mode).save(file, form)
            files.append(file.getvalue())
    return files


def _log_lines() -> list[str]:
    logs = [value for name, value in vars(bench_logs).items() if name.isupper() and isinstance(value, (str, tuple))]
    texts = [text for log in logs for text in ([log] if isinstance(log, str) else log) if isinstance(text, str)]
    return sorted({line for text in texts for line in text.splitlines()})


def _read_tflite(path: Path) -> None:
    graph = tflite.read(path)
    tflite.write(graph)
    audit(path, run_xnnpack=False)
    tflite.write(tflite.at_size(graph, 40, 24))


def _read_weights(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load(path)


def _read_picture(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images.write(images.read(path), path.with_name("written.png"))


def _read_results(path: Path) -> None:
    parsed = serialize.read_results(str(path))
    json.dumps(serialize.document(parsed, ()), allow_nan=False)
    serialize.to_csv(parsed).encode()
    page.html(parsed, ()).encode()


def _journal_lines() -> list[Any]:
    """The lines of a journal of one case."""
    with tempfile.TemporaryDirectory() as folder:
        named = (journal.ModelFile("m.tflite", "0" * 64),)
        written = journal.Journal(
            journal.Session(Options(devices=("phone",)), named, "2026-01-02T03:04:05+00:00"), Path(folder)
        )
        written.create_file()
        for run in runs(("ok", 5.0), ("failed", None)):
            written.add_run(run)
        written.add_check(CASE, Check(1.0, 50.5))
        written.add_profile(CASE, (OperatorTime("CONV_2D", 2, 3.0, 0.75),))
        written.close()
        return [json.loads(line) for line in (Path(folder) / journal.RUNS).read_text().splitlines()]


def _damaged_journal(lines: list[Any], generator: random.Random) -> bytes:
    chosen = generator.randrange(len(lines))
    texts = [json.dumps(line).encode() for line in lines]
    texts[chosen] = damaged_json(lines[chosen], generator)
    return b"\n".join(texts) + b"\n"


def _read_journal(path: Path) -> None:
    folder = path.with_name("session")
    folder.mkdir(exist_ok=True)
    (folder / journal.RUNS).write_bytes(path.read_bytes())
    journal.reopen(folder).close()


def _read_log(path: Path) -> None:
    log = log_parser.parse_log(path.read_bytes().decode(errors="replace"))
    for delegate in ("cpu", "gpu", "nnapi", "external"):
        expected = run_status.Expected(Delegate(delegate), bench_logs.MODEL_BYTES, bench_logs.NODES, bench_logs.SHAPE)
        run_status.run_status(log, 0, expected)


def _read_reading(path: Path) -> None:
    text = path.read_bytes().decode(errors="replace")
    device_info.parse_condition(text)
    device_info.parse_properties(text)
