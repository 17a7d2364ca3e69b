"""README and docs: their commands run and print what is shown, their links and messages exist, and the site builds."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ecbsr_mobile import images, upscale, zoo
from ecbsr_mobile.training.settings import Report
from tests.helpers.commands import DEFECT, argv, call_here, entry_points, environment, module
from tests.helpers.paths import ROOT

README, DOCS, EXAMPLES = ROOT / "README.md", ROOT / "docs", ROOT / "examples"
DOCUMENTS = [README, *sorted(DOCS.glob("*.md"))]
OTHER_PROGRAMS = {"make", "pip", "python", "python3", "source", "eval", "mkdocs"}


def consoles(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each command of the document's console blocks, and the lines that it prints; "…" stands for any lines."""
    for block in re.findall(r"^```console\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *shown = part.rstrip("\n").split("\n")
            yield command, shown


def commands(path: Path) -> Iterator[str]:
    """Each line of an indented block that is a command of ours, and those of console blocks."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(r"^    (ecbsr(?:-(?:export|audit|bench|upscale|eval|train))? .*?)(?:\s{2,}#.*)?$", text, re.M)
    yield from (command for command, _ in consoles(path) if command.startswith("ecbsr"))


def form(line: str) -> str:
    """A line without what differs from machine to machine: numbers, and the widths of columns."""
    return re.sub(r"\s+", " ", re.sub(r"[-–+]?\d[\d.,]*", "#", re.sub(r"-{3,}", "-", line))).strip()


def assert_same_form(printed: str, shown: list[str]) -> None:
    pattern = "\n".join(re.escape(form(line)).replace("…", ".*") for line in shown if line.strip())
    text = "\n".join(form(line) for line in printed.splitlines() if line.strip())
    assert re.fullmatch(pattern, text, re.S), f"shown:\n{chr(10).join(shown)}\n\nprinted:\n{printed}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader of README has: weights, a model, a photo, a folder of pictures; and `ecbsr` on the PATH."""
    made = tmp_path_factory.mktemp("reader")
    shutil.copy(zoo.weights(zoo.DEFAULT), made / "weights.safetensors")
    shutil.copy(zoo.tflite(zoo.DEFAULT), made / "model.tflite")
    pictures = {path.stem: path for path in zoo.pictures()}
    shutil.copy(pictures["chelsea"], made / "photo.png")
    for name in ("photos", "val"):
        (made / name).mkdir()
        shutil.copy(pictures["camera"], made / name)
    shutil.copy(pictures["text"], made / "photos")
    (made / "bin").mkdir()
    program = made / "bin" / "ecbsr"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(argv("ecbsr"))} "$@"\n')
    program.chmod(0o755)
    return made


def run_as_reader(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = environment() | {"PATH": path, "COLUMNS": "80"}
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if any(consoles(path))], ids=lambda path: path.name)
def test_commands_print_what_is_shown(path: Path, folder: Path) -> None:
    for command, shown in consoles(path):
        done = run_as_reader(command, folder)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        assert not DEFECT.search(done.stdout), done.stdout
        assert_same_form(done.stdout, shown)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_options_of_each_command_exist(path: Path) -> None:
    for command in commands(path):
        first, *words = shlex.split(command)
        if first == "ecbsr":
            if words[0].startswith("-") or words[0] == "COMMAND":
                continue
            first, *words = f"ecbsr {words[0]}", *words[1:]
        assert first.startswith("ecbsr ") or first in entry_points(), command
        code = f"import sys; sys.argv[0] = {first!r}; from {module(first)} import main; main(['--help'])"
        usage = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment()).stdout
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", usage), f"{path.name}: {command}: {option}"


def test_json_documents_have_the_keys_of_the_docs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").partition("## JSON documents")[2]
    rows = dict(re.findall(r"^\| `(ecbsr .+?) \| (.+) \|$", text, re.MULTILINE))
    keys = {command.rstrip("`"): set(re.findall(r"`(\w+)`", row)) for command, row in rows.items()}
    model = str(zoo.tflite("ecbsr-m4c8-x2"))
    shutil.copy(zoo.pictures()[0], tmp_path)
    bench = ("--size", "8x8", "--rounds", "1", "--runs", "1")
    for command, arguments in {
        "ecbsr audit": (model, "--require", "cpu"),
        "ecbsr bench": (model, *bench),
        "ecbsr bench --dry-run": (model, *bench, "--device", "serial", "--dry-run"),
        "ecbsr upscale": (tmp_path / zoo.pictures()[0].name, "-o", tmp_path / "larger.png", "--model", model),
        "ecbsr eval": (model, "--data", tmp_path),
        "ecbsr models": (),
    }.items():
        done = call_here(" ".join(command.split()[:2]), *arguments, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout, parse_constant=pytest.fail)  # no NaN, no Infinity
        assert set(document) - {"schema"} <= keys[command], command
        part = {"ecbsr audit": "files", "ecbsr eval": "models", "ecbsr upscale": "pictures"}.get(command)
        for entry in document[part] if part else []:
            assert set(entry) <= keys[command], command
    assert {field.name for field in fields(Report)} | {"weights"} == keys["ecbsr train"]


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "#", "mailto:")):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_messages_of_the_troubleshooting_page_are_real() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("ecbsr_mobile", "export", "android_bench")
        for path in (ROOT / package).rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", sources)  # adjacent strings are one
    text = re.sub(r"\{[^{}]*\}", "…", joined)
    messages = re.findall(r"^\| `([^`]+)` \|", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
    for message in messages:
        if "…" in message or " " in message:
            for part in re.split("…", message):
                assert part.strip() in text, f"{message}: {part!r}"


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: the site is not built")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: the site is not built")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    assert "ECBSR" in page and "Raises" in page
    for path in (tmp_path / "site").rglob("*.html"):
        foreign = re.findall(r'(?:src|href)="https?://(?!doi\.org|semver|keepachangelog)[^"]*"', path.read_text())
        assert not [each for each in foreign if re.search(r"\.(?:js|css|woff2?)\"", each)], path.name


@pytest.mark.slow
def test_the_examples_run(folder: Path) -> None:
    def run(name: str, *arguments: object) -> str:
        command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert re.search(r"int8\S*: loses 0\.\d{3} dB; \d+\.\d ms", run("weights_to_phone_files.py", zoo.DEFAULT, "made"))
    assert "text.png: 444x168" in run("upscale_frames.py", "photos", "larger") or (folder / "larger/text.png").exists()
    assert re.search(r"XNNPACK.*: \d+ of \d+ nodes", run("audit_a_file.py", "model.tflite"))
    photo = images.read(folder / "photo.png")
    for name in ("ecbsr-m4c16-x2-int8", "ecbsr-m4c16-x2-fp32", "ecbsr-m4c16-rgb-x2-int8"):
        run("run_with_litert.py", zoo.FOLDER / f"{name}.tflite", "photo.png", "larger.png")
        found = images.read(folder / "larger.png").pixels.astype(int)
        assert np.abs(found - upscale(photo, name).pixels).max() <= 1


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    cells = json.loads((EXAMPLES / "first_steps.ipynb").read_text(encoding="utf-8"))["cells"]
    script = tmp_path / "notebook.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    found = runpy.run_path(str(script))
    assert found["difference"] < 1e-5
    assert found["larger"].shape == (240, 320, 3)
    assert found["made"].files[0].path.exists()
