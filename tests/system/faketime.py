"""A system clock that can be set while a daemon runs: for that process and its commands alone, by libfaketime.

The kernel's clock is not touched and its monotonic clocks stay true, as when a real clock is set. Never have a process under it set
a clock: libfaketime hands that on to the kernel, so that only `stage.hold` stands between a test and this machine's own clock.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from stage import Stage

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
YEAR_S = 365.25 * DAY_S
ROLLOVER_S = 1024 * WEEK_S  # a receiver whose week number has begun anew is behind by so much
BEYOND_WITNESSES_S = 15.0  # so far off, what this machine's kernel and its battery clock think of their time vouches for no faked one

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian's package faketime)")

# UTC s at which this machine's monotonic clock, which is the daemon's too, was 0.
TRUE_ZERO = time.time() - time.monotonic()


class FakedClock:
    """The system clock of one stage: what it is ahead of the true time (s, negative: behind) can be changed at any moment."""

    def __init__(self, stage: Stage, ahead_s: float = 0.0) -> None:
        self._file = stage.folder / "ahead"
        self.set_ahead(ahead_s)
        stage.env |= {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",  # read at every look, or a step would take effect seconds later
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # Debian's default mends an old C library; on a new one threads spin for the interpreter
            "NO_FAKE_STAT": "1",
        }

    def set_ahead(self, ahead_s: float) -> None:
        """Step. In one piece: a reader finds the old or the new time and nothing between."""
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{ahead_s:+.3f}")
        aside.replace(self._file)

    def set_to(self, wall: float) -> None:
        """Step to this time (UTC s); from there it runs on."""
        self.set_ahead(wall - time.time())


def true_wall(at: float) -> float:
    """UTC s at a monotonic moment."""
    return TRUE_ZERO + at
