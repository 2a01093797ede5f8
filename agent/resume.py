"""From what the last process left behind to the first event of this one.

Reads the store (at most a while), the runtime directory and nothing else; decides which of it may be spoken of: a callout only
at its own base_url and customer. Must not lose a press: one that the store does not know is taken up again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent import identity, spool
from agent.kept import CalloutRecord, Remembered
from agent.model import Press
from agent.ports import Clock, Store
from agent.signals import Phase, Restarted

CALM_NAME = ".calm"
# What the daemon itself leaves, for no one else: how long a file stays there would tell how long its callout lives (law 5). Below a
# folder that is never changed, because the time of the last change of a folder can be seen by whoever cannot look into it.
OWN_NAME = ".own/presses"
AT_ONCE = 200  # presses of others that a start takes up; what is beyond is taken up once it runs
ORIGIN_CHARS = 100  # "button:" and a name
SAME_S = 0.002  # the database keeps times to the millisecond
HURRIED_S = 0.3  # a healthy database opens in a tenth of this; a press must not wait for an ill one


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found at start.

    remembered: what the store knew. spooled: presses of the runtime directory that the store does not know. late: the store
    has not answered yet.
    """

    remembered: Remembered
    spooled: tuple[tuple[Path, spool.SpooledPress], ...] = ()
    late: asyncio.Task[Remembered] | None = None

    def note(self, name: str) -> str | None:
        """A small fact by name."""
        return dict(self.remembered.notes).get(name)

    def note_number(self, name: str) -> float | None:
        """A small fact that is a number; None if it is not there or is none."""
        with contextlib.suppress(TypeError, ValueError):
            return float(self.note(name) or "")
        return None


async def recall(store: Store, directory: Path, timeout_s: float, hurry: asyncio.Event) -> Kept:
    """Open the store and read the runtime directory. A store that hangs is gone on without: `late` ends when it answers.

    hurry: a press waits: then the store has HURRIED_S left.
    """
    own = directory / OWN_NAME
    spooled = [*(spool.take(own) if spool.is_own(own.parent) and spool.is_own(own) else ()), *spool.take(directory, most=AT_ONCE)]
    opening = asyncio.create_task(store.open())
    hurried = asyncio.create_task(hurry.wait())
    done, _ = await asyncio.wait({opening, hurried}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if hurried in done and not opening.done():
        await asyncio.wait({opening}, timeout=HURRIED_S)
    hurried.cancel()
    if not opening.done():
        return Kept(Remembered(), tuple(spooled), opening)
    remembered, fresh = opening.result(), []
    for path, press in spooled:
        if any(same_press(press, each) for each in remembered.owed) or (
            press.boot_id == identity.read_boot_id() and await store.has_press(press.at)
        ):
            spool.done(path)
        else:
            fresh.append((path, press))
    return Kept(remembered, tuple(fresh))


def same_press(one: Press | spool.SpooledPress, other: Press) -> bool:
    """Whether this is one press told twice. Not by number, which it may have got anew, nor by `at`, which the tiny file does not tell."""
    return one.origin == other.origin and abs(one.wall - other.wall) < SAME_S


def each_once(owed: Iterable[Press]) -> tuple[Press, ...]:
    """One that each start on a hung disk has numbered anew lies in the store several times. The highest number settles them all."""
    return tuple({(press.origin, press.at, press.wall): press for press in sorted(owed, key=lambda press: press.number)}.values())


def restarted(remembered: Remembered, *, calm: bool, base_url: str, customer_id: int, clock: Clock) -> tuple[Restarted, str | None]:
    """The first event; and in words why a stored callout is left alone, if it is."""
    record, foreign = remembered.callout, None
    if record is not None and not _ours(record, base_url, customer_id):
        foreign = f"callout {record.id} of customer {record.customer_id} is open at {record.base_url}, which this config does not name"
        record = None
    event = Restarted(
        at=clock.at(),
        wall=clock.wall(),
        press_number=remembered.press_number,
        owed=each_once(remembered.owed),
        record=record,
        closed=remembered.closed,
        calm=calm or (record is not None and record.calm),
    )
    return event, foreign


def _ours(record: CalloutRecord, base_url: str, customer_id: int) -> bool:
    return record.phase == Phase.STANDBY.value or (record.base_url == base_url and record.customer_id == customer_id)


def keep_in_runtime(directory: Path, press: Press) -> Path | None:
    """The press on tmpfs, before anything else happens to it. None if even that is full: it goes on all the same."""
    own = directory / OWN_NAME
    with contextlib.suppress(OSError):
        spool.make(directory)
        for folder in (own.parent, own):
            spool.make_own(folder)
        return spool.put(own, spooled_of(press, press.number or None))
    return None


def keep_apart(directory: Path, path: Path) -> Path:
    """A press that somebody left, moved among the daemon's own: while it lay where he sees it, it told how long its callout lives (law 5).

    Where it lies now; where it lay, if it cannot be moved.
    """
    own = directory / OWN_NAME
    with contextlib.suppress(OSError):
        for folder in (own.parent, own):
            spool.make_own(folder)
        if path.parent != own:
            return path.rename(own / path.name)
    return path


def spooled_of(press: Press, number: int | None) -> spool.SpooledPress:
    """The press as it lies in the runtime directory. number: None while it has none."""
    return spool.SpooledPress(
        boot_id=identity.read_boot_id(),
        at=press.at,
        wall=press.wall,
        origin=press.origin,
        wall_trusted=press.wall_trusted,
        response_type_id=press.response_type_id,
        note=press.note,
        drill=press.drill,
        number=number,
    )


def press_of(spooled: spool.SpooledPress, number: int, clock: Clock) -> Press:
    """The press that someone left while no daemon answered."""
    same_boot = spooled.boot_id == identity.read_boot_id()
    waited_s = clock.at() - spooled.at if same_boot else clock.wall() - spooled.wall
    return Press(
        number=number,
        at=spooled.at if same_boot else min(0.0, clock.at() - max(0.0, waited_s)),
        wall=spooled.wall,
        # It stands in the journal and on terminals, and whoever is in the group may have written it.
        origin=spooled.origin if spooled.origin.isprintable() and len(spooled.origin) <= ORIGIN_CHARS else "spool",
        wall_trusted=spooled.wall_trusted,
        response_type_id=spooled.response_type_id,
        note=spooled.note,
    )


def keep_calm(directory: Path, *, calm: bool, at: float) -> None:
    """Calm beside the presses, on tmpfs: it must survive a restart on a disk that takes nothing (law 5). at: monotonic s, now."""
    path = directory / CALM_NAME
    with contextlib.suppress(OSError):
        if not calm:
            path.unlink(missing_ok=True)
        elif not spool.is_kept(path):  # a restart is no new cancel
            spool.keep(path, json.dumps([identity.read_boot_id(), at]))


def was_calm(directory: Path) -> bool:
    """Whether the last process of this boot was."""
    return spool.is_kept(directory / CALM_NAME)


def calm_since(directory: Path) -> float | None:
    """When the last process became calm, monotonic s of this boot; None if it was not, or if that is not known."""
    with contextlib.suppress(ValueError, TypeError, ArithmeticError, RecursionError):
        boot_id, at = json.loads(spool.kept(directory / CALM_NAME) or "")
        return float(at) if boot_id == identity.read_boot_id() else None
    return None
