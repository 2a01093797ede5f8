"""The system's clocks. The only place of the daemon that asks what time it is.

Decides one thing: whether wall time is plausible. Never sets a clock.
"""

from __future__ import annotations

import time

from agent import BUILT_AT_WALL


class SystemClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME, with a floor under the latter.

    floor_wall: UTC s; the last time that was trusted, from the store. A clock below it (no battery, 1970 at boot) is not believed.
    """

    def __init__(self, floor_wall: float = 0.0) -> None:
        self._floor_wall = max(BUILT_AT_WALL, floor_wall)

    def at(self) -> float:
        """Monotonic s of this boot."""
        return time.monotonic()

    def wall(self) -> float:
        """UTC s since 1970 as the system clock has it, plausible or not."""
        return time.time()

    def trusted(self) -> bool:
        """Whether the wall clock shows no less than the build of this software and the last trusted time."""
        return self.wall() >= self._floor_wall

    def raise_floor(self, wall: float) -> None:
        """Take a time that was trusted before this start as the floor. It only rises."""
        self._floor_wall = max(self._floor_wall, wall)
