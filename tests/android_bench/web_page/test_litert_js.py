"""LiteRT.js: only the pinned archives are used, and what is missing is said in one sentence."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from android_bench.web_page import litert_js
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.pages import served


def quiet(line: str) -> None:
    pass


def node_modules(folder: Path, version: str = litert_js.VERSION, leave_out: str = "") -> Path:
    """A `node_modules` with made-up programs."""
    for package in litert_js.PACKAGES:
        place = folder / "@litertjs" / package
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"version": version}))
    for name in litert_js.FILES.values():
        path = folder / "@litertjs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != leave_out:
            path.write_text('import { x } from "@litertjs/wasm-utils";\n//# sourceMappingURL=x.js.map')
    return folder


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    files = litert_js.files(node_modules(tmp_path), quiet)
    assert files["index.js"].decode() == litert_js.CHANGED + 'import { x } from "./wasm-utils.js";\n'
    assert b"Apache License" in files["LICENSE.txt"]
    assert set(files) == {*litert_js.FILES, "LICENSE.txt"}


def test_a_folder_that_is_not_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="has no @litertjs/core"):
        litert_js.files(tmp_path, quiet)
    with pytest.raises(EcbsrError, match=r"is version 2\.6\.0; the page needs 2\.5\.3"):
        litert_js.files(node_modules(tmp_path / "newer", "2.6.0"), quiet)
    with pytest.raises(EcbsrError, match=r"litert_wasm_internal\.wasm: No such file"):
        incomplete = node_modules(tmp_path / "incomplete", leave_out="core/wasm/litert_wasm_internal.wasm")
        litert_js.files(incomplete, quiet)
    (tmp_path / "newer" / "@litertjs" / "core" / "package.json").write_text("[]")
    with pytest.raises(EcbsrError, match="has no @litertjs/core"):
        litert_js.files(tmp_path / "newer", quiet)


def archive(package: str, folder: Path) -> bytes:
    """An npm archive of a package in a `node_modules`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        packed.add(folder / "@litertjs" / package, "package")
    return content.getvalue()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(litert_js, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_archives_are_fetched_once_and_only_with_their_integrity(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = node_modules(tmp_path / "node_modules")
    archives = {name: archive(name, modules) for name in litert_js.PACKAGES}
    hashes = {
        name: "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        for name, content in archives.items()
    }
    served_files = {f"@litertjs/{name}/-/{name}-2.5.3.tgz": content for name, content in archives.items()}
    lines: list[str] = []
    with served(tmp_path, served_files) as (address, asked):
        monkeypatch.setattr(litert_js, "REGISTRY", address.rstrip("/"))
        with pytest.raises(EcbsrError, match="does not have the pinned integrity"):
            litert_js.files(None, quiet)
        assert not list(empty_cache.iterdir())
        monkeypatch.setattr(litert_js, "PACKAGES", hashes)
        files = litert_js.files(None, lines.append)
        assert len(lines) == 2 and lines[0].startswith(f"downloading {address}@litertjs/core/-/")
        assert files == litert_js.files(modules, quiet)
        (damaged := empty_cache / "core-2.5.3.tgz").write_bytes(b"half of it")
        count = len(asked)
        assert litert_js.files(None, lines.append) == files
        assert asked[count:] == ["@litertjs/core/-/core-2.5.3.tgz"]
        assert damaged.read_bytes() == archives["core"]
    assert litert_js.files(None, quiet) == files  # without the server


def test_without_a_network_the_message_says_what_to_do(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_js, "REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(EcbsrError, match=r"cannot download .*npm install @litertjs/core@2\.5\.3.*--litert-js"):
        litert_js.files(None, quiet)
    shutil.rmtree(empty_cache, ignore_errors=True)
