"""Results as JSON and CSV, and back."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ecbsr_mobile.errors import EcbsrError

from ..config import Case
from .baseline import Comparison
from .types import STATUSES, Check, Core, DeviceInfo, OperatorTime, Results, Row, Run, State, Tool

COLUMNS = (
    *("model", "precision", "device", "delegate", "threads", "size", "status"),
    *("median_ms", "ci95_low_ms", "ci95_high_ms", "p95_ms", "fps", "runs"),
    *("nodes_delegated", "nodes_total", "partitions", "init_ms", "peak_memory_mb", "note"),
)


def as_csv(results: Results) -> str:
    """One line per row, with a header; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for one in results.results:
        low, high = one.ci95_ms or (None, None)
        size = f"{one.size[0]}x{one.size[1]}"
        writer.writerow({**vars(one), "size": size, "ci95_low_ms": low, "ci95_high_ms": high})
    return text.getvalue()


def document(results: Results, compared: Sequence[Comparison] = ()) -> dict[str, Any]:
    """What `results.json` holds: the results and, under "baseline", how they compare with earlier ones."""
    plain = results.as_json()
    return {**plain, "baseline": [one.as_json() for one in compared]} if compared else plain


T = TypeVar("T")


def from_json(document: Any, source: str) -> Results:
    """The `Results` that `Results.as_json` gave; keys that are not known are ignored.

    Raises:
        EcbsrError: the document, which came from `source`, is none of ours.
    """
    try:
        return Results(
            results=tuple(_row_from(one) for one in document["results"]),
            devices={name: device_from({"name": name, **one}) for name, one in document["devices"].items()},
            models=dict(document.get("models", {})),
            states={name: tuple(state_from(one) for one in many) for name, many in document.get("states", {}).items()},
            settings=dict(document.get("settings", {})),
            started=str(document.get("started", "")),
            failures=dict(document.get("failures", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise EcbsrError(f"{source} is no results.json of ecbsr-bench; give the file from an --out folder") from None


def load(path: str | os.PathLike[str]) -> Results:
    """The results in a `results.json`, or in the export of the Android app.

    Raises:
        EcbsrError: there is no such file, or it is something else.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise EcbsrError(f"cannot read {path}: {error.strerror}; give the results.json of a bench") from None
    except ValueError:
        raise EcbsrError(f"{path} is no JSON; give the results.json of a bench") from None
    return from_json(document, str(path))


def merged(first: Results, second: Results, suffix: str) -> Results:
    """Both results as one; devices of `second` whose names are taken get `suffix`."""
    names = {name: f"{name} ({suffix})" if name in first.devices else name for name in second.devices}
    rows = tuple(replace(row, device=names.get(row.device, row.device)) for row in second.results)
    devices = {names[name]: replace(device, name=names[name]) for name, device in second.devices.items()}
    states = {names.get(name, name): moments for name, moments in second.states.items()}
    return replace(
        first,
        results=first.results + rows,
        devices={**first.devices, **devices},
        models={**second.models, **first.models},
        states={**first.states, **states},
        settings=first.settings or second.settings,
        started=first.started or second.started,
        failures={**first.failures, **{names.get(name, name): text for name, text in second.failures.items()}},
    )


def run_from(document: Mapping[str, Any]) -> Run:
    """A `Run` from its line in `runs.jsonl`."""
    case = case_from(document["case"])
    states = {key: state_from(document[key]) if document.get(key) else None for key in ("before", "after")}
    return _built(Run, {**document, "case": case, **states})


def case_from(document: Mapping[str, Any]) -> Case:
    """A `Case` from its JSON form."""
    return _built(Case, {**document, "size": _size(document["size"])})


def state_from(document: Mapping[str, Any]) -> State:
    """A `State` from its JSON form."""
    lists = {key: tuple(document.get(key) or ()) for key in ("governors", "max_mhz")}
    return _built(State, {**document, **lists})


def check_from(document: Mapping[str, Any]) -> Check:
    """A `Check` from its JSON form."""
    return _built(Check, document)


def profile_from(document: Iterable[Mapping[str, Any]]) -> tuple[OperatorTime, ...]:
    """A profile from its JSON form."""
    return tuple(_built(OperatorTime, one) for one in document)


def _row_from(document: Mapping[str, Any]) -> Row:
    optional = dict.fromkeys(("p95_ms", "fps", "nodes_delegated", "nodes_total"))
    limits = document.get("ci95_ms")
    values = {
        **optional,
        **document,
        "size": _size(document["size"]),
        "ci95_ms": (float(limits[0]), float(limits[1])) if limits else None,
        "note": str(document.get("note") or ""),
        "run_ms": tuple(document.get("run_ms") or ()),
        "check": check_from(document["check"]) if document.get("check") else None,
        "profile": profile_from(document.get("profile") or ()),
    }
    times = [values["median_ms"], *(values["ci95_ms"] or ())]
    if values["status"] not in STATUSES or any(time is not None and not time > 0 for time in times):
        raise ValueError(values["status"])
    return _built(Row, values)


def device_from(document: Mapping[str, Any]) -> DeviceInfo:
    """A `DeviceInfo` from its JSON form."""
    cores = tuple(_built(Core, core) for core in document.get("cores") or ())
    tool = _built(Tool, document["tool"]) if document.get("tool") else None
    lists = {key: tuple(document.get(key) or ()) for key in ("abis", "notes")}
    return _built(DeviceInfo, {"kind": "phone", **document, "cores": cores, "tool": tool, **lists})


def _size(value: Sequence[int]) -> tuple[int, int]:
    width, height = value
    return int(width), int(height)


def _built(kind: type[T], document: Mapping[str, Any]) -> T:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**{key: value for key, value in document.items() if key in known})
