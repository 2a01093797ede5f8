"""What is told of a lost link and a lost sky: each change once, with its times, and nothing that was only supposed."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wording
from agent.model import Fix
from agent.outage import Outage

MIDNIGHT = 1_772_409_600.0  # 2026-03-02T00:00:00Z
STALE_S = 10  # a fix older than this is not live
DEADLINE_S = 5  # of a request that nobody answers
CALLOUT = 101


class Ride:
    """A device second by second, from midnight: a fix each second under the sky, a request every 5 s, answered while there is a link."""

    def __init__(self, trail_after_s: float = 30.0, *, started_at: float = 5_000.0) -> None:
        self.outage = Outage(trail_after_s)
        self.second = 0
        self.told: list[tuple[int, str]] = []
        self.to: int | None = CALLOUT
        self.clock_ahead_s = 0.0
        self._started_at = started_at
        self._fix: Fix | None = None

    def go(self, seconds: int, *, link: bool = True, sky: bool = True) -> list[str]:
        """Ride on; what was told meanwhile."""
        before = len(self.told)
        for _ in range(seconds):
            at, wall = self._started_at + self.second, MIDNIGHT + self.second + self.clock_ahead_s
            if sky:
                self._fix = Fix(at, wall, "gps", -33.9, 18.4)
            live = self._fix if self._fix is not None and at - self._fix.at <= STALE_S else None
            self._hear(self.outage.looked(self.to, live, at=at, wall=wall))
            if self.second % DEADLINE_S == 0:
                self._hear(self.outage.replied(self.to, through=link, at=at, wall=wall))
            self.second += 1
        return [text for _, text in self.told[before:]]

    def _hear(self, text: str | None) -> None:
        if text is not None:
            self.told.append((self.second, text))


def clock(*seconds: float) -> list[str]:
    return [wording.utc(MIDNIGHT + each) for each in seconds]


def times(text: str) -> list[str]:
    return re.findall(r"\d{4}-\d\d-\d\dT[\d:]{8}Z", text)


def test_good_ride_is_nothing_to_tell():
    assert Ride().go(600) == []


def test_outage_is_told_once_when_the_link_is_back():
    ride = Ride()
    ride.go(100)
    assert ride.go(90, link=False) == []
    (text,) = ride.go(300)
    assert times(text) == clock(95, 190)
    assert "95 s" in text or "2 min" in text
    assert "known throughout" in text
    assert "jamming" not in text


@pytest.mark.parametrize(("dark_s", "told"), [(20, 0), (25, 1)])
def test_outage_shorter_than_configured_is_not_told(dark_s: int, told: int):
    ride = Ride(30)
    ride.go(100)
    ride.go(dark_s, link=False)  # the last reply was 5 s before
    assert len(ride.go(60)) == told


def test_silence_without_a_failed_request_is_no_outage():
    outage = Outage(30)
    outage.replied(CALLOUT, through=True, at=100, wall=MIDNIGHT)
    assert outage.replied(CALLOUT, through=True, at=500, wall=MIDNIGHT + 400) is None


def test_gap_during_an_outage_is_in_its_sentence_alone():
    ride = Ride()
    ride.go(100)
    ride.go(40, link=False)
    assert ride.go(80, link=False, sky=False) == []
    assert ride.go(20, link=False) == []
    (text,) = ride.go(200)
    assert times(text) == clock(95, 240, 139, 220)
    assert "jamming" not in text


def test_link_and_sky_lost_together_may_be_jamming():
    ride = Ride()
    ride.go(100)
    ride.go(60, link=False, sky=False)
    (text,) = ride.go(100)
    assert "jamming is possible" in text
    assert times(text) == clock(95, 160, 99, 160)


@pytest.mark.parametrize(("first_sky", "apart_s", "jamming"), [(True, 25, True), (True, 45, False), (False, 20, True), (False, 40, False)])
def test_jamming_is_possible_only_where_both_were_lost_within_half_a_minute(*, first_sky: bool, apart_s: int, jamming: bool):
    ride = Ride()
    ride.go(101)
    ride.go(apart_s, link=first_sky, sky=not first_sky)
    ride.go(50, link=False, sky=False)
    (text,) = ride.go(20)
    assert ("jamming" in text) is jamming


def test_sky_that_is_still_lost_when_the_link_is_back_is_told_then_and_its_return_alone():
    ride = Ride()
    ride.go(100)
    ride.go(60, link=False, sky=False)
    (text,) = ride.go(300, sky=False)
    assert times(text) == clock(95, 160, 99)
    (back,) = ride.go(100)
    assert times(back) == clock(460, 99)


def test_sky_lost_with_a_good_link_is_told_after_a_minute_and_its_return_once():
    ride = Ride()
    ride.go(100)
    assert ride.go(59, sky=False) == []
    (lost,) = ride.go(300, sky=False)
    assert times(lost) == clock(99)
    assert "60 s old" in lost
    (back,) = ride.go(300)
    assert times(back) == clock(459, 99)


def test_short_loss_of_the_sky_is_not_told_nor_its_return():
    ride = Ride()
    ride.go(100)
    assert ride.go(55, sky=False) + ride.go(100) == []


def test_return_of_the_sky_during_an_outage_is_told_by_the_outage():
    ride = Ride()
    ride.go(100)
    assert len(ride.go(100, sky=False)) == 1
    assert ride.go(30, link=False, sky=False) + ride.go(60, link=False) == []
    (text,) = ride.go(100)
    assert times(text) == clock(195, 290, 99, 230)


def test_return_of_the_sky_during_a_short_outage_is_told_after_it_and_once():
    ride = Ride()
    ride.go(100)
    assert len(ride.go(100, sky=False)) == 1
    assert ride.go(6, link=False, sky=False) + ride.go(4, link=False) == []
    (back,) = ride.go(100)
    assert times(back) == clock(206, 99)
    assert ride.go(6, link=False) + ride.go(100) == []


def test_sky_lost_during_a_short_outage_is_told_after_it():
    ride = Ride()
    ride.go(100)
    ride.go(50, sky=False)
    assert ride.go(15, link=False, sky=False) == []
    (lost,) = ride.go(60, sky=False)
    assert times(lost) == clock(99)


@pytest.mark.parametrize(("without_s", "told"), [(9, "known throughout"), (11, "No position from")])
def test_gap_that_no_look_saw_is_told_by_the_positions_beside_it(without_s: int, told: str):
    outage = Outage(5)
    outage.looked(CALLOUT, Fix(100, MIDNIGHT, "gps", -33.9, 18.4), at=100, wall=MIDNIGHT)
    outage.replied(CALLOUT, through=False, at=101, wall=MIDNIGHT + 1)
    after = 100 + without_s
    outage.looked(CALLOUT, Fix(after, MIDNIGHT, "gps", -33.9, 18.4), at=after, wall=MIDNIGHT + without_s)
    assert told in (outage.replied(CALLOUT, through=True, at=after, wall=MIDNIGHT + without_s) or "")


def test_device_that_never_had_a_position_tells_of_no_loss():
    ride = Ride()
    assert ride.go(300, sky=False) == [], "the raise has told it, or the process before this one"
    ride.go(60, link=False, sky=False)
    (text,) = ride.go(60, sky=False)
    assert "no live position" in text
    assert "jamming" not in text
    assert ride.go(60) == []
    ride.go(60, link=False)
    assert "known throughout" in ride.go(60)[0]


def test_first_position_during_an_outage_ends_what_has_no_beginning():
    ride = Ride()
    ride.go(10, sky=False)
    ride.go(60, link=False, sky=False)
    ride.go(30, link=False)
    (text,) = ride.go(60)
    assert times(text) == clock(5, 100, 70)
    assert "No position until" in text


def test_nothing_is_told_without_a_callout_and_each_callout_begins_anew():
    ride = Ride()
    ride.to = None
    assert ride.go(100) + ride.go(200, link=False, sky=False) + ride.go(100) == []
    ride.to = CALLOUT
    ride.go(100)
    ride.go(40, link=False)
    ride.to = CALLOUT + 1
    assert ride.go(100) == [], "the outage before it is not its own"


def test_times_are_told_by_the_clock_as_it_was_set_meanwhile():
    ride = Ride()
    ride.clock_ahead_s = -3_600.0
    ride.go(100)
    ride.go(20, link=False, sky=False)
    ride.clock_ahead_s = 0.0
    ride.go(40, link=False, sky=False)
    assert times(ride.go(60)[0]) == clock(95, 160, 99, 160)


def test_flicker_of_a_whole_day_stays_one_short_sentence():
    ride = Ride()
    ride.go(100)
    for _ in range(500):
        ride.go(15, link=False, sky=False)
        ride.go(2, link=False)
    (text,) = ride.go(10)
    assert len(text) < wording.MAX_EVENT_CHARS / 2
    assert "497 times more" in text
    assert "jamming" in text, "the first gap is remembered"


@given(legs=st.lists(st.tuples(st.integers(1, 120), st.booleans(), st.booleans()), max_size=12), trail_after_s=st.sampled_from([0, 30, 90]))
def test_each_change_is_told_once_whatever_happens(legs: list[tuple[int, bool, bool]], trail_after_s: int):
    ride = Ride(trail_after_s)
    ride.go(20)
    for seconds, link, sky in legs:
        ride.go(seconds, link=link, sky=sky)
    ride.go(20)
    texts = [text for _, text in ride.told]
    outages = [times(text)[:2] for text in texts if text.startswith("Nothing got through")]
    assert outages == sorted(outages)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(outages)), "no moment is told twice"
    begun = [times(text)[0] for text in texts if text.startswith("No position since")]
    ended = [times(text)[1] for text in texts if text.startswith("Positions")]
    assert len(set(begun)) == len(begun)
    assert len(set(ended)) == len(ended)
    known = set(begun) | {when for text in texts for when in re.findall(r"since ([\dTZ:-]+)", text) if text.startswith("Nothing")}
    assert set(ended) <= known, "an end is told only of what was told to have begun"
    ends = set(ended) | {begin for text in texts if text.startswith("Nothing") for begin in re.findall(r"from ([\dTZ:-]+) to", text)}
    assert set(begun) <= ends, "every ride ends well, so what began has been told to have ended"
