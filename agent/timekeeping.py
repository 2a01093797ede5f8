"""What follows from the wall clock becoming plausible: rows get their true time, and the trusted time is kept as a floor.

Touches the store, without waiting for it. Never sets a clock and never believes one: `clock` does. (Law 9.)
"""

from __future__ import annotations

from agent.clock import SystemClock
from agent.kept import NoteKept
from agent.store import Store

FLOOR_EVERY_S = 600.0  # how often the trusted time is stored
FLOOR_NOTE = "trusted_wall"


class Timekeeping:
    """Call `follow` every second or so."""

    def __init__(self, clock: SystemClock, store: Store) -> None:
        self._clock, self._store = clock, store
        self._trusted = clock.trusted()
        self._floor_due_at = 0.0

    def take_floor(self, wall: float | None) -> None:
        """The last time that was trusted before this start; None if there is none."""
        if wall is not None:
            self._clock.raise_floor(wall)
            self._trusted = self._clock.trusted()

    def follow(self) -> None:
        """Restamp when the clock becomes trusted; keep the floor while it is."""
        trusted = self._clock.trusted()
        if trusted and not self._trusted:
            self._store.restamp(self._clock.at(), self._clock.wall())
        self._trusted = trusted
        if trusted and self._clock.at() >= self._floor_due_at:
            self._floor_due_at = self._clock.at() + FLOOR_EVERY_S
            self._store.step(NoteKept(FLOOR_NOTE, f"{self._clock.wall():.0f}"))
