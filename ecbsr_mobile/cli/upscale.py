"""`ecbsr-upscale`: upscale an image or a folder of images."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from .. import zoo
from ..errors import EcbsrError, UsageError
from ..utils.files import check_outputs
from . import common


def main(argv: list[str] | None = None) -> int:
    """Parse, upscale one image or a folder of them, print what was written."""
    options = _parser().parse_args(argv)
    common.show_warnings_as_notices()
    from .. import images
    from ..upscaling import open_model, upscale_strips
    from ..utils.progress import bar

    jobs = _jobs(Path(options.input), Path(options.output))
    check_outputs([target for _, target in jobs], options.overwrite)
    max_pixels = options.max_pixels or images.MAX_PIXELS
    if len(jobs) == 1:
        images.header_size(jobs[0][0], max_pixels)  # a wrong file is refused before PyTorch is loaded
    model = open_model(options.model, **common.weights_options(options))
    done, failures = [], []
    for source, target in jobs:
        try:
            image = images.read(source, max_pixels)
            size = (image.size[0] * model.scale, image.size[1] * model.scale)
            with images.open_writer(target, image, size, options.overwrite) as add:
                for strip in upscale_strips(image, model, progress=bar):
                    add(strip)
        except EcbsrError as error:
            if len(jobs) == 1:
                raise
            failures.append(str(error))  # the other images of the folder are still upscaled
            continue
        done.append({"input": str(source), "output": str(target), "from": image.size, "to": size})
        if not options.json:
            common.print_line(f"{target}: {size[0]}x{size[1]}")
    if options.json:
        common.print_json({"model": model.name, "scale": model.scale, "pictures": done, "failed": failures})
    return common.report_failures(failures)


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Pairs of an input and an output file; the images of a folder become PNGs of the same names."""
    from .. import images

    if not source.is_dir():
        if target.is_dir() or not target.suffix:
            target = target / f"{source.stem}.png"
        images.check_format(target)
        if _same(source, target):
            raise UsageError(f"{target}: is the input; choose another output file")
        return [(source, target)]
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target}: is a file; for a folder of images, give a folder to write to")
    jobs = [(path, target / f"{path.stem}.png") for path in images.find(source)]
    names = [path.name for _, path in jobs]
    duplicate = next((name for name in names if names.count(name) > 1), None)
    if duplicate:
        raise UsageError(f"{source}: two images would both be written as {duplicate}; rename one")
    if _same(source, target):
        raise UsageError(f"{target}: is the input folder; choose another output folder")
    return jobs


def _pixels(text: str) -> int:
    if not re.fullmatch("[0-9]{1,12}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels, 1 or more")
    return int(text)


def _same(source: Path, target: Path) -> bool:
    """Whether two paths are the same file or folder, by whatever links and names."""
    return source.exists() and target.exists() and source.samefile(target)


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("ecbsr-upscale", "Upscale an image, or every image in a folder.")
    parser.add_argument("input", metavar="IN", help="an image, or a folder of images")
    parser.add_argument("output", metavar="OUT", help="an image to write, or a folder")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="MODEL",
                        help="weights, a .tflite, or the name of a bundled model (%(default)s)")  # fmt: skip
    parser.add_argument("--max-pixels", type=_pixels, metavar="N",
                        help="refuse images of more pixels before they are decoded (200,000,000)")  # fmt: skip
    common.add_overwrite_option(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_weights_options(parser)
    return parser
