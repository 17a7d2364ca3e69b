"""The curves of a run against its log; event files are read by TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecbsr_mobile import images, train
from ecbsr_mobile.training import curves
from ecbsr_mobile.training.settings import Report
from tests.helpers.training import QUICK

# In another process, because TensorFlow and PyTorch's GPU libraries do not always load into the same one.
READ = """
import glob, json, sys
from tensorflow.compat.v1.train import summary_iterator
from tensorflow.core.util.event_pb2 import SessionLog
read = lambda path: [[event.step, event.session_log.status == SessionLog.START,
                      [[value.tag, value.simple_value] for value in event.summary.value]]
                     for event in summary_iterator(path)]
print(json.dumps([read(*glob.glob(f"{folder}/events.out.tfevents.*")) for folder in sys.argv[1:]]))
"""


def events(*folders: Path) -> list[Any]:
    """The events (step, whether it starts a session, (tag, value)...) of each folder."""
    done = subprocess.run([sys.executable, "-c", READ, *folders], capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_event_files_have_the_values_of_the_log(train_images: Path, val_images: Path, tmp_path: Path) -> None:
    run, resumed = tmp_path / "run", tmp_path / "resumed"
    train(train_images, val_images, run, replace(QUICK, steps=6, validate_every=2))
    with curves.event_file(resumed, step=40) as write:
        write(Report(50, 100, 0.1, 30.0, 30.0, 1e-3, 1.0))
    of_run, of_resumed = events(run, resumed)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    values = {(tag, step): value for step, _, scalars in of_run for tag, value in scalars}
    names = ("loss", "psnr", "lr")
    assert values == {(name, line["step"]): pytest.approx(line[name], rel=1e-6) for line in log for name in names}
    # A resumed run starts a session, at which TensorBoard drops the later steps of older files.
    assert [step for step, starts, _ in of_resumed if starts] == [41]


@pytest.mark.parametrize("loss", ["l1", "psnr"])
def test_the_plot_shows_both_curves(loss: str, tmp_path: Path) -> None:
    values = [-20.0, -25.0, -26.0] if loss == "psnr" else [0.05, 0.03, 0.02]
    reports = [Report(2 * i, 4, value, 20.0 + i, 20.0 + i, 1e-3, 1.0) for i, value in enumerate(values)]
    curves.plot(reports, tmp_path / "curves.png", loss)
    pixels = images.read(tmp_path / "curves.png").rgb().reshape(-1, 3).tolist()
    for color in ([31, 119, 180], [255, 127, 14]):  # matplotlib's blue and orange
        assert pixels.count(color) > 100
