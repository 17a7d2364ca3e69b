"""What is to be measured: models at sizes, on delegates and threads, in an order of rounds."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ecbsr_mobile.errors import UsageError

USUAL_SIZES = ("270p", "360p", "540p", "720p")
"""What a model without a fixed size is measured at when no size is asked for."""

DELEGATES = ("cpu", "gpu", "nnapi", "external")
MOST_THREADS = 64


@dataclass(frozen=True)
class Delegate:
    """What is asked to run the model.

    `name` is one of `DELEGATES`; `argument` is NNAPI's accelerator or the external delegate's library,
    `options` are the external delegate's settings. "cpu" asks for XNNPACK.
    """

    name: str
    argument: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        text = f"{self.name}:{self.argument}" if self.argument else self.name
        return text + (":" + ",".join(f"{key}={value}" for key, value in self.options) if self.options else "")


@dataclass(frozen=True)
class Case:
    """One row of the results before it is measured: what is run, on what, and how. `size` is (width, height)."""

    model: str
    precision: str
    device: str
    delegate: str
    threads: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Limits:
    """Seconds that things may take before they are given up."""

    command: float = 20  # a question to the phone: a busy one answers within a few seconds
    push: float = 300  # a file of some megabytes over slow Wi-Fi
    timed: float = 60  # the timed block of one run; the warm-up may take as long again
    run: float = 180  # one run of the tool, warm-up and loading included
    reconnect: float = 120  # a phone that is lost: a reboot takes a minute or two
    lock: float = 600  # another bench on the same phone
    cooldown: float = 300  # a hot phone, before each run


@dataclass(frozen=True)
class Settings:
    """Everything that decides what `bench` does; one value for the whole session."""

    devices: tuple[str, ...] = ("host",)
    sizes: tuple[tuple[int, int], ...] = ()
    delegates: tuple[Delegate, ...] = (Delegate("cpu"),)
    threads: tuple[int, ...] = (1,)
    cores: str = "all"
    rounds: int = 6  # the fewest that give a 95 % interval without assuming a distribution
    iterations: int = 20
    seed: int = 0
    tool: str = "tflite"
    check: bool = False
    profile: bool = False
    limits: Limits = field(default_factory=Limits)


def parse_threads(text: str) -> int:
    """Read a number of threads.

    Raises:
        UsageError: it is none, or beyond any phone.
    """
    if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
        raise UsageError(f"{text!r} is no number of threads; use 1 to {MOST_THREADS}")
    return int(text)


def parse_cores(text: str) -> str:
    """Read "big", "little", "all", or a hexadecimal mask of cores such as "f0".

    Raises:
        UsageError: the text is none of these.
    """
    mask = text.lower().removeprefix("0x")
    if text in ("big", "little", "all"):
        return text
    if not re.fullmatch(r"[0-9a-f]{1,16}", mask) or int(mask, 16) == 0:
        raise UsageError(f"cores {text!r} are not known; use big, little, all or a hexadecimal mask such as f0")
    return mask


def parse_delegates(text: str) -> tuple[Delegate, ...]:
    """Read "cpu,gpu,nnapi:google-edgetpu,external:/path.so:key=value,key=value".

    Raises:
        UsageError: a name is unknown, or a part does not fit it.
    """
    parts: list[str] = []
    for part in text.split(","):
        # A comma also stands between the options of an external delegate: those hold "=" and no delegate's name.
        if parts and "=" in part and part.split(":")[0] not in DELEGATES:
            parts[-1] += "," + part
        else:
            parts.append(part)
    return tuple(dict.fromkeys(_delegate(part) for part in parts))


def _delegate(text: str) -> Delegate:
    name, _, rest = text.partition(":")
    if name not in DELEGATES:
        raise UsageError(
            f"delegate {text!r} is not known; use cpu, gpu, nnapi, nnapi:ACCELERATOR or external:/path.so:key=value"
        )
    if name in ("cpu", "gpu") and rest:
        raise UsageError(f"delegate {text!r}: {name} takes no argument")
    if name != "external":
        return Delegate(name, rest)
    library, _, options = rest.partition(":")
    if not library.startswith("/"):
        raise UsageError(f"delegate {text!r} needs the absolute path of its library: external:/path.so")
    pairs = [option.partition("=") for option in options.split(",")] if options else []
    if not all(key and sign for key, sign, _ in pairs):
        raise UsageError(f"delegate {text!r}: options are key=value, separated by commas")
    return Delegate(name, library, tuple((key, value) for key, _, value in pairs))


def shuffled(cases: Sequence[Case], rounds: int, seed: int) -> Iterable[tuple[int, Case]]:
    """Each case once a round, each round in another order: slow drift meets all cases alike.

    The same seed gives the same order. Rounds count from 1.
    """
    for number in range(1, rounds + 1):
        order = list(cases)
        random.Random(f"{seed}/{number}").shuffle(order)
        yield from ((number, case) for case in order)
