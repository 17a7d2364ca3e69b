"""The NPUs that models can be compiled for."""

from __future__ import annotations

from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.text import did_you_mean

QUALCOMM = "qualcomm"

NOT_CHECKED = ("mediatek", "google_tensor", "samsung", "intel")
"""Vendors whose compiler is not public."""

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
"""Qualcomm's SoCs: the compiler's name (ai_edge_litert/aot/vendors/qualcomm/target.py) → the marketing name."""


def parse_socs(text: str) -> tuple[str, ...]:
    """The SoCs in "qualcomm" (all of `SOCS`) or "qualcomm:SM8650,SM8750", without duplicates.

    Raises:
        UsageError: there is no compiler for the vendor, or it does not know a SoC.
    """
    vendor, colon, names = text.partition(":")
    if vendor != QUALCOMM:
        why = "cannot be checked: its compiler is not public" if vendor in NOT_CHECKED else "is not known"
        hint = did_you_mean(vendor, [QUALCOMM])
        raise UsageError(f"NPU vendor {vendor!r} {why}; use {QUALCOMM} or {QUALCOMM}:SOC,…{hint}")
    if not colon:
        return tuple(SOCS)
    socs = tuple(dict.fromkeys(name.strip().upper() for name in names.split(",")))
    for soc in socs:
        if soc not in SOCS:
            hint = did_you_mean(soc, SOCS)
            raise UsageError(f"SoC {soc!r} is not known to {vendor}'s compiler; use some of {', '.join(SOCS)}{hint}")
    return socs
