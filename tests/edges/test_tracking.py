"""The track grows at the pace that the outward state allows: after a cancel like in standby (law 5)."""

from __future__ import annotations

from functools import partial

import pytest

from agent.cadence import Pace
from agent.clock import SystemClock
from agent.model import Fix, Report
from agent.positions import Positions
from agent.signals import Phase, State
from agent.tracking import Tracking

STANDBY = State()
ACTIVE = State(Phase.ACTIVE, callout_id=7)
CANCELLING = State(Phase.CANCELLING, callout_id=7, calm=True)


class Kept:
    """A store that remembers what it was asked to keep."""

    def __init__(self) -> None:
        self.recorded: list[float] = []
        self.told: list[float] = []

    def record(self, fix: Fix) -> None:
        """Into the track."""
        self.recorded.append(fix.at)

    def sent(self, fix: Fix) -> None:
        """Accepted by dispatch."""
        self.told.append(fix.at)


def drive(state: State, seconds: int = 120) -> tuple[Kept, Tracking]:
    """Stand still for so long, one report a second, every fifth fix accepted by dispatch if there is a callout."""
    store, clock = Kept(), SystemClock()
    positions = Positions((("serial", "serial"),))
    track = partial(Tracking, positions, store, clock, Pace(), state=lambda: state)
    tracking = track(fresh=lambda: None, ailing=lambda: None, vouch=clock.hear)
    base = clock.wall()
    for at in range(seconds):
        tracking.hear(Report(float(at), "serial", 3, gnss_time=base + at, latitude=1.5, longitude=2.5, accuracy_m=5.0))
        if state.callout_id is not None and at % 5 == 0 and positions.newest is not None:
            tracking.sent(positions.newest)
    return store, tracking


def test_cancelled_callout_grows_the_track_exactly_like_standby():
    assert drive(CANCELLING)[0].recorded == drive(STANDBY)[0].recorded


def test_what_dispatch_has_of_a_cancelled_callout_is_marked_so_that_no_trail_tells_it_again():
    store, tracking = drive(CANCELLING)
    assert len(store.told) == tracking.stream.sent >= 20


def test_every_position_that_dispatch_has_is_in_the_track_and_marked():
    store, tracking = drive(ACTIVE)
    assert len(store.told) >= 20
    assert set(store.told) <= set(store.recorded)
    assert tracking.stream.sent == len(store.told)


@pytest.mark.parametrize("state", [STANDBY, ACTIVE, CANCELLING])
def test_track_never_goes_back(state: State):
    recorded = drive(state)[0].recorded
    assert recorded == sorted(set(recorded))


@pytest.mark.parametrize(("state", "grows"), [(ACTIVE, 1), (CANCELLING, 0)])
def test_doubtful_position_of_a_cancelled_callout_is_sent_and_not_in_the_track(state: State, grows: int):
    """In standby no doubtful one is used at all, and the track would tell that this one was."""
    store, told = Kept(), []

    class Doubtful:
        def relieve(self, at: float) -> Fix:
            return Fix(at, 1.8e9, "serial", 1.5, 2.5)

    tracking = Tracking(
        Doubtful(),  # type: ignore[arg-type]
        store,  # type: ignore[arg-type]
        SystemClock(),
        Pace(),
        state=lambda: state,
        fresh=lambda: told.append("fresh"),
        ailing=lambda: None,
        vouch=lambda _report: None,
    )
    assert tracking.relieve() is not None
    assert (len(store.recorded), told) == (grows, ["fresh"])


@pytest.mark.parametrize(("kind", "vouched"), [("serial", 3), ("gpsd", 3), ("replay", 0)])
def test_reports_of_live_receivers_and_of_no_log_vouch_for_the_time(kind: str, vouched: int):
    told: list[Report] = []
    positions, clock = Positions((("x", kind),)), SystemClock()
    track = partial(Tracking, positions, Kept(), clock, Pace(), state=lambda: STANDBY)
    tracking = track(fresh=lambda: None, ailing=lambda: None, vouch=told.append)
    for at in range(3):
        tracking.hear(Report(float(at), "x", 3, gnss_time=clock.wall(), latitude=1.5, longitude=2.5))
    assert len(told) == vouched
