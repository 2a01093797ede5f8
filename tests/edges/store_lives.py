"""Lives of the real store, as a program of its own: its disk may fail at any call, and another process decides at which.

`store_lives.py SOCKET`: reads which life to play in which directory, and says after each step what the store was given and what it says
of itself. Decides nothing about right or wrong: `test_store_any_call.py` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import threading
import traceback
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from failing_calls import watch_this_thread

from agent import aside
from agent import store as store_module
from agent.kept import CalloutKept, CalloutRecord, EventKept, FixesTold, NoteKept, PressesSettled, PressMade, Remembered
from agent.model import Fix, Press
from agent.store import Pace, Store

WALL = 1_780_000_000.0
OLD_AT, OLD_WALL = 1.0, WALL - 40 * 86_400  # of a fix that is due to be pruned
# Nothing by itself but another attempt, at once: which call is the n-th is the same every time.
PACE = Pace(group_s=3600.0, group_rows=10**6, retry_s=0.01)
LIMIT_S = 5.0
_T = TypeVar("_T")


def make_fix(at: float, wall: float | None = None) -> Fix:
    return Fix(at, WALL + at if wall is None else wall, "gpsd", -33.9, 18.4)


def make_callout(number: int, *, closed: bool = False) -> CalloutRecord:
    phase, wall = ("standby", WALL + 1) if closed else ("active", None)
    return CalloutRecord(number, "https://host", 5, phase, calm=False, origin="cli", drill=False, raised_wall=WALL, closed_wall=wall)


@dataclass
class Given:
    """What the store was given. fixes, presses: by monotonic time, whether dealt with. events: whether told. callouts: phase."""

    fixes: dict[float, bool] = field(default_factory=dict)
    presses: dict[float, bool] = field(default_factory=dict)
    callouts: dict[int, str] = field(default_factory=dict)
    events: dict[str, bool] = field(default_factory=dict)
    highest: int = 0


class Life:
    """One open store, and a word with the supervisor after each step."""

    def __init__(self, supervisor: socket.socket, directory: Path, given: Given) -> None:
        self._supervisor = supervisor
        self.given = given
        self.store = Store(directory / "a.db", boot_id="boot-1", machine_id="m" * 32, pace=PACE)

    def say(self, step: str, **more: Any) -> None:
        """Tell what there is, and wait for leave to go on."""
        summary = self.store.summary()
        trouble = summary.trouble and summary.trouble.code
        given = {"fixes": list(self.given.fixes.items()), "presses": list(self.given.presses.items())}
        given |= {"callouts": list(self.given.callouts.items()), "events": list(self.given.events.items()), "highest": self.given.highest}
        self._supervisor.send(json.dumps({"step": step, "trouble": trouble, "mode": summary.mode, "given": given, **more}).encode())
        self._supervisor.recv(10)

    def record(self, *ats: float) -> None:
        for at in ats:
            self.given.fixes[at] = False
            self.store.record(make_fix(at))

    async def press(self, number: int, at: float) -> None:
        self.given.presses[at], self.given.highest = False, number
        await within(self.store.step(PressMade(Press(number, at, WALL + at, "button:panic"))))

    async def open(self) -> Remembered:
        remembered = await within(self.store.open())
        owed = [press.at for press in remembered.owed]
        callout = None if remembered.callout is None else remembered.callout.id
        untold = [event.key for event in remembered.untold]
        self.say("opened", owed=owed, callout=callout, untold=untold, number=remembered.press_number)
        return remembered

    async def close(self) -> None:
        await within(self.store.aclose())
        self.say("closed")


async def within(awaitable: Awaitable[_T]) -> _T:
    async with asyncio.timeout(LIMIT_S):
        return await awaitable


async def prepare(life: Life) -> None:
    """What an earlier process left behind: an emergency that goes on."""
    await life.open()
    life.store.record(make_fix(OLD_AT, OLD_WALL))
    life.record(2.0, 3.0, 4.0)
    await life.press(1, 5.0)
    life.record(6.0, 7.0)
    life.given.callouts[70], life.given.events["early"] = "active", False
    await within(life.store.step(CalloutKept(make_callout(70)), EventKept(70, "early", "hello", WALL, "device", told=False)))
    life.say("prepared")
    await life.close()


async def live(life: Life, number: int) -> None:
    """From a press to the end of its callout."""
    store, given, base = life.store, life.given, 100.0 * number
    remembered = await life.open()
    callout = 70 + number
    press = remembered.press_number + 1

    life.record(base + 1, base + 2)
    await life.press(press, base + 3)
    life.say("pressed")

    life.record(base + 4, base + 5, base + 6)
    given.fixes[base + 4] = True
    store.sent(make_fix(base + 4))
    given.callouts[callout] = "active"
    given.presses |= dict.fromkeys(given.presses, True)
    await within(store.step(PressesSettled(press, callout, WALL), CalloutKept(make_callout(callout))))
    life.say("raised")

    given.fixes[base + 5] = True
    store.covered(base + 4, base + 5)
    found = await within(store.missed(base + 6, 10))
    missed = found.fixes
    if missed:
        given.fixes |= {fix.at: True for fix in missed}
        given.events[f"trail-{number}"] = False
        trail = EventKept(callout, f"trail-{number}", "Trail", WALL, "device", told=False)
        await within(store.step(trail, FixesTold(missed[-1].at, WALL, found.since_at)))
        life.say("trail", missed=[fix.at for fix in missed])
        given.events[f"trail-{number}"] = True
        await within(store.step(EventKept(callout, f"trail-{number}", "Trail", WALL, "device", told=True), NoteKept("n", "1")))
    life.say("told", missed=[fix.at for fix in missed])

    await within(store.fixes(0, WALL * 2))
    await within(store.before_press(press, 600))
    await within(store.has_press(base + 3))
    await within(store.prune(wall=WALL, keep_days=30))
    life.record(base + 7)
    await within(store.step(NoteKept("n", "2")))
    life.say("dead")
    life.say("healed", healed=await is_well(store))

    for open_callout in [number for number, phase in given.callouts.items() if phase == "active"]:
        given.callouts[open_callout] = "standby"
        await within(store.step(CalloutKept(make_callout(open_callout, closed=True))))
    life.say("over")
    life.record(base + 8)
    await life.close()


async def is_well(store: Store) -> bool:
    """Once nothing fails any more it is well by itself; that a file was moved aside remains to be told."""
    for _ in range(500):
        trouble = store.summary().trouble
        if store.summary().mode == "disk" and (trouble is None or trouble.code.endswith("_moved")):
            return True
        await asyncio.sleep(0.01)
    return False


def why_not(supervisor: socket.socket) -> str | None:
    """Why no thread can be watched here; None if it can."""
    found: list[OSError] = []

    def try_it() -> None:
        try:
            watch_this_thread(supervisor)
        except OSError as trouble:
            found.append(trouble)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    return str(found[0]) if found else None


def main() -> None:
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    # The real one gives the thread a table of files of its own; here the files are the process's, and the calls are watched.
    aside.part = lambda _loop: watch_this_thread(supervisor)
    # A start that could read nothing ends once it can, which `test_store_thread.py` shows; here each process lives on, to show the rest.
    store_module._matters = lambda *_: False
    supervisor.send(json.dumps({"step": "ready", "why_not": why_not(supervisor)}).encode())
    while order := supervisor.recv(100_000):
        told = json.loads(order)
        given = Given(**{name: dict(pairs) if isinstance(pairs, list) else pairs for name, pairs in told["given"].items()})
        life = Life(supervisor, Path(told["directory"]), given)
        try:
            asyncio.run(live(life, told["life"]) if told["life"] else prepare(life))
            supervisor.send(json.dumps({"step": "end"}).encode())
        except BaseException as trouble:  # noqa: BLE001 - whatever it is, the supervisor judges it
            death = life.store._death
            deaths = [death.future.exception()] if death is not None and death.future.done() else []
            what = ["".join(traceback.format_exception(error))[-3000:] for error in (trouble, *deaths) if error is not None]
            with contextlib.suppress(OSError):  # nobody listens any more
                supervisor.send(json.dumps({"step": "broken", "what": what}).encode())
            return


if __name__ == "__main__":
    main()
