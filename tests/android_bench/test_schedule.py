"""The order of the runs, and when a case needs no further run."""

from __future__ import annotations

from android_bench import config, schedule


def test_order_differs_between_rounds_and_repeats_with_the_seed() -> None:
    cases = [config.Case("m", "fp32", "host", "cpu", threads, (8, 8)) for threads in range(1, 9)]
    order = list(schedule.shuffled(cases, 4, 0))
    assert order == list(schedule.shuffled(cases, 4, 0))
    assert order != list(schedule.shuffled(cases, 4, 1))
    rounds = [[case for number, case in order if number == wanted] for wanted in (1, 2, 3, 4)]
    assert all(sorted(one, key=lambda case: case.threads) == cases for one in rounds)
    assert len({tuple(one) for one in rounds}) == 4
