"""Which files `ecbsr-upscale` reads, where it writes their results, and what it says about them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import EcbsrError, UsageError
from ..image_formats import normalized
from ..utils.files import check_outputs, identity
from ..utils.text import printable, to_utf8
from . import common
from .paths import INPUT_FILE_OR_FOLDER


@dataclass(frozen=True)
class Source:
    """A file to upscale: `folder` is the input folder that it was found in, `below` its folder relative to OUT."""

    path: Path
    folder: Path | None = None
    below: Path = Path()


@dataclass(frozen=True)
class Kind:
    """Files that are upscaled in one call.

    Attributes:
        name: for messages.
        endings: file name extensions, in lower case, that a folder is searched for.
        check_format: refuses a name of an output whose format cannot be written.
        ending: the extension of the output for a file, where none is asked for.
        others: extensions of files that are upscaled in another call.
    """

    name: str
    endings: tuple[str, ...]
    check_format: Callable[[str], object]
    ending: Callable[[Path], str]
    others: tuple[str, ...] = ()


Job = tuple[Path, Path]
"""An input file and its output file."""


def split_output(arguments: Sequence[str], overwrite: bool) -> tuple[list[str], str | None]:
    """The inputs and OUT of a command line without `-o`.

    A shell expands `*.png` to two arguments, too. So the second of two is OUT only where nothing can be replaced or
    mixed: it does not exist; or it is a folder, for one image; or an empty one, for a folder.

    Raises:
        UsageError: the second may be either.
    """
    if len(arguments) != 2:
        return list(arguments), None
    first, second = map(Path, arguments)
    mixed = second.is_dir() and first.is_dir() and identity(first) != identity(second) and any(second.iterdir())
    if second.is_file() or mixed or (overwrite and second.is_dir()):
        raise UsageError(
            f"{second} exists: an input, or the output? Name the output with -o {second}, or -o FOLDER for both inputs"
        )
    return [arguments[0]], arguments[1]


def find_sources(inputs: Iterable[str], out: str | None, kind: Kind) -> tuple[list[Source], list[str]]:
    """The files to upscale, and a sentence for each folder that cannot be listed.

    Folders are searched with all folders below them, except for OUT. Of several inputs, each folder gets one of its
    name below OUT.

    Raises:
        EcbsrError: an input does not exist, or a folder contains no file of the kind.
        UsageError: OUT is an input.
    """
    from .. import images

    paths = list(dict.fromkeys(map(Path, inputs)))
    sources: list[Source] = []
    failures: list[str] = []
    for path in paths:
        if not os.path.lexists(path):
            hint = f"; to write to it, use -o {path}" if len(paths) > 1 and path == paths[-1] and out is None else ""
            raise EcbsrError(f"{path}: {INPUT_FILE_OR_FOLDER.missing(path)}{hint}")
        if not path.is_dir():
            sources.append(Source(path))
            continue
        if out is not None and identity(path) == identity(Path(out)):
            raise UsageError(f"{out}: is the input folder; choose another output folder")
        files, unlisted = images.find_below(path, out, kind.endings, kind.name, kind.others)
        name = Path(path.resolve().name) if len(paths) > 1 else Path()
        sources += [Source(file, path, name / file.parent.relative_to(path)) for file in files]
        failures += unlisted
    return sources, failures


def plan(
    sources: Sequence[Source], out: str | None, ending: str | None, scale: int, skip_existing: bool, kind: Kind
) -> list[Job]:
    """The jobs for some files; `ending` is the format, such as `.png`, or None.

    Without OUT, NAME-x2.png is written beside a file, and the images of a folder into FOLDER-x2 beside the folder.
    Files that differ only in their extensions keep them: a.jpg and a.png become a.jpg.png and a.png.png. With
    `skip_existing`, a file that is the result of another one is no input.

    Raises:
        UsageError: two files would get the same name, a result would replace an input, or OUT does not suit.
    """
    if out is not None and _is_file_name(out, sources, kind):
        target = Path(out)
        if ending and normalized(target.suffix) != normalized(ending):
            raise UsageError(f"{out}: is not named as {ending[1:]}; leave out --format, or name the file NAME{ending}")
        jobs = [(source.path, target) for source in sources]
    else:
        jobs = _apart(sources, lambda each, stem: _target(each, stem, out, ending or kind.ending(each.path), scale))
    _check_names(jobs)
    inputs, results = {identity(path) for path, _ in jobs}, {identity(target) for _, target in jobs}
    for path, target in jobs:
        if identity(path) == identity(target):
            raise UsageError(f"{target}: is the input; choose another output")
        if not skip_existing and identity(target) in inputs:
            raise UsageError(f"{target}: is an input, and would be the output for {path}; choose a folder with -o")
    return [(path, target) for path, target in jobs if identity(path) not in results]


def remaining(jobs: Sequence[Job], skip_existing: bool, overwrite: bool) -> tuple[list[Job], list[Path]]:
    """The jobs to do, and the outputs that exist and are left as they are.

    Raises:
        UsageError: an output exists, and neither option is given.
    """
    existing = [target for _, target in jobs if target.exists()] if skip_existing else []
    jobs = [job for job in jobs if job[1] not in set(existing)]
    check_outputs([target for _, target in jobs], overwrite)
    return jobs, existing


def upscale_each(
    jobs: Sequence[Job], upscale: Callable[[int, Path, Path], tuple[str, dict[str, Any]]], failures: list[str],
    alone: bool, json: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """Upscale file by file, and print a line for each, unless JSON follows.

    Args:
        jobs: inputs and outputs.
        upscale: upscales one, given its number from 0; returns what to say after its name, and what JSON says.
        failures: receives what failed; the other files are still upscaled.
        alone: the only file was asked for, so its failure is raised.
        json: print no lines.

    Returns:
        The JSON of each file that was upscaled.
    """
    done = []
    for index, (path, target) in enumerate(jobs):
        try:
            said, document = upscale(index, path, target)
        except EcbsrError as error:
            if alone:
                raise
            failures.append(str(error))
            continue
        if not json:
            common.print_line(printable(f"{target}: {said}"))
        done.append({"input": to_utf8(str(path)), "output": to_utf8(str(target)), **document})
    return done


def report(document: dict[str, Any], skipped: Sequence[Path], failures: Sequence[str], noun: str, json: bool) -> int:
    """Print the JSON, how many outputs existed, and what failed; returns the exit code."""
    if json:
        lists = {"skipped": [to_utf8(str(path)) for path in skipped], "failed": [to_utf8(text) for text in failures]}
        common.print_json(document | lists)
    if skipped:
        common.notice(f"{len(skipped)} skipped, because the output exists")
    return common.report_failures(failures, noun)


def _is_file_name(out: str, sources: Sequence[Source], kind: Kind) -> bool:
    """Whether OUT names one file, and not a folder."""
    if Path(out).is_dir() or out.endswith(("/", os.sep)):
        return False
    single = len(sources) == 1 and sources[0].folder is None
    if single:
        if not Path(out).suffix:
            return False
        kind.check_format(out)
        return True
    if Path(out).exists() or Path(out).suffix.lower() in (*kind.endings, *kind.others):
        found = "is a file" if Path(out).exists() else "is the name of one file"
        raise UsageError(f"{out}: {found}; for a folder or several {kind.name}s, give a folder to write to")
    return False


def _target(source: Source, stem: str, out: str | None, ending: str, scale: int) -> Path:
    name = f"{stem}{ending}"
    if out is not None:
        return Path(out) / source.below / name
    if source.folder is None:
        return source.path.with_name(f"{stem}-x{scale}{ending}")
    folder = source.folder if source.folder.name not in ("", "..") else source.folder.resolve()
    if not folder.name:
        raise UsageError(f"{source.folder}: name the folder to write to with -o")
    return folder.with_name(f"{folder.name}-x{scale}") / source.path.parent.relative_to(source.folder) / name


def _apart(sources: Sequence[Source], target: Callable[[Source, str], Path]) -> list[Job]:
    """The jobs whose outputs have the stems of the files, or the whole names of those that would share an output."""
    names: dict[Path, set[str]] = {}
    for source in sources:
        names.setdefault(target(source, source.path.stem), set()).add(source.path.name)
    jobs = []
    for source in sources:
        shared = len(names[target(source, source.path.stem)]) > 1
        jobs.append((source.path, target(source, source.path.name if shared else source.path.stem)))
    return jobs


def _check_names(jobs: Iterable[Job]) -> None:
    sources: dict[Path, Path] = {}
    for path, target in jobs:
        other = sources.setdefault(target, path)
        if other != path:
            raise UsageError(f"{other} and {path} would both be written as {target}; rename one")
