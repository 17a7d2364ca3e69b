"""The wheel, used away from the repository: everything that the package needs is inside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ecbsr_mobile import Picture, images, zoo
from tests.android_bench.web_page.test_litert_js import node_modules
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contents of a wheel, built from the source distribution, in a folder of their own."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    for package in ("ecbsr_mobile", "export", "android_bench"):
        ignored = shutil.ignore_patterns("__pycache__", "app")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = out.glob("ecbsr_mobile-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_models_and_pictures_are_inside(unpacked: Path) -> None:
    for path in zoo.FOLDER.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            inside = unpacked / "ecbsr_mobile" / "zoo" / path.relative_to(zoo.FOLDER)
            assert inside.read_bytes() == path.read_bytes()
    assert (unpacked / "ecbsr_mobile" / "py.typed").exists()
    assert not (unpacked / "tests").exists()
    assert not (unpacked / "android_bench" / "app").exists()


def test_an_index_accepts_the_metadata(unpacked: Path) -> None:
    """`packaging` checks what an index checks; a description in Markdown always renders."""
    from packaging.metadata import Metadata

    (path,) = unpacked.glob("*.dist-info/METADATA")
    metadata = Metadata.from_email(path.read_bytes(), validate=True)
    assert (metadata.name, metadata.license_expression) == ("ecbsr-mobile", "Apache-2.0")
    assert metadata.summary and metadata.keywords and metadata.classifiers
    assert set(metadata.provides_extra or ()) >= {"train", "export", "qualcomm"}
    assert (metadata.description_content_type or "").startswith("text/markdown")
    links = re.findall(r"\]\(([^)\s]*)\)", metadata.description or "")
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert "![" not in (metadata.description or "")
    assert len(metadata.description or "") > 1000
    (commands,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "ecbsr = ecbsr_mobile.cli.scripts:ecbsr" in commands.read_text()


def test_the_wheel_works_elsewhere(unpacked: Path, tmp_path: Path) -> None:
    images.write(Picture(images.read(zoo.pictures()[0]).rgb()[:30, :40]), tmp_path / "in.png")
    code = (
        "import ecbsr_mobile, sys; from ecbsr_mobile import images, upscale, zoo; import json\n"
        "sizes = [upscale(images.read('in.png'), m).size for n in zoo.names() for m in (n, zoo.tflite(n))]\n"
        "print(json.dumps([ecbsr_mobile.__file__, sizes]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    file, sizes = json.loads(result.stdout)
    assert Path(file).is_relative_to(unpacked)
    assert [80, 60] in sizes
    assert [160, 120] in sizes


def test_the_wheel_renders_pages(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "import android_bench, export\n"
        "from ecbsr_mobile import zoo\n"
        "from export.audit import batch, page\n"
        "Path('audit.html').write_text(page.html(batch.audit_all([zoo.tflite(zoo.DEFAULT)])))\n"
        "Path('report.html').write_text(android_bench.html(android_bench.Results((), {})))\n"
        "from android_bench.web_page.site import write_site\n"
        "write_site('page', litert='node_modules')\n"
        "print(export.__file__, android_bench.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    node_modules(tmp_path / "node_modules")
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert (tmp_path / "page" / "worker.js").exists() and (tmp_path / "page" / "litert" / "LICENSE.txt").exists()
    assert all(Path(file).is_relative_to(unpacked) for file in result.stdout.split())
    assert '<svg class="graph"' in (tmp_path / "audit.html").read_text()
    assert "Nothing was timed" in (tmp_path / "report.html").read_text()
