"""What is believed of the tool's output: both generations, every prefix, every cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from android_bench.benchmark_tool import log_parser, run_status
from android_bench.config import Delegate, parse_delegates
from android_bench.results import types
from tests.helpers import bench_logs as logs
from tests.helpers.paths import REFERENCE

REAL_LOGS = REFERENCE / "benchmark_logs"
CPU, GPU, NNAPI = Delegate("cpu"), Delegate("gpu"), Delegate("nnapi")
EXTERNAL = Delegate("external", "/vendor/lib64/libQnnTFLiteDelegate.so")
DELEGATES = (CPU, GPU, NNAPI, EXTERNAL)


def verdict(log: tuple[str, str], delegate: Delegate, code: int = 0) -> run_status.RunStatus:
    expected = run_status.Expected(delegate, logs.MODEL_BYTES, logs.NODES, logs.SHAPE)
    return run_status.run_status(log_parser.parse_log("".join(log)), code, expected)


@pytest.mark.parametrize(
    ("name", "delegate", "status", "nodes"),
    [
        ("CPU", CPU, "ok", (49, 49, 1)),
        ("CPU_OLD", CPU, "ok", (0, 49, 0)),
        ("LITERT", CPU, "ok", (49, 49, 1)),
        ("GPU", GPU, "ok", (49, 49, 1)),
        ("GPU_PARTIAL", GPU, "partial", (13, 49, 3)),
        ("GPU_UNSUPPORTED", GPU, "fallback", (0, 49, 0)),
        ("GPU_UNKNOWN_FLAG", GPU, "unsupported", (None, None, None)),
        ("CPU", GPU, "fallback", (None, 49, None)),
        ("NNAPI", NNAPI, "ok", (49, 49, 1)),
        ("NNAPI_PARTIAL", NNAPI, "partial", (None, 49, 11)),
        ("NNAPI_NOTHING", NNAPI, "fallback", (0, 49, 0)),
        ("GPU", NNAPI, "fallback", (None, 49, None)),
        ("EXTERNAL_CREATED", EXTERNAL, "fallback", (None, 49, None)),
        ("QNN_NOTHING", EXTERNAL, "fallback", (0, 49, 0)),
        ("QNN", EXTERNAL, "ok", (49, 49, 1)),
        ("CPU", EXTERNAL, "fallback", (None, 49, None)),
        ("DYNAMIC", CPU, "mismatch", (None, None, None)),
        ("OTHER_MODEL", CPU, "mismatch", (None, None, None)),
        ("FAILED_INVOKE", CPU, "failed", (None, None, None)),
        ("NO_MODEL", CPU, "failed", (None, None, None)),
    ],
)
def test_status_and_nodes(name: str, delegate: Delegate, status: str, nodes: tuple[int | None, ...]) -> None:
    found = verdict(getattr(logs, name), delegate)
    assert (found.status, (found.delegated, found.total, found.partitions)) == (status, nodes)
    assert found.note or status == "ok"


def test_no_exit_code_but_0_is_ok() -> None:
    for code, status in ((1, "failed"), (139, "crashed"), (137, "crashed"), (255, "failed")):
        found = verdict(logs.CPU, CPU, code)
        assert found.status == status and found.note
    assert "SIGSEGV" in verdict(("", ""), CPU, 139).note


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


@pytest.mark.parametrize(
    "name", [name for name in dir(logs) if isinstance(getattr(logs, name), tuple) and name != "SHAPE"]
)
def test_every_cut_is_judged_honestly(name: str) -> None:
    text = "".join(getattr(logs, name))
    _no_cut_lies(text, [run_status.Expected(one, logs.MODEL_BYTES, logs.NODES, logs.SHAPE) for one in DELEGATES])


def test_a_cut_inside_a_character_is_judged_honestly() -> None:
    text = "".join(logs.CPU).replace("/x/", "/模型 é/")
    _no_cut_lies(text, [run_status.Expected(CPU, logs.MODEL_BYTES, logs.NODES, logs.SHAPE)])


def _no_cut_lies(text: str, expected: Sequence[run_status.Expected]) -> None:
    """Cut at every byte. What is judged can only change with a line's end, which is held to at every other cut."""
    whole, content = log_parser.parse_log(text), text.encode()
    lines = log_parser.clean_lines(text)
    for end in range(len(content) + 1):
        cut = content[:end].decode(errors="replace")
        if end and content[end - 1 : end] != b"\n":
            assert log_parser.clean_lines(cut) == lines[: content.count(b"\n", 0, end)]
            continue
        log = log_parser.parse_log(cut)
        for one in expected:
            found = run_status.run_status(log, 0, one)
            if found.status in ("ok", "partial"):
                assert log.timed == whole.timed, f"another figure after {end} bytes"
                assert found.delegated is None or found.delegated <= one.nodes
                assert found.delegated != 0 or one.delegate.name == "cpu"


def test_profiles_as_table_and_as_csv() -> None:
    wanted = (types.OperatorTime("CONV_2D", 6, 3.6, 0.75), types.OperatorTime("DEPTH_TO_SPACE", 1, 1.2, 0.25))
    assert log_parser.parse_log("".join(logs.PROFILE_TABLE)).profile == wanted
    assert log_parser.parse_log(logs.PROFILE_CSV).profile == wanted
    assert log_parser.parse_log("".join(logs.CPU)).profile == ()
    for text in (logs.PROFILE_CSV, "".join(logs.PROFILE_TABLE)):
        for end in range(len(text)):
            assert log_parser.parse_log(text[:end]).profile in ((), wanted[:1], wanted)


def test_delegates_on_the_command_line() -> None:
    text = "cpu,gpu,nnapi:google-edgetpu,external:/a b.so:backend_type=htp,htp_performance_mode=2,nnapi"
    found = parse_delegates([text])
    assert [str(one) for one in found] == [
        "cpu",
        "gpu",
        "nnapi:google-edgetpu",
        "external:/a b.so:backend_type=htp,htp_performance_mode=2",
        "nnapi",
    ]
    assert found[3].options == (("backend_type", "htp"), ("htp_performance_mode", "2"))


# The logs below were printed by a real tool: they lie beside the repository on some machines alone.

REAL = {
    "2022_dry_run": (CPU, 0, "failed"),
    "2022_dyn_shape_48x64_peakmem": (CPU, 0, "ok"),
    "2022_fail_missing_model": (CPU, 1, "failed"),
    "2022_fail_truncated_model": (CPU, 139, "crashed"),
    "2022_gpu_unsupported_silent_cpu_fallback": (GPU, 0, "fallback"),
    "2022_killed_by_timeout_truncated": (CPU, 0, "failed"),
    "2022_nnapi_unsupported_silent_cpu_fallback": (Delegate("nnapi", "google-edgetpu"), 0, "fallback"),
    "2022_op_profiling_stdout": (CPU, 0, "ok"),
    "2022_unknown_flag": (CPU, 0, "ok"),
    "2022_xnnpack_explicit": (CPU, 0, "ok"),
}


def real_log(name: str) -> str:
    path = REAL_LOGS / f"{name}.txt"
    if not path.exists():
        pytest.skip(f"the tool's own logs are not on this machine ({path.name})")
    return path.read_text().split("\n", 1)[1].replace("# --- stderr ---\n", "")


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_logs(name: str) -> None:
    text = real_log(name)
    delegate, code, status = REAL[name]
    log = log_parser.parse_log(text)
    shape = log.input_shapes[0][1:] if log.input_shapes else (1, 1, 3)
    expected = run_status.Expected(delegate, 56784, 14, (shape[0], shape[1], shape[2]))
    found = run_status.run_status(log, code, expected)
    assert found.status == status, found.note
    _no_cut_lies(text, [replace(expected, delegate=one) for one in (delegate, *DELEGATES)])
    wrong = replace(expected, shape=(999, 999, 3))
    if status == "ok" and log.input_shapes:
        assert run_status.run_status(log, code, wrong).status == "mismatch"


def test_figures_of_real_logs() -> None:
    slow = log_parser.parse_log(real_log("2022_xnnpack_explicit"))
    assert slow.timed == log_parser.Timing(5, 5.2658e6, None, None, 5093479, 5430988)
    assert (slow.init, slow.first) == (607, 5434808)
    memory = log_parser.parse_log(real_log("2022_dyn_shape_48x64_peakmem"))
    assert (memory.peak_memory_mb, memory.input_shapes) == (8.63281, ((1, 48, 64, 3),))
    assert memory.timed and memory.timed.mean == 144167
    table = log_parser.parse_log(real_log("2022_op_profiling_stdout")).profile
    csv = log_parser.parse_log(real_log("2022_op_profiling.csv")).profile
    _no_cut_lies(real_log("2022_op_profiling.csv"), [run_status.Expected(CPU, 56784, 14, (48, 64, 3))])
    assert [share.operator for share in table][:1] == ["CONV_2D"]
    assert {share.operator for share in table} == {share.operator for share in csv}
    for shares in (table, csv):
        assert sum(share.share for share in shares) == pytest.approx(1, abs=0.01)
        assert sum(share.count for share in shares) == 14
