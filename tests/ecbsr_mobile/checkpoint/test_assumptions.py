"""What names do not say: whether the image is added, and the slope of a fixed LeakyReLU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from ecbsr_mobile import ECBSR, EcbsrError, UsageError, load, save
from ecbsr_mobile.architecture import Activation
from ecbsr_mobile.errors import OptionError
from tests.helpers.checkpoints import Chain, quietly, saved, some_net

NAMES = {
    "compact": ("body.{}.{}", "body.{}.{}"),
    "plain": ("convs.{}.{}", "acts.{}.{}"),
    "conv3x3": ("backbone.{}.conv3x3.{}", "backbone.{}.act.{}"),
    "conv and act": ("backbone.{}.conv.{}", "backbone.{}.act.{}"),
    "pairs": ("backbone.{}.0.{}", "backbone.{}.1.{}"),
    "direct": ("backbone.{}.{}", "backbone.{}.{}"),
}


def state_of(network: Chain, layout: str) -> dict[str, torch.Tensor]:
    if layout in ("compact", "direct"):  # the layers of a list in turn
        container = NAMES[layout][0].partition(".")[0]
        return {name.replace("layers", container): value for name, value in network.state_dict().items()}
    return network.named(*NAMES[layout])


def agrees(path: Path, network: Chain, **options: object) -> bool:
    x = torch.rand(1, 3, 11, 13)
    return torch.allclose(quietly(path, value_range=1, **options)(x), network(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", list(NAMES))
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("activation", [nn.ReLU, partial(nn.PReLU, 8), partial(nn.PReLU, 1)])
def test_the_answer_to_gray_tells_whether_the_image_is_added(
    tmp_path: Path, layout: str, skip: bool, activation: Callable[[], nn.Module]
) -> None:
    torch.manual_seed(0)
    network = Chain(activation, skip).answering()
    (tmp_path / "w.pth").write_bytes(saved(state_of(network, layout)))
    with pytest.warns(UserWarning, match=r"image is added.*--no-skip" if skip else r"no skip connection.*--skip"):
        load(tmp_path / "w.pth")
    assert agrees(tmp_path / "w.pth", network)


@pytest.mark.parametrize("name", ["net", "layers", "features", "model", "main", "convs", "backbone", "generator.net"])
@pytest.mark.parametrize("activation", [nn.ReLU, partial(nn.PReLU, 8), partial(nn.PReLU, 1)])
@pytest.mark.parametrize("beside", [{}, {"total_ops": torch.ones(1)}, {"loss.vgg.0.weight": torch.ones(4, 3, 3, 3)}])
def test_a_list_of_layers_of_any_name(
    tmp_path: Path, name: str, activation: Callable[[], nn.Module], beside: dict[str, torch.Tensor]
) -> None:
    network = Chain(activation, True)
    state = {key.replace("layers", name): value for key, value in network.state_dict().items()}
    (tmp_path / "w.pth").write_bytes(saved(state | beside))
    assert agrees(tmp_path / "w.pth", network, residual=True)


@pytest.mark.parametrize("activation", [nn.ReLU, partial(nn.PReLU, 8), partial(nn.PReLU, 1)])
@pytest.mark.parametrize("beside", [{}, {"loss.vgg.0.weight": torch.ones(4, 3, 3, 3)}])
@pytest.mark.parametrize("key", ["", "state_dict"])
def test_a_network_that_is_a_list_of_layers(
    tmp_path: Path, activation: Callable[[], nn.Module], beside: dict[str, torch.Tensor], key: str
) -> None:
    network = Chain(activation, True)
    state = network.layers.state_dict() | beside
    (tmp_path / "w.pth").write_bytes(saved({key: state} if key else state))
    assert agrees(tmp_path / "w.pth", network, residual=True)


@pytest.mark.parametrize("around", ["", "lit."])
@pytest.mark.parametrize(
    ("average", "of"),
    [("ema_model.", "{}"), ("model_ema.module.", "{}"), ("model_ema.", "{}"), ("model_ema.model", "")],
)
def test_a_list_of_layers_and_its_average(tmp_path: Path, around: str, average: str, of: str) -> None:
    network, other = Chain(partial(nn.PReLU, 8), True), Chain(partial(nn.PReLU, 8), True)
    state = {f"{around}model.{name}": value for name, value in other.layers.state_dict().items()}
    for name, value in network.layers.state_dict().items():  # LitEma drops the dots
        state[around + average + (of.format(name) if of else name.replace(".", ""))] = value
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": state}))
    with pytest.warns(UserWarning, match="with the averaged weights"):
        load(tmp_path / "w.pth")
    assert agrees(tmp_path / "w.pth", network, residual=True)


@pytest.mark.parametrize("layout", list(NAMES))
@pytest.mark.parametrize("without", [(0,), (6,), (0, 2, 4, 6)])
def test_convolutions_without_bias(tmp_path: Path, layout: str, without: tuple[int, ...]) -> None:
    network = Chain(partial(nn.PReLU, 8) if layout != "direct" else nn.ReLU, False)
    state = state_of(network, layout)
    for index in without:
        nn.init.zeros_(network.layers[index].bias)
        bias = network.layers[index].bias
        state = {name: value for name, value in state.items() if value.data_ptr() != bias.data_ptr()}
    assert len(state) == len(network.state_dict()) - len(without)
    (tmp_path / "w.pth").write_bytes(saved(state))
    assert agrees(tmp_path / "w.pth", network, residual=False)


@pytest.mark.parametrize("name", ["layers", "body"])
def test_slopes_of_one_number(tmp_path: Path, name: str) -> None:
    network = Chain(partial(nn.PReLU, 1), True)
    state = {key.replace("layers", name): value.squeeze() for key, value in network.state_dict().items()}
    (tmp_path / "w.pth").write_bytes(saved(state))
    assert agrees(tmp_path / "w.pth", network, residual=True)


@pytest.mark.parametrize("one", [1, 3, 5])
def test_one_slope_beside_slopes_per_channel(tmp_path: Path, one: int) -> None:
    network = Chain(partial(nn.PReLU, 8), True)
    network.layers[one] = nn.PReLU(1)
    (tmp_path / "w.pth").write_bytes(saved(network.state_dict()))
    assert agrees(tmp_path / "w.pth", network, residual=True)


@pytest.mark.parametrize("without", [1, 3, 5])
def test_slopes_after_some_layers_alone(tmp_path: Path, without: int) -> None:
    network = Chain(partial(nn.PReLU, 8), True)
    network.layers[without] = nn.ReLU()
    (tmp_path / "w.pth").write_bytes(saved(network.state_dict()))
    with pytest.raises(EcbsrError, match=f"none after block {without // 2}; .* with slopes of 0"):
        load(tmp_path / "w.pth")


def test_layers_that_share_tensors_in_safetensors(tmp_path: Path) -> None:
    """`save_model` stores a shared tensor once, under one of its names."""
    network, shared = Chain(nn.ReLU, True), nn.PReLU(8, 0.3)
    for index in (1, 3, 5):
        network.layers[index] = shared
    network.layers[4] = network.layers[2]
    safetensors.torch.save_model(network, str(tmp_path / "w.safetensors"))
    assert agrees(tmp_path / "w.safetensors", network, residual=True)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 12, 3)],
        [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3)],
        [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3)],
        [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 12)],
        [nn.Conv2d(3, 12, 3)],
    ],
)
def test_lists_of_other_layers(tmp_path: Path, layers: list[nn.Module]) -> None:
    state = {f"net.{name}": value for name, value in nn.Sequential(*layers).state_dict().items()}
    (tmp_path / "w.pth").write_bytes(saved(state))
    with pytest.raises(EcbsrError, match=r"net\.0\.weight.*known layout; of other networks, one nn\.Sequential"):
        load(tmp_path / "w.pth")


class RepVGG(nn.Module):
    """A block of DingXiaoH/RepVGG, by the names of its tensors."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        kernels = {"dense": conv, "1x1": nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=False)}
        for name, each in kernels.items():
            branch = nn.Sequential()
            branch.add_module("conv", each)
            branch.add_module("bn", nn.BatchNorm2d(conv.out_channels))
            self.add_module(f"rbr_{name}", branch)


class Adapted(nn.Module):
    """A convolution beside its LoRA adapter, by the names that PEFT gives them."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.base_layer = conv
        self.lora_A = nn.ModuleDict({"default": nn.Conv2d(conv.in_channels, 2, 3, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Conv2d(2, conv.out_channels, 1, bias=False)})


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (lambda conv: nn.Sequential(conv, nn.BatchNorm2d(8)), "its batch normalization is fused"),
        (nn.utils.parametrizations.weight_norm, "its weights are no longer parametrized"),
        (nn.utils.spectral_norm, "its weights are no longer parametrized"),
        (RepVGG, "the branches of each block are merged into one 3x3 convolution"),
        (Adapted, "its LoRA weights are merged"),
        (lambda conv: prune.l1_unstructured(conv, "weight", 0.5), "its pruning is made permanent"),
    ],
)
def test_what_has_to_be_done_with_a_network_first(
    tmp_path: Path, change: Callable[[nn.Module], nn.Module], first: str
) -> None:
    network = Chain(nn.ReLU, True)
    network.layers[0] = change(network.layers[0])
    (tmp_path / "w.pth").write_bytes(saved(network.state_dict()))
    with pytest.raises(EcbsrError, match=f"is read, once {first}"):
        load(tmp_path / "w.pth")


@pytest.mark.parametrize("skip", [False, True])
def test_whether_the_image_is_added_can_be_stated(tmp_path: Path, skip: bool) -> None:
    network = Chain(nn.ReLU, skip)  # of random weights, whose answer says nothing
    (tmp_path / "w.pth").write_bytes(saved(state_of(network, "compact")))
    assert agrees(tmp_path / "w.pth", network, residual=skip)
    save(quietly(tmp_path / "w.pth", residual=skip), tmp_path / "w.safetensors")
    with pytest.raises(OptionError, match=f"records residual {skip}, .*; leave residual out") as raised:
        load(tmp_path / "w.safetensors", residual=not skip)
    assert raised.value.with_flags().endswith(f"; leave {'--no-skip' if skip else '--skip'} out")


def test_a_refused_option_of_a_file_whose_name_contains_braces(tmp_path: Path) -> None:
    (tmp_path / "{old}").mkdir()
    file = tmp_path / "{old}" / "w.safetensors"
    save(some_net(), file)
    with pytest.raises(OptionError) as raised:
        load(file, residual=False)
    assert all(str(file) in text for text in (str(raised.value), raised.value.with_flags()))


def test_blocks_with_branches_have_the_image_added_without_a_note(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(saved(some_net().state_dict()))
    with pytest.warns(UserWarning) as noted:
        assert load(tmp_path / "w.pth").architecture.residual
    assert "image" not in str(noted[0].message)


def by_branches(network: ECBSR, x: torch.Tensor) -> torch.Tensor:
    y = x
    for block in network.blocks:
        y = getattr(block, "act", nn.Identity())(block.forward_branches(y))
    return F.pixel_shuffle(y, network.architecture.scale) + F.interpolate(x, scale_factor=network.architecture.scale)


@pytest.mark.parametrize("name", ["ecbsr-m4c16-x2", "ecbsr-m6c16-leaky-x2", "ecbsr-m4c16-relu-x4"])
@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize("value_range", [1, 255])
@pytest.mark.parametrize("key", ["params", "state_dict"])  # in [0, 1], and for luma in [0, 255]
def test_the_answer_to_gray_tells_identity_and_range(
    tmp_path: Path, name: str, identity: bool, value_range: int, key: str
) -> None:
    trained = load(name).with_value_range(1 / value_range)
    known = trained.architecture
    network = ECBSR(known.blocks, known.channels, known.scale, known.colors, known.activation, identity)
    network.start_from(trained)
    network = network.double()  # summing values near 255 by branch loses more than the comparison allows
    (tmp_path / "w.pth").write_bytes(saved({key: network.state_dict()}))
    has = "assuming an identity branch .*--no-identity" if identity else "assuming no identity branch .*--identity"
    with pytest.warns(UserWarning, match=rf"{has}\), values in \[0, {value_range}\]"):
        net = load(tmp_path / "w.pth")
    x = torch.rand(1, known.colors, 11, 13)
    expected = by_branches(network, x.double() * value_range) / value_range
    torch.testing.assert_close(net(x), expected.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("layout", ["compact", "plain", "pairs", "direct"])
@pytest.mark.parametrize("slope", [0.01, 0.2])
def test_the_slope_of_a_fixed_leaky_relu(tmp_path: Path, layout: str, slope: float) -> None:
    network = Chain(partial(nn.LeakyReLU, slope), True)
    (tmp_path / "w.pth").write_bytes(saved(state_of(network, layout)))
    with pytest.warns(UserWarning, match=r"ReLU \(else slope, --slope\)"):
        load(tmp_path / "w.pth")
    assert agrees(tmp_path / "w.pth", network, slope=slope)
    assert agrees(tmp_path / "w.pth", network, slope=slope, activation="leaky")
    assert not agrees(tmp_path / "w.pth", network)


@pytest.mark.parametrize("activation", ["relu", "prelu"])
def test_a_slope_beside_a_recorded_activation(tmp_path: Path, activation: Activation) -> None:
    save(some_net(activation), tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=f"has the activation {activation}, which has no fixed slope; leave out slope"):
        load(tmp_path / "w.safetensors", slope=0.1)


@pytest.mark.parametrize(
    ("activation", "options", "message"),
    [
        (nn.ReLU, {"activation": "leaky"}, "has no slopes.*give that of a fixed LeakyReLU"),
        (nn.ReLU, {"activation": "silu"}, "activation 'silu' is unknown"),
        (nn.ReLU, {"activation": "relu", "slope": 0.1}, "activation relu.*leave out slope"),
        (nn.ReLU, {"slope": 1.5}, "slope 1.5 is not between 0 and 1"),
        (partial(nn.PReLU, 8), {"slope": 0.1}, "slopes of its own"),
    ],
)
def test_slopes_that_do_not_suit_the_file(
    tmp_path: Path, activation: Callable[[], nn.Module], options: dict[str, object], message: str
) -> None:
    (tmp_path / "w.pth").write_bytes(saved(state_of(Chain(activation, True), "compact")))
    with pytest.raises(UsageError, match=message):
        quietly(tmp_path / "w.pth", **options)
