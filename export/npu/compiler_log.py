"""The words of Qualcomm's compiler, as LiteRT's `apply_plugin_main` passes them on.

It says on standard error which operators it takes, and on standard output why not and what moves through
memory. Texts may end anywhere: what is not complete is not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(rb"SDK version: v?([0-9.]+)\n")
_PARTITIONED = re.compile(
    rb"Partitioned subgraph<0>, selected (\d+) ops, from a total of (\d+) ops\. resulted in (\d+) partitions\."
)
_REFUSED = re.compile(
    rb"QNN op validation failed: '([^'\n]+)' \(type|LiteRT Op #(\d+) '[^'\n]*' \(code=\d+\) is not supported"
)
_ERROR = re.compile(rb"^ERROR: \[[^\]\n]*\] *([^\n]+)\n", re.MULTILINE)
_COMPLAINT = re.compile(rb"<E> ([^\n]*)\n|QnnBackend_validateOpConfig started")
_VALIDATED = re.compile(rb"Failed to validate op (\S+) with error")
_TRAFFIC = re.compile(
    rb"DDR bandwidth summary[^\n]*\n"
    rb"[^\n]*\bspill_bytes=(\d+)\n[^\n]*\bfill_bytes=\d+\n"
    rb"[^\n]*\bwrite_total_bytes=(\d+)\n[^\n]*\bread_total_bytes=(\d+)\n"
)
# The validator's own bookkeeping, which gives no reason.
_IDLE = re.compile(r"QnnBackend_validateOpConfig failed|(Requested|Supported) I/O datatype|Please refer to")
_NO_IDENTITY = re.compile(r"^\[4294967295\] ")  # the operator has no number yet

UNMAPPED = "the compiler knows no such operator"
NO_REASON = "the compiler's check of it failed, without a reason"


@dataclass(frozen=True)
class Traffic:
    """Bytes of one compiled piece: written only for want of on-chip memory, written in all, read in all."""

    spill: int
    write: int
    read: int


@dataclass(frozen=True)
class CompilerLog:
    """All that was said and understood; None where it was not said.

    `reasons` maps a refused operator's place in the model to the reason. `error` is the last error that is no
    refusal, "" if there was none.
    """

    version: str | None
    taken: int | None
    total: int | None
    partitions: int | None
    reasons: dict[int, str]
    traffic: tuple[Traffic, ...]
    error: str


def parse(errors: bytes, output: bytes) -> CompilerLog:
    """What standard error and standard output of one compilation say."""
    errors, output = (text.replace(b"\r\n", b"\n") for text in (errors, output))
    version, counts = _VERSION.search(errors), _PARTITIONED.search(errors)
    taken, total, partitions = map(int, counts.groups()) if counts else (None, None, None)
    said = [_text(line) for line in _ERROR.findall(errors)]
    meant = [line for line in said if line and not line.startswith("ERROR:")]  # that is a place, without a word
    return CompilerLog(
        version=_text(version[1]) if version else None,
        taken=taken,
        total=total,
        partitions=partitions,
        reasons=_reasons(errors, _complaints(output)),
        traffic=tuple(Traffic(*map(int, numbers)) for numbers in _TRAFFIC.findall(output)),
        error=meant[-1] if meant else "",
    )


def _reasons(errors: bytes, complaints: dict[str, str]) -> dict[int, str]:
    """Each refused operator's reason: the validator's complaint about what it was compiled to."""
    found: dict[int, str] = {}
    failed: str | None = None
    for match in _REFUSED.finditer(errors):
        if match[1] is not None:
            failed = _text(match[1])
            continue
        reason = UNMAPPED if failed is None else complaints.get(failed, NO_REASON)
        found.setdefault(int(match[2]), reason)
        failed = None
    return found


def _complaints(output: bytes) -> dict[str, str]:
    """The validator's first reason by the operator's name; it complains first, and then says about what."""
    found: dict[str, str] = {}
    lines: list[str] = []
    for match in _COMPLAINT.finditer(output):
        if match[1] is None:
            lines = []
            continue
        about = _VALIDATED.match(match[1])
        if about is None:
            line = _NO_IDENTITY.sub("", _text(match[1]))
            lines += [line] if not _IDLE.match(line) else []
            continue
        found.setdefault(_text(about[1]), lines[0] if lines else NO_REASON)
        lines = []
    return found


def _text(words: bytes) -> str:
    """Words of a program that may quote names out of the model: nothing in them may steer a terminal."""
    text = words.decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text).strip()
