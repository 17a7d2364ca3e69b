"""The phones that are ready, each under one address, and the address of one that was measured before."""

from __future__ import annotations

from contextlib import suppress

from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils.progress import Notify

from . import device_info
from .adb import Adb, AdbError
from .adb_server import phones

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


def address_of(name: str, serial_hash: str, progress: Notify) -> str:
    """Where adb sees the phone that was at `name` before: there, or where one with this hash of its serial number is.

    A phone changes its address with a cable instead of the network, and with each start of wireless debugging.

    Raises:
        EcbsrError: the adb server cannot be used.
    """
    if not serial_hash:
        return name
    listed = phones()
    with suppress(AdbError):  # an address on the network that no longer answers
        Adb(name).connect()
        if Adb(name).state() and _serial_hash(name) in (serial_hash, ""):  # another phone can have the address now
            return name
    ready = [phone.serial for phone in listed if phone.state == "device"]
    found = [serial for serial in ready if _serial_hash(serial) == serial_hash]
    if len({_boot(serial) for serial in found}) != 1:  # cheap phones can share their serial number
        return name
    address = min(found, key=lambda serial: Adb(serial).is_network)
    progress(f"{name} is now at {address}")
    return address


def _serial_hash(serial: str) -> str:
    try:
        return device_info.parse_properties(Adb(serial).shell(device_info.READ_PROPERTIES).out).serial_hash
    except AdbError:  # it is no phone to go on with
        return ""


def _boot(serial: str) -> str:
    """What identifies the current boot of a phone, which no other phone has; "" where it cannot be read."""
    try:
        return device_info.boot_id(Adb(serial).shell(_READ_BOOT).out)
    except AdbError:  # it is said when the phone is prepared
        return ""
