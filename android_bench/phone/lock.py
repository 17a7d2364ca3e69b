"""One bench at a time on a phone, whichever computer, user or cable it comes from.

The lock is a folder on the phone itself. It is stale once the phone has restarted, its owner's process is
gone (where that is this computer's to see), or it has not been refreshed for a while.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from ecbsr_mobile.errors import EcbsrError

from .adb import Adb, AdbError

FOLDER = "/data/local/tmp/ecbsr-bench.lock"
STALE = 900  # seconds without a refresh; the longest step between two is well below
POLL = 2.0

_LOOK = f"""cat {FOLDER}/owner
echo
echo @@
echo $(cat /proc/sys/kernel/random/boot_id)
f={FOLDER}/owner; [ -e $f ] || f={FOLDER}
expr $(date +%s) - $(stat -c %Y $f)"""

REFRESH = f"touch {FOLDER}/owner"
"""A script that keeps the lock fresh, to be sent with another."""


_held: set[str] = set()
"""Tokens of this process's own sessions that still go on."""


class Lock:
    """Holds the phone behind `adb` for one session."""

    def __init__(self, boot: str) -> None:
        self.token = uuid.uuid4().hex
        self.boot = boot
        self.tried = self.taken = False

    def take(self, adb: Adb, limit: float, stop: threading.Event, progress: Callable[[str], None]) -> None:
        """Take the phone, waiting at most `limit` seconds for another bench to end.

        Raises:
            EcbsrError: another bench still has it.
            AdbError: the phone's folder cannot be written to.
        """
        end = time.monotonic() + limit
        told = ""
        while not self._try(adb):
            owner = self._owner(adb)
            if owner is None or self.taken:
                continue  # it was given back, found stale, or is ours: taken before the connection broke
            if time.monotonic() >= end:
                raise EcbsrError(f"{adb.serial} is in use by {owner}; wait for that bench to end, or end it")
            if owner != told:
                progress(f"{adb.serial} is in use by {owner}; waiting up to {limit:g} s")
                told = owner
            stop.wait(POLL)

    def let_go(self) -> None:
        """Say that this session has ended, even where the phone could not be reached to free it."""
        _held.discard(self.token)

    def ours(self, adb: Adb) -> bool:
        """Whether the phone is held by this lock, also where the answer to taking it never came."""
        return self.tried and adb.shell(f"grep -q {self.token} {FOLDER}/owner").code == 0

    def give_back(self, adb: Adb) -> None:
        """Free the phone, which must be ours."""
        adb.shell(f"rm -rf {FOLDER}")
        self.taken = self.tried = False

    def _try(self, adb: Adb) -> bool:
        if self.taken:
            return True
        self.tried = True
        _held.add(self.token)
        owner = {"who": f"{_user()}@{socket.gethostname()}", "machine": _machine(), "pid": os.getpid()}
        text = shlex.quote(json.dumps({**owner, "boot": self.boot, "token": self.token}))
        answer = adb.shell(f"mkdir {FOLDER} && echo {text} > {FOLDER}/owner")
        if answer.code == 0:
            self.taken = True
            return True
        if "exists" in answer.err + answer.out:
            return False
        said = (answer.err or answer.out).strip().splitlines()
        reason = said[-1] if said else f"exit code {answer.code}"
        message = f"{adb.serial}: cannot write to /data/local/tmp: {reason}; free or repair the phone's storage"
        raise AdbError(message, streams=(answer.out, answer.err), code=answer.code, serial=adb.serial)

    def _owner(self, adb: Adb) -> str | None:
        """Who has the phone; None where nobody has, a stale lock being removed."""
        answer = adb.shell(_LOOK)
        text, _, rest = answer.out.partition("@@")
        boot, _, age = rest.strip().partition("\n")
        try:
            owner: dict[str, Any] = json.loads(text)
            int(owner["pid"])
        except (ValueError, KeyError, TypeError):
            owner = {}
        stale = age.strip().isdecimal() and int(age) > STALE
        if not owner:  # being written at this moment, or given back
            time.sleep(0.2)
        elif owner.get("token") == self.token:
            self.taken = True
        else:
            gone = owner.get("machine") == _machine() and not _going_on(int(owner["pid"]), owner.get("token"))
            if not (stale or gone or boot != owner.get("boot")):
                return f"{owner.get('who')} (process {owner.get('pid')})"
            stale = True
        if stale:
            self._remove(adb, str(owner.get("token", "")))
        return None

    def _remove(self, adb: Adb, token: str) -> None:
        # Renamed first: of two benches that find the same stale lock, one alone succeeds.
        away = f"{FOLDER}.{self.token}"
        same = f"grep -q {shlex.quote(token)} {FOLDER}/owner" if token else f"[ ! -s {FOLDER}/owner ]"
        adb.shell(f"{same} && mv {FOLDER} {away} && rm -rf {away}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "someone"


def _machine() -> str:
    return f"{uuid.getnode():x}"


def _going_on(pid: int, token: object) -> bool:
    """Whether the session of another lock on this computer still runs."""
    if pid == os.getpid():
        return token in _held
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
