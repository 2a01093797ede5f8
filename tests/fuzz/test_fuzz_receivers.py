"""A receiver may send anything: a loose wire, a wrong speed, a stick that plays a receiver, a gpsd that is none.

Nothing of it ends the daemon, holds it up or fills its memory, and what comes out as a position stood whole in what came in.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import pty
import random
import re
import time
import tty
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import gate as room
from agent.gate import Gate
from agent.model import Report
from hardware.earshot import Ear, GpsdEar, Speech, View
from hardware.gpsd import GpsdReceiver
from hardware.gpsd_json import LONGEST, Fact, GpsdStream
from hardware.nmea import NmeaStream
from hardware.replay import read_log
from hardware.serial_port import SerialReceiver
from tests.fuzz.limits import GROWTH_BYTES, grown, prompt, tries
from tests.fuzz.mutations import cut, damaged, damaged_by_chance, seeded, twisted
from tests.hardware.rigs import generated_log, listening, with_checksum

LOGS = {path.name: path.read_bytes() for path in sorted(Path(__file__).parents[1].joinpath("replay").glob("*.log"))}
NMEA = [each for name, each in LOGS.items() if "gpsd" not in name] + [b"".join(generated_log(4))]
GPSD = [LOGS["gpsd_session.log"]]
TPV = json.loads(
    """{"class": "TPV", "device": "/dev/ttyACM0", "mode": 3, "time": "2026-06-15T10:00:00.000Z", "lat": -33.9, "lon": 18.4, "status": 1,
    "eph": 9.5, "epx": 4.1, "epy": 5.2, "altMSL": 12.0, "altHAE": 45.0, "speed": 15.0, "track": 90.0}"""
)
SAID = [
    TPV,
    {"class": "SKY", "device": "/dev/ttyACM0", "satellites": [{"PRN": 1, "used": True}]},
    {"class": "VERSION", "release": "3.25"},
    {"class": "DEVICES", "devices": [{"class": "DEVICE", "path": "/dev/ttyACM0", "activated": "2026-06-15T10:00:00.000Z"}]},
    {"class": "DEVICE", "path": "/dev/ttyACM0", "activated": 0},
    {"class": "ERROR", "message": "no"},
]

RIGHT = " 120000.00 3355.00000 S 01825.50000 E A V N 1 0 8 99.99 010124 M"
WRONG = "000000 -1 1e9 nan inf 3399.99 235960 + 1.2.3 0x1 1_0 120000.9999999 999999999999999999999999999999"
FIELDS = st.sampled_from([*RIGHT.split(" "), *WRONG.split()]) | st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$*"), max_size=8
)
KINDS = st.sampled_from([a + b for a in ("GP", "GN", "GL", "II", "P") for b in ("GGA", "RMC", "GNS", "GLL", "VTG", "GSA", "GST", "ZDA")])
SENTENCES = st.builds(lambda kind, fields: with_checksum(",".join([kind, *fields])), KINDS, st.lists(FIELDS, max_size=20))
PUT = st.binary(min_size=1, max_size=40) | SENTENCES | st.sampled_from([b"$", b"*", b"\r\n", b",", b"*00", b"\0"])
SPOKEN = [line + b"\r\n" for log in NMEA for line in log.splitlines() if line.startswith(b"$")]
A_FEW = st.lists(st.sampled_from(SPOKEN) | damaged(SPOKEN, PUT, most=2), min_size=1, max_size=8).map(b"".join)  # each one for itself
LINES = A_FEW | damaged(NMEA, PUT) | st.lists(SENTENCES | st.binary(max_size=30), max_size=12).map(b"".join) | st.binary(max_size=600)

CUTS = st.lists(st.integers(0, 1 << 14), max_size=20)
AN_HOUR_S = st.lists(st.floats(0, 3600), min_size=21, max_size=21).map(sorted)


def stood_whole(data: bytes) -> set[tuple[float, float]]:
    """Every place in a sentence with a right checksum, read in the plainest way: latitude and longitude in degrees, to 1e-6."""
    found = set()
    for body, told in re.findall(rb"\$([\x20-\x23\x25-\x29\x2b-\x7e]+)\*([0-9A-Fa-f]{2})", data):
        if reduce(xor, body, 0) != int(told, 16):
            continue
        fields = [field.strip() for field in body.decode().split(",")]
        for at in (1, 2, 3):
            try:
                latitude, longitude = (degrees(*fields[at + each : at + each + 2]) for each in (0, 2))
            except (ValueError, TypeError):
                continue
            found.add((round(latitude, 6), round(longitude, 6)))
    return found


def degrees(text: str, side: str) -> float:
    """`ddmm.mmm` and its hemisphere."""
    whole, minutes = text[: text.index(".") - 2], text[text.index(".") - 2 :]
    value = int(whole) + float(minutes) / 60
    return -value if side in ("S", "W") else value


def require_sound(report: Report) -> None:
    """What a report may hold at most, whatever came in. Whether it is believable is for the gate to say."""
    assert report.mode in {0, 1, 2, 3}
    assert (report.latitude is None) == (report.longitude is None) == (report.mode < 2)
    assert report.accuracy_m is None or 1.0 <= report.accuracy_m <= 10_000.0
    assert report.time_of_day_s is None or 0.0 <= report.time_of_day_s <= 86_401.0
    assert report.gnss_time is None or (math.isfinite(report.gnss_time) and report.time_of_day_s is not None)
    for each in (report.altitude_m, report.speed_mps, report.track_deg):
        assert each is None or math.isfinite(each)


def require_believable(reports: list[Report]) -> None:
    """Judge them in order: what passes is a place on Earth, and nobody's invention."""
    gate = Gate()
    invented = {(each.latitude, each.longitude) for each in reports if each.simulated}
    honest = {(each.latitude, each.longitude) for each in reports if not each.simulated}
    for report in reports:
        gate, verdict = room.judge(gate, report, wall=1.8e9, wall_trusted=True)
        for fix in verdict.fixes:
            assert abs(fix.latitude) <= 90.0
            assert abs(fix.longitude) <= 180.0
            assert (fix.latitude, fix.longitude) not in invented - honest
            assert max(abs(fix.latitude), abs(fix.longitude)) >= 0.001
            assert math.isfinite(fix.wall)
            assert fix.accuracy_m is None or fix.accuracy_m > 0
        assert all(count >= 0 for count in gate.counts().values())


@tries(500)
@given(LINES, CUTS)
def test_no_bytes_of_a_line_make_a_position_that_did_not_stand_in_it(data: bytes, cuts: list[int]):
    """Whole or cut anywhere: the same reports, each place out of a sentence with a right checksum."""
    with prompt():
        stream = NmeaStream("r")
        whole = stream.feed(data, 100.0) + stream.flush()
        pieces = NmeaStream("r")
        told = [report for piece in cut(data, cuts) for report in pieces.feed(piece, 100.0)] + pieces.flush()
    assert told == whole
    places = stood_whole(data)
    for report in whole:
        require_sound(report)
        if report.latitude is not None and report.longitude is not None:
            assert (round(report.latitude, 6), round(report.longitude, 6)) in places
    assert stream.good <= data.count(b"*")
    require_believable(whole)


@tries(100)
@given(LINES, CUTS, AN_HOUR_S)
def test_nothing_that_comes_at_any_pace_is_told_twice_or_goes_back(data: bytes, cuts: list[int], moments: list[float]):
    """With pauses of any length between the bytes; each report is of a moment that has been."""
    told: list[Report] = []
    stream = NmeaStream("r")
    with prompt():
        for piece, at in zip(cut(data, cuts), moments, strict=False):
            told += stream.flush(at)
            told += stream.feed(piece, at)
        told += stream.flush()
    assert all(report.at <= moments[-1] for report in told)
    for report in told:
        require_sound(report)
    require_believable(told)


OTHER = st.sampled_from(
    ["2026-02-30T10:00:00Z", "0001-01-01T00:00:00+14:00", "10:00", "9999-12-31T23:59:60Z", "TPV", -1, 4, 1e400]
) | twisted([0, "", None, True, [], {}, float("nan"), 10**400, "x" * 100])
JSONS = st.lists(
    twisted(SAID, OTHER).map(lambda each: json.dumps(each).encode() + b"\n") | st.binary(max_size=40).map(lambda each: each + b"\n"),
    max_size=8,
).map(b"".join)


@tries(500)
@given(JSONS | damaged(GPSD) | st.binary(max_size=300), CUTS)
@example(b"[" * 30_000 + b"\n", [])
@example(b'{"class":"TPV","mode":3,"lat":' + b"9" * 4_400 + b',"lon":1}\n', [])
@example(b'{"class":"TPV","device":[],"mode":3,"lat":1,"lon":1}\n' * 2, [])
def test_no_line_of_gpsd_makes_a_position_that_did_not_stand_in_it(data: bytes, cuts: list[int]):
    """Whole or cut anywhere: the same, every line counted once, each place out of one TPV."""
    with prompt():
        stream = GpsdStream("g")
        whole = stream.feed(data, 100.0)
        pieces = GpsdStream("g")
        told = [each for piece in cut(data, cuts) for each in pieces.feed(piece, 100.0)]
    assert [repr(each) for each in told] == [repr(each) for each in whole]  # NaN differs from itself
    lines = [line for line in data.split(b"\n")[:-1] if line.strip()]
    assert stream.good + stream.bad == len(lines)
    reports = [each for each in whole if isinstance(each, Report)]
    assert len(reports) <= sum(b"TPV" in line or b"\\u" in line for line in lines)
    for report in reports:
        assert report.accuracy_m is None or 1.0 <= report.accuracy_m <= 10_000.0
        assert report.mode in {0, 1, 2, 3}
        assert report.gnss_time is None or math.isfinite(report.gnss_time)
    for fact in whole:
        if isinstance(fact, Fact):
            assert all(isinstance(each, str) for each in (fact.kind, fact.text, *fact.devices))
    require_believable(reports)


@tries(60)
@given(LINES | JSONS | damaged(GPSD))
def test_any_file_is_a_log_that_can_be_replayed(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    """Its own time only grows."""
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(data)
    with prompt():
        reports = list(read_log(path))
    moments = [report.at for report in reports]
    assert moments == sorted(moments)
    assert all(map(math.isfinite, moments))


SKY = [
    with_checksum(f"GPGSV,{n},{m},{v},01,40,083,46,02,17,308,{s},,,,{e}")
    for n, m, v, s, e in ((1, 1, "08", "41", "1"), (2, 1, "x", "", ""))
]
ANTENNA = [with_checksum(f"GPTXT,01,01,02,ANT{word}") for word in ("STATUS=OPEN", "ENNA SHORT", "ENNA OK", "")]
BINARY = [
    b"\xb5\x62\x01\x07\x02\x00\x01\x02\x0d\x42",
    b"\xb5\x62\x01\x07\xff\xff",
    b"\xa0\xa2\x00\x02\x01\x02\x00\x03\xb0\xb3",
    b"\xa0\xa2\xff\xff",
]
UNTOLD = st.lists(st.sampled_from(SKY + ANTENNA + BINARY + SPOKEN) | damaged(SKY + ANTENNA + BINARY, most=2), max_size=10).map(b"".join)


def require_seen(view: View) -> None:
    """What a person is shown while looking for a receiver: counts, and nothing that is no number."""
    assert view.mode is None or view.mode in {0, 1, 2, 3}
    for count in (view.in_view, view.heard, view.used):
        assert count is None or 0 <= count <= 10_000
    assert view.accuracy_m is None or math.isfinite(view.accuracy_m)
    assert view.antenna in {"", "open", "short"}


@tries(200)
@given(UNTOLD | LINES, CUTS)
def test_whatever_a_port_says_it_is_told_what_it_speaks(data: bytes, cuts: list[int]):
    """Setup listens to every port at every speed: the same whole or cut anywhere, and no exception."""
    with prompt():
        whole, pieces = Ear(), Ear()
        whole.take(data)
        for piece in cut(data, cuts):
            pieces.take(piece)
    assert (pieces.speech, pieces.view, pieces.count) == (whole.speech, whole.view, len(data))
    assert (whole.speech is Speech.SILENCE) == (not data)
    require_seen(whole.view)


@tries(200)
@given(JSONS | damaged(GPSD), CUTS)
@example(b'{"class":"TPV","mode":3,"eph":1' + b"0" * 400 + b"}\n", [])
@example(b'{"class":"TPV","mode":99,"eph":NaN}\n', [])
@example(b'{"class":"SKY","satellites":[{"ss":1e999,"used":true},{"ss":"x"},7]}\n', [])
def test_whatever_a_gpsd_says_setup_goes_on(data: bytes, cuts: list[int]):
    """As the daemon does."""
    with prompt():
        ear = GpsdEar()
        for piece in cut(data, cuts):
            ear.take(piece)
    require_seen(ear.view)
    assert len(ear.version) <= 40


def test_a_line_that_never_tells_sense_fills_no_memory():
    """A receiver at the wrong speed for a night."""
    chance = seeded(1)
    stream, gate = NmeaStream("r"), [Gate()]

    def feed(number: int) -> None:
        at = number * chance.choice((0.01, 1.0))
        for report in stream.feed(damaged_by_chance(chance, SPOKEN), at):
            gate[0], _ = room.judge(gate[0], report)

    assert grown(feed, 6_000) < GROWTH_BYTES


def test_a_gpsd_that_never_tells_sense_fills_no_memory():
    """With ever new devices, and lines without an end."""
    chance = seeded(3)
    stream = GpsdStream("g")

    def feed(number: int) -> None:
        named = json.dumps({**TPV, "device": f"/dev/{number}", "mode": chance.randrange(5)}).encode() + b"\n"
        stream.feed(
            chance.choice((named, damaged_by_chance(chance, [named, *GPSD]), chance.randbytes(200).replace(b"\n", b""))), float(number)
        )

    assert grown(feed, 3_000) < GROWTH_BYTES
    for _ in range(40):
        stream.feed(b"x" * 4_096, 0.0)
    assert len(stream._rest) <= LONGEST + 4_096


def noise(chance: random.Random, honest: list[bytes], size: int) -> bytes:
    """So many bytes of damaged sense."""
    data = bytearray()
    while len(data) < size:
        data += damaged_by_chance(chance, honest)
    return bytes(data)


def test_a_gpsd_that_raves_is_listened_to_once_it_talks_sense():
    """The real receiver on a real connection: a quarter of a megabyte of nonsense neither ends it nor leaves it deaf."""
    chance = seeded(21)

    async def rave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(noise(chance, [*GPSD, *(json.dumps(each).encode() + b"\n" for each in SAID)], 250_000) + b"\n")
            for second in range(100):
                told = {**TPV, "device": "/dev/sane", "time": f"2026-07-01T10:{second // 60:02d}:{second % 60:02d}.000Z"}
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
                await asyncio.sleep(0.1)  # as a receiver's clock would
        except ConnectionError:
            return
        finally:
            writer.transport.abort()

    async def story() -> None:
        server = await asyncio.start_server(rave, "127.0.0.1", 0)
        receiver = GpsdReceiver(name="g", clock_at=time.monotonic, port=server.sockets[0].getsockname()[1])
        async with server, listening(receiver) as listener:
            await listener.until(lambda: any(each.gnss_time and each.gnss_time >= SANE_FROM for each in listener.reports), 20)
        require_believable(listener.reports)

    asyncio.run(story())


SANE_FROM = 1_782_900_000.0  # 2026-07-01T10:00:00Z


def test_a_line_that_raves_is_listened_to_once_it_talks_sense():
    """The real receiver on a real line, likewise."""
    chance = seeded(22)

    async def rave(line: int) -> None:
        for piece in cut(noise(chance, SPOKEN, 100_000), [chance.randrange(100_000) for _ in range(60)]):
            await put(line, piece)
        for sentence in generated_log(200):
            await put(line, sentence)
            await asyncio.sleep(0.03)  # as a receiver's clock would

    async def story() -> None:
        line, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(line, False)
        receiver = SerialReceiver(name="s", clock_at=time.monotonic, path=os.ttyname(theirs))
        async with listening(receiver) as listener:
            raving = asyncio.create_task(rave(line))
            await listener.until(lambda: any(each.gnss_time == SENSE_FROM for each in listener.reports), 20)
            raving.cancel()
            await asyncio.gather(raving, return_exceptions=True)
        require_believable(listener.reports)
        os.close(theirs)
        os.close(line)

    asyncio.run(story())


SENSE_FROM = 1_704_110_404.0  # 2024-01-01T12:00:04Z, in the generated log and in nothing else


async def put(line: int, data: bytes) -> None:
    """Write to a line as fast as it takes it."""
    while data:
        try:
            data = data[os.write(line, data) :]
        except BlockingIOError:
            await asyncio.sleep(0.005)
