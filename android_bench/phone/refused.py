"""A run that cannot begin on a phone."""

from __future__ import annotations

from ecbsr_mobile.errors import EcbsrError


class Refused(EcbsrError):
    """A run that cannot begin; `status` is one of `results.types.STATUSES`."""

    def __init__(self, status: str, note: str) -> None:
        super().__init__(note)
        self.status = status
