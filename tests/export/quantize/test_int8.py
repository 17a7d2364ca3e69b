"""Which way to write PReLU is taken, and what the recipe says of it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ecbsr_mobile import PlainNet, load, tflite, zoo
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.tflite import interpreter
from export.convert.direct import direct_graph
from export.quantize.int8 import Int8Result, decompositions, int8_graph, network_for_int8
from export.validation.sample_images import Sample, samples
from tests.helpers.int8 import observed, with_long_tails
from tests.helpers.networks import SIZE, net


def result(
    plain: PlainNet, prelu: str = "auto", steps: int | None = 0, target: str = "cpu", near: bool = False
) -> Int8Result:
    messages: list[str] = []
    arch = plain.architecture
    chosen = samples(None, arch.scale, arch.colors)[:3]
    if near:
        chosen = [near_the_result(plain, sample) for sample in chosen]
    return int8_graph(
        direct_graph(plain, SIZE), plain, chosen, decompositions(plain, target, prelu), steps, messages.append
    )


def near_the_result(plain: PlainNet, sample: Sample) -> Sample:
    """The sample with the HR image that the network gives, and a little noise: rounding then costs an untrained network
    as much as a trained one."""
    with torch.no_grad():
        luma = plain(torch.from_numpy(sample.image.transpose(2, 0, 1))[None])[0, 0].clamp(0, 1).numpy() * 255
    noise = np.random.default_rng(0).normal(0, 1, luma.shape)
    return replace(sample, hr_luma=(luma + noise).clip(0, 255).round().astype(np.uint8))


@pytest.mark.slow
def test_double_is_taken_where_it_keeps_more_and_single_where_that_is_as_good() -> None:
    plain = load(zoo.DEFAULT)
    plain.int8 = {}
    quick, precise = result(plain), result(with_long_tails(), near=True)
    assert (quick.decomposition, precise.decomposition) == ("single", "double")
    for made, depthwise in ((quick, 5), (precise, 6)):
        assert tflite.operators(made.graph)["DEPTHWISE_CONV_2D"] == depthwise
        losses = made.calibrated_db
        assert made.entry["prelu"] == made.decomposition
        assert f"single {losses['single']:.3f} dB, double {losses['double']:.3f} dB" in made.entry["prelu_why"]
        assert made.entry["expected_loss_db"] == round(losses[made.decomposition], 4)


def test_what_is_asked_for_is_taken() -> None:
    for prelu, operators in (("single", 3), ("double", 6)):
        made = result(net(1, 2, "prelu"), prelu)
        assert (made.decomposition, made.entry["prelu"]) == (prelu, prelu)
        assert tflite.operators(made.graph)["DEPTHWISE_CONV_2D"] == operators
    assert tflite.operators(result(net(1, 2, "prelu"), "native").graph)["PRELU"] == 3
    assert result(net(1, 2, "prelu"), target="npu").decomposition == "native"


def test_weights_trained_for_int8_are_taken_as_they_are_whichever_decomposition_they_are_for() -> None:
    plain = deepcopy(net(1, 2, "prelu"))
    plain.int8 = {"double": observed(plain, "double").weights()}
    made = result(plain, steps=None)
    assert (made.decomposition, made.entry["method"]) == ("double", "learned in training")
    assert result(plain, "single").entry["method"] != "learned in training"


@pytest.mark.parametrize("activation", ["relu", "leaky"])
def test_a_network_without_prelu_has_no_choice(activation: str) -> None:
    assert decompositions(net(3, 3, activation), "cpu", "auto") == ("single",)
    with pytest.raises(UsageError, match="has no PReLU that could be written as 'double'"):
        decompositions(net(3, 3, activation), "cpu", "double")


@pytest.mark.parametrize("slope", [0.01, -0.5, 20.0])
def test_a_leaky_slope_that_int8_cannot_have_makes_the_network_one_with_prelu(slope: float) -> None:
    leaky = deepcopy(net(3, 3, "leaky"))
    leaky.acts[1].weight.data = torch.tensor([slope])
    plain, graph = network_for_int8(leaky, direct_graph(leaky, SIZE))
    image = samples(None, 3, 3)[0].image[:32, :40]
    result_of = [interpreter.run(each, image) for each in (graph, direct_graph(leaky, SIZE))]
    np.testing.assert_allclose(*result_of, rtol=0, atol=2e-5)
    assert plain.architecture.activation == "prelu" and tflite.operators(graph)["PRELU"] == 3
    for target, operator in (("cpu", "DEPTHWISE_CONV_2D"), ("npu", "PRELU")):
        made = result(plain, steps=2, target=target)
        assert made.finetuned_steps == 2 and operator in tflite.operators(made.graph)


def test_a_network_whose_activation_int8_can_have_stays() -> None:
    for activation in ("prelu", "relu"):
        graph = direct_graph(net(1, 2, activation), SIZE)
        assert network_for_int8(net(1, 2, activation), graph) == (net(1, 2, activation), graph)
