"""Logs of both generations of the tool: every prefix, line end and cut."""

from __future__ import annotations

import re

import pytest

from android_bench.benchmark_tool import log_parser
from android_bench.results import types
from tests.helpers import bench_logs as logs
from tests.helpers.paths import REFERENCE

REAL_LOGS = REFERENCE / "benchmark_logs"


def test_figures_of_both_generations() -> None:
    new, old, litert = (log_parser.parse_log("".join(log)) for log in (logs.CPU, logs.CPU_OLD, logs.LITERT))
    assert new.timed == log_parser.Timing(20, 4795.35, 4788, 4921, 4711, 4951)
    assert (new.init, new.first, new.peak_memory_mb, new.generation) == (5123, 9012, 37.824, "tflite")
    assert old.timed == log_parser.Timing(20, 1.22156e7, None, None, 11.8e6, 13.002e6)
    assert old.warmup == log_parser.Timing(1, 20315064, 20315064, 20315064, 20315064, 20315064)
    assert litert.timed == log_parser.Timing(20, 947.132, 942, 991, 910, 1102)
    assert (litert.init, litert.first, litert.peak_memory_mb, litert.generation) == (5760, 2120, 9.25, "litert")


def test_other_forms_of_the_statistics() -> None:
    headers = (
        "Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 9 seconds.\n"
    )

    def timed(line: str) -> log_parser.Timing | None:
        return log_parser.parse_log(f"{headers}count=1 curr=7\n\n{headers}{line}\n").timed

    assert timed("count=4 curr=250(all same)") == log_parser.Timing(4, 250, 250, 250, 250, 250)
    assert timed("count=1 curr=9") == log_parser.Timing(1, 9, 9, 9, 9, 9)
    for nothing in ("count=0", "count=", "", "count=5 first=x avg=nan", "Timings (microseconds): count=1 curr=34"):
        assert timed(nothing) is None


def test_the_warm_up_is_never_taken_for_the_timed_block() -> None:
    text = logs.CPU[0]
    second = [match.start() for match in re.finditer("INFO: Running benchmark", text)][1]
    log = log_parser.parse_log(text[:second])
    assert log.warmup is not None and log.timed is None


LOGCAT = (
    "06-12 10:11:12.345  1234  1250 I tflite  : ",
    "I/tflite  ( 1234): ",
    "06-12 10:11:12.345  12  12 I TFLiteBenchmark: ",
)


@pytest.mark.parametrize("prefix", [*LOGCAT, ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
@pytest.mark.parametrize("name", ["CPU", "CPU_OLD", "GPU_PARTIAL", "NNAPI_NOTHING", "LITERT", "PROFILE_TABLE"])
def test_prefixes_and_line_ends_change_nothing(name: str, prefix: str, end: str) -> None:
    text = "".join(getattr(logs, name))
    wrapped = "".join(prefix + line + end for line in text.splitlines())
    assert log_parser.parse_log(wrapped) == log_parser.parse_log(text)


def test_profiles_as_table_and_as_csv() -> None:
    wanted = (types.OperatorTime("CONV_2D", 6, 3.6, 0.75), types.OperatorTime("DEPTH_TO_SPACE", 1, 1.2, 0.25))
    assert log_parser.parse_log("".join(logs.PROFILE_TABLE)).profile == wanted
    assert log_parser.parse_log(logs.PROFILE_CSV).profile == wanted
    assert log_parser.parse_log("".join(logs.CPU)).profile == ()
    for text in (logs.PROFILE_CSV, "".join(logs.PROFILE_TABLE)):
        for end in range(len(text)):
            assert log_parser.parse_log(text[:end]).profile in ((), wanted[:1], wanted)
