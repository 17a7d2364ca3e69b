"""Render a page from Jinja2 templates.

Templates (`*.html.j2`, `*.svg.j2`) and styles (`*.css`) lie beside the module that renders them; the base page and its
style lie in `ecbsr_mobile.html`, the shared macros in this package. A page is a view of a JSON document: the macro
`figure` looks a value up in that document, so a page cannot show another number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ecbsr_mobile.utils.templates import environment

from ..lights import SIGNS
from ..resolutions import SIZES, Size, name

if TYPE_CHECKING:
    from jinja2 import Environment

_NAMES = {size: alias for alias, size in SIZES.items()}


@dataclass(frozen=True)
class Column:
    """A table column. `kind` is its CSS class: "text", "number", or "note" for text that wraps."""

    label: str
    kind: str


def render(package: str, template: str, document: Mapping[str, Any] | None = None, **data: Any) -> str:
    """Render a template of a package, with HTML escaping; an undefined variable is an error.

    Args:
        package: import name of the package that contains the template.
        template: file name of the template.
        document: JSON document in which the macro `figure` looks up its values.
        data: the template's other variables.
    """
    return _environment(package).get_template(template).render(document=document, **data)


@cache
def _environment(package: str) -> Environment:
    templates = environment(package, "export.html", "ecbsr_mobile.html")
    templates.globals["columns"] = columns
    templates.globals["signs"] = SIGNS
    for function in (json_text, lookup, paired, paths, pointer, size_name):
        templates.filters[function.__name__] = function
    return templates


def columns(texts: Iterable[str], numbers: Iterable[str] = (), notes: Iterable[str] = ()) -> list[Column]:
    """The columns of a table from their labels: text, then numbers, then text that wraps."""
    kinds = {"text": texts, "number": numbers, "note": notes}
    return [Column(label, kind) for kind, labels in kinds.items() for label in labels]


def paired(columns: Iterable[Column], cells: Iterable[Any]) -> list[tuple[Column, Any]]:
    """Each column with its cell.

    Raises:
        ValueError: there are more of one than of the other.
    """
    return list(zip(columns, cells, strict=True))


def lookup(document: Any, keys: Iterable[str | int]) -> Any:
    """The value in a JSON document at the end of a path of keys and indices."""
    for key in keys:
        document = document[key]
    return document


def pointer(keys: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def json_text(value: Any) -> str:
    """A value as the JSON document prints it; a string without quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def paths(value: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The path of keys to each leaf of nested mappings."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from ((key, *below) for below in paths(item))
        else:
            yield (key,)


def size_name(size: Sequence[int]) -> str:
    """A size with its alias, where it has one: "960x540 (540p)"."""
    pair: Size = (size[0], size[1])
    return f"{name(pair)} ({_NAMES[pair]})" if pair in _NAMES else name(pair)
