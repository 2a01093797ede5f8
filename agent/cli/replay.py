"""`callout-agent replay LOG`: what the agent makes of a receiver log; what an installer sends us when a receiver misbehaves.

Runs the log through the very parser and gate of the daemon, judged by the log's own clock. Reads one file, changes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent.cli import talk
from agent.gate import Gate, judge
from agent.model import Fix
from hardware.replay import read_log

HELP = "show what the agent makes of a receiver log"
NOON_S = 43_200.0  # a log that never tells a date is put on 1970-01-01, whatever its time of day
FIELDS = ("time", "latitude", "longitude", "accuracy_m", "speed_mps", "track_deg")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("log", metavar="LOG", type=Path, help="NMEA as recorded, or gpsd's JSON")
    parser.add_argument("--json", action="store_true", help="a JSON object a line: the fixes, then the rejections")


def run(args: argparse.Namespace) -> int:
    """Exit 0, or 1 when the file cannot be read or holds nothing that a receiver says."""
    heard = Heard()
    try:
        for fix in heard.fixes(args.log):
            print(json.dumps(_document(fix)) if args.json else _line(fix))
    except BrokenPipeError:  # whoever reads us has seen enough
        raise
    except OSError as error:
        talk.complain(f"{args.log}: {error.strerror}")
        return 1
    if args.json:
        print(json.dumps({"rejected": heard.gate.counts()}))
    else:
        print("rejected: " + ", ".join(f"{reason} {count}" for reason, count in heard.gate.counts().items()))
    if heard.reports and not heard.passed:
        talk.complain(f"{args.log}: no position was believed; see the rejections")
    if not heard.reports:
        talk.complain(f"{args.log}: nothing in it that a receiver says", "is it NMEA or gpsd JSON, and was the baud rate right?")
        return 1
    return 0


class Heard:
    """A log on its way through the gate."""

    def __init__(self) -> None:
        self.gate = Gate(log=True)
        self.reports = 0
        self.passed = 0

    def fixes(self, path: Path) -> Iterator[Fix]:
        """What passes, in order."""
        for report in read_log(path):
            self.reports += 1
            self.gate, verdict = judge(self.gate, report, wall=NOON_S)
            self.passed += len(verdict.fixes)
            yield from verdict.fixes


def _document(fix: Fix) -> dict[str, object]:
    values = (
        _time(fix),
        round(fix.latitude, 7),
        round(fix.longitude, 7),
        _tidy(fix.accuracy_m),
        _tidy(fix.speed_mps),
        _tidy(fix.track_deg),
    )
    return dict(zip(FIELDS, values, strict=True))


def _tidy(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _line(fix: Fix) -> str:
    numbers = (f"{fix.latitude:.7f}", f"{fix.longitude:.7f}", _text(fix.accuracy_m), _text(fix.speed_mps), _text(fix.track_deg))
    return ", ".join((str(_time(fix)), *numbers))


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _time(fix: Fix) -> str | None:
    """To the millisecond: receivers speak ten times a second."""
    if fix.gnss_time is None:
        return None
    try:
        return datetime.fromtimestamp(round(fix.gnss_time, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None
