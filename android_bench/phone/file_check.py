"""Whether a file on the phone has the content of a local one, by whichever hash program the phone has.

Android 8 and later have sha256sum, 6 and 7 sha1sum and md5sum, 5 only md5 (AOSP, shell_and_utilities/README.md); toybox
can have more programs than there are links to it.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

_PROGRAMS = ("sha256sum", "toybox sha256sum", "sha1sum", "toybox sha1sum", "md5sum", "toybox md5sum", "md5")
_ALGORITHMS = {64: "sha256", 40: "sha1", 32: "md5"}  # by the length of the digest
_DIGEST = re.compile("(?<![0-9A-Za-z])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9A-Za-z])", re.I)


def script(remote: str) -> str:
    """The script whose output `is_equal` reads."""
    programs = " ".join(shlex.quote(program) for program in _PROGRAMS)
    return f"""f={shlex.quote(remote)}
[ -f "$f" ] || echo @@absent
for p in {programs}; do h=$($p "$f" 2>/dev/null) && [ -n "$h" ] && echo "@@hash $h" && break; done"""


def is_equal(output: str, remote: str, local: Path) -> bool | None:
    """Whether the phone's file equals `local`, from the output of `script`; None where the phone computes no hash.

    Other lines can stand before and between: linker warnings, for example.
    """
    if "@@absent" in output:
        return False
    # The output also repeats the path, in which a hash can stand.
    digests = _DIGEST.findall(output.partition("@@hash")[2].replace(remote, ""))
    if not digests:
        return None
    content = local.read_bytes()
    return any(digest.lower() == hashlib.new(_ALGORITHMS[len(digest)], content).hexdigest() for digest in digests)
