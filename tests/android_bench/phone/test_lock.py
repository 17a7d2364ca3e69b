"""One benchmark at a time on a phone: waiting, refusing, and stale locks."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

import android_bench
from android_bench.phone.lock import machine_id
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.adb_device import Device
from tests.helpers.bench import QUICK, Bench
from tests.helpers.waiting import wait_until


def test_a_second_benchmark_waits_for_the_first_or_names_its_owner(device: Device, bench: Bench) -> None:
    device.set_tool({"wait": True})
    first: list[android_bench.Results] = []
    thread = threading.Thread(target=lambda: first.append(bench()))
    thread.start()
    wait_until(lambda: len(device.runs()) == 1, "the first benchmark to run the tool")
    with pytest.raises(EcbsrError, match=r"in use by .+@.+ \(process \d+\)"):
        bench(limits=replace(QUICK, lock=0))
    assert device.left_behind(), "the refused benchmark has not removed the files of the other one"
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if "waiting up to 60 s" in line:
            device.let_runs_end()

    second = bench(progress=progress)
    thread.join(300)
    assert [results.results[0].status for results in (*first, second)] == ["ok", "ok"]
    assert any("waiting up to 60 s" in line for line in lines)
    device.assert_clean()


@pytest.mark.parametrize("reason", ["earlier boot", "ended process", "no owner"])
def test_a_stale_lock_is_replaced(device: Device, bench: Bench, reason: str) -> None:
    boot = device.path("/proc/sys/kernel/random/boot_id").read_text().strip()
    owner = {"who": "a@b", "machine": "other", "pid": 1, "boot": boot, "token": "x"}
    changes = {"earlier boot": {"boot": "another"}, "ended process": {"machine": machine_id(), "pid": 2**22 - 1}}
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    lock.mkdir()
    if reason == "no owner":
        os.utime(lock, (0, 0))
    else:
        (lock / "owner").write_text(json.dumps({**owner, **changes[reason]}))
    assert bench(rounds=1).results[0].status == "ok"
    device.assert_clean()


def test_a_stale_lock_that_cannot_be_removed_is_not_waited_for_without_end(device: Device, bench: Bench) -> None:
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    lock.mkdir()
    # The session finds this token only in JSON's escaped form, so the lock never counts as the one that it has read.
    owner = {"who": "a@b", "machine": "other", "pid": 1, "boot": "another", "token": "é"}
    (lock / "owner").write_text(json.dumps(owner))
    with pytest.raises(EcbsrError, match=r"in use by a benchmark that has ended, whose /data/\S+ cannot be removed"):
        bench(limits=replace(QUICK, lock=0.5))


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"pid": "x"}', '{"who": "\\u001b[2J", "pid": 1e999}'])
def test_a_fresh_lock_with_an_unreadable_owner_is_waited_for(device: Device, bench: Bench, content: str) -> None:
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    lock.mkdir()
    (lock / "owner").write_text(content)
    queries: list[str] = []

    def remove_before_the_third_query(script: str) -> None:
        if "cat /data/local/tmp/ecbsr-bench.lock/owner" in script:
            queries.append(script)
            if len(queries) == 3:
                (lock / "owner").unlink()
                lock.rmdir()

    device.watcher = remove_before_the_third_query
    assert bench(rounds=1).results[0].status == "ok"
    assert len(queries) == 3
    device.assert_clean()


def test_a_full_storage_leaves_no_lock_without_a_name(device: Device, bench: Bench) -> None:
    device.replace_program(
        "mkdir", '/bin/mkdir "$@" || exit $?; case "$1" in *bench.lock) ln -s /dev/full "$1/owner";; esac'
    )
    with pytest.raises(EcbsrError, match=r"cannot write to /data/local/tmp: .*; free or repair the phone's storage"):
        bench()
    assert device.left_behind() == []


def test_a_lock_that_has_no_name_for_long_is_told(device: Device, bench: Bench) -> None:
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    lock.mkdir()
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if "is in use by a benchmark that left no name; waiting up to 60 s" in line:
            lock.rmdir()

    assert bench(rounds=1, progress=progress).results[0].status == "ok"
    assert sum("left no name" in line for line in lines) == 1


def test_a_process_of_a_container_with_the_same_mac_is_not_known_to_have_ended(
    device: Device, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = device.path("/data/local/tmp/ecbsr-bench.lock")
    boot = device.path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another-container")
        machine = machine_id()
    lock.mkdir()
    (lock / "owner").write_text(
        json.dumps({"who": "root@another-container", "machine": machine, "pid": 2**22 - 1, "boot": boot, "token": "x"})
    )
    with pytest.raises(EcbsrError, match="in use by root@another-container"):
        bench(limits=replace(QUICK, lock=0))


def test_a_lock_without_a_name_on_a_phone_that_tells_no_age_is_not_waited_for_without_end(
    new_device: Callable[..., Device], bench: Bench
) -> None:
    old = new_device(**{"ro.build.version.sdk": "21"})
    old.path("/data/local/tmp/ecbsr-bench.lock").mkdir()
    with pytest.raises(EcbsrError, match="in use by a benchmark that left no name"):
        bench(devices=[old.serial], limits=replace(QUICK, lock=0.5))
