"""Make 199 training pictures whose licenses allow commercial use, from public repositories of GitHub.

    python benchmarks/free_pictures.py OUT

`free_pictures.toml` names the repositories with commit and license, and their pictures. Only these files are fetched;
`--mirror DIR` takes them from local repositories, DIR/OWNER+NAME. Each picture is shrunk by its factor, so that neither
JPEG artifacts nor camera blur show, and then to a longer side of at most 1024 pixels.

Writes `.jpg` files whose names begin with `free_`, and keeps those that exist.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.files import atomic_write
from ecbsr_mobile.utils.progress import bar
from ecbsr_mobile.utils.text import last_line

if TYPE_CHECKING:
    from PIL.Image import Image

SOURCES = Path(__file__).with_suffix(".toml")
HOST = "https://github.com"
LONGER_SIDE = 1024


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    made = existing = 0
    for repository, source in bar(list(tomllib.loads(SOURCES.read_text(encoding="utf-8")).items()), "repositories"):
        pictures = [(options.out / f"{name}.jpg", path, shrink) for name, path, shrink in source["pictures"]]
        missing = [picture for picture in pictures if not picture[0].exists()]
        existing += len(pictures) - len(missing)
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            local = options.mirror / repository.replace("/", "+") if options.mirror else Path(folder)
            if not options.mirror:
                _fetch(repository, source["commit"], local)
            for target, path, shrink in missing:
                _write(target, _git(repository, local, "cat-file", "blob", f"{source['commit']}:{path}"), shrink)
                made += 1
    print(f"pictures made in {options.out}: {made}; there already: {existing}")


def shrunk(image: Image, factor: float) -> Image:
    """The image in RGB, upright, shrunk by `factor` and then to a longer side of at most `LONGER_SIDE`."""
    from PIL import ImageOps

    image = _resized(ImageOps.exif_transpose(image).convert("RGB"), factor)
    return _resized(image, max(image.size) / LONGER_SIDE)


def _resized(image: Image, factor: float) -> Image:
    from PIL.Image import Resampling

    if factor <= 1:
        return image
    return image.resize((round(image.width / factor), round(image.height / factor)), Resampling.LANCZOS)


def _write(target: Path, data: bytes, factor: float) -> None:
    from PIL import Image

    try:
        image = shrunk(Image.open(io.BytesIO(data)), factor)
    except OSError as error:
        raise EcbsrError(f"cannot make {target}: {error}; the file in the repository is not a picture") from None
    with atomic_write(target) as temporary:
        image.save(temporary, quality=93, subsampling=0)


def _fetch(repository: str, commit: str, folder: Path) -> None:
    """Make a repository of one commit, into which git fetches each file when it is read."""
    _git(repository, folder, "init", "--quiet", "--bare")
    _git(repository, folder, "remote", "add", "origin", f"{HOST}/{repository}")
    _git(repository, folder, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit)


def _git(repository: str, folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}  # a repository that is gone must not ask for a password
    try:
        return subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    except FileNotFoundError:
        raise EcbsrError("git: not found; install it, because the pictures lie in git repositories") from None
    except subprocess.CalledProcessError as error:
        reason = last_line(error.stderr, f"exit code {error.returncode}")
        message = f"{repository}: git {' '.join(arguments)} failed: {reason}"
        raise EcbsrError(f"{message}; repeat the command, or give --mirror a clone that has it") from None


def _parser() -> argparse.ArgumentParser:
    parser = common.parser("free_pictures.py", __doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures")
    parser.add_argument("--mirror", type=Path, metavar="DIR",
                        help="take the repositories from DIR/OWNER+NAME, and nothing from the network")  # fmt: skip
    return parser


if __name__ == "__main__":
    common.run(main)
