"""What a phone says about itself: questions for its shell, and pure functions that read the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ecbsr_mobile.errors import EcbsrError

from ..results.types import Core

_CPU = "/sys/devices/system/cpu"

DESCRIBE = f"""getprop
echo @@cores
for f in {_CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq; do echo "$f $(cat "$f" 2>/dev/null)"; done
echo @@boot
cat /proc/sys/kernel/random/boot_id
echo @@power
settings get global low_power"""

STATE = f"""dumpsys battery
echo @@thermal
dumpsys thermalservice
echo @@cores
for d in {_CPU}/cpu[0-9]*/cpufreq; do
echo "$d $(cat "$d/scaling_max_freq" 2>/dev/null) $(cat "$d/scaling_governor" 2>/dev/null)"; done"""


_PROPERTY = re.compile(r"^\[([^\]]+)\]: \[(.*)\]$", re.MULTILINE)
_HAL = re.compile(r"Temperature\{mValue=(-?[\d.]+), mType=(-?\d+), mName=([^,]*), mStatus=\d+\}")
_SKIN = 3  # android.os.Temperature.TYPE_SKIN


@dataclass(frozen=True)
class Facts:
    """A phone's identity."""

    model: str
    soc: str
    system: str
    api: int | None
    fingerprint: str
    abis: tuple[str, ...]
    cores: tuple[Core, ...]
    boot: str  # changes with every start of the phone
    serial: str  # the phone's own, whatever the address that it is reached at
    saving_power: bool


@dataclass(frozen=True)
class Reading:
    """A phone's condition; None is what it does not say. Degrees are Celsius."""

    battery_celsius: float | None
    battery_percent: int | None
    thermal_status: int | None
    skin_celsius: float | None
    max_mhz: tuple[int, ...]
    governors: tuple[str, ...]


def describe(text: str) -> Facts:
    """Read the answer to `DESCRIBE`."""
    parts = _sections(text)
    found = dict(_PROPERTY.findall(parts[""]))

    def first(*names: str) -> str:
        return next((found[name].strip() for name in names if found.get(name, "").strip()), "")

    maker, model = first("ro.product.manufacturer"), first("ro.product.model")
    soc = " ".join(part for part in (first("ro.soc.manufacturer"), first("ro.soc.model")) if part)
    api = first("ro.build.version.sdk")
    release = first("ro.build.version.release")
    return Facts(
        model=model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip(),
        soc=soc if first("ro.soc.model") else first("ro.board.platform", "ro.hardware"),
        system=f"Android {release or '?'} (API {api or '?'})",
        api=int(api) if api.isdecimal() else None,
        fingerprint=first("ro.build.fingerprint"),
        abis=tuple(abi for abi in first("ro.product.cpu.abilist", "ro.product.cpu.abi").split(",") if abi),
        cores=tuple(_cores(parts.get("cores", ""))),
        boot=parts.get("boot", "").strip(),
        serial=first("ro.serialno", "ro.boot.serialno"),
        saving_power=parts.get("power", "").strip() == "1",
    )


def reading(text: str) -> Reading:
    """Read the answer to `STATE`."""
    parts = _sections(text)
    battery, thermal = parts[""], parts.get("thermal", "")
    tenths, percent = _integer(r"^\s*temperature: (-?\d+)", battery), _integer(r"^\s*level: (\d+)", battery)
    current = thermal.partition("Current temperatures from HAL")[2] or thermal
    skins = [float(value) for value, kind, _ in _HAL.findall(current) if int(kind) == _SKIN]
    lines = [line.split() for line in parts.get("cores", "").splitlines()]
    numbered = sorted((_index(line[0]), line[1:]) for line in lines if line and _index(line[0]) is not None)
    return Reading(
        battery_celsius=None if tenths is None else tenths / 10,
        battery_percent=percent,
        thermal_status=_integer(r"^\s*Thermal Status: (\d+)", thermal),
        skin_celsius=max(skins) if skins else None,
        max_mhz=tuple(int(rest[0]) // 1000 for _, rest in numbered if rest and rest[0].isdecimal()),
        governors=tuple(dict.fromkeys(rest[1] for _, rest in numbered if len(rest) > 1)),
    )


def mask(cores: Sequence[Core], wanted: str) -> str | None:
    """The hexadecimal mask for `taskset` of "big", "little" or "all" cores, or `wanted` itself; None pins nothing.

    Little cores are those of the lowest top frequency, big ones all others; where all are alike they are both.

    Raises:
        EcbsrError: the phone does not tell its cores apart.
    """
    if wanted == "all":
        return None
    if wanted not in ("big", "little"):
        return wanted
    known = [(core.max_mhz, core.index) for core in cores if core.max_mhz]
    if not known:
        raise EcbsrError("the phone does not say how fast its cores are; give --cores as a mask such as f0")
    lowest = min(known)[0]
    chosen = [index for mhz, index in known if (mhz == lowest) == (wanted == "little")]
    return f"{sum(1 << index for index in chosen or [index for _, index in known]):x}"


def _sections(text: str) -> dict[str, str]:
    """The text before the first line `@@name` under "", and what follows each such line under its name."""
    first, *rest = re.split(r"^@@(\w+)$", text.replace("\r", ""), flags=re.MULTILINE)
    return {"": first, **dict(zip(rest[::2], rest[1::2], strict=True))}


def _cores(text: str) -> list[Core]:
    found = []
    for line in text.splitlines():
        index, value = _index(line), line.split()[-1] if line.split() else ""
        if index is not None:
            found.append(Core(index, int(value) // 1000 if value.isdecimal() else None))
    return sorted(found, key=lambda core: core.index)


def _index(path: str) -> int | None:
    match = re.search(r"/cpu(\d+)/", path + "/")
    return int(match[1]) if match else None


def _integer(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text, re.MULTILINE)
    return int(match[1]) if match else None
