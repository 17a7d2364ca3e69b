"""Logs of both generations of the tool, with every prefix and line end, and truncated."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench.benchmark_tool import log_parser, run_status
from android_bench.config import Delegate
from android_bench.results import types
from tests.helpers import bench_logs as logs
from tests.helpers.fuzz_text import damaged_output


def test_figures_of_both_generations() -> None:
    new, old, litert = (log_parser.parse_log("".join(log)) for log in (logs.CPU, logs.CPU_OLD, logs.LITERT))
    assert (new.timed, new.init, new.peak_memory_mb) == (log_parser.Timing(20, 4795.35, 4788, 4921), 5123, 37.824)
    assert (old.timed, old.init, old.peak_memory_mb) == (log_parser.Timing(20, 1.22156e7), 461, None)
    assert (litert.timed, litert.init, litert.peak_memory_mb) == (log_parser.Timing(20, 947.132, 942, 991), 5760, 9.25)


def test_other_formats_of_the_statistics() -> None:
    headers = (
        "Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 9 seconds.\n"
    )

    def timed(line: str) -> log_parser.Timing | None:
        return log_parser.parse_log(f"{headers}count=1 curr=7\n\n{headers}{line}\n").timed

    assert timed("count=4 curr=250(all same)") == log_parser.Timing(4, 250, 250, 250)
    assert timed("count=1 curr=9") == log_parser.Timing(1, 9, 9, 9)
    for line in ("count=0", "count=", "", "count=5 first=x avg=nan", "Timings (microseconds): count=1 curr=34"):
        assert timed(line) is None


@pytest.mark.parametrize("name", ["min", "max", "avg", "median", "p95"])
@pytest.mark.parametrize("value", ["inf", "-nan", "0", "-4801", "x"])
def test_times_of_which_one_is_impossible_are_no_figures(name: str, value: str) -> None:
    text = re.sub(rf"(count=20 .*\b{name})=\S+", rf"\1={value}", logs.CPU[0])
    assert text != logs.CPU[0] and log_parser.parse_log(text).timed is None


def test_the_warm_up_is_never_read_as_the_timed_statistics() -> None:
    text = logs.CPU[0]
    second = [match.start() for match in re.finditer("INFO: Running benchmark", text)][1]
    assert "count=" in text[:second] and log_parser.parse_log(text[:second]).timed is None


LOGCAT = (
    "06-12 10:11:12.345  1234  1250 I tflite  : ",
    "I/tflite  ( 1234): ",
    "06-12 10:11:12.345  12  12 I TFLiteBenchmark: ",
)


@pytest.mark.parametrize("prefix", [*LOGCAT, ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
@pytest.mark.parametrize(
    "name", ["CPU", "CPU_OLD", "CPU_2020", "GPU_PARTIAL", "NNAPI_NOTHING", "LITERT", "PROFILE_TABLE"]
)
def test_prefixes_and_line_ends_change_nothing(name: str, prefix: str, end: str) -> None:
    text = "".join(getattr(logs, name))
    wrapped = "".join(prefix + line + end for line in text.splitlines())
    assert log_parser.parse_log(wrapped) == log_parser.parse_log(text)


def test_profiles_as_table_and_as_csv() -> None:
    expected = (types.OperatorTime("CONV_2D", 6, 3.6, 0.75), types.OperatorTime("DEPTH_TO_SPACE", 1, 1.2, 0.25))
    assert log_parser.parse_log("".join(logs.PROFILE_TABLE)).profile == expected
    assert log_parser.parse_log(logs.PROFILE_CSV).profile == expected
    assert log_parser.parse_log("".join(logs.CPU)).profile == ()
    convolution = types.OperatorTime("Convolution (NHWC, F32) IGEMM", 6, 3.6, 0.75)
    buffers = types.OperatorTime("LiteRT::Run[buffer registration]", 1, 1.2, 0.25)
    assert log_parser.parse_log("".join(logs.LITERT_PROFILE)).profile == (convolution, buffers)
    assert log_parser.parse_log(logs.PROFILE_CSV_COMMAS).profile == (convolution, expected[1])
    for text in (logs.PROFILE_CSV, "".join(logs.PROFILE_TABLE)):
        for end in range(len(text)):
            assert log_parser.parse_log(text[:end]).profile in ((), expected[:1], expected)


LOGS = [value for name, value in vars(logs).items() if name.isupper() and name not in ("MODEL_BYTES", "NODES", "SHAPE")]
LINES = sorted(
    {line for log in LOGS for text in ([log] if isinstance(log, str) else log) for line in text.splitlines()}
)


def test_a_long_line_takes_no_longer_than_its_length() -> None:
    """A line of a million characters took days: patterns were tried from each of them."""
    long = "".join(
        f"{text}{'9' * 10**6}\n" for text in ("", "count=", "INFO: ", "[", "Replacing ", "x: ", "Input shapes: [")
    )
    assert log_parser.parse_log(long) == log_parser.ToolLog()


@given(damaged_output(LINES) | st.text())
def test_any_log_is_parsed_to_finite_numbers(text: str) -> None:
    log = log_parser.parse_log(text)
    json.dumps(asdict(log), allow_nan=False)
    for delegate in ("cpu", "gpu", "nnapi", "external"):
        expected = run_status.Expected(Delegate(delegate), logs.MODEL_BYTES, logs.NODES, logs.SHAPE)
        assert run_status.run_status(log, 0, expected).status in types.STATUSES


microseconds = st.floats(0.01, 1e9).map(lambda value: float(f"{value:.6g}"))


@given(
    count=st.integers(1, 10**6),
    times=st.tuples(*[microseconds] * 5),
    init=microseconds,
    memory=st.floats(0.01, 1e5).map(lambda value: float(f"{value:.6g}")),
    nodes=st.integers(0, 10**6),
    prefix=st.sampled_from(["", "INFO: ", *LOGCAT]),
)
def test_the_numbers_of_a_printed_log_are_read_back(
    count: int, times: tuple[float, ...], init: float, memory: float, nodes: int, prefix: str
) -> None:
    minimum, maximum, mean, median, p95 = times
    header = (
        "Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 9 seconds."
    )
    lines = [
        header,
        "count=1 curr=7",
        "",
        header,
        f"count={count} first=1 curr=2 min={minimum:g} max={maximum:g} avg={mean:g} std=3 p5=1 "
        f"median={median:g} p95={p95:g}",
        "",
        f"Inference timings in us: Init: {init:g}, First inference: 9012, Warmup (avg): 7, Inference (avg): {mean:g}",
        f"Overall peak memory footprint (MB) via periodic monitoring: {memory:f}",
        f"Replacing {nodes} out of {nodes} node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions for "
        "subgraph 0.",
    ]
    log = log_parser.parse_log("".join(f"{prefix}{line}\n" for line in lines))
    assert log.timed == log_parser.Timing(count, mean, median, p95)
    assert (log.init, log.complete) == (init, True)
    assert log.peak_memory_mb == pytest.approx(memory, abs=1e-6)
    assert log.delegations == (log_parser.Delegation("TfLiteGpuDelegateV2", nodes, nodes, 1),)
