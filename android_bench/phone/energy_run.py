"""Measure the energy of one image on a phone: by its power rails where it has them, else by its fuel gauge."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..benchmark_tool import flags
from ..benchmark_tool.log_parser import parse_log
from ..config import Case
from ..results.types import TIMED, Energy
from . import energy, power_rails
from .device import FOLDER
from .energy import NoFigureError
from .power_rails import Rail

if TYPE_CHECKING:
    from .runner import PhoneRunner

NUMBER = 1 + 2 * energy.BLOCKS
PROBE_SECONDS = 3
MAX_SECONDS = 1200  # of a recording, which ends with its last block


@dataclass
class _Blocks:
    """The output of each block in turn, idle first, and the milliseconds of an inference in each loaded one."""

    outputs: list[str] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


def measure(runner: PhoneRunner, case: Case) -> Energy:
    """The energy of one image; a note where there is no figure.

    Raises:
        EcbsrError: the phone can no longer be used.
    """
    obstacle = runner.obstacle()
    if runner.has_rails is None:
        runner.has_rails = power_rails.is_readable() and bool(_probe(runner))
    if obstacle and not runner.has_rails:
        advice = "" if power_rails.is_readable() else f"; {power_rails.EXTRA}"
        return Energy(note=f"no figure: {obstacle}{advice}")
    reason = ""
    try:
        if runner.has_rails:
            runner.device.adb.shell(power_rails.start(FOLDER, MAX_SECONDS))
        blocks = _run(runner, case)
        obstacle = obstacle or runner.obstacle()
        if runner.has_rails:
            try:
                return _by_rails(_recorded(runner), blocks, obstacle)
            except NoFigureError as error:
                reason = str(error)
    except NoFigureError as error:
        return Energy(note=f"no figure: {error}")
    if obstacle:
        return Energy(note=f"no figure: {reason or obstacle}")
    samples = [energy.parse(output) for output in blocks.outputs]
    found = energy.energy(samples[::2], samples[1::2], blocks.ms)
    return replace(found, note="; ".join(filter(None, (found.note, reason))))


def _by_rails(rails: list[Rail], blocks: _Blocks, obstacle: str) -> Energy:
    if not rails:
        raise NoFigureError("its power rails were not recorded")
    watts, source = power_rails.watts(rails, [energy.window(output) for output in blocks.outputs], obstacle)
    return energy.figure(watts[::2], watts[1::2], blocks.ms, source)


def _probe(runner: PhoneRunner) -> list[Rail]:
    runner.device.adb.shell(f"{power_rails.start(FOLDER, PROBE_SECONDS)}\nsleep {PROBE_SECONDS}")
    try:
        return _recorded(runner)
    except NoFigureError:
        return []


def _recorded(runner: PhoneRunner) -> list[Rail]:
    """The rails of the recording, which ends; empty where the phone cannot record."""
    adb, local = runner.device.adb, runner.folder / "rails.pftrace"
    adb.shell(power_rails.stop(FOLDER))
    if adb.shell(f"[ -s {power_rails.TRACE} ]").code:
        return []
    adb.pull(power_rails.TRACE, local, runner.options.limits.push)
    adb.shell(f"rm -f {power_rails.TRACE}")
    return power_rails.read(local)


def _run(runner: PhoneRunner, case: Case) -> _Blocks:
    """Run the blocks.

    Raises:
        NoFigureError: a run failed, or the screen went off.
    """
    model = runner.model_file(case)
    changed = flags.energy_flags(energy.MEASURED_SECONDS + energy.MARGIN)
    blocks = _Blocks()
    for number in range(NUMBER):
        busy = number % 2 == 1
        runner.progress(f"{runner.device.serial}: energy, block {number + 1}/{NUMBER}")
        output, code = runner.run_tool(case, model, changed, sampled=True) if busy else runner.device.sample(None)
        blocks.outputs.append(output)
        if busy:
            log = parse_log(output)
            status = runner.status(case, log, code, model)
            if status.status not in TIMED or log.timed is None:
                raise NoFigureError(f"{status.status}: {status.note}")
            blocks.ms.append(log.timed.mean / 1000)
        if re.search(r"^\s*mWakefulness=(?!Awake)", output, re.MULTILINE):
            raise NoFigureError("its screen went off in a block; set its screen timeout to 2 minutes")
    return blocks
