"""The properties and the condition of a phone: shell scripts, and pure functions that parse their output."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecbsr_mobile.errors import EcbsrError

from ..results import explanations
from ..results.types import Core, State
from . import screen

_CPU = "/sys/devices/system/cpu"

READ_PROPERTIES = f"""getprop
echo @@cores
for d in {_CPU}/cpu[0-9]*; do
echo "$d max=$(cat "$d/cpufreq/cpuinfo_max_freq" 2>/dev/null) capacity=$(cat "$d/cpu_capacity" 2>/dev/null)"; done
echo @@cpuinfo
cat /proc/cpuinfo 2>/dev/null
echo @@boot
cat /proc/sys/kernel/random/boot_id
echo @@power
settings get global low_power 2>/dev/null
true"""

READ_STARTED = "getprop sys.boot_completed; getprop dev.bootcomplete; echo @@animation; getprop init.svc.bootanim"

READ_CONDITION = f"""dumpsys battery
echo @@thermal
dumpsys thermalservice
echo @@cores
for d in {_CPU}/cpu[0-9]*/cpufreq; do
echo "$d $(cat "$d/scaling_max_freq" 2>/dev/null) $(cat "$d/scaling_governor" 2>/dev/null)"; done"""

_PROPERTY = re.compile(r"^\[([^\]]+)\]: \[(.*)\]$", re.MULTILINE)
_HAL_TEMPERATURE = re.compile(
    r"Temperature\{mValue=(-?[0-9]{1,9}(?:\.[0-9]+)?), mType=(-?[0-9]{1,9}), mName=[^,]*, mStatus=[0-9]+\}"
)
_CELSIUS = (-50, 150)  # readings outside of it are no temperatures
THROTTLED = 0.9  # of a core's usual clock; below, it is throttled
SERIAL_DIGITS = 12  # hexadecimal; enough to tell phones apart
_VIRTUAL_HARDWARE = ("goldfish", "ranchu", "cutf", "vbox86")  # Android's emulators, Cuttlefish, Genymotion
_SKIN = 3  # android.os.Temperature.TYPE_SKIN


@dataclass(frozen=True)
class PhoneProperties:
    """What identifies a phone. An empty string or None: not reported."""

    model: str
    soc: str
    system: str
    api: int | None
    fingerprint: str
    abis: tuple[str, ...]
    cores: tuple[Core, ...]
    cpu_flags: tuple[str, ...]  # as in `DeviceInfo`
    boot: str  # identifies the current boot
    serial: str  # of the phone itself, whatever its address is
    battery_saver: bool
    is_emulator: bool

    @property
    def serial_hash(self) -> str:
        """The beginning of the SHA-256 of the serial number, for a report that others read; "" where it has none."""
        return hashlib.sha256(self.serial.encode()).hexdigest()[:SERIAL_DIGITS] if self.serial else ""


def parse_properties(text: str) -> PhoneProperties:
    """Parse the output of `READ_PROPERTIES`."""
    parts = _sections(text)
    properties = dict(_PROPERTY.findall(parts[""]))

    def first(*names: str) -> str:
        return next((properties[name].strip() for name in names if properties.get(name, "").strip()), "")

    manufacturer, model = first("ro.product.manufacturer"), first("ro.product.model")
    soc = " ".join(part for part in (first("ro.soc.manufacturer"), first("ro.soc.model")) if part)
    api = first("ro.build.version.sdk")
    release = first("ro.build.version.release")
    return PhoneProperties(
        model=model if model.lower().startswith(manufacturer.lower()) else f"{manufacturer} {model}".strip(),
        soc=soc if first("ro.soc.model") else first("ro.board.platform", "ro.hardware"),
        system=f"Android {release or '?'} (API {api or '?'})",
        api=_number(api),
        fingerprint=first("ro.build.fingerprint"),
        abis=tuple(abi for abi in first("ro.product.cpu.abilist", "ro.product.cpu.abi").split(",") if abi),
        cores=tuple(_cores(parts.get("cores", ""))),
        cpu_flags=explanations.flags(parts.get("cpuinfo", "")),
        boot=boot_id(parts.get("boot", "")),
        serial=first("ro.serialno", "ro.boot.serialno"),
        is_emulator="1" in (first("ro.kernel.qemu"), first("ro.boot.qemu"), first("ro.hardware.virtual_device"))
        or first("ro.hardware").startswith(_VIRTUAL_HARDWARE),
        battery_saver=parts.get("power", "").split()[-1:] == ["1"],
    )


def parse_condition(text: str) -> State:
    """Parse the output of `READ_CONDITION`, and of `screen.READ` before it; `seconds`, which is not in it, is 0."""
    parts = _sections(text)
    screen_and_battery, thermal = parts[""], parts.get("thermal", "")
    tenths = _integer(r"^\s*temperature: (-?[0-9]{1,9})\s*$", screen_and_battery)
    current = thermal.partition("Current temperatures from HAL")[2] or thermal
    skins = [float(value) for value, kind in _HAL_TEMPERATURE.findall(current) if int(kind) == _SKIN]
    skins = [celsius for celsius in skins if _CELSIUS[0] < celsius < _CELSIUS[1]]
    lines = [line.split() for line in parts.get("cores", "").splitlines()]
    numbered = sorted((index, line[1:]) for line in lines if line and (index := _index(line[0])) is not None)
    clocks = {index: khz // 1000 for index, rest in numbered if rest and (khz := _number(rest[0])) is not None}
    return State(
        seconds=0.0,
        battery_celsius=tenths / 10 if tenths is not None and _CELSIUS[0] < tenths / 10 < _CELSIUS[1] else None,
        battery_percent=_integer(r"^\s*level: ([0-9]{1,2}|100)\s*$", screen_and_battery),
        thermal_status=_integer(r"^\s*Thermal Status: ([0-9]{1,3})\s*$", thermal),
        skin_celsius=max(skins) if skins else None,
        max_mhz=tuple(clocks.values()),
        governors=tuple(dict.fromkeys(rest[1] for _, rest in numbered if len(rest) > 1)),
        cores=tuple(clocks),
        wakefulness=screen.wakefulness(screen_and_battery),
    )


def has_started(text: str) -> bool:
    """Whether Android has started, from the output of `READ_STARTED`; each property is unset before.

    Some builds set only one of the first two, and all of them show an animation until the home screen can be drawn.
    """
    parts = _sections(text)
    return "1" in parts[""].split() or parts.get("animation", "").split()[-1:] == ["stopped"]


def boot_id(text: str) -> str:
    """The identifier of a boot in the output of a shell; "" if there is none."""
    match = re.search(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", text)
    return match[0] if match else ""


def limited(clocks: Mapping[int, int], usual: Mapping[int, int]) -> str:
    """Which core is limited to less than its usual clock, in words; "" where none is. Both are MHz by core.

    A core that is offline has no clock, and is not limited.
    """
    for core, mhz in usual.items():
        if clocks.get(core, mhz) < mhz * THROTTLED:
            return f"a core is limited to {clocks[core]} of {mhz} MHz"
    return ""


def cpu_mask(cores: Sequence[Core], option: str) -> str | None:
    """The hexadecimal mask for `taskset` of the "big" or "little" cores; None for "all"; another `option` is a mask.

    Little cores have the lowest capacity, big cores all others: cores of two kinds can have one clock (Unisoc T606).
    Where capacities do not differ, or are not reported, the highest clock decides. If all are equal, they are both.

    Raises:
        EcbsrError: the phone does not report how fast each core is.
    """
    if option == "all":
        return None
    if option not in ("big", "little"):
        return option
    capacities = {core.index: core.capacity for core in cores if core.capacity}
    differ = len(capacities) == len(cores) and len(set(capacities.values())) > 1
    speeds = capacities if differ else {core.index: core.max_mhz for core in cores if core.max_mhz}
    if not speeds:
        raise EcbsrError("the phone does not report how fast its cores are; give --cores as a mask such as f0")
    if len(speeds) < len(cores):
        unknown = ", ".join(str(core.index) for core in cores if core.index not in speeds)
        raise EcbsrError(
            f"the phone does not report how fast its cores {unknown} are, which may be asleep; "
            "use --cores all, or a mask such as f0"
        )
    lowest = min(speeds.values())
    chosen = [index for index, speed in speeds.items() if (speed == lowest) == (option == "little")]
    return f"{mask_of(chosen or speeds):x}"


def mask_of(cores: Iterable[int]) -> int:
    """The mask of cores by their indices."""
    return sum(1 << index for index in cores)


def allowed_mask(status: str) -> int | None:
    """The cores that a program may run on, as a mask, from its /proc/PID/status; None where that does not say it."""
    match = re.search(r"^Cpus_allowed:\s*([0-9a-f,]{1,100})\s*$", status, re.MULTILINE)
    return int(match[1].replace(",", "") or "0", 16) if match else None


def _sections(text: str) -> dict[str, str]:
    """The text before the first line `@@name` under "", and the text after each such line under its name."""
    first, *rest = re.split(r"^@@(\w+)$", text.replace("\r", ""), flags=re.MULTILINE)
    return {"": first, **dict(zip(rest[::2], rest[1::2], strict=True))}


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else None


def _cores(text: str) -> list[Core]:
    cores = []
    for path, khz, capacity in re.findall(r"^(\S+) max=(\d{0,12}) capacity=(\d{0,12})$", text, re.MULTILINE | re.ASCII):
        index = _index(path)
        if index is not None:
            cores.append(Core(index, int(khz) // 1000 if khz else None, int(capacity) if capacity else None))
    return sorted(cores, key=lambda core: core.index)


def _index(path: str) -> int | None:
    match = re.search(r"/cpu([0-9]{1,4})/", path + "/")
    return int(match[1]) if match else None


def _integer(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text, re.MULTILINE)
    return int(match[1]) if match else None
