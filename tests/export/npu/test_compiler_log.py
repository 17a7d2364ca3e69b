"""Stored logs of Qualcomm's compiler, whole and cut off."""

from __future__ import annotations

import pytest

from export.npu import compiler, compiler_log
from tests.helpers.npu_models import several_reasons, stored_log


def test_parses_counts_reasons_and_traffic() -> None:
    log = compiler_log.parse(*stored_log("several"))
    assert (log.taken, log.total, log.partitions) == (3, 7, 3)
    assert log.reasons == {**dict.fromkeys((1, 2, 3), "has incorrect Rank 6."), 5: compiler_log.UNMAPPED}
    assert log.traffic == (
        compiler_log.Traffic(0, 6144, 10240),
        compiler_log.Traffic(0, 24576, 8192),
        compiler_log.Traffic(0, 24576, 16384),
    )
    assert log.version == "2.51.0.260929181845"
    assert log.error == ""


def test_parses_the_error() -> None:
    log = compiler_log.parse(*stored_log("failed"))
    assert log.error.startswith("Failed to add node into graph, error: 6005")
    assert log.traffic == ()


def test_accepts_windows_line_endings() -> None:
    errors, output = (text.replace(b"\n", b"\r\n") for text in stored_log("several"))
    assert compiler_log.parse(errors, output) == compiler_log.parse(*stored_log("several"))


def assert_part_of(log: compiler_log.CompilerLog, whole: compiler_log.CompilerLog) -> None:
    for name in ("version", "taken", "total", "partitions"):
        assert getattr(log, name) in (None, getattr(whole, name)), name
    for node, reason in log.reasons.items():
        assert reason in (whole.reasons[node], compiler_log.NO_REASON)
    assert log.traffic == whole.traffic[: len(log.traffic)]
    assert log.error in ("", whole.error)


@pytest.mark.parametrize("name", ["several", "failed"])
def test_standard_error_cut_off_at_any_byte_gives_a_part(name: str) -> None:
    errors, output = stored_log(name)
    complaints = output[: output.rfind(b"Failed to validate") + 200]
    whole = compiler_log.parse(errors, complaints)
    start = errors.find(b"Starting Applying plugin")  # its own command line precedes this
    for end in range(start, len(errors)):
        assert_part_of(compiler_log.parse(errors[:end], complaints), whole)


def test_standard_output_cut_off_at_any_byte_gives_a_part() -> None:
    """At every byte of the lines that are parsed, and at the end of all others."""
    errors, output = stored_log("several")
    whole, ends, place = compiler_log.parse(errors, output), set(), 0
    for line in output.splitlines(keepends=True):
        parsed = b"<E>" in line or b"bytes=" in line or b"DDR" in line
        ends |= set(range(place, place + len(line))) if parsed else {place}
        place += len(line)
    assert len(ends) > 1000
    graph = several_reasons()
    for number, end in enumerate(sorted(ends)):
        assert_part_of(compiler_log.parse(errors, output[:end]), whole)
        if number % 50 == 0:
            for code in (0, 1, -11):
                report, _ = compiler.report_of(graph, code, output[:end], errors, b"", 1.0)
                assert report.status == {0: "unreadable", 1: "failed", -11: "crashed"}[code]
