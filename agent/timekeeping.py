"""What follows from knowing the time: rows get their true time, the next process and the next boot learn it, the system clock is set.

Touches the store, without waiting for it, and the system clock where the config and the kernel let it. Never believes a clock:
`timescale` decides that. (Law 9.)
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from agent.clock import SystemClock
from agent.identity import read_boot_id
from agent.kept import NoteKept
from agent.store import Store
from agent.timescale import Belief, Floor, Standing, Witness, plausible

log = logging.getLogger("callout-agent")

FLOOR_EVERY_S = 600.0  # how often the believed time is stored
MOVED_S = 1.0  # and at once when it was put right by so much
SET_EVERY_S = 60.0  # what may not be set now may be later
WOKEN_S = 1.0  # less is how exactly two clocks are read
FLOOR_NOTE = "trusted_wall"
BOOT_NOTE = "trusted_boot"


class Timekeeping:
    """Call `follow` every second or so.

    set_from_gnss: the system clock may be set. hurry: called when it was, by whomever, and after a suspend. restamped: told by how many s
    everything was off that was stamped before anybody vouched, and what time (UTC s) it is now.
    """

    def __init__(
        self,
        clock: SystemClock,
        store: Store,
        *,
        set_from_gnss: bool = False,
        hurry: Callable[[], None] = lambda: None,
        restamped: Callable[[float, float], None] = lambda _by_s, _wall: None,
    ) -> None:
        self._clock, self._store = clock, store
        self._may_set, self._hurry, self._restamped = set_from_gnss, hurry, restamped
        self._stamped = False
        self._steps, self._slept_s = clock.steps, clock.asleep_s()
        self._unset: str | None = None
        self._kept: Belief | None = None
        self._keep_due_at = self._set_due_at = 0.0

    def recall(self, floor: str | None, boot: str | None) -> None:
        """The notes that earlier processes left; None if there is none."""
        self._clock.recall(floor=read_floor(floor), belief=read_belief(boot, read_boot_id()))
        self._stamp()

    def standing(self) -> Standing:
        """How the device stands with time."""
        return replace(self._clock.standing(), unset=self._unset)

    def passed_wall(self) -> float:
        """UTC s that have surely passed: what is deleted for its age is old by both clocks.

        A lone receiver that is years ahead is believed, and one night of that would delete everything.
        """
        return min(filter(plausible, (self._clock.wall(), self._clock.system_wall())), default=self._clock.wall())

    def follow(self) -> None:
        """Restamp when somebody vouches for the first time; keep what is believed; set the system clock; hurry after a step or a sleep."""
        self._clock.look()
        self._stamp()
        self._set()
        slept_s = self._clock.asleep_s()
        if self._clock.steps != self._steps or slept_s - self._slept_s > WOKEN_S:
            self._steps, self._slept_s = self._clock.steps, slept_s
            self._hurry()
        belief = self._clock.belief()
        if belief is not None:
            self._keep(belief)

    def _stamp(self) -> None:
        """Once in the life of a process: one that ended in doubt may have left rows as well."""
        if self._clock.trusted() and not self._stamped:
            self._stamped = True
            wall = self._clock.wall()
            self._store.restamp(self._clock.at(), wall)
            self._restamped(wall - self._clock.system_wall(), wall)

    def _keep(self, belief: Belief) -> None:
        """For the next process of this boot, and as the floor of the next boots."""
        kept, now_at = self._kept, self._clock.at()
        if kept is None or kept.by != belief.by or abs(kept.zero - belief.zero) > MOVED_S or now_at >= self._keep_due_at:
            self._kept, self._keep_due_at = belief, now_at + FLOOR_EVERY_S
            floor = Floor(self._clock.wall(), belief.best)
            self._store.step(NoteKept(FLOOR_NOTE, write_floor(floor)), NoteKept(BOOT_NOTE, write_belief(belief, read_boot_id())))

    def _set(self) -> None:
        """Only forward from before the build: nothing that was recorded can lie ahead of it."""
        if not self._may_set or not self._clock.wants_setting():
            self._unset = None
            return
        if self._clock.at() < self._set_due_at:
            return
        self._set_due_at = self._clock.at() + SET_EVERY_S
        try:
            self._clock.set_system()
        except OSError as error:
            self._unset = error.strerror or type(error).__name__
        else:
            self._unset = None
            log.warning("the system clock showed a time before the build of this software: set from the receiver")


def write_floor(floor: Floor) -> str:
    """As a note."""
    return f"{floor.wall:.0f} {floor.witness}"


def read_floor(note: str | None) -> Floor | None:
    """From a note, also from one of a version that kept the time alone: nobody may have vouched for that."""
    with contextlib.suppress(ValueError):
        wall, *witness = (note or "").split()
        return Floor(float(wall), Witness(witness[0]) if witness else Witness.BATTERY)
    return None


def write_belief(belief: Belief, boot_id: str) -> str:
    """As a note."""
    return f"{boot_id} {belief.zero:.3f} {belief.at:.0f} {belief.witness} {','.join(sorted(belief.by))}"


def read_belief(note: str | None, boot_id: str) -> Belief | None:
    """From a note of this boot; None from that of another."""
    with contextlib.suppress(ValueError):
        boot, zero, at, witness, by = (note or "").split()
        if boot == boot_id != "unknown":
            return Belief(float(zero), Witness(witness), float(at), frozenset(map(Witness, by.split(","))))
    return None
