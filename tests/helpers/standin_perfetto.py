"""`perfetto` on the stand-in phone: real traces of power rails, made from what the phone's clock and load were.

`rails.json` in the root of the phone has the rails: [{"name", "idle", "loaded" (milliwatts), "resets": seconds of the
recording after which its counter starts again}]. Without it, the phone has none.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any


def main(arguments: list[str], root: Path) -> None:
    """Record in the background until SIGTERM; prints the process id, as the real one does."""
    from google.protobuf import text_format
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TraceConfig

    assert arguments[:4] == ["--background", "--txt", "-c", "-"] and arguments[4] == "-o", arguments
    config = text_format.Parse(sys.stdin.read(), TraceConfig())
    (source,) = (source.config for source in config.data_sources)
    assert source.name == "android.power" and source.android_power_config.collect_power_rails and config.duration_ms
    target, ended = Path(arguments[5]), threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop)
    begin = float((root / "proc/uptime").read_text().split()[0])
    child = os.fork()
    if child:
        print(child, flush=True)
        os._exit(0)
    for descriptor in (0, 1, 2):  # as a daemon, so that the shell does not wait for it
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    ended.wait(600)
    rails = json.loads((root / "rails.json").read_text()) if (root / "rails.json").exists() else []
    history = [line.split() for line in (root / "history").read_text().splitlines()]
    ticks = [(int(up), load) for up, load in history if int(up) >= begin]
    temporary = target.with_suffix(".part")
    temporary.write_bytes(trace(rails, ticks))
    temporary.rename(target)


def trace(rails: list[dict[str, Any]], ticks: list[tuple[int, str]]) -> bytes:
    """A trace of the rails; each tick is a second of the phone's clock and its load, "idle" or "loaded"."""
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    made, energy, before = Trace(), [1_000_000 * (1 + number) for number in range(len(rails))], 0
    packet = made.packet.add(trusted_packet_sequence_id=7)
    for number, rail in enumerate(rails):
        packet.power_rails.rail_descriptor.add(index=number, rail_name=rail["name"], subsys_name="S", sampling_rate=1)
    for up, load in ticks:
        packet = made.packet.add(trusted_packet_sequence_id=7, timestamp=up * 10**9)
        for number, rail in enumerate(rails):
            milliwatts = rail[load] + (up * 7 % 11 - 5) * rail.get("noise", 1)
            energy[number] += int(milliwatts * 1000) * (up - before if before else 0)
            if ticks[0][0] + rail.get("resets", 0) == up > ticks[0][0]:
                energy[number] = 0
            stamp = up * 1000 if rail.get("stamped", True) else 0
            packet.power_rails.energy_data.add(index=number, timestamp_ms=stamp, energy=energy[number])
        before = up
    return made.SerializeToString()


if __name__ == "__main__":
    main(sys.argv[2:], Path(sys.argv[1]))
