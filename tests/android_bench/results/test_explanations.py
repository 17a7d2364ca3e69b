"""Surprises that are explained: int8 slower than fp32, several threads slower than one; and the answer per target."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from android_bench.config import DELEGATES, Case
from android_bench.results import explanations, serialize
from android_bench.results.answers import answers
from android_bench.results.types import Core, DeviceInfo, Results, Row

VNNI = ("avx", "avx2", "avx512f", "avx512_vnni")


def row(precision: str, ms: float | None, width: float = 0.01, threads: int = 1, **changes: object) -> Row:
    case = Case(f"net-{precision}", precision, "host", "cpu", threads, (480, 270))
    limits = (ms * (1 - width), ms * (1 + width)) if ms and width else None
    made = Row(**vars(case), status="ok" if ms else "failed", median_ms=ms, ci95_ms=limits, runs=6, partitions=1)
    return replace(made, **changes)  # type: ignore[arg-type]


def explain(*rows: Row, flags: tuple[str, ...] = ("avx", "avx2"), cores: int = 2) -> tuple[str, ...]:
    device = DeviceInfo("host", "host", cores=tuple(Core(index) for index in range(cores)), cpu_flags=flags)
    return explanations.explain(Results(rows, {"host": device}))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ("avx", "avx2"),
            "1.50 times as long as fp32 (net-int8): this CPU has no byte dot product (avx, avx2). Phones",
        ),
        (VNNI, "although this CPU has a byte dot product (avx512_vnni)"),
        (("asimd",), "no byte dot product (asimd)"),
        (("asimddp", "asimd"), "although"),
        ((), "is not known"),
    ],
)
def test_int8_that_is_slower_than_fp32(flags: tuple[str, ...], words: str) -> None:
    (sentence,) = explain(row("int8", 15.0), row("fp32", 10.0), flags=flags)
    assert sentence.startswith("host: int8 takes up to 1.50 times") and words in sentence


def test_int8_in_pieces_is_explained_by_its_pieces() -> None:
    (sentence,) = explain(row("int8", 15.0, partitions=6), row("fp32", 10.0))
    assert "XNNPACK runs it in 6 pieces" in sentence and "dot product" not in sentence


@pytest.mark.parametrize(
    ("nodes", "partitions", "words"),
    [
        (0, 0, "XNNPACK runs none of its operators"),
        (5, None, "XNNPACK runs only some of its operators"),
        (None, None, "XNNPACK runs only some of its operators"),
        (5, 1, "XNNPACK runs only some of its operators"),
        (5, 2, "XNNPACK runs it in 2 pieces"),
    ],
)
def test_int8_of_which_xnnpack_runs_a_part(nodes: int | None, partitions: int | None, words: str) -> None:
    partial = row("int8", 15.0, partitions=partitions, nodes_delegated=nodes, nodes_total=8, status="partial")
    (sentence,) = explain(partial, row("fp32", 10.0))
    assert f"{words}; ecbsr-audit says why" in sentence


@pytest.mark.parametrize(
    "rows",
    [
        (row("int8", 9.0), row("fp32", 10.0)),
        (row("int8", 15.0, 0.4), row("fp32", 10.0, 0.4)),  # the intervals overlap
        (row("int8", 10.2, 0), row("fp32", 10.0, 0)),
        (row("int8", 15.0), row("fp32", None)),
        (row("int8", 15.0, model="another-int8"), row("fp32", 10.0)),
        (row("int8", 15.0, delegate="gpu"), row("fp32", 10.0, delegate="gpu")),
    ],
)
def test_what_is_not_surely_slower_is_not_explained(rows: tuple[Row, ...]) -> None:
    assert explain(*rows) == ()


def test_equal_weights_are_one_network_whatever_the_files_are_called() -> None:
    rows = (row("int8", 15.0, model="small"), row("fp32", 10.0, model="large"))
    models = {name: {"recipe": {"weights": {"sha256": "ab"}}} for name in ("small", "large")}
    (sentence,) = explanations.explain(Results(rows, {}, models))
    assert "1.50 times" in sentence


def test_threads_that_are_slower_than_one() -> None:
    (few,) = explain(row("fp32", 10.0), row("fp32", 12.0, threads=4))
    assert "4 threads take up to 1.20 times as long as 1 (net-fp32): it has 2 cores" in few
    (many,) = explain(row("fp32", 10.0), row("fp32", 12.0, threads=4), cores=8)
    assert "for small images" in many
    assert explain(row("fp32", 10.0), row("fp32", 6.0, threads=4)) == ()


def test_flags_are_those_that_every_core_has() -> None:
    text = "processor: 0\nflags\t: fpu avx avx2 avx_vnni\nprocessor: 1\nflags\t: fpu avx avx2\n"
    assert explanations.flags(text) == ("avx", "avx2")
    assert explanations.flags("Features\t: fp asimd asimdhp asimddp\n") == ("asimddp", "asimd", "asimdhp")
    assert explanations.flags("") == ()


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="Linux only")
def test_the_flags_of_this_machine_are_in_its_cpuinfo() -> None:
    text = Path("/proc/cpuinfo").read_text()
    assert set(explanations.flags(text)) <= set(text.split())


def test_the_answer_is_the_fastest_row_at_the_largest_size() -> None:
    small = row("fp32", 5.0, size=(48, 27))
    rows = (small, row("int8", 15.0), row("fp32", 40.0), row("int8", None, delegate="gpu", note="no driver"))
    results = Results(rows, {"host": DeviceInfo("host", "host")})
    cpu, gpu = answers(results)
    assert (cpu.light, cpu.row, cpu.word) == ("good", 1, "60 fps or more")
    assert cpu.text == "15.0 ms, 66.7 frames per second at 480x270 (net-int8, 1 thread)"
    assert (gpu.target, gpu.light, gpu.word, gpu.text) == ("this machine, GPU", "unknown", "failed", "no driver")
    lights = [answers(Results((row("fp32", ms),), {}))[0].light for ms in (16.6, 16.7, 33.3, 33.4)]
    assert lights == ["good", "partial", "partial", "bad"]
    texts = [answers(Results((row("fp32", ms),), {}))[0].text for ms in (16.667, 16.72, 12216)]
    assert [text.split()[2] for text in texts] == ["60.0", "59.8", "0.0819"], "no 60 frames beside fewer than 60"
    # The rate is that of the row: a rounded median would give 2462.9.
    (answer,) = answers(Results((row("int8", 0.40603, fps=2462.85 - 0.02),), {}))
    assert answer.text.split()[2] == "2462.8"
    document = json.loads(json.dumps(serialize.document(results, ())))
    assert [answer["light"] for answer in document["answers"]] == ["good", "unknown"]
    assert document["explanations"] == []


@pytest.mark.parametrize("delegate", [*DELEGATES, "qnn:gpu", "wasm", "webgpu"])
def test_each_delegate_has_a_title_for_people(delegate: str) -> None:
    results = Results((row("int8", 15.0, delegate=delegate),), {"host": DeviceInfo("host", "host")})
    (answer,) = answers(results)
    title = answer.target.removeprefix("this machine, ")
    assert title[0].isupper() or title == "external delegate"
