"""Parse the log of Qualcomm's compiler, which LiteRT's `apply_plugin_main` passes on.

Standard error contains which operators are supported, standard output why others are not and the estimated memory
traffic. A log may be cut off anywhere: what is incomplete is ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecbsr_mobile.utils.text import printable

_VERSION = re.compile(rb"SDK version: v?([0-9.]+)\n")
_PARTITIONED = re.compile(
    rb"Partitioned subgraph<0>, selected (\d+) ops, from a total of (\d+) ops\. resulted in (\d+) partitions\."
)
_REFUSED = re.compile(
    rb"QNN op validation failed: '([^'\n]+)' \(type|LiteRT Op #(\d+) '[^'\n]*' \(code=\d+\) is not supported"
)
_ERROR = re.compile(rb"^ERROR: \[[^\]\n]*\] *([^\n]+)\n", re.MULTILINE)
_VALIDATION = re.compile(rb"<E> ([^\n]*)\n|QnnBackend_validateOpConfig started")
_VALIDATED = re.compile(rb"Failed to validate op (\S+) with error")
_TRAFFIC = re.compile(
    rb"DDR bandwidth summary[^\n]*\n"
    rb"[^\n]*\bspill_bytes=(\d+)\n[^\n]*\bfill_bytes=\d+\n"
    rb"[^\n]*\bwrite_total_bytes=(\d+)\n[^\n]*\bread_total_bytes=(\d+)\n"
)
# Lines of the validator that do not give a reason.
_NO_INFORMATION = re.compile(
    r"QnnBackend_validateOpConfig failed|(Requested|Supported) I/O datatype|Please refer to"
)  # fmt: skip
_NO_NUMBER = re.compile(r"^\[4294967295\] ")  # prefix for an operator that has no number yet

UNMAPPED = "the compiler does not know this operator"
NO_REASON = "the compiler's validation failed, without a reason"


@dataclass(frozen=True)
class Traffic:
    """Bytes of one compiled partition: written because on-chip memory is full, written in total, read in total."""

    spill: int
    write: int
    read: int


@dataclass(frozen=True)
class CompilerLog:
    """What a log contains; None where it contains nothing.

    Attributes:
        version: of the compiler.
        taken: supported operators, of `total`, in `partitions`.
        total: operators of the model.
        partitions: compiled partitions.
        reasons: index of a refused operator in the model → the reason.
        traffic: estimated memory traffic per partition.
        error: the last error that is not a rejection; "" if there is none.
    """

    version: str | None
    taken: int | None
    total: int | None
    partitions: int | None
    reasons: dict[int, str]
    traffic: tuple[Traffic, ...]
    error: str

    @property
    def has_counts(self) -> bool:
        """Whether the log contains plausible numbers of operators."""
        return self.taken is not None and self.total is not None and 0 <= self.taken <= self.total


def parse(errors: bytes, output: bytes) -> CompilerLog:
    """Parse standard error and standard output of one compilation."""
    errors, output = (text.replace(b"\r\n", b"\n") for text in (errors, output))
    version, counts = _VERSION.search(errors), _PARTITIONED.search(errors)
    taken, total, partitions = map(int, counts.groups()) if counts else (None, None, None)
    messages = [_text(line) for line in _ERROR.findall(errors)]
    # "ERROR: [file:line]" alone is only a location.
    messages = [message for message in messages if message and not message.startswith("ERROR:")]
    return CompilerLog(
        version=_text(version[1]) if version else None,
        taken=taken,
        total=total,
        partitions=partitions,
        reasons=_reasons(errors, _validation_reasons(output)),
        traffic=tuple(Traffic(*map(int, numbers)) for numbers in _TRAFFIC.findall(output)),
        error=messages[-1] if messages else "",
    )


def _reasons(errors: bytes, validation: dict[str, str]) -> dict[int, str]:
    """Index of each refused operator → the validator's reason for the QNN operator that it maps to."""
    reasons: dict[int, str] = {}
    failed: str | None = None
    for match in _REFUSED.finditer(errors):
        if match[1] is not None:
            failed = _text(match[1])
            continue
        reason = UNMAPPED if failed is None else validation.get(failed, NO_REASON)
        reasons.setdefault(int(match[2]), reason)
        failed = None
    return reasons


def _validation_reasons(output: bytes) -> dict[str, str]:
    """Name of a QNN operator → the validator's first reason. The log has the reasons first and then the name."""
    reasons: dict[str, str] = {}
    lines: list[str] = []
    for match in _VALIDATION.finditer(output):
        if match[1] is None:
            lines = []
            continue
        operator = _VALIDATED.match(match[1])
        if operator is None:
            line = _NO_NUMBER.sub("", _text(match[1]))
            lines += [line] if not _NO_INFORMATION.match(line) else []
            continue
        reasons.setdefault(_text(operator[1]), lines[0] if lines else NO_REASON)
        lines = []
    return reasons


def _text(line: bytes) -> str:
    """A line of the log, which may quote names in the model."""
    return printable(line.decode("utf-8", "replace")).strip()
