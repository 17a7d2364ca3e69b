"""The screen stays on during a benchmark, as in an app: a phone with its screen off lowers its clocks.

Some phones refuse `input` or `settings` to the shell (Xiaomi: "SecurityException: INJECT_EVENTS"). The benchmark goes
on then, with a note where the screen is off. Only programs that every Android since 5 has are used.
"""

from __future__ import annotations

import re

_WAKE = "input keyevent KEYCODE_WAKEUP >/dev/null 2>&1"

KEEP_AWAKE = f"dumpsys power | grep -q mWakefulness=Awake || {_WAKE}"
"""Only a charging phone stays awake by the setting: one on the network may have turned its screen off since."""

READ = "dumpsys power | grep mWakefulness="

WENT_OFF = "its screen was off at the end of the run, which can lower the clocks: set a longer screen timeout"


def turn_on(folder: str) -> str:
    """The script that turns the screen on; `note` reads its output.

    The original settings are saved in `folder`, unless an interrupted benchmark has already saved them. Nothing is
    changed where they cannot be saved, as on a full storage: it would stay so.
    """
    return f"""s={folder}/screen
: > $s.turning-on
if [ ! -s $s ]; then
(settings get global stay_on_while_plugged_in 2>/dev/null
dumpsys power | grep mWakefulness=
echo saved) > $s
fi
if grep -q saved $s; then
svc power stayon true >/dev/null 2>&1
if grep -q -e Asleep -e Dozing -e Dreaming $s; then
{_WAKE}
for second in 1 2 3; do dumpsys power | grep -q mWakefulness=Awake && break; sleep 1; done
fi
fi
dumpsys power | grep mWakefulness=
rm -f $s.turning-on
true"""


def restore(folder: str) -> str:
    """The script that restores the settings that `turn_on` saved.

    A setting that could not be read is turned off, as it is on a phone where nobody changed it. `turn_on` goes on where
    its adb was killed: it is waited for, since it would turn the screen on afterwards.
    """
    return f"""s={folder}/screen
for second in 1 2 3 4 5; do [ -e $s.turning-on ] || break; sleep 1; done
grep -q saved $s 2>/dev/null || exit 0
v=$(grep '^[0-9][0-9]*$' $s)
if [ -n "$v" ]; then settings put global stay_on_while_plugged_in $v
elif grep -q '^null' $s; then settings delete global stay_on_while_plugged_in
else false; fi >/dev/null 2>&1 || svc power stayon false >/dev/null 2>&1
if grep -q -e Asleep -e Dozing $s; then input keyevent KEYCODE_SLEEP >/dev/null 2>&1; fi
true"""


def note(output: str) -> str:
    """A note about a screen that stays off, from the output of `turn_on`; "" where it is on or not known."""
    if wakefulness(output) not in ("", "Awake"):
        return "its screen is off and it refuses to turn it on, which can lower the clocks; turn it on by hand"
    return ""


def wakefulness(output: str) -> str:
    """The last state of the screen in the output of `READ`; "" where it is not known."""
    states = re.findall(r"\bmWakefulness=([A-Za-z]{1,20})", output)
    return states[-1] if states else ""
