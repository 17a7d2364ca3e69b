"""What `make` installs: PyTorch without CUDA where that is possible, everything else by its hash."""

from __future__ import annotations

import http.server
import importlib.util
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.paths import ROOT


@pytest.fixture
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_torch", ROOT / "tools" / "install_torch.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def index() -> Iterator[str]:
    """The address of a server that answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/torch/"
    server.shutdown()
    server.server_close()


def test_a_torch_that_is_there_is_kept_with_any_build(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from packaging.requirements import Requirement

    version = tool._locked_version()
    assert Requirement(f"torch=={version}").specifier.contains(f"{version}+cpu")
    for build in (version, f"{version}+cpu", f"{version}+cu130"):
        monkeypatch.setattr(tool, "_installed_version", lambda build=build: build)
        assert tool.main() == 0
    assert capsys.readouterr().err == ""


def test_an_index_that_cannot_be_reached_is_said_in_one_line(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], index: str
) -> None:
    monkeypatch.setattr(tool, "INDEX", index)
    assert tool._unreachable() == ""
    monkeypatch.setattr(tool, "INDEX", "http://127.0.0.1:9/torch/")  # nothing listens on the port of "discard"
    monkeypatch.setattr(tool, "_installed_version", lambda: "")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(tool, "_install", lambda _version: pytest.fail("nothing is to be installed"))
    assert tool.main() == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "refused" in line and "PyPI's build brings CUDA" in line


def test_every_package_of_the_lock_has_a_hash_and_none_is_cudas() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", lock) if entry.strip()]
    assert len(entries) > 80
    for entry in entries:
        assert "--hash=sha256:" in entry, entry
        assert not re.match(r"nvidia-|cuda-|triton", entry)


def test_make_installs_torch_before_the_lock() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert 0 < recipe.index("tools/install_torch.py\n\t@") < recipe.index("-r requirements.lock")
    assert Path(ROOT, "tools", "install_torch.py").is_file()
