"""The doctor's steps for who may do what: the service's user, modes of files, device nodes, and who else is at the receiver.

Reads accounts, modes, /proc and udev's notes. Must not open a device, and must not print what a file holds.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import aside
from agent.cli import check
from agent.cli.doctor_step import NEEDED, Machine, Scene, State, Step, read_small, skipped
from agent.config import Config, SerialReceiver

READ_S = 8.0
GROUPS = ("dialout", "gpio", "input")  # as in the .sysusers file
MODEM_MANAGER = "ModemManager"
MODEM_STAYS = (
    'if it is a port of the modem that is this device\'s network: a rule of your own with ENV{ID_MM_PORT_IGNORE}="1" for that port alone'
)
EVERYBODY = 0o777


@dataclass(frozen=True, slots=True)
class Account:
    """With which rights the daemon runs. groups: numbers, the own one included."""

    name: str
    uid: int
    groups: frozenset[int]

    def may(self, path: Path) -> bool:
        """Read and write this node, by its mode. An access list beside the mode is not looked at."""
        status = path.stat()
        if self.uid == 0:
            return True
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.groups else 0
        return status.st_mode >> shift & 0o6 == 0o6


def service_account() -> Account | None:
    """The account of the unit's user; None where there is no such user."""
    try:
        user = pwd.getpwnam(check.SERVICE_USER)
    except KeyError:
        return None
    return Account(user.pw_name, user.pw_uid, frozenset(os.getgrouplist(user.pw_name, user.pw_gid)))


async def user(_: Scene) -> Step:
    """Whether the service has a user, and that user its groups."""
    return await aside.run(_user, name="user", limit_s=READ_S)


def _user() -> Step:
    asker = f"asked by {_name(os.geteuid())}"
    account = service_account()
    if account is None:
        return skipped("user", f"there is no user {check.SERVICE_USER}: the package is not installed ({asker})")
    missing = [name for name in GROUPS if (number := _group(name)) is not None and number not in account.groups]
    if missing:
        means = f"what belongs to {', '.join(missing)} cannot be used by the service: serial lines, GPIO lines, keypads"
        do = "\n".join(f"usermod -aG {name} {account.name}" for name in missing) + "\nsystemctl restart callout-agent"
        return Step("user", State.FAIL, f"{account.name} is not in {', '.join(missing)} ({asker})", means, do)
    return Step("user", State.OK, f"{account.name} is there, with its groups ({asker})")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


async def files(scene: Scene) -> Step:
    """What `check` finds: modes of config and secrets, directories, hooks, nodes that are of another kind."""
    config = scene.config
    if config is None:
        return skipped("files", "the config cannot be used: see there")
    closed = scene.secrets_closed
    return await aside.run(lambda: _files(config, closed), name="files", limit_s=READ_S)


def _files(config: Config, closed: str) -> Step:
    """closed: secrets that whoever asks may not read: what is wrong with them only others can say."""
    # Where dispatch is has a step of its own, and what is not plugged in now is told by that device's step.
    found = [
        each for each in check.look(config) if not each.problem.key.startswith("panic_api.base") and each.problem.rule != "is not there now"
    ]
    if closed:
        found = [each for each in found if not each.problem.key.startswith("credentials.")]
    if not found:
        but = f"; this user may not look at {closed}" if closed else ""
        return Step("files", State.OK, f"config, secrets, directories and devices have the rights that they need{but}")
    seen = "; ".join(str(each.problem).partition("; ")[0] for each in found)
    do = "\n".join(dict.fromkeys(each.problem.hint for each in found if each.problem.hint))
    fatal = any(each.fatal for each in found)
    return Step("files", State.FAIL if fatal else State.WARN, seen, "", do or "callout-agent check")


async def nodes(scene: Scene) -> Step:
    """Whether the service's user may use each device, whatever the one who asks may."""
    config = scene.config
    if config is None:
        return skipped("devices", "the config cannot be used: see there")
    return await aside.run(lambda: _nodes(config), name="devices", limit_s=READ_S)


def devices(config: Config) -> Iterator[Path]:
    """Every device node that the config names, once."""
    named = [each.path for each in config.receivers if isinstance(each, SerialReceiver)]
    named += [each.chip for each in config.buttons]
    named += [config.indicator.chip] if config.indicator else []
    named += [config.keypad.path] if config.keypad else []
    yield from (Path(each) for each in dict.fromkeys(named))


def _nodes(config: Config) -> Step:
    account = service_account()
    there = [each for each in devices(config) if each.exists()]
    if account is None:
        return skipped("devices", f"there is no user {check.SERVICE_USER} to compare with")
    if not there:
        return skipped("devices", "no device that the config names is there")
    closed = [each for each in there if not account.may(each)]
    if not closed:
        return Step("devices", State.OK, f"{account.name} may use {', '.join(map(str, there))}")
    seen = "; ".join(f"{each} is {mode_of(each)}: {account.name} may not use it" for each in closed)
    do = "\n".join(_open_up(each, account) for each in closed)
    return Step("devices", State.FAIL, seen, "root may, so a try by hand as root shows nothing", do)


def mode_of(path: Path) -> str:
    """Mode, owner and group, for a person."""
    status = path.stat()
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return f"{stat.S_IMODE(status.st_mode):04o} {_name(status.st_uid)}:{group}"


def _open_up(path: Path, account: Account) -> str:
    status = path.stat()
    if status.st_gid and status.st_mode >> 3 & 0o6 == 0o6 and status.st_gid not in account.groups:
        return f"usermod -aG {grp.getgrgid(status.st_gid).gr_name} {account.name}, then restart the service"
    return f"give {path} to a group of {account.name} by a rule of udev, as in 60-callout-agent.rules"


async def modem_manager(scene: Scene) -> Step:
    """Whether ModemManager is kept off the receivers: it opens every serial line and talks to it."""
    config = scene.config
    if config is None:
        return skipped("ModemManager", NEEDED)
    return await aside.run(lambda: _modem_manager(config, scene.machine), name="ModemManager", limit_s=READ_S)


def _modem_manager(config: Config, machine: Machine) -> Step:
    name = MODEM_MANAGER
    if not any(read_small(each) == name for each in machine.at("proc").glob("[0-9]*/comm")):
        return Step(name, State.OK, "it does not run")
    lines = [Path(each.path) for each in config.receivers if isinstance(each, SerialReceiver)]
    open_to_it = [each for each in lines if _may_be_probed(each, machine)]
    if not open_to_it:
        return Step(name, State.OK, "it runs, and is kept off the receivers")
    means = "for a while after each start it reads what the receiver says, and writes to it"
    do = "install 60-callout-agent.rules (ID_MM_DEVICE_IGNORE), then `udevadm control --reload; udevadm trigger`;\n" + MODEM_STAYS
    return Step(name, State.WARN, f"it runs and is not kept off {', '.join(map(str, open_to_it))}", means, do)


def _may_be_probed(path: Path, machine: Machine) -> bool:
    """By udev's notes: on USB, and nobody said that it is no modem. Lines of the board itself are left alone by default."""
    told = udev_properties(path, machine)
    ignored = any(told.get(key) == "1" for key in ("ID_MM_DEVICE_IGNORE", "ID_MM_PORT_IGNORE"))
    return told.get("ID_BUS") == "usb" and not ignored


def udev_properties(path: Path, machine: Machine) -> dict[str, str]:
    """What udev noted of a device node; empty for what it does not know."""
    try:
        number = path.stat().st_rdev
    except OSError:
        return {}
    notes = machine.text(f"run/udev/data/c{os.major(number)}:{os.minor(number)}") or ""
    pairs = (line[2:].partition("=") for line in notes.splitlines() if line.startswith("E:"))
    return {key: value for key, _, value in pairs}


async def holders(scene: Scene) -> Step:
    """Whether another program is at a line of ours: of each byte only one of them gets it."""
    config = scene.config
    if config is None:
        return skipped("line holders", NEEDED)
    return await aside.run(lambda: _holders(config, scene), name="line holders", limit_s=READ_S)


def _holders(config: Config, scene: Scene) -> Step:
    name = "line holders"
    lines = [Path(each.path) for each in config.receivers if isinstance(each, SerialReceiver)]
    there = [each for each in lines if each.exists()]
    if not there:
        return skipped(name, "no serial receiver of the config is there")
    strangers = [(line, who) for line in there for who in held_by(line, scene.machine) if not _ours(who, scene.machine)]
    console = [line for line in there if f"console={line.resolve().name}" in (scene.machine.text("proc/cmdline") or "").replace(",", " ")]
    if console:
        do = "take the console off it: `raspi-config`, Interface, Serial: no login shell, hardware enabled; or cmdline.txt; then reboot"
        return Step(name, State.FAIL, f"the kernel's console is on {', '.join(map(str, console))}", "it writes to the receiver", do)
    if strangers:
        seen = "; ".join(f"{line} is open in {who}" for line, who in strangers)
        do = 'stop the other program; if it is gpsd, let the agent read from gpsd: kind = "gpsd"'
        return Step(name, State.FAIL, seen, "each byte is read by one of them only: both hear nonsense", do)
    seen = "nobody else has a receiver's line open" + ("" if os.geteuid() == 0 else " (as far as this user may see; root sees all)")
    return Step(name, State.OK, seen)


def held_by(path: Path, machine: Machine) -> list[str]:
    """Who has it open, as `name (pid)`, this process aside; only what this user may see."""
    try:
        wanted, node = str(path.resolve()), path.stat()
    except OSError:
        return []
    others = (each for each in machine.at("proc").glob("[0-9]*") if each.name != str(os.getpid()))
    return sorted(f"{read_small(each / 'comm')} ({each.name})" for each in others if _has_open(each, wanted, (node.st_dev, node.st_ino)))


def _has_open(process: Path, wanted: str, node: tuple[int, int]) -> bool:
    """By its name and its number: a container has other nodes by the same names."""
    try:
        links = {each: str(each.readlink()) for each in (process / "fd").iterdir()}
        named = [each.stat() for each, name in links.items() if name == wanted]
    except OSError:
        return False  # another user's, or it has ended
    # Whoever holds the other end of a pty plays the device: it is the receiver, and no second reader.
    plays = wanted.startswith("/dev/pts/") and {"/dev/ptmx", "/dev/pts/ptmx"} & set(links.values())
    return not plays and any((each.st_dev, each.st_ino) == node for each in named)


def _ours(who: str, machine: Machine) -> bool:
    pid = who.rpartition("(")[2].rstrip(")")
    words = (machine.text(f"proc/{pid}/cmdline") or "").replace("\0", " ")
    return "callout-agent" in words or "-m agent run" in words


RIGHTS = (user, files, nodes, modem_manager, holders)
