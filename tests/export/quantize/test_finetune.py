from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from ecbsr_mobile import load
from ecbsr_mobile.architecture import Architecture, PReLUDecomposition
from ecbsr_mobile.network import Int8Weights, PlainNet
from ecbsr_mobile.quantization.fake_quant import FakeQuantNet
from export.quantize.distillation import expected_loss, targets
from export.quantize.finetune import default_steps, finetune
from export.validation.sample_images import Sample, samples
from tests.helpers.int8 import observed
from tests.helpers.networks import net


@pytest.fixture(scope="module")
def images() -> list[Sample]:
    return samples(None, 2, 1)[:3]


def start(plain: PlainNet, decomposition: PReLUDecomposition = "single") -> Int8Weights:
    return observed(plain, decomposition).weights()


def loss(plain: PlainNet, weights: Int8Weights, measured: list[Sample]) -> float:
    simulation = FakeQuantNet(weights.net, weights.decomposition, weights.ranges, weights.channel_ranges)
    return expected_loss(simulation, targets(plain, measured))


def assert_equal(first: Int8Weights, second: Int8Weights) -> None:
    assert torch.equal(first.ranges, second.ranges)
    for name, value in first.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name])


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
@pytest.mark.parametrize("decomposition", ["single", "double"])
def test_finetuning_comes_nearer_to_the_float_network_on_an_image_that_it_does_not_learn_from(
    images: list[Sample], decomposition: PReLUDecomposition
) -> None:
    plain = net(1, 2, "prelu")
    result = finetune(plain, start(plain, decomposition), images, steps=150)
    assert result.pictures == (images[2].name,)
    assert 0 < result.steps <= result.taken <= 150
    before, after = (loss(plain, weights, images[2:]) for weights in (start(plain, decomposition), result.weights))
    assert result.loss_db == (pytest.approx(before, rel=1e-3), pytest.approx(after, rel=1e-3))
    assert after < before


@pytest.mark.slow
def test_what_does_not_gain_is_not_kept_and_ends(images: list[Sample]) -> None:
    """With a learning rate at which the weights only get worse."""
    plain = net(1, 2, "prelu")
    first = start(plain)
    result = finetune(plain, first, images, steps=48, rate=3.0)
    assert result.weights is first
    assert (result.steps, result.loss_db[0]) == (0, result.loss_db[1])
    assert result.taken < 48


@pytest.mark.slow
def test_a_network_with_channels_of_very_different_sizes_gains_too(images: list[Sample]) -> None:
    """As calibration leaves channels that are seldom active; a rate per tensor is too large for the others."""
    plain = load("ecbsr-m6c16-relu-x2")
    uneven = start(plain)
    spread = uneven.net.convolutions[1].weight.detach().square().mean((0, 2, 3)).sqrt()
    assert spread.max() > 20 * spread.min()
    result = finetune(plain, uneven, images, steps=60)
    assert result.loss_db[1] < 0.9 * result.loss_db[0]


@pytest.mark.slow
def test_pictures_to_validate_on_can_be_given(images: list[Sample]) -> None:
    plain = net(1, 2, "prelu")
    result = finetune(plain, start(plain), images[:1], steps=12, held_out=images[1:2])
    assert result.pictures == (images[1].name,)
    assert result.loss_db[0] == pytest.approx(loss(plain, start(plain), images[1:2]), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("decomposition", ["single", "double", "native"])
def test_finetuning_gives_the_same_bits_with_any_number_of_threads_and_under_load(
    images: list[Sample], decomposition: PReLUDecomposition
) -> None:
    plain = net(1, 2, "prelu")
    with threads(1):
        first = finetune(plain, start(plain, decomposition), images, steps=12)
    with threads(4), busy_processor():
        second = finetune(plain, start(plain, decomposition), images, steps=12)
    assert (first.steps, first.loss_db) == (second.steps, second.loss_db)
    assert_equal(first.weights, second.weights)


@pytest.mark.slow
def test_ctrl_c_ends_it_with_the_best_so_far(images: list[Sample]) -> None:
    plain = net(1, 2, "prelu")

    def interrupt_at_half(message: str) -> None:
        if " 50 %" in message:
            raise KeyboardInterrupt

    result = finetune(plain, start(plain), images, steps=200, progress=interrupt_at_half)
    assert (result.interrupted, result.taken) == (True, 100)
    assert 0 < result.steps < 100
    assert loss(plain, result.weights, images[2:]) < loss(plain, start(plain), images[2:])


@pytest.mark.slow
def test_sigterm_ends_it(images: list[Sample]) -> None:
    def interrupt(message: str) -> None:
        raise KeyboardInterrupt(signal.SIGTERM)

    plain = net(1, 2, "prelu")
    with pytest.raises(KeyboardInterrupt):
        finetune(plain, start(plain), images, steps=200, progress=interrupt)


@pytest.mark.slow
def test_the_network_that_is_given_is_not_changed(images: list[Sample]) -> None:
    plain, first = net(1, 2, "prelu"), start(net(1, 2, "prelu"))
    before = [value.clone() for value in (*plain.state_dict().values(), *first.net.state_dict().values())]
    messages: list[str] = []
    finetune(plain, first, images, steps=2, progress=messages.append)
    after = [*plain.state_dict().values(), *first.net.state_dict().values()]
    assert all(torch.equal(value, old) for value, old in zip(after, before, strict=True))
    assert [message.split(":")[0] for message in messages] == ["fine-tuning, 0 %", "fine-tuning, 50 %"]


def test_larger_networks_take_fewer_steps() -> None:
    steps = [default_steps(Architecture(*shape)) for shape in ((4, 8), (4, 16), (10, 32), (16, 64), (24, 128))]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] <= 3000 and steps[-1] >= 400
