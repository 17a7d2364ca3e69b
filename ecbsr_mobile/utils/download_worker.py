"""Fetches one file, in a process of its own, which can be ended at any moment.

    python -P download_worker.py ADDRESS PATH MAX_BYTES   prints one JSON document

It imports only the standard library. The document holds "bytes", "sha256" and "headers", or "error".
"""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any

SILENCE = 60  # seconds without data
CHUNK = 1 << 16


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never away from https."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The request for `newurl`."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise urllib.error.URLError(f"it redirects away from https, to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def main(address: str, path: str, max_bytes: int) -> dict[str, Any]:
    """Fetch `address` into the file `path`."""
    digest, count = hashlib.sha256(), 0
    opener = urllib.request.build_opener(_Redirects)
    try:
        with opener.open(address, timeout=SILENCE) as answer, Path(path).open("wb") as file:
            length = answer.headers.get("Content-Length", "").strip()
            while chunk := answer.read1(CHUNK):
                count += len(chunk)
                if count > max_bytes:
                    return {"error": f"it has more than {max_bytes} bytes"}
                digest.update(chunk)
                file.write(chunk)
    except (OSError, ValueError, HTTPException) as error:
        # URLError has a reason, HTTPError its code in its text.
        return {"error": str(error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error))}
    if length and length != str(count):
        return {"error": f"it ended after {count} of {length} bytes"}
    return {"bytes": count, "sha256": digest.hexdigest(), "headers": answer.headers.items()}


if __name__ == "__main__":
    json.dump(main(sys.argv[1], sys.argv[2], int(sys.argv[3])), sys.stdout)
