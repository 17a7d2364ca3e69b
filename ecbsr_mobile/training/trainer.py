"""What changes while training: network, moving average, optimizer; one step of them, and their checkpoint."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ..errors import EcbsrError, UsageError
from ..images import RGB_TO_YCBCR
from ..network import ECBSR, Architecture, PlainNet
from ..quantization.fake_quant import FakeQuantNet, fold_steep_slopes, forward_fake_quant, round_to_8_bits
from ..utils.files import atomic_write
from .cuda_graph import CudaGraphStep
from .distributed import Processes

if TYPE_CHECKING:
    from ..dataset import Crops
    from ..utils.progress import Progress
    from .loop import Settings

T = TypeVar("T")

FLOOR = 1e-4
"""Added to a crop's mean square error before its logarithm: a crop far above 40 dB counts no more than one there."""


def psnr_loss(upscaled: Tensor, high: Tensor) -> Tensor:
    """Minus the mean over the crops of their PSNR in dB, which is what is measured in the end.

    L1 and L2 are ruled by crops of fine texture, where little can be won; PSNR, a mean of logarithms, is not.
    Of RGB it is the mean of two: that of the three colours, and that of their luma, which the field reports.
    """
    error = upscaled - high
    if error.shape[1] == 1:
        return _minus_psnr(error)
    # The factors as numbers: a tensor made here would be copied to the GPU in every step, which no capture allows.
    red, green, blue = RGB_TO_YCBCR[0].tolist()
    luma = red * error[:, 0:1] + green * error[:, 1:2] + blue * error[:, 2:3]
    return (_minus_psnr(error) + _minus_psnr(luma)) / 2


def _minus_psnr(error: Tensor) -> Tensor:
    return 10 * torch.log10(error.square().mean((1, 2, 3)) + FLOOR).mean()


ROUNDING = 1 / 12 / 255**2
"""The mean square error of rounding to 8 bits."""


def added_loss(upscaled: Tensor, teacher: Tensor, own: Tensor) -> Tensor:
    """The mean square distance to what a teacher gives, over the teacher's `own` to HR [N]: the mean over the crops.

    Own is that of the whole picture, which a crop may be far from: a tenth of it costs the picture 0.4 dB, wherever
    its PSNR lies. HR itself is no target: it is far from both, and what rounding does is lost in its noise.
    """
    return ((upscaled - teacher).square().mean((1, 2, 3)) / (own + ROUNDING)).mean()


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": torch.nn.functional.l1_loss,
    "l2": torch.nn.functional.mse_loss,
    "psnr": psnr_loss,
}


class Trainer:
    """The state of a training run after `step` steps.

    `average` is the moving average of `net`'s parameters: what is validated and kept. `losses` is the sum of the
    steps' losses since the last report, `report` that report as JSON values. `start` is the network it began with.
    `cut` makes (LR, HR) of the batch that a step is given, as part of the step.
    """

    errors: Tensor
    """[pictures]: the teacher's own mean square error on each (see `measure`)."""

    def __init__(
        self,
        settings: Settings,
        start: PlainNet | None = None,
        device: torch.device | None = None,
        group: Processes | None = None,
    ) -> None:
        """A run that has taken no step, on the CPU and in one process unless told otherwise."""
        s, self.settings = settings, settings
        self.device = device or torch.device("cpu")
        self.group = group or Processes()
        torch.manual_seed(s.seed)
        self.start = start
        self.net = _int8_net(s, start) if s.int8 else _float_net(s, start)
        self.net.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = None if s.loss != "float" else deepcopy(start).to(self.device)  # type: ignore[union-attr]
        self.average = deepcopy(self.net).requires_grad_(False)
        # The ends of int8's ranges, and SOAP's matrices, are computed on the host: no capture of these.
        captured = self.device.type == "cuda" and not s.int8
        self.optimizer = _optimizer(s, self.net, self.device, captured)
        self.losses = torch.zeros((), dtype=torch.float64, device=self.device)
        self.step = 0
        self.report: dict[str, Any] | None = None
        self.cut: Callable[..., tuple[Tensor, Tensor]] = lambda low, high, *_: (low, high)
        maybe_captured = CudaGraphStep if captured else _as_it_is
        self._gradients = {rounds: maybe_captured(partial(self._set_gradients, rounds)) for rounds in (False, True)}
        self._update = self._follow_gradients if s.optimizer == "soap" else maybe_captured(self._follow_gradients)

    def observe(self, low: Tensor) -> None:
        """Set the ranges of a network that begins to be trained as int8 to what LR crops make of them."""
        if isinstance(self.net, FakeQuantNet) and not (self.start and self.settings.int8 in self.start.int8):
            self.net.observe(low.to(self.device))

    @torch.no_grad()
    def measure(self, crops: Crops, progress: Progress | None = None) -> None:
        """Find the teacher's own error on each whole picture, which what is added on its crops counts against."""
        assert self.teacher is not None
        found = []
        for index in progress(range(len(crops)), "measuring the float network") if progress else range(len(crops)):
            low, high = (torch.from_numpy(part).to(self.device) for part in crops.whole(index))
            found.append((self.teacher(round_to_8_bits(low)).clamp_(0, 1) - high).square().mean())
        self.errors = torch.stack(found)

    def model(self) -> PlainNet | FakeQuantNet:
        """What is validated."""
        return self.average.collapse().to(self.device) if isinstance(self.average, ECBSR) else self.average

    def weights(self) -> PlainNet | ECBSR:
        """What is kept; of a network trained as int8, the float network that it began with, too."""
        if not isinstance(self.average, FakeQuantNet):
            return self.average
        assert self.start is not None
        kept, trained = deepcopy(self.start), deepcopy(self.average).cpu().weights()
        kept.int8[trained.decomposition] = trained
        return kept

    def train_step(self, *batch: Tensor) -> Tensor:
        """One step on this process's share of a batch; the whole batch's loss.

        The batch is (LR, HR), or what `cut` makes them of. With a teacher its last part is what `Crops.draw` drew.
        """
        rate = self.settings.rate_at(self.step)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        share = self.settings.rounded
        rounds = math.floor((self.step + 1) * share) > math.floor(self.step * share)
        loss = self._gradients[rounds](*(each.to(self.device, non_blocking=True) for each in batch))
        self._update()
        self.losses += loss
        self.step += 1
        return loss

    def _set_gradients(self, rounds: bool, *batch: Tensor) -> Tensor:
        low, high = self.cut(*batch)
        # In place: what was captured once writes where it wrote then.
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.mixed, cache_enabled=False):
            upscaled = forward_fake_quant(self.net, low) if rounds else self.net(low)  # type: ignore[arg-type]
        if self.teacher is None:
            loss = _LOSSES[self.settings.loss](upscaled, high)
        else:
            with torch.no_grad():
                wanted = self.teacher(round_to_8_bits(low)).clamp_(0, 1)
            loss = added_loss(upscaled, wanted, self.errors[batch[-1][:, 0]])
        loss.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        self.group.average([*(p.grad for p in self.net.parameters() if p.grad is not None), loss])
        return loss

    def _follow_gradients(self) -> None:
        self.optimizer.step()
        # The average starts where the first step ends.
        into_average = get_ema_multi_avg_fn(self.settings.average if self.step else 0.0)  # type: ignore[no-untyped-call]
        into_average(list(self.average.parameters()), list(self.net.parameters()), None)

    def save(self, path: Path) -> None:
        """Write all of this; nothing is half-written (see `files.atomic_write`)."""
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "report": self.report,
            "losses": self.losses,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict()["state"],
        }
        with atomic_write(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote, on whichever device; the first process reads it for all.

        Raises:
            EcbsrError: the file is missing or damaged.
            UsageError: it was trained with other settings.
        """
        try:
            state = self.group.from_first(lambda: torch.load(path, map_location="cpu", weights_only=True))
            held = state["settings"]
            changed = {k: (held.get(k), v) for k, v in asdict(self.settings).items() if held.get(k) != v}
            if changed:
                said = ", ".join(f"{name} {old}, not {new}" for name, (old, new) in changed.items())
                raise UsageError(f"{path}: was trained with {said}; resume with the same options")
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            (group,) = self.optimizer.state_dict()["param_groups"]
            if self.settings.optimizer == "soap":
                group["step"] = state["step"]  # it counts the run's steps once more
            self.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": [group]})
            self.losses.copy_(state["losses"])
            self.step, self.report = state["step"], state["report"]
        except FileNotFoundError:
            raise EcbsrError(f"{path}: no such checkpoint to resume from; leave --resume out") from None
        except (RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError):
            raise EcbsrError(f"{path}: is not a checkpoint of this ecbsr-train, or damaged; start again") from None


def _as_it_is(work: Callable[..., T]) -> Callable[..., T]:
    return work


def _float_net(s: Settings, start: PlainNet | None) -> ECBSR | PlainNet:
    net = ECBSR(s.blocks, s.channels, s.scale, s.colors, s.activation, s.identity)
    if start is not None:
        net.start_from(start)
    return net.collapse().requires_grad_(True) if s.optimizer == "soap" else net


def _optimizer(s: Settings, net: nn.Module, device: torch.device, captured: bool) -> torch.optim.Optimizer:
    if s.optimizer == "soap":
        from .soap import Soap

        return Soap(net.parameters(), s.rate)
    # What is captured reads the rate where it was then, so it must be a tensor.
    rate = torch.tensor(s.rate, device=device) if captured else s.rate
    return torch.optim.Adam(net.parameters(), lr=rate, fused=True, capturable=captured)


def _int8_net(s: Settings, start: PlainNet | None) -> FakeQuantNet:
    """The plain network as int8, from weights that may have been trained so before."""
    assert s.int8
    if start is None:
        raise UsageError("training for int8 starts from trained float weights; give them (--from)")
    asked = Architecture(s.blocks, s.channels, s.scale, s.colors, s.activation)
    if start.architecture != asked:
        raise UsageError(f"the weights to start from are {start.name}, not {asked.name}")
    before = start.int8.get(s.int8)
    plain = deepcopy(before.net) if before else fold_steep_slopes(start)
    return FakeQuantNet(plain.requires_grad_(True), s.int8, before.ranges if before else None)
