"""PSNR on compressed pictures and frames of clips, beside Pillow's JPEG, FFmpeg's colors and scikit-image's PSNR."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from ecbsr_mobile import EcbsrError, Picture, UsageError, images, zoo
from ecbsr_mobile.evaluation import evaluate
from ecbsr_mobile.upscaling import open_model

av = pytest.importorskip("av", reason="clips need PyAV")

MODEL, INT8 = "ecbsr-m4c8-x2", "ecbsr-m4c8-x2-int8"
NAMES = ("chelsea", "coffee", "rocket")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three HR images, 184x160."""
    folder = tmp_path_factory.mktemp("real") / "Three"
    folder.mkdir()
    for path in zoo.pictures():
        if path.stem in NAMES:
            images.write(Picture(images.read(path).rgb()[:160, :184]), folder / path.name)
    return folder


def test_a_clip_shows_a_growing_part_of_the_picture() -> None:
    import h264_frames

    # A plane whose red is the column and whose green is the row, so that a pixel says where it comes from.
    rows, columns = np.indices((160, 184), np.uint8)
    picture = np.stack([columns, rows, np.zeros_like(rows)], axis=-1)
    directions = set()
    for seed in range(8):
        first, *others = h264_frames.moving(picture, 4, (seed,))
        assert first.shape == (100, 124, 3) and len(others) == h264_frames.FRAMES - 1
        left, top = first[0, 0, :2].astype(int)
        np.testing.assert_array_equal(first, picture[top : top + 100, left : left + 124])
        for number, frame in enumerate(others, 1):
            assert frame.shape == first.shape
            shown = np.ptp(frame[50, :, 0]) + 1, np.ptp(frame[:, 50, 1]) + 1
            np.testing.assert_allclose(shown, (124 + 2 * number, 100 + 2 * number), atol=1.5)
        last = others[-1][0, 0, :2].astype(int)
        assert max(abs(last - (left, top))) <= 2 * 15 + 1
        directions.add(tuple(np.sign(last - (left, top))))
        again = list(h264_frames.moving(picture, 4, (seed,)))
        np.testing.assert_array_equal(again, [first, *others])
    assert len(directions) > 2


def test_frames_have_the_colors_of_ffmpeg_and_lose_with_the_rate_factor() -> None:
    import h264_frames

    picture = images.read(next(path for path in zoo.pictures() if path.stem == "coffee")).rgb()
    frames = [np.ascontiguousarray(frame) for frame in h264_frames.moving(picture, 4, (0,))]
    losses = []
    for crf in (1, 18, 33):
        decoded = h264_frames.after_h264(frames, crf)
        np.testing.assert_array_equal(decoded, h264_frames.after_h264(frames, crf))
        losses.append(np.mean([peak_signal_noise_ratio(*both) for both in zip(frames, decoded, strict=True)]))
        if crf == 1:  # what is left is 4:2:0, here by swscale
            for frame, ours in zip(frames, decoded, strict=True):
                subsampled = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p")
                assert peak_signal_noise_ratio(subsampled.to_ndarray(format="rgb24"), ours) > 38
    assert losses[0] > losses[1] + 1 > losses[2] + 3


def test_the_figures_are_those_of_pillows_jpeg_and_the_screen_has_those_of_json(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import real_pictures

    command = [MODEL, INT8, "--data", str(data), "--degrade", "jpeg:50", "h264:20", "h264:35", "--quiet"]
    real_pictures.main([*command, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (document["scale"], document["models"]) == (2, [MODEL, INT8])
    jpeg, good, bad = document["rows"]
    assert [row["degraded_by"] for row in document["rows"]] == ["jpeg:50", "h264:20", "h264:35"]
    assert {row["pictures"] for row in document["rows"]} == {"Three"}
    assert (jpeg["images"], good["images"], bad["images"]) == (3, 12, 12)
    assert good["bicubic_psnr"] > bad["bicubic_psnr"] + 1
    assert good["psnr"][MODEL] - good["bicubic_psnr"] > bad["psnr"][MODEL] - bad["bicubic_psnr"]

    for folder in ("HR", "LR"):
        (tmp_path / folder).mkdir()
    for path in data.iterdir():
        shutil.copy(path, tmp_path / "HR")
        file = io.BytesIO()
        Image.fromarray(images.downscale(images.read(path).rgb(), 2)).save(file, "JPEG", quality=50)
        Image.open(file).save(tmp_path / "LR" / path.name)
    for name in (MODEL, INT8):
        mean, _ = evaluate(open_model(name), tmp_path)
        assert jpeg["psnr"][name] == pytest.approx(mean.psnr, abs=0.02)
        assert jpeg["bicubic_psnr"] == pytest.approx(mean.bicubic_psnr, abs=0.02)

    real_pictures.main(command)
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head == f"| pictures | degraded by | images | bicubic, dB | {MODEL} | {INT8} |"
    for line, row in zip(lines, document["rows"], strict=True):
        name, degraded_by, count, bicubic, first, second = (cell.strip() for cell in line.strip("|").split("|"))
        assert (name, degraded_by, int(count)) == ("Three", row["degraded_by"], row["images"])
        over_bicubic, over_first = second.rstrip(")").split(" (")
        figures = [float(text) for text in (bicubic, first, over_bicubic, over_first)]
        psnr = row["psnr"]
        gains = [psnr[MODEL] - row["bicubic_psnr"], psnr[INT8] - row["bicubic_psnr"], psnr[INT8] - psnr[MODEL]]
        assert figures == pytest.approx([row["bicubic_psnr"], *gains], abs=0.0051)


def test_a_picture_has_a_row_for_each_degradation_and_ends_with_hr(data: Path, tmp_path: Path) -> None:
    import real_pictures

    out = tmp_path / "crops.png"
    command = [MODEL, "--data", str(data), "--degrade", "jpeg:20", "h264:30", "--picture", str(out), "--show", "coffee"]
    real_pictures.main([*command, "--quiet"])
    panels = np.asarray(Image.open(out))[::2, ::2]  # each pixel is there four times
    height, width = 120, 124  # of the crop of the picture; the clip's frame is 124x100
    hr = images.read(data / "coffee.png").rgb()
    assert panels.shape[0] == height + 3 + 100 and panels.shape[1] == 3 * 160 + 2 * 3
    crops = [panels[:height, start : start + 160] for start in (0, 163, 326)]
    places = [(y, x) for y in range(41) for x in range(25) if (hr[y : y + height, x : x + 160] == crops[2]).all()]
    assert len(places) == 1
    for crop in crops[:2]:  # the same place, but not the same
        assert 15 < peak_signal_noise_ratio(crops[2], crop) < 35
    assert (panels[height + 3 :, 2 * width + 6 : 3 * width + 6] != 255).any()
    assert (panels[height + 3 :, 3 * width + 6 :] == 255).all()  # the row of the clip is narrower


def test_pictures_are_left_out_evenly(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import real_pictures

    assert real_pictures.every(range(100), None) == list(range(100))
    assert real_pictures.every(range(100), 20) == list(range(0, 100, 5))
    assert real_pictures.every(range(14), 20) == list(range(14))
    assert real_pictures.every(range(14), 5) == [0, 3, 6, 9, 12]
    real_pictures.main([MODEL, "--data", str(data), "--degrade", "jpeg:50", "--at-most", "2", "--json", "--quiet"])
    assert json.loads(capsys.readouterr().out)["rows"][0]["images"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--degrade", "h264:52"], "degrade 'h264:52' has no constant rate factor from 0 to 51; use one"),
        (["--degrade", "h264"], "degrade 'h264' has no constant rate factor"),
        (["--degrade", "webp:50"], "degrade 'webp:50' is unknown"),
        (["--at-most", "0"], "--at-most 0 leaves no picture; give at least 1"),
        (["--show", "coffee"], "--show coffee needs --picture"),
        (["--picture", "out.gif"], "cannot write the image format '.gif'"),
        (
            ["--picture", "out.png", "--show", "tea"],
            "tea is none of the pictures that are measured; use one, such as chelsea",
        ),
        (["ecbsr-m4c16-x4"], "ecbsr-m4c16-x4 is for x4, ecbsr-m4c8-x2 for x2; give one scale"),
    ],
)
def test_misuse_is_refused_before_anything_is_measured(
    arguments: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import real_pictures

    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        real_pictures.main([MODEL, *arguments, "--data", str(data)])
    assert capsys.readouterr().out == ""


def test_a_picture_that_is_too_small_for_a_clip_is_named(data: Path, tmp_path: Path) -> None:
    import real_pictures

    images.write(Picture(images.read(data / "coffee.png").rgb()[:100]), tmp_path / "low.png")
    with pytest.raises(EcbsrError, match=r"low\.png: is 184x100; a clip needs at least 124x124"):
        real_pictures.main([MODEL, "--data", str(tmp_path), "--degrade", "h264:23", "--quiet"])
