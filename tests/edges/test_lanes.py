"""The lanes against a dispatch service to hold in the hand: forward only, never behind one another, for ever (laws 1, 3, 8)."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from bench import Bench, play
from dispatchers import Service, lost

from agent.cadence import Pace
from agent.delivery import SCOPE_EVERY_S
from agent.health import Origin
from agent.lanes.alert import MAX_ALIVE
from agent.lifecycle import stream_to
from agent.model import Asked, CalloutId, Fix, Meaning, Outcome, Press, SafeCode
from agent.signals import Cancel, CancelAsked, CancelSent, Happening, Phase, Pressed, State


def test_press_is_raised_streamed_and_ended_by_dispatch_alone():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: len(service.positions) >= 5)
        assert bench.state.phase is Phase.ACTIVE
        service.close(101)
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        assert list(service.callouts) == [101]

    play(story)


def test_raise_needs_no_position_and_the_first_fix_follows_at_once():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        assert service.positions == []
        bench.fix = Fix(bench.clock.at(), bench.clock.wall(), "fake", -33.9, 18.4)
        bench.lanes.location.ring()
        await bench.until(lambda: len(service.positions) == 1)

    play(story, drive=False)


def test_raise_that_was_refused_without_a_position_goes_again_with_the_first_one():
    async def story(bench: Bench, service: Service) -> None:
        patient = Outcome(Asked.RAISE, Meaning.REJECTED, "http_400", http_status=400, retry_after_s=60.0)
        service.fault = lambda asked: patient if asked is Asked.RAISE and bench.fix is None else None
        await bench.press()
        await bench.until(lambda: service.asked.count(Asked.RAISE) == 2)  # both shapes; the next attempt is a minute away
        bench.fix = Fix(bench.clock.at(), bench.clock.wall(), "fake", -33.9, 18.4)
        async with asyncio.timeout(5):
            await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        assert service.shapes == ["nested"]

    play(story, drive=False)


def test_response_type_that_dispatch_does_not_know_costs_no_one_their_callout():
    """One wrong figure in the config of a button, and nobody would come: also not for an earlier press of another button."""

    async def story(bench: Bench, service: Service) -> None:
        service.unknown_type = 77
        await bench.decide(Pressed(Press(1, bench.clock.at(), bench.clock.wall(), "button:medic", response_type_id=77)))
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        assert service.types == [77, 77, 1]
        await bench.until(lambda: any("response type 77" in text for _, text in service.events))

    play(story)


def test_whatever_a_lane_meets_for_a_callout_is_of_the_callout():
    """Law 5: what is said to be of the device is shown while calm."""

    async def story(bench: Bench, service: Service) -> None:
        bench.terms = replace(bench.terms, deadline_s=0.1)
        await bench.until(lambda: (Asked.LOOK_UP, Origin.DEVICE) in bench.origins)
        service.hold[Asked.RAISE] = asyncio.Event()
        await bench.press()
        await bench.until(lambda: any(each.asked is Asked.RAISE for each in bench.noticed))  # that none has answered yet
        service.hold.pop(Asked.RAISE).set()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        bench.tell(101, "hello")
        await bench.decide(CancelAsked(SafeCode("0042")))
        wanted = {Asked.RAISE, Asked.LOCATION, Asked.READ, Asked.EVENT, Asked.CANCEL}
        await bench.until(lambda: {asked for asked, _ in bench.origins} >= wanted)
        assert {asked for asked, origin in bench.origins if origin is Origin.DEVICE} == {Asked.LOOK_UP}

    play(story)


def test_wearer_may_be_told_at_once_that_an_attempt_has_failed_and_no_longer_once_one_has_not():
    async def story(bench: Bench, service: Service) -> None:
        alert = bench.lanes.alert
        assert not alert.failing
        service.fault = lambda asked: lost(asked, "connect") if asked is Asked.RAISE else None
        await bench.press()
        assert not alert.failing, "nothing has failed yet"
        await bench.until(lambda: any(each.asked is Asked.RAISE for each in bench.noticed))
        assert alert.failing
        service.fault = lambda _: None
        await bench.until(lambda: not bench.state.owed)
        service.hold[Asked.RAISE] = asyncio.Event()
        await bench.press(2)
        assert not alert.failing, "of this press no attempt has failed"

    play(story)


def test_raise_goes_on_for_ever_while_nobody_answers():
    async def story(bench: Bench, service: Service) -> None:
        tries = 0

        def fault(asked: Asked) -> Outcome | None:
            nonlocal tries
            tries += asked is Asked.RAISE
            return lost(asked, "connect") if tries < 12 else None

        service.fault = fault
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        assert tries >= 12
        assert len(service.callouts) == 1

    play(story)


def test_attempts_leave_no_connection_open_however_long_they_fail():
    """For want of descriptors no raise would leave any more."""

    async def story(bench: Bench, service: Service) -> None:
        before = service.open_lines
        service.fault = lambda asked: lost(asked, "connect") if asked is Asked.RAISE else None
        await bench.press()
        await bench.until(lambda: service.asked.count(Asked.RAISE) >= 20)
        assert service.open_lines <= before + MAX_ALIVE

    play(story)


def test_press_made_while_a_raise_was_on_its_way_is_not_settled_by_its_answer_and_asks_for_its_own_response():
    """Law 1: dispatch may have closed that callout before the press."""

    async def story(bench: Bench, service: Service) -> None:
        service.hold[Asked.RAISE] = asyncio.Event()
        await bench.press(1)
        await bench.until(lambda: service.asked.count(Asked.RAISE) == 1)
        answers = itertools.count()
        service.fault = lambda asked: lost(asked, "connect") if asked is Asked.RAISE and next(answers) else None  # all but the first
        await bench.decide(Pressed(Press(2, bench.clock.at(), bench.clock.wall(), "button:shop", response_type_id=5)))
        await bench.until(lambda: service.asked.count(Asked.RAISE) == 2)
        assert service.types == [1, 5]
        service.hold.pop(Asked.RAISE).set()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE and len(service.types) > 3)
        assert [press.number for press in bench.state.owed] == [2]
        service.fault = lambda _: None
        await bench.until(lambda: not bench.state.owed)

    play(story)


class Hasty(Bench):
    """The wearer presses again in the very moment in which the code is to leave."""

    pressed = False

    def decide(self, event: Happening) -> Awaitable[None]:
        if isinstance(event, CancelSent) and not self.pressed:
            self.pressed = True
            super().decide(Pressed(Press(2, self.clock.at(), self.clock.wall(), "button:panic")))
        return super().decide(event)


def test_code_that_a_press_takes_back_in_the_last_moment_does_not_leave():
    async def story(bench: Hasty, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        await bench.decide(CancelAsked(SafeCode("0042")))
        await bench.until(lambda: bench.state.press_number == 2 and not bench.state.owed)
        assert service.cancels == []
        assert not bench.state.calm

    play(story, kind=Hasty)


def test_lost_answers_to_a_raise_end_in_one_callout():
    async def story(bench: Bench, service: Service) -> None:
        left = 4

        def lose(asked: Asked) -> Outcome | None:
            nonlocal left
            left -= asked is Asked.RAISE
            return lost(asked) if asked is Asked.RAISE and left >= 0 else None

        service.lose = lose
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE and not bench.state.owed)
        assert len(service.callouts) == 1

    play(story)


@pytest.mark.parametrize("hung", [Asked.LOOK_UP, Asked.LOCATION, Asked.READ, Asked.EVENT, Asked.CANCEL])
def test_raise_does_not_wait_behind_another_lane(hung: Asked):
    async def story(bench: Bench, service: Service) -> None:
        await bench.press(1)
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.hold[hung] = asyncio.Event()
        bench.tell(101, "something")
        bench.lanes.watch.look_up_now()
        if hung is Asked.CANCEL:
            await bench.decide(CancelAsked(SafeCode("0042")))
        await bench.until(lambda: hung in service.asked)
        before = service.asked.count(Asked.RAISE)
        await bench.press(2)
        await bench.until(lambda: service.asked.count(Asked.RAISE) > before)

    play(story)


def test_location_lane_only_moves_forward_and_after_an_outage_the_newest_goes_first():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: len(service.positions) >= 3)
        for _ in range(5):
            service.fault = lambda asked: lost(asked, "reset") if asked is Asked.LOCATION else None
            failed = len([each for each in bench.noticed if each.asked is Asked.LOCATION and each.meaning is Meaning.RETRY])
            await bench.until(
                lambda failed=failed: (
                    len([e for e in bench.noticed if e.asked is Asked.LOCATION and e.meaning is Meaning.RETRY]) > failed + 2
                )
            )
            count, back_at = len(service.positions), bench.clock.at()
            service.fault = lambda _: None
            await bench.until(lambda count=count: len(service.positions) > count)
            assert service.positions[count][1] >= back_at - 0.1, "the newest, not the oldest that waited"
        sent = [at for _, at in service.positions]
        assert sent == sorted(sent)

    play(story)


def test_position_that_dispatch_refuses_is_not_sent_again_and_the_next_one_is():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: len(service.positions) >= 1)
        refused = Outcome(Asked.LOCATION, Meaning.REJECTED, "http_400", callout_id=101, http_status=400)
        service.fault = lambda asked: refused if asked is Asked.LOCATION else None
        await bench.until(lambda: bench.noticed.count(refused) >= 2)
        service.fault = lambda _: None
        count = len(service.positions)
        await bench.until(lambda: len(service.positions) > count)
        assert bench.state.phase is Phase.ACTIVE

    play(story)


def test_refused_shape_is_changed_at_once_and_then_in_turn():
    async def story(bench: Bench, service: Service) -> None:
        refused = Outcome(Asked.RAISE, Meaning.REJECTED, "http_400", http_status=400)
        service.fault = lambda asked: refused if asked is Asked.RAISE and len(bench.noticed) < 3 else None
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)

    play(story)


def test_codes_are_handed_over_in_the_order_typed_to_the_callout_they_were_typed_for_and_streaming_goes_on():
    async def story(bench: Bench, service: Service) -> None:
        service.hold[Asked.RAISE] = asyncio.Event()
        await bench.press()
        for code in ("0042", " 9 ", "111"):
            await bench.decide(CancelAsked(SafeCode(code)))
        service.hold.pop(Asked.RAISE).set()
        await bench.until(lambda: len(service.cancels) == 3)
        assert service.cancels == [(101, "0042"), (101, " 9 "), (101, "111")]
        count = len(service.positions)
        await bench.until(lambda: len(service.positions) > count + 3)
        assert bench.state.phase is Phase.CANCELLING
        assert bench.state.calm

    play(story)


def test_lost_answer_to_a_cancel_is_tried_again_and_nothing_ends():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        left = 3

        def lose(asked: Asked) -> Outcome | None:
            nonlocal left
            left -= asked is Asked.CANCEL
            return lost(asked) if asked is Asked.CANCEL and left >= 0 else None

        service.lose = lose
        await bench.decide(CancelAsked(SafeCode("0042")))
        await bench.until(lambda: len(service.cancels) == 4 and not bench.state.cancels)
        assert stream_to(bench.state) == 101

    play(story)


def test_messages_arrive_in_order_each_once_in_spite_of_failures():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        dice = random.Random(1)  # noqa: S311 - a test's dice
        service.fault = lambda asked: lost(asked) if asked is Asked.EVENT and dice.random() < 0.5 else None
        for n in range(8):
            bench.tell(101, str(n))
        await bench.until(lambda: len(service.events) == 8)
        assert [text for _, text in service.events] == [str(n) for n in range(8)]

    play(story)


@pytest.mark.parametrize("status", [403, 404, 409])
def test_message_for_a_callout_that_dispatch_does_not_know_for_a_while_is_told_when_it_does(status: int):
    """It ends nothing, so it must lose nothing."""

    async def story(bench: Bench, service: Service) -> None:
        refused = Outcome(Asked.EVENT, Meaning.REJECTED, f"http_{status}", http_status=status)
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.fault = lambda asked: refused if asked is Asked.EVENT and service.asked.count(asked) < 6 else None
        for n in range(2):
            bench.tell(101, str(n))
        await bench.until(lambda: len(service.events) == 2)
        assert sorted(text for _, text in service.events) == ["0", "1"]

    play(story)


def test_message_for_a_callout_of_the_past_that_dispatch_does_not_know_holds_nobody_up():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.fault = lambda asked: Outcome(asked, Meaning.REJECTED, "http_404", http_status=404) if asked is Asked.EVENT else None
        bench.tell(55, "of another callout")
        await bench.until(lambda: service.asked.count(Asked.EVENT) == 1)
        while not bench.settled:  # noqa: ASYNC110 - the lane tells nobody else
            await asyncio.sleep(0)
        assert bench.settled == [("of another callout", False)]

    play(story)


def scope_refused() -> Outcome:
    """A token that may not speak in the event stream."""
    return Outcome(Asked.EVENT, Meaning.UNAUTHORISED, "scope", http_status=401)


def test_urgent_message_waits_neither_for_the_answer_to_another_nor_for_a_pause():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.hold[Asked.EVENT] = asyncio.Event()
        bench.tell(101, "an old one, whose answer never comes")
        await bench.until(lambda: service.asked.count(Asked.EVENT) == 1)
        del service.hold[Asked.EVENT]
        service.fault = lambda asked: scope_refused() if asked is Asked.EVENT else None
        bench.tell(101, "battery", urgent=True)
        await bench.until(lambda: len([each for each in bench.noticed if each.cause == "scope"]) >= 2)
        tried = service.asked.count(Asked.EVENT)
        await bench.until(lambda: len(service.positions) >= 20)
        assert service.asked.count(Asked.EVENT) == tried, f"the lane waits {SCOPE_EVERY_S} s now"
        service.fault = lambda _: None
        bench.tell(101, "shutdown", urgent=True)
        await bench.until(lambda: len(service.events) == 2)
        assert [text for _, text in service.events] == ["shutdown", "battery"]

    play(story)


def test_callout_raised_elsewhere_is_adopted_by_the_poll():
    async def story(bench: Bench, service: Service) -> None:
        service.raise_one("nested")
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        assert bench.state.origin == "elsewhere"
        await bench.until(lambda: len(service.positions) >= 2)

    play(story, poll_s=0.05)


def test_callout_that_closes_while_a_press_is_owed_is_followed_by_another():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press(1)
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.hold[Asked.RAISE] = asyncio.Event()
        await bench.press(2)
        service.close(101)
        await bench.until(lambda: bench.state.phase is Phase.RAISING)
        service.hold.pop(Asked.RAISE).set()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE and not bench.state.owed)
        assert bench.state.callout_id == 102

    play(story)


def test_attempts_that_all_hang_are_few_and_cost_no_work_and_the_first_answer_wins():
    async def story(bench: Bench, service: Service) -> None:
        service.hold[Asked.RAISE] = asyncio.Event()
        for number in range(1, 10):
            await bench.press(number)
        looks, look = itertools.count(), bench.clock.at
        bench.clock.at = lambda: next(looks) * 0.0 + look()  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bench.until(lambda: False), 0.5)
        assert next(looks) < 500, "waiting is not spinning"
        assert service.asked.count(Asked.RAISE) == 4
        service.hold.pop(Asked.RAISE).set()
        await bench.until(lambda: not bench.state.owed)
        assert len(service.callouts) == 1

    play(story, drive=False)


def test_position_is_sent_once_and_an_older_one_never_follows():
    async def story(bench: Bench, service: Service) -> None:
        at = bench.clock.at()
        bench.fix = Fix(at, 1.8e9, "fake", -33.9, 18.4)
        await bench.press()
        await bench.until(lambda: len(service.positions) == 1)
        for older in (at, at - 1.0):
            bench.fix = Fix(older, 1.8e9, "fake", -33.9, 18.4)
            bench.lanes.location.locate_now()
            reads = service.asked.count(Asked.READ)
            await bench.until(lambda reads=reads: service.asked.count(Asked.READ) > reads + 3)
        assert service.positions == [(101, at)]
        bench.fix = Fix(at + 1.0, 1.8e9, "fake", -33.9, 18.4)
        bench.lanes.location.ring()
        await bench.until(lambda: len(service.positions) == 2)

    play(story, drive=False)


def test_position_that_grew_older_while_a_connection_was_opened_is_not_the_one_that_leaves():
    """Another receiver has taken over, and lags behind."""

    async def story(bench: Bench, service: Service) -> None:
        locate = bench.lanes.location._dispatch.locate

        async def lagging(to: CalloutId, newest: Callable[[], Fix], *, deadline_s: float) -> Outcome:
            assert bench.fix is not None
            bench.fix = replace(bench.fix, at=bench.fix.at - 9.0)
            return await locate(to, newest, deadline_s=deadline_s)

        bench.lanes.location._dispatch.locate = lagging  # type: ignore[method-assign]
        since_at = bench.clock.at()
        await bench.press()
        await bench.until(lambda: len(service.positions) == 5)
        times = [at for _, at in service.positions]
        assert times == sorted(times)
        assert min(times) > since_at - 1.0

    play(story)


def test_dispatch_that_asks_for_time_is_given_it_by_the_location_lane():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: len(service.positions) >= 2)
        busy = Outcome(Asked.LOCATION, Meaning.RETRY, "http_429", callout_id=101, http_status=429, retry_after_s=0.4)
        tried: list[float] = []

        def fault(asked: Asked) -> Outcome | None:
            if asked is Asked.LOCATION:
                tried.append(bench.clock.at())
            return busy if asked is Asked.LOCATION else None

        service.fault = fault
        await bench.until(lambda: len(tried) == 3)
        assert min(later - earlier for earlier, later in itertools.pairwise(tried)) >= 0.4

    play(story)


@pytest.mark.parametrize("asked", [Asked.LOCATION, Asked.READ, Asked.EVENT, Asked.CANCEL])
def test_link_that_comes_back_ends_the_wait_of_every_lane(asked: Asked):
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.fault = lambda each: (
            Outcome(each, Meaning.RETRY, "http_503", http_status=503, retry_after_s=15.0) if each is asked else None
        )
        bench.tell(101, "hello")
        if asked is Asked.CANCEL:
            await bench.decide(CancelAsked(SafeCode("1")))
        await bench.until(lambda: any(each.asked is asked and each.http_status == 503 for each in bench.noticed))
        service.fault = lambda _: None
        count, hurried_at = service.asked.count(asked), bench.clock.at()
        bench.lanes.hurry()
        await bench.until(lambda: service.asked.count(asked) > count)
        assert bench.clock.at() - hurried_at < 5.0

    play(story)


def test_raise_that_was_sent_while_a_cancel_was_on_the_wire_settles_no_press():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press(1)
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.hold[Asked.CANCEL] = asyncio.Event()
        await bench.decide(CancelAsked(SafeCode("0042")))
        await bench.until(lambda: Asked.CANCEL in service.asked)
        raised = service.asked.count(Asked.RAISE)
        await bench.press(2)
        await bench.until(lambda: service.asked.count(Asked.RAISE) > raised + 1)
        assert [press.number for press in bench.state.owed] == [2], "the cancel may end what that raise returned"
        service.hold.pop(Asked.CANCEL).set()
        await bench.until(lambda: not bench.state.owed)
        assert bench.state.phase is Phase.ACTIVE

    play(story)


def test_cancel_of_an_overtaken_drill_never_reaches_the_real_callout():
    async def story(bench: Bench, service: Service) -> None:
        service.callouts = {101: "created", 102: "created"}
        cancels = (Cancel(1, None, 101),)
        bench.decider.state = State(Phase.ACTIVE, 102, "button:panic", overtaken=101, cancels=cancels, cancel_number=1, press_number=2)
        bench.lanes.ring()
        await bench.until(lambda: not bench.state.cancels)
        assert service.cancels == [(101, None)]

    play(story)


def test_dispatch_that_asks_for_time_is_given_it_by_the_cancel_lane():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        busy = Outcome(Asked.CANCEL, Meaning.RETRY, "http_429", callout_id=101, http_status=429, retry_after_s=0.2)
        tried: list[float] = []

        def fault(asked: Asked) -> Outcome | None:
            if asked is Asked.CANCEL:
                tried.append(bench.clock.at())
            return busy if asked is Asked.CANCEL else None

        service.fault = fault
        await bench.decide(CancelAsked(SafeCode("0042")))
        await bench.until(lambda: len(tried) == 3)
        assert min(later - earlier for earlier, later in itertools.pairwise(tried)) >= 0.2

    play(story)


def test_next_callout_gets_the_newest_position_though_the_last_one_had_it():
    """The receiver may be dead since."""

    async def story(bench: Bench, service: Service) -> None:
        bench.fix = Fix(bench.clock.at(), 1.8e9, "fake", -33.9, 18.4)
        await bench.press(1)
        await bench.until(lambda: len(service.positions) == 1)
        service.close(101)
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        await bench.press(2)
        await bench.until(lambda: len(service.positions) == 2)
        assert service.positions == [(101, bench.fix.at), (102, bench.fix.at)]

    play(story, drive=False)


def test_press_sends_a_position_at_once_whatever_the_cadence():
    async def story(bench: Bench, service: Service) -> None:
        bench.terms = replace(bench.terms, pace=Pace(send_active_s=60.0, send_min_s=60.0, send_max_s=60.0))
        await bench.press(1)
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE and len(service.positions) >= 1)
        sent = len(service.positions)
        await bench.press(2)
        await bench.until(lambda: len(service.positions) > sent)

    play(story)


def test_cancelled_callout_is_closed_by_what_its_positions_meet_too():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: len(service.positions) >= 1)
        service.hold[Asked.READ] = asyncio.Event()
        await bench.decide(CancelAsked(SafeCode("0042")))
        await bench.until(lambda: len(service.cancels) == 1)
        service.close(101)
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        assert bench.state.calm

    play(story)


def test_callout_that_was_closed_and_answers_a_raise_is_ours_once_it_takes_a_position():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press(1)
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        service.close(101)
        await bench.until(lambda: bench.state.phase is Phase.STANDBY)
        service.callouts[101] = "created"
        await bench.press(2)
        await bench.until(lambda: not bench.state.owed)
        assert bench.state.callout_id == 101

    play(story)


def test_look_up_that_was_asked_for_once_is_made_once():
    async def story(bench: Bench, service: Service) -> None:
        await bench.press()
        await bench.until(lambda: bench.state.phase is Phase.ACTIVE)
        before = service.asked.count(Asked.LOOK_UP)
        bench.lanes.watch.look_up_now()
        reads = service.asked.count(Asked.READ)
        await bench.until(lambda: service.asked.count(Asked.READ) > reads + 5)
        assert service.asked.count(Asked.LOOK_UP) == before + 1

    play(story)
