"""The folder of the page: complete, the same each time, and never instead of something else."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from android_bench.web_page.site import write_site
from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from tests.android_bench.web_page.test_litert_js import node_modules
from tests.helpers.paths import ROOT


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return node_modules(tmp_path_factory.mktemp("node_modules"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_default_models_the_same_bytes_each_time(modules: Path, tmp_path: Path) -> None:
    site = write_site(tmp_path / "deep" / "page", litert=modules)
    again = write_site(tmp_path / "again", ["ecbsr-m4c16-x2", zoo.tflite(zoo.DEFAULT, "fp32")], modules)
    assert site.models == again.models == ("ecbsr-m4c16-x2-int8", "ecbsr-m4c16-x2-fp32")
    files = contents(site.folder)
    assert files == contents(again.folder)
    assert {name: len(content) for name, content in files.items()} == site.files


def test_every_file_that_is_named_is_there(modules: Path, tmp_path: Path) -> None:
    files = contents(write_site(tmp_path / "page", litert=modules).folder)
    worker = files["sw.js"].decode()
    kept = json.loads(re.search(r"FILES = (.*);", worker)[1])  # type: ignore[index]
    programs = json.loads(re.search(r"PROGRAMS = (.*?);", worker)[1])  # type: ignore[index]
    assert {*kept, *(name for names in programs.values() for name in names)} == {"./", *files} - {"index.html", "sw.js"}
    for name, content in files.items():
        if name.endswith(".js") and not name.startswith("litert/"):
            text = content.decode()
            for imported in re.findall(r"from '\./([^']+)'", text):
                assert imported in files, (name, imported)
    page = files["index.html"].decode()
    for named in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert named in files or named == "data:,"
    ids = set(re.findall(r'id="([^"]+)"', page))
    scripts = b"".join(content for name, content in files.items() if name.endswith(".js")).decode()
    assert set(re.findall(r"\$\('([^']+)'\)", scripts)) <= ids


def test_the_version_changes_with_any_file(modules: Path, tmp_path: Path) -> None:
    first = write_site(tmp_path / "a", [zoo.tflite("ecbsr-m4c8-x2")], modules)
    second = write_site(tmp_path / "b", [zoo.tflite("ecbsr-m4c8-x2", "fp32")], modules)
    version = [re.search(r"PREFIX \+ (\"\w{16}\")", (site.folder / "sw.js").read_text()) for site in (first, second)]
    assert version[0] and version[1] and version[0][1] != version[1][1]


def test_nothing_is_overwritten_or_left_half(modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="is not empty"):
        write_site(tmp_path / "full", litert=modules)
    with pytest.raises(EcbsrError, match="is a file"):
        write_site(tmp_path / "full" / "letter.txt", litert=modules)
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(EcbsrError, match=r"model\.tflite"):
        write_site(tmp_path / "page", [tmp_path / "model.tflite"], modules)
    full_disk = OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(full_disk))
    with pytest.raises(EcbsrError, match="No space left on device"):
        write_site(tmp_path / "page", litert=modules)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "model.tflite"]
    (tmp_path / "empty").mkdir()
    assert write_site(tmp_path / "empty", [zoo.tflite("ecbsr-m4c8-x2")], modules).files["index.html"]


def test_the_page_keeps_to_its_own_host(modules: Path, tmp_path: Path) -> None:
    files = contents(write_site(tmp_path / "page", [zoo.tflite("ecbsr-m4c8-x2")], modules).folder)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', files["index.html"].decode())[1]  # type: ignore[index]
    sources = {word for rule in policy.split("; ") for word in rule.split()[1:]}
    assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:", "data:"}
    assert policy.startswith("default-src 'none'; ")
    for name, content in files.items():
        if not name.startswith(("litert/", "models/")) and name.endswith((".js", ".html", ".css", ".json")):
            assert not re.findall(r"https?://(?!localhost:)", re.sub("https, or", "", content.decode())), name


def test_the_license_is_beside_the_program() -> None:
    text = (ROOT / "android_bench" / "web_page" / "litert_license.txt").read_text()
    assert text == (ROOT / "LICENSE").read_text()  # both are the Apache License 2.0


def test_the_size_without_the_program_is_small(modules: Path, tmp_path: Path) -> None:
    files = contents(write_site(tmp_path / "page", ["ecbsr-m4c16-x2"], modules).folder)
    ours = sum(len(gzip.compress(content, 9)) for name, content in files.items() if not name.startswith("litert/"))
    assert ours < 350_000
