"""Six stand-in phones with a fault each, in one benchmark through the real adb client and a server started cold."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ecbsr_mobile import zoo
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import private_adb
from tests.helpers.commands import argv, environment
from tests.helpers.standin_tool import elf

ROUNDS = 2


def _pulled_in_a_run(device: Device) -> None:
    behavior = json.loads((device.root / "tool.json").read_text())
    device.set_tool({**behavior, "hang": [1]})  # until the cable is pulled
    device.during_run(lambda script, number: "--graph" in script and number == 1, device.pull_the_cable)


def _pulled_in_a_push(device: Device) -> None:
    device.cut_push_after = 1


def _rebooted_in_a_run(device: Device) -> None:
    device.reboots = True
    _pulled_in_a_run(device)


def _noisy(device: Device) -> None:
    device.noise = "WARNING: linker: \x1b[2J unused"


def _hot_once(device: Device) -> None:
    device.set_heat(3, then=0)


def _crashing(device: Device) -> None:
    device.set_tool({"signal": int(signal.SIGSEGV)})


def _failing(device: Device) -> None:
    device.set_tool({"replay": ["", "", 3]})


def _full(device: Device) -> None:
    device.space = 100


def _read_only(device: Device) -> None:
    device.set_read_only()


def _unauthorized(device: Device) -> None:
    device.authorized = False


FAULTS: dict[str, tuple[Callable[[Device], None], set[str]]] = {
    "pulled in a push": (_pulled_in_a_push, {"ok"}),
    "pulled in a run": (_pulled_in_a_run, {"ok"}),
    "rebooted in a run": (_rebooted_in_a_run, {"ok"}),
    "noisy": (_noisy, {"ok"}),
    "hot once": (_hot_once, {"ok"}),
    "crashing": (_crashing, {"crashed"}),
    "failing": (_failing, {"failed"}),
    "full": (_full, {"lost"}),
    "read-only": (_read_only, {"lost"}),
    "unauthorized": (_unauthorized, {"lost"}),
}
"""What each fault does to a phone, and which status its row then has."""


def run(folder: Path, settings: dict[str, str], generator: random.Random, limit: float) -> list[str]:
    """Benchmark six phones with different faults at once; what is wrong afterwards."""
    tool = folder / "benchmark_model"
    tool.write_bytes(elf())
    model = zoo.FOLDER / "ecbsr-m4c8-x2-int8.tflite"
    chosen = generator.sample(sorted(FAULTS), 6)
    with ExitStack() as stack:
        adb = stack.enter_context(private_adb(folder / "home"))
        phones = []
        for number, fault in enumerate(chosen):
            root = folder / f"phone{number}"
            root.mkdir()
            # The tool of each phone reports a time of its own.
            device = Device(root, {"ms": 10 * (number + 1)})
            stack.callback(device.close)
            FAULTS[fault][0](device)
            phones.append(device)
        names = [part for device in phones for part in ("--device", device.serial)]
        options = ["--size", "24x16", "--rounds", str(ROUNDS), "--runs", "1", "--tool", str(tool), "--out", "out"]
        process = subprocess.Popen(
            argv("ecbsr-bench", str(model), *names, *options),
            cwd=folder / "work", env={**environment(), **settings, **adb},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            _, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return [f"hang: six phones ({', '.join(chosen)})"]
        defect = b"Traceback" in errors or b"unexpected error" in errors
        wrong = [f"defect: {errors.decode(errors='replace')[-300:]!r}"] if defect else []
        wrong += _lost(folder / "work" / "out" / "results.json", phones, chosen)
        if process.returncode != 1 - all(FAULTS[fault][1] == {"ok"} for fault in chosen):
            wrong.append(f"result lost: exit code {process.returncode} of phones ({', '.join(chosen)})")
        for device, fault in zip(phones, chosen, strict=True):
            wrong += [f"process left: {text} ({fault})" for text in device.running()]
            wrong += [f"file left: {name} ({fault})" for name in device.left_behind()]
    return wrong


def _lost(path: Path, phones: list[Device], faults: list[str]) -> list[str]:
    """Phones without the row that their fault leads to, with their own time, or without a reason."""
    if not path.exists():
        return ["phone lost: all; there is no results.json"]
    rows = json.loads(path.read_text())["results"]
    wrong = []
    for number, (device, fault) in enumerate(zip(phones, faults, strict=True)):
        found = [row for row in rows if row["device"] == device.serial]
        if len(found) != 1:
            wrong.append(f"phone lost: {fault} has {len(found)} rows")
            continue
        (row,) = found
        if row["status"] not in FAULTS[fault][1]:
            wrong.append(f"phone lost: {fault} has the status {row['status']} ({row['note'][:200]})")
        elif row["status"] != "ok":
            wrong += [] if row["note"] else [f"phone lost: {fault} without a reason"]
        elif row["runs"] != ROUNDS or round(row["median_ms"]) != 10 * (number + 1):
            wrong.append(f"phone lost: {fault} has {row['runs']} runs with {row['median_ms']} ms")
    return wrong
