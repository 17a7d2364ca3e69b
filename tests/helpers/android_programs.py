"""The programs of the stand-in phone: which ones an Android version has, and those of Android itself.

Source of the lists: AOSP, system/core/shell_and_utilities/README.md.
"""

from __future__ import annotations

_LOLLIPOP = """
cat chown cp dd du grep kill ln mv printenv rm rmdir sleep sync chcon chmod clear cmp date df dmesg getenforce
getevent getsebool hd id ifconfig iftop insmod ioctl ionice log ls lsmod lsof md5 mkdir mknod mkswap mount
nandread netstat nohup notify ps readlink renice restorecon rmmod route runcon setenforce setprop swapoff
swapon top touch umount uptime vmstat
"""
_MARSHMALLOW = """
dd du grep df ionice log ls lsof mount ps renice top uptime acpi basename blockdev bzcat cal cat chcon chgrp
chmod chown chroot cksum clear comm cmp cp cpio cut date dirname dmesg dos2unix echo env expand expr fallocate
false find free getenforce groups head hostname hwclock id ifconfig inotifyd insmod kill ln logname losetup
lsmod lsusb md5sum mkdir mknod mkswap mktemp modinfo more mountpoint mv netstat nice nl nohup od paste patch
pgrep pidof pkill pmap printenv printf pwd readlink realpath restorecon rm rmdir rmmod route runcon sed seq
setenforce setprop setsid sha1sum sleep sort split stat strings swapoff swapon sync sysctl tac tail tar
taskset tee time timeout touch tr true truncate umount uname uniq unix2dos usleep vmstat wc which whoami xargs
yes
"""
_NOUGAT = _MARSHMALLOW + "base64 flock iorenice killall tty ulimit xxd"
_OREO = (
    _NOUGAT + " chrt diff file gunzip gzip lspci microcom mkfifo modprobe sha224sum sha256sum sha384sum sha512sum zcat"
)
_PIE = _OREO + " awk"

THERMAL_SERVICE_SINCE, SOC_PROPERTIES_SINCE, SHELL_V2_SINCE, TOYBOX_SINCE = 29, 31, 24, 23
"""API levels."""


# Programs of Android, as shell scripts; ROOT is the folder of the phone.
PROGRAMS = {
    "getprop": '[ $# = 0 ] || set -- "-n" "s/^\\[$1\\]: \\[\\(.*\\)\\]$/\\1/p"; sed "${@:-}" "$ROOT/properties"',
    # The file for the next reading replaces the one that was just read.
    "dumpsys": (
        'f="$ROOT/dumpsys/$1"; cat "$f" 2>/dev/null || echo "Can\'t find service: $1"; '
        'if [ -e "$f.next" ]; then mv "$f.next" "$f"; fi'
    ),
    "settings": (
        'f="$ROOT/settings/$3"; case $1 in get) cat "$f" 2>/dev/null || echo null;; '
        'put) echo "settings $*" >> "$ROOT/actions"; echo "$4" > "$f";; delete) rm -f "$f";; esac'
    ),
    "svc": (
        'echo "svc $*" >> "$ROOT/actions"; case $3 in true) v=7;; *) v=0;; esac; '
        'echo $v > "$ROOT/settings/stay_on_while_plugged_in"'
    ),
    "input": (
        'echo "input $*" >> "$ROOT/actions"; case $2 in *WAKEUP) s=Awake;; *) s=Asleep;; esac; '
        'echo "  mWakefulness=$s" > "$ROOT/dumpsys/power"'
    ),
    # As of Android 7: only the lines of one process.
    "logcat": (
        'for a in "$@"; do case $a in --pid=*) p=${a#--pid=};; esac; done; '
        '[ -n "$p" ] || exit 1; grep " $p  *$p " "$ROOT/logcat" 2>/dev/null; true'
    ),
    # A cpuset takes cores away without a word, unless none is left.
    "taskset": (
        'echo "taskset $1" >> "$ROOT/actions"; s="$ROOT/proc/self/status"; old=$(cat "$s"); '
        'new=$((0x$1 & 0x$(sed -n "s/^Cpus_allowed:.//p" "$s"))); shift; '
        'if [ $new = 0 ]; then echo "taskset: failed to set $$\'s affinity: Invalid argument" >&2; exit 1; fi; '
        'case "$*" in *Cpus_allowed*) printf "Cpus_allowed:\\t%x\\n" $new > "$s"; "$@"; c=$?; '
        'echo "$old" > "$s"; exit $c;; esac; exec "$@"'
    ),
}
# A sleep on the clock of the phone, whose battery is used meanwhile. The current varies by some milliamperes. See
# `standin_tool._use_power` for when the clock stands.
SLEEP = """
while [ ! -e "$ROOT/loaded" ] && pid=$(cat "$ROOT/waits" 2>/dev/null) && [ -e "/proc/$pid/exe" ]; do
/bin/sleep 0.005; done
read up rest < "$ROOT/proc/uptime"; up=$((${{up%.*}} + $1)); gauge="$ROOT/sys/class/power_supply/battery"
load={idle} state=idle; [ -e "$ROOT/loaded" ] && load={loaded} state=loaded
echo "$up $state" >> "$ROOT/history"
ua=$(((load + up * 7 % 11 - 5) * 1000))
used=$(($(cat "$ROOT/used" 2>/dev/null || echo 0) + ua * $1)); echo $used > "$ROOT/used"
[ -e "$gauge/current_now" ] || [ $up = 1000 ] && echo "$(({sign} * ua / {unit}))" > "$gauge/current_now"
[ -n "{constant}" ] && echo "{constant}" > "$gauge/current_now"
echo $((3000000 - used / 3600 / {step} * {step})) > "$gauge/charge_counter"
echo "$up.00 5000.00" > "$ROOT/proc/uptime"
"""
TOYBOX = """
name=$1; shift
case " $TOYBOX " in *" $name "*) exec "$name" "$@";; esac
echo "toybox: Unknown command $name" >&2; exit 1
"""
REFUSED = """echo "java.lang.SecurityException: Injecting to another application requires INJECT_EVENTS permission" >&2
exit 255"""
READ_ONLY = {
    name: f'case "$*" in *local/tmp*) echo "{name}: $1: Read-only file system" >&2; exit 1;; esac; /bin/{name} "$@"'
    for name in ("mkdir", "touch")
}


def programs(api: int) -> list[str]:
    """The programs that a shell finds on a phone of this API level, besides those of the Android framework."""
    lists = {21: _LOLLIPOP, 23: _MARSHMALLOW, 24: _NOUGAT, 26: _OREO, 28: _PIE}
    return lists[max(level for level in lists if level <= max(api, 21))].split()
