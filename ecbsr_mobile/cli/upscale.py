"""`ecbsr-upscale`: make pictures larger."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import zoo
from ..errors import EcbsrError, UsageError
from . import common


def main(argv: list[str] | None = None) -> int:
    """Parse, upscale one picture or a folder of them, print what was written."""
    options = _parser().parse_args(argv)
    common.show_warnings_as_notices()
    from .. import images
    from ..upscaling import open_model, upscale
    from ..utils.progress import bar

    jobs = _jobs(Path(options.input), Path(options.output))
    model = open_model(options.model, **common.weights_options(options))
    done, failures = [], []
    for source, target in jobs:
        try:
            picture = images.read(source)
            larger = upscale(picture, model, progress=bar)
            images.write(larger, target)
        except EcbsrError as error:
            if len(jobs) == 1:
                raise
            failures.append(str(error))  # one bad picture does not cost the others of a folder
            common.notice(str(error))
            continue
        done.append({"input": str(source), "output": str(target), "from": picture.size, "to": larger.size})
        if not options.json:
            print(f"{target}: {larger.size[0]}x{larger.size[1]}", flush=True)
    if options.json:
        common.print_json({"model": model.name, "scale": model.scale, "pictures": done, "failed": failures})
    return common.FAILED if failures else common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """What to read and where to write it; a folder gives PNGs of the same names."""
    from .. import images

    if not source.is_dir():
        if target.is_dir() or not target.suffix:
            target = target / f"{source.stem}.png"
        images.check_format(target)
        if source.resolve() == target.resolve():
            raise UsageError(f"{target}: is the picture that is read; choose another name to write to")
        return [(source, target)]
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target}: is a file; a folder of pictures needs a folder to write to")
    jobs = [(path, target / f"{path.stem}.png") for path in images.find(source)]
    names = [path.name for _, path in jobs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"{source}: two pictures would both be written as {twice}; rename one")
    if source.resolve() == target.resolve():
        raise UsageError(f"{target}: is the folder that is read; choose another to write to")
    return jobs


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("ecbsr-upscale", "Upscale a picture, or every picture in a folder, in tiles of any size.")
    parser.add_argument("input", metavar="IN", help="a picture, or a folder of pictures")
    parser.add_argument("output", metavar="OUT", help="a picture to write, or a folder")
    parser.add_argument("--model", default=zoo.DEFAULT, metavar="MODEL",
                        help=f"weights, a .tflite, or a bundled model's name ({zoo.DEFAULT})")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    common.add_weights_options(parser)
    return parser
