"""One benchmark at a time on a phone, whichever computer or user it comes from.

The lock is a folder on the phone. It is stale after the phone has rebooted, when the process of its owner has ended
(known only for owners on this computer), or when nobody has refreshed it for `STALE` seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import threading
import time
import uuid
from typing import Any

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.lock import user
from ecbsr_mobile.utils.progress import Notify
from ecbsr_mobile.utils.text import last_line, printable

from ..config import Limits
from .adb import Adb, AdbError
from .device_info import boot_id

FOLDER = "/data/local/tmp/ecbsr-bench.lock"
STALE = 900  # seconds without a refresh; the longest step between two refreshes is far shorter
EMPTY_POLL = 0.2  # seconds; an owner file without content is being written at this moment

_READ_OWNER = f"""cat {FOLDER}/owner
echo
echo @@boot $(cat /proc/sys/kernel/random/boot_id)
f={FOLDER}/owner; [ -e $f ] || f={FOLDER}
m=$(stat -c %Y $f 2>/dev/null) && echo "@@age $(($(date +%s) - m))"
"""

REFRESH = f"touch {FOLDER}/owner"
"""A script line that refreshes the lock."""

UNKNOWN = "a benchmark that left no name"
UNKNOWN_POLLS = 3  # after which the name is not being written at this moment

_active: set[str] = set()
"""The tokens of the sessions of this process that are still running."""


class Lock:
    """The lock of one session on a phone. `boot` identifies the current boot of the phone."""

    def __init__(self, boot: str) -> None:
        self.token = uuid.uuid4().hex
        self.boot = boot
        self.tried = self.acquired = False

    def acquire(self, adb: Adb, limits: Limits, stop: threading.Event, progress: Notify) -> None:
        """Acquire the lock; wait at most `limits.lock` seconds for another benchmark to end.

        Raises:
            EcbsrError: another benchmark still holds it.
            AdbError: the folder cannot be created on the phone.
        """
        end = time.monotonic() + limits.lock
        reported, polls = "", 0
        while not self._try_acquire(adb):
            owner = self._owner(adb, stop)
            if owner is None or self.acquired:
                continue  # stale, or acquired by this session before the connection broke
            if time.monotonic() >= end:
                raise EcbsrError(f"{adb.serial} is in use by {owner}; wait for that benchmark to end, or end it")
            polls += 1
            if owner != reported and (owner != UNKNOWN or polls >= UNKNOWN_POLLS):
                progress(f"{adb.serial} is in use by {owner}; waiting up to {limits.lock:g} s")
                reported = owner
            stop.wait(limits.poll)

    def end_session(self) -> None:
        """Mark the session as ended, even if the phone cannot be reached to release the lock."""
        _active.discard(self.token)

    def release(self, adb: Adb, script: str, limit: float) -> None:
        """Run `script` and release the lock, where it is on the phone, even if the reply to its creation was lost.

        It is one script, which goes on where adb is killed: a second Ctrl-C leaves nothing behind.
        """
        if self.tried:
            adb.shell(f"trap '' HUP\ngrep -q {self.token} {FOLDER}/owner || exit 0\n{script}\nrm -rf {FOLDER}", limit)
            self.acquired = self.tried = False

    def _try_acquire(self, adb: Adb) -> bool:
        if self.acquired:
            return True
        self.tried = True
        _active.add(self.token)
        owner = {"who": f"{user()}@{socket.gethostname()}", "machine": machine_id(), "pid": os.getpid()}
        text = shlex.quote(json.dumps({**owner, "boot": self.boot, "token": self.token}))
        # A folder without an owner, as on a full storage, would keep everybody waiting until it is stale.
        written = f"echo {text} > {FOLDER}/owner && [ -s {FOLDER}/owner ]"
        result = adb.shell(f"mkdir {FOLDER} && {{ {written} || {{ rm -rf {FOLDER}; false; }}; }}")
        if result.code == 0:
            self.acquired = True
            return True
        if "exists" in result.err + result.out:
            return False
        reason = last_line(result.err or result.out, f"exit code {result.code}")
        raise AdbError(f"{adb.serial}: cannot write to /data/local/tmp: {reason}; free or repair the phone's storage")

    def _owner(self, adb: Adb, stop: threading.Event) -> str | None:
        """The owner of the lock, which may be `UNKNOWN`; None where it was stale and is removed."""
        text, _, rest = adb.shell(_READ_OWNER).out.partition("@@boot")
        boot, _, age = rest.partition("@@age")
        owner = _parse_owner(text)
        stale = age.strip().isdecimal() and int(age) > STALE
        if not owner:  # being written at this moment, or released
            stop.wait(EMPTY_POLL)
            if not stale:
                return UNKNOWN
        elif owner["token"] == self.token:
            self.acquired = True
        else:
            ended = owner["machine"] == machine_id() and not _is_running(owner["pid"], owner["token"])
            if not (stale or ended or boot_id(boot) != owner["boot"]):
                return printable(f"{owner['who']} (process {owner['pid']})", 100)
            stale = True
        if stale and not self._remove(adb, owner.get("token", "")):
            return f"a benchmark that has ended, whose {FOLDER} cannot be removed"
        return None

    def _remove(self, adb: Adb, token: str) -> bool:
        """Remove a stale lock; whether this session did it."""
        # Renamed first: of two benchmarks that find the same stale lock, only one succeeds.
        away = f"{FOLDER}.{self.token}"
        unchanged = f"grep -qF {shlex.quote(token)} {FOLDER}/owner" if token else f"[ ! -s {FOLDER}/owner ]"
        return adb.shell(f"{unchanged} && mv {FOLDER} {away} && rm -rf {away}").code == 0


def _parse_owner(text: str) -> dict[str, Any]:
    """The content of the owner file; {} if it is empty or malformed."""
    try:
        lines = [line for line in text.splitlines() if line.startswith("{")]  # others are of the phone's shell
        owner = json.loads(lines[-1])
        return {"pid": int(owner["pid"]), **{key: str(owner.get(key)) for key in ("who", "machine", "boot", "token")}}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return {}


def machine_id() -> str:
    """An identifier of this computer and its process ids: containers can share a MAC, but not their processes."""
    try:
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        processes = ""
    return f"{uuid.getnode():x} {socket.gethostname()} {processes}".strip()


def _is_running(pid: int, token: str) -> bool:
    """Whether the session of another lock on this computer is still running."""
    if pid == os.getpid():
        return token in _active
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # a process of another user
        return True
    return True
