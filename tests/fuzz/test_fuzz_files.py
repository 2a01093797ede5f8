"""What lies about on the device may be half written, rotten, or left by somebody of the group who means ill.

A press that can be read is a press (law 1), whatever its numbers; what cannot be read costs nothing else, and nothing is believed of the
daemon's own files that they did not hold.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import identity, resume, spool
from agent.clock import SystemClock
from agent.identity import Identity, IdentityError
from agent.kept import CalloutRecord, PressMade
from agent.lifecycle import step
from agent.model import Asked, Callout, Meaning, Outcome, Press
from agent.signals import Pressed, RaiseReplied, State, Tell
from agent.spool import SpooledPress
from agent.store import Store
from agent.wording import MAX_EVENT_CHARS
from tests.fuzz.limits import GROWTH_BYTES, grown, prompt, tries
from tests.fuzz.mutations import damaged, damaged_by_chance, replaced, seeded, twisted, values

BOOT = identity.read_boot_id()
LEFT = [
    asdict(SpooledPress(BOOT, 5.0, 1.8e9, "spool", note="at the gate")),
    asdict(SpooledPress("another-boot", 5.0, 1.8e9, "button:panic", wall_trusted=False, response_type_id=2, number=3)),
]
LAID = [json.dumps(each).encode() for each in LEFT]
NUMBERS = st.sampled_from([0, -1, -1e300, 1e300, 1.8e9, 2**63, -(2**70), 10**300, 0.0, 1e-320]) | st.floats(allow_nan=False)
PLACES = st.sampled_from(["at", "wall", "number", "response_type_id", "uid"])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where presses are left."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


def laid(folder: Path, content: bytes) -> Path:
    """A file as a press would lie there, beside one that is whole."""
    for path in folder.iterdir():
        path.unlink()
    spool.put(folder, SpooledPress(BOOT, 1.0, 1.8e9, "spool"))
    path = folder / "7-fuzz.json"
    path.write_bytes(content)
    return path


pressed_numbers = st.dictionaries(PLACES, NUMBERS, max_size=3).map(lambda more: {**LEFT[0], **more})
odd_presses = (twisted(LEFT, values) | pressed_numbers).map(lambda each: json.dumps(each).encode())


@tries(250)
@given(odd_presses | damaged(LAID) | st.binary(max_size=100))
@example(b"[" * 16_000)
@example(b'{"at": ' + b"9" * 5_000 + b"}")
def test_what_lies_there_is_a_press_or_moved_aside_and_costs_no_other_press(folder: Path, content: bytes):
    """The whole one is found in any case; one that is taken up carries finite times, and is told to dispatch in bounded words."""
    path = laid(folder, content)
    with prompt():
        taken = spool.take(folder)
        again = spool.take(folder)
    assert [found for found, _ in taken] == [found for found, _ in again]
    assert sum(press.origin == "spool" and press.at == 1.0 for _, press in taken) >= 1
    found = dict(taken).get(path)
    assert (found is None) == (not path.exists())
    for _, press in taken:
        require_raised(press)


def require_raised(spooled: SpooledPress) -> None:
    """Law 1: it goes the whole way, from the file to what is told of it once it is accepted."""
    clock = SystemClock()
    with prompt():
        press = resume.press_of(spooled, 9, clock)
        assert math.isfinite(press.at)
        assert press.number == 9
        assert press.age_s(clock.at(), clock.wall()) >= 0
        state, _ = step(State(), Pressed(press))
        assert state.owed == (press,)
        accepted = Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7, "created"))
        state, commands = step(state, RaiseReplied(accepted, 9, drill=False, at=clock.at(), wall=clock.wall()))
    assert not state.owed
    assert state.callout_id == 7
    for command in commands:
        if isinstance(command, Tell):
            assert len(command.text) <= MAX_EVENT_CHARS


def test_presses_with_any_numbers_are_kept_by_the_store(tmp_path: Path):
    """None of them costs another its row, and each is known to be there, or its file would stay for ever."""
    oddities = [{}, {"at": 1e300}, {"at": -1e300}, {"wall": 1e300}, {"wall": -1e300}, {"response_type_id": 10**30}, {"note": "\ud800\0"}]
    oddities += [{"origin": "\ud800"}, {"origin": "x" * 10_000}, {"at": 0.0}, {"at": 2**62}, {"at": 1e15}]

    async def run() -> None:
        store = Store(tmp_path / "a.db", boot_id="boot-1")
        await store.open()
        try:
            for number, odd in enumerate(oddities, 1):
                spooled = SpooledPress(**{**LEFT[0], "at": 5.0 + number, "boot_id": BOOT, **odd})
                press = resume.press_of(spooled, number, SystemClock())
                await store.step(PressMade(press))
                assert await store.has_press(press.at), odd
            assert store.summary().trouble is None
        finally:
            await store.aclose()
        again = Store(tmp_path / "a.db", boot_id="boot-1")
        remembered = await again.open()
        await again.aclose()
        assert len(remembered.owed) == len(oddities)

    asyncio.run(run())


RECORD = Identity(
    machine_id="0123456789abcdef0123456789abcdef",
    press_number=7,
    settled=5,
    settled_wall=1.8e9,
    calm=True,
    owed=Press(7, 5.0, 1.8e9, "button:panic"),
    callout=CalloutRecord(500123, "https://x", 4711, "cancelling", calm=True, origin="button:panic", drill=False, raised_wall=1.8e9),
)


def saved(path: Path) -> bytes:
    """The tiny file as it is written."""
    identity.save(path, RECORD)
    return path.read_bytes()


@tries(250)
@given(st.data())
def test_a_tiny_file_that_rots_is_believed_whole_or_not_at_all(folder: Path, data: st.DataObject):
    """One flipped bit may say that nothing is on; its checksum says otherwise."""
    path = folder / "identity.json"
    content = data.draw(damaged([saved(path)]) | st.binary(max_size=80))
    path.write_bytes(content)
    try:
        with prompt():
            loaded = identity.load(path)
    except IdentityError as error:
        assert str(error).startswith("identity.json: ")  # noqa: PT017 - or it was read, see below
    else:
        assert loaded == RECORD
    path.unlink()


@tries(250)
@given(twisted([json.loads(json.dumps({"format": 1, "phase": RECORD.phase, **asdict(RECORD)}))], values))
def test_a_tiny_file_with_the_right_checksum_and_wrong_contents_is_not_believed(folder: Path, record: Any):
    """As of a later version, or of a tool: what is loaded has the types that it must have."""
    path = folder / "identity.json"
    document = {"sha256": identity._checksum(json.dumps(record, sort_keys=True)), "record": record}
    path.write_text(json.dumps(document, sort_keys=True))
    try:
        with prompt():
            loaded = identity.load(path)
    except IdentityError:
        return
    finally:
        path.unlink()
    assert loaded is not None
    require_typed(loaded)
    assert identity.more_serious(loaded, RECORD).press_number >= RECORD.press_number
    identity.save(path, identity.more_serious(loaded, RECORD))
    path.unlink()


def require_typed(loaded: Identity) -> None:
    """What the recovery compares and counts with."""
    for number in (loaded.press_number, loaded.settled, *((loaded.owed.number,) if loaded.owed else ())):
        assert isinstance(number, int)
        assert not isinstance(number, bool)
    assert isinstance(loaded.settled_wall, float | int)
    assert math.isfinite(loaded.settled_wall)
    assert isinstance(loaded.calm, bool)
    assert loaded.machine_id is None or isinstance(loaded.machine_id, str)
    if loaded.owed is not None:
        assert all(math.isfinite(each) for each in (loaded.owed.at, loaded.owed.wall))
        assert isinstance(loaded.owed.origin, str)
    if loaded.callout is not None:
        assert loaded.callout.phase in {"standby", "raising", "active", "cancelling"}
        assert isinstance(loaded.callout.id, int | str)
        assert isinstance(loaded.callout.calm, bool)


@tries(100)
@given(st.binary(max_size=60) | twisted([[BOOT, 5.0]], values).map(lambda each: json.dumps(each).encode()))
@example(b"[" * 15_000)
@example(json.dumps([BOOT, 10**400]).encode())
def test_a_small_fact_that_rots_is_no_fact(folder: Path, content: bytes):
    """Since when the device has been calm: whether it was is told by the file alone."""
    path = folder / resume.CALM_NAME
    path.write_bytes(content)
    with prompt():
        since = resume.calm_since(folder)
        assert resume.was_calm(folder)
    assert since is None or isinstance(since, float)
    path.unlink()


def test_rotten_files_by_the_thousand_fill_no_memory(folder: Path):
    """Whoever is in the group may leave them for years."""
    chance = seeded(11)

    def feed(_number: int) -> None:
        laid(folder, damaged_by_chance(chance, LAID))
        for _, press in spool.take(folder):
            require_raised(press)

    assert grown(feed, 400) < GROWTH_BYTES


def test_documents_are_twisted_in_one_place_at_a_time():
    """Or the tests above would try less than they say."""
    assert replaced({"a": [1, {"b": 2}]}, ("a", 1, "b"), 3) == {"a": [1, {"b": 3}]}
