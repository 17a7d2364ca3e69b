"""Small pieces of HTML that the audit's page and the bench's report are made of; `page.css` is how they look."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from .resolutions import SIZES

_NAMES = {size: name for name, size in SIZES.items()}


def figure(value: Any, *place: str | int) -> str:
    """A value exactly as `results.json` has it, with its place there as a JSON pointer; nothing for None."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
    return f"<data data-at='{escape(pointer)}' value='{escape(text)}'>{escape(text)}</data>"


def size_name(size: tuple[int, int]) -> str:
    """The size for a reader, with its name where it has one: "960x540 (540p)"."""
    text = f"{size[0]}x{size[1]}"
    return f"{text} ({_NAMES[size]})" if size in _NAMES else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int, notes: int = 0) -> str:
    """A table of ready cells whose first `texts` and last `notes` columns are text; headers are plain text.

    On a narrow screen each line becomes a block of labelled values.
    """
    last = len(header) - notes

    def kind(column: int) -> str:
        return "text" if column < texts else "text wrap" if column >= last else ""

    head = "".join(f"<th class='{kind(column)}'>{escape(name)}</th>" for column, name in enumerate(header))
    body = ""
    for cells in rows:
        line = ""
        for column, (name, cell) in enumerate(zip(header, cells, strict=True)):
            classes = " ".join(filter(None, [kind(column), "first" if column == 0 else "", "" if cell else "empty"]))
            line += f"<td class='{classes}' data-label='{escape(name)}'><span>{cell}</span></td>"
        body += f"<tr>{line}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def flat(value: Mapping[str, Any], *above: str) -> Iterable[tuple[tuple[str, ...], Any]]:
    """The leaves of nested mappings, each with the keys that lead to it."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from flat(item, *above, key)
        else:
            yield (*above, key), item
