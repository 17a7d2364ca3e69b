"""Hypothesis strategies that damage JSON documents: their values, their keys and their bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

LITERALS = ("NaN", "-Infinity", "1e999", "1" + "0" * 400, "1" + "0" * 5000, '"\\ud800"', "[" * 5000, "1e-320", "-0.0")
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 10**18, 2**63, 2**64, -(10**30), 0.5, 1e-300, 1e308, -1e308, 1e9),
    *("", "ok", "lost", "=1+1", "\x1b[2J\x9b", "a\n\0b", "\u202e", "x" * 5000, "1", [], [1], [1, 2, 3], ["a", "b"], {}),
    *([[1e308, 1e308]], [1e-9, 1e9], {"a": None}, [{}], [None] * 40),
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where each value in a document is."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, item in items for inner in paths(item, (*path, key)))]


def value_at(document: Any, path: Sequence[Any]) -> Any:
    """The value at one of the `paths` of a document."""
    for step in path:
        document = document[step]
    return document


@st.composite
def damaged_values(draw: st.DrawFn, document: Any, changes: int = 3) -> Any:
    """The document with up to `changes` values replaced, removed, repeated or exchanged, or keys added."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, changes))):
        places = [path for path in paths(document) if path]
        if not places:
            break
        *parents, key = draw(st.sampled_from(places))
        parent = value_at(document, parents)
        action = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add", "exchange")))
        if action == "replace":
            parent[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif action == "remove":
            del parent[key]
        elif action == "exchange":
            parent[key] = copy.deepcopy(value_at(document, draw(st.sampled_from(places))))
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(("", "unknown", "\x1b[2J", "name")))] = parent[key]
        else:
            parent.append(copy.deepcopy(parent[key]))
    return document


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a part removed, repeated or replaced, or cut off."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 30)))
        part = draw(
            st.sampled_from((b"", content[start:end] * 2, *(text.encode() for text in LITERALS), b"\xff", b"\0", b"\n"))
        )
        content = content[:start] + part + content[end:]
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content


def damaged_documents(document: Any) -> st.SearchStrategy[bytes]:
    """JSON text of a damaged document."""
    valid = json.dumps(document)
    return damaged_values(document).map(lambda value: json.dumps(value).encode()) | damaged_bytes(valid.encode())
