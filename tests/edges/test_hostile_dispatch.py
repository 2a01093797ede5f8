"""A dispatch service that is broken or means ill: what it says costs a bounded part of line, disk and memory, and moves nothing else."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from dispatchers import Line, Service
from model_time import Trial
from test_conversing import READ_S, Heard, gaps, listening, with_callout, wrote

from agent.cadence import LISTEN_MOST_S
from agent.hearsay import MOST_KEPT
from agent.kept import EventKept, NoteKept
from agent.model import Asked, CalloutId, Help, Outcome


def test_responder_who_is_expected_in_so_many_minutes_is_no_news_with_each_read(monkeypatch: pytest.MonkeyPatch):
    """Told as a span, the moment differs a little each time: the stream would be looked at after every read, whatever it costs."""

    async def story(trial: Trial, service: Service) -> None:
        read = Line.read

        async def expected(self: Line, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
            service.help = Help(dispatched_wall=1.8e9, eta_wall=trial.clock.wall() + 300, responder="Unit 7")
            return await read(self, callout_id, deadline_s=deadline_s)

        service.callouts[101] = "Responder Dispatched"
        monkeypatch.setattr(Line, "read", expected)
        service.stream = [wrote("x" * 1_000, n) for n in range(40)]
        await asyncio.sleep(180)
        since_at = trial.clock.at()
        await asyncio.sleep(300)
        assert min(gaps(trial, Asked.EVENTS, since_at)) >= 45.0
        assert trial.conversation.outward.eta_wall is not None

    listening(story)


def test_status_that_is_another_one_with_each_read_makes_one_look_a_minute_come_early(monkeypatch: pytest.MonkeyPatch):
    async def story(trial: Trial, service: Service) -> None:
        read, statuses = Line.read, itertools.cycle(("Responder Dispatched", "Responder Cancelled"))

        async def flipped(self: Line, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
            service.callouts[callout_id] = next(statuses)
            return await read(self, callout_id, deadline_s=deadline_s)

        monkeypatch.setattr(Line, "read", flipped)
        service.stream = [wrote("x" * 1_000, n) for n in range(40)]
        await asyncio.sleep(180)
        since_at = trial.clock.at()
        await asyncio.sleep(600)
        assert len(gaps(trial, Asked.EVENTS, since_at)) <= 2 * 600 / LISTEN_MOST_S
        assert max(gaps(trial, Asked.READ, since_at)) <= READ_S + 0.01

    listening(story)


def test_few_long_entries_cost_what_they_are_long():
    """Most of each is thrown away, and has come all the same."""

    async def story(trial: Trial, service: Service) -> None:
        service.stream = [wrote("x" * 100_000, n) for n in range(3)]
        await asyncio.sleep(180)
        since_at = trial.clock.at()
        await asyncio.sleep(600)
        assert min(gaps(trial, Asked.EVENTS, since_at)) >= 60.0

    listening(story)


def test_entries_with_other_names_each_time_fill_no_disk():
    """Rows of fixes would make room for them (law 4). Nor does a restart begin anew."""

    async def story(bench: Heard) -> None:
        for number in range(0, 20_000, 250):
            bench.service.stream = []
            bench.hear(*(wrote("all is well", number + n) for n in range(250)))
            if number % 5_000 == 0:
                bench.restart()
                bench.conversation.follow(bench.state, bench.state, None)  # type: ignore[arg-type] # no event is looked at
        assert len([each for each in bench.kept.writes if isinstance(each, EventKept) and each.told]) == MOST_KEPT

    with_callout(story)


def test_read_that_tells_nothing_new_writes_nothing():
    """Every few seconds a step of its own would wait for the disk."""

    async def story(bench: Heard) -> None:
        bench.hear(wrote("we are coming", 1), help_=Help(dispatched_wall=1.8e9), status="Responder Dispatched")
        bench.program.finish_all()
        written = len(bench.kept.writes)
        for n in range(20):
            bench.hear(help_=Help(dispatched_wall=1.8e9, eta_wall=1.8e9 + n), status="Responder Dispatched")
        assert bench.kept.writes[written:] == []
        bench.hear(wrote("at the gate", 2), help_=Help(dispatched_wall=1.8e9), status="Responder Dispatched")
        assert {type(each) for each in bench.kept.writes[written:]} == {EventKept, NoteKept}

    with_callout(story)
