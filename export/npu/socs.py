"""Which vendor's NPUs are asked about."""

from __future__ import annotations

from ecbsr_mobile.errors import UsageError

QUALCOMM = "qualcomm"

NOT_CHECKED = ("mediatek", "google_tensor", "samsung", "intel")
"""Vendors whose compiler is not to be had outside the vendor's own doors."""

SOCS = {
    "SA8255": "automotive",
    "SA8295": "automotive",
    "SM8350": "Snapdragon 888",
    "SM8450": "Snapdragon 8 Gen 1",
    "SM8475": "Snapdragon 8+ Gen 1",
    "SM8550": "Snapdragon 8 Gen 2",
    "SM8650": "Snapdragon 8 Gen 3",
    "SM8750": "Snapdragon 8 Elite",
    "SM8845": "Snapdragon 8 Gen 5",
    "SM8850": "Snapdragon 8 Elite Gen 5",
}
"""What the compiler knows, as it names them (ai_edge_litert/aot/vendors/qualcomm/target.py), and as shops do."""


def parse_socs(text: str) -> tuple[str, ...]:
    """The SoCs that "qualcomm" (all of them) or "qualcomm:SM8650,SM8750" asks for, each once.

    Raises:
        UsageError: a vendor that cannot be checked, or an SoC that its compiler does not know.
    """
    vendor, colon, names = text.partition(":")
    if vendor != QUALCOMM:
        why = "cannot be checked here: its compiler is not public" if vendor in NOT_CHECKED else "is not known"
        raise UsageError(f"NPU vendor {vendor!r} {why}; use {QUALCOMM} or {QUALCOMM}:SOC,…")
    if not colon:
        return tuple(SOCS)
    wanted = tuple(dict.fromkeys(name.strip().upper() for name in names.split(",")))
    for name in wanted:
        if name not in SOCS:
            raise UsageError(f"SoC {name!r} is not known to {vendor}'s compiler; use some of {', '.join(SOCS)}")
    return wanted
