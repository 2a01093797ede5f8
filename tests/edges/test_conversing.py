"""What dispatch writes is listened to between reads, at a bounded price; and told once, in order, one thing at a time."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import Bench, Paper, play
from dispatchers import Service, lost
from model_time import Sent, Trial, try_out

from agent.conversation import Responder
from agent.conversing import DEAF, MOST_WAITING, Conversing
from agent.health import Conditions, Origin
from agent.hooks import Hook
from agent.kept import EventKept, NoteKept, Write
from agent.model import Asked, CalloutId, Event, Fix, Help, Meaning, Outcome, SafeCode, Severity
from agent.signals import CancelAsked, Phase

READ_S = 5.0


class Program:
    """The owner's program: it takes its time, and notes what it was told."""

    def __init__(self) -> None:
        self.running: dict[str, Any] | None = None
        self.told: list[dict[str, Any]] = []
        self.ended_early = 0
        self._ended: Callable[[], None] = lambda: None

    def __bool__(self) -> bool:
        return True

    def start(self, document: dict[str, Any], ended: Callable[[], None]) -> None:
        assert self.running is None, "one at a time"
        self.running, self._ended = document, ended
        self.told.append(document)

    def end(self) -> None:
        self.ended_early += self.running is not None
        self.running = None

    def finish(self) -> None:
        self.running = None
        self._ended()

    def finish_all(self) -> list[str]:
        """Whatever waits, one after the other; what was told, in order."""
        while self.running is not None:
            self.finish()
        return [each["text"] if each["event"] == "message" else each["event"] for each in self.told]


class Kept(Paper):
    """A store that keeps at once and can be read."""

    def __init__(self) -> None:
        self.writes: list[Write] = []

    def step(self, *writes: Write) -> Awaitable[None]:
        self.writes += writes
        return super().step(*writes)

    @property
    def notes(self) -> dict[str, str]:
        return {each.name: each.value for each in self.writes if isinstance(each, NoteKept)}


class Heard(Bench):
    """A bench with a program and a store to look into."""

    def __init__(self, service: Service, *, poll_s: float) -> None:
        super().__init__(service, poll_s=poll_s)
        self.program, self.kept = Program(), Kept()
        self.store = self.kept
        self.moved = 0
        self.restart()

    def restart(self) -> None:
        """Another process, as far as the conversation goes."""
        self.conversation.__init__(self, self.program, shown=lambda: None)  # type: ignore[misc] # the lanes hold the same one

    def kept_note(self, name: str) -> str | None:
        return self.kept.notes.get(name)

    def hear(self, *events: Event, help_: Help | None = None, status: str | None = None) -> None:
        """A read and a look at the stream, as the watch lane brings them."""
        to = self.state.callout_id
        assert to is not None
        self.service.stream = [*self.service.stream, *events]
        callout = replace(self.service.raise_one("nested").callout, help=help_ or self.service.help)  # type: ignore[type-var]
        callout = replace(callout, status=status or callout.status)
        self.conversation.take_read(Outcome(Asked.READ, Meaning.ACCEPTED, "ok", callout_id=to, http_status=200, callout=callout))
        self.conversation.take_events(listed(to, *self.service.stream))

    async def ask_to_cancel(self) -> None:
        await self.decide(CancelAsked(SafeCode("0042")))


def listed(to: CalloutId, *events: Event) -> Outcome:
    return Outcome(Asked.EVENTS, Meaning.ACCEPTED, "ok", callout_id=to, http_status=200, events=events)


def wrote(text: str, number: int) -> Event:
    return Event(number, "controller", text, 1.8e9 + number, kind="chat")


def with_callout(story: Callable[[Heard], Awaitable[None]]) -> None:
    """Tell a story that begins with a callout that dispatch has. Nobody listens but who is told to."""

    async def whole(bench: Heard, service: Service) -> None:
        service.fault = lambda asked: lost(asked) if asked is Asked.EVENTS else None
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        await story(bench)

    play(whole, drive=False, kind=Heard)


# --- the owner's program --------------------------------------------------------------------------------------------------


def test_program_is_told_each_thing_once_in_order_and_one_at_a_time():
    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1), wrote("two", 2))
        bench.hear(wrote("three", 3), help_=Help(dispatched_wall=1.8e9, eta_wall=1.8e9 + 300))
        assert len(bench.program.told) == 1, "the first one still runs"
        assert bench.program.finish_all() == ["accepted", "one", "two", "dispatched", "three"]
        bench.hear()
        assert bench.program.running is None
        told = bench.program.told[3]
        assert told == {
            "event": "dispatched",
            "callout_id": 101,
            "drill": False,
            "source": "dispatch",
            "time": "2027-01-15T08:00:00Z",
            "text": "A responder is on the way, expected at 08:05 UTC.",
            "stage": "coming",
            "eta": "2027-01-15T08:05:00Z",
            "eta_text": None,
            "responder": None,
        }

    with_callout(story)


def test_cancel_ends_what_runs_drops_what_waits_and_hides_what_was_said():
    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1), wrote("two", 2))
        waiting = asyncio.ensure_future(bench.conversation.more())
        await asyncio.sleep(0)
        await bench.ask_to_cancel()
        await asyncio.wait_for(waiting, 1.0)
        assert (bench.program.running, bench.program.ended_early) == (None, 1)
        waiting = asyncio.ensure_future(bench.conversation.more())
        bench.hear(wrote("three", 3), help_=Help(arrived_wall=1.8e9))
        assert (bench.conversation.events, bench.conversation.callout_id, bench.conversation.wanted()) == ((), None, None)
        await asyncio.sleep(0)
        assert not waiting.done(), "that it ended would tell that something goes on"
        waiting.cancel()
        assert len(bench.program.told) == 1
        assert not bench.conversation.message_new()

    with_callout(story)


def test_what_waited_when_a_cancel_came_is_not_told_of_the_next_callout():
    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1), wrote("two", 2))
        await bench.ask_to_cancel()
        bench.service.close(101)
        bench.lanes.watch.read_now()
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        told = len(bench.program.told)
        await bench.press(2)
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        bench.service.stream = []
        bench.hear(wrote("three", 3))
        bench.program.finish_all()
        of_it = [(each["callout_id"], each["text"]) for each in bench.program.told[told:]]
        assert of_it == [(102, "Dispatch has the callout."), (102, "three")]

    with_callout(story)


def test_who_waits_for_more_is_woken_by_what_is_new_and_by_nothing_else():
    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1))
        waiting = asyncio.ensure_future(bench.conversation.more())
        await asyncio.sleep(0)
        bench.hear()
        await asyncio.sleep(0)
        assert not waiting.done()
        bench.hear(wrote("two", 2))
        await asyncio.wait_for(waiting, 1.0)

    with_callout(story)


def test_close_of_a_drill_is_told_as_one():
    async def story(bench: Heard) -> None:
        bench.program.finish_all()
        drilled = replace(bench.state, drill=True)
        bench.conversation.follow(drilled, replace(drilled, drill=False, callout_id=None, closed=(101,)), CancelAsked(None))
        assert [(each["event"], each["drill"]) for each in bench.program.told[1:]] == [("closed", True)]

    with_callout(story)


def test_restart_tells_nothing_twice_and_loses_nothing_that_came_meanwhile():
    async def story(bench: Heard) -> None:
        bench.service.help = Help(dispatched_wall=1.8e9)
        bench.hear(wrote("one", 1))
        assert bench.program.finish_all() == ["accepted", "dispatched", "one"]
        bench.hear(wrote("two", 2), wrote("three", 3))
        bench.program = Program()  # "two" was being told, "three" waits
        bench.restart()
        assert not bench.conversation.message_new()
        bench.conversation.follow(bench.state, bench.state, CancelAsked(None))
        bench.hear(wrote("four", 4))
        assert bench.program.finish_all() == ["three", "four"]
        assert bench.conversation.message_new()
        heard = [each.text for each in bench.kept.writes if isinstance(each, EventKept)]
        assert sorted(set(heard)) == ["four", "one", "three", "two"], "the store keeps what was said"

    with_callout(story)


def test_what_brings_nothing_new_is_not_written():
    """A read every five seconds, for hours, on a card that wears."""

    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1), help_=Help(dispatched_wall=1.8e9))
        bench.program.finish_all()
        bench.hear(help_=Help(dispatched_wall=1.8e9))
        writes = len(bench.kept.writes)
        for _ in range(100):
            bench.hear(help_=Help(dispatched_wall=1.8e9))
        assert len(bench.kept.writes) == writes
        bench.hear(help_=Help(dispatched_wall=1.8e9, arrived_wall=1.8e9 + 60))
        assert len(bench.kept.writes) > writes

    with_callout(story)


def test_restart_tells_how_far_help_has_come_where_the_program_had_not_heard_it():
    """It still ran for something else, when the power went."""

    async def story(bench: Heard) -> None:
        bench.hear(help_=Help(dispatched_wall=1.8e9))
        assert [each["event"] for each in bench.program.told] == ["accepted"], "that one still runs"
        bench.program = Program()
        bench.restart()
        bench.conversation.follow(bench.state, bench.state, CancelAsked(None))
        bench.hear(help_=Help(dispatched_wall=1.8e9))
        assert bench.program.finish_all() == ["dispatched"]

    with_callout(story)


def test_old_messages_light_no_lamp_after_a_restart():
    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1))
        bench.program.finish_all()
        bench.restart()
        bench.conversation.follow(bench.state, bench.state, CancelAsked(None))
        bench.hear()
        assert len(bench.conversation.events) == 1
        assert not bench.conversation.message_new()

    with_callout(story)


def test_more_than_can_wait_is_told_later_and_not_lost():
    async def story(bench: Heard) -> None:
        many = [wrote(f"{n}", n) for n in range(3 * MOST_WAITING)]
        bench.hear(*many)
        assert len(bench.conversation._waiting) <= MOST_WAITING
        told: list[str] = []
        for _ in range(4):
            told = bench.program.finish_all()
            bench.hear()
        assert told == ["accepted", *(each.text for each in many)]

    with_callout(story)


def test_callout_that_was_raised_elsewhere_has_no_program_and_no_lamp_but_can_be_read():
    async def whole(bench: Heard, service: Service) -> None:
        service.fault = lambda asked: lost(asked) if asked is Asked.EVENTS else None
        service.raise_one("nested")
        bench.lanes.watch.look_up_now()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        bench.hear(wrote("one", 1), help_=Help(dispatched_wall=1.8e9))
        assert bench.program.told == []
        assert not bench.conversation.message_new()
        assert [each.text for each in bench.conversation.events] == ["one"]
        service.close(101)
        bench.lanes.watch.read_now()
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        assert bench.program.told == [], "nor of its close"

    play(whole, drive=False, kind=Heard)


def test_second_press_is_not_said_to_be_with_dispatch_before_it_is():
    async def story(bench: Heard) -> None:
        bench.program.finish_all()
        bench.service.hold = {Asked.RAISE: asyncio.Event()}
        asked = bench.service.asked.count(Asked.RAISE)
        await bench.press(2)
        await bench.until(lambda: bench.service.asked.count(Asked.RAISE) > asked)
        bench.hear()
        assert bench.program.finish_all() == ["accepted"], "that of the first"
        bench.service.hold[Asked.RAISE].set()
        await bench.until(lambda: not bench.state.owed)
        bench.hear()
        assert bench.program.finish_all() == ["accepted", "accepted"]

    with_callout(story)


def test_nothing_is_shown_or_told_while_it_is_not_known_whether_a_cancel_was_handed_over():
    """After a start, until the store has told."""

    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1))
        bench.program.finish_all()
        bench.outwardly_calm = lambda: True  # type: ignore[method-assign]
        assert (bench.conversation.callout_id, bench.conversation.events, bench.conversation.wanted()) == (None, (), None)
        bench.hear(wrote("two", 2))
        assert bench.program.finish_all() == ["accepted", "one"]

    with_callout(story)


def test_what_dispatch_dates_ahead_is_kept_as_heard_now():
    """A time to come would outlive what the store is to forget."""

    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1), replace(wrote("two", 2), wall=bench.clock.wall() + 9e6), replace(wrote("three", 3), wall=None))
        heard = {each.text: each.wall for each in bench.kept.writes if isinstance(each, EventKept)}
        assert len(heard) == 3
        assert max(heard.values()) <= bench.clock.wall()

    with_callout(story)


def test_close_is_told_last_and_ends_the_conversation():
    async def story(bench: Heard) -> None:
        bench.hear(wrote("one", 1))
        waiting = asyncio.ensure_future(bench.conversation.more())
        bench.service.close(101)
        bench.lanes.watch.read_now()
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        await asyncio.wait_for(waiting, 1.0)
        assert bench.conversation.events == ()
        assert bench.program.finish_all() == ["accepted", "one", "closed"]

    with_callout(story)


def test_what_the_device_says_is_ours_in_the_generation_that_names_no_source():
    async def story(bench: Heard) -> None:
        bench.conversation.say(101, ["I hide in the cellar"])
        bench.restart()
        bench.conversation.follow(bench.state, bench.state, CancelAsked(None))
        bench.hear(Event(1, "unknown", "I hide in the cellar", 1.8e9), Event(2, "unknown", "stay there", 1.8e9 + 1))
        assert [each.event.text for each in bench.conversation.outward.messages] == ["stay there"]

    with_callout(story)


def test_stage_that_the_stream_tells_first_waits_for_a_read_which_says_when():
    async def story(bench: Heard) -> None:
        dispatched = Event(1, "system", "Responder dispatched", 1.8e9, kind="lifecycle")
        assert bench.conversation.take_events(listed(101, dispatched)), "a read is worth it"
        bench.program.finish_all()
        assert bench.conversation.responder() is Responder.COMING, "the lamp does not wait"
        bench.hear(help_=Help(dispatched_wall=1.8e9, eta_wall=1.8e9 + 60))
        assert bench.program.finish_all() == ["accepted", "dispatched"]
        assert bench.program.told[-1]["eta"] == "2027-01-15T08:01:00Z"

    with_callout(story)


def test_program_that_fails_is_a_condition_until_it_succeeds(tmp_path: Path):
    """The real one, whose input is one line of JSON without anything secret."""

    async def story(bench: Bench, _service: Service) -> None:
        conditions, mark = Conditions(), tmp_path / "fail"
        script = tmp_path / "event.sh"
        script.write_text(f"cat > {tmp_path}/told\ntest ! -e {mark}\n")
        hook = Hook(("/bin/sh", str(script)), bench.clock, conditions)
        for fails in (True, False):
            mark.touch() if fails else mark.unlink()
            ended = asyncio.Event()
            hook.start({"event": "message", "text": "\x1b"}, ended.set)
            await asyncio.wait_for(ended.wait(), 10)
            shown = conditions.shown(calm=False)
            assert [(each.code, each.severity) for each in shown] == ([("hook.failed", Severity.DEGRADED)] if fails else [])
            assert conditions.shown(calm=True) == ()
        assert json.loads((tmp_path / "told").read_text()) == {"event": "message", "text": "\x1b"}

    play(story, drive=False)


# --- the watch lane -------------------------------------------------------------------------------------------------------


def listening(story: Callable[[Trial, Service], Awaitable[None]]) -> None:
    """Tell a story in model time that begins with a callout that has its first position."""

    async def whole(trial: Trial, service: Service) -> None:
        walking = asyncio.ensure_future(walk(trial))
        try:
            await trial.press()
            await trial.until(lambda: service.positions)
            await story(trial, service)
        finally:
            walking.cancel()

    try_out(whole)


async def walk(trial: Trial) -> None:
    """A fix every second, for ever."""
    while True:
        now_at = trial.clock.at()
        trial.fix = Fix(now_at, 1.8e9 + now_at, "fake", -33.9, 18.4, 5.0)
        trial.lanes.location.ring()
        await asyncio.sleep(1.0)


def gaps(trial: Trial, asked: Asked, since_at: float = 0.0) -> list[float]:
    times = [each.at for each in trial.went if each.asked is asked and each.at >= since_at]
    return [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]


def test_stream_is_looked_at_between_every_second_pair_of_reads_and_never_two_things_at_once():
    async def story(trial: Trial, _service: Service) -> None:
        await asyncio.sleep(300)
        assert set(gaps(trial, Asked.READ)) == {READ_S}
        assert set(gaps(trial, Asked.EVENTS)) == {2 * READ_S}
        mine = sorted((each for each in trial.went if each.asked in (Asked.READ, Asked.EVENTS, Asked.LOOK_UP)), key=lambda each: each.at)
        assert all(one.ended_at <= other.at for one, other in itertools.pairwise(mine))

    listening(story)


def test_stream_that_never_answers_delays_no_read_and_no_position_and_is_asked_ever_more_rarely():
    async def story(trial: Trial, service: Service) -> None:
        service.hold = {Asked.EVENTS: asyncio.Event()}
        await asyncio.sleep(600)
        assert set(gaps(trial, Asked.READ)) == {READ_S}
        assert set(gaps(trial, Asked.LOCATION)) == {READ_S}
        assert max(gaps(trial, Asked.EVENTS)) >= 60.0
        assert all(each.deadline_s <= READ_S for each in trial.went if each.asked is Asked.EVENTS)

    listening(story)


def test_long_stream_is_looked_at_more_rarely_but_each_minute():
    async def story(trial: Trial, service: Service) -> None:
        service.stream = [wrote("x" * 100, n) for n in range(60)]
        await asyncio.sleep(120)
        since_at = trial.clock.at()
        await asyncio.sleep(300)
        assert min(gaps(trial, Asked.EVENTS, since_at)) >= 30.0
        service.stream = [wrote("x" * 1_000, n) for n in range(400)]
        await asyncio.sleep(120)
        since_at = trial.clock.at()
        await asyncio.sleep(600)
        assert 60.0 <= max(gaps(trial, Asked.EVENTS, since_at)) <= 60.0 + READ_S

    listening(story)


def test_responder_who_is_sent_makes_the_next_look_come_at_once():
    async def story(trial: Trial, service: Service) -> None:
        service.stream = [wrote("x" * 1_000, n) for n in range(40)]
        await asyncio.sleep(180)
        looked = len([each for each in trial.went if each.asked is Asked.EVENTS])
        await trial.until(lambda: len([each for each in trial.went if each.asked is Asked.EVENTS]) > looked)
        looked_at = trial.clock.at()
        service.callouts[101] = "Responder Dispatched"
        await asyncio.sleep(READ_S + 0.1)
        assert any(each.at > looked_at for each in trial.went if each.asked is Asked.EVENTS)

    listening(story)


def test_status_that_is_another_one_with_every_read_does_not_use_up_the_line():
    """Some dispatches count in it how far away the responder is."""

    async def story(trial: Trial, service: Service) -> None:
        service.stream = [wrote("x" * 100, n) for n in range(60)]  # 31 kB, and 1 kB a second is the budget
        await asyncio.sleep(120)
        since_at = trial.clock.at()
        for metres in range(2_000, 0, -10):
            service.callouts[101] = f"Responder Dispatched, {metres} m"
            await asyncio.sleep(READ_S)
        looks = len(gaps(trial, Asked.EVENTS, since_at)) + 1
        assert 1_000 / 31 - 2 <= looks <= 1_000 / 31 + 1_000 / 60 + 2, "the budget, and one a minute beyond it"

    listening(story)


def test_token_that_may_not_listen_is_tried_every_five_minutes_and_is_a_note():
    async def story(trial: Trial, service: Service) -> None:
        refused = Outcome(Asked.EVENTS, Meaning.UNAUTHORISED, "scope", callout_id=101, http_status=401)
        service.fault = lambda asked: refused if asked is Asked.EVENTS else None
        await asyncio.sleep(1_000)
        assert all(300.0 <= gap <= 300.0 + READ_S for gap in gaps(trial, Asked.EVENTS))
        assert len(gaps(trial, Asked.EVENTS)) >= 2
        (condition,) = [each for each in trial.conditions.shown(calm=False) if each.code == DEAF]
        assert condition.severity is Severity.NOTE
        assert not any(outcome.asked is Asked.EVENTS for outcome in trial.noticed), "it says nothing of the other routes"
        assert set(gaps(trial, Asked.READ)) == {READ_S}
        service.fault = lambda _: None
        await asyncio.sleep(310)
        assert DEAF not in [each.code for each in trial.conditions.shown(calm=False)]

    listening(story)


@pytest.mark.parametrize("when", ["standby", "calm"])
def test_nobody_listens_in_standby_or_while_calm(when: str):
    async def story(trial: Trial, service: Service) -> None:
        if when == "calm":
            await trial.decide(CancelAsked(SafeCode("0042")))
        else:
            service.close(101)
            await trial.until(lambda: trial.state.phase is Phase.STANDBY)
        since_at = trial.clock.at()
        await asyncio.sleep(300)
        assert not [each for each in trial.went if each.asked is Asked.EVENTS and each.at > since_at]

    listening(story)


def test_scheduled_look_up_of_a_calm_device_waits_for_no_read():
    """Law 5: after a start, or when the link comes back, it shows as soon as in standby that dispatch answers."""

    async def story(trial: Trial, _service: Service) -> None:
        for asked, first in ((None, Asked.READ), (CancelAsked(SafeCode("0042")), Asked.LOOK_UP)):
            if asked is not None:
                await trial.decide(asked)
            before = len(trial.went)
            trial.lanes.watch.poll_now()
            await trial.until(lambda before=before: {each.asked for each in trial.went[before:]} >= {Asked.READ, Asked.LOOK_UP})
            assert next(each.asked for each in trial.went[before:] if each.asked in (Asked.READ, Asked.LOOK_UP)) is first

    listening(story)


def test_poll_of_a_calm_device_goes_over_a_connection_of_its_own_whether_its_callout_lives_or_not():
    """Law 5: over one that is open it would fail sooner, and in other words, which are shown."""

    def polled(*, calm: bool, closed: bool) -> list[float]:
        deadlines: list[float] = []

        async def story(trial: Trial, service: Service) -> None:
            await asyncio.sleep(5)
            if calm:
                await trial.decide(CancelAsked(SafeCode("0042")))
            if closed:
                service.close(101)
                await trial.until(lambda: trial.state.phase is Phase.STANDBY)
            before, lines = len(trial.went), service.open_lines
            trial.lanes.watch.poll_now()
            asked: list[Sent] = []

            def seen() -> bool:
                asked[:] = [each for each in trial.went[before:] if each.asked is Asked.LOOK_UP]
                return bool(asked) and asked[0].ended_at <= trial.clock.at()

            await trial.until(seen)
            await asyncio.sleep(1)
            assert service.open_lines == lines
            deadlines.append(asked[0].deadline_s)

        listening(story)
        return deadlines

    assert polled(calm=True, closed=False) == polled(calm=True, closed=True) == [20.0]
    assert polled(calm=False, closed=False) == [10.0], "else no handshake is spent on it"


def test_poll_of_a_calm_device_keeps_its_pace_on_a_dead_line():
    """Law 5: lanes that try to reach dispatch all the time, and reads that hang, put it off by nothing."""

    async def story(trial: Trial, _service: Service) -> None:
        await trial.decide(CancelAsked(SafeCode("0042")))
        await trial.fall_silent()
        await asyncio.sleep(600)
        since_at = trial.clock.at()
        await asyncio.sleep(3_600)
        paces = gaps(trial, Asked.LOOK_UP, since_at)
        assert len(paces) > 60
        assert max(paces) <= 20.0 + 36.0 + 1.0, "its deadline, 30 s and a fifth, and a read that is ending"
        assert max(gaps(trial, Asked.READ, since_at)) <= 75.0

    listening(story)


def test_polls_that_follow_closely_leave_room_for_reads_behind_a_cancel():
    async def story(trial: Trial, service: Service) -> None:
        trial.terms = replace(trial.terms, adopt_poll_s=2.0)
        trial.lanes.watch.poll_now()
        await trial.decide(CancelAsked(SafeCode("0042")))
        service.fault = lambda asked: lost(asked) if asked in (Asked.READ, Asked.LOOK_UP) else None
        await asyncio.sleep(60)
        since_at = trial.clock.at()
        await asyncio.sleep(300)
        assert len(gaps(trial, Asked.READ, since_at)) > 10
        assert len(gaps(trial, Asked.LOOK_UP, since_at)) > 50

    listening(story)


def test_poll_of_a_calm_device_is_not_told_by_other_lanes_that_the_link_is_back():
    """Law 5: what it finds out is shown, and in standby it would have to find out by itself."""

    def waited_s(*, calm: bool) -> float:
        found: list[float] = []

        async def story(trial: Trial, service: Service) -> None:
            if calm:
                await trial.decide(CancelAsked(SafeCode("0042")))
            await trial.fall_silent()
            await asyncio.sleep(900)
            asked = [each for each in trial.went if each.asked is Asked.LOOK_UP]
            await trial.until(lambda: len([each for each in trial.went if each.asked is Asked.LOOK_UP]) > len(asked))
            last = [each for each in trial.went if each.asked is Asked.LOOK_UP][-1]
            await trial.until(lambda: last.ended_at <= trial.clock.at())
            await trial.speak()
            sent = len(service.positions)
            await trial.until(lambda: len(service.positions) > sent)
            await trial.until(lambda: [each for each in trial.went if each.asked is Asked.LOOK_UP][-1] is not last)
            found.append([each for each in trial.went if each.asked is Asked.LOOK_UP][-1].at - last.ended_at)

        listening(story)
        return found[0]

    assert waited_s(calm=False) < 20.0
    assert waited_s(calm=True) >= 24.0, "30 s, less a fifth"


def test_look_up_that_is_wanted_at_once_waits_a_second_for_a_look_at_the_stream_and_no_longer():
    async def story(trial: Trial, service: Service) -> None:
        service.hold = {Asked.EVENTS: asyncio.Event()}
        await trial.until(lambda: any(each.asked is Asked.EVENTS for each in trial.went))
        asked_at = trial.clock.at()
        assert asked_at == 2 * READ_S, "not while everybody opens connections"
        trial.lanes.watch.look_up_now()
        await trial.until(lambda: any(each.asked is Asked.LOOK_UP and each.at >= asked_at for each in trial.went))
        assert trial.clock.at() - asked_at <= 1.0

    listening(story)


def test_look_at_the_stream_gives_way_to_a_read_that_is_asked_for():
    async def story(trial: Trial, service: Service) -> None:
        service.hold = {Asked.EVENTS: asyncio.Event()}
        await trial.until(lambda: any(each.asked is Asked.EVENTS for each in trial.went))
        asked_at = trial.clock.at()
        trial.lanes.watch.read_now()
        await trial.until(lambda: any(each.asked is Asked.READ and each.at > asked_at for each in trial.went))
        assert trial.clock.at() - asked_at <= 1.0

    listening(story)


def test_nobody_listens_where_no_connection_is_open_and_a_look_that_was_lost_leaves_none():
    """To open one takes longer than there is time between two reads: the next read does it, and has the time for it."""

    async def story(trial: Trial, service: Service) -> None:
        service.fault = lambda asked: lost(asked) if asked is Asked.EVENTS else None
        await trial.until(lambda: any(each.asked is Asked.EVENTS for each in trial.went))
        lost_at = trial.clock.at()
        await asyncio.sleep(1.1 * READ_S)
        opening = next(each for each in trial.went if each.asked is Asked.READ and each.at > lost_at)
        assert opening.deadline_s == 2 * trial.terms.deadline_s, "a connection is to be opened first"
        service.fault = lambda asked: lost(asked) if asked in (Asked.READ, Asked.EVENTS) else None
        await asyncio.sleep(1.1 * READ_S)
        since_at = trial.clock.at()
        await asyncio.sleep(300)
        assert not [each for each in trial.went if each.asked is Asked.EVENTS and each.at > since_at]

    listening(story)


def test_callout_that_dispatch_does_not_know_is_not_listened_to():
    """Each look would be refused, beside the tries that are to find out."""

    async def story(trial: Trial, _service: Service) -> None:
        assert trial.conversation.wanted() == 101
        trial.decider.state = replace(trial.state, unknown=True)
        assert trial.conversation.wanted() is None

    listening(story)


def test_lamp_tells_of_a_message_for_four_seconds_and_of_the_next_one_again():
    async def story(trial: Trial, service: Service) -> None:
        for number in (1, 2):
            service.stream = [*service.stream, wrote("we are at the door", number)]
            await trial.until(trial.conversation.message_new)
            await asyncio.sleep(3.9)
            assert trial.conversation.message_new()
            await asyncio.sleep(0.2)
            assert not trial.conversation.message_new()

    listening(story)


def test_nobody_listens_shortly_before_a_read_that_would_cut_it_short():
    """What is cut short costs the connection."""

    async def story(trial: Trial, service: Service) -> None:
        service.stream = [wrote("x" * 100, n) for n in range(27)]  # 14 s of the budget: due a second before a read
        await asyncio.sleep(600)
        reads = [each.at for each in trial.went if each.asked is Asked.READ]
        looks = [each.at for each in trial.went if each.asked is Asked.EVENTS and each.at < reads[-1]]
        assert len(looks) > 20
        assert all(min(each for each in reads if each > look) - look >= READ_S / 2 for look in looks)

    listening(story)


def test_what_is_given_up_and_takes_its_time_to_end_may_be_given_up_again():
    """The network flaps while a connection is being dropped."""

    async def story(trial: Trial, _service: Service) -> None:
        async def slow_to_end(*_: object, **__: object) -> Outcome:
            try:
                return await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0.5)

        trial.lanes.watch._dispatch.events = trial.lanes.location._dispatch.locate = slow_to_end  # type: ignore[method-assign]
        since_at = trial.clock.at()
        for _ in range(300):
            await asyncio.sleep(0.2)
            trial.lanes.hurry()
            trial.lanes.watch.read_now()
        assert len([each for each in trial.went if each.asked is Asked.READ and each.at > since_at]) > 10, "reads go on"

    listening(story)


def test_conversation_is_wired_by_whoever_composes_it():
    """A bench without a program: nothing is run, everything is heard."""

    async def story(bench: Bench, service: Service) -> None:
        service.stream = [wrote("one", 1)]
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        assert isinstance(bench.conversation, Conversing)
        await bench.until(lambda: len(bench.conversation.events) == 1)
        assert bench.conditions.shown(calm=False) == ()
        assert Origin.CALLOUT not in [origin for asked, origin in bench.origins if asked is Asked.EVENTS]

    play(story)
