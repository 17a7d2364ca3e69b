"""Damages files and text of every kind and reads them: `make fuzz SEED=1 SECONDS=600`.

    python -m tests.fuzz [--seed N] [--seconds S] [--inputs N] [--keep DIR]

Prints what was read of each kind, and what must not happen: an exception other than `EcbsrError`, more than 10 s, more
than 1 GB, a file that is not the reader's own. What is found is kept in DIR. Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ecbsr_mobile.errors import EcbsrError
from tests.fuzz.inputs import Kind, kinds

HANG_SECONDS = 10  # of the processor: a busy machine is no find
IDLE_SECONDS = 120  # of the clock, for an input that waits
MAX_BYTES = 10**9
OWN = {"input", "written.png", "session"}


class Hang(BaseException):
    """An input took longer than `HANG_SECONDS` or `IDLE_SECONDS`."""


def main() -> int:
    """Fuzz all kinds in turn until the time or the number of inputs is reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--inputs", type=int, default=10**9)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    options = parser.parse_args()
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _hang)
    table = kinds()
    counts, refused, found = Counter[str](), Counter[str](), Counter[str]()
    spent = dict.fromkeys(table, 0.0)  # every kind gets the same time
    end = time.monotonic() + options.seconds
    while (now := time.monotonic()) < end and counts.total() < options.inputs:
        name = min(table, key=lambda name: (counts[name] > 0, spent[name]))
        number = counts[name]
        data = table[name].make(random.Random(f"{options.seed} {name} {number}"))
        outcome = read(table[name], data)
        spent[name] += time.monotonic() - now
        counts[name] += 1
        refused[name] += outcome == "refused"
        if outcome not in ("read", "refused"):
            found[outcome.partition(":")[0]] += 1
            options.keep.mkdir(parents=True, exist_ok=True)
            kept = options.keep / f"{name}-{options.seed}-{number}{table[name].suffix}"
            kept.write_bytes(data)
            print(f"{kept}: {outcome}", flush=True)
    print(f"seed {options.seed}: {counts.total()} inputs")
    for name in table:
        print(f"  {name}: {counts[name]}, refused {refused[name]}")
    print(*(f"{what} {found[what]}" for what in ("exception", "hang", "memory", "file outside")), sep="; ")
    return 1 if found else 0


def read(kind: Kind, data: bytes) -> str:
    """`read`, `refused`, or what is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="ecbsr-fuzz-"))
    path = folder / f"input{kind.suffix}"
    path.write_bytes(data)
    before = _peak()
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    signal.alarm(IDLE_SECONDS)
    try:
        kind.read(path)
        outcome = "read"
    except EcbsrError as error:
        outcome = "refused" if str(error).isprintable() else f"exception: not printable: {error!a}"
    except Hang:
        outcome = "hang"
    except Exception as error:
        outcome = f"exception: {type(error).__name__}: {str(error)[:200]!a}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        left = [each.name for each in folder.iterdir() if each.stem not in OWN and each.name not in OWN]
        shutil.rmtree(folder)
    if outcome in ("read", "refused") and _peak() - before > MAX_BYTES:
        outcome = "memory"
    return f"file outside: {left}" if left else outcome


def _peak() -> int:
    """The largest memory that this process had so far; only an input that needs more than all before raises it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _hang(_number: int, _frame: object) -> None:
    raise Hang


if __name__ == "__main__":
    sys.exit(main())
