"""Which receiver is used, and what a raise carries: the order of DESIGN section 5, and nobody's silence hides another's fixes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import BUILT_AT_WALL
from agent.model import Fix, Quality, Report
from agent.positions import HELD_S, Positions, Site

T0 = BUILT_AT_WALL + 86_400.0
LAT, LON = -33.9249, 18.4241


def report(receiver: str, at: float, latitude: float = LAT) -> Report:
    return Report(at, receiver, 3, gnss_time=T0 + at, latitude=latitude, longitude=LON, accuracy_m=5.0)


def hear(positions: Positions, each: Report) -> list[Fix]:
    return list(positions.hear(each, wall=T0 + each.at, wall_trusted=True)[0])


def two() -> Positions:
    return Positions((("gpsd", "gpsd"), ("serial", "serial")), Site(1.0, 2.0, 50.0))


def test_first_receiver_that_lives_is_used_and_the_other_is_only_listened_to():
    positions = two()
    taken = [fix.receiver for at in range(10) for name in ("gpsd", "serial") for fix in hear(positions, report(name, at + 0.1))]
    assert set(taken) == {"gpsd"}
    assert positions.sources["serial"].fix_at is not None


def test_next_receiver_takes_over_within_five_seconds_and_back_when_the_first_returns():
    positions = two()
    for at in range(10):
        hear(positions, report("gpsd", at))
        hear(positions, report("serial", at + 0.5))
    taken = {}
    for at in range(10, 30):
        if at >= 20:
            hear(positions, report("gpsd", at))
        hear(positions, report("serial", at + 0.5))
        assert positions.newest is not None
        taken[at] = positions.newest.receiver
    assert taken[14] == "serial", "9 + 5 s"
    assert taken[21] == "gpsd"
    assert all(positions.newest.at <= at + 0.5 for at in [29])


def test_receiver_that_talks_without_a_position_yields_to_one_that_has_one():
    positions = two()
    for at in range(10):
        hear(positions, replace(report("gpsd", at), mode=1, latitude=None, longitude=None))
        hear(positions, report("serial", at + 0.5))
    assert positions.newest is not None
    assert positions.newest.receiver == "serial"


def test_newest_fix_never_goes_back_in_time_across_receivers():
    positions = two()
    newest = -1.0
    for at in [*range(10), *range(16, 30)]:
        for name, late in (("gpsd", 0.0), ("serial", 0.4)):
            for fix in hear(positions, report(name, at + late)):
                assert fix.at > newest
                newest = fix.at


def test_slow_receiver_is_not_silent_between_its_fixes():
    positions = two()
    for at in range(0, 60, 5):
        hear(positions, report("gpsd", at))
        hear(positions, report("serial", at + 0.5))
    used = positions.used(59.9)
    assert used is not None
    assert used.name == "gpsd"


def test_one_fix_after_a_long_silence_does_not_make_a_receiver_slow():
    positions = two()
    for at in (*range(10), 30):
        hear(positions, report("gpsd", at))
    taken = {at: hear(positions, report("serial", at + 0.5)) for at in range(27, 36)}
    assert not taken[31], "the first one is back"
    assert taken[34], "and is given up as soon as a receiver of one fix a second may be"


def held_up(at: float, by_s: float) -> Report:
    return replace(report("gpsd", at), at=at + by_s)


def test_position_that_was_held_up_on_its_way_is_as_old_as_it_is():
    """Eight seconds of epochs come at once when a stopped gpsd goes on: none of them is of the moment of its delivery."""
    positions = two()
    for at in range(5):
        hear(positions, report("gpsd", at))
    taken = [fix.at for at in range(5, 13) for fix in hear(positions, held_up(at, 13.0 - at))]
    assert taken == pytest.approx(list(range(5, 13)), abs=HELD_S)
    assert positions.live(20.0) is not None
    assert positions.live(23.5) is None


def test_simulated_receiver_is_not_believed_for_an_epoch_that_lacks_the_word():
    positions = two()
    told = [replace(report("gpsd", at), simulated=at not in (0, 4)) for at in range(8)]
    assert [hear(positions, each) for each in told] == [[]] * 8
    assert positions.newest is None
    assert positions.relieve(8.0) is None, "not even for a wearer without any position"
    assert for_raise(positions, 8.0).quality is Quality.SITE
    assert positions.rejected(8.0)["simulated"] == 7
    real = [hear(positions, report("gpsd", at)) for at in range(8, 16)]
    assert real[:4] == [[]] * 4
    assert [fix.at for fix in real[4]] == [11, 12], "once it plays no more"


def test_small_delays_are_no_age():
    positions = two()
    for at in range(5):
        hear(positions, report("gpsd", at))
    assert [fix.at for fix in hear(positions, held_up(5, 0.8))] == [5.8]


def for_raise(positions: Positions, at: float, *, trusted: bool = True):
    return positions.for_raise(at, T0 + at, wall_trusted=trusted)


def test_raise_carries_live_then_unconfirmed_then_stored_then_site_then_nothing():
    positions = two()
    assert for_raise(positions, 0.0).quality is Quality.SITE
    positions.stored = Fix(0.0, T0 - 100, "gpsd", LAT, LON, accuracy_m=5.0)
    stored = for_raise(positions, 0.0)
    assert stored.quality is Quality.STORED
    assert stored.accuracy_m == pytest.approx(5.0 + 100 * 40.0)
    hear(positions, report("gpsd", 0.0))
    assert for_raise(positions, 1.0).quality is Quality.UNCONFIRMED
    hear(positions, report("gpsd", 1.0))
    assert for_raise(positions, 2.0).quality is Quality.LIVE
    aged = for_raise(positions, 61.0)
    assert aged.quality is Quality.STORED
    assert aged.accuracy_m == pytest.approx(5.0 + 60 * 40.0)
    assert Positions(()).for_raise(0.0, T0, wall_trusted=True) is None


def test_stored_position_of_an_untrusted_clock_has_an_accuracy_that_says_anything_is_possible():
    positions = two()
    positions.stored = Fix(0.0, T0, "gpsd", LAT, LON, accuracy_m=5.0)
    assert for_raise(positions, 0.0, trusted=False).accuracy_m == 100_000.0


def test_device_is_armed_by_a_stored_position_of_less_than_a_day_only():
    positions = Positions((("gpsd", "gpsd"),))
    assert not positions.armed(0.0, T0, wall_trusted=True)
    positions.stored = Fix(0.0, T0, "gpsd", LAT, LON)
    assert positions.armed(0.0, T0 + 3_600, wall_trusted=True)
    assert not positions.armed(0.0, T0 + 90_000, wall_trusted=True)
    assert Positions((), Site(1.0, 2.0, 50.0)).armed(0.0, T0, wall_trusted=True)


def test_starved_wearer_gets_a_doubted_position_but_not_while_fixes_are_live():
    positions = two()
    for at in range(5):
        hear(positions, report("gpsd", at))
    assert positions.relieve(5.0) is None
    for n, at in enumerate(range(5, 24)):
        hear(positions, report("gpsd", at, latitude=LAT + 1 + n))
    assert positions.live(23.0) is None
    forced = positions.relieve(23.0)
    assert forced is not None
    assert forced.quality is Quality.FORCED
    assert positions.live(23.0) is forced


def test_fix_that_waited_for_its_second_is_dropped_when_another_receiver_was_newer():
    positions = two()
    for at in range(11):
        hear(positions, report("gpsd", at))
    hear(positions, report("serial", 9.5))
    taken = hear(positions, report("serial", 15.0))
    assert [fix.at for fix in taken] == [15.0]


def test_doubted_position_is_sent_but_not_shown_as_our_own():
    positions = two()
    for at in range(5):
        hear(positions, report("gpsd", at))
    for n, at in enumerate(range(5, 24)):
        hear(positions, report("gpsd", at, latitude=LAT + 1 + n))
    shown = positions.newest
    assert positions.relieve(23.0) is not None
    assert positions.newest is shown
    assert positions.own(23.0) is None
    assert positions.live(23.0) is not None


def test_clock_that_is_not_trusted_arms_nothing_by_a_stored_position():
    positions = Positions((("gpsd", "gpsd"),))
    positions.stored = Fix(0.0, T0, "gpsd", LAT, LON)
    assert not positions.armed(0.0, 12.0, wall_trusted=False)


@pytest.mark.parametrize("trusted", [True, False])
def test_stored_position_of_this_boot_has_an_exact_age_whatever_the_wall_clock_shows(*, trusted: bool):
    """A restart of the process on a clock that nobody vouches for, or that was put right meanwhile."""
    positions = Positions((("gpsd", "gpsd"),))
    positions.stored = Fix(500.0, 12.0, "gpsd", LAT, LON, accuracy_m=5.0, wall_trusted=False)
    assert positions.armed(560.0, T0, wall_trusted=trusted)
    assert positions.for_raise(560.0, T0, wall_trusted=trusted).accuracy_m == pytest.approx(5.0 + 60 * 40.0)
    assert not positions.armed(500.0 + 86_401, T0, wall_trusted=trusted)


@pytest.mark.parametrize(("wall", "trusted"), [(T0 - 60, False), (T0 + 3_600, True)])
def test_stored_position_of_another_boot_that_has_no_time_or_one_to_come_arms_nothing(wall: float, *, trusted: bool):
    positions = Positions((("gpsd", "gpsd"),))
    positions.stored = Fix(-60.0, wall, "gpsd", LAT, LON, accuracy_m=5.0, wall_trusted=trusted)
    assert not positions.armed(10.0, T0, wall_trusted=True)
    assert positions.for_raise(10.0, T0, wall_trusted=True).accuracy_m == 100_000.0


def test_position_from_before_a_suspend_is_as_old_as_that_was_long():
    """The monotonic clock stands still meanwhile: by it alone a place of this morning would be the present one (law 3)."""
    asleep = [0.0]
    positions = Positions((("gpsd", "gpsd"),), asleep_s=lambda: asleep[0])
    for at in range(100, 110):
        hear(positions, report("gpsd", at))
    asleep[0] = 3_600.0
    assert positions.live(109.5) is None
    assert positions.own(109.5) is None
    place = positions.for_raise(109.5, T0, wall_trusted=True)
    assert place is not None
    assert place.quality is Quality.STORED
    assert place.accuracy_m == pytest.approx(100_000.0)
    asleep[0] += 86_400.0
    assert not positions.armed(109.6, T0, wall_trusted=True)
    assert positions.relieve(109.6) is None


def test_first_report_after_a_suspend_brings_nothing_of_before_it_back():
    asleep = [0.0]
    positions = Positions((("gpsd", "gpsd"),), asleep_s=lambda: asleep[0])
    for at in range(100, 110):
        hear(positions, report("gpsd", at))
    asleep[0] = 3_600.0
    buffered = positions.hear(report("gpsd", 110.0), wall=T0 + 110.0 + 3_600.0, wall_trusted=True)
    assert buffered[0] == (), "it waited for an hour"
    assert positions.live(110.1) is None
    for at in (111.0, 112.0):
        now = replace(report("gpsd", at, LAT + 0.1), gnss_time=T0 + at + 3_600.0)
        positions.hear(now, wall=T0 + at + 3_600.0, wall_trusted=True)
    live = positions.live(112.1)
    assert live is not None
    assert live.latitude == LAT + 0.1
