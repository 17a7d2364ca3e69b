"""The free training pictures: from a small git repository, and what is said where one cannot be made."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecbsr_mobile import EcbsrError
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="the pictures lie in git repositories")

REPOSITORY = "someone/photos"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of GitHub with one repository, whose second commit no longer has the pictures."""
    import free_pictures

    repository = tmp_path / "host" / REPOSITORY
    (repository / "our photos").mkdir(parents=True)
    # Red is the column and green is the row, so that a pixel says where it comes from.
    rows, columns = np.indices((1500, 2400))
    pixels = np.stack([columns * 255 / 2399, rows * 255 / 1499, 0 * rows], axis=-1).astype(np.uint8)
    large = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera was turned
    large.save(repository / "our photos" / "turned.jpg", quality=95, exif=exif)
    large.resize((600, 400)).save(repository / "small.png")
    (repository / "text.jpg").write_text("no picture")
    _git(repository, "init", "--quiet")
    _git(repository, "config", "uploadpack.allowFilter", "true")
    _git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit = _commit(repository)
    _git(repository, "rm", "--quiet", "-r", ".")
    _commit(repository)
    _name_pictures(tmp_path, commit, ["free_turned", "our photos/turned.jpg", 1.5], ["free_small", "small.png", 1])
    monkeypatch.setattr(free_pictures, "SOURCES", tmp_path / "sources.toml")
    monkeypatch.setattr(free_pictures, "HOST", (tmp_path / "host").as_uri())
    return tmp_path / "host"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _commit(folder: Path) -> str:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "Change the pictures")
    return _git(folder, "rev-parse", "HEAD")


def _name_pictures(folder: Path, commit: str, *pictures: list[str | float]) -> None:
    text = f'["{REPOSITORY}"]\ncommit = "{commit}"\nlicense = "CC0-1.0"\npictures = {list(pictures)!r}\n'
    (folder / "sources.toml").write_text(text)


@pytest.mark.parametrize("source", ["host", "mirror"])
def test_pictures_are_upright_and_small_and_those_that_exist_stay(
    source: str, host: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import free_pictures

    out = tmp_path / "out"
    arguments = [str(out)]
    if source == "mirror":
        (host / REPOSITORY).rename(host / "someone+photos")
        arguments += ["--mirror", str(host)]
    free_pictures.main(arguments)
    assert capsys.readouterr().out == f"pictures made in {out}: 2; there already: 0\n"
    assert sorted(path.name for path in out.iterdir()) == ["free_small.jpg", "free_turned.jpg"]
    with Image.open(out / "free_small.jpg") as small:
        assert small.size == (600, 400)
    with Image.open(out / "free_turned.jpg") as turned:
        assert turned.size == (640, 1024)
        corners = np.asarray(turned)[[10, 10, -11, -11], [10, -11, 10, -11], :2]
    # Turned to the right: the column becomes the row from the top, and the row becomes the column from the right.
    assert np.abs(corners.astype(int) - [[2, 251], [2, 4], [252, 251], [252, 4]]).max() <= 4

    (out / "free_small.jpg").write_bytes(b"mine")
    (out / "free_turned.jpg").unlink()
    free_pictures.main(arguments)
    assert capsys.readouterr().out == f"pictures made in {out}: 1; there already: 1\n"
    assert (out / "free_small.jpg").read_bytes() == b"mine"


def test_a_picture_that_cannot_be_made_is_named(host: Path, tmp_path: Path) -> None:
    import free_pictures

    first = _git(host / REPOSITORY, "rev-parse", "HEAD^")
    for commit, path, message in (
        (first, "gone.jpg", f"{REPOSITORY}: .*gone.jpg.*repeat the command"),
        (first, "text.jpg", "cannot make .*free_x.jpg.*not a picture"),
        ("0" * 40, "small.png", f"fetch .*{'0' * 40} failed: .*--mirror"),
    ):
        _name_pictures(tmp_path, commit, ["free_x", path, 1])
        with pytest.raises(EcbsrError, match=message):
            free_pictures.main([str(tmp_path / "out")])
    with pytest.raises(EcbsrError, match=f"{REPOSITORY}: .*nowhere"):
        free_pictures.main([str(tmp_path / "out"), "--mirror", str(tmp_path / "nowhere")])
    assert not list(tmp_path.glob("out/*"))


def test_the_list_names_199_pictures_their_licenses_and_commits() -> None:
    sources = tomllib.loads((ROOT / "benchmarks" / "free_pictures.toml").read_text(encoding="utf-8"))
    pictures = [picture for source in sources.values() for picture in source["pictures"]]
    assert len(pictures) == len({name for name, _, _ in pictures}) == 199
    assert all(re.fullmatch(r"free_[a-z0-9]+_[\w.-]+", name) and shrink >= 1 for name, _, shrink in pictures)
    for source in sources.values():
        assert re.fullmatch("[0-9a-f]{40}", source["commit"])
        assert source["license"] in ("CC0-1.0", "Unsplash License", "Unsplash License or Pexels License")
