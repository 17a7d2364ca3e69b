"""The kinds of files and folders that arguments name: checked when they are parsed, and completed by shells."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import zoo
from ..errors import EcbsrError, UsageError
from ..utils.text import did_you_mean


@dataclass(frozen=True)
class PathKind:
    """The `type` of an argument that names a file or a folder; its value stays the text that was typed.

    A parser refuses what does not exist once all arguments are parsed, and shells complete it. Pipes and devices are
    files.

    Attributes:
        file: it may be a file.
        folder: it may be a folder.
        exists: it must exist; False for outputs.
        names: returns the names that it may be instead.
        named: what such a name stands for.
    """

    file: bool = False
    folder: bool = False
    exists: bool = True
    names: Callable[[], tuple[str, ...]] = tuple
    named: str = ""

    def __call__(self, text: str) -> str:
        """`argparse` calls this with the text of the argument."""
        return text

    def check(self, text: str) -> None:
        """Check that `text` names what is there.

        Raises:
            UsageError: it is `-`, which names a stream elsewhere.
            EcbsrError: it does not.
        """
        if text == "-":
            raise UsageError("-: standard input and output are not for files; give a name (./- is the file -)")
        path = Path(text)
        if not self.exists or text in self.names():
            return
        try:
            path.stat()
        except FileNotFoundError:
            raise EcbsrError(f"{text}: {self.missing(path)}") from None
        except OSError as error:
            raise EcbsrError(f"{text}: {error.strerror}") from None
        if path.is_dir() and not self.folder:
            raise EcbsrError(f"{text}: is a folder; give a file in it")
        if not path.is_dir() and not self.file:
            raise EcbsrError(f"{text}: is a file; give a folder")

    def missing(self, path: Path) -> str:
        """What to say of a path that does not exist, with what was probably meant."""
        if path.is_symlink():
            return f"is a link to {os.readlink(path)}, which does not exist"
        kind = "file or folder" if self.file and self.folder else "file" if self.file else "folder"
        try:
            beside = os.listdir(path.parent)
        except OSError:
            beside = []
        hint = did_you_mean(path.name, beside, lambda name: str(path.parent / name))
        if names := self.names():
            return f"no such {kind}, nor {self.named}{did_you_mean(str(path), names) or hint}"
        return f"no such {kind}{hint}" if path.parent.is_dir() else f"no such {kind}: there is no folder {path.parent}"


INPUT_FILE = PathKind(file=True)
INPUT_FOLDER = PathKind(folder=True)
INPUT_FILE_OR_FOLDER = PathKind(file=True, folder=True)
_BUNDLED = "a bundled model (ecbsr models lists them)"
WEIGHTS = PathKind(file=True, names=zoo.names, named=_BUNDLED)
MODEL = PathKind(file=True, names=lambda: (*zoo.names(), *zoo.tflite_names()), named=_BUNDLED)
_BUNDLED_FILE = "NAME-int8 or NAME-fp32 of a bundled model (ecbsr models lists them)"
TFLITE = PathKind(file=True, names=zoo.tflite_names, named=_BUNDLED_FILE)
TFLITE_OR_FOLDER = PathKind(file=True, folder=True, names=zoo.tflite_names, named=_BUNDLED_FILE)
OUTPUT_FILE = PathKind(file=True, exists=False)
OUTPUT_FOLDER = PathKind(folder=True, exists=False)
OUTPUT_FILE_OR_FOLDER = PathKind(file=True, folder=True, exists=False)
