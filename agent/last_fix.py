"""The last position in the runtime directory, for a start that finds no database: a careful one, or one on a disk that hangs.

Touches one small file among the daemon's own, where nobody else can see when it was written. Must not wait for a disk, must not trust what
it reads beyond what a fix can be, and decides nothing about its use: it is a stored position like that of the database.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from agent import resume, spool
from agent.identity import read_boot_id
from agent.model import Fix, Quality

NAME: Final = ".last-fix"
EVERY_S: Final = 30.0


class LastFix:
    """One per daemon. directory: the runtime directory of the presses. clock_at: monotonic s."""

    def __init__(self, directory: Path, clock_at: Callable[[], float]) -> None:
        self._own = directory / resume.OWN_NAME
        self._clock_at = clock_at
        self._kept_at = float("-inf")
        self._kept: Fix | None = None

    def follow(self, fix: Fix | None) -> None:
        """Keep it, if there is a newer one and the last was kept long enough ago."""
        now_at = self._clock_at()
        if fix is None or fix == self._kept or now_at - self._kept_at < EVERY_S:
            return
        self._kept_at, self._kept = now_at, fix
        with contextlib.suppress(OSError):
            spool.make(self._own.parent.parent)
            for folder in (self._own.parent, self._own):
                spool.make_own(folder)
            spool.keep(self._own / NAME, json.dumps({"boot_id": read_boot_id(), **asdict(fix)}))


def recall(directory: Path) -> Fix | None:
    """What was kept in this boot; None if nothing was, or nothing that can be a fix."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        record = json.loads(spool.kept(directory / resume.OWN_NAME / NAME) or "")
        if isinstance(record, dict) and record.pop("boot_id", None) == read_boot_id():
            return _fix_of(record)
    return None


def later(stored: Fix | None, kept: Fix | None) -> Fix | None:
    """The later of the database's and ours. One of another boot, whose `at` is not above zero, is older than any of this."""
    return kept if kept is not None and (stored is None or stored.at < kept.at) else stored


def _fix_of(record: dict[str, Any]) -> Fix:
    """Raises ValueError or TypeError."""
    fix = Fix(**record)
    numbers = (fix.at, fix.wall, fix.latitude, fix.longitude, 0.0 if fix.accuracy_m is None else fix.accuracy_m)
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers) or not isinstance(fix.receiver, str):
        raise TypeError("no numbers")
    if abs(fix.latitude) > 90 or abs(fix.longitude) > 180 or fix.at <= 0:
        raise ValueError("no place")
    return replace(fix, quality=Quality.STORED, wall_trusted=fix.wall_trusted is True)
