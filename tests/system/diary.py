"""What a simulated receiver said and when, held against what the dispatcher saw.

The ground truth of the receivers' system tests: the diary is kept where the bytes enter the pty, the positions are read at the
simulator. It must not ask the agent anything.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stage import DRIVE

from hardware.feeder import FakePort, Feeder
from hardware.framing import checksum

SAME_DEG = 1e-6
Place = tuple[float, float]


def place_in(line: bytes) -> Place | None:
    """Latitude and longitude of a sentence that tells a place, degrees."""
    fields = line.split(b",")
    at = {b"GGA": 2, b"RMC": 3}.get(fields[0][3:])
    if at is None:
        return None
    return _degrees(fields[at], fields[at + 1], 2), _degrees(fields[at + 2], fields[at + 3], 3)


def _degrees(text: bytes, hemisphere: bytes, digits: int) -> float:
    value = int(text[:digits]) + float(text[digits:]) / 60
    return -value if hemisphere in b"SW" else value


DRIVE_PLACES = tuple(place for line in DRIVE if b"RMC" in line and (place := place_in(line)) is not None)


def rewritten(change: Callable[[bytes, list[bytes]], None], lines: Iterable[bytes] = DRIVE) -> list[bytes]:
    """The log with the fields of every sentence changed (`change(kind, fields)`), checksums made anew."""
    made = []
    for line in lines:
        if line.startswith(b"$"):
            fields = line[1 : line.index(b"*")].split(b",")
            change(fields[0][2:], fields)
            content = b",".join(fields)
            made.append(b"$%s*%02X" % (content, checksum(content)))
    return made


def shifted(lines: Iterable[bytes] = DRIVE) -> list[bytes]:
    """The log 0.001 degrees (111 m) further south."""

    def move(kind: bytes, fields: list[bytes]) -> None:
        at = {b"GGA": 2, b"RMC": 3}.get(kind)
        if at is not None:
            fields[at] = b"%02d%08.5f" % (int(fields[at][:2]), float(fields[at][2:]) + 0.06)

    return rewritten(move, lines)


class Diary(FakePort):
    """A pty that notes when it said each place. entries: (UTC s, place), oldest first; the sentences of one epoch are one entry.

    A receiver that fell silent within an epoch says the rest of it, with the time of then, when it speaks again. What stood half
    written when the plug was pulled is no sentence and is not noted.
    """

    def __init__(self, path: Path) -> None:
        self.entries: list[tuple[float, Place]] = []
        self._line = b""
        super().__init__(path)

    def write(self, data: bytes) -> int:
        """Say bytes, and note a place when its sentence is out."""
        taken = super().write(data)
        *lines, self._line = (self._line + data[:taken]).split(b"\r\n")
        self._line = self._line[-200:]
        for line in lines:
            with contextlib.suppress(ValueError, IndexError):
                self._note(place_in(line))
        return taken

    def unplug(self) -> None:
        """Pull it."""
        super().unplug()
        self._line = b""

    def _note(self, place: Place | None) -> None:
        now = time.time()
        if place is not None and (not self.entries or self.entries[-1][1] != place or now - self.entries[-1][0] > 0.5):
            self.entries.append((now, place))


@contextlib.asynccontextmanager
async def feeding(path: Path, lines: Iterable[bytes] = DRIVE, *, wall: Callable[[], float] | None = time.time) -> AsyncIterator[Feeder]:
    """A receiver that plays a log into a pty and keeps a diary, see `diary_of`."""
    feeder = Feeder(lines, path, wall=wall)
    feeder.port.close()
    feeder.port = Diary(path)
    async with feeder:
        yield feeder


def diary_of(feeder: Feeder) -> Diary:
    """The diary of a receiver made by `feeding`."""
    assert isinstance(feeder.port, Diary)
    return feeder.port


@dataclass(frozen=True)
class Posted:
    """One position as the dispatcher has it. wall: UTC s of its arrival. via: "raise" or "location"."""

    place: Place
    wall: float
    via: str


def posted(callout: dict[str, Any]) -> list[Posted]:
    """The positions of a callout in order of arrival."""
    return [Posted((each["latitude"], each["longitude"]), wall_of(each["received"]), each["via"]) for each in callout["positions"]]


def wall_of(told: str) -> float:
    """UTC s of a time of the simulator or of a status document."""
    return datetime.fromisoformat(told).timestamp()


def nearest(place: Place, places: Iterable[Place]) -> int:
    """The index of the place that is this one within SAME_DEG in both coordinates; fails if none is."""
    off = [max(abs(place[0] - other[0]), abs(place[1] - other[1])) for other in places]
    best = min(range(len(off)), key=off.__getitem__)
    assert off[best] <= SAME_DEG, f"{place} is none of the log's places: off by {off[best]:.7f} degrees"
    return best


def said_at(each: Posted, *feeders: Feeder) -> float:
    """UTC s when a receiver last said the place that was posted; fails if none did before it was posted."""
    told = [entry for feeder in feeders for entry in diary_of(feeder).entries if entry[0] <= each.wall + 0.01]
    entries = sorted(told, reverse=True)
    return entries[nearest(each.place, [place for _, place in entries])][0]
