"""Random crops: LR and HR show the same place, batches are repeatable, and a GPU cuts the same values."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from ecbsr_mobile import EcbsrError, Picture, images, upscale
from ecbsr_mobile.dataset import pairs
from ecbsr_mobile.degradation import EXAMPLE, parse
from ecbsr_mobile.images import luma
from ecbsr_mobile.training.crops import VERSIONS, Crops, prefetch
from ecbsr_mobile.training.gpu_crops import GpuCrops
from ecbsr_mobile.upscaling import open_model


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("scale", [2, 4])
def test_lr_and_hr_show_the_same_place(train_images: Path, colors: int, scale: int) -> None:
    crops = Crops(train_images, scale, colors, 12)
    low, high = crops.batch(seed=3, step=5, size=16)
    assert low.shape == (16, colors, 12, 12)
    assert high.shape == (16, colors, 12 * scale, 12 * scale)
    means = high.reshape(16, colors, 12, scale, 12, scale).mean(axis=(3, 5))
    assert np.abs(means - low).mean() < 0.02


def test_a_batch_depends_on_seed_and_step_only(train_images: Path) -> None:
    crops = Crops(train_images, 2, 1, 12)
    low, high = crops.batch(seed=3, step=5, size=16)
    np.testing.assert_array_equal(Crops(train_images, 2, 1, 12).batch(seed=3, step=5, size=16)[0], low)
    for seed, step in ((3, 6), (4, 5)):
        assert not np.array_equal(crops.batch(seed, step, 16)[0], low)
    for rank in range(2):  # the share of each of two processes
        for share, whole in zip(crops.cut(crops.choose(3, 5, 16)[rank::2]), (low, high), strict=True):
            np.testing.assert_array_equal(share, whole[rank::2])


def test_every_image_and_orientation_is_chosen(train_images: Path) -> None:
    index, _, _, orientation = Crops(train_images, 2, 1, 12).choose(0, 0, 500).T
    assert set(index) == {0, 1, 2}
    assert set(orientation) == set(range(8))


def test_images_smaller_than_a_crop_are_left_out(train_images: Path, tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="smaller than a crop of 1000x1000"):
        Crops(train_images, 2, 1, 500)
    folder = shutil.copytree(train_images, tmp_path / "train")
    images.write(Picture(np.zeros((20, 60, 3), np.uint8)), folder / "small.png")
    with pytest.warns(UserWarning, match="without 1 of 4 images: smaller than a crop of 24x24"):
        assert len(Crops(folder, 2, 1, 12)) == 3


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("scale", [2, 3])
def test_crops_cut_as_on_a_gpu_are_equal(train_images: Path, colors: int, scale: int) -> None:
    crops = Crops(train_images, scale, colors, 11)
    ours = GpuCrops(crops, torch.device("cpu")).cut(torch.from_numpy(crops.choose(3, 5, 64)))
    for cut, expected in zip(ours, crops.batch(3, 5, 64), strict=True):
        np.testing.assert_array_equal(cut.numpy(), expected)
        assert cut.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("colors", [1, 3])
def test_degraded_versions_differ_in_lr_alone_and_a_gpu_cuts_the_same(train_images: Path, colors: int) -> None:
    clean = Crops(train_images, 2, colors, 11)
    first, again, other = (Crops(train_images, 2, colors, 11, None, parse(EXAMPLE), seed) for seed in (3, 3, 4))
    assert len(first) == VERSIONS * len(clean)
    for number, (hr, lr) in enumerate(first.images):
        np.testing.assert_array_equal(hr, clean.images[number // VERSIONS][0])
        np.testing.assert_array_equal(lr, again.images[number][1])
        assert not np.array_equal(lr, other.images[number][1])
    low = {lr.tobytes() for _, lr in first.images}
    assert len(low) == len(first) and not low & {lr.tobytes() for _, lr in clean.images}
    on_gpu = GpuCrops(first, torch.device("cpu"))
    assert on_gpu._high.numel() == sum(hr.size for hr, _ in clean.images)  # HR is there once
    for cut, expected in zip(on_gpu.cut(torch.from_numpy(first.choose(3, 5, 64))), first.batch(3, 5, 64), strict=True):
        np.testing.assert_array_equal(cut.numpy(), expected)


@pytest.mark.parametrize("colors", [1, 3])
def test_hr_is_mixed_with_the_results_of_a_teacher(train_images: Path, val_images: Path, colors: int) -> None:
    teacher = open_model("ecbsr-m4c8-x2" if colors == 1 else "ecbsr-m4c16-rgb-x2")
    clean, mixed = (Crops(train_images, 2, colors, 11, teacher=t) for t in (None, teacher))
    for (hr, lr), (target, same_lr), pair in zip(clean.images, mixed.images, pairs(train_images, 2), strict=True):
        np.testing.assert_array_equal(lr, same_lr)
        assert target.dtype == hr.dtype
        rgb = upscale(pair.lr, teacher)
        result = rgb.transpose(2, 0, 1) if colors == 3 else luma(rgb)[None]
        unit = clean.white / 255
        mean = (hr / unit + result) / 2
        assert np.abs(target / unit - mean).mean() < 0.3 < np.abs(hr / unit - mean).mean()  # levels of 8 bits


def test_prefetched_batches_are_those_of_the_steps() -> None:
    threads = threading.active_count()
    assert list(prefetch(lambda step: step**2, range(3, 20))) == [step**2 for step in range(3, 20)]
    with closing(prefetch(lambda step: 6 / (step - 5), range(100))) as batches:
        assert [next(batches) for _ in range(5)] == [6 / (step - 5) for step in range(5)]
        with pytest.raises(ZeroDivisionError):
            next(batches)
    with closing(prefetch(lambda step: step, range(10**9))) as batches:
        assert next(batches) == 0
    assert threading.active_count() == threads
