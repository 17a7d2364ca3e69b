"""Training runs: they learn, and a stopped and resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import io
import json
import math
import shutil
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from ecbsr_mobile import EcbsrError, Picture, Settings, TorchModel, UsageError, evaluate, images, load, train, zoo
from ecbsr_mobile.dataset import paths
from ecbsr_mobile.network import ECBSR
from ecbsr_mobile.training.loop import saved_settings
from ecbsr_mobile.training.settings import DEFAULT_LR, PRESETS, Report
from tests.helpers.training import QUICK, assert_same_run, randomize

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uninterrupted(train_images: Path, val_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted")
    train(train_images, val_images, out, QUICK)
    return out


def test_training_lowers_the_loss_and_keeps_the_best_weights(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    reports: list[Report] = []
    settings = replace(QUICK, steps=150, validate_every=50, lr=3e-3, ema_decay=0.9, channels=8)
    last = train(train_images, val_images, tmp_path / "run", settings, on_report=reports.append)
    assert [report.step for report in reports] == [50, 100, 150]
    assert reports[-1].loss < reports[0].loss
    score, _ = evaluate(TorchModel(load(tmp_path / "run" / "best.safetensors")), val_images)
    assert score.psnr == pytest.approx(last.best_psnr, abs=1e-3)
    assert score.psnr > 20


def test_each_folder_is_listed_once(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    """A network share takes minutes to list 100,000 files."""
    listed: list[str] = []
    events = ("os.listdir", "os.scandir")
    sys.addaudithook(lambda event, arguments: listed.append(str(arguments[0])) if event in events else None)
    for folder in (train_images, val_images):
        paths(folder, QUICK.scale)
    once, listed = listed, []  # the hook adds to the list of this name
    train(train_images, val_images, tmp_path, replace(QUICK, steps=1))
    assert all(0 < listed.count(str(each)) == once.count(str(each)) for each in (train_images, val_images))


@pytest.mark.parametrize("preset", ["m10c32", "m16c64"])
def test_wide_and_deep_networks_learn_from_their_presets(
    train_images: Path, val_images: Path, tmp_path: Path, preset: str
) -> None:
    small = {"steps": 24, "patch": 8, "batch": 2, "validate_every": 8}
    settings = Settings(**{"lr": DEFAULT_LR["soap"], **PRESETS[preset], **small})
    assert f"-{preset}-" in settings.architecture.name
    reports: list[Report] = []
    train(train_images, val_images, tmp_path, settings, on_report=reports.append)
    losses = [report.loss for report in reports]
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0] - 3  # dB


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "soap"}, {"degrade": "jpeg:30-95,blur,noise,resize"}, {"teacher": "ecbsr-m4c8-x2"}],
    ids=["adam", "soap", "degrade", "teacher"],
)
def test_killed_and_resumed_equals_uninterrupted(
    train_images: Path, val_images: Path, uninterrupted: Path, changes: dict[str, str], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(step: int, _loss: float) -> None:
        if step == 13:
            raise Killed

    settings, out = replace(QUICK, **changes), tmp_path / "killed"
    expected = uninterrupted
    if changes:
        expected = tmp_path / "whole"
        train(train_images, val_images, expected, settings)
    with pytest.raises(Killed):
        train(train_images, val_images, out, settings, on_step=kill)
    assert torch.load(out / "last.ckpt", weights_only=True)["step"] == 10
    train(train_images, val_images, out, settings, resume=True)
    assert_same_run(out, expected)


# Also after the last step, before its validation.
@pytest.mark.parametrize(("number", "at"), [(signal.SIGTERM, 1), (signal.SIGINT, 13), (signal.SIGTERM, 20)])
def test_stopped_and_resumed_equals_uninterrupted(
    train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path, number: int, at: int
) -> None:
    def stop(step: int, _loss: float) -> None:
        if step == at:
            signal.raise_signal(number)

    def handler(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(number, handler)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            train(train_images, val_images, tmp_path, QUICK, on_step=stop)
        assert raised.value.args == (number,)
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["step"] == at
    train(train_images, val_images, tmp_path, QUICK, resume=True)
    assert_same_run(tmp_path, uninterrupted)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    last = train(train_images, val_images, tmp_path, QUICK, resume=True)  # nothing is left to do
    assert last.step == 20


def test_a_run_whose_time_is_over_is_validated_saved_and_resumed(
    train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    report = train(train_images, val_images, tmp_path, QUICK, minutes=1e-9)
    assert (report.step, report.steps) == (1, 20)
    score, _ = evaluate(TorchModel(load(tmp_path / "best.safetensors")), val_images)
    assert score.psnr == pytest.approx(report.psnr, abs=1e-3)
    assert score.bicubic_psnr == pytest.approx(report.bicubic_psnr)
    assert train(train_images, val_images, tmp_path, QUICK, resume=True).step == 20
    states = [torch.load(run / "last.ckpt", weights_only=True) for run in (tmp_path, uninterrupted)]
    for part in ("net", "ema", "optimizer"):
        torch.testing.assert_close(states[0][part], states[1][part], rtol=0, atol=0)


def test_a_run_with_as_many_steps_as_fit_equals_one_of_that_many_steps(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    fitted = train(train_images, val_images, tmp_path / "fitted", QUICK, minutes=0.01, fit_steps=True)
    settings = replace(QUICK, steps=fitted.steps)
    assert saved_settings(tmp_path / "fitted") == asdict(settings)
    if fitted.step < fitted.steps:  # a busy machine
        train(train_images, val_images, tmp_path / "fitted", settings, resume=True)
    train(train_images, val_images, tmp_path / "whole", settings)
    states = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("fitted", "whole")]
    for part in ("net", "ema", "optimizer", "step"):
        torch.testing.assert_close(states[0][part], states[1][part], rtol=0, atol=0)


def test_validation_images_are_degraded_the_same_for_every_seed(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    settings = replace(QUICK, steps=1, degrade="jpeg:20")
    reports = [train(train_images, val_images, tmp_path / str(s), replace(settings, seed=s)) for s in (0, 1)]
    (hr_path,) = val_images.iterdir()
    hr = images.read(hr_path).rgb()
    file = io.BytesIO()
    Image.fromarray(images.downscale(hr, 2)).save(file, "JPEG", quality=20)
    upscaled = images.resize_bicubic(np.asarray(Image.open(file)), hr.shape[1::-1])
    luma, expected = (images.round_to(images.luma(rgb), np.uint8) for rgb in (upscaled, hr))
    psnr = peak_signal_noise_ratio(expected[2:-2, 2:-2], luma[2:-2, 2:-2])
    assert [report.bicubic_psnr for report in reports] == pytest.approx([psnr, psnr], abs=0.02)


def test_starts_from_another_scale(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    start = load("ecbsr-m4c8-x2")
    settings = replace(QUICK, scale=3, blocks=4, channels=8, steps=1, lr=1e-9, ema_decay=0.0)
    train(train_images, val_images, tmp_path / "run", settings, start=start)
    net = load(tmp_path / "run" / "best.safetensors")
    for ours, expected in zip(net.convs[:-1], start.convs[:-1], strict=True):
        assert torch.allclose(ours.weight, expected.weight, atol=1e-5)


def test_a_validation_image_that_cannot_be_measured_is_refused_before_the_first_step(
    train_images: Path, val_images: Path, tmp_path: Path
) -> None:
    val = shutil.copytree(val_images, tmp_path / "val")
    images.write(Picture(np.zeros((4, 40, 3), np.uint8)), val / "small.png")
    steps: list[int] = []
    with pytest.raises(EcbsrError, match=r"small\.png: is smaller than 6x6 pixels"):
        train(train_images, val, tmp_path / "run", QUICK, on_step=lambda step, _loss: steps.append(step))
    assert steps == []


def test_refusals_of_folders_and_devices(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(EcbsrError, match="no such folder"):
        train(tmp_path / "none", val_images, run, QUICK)
    with pytest.raises(EcbsrError, match="smaller than a crop"):
        train(train_images, val_images, run, replace(QUICK, patch=500))
    for teacher in ("ecbsr-m4c16-x4", "ecbsr-m4c16-rgb-x2"):
        with pytest.raises(UsageError, match=rf"{teacher}, is {teacher}: a network of scale 2 and colors 1"):
            train(train_images, val_images, run, replace(QUICK, teacher=teacher))
    shutil.copy(train_images / zoo.pictures()[0].name, tmp_path / "file.png")
    with pytest.raises(EcbsrError, match="is a file, not a folder"):
        train(tmp_path / "file.png", val_images, run, QUICK)
    if not torch.cuda.is_available():
        with pytest.raises(EcbsrError, match="sees no GPU"):
            train(train_images, val_images, run, QUICK, device="cuda")
    assert not run.exists()


def test_a_second_training_or_resume_of_a_folder_is_refused(
    train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    refused: list[str] = []

    def second(step: int, _loss: float) -> None:
        for resume in (False, True) if step == 12 else ():
            with pytest.raises(EcbsrError, match=r"in use by the training of .+ \(process \d+, since") as error:
                train(train_images, val_images, tmp_path, QUICK, resume=resume)
            refused.append(str(error.value))

    train(train_images, val_images, tmp_path, QUICK, on_step=second)
    assert len(refused) == 2
    assert_same_run(tmp_path, uninterrupted)


def test_refusals_of_checkpoints(train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(EcbsrError, match="no such checkpoint"):
        train(train_images, val_images, run, QUICK, resume=True)
    shutil.copytree(uninterrupted, run)
    with pytest.raises(UsageError, match="contains a training run"):
        train(train_images, val_images, run, QUICK)
    for folder in (train_images, val_images):
        with pytest.raises(UsageError, match=r"is the folder of pictures .*; choose another one for the training"):
            train(train_images, val_images, folder, QUICK)
    with pytest.raises(UsageError, match="seed 0, not 1"):
        train(train_images, val_images, run, replace(QUICK, seed=1), resume=True)
    for damage in (b"damaged", (run / "last.ckpt").read_bytes()[:5000]):
        (run / "last.ckpt").write_bytes(damage)
        with pytest.raises(EcbsrError, match="is not a checkpoint of this ecbsr-train"):
            train(train_images, val_images, run, QUICK, resume=True)
    # As the format can describe it: a tensor of 4 GB whose elements are one value.
    torch.save({"settings": asdict(QUICK), "net": torch.zeros(1).expand(1 << 30)}, run / "last.ckpt")
    with pytest.raises(EcbsrError, match="its tensors have 4,294,967,296 bytes, more than the file"):
        train(train_images, val_images, run, QUICK, resume=True)
    torch.save({"settings": asdict(QUICK), "step": bytearray(1 << 20)}, run / "last.ckpt")
    with pytest.raises(EcbsrError, match="damaged"):
        train(train_images, val_images, run, QUICK, resume=True)


def test_a_run_from_before_a_setting_existed_is_resumed(
    train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    shutil.copytree(uninterrupted, tmp_path / "run")
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    del state["settings"]["fake_quant_ratio"]
    torch.save(state, tmp_path / "run" / "last.ckpt")
    with pytest.raises(UsageError, match=r"fake_quant_ratio 0\.0, not 0\.5"):
        train(train_images, val_images, tmp_path / "run", replace(QUICK, fake_quant_ratio=0.5), resume=True)
    assert train(train_images, val_images, tmp_path / "run", QUICK, resume=True).step == QUICK.steps


def test_diverging_training_ends_with_a_message(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match=r"the loss is (nan|inf).* rate below 1e\+20"):
        train(train_images, val_images, tmp_path / "run", replace(QUICK, lr=1e20))
    assert not (tmp_path / "run" / "best.safetensors").exists()
    # The last step's weights are too large for the network's result, and its loss is that of the step before.
    settings = replace(QUICK, lr=1e30, loss="psnr", steps=1, schedule="constant", ema_decay=0.0)
    with pytest.raises(EcbsrError, match=r"step 1: .* gives infinities or NaN .*: training diverged; use a learning"):
        train(train_images, val_images, tmp_path / "large", settings)


def test_a_run_is_resumed_with_what_it_began_with(
    train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    """The best weights are the best by one set of images; int8 weights are saved beside those that they began as."""
    run = shutil.copytree(uninterrupted, tmp_path / "run")
    with pytest.raises(UsageError, match="the run began with other validation images; resume it with the same ones"):
        train(train_images, train_images, run, QUICK, resume=True)
    start = {seed: ECBSR(1, 4).collapse() for seed in (1, 2)}
    for seed, net in start.items():
        randomize(net, seed)
    with pytest.raises(UsageError, match="the run began with other weights to start from"):
        train(train_images, val_images, run, QUICK, start[1], resume=True)
    settings = replace(QUICK, int8="single", lr=1e-4)
    train(train_images, val_images, tmp_path / "int8", settings, start[1], minutes=1e-9)
    with pytest.raises(UsageError, match="the run began with other weights to start from"):
        train(train_images, val_images, tmp_path / "int8", settings, start[2], resume=True)
    train(train_images, val_images, tmp_path / "int8", settings, start[1], resume=True)


def test_other_training_images_are_noted(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    more = shutil.copytree(train_images, tmp_path / "more")
    shutil.copy(val_images / "a.png", more / "z.png")
    train(train_images, val_images, tmp_path / "run", QUICK, minutes=1e-9)
    with pytest.warns(UserWarning, match=r"more: are other images than the run was trained on so far"):
        train(more, val_images, tmp_path / "run", QUICK, resume=True, minutes=1e-9)
    with pytest.warns(UserWarning, match=r"train_images\d+: contains training images \(\S+ and 2 more\)"):
        train(train_images, train_images, tmp_path / "same", QUICK, minutes=1e-9)


def test_a_damaged_log_is_refused_before_a_step(
    train_images: Path, val_images: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    train(train_images, val_images, tmp_path / "run", QUICK, minutes=1e-9)
    log, steps = tmp_path / "run" / "log.jsonl", list[int]()
    first = log.read_text()
    for damage in ('{"step": 1, "st', "[]", "\xff", '{"step": "1"}', ""):
        log.write_text(f"{first}{damage}\n", encoding="latin-1")
        with pytest.raises(EcbsrError, match=r"log\.jsonl: line 2 is no report of a training; remove the line or"):
            train(train_images, val_images, tmp_path / "run", QUICK, resume=True, on_step=lambda *_: steps.append(1))
    assert steps == []
    log.unlink()
    train(train_images, val_images, tmp_path / "run", QUICK, resume=True)
    assert json.loads(log.read_text().splitlines()[0])["step"] == 10
