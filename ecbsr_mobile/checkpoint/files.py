"""What a weights file holds, whatever wrote it: zip archives and older files of PyTorch, and safetensors."""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any, cast

from torch import Tensor

from ..errors import EcbsrError
from ..utils.text import printable
from . import other_files
from .pickles import DAMAGED, Reference, decode
from .stored import ELEMENTS, MAX_BYTES, Stored, from_bytes, storage, tensor

MAX_PICKLE = 2**25
"""Size of the pickle in an archive, in bytes; it describes the tensors, and does not contain their values."""

_MAGIC = 0x1950A86A20F9469CFC6C  # of the files that PyTorch wrote before version 1.6
_HEADER = 1024
_SAFETENSORS = {
    "F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """The object in a file, the tensor that an object in it stands for, if any, and the file's metadata."""

    tree: Any
    tensor_of: Callable[[Any], Stored | None]
    metadata: dict[str, str] = field(default_factory=dict)


@contextmanager
def contents(path: Path) -> Iterator[Contents]:
    """The contents of a weights file; its tensors can be read until the context ends.

    Raises:
        EcbsrError: it is no weights file, or is damaged; the message says what it is instead.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER)
        if problem := other_files.problem(path, header, path.stat().st_size):
            raise EcbsrError(problem)
        if header.startswith(b"PK"):
            try:
                archive = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, EOFError):
                raise EcbsrError(DAMAGED) from None
            with archive:
                yield _zip(archive, path.stat().st_size)
        elif other_files.is_safetensors(header):
            yield _safetensors(path)
        elif header.startswith(b"\x80"):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield _legacy(data)
        else:
            raise EcbsrError("is not a weights file (.pth, .safetensors), or is damaged")


def _zip(archive: zipfile.ZipFile, size: int) -> Contents:
    """A file of PyTorch: a pickle, and a file for each storage."""
    if problem := other_files.problem_of_zip(archive, size):
        raise EcbsrError(problem)
    names = archive.namelist()
    folder = next(name for name in names if name.endswith("data.pkl")).removesuffix("data.pkl")
    big_endian = f"{folder}byteorder" in names and _member(archive, f"{folder}byteorder") == b"big"

    @lru_cache(maxsize=1)  # tensors that share a storage follow each other
    def read_storage(key: str, dtype: str, numel: int) -> Tensor:
        return from_bytes(_member(archive, f"{folder}data/{key}", numel * ELEMENTS[dtype].itemsize), dtype, big_endian)

    tree = decode(io.BytesIO(_member(archive, f"{folder}data.pkl")))
    return Contents(tree, partial(tensor, read_storage=read_storage))


def _member(archive: zipfile.ZipFile, name: str, size: int | None = None) -> bytes:
    """The bytes of a file in an archive, which must be of that size if one is given."""
    try:
        info = archive.getinfo(name)
        if info.file_size > (MAX_PICKLE if size is None else MAX_BYTES):
            raise EcbsrError(f"holds a part of {info.file_size / 2**20:,.0f} MB; save only the model's state_dict()")
        if not info.CRC:  # PyTorch can leave the checksums out
            del info.CRC
        with archive.open(info) as member:
            data = member.read(info.file_size)  # with its size: the reader then unpacks no more than that
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError):
        raise EcbsrError(DAMAGED) from None
    if len(data) != info.file_size or (size is not None and len(data) < size):
        raise EcbsrError(DAMAGED)
    return data[:size]


def _legacy(data: mmap.mmap) -> Contents:
    """A file of PyTorch before 1.6: five pickles, then each storage, with its length before it."""
    stream = cast(IO[bytes], data)
    if decode(stream) != _MAGIC:
        raise EcbsrError("is a Python pickle that torch.save did not write; save the state_dict() with torch.save")
    references: list[Reference] = []
    _, system, tree, keys = decode(stream), decode(stream), decode(stream, references), decode(stream)
    big_endian = isinstance(system, dict) and system.get("little_endian") is False
    places = _places(data, keys, _itemsizes(references))

    def read_storage(key: str, dtype: str, numel: int) -> Tensor:
        start, length = places.get(key, (0, 0))
        size = numel * ELEMENTS[dtype].itemsize
        if size > length:
            raise EcbsrError(DAMAGED)
        return from_bytes(data[start : start + size], dtype, big_endian)

    return Contents(tree, partial(tensor, read_storage=read_storage))


def _itemsizes(references: list[Reference]) -> dict[str, int]:
    """The bytes of an element of each storage that a pickle refers to, by the storage's key."""
    try:
        found = [storage(reference) for reference in references]
    except ValueError:
        raise EcbsrError(DAMAGED) from None
    return {item.key: item.itemsize for item in found}


def _places(data: mmap.mmap, keys: Any, itemsizes: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The position and size in bytes of each storage, by its key; reading begins at the current position."""
    places = {}
    for key in keys if isinstance(keys, list) else ():
        length = int.from_bytes(data.read(8), "little")
        if not isinstance(key, str) or not itemsizes.get(key) or data.tell() + length * itemsizes[key] > len(data):
            raise EcbsrError(DAMAGED)
        places[key] = data.tell(), length * itemsizes[key]
        data.seek(sum(places[key]))
    return places


def _safetensors(path: Path) -> Contents:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, "pt")
        state = {name: _safetensor(file, name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        raise EcbsrError(f"is not a complete .safetensors file ({printable(str(error), 200)})") from None
    # `save_model` stores a tensor of several names once, and in the metadata, under each other name, the one it has.
    shared = {name: state[kept] for name, kept in metadata.items() if kept in state and name not in state}
    return Contents(state | shared, lambda value: value if isinstance(value, Stored) else None, metadata)


def _safetensor(file: Any, name: str) -> Stored:
    part = file.get_slice(name)
    dtype = part.get_dtype()
    return Stored(_SAFETENSORS.get(dtype, dtype), tuple(part.get_shape()), lambda: file.get_tensor(name))
