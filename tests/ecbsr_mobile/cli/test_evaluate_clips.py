"""`ecbsr-eval` with a pair of clips."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.helpers.clips import write_clip
from tests.helpers.commands import call_here, refused


def test_a_pair_of_clips(tmp_path: Path) -> None:
    reference = write_clip(tmp_path / "b.mkv", frames=3, codec="ffv1")
    clip = write_clip(tmp_path / "a.mp4", frames=3, options={"qp": "30"})
    result = call_here("ecbsr-eval", clip, reference)
    assert result.returncode == 0 and "a.mp4 against b.mkv, luma" in result.stdout, result.stderr
    document = json.loads(call_here("ecbsr-eval", clip, reference, "--json", "--each").stdout)
    assert document["frames"] == len(document["each"]) == 3 and 20 < document["psnr"] < 50
    assert document["worst_psnr"]["psnr"] == min(each["psnr"] for each in document["each"])
    mean = re.search(r"^mean +3 +([0-9.]+)", result.stdout, re.M)
    assert mean and float(mean[1]) == round(document["psnr"], 2)
    failed = call_here("ecbsr-eval", clip, reference, "--min-psnr", "60")
    assert failed.returncode == 1 and "less than --min-psnr 60" in failed.stderr
    same = call_here("ecbsr-eval", reference, reference, "--json", "--min-psnr", "60")
    assert same.returncode == 0
    assert "each" not in json.loads(same.stdout)


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=2)
    other = write_clip(tmp_path / "b.mp4", (64, 48), frames=2)
    refused(call_here("ecbsr-eval", clip), 2, "a.mp4 is a clip: give a pair of clips")
    refused(call_here("ecbsr-eval", clip, other), 1, "is 48x32", "same size")
    refused(call_here("ecbsr-eval", clip, other, "--data", tmp_path), 2, "--data is for models")
    refused(call_here("ecbsr-eval", "ecbsr-m4c16-x2"), 2, "--data")
