"""Results as JSON and CSV, and back."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.tflite import recipe
from ecbsr_mobile.utils.text import printable

from .answers import answers
from .baseline import Comparison
from .explanations import explain
from .types import SCHEMA, Results

COLUMNS = (
    *("model", "precision", "device", "delegate", "threads", "size", "status"),
    *("median_ms", "ci95_low_ms", "ci95_high_ms", "p95_ms", "fps", "runs"),
    *("nodes_delegated", "nodes_total", "partitions", "init_ms", "peak_memory_mb", "note"),
    *("energy_mj", "energy_ci95_low_mj", "energy_ci95_high_mj", "energy_note"),
)

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")

MAX_BYTES = 64 * 2**20  # a row has about 1 KB
MAX_DEPTH = recipe.MAX_DEPTH + 8  # the recipe of a model is the deepest part
ADVICE = "give the results.json of a benchmark"


class _ModelInfo(TypedDict, total=False):
    """The entries of a model that the report reads."""

    precision: str
    sha256: str
    operators: dict[str, int]
    recipe: dict[str, Any] | None


def to_csv(results: Results) -> str:
    """The rows as CSV with a header; a value of None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in results.results:
        low, high = row.ci95_ms or (None, None)
        cells = {**vars(row), "size": row.size_text, "ci95_low_ms": low, "ci95_high_ms": high}
        if row.energy:
            low, high = row.energy.ci95_mj or (None, None)
            cells |= {"energy_mj": row.energy.mj, "energy_ci95_low_mj": low, "energy_ci95_high_mj": high}
            cells["energy_note"] = row.energy.note
        writer.writerow({name: _cell(value) for name, value in cells.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    """The value; a text has no control characters, and an apostrophe where a spreadsheet would read a formula."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text


def document(results: Results, comparisons: Sequence[Comparison] = ()) -> dict[str, Any]:
    """The content of `results.json`: the results, and the comparisons with an earlier session as "baseline"."""
    plain = {
        **results.as_json(),
        "explanations": list(explain(results)),
        "answers": msgspec.to_builtins(answers(results)),
    }
    return {**plain, "baseline": msgspec.to_builtins(comparisons)} if comparisons else plain


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read a `results.json`, or the export of the Android app or of the page for browsers.

    Raises:
        EcbsrError: the file is missing, larger than `MAX_BYTES`, or not such a document.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EcbsrError(f"cannot read {path}: {error.strerror}; {ADVICE}") from None
    if len(content) > MAX_BYTES:
        raise EcbsrError(f"{path} has more than {MAX_BYTES} bytes; {ADVICE}")
    return parse_results(content, str(path))


def parse_results(content: bytes, source: str) -> Results:
    """The results in a JSON document; unknown keys are ignored.

    Raises:
        EcbsrError: it is not the document of a benchmark; the message names its `source`.
    """
    try:
        document = msgspec.json.decode(content)
        check_schema(document)
        if _deeper_than(document, MAX_DEPTH):
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        results = msgspec.convert(document, Results)
        msgspec.convert(results.models, dict[str, _ModelInfo])
    except (ValueError, RecursionError) as error:
        reason = printable(str(error), 200)
        raise EcbsrError(f"{source} is not a results.json of ecbsr-bench ({reason}); {ADVICE}") from None
    devices = {name: replace(device, name=device.name or name) for name, device in results.devices.items()}
    return replace(results, devices=devices, method=Results.method)


def check_schema(document: Any) -> None:
    """Check that a document has this version, or none.

    Raises:
        ValueError: the document is not a JSON object, or has another version.
    """
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    schema = document.get("schema", SCHEMA)
    if schema is True or schema != SCHEMA:
        raise ValueError(f'its "schema" is {str(schema)[:20]}; this program reads {SCHEMA}')


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        children: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                children += item.values()
            elif isinstance(item, list):
                children += item
        level = children
    return bool(level)


def merge(first: Results, second: Results, suffix: str) -> Results:
    """Both results as one, for those of a file that is imported.

    A device of `second` whose name `first` also has, and a model of the same name but of another file, get `suffix`,
    with a number where that is taken, too.
    """
    devices = _new_names(_device_names(second), _device_names(first), suffix)
    clashing = [name for name, info in second.models.items() if _is_another_file(info, first.models.get(name, {}))]
    taken = {*first.models, *second.models, *(row.model for row in first.results + second.results)}
    models = {name: name for name in second.models} | _new_names(clashing, taken, suffix)
    rows = tuple(
        replace(row, device=devices[row.device], model=models.get(row.model, row.model)) for row in second.results
    )
    imported = {
        devices[name]: replace(device, name=devices[name], imported=True) for name, device in second.devices.items()
    }
    return replace(
        first,
        results=first.results + rows,
        devices={**first.devices, **imported},
        models={**{models[name]: info for name, info in second.models.items()}, **first.models},
        states={**first.states, **{devices[name]: states for name, states in second.states.items()}},
        settings=first.settings or second.settings,
        started=first.started or second.started,
        failures={**first.failures, **{devices[name]: text for name, text in second.failures.items()}},
    )


def _device_names(results: Results) -> list[str]:
    names = [*results.devices, *(row.device for row in results.results), *results.states, *results.failures]
    return list(dict.fromkeys(names))


def _is_another_file(info: dict[str, Any], other: dict[str, Any]) -> bool:
    hashes = info.get("sha256"), other.get("sha256")
    return all(hashes) and hashes[0] != hashes[1]


def _new_names(names: Sequence[str], taken: Collection[str], suffix: str) -> dict[str, str]:
    """The names, with those that are taken made unique by the suffix: "host (a)", "host (a 2)"."""
    used = {*taken, *names}
    new: dict[str, str] = {}
    for name in names:
        candidates = (f"{name} ({suffix}{f' {number}' if number > 1 else ''})" for number in itertools.count(1))
        new[name] = next(other for other in candidates if other not in used) if name in taken else name
        used.add(new[name])
    return new
