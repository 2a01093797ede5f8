"""Moments as an operator types them: `2026-03-01`, `2026-03-01T12:00`, `today`, `yesterday`, `-2h`.

Pure: now is given. UTC where no zone is named, since everything that the agent tells is UTC.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

_AGO = re.compile(r"-?(\d+(?:\.\d+)?)\s*(min|m|h|d|w)")
_UNITS_S = {"min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DAY_ONLY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME_ONLY = re.compile(r"\d\d:\d\d(:\d\d)?")
FORMS = "an ISO 8601 time (UTC unless it names a zone), a date, 14:30 (of today), `today`, `yesterday`, or how long ago: -30min, -2h, -3d"


def read(text: str, now_wall: float, *, end: bool) -> float:
    """UTC s. end: a whole day means its end and not its beginning. Raises ValueError with a sentence for the operator."""
    words = text.strip().lower()
    if ago := _AGO.fullmatch(words):
        return now_wall - float(ago[1]) * _UNITS_S[ago[2]]
    try:
        if words in ("today", "yesterday"):
            return _day(datetime.fromtimestamp(now_wall, UTC).date() - timedelta(days=words == "yesterday"), end=end)
        if words == "now":
            return now_wall
        if _DAY_ONLY.fullmatch(words):
            return _day(date.fromisoformat(words), end=end)
        if _TIME_ONLY.fullmatch(words):
            return _moment(f"{datetime.fromtimestamp(now_wall, UTC).date()}T{words}")
        return _moment(text.strip())
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; it may be {FORMS}") from None


def _day(day: date, *, end: bool) -> float:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return begin + 86_399.999 if end else begin


def _moment(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def argument(now_wall: float, *, end: bool) -> Callable[[str], float]:
    """`read` as the type of an argument."""

    def convert(text: str) -> float:
        try:
            return read(text, now_wall, end=end)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


class InstantParser(argparse.ArgumentParser):
    """A parser that takes `--since -2h` for what it plainly is; argparse would look for an option `-2h`."""

    def parse_known_args(  # type: ignore[override]  # typeshed has overloads for namespaces of other classes
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does, the two words made one."""
        given = list(args or ())
        for place in range(len(given) - 1, 0, -1):
            if given[place - 1] in ("--since", "--until") and _AGO.fullmatch(given[place]):
                given[place - 1 : place + 1] = [f"{given[place - 1]}={given[place]}"]
        return super().parse_known_args(given, namespace)
