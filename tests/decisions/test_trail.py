"""What a controller reads of a track: the bound it states holds for what the text says, nothing is out of order, nothing is too long."""

from __future__ import annotations

import calendar
import itertools
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import journey, trail
from agent.cli.replay import Heard
from agent.geo import distance_m
from agent.model import Fix, Quality
from tests.decisions.tracks import CAPE, MORNING, Car, city, off_line_m, parked, tracks

REPO = Path(__file__).parents[2]
POSITION = re.compile(
    r"(?P<gap>\([^()]*\) )?(?P<day>\d{4}-\d\d-\d\d )?(?P<clock>~?\d\d:\d\d:\d\d)"
    r" (?P<latitude>-?\d+\.\d{5}),(?P<longitude>-?\d+\.\d{5})(?P<doubt>\??)(?P<known> \(last known\))?"
)
PREFIX = re.compile(r"Trail, part (\d) of (\d) \(UTC; latitude,longitude[^()]*\): ")


@dataclass(frozen=True)
class Told:
    """A position as a reader has it. gap: in words, where no line leads to it."""

    wall: float
    latitude: float
    longitude: float
    gap: str
    marks: str

    def fix(self) -> Fix:
        return Fix(0.0, self.wall, "paper", self.latitude, self.longitude)


def read(messages: Sequence[str]) -> tuple[str, list[Told]]:
    """The head, and the positions: by the text alone. Fails where a message is not as it should be."""
    for message in messages:
        assert len(message) <= 1_000
        assert message.isascii()
        assert message.isprintable()
    if len(messages) == 1:
        head, _, body = messages[0].partition(" Positions (UTC; latitude,longitude")
        return head, positions(body.partition("): ")[2])
    found = [PREFIX.match(message) for message in messages[1:]]
    count = str(len(messages))
    assert messages[0].startswith(f"Trail, part 1 of {count}: ")
    assert [match and match.groups() for match in found] == [(str(part), count) for part in range(2, len(messages) + 1)]
    return messages[0], [
        told for match, message in zip(found, messages[1:], strict=True) if match for told in positions(message[match.end() :])
    ]


def positions(body: str) -> list[Told]:
    assert body.endswith(".")
    told, day = [], ""
    for item in body[:-1].split("; "):
        match = POSITION.fullmatch(item)
        assert match, item
        day = match["day"] or day
        assert day, "each message begins with its day"
        wall = calendar.timegm(time.strptime(day + match["clock"].lstrip("~"), "%Y-%m-%d %H:%M:%S"))
        marks = ("~" if match["clock"].startswith("~") else "") + match["doubt"] + (match["known"] or "")
        told.append(Told(wall, float(match["latitude"]), float(match["longitude"]), match["gap"] or "", marks))
    return told


def same(told: Told, fix: Fix) -> bool:
    return (
        abs(told.wall - fix.wall) <= 0.501
        and abs(told.latitude - fix.latitude) < 6e-6
        and abs((told.longitude - fix.longitude + 180) % 360 - 180) < 6e-6
    )


def bound_m(head: str) -> float | None:
    match = re.search(r"What is left out lies within (\d+) m of the line between these positions", head)
    return float(match[1]) if match else None


def assert_told(fixes: Sequence[Fix], messages: Sequence[str]) -> None:
    """Every fix is told, or lies within the stated bound of the line at its own time, or in a stretch that is owned up to."""
    head, told = read(messages)
    places: list[int] = []
    for each in told:  # in capture order, so each is found behind the one before
        after = places[-1] + 1 if places else 0
        places.append(next(index for index in range(after, len(fixes)) if same(each, fixes[index])))
    assert (places[0], places[-1]) == (0, len(fixes) - 1)
    for (here, begin), (there, end) in pairwise(zip(places, told, strict=True)):
        if end.gap.startswith("(short stretches"):
            assert "short stretches of it are not told" in head
            continue
        assert there == here + 1 or not end.gap, "left out where there is no line"
        for fix in fixes[here + 1 : there]:
            limit_m = bound_m(head)
            assert limit_m is not None
            assert off_line_m(begin.fix(), fix, end.fix(), (begin.wall, end.wall)) <= limit_m + 1.0, "a metre is the rounding of the places"
    assert f"{len(told)} of {len(fixes)} positions" in head or f"All {len(fixes)} positions" in head


@given(fixes=tracks())
def test_text_alone_tells_every_position_within_the_bound_it_states(fixes: list[Fix]):
    messages = trail.missed(None, fixes)
    assert len(messages) <= trail.MAX_MESSAGES
    assert bool(messages) is bool(fixes)
    if len(fixes) > 1:
        assert_told(fixes, messages)


@settings(max_examples=40)
@given(fixes=tracks(whole_seconds=False))
def test_times_between_seconds_are_told_to_the_nearest(fixes: list[Fix]):
    if len(fixes) > 1:
        assert_told(fixes, trail.missed(None, fixes))


@settings(max_examples=40)
@given(fixes=tracks())
def test_first_position_is_the_last_that_dispatch_has(fixes: list[Fix]):
    before = Fix(900.0, MORNING - 100, "gps", *CAPE, 5.0)
    messages = trail.missed(before, fixes)
    if not fixes:
        assert messages == ()
        return
    _, told = read(messages)
    assert same(told[0], before)
    assert [" (last known)" in each.marks for each in told] == [True] + [False] * (len(told) - 1)
    assert_told([before, *fixes], messages)


@settings(max_examples=40)
@given(fixes=tracks(), late_s=st.sampled_from([0.0, 3.0, 500.0]))
def test_before_a_press_the_same_holds_and_a_device_that_stood_is_one_sentence(fixes: list[Fix], late_s: float):
    press_wall = (fixes[-1].wall if fixes else MORNING) + late_s
    messages = trail.before_press(fixes, press_wall)
    assert len(messages) <= trail.MAX_MESSAGES
    assert all("before the press" in messages[0] or "before the press at" in messages[0] for _ in messages[:1])
    if messages and messages[0].startswith("Trail"):
        assert_told(fixes, messages)
    assert (
        (late_s > 60 and fixes[-1].wall_trusted and len(fixes) > 1) == ("no position in the last" in " ".join(messages)) if fixes else True
    )


@settings(max_examples=40)
@given(fixes=tracks(), most=st.integers(1, 4))
def test_lines_tell_every_fix_once_in_order_over_repeated_calls(fixes: list[Fix], most: int):
    rest, heard = fixes, []
    while rest:
        messages, told = trail.lines(rest, most)
        assert 1 <= len(messages) <= most
        assert len(messages) == most or told == len(rest)
        for message in messages:
            assert len(message) <= 1_000
            assert message.isascii()
            head, _, body = message.partition(": ")
            assert head.startswith("Positions that did not get through (UTC; latitude,longitude")
            heard += [re.sub(r" \(within \d+ m\)", "", line) for line in body[:-1].split("; ")]
        assert len(heard) == len(fixes) - len(rest) + told
        rest = rest[told:]
    for line, fix in zip(heard, fixes, strict=True):
        (each,) = positions(f"{line}.")
        assert same(each, fix)
        assert each.marks == ("" if fix.wall_trusted else "~") + ("?" if fix.quality is Quality.FORCED else "")


def test_lines_without_room_or_fixes_tell_nothing():
    assert trail.lines([], 3) == ((), 0)
    assert trail.lines(parked(0.01), 0) == ((), 0)


def test_lines_fill_their_messages_to_the_last_character_and_no_further():
    still = parked(0.5)
    growing = [[replace(still[0], accuracy_m=10.0**digits), *still[1:]] for digits in range(60)]
    assert max(len(trail.lines(fixes, 1)[0][0]) for fixes in growing) == 1_000


def test_lines_say_what_each_position_is_good_for():
    (message,), _ = trail.lines([Fix(1.0, MORNING, "gps", *CAPE, 12.3), Fix(2.0, MORNING + 1, "gps", *CAPE)], 1)
    assert message.endswith("2026-03-02 09:14:00 -33.92000,18.42000 (within 13 m); 2026-03-02 09:14:01 -33.92000,18.42000.")


# --- read aloud -----------------------------------------------------------------------------------------------------------------


def test_one_missed_position_is_one_sentence():
    (fix,) = [Fix(1.0, MORNING, "gps", -33.92487, 18.42406, 4.8)]
    assert trail.missed(None, [fix]) == (
        "One position did not get through: at 2026-03-02 09:14:00 UTC the device was at -33.92487,18.42406 (within 5 m).",
    )


def test_short_trail_is_one_message_with_everything():
    ride = Car()
    ride.go(15, 14.0, 90)
    (message,) = trail.missed(ride.fixes[0], ride.fixes[1:])
    assert_told(ride.fixes, [message])
    assert "09:14:05 to 09:14:15 UTC (10 s). It moved 140 m and ended 140 m east of where it began" in message


def test_recorded_drive_reads_as_it_was():
    drive = list(Heard().fixes(REPO / "agent" / "cli" / "drive.nmea"))
    messages = trail.missed(drive[0], drive[1:])
    assert_told(drive, messages)
    assert messages[0] == (
        "Trail, part 1 of 3: where the device was while its positions did not get through, 2026-03-02 09:14:00 to 09:20:39 UTC (7 min)."
        " It moved 4.9 km and ended 2.7 km south-east of where it began; 44 km/h on average while moving, 86 km/h at most."
        " 34 of 400 positions follow. What is left out lies within 6 m of the line between these positions (the fixes are good to 6 m)."
    )


@pytest.mark.parametrize("log", sorted((REPO / "tests" / "replay").glob("*.log")), ids=lambda path: path.stem)
def test_whatever_a_log_holds_is_told(log: Path):
    fixes = list(Heard().fixes(log))
    assert bool(fixes) is bool(trail.missed(None, fixes))
    if len(fixes) > 1:
        assert_told(fixes, trail.missed(None, fixes))


def test_parked_receiver_stood_and_its_wander_is_no_distance():
    (message,) = trail.missed(None, parked())
    assert_told(parked(), [message])
    assert "It stood at -33.9200" in message
    assert "moved" not in message
    (short,) = trail.before_press(parked(1 / 6), MORNING + 603)
    assert short.startswith("The device stood for the 10 min before the press at 2026-03-02 09:24:03 UTC at -33.9")
    spread = re.search(r"all 120 positions lie within (\d+) m of that", short)
    assert spread
    assert max(distance_m(*CAPE, fix.latitude, fix.longitude) for fix in parked(1 / 6)) <= int(spread[1]) <= 20


def test_ride_with_a_stop_and_a_tunnel():
    car = Car()
    car.go(300, 20.0, 0)
    car.go(240)
    car.go(120, 20.0, 0)
    car.go(185, 20.0, 0, sky=False)
    car.go(100, 20.0, 0)
    messages = trail.missed(car.fixes[0], car.fixes[1:])
    head, told = read(messages)
    assert_told(car.fixes, messages)
    assert "It moved at least 14 km and ended 14 km north of where it began; 7" in head
    assert re.search(r"It stood from 09:1[89]:\d\d for 4 min at -33\.86\d\d\d,18\.4200\d\.", head)
    assert "No position from 09:25:00 to 09:28:10 (3 min, 3.8 km further on)." in head
    assert [each.gap for each in told if each.gap] == ["(no position for 3 min) "]


def test_examples_of_the_manual_are_what_is_told():
    car = Car(seed=3)
    for seconds, mps, heading in ((90, 14, 50), (15, 0, 0), (120, 14, 140), (240, 0, 0), (60, 14, 140), (20, 8, 230)):
        car.go(seconds, mps, heading)
    car.go(145, 12.0, 230, sky=False)
    for seconds, mps, heading in ((90, 17, 200), (40, 8, 150), (180, 0, 0)):
        car.go(seconds, mps, heading)
    desk = Car(seed=5)
    desk.go(600)
    manual = " ".join((REPO / "docs" / "DEAD-ZONES.md").read_text(encoding="utf-8").replace("\n>", "\n").split())
    for message in (*trail.missed(car.fixes[0], car.fixes[1:]), *trail.before_press(desk.fixes, desk.fixes[-1].wall + 4)):
        assert message in manual


def test_speed_and_distance_of_a_car_with_a_jumping_receiver_leave_the_doubtful_out():
    car = Car()
    car.go(600, 10.0, 90)
    far_off = replace(car.fixes[60], latitude=-34.9, quality=Quality.FORCED, accuracy_m=9_000.0, speed_mps=120.0)
    fixes = [*car.fixes[:60], far_off, *car.fixes[61:]]
    messages = trail.missed(None, fixes)
    head, told = read(messages)
    assert_told(fixes, messages)
    assert "It moved 5.9 km and ended 5.9 km east" in head
    assert "36 km/h at most" in head
    assert "(the fixes are good to 5 m, the worst to 9000 m)" in head
    assert [each.latitude for each in told if "?" in each.marks] == [-34.9]
    assert "? doubtful position" in messages[-1]


def test_stop_is_what_was_seen_of_it():
    """A ride round the block parts two stops; a hop parts two; a reflection, doubted, moves none."""
    car = Car()
    car.go(180)
    for heading in (0, 90, 180, 270):
        car.go(30, 14.0, heading)
    car.go(180)
    car.go(10, 14.0, 0)
    car.go(240)
    doubted = [replace(fix, latitude=fix.latitude + 0.0004, quality=Quality.FORCED, accuracy_m=60.0) for fix in car.fixes[:5]]
    fixes = [*car.fixes[:1], *doubted[1:], *car.fixes[5:]]
    messages = trail.missed(None, fixes)
    assert_told(fixes, messages)
    stops = re.findall(r"from [\d:]{8} for (\d) min at (-33\.\d+),", read(messages)[0])
    assert [length for length, _ in stops] == ["3", "3", "4"]
    assert [float(latitude) for _, latitude in stops] == pytest.approx([-33.92, -33.92, -33.92 + 140 / 111_195], abs=5e-5)


def test_stop_does_not_begin_on_the_way_in():
    walk = Car()
    walk.go(200)
    walk.go(150, 1.4, 80)
    walk.go(250)
    head, _ = read(trail.missed(None, walk.fixes))
    assert re.search(r"from 09:14:05 for 3 min at .* from 09:19:[34]\d for 4 min at ", head)


def test_average_is_never_told_above_the_top():
    """From stop to stop is further than what was ridden between them: their places are in their middle."""
    walk = Car()
    for _ in range(6):
        walk.go(120)
        walk.go(30, 2.0, 90)
    assert re.findall(r"(\d+) km/h", read(trail.missed(None, walk.fixes))[0]) == ["7"]


def test_stop_at_the_mouth_of_a_tunnel_ends_there():
    car = Car()
    car.go(120, 20.0, 0)
    car.go(180)
    car.go(150, 20.0, 0, sky=False)
    car.go(120, 20.0, 0)
    head, _ = read(trail.missed(None, car.fixes))
    assert "It moved at least 7.7 km and ended 7.7 km north of where it began; 72 km/h on average while moving, 72 km/h at most." in head
    assert "(3 min, 3.1 km further on)" in head


def test_bound_is_of_what_is_left_out_and_the_fixes_are_as_good_as_they_say():
    car = Car()
    car.go(60, 14.0, 0)
    (message,) = trail.missed(None, [*car.fixes[:-1], replace(car.fixes[-1], accuracy_m=30.0)])
    assert bound_m(message) == 5
    assert "(the fixes are good to 5 m, the worst to 30 m)" in message
    (message,) = trail.missed(None, [car.fixes[0], *(replace(fix, accuracy_m=None) for fix in car.fixes[1:])])
    assert bound_m(message) == 50
    assert "(the fixes are good to 5 m; where it is not known, 50 m is assumed)" in message
    (message,) = trail.missed(None, [replace(fix, accuracy_m=None) for fix in car.fixes])
    assert "(how good the fixes are is not known; 50 m is assumed)" in message


def test_ride_round_the_block_ends_where_it_began():
    car = Car()
    car.go(5)
    for heading in (0, 90, 180, 270):
        car.go(30, 14.0, heading)
    assert "It moved 1.7 km and ended about where it began; " in trail.missed(None, car.fixes)[0]


def test_doubtful_times_are_marked_and_a_clock_that_was_set_is_told():
    car = Car()
    car.trusted, car.clock_ahead_s = False, 0.0
    car.go(300, 14.0, 180)
    car.trusted, car.clock_ahead_s = True, MORNING
    car.go(300, 14.0, 180)
    messages = trail.missed(None, car.fixes)
    head, told = read(messages)
    assert_told(car.fixes, messages)
    assert "1970-01-01 ~00:16:45 to 2026-03-02 09:40:40 UTC (10 min)" in head, "the length is the monotonic clock's"
    assert "The clock was set once on the way." in head
    assert ["~" in each.marks for each in told] == sorted(("~" in each.marks for each in told), reverse=True)
    assert [each.gap for each in told if each.gap] == ["(clock set) "]
    assert "~ time by a clock that was not set" in messages[-1]
    press = "before the press at 2026-03-02 09:40:40 UTC (10 min)."
    assert press in trail.before_press(car.fixes, MORNING + 1_600)[0]
    wrong_in_the_middle = [replace(fix, wall=fix.wall + MORNING, wall_trusted=True) if fix.at < 1_100 else fix for fix in car.fixes]
    assert press in trail.before_press(wrong_in_the_middle, MORNING + 1_600)[0]
    not_set_again = [*car.fixes[60:], *(replace(fix, at=fix.at + 600) for fix in car.fixes[:60])]
    assert "There was no position" not in trail.before_press(not_set_again, MORNING + 1_600)[0]


def test_ferry_over_the_date_line_and_midnight():
    ferry = Car((-17.0, 179.95))
    ferry.clock_ahead_s += 52_800  # 23:54
    ferry.go(1_200, 9.0, 90)
    messages = trail.missed(None, ferry.fixes)
    head, told = read(messages)
    assert_told(ferry.fixes, messages)
    assert "2026-03-02 23:54:05 to 2026-03-03 00:14:00 UTC (20 min). It moved 11 km and ended 11 km east" in head
    assert any(each.longitude < -179 for each in told)
    assert " 2026-03-03 00:" in messages[-1]


def test_long_day_in_a_city_fits_and_owns_up_to_the_wider_bound():
    fixes = city(4.0)
    messages = trail.missed(fixes[0], fixes[1:])
    assert len(messages) == trail.MAX_MESSAGES
    assert_told(fixes, messages)
    assert 80 < (bound_m(messages[0]) or 0) < 160, "twice or half the bound is refined"
    assert sum(map(len, messages)) > 6_500, "the bound is no wider than it must be"
    assert "wider than usual to keep this short (the fixes are good to 5 m)" in messages[0]


@pytest.mark.parametrize("hours", [0.2, 0.6, 2.0])
def test_own_accuracy_is_the_bound_wherever_it_fits(hours: float):
    fixes = city(hours)
    assert_told(fixes, trail.missed(None, fixes))
    assert bound_m(trail.missed(None, fixes)[0]) == 5


def test_courier_is_told_the_longest_stops_in_order_and_how_many_more():
    car = Car()
    for minutes in (2, 9, 3, 8, 4, 7, 5, 6):
        car.go(120, 14.0, 90)
        car.go(60 * minutes)
    head, _ = read(trail.missed(None, car.fixes))
    listed = re.search(r"It stood (from .*?)\. \d", head)
    assert listed
    stops = [int(minutes) for minutes in re.findall(r"from [\d:]{8} for (\d+) min at ", listed[1])]
    assert stops == [9, 8, 4, 7, 5, 6]
    assert listed[1].endswith("; 2 times more, 44 min in all")


def flickering(count: int) -> list[Fix]:
    """Seen for ten seconds every two hours by a clock that is not set, doubted, far apart, accurate to a few centimetres."""
    car = Car((-33.92, -118.42), accuracy_m=0.02)
    car.trusted, car.quality = False, Quality.FORCED
    for _ in range(count):
        car.go(10, 14.0, 60)
        car.away(7_200, 0.01)
    return car.fixes


@pytest.mark.parametrize("count", [40, 60, 400])
def test_receiver_that_flickers_for_days_still_fits_and_says_what_is_not_told(count: int):
    messages = trail.missed(None, flickering(count))
    assert len(messages) <= trail.MAX_MESSAGES
    assert_told(flickering(count), messages)
    assert (count > trail.MOST_RUNS) == (f"{count - trail.MOST_RUNS} short stretches of it are not told" in messages[0])


def test_crowded_head_leaves_out_the_shorter_stops_and_gaps():
    car = Car((-33.92, -118.42))
    for minutes in range(3, 43):
        car.trusted = bool(minutes % 10)
        car.go(60 * minutes)
        car.away(70 * minutes, 0.02)
    messages = trail.missed(None, car.fixes)
    assert_told(car.fixes, messages)
    assert "from 2026-03-03 ~13:17:35 for 40 min" in messages[0]
    assert re.search(
        r"It stood from .*; 36 times more, 14 h 56 min in all\. No position from .*; 35 times more, 16 h 44 min in all\.", messages[0]
    )


def test_longest_stretches_are_the_ones_that_are_told():
    car = Car()
    for stretch in range(70):
        car.go(120 if stretch % 7 == 3 else 10, 14.0, 60)
        car.away(600)
    _, told = read(trail.missed(None, car.fixes))
    clocks = {each.wall for each in told}
    assert {stretch for stretch in range(70) if stretch % 7 == 3} <= {
        stretch for stretch in range(70) if MORNING + 600 * stretch + 10 * stretch + 110 * ((stretch + 3) // 7) + 5 in clocks
    }


def test_clock_that_steps_at_every_fix_still_fits():
    steps = [replace(fix, wall=fix.wall + i % 2 * 86_400 * 400) for i, fix in enumerate(parked(2.0))]
    messages = trail.missed(None, steps)
    assert len(messages) <= trail.MAX_MESSAGES
    assert_told(steps, messages)


def test_hundred_thousand_fixes_in_chunks_are_told_each_by_its_own_trail():
    ride = Car(accuracy_m=10.0, rhythm_s=5.0)
    for heading in (0, 90, 180, 270) * 5:
        ride.go(2_500, 25.0, heading)
    spent = []
    for chunk in range(10):
        fixes = [replace(fix, at=fix.at + 50_000 * chunk, wall=fix.wall + 50_000 * chunk) for fix in ride.fixes]
        begun = time.process_time()
        messages = trail.missed(None, fixes)
        spent.append(time.process_time() - begun)
        if chunk % 9 == 0:
            assert_told(fixes, messages)
    assert max(spent) < 3.0


def test_times_that_no_calendar_has_raise_nothing():
    for wall in (float("nan"), float("inf"), 1e18, -1e14):
        fixes = [replace(fix, wall=wall, wall_trusted=False) for fix in parked(0.1)]
        assert trail.missed(None, fixes[:1])
        assert trail.missed(None, fixes)
        assert trail.lines(fixes, 9)[1] == len(fixes)
        assert trail.before_press(fixes, MORNING)


@pytest.mark.parametrize(("press_wall", "trusted"), [(300.0, False), (300.0, True), (MORNING + 12, False)])
def test_press_of_a_device_that_did_not_know_the_time_is_told_without_one(press_wall: float, *, trusted: bool):
    """Law 9: nobody looks for a device where it was in 1970."""
    fix = Fix(1.0, MORNING, "gps", *CAPE, 4.1, wall_trusted=trusted)
    assert trail.before_press([fix], press_wall) == ("The device was at -33.92000,18.42000 (within 5 m) before the press.",)


def test_nothing_before_a_press_is_nothing_and_one_position_a_sentence():
    assert trail.before_press([], MORNING) == ()
    assert trail.missed(Fix(1.0, MORNING, "gps", *CAPE), []) == ()
    assert trail.before_press([Fix(1.0, MORNING, "gps", *CAPE, 4.1)], MORNING + 12) == (
        "The device was at -33.92000,18.42000 (within 5 m) 12 s before the press at 2026-03-02 09:14:12 UTC.",
    )


def test_boat_that_swings_round_its_anchor_takes_time_in_proportion_to_its_fixes(monkeypatch: pytest.MonkeyPatch):
    """Always near, and never at one place: whoever asks each fix for a stop looks at all of them each time."""
    asked = itertools.count()

    def counted_m(*path: float) -> float:
        next(asked)
        return distance_m(*path)

    monkeypatch.setattr(journey, "distance_m", counted_m)
    swings = [(1.5e-4 * math.sin(i / 60), 1.5e-4 * math.cos(i / 60)) for i in range(1_500)]
    fixes = [Fix(100.0 + i, MORNING + i, "fake", -33.9 + north, 18.4 + east, 3.0) for i, (north, east) in enumerate(swings)]
    assert trail.missed(None, fixes)
    assert next(asked) < 300 * len(fixes)
