"""The doctor's steps for what everything stands on: board, power, memory, disk, clock.

Reads what the kernel shows, in a thread: a disk may hang. Must not write, not even to try whether it could, and tells no size of a
file of ours: that would tell whether something goes on (law 5).
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent import BUILT_AT_WALL, __version__, aside, wording
from agent.cli import talk
from agent.cli.doctor_step import Machine, Scene, State, Step, in_words_of_daemon, read_small, skipped, worst
from agent.clock import BATTERY_S, Kernel

READ_S = 8.0
MIB, GIB = 2**20, 2**30
LOW_BYTES, LOW_SHARE = 100 * MIB, 0.05
NO_ROOM_BYTES = 2 * MIB
FAR_S = 3_600.0  # a certificate may be younger
WORN = 8  # of 10: life_time of an eMMC counts tenths of its life
# vcgencmd(1) get_throttled: bits of now, and 16 higher the same since boot
NOW_LOW, NOW_HOT, SINCE_LOW = 1 << 0, 0b1110, 1 << 16
SUPPLY = "use a supply that gives enough (5.1 V, 3 A on a Raspberry Pi) and a short, thick cable"


async def board(scene: Scene) -> Step:
    """Which machine this is."""
    return await aside.run(lambda: _board(scene.machine), name="board", limit_s=READ_S)


def _board(machine: Machine) -> Step:
    model = machine.text("proc/device-tree/model") or machine.text("sys/class/dmi/id/product_name") or platform.machine()
    release = machine.text("etc/os-release") or ""
    system = next((line.partition("=")[2].strip('"') for line in release.splitlines() if line.startswith("PRETTY_NAME=")), "Linux")
    seen = f"{model}, {system}, kernel {platform.release()} ({platform.machine()}), Python {platform.python_version()}"
    return Step("machine", State.OK, f"{seen}, callout-agent {__version__}")


async def power(scene: Scene) -> Step:
    """Whether the supply is strong enough, where the kernel tells."""
    return await aside.run(lambda: _power(scene.machine), name="power", limit_s=READ_S)


def _power(machine: Machine) -> Step:
    bits = _throttled(machine)
    alarms = [read_small(each) for each in _rpi_volts(machine)]
    if bits is None and not any(alarms):
        return skipped("power", "this kernel tells nothing of under-voltage")
    bits = bits or 0
    if bits & NOW_LOW or "1" in alarms:
        means = "the board may reset at any moment, most likely while the modem sends: just when it is needed"
        return Step("power", State.FAIL, "the supply voltage is too low now", means, SUPPLY)
    if bits & NOW_HOT:
        return Step("power", State.WARN, "the processor is slowed down for its heat", "everything takes longer", "let air to the board")
    if bits & SINCE_LOW:
        return Step("power", State.WARN, "the supply voltage was too low since boot", "the board may reset under load", SUPPLY)
    return Step("power", State.OK, "no under-voltage since boot" if bits is not None else "no under-voltage now")


def _throttled(machine: Machine) -> int | None:
    text = machine.text("sys/devices/platform/soc/soc:firmware/get_throttled")
    try:
        return None if text is None else int(text, 16)
    except ValueError:
        return None


def _rpi_volts(machine: Machine) -> Iterator[Path]:
    for each in sorted(machine.at("sys/class/hwmon").glob("hwmon*")):
        if read_small(each / "name") == "rpi_volt":
            yield each / "in0_lcrit_alarm"


async def memory(scene: Scene) -> Step:
    """Whether there is any left, and whether the kernel has killed for it."""
    return await aside.run(lambda: _memory(scene.machine), name="memory", limit_s=READ_S)


def _memory(machine: Machine) -> Step:
    kib = _numbers(machine.text("proc/meminfo"))
    free, whole = kib.get("MemAvailable:"), kib.get("MemTotal:")
    if free is None or not whole:
        return skipped("memory", "this kernel tells nothing of it")
    seen = f"{free // 1024} MiB of {whole // 1024} MiB are free"
    if _numbers(machine.text("proc/vmstat")).get("oom_kill"):
        means = "another program takes more than there is; the agent is the last to be killed"
        return Step("memory", State.WARN, f"{seen}; the kernel has killed programs for want of memory", means, "see `journalctl -k -g oom`")
    if free < max(whole * LOW_SHARE, 32 * 1024):
        return Step("memory", State.WARN, seen, "the kernel may soon kill programs", "find out what takes it: `top -o RES`")
    return Step("memory", State.OK, seen)


def _numbers(text: str | None) -> dict[str, int]:
    rows = (line.split() for line in (text or "").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


async def disk(scene: Scene) -> tuple[Step, ...]:
    """Room, rights and wear of what the track lies on, and of what the runtime directory lies on."""
    store, run = talk.store_path(scene.args).parent, talk.socket_path(scene.args).parent
    try:
        return await aside.run(lambda: (_room(scene, store, run), _wear(scene.machine, store)), name="disk", limit_s=READ_S)
    except TimeoutError:
        means = "nothing can be recorded; a press is raised all the same"
        return (Step("disk", State.FAIL, f"the disk of {store} does not answer", means, "restart the device; replace the card or disk"),)


def _room(scene: Scene, store: Path, run: Path) -> Step:
    findings = [_of_place(store, "the track"), _of_place(run, "presses that wait for the disk")]
    ailing = [each for each in findings if each.state is not State.OK]
    told = in_words_of_daemon("disk", scene.conditions("store.full", "store.read_only", "store.hung"), "")
    if told.state is not State.OK:
        hint = "\n".join(filter(None, (told.do, *(each.do for each in ailing))))
        return Step(
            "disk",
            worst([told.state, *(each.state for each in ailing)]),
            "; ".join((told.seen, *(each.seen for each in ailing))),
            ailing[0].means if ailing else "",
            hint,
        )
    return min(findings, key=lambda each: (State.FAIL, State.WARN, State.OK).index(each.state))


def _of_place(path: Path, what: str) -> Step:
    place = next(each for each in (path, *path.parents) if each.exists())
    room = os.statvfs(place)
    free, whole = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    seen = f"{path}: {_size(free)} of {_size(whole)} are free"
    lost = f"{what} cannot be written; a press is raised all the same, and after a cut of the power less is known of it"
    if room.f_flag & os.ST_RDONLY:
        do = "look for errors in `dmesg`; a card that turns read-only is worn out: replace it, or remount with rw"
        return Step("disk", State.FAIL, f"{path} is on a file system that is read-only", lost, do)
    if free < NO_ROOM_BYTES:
        do = f"free room: `du -xh {place} | sort -h | tail`, `journalctl --vacuum-size=50M`, or a smaller [store] max_mb"
        return Step("disk", State.FAIL, f"{seen}: it is full", lost, do)
    if room.f_files and not room.f_favail:
        return Step("disk", State.FAIL, f"{path}: no inode is free", lost, "remove small files: `du --inodes -x / | sort -n | tail`")
    if free < min(LOW_BYTES, whole * LOW_SHARE):
        return Step("disk", State.WARN, seen, "it will be full soon", "free room, or a smaller [store] max_mb")
    return Step("disk", State.OK, seen)


def _size(size: int) -> str:
    return f"{size // MIB} MiB" if size < 10 * GIB else f"{size // GIB} GiB"


def _wear(machine: Machine, store: Path) -> Step:
    """What a card says of its own age, and what the file system has met."""
    name = "disk health"
    place = next(each for each in (store, *store.parents) if each.exists())
    device = place.stat().st_dev
    node = machine.at(f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    errors = _count(machine.text(f"sys/fs/ext4/{node.name}/errors_count")) if node.name else 0
    whole_disk = node.parent if (node / "partition").exists() else node
    lives = [int(each, 16) for each in (read_small(whole_disk / "device/life_time") or "").split() if each.startswith("0x")]
    ending = read_small(whole_disk / "device/pre_eol_info") or ""
    failed = _count(read_small(whole_disk / "device/ioerr_cnt"))
    if errors:
        do = "save what is needed, replace the card, or check it from another machine: `fsck.ext4 -f`"
        return Step(name, State.FAIL, f"the file system counts {errors} errors", "it may turn read-only at any moment", do)
    if max(lives, default=0) > WORN or (ending.startswith("0x") and int(ending, 16) > 1):
        used = f"{min(max(lives, default=10), 10) * 10} % of its life"
        return Step(name, State.WARN, f"the memory chip says that it has used {used}", "it will fail", "replace it soon")
    if failed:
        return Step(name, State.WARN, f"the kernel counts {failed} failed accesses to the disk", "it may fail", "see `dmesg`; replace it")
    if not lives and not (machine.at(f"sys/fs/ext4/{node.name}/errors_count")).exists():
        return skipped(name, "neither the disk nor its file system tells anything of its health")
    return Step(name, State.OK, f"at most {max(lives) * 10} % of its life are used, no errors" if lives else "no errors of the file system")


def _count(text: str | None) -> int:
    try:
        return int(text or "0", 0)
    except ValueError:
        return 0


async def clock(scene: Scene) -> Step:
    """Whether the time can be true, and who says so. Certificates are judged by the system clock."""
    return await aside.run(lambda: _clock(scene), name="clock", limit_s=READ_S)


def _clock(scene: Scene) -> Step:
    kernel, wall = Kernel(), time.time()
    shown = f"the system clock shows {datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M:%S} UTC"
    kept, _ = kernel.network()
    battery = _battery(scene.machine, wall)
    seen = f"{shown}; {'the network keeps it' if kept else 'no network keeps it'}; {battery}"
    if scene.told:
        told = in_words_of_daemon("clock", scene.conditions("clock."), "")
        off_s = (scene.told.get("clock") or {}).get("system_off_s")
        means = "certificates are judged by it: dispatch may not be reached at all"
        if told.state is not State.OK:
            far = isinstance(off_s, int | float) and abs(off_s) > FAR_S
            return Step("clock", State.FAIL if far else told.state, f"{told.seen}; {shown}", means, told.do)
        return Step("clock", State.OK, f"{seen}; the agent trusts it (witness: {(scene.told.get('clock') or {}).get('witness')})")
    if wall < BUILT_AT_WALL:
        do = "give it a network (NTP), a receiver with a view of the sky, or set it: `timedatectl set-time`"
        return Step("clock", State.FAIL, f"{shown}, a time before this software was built", "no certificate is valid then", do)
    if kept or "agrees" in battery:
        return Step("clock", State.OK, seen)
    means = "nobody vouches for it; a receiver may, once the daemon runs"
    return Step("clock", State.WARN, seen, means, "switch NTP on: `timedatectl set-ntp true`")


def _battery(machine: Machine, wall: float) -> str:
    for each in sorted(machine.at("sys/class/rtc").glob("rtc*")):
        told = read_small(each / "since_epoch")
        if told is not None and told.isdigit():
            off_s = abs(float(told) - wall)
            return "a battery clock agrees" if off_s <= BATTERY_S else f"a battery clock is {wording.span(off_s)} off"
    return "there is no battery clock"


MACHINE = (board, power, memory, disk)
CLOCK = (clock,)
