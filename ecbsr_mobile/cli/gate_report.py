"""Results of a gate for continuous integration: JUnit XML and GitHub-flavored Markdown, beside `--json`."""

from __future__ import annotations

import argparse
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError
from ..utils.files import check_apart, check_outputs, write_bytes
from ..utils.text import printable
from . import paths

Outcome = Literal["passed", "failed", "error", "skipped"]
"""`failed`: the gate decided against it. `error`: there is no result. `skipped`: nothing could be decided."""

_MODELS = (".tflite", ".onnx", ".pth", ".pt", ".ckpt", ".safetensors")
_ELEMENTS = {"failed": "failure", "error": "error", "skipped": "skipped"}
_SIGNS = {"failed": "❌", "error": "❌", "skipped": "⚪"}


@dataclass(frozen=True)
class Check:
    """One decision: of what (`group`, such as a file), about what (`name`), the outcome, and why."""

    group: str
    name: str
    outcome: Outcome = "passed"
    message: str = ""


@dataclass(frozen=True)
class GateReport:
    """What one run of a command decided, with the table of its result.

    Attributes:
        command: the command's name.
        answer: the result in one sentence.
        checks: the decisions, in order.
        header: the columns of the table.
        rows: the cells of the table.
    """

    command: str
    answer: str
    checks: Sequence[Check]
    header: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--junit` and `--markdown`."""
    parser.add_argument("--junit", metavar="FILE", type=paths.OUTPUT_FILE, help="write the result as JUnit XML, for CI")
    parser.add_argument(
        "--markdown", metavar="FILE", type=paths.OUTPUT_FILE, help="write the result as Markdown, for a summary in CI"
    )


def check_options(
    options: argparse.Namespace,
    inputs: Iterable[str | os.PathLike[str]] = (),
    outputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Check, before long work, that the files of `write` can be written.

    Args:
        options: the parsed options.
        inputs: the files that the command reads.
        outputs: the other files that it writes, of known names.

    Raises:
        UsageError: a file exists, and `--overwrite` is not given; it is one of `inputs` or `outputs`; or it has the
            name of a model.
        EcbsrError: a file cannot be written.
    """
    reports = _paths(options)
    for path in reports:
        check_report_name(path)
    check_apart([*reports, *outputs], inputs)
    check_outputs(reports, options.overwrite)


def check_report_name(path: str) -> None:
    """Refuse the name of a model for a report: the name of the report was forgotten, or a model would be replaced.

    Raises:
        UsageError: it ends as the name of a model does.
    """
    if path.lower().endswith(_MODELS):
        raise UsageError(f"{path}: has the name of a model; name another file for the report")


def write(options: argparse.Namespace, report: GateReport) -> None:
    """Write the files that the options ask for.

    Raises:
        UsageError: a file exists, and `--overwrite` is not given.
        EcbsrError: a file cannot be written.
    """
    for path, make in ((options.junit, junit), (options.markdown, markdown)):
        if path:
            write_bytes(path, make(report).encode(), options.overwrite)


def wanted(options: argparse.Namespace) -> bool:
    """Whether the options ask for a file."""
    return bool(_paths(options))


def junit(report: GateReport) -> str:
    """The checks as JUnit XML: one `testsuite`, a `testcase` per check.

    Source: the elements and attributes of the schema in jenkinsci/xunit-plugin (junit-10.xsd), which CI servers read.
    """
    counts = Counter(check.outcome for check in report.checks)
    totals = {
        "tests": str(len(report.checks)),
        "failures": str(counts["failed"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
    }
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", {"name": report.command, **totals})
    for check in report.checks:
        case = ET.SubElement(suite, "testcase", classname=printable(check.group), name=printable(check.name))
        if check.outcome in _ELEMENTS:
            message = printable(check.message)
            ET.SubElement(case, _ELEMENTS[check.outcome], message=message).text = message
        elif check.message:
            ET.SubElement(case, "system-out").text = printable(check.message)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def markdown(report: GateReport) -> str:
    """The answer, the checks that did not pass, and the table, as Markdown."""
    failed = any(check.outcome in ("failed", "error") for check in report.checks)
    lines = [f"### {'❌' if failed else '✅'} {_escaped(report.command)}", "", _escaped(report.answer), ""]
    notes = [
        f"- {_SIGNS[check.outcome]} {_escaped(f'{check.group}, {check.name}: {check.message}')}"
        for check in report.checks
        if check.outcome != "passed"
    ]
    if notes:
        lines += [*notes, ""]
    if report.rows:
        lines += [_row(report.header), _row(["---"] * len(report.header), raw=True), *map(_row, report.rows), ""]
    return "\n".join(lines)


def _row(cells: Iterable[object], raw: bool = False) -> str:
    return "| " + " | ".join(str(cell) if raw else _escaped(str(cell)) for cell in cells) + " |"


def _escaped(text: str) -> str:
    r"""Text on one line that Markdown shows as it is: a backslash before punctuation that could mean something."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&:@])", r"\\\1", printable(text))


def _paths(options: argparse.Namespace) -> list[str]:
    return [path for path in (options.junit, options.markdown) if path]
