"""`ecbsr-upscale`: upscale images and folders of images."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import zoo
from ..errors import EcbsrError, UsageError
from ..utils.files import check_outputs
from ..utils.text import printable, to_utf8
from . import common, paths
from .upscale_jobs import Job, Source, find_sources, plan, split_output

if TYPE_CHECKING:
    from ..upscaling import Model

_FORMATS = ("png", "jpg", "webp", "tif", "bmp", "ppm", "pgm")
_WITH_QUALITY = ("jpg", "webp")
_FAMILY = zoo.DEFAULT.rpartition("-x")[0]

_DESCRIPTION = """\
Upscale images, and all images in folders.

  ecbsr-upscale photo.jpg                    writes photo-x2.png beside it
  ecbsr-upscale photo.jpg -o large.webp      writes large.webp
  ecbsr-upscale *.jpg *.png -o out           writes out/NAME.png
  ecbsr-upscale photos                       writes photos-x2/, with the folders of photos/
  ecbsr-upscale photos --skip-existing       goes on where an earlier call ended
"""
_EPILOG = """\
IN OUT, without -o, is understood where nothing can be replaced or mixed: if OUT does not exist; if it is a folder, and
IN an image; if it is an empty folder. Two images that exist are two inputs, as from *.jpg. In doubt, the command asks
for -o. An input is never replaced, and another file only with --overwrite.
"""


def main(argv: list[str] | None = None) -> int:
    """Parse, upscale images, print what was written."""
    options = parser().parse_args(argv)
    _check_options(options)
    from .. import images
    from ..upscaling import open_model

    inputs, out = (options.inputs, options.out) if options.out else split_output(options.inputs, options.overwrite)
    sources, failures = find_sources(inputs, out)
    alone = len(sources) == 1 and not failures
    max_pixels = options.max_pixels or images.MAX_PIXELS
    if alone:
        images.header_size(sources[0].path, max_pixels)  # a wrong file is refused before a model is loaded
    name = _model_name(options)
    known_scale = int(name[-1]) if name in zoo.names() else None
    if out or known_scale:  # the names of the results are known, and refused before a model is loaded
        _jobs(sources, out, known_scale or 1, options)
    model = open_model(name, **common.weights_options(options))
    if options.scale and options.scale != model.scale:
        raise UsageError(_contradiction(name, model.scale, options.scale))
    jobs, skipped = _jobs(sources, out, model.scale, options)

    done = []
    for number, (path, target) in enumerate(jobs, 1):
        label = f"{number} of {len(jobs)}" if len(jobs) > 1 else "upscaling"
        try:
            done.append(_upscale(path, target, model, max_pixels, options.overwrite, options.quality, label))
        except EcbsrError as error:
            if alone:
                raise
            failures.append(str(error))  # the other images are still upscaled
            continue
        if not options.json:
            common.print_line(printable(done[-1].line))
    if options.json:
        document = {
            "model": model.name,
            "scale": model.scale,
            "pictures": [each.as_json() for each in done],
            "skipped": [to_utf8(str(target)) for target in skipped],
            "failed": [to_utf8(failure) for failure in failures],
        }
        common.print_json(document)
    if skipped:
        common.notice(f"{len(skipped)} skipped, because the output exists")
    return common.report_failures(failures)


def script() -> None:
    """The command's entry point."""
    common.run(main)


@dataclass(frozen=True)
class _Done:
    """An image that was upscaled, with its sizes as (width, height)."""

    source: Path
    target: Path
    size: tuple[int, int]
    larger: tuple[int, int]

    @property
    def line(self) -> str:
        return f"{self.target}: {self.larger[0]}x{self.larger[1]}"

    def as_json(self) -> dict[str, Any]:
        names = {"input": to_utf8(str(self.source)), "output": to_utf8(str(self.target))}
        return names | {"from": self.size, "to": self.larger}


def _upscale(
    path: Path, target: Path, model: Model, max_pixels: int, overwrite: bool, quality: int | None, label: str
) -> _Done:
    """Upscale one image from file to file."""
    from .. import images
    from ..upscaling import upscale_strips
    from ..utils.progress import bar

    image = images.read(path, max_pixels)
    size = (image.size[0] * model.scale, image.size[1] * model.scale)
    with images.open_writer(target, image, size, overwrite, quality) as add:
        for strip in upscale_strips(image, model, progress=lambda tiles, _: bar(tiles, label)):
            add(strip)
    return _Done(path, target, image.size, size)


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what contradicts itself, before anything is read."""
    if options.quality is not None and options.format and options.format not in _WITH_QUALITY:
        raise UsageError(f"--quality: {options.format} has none; leave it out, or add --format jpg or --format webp")
    if options.scale and options.model in zoo.names() and not options.model.endswith(f"-x{options.scale}"):
        raise UsageError(_contradiction(options.model, int(options.model[-1]), options.scale))


def _model_name(options: argparse.Namespace) -> str:
    return options.model or (f"{_FAMILY}-x{options.scale}" if options.scale else zoo.DEFAULT)


def _contradiction(model: str, scale: int, given: int) -> str:
    return f"{model} enlarges x{scale}, not x{given}; leave out --scale {given}, or choose another --model"


def _jobs(
    sources: list[Source], out: str | None, scale: int, options: argparse.Namespace
) -> tuple[list[Job], list[Path]]:
    """What to upscale, and the outputs that exist and are left as they are."""
    from .. import images

    jobs = plan(sources, out, options.format and f".{options.format}", scale, options.skip_existing)
    if jobs:
        images.check_format(jobs[0][1], options.quality)
    existing = [target for _, target in jobs if target.exists()] if options.skip_existing else []
    jobs = [job for job in jobs if job[1] not in set(existing)]
    check_outputs([target for _, target in jobs], options.overwrite)
    return jobs, existing


def _pixels(text: str) -> int:
    if not re.fullmatch("[0-9]{1,12}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels, 1 or more")
    return int(text)


def _quality(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a quality, 1 to 100")
    return int(text)


def _format(text: str) -> str:
    name = {"jpeg": "jpg", "tiff": "tif"}.get(text.lower().lstrip("."), text.lower().lstrip("."))
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
                        help="images, and folders of images with all folders below")  # fmt: skip
    parser.add_argument("-o", "--out", metavar="OUT", type=paths.OUTPUT_FILE_OR_FOLDER,
                        help="an image to write, or a folder (NAME-x2.png beside IN)")  # fmt: skip
    parser.add_argument("--scale", type=int, choices=scales,
                        help=f"how much larger, with the bundled model {_FAMILY}-xN (2)")  # fmt: skip
    parser.add_argument("--model", metavar="MODEL", type=paths.MODEL,
                        help=f"weights, a .tflite, or the name of a bundled model ({zoo.DEFAULT})")  # fmt: skip
    parser.add_argument("--format", type=_format, metavar="FORMAT", help=f"{', '.join(_FORMATS)} (that of OUT, or png)")
    parser.add_argument("--quality", type=_quality, metavar="N", help="1 to 100, for jpg (95) and webp (lossless)")
    existing = parser.add_mutually_exclusive_group()
    common.add_overwrite_option(existing)
    existing.add_argument("--skip-existing", action="store_true", help="leave out images whose output exists")
    parser.add_argument("--max-pixels", type=_pixels, metavar="N",
                        help="refuse images of more pixels before they are decoded (200,000,000)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_weights_options(parser)
    return parser
