"""`ecbsr-upscale`: upscale images and folders of images."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import image_formats, zoo
from ..errors import EcbsrError, UsageError
from ..utils.files import check_outputs, write_bytes
from ..utils.text import either, printable
from ..video import files
from . import common, paths, upscale_clips
from .upscale_jobs import Job, Kind, Source, find_sources, plan, remaining, report, split_output, upscale_each

if TYPE_CHECKING:
    from ..html.comparison import Sample
    from ..upscaling import Model
    from ..utils.progress import Progress

_FORMATS = tuple(extension.removeprefix(".") for extension in image_formats.FORMATS)
_QUALITIES = {
    extension.removeprefix("."): kind.options.get("quality", "lossless")
    for extension, kind in image_formats.FORMATS.items()
    if kind.quality
}
"""The formats that have a quality, and what it is by default."""
_COMPRESSED = 85
"""The JPEG quality below which a model for compressed pictures is better (benchmarks/real_pictures.py)."""
_FAMILY = zoo.DEFAULT.rpartition("-x")[0]

_DESCRIPTION = """\
Upscale images and clips, and all images or all clips in folders.

  ecbsr-upscale photo.jpg                    writes photo-x2.png beside it
  ecbsr-upscale photo.jpg -o large.webp      writes large.webp
  ecbsr-upscale *.jpg *.png -o out           writes out/NAME.png
  ecbsr-upscale photos                       writes photos-x2/, with the folders of photos/
  ecbsr-upscale photos --skip-existing       goes on where an earlier call ended
  ecbsr-upscale clip.mp4 -o large.mp4        upscales a clip, with its sound
"""
_EPILOG = """\
IN OUT, without -o, is understood where nothing can be replaced or mixed: if OUT
does not exist; if it is a folder, and IN an image; if it is an empty folder.
Otherwise, as for the two files of *.jpg, the command asks for -o. An input is
never replaced, and another file only with --overwrite.
"""


def main(argv: list[str] | None = None) -> int:
    """Parse, upscale images, print what was written."""
    options = parser().parse_args(argv)
    inputs, out = (options.inputs, options.out) if options.out else split_output(options.inputs, options.overwrite)
    clips = upscale_clips.are_clips(inputs, options)
    _check_options(options, clips)
    _check_animation(inputs, out, clips)
    if clips:
        return upscale_clips.run(options, inputs, out, _model_name(options))
    from .. import images
    from ..html.comparison import MAX_SAMPLES, page
    from ..upscaling import open_model
    from ..utils.progress import bars

    sources, failures = find_sources(inputs, out, _images())
    alone = len(sources) == 1 and not failures
    max_pixels = options.max_pixels or images.MAX_PIXELS
    if alone and not sources[0].path.is_fifo():
        images.header_size(sources[0].path, max_pixels)  # a wrong file is refused before a model is loaded
    name = _model_name(options)
    known_scale = int(name[-1]) if name in zoo.names() else None
    if out or known_scale:  # the names of the results are known, and refused before a model is loaded
        _jobs(sources, out, known_scale or 1, options)
    model = open_model(name, **common.weights_options(options))
    if options.scale and options.scale != model.scale:
        raise UsageError(_contradiction(name, model.scale, options.scale))
    jobs, skipped = _jobs(sources, out, model.scale, options)
    if options.compare:
        check_outputs([options.compare], options.overwrite)
    samples: list[Sample] = []
    real, compressed = _model_for_compressed(name, model.scale), dict[Path, int]()
    with bars() as update:
        pixels = [_pixel_count(path, max_pixels) for path, _ in jobs] if sys.stderr.isatty() else [0] * len(jobs)

        def upscale(index: int, path: Path, target: Path) -> tuple[str, dict[str, Any]]:
            label = f"{index + 1} of {len(jobs)}: {path.name}" if len(jobs) > 1 else path.name
            tiles = _tiles_with_bar(update, printable(label), sum(pixels[:index]), sum(pixels))
            sampled = samples if options.compare and len(samples) < MAX_SAMPLES else None
            if real and not path.is_fifo():
                quality = images.jpeg_quality(path, max_pixels)
                if quality and quality < _COMPRESSED:
                    compressed[path] = quality
            size, larger = _upscale(path, target, model, options, tiles, sampled)
            return f"{larger[0]}x{larger[1]}", {"from": size, "to": larger}

        done = upscale_each(jobs, upscale, failures, alone, options.json)
    _notice_compressed(compressed, real)
    if options.compare and samples:
        write_bytes(options.compare, page(samples, Path(name).name, len(done)), options.overwrite)
        common.notice(f"the page is {options.compare}")
    elif options.compare:
        common.notice(f"note: {options.compare} is not written, because no image was upscaled")
    document = {"model": model.name, "scale": model.scale, "pictures": done}
    return report(document, skipped, failures, "image", options.json)


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _upscale(
    path: Path, target: Path, model: Model, options: argparse.Namespace, tiles: Progress, samples: list[Sample] | None
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Upscale one image from file to file, and add its part of the before/after page; returns both sizes."""
    from .. import images
    from ..html.comparison import Sampler
    from ..upscaling import upscale_strips

    image = images.read(path, options.max_pixels or images.MAX_PIXELS)
    size = (image.size[0] * model.scale, image.size[1] * model.scale)
    sampler = None if samples is None else Sampler(image, model.scale)
    with images.open_writer(target, image, size, options.overwrite, options.quality) as add:
        for strip in upscale_strips(image, model, progress=tiles):
            add(strip)
            if sampler:
                sampler.add(strip)
    if sampler and samples is not None:
        samples.append(sampler.sample(path.name))
    return image.size, size


def _pixel_count(path: Path, max_pixels: int) -> int:
    """The work that an image is; 0 for what cannot be read, or only once."""
    from .. import images

    try:
        width, height = (0, 0) if path.is_fifo() else images.header_size(path, max_pixels)
    except (EcbsrError, OSError):
        return 0
    return width * height


def _tiles_with_bar(update: Callable[..., None], label: str, before: int, total: int) -> Progress:
    """Tiles that move one bar for all images: `before` and `total` are in pixels."""

    def progress(tiles: Iterable[Any], _label: str) -> Iterator[Any]:
        done = before
        for rows, columns in tiles:
            update("upscaling", label, done, total)
            yield rows, columns
            done += (rows[1] - rows[0]) * (columns[1] - columns[0])

    return progress


def _check_options(options: argparse.Namespace, clips: bool) -> None:
    """Refuse what contradicts itself, before anything is read."""
    if options.quality is not None and options.format not in (None, *_QUALITIES):
        others = either([f"--format {name}" for name in _QUALITIES])
        raise UsageError(f"--quality: {options.format} has none; leave it out, or add {others}")
    if options.compare and not clips and not options.compare.lower().endswith((".html", ".htm")):
        raise UsageError(f"--compare {options.compare}: is not the name of a page; use NAME.html")
    if options.scale and options.model in zoo.names() and not options.model.endswith(f"-x{options.scale}"):
        raise UsageError(_contradiction(options.model, int(options.model[-1]), options.scale))


def _check_animation(inputs: Sequence[str], out: str | None, clips: bool) -> None:
    """Refuse an animation that would become a clip: of an animation, the first image is read."""
    if out and files.is_clip(out) and not clips and Path(inputs[0]).suffix.lower() in (".gif", ".webp"):
        raise UsageError(
            f"{out}: is the name of a clip, and {inputs[0]} is read as an image; for all images of an animation, make "
            f"a clip of it first: ffmpeg -i {shlex.quote(inputs[0])} clip.mp4"
        )


def _model_name(options: argparse.Namespace) -> str:
    return options.model or (f"{_FAMILY}-x{options.scale}" if options.scale else zoo.DEFAULT)


def _model_for_compressed(name: str, scale: int) -> str:
    """The bundled model to propose for compressed pictures instead of a bundled one; "" if there is none."""
    if zoo.REAL in name or name not in (*zoo.names(), *zoo.tflite_names()):
        return ""
    return next((real for real in zoo.for_real_pictures() if real.endswith(f"-x{scale}")), "")


def _notice_compressed(qualities: dict[Path, int], model: str) -> None:
    """Propose a model for the images of a low JPEG quality, if there are any."""
    if not qualities:
        return
    path, quality = next(iter(qualities.items()))
    others = f", and {len(qualities) - 1} more to below {_COMPRESSED}" if len(qualities) > 1 else ""
    common.notice(f"note: {path}: was compressed to JPEG quality {quality}{others}; --model {model} is made for that")


def _contradiction(model: str, scale: int, given: int) -> str:
    return f"{model} enlarges x{scale}, not x{given}; leave out --scale {given}, or choose another --model"


def _jobs(
    sources: list[Source], out: str | None, scale: int, options: argparse.Namespace
) -> tuple[list[Job], list[Path]]:
    """What to upscale, and the outputs that exist and are left as they are."""
    from .. import images

    jobs = plan(sources, out, options.format and f".{options.format}", scale, options.skip_existing, _images())
    if jobs:
        images.check_format(jobs[0][1], options.quality)
    return remaining(jobs, options.skip_existing, options.overwrite)


def _images() -> Kind:
    from .. import images

    return Kind("image", images.READABLE, images.check_format, lambda _: ".png", files.READABLE)


def _pixels(text: str) -> int:
    if not re.fullmatch("[0-9]{1,12}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels, 1 or more")
    return int(text)


def _quality(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a quality, 1 to 100")
    return int(text)


def _format(text: str) -> str:
    name = image_formats.normalized(f".{text.lstrip('.')}").removeprefix(".")
    if name not in _FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(_FORMATS)}")
    return name


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = common.parser("ecbsr-upscale", _DESCRIPTION)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    scales = sorted(int(name[-1]) for name in zoo.names() if name.rpartition("-x")[0] == _FAMILY)
    # The last of the inputs may be the output, which need not exist: `find_sources` checks them.
    parser.add_argument("inputs", nargs="+", metavar="IN", type=paths.OUTPUT_FILE_OR_FOLDER,
                        help="images or clips, or folders of them")  # fmt: skip
    parser.add_argument("-o", "--out", metavar="OUT", type=paths.OUTPUT_FILE_OR_FOLDER,
                        help="a file to write, or a folder (NAME-x2 beside IN)")  # fmt: skip
    parser.add_argument("--scale", type=int, choices=scales,
                        help=f"how much larger, with the bundled model {_FAMILY}-xN (2)")  # fmt: skip
    parser.add_argument("--model", metavar="MODEL", type=paths.MODEL,
                        help=f"weights, a .tflite, or a bundled model ({zoo.DEFAULT}): "
                        "NAME in fp32, NAME-int8 in int8")  # fmt: skip
    parser.add_argument("--format", type=_format, metavar="FORMAT", help=f"{', '.join(_FORMATS)} (that of OUT, or png)")
    usual = " and ".join(f"{name} ({quality})" for name, quality in _QUALITIES.items())
    parser.add_argument("--quality", type=_quality, metavar="N", help=f"1 to 100, for {usual}")
    parser.add_argument("--compare", metavar="FILE", type=paths.OUTPUT_FILE,
                        help="write a page (FILE.html) with a divider between bicubic and the result (12 images); "
                        "of a clip, only a clip whose left half is bicubic")  # fmt: skip
    existing = parser.add_mutually_exclusive_group()
    common.add_overwrite_option(existing)
    existing.add_argument("--skip-existing", action="store_true", help="leave out images whose output exists")
    parser.add_argument("--max-pixels", type=_pixels, metavar="N",
                        help="refuse images (200,000,000) and clips (35,389,440) of more pixels")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    upscale_clips.add_options(parser)
    common.add_weights_options(parser)
    return parser
