"""What the start may show, and what a calm device holds back (laws 1 and 5)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from devices import Hanging, device, run, stored

from agent import recovery as room
from agent import resume, spool
from agent.clock import SystemClock
from agent.health import Conditions
from agent.identity import read_boot_id
from agent.kept import CalloutRecord, NoteKept, Remembered, Write
from agent.model import Asked, Callout, Meaning, Outcome, Press, SafeCode
from agent.positions import Positions
from agent.presses import WINDOW_NOTE, Presses
from agent.recovery import Recovery
from agent.signals import CancelAsked, Happening, LocationReplied, Phase, Pressed, RaiseReplied, Restarted, State
from agent.timekeeping import Timekeeping

ACCEPTED = RaiseReplied(Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7)), 1, drill=False, at=1.0, wall=500.0)
CALM = State(Phase.CANCELLING, callout_id=7, calm=True)
ACTIVE = State(Phase.ACTIVE, callout_id=7)


class Kept:
    """A store that remembers what it was asked."""

    def __init__(self) -> None:
        self.writes: list[Write] = []

    def step(self, *writes: Write) -> None:
        """Keep."""
        self.writes += writes


def recovery(tmp_path: Path) -> tuple[Recovery, Kept]:
    store = Kept()

    async def decide(_event: Happening) -> None:
        """Nothing follows here."""

    def carry(event: Happening) -> Awaitable[None]:
        return decide(event)

    made = Recovery(tmp_path, store, SystemClock(), base_url="x", customer_id=1, state=lambda: ACTIVE, decide=carry)  # type: ignore[arg-type]
    return made, store


def test_proof_of_a_raise_that_was_accepted_while_calm_is_held_back_until_the_calm_ends(tmp_path: Path):
    recovered, store = recovery(tmp_path)
    recovered.follow(CALM, ACCEPTED, accepted_wall=500.0)
    assert recovered.proof_wall is None
    assert store.writes == []
    recovered.follow(ACTIVE, Pressed(Press(2, 1.0, 600.0, "cli")), accepted_wall=None)
    assert recovered.proof_wall == 500.0
    assert store.writes == [NoteKept("armed_proof_of", "1 x"), NoteKept("armed_proof", "500")]


@pytest.mark.parametrize("calm", [False, True])
def test_proof_from_before_the_time_was_known_gets_its_true_time(tmp_path: Path, *, calm: bool):
    """Law 9: else a device that started in 1970 has had no accepted raise for half a century. A kept proof stays as it is."""
    recovered, store = recovery(tmp_path)
    recovered.proof_wall = 700.0
    recovered.restamp(1.8e9)
    assert recovered.proof_wall == 700.0
    made = replace(ACCEPTED, at=time.monotonic() - 30.0)
    recovered.follow(CALM if calm else ACTIVE, made, accepted_wall=500.0)
    recovered.restamp(1.8e9)
    assert (recovered.proof_wall == 700.0) is calm
    recovered.follow(ACTIVE, Pressed(Press(2, 1.0, 600.0, "cli")), accepted_wall=None)
    assert recovered.proof_wall == pytest.approx(1.8e9 - 30.0, abs=2.0)
    assert store.writes[-1] == NoteKept("armed_proof", f"{recovered.proof_wall:.0f}")


def test_press_ends_the_doubt_whether_something_was_cancelled(tmp_path: Path):
    recovered, _ = recovery(tmp_path)
    recovered.unsure = True
    recovered.follow(ACTIVE, ACCEPTED, accepted_wall=500.0)
    assert recovered.unsure
    recovered.follow(ACTIVE, Pressed(Press(2, 1.0, 600.0, "cli")), accepted_wall=None)
    assert not recovered.unsure


# A store that answers late


class Slow:
    """A store whose disk hangs until it is told to answer; it knows no press by its time."""

    def __init__(self, remembered: Remembered) -> None:
        self.remembered = remembered
        self.answers = asyncio.Event()

    async def open(self) -> Remembered:
        """When the disk is well again."""
        await self.answers.wait()
        return self.remembered

    def step(self, *_writes: Write) -> Awaitable[None]:
        """Nothing is written before the story is over."""
        return asyncio.get_running_loop().create_future()

    async def has_press(self, _at: float) -> bool:
        """No."""
        return False


def recovered(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    remembered: Remembered,
    meanwhile: Callable[[Recovery], State],
    *,
    late: bool = True,
) -> list[Press | CalloutRecord]:
    """What reaches the inbox of a daemon whose store remembers this and, if late, answers only after `meanwhile`."""
    monkeypatch.setattr(room, "OPEN_STORE_S", 0.01)

    async def run() -> list[Press | CalloutRecord]:
        store, state, reached = Slow(remembered), State(), list[Press | CalloutRecord]()
        if not late:
            store.answers.set()

        async def decide(event: Happening) -> None:
            if isinstance(event, Restarted):
                reached.extend([*event.owed, *([] if event.record is None else [event.record])])
            if isinstance(event, Pressed):
                reached.append(event.press)
            recovery.follow(state, event, accepted_wall=None)

        clock = SystemClock()
        recovery = Recovery(directory, store, clock, base_url="x", customer_id=1, state=lambda: state, decide=decide)  # type: ignore[arg-type]
        presses = Presses(directory, store, clock, state=lambda: state, decide=decide)  # type: ignore[arg-type]
        task = await recovery.run(presses, Positions([]), Timekeeping(clock, store), Conditions(), lambda _: None)  # type: ignore[arg-type]
        await asyncio.sleep(0)  # what was taken up enters the inbox
        state = meanwhile(recovery)
        store.answers.set()
        if task is not None:
            await task
        await asyncio.sleep(0)
        return reached

    return asyncio.run(run())


def make_press(*, age_s: float) -> Press:
    return Press(5, time.monotonic() - age_s, time.time() - age_s, "spool")


def owing(press: Press) -> Remembered:
    return Remembered(press_number=press.number, owed=(press,))


def leave(directory: Path, press: Press) -> Path:
    return spool.put(directory, spool.SpooledPress(read_boot_id(), press.at, press.wall, press.origin))


@pytest.mark.parametrize(("whose", "counts"), [("1 x", True), (None, True), ("2 x", False), ("1 y", False)])
def test_raise_that_another_dispatch_or_customer_took_proves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whose: str | None,
    *,
    counts: bool,
):
    """A device that was tried at staging and then given a mistyped base_url would look proven (law 7)."""
    notes = {"armed_proof": "500"} | ({} if whose is None else {"armed_proof_of": whose})
    seen: list[float | None] = []

    def look(recovery: Recovery) -> State:
        seen.append(recovery.proof_wall)
        return State()

    recovered(tmp_path, monkeypatch, Remembered(notes=tuple(notes.items())), look, late=False)
    assert seen == [500.0 if counts else None]


@pytest.mark.parametrize("state", [State(), State(Phase.ACTIVE, callout_id=7)])
def test_press_that_a_late_store_owes_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: State):
    press = make_press(age_s=60)
    assert recovered(tmp_path, monkeypatch, owing(press), lambda _: state) == [press]


@pytest.mark.parametrize("state", [State(), State(Phase.ACTIVE, callout_id=7)])
def test_press_that_was_answered_while_the_store_hung_raises_no_other_callout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: State
):
    """By a raise sent after it, whose callout dispatch may have closed by now."""

    def answered(recovery: Recovery) -> State:
        recovery.follow(ACTIVE, replace(ACCEPTED, sent_at=time.monotonic()), accepted_wall=500.0)
        return state

    assert recovered(tmp_path, monkeypatch, owing(make_press(age_s=60)), answered) == []


def test_drill_that_was_answered_while_the_store_hung_answers_no_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    press = make_press(age_s=60)

    def answered(recovery: Recovery) -> State:
        recovery.follow(ACTIVE, replace(ACCEPTED, drill=True, sent_at=time.monotonic()), accepted_wall=500.0)
        return ACTIVE

    assert recovered(tmp_path, monkeypatch, owing(press), answered) == [press]


def test_press_on_tmpfs_that_a_late_store_knows_too_is_one_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    press = make_press(age_s=1)
    leave(tmp_path, press)
    reached = recovered(tmp_path, monkeypatch, owing(replace(press, at=0.0)), lambda _: State(Phase.ACTIVE, callout_id=7))
    assert [each.wall for each in reached if isinstance(each, Press)] == [press.wall]


def test_press_on_tmpfs_that_the_tiny_file_owes_too_is_one_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The tiny file does not tell the press's moment, only its time of day: the database was lost."""
    press = make_press(age_s=1)
    path = leave(tmp_path, press)
    owed = replace(press, at=0.0)
    assert recovered(tmp_path, monkeypatch, owing(owed), lambda _: State(), late=False) == [owed]
    assert not path.exists()


@pytest.mark.parametrize("closed", [(), (7,)])
def test_callout_of_a_late_store_goes_on_unless_dispatch_has_closed_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: tuple[int, ...]
):
    record = CalloutRecord(7, "x", 1, "active", calm=False, origin="cli", drill=False, raised_wall=500.0)
    reached = recovered(tmp_path, monkeypatch, Remembered(callout=record), lambda _: State(closed=closed))
    assert reached == ([] if closed else [record])


@pytest.mark.parametrize("state", [State(), ACTIVE])
def test_window_of_a_late_store_is_a_press_whatever_was_cancelled_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: State):
    """The wearer pressed after the cancel, and the process ended inside the window."""
    press = make_press(age_s=60)
    window = json.dumps(asdict(resume.spooled_of(press, None)))
    remembered = Remembered(notes=(("calm", "true"), (f"{WINDOW_NOTE}{press.origin}", window)))
    (reached,) = recovered(tmp_path, monkeypatch, remembered, lambda _: state)
    assert isinstance(reached, Press)
    assert reached.wall == press.wall


@pytest.mark.parametrize(("base_url", "customer_id"), [("y", 1), ("x", 2)])
def test_stored_callout_of_another_dispatch_or_customer_is_left_alone_and_its_press_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_url: str, customer_id: int
):
    press = make_press(age_s=60)
    foreign = CalloutRecord(7, base_url, customer_id, "active", calm=False, origin="cli", drill=False, raised_wall=500.0)
    remembered = replace(owing(press), callout=foreign)
    assert recovered(tmp_path, monkeypatch, remembered, lambda _: State(), late=False) == [press]


CALM_NOTES = (("calm", "true"),)


@pytest.mark.parametrize("pressed", [False, True])
@pytest.mark.parametrize(
    ("remembered", "state", "hidden"),
    [
        (Remembered(), State(), False),
        (Remembered(), ACTIVE, False),
        (Remembered(notes=CALM_NOTES), ACTIVE, True),
        (Remembered(callout=CalloutRecord(7, "x", 1, "cancelling", calm=True, origin="cli", drill=False, raised_wall=500.0)), ACTIVE, True),
    ],
)
def test_what_is_on_stays_hidden_until_the_store_tells_that_it_was_not_cancelled_or_someone_presses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remembered: Remembered, state: State, *, hidden: bool, pressed: bool
):
    """Law 5; and a wearer who presses is shown what becomes of it, whatever was cancelled before."""
    known: list[Recovery] = []

    def meanwhile(recovery: Recovery) -> State:
        assert recovery.unsure
        known.append(recovery)
        if pressed:
            recovery.follow(state, Pressed(make_press(age_s=0)), accepted_wall=None)
        return state

    remembered = replace(remembered, owed=(cancelled := make_press(age_s=60),)) if hidden else remembered
    reached = recovered(tmp_path, monkeypatch, remembered, meanwhile)
    assert known[0].unsure is (hidden and not pressed)
    if hidden:
        assert (cancelled in reached) is not pressed, "the lifecycle is told of the cancel, and of what was owed then"


def test_press_that_waited_on_tmpfs_is_shown_though_the_store_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    leave(tmp_path, make_press(age_s=1))

    def meanwhile(recovery: Recovery) -> State:
        assert not recovery.unsure
        return ACTIVE

    recovered(tmp_path, monkeypatch, Remembered(notes=CALM_NOTES), meanwhile)


def test_press_of_another_boot_was_made_before_this_one():
    """Its moment is one of another clock: it may lie far in the future of this one, and nobody would be told that help is unreachable."""
    old = spool.SpooledPress("another boot", 9e9, time.time() - 60, "spool")
    assert resume.press_of(old, 3, SystemClock()).at <= 0


# With the real store


def test_press_while_the_database_hangs_is_not_taken_for_one_before_the_cancel_that_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            for _ in range(2):
                first.presses.make("cli")
            await first.until(lambda: len(first.owed) == 2)
            await first.decider.decide(replace(ACCEPTED, covers=2))
            await stored(first)
            await first.decider.decide(CancelAsked(SafeCode("0042")))
            await stored(first)
        monkeypatch.setattr(room, "OPEN_STORE_S", 0.01)
        async with device(tmp_path, hanging := Hanging(tmp_path / "agent.db")) as again:
            await again.recover()
            again.presses.feel("button:panic", time.monotonic())
            await again.until(lambda: again.owed)
            hanging.go.set()
            assert again.late is not None
            await again.late
            await stored(again)
        monkeypatch.undo()
        async with device(tmp_path) as last:
            await last.recover()
            assert [press.origin for press in last.owed] == ["button:panic"]
            assert last.recovery.note("calm") == "false"

    run(story)


def test_press_on_tmpfs_is_raised_while_the_database_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "OPEN_STORE_S", 0.01)

    async def story() -> None:
        async with device(tmp_path, hanging := Hanging(tmp_path / "agent.db")) as of:
            press = make_press(age_s=60)
            leave(of.runtime, press)
            await of.recover()
            await of.until(lambda: of.owed)
            assert [each.at for each in of.owed] == [press.at]
            hanging.go.set()

    run(story)


def test_file_that_was_left_of_a_press_that_dispatch_has_answered_raises_nothing(tmp_path: Path):
    """Law 1, exactly one: the process ended before it could remove the file."""
    press = make_press(age_s=60)

    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            leave(first.runtime, press)
            first.presses.sweep()
            await first.until(lambda: first.owed)
            await first.decider.decide(replace(ACCEPTED, covers=9))
            await stored(first)
            assert first.owed == ()
        left = leave(first.runtime, press)
        async with device(tmp_path) as again:
            await again.recover()
            again.presses.feel("button:panic", time.monotonic())
            await again.until(lambda: again.owed)
            assert [each.origin for each in again.owed] == ["button:panic"]
            assert not left.exists()

    run(story)


def test_what_a_member_of_the_group_planted_neither_stops_the_start_nor_leads_it_elsewhere(tmp_path: Path):
    """A pipe for calm, and for the daemon's own folder a link to where a file would be taken for a broken press."""

    async def story() -> None:
        secret = tmp_path / "var" / "presses" / "token.json"
        secret.parent.mkdir(parents=True)
        secret.write_text("{}")
        (tmp_path / "run").mkdir()
        os.mkfifo(tmp_path / "run" / ".calm")
        (tmp_path / "run" / ".own").symlink_to(tmp_path / "var")
        async with device(tmp_path) as of:
            await of.recover()
            assert not of.decider.state.calm
            of.presses.feel("button:panic", time.monotonic())
            await of.until(lambda: of.owed)
            assert [path.name for path in secret.parent.iterdir()] == ["token.json"]

    run(story)


@pytest.mark.parametrize("pressed", [False, True])
def test_calm_outlives_a_restart_by_the_runtime_directory_alone_and_ends_with_a_press(tmp_path: Path, pressed: bool):  # noqa: FBT001
    """The disk took nothing. Calm that outlived the press, too, would leave a wearer without a sign."""

    async def story() -> None:
        async with device(tmp_path) as of:
            of.runtime.mkdir()
            resume.keep_calm(of.runtime, calm=True, at=time.monotonic())
            if pressed:
                resume.keep_calm(of.runtime, calm=False, at=time.monotonic())
            await of.recover()
            assert of.decider.state.calm is not pressed

    run(story)


def test_callout_that_dispatch_has_closed_is_known_as_closed_after_a_restart(tmp_path: Path):
    """Else one that is listed a moment longer would be taken up again as raised elsewhere."""
    closed = LocationReplied(Outcome(Asked.LOCATION, Meaning.CLOSED, "closed", callout_id=7, http_status=285), 2.0, 2.0)

    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.make("cli")
            await first.until(lambda: first.owed)
            for event in (replace(ACCEPTED, covers=9), closed):
                await first.decider.decide(event)
            await stored(first)
        async with device(tmp_path) as again:
            await again.recover()
            assert again.decider.state.closed == (7,)

    run(story)
