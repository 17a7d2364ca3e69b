"""Networks whose tensors have the names of no known project, and skip connections that only the answers show."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecbsr_mobile import EcbsrError, UsageError, load
from tests.helpers.checkpoints import quietly, saved

SCALE = 2
NAMES = (  # of three convolutions, of their activations, and of their batch normalizations
    ("conv0 conv1 conv2", "act0 act1", "bn0 bn1 bn2"),
    ("head.conv body.0.conv tail", "head.act body.0.act", "head.bn body.0.bn tail_bn"),
    ("block1.0 block2.0 block3", "block1.1 block2.1", "block1.2 block2.2 bn3"),
    ("c1 c2 c3", "a1 a2", "n1 n2 n3"),
)
Skip = Callable[[Tensor], Tensor]


def nearest(x: Tensor) -> Tensor:
    return x.repeat_interleave(SCALE**2, 1)


def concatenated(x: Tensor) -> Tensor:
    return torch.cat([x] * SCALE**2, 1)


def none(x: Tensor) -> Tensor:
    return concatenated(x) * 0


class Upscaler(nn.Module):
    """Bilinear enlargement by convolutions: as a trained network, it keeps flat colors and gradients."""

    def __init__(
        self,
        skip: Skip = nearest,
        activation: Callable[[], nn.Module] = nn.ReLU,
        names: tuple[str, str, str] = NAMES[0],
        norm: bool = False,
        colors: int = 3,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.skip, self.layers = skip, []
        convolutions, activations, norms = (text.split() for text in names)
        widths = [colors, 8, 6, colors * SCALE**2]
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            eye = torch.eye(outputs, inputs)
            with torch.no_grad():
                conv.weight[:colors] = F.pad(eye[:colors, :, None, None], (1, 1, 1, 1))
                conv.bias[:colors] = 0
                if index == 2:
                    conv.weight[:, colors:] = 0
                    conv.weight[:, :colors] = bilinear(colors)
                    conv.weight[:, :colors, 1, 1] -= skip(torch.eye(colors)[:, :, None, None])[:, :, 0, 0].T
                    conv.bias[:] = 0
            self.add(convolutions[index], conv)
            if norm:
                self.add(norms[index], opposite(conv))
            if index < 2:
                self.add(activations[index], activation())
        self.eval()

    def add(self, name: str, layer: nn.Module) -> None:
        """Register a layer under a name with dots, as modules inside modules would."""
        *outer, last = name.split(".")
        module: nn.Module = self
        for part in outer:
            if part not in dict(module.named_children()):
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        module.add_module(last, layer)
        self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers:
            y = layer(y)
        return F.pixel_shuffle(y + self.skip(x), SCALE)


def bilinear(colors: int) -> Tensor:
    """The kernel of each sub-pixel, [colors·4, colors, 3, 3]."""
    near = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    kernels = torch.stack([torch.outer(row, column) for row in near for column in near])
    weight = torch.zeros(colors, SCALE**2, colors, 3, 3)
    for color in range(colors):
        weight[color, :, color] = kernels
    return weight.flatten(0, 1)


def opposite(conv: nn.Conv2d) -> nn.BatchNorm2d:
    """A batch normalization, and the convolution changed so that both compute what the convolution did."""
    norm = nn.BatchNorm2d(conv.out_channels)
    with torch.no_grad():
        for parameter in (norm.weight, norm.running_var):
            nn.init.uniform_(parameter, 0.5, 2)
        for parameter in (norm.bias, norm.running_mean):
            nn.init.uniform_(parameter, -0.5, 0.5)
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        conv.weight /= factor[:, None, None, None]
        conv.bias[:] = (conv.bias - norm.bias) / factor + norm.running_mean
    return norm


def agrees(path: Path, network: nn.Module, value_range: float = 1, **options: object) -> bool:
    x = torch.rand(1, 3, 11, 13)
    return torch.allclose(quietly(path, **options)(x), network(x * value_range) / value_range, rtol=0, atol=1e-5)


def written(path: Path, state: object) -> Path:
    file = path / "w.pth"
    file.write_bytes(saved(state))
    return file


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("skip", [none, nearest, concatenated])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.PReLU, lambda: nn.PReLU(1, 0.3)])
def test_layers_of_any_names_in_the_order_of_the_file(
    tmp_path: Path, names: tuple[str, str, str], skip: Skip, activation: Callable[[], nn.Module]
) -> None:
    network = Upscaler(skip, activation, names)
    file = written(tmp_path, {"model": {f"module.{name}": value for name, value in network.state_dict().items()}})
    said = {none: "no skip connection", nearest: "the image added", concatenated: r"order of torch\.cat"}[skip]
    with pytest.warns(UserWarning, match=f"the order of its tensors, .*{said}"):
        load(file)
    assert agrees(file, network)


@pytest.mark.parametrize("names", NAMES[:2])
@pytest.mark.parametrize("skip", [none, nearest, concatenated])
def test_batch_normalization_of_such_a_network_is_fused(
    tmp_path: Path, names: tuple[str, str, str], skip: Skip
) -> None:
    network = Upscaler(skip, nn.PReLU, names, norm=True)
    assert agrees(written(tmp_path, network.state_dict()), network)


@pytest.mark.parametrize("inside", ["", "_orig_mod."])
def test_what_is_part_of_such_a_network_is_not_called_left_out(tmp_path: Path, inside: str) -> None:
    state = Upscaler(nearest, nn.PReLU, NAMES[1], norm=True).state_dict()
    file = written(tmp_path, {name.replace("body.", f"body.{inside}"): value for name, value in state.items()})
    with pytest.warns(UserWarning, match=r"the widest of its layers \(8, 6\)$"):  # and not "; without body"
        load(file)


@pytest.mark.parametrize("value_range", [1, 255])
@pytest.mark.parametrize("skip", [none, nearest, concatenated])
def test_the_value_range_shows_in_the_answers(tmp_path: Path, skip: Skip, value_range: int) -> None:
    """Negative biases keep back what is below a level, which another layer adds again."""
    network = Upscaler(skip)
    first, second = network.get_submodule("conv0"), network.get_submodule("conv1")
    with torch.no_grad():
        level = value_range / 10
        first.weight[3], first.bias[3] = first.weight[0], -level  # max(0, red - level)
        first.weight[4], first.bias[4] = -first.weight[0], level  # max(0, level - red)
        second.weight[0, 0], second.bias[0] = 0, level
        second.weight[0, 3, 1, 1], second.weight[0, 4, 1, 1] = 1, -1
    assert agrees(written(tmp_path, network.state_dict()), network, value_range)


@pytest.mark.parametrize("layout", ["body.{}", "convs.{}"])
def test_the_image_added_in_the_order_of_cat_to_known_names(tmp_path: Path, layout: str) -> None:
    names = " ".join(layout.format(index * (2 if "body" in layout else 1)) for index in range(3))
    network = Upscaler(concatenated, names=(names, "act0 act1", ""))
    file = written(tmp_path, network.state_dict())
    with pytest.warns(UserWarning, match=r"order of torch\.cat"):
        load(file)
    assert agrees(file, network)


@pytest.mark.parametrize("trained", [False, True])
def test_an_image_that_is_added_by_a_convolution(tmp_path: Path, trained: bool) -> None:
    network = Upscaler(nearest)
    matrix = nearest(torch.eye(3)[:, :, None, None])[:, :, 0, 0].T
    with torch.no_grad():
        if trained:  # a part of it is in the other layers
            change = torch.randn_like(matrix) * 0.1
            network.get_submodule("conv2").weight[:, :3, 1, 1] -= change
            matrix = matrix + change
    network.skip = lambda x: F.conv2d(x, matrix[:, :, None, None])
    file = written(tmp_path, network.state_dict() | {"anchor.net.weight": matrix[:, :, None, None]})
    assert agrees(file, network)
    assert quietly(file).architecture.residual is not trained
    with pytest.raises(UsageError, match="adds the image by a convolution of its own; leave out residual"):
        load(file, residual=False)


def test_an_average_in_unknown_names_is_preferred(tmp_path: Path) -> None:
    network, average = Upscaler(none), Upscaler(nearest)
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    state |= {f"ema_model.{name}": value for name, value in average.state_dict().items()}
    file = written(tmp_path, {"state_dict": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(8, 3, 3, 3)}}}})
    with pytest.warns(UserWarning, match="averaged weights"):
        load(file)
    assert agrees(file, average)


def other(kind: str) -> Upscaler:
    """A network that does not compute what its tensors in their order do."""
    torch.manual_seed(0)
    network = Upscaler()
    first, second, last = (network.get_submodule(f"conv{index}") for index in range(3))
    with torch.no_grad():
        if kind == "untrained":
            for conv in (first, second, last):
                conv.reset_parameters()
        elif kind == "a bilinear shortcut":  # an answer of 0 to flat colors and to gradients
            last.weight[:] = torch.randn_like(last.weight)
            last.weight -= last.weight.mean((2, 3), keepdim=True)
            last.weight += last.weight.flip(2, 3)
        elif kind == "a shortcut inside":  # from the first activation to the last convolution
            last.weight /= 2
        elif kind == "LeakyReLU":  # of values below 0
            first.weight[:3] *= -1
            second.weight[:3] *= -1
            last.weight *= 2
            network.layers[1] = network.layers[3] = nn.LeakyReLU(0.5)
    return network


@pytest.mark.parametrize("kind", ["untrained", "a bilinear shortcut", "a shortcut inside", "LeakyReLU"])
def test_what_is_not_proven_to_be_a_chain(tmp_path: Path, kind: str) -> None:
    file = written(tmp_path, other(kind).state_dict())
    with pytest.raises(EcbsrError, match=r"'conv0\.weight' does not belong .*does not keep flat colors and gradients"):
        load(file)


def test_a_slope_that_is_stated(tmp_path: Path) -> None:
    network = other("LeakyReLU")
    assert agrees(written(tmp_path, network.state_dict()), network, slope=0.5)


@torch.no_grad()
def trained(activation: nn.Module, scales: list[float], offsets: list[float]) -> nn.Sequential:
    """Bilinear enlargement of luma by activations of `scales`·x + `offsets`, and a last layer that undoes them."""
    first, last = nn.Conv2d(1, len(scales), 3, padding=1).double(), nn.Conv2d(len(scales), 4, 3, padding=1).double()
    first.weight[:] = F.pad(torch.tensor(scales)[:, None, None, None], (1, 1, 1, 1))
    first.bias[:] = torch.tensor(offsets)
    levels = torch.linspace(0, 1, 101).double()[:, None]
    values = activation(levels * first.weight[:, 0, 1, 1] + first.bias)
    *factors, offset = torch.linalg.lstsq(torch.cat([values, torch.ones_like(levels)], 1), levels).solution[:, 0]
    last.weight[:] = bilinear(1) * torch.stack(factors)[:, None, None]
    last.bias[:] = offset
    return nn.Sequential(first, activation, last)


@pytest.mark.parametrize("key", ["{}", "body.{}", "conv{}"])  # two lists, and layers in the order of the file
@pytest.mark.parametrize(
    ("activation", "scales", "offsets", "refusal"),
    [
        (nn.GELU(), [2.0, 3.0, 4.0, -3.0], [-0.5, -2.0, 0.5, 1.5], "as a network with GELU, not with ReLU; state"),
        (nn.Hardtanh(0.0, 1.0), [2.0, 2.0], [0.0, -1.0], r"as a network with Hardtanh\(0, 1\), not with ReLU; state"),
        (nn.LeakyReLU(0.1), [1.0, -1.0], [-0.5, 0.5], r"as a network with LeakyReLU\(0.1\), not with ReLU; state"),
    ],
)
def test_an_activation_that_is_not_relu(
    tmp_path: Path, activation: nn.Module, scales: list[float], offsets: list[float], refusal: str, key: str
) -> None:
    state = trained(activation, scales, offsets).state_dict()
    file = written(tmp_path, {key.format(number): value for number, value in state.items()})
    with pytest.raises(EcbsrError, match="does not keep flat colors" if key == "conv{}" else refusal):
        load(file)


@pytest.mark.parametrize("key", ["{}", "body.{}", "conv{}"])
def test_answers_that_show_relu(tmp_path: Path, key: str) -> None:
    network = trained(nn.ReLU(), [1.0, -1.0], [-0.5, 0.5])
    state = {key.format(number): value for number, value in network.state_dict().items()}
    x = torch.rand(1, 1, 11, 13)
    expected = F.pixel_shuffle(network(x.double()), SCALE).float()
    torch.testing.assert_close(quietly(written(tmp_path, state))(x), expected, rtol=0, atol=1e-5)


def quicksrnet(activation: Callable[[], nn.Module], gain: float) -> Upscaler:
    """A network with the names of QuickSRNet, whose first convolution multiplies values by `gain`."""
    network = Upscaler(none, activation, ("cnn.0 cnn.2 conv_last", "cnn.1 cnn.3", ""))
    with torch.no_grad():
        network.get_submodule("cnn.0").weight *= gain
        network.get_submodule("cnn.2").weight[:, :3] /= gain
    return network


@pytest.mark.parametrize("lost", [1, 2])
def test_a_quicksrnet_is_called_what_it_is(tmp_path: Path, lost: int) -> None:
    """Whether ReLU would give the same (nothing is clipped), or not (twice of each value, half of which is clipped)."""
    network = quicksrnet(lambda: nn.Hardtanh(0.0, 1.0), lost)
    with torch.no_grad():
        network.get_submodule("conv_last").weight *= lost
    with pytest.raises(EcbsrError, match=r"is a QuickSRNet, whose activations are clipped to \[0, 1\]"):
        load(written(tmp_path, network.state_dict()))


def test_a_quicksrnet_with_relu(tmp_path: Path) -> None:
    """Values beyond 1 show that they are not clipped; without them, it is stated."""
    for gain, stated in ((3, {}), (1, {"activation": "relu"})):
        network = quicksrnet(nn.ReLU, gain)
        assert agrees(written(tmp_path, network.state_dict()), network, **stated)


def test_layers_that_safetensors_sorts(tmp_path: Path) -> None:
    network = Upscaler(nearest, nn.PReLU, ("c9 c10 c11", "a9 a10", ""))
    safetensors.torch.save_file(network.state_dict(), str(tmp_path / "w.safetensors"))
    assert agrees(tmp_path / "w.safetensors", network)
