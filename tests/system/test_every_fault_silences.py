"""Answers that come too late, byte by byte, broken off or never, under a raise and under the stream."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from enduring import SLACK_S, Endurance, Fault, device, endure_all, is_no_older, seconds_between
from stage import codes, press

GONE = "dispatch.unreachable"
LATE = Fault("latency", {"action": "latency", "delay_s": 600}, GONE, GONE)
DRIP = Fault("drip", {"action": "drip", "interval_s": 1.0}, GONE, GONE, carried_out=True)
RESET = Fault("reset", {"action": "reset"}, GONE, GONE)
HALF_OPEN = Fault("half_open", {"action": "half_open"}, GONE, GONE)
HALF_OPEN_DONE = Fault("half_open, processed", {"action": "half_open", "processed": True}, GONE, GONE, carried_out=True)
STALLED = Fault("stall_accept", {"action": "stall_accept"}, GONE, GONE)
LOST = Fault("lost", {"action": "lost"}, GONE, GONE, carried_out=True)
FAULTS = (LATE, DRIP, RESET, HALF_OPEN, HALF_OPEN_DONE, STALLED, LOST)


async def answers_lost_route_by_route(folder: Path) -> None:
    """Each lane repeats what it does not know to have arrived, and delays no other."""
    async with device(folder) as device_:
        await a_raise_whose_answer_is_lost(device_)
        await positions_whose_answers_are_lost(device_)
        await messages_whose_answers_are_lost(device_)
        assert len(await device_.stage.callouts()) == 1


async def a_raise_whose_answer_is_lost(device_: Endurance) -> None:
    """A look-up finds the callout; a position that it takes proves it to be open."""
    stage = device_.stage
    await stage.desk("PUT", "faults", {"on": "raise", "action": "lost"})
    began = time.monotonic()
    await press(stage)
    await stage.until(device_.posted, lambda now: len(now) >= 3, 10, "positions flow though no raise is ever answered")
    assert time.monotonic() - began < 10
    await device_.end()
    await device_.until(lambda now: now["armed"] and now["callout"]["state"] == "active", 10, "all is well")


async def positions_whose_answers_are_lost(device_: Endurance) -> None:
    """They arrive and do not count; the callout is read and messages are told meanwhile."""
    stage = device_.stage
    await stage.desk("PUT", "faults", {"on": "locate", "action": "lost"})
    await stage.until(device_.hits, lambda now: now >= 1, 5, "it hits")
    status, seen = await device_.status(), len(await device_.posted())
    sent, first = status["stream"]["sent"], status["fix"]["time"]
    assert (await stage.ask(do="say", text="meanwhile")).get("ok")
    await stage.until_callout(lambda now: any("meanwhile" in each["text"] for each in now["events"]), 5, "the other lanes go on")
    await device_.until(lambda now: GONE in codes(now), 5, "named, between two answers that are not lost")
    await stage.until(device_.posted, lambda now: len(now) >= seen + 2, 10, "repeated")
    await device_.until(lambda now: seconds_between(first, now["fix"]["time"]) >= 5, 15, "for as long as one can tell old from new")
    newest, seen = (await device_.status())["fix"]["time"], len(await device_.posted())
    arrived = await stage.until(device_.posted, lambda now: len(now) > seen, 20, "and again")
    await is_no_older(device_, arrived[seen], newest, "lost on locate")
    assert (await device_.status())["stream"]["sent"] == sent
    await device_.end()
    await device_.until(lambda now: now["stream"]["sent"] > sent and GONE not in codes(now), 25, "counted again")


async def messages_whose_answers_are_lost(device_: Endurance) -> None:
    """Told at least once, and not once more when an answer has come; one position a second all the while."""
    stage = device_.stage
    await stage.desk("PUT", "faults", {"on": "send_event", "action": "lost"})
    seen, began = len(await device_.posted()), time.monotonic()
    assert (await stage.ask(do="say", text="twice at least")).get("ok")
    copies = await stage.until(lambda: _copies(device_, "twice at least"), lambda now: now >= 2, 10, "repeated")
    await stage.until(device_.posted, lambda now: len(now) >= seen + 4, SLACK_S + 4, "positions go on")
    assert (time.monotonic() - began) / (len(await device_.posted()) - seen) < 2.0, "as often as ever"
    await device_.end()
    assert (await stage.ask(do="say", text="behind it")).get("ok")
    await stage.until(lambda: _copies(device_, "behind it"), lambda now: now == 1, 20, "the next one, once")
    assert await _copies(device_, "twice at least") >= copies
    events = (await stage.callouts())[-1]["events"]
    assert "behind it" in events[-1]["text"], "nothing is repeated after its answer"


async def _copies(device_: Endurance, text: str) -> int:
    return sum(text in each["text"] for each in (await device_.stage.callouts())[-1]["events"])


async def a_raise_alone_in_trouble(folder: Path) -> None:
    """Look-ups go on beside it and are answered."""
    async with device(folder) as device_:
        stage = device_.stage
        await stage.desk("PUT", "faults", {"on": "raise", "action": "status", "status": 500})
        await press(stage)
        await device_.until(lambda now: "dispatch.failing" in codes(now) and not now["armed"], 10, "named")
        started = (await stage.desk("GET", "requests"))[-1]["number"]

        async def looked_up() -> int:
            log = await stage.desk("GET", f"requests?since={started}")
            return sum(each["operation"] == "list_customer" and each["status"] == 200 for each in log)

        while await looked_up() < 3:
            told = await device_.status()
            assert "dispatch.failing" in codes(told)
            assert not told["armed"]
        await device_.end()
        await device_.until(lambda now: now["armed"] and now["callout"]["state"] == "active", 20, "raised")


@pytest.mark.timeout(150)
def test_silence_ends_no_callout_and_counts_for_nothing(tmp_path: Path):
    """Named when an answer is overdue, tried again beside what hangs, over when it is over."""
    endure_all(
        tmp_path,
        (LATE,),
        (DRIP,),
        (HALF_OPEN,),
        (HALF_OPEN_DONE,),
        (STALLED, RESET, LOST),
        beside=(answers_lost_route_by_route, a_raise_alone_in_trouble),
    )
