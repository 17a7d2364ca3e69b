"""The cases of a device, the order of the runs, and when a case needs no further run."""

from __future__ import annotations

from pathlib import Path

import pytest

from android_bench import schedule
from android_bench.config import Case, Options
from android_bench.models import read_models
from tests.helpers.bench import runs


def test_order_differs_between_rounds_and_repeats_with_the_seed() -> None:
    cases = [Case("m", "fp32", "host", "cpu", threads, (8, 8)) for threads in range(1, 9)]
    order = list(schedule.shuffled(cases, 4, 0))
    assert order == list(schedule.shuffled(cases, 4, 0))
    assert order != list(schedule.shuffled(cases, 4, 1))
    rounds = [[case for number, case in order if number == position] for position in (1, 2, 3, 4)]
    assert all(sorted(cases_of_round, key=lambda case: case.threads) == cases for cases_of_round in rounds)
    assert len({tuple(cases_of_round) for cases_of_round in rounds}) == 4


def test_cases_of_a_phone_and_of_the_host(files: dict[str, Path]) -> None:
    models = read_models([files["float"]])
    options = Options(sizes=((8, 8),), delegates=("cpu", "gpu"), threads=(4, 1))  # type: ignore[arg-type]

    def rows(device: str) -> list[tuple[str, int]]:
        return [(case.delegate, case.threads) for case in schedule.cases(models, options, device)]

    assert rows("R58M") == [("cpu", 4), ("cpu", 1), ("gpu", 4)]
    assert rows("host") == [("cpu", 4), ("cpu", 1), ("gpu", 4)]


@pytest.mark.parametrize(
    ("statuses", "done"),
    [
        ([], False),
        (["ok"], False),
        (["ok", "failed", "failed"], False),
        (["failed"], False),
        (["failed", "crashed"], True),
        (["fallback"], True),
        (["unsupported"], True),
        (["ok", "lost"], True),
    ],
)
def test_a_case_is_done_once_more_runs_would_decide_nothing(statuses: list[str], done: bool) -> None:
    earlier = runs(*((status, None) for status in statuses))
    assert schedule.is_done(earlier, len(statuses) + 1) == done
    assert all(schedule.is_done(earlier, run.round) for run in earlier)
