"""Settings refuse values that make no sense, and compute the learning rate."""

from __future__ import annotations

import pytest

from ecbsr_mobile import Settings, UsageError
from ecbsr_mobile.training.settings import PRESETS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps 0"),
        ({"batch": -1}, "batch -1"),
        ({"scale": 5}, "scale 5"),
        ({"optimizer": "sgd"}, "optimizer 'sgd' is unknown; use one of adam, soap"),
        ({"loss": "float"}, "loss 'float' is unknown"),
        ({"schedule": "linear"}, "schedule 'linear'"),
        ({"int8": "cpu"}, "int8 'cpu' is unknown; use one of single, double, native"),
        ({"seed": -1}, "seed -1 is out of range; use 0 to 9223372036854775807"),
        ({"seed": 2**64}, "seed 18446744073709551616 is out of range"),
        ({"preset": "fast"}, "preset 'fast' is unknown; use one of quick, paper, best, m10c32, m16c64"),
        ({"lr": 0.0}, "learning rate 0.0"),
        ({"lr": float("nan")}, "learning rate nan"),
        ({"lr": float("inf")}, "learning rate inf"),
        ({"ema_decay": 1.0}, "ema_decay 1.0"),
        ({"fake_quant_ratio": 1.5}, "fake_quant_ratio 1.5"),
        ({"degrade": "jpeg:200"}, "degrade 'jpeg:200' is not a range"),
        ({"loss": "distill"}, "distill needs int8"),
        ({"int8": "native", "identity": True}, "leave out identity"),
        ({"int8": "native", "teacher": "ecbsr-m10c32-x2"}, "leave out teacher"),
        ({"optimizer": "soap", "identity": True}, "leave out identity"),
        ({"int8": "native", "bf16": True}, "leave out fake_quant_ratio and bf16"),
        ({"int8": "native", "fake_quant_ratio": 0.5}, "leave out fake_quant_ratio and bf16"),
    ],
)
def test_refusals(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings(**values)


def test_learning_rate() -> None:
    cosine, constant = Settings(steps=100, lr=2e-3), Settings(steps=100, lr=2e-3, schedule="constant")
    assert [cosine.lr_at(step) for step in (0, 50, 100)] == pytest.approx([2e-3, 1e-3, 0])
    assert {constant.lr_at(step) for step in (0, 50, 100)} == {2e-3}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings(name: str) -> None:
    values = PRESETS[name]
    settings = Settings(**values, preset=name)
    assert {key: getattr(settings, key) for key in values} == values
