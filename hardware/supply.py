"""What feeds the device: batteries and mains as the kernel shows them under /sys/class/power_supply.

Touches the files of that directory, beside the loop (a fuel gauge on a stuck bus hangs its reader), and one netlink socket that
says when to look. Decides what is low and what is lost. Must not know whether a callout is on, and never raises for what a file
holds: what cannot be read is unknown, and what is unknown changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.model import Power

log = logging.getLogger("callout-agent")

LOOK_S: Final = 2.0  # where the kernel does not say when
LEAST_S: Final = 0.2  # between two looks: a charger at a loose contact tells dozens of changes a second
SETTLED_S: Final = 10.0  # low or lost is over after so long without it: a loose contact is one occasion, not many
RECOVERED_POINTS: Final = 3.0  # a battery that was low is low up to so many percent above the limit
MAX_ENTRIES: Final = 32
MAX_READS: Final = 64  # per wake-up: a storm of messages must not hold the loop
KOBJECT_UEVENT: Final = 15  # NETLINK_KOBJECT_UEVENT of linux/netlink.h, which Python does not name
KERNEL_GROUP: Final = 1  # the kernel's own broadcasts; udev's are group 2

BATTERIES: Final = ("Battery", "UPS")
MAINS: Final = ("Mains", "USB", "BrickID", "Wireless")  # and USB_C, USB_PD, ...
CHARGING: Final = ("Charging", "Full")
LOW_LEVELS: Final = {"Critical": True, "Low": True, "Normal": False, "High": False, "Full": False}


@dataclass(frozen=True, slots=True)
class Entry:
    """One supply as its files tell it. percent: 0 to 100. level, status: the kernel's words. None and "": untold."""

    battery: bool
    percent: float | None = None
    level: str = ""
    status: str = ""
    online: bool | None = None


Entries = tuple[Entry, ...]
Beside = Callable[[Callable[[], Entries]], Awaitable[Entries]]


class KernelSupply:
    """A Supply (see `agent.ports`) from a directory of the kernel's.

    directory: of supplies. low_percent: a battery is low from here on. clock_at: monotonic s. beside: runs blocking work in a
    thread; an OSError of its own means that there is none. uevents: opens the socket of the kernel's announcements.
    """

    def __init__(
        self,
        directory: str,
        *,
        low_percent: float,
        clock_at: Callable[[], float],
        beside: Beside,
        uevents: Callable[[], socket.socket | None] | None = None,
    ) -> None:
        self._directory = Path(directory)
        self._clock_at = clock_at
        self._beside = beside
        self._judge = Judge(low_percent)
        self._uevents = uevents or open_uevents

    async def run(self, told: Callable[[Power], None]) -> None:
        """Look until cancelled; see `Supply.run`."""
        rung, before = asyncio.Event(), Power()
        with _listening(self._uevents(), rung):
            while True:
                rung.clear()
                power = await self._look(before)
                if power != before:
                    before = power
                    told(power)
                await asyncio.sleep(LEAST_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S - LEAST_S):
                        await rung.wait()

    async def _look(self, before: Power) -> Power:
        """One look, however long it takes: a second thread would hang on the same bus."""
        try:
            entries = await self._beside(lambda: read(self._directory))
        except OSError:
            return before
        return self._judge.take(entries, self._clock_at())


# --- what the files say ---------------------------------------------------------------------------------------------------


def read(directory: Path) -> Entries:
    """Every supply of the device itself. Blocks; never raises. Nothing for a directory that is empty or missing."""
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names only, and at once
    except OSError:
        return ()
    return tuple(entry for name in names[:MAX_ENTRIES] if (entry := _entry(directory / name)) is not None)


def _entry(place: Path) -> Entry | None:
    """None for what does not feed this device: a mouse's battery, an empty slot, a kind that is unknown."""
    kind = _text(place / "type")
    if _text(place / "scope") == "Device" or _text(place / "present") == "0":
        return None
    if kind in BATTERIES:
        percent = _number(place / "capacity")
        fits = percent is not None and 0 <= percent <= 100
        level, status = _text(place / "capacity_level"), _text(place / "status")
        return Entry(battery=True, percent=percent if fits else None, level=level, status=status)
    if kind in MAINS or kind.startswith("USB_"):
        online = _number(place / "online")  # 2: online, and its voltage can be set
        return Entry(battery=False, online=None if online is None else online > 0)
    return None


def _text(file: Path) -> str:
    """The word in a file, "" where there is none."""
    try:
        with file.open("rb") as opened:
            return opened.read(64).decode("ascii", errors="replace").strip()
    except (OSError, ValueError):
        return ""


def _number(file: Path) -> float | None:
    try:
        return float(int(_text(file)))
    except (ValueError, OverflowError):
        return None


# --- what it means --------------------------------------------------------------------------------------------------------


class Lasting:
    """True at once; false only once it has not been so for SETTLED_S. Unknown changes nothing."""

    def __init__(self) -> None:
        self.on = False
        self._over_at: float | None = None

    def take(self, now: bool | None, at: float) -> bool:  # noqa: FBT001 - one fact, as it is seen
        """Whether it holds, after it was seen so (None: not seen) at monotonic s `at`."""
        if now:
            self.on, self._over_at = True, None
        elif now is False and self.on:
            self._over_at = at if self._over_at is None else self._over_at
            self.on = at - self._over_at < SETTLED_S
        return self.on


class Judge:
    """From entries to Power. low_percent: see `KernelSupply`."""

    def __init__(self, low_percent: float) -> None:
        self._low_percent = low_percent
        self._low, self._lost = Lasting(), Lasting()
        self._had_mains = False

    def take(self, entries: Entries, at: float) -> Power:
        """What they mean at monotonic s `at`."""
        batteries = [entry for entry in entries if entry.battery]
        told = [entry.online for entry in entries if entry.online is not None]
        mains = any(told) if told else None
        self._had_mains = self._had_mains or mains is True
        percent = min((entry.percent for entry in batteries if entry.percent is not None), default=None)
        lost = None if mains is None else not mains and self._had_mains
        return Power(percent, mains, low=self._low.take(self._any_drained(batteries, mains), at), lost=self._lost.take(lost, at))

    def _any_drained(self, batteries: list[Entry], mains: bool | None) -> bool | None:  # noqa: FBT001 - mains as in Power
        drained = [self._drained(entry, mains) for entry in batteries]
        return True if any(drained) else None if None in drained else False

    def _drained(self, entry: Entry, mains: bool | None) -> bool | None:  # noqa: FBT001 - mains as in Power
        """Low, and nothing fills it up. Many gauges tell no status: on mains they are taken to be charged."""
        if entry.status in CHARGING or (entry.status in ("", "Unknown") and mains):
            return False
        if entry.percent is None:
            return LOW_LEVELS.get(entry.level)
        if self._low.on:
            return entry.percent < self._low_percent + RECOVERED_POINTS
        return entry.percent <= self._low_percent


# --- when to look ---------------------------------------------------------------------------------------------------------


def open_uevents() -> socket.socket | None:
    """The kernel's announcements of devices; None where they may not be heard, and then looking by the clock is all there is."""
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, KOBJECT_UEVENT)
    except OSError:
        return None
    try:
        sock.bind((0, KERNEL_GROUP))
    except OSError:
        sock.close()
        return None
    return sock


@contextlib.contextmanager
def _listening(sock: socket.socket | None, rung: asyncio.Event) -> Iterator[None]:
    """Ring at each announcement about a supply."""
    if sock is None:
        log.info("the kernel does not tell us of its power supplies; they are looked at every %.0f s", LOOK_S)
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(sock, _drain, sock, rung)
    try:
        yield
    finally:
        loop.remove_reader(sock)
        sock.close()


def _drain(sock: socket.socket, rung: asyncio.Event) -> None:
    """Only whether one is about a supply is read. ENOBUFS means that some were lost: one of them may have been."""
    try:
        for _ in range(MAX_READS):
            if b"SUBSYSTEM=power_supply" in sock.recv(8_192).split(b"\0"):
                rung.set()
    except BlockingIOError:
        return
    except OSError:
        rung.set()
