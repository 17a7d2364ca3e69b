"""The energy of a phone by its power rails (ODPM), which perfetto's data source `android.power` records.

Each rail has a counter of µWs since the start of the phone (AOSP, hardware/interfaces/power/stats). Names differ by
device, and a rail can measure what others measure as well: the whole phone, or a rail that feeds others. Charging
changes no rail but that of the battery.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from ecbsr_mobile.utils import extras

from .energy import NoFigureError

EXTRA = f"power rails do not need that, where the phone has them: {extras.how_to_install('energy')}"

TRACE = "/data/misc/perfetto-traces/ecbsr-bench.pftrace"
"""The one folder of Android that perfetto may write to."""

_PID = "perfetto.pid"
_SOURCE = 'name: "android.power" android_power_config { battery_poll_ms: 1000 collect_power_rails: true }'
_CONFIG = f"buffers {{ size_kb: 8192 }} data_sources {{ config {{ {_SOURCE} }} }} duration_ms: %d"

_WHOLE = re.compile(r"(?:^|_)(?:TOTAL|V?BATT?(?:ERY)?|VSYS|VPH|SYSTEM)(?:_TOTAL|_PWR)?$", re.IGNORECASE)
_BATTERY = re.compile(r"BAT", re.IGNORECASE)
_COVERED = 0.8  # of a block, which readings must span
_COVERS = 0.95  # of the sum of its parts, which a whole must have at least
_EQUAL = 0.005  # of a rail, by which a second reading of it can differ


@dataclass
class Rail:
    """A rail with its readings: seconds since the start of the phone, and µWs."""

    name: str
    readings: list[tuple[float, int]] = field(default_factory=list)


def start(folder: str, seconds: float) -> str:
    """The script that begins a recording of at most `seconds`; it ends a former one.

    Perfetto may use pipes, but no files, of the shell. Its process id is kept in `folder`.
    """
    config = _CONFIG % round(seconds * 1000)
    return f"""{stop(folder)}
rm -f {TRACE}
p=$(echo '{config}' | perfetto --background --txt -c - -o {TRACE} 2>/dev/null | tail -n 1)
echo "$p" >{folder}/{_PID}"""


def stop(folder: str) -> str:
    """The script that ends a recording, which perfetto then writes to `TRACE`."""
    pid = f"{folder}/{_PID}"
    return f"""p=$(cat {pid} 2>/dev/null) && grep -q perfetto /proc/$p/cmdline 2>/dev/null && kill $p
n=0; while [ -n "$p" ] && [ -e /proc/$p/cmdline ] && [ $n -lt 20 ]; do n=$((n+1)); sleep 1; done; rm -f {pid}"""


def is_readable() -> bool:
    """Whether the package that reads traces is installed."""
    return find_spec("perfetto") is not None


def read(path: Path) -> list[Rail]:
    """The rails of a trace; empty where the phone has none, or recorded nothing.

    Raises:
        NoFigureError: the trace is damaged.
    """
    from google.protobuf.message import DecodeError
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    trace = Trace()
    try:
        trace.ParseFromString(path.read_bytes())
    except DecodeError:
        raise NoFigureError("the trace of its power rails is damaged") from None
    rails: dict[tuple[int, int], Rail] = {}
    for packet in trace.packet:
        for named in packet.power_rails.rail_descriptor:
            key = packet.trusted_packet_sequence_id, named.index
            rails.setdefault(key, Rail(named.rail_name))
        for entry in packet.power_rails.energy_data:
            rail = rails.get((packet.trusted_packet_sequence_id, entry.index))
            seconds = entry.timestamp_ms / 1e3 or packet.timestamp / 1e9
            if rail:
                rail.readings.append((seconds, entry.energy))
    return [rail for rail in rails.values() if rail.readings]


def watts(rails: Sequence[Rail], windows: Sequence[tuple[float, float]], obstacle: str) -> tuple[list[float], str]:
    """The mean power in each window of time, and the rails that it is from.

    A rail of the whole phone is taken alone, else all rails without those that are part of another one. `obstacle` says
    why the battery does not give what the phone uses; "" where it does.

    Raises:
        NoFigureError: a rail has too few readings, or a whole has less than its parts.
    """
    power = [[_mean(rail, window) for window in windows] for rail in rails]
    kept = [index for index in range(len(rails)) if not _is_copy(rails, power, index)]
    kept = [index for index in kept if not _is_part(rails, power, index)]
    whole = [index for index in kept if _WHOLE.search(rails[index].name)]
    if whole:
        best = max(whole, key=lambda index: sum(power[index]))
        parts = _sums(power, [index for index in kept if index not in whole])
        if any(total < _COVERS * part for total, part in zip(power[best], parts, strict=True)):
            raise NoFigureError(f"the power rail {rails[best].name} has less than the others together")
        kept = [best]
    names = [rails[index].name for index in kept]
    if obstacle and any(map(_BATTERY.search, names)):
        raise NoFigureError(f"the power rail {names[0]} is that of the battery, and {obstacle}")
    return _sums(power, kept), f"power rail {names[0]}" if len(names) == 1 else f"{len(names)} power rails"


def _sums(power: Sequence[Sequence[float]], indices: Sequence[int]) -> list[float]:
    """The power of some rails together, in each window."""
    return [sum(power[index][number] for index in indices) for number in range(len(power[0]))]


def _mean(rail: Rail, window: tuple[float, float]) -> float:
    """The mean power in watts, without the time in which a counter was reset."""
    inside = sorted((seconds, energy) for seconds, energy in rail.readings if window[0] <= seconds <= window[1])
    steps = [(later[0] - first[0], later[1] - first[1]) for first, later in pairwise(inside) if later[1] >= first[1]]
    seconds = sum(duration for duration, _ in steps)
    if seconds < _COVERED * (window[1] - window[0]):
        raise NoFigureError(f"the power rail {rail.name} has readings of {seconds:.0f} s in a block only")
    return sum(energy for _, energy in steps) / seconds / 1e6


def _is_copy(rails: Sequence[Rail], power: Sequence[Sequence[float]], index: int) -> bool:
    """Whether an earlier rail has this name and this power: some phones report a rail twice."""
    return any(
        rails[other].name == rails[index].name
        and all(abs(a - b) <= _EQUAL * max(a, b) for a, b in zip(power[other], power[index], strict=True))
        for other in range(index)
    )


def _is_part(rails: Sequence[Rail], power: Sequence[Sequence[float]], index: int) -> bool:
    """Whether another rail feeds this one: VDD_CPU has the power of VDD_CPU_BIG."""
    return any(
        rails[index].name.startswith(f"{rail.name}_")
        and all(a >= _COVERS * b for a, b in zip(power[other], power[index], strict=True))
        for other, rail in enumerate(rails)
    )
