"""Random weights, short training runs, and how two of them are compared."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from ecbsr_mobile import Settings

QUICK = Settings(blocks=1, channels=4, steps=20, batch=4, patch=12, validate_every=10, ema_decay=0.9)


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Set every parameter to values of a normal distribution."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)


def assert_same_run(first: Path, second: Path) -> None:
    """Two output folders are equal bit for bit, except for the time that the runs took."""
    states = [torch.load(run / "last.ckpt", weights_only=True) for run in (first, second)]
    for state in states:
        state["report"].pop("seconds_left")
    assert_equal = partial(torch.testing.assert_close, rtol=0, atol=0)
    for part in ("net", "ema", "optimizer", "losses"):
        assert_equal(states[0][part], states[1][part])
    for part in ("settings", "step", "report"):
        assert states[0][part] == states[1][part]
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (first, second)]
    assert [{**line, "seconds_left": 0} for line in logs[0]] == [{**line, "seconds_left": 0} for line in logs[1]]
    assert_equal(load_file(first / "best.safetensors"), load_file(second / "best.safetensors"))
