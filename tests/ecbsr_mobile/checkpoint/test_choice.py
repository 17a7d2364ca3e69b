"""The one network among all that a checkpoint holds: wrappers, prefixes, averages, losses, counters."""

from __future__ import annotations

import argparse
import io
import json
import logging
import re
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from ecbsr_mobile import EcbsrError, load
from ecbsr_mobile.architecture import ACTIVATIONS, Activation
from ecbsr_mobile.checkpoint import pickles
from tests.helpers.checkpoints import LAYOUTS, Chain, State, quietly, same, saved, some_net

PREFIXES = ("module.", "_orig_mod.", "model.", "net_g.", "generator.", "netG.", "net.", "sr_model.", "backbone_net.")
KEYS = ("params", "state_dict", "model_state_dict", "model", "weights", "net_g", "generator", "checkpoint", "0")


def beside(kind: str, prefix: str) -> dict[str, Any]:
    """What training code leaves among the tensors of a network."""
    one = torch.ones(1)
    return {
        "nothing": {},
        "thop": {"total_ops": one, f"{prefix}backbone.0.total_ops": one.double(), f"{prefix}total_params": one},
        "loss": {"loss_fn.weight": torch.ones(3), "criterion.vgg.features.0.weight": torch.ones(4, 3, 3, 3)},
        "metrics": {"val_psnr.sum_squared_error": one, "train_metrics.ssim.total": one},
        "counters": {f"{prefix}num_batches_tracked": torch.tensor(7), "n_averaged": torch.tensor(3)},
        "discriminator": {"discriminator.conv1.weight": torch.ones(4, 3, 3, 3), "netD.fc.bias": torch.ones(1)},
    }[kind]


def around(kind: str, state: State) -> dict[str, Any]:
    """What training code stores next to the state dict."""
    parameters = [torch.nn.Parameter(value) for value in state.values()]
    optimizer = torch.optim.Adam(parameters)
    return {
        "nothing": {},
        "numbers": {"epoch": 3, "best_psnr": np.float64(31.5), "history": [np.float32(1), np.int64(2)]},
        "arrays": {"rng": np.arange(5), "numpy": np.array(["a"]), "cuda": torch.arange(9, dtype=torch.uint8)},
        "optimizer": {"optimizer": optimizer.state_dict(), "optimizers": [optimizer.state_dict()], "lr_schedulers": []},
        "moments": {"optimizer": {"exp_avg": {name: value * 2 for name, value in state.items()}}},
        "arguments": {"args": argparse.Namespace(lr=1e-3), "path": Path("x"), "types": [Any, int, range(3), ...]},
        "objects": {
            "optimizer": partial(torch.optim.Adam, lr=1e-3), "options": SimpleNamespace(a=1),
            "rng": np.random.default_rng(0), "time": datetime.now(ZoneInfo("UTC")),
            "log": logging.getLogger("train"), "keep": re.compile("best", re.IGNORECASE), "ratio": Fraction(1, 3),
        },
    }[kind]  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    layout=st.sampled_from(list(LAYOUTS)),
    activation=st.sampled_from(ACTIVATIONS),
    prefixes=st.lists(st.sampled_from(PREFIXES), max_size=3),
    keys=st.lists(st.sampled_from(KEYS), max_size=3),
    left=st.sampled_from(["nothing", "thop", "loss", "metrics", "counters", "discriminator"]),
    stored=st.sampled_from(["nothing", "numbers", "arrays", "optimizer", "moments", "arguments", "objects"]),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    options=st.sampled_from(
        [{}, {"pickle_protocol": 4}, {"pickle_protocol": 5}, {"_use_new_zipfile_serialization": False}]
    ),
    shared=st.booleans(),
    reverse=st.booleans(),
)
def test_any_wrapper(
    layout: str, activation: Activation, prefixes: list[str], keys: list[str], left: str, stored: str,
    dtype: torch.dtype, options: dict[str, Any], shared: bool, reverse: bool,
) -> None:  # fmt: skip
    net = some_net(activation).to(dtype).float()
    tensors = {name: value.to(dtype) for name, value in LAYOUTS[layout](net).items()}
    prefix = "".join(prefixes)
    if shared:
        tensors = in_one_storage(tensors)
    if reverse:
        tensors = dict(reversed(tensors.items()))
    content: Any = {prefix + name: value for name, value in tensors.items()} | beside(left, prefix)
    for key in keys:
        content = {key: content} | around(stored, tensors)
    with TemporaryDirectory() as folder:
        path = Path(folder, "w.pth")
        path.write_bytes(saved(content, **options))
        # Plain layouts are rounded after the collapse, blocks before.
        rounding = {torch.float16: 0.01, torch.bfloat16: 0.05}.get(dtype, 1e-5)
        assert same(quietly(path, value_range=1), net.collapse(), rounding)


@dataclass
class Options:
    rate: float = 1e-3


def test_objects_beside_the_weights_are_left_out(tmp_path: Path) -> None:
    """Lightning keeps arguments, also whole modules; other code keeps its options, classes and functions."""
    net = some_net()
    beside = {"net": nn.Conv2d(1, 1, 1), "options": Options(), "optimizer": torch.optim.Adam, "clip": clip_grad_norm_}
    torch.save({"state_dict": net.state_dict(), "hyper_parameters": beside}, tmp_path / "w.ckpt")
    assert same(quietly(tmp_path / "w.ckpt", value_range=1), net.collapse())


class Mode(Enum):
    LUMA = 1


class Kind(StrEnum):
    SMALL = "small"


class Settings(OrderedDict):
    """Pickled as a call of its class, unlike other kinds of dict."""


@pytest.mark.parametrize("stored", [Mode.LUMA, Kind.SMALL, Settings(mode=Mode.LUMA), [Mode.LUMA] * 2])
@pytest.mark.parametrize("legacy", [False, True])
def test_what_a_program_calls_beside_the_weights_is_left_out(tmp_path: Path, stored: object, legacy: bool) -> None:
    net = some_net()
    content = {"settings": stored, "state_dict": net.state_dict(), "mode": {"mode": stored}}
    (tmp_path / "w.pth").write_bytes(saved(content, _use_new_zipfile_serialization=not legacy))
    assert same(quietly(tmp_path / "w.pth", value_range=1), net.collapse())


def test_an_object_in_the_place_of_a_tensor_is_refused(tmp_path: Path) -> None:
    """Without the slopes, it would be a network with ReLU."""
    state = Chain(nn.PReLU, True).state_dict()
    slopes = {name: Mode.LUMA for name, value in state.items() if value.numel() == 1}
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": state | slopes}))
    with pytest.raises(EcbsrError, match=r"\.1\.weight' is an object of tests\..*\.Mode"):
        load(tmp_path / "w.pth")
    net = some_net()
    (tmp_path / "w.pth").write_bytes(saved(net.state_dict() | {"backbone.0.act.weight": Mode.LUMA}))
    with pytest.raises(EcbsrError, match=r"backbone\.0\.act\.weight' is an object of tests\..*\.Mode"):
        load(tmp_path / "w.pth")


@pytest.mark.parametrize("key", ["net", "hyper_parameters", "state"])
def test_a_whole_module_beside_the_weights_in_an_old_file(tmp_path: Path, key: str) -> None:
    """Before PyTorch 1.6, the source code of a module's class was stored beside it."""
    net = some_net()
    content = {key: nn.Sequential(nn.Conv2d(1, 1, 1), nn.L1Loss()), "state_dict": net.state_dict()}
    (tmp_path / "w.pth").write_bytes(saved(content, _use_new_zipfile_serialization=False))
    assert same(quietly(tmp_path / "w.pth", value_range=1), net.collapse())


@pytest.mark.parametrize("wrapper", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
@pytest.mark.parametrize("before", ["conv3x3|conv1x1_3x3|act", "backbone|conv1x1_sbx", r"\d"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.net."])
def test_wrappers_inside_a_network(tmp_path: Path, wrapper: str, before: str, prefix: str) -> None:
    """torch.compile of a block, FSDP and activation checkpoints put a module around each module that they wrap."""
    net = some_net()
    state = {prefix + re.sub(rf"(?<![^.])({before})\.", rf"{wrapper}.\1.", k): v for k, v in net.state_dict().items()}
    (tmp_path / "w.pth").write_bytes(saved(state))
    assert same(quietly(tmp_path / "w.pth", value_range=1), net.collapse())


def test_wrapped_blocks_as_pytorch_names_them(tmp_path: Path) -> None:
    net, wrapped = some_net(), some_net()
    for index, block in enumerate(wrapped.backbone):
        wrapped.backbone[index] = torch.compile(block)
    assert any("._orig_mod." in name for name in wrapped.state_dict())
    (tmp_path / "w.pth").write_bytes(saved(wrapped.state_dict()))
    assert same(quietly(tmp_path / "w.pth", value_range=1), net.collapse())


class Dict(dict):
    pass


def test_a_state_dict_in_a_kind_of_dict_is_found(tmp_path: Path) -> None:
    net = some_net()
    torch.save(Dict(model=Dict(net.state_dict()), epoch=3), tmp_path / "w.pth")
    assert same(quietly(tmp_path / "w.pth", value_range=1), net.collapse())


def test_an_average_in_an_object_is_named(tmp_path: Path) -> None:
    torch.save({"model": some_net().state_dict(), "ema": nn.Conv2d(1, 1, 1)}, tmp_path / "w.pth")
    with pytest.warns(UserWarning, match=r"the averages in ema, an object of torch\.nn\.modules\.conv\.Conv2d"):
        load(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "name",
    ["pathlib._local PosixPath", "__builtin__ getattr", "omegaconf.base ContainerMetadata", "box.box_list BoxList",
     "mmengine.config.config ConfigDict"],
)  # fmt: skip
def test_what_other_programs_and_pythons_call_beside_weights(name: str) -> None:
    """Python 3.13 calls `pathlib._local`; the others are of pickles that these libraries write."""
    called = pickles.decode(io.BytesIO(f"c{name.replace(' ', chr(10))}\n)R.".encode()))
    assert isinstance(called, pickles.Call) and called.name == name.replace(" ", ".")


def in_one_storage(state: State) -> State:
    flat = torch.cat([value.flatten() for value in state.values()])
    parts = flat.split([value.numel() for value in state.values()])
    return {name: part.view(value.shape) for (name, value), part in zip(state.items(), parts, strict=True)}


AVERAGES = {
    "BasicSR": lambda a, b: {"params": a, "params_ema": b},
    "timm": lambda a, b: {"state_dict": a, "state_dict_ema": b},
    "two modules": lambda a, b: {"state_dict": {**named("model.", a), **named("model_ema.module.", b)}},
    "ema_pytorch": lambda a, b: {
        **named("online_model.", a), **named("ema_model.", b), "initted": torch.ones(1), "step": torch.tensor(5),
    },
    "swa": lambda a, b: {"model": a, "swa_model": {"n_averaged": torch.tensor(2), **named("module.", b)}},
    "LitEma": lambda a, b: {
        "state_dict": {
            **named("model.", a), **{f"model_ema.{name.replace('.', '')}": value for name, value in b.items()},
            "model_ema.decay": torch.tensor(0.99), "model_ema.num_updates": torch.tensor(5),
        }
    },
    "LitEma of a module around the network": lambda a, b: {
        **named("sr.model.", a), "model_ema.num_updates": torch.tensor(5),
        **{f"model_ema.model{name.replace('.', '')}": value for name, value in b.items()},
    },
    "MMEngine's EMAHook": lambda a, b: {  # exchanges both before it saves
        "meta": {"mmengine_version": "0.10.7"}, "message_hub": {}, "state_dict": named("generator.", b),
        "ema_state_dict": {"steps": torch.tensor(3), **named("module.generator.", a)},
    },
    "Lightning's WeightAveraging": lambda a, b: {
        "state_dict": named("net.", b), "current_model_state": named("net.", a),
        "averaging_state": {"n_averaged": torch.tensor(3)},
    },
    "ema_pytorch beside the network": lambda a, b: {
        "model": {name: value * 1 for name, value in a.items()},
        "ema": {"initted": torch.tensor(True), **named("online_model.", a), **named("ema_model.", b)},
    },
    "camel case": lambda a, b: {"netG": a, "netGEma": b},
    "without masks": lambda a, b: {"model": a, "ema": {name: v for name, v in b.items() if not name.endswith("mask")}},
}  # fmt: skip


def named(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize("kind", list(AVERAGES))
@pytest.mark.parametrize("reverse", [False, True])
def test_averaged_weights_are_preferred_and_named(tmp_path: Path, kind: str, reverse: bool) -> None:
    net, other = some_net(), some_net(seed=1)
    content = AVERAGES[kind](other.state_dict(), net.state_dict())
    (tmp_path / "w.pth").write_bytes(saved(dict(reversed(content.items())) if reverse else content))
    with pytest.warns(UserWarning, match=r"with the averaged weights \(.*(ema|swa|Ema|state_dict)"):
        assert same(load(tmp_path / "w.pth", value_range=1), net.collapse())


NOT_BEGUN = {
    "AveragedModel": lambda a, b: {"model": a, "swa_model": {"n_averaged": torch.tensor(0), **named("module.", b)}},
    "Lightning's StochasticWeightAveraging": lambda a, b: {
        "state_dict": named("net.", a),
        "callbacks": {"StochasticWeightAveraging": {"n_averaged": 0, "average_model_state": named("net.", b)}},
    },
    "Lightning's WeightAveraging": lambda a, b: {
        "state_dict": named("net.", b), "current_model_state": named("net.", a),
        "averaging_state": {"n_averaged": torch.tensor(0)},
    },
    "ema_pytorch": lambda a, b: {
        "initted": torch.tensor(False), **named("online_model.", a), **named("ema_model.", b),
    },
    "former ema_pytorch": lambda a, b: {
        "initted": torch.zeros(1), **named("online_model.", a), **named("ema_model.", b),
    },
    "LitEma": lambda a, b: {
        **named("model.", a), **{f"model_ema.{name.replace('.', '')}": value for name, value in b.items()},
        "model_ema.num_updates": torch.tensor(0, dtype=torch.int32),
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", list(NOT_BEGUN))
@pytest.mark.parametrize("legacy", [False, True])
def test_an_average_that_has_not_begun_is_left_out(tmp_path: Path, kind: str, legacy: bool) -> None:
    net, untrained = some_net(), some_net(seed=1)
    content = NOT_BEGUN[kind](net.state_dict(), untrained.state_dict())
    (tmp_path / "w.pth").write_bytes(saved(content, _use_new_zipfile_serialization=not legacy))
    with pytest.warns(UserWarning, match=r"without .*the average in [\w.]+, which has not begun$"):
        assert same(load(tmp_path / "w.pth", value_range=1), net.collapse())


def test_an_average_that_has_not_begun_in_safetensors(tmp_path: Path) -> None:
    net, untrained = some_net(), some_net(seed=1)
    state = {**named("net.", net.state_dict()), **named("swa.module.", untrained.state_dict())}
    safetensors.torch.save_file(state | {"swa.n_averaged": torch.tensor(0)}, tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="the average in swa.module, which has not begun$"):
        assert same(load(tmp_path / "w.safetensors", value_range=1), net.collapse())


def test_an_average_of_no_updates_alone_is_named(tmp_path: Path) -> None:
    state = torch.optim.swa_utils.AveragedModel(some_net()).state_dict()
    (tmp_path / "w.pth").write_bytes(saved({"swa_model": state}))
    with pytest.warns(UserWarning, match=r"averaged weights \(swa_model.module, of no updates yet\)$"):
        assert same(load(tmp_path / "w.pth", value_range=1), some_net().collapse())


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    state = named("model.", some_net().state_dict()) | {"feature_extractor.0.weight": torch.ones(3, 3)}
    (tmp_path / "w.ckpt").write_bytes(saved({"state_dict": state}))
    with pytest.warns(UserWarning, match=r"; without feature_extractor$"):
        assert same(load(tmp_path / "w.ckpt", value_range=1), some_net().collapse())


def test_of_many_things_left_out_the_first_are_named(tmp_path: Path) -> None:
    """MMCV keeps averages as buffers of names without dots."""
    state = some_net().state_dict()
    beside = {f"ema_generator_{name.replace('.', '_')}": value for name, value in state.items()}
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": named("generator.", state) | beside}))
    with pytest.warns(UserWarning, match="; without ema_generator_.*, …$") as noted:
        assert same(load(tmp_path / "w.pth", value_range=1), some_net().collapse())
    assert len(str(noted[0].message).partition("without")[2]) < 300


class OnDevice:
    """Pickled as PyTorch pickles a tensor of XLA, or did of MPS."""

    def __init__(self, value: Tensor, by: str) -> None:
        data = value.numpy() if by.endswith("numpy") else value
        self.call = (getattr(torch._utils, by), (data, value.dtype, "xla:0", False))

    def __reduce__(self) -> Any:
        return self.call


def test_tensors_of_other_devices(tmp_path: Path) -> None:
    state = some_net().state_dict()
    read = {name: OnDevice(value, "_rebuild_device_tensor_from_cpu_tensor") for name, value in state.items()}
    (tmp_path / "w.pth").write_bytes(saved(read))
    assert same(quietly(tmp_path / "w.pth", value_range=1), some_net().collapse())
    arrays = {name: OnDevice(value, "_rebuild_device_tensor_from_numpy") for name, value in state.items()}
    (tmp_path / "w.pth").write_bytes(saved(arrays))
    with pytest.raises(EcbsrError, match=r"another device \(XLA, MPS\); save it from the CPU"):
        load(tmp_path / "w.pth")


def test_parts_of_a_network_and_their_index(tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00002.safetensors"
    safetensors.torch.save_file(dict(list(some_net().state_dict().items())[:9]), path)
    with pytest.raises(EcbsrError, match="several parts of a network; load all of its parts"):
        load(path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"backbone.0.conv3x3.weight": path.name}}, indent=2))
    with pytest.raises(EcbsrError, match="index of a network in several parts"):
        load(index)
    whole = tmp_path / "model-00001-of-00001.safetensors"
    safetensors.torch.save_file(some_net().state_dict(), whole)
    assert same(quietly(whole, value_range=1), some_net().collapse())


def test_averages_without_names_are_named(tmp_path: Path) -> None:
    state = some_net().state_dict()
    average = {"decay": 0.99, "shadow_params": list(some_net(seed=1).state_dict().values())}
    (tmp_path / "w.pth").write_bytes(saved({"model": state, "ema": average}))
    with pytest.warns(UserWarning, match="; without the averages in shadow_params, which have no names$"):
        assert same(load(tmp_path / "w.pth", value_range=1), some_net().collapse())


def test_safetensors_with_prefixes(tmp_path: Path) -> None:
    state = named("_orig_mod.module.", some_net().state_dict()) | {"total_ops": torch.ones(1)}
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    assert same(quietly(tmp_path / "w.safetensors", value_range=1), some_net().collapse())


def test_the_content_counts_and_not_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(safetensors.torch.save(some_net().state_dict()))
    (tmp_path / "w.safetensors").write_bytes(saved(some_net().state_dict()))
    for name in ("w.pth", "w.safetensors"):
        assert same(quietly(tmp_path / name, value_range=1), some_net().collapse())


def test_files_without_checksums(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(some_net().state_dict(), tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert same(quietly(tmp_path / "w.pth", value_range=1), some_net().collapse())


def bad() -> dict[str, tuple[Any, str]]:
    state = some_net().state_dict()
    optimizer = torch.optim.Adam(some_net().parameters())
    return {
        "two networks": ({"student": state, "best": some_net(seed=1).state_dict()}, "several networks"),
        "an optimizer alone": ({"epoch": 1, "optimizer": optimizer.state_dict()}, "state of an optimizer"),
        "a bare optimizer": (optimizer.state_dict(), "state of an optimizer"),
        "a part more": (named("body.", state) | {"tail.weight": torch.ones(3, 3)}, "tail.weight"),
        "a part inside": (state | {"upsampler.0.weight": torch.ones(3, 3)}, "upsampler.0.weight"),
        "quantized": (
            {"backbone.0.conv3x3.scale": torch.tensor(0.1), "backbone.0.conv3x3.zero_point": torch.tensor(0)}
            | {k: v for k, v in state.items() if k == "backbone.0.conv3x3.bias"},
            "torch.ao",
        ),
        "prepared": (state | {"backbone.0.activation_post_process.min_val": torch.zeros(2)}, "torch.ao"),
        "arrays": ({name: value.numpy() for name, value in state.items()}, "NumPy arrays"),
        "our own training": ({"settings": {}, "net": state, "ema": state, "optimizer": {}}, "best.safetensors"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(bad()))
def test_refusals(tmp_path: Path, kind: str) -> None:
    content, message = bad()[kind]
    (tmp_path / "w.pth").write_bytes(saved(content))
    with pytest.raises(EcbsrError, match=message) as raised:
        load(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)


RANGES = {
    "luma blocks": (some_net(), "blocks", None, 255),
    "luma blocks of BasicSR": (some_net(), "blocks", "params", 1),
    "RGB blocks": (some_net(colors=3), "blocks", None, 1),
    "RGB blocks of BasicSR": (some_net(colors=3), "blocks", "params_ema", 1),
    "plain blocks": (some_net(), "official", None, 255),
    "plain RGB blocks": (some_net(colors=3), "official", None, 255),
    "ETDS": (some_net(colors=3), "etds", None, 1),
    "ours": (some_net(), "plain", None, 1),
}


@pytest.mark.parametrize("kind", list(RANGES))
def test_value_range_by_who_writes_the_layout(tmp_path: Path, kind: str) -> None:
    net, layout, key, value_range = RANGES[kind]
    state = LAYOUTS[layout](net)
    (tmp_path / "w.pth").write_bytes(saved({key: state} if key else state))
    with pytest.warns(UserWarning, match=rf"values in \[0, {value_range}\]"):
        assert same(load(tmp_path / "w.pth"), net.collapse().with_value_range(value_range))
    other = 256 - value_range
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same(load(tmp_path / "w.pth", value_range=other), net.collapse().with_value_range(other))


@pytest.mark.parametrize(
    "file", ["official_m4c16_x4_y_idt_prelu", "official_m4c8_x2_y_prelu", "basicsr_rgb_m2c8_x2_prelu"]
)
@pytest.mark.parametrize("kind", ["loss", "thop", "ema", "half"])
def test_original_outputs_from_a_wrapper(checkpoints: Path, tmp_path: Path, file: str, kind: str) -> None:
    recorded = np.load(checkpoints / f"{file}.npz")
    content = torch.load(checkpoints / f"{file}.pth", weights_only=True)
    value_range = 1 if "params" in content else 255
    state: dict[str, Tensor] = named("module._orig_mod.", content.get("params", content))
    if kind == "ema":
        worse = {name: value * 2 for name, value in state.items()}
        wrapped: dict[str, Any] = {"params": worse, "params_ema": state, "best_psnr": np.float32(30)}
    elif kind == "half":
        wrapped = {"state_dict": {name: value.double() for name, value in state.items()}}
    else:
        wrapped = {"state_dict": state | beside(kind, "module._orig_mod.")}
    (tmp_path / "w.pth").write_bytes(saved(wrapped))
    net = quietly(tmp_path / "w.pth", value_range=value_range, identity="idt" in file)
    output = net(torch.from_numpy(recorded["input"] / np.float32(value_range))).numpy() * value_range
    assert np.abs(output - recorded["output"]).max() <= 1e-5 * value_range


def test_reported_files(cases: Path) -> None:
    recorded = np.load(cases / "bare_state_dict/etds_train_rgb.npz")
    output = quietly(cases / "bare_state_dict/etds_train_rgb.pth")(torch.from_numpy(recorded["x"])).numpy()
    assert np.abs(output - recorded["y"]).max() <= 1e-5
    names = {quietly(path).name for path in (cases / "checkpoints").iterdir()}
    assert names == {"ecbsr-m4c8-x2"}
