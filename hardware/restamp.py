"""Makes a recorded NMEA log a log of now: its times and dates are moved, checksums made anew, everything else stays.

Pure. It must not read a clock (the caller says when), nor change positions, qualities or sentences without a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from hardware.epoch import ahead_s
from hardware.framing import Framer, checksum
from hardware.sentence import read_clock

STEP_BACK_S = 1.0

_HEADER = re.compile(rb"\$(?!P)[A-Z][A-Z0-9](GGA|RMC|GNS|GLL|GST|ZDA),")
_TIME_AT = {b"GGA": 1, b"RMC": 1, b"GNS": 1, b"GLL": 5, b"GST": 1, b"ZDA": 1}
_SAME_S = 2.5  # sentences of one receiver differ by so much; beyond, a step back is one of the clock


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a log: `log_s`, seconds since the log's first time at which it was said, and its bytes without line end.

    `own_s`: the line's own time on the same scale, None if it has none; it may differ a little from `log_s`.
    """

    log_s: float
    line: bytes
    own_s: float | None = None


def read_lines(lines: Iterable[bytes]) -> Iterator[LogLine]:
    """Put the lines of a log on one scale of time that only goes forward.

    Comments (`#`) and empty lines are left out. Forward steps of the log's clock add their length (of the time of day: dates are
    not looked at), a step back of more than 2.5 s adds STEP_BACK_S. A line without time was said with the line before it.
    """
    log_s, clock, newest = 0.0, None, 0.0
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        if not line or line.startswith(b"#"):
            continue
        told = _told_clock(line)
        if told is None:
            yield LogLine(newest, line)
            continue
        step = ahead_s(told, clock) if clock is not None else 0.0
        log_s = newest + STEP_BACK_S if newest - (log_s + step) > _SAME_S else log_s + step
        clock, newest = told, max(newest, log_s)
        yield LogLine(newest, line, log_s)


def stamp(line: bytes, wall: float) -> bytes:
    """Return the line with this time and, where it has one, date. wall: UTC s since 1970; cut to the digits that the line gives.

    A line without time, an unknown one and a comment come back as they are.
    """
    header = _HEADER.match(line)
    star = line.rfind(b"*")
    if header is None or star < 0 or _told_clock(line) is None:
        return line
    kind = header.group(1)
    fields = line[1:star].split(b",")
    at = _TIME_AT[kind]
    fields[at] = _clock_text(wall, len(fields[at].partition(b".")[2]), b"." in fields[at])
    # The same whole milliseconds as the time, or a date could be a day off at midnight.
    day = datetime.fromtimestamp(round(wall * 1000) // 1000, UTC)
    if kind == b"RMC" and len(fields) > 9:
        fields[9] = day.strftime("%d%m%y").encode()
    if kind == b"ZDA" and len(fields) > 4:
        fields[2:5] = day.strftime("%d %m %Y").encode().split()
    content = b",".join(fields)
    return b"$%s*%02X" % (content, checksum(content))


def restamp(lines: Iterable[bytes], start_wall: float) -> Iterator[tuple[float, bytes]]:
    """Move a whole log so that its first time is `start_wall` (UTC s since 1970, cut to whole seconds plus the log's fraction).

    Yields (wall, line): when to say each line, and the line with its time moved by one offset, so that it is never told ahead of its
    own time. Lines keep their order; wall never goes back.
    """
    fraction: float | None = None
    for each in read_lines(lines):
        if fraction is None and each.own_s is not None:
            fraction = (_told_clock(each.line) or 0.0) % 1.0
        base = float(int(start_wall)) + (fraction or 0.0)
        yield base + each.log_s, each.line if each.own_s is None else stamp(each.line, base + each.own_s)


def _told_clock(line: bytes) -> float | None:
    """Time of day of a line whose checksum is right; None without one, so that a damaged line stays damaged."""
    header = _HEADER.match(line)
    if header is None or Framer().feed(line) != [line]:
        return None
    fields = line[: line.rindex(b"*")].split(b",")
    at = _TIME_AT[header.group(1)]
    return read_clock(fields[at].decode("ascii")) if at < len(fields) else None


def _clock_text(wall: float, digits: int, dot: bool) -> bytes:  # noqa: FBT001 - a property of the text, not a switch
    milliseconds = round(wall * 1000)
    text = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%H%M%S")
    return (text + ("." if dot else "") + f"{milliseconds % 1000:03d}".ljust(digits, "0")[:digits]).encode()
