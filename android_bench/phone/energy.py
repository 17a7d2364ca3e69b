"""The energy of one image from blocks of inferences between blocks without, and by the fuel gauge of a phone.

The gauge measures the whole phone. It tells nothing while the phone charges, a USB link keeps the phone awake, and
vendors use other units and signs than Linux asks for (perfetto issue 1441: mA instead of µA; home-assistant issue 4977:
a constant -2147 A). So the current is compared with the charge counter, and without agreement there is no figure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from ..results import stats
from ..results.types import Energy

BLOCKS = 3  # blocks of inferences; one more without
MEASURED_SECONDS = 30.0  # the part of each block that counts
MARGIN = 3.0  # seconds of a block before that part
SOURCE = "fuel gauge"

_WATTS = (0.05, 20.0)  # of a whole phone
_MICROVOLTS, _MILLIVOLTS = (2e6, 1e7), (2e3, 1e4)
_AGREES = 2.0  # the gauge averages over seconds, so its integral differs from the counter
_SUPPLY = "/sys/class/power_supply"
_READ = "$(cat $g/current_now 2>/dev/null) $(cat $g/voltage_now 2>/dev/null) $(cat $g/charge_counter 2>/dev/null)"

FIND_GAUGE = f"""for g in {_SUPPLY}/battery {_SUPPLY}/bms {_SUPPLY}/*; do
[ -r $g/current_now ] && [ -r $g/voltage_now ] && [ -r $g/charge_counter ] && break; g=; done"""

SAMPLE = f'read u rest < /proc/uptime; echo "@@sample $u {_READ}"'
"""Prints the seconds since the start of the phone and what its gauge reads."""

_SAMPLE = re.compile(r"^@@sample ([0-9.]+) (-?[0-9]{1,15}) (-?[0-9]{1,15}) (-?[0-9]{1,15})\s*$", re.MULTILINE)
_POWERED = re.compile(r"^\s*(\w+) powered: true\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """What the gauge reads at a time in seconds, in its own units."""

    seconds: float
    current: int
    voltage: int
    charge: int


def parse(text: str) -> list[Sample]:
    """The samples in the output of `SAMPLE`; lines with a missing reading are left out."""
    found = _SAMPLE.findall(text)
    return [Sample(float(seconds), int(current), int(volts), int(charge)) for seconds, current, volts, charge in found]


def window(text: str) -> tuple[float, float]:
    """Start and end of the part that counts, on the clock of the phone, from the output of `SAMPLE`.

    Raises:
        NoFigureError: the block was shorter than that.
    """
    times = [float(seconds) for seconds in re.findall(r"^@@sample ([0-9.]+) ", text, re.MULTILINE)][:-1]
    if not times or times[-1] - times[0] < MEASURED_SECONDS:
        raise NoFigureError(f"a block has less than {MEASURED_SECONDS:g} s")
    return times[-1] - MEASURED_SECONDS, times[-1]


def obstacle(network: bool, battery: str) -> str:
    """Why the gauge would not measure what the phone uses; "" where it does. `battery` is `dumpsys battery`."""
    powered = _POWERED.findall(battery)
    if not network:
        return (
            "a USB link charges the phone and keeps it awake; unplug it and use adb over Wi-Fi "
            "(adb tcpip 5555, then adb connect)"
        )
    if "UPDATES STOPPED" in battery:  # after "dumpsys battery unplug", a phone that charges says that it does not
        return "its battery is simulated (dumpsys battery set, or unplug); end that with dumpsys battery reset"
    if powered:
        return f"the phone is powered by {' and '.join(powered)}; unplug it, also from a wireless charger"
    if not re.search(r"^\s*\w+ powered: false\s*$", battery, re.MULTILINE):
        return "the phone does not say whether it is charging"
    return ""


class NoFigureError(Exception):
    """The readings give no figure; its text says why."""


def figure(idle: Sequence[float], loaded: Sequence[float], ms: Sequence[float], source: str) -> Energy:
    """The energy of one image from the mean power in watts of blocks in turn: idle, loaded, idle, ..., idle.

    `ms` are the milliseconds of one inference in each loaded block. An inference takes the power of its block above the
    mean of the two idle blocks beside it.

    Raises:
        NoFigureError: it is no phone's power, or the difference is within its variation.
    """
    low, high = min(*idle, *loaded), max(*idle, *loaded)
    if low < _WATTS[0] or high > _WATTS[1]:
        raise NoFigureError(f"{low:.3g} to {high:.3g} W is no phone's power")
    each = [
        (watts - (before + after) / 2) * milliseconds
        for watts, before, after, milliseconds in zip(loaded, idle[:-1], idle[1:], ms, strict=True)
    ]
    middle, margin = fmean(each), stats.half_width(each)
    if middle - margin <= 0:
        raise NoFigureError("the difference to the idle phone is within its variation; close other apps, try again")
    interval = (stats.rounded(middle - margin), stats.rounded(middle + margin))
    idle_mw, loaded_mw = stats.rounded(fmean(idle) * 1000), stats.rounded(fmean(loaded) * 1000)
    return Energy(stats.rounded(middle), interval, idle_mw, loaded_mw, source)


def energy(idle: Sequence[Sequence[Sample]], loaded: Sequence[Sequence[Sample]], ms: Sequence[float]) -> Energy:
    """The energy of one image by the fuel gauge; see `figure`."""
    try:
        blocks = [*idle, *loaded]
        scale, volt = _units(blocks)
        if any(_length(_window(block)) < MEASURED_SECONDS for block in blocks):
            raise NoFigureError(f"a block has less than {MEASURED_SECONDS:g} s of readings")
        rest, work = ([_watts(_window(block), scale, volt) for block in kind] for kind in (idle, loaded))
        return figure(rest, work, ms, SOURCE)
    except NoFigureError as error:
        return Energy(source=SOURCE, note=f"no figure: {error}")


def _units(blocks: Sequence[Sequence[Sample]]) -> tuple[float, float]:
    """The factors from the readings to amperes that leave the battery, and to volts."""
    samples = [sample for block in blocks for sample in block]
    if not samples:
        raise NoFigureError("the phone does not let adb read its fuel gauge")
    currents = {sample.current for sample in samples}
    if len(currents) == 1:
        raise NoFigureError(f"its fuel gauge reads a constant current of {currents.pop()}")
    voltage = fmean(sample.voltage for sample in samples)
    volt = next((u for u, (low, high) in ((1e-6, _MICROVOLTS), (1e-3, _MILLIVOLTS)) if low < voltage < high), 0.0)
    if not volt:
        raise NoFigureError(f"its fuel gauge reads a voltage of {voltage:.0f}, neither µV nor mV of a battery")
    if len({sample.charge for sample in samples}) < len(blocks):
        raise NoFigureError("its charge counter hardly moves, so that the unit of its current is not known")
    used = sum((block[0].charge - block[-1].charge) * 3600 for block in blocks if block)  # µA s, where it counts µAh
    current = sum(_integral(block, lambda sample: float(sample.current)) for block in blocks)
    if used <= 0:
        raise NoFigureError("its charge counter does not fall: it may be charging")
    ratio = used / current if current else math.inf
    unit = next((u for u in (1.0, 1000.0) if u / _AGREES < abs(ratio) < u * _AGREES), 0.0)
    if not unit:
        raise NoFigureError(f"its current and its charge counter disagree (a factor of {abs(ratio):.3g})")
    return math.copysign(unit * 1e-6, ratio), volt


def _window(block: Sequence[Sample]) -> Sequence[Sample]:
    """The last `MEASURED_SECONDS` of a block, without its last reading, which may be after its end."""
    inside = block[:-1]
    backwards = range(len(inside) - 1, -1, -1)
    start = next((i for i in backwards if inside[-1].seconds - inside[i].seconds >= MEASURED_SECONDS), 0)
    return inside[start:]


def _length(block: Sequence[Sample]) -> float:
    return block[-1].seconds - block[0].seconds if block else 0.0


def _watts(block: Sequence[Sample], scale: float, volt: float) -> float:
    power = _integral(block, lambda sample: sample.current * scale * sample.voltage * volt)
    return power / _length(block)


def _integral(block: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    """The integral over time, by trapezoids."""
    pairs = pairwise(block)
    return sum((b.seconds - a.seconds) * (value(a) + value(b)) / 2 for a, b in pairs)
