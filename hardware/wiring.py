"""How a contact is wired, found out by feeling it; the chips, their lines' names, and who holds a line; keypads that are plugged in.

Touches GPIO lines through `hardware.gpio`, for moments, and input devices to ask what keys they have. For `setup` and `doctor`. It must
not hold a line longer than it takes to feel it, and must not drive one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from hardware.gpio import request
from hardware.input_device import keys_of, name_of, open_device
from hardware.keypad import KEYS
from hardware.lines import Lines, Wish

SETTLE_S = 0.01  # after a bias was switched on: an internal pull of 50 kOhm and 10 nF of cable take 1.5 ms for three time constants
SAME = 3  # looks in a row that agree: a contact that bounces does not
_BUSY_S = 1.0
_DIGITS = frozenset("0123456789")


@dataclass(frozen=True, slots=True)
class Level:
    """The voltage of a line while it is pulled up, and while it is pulled down. biased: the chip can pull."""

    up: bool
    down: bool
    biased: bool = True

    @property
    def decided_by(self) -> str:
        """What is connected to it: "ground", "supply" (3.3 V), or "nothing", where the pull decides."""
        if self.up != self.down:
            return "nothing"
        return "supply" if self.up else "ground"


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a button is to be read: as in the config. said: in words. doubt: what to better; empty if nothing."""

    active: str
    bias: str
    said: str
    doubt: str = ""


_FLOATS = "this chip cannot pull a line up or down: without a resistor of 10 kOhm it floats, and calls for help by itself"
_OPENS = "it is an opening contact: a wire that falls off calls for help, and is then named by button.stuck"
# What decides the level of the untouched line, and of the pressed one.
_WIRINGS: Mapping[tuple[str, str], Wiring] = MappingProxyType(
    {
        ("nothing", "ground"): Wiring("low", "pull-up", "pressing connects it to ground"),
        ("nothing", "supply"): Wiring("high", "pull-down", "pressing connects it to 3.3 V"),
        ("ground", "nothing"): Wiring("high", "pull-up", "pressing cuts it off from ground", _OPENS),
        ("supply", "nothing"): Wiring("low", "pull-down", "pressing cuts it off from 3.3 V", _OPENS),
        ("supply", "ground"): Wiring("low", "pull-up", "a resistor holds it up, and pressing connects it to ground"),
        ("ground", "supply"): Wiring("high", "pull-down", "a resistor holds it down, and pressing connects it to 3.3 V"),
    }
)


def judge(idle: Level, pressed: Level) -> Wiring | None:
    """How it is wired, from its level untouched and pressed. None: nothing changed."""
    wiring = _WIRINGS.get((idle.decided_by, pressed.decided_by))
    if wiring is None or (idle.biased and pressed.biased):
        return wiring
    return replace(wiring, bias="as-is", said="its level changes", doubt=_FLOATS)


async def feel(chip: str, line: int) -> Level:
    """The line's level now, once it is the same SAME times in a row. Raises as `hardware.gpio.request` does, and Gone."""
    levels: list[Level] = []
    while len(levels) < SAME or len(set(levels[-SAME:])) > 1:
        levels = [*levels[-SAME:], await _look(chip, line)]
    return levels[-1]


async def _look(chip: str, line: int) -> Level:
    up, can_up = await _pulled(chip, line, "pull-up")
    down, can_down = await _pulled(chip, line, "pull-down")
    return Level(up, down, biased=True) if can_up and can_down else Level(up, up, biased=False)


async def _pulled(chip: str, line: int, bias: str) -> tuple[bool, bool]:
    lines = await _granted(Wish(chip=chip, lines=(line,), bias=bias))
    try:
        await asyncio.sleep(SETTLE_S)
        lines.edges()
        return lines.active(line), lines.wish.bias == bias
    finally:
        lines.close()


async def _granted(wish: Wish) -> Lines:
    """A line that was given back a moment ago may not be free yet: a played chip learns of it a moment later."""
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            return await request(wish)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() >= end:
                raise
        await asyncio.sleep(SETTLE_S)


async def changed(chip: str, line: int, idle: Level, over: Callable[[], bool]) -> Level | None:
    """The level once it is another one than `idle`; None if `over` comes first. Raises as `feel` does."""
    while not over():
        level = await feel(chip, line)
        if level != idle:
            return level
    return None


@dataclass(frozen=True, slots=True)
class Named:
    """A line as its kernel tells: name may be empty; consumer: who holds it, empty if nobody."""

    line: int
    name: str
    consumer: str


def chips(dev: Path = Path("/dev")) -> list[str]:
    """The GPIO chips of this machine."""
    return [str(path) for path in sorted(dev.glob("gpiochip*")) if stat.S_ISCHR(path.stat().st_mode)]


def lines_of(chip: str) -> list[Named]:
    """The lines of a kernel's chip; none of a played one. Raises OSError."""
    if stat.S_ISSOCK(Path(chip).stat().st_mode):
        return []
    import gpiod  # noqa: PLC0415 - as in hardware.gpio: a device without it can still be set up without a button

    with gpiod.Chip(chip) as opened:
        told = [opened.get_line_info(line) for line in range(opened.get_info().num_lines)]
    return [Named(each.offset, each.name or "", (each.consumer or "the kernel") if each.used else "") for each in told]


def place_of(name: str, dev: Path = Path("/dev")) -> tuple[str, int] | None:
    """Chip and line of this name (`GPIO17`), where a kernel tells: on some boards the header is not the first chip."""
    for chip in chips(dev):
        with contextlib.suppress(OSError, ImportError):
            for each in lines_of(chip):
                if each.name == name:
                    return chip, each.line
    return None


def holder_of(chip: str, line: int) -> str:
    """Who holds this line, in the kernel's words; empty if nobody, or nobody knows."""
    with contextlib.suppress(OSError, ImportError):
        return next((each.consumer for each in lines_of(chip) if each.line == line), "")
    return ""


async def keypads(dev: Path = Path("/dev")) -> list[tuple[str, str]]:
    """Input devices on which a code can be typed, as (path, what it calls itself); by-id names where there are any."""
    found: dict[str, tuple[str, str]] = {}
    for path in (*sorted(dev.glob("input/by-id/*-kbd")), *sorted(dev.glob("input/event*"))):
        node = str(path.resolve())
        if node in found:
            continue
        with contextlib.suppress(OSError):
            device = await open_device(str(path))
            try:
                keys = {KEYS[code].value for code in await keys_of(device) if code in KEYS}
                if keys >= _DIGITS:
                    found[node] = str(path), await name_of(device)
            finally:
                device.close()
    return list(found.values())
