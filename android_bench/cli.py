"""`ecbsr-bench`: milliseconds of `.tflite` models on this machine and on Android phones."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError, UsageError

if TYPE_CHECKING:
    from .config import Settings
    from .results.baseline import Comparison
    from .results.types import Results, Row

EPILOG = """\
A row is "ok" only where the delegate itself says that it took the nodes; otherwise the status says what
happened. Exit code: 0 every row has an answer ("fallback" and "unsupported" are answers), 1 something failed
or is slower than --fail-above allows, 2 misuse.

examples:
  ecbsr-bench --device host --size 540p --threads 1,4
  ecbsr-bench model.tflite --device all --delegate cpu,gpu,nnapi --size 360p,540p --out phone-bench
  ecbsr-bench --resume phone-bench
  ecbsr-bench model.tflite --device host --baseline last/results.json --fail-above 1.05
"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = common.parser("ecbsr-bench", "Time .tflite models on this machine and on Android phones.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", help=".tflite files (default: the recommended bundled models)")
    what = parser.add_argument_group("what is measured")
    add = what.add_argument
    add("--device", action="append", metavar="SERIAL", help="a phone's serial or host:port; host; all (default: host)")
    add("--size", metavar="SIZE,…", help="low-resolution input: 270p, 360p, 540p, 720p, 1080p or WIDTHxHEIGHT")
    add("--delegate", default="cpu", metavar="NAME,…", help="cpu, gpu, nnapi[:ACCELERATOR], external:/path.so[:k=v,…]")
    add("--threads", default="1", metavar="N,…", help="CPU threads (default: 1)")
    add("--cores", default="all", metavar="CORES", help="phones: big, little, all or a hexadecimal mask (default: all)")
    add("--rounds", type=_count, default=6, metavar="N", help="processes for each row, in shuffled order (default: 6)")
    add("--runs", type=_count, default=20, metavar="N", help="timed iterations in each process (default: 20)")
    add("--tool", default="tflite", metavar="TOOL", help="phones: tflite, litert or the path of a benchmark_model")
    add("--check", action="store_true", help="phones: compare the output on a real picture with this machine's")
    add("--profile", action="store_true", help="phones: each operator's share of the time")
    add("--cooldown", type=_seconds, default=300, metavar="SECONDS", help="longest wait for a hot phone (default: 300)")
    where = parser.add_argument_group("results")
    add = where.add_argument
    add("--out", metavar="DIR", help="new folder for results.json, results.csv, report.html and runs.jsonl")
    add("--resume", metavar="DIR", help="finish the bench in this folder, with its own settings")
    add(
        "--import",
        dest="imported",
        action="append",
        default=[],
        metavar="FILE",
        help="add the rows of another results.json or of the Android app's export (alone: measure nothing)",
    )
    add("--baseline", metavar="FILE", help="an earlier results.json to compare with")
    add("--fail-above", type=_factor, metavar="RATIO", help="exit 1 where a row is slower than the baseline by more")
    add("--json", action="store_true", help="print the results as JSON")
    add("--quiet", action="store_true", help="no progress on standard error")
    other = parser.add_argument_group("instead of measuring")
    add = other.add_argument
    add("--list", action="store_true", help="list the phones that adb sees")
    add("--dry-run", action="store_true", help="print every adb command, ready for a shell; run none")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; see `parser`."""
    arguments = parser().parse_args(argv)
    _validate(arguments)
    if arguments.list:
        return _list(as_json=arguments.json)
    if arguments.dry_run:
        return _dry_run(arguments)
    from .results import baseline, serialize
    from .session import publish

    before = serialize.load(arguments.baseline) if arguments.baseline else None
    others = [(Path(name).stem, serialize.load(name)) for name in arguments.imported]
    found = _measure(arguments)
    for name, other in others:
        found = serialize.merged(found, other, name)
    compared = baseline.compare(found, before, arguments.fail_above) if before else ()
    if (compared or others) and (arguments.out or arguments.resume):
        publish(Path(arguments.out or arguments.resume), found, compared)
    if arguments.json:
        common.print_json(serialize.document(found, compared))
    else:
        _print(found, compared)
    if arguments.out or arguments.resume:
        common.notice(f"the report is {Path(arguments.out or arguments.resume) / 'report.html'}")
    if before and all(one.before_ms is None for one in compared):
        raise EcbsrError(f"{arguments.baseline} has no row of the same model, size, device, delegate and threads")
    slower = [one for one in compared if one.failed]
    for one in slower:
        common.notice(f"{one.label}: {one.note}")
    return common.DONE if found.answered and not slower else common.FAILED


def _measure(arguments: argparse.Namespace) -> Results:
    from . import session
    from .results.types import Results

    progress = None if arguments.quiet else common.notice
    if arguments.imported and not (arguments.models or arguments.device or arguments.resume):
        return Results((), {})  # only the imported rows
    if arguments.resume:
        return session.resume(arguments.resume, progress)
    return session.start(arguments.models, _settings(arguments), arguments.out, progress)


def _settings(arguments: argparse.Namespace) -> Settings:
    from export.resolutions import parse_all

    from . import config

    return config.Settings(
        devices=tuple(dict.fromkeys(arguments.device or ["host"])),
        sizes=parse_all(arguments.size.split(",") if arguments.size else ()),
        delegates=config.parse_delegates(arguments.delegate),
        threads=tuple(dict.fromkeys(config.parse_threads(text) for text in arguments.threads.split(","))),
        cores=config.parse_cores(arguments.cores),
        rounds=arguments.rounds,
        iterations=arguments.runs,
        tool=arguments.tool,
        check=arguments.check,
        profile=arguments.profile,
        limits=config.Limits(cooldown=arguments.cooldown),
    )


def _validate(arguments: argparse.Namespace) -> None:
    if arguments.resume and (arguments.models or arguments.device or arguments.out):
        raise UsageError("--resume goes on with the models, devices and folder of the bench that it names; drop yours")
    if arguments.fail_above and not arguments.baseline:
        raise UsageError("--fail-above needs a --baseline to compare with")


def _list(*, as_json: bool) -> int:
    from .phone import adb

    phones = adb.phones()
    if as_json:
        common.print_json({"phones": [vars(phone) for phone in phones]})
    elif phones:
        common.print_table(
            ["serial", "state", "model", "what to do"], [[p.serial, p.state, p.model, p.advice] for p in phones]
        )
    else:
        common.notice("adb sees no phone; connect one by USB, or adb connect HOST:PORT")
    return common.DONE


def _dry_run(arguments: argparse.Namespace) -> int:
    from . import session

    folder = Path(tempfile.mkdtemp(prefix="ecbsr-bench-"))
    commands = session.rehearse(arguments.models, _settings(arguments), folder)
    if arguments.json:
        common.print_json({"commands": commands})
    else:
        for one in commands:
            print(shlex.join(one))
    common.notice(f"nothing was run; the {len(commands)} commands of one round push files from {folder}")
    return common.DONE


def _print(found: Results, compared: tuple[Comparison, ...]) -> None:
    header = ["model", "size", "device", "delegate", "threads", "status", "median ms", "95 % interval", "p95 ms"]
    header += ["fps", "nodes"]
    cells = [_cells(row) for row in found.results]
    if any(row.check for row in found.results):
        header.append("output")
        cells = [[*line, row.check.text if row.check else "-"] for line, row in zip(cells, found.results, strict=True)]
    if compared:
        header.append("to baseline")
        cells = [[*line, one.text] for line, one in zip(cells, compared, strict=True)]
    common.print_table(header, cells)
    for device in found.devices.values():
        for note in device.notes:
            common.notice(f"{device.name}: {note}")
    alike: dict[str, list[str]] = {}
    for row in found.results:
        if row.note:
            rows = alike.setdefault(f"{row.device} by {row.delegate}: {row.note}", [])
            rows.append(f"{row.model} {row.size[0]}x{row.size[1]}")
    for said, rows in alike.items():
        common.notice(f"{said} ({', '.join(dict.fromkeys(rows))})")


def _cells(row: Row) -> list[str]:
    from .results import stats

    def number(value: float | None) -> str:
        return "-" if value is None else stats.short(value)

    limits = " - ".join(map(stats.short, row.ci95_ms)) if row.ci95_ms else "-"
    nodes = "-" if row.nodes_delegated is None else f"{row.nodes_delegated}/{row.nodes_total or '?'}"
    cells = [row.model, f"{row.size[0]}x{row.size[1]}", row.device, row.delegate, str(row.threads), row.status]
    return [*cells, number(row.median_ms), limits, number(row.p95_ms), number(row.fps), nodes]


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    return _number(text, 0, "seconds from 0 on")


def _factor(text: str) -> float:
    value = _number(text, 0, "a ratio such as 1.05")
    if value == 0:
        raise argparse.ArgumentTypeError("0 is no ratio; use e.g. 1.05")
    return value


def _number(text: str, least: float, meaning: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no {meaning}")
    return value


def script() -> NoReturn:
    """The console script."""
    common.run(main)


if __name__ == "__main__":
    script()
