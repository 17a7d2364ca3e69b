"""`ecbsr-eval` for a pair of clips."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import EcbsrError, UsageError
from ..utils.text import to_utf8
from ..video import files
from . import common, tables


def are_clips(names: Sequence[str], options: argparse.Namespace) -> bool:
    """Whether the arguments are clips.

    Raises:
        UsageError: they are no pair of clips, or an option does not suit clips.
    """
    clips = [name for name in names if files.is_clip(name)]
    if not clips:
        return False
    if len(names) != 2 or len(clips) != 2:
        raise UsageError(f"{clips[0]} is a clip: give a pair of clips, the second one the reference")
    flags = {name: name for name in ("data", "identity", "range", "activation", "slope")} | {"residual": "skip"}
    given = [flag for name, flag in flags.items() if getattr(options, name) is not None]
    if given:
        raise UsageError(f"--{given[0]} is for models, not for a pair of clips; leave it out")
    return True


def run(options: argparse.Namespace) -> int:
    """Compare two clips, print the means and the worst frames."""
    from ..utils.progress import counting
    from ..video.scores import score_clips

    path, reference = options.models
    with counting("comparing", None) as count:
        score = score_clips(path, reference, count=count)
    if options.json:
        document: dict[str, Any] = {"clip": to_utf8(path), "reference": to_utf8(reference), **asdict(score)}
        common.print_json(document if options.each else {k: v for k, v in document.items() if k != "each"})
    else:
        worst: list[Any] = [("worst PSNR", score.worst_psnr), ("worst SSIM", score.worst_ssim)]
        rows: list[list[object]] = [
            ["mean", score.frames, f"{score.psnr:.2f}", f"{score.ssim:.4f}"],
            *([name, f"#{each.frame}", f"{each.psnr:.2f}", f"{each.ssim:.4f}"] for name, each in worst),
        ]
        if options.each:
            rows += [["", f"#{each.frame}", f"{each.psnr:.2f}", f"{each.ssim:.4f}"] for each in score.each]
        title = f"{Path(path).name} against {Path(reference).name}, luma"
        tables.print_table(["", "frames", "PSNR dB", "SSIM"], rows, title)
    if options.min_psnr is not None and not score.psnr >= options.min_psnr:
        raise EcbsrError(f"{path}: has {score.psnr:.2f} dB, less than --min-psnr {options.min_psnr:g}")
    return common.DONE
