"""A store without a database keeps the emergency in the tiny file, and a normal start afterwards goes on with the more serious of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent import identity
from agent.keeper import Keeper
from agent.kept import CalloutKept, CalloutRecord, NoteKept, PressesSettled, PressMade, Remembered, Write
from agent.model import Fix, Press
from agent.pocket import Pocket
from agent.store import Store

CALLOUT = CalloutRecord(7, "https://x", 1, phase="active", calm=False, origin="button", drill=False, raised_wall=100.0, press_number=1)


def press(number: int) -> Press:
    return Press(number, time.monotonic(), 1_800_000_000.0 + number, "button:panic")


async def lived(folder: Path, keeper: type[Keeper], *writes: Write) -> tuple[Remembered, Store]:
    """A life of the store: what it remembered at its start; closed at its end."""
    store = Store(folder / "agent.db", keeper=keeper)
    remembered = await store.open()
    for write in writes:
        await store.step(write)
    return remembered, store


async def told(folder: Path, keeper: type[Keeper], *writes: Write) -> Remembered:
    remembered, store = await lived(folder, keeper, *writes)
    await store.aclose()
    return remembered


def test_emergency_goes_on_without_the_database_and_back_into_it(tmp_path: Path):
    """Owed press, callout and calm, from one careful start to the next and to a normal one, whose database knows nothing of them."""

    async def story() -> None:
        await told(tmp_path, Keeper, NoteKept("armed_proof", "5"))
        before = (tmp_path / "agent.db").read_bytes()
        made = press(1)
        await told(tmp_path, Pocket, PressMade(made))
        remembered = await told(tmp_path, Pocket, PressesSettled(1, 7, 1_800_000_010.0), CalloutKept(CALLOUT))
        assert [each.number for each in remembered.owed] == [1]
        remembered = await told(tmp_path, Pocket, CalloutKept(replace(CALLOUT, phase="cancelling", calm=True)))
        assert (remembered.owed, remembered.callout) == ((), CALLOUT)
        assert (tmp_path / "agent.db").read_bytes() == before
        remembered = await told(tmp_path, Keeper)
        assert remembered.callout == replace(CALLOUT, phase="cancelling", calm=True)
        assert dict(remembered.notes) == {"armed_proof": "5", "calm": "true"}
        assert remembered.press_number == 1

    asyncio.run(story())


def test_close_that_only_a_careful_start_heard_of_is_found_out_again(tmp_path: Path):
    """The database holds the callout open and the tiny file does not: the more serious wins, and dispatch has the last word."""

    async def story() -> None:
        await told(tmp_path, Keeper, PressMade(press(1)), PressesSettled(1, 7, 1_800_000_010.0), CalloutKept(CALLOUT))
        await told(tmp_path, Pocket, CalloutKept(replace(CALLOUT, phase="standby", closed_wall=200.0)))
        assert (await told(tmp_path, Pocket)).callout is None
        remembered = await told(tmp_path, Keeper)
        assert (remembered.callout, remembered.owed) == (CALLOUT, ())

    asyncio.run(story())


def test_press_counts_as_kept_once_the_tiny_file_shows_it_answered(tmp_path: Path):
    """Until then its file in the runtime directory must stay: the tiny file knows one press only, and not its note."""

    async def story() -> None:
        made = press(1)
        _, store = await lived(tmp_path, Pocket, PressMade(made))
        assert not await store.has_press(made.at)
        await store.step(PressesSettled(1, 7, 1_800_000_010.0))
        assert await store.has_press(made.at)
        await store.aclose()

    asyncio.run(story())


def test_tiny_file_that_could_not_be_read_is_not_overwritten_by_what_knows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """When it can be read at last and holds an emergency, the process ends: only a start can take it up."""
    refused, sound = False, (identity.load, identity.save)

    def ill(which: int) -> Callable[..., object]:
        def answer(*args: object) -> object:
            if refused:
                raise OSError(5, "Input/output error")
            return sound[which](*args)  # type: ignore[operator]

        return answer

    async def story() -> None:
        nonlocal refused
        await told(tmp_path, Pocket, PressMade(press(1)), PressesSettled(1, 7, 1_800_000_010.0), CalloutKept(CALLOUT))
        monkeypatch.setattr("agent.identity.load", ill(0))
        monkeypatch.setattr("agent.identity.save", ill(1))
        refused = True
        remembered, store = await lived(tmp_path, Pocket)
        assert remembered.callout is None
        refused = False
        store.step(NoteKept("calm", "false"))
        with pytest.raises(Exception, match="another start"):
            await asyncio.wait_for(store.watch(), 5.0)
        assert (await told(tmp_path, Pocket)).callout == CALLOUT

    asyncio.run(story())


def test_fixes_fill_no_memory(tmp_path: Path):
    """Nothing is recorded: a careful start may last for an hour with a fix every second."""

    async def story() -> None:
        _, store = await lived(tmp_path, Pocket)
        for second in range(2000):
            store.record(Fix(at=float(second), wall=float(second), receiver="gps", latitude=1.0, longitude=2.0))
        await store.step()
        assert store.summary().fixes == 0
        assert store.summary().mode == "memory"
        assert store._pending() == ()
        await store.aclose()

    asyncio.run(story())
