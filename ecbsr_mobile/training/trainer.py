"""The state of a training run (network, moving average, optimizer), one step of it, and its checkpoint."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ..checkpoint.training_state import read_training_state
from ..errors import EcbsrError, UsageError
from ..network import ECBSR, Int8Weights, PlainNet
from ..quantization.fake_quant import FakeQuantNet, fold_steep_slopes, forward_fake_quant
from ..quantization.qparams import LEAKY_SLOPES
from ..utils.files import write_bytes
from .cuda_graph import CudaGraphStep
from .distributed import Processes
from .gpu_crops import GpuCrops
from .losses import LOSSES, Distillation
from .settings import Settings

if TYPE_CHECKING:
    from ..utils.progress import Progress
    from .crops import Crops

T = TypeVar("T")

Trained = ECBSR | PlainNet | FakeQuantNet
"""What is trained: the blocks with their branches (Adam), the plain network (SOAP), or the int8 network."""

OBSERVED_CROPS = 256
"""Crops from which the ranges of an int8 network are set before its first step."""

_NOT_OURS = "is not a checkpoint of this ecbsr-train, or is damaged"


class Trainer:
    """A training run after `step` steps.

    Create it, `restore` a checkpoint if there is one, `prepare` it for the training crops, then alternate `batch` and
    `train_step`.

    Attributes:
        net: the network that is trained, on `device`, in channels_last.
        ema: the exponential moving average of its parameters, which is validated and saved.
        start: the plain network that training began with, if any.
        losses: the sum of the steps' losses since the last report.
        report: the last report, as JSON values.
        inputs: SHA-256 of what the run reads, by name, as its checkpoint records it.
    """

    def __init__(
        self,
        settings: Settings,
        start: PlainNet | None = None,
        device: torch.device | None = None,
        group: Processes | None = None,
    ) -> None:
        """A run that has taken no step; by default on the CPU and in one process.

        Raises:
            UsageError: `start` is missing or of another architecture, where it has to fit.
        """
        self.settings, self.start = settings, start
        self.device = device or torch.device("cpu")
        self.group = group or Processes()
        torch.manual_seed(settings.seed)
        self.net = _network(settings, start)
        self.net.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = deepcopy(self.net).requires_grad_(False)
        self.losses = torch.zeros((), dtype=torch.float64, device=self.device)
        self.step = 0
        self.report: dict[str, Any] | None = None
        self.inputs: dict[str, str] = {}
        self._crops: Crops | None = None
        self._gpu_crops: GpuCrops | None = None
        self._distillation = Distillation(cast(PlainNet, start), self.device) if settings.loss == "distill" else None
        # int8 scales and SOAP's matrices are computed on the CPU, which a CUDA graph cannot capture.
        captured = self.device.type == "cuda" and not settings.int8
        graph = CudaGraphStep if captured else _uncaptured
        self.optimizer = _optimizer(settings, self.net, self.device, captured)
        self._gradients = {quantized: graph(partial(self._set_gradients, quantized)) for quantized in (False, True)}
        self._update = self.optimizer.step if settings.optimizer == "soap" else graph(self.optimizer.step)
        layers = [module for module in self.net.modules() if isinstance(module, nn.PReLU)]
        self._leaky_slopes = [layer.weight for layer in layers] if settings.activation == "leaky" else []

    def prepare(self, crops: Crops, progress: Progress | None = None) -> None:
        """Get ready to train on `crops`.

        Sets the ranges of an int8 network that was not trained before, measures the float network of a distillation,
        and copies the images to the GPU if there is one.
        """
        settings = self.settings
        self._crops = crops
        if isinstance(self.net, FakeQuantNet) and self.step == 0 and _trained_int8(settings, self.start) is None:
            low, _ = crops.batch(settings.seed, 0, OBSERVED_CROPS)
            self.net.observe(torch.from_numpy(low).to(self.device))
        if self.device.type == "cuda":
            self._gpu_crops = GpuCrops(crops, self.device)
        if self._distillation:
            self._distillation.measure(crops, progress)

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The input of `train_step` for a step: this process's share of the crops, on the CPU.

        It is (LR, HR, chosen), where `chosen` are the rows of `Crops.choose`; or only (chosen,) for a GPU, which cuts
        the crops itself.
        """
        assert self._crops is not None, "call prepare first"
        chosen = self._crops.choose(self.settings.seed, step, self.settings.batch)[self.group.rank :: self.group.count]
        if self._gpu_crops is not None:
            return (torch.from_numpy(chosen).pin_memory(),)  # the GPU copies from pinned memory without waiting
        return (*map(torch.from_numpy, self._crops.cut(chosen)), torch.from_numpy(chosen))

    def train_step(self, *batch: Tensor) -> Tensor:
        """Take one step on a `batch`; returns the loss of the whole batch, over all processes."""
        lr = self.settings.lr_at(self.step)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
        ratio = self.settings.fake_quant_ratio
        quantized = math.floor((self.step + 1) * ratio) > math.floor(self.step * ratio)  # spread evenly over the steps
        loss = self._gradients[quantized](*(tensor.to(self.device, non_blocking=True) for tensor in batch))
        self._update()
        with torch.no_grad():  # for others, int8 needs another operator
            for slope in self._leaky_slopes:
                slope.clamp_(*LEAKY_SLOPES)
        self._average_weights()
        self.losses += loss
        self.step += 1
        return loss

    def model(self) -> PlainNet | FakeQuantNet:
        """The network to validate."""
        return self.ema.collapse().to(self.device) if isinstance(self.ema, ECBSR) else self.ema

    def weights(self) -> PlainNet | ECBSR:
        """The network to save. After int8 training it is the float network, with the int8 weights beside its own."""
        if not isinstance(self.ema, FakeQuantNet):
            return self.ema
        assert self.start is not None
        saved, trained = deepcopy(self.start), deepcopy(self.ema).cpu().weights()
        saved.int8[trained.decomposition] = trained
        return saved

    def _set_gradients(self, quantized: bool, *batch: Tensor) -> Tensor:
        low, high = batch[:2] if self._gpu_crops is None else self._gpu_crops.cut(batch[0])
        # In place, because a captured graph writes to the same addresses every time.
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16, cache_enabled=False):
            upscaled = forward_fake_quant(self.net, low) if quantized else self.net(low)  # type: ignore[arg-type]
        if self._distillation:
            loss = self._distillation(upscaled, low, image_index=batch[-1][:, 0])
        else:
            loss = LOSSES[self.settings.loss](upscaled, high)
        loss.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        self.group.average([*(p.grad for p in self.net.parameters() if p.grad is not None), loss])
        return loss

    def _average_weights(self) -> None:
        # Early weights are far from the later ones, so the average follows faster at first (as in TensorFlow's
        # ExponentialMovingAverage with num_updates). After the first step, it is the weights themselves. Not part of a
        # captured graph, which would repeat the same decay.
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step)) if self.step else 0.0
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.ema.parameters()), list(self.net.parameters()), None)

    def save(self, path: Path) -> None:
        """Write a checkpoint of the run (see `files.write_bytes`)."""
        # Dicts with names alone, which `read_training_state` requires.
        optimizer = self.optimizer.state_dict()["state"]
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "report": self.report,
            "inputs": self.inputs,
            "losses": self.losses,
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": {"parameters": list(optimizer), "states": list(optimizer.values())},
        }
        buffer = io.BytesIO()  # with a file, an error of the disk would be PyTorch's own
        torch.save(state, buffer)
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint, on any device; the first process reads it for all.

        Raises:
            EcbsrError: the file is missing or damaged.
            UsageError: it was trained with other settings.
        """
        try:
            state = self.group.from_first(lambda: _read(path))
            self._check_settings(path, state["settings"])
            self.net.load_state_dict(state["net"])
            self.ema.load_state_dict(state["ema"])
            (group,) = self.optimizer.state_dict()["param_groups"]
            if self.settings.optimizer == "soap":
                group["step"] = state["step"]  # SOAP counts the steps in its parameter group
            optimizer = dict(zip(state["optimizer"]["parameters"], state["optimizer"]["states"], strict=True))
            self.optimizer.load_state_dict({"state": optimizer, "param_groups": [group]})
            self.losses.copy_(state["losses"])
            self.step, self.report = state["step"], state["report"]
            self.inputs = dict(state.get("inputs", {}))
        except FileNotFoundError:
            raise EcbsrError(f"{path}: no such checkpoint to resume from; leave --resume out") from None
        except (RuntimeError, KeyError, TypeError, ValueError, AttributeError):
            raise EcbsrError(f"{path}: {_NOT_OURS}; start again") from None

    def _check_settings(self, path: Path, before: dict[str, Any]) -> None:
        before = asdict(Settings()) | before  # a setting that a file lacks is newer than it
        changed = [
            f"{name} {before[name]}, not {value}"
            for name, value in asdict(self.settings).items()
            if before[name] != value
        ]
        if changed:
            raise UsageError(f"{path}: was trained with {', '.join(changed)}; resume with the same options")


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_training_state(path)
    except EcbsrError as error:
        raise EcbsrError(f"{path}: {_NOT_OURS} ({error}); start again") from None


def _uncaptured(work: Callable[..., T]) -> Callable[..., T]:
    """`work` itself: takes the place of `CudaGraphStep` where no graph can be captured."""
    return work


def _network(settings: Settings, start: PlainNet | None) -> Trained:
    """The network to train, with the weights that it starts from."""
    s = settings
    if start is not None:
        _check_start(s, start)
    if s.int8:
        return _int8_network(s, start)
    net = ECBSR(s.blocks, s.channels, s.scale, s.colors, s.activation, s.identity)
    if start is not None:
        net.start_from(start)
    return net.collapse().requires_grad_(True) if s.optimizer == "soap" else net


def _check_start(settings: Settings, start: PlainNet) -> None:
    """Refuse weights of which the network to train would use nothing, or parts that compute something else there.

    Raises:
        UsageError: they are such weights.
    """
    given, wanted = start.architecture, settings.architecture
    if not given.residual:
        raise UsageError(
            f"the weights to start from ({start.name}) have no skip connection, which every network trained here has"
        )
    if given.colors != wanted.colors:
        raise UsageError(
            f"the weights to start from ({start.name}) have {given.colors} colors, not {wanted.colors}; "
            f"train with --colors {given.colors}, or start from others"
        )
    if given.blocks > wanted.blocks or given.channels > wanted.channels:
        least = f"--blocks {max(given.blocks, wanted.blocks)} --channels {max(given.channels, wanted.channels)}"
        raise UsageError(
            f"the weights to start from ({start.name}) are larger than the network to train ({wanted.name}); train one "
            f"with {least} or more, or learn from them (--teacher)"
        )


def _int8_network(settings: Settings, start: PlainNet | None) -> FakeQuantNet:
    """The int8 network of `start`, with its int8 weights if it was trained for int8 before."""
    assert settings.int8
    if start is None:
        raise UsageError("int8 training starts from trained float weights; give them (--from), also to resume it")
    if start.architecture != settings.architecture:
        raise UsageError(f"the weights to start from are {start.name}, not {settings.architecture.name}")
    trained = _trained_int8(settings, start)
    plain = deepcopy(trained.net) if trained else fold_steep_slopes(start)
    ranges = (trained.ranges, trained.channel_ranges) if trained else (None, None)
    return FakeQuantNet(plain.requires_grad_(True), settings.int8, *ranges)


def _trained_int8(settings: Settings, start: PlainNet | None) -> Int8Weights | None:
    return start.int8.get(settings.int8) if start is not None and settings.int8 else None


def _optimizer(settings: Settings, net: nn.Module, device: torch.device, captured: bool) -> torch.optim.Optimizer:
    if settings.optimizer == "soap":
        from .soap import Soap

        return Soap(net.parameters(), settings.lr)
    # A captured graph reads the learning rate from the same address every time, so it must be a tensor.
    lr = torch.tensor(settings.lr, device=device) if captured else settings.lr
    return torch.optim.Adam(net.parameters(), lr=lr, fused=True, capturable=captured)
