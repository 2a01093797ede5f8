"""What must outlive the database file: the owed presses, the callouts, the untold events and the notes, kept in memory.

Decides whether an emergency is on (its *episode*) and whether the device is calm, by folding the writes of the daemon one after
the other. Must not touch the disk or a clock; it is what a new file is filled with when the old one is lost, so it stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from agent.columns import read_utc, write_utc
from agent.deeds import Deed, Restamped, StateKept
from agent.identity import Identity, more_serious
from agent.kept import CALM_SINCE_NOTE, CalloutKept, CalloutRecord, EventKept, NoteKept, PressesSettled, PressMade, Remembered
from agent.model import Fix, Press
from agent.signals import CLOSED_REMEMBERED

# The note by which the lifecycle says that it is calm ("true") or no longer, also where no callout carries it.
CALM_NOTE = "calm"


class Essence:
    """A fold over writes. Not thread-safe: its owner holds a lock."""

    def __init__(self) -> None:
        self.press_number = 0
        self.settled = 0
        self.settled_wall = 0.0
        self.calm = False
        self.episode: str | None = None
        self._state: dict[str, str] = {}
        self._presses: dict[int, Press] = {}
        self._callouts: dict[tuple[object, ...], CalloutRecord] = {}
        self._events: dict[tuple[object, ...], EventKept] = {}
        self._notes: dict[str, str] = {}

    def take(self, deeds: Iterable[Deed]) -> list[Deed]:
        """Fold these one after the other; returns those that are to be written.

        When a calm began is no news while it lasts: a restart, or a store that answers late, does not know that it goes on.
        """
        news = []
        for deed in deeds:
            if not (isinstance(deed, NoteKept) and deed.name == CALM_SINCE_NOTE and deed.value and self.calm):
                self.fold(deed)
                news.append(deed)
        return news

    def fold(self, deed: Deed) -> None:
        """Take one write, or one fact recalled from the disk; deeds about fixes change nothing here."""
        match deed:
            case PressMade(press):
                self._make_press(press)
            case PressesSettled():
                self._settle(deed)
            case CalloutKept(record):
                self._keep_callout(record)
            case EventKept():
                self._keep_event(deed)
            case NoteKept(name, value):
                self._notes[name] = value
                self.calm = value == "true" if name == CALM_NOTE else self.calm
            case StateKept():
                self._recall_state(deed)
            case Restamped(at, wall):
                self._presses = {n: _restamp(p, wall - at) for n, p in self._presses.items()}

    def _make_press(self, press: Press) -> None:
        if press.number in self._presses:
            return
        self._presses[press.number] = press
        # Only a press that is news ends the calm (law 5), not one that is told twice or read back from the disk.
        if press.number > self.press_number:
            self.press_number = press.number
            self.calm = False

    def _settle(self, deed: PressesSettled) -> None:
        settled = [n for n in self._presses if n <= deed.up_to]
        for number in settled:
            del self._presses[number]
        if settled and deed.up_to >= self.settled:
            self.settled, self.settled_wall = deed.up_to, deed.wall

    def _keep_callout(self, record: CalloutRecord) -> None:
        key = (record.base_url, record.customer_id, type(record.id), record.id)
        self._callouts.pop(key, None)
        self._callouts[key] = record
        self.calm = record.calm
        if not is_open(record):
            for event in [k for k, e in self._events.items() if e.callout_id == record.id]:
                del self._events[event]
        for old in [k for k, r in self._callouts.items() if not is_open(r)][:-CLOSED_REMEMBERED]:
            del self._callouts[old]

    def _keep_event(self, deed: EventKept) -> None:
        key = (type(deed.callout_id), deed.callout_id, deed.key)
        if deed.told:
            self._events.pop(key, None)
        else:
            self._events.setdefault(key, deed)

    def _recall_state(self, deed: StateKept) -> None:
        match deed.name:
            case "press_number":
                self.press_number = max(self.press_number, int(deed.value))
            case "settled":
                number, _, wall = deed.value.partition(" ")
                self.settled, self.settled_wall = int(number), read_utc(wall)
            case "calm":
                self.calm = deed.value == "1"
            case "episode":
                self.episode = deed.value or None

    @property
    def wanted(self) -> bool:
        """Whether an emergency is on: a press is owed or a callout is open."""
        return bool(self._presses) or any(is_open(r) for r in self._callouts.values())

    def follow_episode(self, wall: float) -> None:
        """Begin (at UTC s `wall`) or end the episode, as the emergency does."""
        if not self.wanted:
            self.episode = None
        elif self.episode is None:
            self.episode = write_utc(wall)

    def reconcile(self, told: Identity, localise: Callable[[Press], Press]) -> list[Deed]:
        """Take in what the tiny file knows and the database does not; returns it for the database.

        localise: gives a press of an unknown boot a time on this boot's clock.
        """
        own = self.identity(told.machine_id)
        merged = more_serious(own, told)
        news: list[Deed] = [StateKept("press_number", str(merged.press_number))]
        news.append(StateKept("settled", f"{merged.settled} {write_utc(merged.settled_wall)}"))
        if merged.owed is not None and merged.owed.number not in self._presses:
            news.append(PressMade(localise(merged.owed)))
        if merged.callout is not None and merged.callout != own.callout:
            news.append(CalloutKept(merged.callout))
        if merged.calm != own.calm:
            news.append(NoteKept(CALM_NOTE, str(merged.calm).lower()))
        for deed in news:
            self.fold(deed)
        return news

    def changed_state(self) -> list[Deed]:
        """The facts that are not on disk yet, each told once."""
        now = {
            "press_number": str(self.press_number),
            "settled": f"{self.settled} {write_utc(self.settled_wall)}",
            "calm": "1" if self.calm else "0",
            "episode": self.episode or "",
        }
        changed: list[Deed] = [StateKept(name, value) for name, value in now.items() if self._state.get(name) != value]
        self._state = now
        return changed

    def deeds(self) -> list[Deed]:
        """Everything that a new file must hold."""
        self._state = {}
        writes: list[Deed] = [PressMade(p) for _, p in sorted(self._presses.items())]
        writes += [CalloutKept(r) for r in self._callouts.values()]
        writes += [*self._events.values(), *(NoteKept(*note) for note in self._notes.items())]
        return [*writes, *self.changed_state()]

    def remembered(self, last_fix: Fix | None = None) -> Remembered:
        """The same in the daemon's words."""
        closed = [r.id for r in self._callouts.values() if r.closed_wall is not None]
        return Remembered(
            press_number=self.press_number,
            owed=tuple(p for _, p in sorted(self._presses.items())),
            callout=self._open_callout(),
            closed=tuple(reversed(closed))[:CLOSED_REMEMBERED],
            last_fix=last_fix,
            untold=tuple(self._events.values()),
            notes=tuple({**self._notes, CALM_NOTE: str(self.calm).lower()}.items()),
        )

    def _open_callout(self) -> CalloutRecord | None:
        # Of several our own raise wins, else the newest change (DESIGN section 4, adoption).
        found = [r for r in self._callouts.values() if is_open(r)]
        own = [r for r in found if r.origin != "elsewhere"]
        best = own or found
        return best[-1] if best else None

    def identity(self, machine_id: str | None) -> Identity:
        """The same for the tiny file: one owed press, a real one before a drill, the oldest first."""
        owed = sorted(self._presses.values(), key=lambda p: (p.drill, p.number))
        return Identity(
            machine_id=machine_id,
            press_number=self.press_number,
            settled=self.settled,
            settled_wall=self.settled_wall,
            calm=self.calm,
            owed=replace(owed[0], note=None) if owed else None,
            callout=self._open_callout(),
        )


def is_open(record: CalloutRecord) -> bool:
    """Whether a callout still runs: dispatch has not closed it and it was not forgotten."""
    return record.closed_wall is None and record.phase != "standby"


def _restamp(press: Press, zero: float) -> Press:
    # A press of an earlier boot has no time of this boot's clock to be stamped from.
    if press.wall_trusted or press.at <= 0:
        return press
    return replace(press, wall=zero + press.at, wall_trusted=True)
