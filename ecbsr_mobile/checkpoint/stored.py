"""Tensors that lie in a file and are read only when they are needed, after their sizes are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import EcbsrError
from ..utils.text import printable
from .pickles import Call, Name, Reference
from .state import State

MAX_BYTES = 2**27
"""Size of a part of a file, from which tensors are read."""

MAX_WEIGHTS = 2**23
"""Number of weights of one network: 50 times that of our largest."""

FLOATS = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""The element types that weights can have."""

ELEMENTS = FLOATS | {"int64": torch.int64, "int32": torch.int32, "bool": torch.bool}
"""Those that can be read: counters beside the weights are integers."""

# The element type that a storage of PyTorch holds, and its size in bytes; weights have one of `FLOATS`.
_STORAGES = {
    "FloatStorage": ("float32", 4),
    "DoubleStorage": ("float64", 8),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
    "QInt8Storage": ("qint8", 1),
    "QUInt8Storage": ("quint8", 1),
    "QInt32Storage": ("qint32", 4),
    "UntypedStorage": ("bytes", 1),
}
_ON_DEVICE = "stored as an array of another device (XLA, MPS)"
_KINDS = {
    "device_tensor": _ON_DEVICE,
    "sparse": "sparse",
    "qtensor": "quantized",
    "meta": "without values (meta)",
    "nested": "nested",
}

ReadStorage = Callable[[str, str, int], Tensor]
"""Reads the storage of a key, a name in `ELEMENTS` and a number of elements, as a flat tensor."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor in a file: its element type, its shape, and how to read it.

    `problem` says why it cannot be read as weights, such as `sparse`. Equal `source` means equal values.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Tensor]
    problem: str = ""
    source: Any = None

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Storage:
    """A storage as a pickle describes it: `key` names it in the file."""

    dtype: str
    itemsize: int
    key: str
    numel: int
    offset: int


def storage(reference: Any) -> Storage:
    """The storage that a pickle refers to.

    Raises:
        ValueError: it refers to something else.
    """
    match reference:
        case Reference(("storage", Name(name), str(key), _, int(numel), *view)):
            dtype, itemsize = _STORAGES.get(name.rpartition(".")[2], ("of an unusual kind", 0))
            offset = view[0][1] if view and isinstance(view[0], tuple) and len(view[0]) == 3 else 0
            if not isinstance(offset, int) or min(numel, offset) < 0:
                raise ValueError(offset)
            return Storage(dtype, itemsize, key, numel, offset)
        case _:
            raise ValueError("not a storage")


def tensor(value: Any, read_storage: ReadStorage) -> Stored | None:
    """The tensor that an object of a pickle stands for, or None if it is no tensor."""
    for _ in range(8):  # a parameter wraps a tensor, a subclass wraps a call
        match value:
            case Call("torch._tensor._rebuild_from_type_v2", (Name(name), _, arguments, *_)):
                value = Call(name, arguments)
            case Call("torch._utils._rebuild_device_tensor_from_cpu_tensor", (inner, *_)):
                value = inner
            case Call("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", (inner, *_)):
                value = inner
            case Call(
                "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
                (Reference() as reference, int(offset), tuple(size), tuple(stride), *_),
            ):
                return _dense(reference, offset, size, stride, read_storage)
            case Call(name) if name.startswith("torch._utils._rebuild_"):
                kind = next((text for word, text in _KINDS.items() if word in name), "of an unusual kind")
                return unreadable(kind)
            case _:
                return None
    return None


def _dense(reference: Reference, offset: int, size: Any, stride: Any, read_storage: ReadStorage) -> Stored:
    try:
        source = storage(reference)
    except ValueError:
        return unreadable("damaged")
    numbers = (offset, *size, *stride)[:20]
    if len(size) != len(stride) or len(size) > 8 or not all(type(n) is int and 0 <= n < 2**40 for n in numbers):
        return unreadable("damaged")
    offset += source.offset
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= source.numel + source.offset:
        return unreadable("damaged")
    if source.dtype not in ELEMENTS:
        return Stored(source.dtype, size, _refuse)

    def read() -> Tensor:
        flat = read_storage(source.key, source.dtype, source.numel + source.offset)
        return flat.as_strided(size, stride, offset).clone()

    return Stored(source.dtype, size, read, source=(source.key, offset, size, stride))


def unreadable(problem: str) -> Stored:
    """What stands for a tensor that cannot be read, and why."""
    return Stored("", (), _refuse, problem)


def _refuse() -> Tensor:
    raise EcbsrError("holds a tensor that is not made of floating-point values")


def from_bytes(data: bytes, dtype: str, big_endian: bool) -> Tensor:
    """A flat tensor of the bytes of a storage."""
    element = ELEMENTS[dtype].itemsize
    integers = np.frombuffer(data, f"{'>' if big_endian else '<'}u{element}").astype(f"u{element}")
    return torch.from_numpy(integers).view(ELEMENTS[dtype])


def read_all(state: Mapping[str, Stored]) -> State:
    """The tensors of a network, after their sizes were summed; those that are weights are finite.

    Raises:
        EcbsrError: a tensor is not dense, not of floating-point values, empty or not finite, or all are too large.
    """
    for name, stored in state.items():
        shown = f"tensor {printable(name, 80)!r}"
        if stored.problem:
            advice = "save it from the CPU" if stored.problem == _ON_DEVICE else "save a dense tensor with float values"
            raise EcbsrError(f"{shown} is {stored.problem}; {advice}")
        if stored.dtype not in FLOATS:
            raise EcbsrError(f"{shown} holds {stored.dtype} values, not floating-point ones; save the float weights")
        if not stored.numel:
            raise EcbsrError(f"{shown} is empty; its shape is {list(stored.shape)}")
    count = sum(stored.numel for stored in state.values())
    if count > MAX_WEIGHTS:
        raise EcbsrError(f"has {count:,} weights, more than a network for phones ({MAX_WEIGHTS:,})")
    tensors = {name: stored.read() for name, stored in state.items()}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            shown = printable(name, 80)
            raise EcbsrError(f"tensor {shown!r} contains values that are not finite; train or save it again")
    return tensors
