"""The folder of the page: its own files, LiteRT.js, the models, and a description of them for the scripts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError, UsageError
from ecbsr_mobile.images.color import RGB_TO_YCBCR, YCBCR_TO_RGB
from ecbsr_mobile.utils import guard
from ecbsr_mobile.utils.files import check_writable, umask
from ecbsr_mobile.utils.progress import Notify
from export.resolutions import SIZES

from ..config import DEFAULT_SIZES, Options
from ..models import read_models
from . import litert_js
from .models import PageModel, page_model

STATIC = "static"
SAMPLE = "chelsea.png"

WARM_UPS = 3
ROUND_MS = 4000  # limit of the timed runs of one round on a slow phone


@dataclass(frozen=True)
class Site:
    """A page that was written.

    Attributes:
        folder: where it is.
        models: the names of its models.
        files: the path of each file in the folder → its bytes.
    """

    folder: Path
    models: tuple[str, ...]
    files: Mapping[str, int]


def write_site(
    folder: str | os.PathLike[str],
    models: Sequence[str | os.PathLike[str]] = (),
    litert: str | os.PathLike[str] | None = None,
    progress: Notify = lambda line: None,
) -> Site:
    """Write the page into a new folder, which any static web server can serve.

    Args:
        folder: the folder; it must be missing or empty, and appears complete or not at all.
        models: `.tflite` files or names of bundled models; none: the default model, as int8 and as fp32.
        litert: a `node_modules` with LiteRT.js; None: fetched from npm once.
        progress: receives a line before a download, and what had to be assumed about a model.

    Raises:
        UsageError: the folder is not empty.
        EcbsrError: a model cannot run on the page, LiteRT.js cannot be fetched, or the folder cannot be written.
    """
    target = Path(folder)
    check_new(target)
    page_models = [page_model(model, index) for index, model in enumerate(read_models(_paths(models)).values())]
    for model in page_models:
        for note in model.notes:
            progress(note)
    contents = _contents(page_models, litert_js.files(Path(litert) if litert else None, progress))
    _write(target, contents)
    names = tuple(model.description["name"] for model in page_models)
    return Site(target, names, {name: len(content) for name, content in contents.items()})


def check_new(folder: Path) -> None:
    """Check that the page can become a folder, before long work.

    Raises:
        UsageError: it has files.
        EcbsrError: it cannot be written to, or is a file.
    """
    check_writable(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder for the page")


def _paths(models: Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not models:
        return [zoo.tflite(zoo.DEFAULT, precision) for precision in ("int8", "fp32")]
    return [zoo.bundled_tflite(os.fspath(model), "int8") or Path(model) for model in models]


def _contents(models: Sequence[PageModel], litert: Mapping[str, bytes]) -> dict[str, bytes]:
    """File → bytes of the whole page."""
    static = resources.files(__package__) / STATIC
    contents = {part.name: part.read_bytes() for part in static.iterdir() if part.is_file()}
    base = (resources.files("ecbsr_mobile.html") / "base.css").read_bytes()
    contents["style.css"] = base + contents.pop("page.css")
    contents |= {f"litert/{name}": content for name, content in litert.items()}
    contents |= {f"models/{model.file}": model.content for model in models}
    contents["sample.png"] = (zoo.FOLDER / "pictures" / SAMPLE).read_bytes()
    contents["page.json"] = json.dumps(_description(models), allow_nan=False).encode()
    contents["sw.js"] = _service_worker(contents)
    return dict(sorted(contents.items()))


def _description(models: Sequence[PageModel]) -> dict[str, object]:
    protocol = {"rounds": Options.rounds, "runs": Options.iterations, "warm_ups": WARM_UPS, "round_ms": ROUND_MS}
    return {
        "litert_js": litert_js.VERSION,
        "sizes": {name: SIZES[name] for name in DEFAULT_SIZES},
        "protocol": protocol,
        "color": {
            "to_ycbcr": RGB_TO_YCBCR.astype(np.float32).tolist(),
            "to_rgb": YCBCR_TO_RGB.astype(np.float32).tolist(),
        },
        "models": [{"file": model.file, **model.description} for model in models],
    }


def _service_worker(contents: Mapping[str, bytes]) -> bytes:
    """The service worker, with what it keeps and a version that changes with any file."""
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    programs = {name: [f"litert/{file}" for file in files] for name, files in litert_js.PROGRAMS.items()}
    apart = {"sw.js", "index.html", *(file for files in programs.values() for file in files)}
    values = {
        "VERSION": digest.hexdigest()[:16],
        "FILES": ["./", *(name for name in sorted(contents) if name not in apart)],
        "PROGRAMS": programs,
    }
    text = contents["sw.js"].decode()
    for name, value in values.items():
        text = text.replace(f"'@{name}@'", json.dumps(value))
    return text.encode()


def _write(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files into a folder beside the target, which then gets the target's name."""
    real = Path(os.path.realpath(target))
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        with guard.TemporaryFolder(".", real.parent) as folder:
            temporary = Path(folder)
            for name, content in contents.items():
                path = temporary / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            temporary.chmod(0o777 & ~umask())  # mkdtemp creates folders that only their owner can read
            os.replace(temporary, real)  # replaces an empty folder, but no other
    except OSError as error:
        raise EcbsrError(f"cannot write {target}: {error.strerror or error}; choose another folder") from None
