"""`track show`: what became of each position, what a story makes of them, and whether the picture says so."""

from __future__ import annotations

import math
import re
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import drives
import pytest
from drives import BEGIN, DRIVE

from agent.cli import main
from agent.columns import write_utc
from agent.geo import distance_m
from agent.model import Fix
from agent.tracks import picture, words
from agent.tracks.frame import Box, Frame, survey, time_ticks
from agent.tracks.history import Called, Pressed, Said
from agent.tracks.labels import Labels
from agent.tracks.page import render
from agent.tracks.picture import NARROW, WIDE
from agent.tracks.points import Fate, Limits, Point, walk
from agent.tracks.story import Story, Teller, tell

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.make_drive(tmp_path_factory.mktemp("drive") / "agent.db")


@pytest.fixture(autouse=True)
def no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLOUT_AGENT_CONFIG", str(tmp_path / "none.toml"))


def point(second: float, marks: str = "", latitude: float = -33.9, longitude: float = 18.4, **more: Any) -> Point:
    """marks: e during an emergency, s sent, t told."""
    utc = write_utc(BEGIN + second)
    given = {
        "boot_id": "b",
        "receiver": "gpsd",
        "segment": 0,
        "quality": "live",
        "wall_trusted": True,
        "accuracy_m": 5.0,
        "altitude_m": None,
        "speed_mps": None,
        "track_deg": None,
        "episode": write_utc(BEGIN) if marks else None,
        "sent_utc": utc if "s" in marks else None,
        "told_utc": utc if "t" in marks else None,
    }
    return Point(at=1000.0 + second, wall=BEGIN + second, wall_utc=utc, latitude=latitude, longitude=longitude, **(given | more))


def points(marks: str, every_s: float = 10.0, step_m: float = 100.0) -> list[Point]:
    """One for each letter: q quiet, s sent, t told, u neither; northwards."""
    spelled = {"q": "", "s": "es", "t": "et", "u": "e"}
    return [point(n * every_s, spelled[mark], latitude=-33.9 + n * step_m / 111_195) for n, mark in enumerate(marks)]


# What became of a position


@pytest.mark.parametrize(
    ("marks", "fates"),
    [
        ("qqq", "qqq"),
        ("sususu", "llllll"),  # between two accepted ones 20 s apart nothing was missed
        ("suus", "luul"),  # 30 s apart is an outage, and nobody told of it
        ("stts", "lttl"),
        ("sttuus", "lttuul"),
        ("qqssqq", "qqllqq"),
        ("uus", "lll"),  # the raise took 20 s
        ("uuuus", "uuuul"),
        ("suu", "lll"),  # the last seconds: the next one may be on its way
        ("suuuu", "luuuu"),
        ("uu", "uu"),  # nothing was ever accepted
        ("uuq", "uuq"),
        ("suq", "llq"),
    ],
)
def test_what_became_of_a_position(marks: str, fates: str):
    short = {Fate.QUIET: "q", Fate.LIVE: "l", Fate.TOLD: "t", Fate.UNTOLD: "u"}
    steps = list(walk(points(marks), Limits()))
    assert "".join(short[step.fate] for step in steps) == fates
    assert [step.point for step in steps] == points(marks)


def test_the_minutes_before_a_press_are_told_and_are_no_outage():
    """A trail told them; nobody was offline."""
    rows = [point(n * 10.0, told_utc=write_utc(BEGIN + 99)) for n in range(6)]
    rows += [point(60 + n * 10.0, "es" if n else "e") for n in range(3)]
    steps = list(walk(rows, Limits()))
    assert [step.fate for step in steps] == [Fate.TOLD] * 6 + [Fate.LIVE] * 3
    assert tell(steps, 1.0).outages == []


# The story


def story_of(rows: Sequence[Point], keep_m: float = 1.0) -> Story:
    return tell(walk(rows, Limits()), keep_m)


def test_an_outage_is_from_the_last_to_the_next_accepted_position():
    """Its positions are counted by what became of them; one that has not ended is open."""
    ended, open_one = story_of(points("sstttuus" + "suuuu")).outages
    assert (ended.since_wall - BEGIN, ended.until_wall - BEGIN, ended.told, ended.untold) == (10, 70, 3, 2)
    assert (open_one.since_wall - BEGIN, open_one.until_wall, open_one.untold) == (80, None, 4)


def test_standing_is_no_way_and_a_stop_from_three_minutes_on():
    """Wander within the accuracy adds no distance; a stop does not reach over a gap."""
    wander = [point(n * 10.0, latitude=-33.9 + 1e-5 * math.sin(n), longitude=18.4) for n in range(30)]
    story = story_of(wander)
    assert story.distance_m == 0
    assert [(stop.since_wall - BEGIN, stop.length_s) for stop in story.stops] == [(0, 290)]
    assert story_of(wander[:18]).stops == []
    assert story_of([*wander[:10], *(point(1000 + n * 10.0) for n in range(10))]).stops == []


def test_the_way_is_measured():
    """30 km north by 300 steps, to a percent."""
    assert story_of(points("q" * 301)).distance_m == pytest.approx(30_000, rel=0.01)


def test_what_is_left_out_lies_close_and_the_ends_stay():
    """A picture's worth of positions, never more than a bound; every stretch keeps its ends."""
    rows = points("q" * 1000, step_m=7.0)
    kept = story_of(rows, keep_m=50.0).stretches[0].points
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    assert all(distance_m(a.latitude, 18.4, b.latitude, 18.4) <= 57.1 for a, b in pairwise(kept))
    assert len(kept) < 150


def test_a_month_takes_no_more_than_its_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.tracks.story._MOST_KEPT", 100)
    teller = Teller(60.0)
    for step in walk(points("q" * 2000), Limits()):
        teller.hear(step)
        assert sum(len(stretch.points) for stretch in teller.story.stretches) <= 101
    assert teller.story.stretches[0].points[-1].wall == BEGIN + 19_990


# The geometry


@pytest.mark.parametrize("reach_m", [10.0, 1_000.0, 50_000.0, 1_000_000.0])
@pytest.mark.parametrize("latitude", [0.0, -33.9, 60.0])
def test_a_kilometre_is_as_long_in_every_direction(reach_m: float, latitude: float):
    """Within 1 %, for 10 m and for 100 km; within a tenth for 1,000 km. What is far in the picture is far on earth."""
    north, east = reach_m / 111_195, reach_m / 111_195 / math.cos(math.radians(latitude))
    around = [
        point(n, latitude=latitude + y * north / 2, longitude=x * east / 2) for n, (x, y) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1)))
    ]
    frame = Frame(survey(around), Box(0, 0, 1000, 700), 50)
    for one, other in ((0, 1), (2, 3)):
        a, b = around[one], around[other]
        meant = distance_m(a.latitude, a.longitude, b.latitude, b.longitude)
        drawn = math.dist(frame.xy(a), frame.xy(b)) / frame.px_per_m
        assert drawn == pytest.approx(meant, rel=0.1 if reach_m > 100_000 else 0.01)


def test_a_track_across_the_date_line_stays_in_one_piece():
    """Four tenths of a degree, not 359.6."""
    ferry = [point(0, longitude=179.8), point(1, longitude=-179.8)]
    frame = Frame(survey(ferry), Box(0, 0, 1000, 700), 50)
    assert frame.xy(ferry[1])[0] > frame.xy(ferry[0])[0]
    assert math.dist(*map(frame.xy, ferry)) / frame.px_per_m == pytest.approx(distance_m(-33.9, 179.8, -33.9, -179.8), rel=0.01)


@pytest.mark.parametrize(("length_s", "most", "step_s"), [(10, 5, 2), (600, 6, 120), (7_450, 16, 600), (864_000, 10, 86_400)])
def test_times_on_a_scale_are_round(length_s: float, most: int, step_s: int):
    moments, found_s = time_ticks(BEGIN + 3, BEGIN + 3 + length_s, most)
    assert found_s == step_s
    assert all(moment % step_s == 0 and BEGIN + 3 <= moment <= BEGIN + 3 + length_s for moment in moments)
    assert len(moments) <= most + 1


def test_words_lie_neither_over_each_other_nor_over_the_line():
    """Sixty that belong to one place; one that finds no room is left out."""
    line = [(float(x), 350.0) for x in range(0, 1000, 5)]
    labels = Labels(Box(0, 0, 1000, 700), line)
    placed = [label for _ in range(60) if (label := labels.place(("pressed 08:31",), 500, 350, 14, must=False)) is not None]
    assert 3 <= len(placed) < 60
    assert not any(a.box.overlaps(b.box) for n, a in enumerate(placed) for b in placed[n + 1 :])
    assert not any(label.box.holds(*spot) for label in placed for spot in line)


# The picture


def texts(svg: str) -> list[str]:
    """The words of a picture that is well-formed."""
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


def show(path: Path, target: Path, *more: str) -> str:
    assert main(["track", "show", "--database", str(path), "--output", str(target), *more]) == 0
    return target.read_text(encoding="utf-8")


def test_the_drive_says_what_happened(drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Every fact of the drive in words, in the picture and on the command line."""
    svg = show(drive, tmp_path / "a.svg")
    found = texts(svg)
    assert found[0] == "Track of 2 Mar 2026, 08:00 to 10:04 UTC"
    told = " ".join(found) + capsys.readouterr().out
    for fact in ("pressed once at 08:31", "callout 08:31 to 09:48", "offline twice (30 min)", "no position once (6 min)", " in 2 h 04 min"):
        assert told.count(fact) >= 2, fact
    labels = (
        "start 08:00",
        "end 10:04",
        "pressed 08:31",
        "callout ended 09:48",
        "offline 18 min",
        "offline 12 min",
        "no position 6 min",
        "stood 7 min",
        "stood 5 min",
    )
    assert [label for label in labels if label not in found] == []
    assert [each for each in ("N", "10 km", "08:40", "position", "dispatch", "callout") if each not in found] == []
    assert found[-7:] == [
        "live at dispatch",
        "told to dispatch later",
        "not told to dispatch",
        "no callout on",
        "no position",
        "stop",
        "direction",
    ]


def test_a_span_shows_no_place_from_beyond_it(drive: Path, tmp_path: Path):
    """The callout goes on for an hour and 60 km after these three minutes: that is in the words, and not on the map."""
    span = ("--since", "2026-03-02T08:30", "--until", "2026-03-02T08:33")
    found = texts(show(drive, tmp_path / "a.svg", *span))
    assert "pressed 08:31" in found
    assert "callout ended 09:48" not in found
    assert any("callout 08:31 to 09:48" in each for each in found)
    assert any(re.fullmatch(r"\d+ m", each) for each in found), "and the scale is of metres"


def test_nothing_is_told_by_colour_alone(drive: Path, tmp_path: Path):
    """Each fate has its own dash on the map, and a pattern of its own in the strip."""
    svg = show(drive, tmp_path / "a.svg")
    dashes = {fate: re.findall(rf"\.{fate}\.line{{stroke-width:([^}}]*)}}", svg)[0] for fate in ("quiet", "live", "told", "untold")}
    assert len(set(dashes.values())) == 4
    assert "url(#wide-told)" in svg
    assert "url(#wide-untold)" in svg


def numbers(svg: str) -> list[tuple[float, float]]:
    """Every point of every line of a picture."""
    lines = re.findall(r'<polyline class="[a-z ]*(?:line|gap)" points="([^"]*)"', svg)
    return [(float(x), float(y)) for line in lines for x, y in (pair.split(",") for pair in line.split())]


@pytest.mark.parametrize("form", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize(
    "rows",
    [
        [point(0)],
        [point(0), point(30)],
        points("ssttuuss", step_m=1.0),
        [
            point(n * 10, "es", latitude=5 * math.sin(n), longitude=179 + 2 * math.cos(n) - 360 * (179 + 2 * math.cos(n) > 180))
            for n in range(30)
        ],
        [point(n * 600, latitude=-30 + n / 5, longitude=20.0) for n in range(40)],
        [point(n, latitude=89.99999, longitude=n * 40.0 - 180) for n in range(9)],
        [point(n * 4e6, latitude=n / 100) for n in range(5)],
    ],
    ids=["one point", "two at one place", "7 m", "date line", "gaps only", "at the pole", "years"],
)
def test_any_track_is_drawn_within_its_picture(rows: list[Point], form: picture.Form):
    """Well-formed, finite, and inside."""
    svg = picture.draw(story_of(rows), [], [], form)
    _, _, width, height = map(float, re.search(r'viewBox="([^"]*)"', svg)[1].split())
    assert "nan" not in svg
    assert "inf" not in svg
    assert numbers(svg)
    assert all(0 <= x <= width and 0 <= y <= height for x, y in numbers(svg))
    assert texts(svg)


def test_words_from_outside_stay_words():
    """A note, an origin, a message: none becomes an element of the page or of the picture."""
    evil = "<script>alert(1)</script>\"'&]]>\x01"
    rows = points("sssss")
    press = Pressed(1, BEGIN + 10, f"button:{evil}", evil, drill=False, answered_wall=None, place=rows[1])
    call = Called(evil, BEGIN + 10, BEGIN + 30, going_on=False, origin=evil, drill=False, begin=rows[1], end=rows[3])
    page = render(story_of(rows), [press], [call], [Said(BEGIN + 20, evil, evil, told=True)], evil)
    assert "<script" not in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert texts(svg)
    assert page.count("&lt;script&gt;alert(1)") >= 5


def test_the_page_needs_nothing_but_itself(drive: Path, tmp_path: Path):
    """No address but the name of SVG's namespace, no script; and all of its tables."""
    page = show(drive, tmp_path / "a.html")
    assert set(re.findall(r"https?://[^\"' <]*", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|\son\w+=", page)
    assert re.findall(r"<h2>([^<]*)", page) == ["Presses and callouts", "Offline", "Gaps", "Stops", "Messages"]
    for cell in ("08:39:58 to 08:58:03", "250 told later, 0 not told", "09:07:59 to 09:14:00", "Nothing got through from 08:40:00"):
        assert cell in page


# The command


def test_without_a_name_the_picture_lies_here(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Named after its first position; the last line says where it is; nothing is opened."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("webbrowser.open", lambda _address: pytest.fail("nobody asked to open it"))
    assert main(["track", "show", "--database", str(drive)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "track-20260302T080000Z.svg"
    assert (tmp_path / "track-20260302T080000Z.svg").stat().st_mode & 0o777 == 0o600


def test_it_opens_when_asked_and_says_when_it_cannot(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or False)
    show(drive, tmp_path / "a.svg", "--open")
    assert opened == [(tmp_path / "a.svg").as_uri()]
    assert "no browser" in capsys.readouterr().err


def test_without_a_span_it_is_the_last_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """And says that there is more; all of it when asked for."""
    rows = [Fix(1000.0 + n, BEGIN + n, "gpsd", -33.9, 18.4 + n / 1e6) for n in (0, 200_000, 200_030, 200_060)]
    path = drives.make_track(tmp_path / "a.db", rows)
    show(path, tmp_path / "a.svg")
    told = capsys.readouterr()
    assert "only the last 24 hours" in told.err
    assert told.out.startswith("Track of 4 Mar 2026")
    show(path, tmp_path / "a.svg", "--since", "2026-01-01")
    assert capsys.readouterr().out.startswith("Track from 2 Mar 2026 08:00 to 4 Mar")


def test_nothing_to_show_is_said(drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """An empty span, an empty database, rows without a place, a name that is no picture: exit 1 and a sentence."""

    def refused(*args: str) -> str:
        assert main(["track", "show", *args]) == 1
        return capsys.readouterr().err

    assert "the newest position is of 2026-03-02T10:04" in refused("--database", str(drive), "--since", "2026-05-01")
    assert "nothing has been recorded yet" in refused("--database", str(drives.make_track(tmp_path / "e.db", [])))
    assert "a page in .html" in refused("--database", str(drive), "--output", "track.gif")
    path = drives.make_track(tmp_path / "b.db", [Fix(1.0, BEGIN, "gpsd", -33.9, 18.4)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE fixes SET latitude_deg = NULL")
    assert "none of the 1 rows has a usable position" in refused("--database", str(path))
    assert not list(tmp_path.glob("*.svg"))


def test_a_png_without_chromium_is_refused_with_the_way_out(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["track", "show", "--database", str(drive), "--output", str(tmp_path / "a.png")]) == 1
    assert "needs Chromium" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_png_is_the_picture(drive: Path, tmp_path: Path):
    """Twice as wide as the drawing, for a clear print."""
    assert main(["track", "show", "--database", str(drive), "--output", str(tmp_path / "a.png")]) == 0
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20]) == 2 * WIDE.width
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_the_words_of_a_story():
    """Short, and no more than is known."""
    assert words.headlines(story_of(points("qqqq")), [], []) == ["300 m in 30 s"]
    assert words.headlines(story_of(points("suuuus")), [], [])[1] == "offline once (50 s): nothing of it told"
    assert words.headlines(story_of(points("suttus")), [], [])[1] == "offline once (50 s): 2 positions told later, 2 not"
    story = story_of(points("ssss"))
    assert story.first is not None
    begun = story.first.wall
    assert "callout since " + words.clock(begun) in words.headlines(
        story, [], [Called("1", begun, None, going_on=True, origin="", drill=False)]
    )
    yesterday = Called("1", begun - 86_400, None, going_on=True, origin="", drill=False)
    assert "callout since " + words.short(begun - 86_400, dated=True) in words.headlines(story, [], [yesterday])
    assert words.length(11 * 86_400 + 13.2 * 3_600) == "11 days 13 h"
    assert DRIVE.tunnel[1] - DRIVE.tunnel[0] == 360.0


@pytest.mark.parametrize(("count", "told"), [(2, []), (3, ["1 earlier callout"]), (5, ["3 earlier callouts"])])
def test_headlines_leave_no_callout_out(count: int, told: list[str]) -> None:
    """The last two by their times, those before them by how many there were."""
    story = story_of(points("ssss"))
    assert story.first is not None
    begun = story.first.wall
    callouts = [Called(str(each), begun + each, begun + each + 0.5, going_on=False, origin="", drill=False) for each in range(count)]
    lines = words.headlines(story, [], callouts)
    assert [each for each in lines if "earlier" in each] == told
    assert len([each for each in lines if " to " in each]) == 2
