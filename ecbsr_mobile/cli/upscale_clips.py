"""`ecbsr-upscale` for clips."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import zoo
from ..errors import EcbsrError, UsageError
from ..video import files
from . import common
from .upscale_jobs import Kind, find_sources, plan, remaining, report, upscale_each

if TYPE_CHECKING:
    from ..upscaling import Model
    from ..video.pipeline import Options, Result
    from ..video.probe import Clip

_ONLY_FOR_IMAGES = ("format", "quality")
_ONLY_FOR_CLIPS = ("codec", "crf", "start", "duration", "deinterlace")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only clips have."""
    group = parser.add_argument_group("for clips (pip install 'ecbsr-mobile[video]')")
    group.add_argument("--codec", choices=("h264", "hevc", "av1"), help="(h264; hevc for more than 8 bits)")
    group.add_argument("--crf", type=int, metavar="N",
                       help="quality: lower is better and larger (h264 and hevc 20, av1 26)")  # fmt: skip
    group.add_argument("--start", type=_seconds, metavar="T", help="skip T seconds, or H:MM:SS.S")
    group.add_argument("--duration", type=_seconds, metavar="T", help="use T seconds, or H:MM:SS.S")
    group.add_argument("--deinterlace", action="store_true", help="read interlaced clips, a frame for two fields")


def are_clips(inputs: Sequence[str], options: argparse.Namespace) -> bool:
    """Whether the inputs are clips, or folders of clips.

    Raises:
        UsageError: some are and some are not, or an option does not suit the inputs.
    """
    clips = [name for name in inputs if _holds_clips(Path(name))]
    if clips and len(clips) < len(inputs):
        other = next(name for name in inputs if name not in clips)
        raise UsageError(f"{clips[0]} is a clip, and {other} is not: upscale them in two calls")
    only_for_others = _ONLY_FOR_IMAGES if clips else _ONLY_FOR_CLIPS
    # Not by truth: --crf 0 and --start 0 are given, too.
    given = [name for name in only_for_others if not any(getattr(options, name) is unset for unset in (None, False))]
    if given:
        raise UsageError(f"--{given[0]} is for {'images' if clips else 'clips'}; leave it out")
    return bool(clips)


def run(options: argparse.Namespace, inputs: list[str], out: str | None, name: str) -> int:
    """Upscale clips with the model `name`, print what was written.

    With `--compare`, the comparison of one clip is written instead of the upscaled clip.
    """
    from .. import images
    from ..video import pipeline, probe

    settings = pipeline.Options(
        options.codec, options.crf, options.start or Fraction(0), options.duration, options.deinterlace,
        bool(options.compare), options.max_pixels,
    )  # fmt: skip
    check_format = partial(files.check_format, codec=options.codec)
    kind = Kind("clip", files.READABLE, check_format, partial(files.ending, codec=options.codec), images.READABLE)
    if options.compare:
        if out or len(inputs) > 1 or Path(inputs[0]).is_dir():
            raise UsageError(
                f"--compare {options.compare}: is written instead of one upscaled clip; leave out the rest"
            )
        out = options.compare
        check_format(out)
    sources, failures = find_sources(inputs, out, kind)
    alone = len(sources) == 1 and not failures
    models = _Models(name, common.weights_options(options), options.scale)
    first = probe.probe(sources[0].path, options.max_pixels) if alone else None
    planned = plan(sources, out, None, models.scale, options.skip_existing, kind)
    jobs, skipped = remaining(planned, options.skip_existing, options.overwrite)

    def upscale(index: int, path: Path, target: Path) -> tuple[str, dict[str, Any]]:
        label = f"{index + 1} of {len(jobs)}" if len(jobs) > 1 else "upscaling"
        clip = first or probe.probe(path, options.max_pixels)
        result = _upscale(clip, target, models.of(clip), settings, options.overwrite, label)
        document = asdict(result)
        sizes = {"from": document.pop("size"), "to": document.pop("upscaled_size")}
        width, height = result.upscaled_size
        return f"{width}x{height}, {result.frames} frames, {result.codec}", sizes | document

    done = upscale_each(jobs, upscale, failures, alone, options.json)
    return report({"model": models.name, "scale": models.scale, "clips": done}, skipped, failures, "clip", options.json)


class _Models:
    """The networks for clips: of a bundled model, int8 for 8 bits in limited range and float for others."""

    def __init__(self, name: str, weights_options: dict[str, Any], scale: int | None) -> None:
        self.name, self._weights_options = name, weights_options
        self._opened: dict[bool, Model] = {}  # of the bundled ones, by whether they read floats
        self._bundled = name in zoo.names() and not any(value is not None for value in weights_options.values())
        self.scale = int(name[-1]) if self._bundled else self._own.scale
        if scale and scale != self.scale:
            raise UsageError(f"{name} enlarges x{self.scale}, not x{scale}; leave out --scale {scale}")

    def of(self, clip: Clip) -> Model:
        from ..video import upscaler

        if not self._bundled:
            if note := upscaler.coarse(self._own, clip):
                common.notice(f"note: {note}")
            return self._own
        floats = upscaler.needs_floats(clip)
        if floats not in self._opened:
            self._opened[floats] = upscaler.bundled_model(clip, self.name)
        return self._opened[floats]

    @cached_property
    def _own(self) -> Model:
        """The model of the user."""
        from ..upscaling import open_model

        return open_model(self.name, **self._weights_options)


def _upscale(clip: Clip, target: Path, model: Model, settings: Options, overwrite: bool, label: str) -> Result:
    from ..utils.progress import counting
    from ..video import pipeline

    seconds = clip.seconds and max(clip.seconds - float(settings.start), 0)
    if settings.duration is not None:
        seconds = min(seconds or float("inf"), float(settings.duration))
    total = round(seconds * float(clip.rate)) if seconds else None
    with counting(label, total) as count:
        result = pipeline.upscale_clip(clip.path, target, model, settings, overwrite, count, clip)
    for note in result.notes:
        common.notice(f"note: {clip.path}: {note}")
    return result


def _holds_clips(path: Path) -> bool:
    """Whether a path is a clip, or a folder with clips and no images."""
    if not path.is_dir():
        return files.is_clip(path)
    from .. import images

    def contains(endings: Sequence[str]) -> bool:
        try:
            return bool(images.find_below(path, endings=endings)[0])
        except EcbsrError:
            return False

    return contains(files.READABLE) and not contains(images.READABLE)


def _seconds(text: str) -> Fraction:
    match = re.fullmatch(r"(?:(?:(\d{1,3}):)?(\d{1,2}):)?(\d{1,6}(?:\.\d{1,9})?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give seconds, such as 12.5, or H:MM:SS")
    hours, minutes, seconds = match.groups(default="0")
    return (int(hours) * 60 + int(minutes)) * 60 + Fraction(seconds)
