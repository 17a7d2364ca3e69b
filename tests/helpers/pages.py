"""Pages in a real browser, and their figures against the JSON document."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EVIL = "<script>alert(\"1\")</script> & 'co' / ~.x"
LONG = "ecbsr-m4c16-x2-int8-from-a-very-long-name-without-any-place-to-break-it-0123456789"


class Balance(HTMLParser):
    """All tags of a page with their attributes, and those that are still open."""

    VOID = ("meta", "link", "br", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """All tags of a page, or a part of one, in which each tag is closed."""
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser.tags


def figures(page: str) -> list[list[str]]:
    """JSON pointer and text of each figure of a page."""
    parser = _Figures()
    parser.feed(page)
    parser.close()
    return parser.figures


class _Figures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.figures: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "data"
        if self.inside:
            self.figures.append([dict(attrs)["data-at"] or "", ""])

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.figures[-1][1] += data


def opened(browser: Any, path: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """A page with all its details open and nothing on its console, and the addresses that it requested."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    noise: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("dialog", lambda dialog: noise.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert noise == []
    return page, requests


def assert_nothing_is_cut_off(page: Any) -> None:
    """On paper, tables and graphs are whole; on a screen, the keyboard reaches each that scrolls, by its own name."""
    regions = page.evaluate("[...document.querySelectorAll('.scroll')].map(e => [e.tabIndex, e.ariaLabel, e.role])")
    assert regions and all((tab, role) == (0, "region") for tab, _, role in regions)
    assert len({label for _, label, _ in regions}) == len(regions)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")


def at(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901)."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def assert_figures_are_those_of_the_file(shown: list[list[str]], document: Any) -> None:
    """Each is the value itself, or the value rounded to as many decimals as are shown."""
    for pointer, text in shown:
        value = at(document, pointer)
        exact = value if isinstance(value, str) else json.dumps(value)
        rounded = isinstance(value, int | float) and "." in text and f"{value:.{len(text.partition('.')[2])}f}"
        assert text in (exact, rounded), pointer


@contextmanager
def served(folder: Path, changed: Mapping[str, bytes] | None = None) -> Iterator[tuple[str, list[str]]]:
    """The address of a static web server for a folder, and the paths that it was asked for.

    `changed` are files whose bytes differ from those in the folder, by path.
    """
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].lstrip("/")
            asked.append(path)
            content = (changed or {}).get(path)
            if content is None:
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
