"""`ecbsr-upscale`: which arguments are inputs, where results go, and that nothing is replaced unasked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecbsr_mobile import zoo
from tests.helpers.commands import call_here, refused

MODEL = zoo.tflite("ecbsr-m4c16-x2")


def draw(path: Path, size: tuple[int, int] = (24, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(zoo.pictures()[0]) as picture:
        picture.convert("RGB").crop((40, 40, 40 + size[0], 40 + size[1])).save(path)
    return path


def upscale(*arguments: object) -> subprocess.CompletedProcess[str]:
    return call_here("ecbsr-upscale", *arguments, "--model", MODEL)


def sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """The size of each image below a folder, by its relative path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with Image.open(path) as image:
                image.load()
                found[str(path.relative_to(folder))] = image.size
    return found


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["photo.jpg", "mit Leerzeichen ä.png", "a\nb.webp", os.fsdecode(b"\xff.png"), "a.b.png"]
)
def test_a_result_lies_beside_its_input(work: Path, name: str) -> None:
    draw(work / name)
    result = upscale(name)
    assert result.returncode == 0, result.stderr
    target = f"{Path(name).stem}-x2.png"
    assert sizes(work) == {name: (24, 16), target: (48, 32)}
    assert len(result.stdout.splitlines()) == 1 and result.stdout.endswith("-x2.png: 48x32\n")
    refused(upscale(name), 2, "exists", "--overwrite")
    document = json.loads(upscale(name, "--overwrite", "--json").stdout)
    assert [entry["to"] for entry in document["pictures"]] == [[48, 32]]


def test_what_a_shell_makes_of_a_pattern_is_input_or_asked_about(work: Path) -> None:
    names = ["a.png", "b.png", "c.jpg"]
    contents = {name: draw(work / name).read_bytes() for name in names}
    for options in ((), ("--overwrite",), ("--skip-existing",)):
        refused(upscale("a.png", "b.png", *options), 2, "b.png exists: an input, or the output?", "-o b.png")
    results = {f"{Path(name).stem}-x2.png" for name in names}
    for _ in range(2):
        assert upscale(*names, "--overwrite").returncode == 0
        assert {path.name for path in work.iterdir()} == {*names, *results}
    again = upscale(*sorted(path.name for path in work.iterdir()), "--skip-existing")  # *: the results are no inputs
    assert (again.returncode, again.stdout) == (0, "")
    assert "3 skipped" in again.stderr
    assert {path.name for path in work.iterdir()} == {*names, *results}
    refused(upscale("a.png", "a-x2.png", "b.png", "--overwrite"), 2, "a-x2.png: is an input")
    assert upscale("a.png", "b.png", "-o", "out").returncode == 0
    assert sizes(work / "out") == {"a.png": (48, 32), "b.png": (48, 32)}
    assert {name: (work / name).read_bytes() for name in names} == contents


def test_two_arguments_are_in_and_out_where_nothing_is_replaced(work: Path) -> None:
    draw(work / "a.png")
    draw(work / "photos" / "b.png")
    (work / "empty").mkdir()
    for arguments in (("a.png", "new.png"), ("a.png", "photos"), ("photos", "empty"), ("photos", "new")):
        result = upscale(*arguments)
        assert result.returncode == 0, result.stderr
    assert sizes(work) == {
        "a.png": (24, 16), "new.png": (48, 32), "photos/a.png": (48, 32), "photos/b.png": (24, 16),
        "empty/a.png": (96, 64), "empty/b.png": (48, 32), "new/a.png": (96, 64), "new/b.png": (48, 32),
    }  # fmt: skip
    refused(upscale("photos", "new"), 2, "new exists", "-o")
    refused(upscale("a.png", "photos", "--overwrite"), 2, "photos exists", "-o")
    refused(upscale("a.png", "x.png", "y.png"), 1, "x.png: no such file")
    refused(upscale("a.png", "new.png", "later"), 1, "later: no such file or folder; to write to it, use -o later")


def test_the_tree_of_a_folder_is_kept(work: Path) -> None:
    draw(work / "photos" / "a.png")
    draw(work / "photos" / "2026" / "Mai ä" / "b.jpg")
    draw(work / "photos" / ".thumbnails" / "a.png")
    (work / "photos" / "notes.txt").write_text("no image")
    (work / "photos" / "2026" / "again").symlink_to(work / "photos")
    os.mkfifo(work / "photos" / "pipe.png")
    expected = {"a.png": (48, 32), "2026/Mai ä/b.png": (48, 32)}
    assert upscale("photos").returncode == 0
    assert sizes(work / "photos-x2") == expected
    for _ in range(2):  # OUT inside the input is no input
        assert upscale("photos", "-o", "photos/out", "--overwrite").returncode == 0
        assert sizes(work / "photos" / "out") == expected
    (work / "photos" / "pipe.png").unlink()
    draw(work / "more" / "a.png")
    assert upscale("photos/2026", "more", "photos/a.png", "-o", "all").returncode == 0
    assert sizes(work / "all") == {"2026/Mai ä/b.png": (48, 32), "more/a.png": (48, 32), "a.png": (48, 32)}


def test_what_cannot_be_read_is_named_and_the_rest_is_upscaled(work: Path) -> None:
    draw(work / "photos" / "a.png")
    draw(work / "photos" / "z.png")
    (work / "photos" / "broken.png").write_bytes(b"x")
    (work / "photos" / "gone.png").symlink_to("nowhere")
    (work / "photos" / "a.DNG").write_bytes(b"II*\0")
    (work / "photos" / "b.jp2").write_bytes(b"x")
    (work / "photos" / "c.MP4").write_bytes(b"x")
    result = upscale("photos", "--json")
    document = json.loads(result.stdout)
    assert result.returncode == 1
    assert [Path(entry["output"]).name for entry in document["pictures"]] == ["a.png", "z.png"]
    assert [Path(failure.partition(":")[0]).name for failure in document["failed"]] == ["broken.png", "gone.png"]
    assert "2 images could not be used" in result.stderr
    assert "photos: without a.DNG and 1 more, because .dng, .jp2 cannot be read" in result.stderr
    assert "photos: without c.MP4; upscale them in another call, by name" in result.stderr
    assert sizes(work / "photos-x2") == {"a.png": (48, 32), "z.png": (48, 32)}


def test_files_that_differ_in_their_extensions_keep_them(work: Path) -> None:
    names = ("photos/a.png", "photos/sub/a.png", "photos/sub/b.png")
    for name in names:
        draw(work / name)
    draw(work / "photos/a.jpg", (30, 20))
    before = {"a.png": (48, 32), "sub/a.png": (48, 32), "sub/b.png": (48, 32)}
    assert upscale("photos").returncode == 0
    shutil.move(work / "photos-x2" / "a.png.png", work / "photos-x2" / "b.png")
    expected = {**before, "a.jpg.png": (60, 40), "b.png": (48, 32)}
    del expected["a.png"]
    assert sizes(work / "photos-x2") == expected
    # The name of one file alone, from an earlier call, is not taken for the result of the other.
    draw(work / "photos-x2" / "a.png", (3, 3))
    document = json.loads(upscale("photos", "--skip-existing", "--json").stdout)
    assert [entry["output"] for entry in document["pictures"]] == ["photos-x2/a.png.png"]
    assert upscale("photos/a.png", "photos/a.jpg", "photos/sub/b.png").returncode == 0
    assert {path.name for path in work.glob("photos/**/*-x2.png")} == {"a.png-x2.png", "a.jpg-x2.png", "b-x2.png"}


def test_a_page_without_an_image_is_not_promised(work: Path) -> None:
    draw(work / "a.png")
    assert "the page is page.html" in upscale("a.png", "--compare", "page.html").stderr
    result = upscale("a.png", "--skip-existing", "--compare", "other.html")
    assert result.returncode == 0 and "other.html is not written" in result.stderr
    assert not (work / "other.html").exists()


def test_interrupted_work_is_continued(work: Path) -> None:
    for name in "abc":
        draw(work / "photos" / f"{name}.png")
    mine = draw(work / "photos-x2" / "b.png", (3, 3)).read_bytes()
    refused(upscale("photos"), 2, "photos-x2/b.png exists")
    document = json.loads(upscale("photos", "--skip-existing", "--json").stdout)
    assert [entry["input"] for entry in document["pictures"]] == ["photos/a.png", "photos/c.png"]
    assert document["skipped"] == ["photos-x2/b.png"]
    assert (work / "photos-x2" / "b.png").read_bytes() == mine
    refused(upscale("photos", "--skip-existing", "--overwrite"), 2, "not allowed with")


def test_format_and_quality(work: Path) -> None:
    draw(work / "a.png", (120, 90))
    for name, options in {
        "a.jpg": (),
        "b.jpg": ("--quality", "40"),
        "a.webp": (),
        "b.webp": ("--quality", "40"),
    }.items():
        assert upscale("a.png", "-o", name, *options).returncode == 0
    assert upscale("a.png", "--format", "JPEG", "--quality", "40").returncode == 0
    assert (work / "a-x2.jpg").read_bytes() == (work / "b.jpg").read_bytes()
    assert upscale("a.png", "-o", "a.tif").returncode == 0
    pixels, tables = {}, {}
    for path in work.iterdir():
        with Image.open(path) as image:
            pixels[path.name], tables[path.name] = np.asarray(image), getattr(image, "quantization", None)
    np.testing.assert_array_equal(pixels["a.webp"], pixels["a.tif"])
    assert np.abs(pixels["b.webp"].astype(int) - pixels["a.tif"]).max() > 2
    for name, quality in {"a.jpg": 95, "b.jpg": 40}.items():
        Image.fromarray(pixels["a.tif"]).save(work / "by-pillow.jpg", quality=quality)
        with Image.open(work / "by-pillow.jpg") as image:
            assert tables[name] == image.quantization


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a.png", "--quality", "80"), 2, ".png file has no quality"),
        (("a.png", "-o", "b.tif", "--quality", "80"), 2, ".tif file has no quality"),
        (("a.png", "--format", "bmp", "--quality", "80"), 2, "bmp has none"),
        (("a.png", "--format", "jpg", "--quality", "0"), 2, "'0' is not a quality, 1 to 100"),
        (("a.png", "--format", "gif"), 2, "'gif' is not one of png"),
        (("a.png", "-o", "b.webp", "--format", "png"), 2, "not named as png"),
        (("a.png", "--scale", "4"), 2, "enlarges x2, not x4"),
        (("a.png", "--scale", "5"), 2, "invalid choice"),
        (("a.png", "b.jpg", "-o", "c.png"), 2, "is the name of one file"),
        (("folder", "-o", "c.png"), 2, "is the name of one file"),
        (("folder", "-o", "c.mp4"), 2, "is the name of one file"),
        (("folder", "-o", "b.jpg"), 2, "is a file"),
        (("folder", "folder", "-o", "folder"), 2, "is the input folder"),
        (("a.png", "b.jpg", "folder/b.jpg", "-o", "c"), 2, "b.jpg and folder/b.jpg would both be written as c/b.png"),
        (("a.png", "--crf", "0"), 2, "--crf is for clips"),
        (("a.png", "--start", "0"), 2, "--start is for clips"),
        (("d.gif", "-o", "d.mp4"), 2, "ffmpeg -i d.gif clip.mp4"),
        (("a.png", "-o", "."), 2, "a.png: is the input"),
        (("a.png", "-o", "link.png", "--overwrite"), 2, "link.png: is the input"),
        (("a.png", "b.jpg", "-o", ".", "--overwrite"), 2, "is the input"),
        (("nothing",), 1, "contains no image"),
        (("none.png",), 1, "none.png: no such file"),
    ],
)
def test_refusals(work: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    for name in ("a.png", "a.jpg", "b.jpg", "d.gif", "folder/b.jpg", "folder/c.png"):
        draw(work / name)
    (work / "link.png").hardlink_to(work / "a.png")
    (work / "nothing").mkdir()
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    refused(upscale(*arguments), code, message)
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_scale_chooses_the_bundled_model(work: Path, scale: int) -> None:
    draw(work / "a.png")
    document = json.loads(call_here("ecbsr-upscale", "a.png", "--scale", scale, "--json").stdout)
    assert document["model"].startswith("ecbsr-m4c16")
    assert sizes(work)[f"a-x{scale}.png"] == (24 * scale, 16 * scale)
    refused(call_here("ecbsr-upscale", "a.png", "--scale", 2, "--model", "ecbsr-m4c16-x4"), 2, "enlarges x4, not x2")


@pytest.mark.parametrize("scale", [2, 4])
def test_a_model_for_compressed_pictures_is_proposed(work: Path, scale: int) -> None:
    """Where a bundled model for clean pictures is used, and the picture was compressed visibly."""
    with Image.open(draw(work / "clean.png")) as picture:
        for quality in (50, 95):
            picture.save(work / f"{quality}.jpg", quality=quality)

    def notes(*arguments: object) -> str:
        result = call_here("ecbsr-upscale", *arguments, "--overwrite", "-o", "out", "--json")
        assert result.returncode == 0, result.stderr
        return result.stderr

    real = f"ecbsr-m6c16-leaky-real-x{scale}"
    note = f"50.jpg: was compressed to JPEG quality 50; --model {real} is made for that"
    assert note in notes("50.jpg", "--scale", scale)
    assert note in notes("50.jpg", "95.jpg", "clean.png", "--model", f"ecbsr-m4c16-x{scale}-int8")
    assert notes("95.jpg", "clean.png", "--scale", scale) == ""
    assert "JPEG quality" not in notes("50.jpg", "--model", real)
    (work / "other.jpg").write_bytes((work / "50.jpg").read_bytes())
    assert "quality 50, and 1 more to below 85; --model" in notes("50.jpg", "other.jpg", "--scale", scale)


def test_no_model_is_proposed_in_place_of_ones_own(work: Path) -> None:
    draw(work / "photo.jpg")
    assert "JPEG quality" not in upscale("photo.jpg").stderr
