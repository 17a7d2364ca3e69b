"""Which cases a device runs, and in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from .config import HOST, HOST_DELEGATES, Case, Options
from .models import Model
from .results.types import TIMED, Run

MAX_FAILURES = 2  # a case that failed twice without a timed run is not tried again


def cases(models: Mapping[str, Model], options: Options, device: str) -> list[Case]:
    """Every case of a device: each model, size, delegate and number of threads."""
    delegates = options.delegates
    if device == HOST:  # this machine has no others; without these two, its rows are "unsupported"
        delegates = tuple(delegate for delegate in delegates if delegate.name in HOST_DELEGATES) or delegates
    return [
        Case(model.name, model.precision, device, str(delegate), threads, size)
        for model in models.values()
        for size in options.sizes or model.default_sizes()
        for delegate in delegates
        for threads in (options.threads if delegate.name == "cpu" else options.threads[:1])
    ]


def shuffled(cases: Sequence[Case], rounds: int, seed: int) -> Iterator[tuple[int, Case]]:
    """Each case once per round, in another order each round, so that slow drift affects all cases alike.

    The same seed gives the same order. Rounds count from 1.
    """
    for number in range(1, rounds + 1):
        order = list(cases)
        random.Random(f"{seed}/{number}").shuffle(order)
        yield from ((number, case) for case in order)


def is_done(runs: Sequence[Run], number: int) -> bool:
    """Whether round `number` of a case needs no run: it was run, or the earlier `runs` already decide the row."""
    statuses = [run.status for run in runs]
    if any(run.round == number for run in runs) or "lost" in statuses:
        return True  # a run that disconnected the phone every time would do so again
    if any(status in TIMED for status in statuses):
        return False
    return any(status in ("fallback", "unsupported") for status in statuses) or len(statuses) >= MAX_FAILURES
