"""The state of a training run from its file, in memory in proportion to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import EcbsrError
from .files import Contents, contents
from .pickles import DAMAGED, walk
from .stored import FLOATS

MAX_DEPTH = 16


def read_training_state(path: Path) -> dict[str, Any]:
    """The dict that `torch.save` wrote: under names, nested dicts and lists of numbers, text and float tensors.

    The tensors are read after their sizes were summed. No code in the file is executed.

    Raises:
        EcbsrError: the file is damaged, contains something else, or its tensors are larger than the file.
        FileNotFoundError: there is no such file.
    """
    with contents(path) as found:
        tensors = [stored for value in walk(found.tree) if (stored := found.tensor_of(value))]
        if any(stored.problem or stored.dtype not in FLOATS for stored in tensors) or not isinstance(found.tree, dict):
            raise EcbsrError("contains something else than float tensors")
        size = sum(stored.numel * FLOATS[stored.dtype].itemsize for stored in tensors)
        if size > path.stat().st_size:
            raise EcbsrError(f"its tensors have {size:,} bytes, more than the file")
        return _Values(found).of(found.tree)  # type: ignore[no-any-return]


class _Values:
    """Converts each object once, however often it is contained."""

    def __init__(self, found: Contents) -> None:
        self._found, self._known = found, dict[int, Any]()

    def of(self, value: Any, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise EcbsrError(DAMAGED)
        if id(value) not in self._known:
            self._known[id(value)] = self._converted(value, depth)
        return self._known[id(value)]

    def _converted(self, value: Any, depth: int) -> Any:
        if stored := self._found.tensor_of(value):
            return stored.read()
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.of(item, depth + 1) for item in value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise EcbsrError(DAMAGED)
