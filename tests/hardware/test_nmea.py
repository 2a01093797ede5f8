"""Sentences become epochs: what is told, when, and which sentence wins."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Report
from hardware.nmea import QUIET_S, NmeaStream
from tests.hardware.rigs import generated_log, with_checksum

HERE = "3355.00000,S,01825.50000,E"
THERE = "3355.10000,S,01825.50000,E"


def lines(*contents: str) -> bytes:
    return b"".join(with_checksum(content) for content in contents)


def told(*contents: str) -> list[Report]:
    """Everything a log says, in one go."""
    stream = NmeaStream("r")
    return stream.feed(lines(*contents), 0.0) + stream.flush()


def one(*contents: str) -> Report:
    reports = told(*contents)
    assert len(reports) == 1
    return reports[0]


def rmc(clock: str, where: str = HERE, *, status: str = "A", day: str = "010124", mode: str = "A") -> str:
    return f"GPRMC,{clock},{status},{where},10.0,90.0,{day},,,{mode}"


def gga(clock: str, where: str = HERE, *, quality: str = "1", hdop: str = "0.9") -> str:
    return f"GPGGA,{clock},{where},{quality},08,{hdop},42.0,M,33.0,M,,"


def gll(clock: str, where: str = HERE) -> str:
    return f"GPGLL,{where},{clock},A,A"


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]  # a handful of ints


def test_an_epoch_holds_what_its_sentences_say_together():
    """Place, time, date, accuracy, altitude, speed and track of one moment, from three sentences."""
    report = one(rmc("120000.00"), gga("120000.00"), "GPGSA,A,3,01,02,03,,,,,,,,,,1.5,0.9,1.2")
    assert report.mode == 3
    assert report.gnss_time == utc(2024, 1, 1, 12)
    assert report.time_of_day_s == 43200.0
    assert report.latitude == pytest.approx(-33.9166666667, abs=1e-9)
    assert report.longitude == pytest.approx(18.425, abs=1e-9)
    assert report.accuracy_m == pytest.approx(2 * 0.9 * 5.1)
    assert report.altitude_m == 42.0
    assert report.speed_mps == pytest.approx(10 * 1852 / 3600)
    assert report.track_deg == 90.0
    assert not report.simulated


@pytest.mark.parametrize(
    ("content", "mode"), [(rmc("120000"), 2), (gga("120000"), 3), (gll("120000"), 2), (f"GNGNS,120000,{HERE},AN,08,0.9,42.0,33.0,,", 3)]
)
def test_one_kind_of_sentence_alone_is_enough(content: str, mode: int):
    """A receiver that sends only RMC, GGA, GLL or GNS gives a fix for each of them."""
    report = one(content)
    assert (report.mode, report.time_of_day_s) == (mode, 43200.0)
    assert report.latitude is not None
    assert (report.gnss_time is not None) == content.startswith("GPRMC")


@pytest.mark.parametrize("talker", ["GN", "GL", "GB", "BD", "GA", "GQ", "II", "GI"])
def test_any_talker_is_heard(talker: str):
    """The constellation, or the chart plotter that passes it on, does not matter."""
    assert one(rmc("120000").replace("GP", talker, 1)).mode == 2


def test_proprietary_and_foreign_sentences_are_not_read():
    """`$P...` sentences may look like ours and mean something else; AIS and depth are nobody's position."""
    assert told("PGRMC,120000,A," + HERE, "PUBX,00,120000," + HERE, "SDDPT,5.3,0.4,", "GPTXT,01,01,02,hello") == []


@pytest.mark.parametrize(
    "content",
    [
        rmc("120000", status="V"),
        rmc("120000", mode="N"),
        gga("120000", quality="0"),
        gga("120000", quality=""),
        f"GPGLL,{HERE},120000,V,N",
        f"GNGNS,120000,{HERE},NNN,00,,,,,",
        "GPRMC,120000,V,,,,,,,010124,,,N",
    ],
)
def test_a_position_that_the_receiver_voids_is_not_told(content: str):
    """V, N, quality 0 and blank: an epoch without a position, with its time, whatever coordinates stand beside it."""
    report = one(content)
    assert (report.mode, report.latitude, report.longitude, report.speed_mps) == (1, None, None, None)
    assert report.time_of_day_s == 43200.0


@pytest.mark.parametrize(
    "content",
    [
        gga("120000", quality="7"),
        gga("120000", quality="8"),
        rmc("120000", mode="S"),
        rmc("120000", mode="M"),
        f"GNGNS,120000,{HERE},SN,08,1,,,,",
    ],
)
def test_a_simulated_position_says_so(content: str):
    """Simulator and manual input are marked in every sentence that can tell."""
    assert one(content).simulated


def test_one_simulated_sentence_marks_the_whole_epoch():
    """RMC in mode S beside an innocent GGA is still a simulator."""
    assert one(rmc("120000", mode="S"), gga("120000")).simulated


def test_the_navigation_status_of_nmea_4_is_no_mode():
    """RMC's last field may be V ("no status told") or S ("safe") with a perfect fix."""
    report = one(f"GNRMC,120000.000,A,{HERE},0.00,0.00,310722,,,D,V")
    assert (report.mode, report.simulated) == (2, False)
    assert not one(f"GNRMC,120000.000,A,{HERE},0.00,0.00,310722,,,D,S").simulated


def test_dead_reckoning_is_a_position_of_unknown_accuracy():
    """Quality 6 passes, not as simulated; HDOP says nothing of drift, GST does."""
    report = one(gga("120000", quality="6"))
    assert (report.mode, report.simulated, report.accuracy_m) == (3, False, None)
    assert one(gga("120000", quality="6"), "GPGST,120000,1.0,,,,3.0,4.0,5.0").accuracy_m == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("contents", "fix"),
    [
        ([rmc("120000", status="V"), gga("120000")], True),
        ([rmc("120000"), gga("120000", quality="0")], False),
        ([gll("120000"), rmc("120000", status="V")], False),
        ([gga("120000", quality="0"), f"GNGNS,120000,{HERE},NA,08,0.9,42.0,33.0,,"], True),
        ([gga("120000", quality="0"), gga("120000").replace("GP", "GL", 1)], True),
    ],
)
def test_mixed_verdicts_follow_the_better_witness(contents: list[str], fix: bool):  # noqa: FBT001 - a table's column
    """GGA and GNS outrank RMC, RMC outranks GLL; of several constellations one fix is enough."""
    assert (one(*contents).mode >= 2) == fix


def test_the_place_that_most_sentences_share_wins():
    """An RMC that repeats the last second's place is outvoted, first or last."""
    assert one(rmc("120001", HERE), gga("120001", THERE), gll("120001", THERE)).latitude == pytest.approx(-33.91833333, abs=1e-7)
    assert one(gll("120001", HERE), rmc("120001", HERE), gga("120001", THERE)).latitude == pytest.approx(-33.91666667, abs=1e-7)


def test_a_lone_place_loses_to_a_shared_one_and_gll_speaks_for_those_that_agree():
    """Two sentences outvote any third; among places half a metre apart the one of GLL is told, wherever it stands."""
    assert one(gll("120001", THERE), rmc("120001", HERE), gga("120001", HERE)).latitude == pytest.approx(-33.91666667, abs=1e-8)
    near = "3355.00020,S,01825.50000,E"
    assert one(gll("120001", near), rmc("120001", HERE), gga("120001", HERE)).latitude == pytest.approx(-33.91667, abs=1e-8)


def test_the_four_quarters_of_the_globe():
    """North and east are positive, south and west negative."""
    places = [one(gga("120000", f"3355.00000,{ns},01825.50000,{ew}")) for ns in "NS" for ew in "EW"]
    assert [(round(each.latitude or 0, 3), round(each.longitude or 0, 3)) for each in places] == [
        (33.917, 18.425), (33.917, -18.425), (-33.917, 18.425), (-33.917, -18.425),
    ]  # fmt: skip


def test_a_place_off_the_globe_loses_to_one_on_it_and_is_told_alone():
    """An absurd position never hides a good one; alone it is told, for the gate to count."""
    absurd = "9955.00000,S,01825.50000,E"
    assert one(rmc("120000"), gga("120000", absurd)).latitude == pytest.approx(-33.91666667, abs=1e-7)
    assert one(gga("120000", absurd)).latitude == pytest.approx(-99.91666667, abs=1e-7)


@pytest.mark.parametrize(
    "where",
    [
        "3355.00000,,01825.50000,E",
        "3355.00000,S,01825.50000,",
        "3355.00000,X,01825.5,E",
        ",S,,E",
        "-3355.0,S,01825.5,E",
        "3365.5,S,01825.5,E",
        "nan,S,01825.5,E",
    ],
)
def test_half_a_position_is_none(where: str):
    """No hemisphere, no place: a missing S would put Cape Town into the Mediterranean."""
    assert one(gga("120000", where)).mode == 1


@pytest.mark.parametrize(("hdop", "accuracy"), [("99.99", None), ("", None), ("0", None), ("-1", None), ("nan", None), ("0.01", 1.0)])
def test_a_dilution_that_says_nothing_gives_no_accuracy(hdop: str, accuracy: float | None):
    """Sentinels are not metres; nothing is better than a metre."""
    assert one(gga("120000", hdop=hdop)).accuracy_m == accuracy


def test_gst_outranks_hdop():
    """2 drms of the deviations, from latitude and longitude or from the axes of the ellipse."""
    assert one(gga("120000"), "GPGST,120000,1,5.0,0.0,10,3.0,4.0,5.0").accuracy_m == pytest.approx(10.0)
    assert one(gga("120000"), "GPGST,120000,1,3.0,4.0,10,,,").accuracy_m == pytest.approx(10.0)


def test_every_epoch_once_and_at_once_after_two_cycles():
    """From the third cycle on an epoch is told with its last sentence, not with the first of the next."""
    stream, at = NmeaStream("r"), 0.0
    for second in range(5):
        clock = f"1200{second:02d}"
        first, last = lines(rmc(clock)), lines(gga(clock))
        assert len(stream.feed(first, at)) == (1 if second in {1, 2} else 0)
        reports = stream.feed(last, at + 0.05)
        assert [each.time_of_day_s for each in reports] == ([43200.0 + second] if second >= 2 else [])
        at += 1.0
    assert stream.flush() == []


def test_a_quiet_line_ends_the_epoch():
    """The very first epoch is told QUIET_S after its last byte, without waiting for the second; `at` stays that of the position."""
    stream = NmeaStream("r")
    assert stream.feed(lines(rmc("120000")), 10.0) == []
    assert stream.waiting
    assert stream.flush(10.0 + QUIET_S / 2) == []
    (report,) = stream.flush(10.0 + QUIET_S)
    assert report.at == 10.0
    assert not stream.waiting
    assert stream.feed(lines(gga("120000")), 10.5) == []
    assert stream.flush() == []


def test_a_sentence_once_a_second_is_not_missed_at_ten_hertz():
    """GGA ten times a second, RMC once: the RMC after the GGA is part of its epoch, not late for it."""
    contents = []
    for tenth in range(60):
        contents.append(gga(f"1200{tenth // 10:02d}.{tenth % 10}0"))
        if tenth % 10 == 0:
            contents.append(rmc(f"1200{tenth // 10:02d}.00"))
    reports = told(*contents)
    assert [each.time_of_day_s for each in reports] == [round(43200 + tenth / 10, 3) for tenth in range(60)]
    assert all(each.speed_mps is not None for each in reports[20::10])


def test_straddled_seconds_give_every_second_once():
    """A burst whose sentences straddle the turn of the second (GGA T, RMC T+1) gives each second once, in order."""
    contents = [text for t in range(10) for text in (gga(f"1200{t:02d}"), rmc(f"1200{t + 1:02d}"))]
    assert [each.time_of_day_s for each in told(*contents)] == [43200.0 + t for t in range(11)]


def test_laggards_are_dropped_and_give_their_date():
    """RMC a second behind GGA is no epoch of its own, but the date is from it."""
    contents = [text for t in range(2, 8) for text in (gga(f"1200{t:02d}"), rmc(f"1200{t - 1:02d}"))]
    reports = told(*contents)
    assert [each.time_of_day_s for each in reports] == [43202.0 + t for t in range(6)]
    assert reports[-1].gnss_time == utc(2024, 1, 1, 12, 0, 7)


@pytest.mark.parametrize("back", [1, 2, 60, 3000])
def test_a_clock_that_steps_back_is_followed(back: int):
    """A leap second, or a log put together from two: times that are new are told, and at most one other is lost beside repeats."""
    clocks = [43300 + t for t in range(5)] + [43305 - back + t for t in range(5)]
    reports = told(*(rmc(f"{c // 3600:02d}{c // 60 % 60:02d}{c % 60:02d}") for c in clocks))
    times = [each.time_of_day_s for each in reports]
    assert times[:5] == clocks[:5]
    lost = [clock for clock in clocks[5:] if clock not in times[5:]]
    assert times[5:] == [clock for clock in clocks[5:] if clock not in lost]
    assert lost == [] if back > 2 else set(lost) <= set(clocks[:5])


def test_a_small_step_back_costs_one_epoch_not_two_seconds():
    """At 5 Hz a clock that is set back by two seconds is followed from the second epoch on, not once it has caught up."""
    tenths = [*range(0, 50, 2), *range(30, 60, 2)]
    reports = told(*(gga(f"1200{tenth // 10:02d}.{tenth % 10}0") for tenth in tenths))
    assert [each.time_of_day_s for each in reports[25:]] == [round(43200 + tenth / 10, 3) for tenth in range(32, 60, 2)]


@pytest.mark.parametrize(("clock", "expected"), [("120000.295", 43200.3), ("120000.303", 43200.3)])
def test_times_rounded_differently_are_one_epoch(clock: str, expected: float):
    """GLL to the millisecond, GGA and RMC to the hundredth: one epoch, with the time that most tell."""
    report = one(gll(clock), gga("120000.30"), rmc("120000.30"))
    assert report.time_of_day_s == expected


def test_a_truncated_time_is_of_its_second():
    """GGA with a fraction, RMC without: one epoch a second, with the finer time."""
    contents = [text for t in range(4) for text in (gga(f"1200{t:02d}.487"), rmc(f"1200{t:02d}"))]
    assert [each.time_of_day_s for each in told(*contents)] == [43200.487 + t for t in range(4)]


def test_the_date_is_carried_over_midnight():
    """GGA before the RMC that brings the new date, and RMC that turns the page late, are both right at midnight."""
    reports = told(
        gga("235959"),
        rmc("235959", day="311223"),
        gga("000000"),
        rmc("000000", day="311223"),
        gga("000001"),
        rmc("000001", day="010124"),
        gga("000002"),
    )
    assert [each.gnss_time for each in reports] == [utc(2023, 12, 31, 23, 59, 59) + t for t in range(4)]


def test_a_receiver_without_any_date_has_a_time_of_day():
    """GGA only: gnss_time None, never a guess."""
    assert [(each.gnss_time, each.time_of_day_s) for each in told(gga("235959"), gga("000000"))] == [(None, 86399.0), (None, 0.0)]


def test_a_receiver_that_stops_giving_a_date_keeps_it_while_it_speaks():
    """The date goes on with the epochs; after more than an hour of silence it is not known any more."""
    stream = NmeaStream("r")
    first = stream.feed(lines(rmc("120000")), 0.0) + stream.flush()
    on = stream.feed(lines(gga("123000")), 1800.0) + stream.flush()
    lost = stream.feed(lines(gga("150000")), 10_800.0) + stream.flush()
    assert [each.gnss_time for each in first + on + lost] == [utc(2024, 1, 1, 12), utc(2024, 1, 1, 12, 30), None]


@pytest.mark.parametrize(
    ("day", "expected"),
    [("010199", utc(1999, 1, 1, 12)), ("060180", utc(1980, 1, 6, 12)), ("310279", None), ("000000", None), ("", None), ("01012", None)],
)
def test_dates_are_read_as_calendar_dates(day: str, expected: float | None):
    """Two digits of a year are 1980 to 2079; what is no date is none."""
    assert one(rmc("120000", day=day)).gnss_time == expected


def test_zda_gives_the_date_before_or_after_the_position():
    """ZDA ahead of its GGA, or behind it, dates the epoch."""
    zda = "GPZDA,120000.00,01,01,2024,00,00"
    assert one(zda, gga("120000.00")).gnss_time == utc(2024, 1, 1, 12)
    assert one(gga("120000.00"), zda).gnss_time == utc(2024, 1, 1, 12)


def test_a_leap_second_is_a_time():
    """23:59:60 is the last second of its day, not garbage."""
    assert one(rmc("235960", day="311216")).gnss_time == utc(2017, 1, 1)


def test_a_receiver_that_knows_nothing_yet_is_alive():
    """Cycles without time and position are epochs without a fix, one each."""
    cycle = [
        "GPRMC,,V,,,,,,,,,,N",
        "GPVTG,,,,,,,,,N",
        "GPGGA,,,,,,0,00,99.99,,,,,,",
        "GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99",
        "GPGLL,,,,,,V,N",
        "GPZDA,,,,,00,00",
    ]
    reports = told(*cycle * 4)
    assert [(each.mode, each.time_of_day_s) for each in reports] == [(1, None)] * 4


def test_a_clock_that_stands_still_without_a_fix_is_alive():
    """A receiver that repeats 00:00:00 until it has a fix tells epochs; a position at a standing time is told once."""
    assert len(told(*[rmc("000000", status="V"), gga("000000", quality="0")] * 4)) == 4
    assert len(told(*[rmc("000000"), gga("000000")] * 4)) == 1


def test_zda_alone_is_alive_without_a_fix():
    """A timing receiver's epochs have no position; a ZDA between positions is no epoch."""
    reports = told(*(f"GPZDA,1200{t:02d},01,01,2024,00,00" for t in range(6)))
    assert [each.mode for each in reports] == [1] * 4
    mixed = [text for t in range(5) for text in (gga(f"1200{t:02d}.00"), f"GPZDA,1200{t:02d}.40,01,01,2024,00,00")]
    assert len(told(*mixed)) == 5


@settings(deadline=None)  # a shared machine may stall
@given(st.lists(st.integers(0, 5000), max_size=40), st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=30)), max_size=10))
def test_epochs_do_not_depend_on_chunks_or_on_noise_between_lines(cuts: list[int], noise: list[tuple[int, bytes]]):
    """The same log, cut anywhere and with garbage between its lines, gives the same epochs."""
    log = generated_log(20)
    expected = NmeaStream("r")
    wanted = expected.feed(b"".join(log), 0.0) + expected.flush()
    for place, garbage in noise:
        at = place % len(log)
        log[at] = garbage.replace(b"$", b"") + b"\n" + log[at]
    data = b"".join(log)
    edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    stream = NmeaStream("r")
    got = [report for a, b in pairwise(edges) for report in stream.feed(data[a:b], 0.0)] + stream.flush()
    assert got == wanted
    assert len(got) == 20


FIELD = st.sampled_from(
    ["", "A", "V", "N", "1", "0", "120000", "120000.5", "3355.0", "01825.5", "S", "E", "nan", "inf", "-1", "9" * 30, "é", "1e400", "010124"]
)


@settings(deadline=None)  # a shared machine may stall
@given(
    st.lists(
        st.tuples(st.sampled_from(["GGA", "RMC", "GNS", "GLL", "VTG", "GSA", "GST", "ZDA"]), st.lists(FIELD, max_size=20)), max_size=12
    )
)
def test_no_sentence_makes_it_raise_or_lie(sentences: list[tuple[str, list[str]]]):
    """Whatever stands in the fields: no exception, no infinite number, no time outside the day."""
    for report in told(*(f"GP{kind}," + ",".join(fields) for kind, fields in sentences)):
        numbers = (
            report.latitude,
            report.longitude,
            report.accuracy_m,
            report.altitude_m,
            report.speed_mps,
            report.track_deg,
            report.gnss_time,
        )
        assert all(value is None or math.isfinite(value) for value in numbers)
        assert report.time_of_day_s is None or 0 <= report.time_of_day_s <= 86_401
        assert (report.latitude is None) == (report.longitude is None) == (report.mode < 2)


def test_a_day_of_epochs_keeps_no_more_than_the_last():
    """Memory does not grow with the log."""
    stream = NmeaStream("r")
    for second in range(2000):
        stream.feed(
            lines("GPVTG,,T,,M,0.1,N,0.2,K,A", "GPGSA,A,3,01,,,,,,,,,,,,1.5,0.9,1.2", f"GPGST,1111{second % 60:02d},1,,,,1,1,1"),
            float(second),
        )
    assert len(stream._loose) <= 8
