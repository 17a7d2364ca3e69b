"""Options of a benchmark: devices, sizes, delegates, threads and limits, validated in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.text import did_you_mean, either, to_utf8
from export.resolutions import Size, parse_all

HOST = "host"
"""The name of this machine among the devices."""

DEFAULT_SIZES = ("270p", "360p", "540p", "720p")
"""The input sizes of a model without a fixed input size, where the options name none."""

DELEGATES = ("cpu", "gpu", "nnapi", "npu", "qnn", "external")
HOST_DELEGATES = ("cpu", "gpu")
"""Those of this machine."""
DOWNLOADED = ("tflite", "litert")
"""The values of `Options.tool` that ask for a download."""
VARIANTS = {"cpu": ("xnnpack", "builtin"), "gpu": ("fp16", "fp32")}
"""What can follow a delegate's name; the first one is what the name alone means."""
QNN_BACKENDS = ("htp", "gpu", "dsp")
QNN_FETCH = "fetch"
"""The value of `Options.qnn` that asks for a download."""

CORES = ("big", "little", "all")
MAX_THREADS = 64
MAX_COUNT = 100_000  # rounds, or iterations in a run
MAX_SECONDS = 1e7


@dataclass(frozen=True)
class Delegate:
    """A TFLite delegate as the options name it.

    `name` is one of `DELEGATES`; "cpu" is XNNPACK. `argument` is the kernel of the CPU or the precision of the GPU,
    where they are not the usual ones (`VARIANTS`), the NNAPI accelerator, the backend of Qualcomm's delegate
    (`QNN_BACKENDS`), or the library of an external delegate; `options` are key-value pairs for the last two.
    """

    name: str
    argument: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        text = f"{self.name}:{self.argument}" if self.argument else self.name
        return text + (":" + ",".join(f"{key}={value}" for key, value in self.options) if self.options else "")


@dataclass(frozen=True)
class Case:
    """What one row of the results measures. `size` is the (width, height) of the low-resolution input in pixels."""

    model: str
    precision: str
    device: str
    delegate: str
    threads: int
    size: tuple[int, int]

    @property
    def parsed_delegate(self) -> Delegate:
        """`delegate` as its name, argument and options."""
        return _parse_delegate(self.delegate)

    @property
    def threads_text(self) -> str:
        """The threads for a sentence: "1 thread", "4 threads"."""
        return f"{self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def size_text(self) -> str:
        """The size for a sentence: "480x270"."""
        return f"{self.size[0]}x{self.size[1]}"

    @property
    def label(self) -> str:
        """The case in words."""
        return f"{self.model} {self.size_text} on {self.device} by {self.delegate}, {self.threads_text}"


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds.

    Raises:
        UsageError: a limit is negative or not finite.
    """

    command: float = 20  # one adb command; a busy phone answers within a few seconds
    push: float = 300  # a file of some megabytes over slow Wi-Fi
    timed: float = 60  # the timed iterations of one run; the warm-up has the same limit
    run: float = 180  # one run of the benchmark tool, with loading and warm-up
    reconnect: float = 120  # a disconnected phone; a reboot takes one or two minutes
    lock: float = 600  # another benchmark on the same phone
    cooldown: float = 300  # a hot phone, before each run
    poll: float = 2  # between two queries of a phone that is hot, locked or disconnected

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not 0 <= value <= MAX_SECONDS:
                raise UsageError(
                    f"the limit {limit.name} is {value}; use a number of seconds from 0 to {MAX_SECONDS:g}"
                )


@dataclass(frozen=True)
class Options:
    """What a benchmark measures, and how.

    Attributes:
        devices: "host" for this machine, "all" for every connected phone, or serials of phones.
        sizes: low-resolution inputs, each "540p", "960x540" or the pair (960, 540). Empty: the size that each model is
            fixed to, or `DEFAULT_SIZES` for a model that accepts any size.
        delegates: "cpu" (XNNPACK), "cpu:builtin", "gpu" (fp16), "gpu:fp32", "nnapi", "nnapi:ACCELERATOR", "npu"
            (LiteRT's own path), "qnn:BACKEND:key=value,…" (Qualcomm's, with "htp", "gpu" or "dsp"),
            "external:/path.so:key=value,…".
        qnn: the folder of Qualcomm's delegate and runtime for the delegate "qnn" (AARs, unpacked AARs, or the SDK), or
            "fetch" to download them once.
        threads: CPU threads; each number is a row. The other delegates run once, with the first number.
        cores: "all", "big", "little" or a hexadecimal CPU mask, on phones.
        rounds: runs of each case, each in a process of its own, in shuffled order.
        iterations: timed inferences in each run.
        seed: seed of the order of the runs.
        tool: the phones' benchmark tool: "tflite" or "litert" (downloaded once), or the path of a benchmark_model or
            its folder. For the delegate "npu", the folder has LiteRT's dispatch library, compiler plug-in and the
            vendor's runtime, too, all of one release.
        tool_sha256: the SHA-256 that the tool must have, in hexadecimal digits; "": any. Without one, a downloaded tool
            must have the hash of the first download.
        check: compare the output of each phone for a real image with the output of this machine. With LiteRT's tool,
            its `run_model` must be in the same folder.
        profile: run each case once more with the operator profiler of the tool.
        energy: measure the energy of one image on phones, some four minutes for each row.
        limits: time limits.

    Raises:
        UsageError: a value is invalid.
    """

    devices: tuple[str, ...] = (HOST,)
    sizes: tuple[Size, ...] = ()
    delegates: tuple[Delegate, ...] = (Delegate("cpu"),)
    threads: tuple[int, ...] = (1,)
    cores: str = "all"
    rounds: int = 6  # the smallest number that gives a 95 % interval without assuming a distribution
    iterations: int = 20
    seed: int = 0
    tool: str = "tflite"
    tool_sha256: str = ""
    qnn: str = ""
    check: bool = False
    profile: bool = False
    energy: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        devices = tuple(dict.fromkeys(_items(self.devices)))
        if not devices or not all(devices):
            raise UsageError('no device is named; use "host", "all" or the serial of a phone')
        for name, count in (("rounds", self.rounds), ("runs", self.iterations)):
            if not 1 <= count <= MAX_COUNT:
                raise UsageError(f"{name} is {str(count)[:20]}; use 1 to {MAX_COUNT}")
        for name in (*devices, self.tool, self.qnn):
            if name != to_utf8(name):
                raise UsageError(f"{to_utf8(name)} is not UTF-8; give it a name that is")
        parsed = {
            "devices": devices,
            "sizes": parse_all(_items(self.sizes)),
            "delegates": parse_delegates(_items(self.delegates)),
            "threads": tuple(dict.fromkeys(parse_threads(str(count)) for count in _items(self.threads))),
            "cores": parse_cores(self.cores),
            "tool_sha256": parse_sha256(self.tool_sha256),
        }
        for name, value in parsed.items():
            object.__setattr__(self, name, value)
        names = {delegate.name for delegate in self.delegates}
        if "qnn" in names and not self.qnn:
            raise UsageError(
                "the delegate qnn needs Qualcomm's libraries: --qnn DIR with their .aar files or SDK, or --qnn fetch"
            )
        if "npu" in names and self.tool in DOWNLOADED:
            raise UsageError(
                "the delegate npu needs LiteRT's benchmark_model, dispatch library and compiler plug-in, all of one "
                "release: --tool DIR with these files"
            )
        if self.qnn and "qnn" not in names:
            raise UsageError("--qnn is for the delegate qnn; add --delegate qnn")


def _items(value: Any) -> tuple[Any, ...]:
    """The value as a tuple; a single string or number is one item."""
    return (value,) if isinstance(value, str | int) else tuple(value)


def parse_threads(text: str) -> int:
    """Parse a number of threads.

    Raises:
        UsageError: it is not a number from 1 to `MAX_THREADS`.
    """
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_THREADS:
        raise UsageError(f"{text!r} is not a number of threads; use 1 to {MAX_THREADS}")
    return int(text)


def parse_cores(text: str) -> str:
    """Parse "big", "little", "all", or a hexadecimal CPU mask such as "f0".

    Raises:
        UsageError: the text is none of these.
    """
    mask = text.lower().removeprefix("0x")
    if text in CORES:
        return text
    if not re.fullmatch(r"[0-9a-f]{1,16}", mask) or int(mask, 16) == 0:
        raise UsageError(
            f"cores {text!r} are not known; use big, little, all or a hexadecimal mask such as f0"
            f"{did_you_mean(text, CORES)}"
        )
    return mask


def parse_sha256(text: str) -> str:
    """Parse a SHA-256 of 64 hexadecimal digits, or "".

    Raises:
        UsageError: the text is neither.
    """
    digest = text.strip().lower()
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError(f"{text[:80]!r} is not a SHA-256; use its 64 hexadecimal digits")
    return digest


def parse_delegates(delegates: Iterable[str | Delegate]) -> tuple[Delegate, ...]:
    """Parse "cpu,gpu", "nnapi:google-edgetpu", "external:/path.so:key=value,key=value"; duplicates are dropped.

    Raises:
        UsageError: a delegate is unknown, or its arguments do not match it.
    """
    parsed: list[Delegate] = []
    for item in delegates:
        parsed += [item] if isinstance(item, Delegate) else map(_parse_delegate, _split_delegates(item))
    return tuple(dict.fromkeys(parsed))


def _split_delegates(text: str) -> list[str]:
    parts: list[str] = []
    for part in text.split(","):
        # Commas also separate the options of an external delegate, which contain "=" and no delegate name.
        if parts and "=" in part and part.split(":")[0] not in DELEGATES:
            parts[-1] += "," + part
        else:
            parts.append(part)
    return parts


def _parse_delegate(text: str) -> Delegate:
    if text != to_utf8(text):
        raise UsageError(f"delegate {to_utf8(text)!r} is not UTF-8; give its library a name that is")
    name, _, rest = text.partition(":")
    if name not in DELEGATES:
        raise UsageError(
            f"delegate {text!r} is not known; use cpu, cpu:builtin, gpu, gpu:fp32, nnapi, nnapi:ACCELERATOR, "
            f"npu, qnn:BACKEND or external:/path.so:key=value"
            f"{did_you_mean(name, DELEGATES)}"
        )
    if name in VARIANTS:
        usual, other = VARIANTS[name]
        if rest not in ("", usual, other):
            raise UsageError(f"delegate {text!r}: use {name}:{usual}, which is {name}, or {name}:{other}")
        return Delegate(name, other if rest == other else "")
    if name == "npu" and rest:
        raise UsageError(f"delegate {text!r}: npu takes no argument; Qualcomm's own delegate is qnn")
    if name not in ("qnn", "external"):
        return Delegate(name, rest)
    argument, _, options = rest.partition(":")
    if name == "qnn":
        argument = argument or QNN_BACKENDS[0]
        if argument not in QNN_BACKENDS:
            hint = did_you_mean(argument, QNN_BACKENDS)
            raise UsageError(f"delegate {text!r}: qnn has no backend {argument!r}; use {either(QNN_BACKENDS)}{hint}")
    elif not argument.startswith("/"):
        raise UsageError(f"delegate {text!r} needs the absolute path of its library: external:/path.so")
    pairs = [option.partition("=") for option in options.split(",")] if options else []
    if not all(key and sign for key, sign, _ in pairs):
        raise UsageError(f"delegate {text!r}: options are key=value, separated by commas")
    return Delegate(name, argument, tuple((key, value) for key, _, value in pairs))
