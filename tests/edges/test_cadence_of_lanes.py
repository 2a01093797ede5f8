"""At what pace the location lane posts and the watch lane reads, over minutes that pass in no time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from dispatchers import Service, lost
from model_time import Trial, try_out

from agent.delivery import KEEPALIVE_S
from agent.model import Asked, Fix, Meaning, Outcome, SafeCode
from agent.signals import CancelAsked

LEAST_S, USUAL_S, MOST_S = 5.0, 8.0, 20.0


class Wearer:
    """Whoever carries the device of a trial: standing at first."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.speed_mps, self.track_deg, self._north = trial, 0.0, 0.0, 0.0

    async def walk(self) -> None:
        """A fix every second, for ever."""
        while True:
            now_at = self.trial.clock.at()
            self._north += self.speed_mps / 111_195
            self.trial.fix = Fix(now_at, 1.8e9 + now_at, "fake", self._north, 18.4, 5.0, None, self.speed_mps, self.track_deg)
            self.trial.lanes.location.ring()
            await asyncio.sleep(1.0)


def follow(story: Callable[[Trial, Service, Wearer], Awaitable[None]]) -> None:
    """Tell a story that begins with a callout that has its first position."""

    async def whole(trial: Trial, service: Service) -> None:
        trial.terms = replace(trial.terms, pace=replace(trial.terms.pace, send_min_s=LEAST_S, send_active_s=USUAL_S, send_max_s=MOST_S))
        wearer = Wearer(trial)
        walking = asyncio.ensure_future(wearer.walk())
        try:
            await trial.press()
            await trial.until(lambda: service.positions)
            await story(trial, service, wearer)
        finally:
            walking.cancel()

    try_out(whole)


def times(trial: Trial, asked: Asked = Asked.LOCATION, since_at: float = 0.0) -> list[float]:
    return [each.at for each in trial.went if each.asked is asked and each.at >= since_at]


def gaps(trial: Trial, asked: Asked = Asked.LOCATION, since_at: float = 0.0) -> set[float]:
    sent = times(trial, asked, since_at)
    return {round(later - earlier, 3) for earlier, later in itertools.pairwise(sent)}


async def answer_slowly(trial: Trial, service: Service) -> None:
    """Each position is answered after 3 s, from the next one on, for ever."""
    while True:
        service.hold[Asked.LOCATION] = held = asyncio.Event()
        posted = len(times(trial))
        await trial.until(lambda posted=posted: len(times(trial)) > posted)
        await asyncio.sleep(3.0)
        held.set()


@pytest.mark.parametrize(
    ("status", "every_s"), [("created", USUAL_S), ("Responder Dispatched", LEAST_S), ("Responder Arrived", MOST_S), ("whatever", USUAL_S)]
)
def test_what_dispatch_says_of_a_responder_sets_the_pace_of_positions_and_reads(status: str, every_s: float):
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        service.callouts[101] = status
        await asyncio.sleep(60)
        since_at = trial.clock.at()
        await asyncio.sleep(300)
        assert gaps(trial, since_at=since_at) == {every_s}, "a wearer who stands is not silenced"
        assert gaps(trial, Asked.READ, since_at) == {every_s}

    follow(story)


def test_pace_that_dispatch_quickens_is_kept_from_the_same_moment():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        service.callouts[101] = "Responder Arrived"
        await asyncio.sleep(100)
        await trial.until(lambda: times(trial)[-1] == trial.clock.at())
        trial.lanes.watch.read_now()
        service.callouts[101] = "Responder Dispatched"
        posted_at = times(trial)[-1]
        await trial.until(lambda: times(trial)[-1] > posted_at)
        assert trial.clock.at() - posted_at <= LEAST_S + 1.0

    follow(story)


@pytest.mark.parametrize("manoeuvre", ["start", "turn", "stop"])
def test_manoeuvre_is_told_at_once_but_not_sooner_than_the_least_pause(manoeuvre: str):
    async def story(trial: Trial, service: Service, wearer: Wearer) -> None:
        service.callouts[101] = "Responder Arrived"  # the longest pauses
        wearer.speed_mps = 0.0 if manoeuvre == "start" else 12.0
        await asyncio.sleep(100)
        posted_at = times(trial)[-1]
        await trial.until(lambda: times(trial)[-1] > posted_at)
        posted_at = times(trial)[-1]
        await asyncio.sleep(2.5)
        if manoeuvre == "turn":
            wearer.track_deg = 120.0
        else:
            wearer.speed_mps = 12.0 - wearer.speed_mps
        await asyncio.sleep(60)
        assert [at - posted_at for at in times(trial) if at > posted_at][:2] == [LEAST_S, LEAST_S + MOST_S]

    follow(story)


def test_line_that_answers_slowly_is_spared_and_used_again_once_it_is_quick():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        slow = asyncio.ensure_future(answer_slowly(trial, service))
        await asyncio.sleep(120)
        since_at = trial.clock.at()
        await asyncio.sleep(120)
        assert gaps(trial, since_at=since_at) == {MOST_S}
        slow.cancel()
        service.hold.clear()
        await asyncio.sleep(4 * MOST_S + 1)
        since_at = trial.clock.at()
        await asyncio.sleep(120)
        assert gaps(trial, since_at=since_at) == {USUAL_S}

    follow(story)


def test_connections_that_take_long_to_open_make_no_slow_line():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        every_s = KEEPALIVE_S + 5.0  # each position needs a new one
        trial.terms = replace(trial.terms, pace=replace(trial.terms.pace, send_active_s=every_s, send_max_s=2 * every_s))
        slow = asyncio.ensure_future(answer_slowly(trial, service))
        await asyncio.sleep(600)
        slow.cancel()
        assert max(gaps(trial)) == every_s

    follow(story)


def test_line_that_loses_half_of_what_it_is_given_is_spared():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        tries = itertools.count()
        service.fault = lambda asked: lost(asked, "reset") if asked is Asked.LOCATION and next(tries) % 2 == 0 else None
        await asyncio.sleep(120)
        accepted, since_at = len(service.positions), trial.clock.at()
        await asyncio.sleep(200)
        assert len(service.positions) - accepted <= 200 / MOST_S + 1
        assert max(gaps(trial, since_at=since_at)) <= MOST_S

    follow(story)


def test_line_that_was_away_for_an_hour_is_used_at_full_pace_when_it_is_back():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        service.fault = lambda asked: lost(asked, "connect")
        await asyncio.sleep(3600)
        service.fault = lambda _: None
        trial.lanes.hurry()
        back_at = trial.clock.at()
        await asyncio.sleep(60)
        assert times(trial, since_at=back_at)[0] == back_at
        assert gaps(trial, since_at=back_at) == {USUAL_S}

    follow(story)


def test_first_answer_after_a_silence_of_which_no_kernel_told_ends_every_wait():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        for _ in range(20):
            service.fault = lost
            await asyncio.sleep(60)
            service.fault = lambda _: None
            heard = len(trial.noticed)
            await trial.until(lambda heard=heard: any(each.http_status for each in trial.noticed[heard:]))
            had = len(service.positions)
            back_at = trial.clock.at()
            await trial.until(lambda had=had: len(service.positions) > had or trial.noticed[-1].asked is Asked.LOCATION)
            assert trial.clock.at() - back_at <= 1.0

    follow(story)


def test_lane_that_fails_at_once_beside_one_that_gets_answers_keeps_its_pauses():
    """Each answer would start the next failure: as fast as the network goes, for as long as the clock is wrong."""

    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        await asyncio.sleep(60)
        since_at, enough = trial.clock.at(), service.asked.count(Asked.LOCATION) + 300
        failing = lost(Asked.LOCATION, "tls.clock")
        service.fault = lambda asked: failing if asked is Asked.LOCATION and service.asked.count(asked) < enough else None
        await asyncio.sleep(120)
        assert gaps(trial, Asked.READ, since_at) == {USUAL_S}
        assert 120 / 15 <= len(times(trial, since_at=since_at)) <= 40
        assert not times(trial, Asked.LOOK_UP, since_at)

    follow(story)


def test_refused_positions_and_a_cancel_change_no_pace():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        refused = Outcome(Asked.LOCATION, Meaning.REJECTED, "http_400", callout_id=101, http_status=400)
        service.fault = lambda asked: refused if asked is Asked.LOCATION else None
        await trial.decide(CancelAsked(SafeCode("0042")))
        since_at = trial.clock.at()
        await asyncio.sleep(120)
        assert gaps(trial, since_at=since_at) == {USUAL_S}

    follow(story)


def test_poor_line_of_one_callout_says_nothing_of_the_next():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        tries = itertools.count()
        service.fault = lambda asked: lost(asked, "reset") if asked is Asked.LOCATION and next(tries) % 2 == 0 else None
        await asyncio.sleep(120)
        assert trial.lanes.location.interval_s == MOST_S
        service.fault = lambda _: None
        service.close(101)
        await trial.until(lambda: trial.state.callout_id is None)
        await trial.press(2)
        await trial.until(lambda: trial.state.callout_id == 102)
        since_at = trial.clock.at()
        await asyncio.sleep(60)
        assert gaps(trial, since_at=since_at) <= {USUAL_S, 0.0}

    follow(story)


def test_press_while_a_position_is_on_its_way_sends_the_next_one_at_once():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        service.hold[Asked.LOCATION] = held = asyncio.Event()
        posted = len(times(trial))
        await trial.until(lambda: len(times(trial)) > posted)
        await asyncio.sleep(1.5)
        await trial.press(2)
        await asyncio.sleep(0.5)
        service.hold.clear()
        held.set()
        await asyncio.sleep(1.0)
        assert len(times(trial)) == posted + 2

    follow(story)


def test_network_that_changes_ends_a_position_that_hangs_and_the_newest_goes_at_once():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        await trial.fall_silent()
        posted = len(times(trial))
        await trial.until(lambda: len(times(trial)) > posted)
        await asyncio.sleep(3.5)
        await trial.speak()
        trial.lanes.hurry()
        changed_at = trial.clock.at()
        count = len(service.positions)
        await trial.until(lambda: len(service.positions) > count)
        assert trial.clock.at() == changed_at
        assert service.positions[-1][1] >= changed_at - 1.0, "the newest"

    follow(story)


def test_position_that_has_just_left_is_let_finish_and_a_network_that_flaps_starves_no_slow_line():
    async def story(trial: Trial, service: Service, _wearer: Wearer) -> None:
        await trial.fall_silent()
        posted = len(times(trial))
        await trial.until(lambda: len(times(trial)) > posted)
        await asyncio.sleep(1.5)
        trial.lanes.hurry()
        await asyncio.sleep(0.1)
        assert len(times(trial)) == posted + 1
        for _ in range(3):
            await asyncio.sleep(3.0)
            trial.lanes.hurry()
        await asyncio.sleep(0.1)
        assert len(times(trial)) == posted + 4
        for _ in range(3):
            await asyncio.sleep(3.0)
            trial.lanes.hurry()
        await asyncio.sleep(0.1)
        assert len(times(trial)) == posted + 4, "this one has its time"
        await trial.speak()
        count = len(service.positions)
        await trial.until(lambda: len(service.positions) > count)

    follow(story)
