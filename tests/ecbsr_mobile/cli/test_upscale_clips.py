"""`ecbsr-upscale` with clips: names of outputs, options, folders, and interruptions."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from ecbsr_mobile import zoo
from tests.helpers.clips import picture, read_clip, write_clip
from tests.helpers.commands import argv, call_here, environment, refused
from tests.helpers.terminal import on_terminal, stays

MODEL = zoo.tflite("ecbsr-m4c8-x2")


def upscale(*arguments: object) -> subprocess.CompletedProcess[str]:
    return call_here("ecbsr-upscale", *arguments, "--model", MODEL)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_clip_lies_beside_its_input(work: Path) -> None:
    write_clip(work / "cat.mp4", sounds=1)
    result = upscale("cat.mp4")
    assert (result.returncode, result.stdout) == (0, "cat-x2.mp4: 96x64, 4 frames, h264\n"), result.stderr
    assert read_clip(work / "cat-x2.mp4").size == (96, 64)
    refused(upscale("cat.mp4"), 2, "exists", "--overwrite")
    write_clip(work / "dog.webm", codec="libvpx-vp9")
    assert upscale("dog.webm").stdout == "dog-x2.mkv: 96x64, 4 frames, h264\n"


def test_the_options_reach_the_clip(work: Path) -> None:
    write_clip(work / "cat.mp4", (80, 64), 10)
    span = ("--start", "0:00:00.08", "--duration", "0.2")
    result = upscale("cat.mp4", "-o", "out.mkv", "--codec", "av1", "--crf", "40", *span, "--json")
    document = json.loads(result.stdout)
    assert document["clips"] == [
        {
            "input": "cat.mp4", "output": "out.mkv", "from": [80, 64], "to": [160, 128], "frames": 5, "codec": "av1",
            "crf": 40, "notes": [],
        }
    ]  # fmt: skip
    assert read_clip(work / "out.mkv").codec == "av1"
    assert upscale("cat.mp4", "--compare", "both.mkv").stdout == "both.mkv: 160x128, 10 frames, h264\n"
    assert sorted(path.name for path in work.iterdir()) == ["both.mkv", "cat.mp4", "out.mkv"]
    refused(upscale("cat.mp4", "-o", "out.mp4", "--compare", "both.mp4"), 2, "instead of one upscaled clip")


def test_a_bundled_model_is_chosen_by_the_bits(work: Path) -> None:
    write_clip(work / "cat.mkv", codec="ffv1", pixel_format="yuv420p10le", frames=2)
    assert call_here("ecbsr-upscale", "cat.mkv", "--model", "ecbsr-m4c8-x2").returncode == 0
    result = upscale("cat.mkv", "--overwrite")
    assert "reads 8 bits of the 10 of cat.mkv" in result.stderr and result.returncode == 0
    result = call_here("ecbsr-upscale", "cat.mkv", "--model", "ecbsr-m4c16-rgb-x2", "--overwrite")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_folder_of_clips(work: Path) -> None:
    for name in ("a.mp4", "below/b.mkv"):
        (work / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(work / "clips" / name, frames=2)
    (work / "clips" / "broken.mp4").write_bytes(b"nothing")
    result = upscale("clips")
    assert result.returncode == 1 and "1 clip could not be used" in result.stderr and "broken.mp4" in result.stderr
    found = sorted(str(path.relative_to(work)) for path in (work / "clips-x2").rglob("*.m*"))
    assert found == ["clips-x2/a.mp4", "clips-x2/below/b.mkv"]
    assert "skipped" in upscale("clips", "--skip-existing").stderr


def test_what_contradicts_itself_is_refused(work: Path) -> None:
    from PIL import Image

    write_clip(work / "cat.mp4", frames=2)
    Image.fromarray(picture((48, 32))).save(work / "cat.png")
    refused(upscale("cat.mp4", "cat.png", "-o", "out"), 2, "cat.mp4 is a clip, and cat.png is not")
    refused(upscale("cat.mp4", "--quality", "90"), 2, "--quality is for images")
    refused(upscale("cat.png", "--codec", "h264"), 2, "--codec is for clips")
    refused(upscale("cat.mp4", "-o", "out.avi"), 2, "clips are written as")
    refused(upscale("cat.mp4", "--crf", "70"), 2, "constant rate factor 70")
    refused(upscale("cat.mp4", "--start", "soon"), 2, "'soon' is no time")
    refused(upscale("cat.mp4", "--max-pixels", "100"), 1, "48x32 pixels, more than the limit of 100")
    refused(upscale("cat.mp4", "-o", "cat.mp4", "--overwrite"), 2, "is the input")
    assert sorted(path.name for path in work.iterdir()) == ["cat.mp4", "cat.png"]


def test_a_terminal_shows_frames_a_second(work: Path) -> None:
    write_clip(work / "cat.mp4", frames=12)
    code, got, _ = on_terminal(argv("ecbsr-upscale", "cat.mp4", "--model", MODEL))
    assert code == 0 and stays(got) == ["cat-x2.mp4: 96x64, 12 frames, h264"]
    assert re.search(r"upscaling, [0-9]+ frames, [0-9.]+ frames/s", got)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_half_file(work: Path, number: signal.Signals) -> None:
    write_clip(work / "cat.mp4", (160, 120), 60)
    command = argv("ecbsr-upscale", "cat.mp4", "-o", "out.mp4", "--model", MODEL, before=_TELL_THE_FIRST_FRAMES)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "3\n"
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 128 + number, errors
    assert errors.strip().splitlines()[-1] == f"ecbsr-upscale: interrupted by {number.name}"
    assert [path.name for path in work.iterdir()] == ["cat.mp4"]


# Prints when the third frame is written, and waits there for the signal.
_TELL_THE_FIRST_FRAMES = """
import contextlib, signal
from ecbsr_mobile.utils import progress
@contextlib.contextmanager
def counting(*_):
    def count(done):
        if done == 3:
            print(3, flush=True)
            signal.pause()
    yield count
progress.counting = counting
"""
