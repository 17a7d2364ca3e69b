"""Commands that are killed, starved and disturbed at random moments: `make chaos SEED=1 SECONDS=600`.

    python -m tests.chaos [--seed N] [--seconds S] [--events N]

After each event it looks for what must not happen: a traceback, a file under a final name that is not whole, a result
or a phone that is lost, and processes or temporary files that are left. Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ecbsr_mobile import images, tflite, zoo
from ecbsr_mobile.errors import EcbsrError
from tests.helpers import chaos_phones, mishaps
from tests.helpers.bench import ON_LINUX
from tests.helpers.commands import argv, environment
from tests.helpers.paths import ROOT

_SHARED = re.compile(r"adb\.\d+\.log|torchinductor_\w+")
"""What other programs share there: the log of the adb server, and the folder that PyTorch's optimizers make."""

LIMIT = 900
"""Seconds until a command counts as hanging, on a busy machine too."""


@dataclass(frozen=True)
class Event:
    """A command in a folder of its own, and what disturbs it."""

    folder: Path
    command: tuple[str, ...]
    mishap: str
    seconds: float


def commands(folder: Path) -> list[tuple[str, ...]]:
    """The commands that are disturbed; each writes into `out`."""
    picture = str(next(path for path in zoo.pictures() if path.stem == "text"))
    model = str(zoo.FOLDER / "ecbsr-m4c8-x2-int8.tflite")
    train = ["--data", str(zoo.FOLDER / "pictures"), "--val", str(folder / "val"), "--out", "out", "--steps", "60",
             "--blocks", "1", "--channels", "4", "--patch", "8", "--batch", "2", "--validate-every", "5",
             "--device", "cpu", "--threads", "1"]  # fmt: skip
    return [
        ("ecbsr-upscale", picture, "-o", "out/picture.png", "--model", model),
        ("ecbsr-audit", model, "--html", "out/page.html"),
        ("ecbsr-export", "--onnx", "--out", "out"),
        ("ecbsr-bench", model, "--size", "24x16", "--rounds", "3", "--runs", "1", "--out", "out"),
        ("ecbsr-train", *train),
    ]


MISHAPS = (
    "kill",
    "terminate",
    "interrupt",
    "full disk",
    "closed streams",
    "two at once",
    "no home",
    "read-only folder",
    "clock back",
    "six phones",
)


def run(event: Event, generator: random.Random) -> list[str]:
    """Run the command, disturb it, and return what is wrong afterwards."""
    work, temporary = event.folder / "work", event.folder / "tmp"
    for path in (work, temporary, event.folder / "val", event.folder / "home"):
        path.mkdir(exist_ok=True)
    shutil.copy(zoo.pictures()[0], event.folder / "val")
    settings = {"TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    if event.mishap == "six phones":
        wrong = chaos_phones.run(event.folder, settings, generator, LIMIT)
    else:
        with mishaps.read_only(work) if event.mishap == "read-only folder" else nullcontext():
            wrong = _disturb(event, work, {**environment(), **settings})
    return wrong + _half(work / "out") + _left(event.folder)


def _disturb(event: Event, work: Path, settings: dict[str, str]) -> list[str]:
    if event.mishap == "no home":
        settings = {key: value for key, value in settings.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    if event.mishap == "clock back":
        settings = {**settings, **mishaps.clock_back(time.monotonic() + event.seconds)}
    command = argv(*event.command)
    if event.mishap == "closed streams":
        command = ["/bin/sh", "-c", 'exec "$@" <&- >&-', "sh", *command]
    limit = _full_disk if event.mishap == "full disk" else None
    started = [_start(command, work, settings, limit) for _ in range(1 + (event.mishap == "two at once"))]
    numbers = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
    if event.mishap in numbers:
        time.sleep(event.seconds)
        started[0].send_signal(numbers[event.mishap])
    wrong = []
    for process in started:
        try:
            _, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            wrong.append("hang")
        if _defect(errors):
            wrong.append(f"defect: {errors.decode(errors='replace')[-300:]!r}")
    codes = [process.returncode for process in started]
    if event.mishap == "two at once" and sorted(codes) not in ([0, 1], [0, 2]):
        wrong.append(f"result lost: exit codes {codes}")
    if event.mishap in ("no home", "closed streams", "clock back") and codes != [0]:
        wrong.append(f"result lost: exit code {codes}")
    if event.mishap == "read-only folder" and codes != [1]:
        wrong.append(f"result lost: exit code {codes} in a read-only folder")
    return wrong


def _start(
    command: list[str], work: Path, settings: dict[str, str], limit: Callable[[], None] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=work, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=limit,  # noqa: PLW1509  # no other thread runs here
    )  # fmt: skip


def _full_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))


def _defect(errors: bytes) -> bool:
    """Whether a defect of ours was reported; until the package is imported, Python itself shows where Ctrl-C came."""
    places = [line for line in errors.splitlines() if line.startswith(b'  File "' + bytes(ROOT))]
    in_ours = any(b"/__init__.py" not in line for line in places)
    return b"unexpected error" in errors or (b"Traceback" in errors and in_ours)


def _half(out: Path) -> list[str]:
    """Files under their final names that are not whole."""
    wrong = []
    for path in out.glob("*") if out.exists() else []:
        try:
            if path.suffix == ".png":
                images.read(path)
            elif path.suffix == ".tflite":
                tflite.read(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".html" and "</html>" not in path.read_text():
                wrong.append(f"half file: {path.name}")
        except (EcbsrError, ValueError):
            wrong.append(f"half file: {path.name}")
    return wrong


def _left(folder: Path) -> list[str]:
    """Processes and temporary files that are left; the guard of a killed process needs a moment."""
    wrong: list[str] = []
    for _ in range(100):
        wrong = [f"process left: {process.pid}" for process in psutil.process_iter() if _runs_in(process, folder)]
        left = (path for path in (folder / "tmp").iterdir() if not _SHARED.fullmatch(path.name))
        wrong += [f"file left: {path.name}" for path in left]
        # A killed training leaves its lock file, which does not block.
        hidden = (path for path in (folder / "work").rglob(".*") if path.name != ".lock")
        wrong += [f"file left: {path.name}" for path in hidden]
        if not wrong:
            break
        time.sleep(0.1)
    return wrong


def _runs_in(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("TMPDIR") == str(folder / "tmp")
    return False


def _impossible(mishap: str) -> str:
    """Why a mishap cannot be tried on this machine; empty if it can."""
    if mishap == "read-only folder":
        return mishaps.read_only_problem()
    if mishap == "clock back" and mishaps.clock_library() is None:
        return "it needs Linux and a C compiler"
    if mishap == "six phones" and not ON_LINUX:
        return "the stand-in phones need Linux on x86-64"
    return ""


def main() -> int:
    """Let events happen until the time or their number is reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--verbose", action="store_true", help="print each event")
    options = parser.parse_args()
    generator = random.Random(options.seed)
    problems = {mishap: _impossible(mishap) for mishap in MISHAPS}
    print(*(f"without {mishap}: {why}\n" for mishap, why in problems.items() if why), sep="", end="")
    chosen = [mishap for mishap, why in problems.items() if not why]
    counts, found, end = Counter[str](), Counter[str](), time.monotonic() + options.seconds
    while time.monotonic() < end and counts.total() < options.events:
        folder = Path(tempfile.mkdtemp(prefix="ecbsr-chaos-"))
        event = Event(folder, generator.choice(commands(folder)), generator.choice(chosen), generator.expovariate(0.5))
        for what in run(event, generator):
            found[what.partition(":")[0]] += 1
            print(f"{event.mishap} ({event.seconds:.2f} s), {event.command[0]}: {what}", flush=True)
        counts[event.mishap] += 1
        if options.verbose:
            print(f"{counts.total()}: {event.mishap}, {event.command[0]}", flush=True)
        shutil.rmtree(folder)
    print(f"seed {options.seed}: {counts.total()} events: {', '.join(f'{n} {name}' for name, n in counts.items())}")
    kinds = ("result lost", "phone lost", "half file", "defect", "process left", "file left", "hang")
    print(*(f"{what} {found[what]}" for what in kinds), sep="; ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
