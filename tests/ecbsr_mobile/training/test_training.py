"""Data and training: pairs of every layout, exact resume, learning that can be measured."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage.color import rgb2ycbcr
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from ecbsr_mobile import (
    ECBSR,
    EcbsrError,
    Picture,
    Settings,
    TorchModel,
    UsageError,
    evaluate,
    images,
    load,
    train,
    zoo,
)
from ecbsr_mobile.dataset import pairs
from ecbsr_mobile.training import curves
from ecbsr_mobile.training.crops import Crops, prefetch
from ecbsr_mobile.training.gpu_crops import GpuCrops
from ecbsr_mobile.training.losses import ROUNDING_MSE, distillation_loss, psnr_loss
from ecbsr_mobile.training.settings import DEFAULT_LR, Report
from ecbsr_mobile.training.trainer import Trainer

QUICK = Settings(blocks=1, channels=4, steps=20, batch=4, patch=12, validate_every=10, ema_decay=0.9)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for path in zoo.pictures()[:3]:
        images.write(Picture(images.read(path).rgb()[:121, :97]), folder / path.name)
    return folder


@pytest.fixture(scope="module")
def val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("val")
    images.write(Picture(images.read(zoo.pictures()[4]).rgb()[:60, :60]), folder / "a.png")
    return folder


def test_layouts_give_the_same_pairs(pictures: Path, tmp_path: Path) -> None:
    alone = list(pairs(pictures, 2))
    assert all(p.hr.shape == (120, 96, 3) and p.lr.shape == (60, 48, 3) for p in alone)
    for base, suffix in ((tmp_path / "a", ""), (tmp_path / "b" / "x2", "x2")):
        for pair in alone:
            images.write(Picture(pair.hr), base / "HR" / pair.name)
            images.write(Picture(pair.lr), base / "LR" / f"{Path(pair.name).stem}{suffix}.png")
    for folder in (tmp_path / "a", tmp_path / "b"):
        for ours, expected in zip(pairs(folder, 2), alone, strict=True):
            np.testing.assert_array_equal(ours.lr, expected.lr)
            np.testing.assert_array_equal(ours.hr, expected.hr)
    with pytest.raises(EcbsrError, match="LR folder of another scale"):
        list(pairs(tmp_path / "a", 3))
    (tmp_path / "a" / "LR" / alone[0].name).unlink()
    with pytest.raises(EcbsrError, match=f"no LR image for {alone[0].name}"):
        list(pairs(tmp_path / "a", 2))


def test_div2k_as_it_is_unpacked(pictures: Path, tmp_path: Path) -> None:
    alone = list(pairs(pictures, 2))
    for part, used in (("train", alone[:2]), ("valid", alone[2:])):
        for pair in used:
            stem = Path(pair.name).stem
            images.write(Picture(pair.hr), tmp_path / f"DIV2K_{part}_HR" / f"{stem}.png")
            # Marked, so that it shows whether the folder's LR was used.
            images.write(Picture(pair.lr // 2), tmp_path / f"DIV2K_{part}_LR_bicubic" / "X2" / f"{stem}x2.png")
    for ours, expected in zip(pairs(tmp_path / "DIV2K_train_HR", 2), alone[:2], strict=True):
        np.testing.assert_array_equal(ours.hr, expected.hr)
        np.testing.assert_array_equal(ours.lr, expected.lr // 2)
    (made,) = pairs(tmp_path / "DIV2K_valid_HR", 3)  # no X3: made from HR, like any pictures
    assert made.lr.shape == (40, 32, 3)
    with pytest.raises(EcbsrError, match="DIV2K_train_HR and DIV2K_valid_HR; give one"):
        list(pairs(tmp_path, 2))
    with pytest.raises(EcbsrError, match="NAME_LR_bicubic/X3"):
        list(pairs(tmp_path, 3))
    shutil.rmtree(tmp_path / "DIV2K_valid_HR")
    assert len(list(pairs(tmp_path, 2))) == 2


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("scale", [2, 4])
def test_crops_belong_together(pictures: Path, colors: int, scale: int) -> None:
    crops = Crops(pictures, scale, colors, 12)
    low, high = crops.batch(seed=3, step=5, size=16)
    assert low.shape == (16, colors, 12, 12)
    assert high.shape == (16, colors, 12 * scale, 12 * scale)
    means = high.reshape(16, colors, 12, scale, 12, scale).mean(axis=(3, 5))
    assert np.abs(means - low).mean() < 0.02
    again, _ = crops.batch(seed=3, step=5, size=16)
    np.testing.assert_array_equal(again, low)
    assert not np.array_equal(crops.batch(seed=3, step=6, size=16)[0], low)
    for rank in range(2):
        for share, whole in zip(crops.cut(crops.choose(3, 5, 16)[rank::2]), (low, high), strict=True):
            np.testing.assert_array_equal(share, whole[rank::2])


def test_batches_ahead_are_those_of_the_steps() -> None:
    threads = threading.active_count()
    assert list(prefetch(lambda step: step**2, range(3, 20))) == [step**2 for step in range(3, 20)]
    with closing(prefetch(lambda step: 6 / (step - 5), range(100))) as batches:
        assert [next(batches) for _ in range(5)] == [6 / (step - 5) for step in range(5)]
        with pytest.raises(ZeroDivisionError):
            next(batches)
    with closing(prefetch(lambda step: step, range(10**9))) as batches:
        assert next(batches) == 0
    assert threading.active_count() == threads


def test_training_beats_the_network_it_starts_from(pictures: Path, val: Path, tmp_path: Path) -> None:
    reports: list[Report] = []
    settings = replace(QUICK, steps=300, validate_every=100, lr=3e-3, ema_decay=0.95, channels=8)
    last = train(pictures, val, tmp_path / "run", settings, on_report=reports.append)
    assert [r.step for r in reports] == [100, 200, 300]
    assert reports[-1].loss < reports[0].loss
    best = load(tmp_path / "run" / "best.safetensors")
    whole, _ = evaluate(TorchModel(best), val)
    assert whole.psnr == pytest.approx(last.best_psnr, abs=1e-3)
    assert whole.psnr > 20


def same_runs(one: Path, other: Path) -> None:
    """Bit for bit, but for the time that it took."""
    states = [torch.load(run / "last.ckpt", weights_only=True) for run in (one, other)]
    for state in states:
        state["report"].pop("seconds_left")
    assert_close = partial(torch.testing.assert_close, rtol=0, atol=0)
    for part in ("net", "ema", "optimizer", "losses"):
        assert_close(states[0][part], states[1][part])
    for part in ("settings", "step", "report"):
        assert states[0][part] == states[1][part]
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (one, other)]
    assert [{**line, "seconds_left": 0} for line in logs[0]] == [{**line, "seconds_left": 0} for line in logs[1]]
    assert_close(load_file(one / "best.safetensors"), load_file(other / "best.safetensors"))


@pytest.fixture(scope="module")
def whole(pictures: Path, val: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 steps that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    train(pictures, val, out, QUICK)
    return out


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_killed_and_resumed_equals_uninterrupted(pictures: Path, val: Path, optimizer: str, tmp_path: Path) -> None:
    class Cut(Exception):
        pass

    def cut(step: int, _loss: float) -> None:
        if step == 13:
            raise Cut

    settings, out = replace(QUICK, optimizer=optimizer), tmp_path / "cut"
    train(pictures, val, tmp_path / "whole", settings)
    with pytest.raises(Cut):
        train(pictures, val, out, settings, on_step=cut)
    assert torch.load(out / "last.ckpt", weights_only=True)["step"] == 10
    train(pictures, val, out, settings, resume=True)
    same_runs(out, tmp_path / "whole")


def test_the_psnr_loss_is_psnr(random: np.random.Generator) -> None:
    """By scikit-image's word; and what int8 adds to the float network's error, by the same."""
    high = random.random((3, 1, 16, 16)).astype(np.float32)
    noise = random.standard_normal((2, 3, 1, 16, 16)).astype(np.float32) * 0.1
    ours, teacher = (torch.from_numpy(high + part) for part in noise)
    psnr = [peak_signal_noise_ratio(h, o, data_range=1) for h, o in zip(high, ours.numpy(), strict=True)]
    assert float(psnr_loss(ours, torch.from_numpy(high))) == pytest.approx(-np.mean(psnr), abs=0.1)
    own = np.float32([0.1, 0.2, 0.05])
    ratios = [mean_squared_error(t, o) for t, o in zip(teacher.numpy(), ours.numpy(), strict=True)] / (
        own + ROUNDING_MSE
    )
    assert float(distillation_loss(ours, teacher, torch.from_numpy(own))) == pytest.approx(np.mean(ratios), rel=1e-5)


def test_the_float_network_is_measured_on_whole_pictures(pictures: Path) -> None:
    """By scikit-image's word, of what the network itself gives for 8 bits."""
    start, crops = load(zoo.DEFAULT), Crops(pictures, 2, 1, 12)
    trainer = Trainer(replace(QUICK, blocks=4, channels=16, int8="depthwise", loss="distill"), start)
    trainer.prepare(crops)
    for (high, low), ours in zip(crops.images, trainer._distillation.mse.tolist(), strict=True):
        shown = np.round(low / np.float32(256)) / 255  # luma is held in 256 steps of each of 255
        upscaled = start(torch.from_numpy(shown.astype(np.float32))[None])[0].clamp(0, 1).numpy()
        assert ours == pytest.approx(mean_squared_error(high / (256 * 255), upscaled), rel=1e-4)


def test_the_psnr_loss_of_rgb_counts_luma_too(random: np.random.Generator) -> None:
    """Luma by scikit-image's word."""
    high, noise = random.random((3, 8, 8, 3)), random.standard_normal((3, 8, 8, 3)) * 0.1
    ours = high + noise
    rgb = [peak_signal_noise_ratio(h, o, data_range=1) for h, o in zip(high, ours, strict=True)]
    luma = [
        peak_signal_noise_ratio(rgb2ycbcr(h)[..., 0], rgb2ycbcr(o)[..., 0], data_range=255)
        for h, o in zip(high, ours, strict=True)
    ]
    loss = psnr_loss(*(torch.from_numpy(np.moveaxis(x, 3, 1)) for x in (ours, high)))
    assert float(loss) == pytest.approx(-(np.mean(rgb) + np.mean(luma)) / 2, abs=0.1)


def test_soap_learns_faster_than_adam(pictures: Path, val: Path, tmp_path: Path) -> None:
    losses = {}
    for optimizer, rate in DEFAULT_LR.items():
        settings = replace(QUICK, optimizer=optimizer, lr=rate, channels=8, steps=200, validate_every=100)
        losses[optimizer] = train(pictures, val, tmp_path / optimizer, settings).loss
    assert losses["soap"] < 0.9 * losses["adam"]


@pytest.mark.parametrize(("number", "at"), [(signal.SIGTERM, 1), (signal.SIGINT, 13), (signal.SIGTERM, 20)])
def test_stopped_and_resumed_equals_uninterrupted(
    pictures: Path, val: Path, whole: Path, tmp_path: Path, number: int, at: int
) -> None:
    """Also behind the last step, before its validation."""

    def stop(step: int, _loss: float) -> None:
        if step == at:
            signal.raise_signal(number)

    def handler(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(number, handler)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            train(pictures, val, tmp_path, QUICK, on_step=stop)
        assert raised.value.args == (number,)
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["step"] == at
    train(pictures, val, tmp_path, QUICK, resume=True)
    same_runs(tmp_path, whole)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    last = train(pictures, val, tmp_path, QUICK, resume=True)  # there is nothing left to do
    assert last.step == 20


def events(folder: Path) -> list:
    """The events [step, whether a run starts, [tag, value]…] of a folder, as TensorFlow reads them.

    In a process of its own: TensorFlow and what torch brings for GPUs do not always bear each other.
    """
    code = (
        "import json, sys; from tensorflow.compat.v1.train import summary_iterator\n"
        "from tensorflow.core.util.event_pb2 import SessionLog\n"
        "print(json.dumps([[e.step, e.session_log.status == SessionLog.START,"
        " [[v.tag, v.simple_value] for v in e.summary.value]] for e in summary_iterator(sys.argv[1])]))"
    )
    (path,) = folder.glob("events.out.tfevents.*")
    return json.loads(subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True).stdout)


@pytest.mark.parametrize("loss", ["l1", "psnr"])
def test_curves_are_those_of_the_log(pictures: Path, val: Path, loss: str, tmp_path: Path) -> None:
    """Read by TensorFlow's own reader of event files."""
    settings = replace(QUICK, steps=6, validate_every=2, loss=loss)
    train(pictures, val, tmp_path, settings)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    told = {(tag, step): value for step, _, values in events(tmp_path) for tag, value in values}
    names = ("loss", "psnr", "rate")
    assert told == {(name, line["step"]): pytest.approx(line[name], rel=1e-6) for line in log for name in names}
    drawn = images.read(tmp_path / "curves.png").rgb().reshape(-1, 3).tolist()
    for color in ([31, 119, 180], [255, 127, 14]):  # of the two lines
        assert drawn.count(color) > 100


def test_an_older_event_file_gives_way_to_a_resumed_run(tmp_path: Path) -> None:
    with curves.event_file(tmp_path, step=40) as tell:
        tell(Report(50, 100, 0.1, 30.0, 30.0, 1e-3, 1.0))
    assert [step for step, started, _ in events(tmp_path) if started] == [41]


def test_starts_from_another_scale(pictures: Path, val: Path, tmp_path: Path) -> None:
    start = load(zoo.DEFAULT)
    settings = replace(QUICK, scale=3, blocks=4, channels=16, steps=1, lr=1e-9, ema_decay=0.0)
    train(pictures, val, tmp_path / "run", settings, start=start)
    net = load(tmp_path / "run" / "best.safetensors")
    for ours, expected in zip(net.convs[:-1], start.convs[:-1], strict=True):
        assert torch.allclose(ours.weight, expected.weight, atol=1e-5)


def test_refusals(pictures: Path, val: Path, tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="no such folder"):
        train(tmp_path / "none", val, tmp_path / "run", QUICK)
    with pytest.raises(EcbsrError, match="smaller than a crop"):
        train(pictures, val, tmp_path / "run", replace(QUICK, patch=500))
    with pytest.raises(EcbsrError, match="no such checkpoint"):
        train(pictures, val, tmp_path / "run", QUICK, resume=True)
    assert not (tmp_path / "run").exists()
    train(pictures, val, tmp_path / "run", QUICK)
    with pytest.raises(EcbsrError, match="contains a training run"):
        train(pictures, val, tmp_path / "run", QUICK)
    with pytest.raises(UsageError, match="seed 0, not 1"):
        train(pictures, val, tmp_path / "run", replace(QUICK, seed=1), resume=True)
    (tmp_path / "run" / "last.ckpt").write_bytes(b"damaged")
    with pytest.raises(EcbsrError, match="damaged"):
        train(pictures, val, tmp_path / "run", QUICK, resume=True)
    shutil.copy(pictures / zoo.pictures()[0].name, tmp_path / "file.png")
    with pytest.raises(EcbsrError, match="is a file, not a folder"):
        train(tmp_path / "file.png", val, tmp_path / "other", QUICK)
    if not torch.cuda.is_available():
        with pytest.raises(EcbsrError, match="sees no GPU"):
            train(pictures, val, tmp_path / "other", QUICK, device="cuda")
    with pytest.raises(EcbsrError, match=r"the loss is (nan|inf).* rate below 1e\+20"):
        train(pictures, val, tmp_path / "other", replace(QUICK, lr=1e20))
    assert not (tmp_path / "other" / "best.safetensors").exists()
    with pytest.raises(UsageError, match="steps 0"):
        replace(QUICK, steps=0)


@pytest.mark.parametrize(("scale", "set5", "set14"), [(2, 37.18, 32.81), (4, 30.87, 27.81)])
def test_published_weights_score_what_was_published(
    checkpoints: Path, benchmark_sets: Path, scale: int, set5: float, set14: float
) -> None:
    with pytest.warns(UserWarning):
        net = load(checkpoints / f"etds_ecbsr_m4c16_x{scale}_rgb_fused.pth")
    for name, published in (("Set5", set5), ("Set14", set14)):
        score, _ = evaluate(TorchModel(net), benchmark_sets / name)
        assert score.psnr == pytest.approx(published, abs=0.03)


def test_rounding_while_training_makes_ranges_small(pictures: Path, val: Path, tmp_path: Path) -> None:
    """Measured on the network that comes out: how far its convolutions' results reach."""
    start = load(zoo.DEFAULT)  # of small ranges; here every other channel reaches eight times as far
    for conv, following in pairwise(start.convolutions):
        conv.weight[::2] *= 8
        conv.bias[::2] *= 8
        following.weight[:, ::2] /= 8
    settings = replace(QUICK, blocks=4, channels=16, steps=250, lr=5e-4, ema_decay=0.9, validate_every=250, patch=24)
    low = torch.from_numpy(Crops(pictures, 2, 1, 40).batch(9, 9, 8)[0])
    widths = {}
    for rounded in (0.0, 1.0):
        train(pictures, val, tmp_path / str(rounded), replace(settings, fake_quant_ratio=rounded), start=start)
        net = load(tmp_path / str(rounded) / "best.safetensors")
        y, widths[rounded] = low, 0.0
        for conv, act in zip(net.convolutions[:-1], net.acts, strict=True):
            y = conv(y)
            widths[rounded] += float(y.amax() - y.amin())
            y = act(y)
    assert widths[1.0] < widths[0.0]


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("scale", [2, 3])
def test_crops_cut_as_a_gpu_does_are_the_same(pictures: Path, colors: int, scale: int) -> None:
    crops = Crops(pictures, scale, colors, 11)
    ours = GpuCrops(crops, torch.device("cpu")).cut(torch.from_numpy(crops.choose(3, 5, 64)))
    for one, expected in zip(ours, crops.batch(3, 5, 64), strict=True):
        np.testing.assert_array_equal(one.numpy(), expected)
        assert one.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    ("options", "loss_apart", "apart"),
    [
        ({"fake_quant_ratio": 0.5}, 0.01, 1e-3),
        ({"colors": 3, "loss": "psnr"}, 0.01, 1e-3),
        # Eigenvectors of what is nearly equal, and values next to a rounding step, fall one way here, another there.
        ({"optimizer": "soap", "loss": "psnr", "lr": 1e-3}, 0.05, 1e-2),
        ({"int8": "depthwise", "loss": "distill"}, 0.25, 1e-2),
    ],
    ids=["adam", "rgb", "soap", "int8"],
)
def test_steps_on_a_gpu_equal_those_on_a_cpu(
    pictures: Path, options: dict[str, Any], loss_apart: float, apart: float
) -> None:
    """Twenty steps: those of a float network are replayed, but for the first."""
    settings = replace(QUICK, **options)
    crops, on = Crops(pictures, 2, settings.colors, 12), torch.device("cuda")
    start = ECBSR(1, 4, 2, settings.colors).collapse() if settings.int8 else None
    gpu, cpu = trainers = Trainer(settings, start, on), Trainer(settings, start)
    for trainer in trainers:
        trainer.prepare(crops)
    for step in range(20):
        with torch.backends.cudnn.flags(allow_tf32=False):
            ours = gpu.train_step(*gpu.batch(step))
        expected = cpu.train_step(*cpu.batch(step))
        assert float(ours) == pytest.approx(float(expected), rel=loss_apart)
    for one, other in zip(gpu.ema.parameters(), cpu.ema.parameters(), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-2, atol=apart)
