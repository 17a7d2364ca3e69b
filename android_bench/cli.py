"""`ecbsr-bench`: the latency of `.tflite` models on this machine and on Android phones."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ecbsr_mobile import zoo
from ecbsr_mobile.cli import common, gate_report, paths, tables
from ecbsr_mobile.cli.parser import Joined
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.utils.progress import bars
from ecbsr_mobile.utils.text import to_utf8

from .config import DEFAULT_SIZES, DOWNLOADED, MAX_COUNT, MAX_SECONDS, QNN_FETCH, Limits, Options

if TYPE_CHECKING:
    from .results.baseline import Comparison
    from .results.types import Results

EPILOG = """\
A row is "ok" only if the delegate reports that it runs the nodes; otherwise the status gives the reason. Exit code:
0 every row has an answer ("fallback" and "unsupported" are answers), 1 something failed or is slower than --fail-above
allows, 2 misuse.

examples:
  ecbsr-bench --device host --size 540p --threads 1,4
  ecbsr-bench model.tflite --device all --delegate cpu,gpu,nnapi --size 360p,540p --out phone-bench
  ecbsr-bench --resume phone-bench
  ecbsr-bench model.tflite --device host --baseline last/results.json --fail-above 1.05
"""


_TOOL = paths.PathKind(file=True, folder=True, names=lambda: DOWNLOADED, named="a tool that is downloaded")
_QNN = paths.PathKind(folder=True, names=lambda: (QNN_FETCH,), named="a download")


def parser() -> argparse.ArgumentParser:
    """The argument parser of the command."""
    parser = common.parser("ecbsr-bench", "Benchmark .tflite models on this machine and on Android phones.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", type=paths.TFLITE,
        help=".tflite files, or NAME-int8 and NAME-fp32 of bundled models (default: those of the recommended "
        "ones)")  # fmt: skip
    _add_measured(parser.add_argument_group("what is measured", argument_default=argparse.SUPPRESS).add_argument)
    add = parser.add_argument_group("results").add_argument
    add("--out", metavar="DIR", type=paths.OUTPUT_FOLDER,
        help="new folder for results.json, results.csv, report.html and runs.jsonl")  # fmt: skip
    add("--resume", metavar="DIR", type=paths.INPUT_FOLDER,
        help="finish the benchmark in this folder, with its own options")  # fmt: skip
    add("--import", dest="imported", action="append", default=[], metavar="FILE", type=paths.INPUT_FILE,
        help="add the rows of another results.json, or of the export of the Android app or of the page for browsers; "
        "alone: measure nothing")  # fmt: skip
    add("--baseline", metavar="FILE", type=paths.INPUT_FILE, help="an earlier results.json to compare with")
    add("--fail-above", type=_ratio, metavar="RATIO", help="exit 1 if a row takes more than RATIO times its baseline")
    add("--strict", action="store_true", help="exit 1 as well for rows that are inconclusive or without a partner")
    add("--allow-different", action="store_true",
        help="compare with a baseline of another machine, runtime, tool or model file")  # fmt: skip
    gate_report.add_options(parser)
    common.add_overwrite_option(parser)
    add("--json", action="store_true", help="print the results as JSON")
    instead = parser.add_argument_group("instead of measuring").add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="list the phones that adb sees")
    instead.add_argument("--dry-run", action="store_true", help="print every adb command, ready for a shell; run none")
    return parser


def _add_measured(add: Callable[..., argparse.Action]) -> None:
    """Add the options of what is measured, each a field of `Options`; what is not typed is not in the namespace."""
    add("--device", dest="devices", action="append", metavar="SERIAL",
        help="a phone's serial or host:port; host; all (default: host)")  # fmt: skip
    add("--size", dest="sizes", action=Joined, metavar="SIZE,…",
        help="low-resolution input: 270p, 360p, 540p, 720p, 1080p or WIDTHxHEIGHT "
        f"(default: the file's; {', '.join(DEFAULT_SIZES)} if it is dynamic)")  # fmt: skip
    add("--delegate", dest="delegates", action=Joined, metavar="NAME,…",
        help="cpu[:builtin], gpu[:fp32], nnapi[:ACCELERATOR], npu, qnn[:htp|gpu|dsp][:k=v,…], "
        "external:/path.so[:k=v,…] (default: cpu)")  # fmt: skip
    add("--threads", action=Joined, metavar="N,…", help="CPU threads (default: 1)")
    add("--cores", metavar="CORES",
        help=f"phones: big, little, all or a hexadecimal mask (default: {Options.cores})")  # fmt: skip
    add("--rounds", type=_count, metavar="N",
        help=f"processes for each row, in shuffled order (default: {Options.rounds})")  # fmt: skip
    add("--runs", dest="iterations", type=_count, metavar="N",
        help=f"timed inferences in each process (default: {Options.iterations})")  # fmt: skip
    add("--tool", metavar="TOOL", type=_TOOL,
        help="phones: tflite, litert, or the path of a benchmark_model or its folder, where --check finds LiteRT's "
        "run_model, and the delegate npu LiteRT's libraries (default: "
        f"{Options.tool}, fetched once: TensorFlow's newest nightly build)")  # fmt: skip
    add("--tool-sha256", metavar="HEX", help="phones: SHA-256 that the tool must have")
    add("--qnn", metavar="DIR", type=_QNN,
        help="phones: Qualcomm's delegate and runtime for the delegate qnn: a folder with their .aar files, these "
        "unpacked, or the SDK; or fetch, which downloads them once under Qualcomm's license")  # fmt: skip
    add("--check", action="store_true", help="phones: compare the output for a real image with this machine's")
    add("--profile", action="store_true", help="phones: the time of each operator type")
    add("--energy", action="store_true",
        help="phones: millijoules an image by the power rails, or by the fuel gauge of a phone on Wi-Fi that does not "
        "charge; 4 minutes a row")  # fmt: skip
    add("--cooldown", type=_seconds, metavar="SECONDS",
        help=f"longest wait for a hot phone (default: {Limits.cooldown:g})")  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the command; see `parser`."""
    arguments = parser().parse_args(argv)
    _validate(arguments)
    if arguments.list:
        return _list_phones(as_json=arguments.json)
    if arguments.dry_run:
        return _dry_run(arguments)
    from . import text_report
    from .results import baseline, serialize
    from .session import REPORTS, check_new, publish

    folder = arguments.out or arguments.resume
    earlier = [arguments.baseline] if arguments.baseline else []
    gate_report.check_options(
        arguments,
        [*_models(arguments), *earlier, *arguments.imported],
        [Path(folder, name) for name in REPORTS] if folder else [],
    )
    if arguments.out:
        check_new(Path(arguments.out))
    before = serialize.read_results(arguments.baseline) if arguments.baseline else None
    imported = [(to_utf8(Path(name).stem), serialize.read_results(name)) for name in arguments.imported]
    results = _measure(arguments)
    for name, other in imported:
        results = serialize.merge(results, other, name)
    different = baseline.differences(results, before) if before else []
    refused = bool(different) and not arguments.allow_different
    comparisons: Sequence[Comparison] = ()
    if before and not refused:
        comparisons = baseline.compare(results, before, arguments.fail_above, strict=arguments.strict)
    if folder and (comparisons or imported):
        publish(Path(folder), results, comparisons)
    if arguments.json:
        common.print_json(serialize.document(results, comparisons))
    else:
        text_report.print_results(results, comparisons)
    reason = ""
    if refused:
        reason = f"is not comparable: {'; '.join(different[:3])}; --allow-different compares all the same"
    elif before and all(comparison.before_ms is None for comparison in comparisons):
        reason = "has no latency of the same model, size, device, delegate and threads"
    gate_report.write(arguments, text_report.gate(results, comparisons, reason))
    text_report.notice_next_step(results, folder)
    if reason:
        raise EcbsrError(f"{arguments.baseline} {reason}")
    _notice_comparisons(comparisons, different)
    failed = any(comparison.failed for comparison in comparisons)
    return common.DONE if results.answered and not failed else common.FAILED


def _notice_comparisons(comparisons: Sequence[Comparison], different: Sequence[str]) -> None:
    for difference in different:
        common.notice(f"compared all the same: {difference}")
    for comparison in comparisons:
        if comparison.note and (comparison.failed or comparison.ratio is not None):
            (common.problem if comparison.failed else common.notice)(f"{comparison.case.label}: {comparison.note}")


def _measure(arguments: argparse.Namespace) -> Results:
    from . import session
    from .results.journal import RUNS
    from .results.types import Results

    progress = None if arguments.quiet else common.notice
    if _only_imports(arguments):
        return Results((), {})  # only the imported rows
    try:
        with bars() as update:
            step = update if sys.stderr.isatty() and progress else None
            if arguments.resume:
                return session.resume(arguments.resume, progress, step)
            return session.start(_models(arguments), _options(arguments), arguments.out, progress, step)
    except KeyboardInterrupt:
        folder = arguments.out or arguments.resume
        if folder and Path(folder, RUNS).exists():
            go_on = common.command_line("bench", "--resume", folder)
            common.notice(f"the runs so far are kept; {go_on} measures the rest")
        raise


def _models(arguments: argparse.Namespace) -> list[str | os.PathLike[str]]:
    """The files, also of those that were named as bundled models."""
    return [zoo.bundled_tflite(model) or model for model in arguments.models]


def _options(arguments: argparse.Namespace) -> Options:
    values: dict[str, Any] = {action.dest: getattr(arguments, action.dest) for action in _measured(arguments)}
    for name in ("sizes", "threads"):
        if name in values:
            values[name] = values[name].split(",")
    if "cooldown" in values:
        values["limits"] = Limits(cooldown=values.pop("cooldown"))
    return Options(**values)


def _measured(arguments: argparse.Namespace) -> list[argparse.Action]:
    """The options of what is measured that were typed."""
    parser = argparse.ArgumentParser(add_help=False)
    _add_measured(parser.add_argument)
    return [action for action in parser._actions if hasattr(arguments, action.dest)]


def _only_imports(arguments: argparse.Namespace) -> bool:
    """Whether nothing is measured: `--import` without a model, a device or a benchmark to resume."""
    return bool(arguments.imported) and not (arguments.models or arguments.resume or hasattr(arguments, "devices"))


def _validate(arguments: argparse.Namespace) -> None:
    measured = [action.option_strings[0] for action in _measured(arguments)]
    if arguments.resume:
        _validate_resume(arguments, measured)
    if _only_imports(arguments) and measured:
        raise UsageError(f"--import alone measures nothing: leave out {', '.join(measured)}, or name a model or device")
    for option in ("fail_above", "strict", "allow_different"):
        if getattr(arguments, option) and not arguments.baseline:
            raise UsageError(f"--{option.replace('_', '-')} needs a --baseline to compare with")


def _validate_resume(arguments: argparse.Namespace, measured: Sequence[str]) -> None:
    others = {"--out": arguments.out, "--list": arguments.list, "--dry-run": arguments.dry_run}
    given = [*(["MODEL"] if arguments.models else []), *measured, *(name for name, value in others.items() if value)]
    if given:
        raise UsageError(
            f"--resume measures what the benchmark in {arguments.resume} began with; "
            f"remove {', '.join(given)}, or start a new benchmark"
        )


def _list_phones(*, as_json: bool) -> int:
    from .phone.adb_server import phones

    listed = phones()
    if as_json:
        common.print_json({"phones": listed})
    elif listed:
        tables.print_table(
            ["serial", "state", "model", "what to do"], [[p.serial, p.state, p.model, p.advice] for p in listed]
        )
    else:
        common.notice("adb sees no phone; connect one by USB, or adb connect HOST:PORT")
    return common.DONE


def _dry_run(arguments: argparse.Namespace) -> int:
    from .phone.dry_run import dry_run

    folder = Path(tempfile.mkdtemp(prefix="ecbsr-bench-"))
    commands = dry_run(_models(arguments), _options(arguments), folder)
    if arguments.json:
        common.print_json({"commands": commands})
    else:
        for command in commands:
            common.print_line(" ".join(map(_shell_word, command)))
    common.notice(f"nothing was run; the {len(commands)} commands of one round push files from {folder}")
    return common.DONE


def _shell_word(text: str) -> str:
    """The text for a shell; control characters other than line ends become escapes, which bash, zsh and mksh read."""
    if all(character.isprintable() or character == "\n" for character in text):
        return shlex.quote(text)
    plain = set(range(32, 127)) - set(b"'\\")
    return "$'" + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(text)) + "'"


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_COUNT}")
    return int(text)


def _seconds(text: str) -> float:
    value = _number(text, "a number of seconds, 0 or more")
    if value > MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MAX_SECONDS:g} seconds")
    return value


def _ratio(text: str) -> float:
    value = _number(text, "a ratio such as 1.05")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1, but only a row that is slower fails; use 1.05, say")
    return value


def _number(text: str, meaning: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not {meaning}")
    return value


def script() -> NoReturn:
    """The console script."""
    common.run(main)


if __name__ == "__main__":
    script()
