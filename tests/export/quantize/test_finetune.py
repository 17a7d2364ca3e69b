from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from ecbsr_mobile.network import Int8Weights
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet, fold_steep_slopes
from export.quantize.finetune import finetune
from export.validation.sample_images import Sample, samples
from tests.helpers.networks import net


@pytest.fixture(scope="module")
def images() -> list[Sample]:
    return samples(None, 2, 1)[:3]


@contextmanager
def busy_processor() -> Iterator[None]:
    """Two processes that compute without pause."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
        assert torch.get_num_threads() == count  # fine-tuning restores it
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_finetuning_comes_nearer_to_the_float_network(images: list[Sample]) -> None:
    plain = net(1, 2, "prelu")
    image = torch.from_numpy(images[0].image.transpose(2, 0, 1))[None]
    start = FakeQuantNet(fold_steep_slopes(plain), "depthwise")
    start.observe(image)
    result = finetune(plain, "depthwise", images, steps=150)
    assert result.steps == 150

    def error(weights: Int8Weights) -> float:
        with torch.no_grad():
            simulated = FakeQuantNet(weights.net, weights.decomposition, weights.ranges)(image)
        return float(np.mean((simulated - plain(image).clamp(0, 1)).numpy() ** 2))

    assert error(result.weights) < error(start.weights())


@pytest.mark.slow
@pytest.mark.parametrize("decomposition", ["depthwise", "native"])
def test_finetuning_gives_the_same_bits_with_any_number_of_threads_and_under_load(
    images: list[Sample], decomposition: str
) -> None:
    plain = net(1, 2, "prelu")
    with threads(1):
        first = finetune(plain, decomposition, images, steps=12).weights
    with threads(4), busy_processor():
        second = finetune(plain, decomposition, images, steps=12).weights
    assert torch.equal(first.ranges, second.ranges)
    for name, value in first.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name])


@pytest.mark.slow
def test_the_network_that_is_given_is_not_changed(images: list[Sample]) -> None:
    plain = net(1, 2, "prelu")
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    messages: list[str] = []
    finetune(plain, "depthwise", images, steps=2, progress=messages.append)
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    assert [message.rsplit(", ")[-1] for message in messages] == ["0 %", "50 %"]
