"""The status of a run: only complete logs of the requested delegate give a latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from android_bench.benchmark_tool import log_parser, run_status
from android_bench.config import Delegate
from android_bench.results import types
from tests.helpers import bench_logs as logs
from tests.helpers.paths import REFERENCE

REAL_LOGS = REFERENCE / "benchmark_logs"
CPU, GPU, NNAPI = Delegate("cpu"), Delegate("gpu"), Delegate("nnapi")
EXTERNAL = Delegate("external", "/vendor/lib64/libQnnTFLiteDelegate.so")
DELEGATES = (CPU, GPU, NNAPI, EXTERNAL)


def status_of(log: tuple[str, str], delegate: Delegate, code: int = 0) -> run_status.RunStatus:
    expected = run_status.Expected(delegate, logs.MODEL_BYTES, logs.NODES, logs.SHAPE)
    return run_status.run_status(log_parser.parse_log("".join(log)), code, expected)


@pytest.mark.parametrize(
    ("name", "delegate", "status", "nodes"),
    [
        ("CPU", CPU, "ok", (49, 49, 1)),
        ("CPU_OLD", CPU, "partial", (0, 49, 0)),
        ("CPU_PARTIAL", CPU, "partial", (47, 49, 3)),
        ("CPU_PARTIAL_QUIET", CPU, "partial", (None, 49, 3)),
        ("CPU_NO_FLAG", CPU, "unsupported", (None, None, None)),
        ("CPU_NO_FLAG", Delegate("cpu", "builtin"), "ok", (0, 49, 0)),
        ("CPU_2020", CPU, "partial", (5, 49, None)),
        ("CPU_2019", CPU, "ok", (None, None, None)),
        ("GPU_2020", GPU, "partial", (13, 49, None)),
        ("GPU_NOTHING", GPU, "fallback", (0, 49, 0)),
        ("HEXAGON", EXTERNAL, "partial", (47, 49, 2)),
        ("HEXAGON_2020", EXTERNAL, "ok", (49, 49, None)),
        ("WITH_A_COMMA", EXTERNAL, "partial", (47, 49, 2)),
        ("LITERT", CPU, "ok", (49, 49, 1)),
        ("GPU", GPU, "ok", (49, 49, 1)),
        ("GPU_PARTIAL", GPU, "partial", (13, 49, 1)),
        ("GPU_OPENGL", GPU, "ok", (49, 49, 1)),
        ("GPU_FAILED", GPU, "fallback", (0, 49, 0)),
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
    actual = status_of(getattr(logs, name), delegate)
    assert (actual.status, (actual.delegated, actual.total, actual.partitions)) == (status, nodes)
    assert actual.note or status == "ok"


@pytest.mark.parametrize(("delegate", "status"), [(GPU, "fallback"), (NNAPI, "fallback"), (CPU, "ok")])
def test_a_delegate_that_failed_after_its_report_is_a_fallback(delegate: Delegate, status: str) -> None:
    out, err = {GPU: logs.GPU, NNAPI: logs.NNAPI, CPU: logs.CPU}[delegate]
    assert status_of((out, err), delegate).status == "ok"
    line = "ERROR: Restored original execution plan after delegate application failure.\n"
    actual = status_of((out, err + line), delegate)
    assert actual.status == status and (actual.delegated == 0) == (status == "fallback")


def test_a_precision_that_the_tool_does_not_know_is_not_measured() -> None:
    out, err = logs.GPU
    flag = "--gpu_precision_loss_allowed={}"
    for delegate, value, status in (
        (Delegate("gpu", "fp32"), "false", "unsupported"),
        (GPU, "true", "ok"),
    ):
        actual = status_of((out + f"WARN: Unconsumed cmdline flags: {flag.format(value)}\n", err), delegate)
        assert actual.status == status and (flag.format(value) in actual.note) == (status == "unsupported")


def test_the_gpu_says_why_it_failed_and_that_it_computes_by_opengl() -> None:
    reason = "gpu runs no node: TfLiteGpuDelegate Init: CONV_2D: No selector; the CPU was timed"
    assert status_of(logs.GPU_FAILED, GPU).note == reason
    assert status_of(logs.GPU_OPENGL, GPU).note == "computed by OpenGL, because the phone has no OpenCL"
    assert status_of(logs.GPU, GPU).note == ""


def test_the_reason_of_a_failure_is_the_tools_error_and_not_a_drivers_warning() -> None:
    driver = "W/Adreno-GSL (219,219): <os_lib_map:1488>: os_lib_map error: libadreno_app_profiles.so: cannot open\n"
    error = "ERROR: TfLiteGpuDelegate Init: CONV_2D: No selector\nERROR: Benchmarking failed.\n"
    actual = status_of((logs.NO_MODEL[0], driver + error), GPU, 1)
    assert actual == run_status.RunStatus("failed", "exit code 1: TfLiteGpuDelegate Init: CONV_2D: No selector")
    assert "os_lib_map error" in status_of((logs.NO_MODEL[0], driver), GPU, 1).note


def test_no_exit_code_but_0_is_ok() -> None:
    for code, status in ((1, "failed"), (139, "crashed"), (137, "crashed"), (255, "failed")):
        actual = status_of(logs.CPU, CPU, code)
        assert actual.status == status and actual.note
    assert "SIGSEGV" in status_of(("", ""), CPU, 139).note


@pytest.mark.parametrize(
    "name", [name for name in dir(logs) if isinstance(getattr(logs, name), tuple) and name != "SHAPE"]
)
def test_no_cut_of_a_log_gives_another_latency(name: str) -> None:
    text = "".join(getattr(logs, name))
    _assert_no_cut_gives_another_latency(
        text, [run_status.Expected(delegate, logs.MODEL_BYTES, logs.NODES, logs.SHAPE) for delegate in DELEGATES]
    )


def test_no_cut_inside_a_character_gives_another_latency() -> None:
    text = "".join(logs.CPU).replace("/x/", "/模型 é/")
    _assert_no_cut_gives_another_latency(text, [run_status.Expected(CPU, logs.MODEL_BYTES, logs.NODES, logs.SHAPE)])


def _assert_no_cut_gives_another_latency(text: str, expected: Sequence[run_status.Expected]) -> None:
    """Cut at every byte. Only a line end changes the complete lines, which every other cut is checked for."""
    whole, content = log_parser.parse_log(text), text.encode()
    lines = log_parser.clean_lines(text)
    for end in range(len(content) + 1):
        cut = content[:end].decode(errors="replace")
        if end and content[end - 1 : end] != b"\n":
            assert log_parser.clean_lines(cut) == lines[: content.count(b"\n", 0, end)]
            continue
        log = log_parser.parse_log(cut)
        for run in expected:
            actual = run_status.run_status(log, 0, run)
            if actual.status in ("ok", "partial"):
                assert log.timed == whole.timed, f"another latency after {end} bytes"
                assert actual.delegated is None or actual.delegated <= run.nodes
                assert actual.delegated != 0 or run.delegate.name == "cpu"


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
    "2022_xnnpack_explicit": (CPU, 0, "partial"),
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
    actual = run_status.run_status(log, code, expected)
    assert actual.status == status, actual.note
    _assert_no_cut_gives_another_latency(text, [replace(expected, delegate=other) for other in (delegate, *DELEGATES)])
    wrong = replace(expected, shape=(999, 999, 3))
    if status in types.TIMED and log.input_shapes:
        assert run_status.run_status(log, code, wrong).status == "mismatch"


def test_figures_of_real_logs() -> None:
    slow = log_parser.parse_log(real_log("2022_xnnpack_explicit"))
    assert (slow.timed, slow.init) == (log_parser.Timing(5, 5.2658e6), 607)
    memory = log_parser.parse_log(real_log("2022_dyn_shape_48x64_peakmem"))
    assert (memory.peak_memory_mb, memory.input_shapes) == (8.63281, ((1, 48, 64, 3),))
    assert memory.timed and memory.timed.mean == 144167
    table = log_parser.parse_log(real_log("2022_op_profiling_stdout")).profile
    csv = log_parser.parse_log(real_log("2022_op_profiling.csv")).profile
    _assert_no_cut_gives_another_latency(
        real_log("2022_op_profiling.csv"), [run_status.Expected(CPU, 56784, 14, (48, 64, 3))]
    )
    assert [share.operator for share in table][:1] == ["CONV_2D"]
    assert {share.operator for share in table} == {share.operator for share in csv}
    for shares in (table, csv):
        assert sum(share.share for share in shares) == pytest.approx(1, abs=0.01)
        assert sum(share.count for share in shares) == 14


def test_a_real_profile_of_litert() -> None:
    path = REFERENCE / "cases/litert_log/profile.txt"
    if not path.exists():
        pytest.skip("the tool's own logs are not on this machine (profile.txt)")
    log = log_parser.parse_log(path.read_text().replace("{megabytes}", "0.056784"))
    first, *others = log.profile
    assert first == types.OperatorTime("Fully Connected (NC, PF32) GEMM", 1, 0.382, pytest.approx(0.93171))
    assert [operator.operator for operator in others] == ["LiteRT::Run[buffer registration]", "Static Reshape (NC)"]
    expected = run_status.Expected(CPU, 56784, 1, (1, 1, 1))
    actual = run_status.run_status(log, 0, expected)
    assert (actual.status, actual.delegated, actual.total) == ("ok", 1, 1)
