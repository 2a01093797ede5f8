"""The lanes through long trouble, in no time: the loop's clock jumps to whatever comes next.

How often a raise is tried, how long an attempt may take, what starts beside one that hangs, and who lets whom go first.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from dispatchers import Service, lost
from model_time import Trial, try_out

from agent.delivery import CAP_S, FRESH_AFTER_S, REFUSED_CAP_S
from agent.model import Asked, Fix, Meaning, Outcome
from agent.signals import Phase

TEN_MINUTES_S = 600.0


def refused(status: int, **more: Any) -> Callable[[Asked], Outcome | None]:
    meaning = {401: Meaning.UNAUTHORISED, 403: Meaning.REJECTED, 404: Meaning.REJECTED}.get(status, Meaning.RETRY)
    outcome = Outcome(Asked.RAISE, meaning, f"http_{status}", http_status=status, **more)
    return lambda asked: outcome if asked is Asked.RAISE else None


@pytest.mark.parametrize(
    ("status", "cap_s"), [(500, CAP_S), (429, CAP_S), (503, CAP_S), (401, REFUSED_CAP_S), (403, REFUSED_CAP_S), (404, REFUSED_CAP_S)]
)
def test_ten_minutes_of_refusals_are_raised_against_all_the_while_and_end_within_the_cap(status: int, cap_s: float):
    async def story(trial: Trial, service: Service) -> None:
        service.fault = refused(status, retry_after_s=3.0 if status == 429 else None)
        await trial.press()
        await asyncio.sleep(TEN_MINUTES_S)
        assert trial.lanes.alert.failing
        assert service.callouts == {}
        assert max(trial.gaps()) <= cap_s
        assert TEN_MINUTES_S / cap_s <= len(trial.raises()) <= 8 * TEN_MINUTES_S / cap_s, "for ever, and no storm"
        if status == 429:
            assert min(trial.gaps()) >= 3.0, "as dispatch asked"
        service.fault = lambda _: None
        assert await trial.until_accepted() <= cap_s
        assert len(service.callouts) == 1
        await asyncio.sleep(1.0)
        assert not trial.lanes.alert.failing

    try_out(story)


def test_ten_minutes_of_silence_see_a_new_attempt_every_15_s_and_never_more_than_four():
    async def story(trial: Trial, service: Service) -> None:
        await trial.fall_silent()
        await trial.press()
        await asyncio.sleep(TEN_MINUTES_S)
        began = [each.at for each in trial.raises()]
        assert began[:4] == pytest.approx([0.0, 10.0, 25.0, 40.0], abs=0.01)
        assert max(trial.gaps()) <= CAP_S + 0.01
        assert min(trial.gaps()[1:]) >= CAP_S - 0.01, "one that times out does not bring the next one nearer while a later one is under way"
        assert [each.deadline_s for each in trial.raises()][:5] == [20.0, 40.0, 60.0, 60.0, 60.0]
        for at in began:
            assert sum(each.at <= at < each.ended_at for each in trial.raises()) <= 4
        await trial.speak()
        assert await trial.until_accepted() <= CAP_S + 0.01
        assert len(service.callouts) == 1

    try_out(story)


def test_raise_without_an_answer_is_failing_after_10_s_and_may_still_be_answered():
    async def story(trial: Trial, service: Service) -> None:
        slow = asyncio.Event()
        service.hold[Asked.RAISE] = slow
        await trial.press()
        await asyncio.sleep(FRESH_AFTER_S - 0.1)
        assert not trial.lanes.alert.failing
        assert len(trial.raises()) == 1
        await asyncio.sleep(0.2)
        assert trial.lanes.alert.failing
        assert any(each.asked is Asked.RAISE and each.cause == "timeout" for each in trial.noticed)
        assert trial.state.phase is Phase.RAISING
        await asyncio.sleep(5.0)
        slow.set()
        assert await trial.until_accepted() == 0.0
        first = trial.raises()[0]
        assert first.ended_at == pytest.approx(15.1, abs=0.01), "the first attempt was not given up while it could still be answered"
        assert len(service.callouts) == 1

    try_out(story)


def test_look_up_runs_beside_a_raise_that_hangs():
    async def story(trial: Trial, service: Service) -> None:
        service.hold[Asked.RAISE] = asyncio.Event()
        service.raise_one("nested")  # dispatch has it, and its answer never comes
        await asyncio.sleep(1.0)
        trial.went.clear()
        await trial.press()
        await trial.until(lambda: trial.state.phase is Phase.ACTIVE)
        assert trial.clock.at() < 1.0 + FRESH_AFTER_S + 10.1
        (look_up,) = [each for each in trial.went if each.asked is Asked.LOOK_UP]
        assert look_up.at >= 1.0 + FRESH_AFTER_S

    try_out(story)


def test_link_that_changes_while_four_attempts_hang_starts_a_fifth_in_the_place_of_the_oldest():
    async def story(trial: Trial, service: Service) -> None:
        await trial.fall_silent()
        await trial.press()
        await trial.until(lambda: len([each for each in trial.raises() if each.ended_at == float("inf")]) == 4)
        oldest = next(each for each in trial.raises() if each.ended_at == float("inf"))
        await asyncio.sleep(3.0)
        await trial.speak()
        changed_at = trial.clock.at()
        trial.lanes.hurry()
        await trial.until_accepted()
        assert trial.clock.at() == changed_at
        assert oldest.ended_at == changed_at
        assert len(service.callouts) == 1

    try_out(story)


def test_press_again_while_attempts_hang_gives_none_of_them_up():
    async def story(trial: Trial, service: Service) -> None:
        await trial.fall_silent()
        for number in range(1, 9):
            await trial.press(number)
            await asyncio.sleep(0.5)
        assert len(trial.raises()) == 4
        assert all(each.ended_at == float("inf") for each in trial.raises())

    try_out(story)


def test_after_a_raise_the_position_opens_its_connection_first_then_the_read_then_the_messages():
    async def story(trial: Trial, service: Service) -> None:
        trial.fix = Fix(0.0, 1.8e9, "fake", -33.9, 18.4, accuracy_m=5.0)
        await asyncio.sleep(60.0)  # the look-up's connection has been idle for too long
        service.hold = {asked: asyncio.Event() for asked in (Asked.LOCATION, Asked.READ, Asked.EVENT)}
        await trial.press()
        await trial.until(lambda: trial.state.phase is Phase.ACTIVE)
        accepted_at = trial.clock.at()
        trial.tell(101, "something")
        order: list[Asked] = []
        for asked in (Asked.LOCATION, Asked.READ, Asked.EVENT):
            await trial.until(lambda asked=asked: any(each.at >= accepted_at for each in trial.went if each.asked is asked))
            order += [each.asked for each in trial.went if each.at >= accepted_at and each.ended_at == float("inf")]
            await asyncio.sleep(4.0)
            service.hold.pop(asked).set()
        assert order == [Asked.LOCATION, Asked.READ, Asked.EVENT], "one at a time"

    try_out(story)


def test_message_that_has_waited_for_longer_lets_the_position_go_first():
    async def story(trial: Trial, service: Service) -> None:
        trial.fix = Fix(0.0, 1.8e9, "fake", -33.9, 18.4, accuracy_m=5.0)
        service.hold = {asked: asyncio.Event() for asked in (Asked.RAISE, Asked.LOCATION, Asked.READ)}
        await asyncio.sleep(60.0)
        await trial.press()
        await trial.until(lambda: Asked.RAISE in service.asked)
        trial.tell(7, "of an earlier callout")
        await asyncio.sleep(8.0)
        assert Asked.EVENT not in service.asked, "the raise has the link for itself"
        service.hold.pop(Asked.RAISE).set()
        await trial.until(lambda: len(trial.went) == 3)
        assert [each.asked for each in trial.went] == [Asked.LOOK_UP, Asked.RAISE, Asked.LOCATION]
        service.hold.pop(Asked.LOCATION).set()
        await trial.until(lambda: len(trial.went) == 4)
        assert trial.went[-1].asked is Asked.READ

    try_out(story)


def test_position_that_is_to_go_now_waits_for_nobody_who_opens_a_connection():
    async def story(trial: Trial, service: Service) -> None:
        service.hold[Asked.READ] = asyncio.Event()
        await asyncio.sleep(60.0)
        await trial.press()
        await trial.until(lambda: Asked.READ in service.asked)
        trial.fix = Fix(trial.clock.at(), 1.8e9, "fake", -33.9, 18.4, accuracy_m=5.0)
        began = trial.clock.at()
        trial.lanes.location.locate_now()
        await trial.until(lambda: trial.went[-1].asked is Asked.LOCATION)
        assert trial.clock.at() == began

    try_out(story)


def test_lane_that_hangs_holds_the_others_up_for_seconds_and_those_with_a_connection_not_at_all():
    async def story(trial: Trial, service: Service) -> None:
        trial.fix = Fix(0.0, 1.8e9, "fake", -33.9, 18.4, accuracy_m=5.0)
        service.hold[Asked.LOCATION] = asyncio.Event()
        await asyncio.sleep(60.0)
        await trial.press()
        await trial.until(lambda: Asked.LOCATION in service.asked)
        began = trial.clock.at()
        trial.tell(101, "something")
        await trial.until(lambda: Asked.EVENT in service.asked)
        assert trial.clock.at() - began <= 20.0
        (first_read, *reads) = [each.at for each in trial.went if each.asked is Asked.READ]
        assert first_read - began <= 10.0
        assert max(later - earlier for earlier, later in itertools.pairwise([first_read, *reads])) <= 5.1
        await trial.press(2)
        pressed_at = trial.clock.at()
        await trial.until(lambda: len(trial.raises()) == 2)
        assert trial.clock.at() == pressed_at, "a raise waits for nobody"

    try_out(story)


def test_first_poll_that_fails_is_soon_tried_again_and_later_ones_at_the_pace_of_a_poll():
    async def story(trial: Trial, service: Service) -> None:
        service.fault = lambda asked: lost(asked, "connect")
        await asyncio.sleep(300.0)
        polls = [each.at for each in trial.went if each.asked is Asked.LOOK_UP]
        assert polls[1] <= 1.3
        assert polls[3] <= 10.0
        assert max(later - earlier for earlier, later in itertools.pairwise(polls)) <= 36.0
        assert len(polls) <= 20
        assert all(each.meaning is Meaning.RETRY for each in trial.noticed)

    try_out(story)


@pytest.mark.parametrize(("cause", "within_s"), [("http_401", 36.0), ("scope", 360.0)])
def test_poll_whose_token_is_refused_is_soon_tried_again_unless_it_is_for_its_scope(cause: str, within_s: float):
    async def story(trial: Trial, service: Service) -> None:
        service.fault = lambda asked: Outcome(asked, Meaning.UNAUTHORISED, cause, http_status=401)
        await asyncio.sleep(1000.0)
        polls = [each.at for each in trial.went]
        gaps = [later - earlier for earlier, later in itertools.pairwise(polls)]
        assert within_s / 2 < max(gaps) <= within_s

    try_out(story)


def test_poll_that_is_asked_to_wait_waits():
    async def story(trial: Trial, service: Service) -> None:
        busy = Outcome(Asked.LOOK_UP, Meaning.RETRY, "http_429", http_status=429, retry_after_s=20.0)
        service.fault = lambda _: busy
        await asyncio.sleep(100.0)
        polls = [each.at for each in trial.went]
        assert min(later - earlier for earlier, later in itertools.pairwise(polls)) >= 16.0, "20 s, less its jitter"

    try_out(story)


def test_request_over_a_connection_that_must_be_opened_has_twice_the_time():
    async def story(trial: Trial, service: Service) -> None:
        trial.fix = Fix(0.0, 1.8e9, "fake", -33.9, 18.4, accuracy_m=5.0)
        await trial.press()
        await trial.until(lambda: [each.asked for each in trial.went].count(Asked.READ) >= 3)
        reads = [each.deadline_s for each in trial.went if each.asked is Asked.READ]
        assert reads == [10.0, 10.0, 10.0], "the poll at the start had opened it"
        assert [each.deadline_s for each in trial.went if each.asked is Asked.LOCATION] == [20.0]

    try_out(story)
