"""Parse the log of LiteRT's GPU accelerator, which several threads write to standard error.

It names the adapter, the operators that the delegate refuses, with its reasons, and errors of the GPU's programs, which
LiteRT does not report otherwise: such a model opens, runs, and computes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecbsr_mobile.utils.text import MAX_NOTE, printable

from .accelerator_worker import MARK

_ADAPTER = re.compile(r"Selected adapter: (.+?), arch=.*adapterType=([^\n,]+)")
_REFUSALS = re.compile(
    r"Following operations are not supported by GPU delegate:\n(.*?)(?:^(?:No|\d+) operations will run|\Z)",
    re.MULTILINE | re.DOTALL,
)
_OTHER_LINE = re.compile(r"INFO:|WARNING:|ERROR:|[IWEF]\d{4} ")
_COUNTS = re.compile(
    r"^(?:No|(\d+)) operations will run on the GPU, and (?:all|the remaining) \d+ operations will run on the CPU",
    re.MULTILINE,
)
_PARTITION = re.compile(r"Initializing WebGPU-based API from graph")
_PROGRAM_ERROR = re.compile(r"Validation error: ([^\n]+)")
_ERROR = re.compile(
    r"^(?:[EF]\d{4} \S+ +\d+ \S+\] |ERROR: )(?:\[[^\]\n]*\] )?(?!Following operations)([^\n]+)", re.MULTILINE
)


@dataclass(frozen=True)
class AcceleratorLog:
    """What the log of one model contains.

    Attributes:
        adapter: the GPU's name; None where the log has none.
        software: whether a CPU emulates that GPU.
        refused: (operator, the delegate's reason), each once.
        taken: operators that run on the GPU; None where the log has no number, as for a model that is taken whole.
        partitions: groups of operators that the delegate made programs for, when the model was opened last.
        program_error: the first error of a GPU program; "" if there is none.
        error: the first error that is none of these; "" if there is none.
    """

    adapter: str | None = None
    software: bool = False
    refused: tuple[tuple[str, str], ...] = ()
    taken: int | None = None
    partitions: int = 0
    program_error: str = ""
    error: str = ""


def parse(log: bytes) -> dict[int, AcceleratorLog]:
    """Number of each model → what its part of the log contains; the adapter is that of the whole log."""
    text = log.decode("utf-8", "replace")
    before, *attempts = text.split(f"\n{MARK}")
    parts: dict[int, list[str]] = {}
    for attempt in attempts:
        number, _, rest = attempt.partition("\n")
        if number.isdecimal():
            parts.setdefault(int(number), []).append(rest)
    selected = _ADAPTER.search(text)
    adapter = printable(selected[1], 100) if selected else None
    software = selected is not None and selected[2].strip().lower().startswith("cpu")
    return {number: _parse_attempts([before, *texts], adapter, software) for number, texts in parts.items()}


def _parse_attempts(texts: list[str], adapter: str | None, software: bool) -> AcceleratorLog:
    text, last = "".join(texts), texts[-1]
    lines = [line for block in _REFUSALS.findall(text) for line in block.splitlines() if not _OTHER_LINE.match(line)]
    refused = dict.fromkeys(printable(line).partition(": ")[::2] for line in lines if ": " in line)
    counts = _COUNTS.search(last)
    programs = _PROGRAM_ERROR.search(text)
    errors = [error for error in _ERROR.findall(text) if "Validation error" not in error]
    return AcceleratorLog(
        adapter,
        software,
        tuple((operator, reason.strip()) for operator, reason in refused),
        None if counts is None else int(counts[1] or 0),
        len(_PARTITION.findall(last)),
        printable(programs[1], MAX_NOTE) if programs else "",
        printable(errors[0].strip(), MAX_NOTE) if errors else "",
    )
