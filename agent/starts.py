"""How often this device has started lately, counted in the runtime directory: whether this start is one too many.

Decides when a start is to be a careful one: MOST of them within WITHIN_S, by the monotonic clock of one boot, without a clean end between
them. Touches one small file beside the presses. Must not keep a daemon from starting: where nothing can be counted, nothing is.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import spool
from agent.identity import read_boot_id

NAME: Final = ".starts"
MOST: Final = 5
WITHIN_S: Final = 300.0  # who stands still after each start is ended by the watchdog, about once a minute
LONG_LIFE_S: Final = 300.0  # whoever lives so long did not die of its start


@dataclass(frozen=True, slots=True)
class Crashes:
    """Why a start is careful. starts: this one included, within so many seconds. last: how the last life ended; None: it could not say."""

    starts: int
    within_s: float
    last: str | None


class Starts:
    """One per process. directory: on tmpfs. clock_at: monotonic s. Of all methods none raises, and none waits for a disk."""

    def __init__(self, directory: Path, clock_at: Callable[[], float]) -> None:
        self._path = directory / NAME
        self._clock_at = clock_at
        self._at: list[float] = []

    def begin(self) -> Crashes | None:
        """Count this start. The crashes before it if it is one too many."""
        now_at = self._clock_at()
        before, last = self._read()
        self._at = [*[at for at in before if 0.0 <= now_at - at <= WITHIN_S][1 - MOST :], now_at]
        self._write(None)
        return Crashes(len(self._at), now_at - self._at[0], last) if len(self._at) >= MOST else None

    def died(self, of: str) -> None:
        """This life ends on a defect. of: which, in words without a secret, a position, or a text that may hold one."""
        self._write(of)

    def over(self) -> None:
        """A clean end, or a long life: nothing of what was counted counts any more."""
        self._at = []
        self._write(None)

    def _read(self) -> tuple[list[float], str | None]:
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError, ArithmeticError):
            kept = json.loads(spool.kept(self._path) or "")
            if kept["boot_id"] == read_boot_id():
                last = kept["last"]
                return sorted(float(at) for at in kept["at"]), last if isinstance(last, str) else None
        return [], None

    def _write(self, last: str | None) -> None:
        with contextlib.suppress(OSError):
            spool.make(self._path.parent)
            spool.keep(self._path, json.dumps({"boot_id": read_boot_id(), "at": self._at, "last": last}))
