"""``ecbsr-audit``: what each delegate takes of a `.tflite` file, ours or anyone's."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from ecbsr_mobile import command
from ecbsr_mobile.errors import EcbsrError

if TYPE_CHECKING:
    from .audit import Audit, DelegateAudit

_DESCRIPTION = """\
Tell which nodes of a .tflite file each delegate takes, in how many partitions, and why not the others; which
invariants of integer models it breaks; and how it was made, where it says so. All but the line "measured here"
comes from a table with its sources in export/delegates.py: no phone was asked."""
_VERDICTS = {"refused": "stays on the CPU", "fatal": "accepted, then fails", "unknown": "not verified"}


def main(argv: list[str] | None = None) -> int:
    """The command; exit code 1 when a file could not be read."""
    options = _parser().parse_args(argv)
    from .audit import audit

    audits: dict[str, Audit] = {}
    errors: dict[str, str] = {}
    for path in options.files:
        try:
            audits[path] = audit(path)
        except EcbsrError as error:
            errors[path] = str(error)
            command.notice(f"ecbsr-audit: {error}")
    if options.json:
        _print_json(audits, errors)
    else:
        for path, found in audits.items():
            _print_text(path, found)
    return command.FAILED if errors else command.DONE


def script() -> None:
    """The command's entry point."""
    command.run(main)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("ecbsr-audit", _DESCRIPTION)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a .tflite file")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _print_json(audits: dict[str, Audit], errors: dict[str, str]) -> None:
    document: dict[str, Any] = {"files": [{"path": path, **found.to_json()} for path, found in audits.items()]}
    if errors:
        document["errors"] = [{"path": path, "error": error} for path, error in errors.items()]
    command.print_json(document)


def _print_text(path: str, found: Audit) -> None:
    from .graph import printable

    counts = ", ".join(f"{count} {printable(operator)}" for operator, count in found.operators.items())
    print(f"{path}: {os.path.getsize(path)} bytes; {counts or 'no operators'}\n")
    if found.subgraphs > 1:
        print(f"The first of its {found.subgraphs} subgraphs:")
    header = ["delegate", "takes", "partitions", "accepts", "not verified"]
    rows = [_row(delegate) for delegate in found.delegates]
    measured = found.measured
    if measured is not None:
        taken = f"{len(measured.nodes)}/{measured.total}" if measured.loads else "fails"
        rows.insert(1, ["XNNPACK (CPU), measured here", taken, str(measured.partitions), "", ""])
    command.print_table(header, rows)
    print()
    if measured is not None:
        where = f"{measured.runtime} on {measured.machine}"
        print(f"Measured here: {where}" + ("" if measured.loads else f" does not load the model: {measured.error}"))
    for delegate in found.delegates:
        _print_reasons(delegate)
    print(f"\nInteger invariants: {len(found.invariants) or 'none'} broken")
    for finding in found.invariants:
        print(f"  node {finding.node} {printable(finding.operator)}: {finding.reason} [{finding.source}]")
    if found.recipe is None:
        print("\nRecipe: none; the file does not say how it was made\n")
    else:
        print(f"\nRecipe:\n{json.dumps(found.recipe, indent=2, ensure_ascii=False)}\n")


def _row(delegate: DelegateAudit) -> list[str]:
    taken = f"{delegate.taken}/{delegate.total}" if delegate.loads else "fails"
    return [delegate.title, taken, str(delegate.partitions), str(delegate.accepted), str(delegate.unknown)]


def _print_reasons(delegate: DelegateAudit) -> None:
    """The reasons, each once, with the nodes that share it."""
    from .graph import printable

    nodes: dict[tuple[str, str, str, str], list[int]] = {}
    for refusal in delegate.refused:
        nodes.setdefault((refusal.verdict, printable(refusal.operator), refusal.reason, refusal.source), []).append(
            refusal.node
        )
    if nodes or delegate.notes:
        print(f"\n{delegate.title}" + "".join(f"\n  {note}" for note in delegate.notes))
    for (verdict, operator, reason, source), numbers in nodes.items():
        which = ", ".join(map(str, numbers))
        print(f"  {_VERDICTS[verdict]}: {operator} ({_node(numbers)} {which}) {reason} [{source}]")


def _node(numbers: list[int]) -> str:
    return "node" if len(numbers) == 1 else "nodes"
