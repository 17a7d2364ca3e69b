"""Checkpoints as other programs write them, hostile ones, and mutations of both: the corpus of `load`."""

from __future__ import annotations

import io
import pickletools
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecbsr_mobile import ECBSR, PlainNet, load
from ecbsr_mobile.architecture import Activation

State = dict[str, Tensor]

_OPERATIONS = [operation.code.encode("latin-1") for operation in pickletools.opcodes]


def some_net(activation: Activation = "prelu", identity: bool = False, colors: int = 1, seed: int = 0) -> ECBSR:
    """A small network of random weights: blocks with branches."""
    torch.manual_seed(seed)
    net = ECBSR(1, 16, 4, colors, activation, identity)
    for parameter in net.parameters():
        parameter.data.uniform_(-0.2, 0.3)
    return net


def quietly(path: Path, **options: Any) -> PlainNet:
    """`load` without its notices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load(path, **options)


def same(a: PlainNet, b: PlainNet, tolerance: float = 1e-5) -> bool:
    """Whether two networks have one architecture and give nearly the same results."""
    x = torch.rand(1, a.architecture.colors, 9, 8)
    return a.name == b.name and bool((a(x) - b(x)).abs().max() <= tolerance * b(x).abs().max())


def renamed(plain: PlainNet, conv: str, act: str) -> State:
    """The state dict of a plain network under the names of another layout."""
    kinds = {"convs": conv, "acts": act}
    state = {}
    for name, value in plain.state_dict().items():
        kind, index, part = name.split(".")
        state[kinds[kind].format(index, part)] = value
    return state


def with_sections(state: State) -> State:
    """The blocks of a network under the names of xindongzhang's first code, which EDSR's script trains."""
    last = max(int(name.split(".")[1]) for name in state)
    sections = ["head.0", *(f"body.{index}" for index in range(last - 1)), "tail.0"]
    parts = {name: name.split(".", 2) for name in state}  # backbone, the number of the block, the rest
    return {f"{sections[int(parts[name][1])]}.{parts[name][2]}": value for name, value in state.items()}


def in_one_list(plain: PlainNet) -> State:
    """The convolutions and activations of a plain network in turn, under the names of Real-ESRGAN's compact network."""
    places = {"convs": 0, "acts": 1}
    parts = {name: name.split(".") for name in plain.state_dict()}  # kind, index, part
    names = {name: f"body.{2 * int(index) + places[kind]}.{part}" for name, (kind, index, part) in parts.items()}
    return {names[name]: value for name, value in plain.state_dict().items()}


class Chain(nn.Module):
    """3x3 convolutions with an activation after each but the last, a pixel shuffle, and the image added or not."""

    def __init__(
        self, activation: Callable[[], nn.Module], skip: bool, channels: int = 8, scale: int = 2, colors: int = 3
    ) -> None:
        super().__init__()
        self.scale, self.skip = scale, skip
        widths = [colors, channels, channels, channels, colors * scale**2]
        convolutions = [nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(widths)]
        self.layers = nn.Sequential(*(layer for each in convolutions for layer in (each, activation())))[:-1]
        for parameter in self.parameters():
            if parameter.ndim == 1:
                nn.init.uniform_(parameter, -0.2, 0.4)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pixel_shuffle(self.layers(x), self.scale)
        return y + F.interpolate(x, scale_factor=self.scale) if self.skip else y

    def named(self, conv: str, act: str) -> State:
        """The state dict with the names of a layout, such as `convs.{}.{}`: the number of a layer, and its part."""
        parts = {name: name.split(".")[1:] for name in self.state_dict()}  # the number in the list, the part
        kinds = (conv, act)
        return {
            kinds[int(index) % 2].format(int(index) // 2, part): self.state_dict()[name]
            for name, (index, part) in parts.items()
        }

    @torch.no_grad()
    def answering(self) -> Chain:
        """This network, with biases and a last layer that answer gray as a trained one: the gray, or 0 with a skip."""
        first, *_, last = (layer for layer in self.layers if isinstance(layer, nn.Conv2d))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                layer.bias.zero_()
        first.weight.abs_()  # positive: then what follows is linear in a gray image, whatever the activation
        for layer in self.layers[1:-1]:
            if isinstance(layer, nn.Conv2d):
                layer.weight.abs_()
        gray = torch.full((1, first.in_channels, 15, 15), 0.5)
        hidden = self.layers[:-1](gray)[0, :, 7, 7]
        last.weight -= last.weight.mean((2, 3), keepdim=True)  # nothing of a gray image
        if not self.skip:
            last.weight[:, :, 1, 1] += 0.5 * hidden / hidden.square().sum()
        return self


# The names of the layouts of fused networks, and of trained blocks.
LAYOUTS: dict[str, Callable[[ECBSR], State]] = {
    "plain": lambda net: net.collapse().state_dict(),
    "etds": lambda net: renamed(net.collapse(), "backbone.{}.0.{}", "backbone.{}.1.{}"),
    "official": lambda net: renamed(net.collapse(), "backbone.{}.conv3x3.{}", "backbone.{}.act.{}"),
    "compact": lambda net: in_one_list(net.collapse()),
    "blocks": lambda net: net.state_dict(),
    "legacy": lambda net: with_sections(net.state_dict()),
}


def saved(content: object, **options: Any) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def crafted(pickled: bytes, storages: Mapping[str, bytes] = {}, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive like those of `torch.save`, of any pickle and storages."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("w/data.pkl", pickled)
        archive.writestr("w/byteorder", "little")
        for key, data in storages.items():
            archive.writestr(f"w/data/{key}", data)
    return file.getvalue()


def rebuilt(name: str, storage: str, numel: int, size: Iterable[int], stride: Iterable[int]) -> bytes:
    """The part of a pickle for the item `name` of a dict: a tensor with any size and stride, in storage 0."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(values: Iterable[int]) -> bytes:
        return b"(" + b"".join(b"\x8a\x09" + value.to_bytes(9, "little", signed=True) for value in values) + b"t"

    storage_id = (
        b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text("0") + text("cpu") + numbers([numel])[1:-1]
    )
    return (
        text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage_id + b"tQK\x00" + numbers(size) + numbers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def _dict(*items: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(items) + b"u."


def hostile() -> dict[str, Callable[[], bytes]]:
    """Small files that ask for much time or memory, or hold something that is no dense tensor, by what they do."""
    state = dict(some_net().collapse().state_dict())
    weight = state["convs.0.weight"]
    selfref: dict[str, Any] = {}
    selfref["params"] = selfref
    deep: dict[str, Any] = {"x": 0}
    for _ in range(300):
        deep = {"params": deep}
    huge = rebuilt("convs.0.weight", "FloatStorage", 1, (111111111, 1, 3, 3), (0, 0, 0, 0))
    beyond = rebuilt("convs.0.weight", "FloatStorage", 4, (16, 1, 3, 3), (9, 9, 3, 1))
    negative = rebuilt("convs.0.weight", "FloatStorage", 144, (16, 1, 3, 3), (-9, 9, 3, 1))
    header = b'{"convs.0.weight":{"dtype":"F32","shape":[%s],"data_offsets":[0,%d]}}'
    return {
        "contains itself": lambda: saved(selfref),
        "300 wrappers": lambda: saved(deep),
        "10^5 wrappers": lambda: crafted(b"\x80\x02" + b"}X\x01\0\0\0p" * 10**5 + b"N" + b"s" * 10**5 + b"."),
        "10^5 nested tuples as a key": lambda: crafted(b"\x80\x02})" + b"\x85" * 10**5 + b"Ns."),
        "a name that is a deep tuple": lambda: crafted(b"\x80\x02)" + b"\x85" * 10**5 + b"2\x93."),
        "tuples that double": lambda: crafted(b"\x80\x02})" + b"2\x86" * 100 + b"Ns."),
        "stride 0": lambda: crafted(_dict(huge), {"0": b"\0" * 4}),
        "stride 0, compressed": lambda: crafted(_dict(huge), {"0": b"\0" * 4}, zipfile.ZIP_DEFLATED),
        "beyond its storage": lambda: crafted(_dict(beyond), {"0": b"\0" * 16}),
        "negative stride": lambda: crafted(_dict(negative), {"0": b"\0" * 576}),
        "a storage that unpacks to 288 MB": lambda: _bomb(288 << 20),
        "a pickle that unpacks to 64 MB": lambda: crafted(b"\x80\x02" + b"}" * 2**26, compression=zipfile.ZIP_DEFLATED),
        "a million dicts": lambda: crafted(b"\x80\x02" + b"}" * 2**20 + b"."),
        "a bytearray of 10^11": lambda: crafted(b"\x80\x02c__builtin__\nbytearray\n" + b"\x8a\x05\0\xe8vH\x17\x85R."),
        "a memo of 2^31": lambda: crafted(b"\x80\x02}r\xff\xff\xff\x7f."),
        "an old storage of 10^18": lambda: saved({"w": torch.ones(3)}, _use_new_zipfile_serialization=False)[:-20]
        + struct.pack("<q", 10**18) + bytes(12),
        "meta": lambda: saved(state | {"convs.0.weight": weight.to("meta")}),
        "sparse": lambda: saved(state | {"convs.0.weight": weight.flatten(1).to_sparse()}),
        "complex": lambda: saved(state | {"convs.0.weight": weight.to(torch.complex64)}),
        "integers": lambda: saved(state | {"convs.0.weight": weight.to(torch.int32)}),
        "float8": lambda: saved(state | {"convs.0.weight": weight.to(torch.float8_e4m3fn)}),
        "quantized": lambda: saved(state | {"convs.0.weight": _quantized(weight)}),
        "no rows": lambda: saved(state | {"convs.0.weight": weight[:0]}),
        "infinite": lambda: saved(state | {"convs.0.bias": state["convs.0.bias"] * float("inf")}),
        "beyond float32": lambda: saved({k: v.double() * 1e300 for k, v in state.items()}),
        "an index of 5000 digits": lambda: safetensors.torch.save({f"convs.{'9' * 5000}.weight": weight}),
        "a name of a million dots": lambda: safetensors.torch.save({"." * 10**6: weight}),
        "5000 prefixes": lambda: safetensors.torch.save({f"p{n}.convs.0.bias": torch.ones(1) for n in range(5000)}),
        "2000 blocks": lambda: safetensors.torch.save({f"convs.{n}.bias": torch.ones(1) for n in range(2000)}),
        "a branch far wider than its file": lambda: safetensors.torch.save(_wide_branch()),
        "one very wide layer": lambda: safetensors.torch.save(_one_wide_layer()),
        "shape and bytes differ": lambda: _safetensors(header % (b"16,1,3,3", 4)),
        "a shape that overflows": lambda: _safetensors(header % (b"4294967296,4294967296,3,3", 4)),
        "an empty header": lambda: _safetensors(b"{}"),
    }  # fmt: skip


def _bomb(size: int) -> bytes:
    item = rebuilt("convs.0.weight", "FloatStorage", size // 4, (16, 1, 3, 3), (9, 9, 3, 1))
    file = io.BytesIO(crafted(_dict(item)))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("w/data/0", "w") as member:
        for _ in range(size >> 20):
            member.write(bytes(2**20))
    return file.getvalue()


def _quantized(weight: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quantized tensors are deprecated
        return torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)


def _safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(4)


def _wide_branch() -> State:
    """A block whose branch is 100,000 wide between two convolutions of 100,000 numbers: 10^10 if made by its sizes."""
    state = some_net().state_dict()
    return state | {
        "backbone.1.conv1x1_3x3.b0": torch.ones(10**5),
        "backbone.1.conv1x1_3x3.k0": torch.ones(10**5, 1, 1, 1),
    }


def _one_wide_layer() -> State:
    widths = (1, 10**5, 1, 4)
    state = {}
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        state |= {f"backbone.{index}.0.weight": torch.ones(outputs, inputs, 3, 3)}
        state |= {f"backbone.{index}.0.bias": torch.ones(outputs)}
    return state


def corpus() -> dict[str, bytes]:
    """Small valid files of every container and layout, by what they are; `mutated` starts from them."""
    net = some_net()
    state = net.state_dict()
    files = {layout: saved(names(net)) for layout, names in LAYOUTS.items()}
    files |= {f"protocol {n}": saved(state, pickle_protocol=n) for n in (3, 4, 5)}
    return files | {
        "old": saved(net.collapse().state_dict(), _use_new_zipfile_serialization=False),
        "half": saved({name: value.half() for name, value in state.items()}),
        "wrapped": saved({"epoch": 3, "params_ema": {f"module.{name}": value for name, value in state.items()}}),
        "safetensors": safetensors.torch.save(net.collapse().state_dict()),
    }


def mutated(data: bytes, seed: int) -> bytes:
    """A file with a few changes; in an archive, also of what is in it, with checksums that fit."""
    generator = random.Random(seed)
    if data.startswith(b"PK") and generator.random() < 0.7:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        chosen = generator.choice([name for name in members if name.endswith(("data.pkl", "/0", "/1"))])
        members[chosen] = _changed(members[chosen], generator)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return file.getvalue()
    return _changed(data, generator)


def _changed(data: bytes, generator: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(changed)) if changed else 0
        kind = generator.randrange(5)
        if kind == 0:
            changed[place : place + 1] = bytes([generator.randrange(256)])
        elif kind == 1:
            del changed[place : place + generator.choice((1, 4, 100, len(changed)))]
        elif kind == 2:
            changed[place:place] = changed[place : place + generator.randrange(200)]
        elif kind == 3:
            changed[place : place + 4] = generator.choice((b"\xff" * 4, b"\0" * 4, b"\x7f" + b"\xff" * 3))
        else:
            changed[place : place + 1] = generator.choice(_OPERATIONS)
    return bytes(changed)
