"""Comparison with an earlier session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from android_bench.results import baseline
from android_bench.results.types import Core, DeviceInfo, Results, Tool
from tests.helpers.bench import results


def test_a_baseline_gives_ratios_with_intervals_and_fails_what_is_slower() -> None:
    before = results(10, 10, 10, 10, None)
    now = results(10.1, 12, 5, None, 7)
    same, slower, faster, gone, new = baseline.compare(now, before, 1.05)
    assert [comparison.failed for comparison in (same, slower, faster, gone, new)] == [False, True, False, True, False]
    assert [comparison.verdict for comparison in (same, slower, faster)] == ["passed", "slower", "passed"]
    assert slower.ratio == pytest.approx(1.2) and slower.ci95 and slower.ci95[0] < 1.2 < slower.ci95[1]
    assert faster.ratio == pytest.approx(0.5)
    assert gone.ratio is None and "timed in the baseline" in gone.note
    assert new.ratio is None and "in the baseline" in new.note
    assert not any(comparison.failed for comparison in baseline.compare(now, before))


@pytest.mark.parametrize(("now", "spread"), [(11, 0.3), (10, 0.1), (8, 0.9)])
def test_noise_alone_decides_nothing_and_fails_only_with_strict(now: float, spread: float) -> None:
    pair = results(now, spread=spread), results(10, spread=spread)
    (noisy,) = baseline.compare(*pair, 1.05)
    assert (noisy.verdict, noisy.failed) == ("inconclusive", False)
    assert "too wide" in noisy.note and noisy.text.endswith(" inconclusive")
    (strict,) = baseline.compare(*pair, 1.05, strict=True)
    assert (strict.verdict, strict.failed) == ("inconclusive", True)


def test_one_run_without_an_interval_decides_only_that_it_is_slower() -> None:
    def single(median: float) -> Results:
        (row,) = results(median).results
        return Results((replace(row, ci95_ms=None),), {})

    for now, verdict in ((10, "inconclusive"), (12, "slower")):
        (comparison,) = baseline.compare(single(now), single(10), 1.05)
        assert comparison.verdict == verdict


def test_fewer_nodes_than_in_the_baseline_are_said() -> None:
    def taken(nodes: int | None, total: int | None) -> Results:
        (row,) = results(10).results
        status = "ok" if nodes == total else "partial"
        return Results((replace(row, nodes_delegated=nodes, nodes_total=total, status=status),), {})

    for now, before, said in (((16, 18), (18, 18), True), ((18, 18), (16, 18), False), ((16, 18), (None, None), False)):
        for fail_above in (None, 1.05):
            (comparison,) = baseline.compare(taken(*now), taken(*before), fail_above)
            assert ("runs 16 of 18 nodes, and ran 18 of 18 in the baseline" in comparison.note) == said
            assert not comparison.failed


def test_a_throttled_phone_decides_nothing() -> None:
    (row,) = results(20).results
    hot = Results((replace(row, status="throttled"),), {})
    for now, before in ((hot, results(10)), (results(10), hot)):
        (comparison,) = baseline.compare(now, before, 1.05)
        assert (comparison.verdict, comparison.failed) == ("inconclusive", False)
        assert baseline.compare(now, before, 1.05, strict=True)[0].failed


def test_a_row_without_a_partner_fails_with_strict() -> None:
    one, two, none = results(10), results(10, 10), results(10, None)
    assert [row.failed for row in baseline.compare(two, one, 1.05)] == [False, False]
    assert [row.failed for row in baseline.compare(two, one, 1.05, strict=True)] == [False, True]
    assert [row.failed for row in baseline.compare(two, none, strict=True)] == [False, True]
    assert [row.failed for row in baseline.compare(none, none, 1.05, strict=True)] == [False, False]
    assert len(baseline.compare(one, two, 1.05)) == 1
    _, missing = baseline.compare(one, two, 1.05, strict=True)
    assert (missing.failed, missing.before_ms, missing.now_ms, missing.case.threads) == (True, 10, None, 2)


PHONE = DeviceInfo(
    "phone", "phone", "A phone", "A SoC", "Android 14", "a/b:14", ("arm64-v8a",), (Core(0, 1800),),
    Tool("tflite", "tflite a day", "ab" * 32),
)  # fmt: skip
TOOL = PHONE.tool or Tool("", "")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda phone: replace(phone, model="Another"), "model"),
        (lambda phone: replace(phone, soc="Another"), "model"),
        (lambda phone: replace(phone, abis=("armeabi-v7a",)), "processor"),
        (lambda phone: replace(phone, fingerprint="a/b:15"), "system"),
        (lambda phone: replace(phone, tool=replace(TOOL, kind="litert")), "runtime"),
        (lambda phone: replace(phone, tool=replace(TOOL, version="tflite another day")), "runtime"),
        (lambda phone: replace(phone, tool=replace(TOOL, sha256="cd" * 32)), "tool"),
        (lambda phone: replace(phone, tool=None), "runtime"),
    ],
)
def test_another_machine_or_tool_is_named(change: Callable[[DeviceInfo], DeviceInfo], what: str) -> None:
    before = replace(results(10), devices={"phone": PHONE}, models={"m": {"sha256": "12"}})
    assert baseline.differences(before, before) == []
    now = replace(before, devices={"phone": change(PHONE)})
    found = baseline.differences(now, before)
    assert found and found[0].startswith(f"the {what} of phone is ")
    assert baseline.differences(replace(now, results=()), before) == [], "only shared rows count"


def test_the_cores_of_a_machine_are_compared_but_those_of_a_phone_may_sleep() -> None:
    cores, flags = (Core(0, 1800), Core(1, 2400)), ("asimd", "asimddp")
    said = ["the processor of phone is arm64-v8a with 2 cores up to 2400 MHz"]
    said.append("the instruction set of phone is asimd asimddp")
    for kind, words in (("host", said), ("phone", [])):
        of = replace(PHONE, kind=kind)
        changed = replace(of, cores=cores, cpu_flags=flags)
        before, now = (replace(results(10), devices={"phone": device}) for device in (of, changed))
        assert [text.partition(", and")[0] for text in baseline.differences(now, before)] == words
        assert bool(baseline.device_changes(now.devices["phone"], of)) == (kind == "host")


def test_another_phone_of_the_same_model_at_the_address_is_named() -> None:
    def of(serial_hash: str) -> Results:
        return replace(results(10), devices={"phone": replace(PHONE, serial_hash=serial_hash)})

    (found,) = baseline.differences(of("12"), of("34"))
    assert found == "the hash of the serial number of phone is 12, and 34 in the baseline"
    assert baseline.differences(of("12"), of("")) == [], "files of earlier versions have no hash"


def _at(address: str, ms: float = 10, **changes: str) -> Results:
    """The results of a phone at an address."""
    (row,) = results(ms).results
    device = replace(PHONE, name=address, **changes)  # type: ignore[arg-type]
    return Results((replace(row, device=address),), {address: device}, {"m": {"sha256": "12"}})


@pytest.mark.parametrize(("ours", "theirs"), [("12", "12"), ("12", ""), ("", "")])
def test_a_phone_at_another_address_is_the_same_phone(ours: str, theirs: str) -> None:
    before, now = _at("192.0.2.1:37123", serial_hash=theirs), _at("192.0.2.1:40001", 12, serial_hash=ours)
    assert baseline.differences(now, before) == []
    (slower,) = baseline.compare(now, before, 1.05, strict=True)
    assert (slower.ratio, slower.verdict, slower.case.device) == (pytest.approx(1.2), "slower", "192.0.2.1:40001")


def test_the_same_phone_with_another_system_is_compared_and_named() -> None:
    before, now = _at("a:1", serial_hash="12"), _at("a:2", serial_hash="12", fingerprint="a/b:15")
    (found,) = baseline.differences(now, before)
    assert found == "the system of a:2 is a/b:15, and a/b:14 in the baseline"


def test_other_phones_at_another_address_have_no_partner() -> None:
    before = _at("a:1", serial_hash="12")
    for now in (
        _at("a:2", serial_hash="34"),
        _at("a:2", fingerprint="a/b:15"),
        _at("a:2", model="Another"),
        _at("a:2", kind="host", serial_hash="12"),
    ):
        assert [row.before_ms for row in baseline.compare(now, before)] == [None]
    one, two = _at("a:2"), _at("a:3")
    both = replace(one, results=one.results + two.results, devices={**one.devices, **two.devices})
    assert [row.before_ms for row in baseline.compare(both, before)] == [None, None], "which one it is, is not known"


def test_another_model_file_or_choice_of_cores_is_named() -> None:
    before = replace(results(10), devices={"phone": PHONE}, models={"m": {"sha256": "12"}}, settings={"cores": "all"})
    for now, words in (
        (replace(before, models={"m": {"sha256": "34"}}), "the SHA-256 of m is 34, and 12 in the baseline"),
        (replace(before, models={}), "the SHA-256 of m is not known, and 12 in the baseline"),
        (replace(before, settings={"cores": "big"}), "the choice of cores of phone is big, and all in the baseline"),
        (replace(before, devices={}), "the model of phone is not known, and A phone A SoC in the baseline"),
    ):
        assert words in baseline.differences(now, before)
