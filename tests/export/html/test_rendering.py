"""Rendering of templates: escaping, figures of the document, and errors for undefined variables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from export.html import rendering
from tests.helpers.commands import environment
from tests.helpers.pages import EVIL, figures


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package for templates, with a name of its own."""
    (tmp_path / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path.parent))
    return tmp_path


def render(package: Path, text: str, document: object = None, **data: object) -> str:
    name = f"{len(list(package.iterdir()))}.html.j2"
    (package / name).write_text("{% from 'macros.html.j2' import figure, table_row with context %}" + text)
    return rendering.render(package.name, name, document, **data)


def test_text_is_escaped(package: Path) -> None:
    page = render(package, "<p title='{{ name }}'>{{ name }}</p>", name=EVIL)
    assert "<script" not in page
    assert page.count("'") == 2


def test_figures_come_from_the_document_with_their_pointers(package: Path) -> None:
    document = {"a/b": [1.0, {"m~n": EVIL}], "null": None}
    page = render(package, "{{ figure(['a/b'], 0) }} {{ figure(['a/b', 1], 'm~n') }} {{ figure(['null']) }}", document)
    assert figures(page) == [["/a~1b/0", "1.0"], ["/a~1b/1/m~0n", EVIL]]


def test_mistakes_of_a_template_are_errors(package: Path) -> None:
    with pytest.raises(UndefinedError):
        render(package, "{{ missing }}")
    with pytest.raises(KeyError):
        render(package, "{{ figure(['missing']) }}", {})
    for cells in (["only one cell"], ["one", "cell", "too many"]):
        with pytest.raises(ValueError, match="zip"):
            render(package, "{{ table_row(columns(['a', 'b']), cells) }}", cells=cells)


# The examples of RFC 6901, section 5.
@pytest.mark.parametrize(
    ("keys", "pointer"),
    [([], ""), (["foo"], "/foo"), (["foo", 0], "/foo/0"), ([""], "/"), (["a/b"], "/a~1b"), (["m~n"], "/m~0n"),
     (["c%d"], "/c%d"), ([" "], "/ ")],
)  # fmt: skip
def test_json_pointers(keys: list[str | int], pointer: str) -> None:
    assert rendering.pointer(keys) == pointer


def test_paths_lead_to_the_leaves() -> None:
    assert list(rendering.paths({"a": 1, "b": {"c": [2], "d": {"e": 3}}, "f": {}})) == [
        ("a",), ("b", "c"), ("b", "d", "e"),
    ]  # fmt: skip


def test_sizes_have_their_alias() -> None:
    assert rendering.size_name([960, 540]) == "960x540 (540p)"
    assert rendering.size_name((33, 17)) == "33x17"


def test_the_import_is_light() -> None:
    code = "import sys, export.html.rendering; print({'jinja2', 'torch', 'tensorflow'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert result.stdout == "set()\n"
