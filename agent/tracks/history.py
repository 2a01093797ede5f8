"""The track as the database keeps it and as anybody may see it: fixes, presses, callouts, messages of a span of time.

Touches the database through `dbfile.read_only`: nothing is written, no file appears beside it. Must not show what a cancel hides
(law 5): while the device is calm every mark that is later than the cancel is absent, the callout ends at the cancel, and no message
is told. It decides this for root as for anybody else: there is no inner view here.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from agent import dbfile
from agent.columns import read_id, read_utc, write_utc
from agent.tracks.points import Point, read_point

# In the order of a spreadsheet. Explained in docs/TRACK.md; a test compares.
COLUMNS = (
    "wall_utc",
    "latitude_deg",
    "longitude_deg",
    "accuracy_m",
    "altitude_m",
    "speed_mps",
    "track_deg",
    "receiver",
    "quality",
    "sent_utc",
    "told_utc",
    "episode",
    "gnss_utc",
    "wall_trusted",
    "segment",
    "at_s",
    "boot_id",
)
_FIXES = "SELECT f.id, " + ", ".join(f"b.{name}" if name == "boot_id" else f"f.{name}" for name in COLUMNS)
_FIXES += " FROM fixes f LEFT JOIN boots b ON b.number = f.boot WHERE "
# In capture order, which a clock that steps does not change: rows come as they lie on the disk, and nothing is sorted. The `+` keeps
# SQLite from an index that older versions have.
_SPAN = "+f.wall_utc BETWEEN ? AND ? AND f.id > ? ORDER BY f.id LIMIT ?"
# Rows read at a time. Between two pages no transaction is open: a reader that is paused must not keep the daemon's -wal growing.
_PAGE = 2_000

# A position is a little older than its row. One of the last moment before a cancel may have been kept after it.
_LATE_S = 2.0


@dataclass(frozen=True, slots=True)
class Window:
    """A span of wall time, both ends included; UTC s."""

    since_wall: float = 0.0
    until_wall: float = float("inf")

    @property
    def texts(self) -> tuple[str, str]:
        """As the database writes times; what lies beyond any calendar is its last day."""
        return write_utc(self.since_wall), write_utc(min(self.until_wall, 253402300799.0))


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press and where the device was, as far as it knew. answered_wall: UTC s when a callout answered it."""

    number: int
    wall: float
    origin: str
    note: str | None
    drill: bool
    answered_wall: float | None
    place: Point | None


@dataclass(frozen=True, slots=True)
class Called:
    """A callout. ended_wall: UTC s, None while it goes on or where nobody knows; begin, end: where the device was."""

    id: str
    raised_wall: float
    ended_wall: float | None
    going_on: bool
    origin: str
    drill: bool
    begin: Point | None = None
    end: Point | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the callout's event stream. told: dispatch has it (or said it)."""

    wall: float
    source: str
    text: str
    told: bool


class History:
    """A database as it is now. Every method raises sqlite3.Error; rows that make no sense are left out.

    A cancel may come while a long track is read. So it looks for one after each reading and before it gives anything away.
    """

    def __init__(self, connection: sqlite3.Connection, *, calm: bool) -> None:
        """calm: others than the database know of a cancel."""
        self._db = Database(connection, execute_plugins=False)
        self._calm = calm
        self._veil: str | None = None  # UTC text of the cancel from which on nothing may be seen; None: there is nothing to hide
        self._quiet_from = ""

    def rows(self, window: Window) -> Iterator[dict[str, Any]]:
        """The fixes in capture order, by the names of COLUMNS; read from the disk as they are asked for."""
        after = -1
        while page := self._read(_FIXES + _SPAN, *window.texts, after, _PAGE):
            yield from map(self._outward, page)
            after = page[-1]["id"]

    def count(self, window: Window) -> int:
        """How many `rows` there are."""
        return int(self._one("SELECT count(*) AS n FROM fixes f WHERE +f.wall_utc BETWEEN ? AND ?", *window.texts)["n"])

    def newest_wall(self) -> float | None:
        """UTC s of the fix that was captured last; None without any."""
        return _wall(self._one("SELECT (SELECT wall_utc FROM fixes ORDER BY id DESC LIMIT 1) AS newest")["newest"])

    def extent_m(self, window: Window) -> float:
        """Roughly how far the track reaches from north to south, or from west to east if that is more; metres."""
        sides = "max(latitude_deg) - min(latitude_deg) AS high, max(longitude_deg) - min(longitude_deg) AS wide,"
        sides += " max(longitude_deg + (longitude_deg < 0) * 360) - min(longitude_deg + (longitude_deg < 0) * 360) AS other"
        found = self._one(f"SELECT {sides} FROM fixes f WHERE +f.wall_utc BETWEEN ? AND ?", *window.texts)  # noqa: S608 - all literals
        return 111_000.0 * max(found["high"] or 0.0, min(found["wide"] or 0.0, found["other"] or 0.0))

    def presses(self, window: Window) -> list[Pressed]:
        """In the order of their time; a press that was taken back is none."""
        sql = "SELECT p.*, b.boot_id FROM presses p LEFT JOIN boots b ON b.number = p.boot WHERE p.wall_utc BETWEEN ? AND ?"
        rows = self._read(sql + " ORDER BY p.wall_utc, p.number", *window.texts)
        kept = (row for row in rows if row["state"] != "taken_back" or self._seen(row["settled_utc"]) is None)
        return [press for row in kept if (press := self._press(row)) is not None]

    def callouts(self, window: Window) -> list[Called]:
        """Those that were on at any moment of the span, oldest first."""
        rows = self._read("SELECT * FROM callouts ORDER BY raised_utc, number")
        seen = [row for row in rows if self._is_seen(row)]
        found = [self._callout(row, newest=row is seen[-1]) for row in seen]
        wanted = [each for each in found if each is not None and _overlaps(each, window)]
        return [replace(each, begin=self._at(each.raised_wall), end=self._at(each.ended_wall)) for each in wanted]

    def messages(self, window: Window) -> list[Said]:
        """What was said in the callouts' event streams; nothing while the device is calm."""
        sql = "SELECT wall_utc, source, text, told FROM events WHERE wall_utc BETWEEN ? AND ? ORDER BY wall_utc, number"
        rows = self._read(sql, *window.texts)
        if self._veil is not None:
            return []
        return [Said(wall, str(r["source"]), str(r["text"]), bool(r["told"])) for r in rows if (wall := _wall(r["wall_utc"])) is not None]

    def _outward(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._veil is not None:
            row["sent_utc"], row["told_utc"] = self._seen(row["sent_utc"]), self._seen(row["told_utc"])
            row["episode"] = row["episode"] if row["wall_utc"] < self._quiet_from else None
        return row

    def _seen(self, text: str | None) -> str | None:
        return text if text is not None and (self._veil is None or text < self._veil) else None

    def _press(self, row: dict[str, Any]) -> Pressed | None:
        wall = _wall(row["wall_utc"])
        if wall is None:
            return None
        place = self._place("+f.boot = ? AND +f.at_s <= ?", row["boot"], row["at_s"]) or self._at(wall)
        answered = _wall(self._seen(row["settled_utc"]))
        return Pressed(row["number"], wall, str(row["origin"]), row["note"], bool(row["drill"]), answered, place)

    def _is_seen(self, row: dict[str, Any]) -> bool:
        """Whether a callout was known before the cancel: one that a raise brings behind it, or a look-up, is not."""
        if self._veil is None:
            return True
        if row["origin"] == "elsewhere":
            return self._seen(row["raised_utc"]) is not None
        answered = self._read("SELECT settled_utc FROM presses WHERE callout_id = ?", row["id"])
        return any(self._seen(each["settled_utc"]) for each in answered)

    def _callout(self, row: dict[str, Any], *, newest: bool) -> Called | None:
        raised = _wall(row["raised_utc"])
        if raised is None:
            return None
        closed, going_on = self._seen(row["closed_utc"]), False
        if closed is None and self._veil is not None:
            closed = self._veil if newest else None
        elif closed is None:
            going_on = row["phase"] != "standby"
        return Called(str(read_id(row["id"])), raised, _wall(closed), going_on, str(row["origin"]), bool(row["drill"]))

    def _at(self, wall: float | None) -> Point | None:
        return None if wall is None else self._place("+f.wall_utc <= ?", write_utc(wall))

    def _place(self, where: str, *values: Any) -> Point | None:
        rows = self._read(f"{_FIXES}{where} ORDER BY f.id DESC LIMIT 1", *values)
        return read_point(self._outward(rows[0])) if rows else None

    def _one(self, sql: str, *values: Any) -> dict[str, Any]:
        return self._read(sql, *values)[0]

    def _read(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        rows = list(self._db.query(sql, values))
        self._veil = self._find_cancel()
        self._quiet_from = "" if self._veil is None else write_utc((_wall(self._veil) or 0.0) - _LATE_S)
        return rows

    def _find_cancel(self) -> str | None:
        """When it was. Where that is not noted, the press before it: rather too much is hidden than too little."""

        def ask(sql: str) -> str:
            found = self._db.execute(sql).fetchone()
            return str(found[0]) if found and found[0] is not None else ""

        if not self._calm and ask("SELECT value FROM state WHERE name = 'calm'") != "1":
            return None
        return ask("SELECT value FROM notes WHERE name = 'calm_since'") or ask("SELECT max(wall_utc) FROM presses")


@contextlib.contextmanager
def opened(path: Path, *, calm: bool = False) -> Iterator[History]:
    """A database. calm: others than the database know of a cancel. Raises OSError, or sqlite3.Error for what is none of ours."""
    with dbfile.read_only(path) as connection:
        yield History(connection, calm=calm)


def _wall(text: object) -> float | None:
    try:
        return read_utc(str(text)) if text else None
    except ValueError:
        return None


def _overlaps(each: Called, window: Window) -> bool:
    ended = each.ended_wall if each.ended_wall is not None else window.until_wall if each.going_on else each.raised_wall
    return each.raised_wall <= window.until_wall and ended >= window.since_wall
