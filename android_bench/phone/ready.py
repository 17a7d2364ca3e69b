"""The phones that are ready, each under one address."""

from __future__ import annotations

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.progress import Notify

from .adb import Adb, AdbError
from .adb_server import phones
from .device_info import boot_id

_READ_BOOT = "cat /proc/sys/kernel/random/boot_id"


def ready_phones(progress: Notify) -> list[str]:
    """The serials of the phones that can be measured now.

    A phone that adb lists twice, as with a cable and by wireless debugging, is measured by its cable: it would wait for
    itself. `progress` receives a line for each phone, and each serial, that is left out.

    Raises:
        EcbsrError: no phone is ready, or the adb server cannot be used.
    """
    by_boot: dict[str, str] = {}
    for phone in sorted(phones(), key=lambda phone: Adb(phone.serial).is_network):
        if phone.state != "device":
            advice = phone.advice or "start Android on it"
            progress(f"{phone.serial} is left out: it is {phone.state}; {advice}")
            continue
        first = by_boot.setdefault(_boot(phone.serial) or phone.serial, phone.serial)
        if first != phone.serial:
            progress(f"{phone.serial} is left out: it is the same phone as {first}")
    if not by_boot:
        raise EcbsrError("no phone is ready; connect one, allow USB debugging on it, and see ecbsr-bench --list")
    return list(by_boot.values())


def _boot(serial: str) -> str:
    """What identifies the current boot of a phone, which no other phone has; "" where it cannot be read."""
    try:
        return boot_id(Adb(serial).shell(_READ_BOOT).out)
    except AdbError:  # it is said when the phone is prepared
        return ""
