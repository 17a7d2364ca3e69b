"""The settings of a training run and its reports; nothing heavy is imported here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..architecture import PRELU_DECOMPOSITIONS, Activation, Architecture, PReLUDecomposition
from ..degradation import Degradation, parse
from ..errors import OptionError, UsageError

Optimizer = Literal["adam", "soap"]
"""`adam` trains the blocks with all their branches; `soap` trains the plain network, to which branches add nothing."""

LossName = Literal["l1", "l2", "psnr", "distill"]
"""See `losses`. `distill` is for int8 only: the distance to the float network's result."""

Schedule = Literal["cosine", "constant"]

DEFAULT_LR: dict[Optimizer, float] = {"adam": 1e-3, "soap": 5e-3}
"""A good initial learning rate of a cosine schedule, by optimizer."""

DIVERGED_LOSS: dict[LossName, float] = {"l1": 1.0, "l2": 1.0, "psnr": 0.0}
"""A larger loss is a mean error of more than the whole range of values."""

_BEST = {"optimizer": "soap", "loss": "psnr", "patch": 48, "batch": 32, "steps": 50_000}

PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"optimizer": "soap", "loss": "psnr", "patch": 48, "batch": 16, "steps": 2000, "validate_every": 200},
    "paper": {"optimizer": "adam", "lr": 5e-4, "loss": "l1", "patch": 32, "batch": 32, "schedule": "constant",
              "ema_decay": 0.0, "steps": 1_600_000},
    "best": _BEST,
    "m10c32": {"blocks": 10, "channels": 32, **_BEST},
    "m16c64": {"blocks": 16, "channels": 64, **_BEST, "lr": 2e-3},
}  # fmt: skip
"""Named settings: a first look, the paper's training, the first stage of the bundled models, and of wider networks."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a training run; stored in its checkpoint.

    A run whose checkpoint lacks a newer setting is resumed with its default, which has to leave training as it was.

    Raises:
        UsageError: a value is out of range, or two values contradict each other.
    """

    blocks: int = 4
    channels: int = 16
    scale: int = 2
    colors: int = 1
    activation: Activation = "prelu"
    identity: bool = False
    steps: int = 100_000
    batch: int = 32
    patch: int = 32
    """LR pixels along a side of a crop; 32 at x2 are the paper's HR crops of 64×64."""
    optimizer: Optimizer = "adam"
    lr: float = DEFAULT_LR["adam"]
    """The initial learning rate."""
    loss: LossName = "l1"
    schedule: Schedule = "cosine"
    """The learning rate falls to 0 along half a cosine, or stays constant."""
    ema_decay: float = 0.999
    """Decay of the exponential moving average of the weights, which is validated and saved; 0 for none.

    At step n it is at most (1 + n)/(10 + n)."""
    seed: int = 0
    fake_quant_ratio: float = 0.0
    """Share of the steps with fake-quantized activations; the float network then loses less when quantized."""
    int8: PReLUDecomposition | None = None
    """Train the int8 network of this PReLU decomposition, and the ranges of its activations."""
    bf16: bool = False
    """Convolutions in bfloat16: faster on processors with bfloat16 multiplication."""
    validate_every: int = 1000
    degrade: str | None = None
    """Degradations of the LR images, see `degradation.parse`; `seed` does not change those of the validation images."""
    teacher: str | None = None
    """Weights of a larger network, or the name of a bundled one, from whose results the network also learns.

    HR is mixed with them, see `crops.TEACHER_SHARE`; the validation images are not."""
    preset: str | None = None
    """Name of the preset that the run began with; only a record, see `PRESETS`."""

    def __post_init__(self) -> None:
        _ = self.architecture, self.degradations
        for name in ("steps", "batch", "patch", "validate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} is too small; use 1 or more")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {self.seed} is out of range; use 0 to {2**63 - 1}")
        if self.preset not in (None, *PRESETS):
            raise UsageError(f"preset {self.preset!r} is unknown; use one of {', '.join(PRESETS)}")
        choices = {"optimizer": Optimizer, "loss": LossName, "schedule": Schedule}
        for name, allowed in choices.items():
            if getattr(self, name) not in get_args(allowed):
                raise UsageError(
                    f"{name} {getattr(self, name)!r} is unknown; use one of {', '.join(get_args(allowed))}"
                )
        if self.int8 not in (None, *PRELU_DECOMPOSITIONS):
            raise UsageError(f"int8 {self.int8!r} is unknown; use one of {', '.join(PRELU_DECOMPOSITIONS)}")
        if not 0 < self.lr < math.inf:
            raise UsageError(
                f"learning rate {self.lr} is not a positive number; use for example {DEFAULT_LR[self.optimizer]}"
            )
        if not 0 <= self.ema_decay < 1:
            raise OptionError(f"{{ema_decay}} {self.ema_decay} is out of range; use 0 or more, and less than 1")
        if not 0 <= self.fake_quant_ratio <= 1:
            raise OptionError(
                f"{{fake_quant_ratio|--fake-quant}} {self.fake_quant_ratio} is not a share of the steps; use 0 to 1"
            )
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        if self.loss == "distill" and not self.int8:
            raise OptionError(
                "{loss} distill needs {int8}: its target is the float network's result; use l1, l2 or psnr"
            )
        if self.teacher and self.int8:
            raise OptionError("{int8} learns from its own float network: leave out {teacher}, and use {loss} distill")
        if self.identity and (self.int8 or self.optimizer != "adam"):
            raise OptionError(
                "{int8} and soap train the plain network, which has no identity branch: leave out {identity}"
            )
        if self.int8 and (self.fake_quant_ratio or self.bf16):
            raise OptionError(
                "int8 training quantizes every step and needs full precision; leave out "
                "{fake_quant_ratio|--fake-quant} and {bf16}"
            )

    @property
    def architecture(self) -> Architecture:
        """The network that is trained."""
        return Architecture(self.blocks, self.channels, self.scale, self.colors, self.activation)

    @property
    def degradations(self) -> tuple[Degradation, ...]:
        """What `degrade` lists."""
        return () if self.degrade is None else parse(self.degrade)

    def lr_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class Report:
    """The progress of a run at a validation; one line of `log.jsonl`.

    `loss` is the mean loss since the last report, `psnr` the mean luma PSNR in dB on the validation images, `lr` the
    learning rate, `seconds_left` an estimate from this process's speed, and `bicubic_psnr` the PSNR of bicubic on the
    same images.
    """

    step: int
    steps: int
    loss: float
    psnr: float
    best_psnr: float
    lr: float
    seconds_left: float
    bicubic_psnr: float = math.nan
