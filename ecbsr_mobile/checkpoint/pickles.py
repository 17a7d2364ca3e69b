"""Decode a pickle without running it: what it would import or call stays a name.

`torch.load(weights_only=True)` allocates what a file asks for (a `bytearray` of any length, compressed storages of any
size), and refuses a whole file for one object beside the weights. Here, nothing is imported, called or allocated.
"""

from __future__ import annotations

import pickletools
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from ..errors import EcbsrError
from ..utils.text import printable

DAMAGED = "is damaged or truncated; download or copy it again"

MAX_OPERATIONS = 500_000
"""Length of a pickle, in operations; a tensor takes 40."""

# What a pickle may call to make data that checkpoints hold. None of it is imported.
_DATA = re.compile(
    r"""
    torch\.(\w*Storage | Size | device | Tensor | (q|qu|u|b)?(float|int|complex)\d+\w* | double | half | bool | per_\w+)
    | torch\.(_utils\._rebuild_\w+ | _tensor\._rebuild_from_type_v2 | nn\.parameter\.(Parameter | Buffer))
    | torch\.(storage\.\w+ | serialization\._get_layout | _C\.ScriptObject)
    | numpy\.(dtype | ndarray | dtypes\.\w+ | _?core\.(multiarray\.(scalar | _reconstruct) | numeric\._frombuffer))
    | numpy\.random\.\w+\.\w+
    | collections\.(OrderedDict | defaultdict | Counter | deque)
    | (builtins | __builtin__)\.(set | frozenset | complex | bytearray | bytes | slice | range | xrange | list | dict
                                 | tuple | int | long | float | str | unicode | bool | object | Ellipsis
                                 | getattr)  # of methods, in MMEngine's records
    | _codecs\.encode | copyreg\._reconstructor | copy_reg\._reconstructor
    | argparse\.Namespace | types\.SimpleNamespace | pathlib\.(_local\.)?\w*Path | datetime\.\w+ | zoneinfo\.ZoneInfo
    | decimal\.Decimal | fractions\.Fraction | re\._compile | logging\.getLogger | uuid\.UUID | functools\.partial
    | box\.\w+\.\w+ | mmengine\.config\.[\w.]+
    | (omegaconf | pytorch_lightning | lightning | lightning_fabric)\.[\w.]+
    """,
    re.VERBOSE,
)
# Whose calls are code, in whatever file they are: `os.system`, `builtins.eval`.
_OF_PYTHON = sys.stdlib_module_names | {"__builtin__"}
_DICTS = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict")
_VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_CONTAINERS = {"EMPTY_LIST": list, "EMPTY_SET": list, "EMPTY_DICT": dict}
_MARKED = frozenset(
    {"TUPLE", "LIST", "DICT", "FROZENSET", "APPENDS", "SETITEMS", "ADDITEMS", "POP_MARK", "INST", "OBJ"}
)


@dataclass(frozen=True, eq=False)
class Name:
    """A name that the pickle would import, such as `torch.FloatStorage`."""

    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """A call that the pickle would make: the function's or class's name, and the arguments.

    Or an object of a program that is not `is_data`, such as a member of its Enum: the arguments are a dict of its
    items, as it can be a kind of dict.
    """

    name: str
    arguments: Any


@dataclass(frozen=True, eq=False)
class Reference:
    """What lies outside the pickle: a storage, as PyTorch describes it."""

    description: Any


def is_data(name: str) -> bool:
    """Whether a function or class makes nothing but data that checkpoints hold."""
    return bool(_DATA.fullmatch(name))


def decode(stream: IO[bytes], references: list[Reference] | None = None) -> Any:
    """The object of one pickle: dict, list, tuple, number, string, bytes, None, `Name`, `Call` or `Reference`.

    Dicts keep only the keys that are strings: only they name tensors. An object can contain itself. Objects of other
    programs are `Call`s without arguments and attributes; a call into Python's own library is refused if it is not
    `is_data`.

    Args:
        stream: the file, at the beginning of the pickle.
        references: gets every `Reference`, also those among the attributes of objects.

    Raises:
        EcbsrError: the pickle is damaged, has more than `MAX_OPERATIONS`, or would call code.
    """
    try:
        return _decode(stream, [] if references is None else references)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError):
        raise EcbsrError(DAMAGED) from None


def _decode(stream: IO[bytes], references: list[Reference]) -> Any:
    stack: list[Any] = []
    below: list[list[Any]] = []
    memo: dict[int, Any] = {}
    for number, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if number == MAX_OPERATIONS:
            raise EcbsrError(f"has more than {MAX_OPERATIONS:,} pickle operations; save only the model's state_dict()")
        kind = operation.name
        if kind in _VALUES:
            stack.append(argument)
        elif kind in _CONSTANTS:
            stack.append(_CONSTANTS[kind])
        elif kind in _CONTAINERS:
            stack.append(_CONTAINERS[kind]())
        elif kind in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif kind in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[cast(int, argument)])
        elif kind == "MARK":
            below.append(stack)
            stack = []
        elif kind in _MARKED:
            items, stack = stack, below.pop()
            _end_marked(kind, argument, items, stack)
        elif kind == "BINPERSID":
            stack.append(_persistent(stack.pop(), references))
        elif kind == "STOP":
            return stack.pop()
        else:
            _apply(kind, argument, stack)
    raise EOFError


def _end_marked(kind: str, argument: Any, items: list[Any], stack: list[Any]) -> None:
    """An operation on the items since the last mark."""
    if kind in ("TUPLE", "FROZENSET"):
        stack.append(tuple(items))
    elif kind == "LIST":
        stack.append(items)
    elif kind == "DICT":
        stack.append({})
        _set_items(stack[-1], items)
    elif kind in ("APPENDS", "ADDITEMS"):
        _append(stack[-1], items)
    elif kind == "SETITEMS":
        _set_items(stack[-1], items)
    elif kind == "INST":
        stack.append(_call(_name(*argument.split(" ")), items))
    elif kind == "OBJ":
        stack.append(_call(items[0], items[1:]))


def _apply(kind: str, argument: Any, stack: list[Any]) -> None:
    """An operation on the top of the stack."""
    if kind in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(kind[-1])
        stack[-count:] = [(*stack[-count:],)]
    elif kind == "APPEND":
        _append(stack[-2], [stack.pop()])
    elif kind == "SETITEM":
        value, key = stack.pop(), stack.pop()
        _set_items(stack[-1], [key, value])
    elif kind == "GLOBAL":
        stack.append(_name(*argument.split(" ")))
    elif kind == "STACK_GLOBAL":
        name, module = stack.pop(), stack.pop()
        stack.append(_name(module, name))
    elif kind == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        stack.append(_call(function, arguments))
    elif kind in ("NEWOBJ", "NEWOBJ_EX"):  # an object whose `__init__` is not called
        if kind == "NEWOBJ_EX":
            stack.pop()
        arguments, created = stack.pop(), stack.pop()
        stack.append(_call(created, arguments) if is_data(created.name) else Call(created.name, {}))
    elif kind in ("BUILD", "POP"):  # an object's attributes name no tensor
        stack.pop()
    elif kind == "DUP":
        stack.append(stack[-1])
    elif kind not in ("PROTO", "FRAME"):
        raise ValueError(kind)


def _persistent(description: Any, references: list[Reference]) -> Any:
    """What lies outside the pickle: a storage, or, before PyTorch 1.6, the class of a module beside its source code."""
    match description:
        case ("module", Name() as created, *_):
            return created
        case _:
            references.append(Reference(description))
            return references[-1]


def _append(target: Any, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)


def _set_items(target: Any, items: list[Any]) -> None:
    if isinstance(target, Call):
        target = target.arguments
    if isinstance(target, dict):
        target.update((key, value) for key, value in zip(items[::2], items[1::2], strict=True) if isinstance(key, str))


def _name(module: str, name: str) -> Name:
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(module)
    return Name(f"{module}.{name}")


def _call(function: Name, arguments: Any) -> Any:
    if not is_data(function.name):
        if function.name.partition(".")[0] not in _OF_PYTHON:
            return Call(function.name, {})
        called = printable(function.name, 80)
        raise EcbsrError(f"contains pickled code ({called}), which is not executed; save only the model's state_dict()")
    if function.name not in _DICTS:
        return Call(function.name, arguments)
    pairs = arguments[0] if arguments and isinstance(arguments[0], Iterable) else ()
    items = [value for pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2 for value in pair]
    created: dict[str, Any] = {}
    _set_items(created, items)
    return created


def walk(tree: Any) -> Iterator[Any]:
    """Every object in a decoded pickle, each once, however deep or circular it is."""
    waiting, seen = [tree], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, Call):
            waiting.append(value.arguments)
        elif isinstance(value, Reference):
            waiting.append(value.description)
