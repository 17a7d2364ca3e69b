"""The benchmark scripts: `--help` of each, the statistics, and the generated tables."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from ecbsr_mobile import Picture, images, zoo
from ecbsr_mobile.errors import UsageError
from tests.helpers.commands import HEAVY, environment
from tests.helpers.paths import ROOT

SCRIPTS = sorted(
    path for path in (ROOT / "benchmarks").rglob("*.py") if "common.parser(" in path.read_text(encoding="utf-8")
)

RUN_HELP = """
import json, os, runpy, sys
codes = {}
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    sys.path.insert(0, os.path.dirname(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        codes[os.path.basename(script)] = end.code
print("\\n" + json.dumps([codes, sorted(sys.modules)]))
"""


def test_every_script_answers_help_without_heavy_imports() -> None:
    command = [sys.executable, "-c", RUN_HELP, *map(str, SCRIPTS)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    codes, modules = json.loads(result.stdout.splitlines()[-1])
    assert codes == {path.name: 0 for path in SCRIPTS} and len(codes) >= 13
    assert [path.name for path in SCRIPTS if f"usage: {path.name} " not in result.stdout] == []
    assert set(HEAVY).isdisjoint(modules)


@pytest.mark.parametrize("rounds", [2, 5, 20])
def test_the_interval_of_a_ratio_is_students(rounds: int) -> None:
    from interleaved import geometric_mean

    ratios = np.random.default_rng(rounds).uniform(0.8, 1.3, rounds).tolist()
    logs = np.log(ratios)
    expected = ttest_1samp(logs, 0).confidence_interval(0.95)
    ratio = geometric_mean(ratios)
    assert ratio.mean == pytest.approx(math.exp(logs.mean()))
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_the_functions_alternate_and_the_warm_up_is_not_counted() -> None:
    from interleaved import compare

    calls: list[str] = []
    comparison = compare(lambda: calls.append("new"), lambda: calls.append("old"), rounds=3)
    assert calls == ["old", "new", "new", "old", "old", "new", "new", "old"]
    assert comparison.ratio.low <= comparison.ratio.mean <= comparison.ratio.high
    with pytest.raises(UsageError, match="at least 2 rounds, not 1"):
        compare(lambda: None, lambda: None, rounds=1)


def test_the_tables_in_the_documents_are_those_of_the_figures() -> None:
    import zoo_check

    table = zoo_check.table(zoo.figures())
    assert table.count("\n") == 1 + len(zoo.names()) + 3  # the header, and bicubic at three scales
    assert zoo_check.outdated_tables(table) == []


def test_differences_beyond_rounding_are_listed() -> None:
    import zoo_check

    committed = zoo.figures()
    assert zoo_check.differences(committed, committed) == []
    measured = json.loads(json.dumps(committed))
    measured[zoo.DEFAULT]["sets"]["Set5"]["int8"][0] += 0.1
    del measured["ecbsr-m4c16-x4"]
    first, second = zoo_check.differences(measured, committed)
    assert first.startswith(f"{zoo.DEFAULT}, int8, Set5: measured")
    assert second == "ecbsr-m4c16-x4: has committed figures but is not bundled"


@pytest.mark.slow
def test_single_models_are_measured_on_the_data_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zoo_check

    rgb = images.read(zoo.pictures()[0]).rgb()[:64, :64]
    (tmp_path / "Set14").mkdir()
    images.write(Picture(rgb), tmp_path / "Set14" / "image.png")
    before = zoo.FIGURES.read_bytes()
    real, clean = "ecbsr-m6c16-leaky-real-x2", "ecbsr-m6c16-leaky-x2"
    assert zoo_check.main(["--data", str(tmp_path / "Set14"), "--models", real]) == 1
    printed = capsys.readouterr()
    assert real in printed.out and clean not in printed.out
    different = {message.partition(": measured")[0] for message in printed.err.splitlines()}
    assert {f"{real}, fp32, Set14", f"{real}, int8, jpeg:50"} <= different
    assert zoo.FIGURES.read_bytes() == before


def test_figures_are_not_written_without_all_their_data_sets(tmp_path: Path) -> None:
    import zoo_check

    before = zoo.FIGURES.read_bytes()
    with pytest.raises(UsageError, match="--data lacks BSD100, Urban100, whose figures would be lost"):
        zoo_check.main(["--data", str(tmp_path / "Set5"), str(tmp_path / "Set14"), "--write"])
    assert zoo.FIGURES.read_bytes() == before


def test_a_dominated_model_is_not_on_the_pareto_front() -> None:
    from front import Point, pareto_front
    from interleaved import Ratio

    def point(name: str, time: float, psnr: float, scale: int = 2) -> Point:
        return Point(name, scale, Ratio(time, time, time), (0.0, psnr))

    points = [point("slow", 2, 33), point("dominated", 1.5, 31.9), point("fast", 1, 32), point("x4", 3, 27, scale=4)]
    assert [p.name for p in pareto_front(points)] == ["fast", "slow", "x4"]


def test_the_stored_times_are_read_as_they_are_written(tmp_path: Path) -> None:
    import front

    path = zoo.TIMES
    times = front.read_times(path)
    front.write_times(tmp_path / "times.json", times)
    assert front.read_times(tmp_path / "times.json") == times
    assert json.loads((tmp_path / "times.json").read_text()) == json.loads(path.read_text())


@pytest.mark.slow
def test_the_memory_of_upscaling_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    import upscale_memory

    upscale_memory._write_many(tmp_path / "small", 150)
    model = str(zoo.FOLDER / "ecbsr-m4c8-x2-int8.tflite")
    arguments = [str(tmp_path / "small"), str(tmp_path / "larger"), "--model", model]
    seen, largest = upscale_memory.watch(arguments, tmp_path / "larger")
    assert len(list((tmp_path / "larger").iterdir())) == 150
    assert max(seen) - min(seen[1:]) < 20, seen  # MB; an image has up to 0.1 MB
    assert largest < 10**9
