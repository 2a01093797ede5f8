"""`track export`: what other programs read, what a cancel hides, what stands in the way; and that reading leaves no trace."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import drives
import pytest
import xmlschema
from drives import BEGIN, Cancelled

from agent.cli import instants, main, track_export
from agent.columns import write_utc
from agent.model import Fix
from agent.tracks import geojson, gpx, history, sheet
from agent.tracks.history import COLUMNS
from agent.tracks.points import Limits, read_point, walk

REPO = Path(__file__).parents[2]
GPX = "{http://www.topografix.com/GPX/1/1}"
OURS = f"{{{gpx.NAMESPACE}}}"
SCHEMA = Path(__file__).parent / "schemas" / "gpx-1.1.xsd"
FORMATS = ("gpx", "geojson", "csv")


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.make_drive(tmp_path_factory.mktemp("drive") / "agent.db")


@pytest.fixture(autouse=True)
def no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLOUT_AGENT_CONFIG", str(tmp_path / "none.toml"))


def export(path: Path, form: str, out: Path, *more: str) -> bytes:
    """The exported file."""
    target = out / f"track.{form}"
    assert main(["track", "export", "--database", str(path), "--output", str(target), *more]) == 0
    return target.read_bytes()


def fix(second: float, latitude: float, longitude: float, **more: Any) -> Fix:
    return Fix(1000.0 + second, BEGIN + second, more.pop("receiver", "gpsd"), latitude, longitude, accuracy_m=5.0, **more)


# GPX


def parsed(path: Path, out: Path) -> Any:
    """The GPX of a database, valid by the official schema."""
    data = export(path, "gpx", out)
    xmlschema.XMLSchema(SCHEMA).validate(io.BytesIO(data))
    return xmlschema.XMLResource(io.BytesIO(data)).root


def test_gpx_is_valid_and_ends_its_segments_at_gaps(drive: Path, tmp_path: Path):
    """The tunnel parts the drive; presses and callouts are waypoints; every time is UTC."""
    root = parsed(drive, tmp_path)
    segments = [segment.findall(f"{GPX}trkpt") for segment in root.iter(f"{GPX}trkseg")]
    times = [[point.findtext(f"{GPX}time") for point in segment] for segment in segments]
    assert [(each[0][11:16], each[-1][11:16]) for each in times] == [("08:00", "09:07"), ("09:14", "10:04")]
    assert all(time.endswith("Z") for each in times for time in each)
    points = [(w.findtext(f"{GPX}type"), w.findtext(f"{GPX}time")) for w in root.iter(f"{GPX}wpt")]
    assert points[0] == ("press", "2026-03-02T08:31:00.000Z")
    assert [kind for kind, _ in points] == ["press", "raised", "ended"]
    point = segments[0][600].find(f"{GPX}extensions")
    assert {each.tag.removeprefix(OURS): each.text for each in point}.keys() >= {"accuracy_m", "speed_mps", "dispatch", "quality"}


@pytest.mark.parametrize(
    ("rows", "boots", "counts"),
    [
        ([fix(n, -33.9, 18.4) for n in (0, 30, 60)], (), [3]),
        ([fix(n, -33.9, 18.4) for n in (0, 30, 121)], (), [2, 1]),
        ([fix(n, -33.9, 18.4) for n in (0, 30, 60)], (1030.0,), [1, 2]),
        ([fix(n, -33.9, 18.4, segment=n // 60) for n in (0, 30, 60, 90)], (), [2, 2]),
        ([fix(n, -33.9, 18.4, receiver="a" if n < 60 else "b") for n in (0, 30, 60, 90)], (), [2, 2]),
        ([Fix(1000.0 + n, BEGIN - n, "gpsd", -33.9, 18.4) for n in (0, 1, 2)], (), [1, 1, 1]),
    ],
    ids=["joined", "gap", "boot", "receiver's clock", "receiver", "time runs back"],
)
def test_a_segment_is_what_may_be_joined(tmp_path: Path, rows: list[Fix], boots: tuple[float, ...], counts: list[int]):
    root = parsed(drives.make_track(tmp_path / "a.db", rows, boots=boots), tmp_path)
    assert [len(segment) for segment in root.iter(f"{GPX}trkseg")] == counts


def test_gpx_says_what_xml_can_say(tmp_path: Path):
    """Names from outside with brackets, ampersands and bytes that no XML may hold; a place on the date line."""
    path = drives.make_track(tmp_path / "a.db", [fix(0, 90.0, 180.0, receiver='a<b>&"\x00\x1b\ufffe'), fix(1, -90.0, -180.0)])
    assert "a<b>&" in parsed(path, tmp_path).findtext(f".//{GPX}src")


@pytest.mark.skipif(shutil.which("gpsbabel") is None, reason="gpsbabel is not installed")
def test_gpsbabel_reads_the_gpx(drive: Path, tmp_path: Path):
    """Every position, with its time; every waypoint."""
    export(drive, "gpx", tmp_path)
    with sqlite3.connect(drive) as db:
        kept = db.execute("SELECT latitude_deg, longitude_deg, substr(wall_utc, 12, 8) FROM fixes ORDER BY at_s").fetchall()
    points = babelled(tmp_path / "track.gpx", "-t")
    assert [row["Time"][:8] for row in points] == [time for *_, time in kept]
    assert [(float(row["Latitude"]), float(row["Longitude"])) for row in points] == [pytest.approx(row[:2], abs=1e-6) for row in kept]
    assert [row["Name"] for row in babelled(tmp_path / "track.gpx", "-w")] == ["Press 1", "Callout 992011 raised", "Callout 992011 ended"]


def babelled(path: Path, what: str) -> list[dict[str, str]]:
    """What gpsbabel makes of a GPX. what: -t for tracks, -w for waypoints."""
    line = ["gpsbabel", what, "-i", "gpx", "-f", str(path), "-o", "unicsv,utc=0", "-F", "-"]
    return list(csv.DictReader(subprocess.run(line, check=True, timeout=30, capture_output=True, text=True).stdout.splitlines()))


# GeoJSON


def positions(geometry: dict[str, Any]) -> Iterator[list[float]]:
    match geometry["type"]:
        case "Point":
            yield geometry["coordinates"]
        case "LineString":
            yield from geometry["coordinates"]
        case "MultiLineString":
            for part in geometry["coordinates"]:
                yield from part
        case other:
            pytest.fail(f"{other} is no geometry of a track")


def check_geojson(text: str) -> dict[str, Any]:
    """The rules of RFC 7946, as far as they concern points and lines."""

    def refuse(word: str) -> None:
        pytest.fail(f"{word} is no JSON")

    document = json.loads(text, parse_constant=refuse)
    assert document["type"] == "FeatureCollection"  # 3.3
    assert "crs" not in document  # 4
    assert not {"coordinates", "geometries", "geometry", "properties"} & document.keys()  # 7.1
    everything = []
    for feature in document["features"]:
        assert feature["type"] == "Feature"  # 3.2
        assert feature.keys() >= {"geometry", "properties"}
        assert not {"coordinates", "geometries", "features", "crs"} & feature.keys()  # 7.1
        geometry = feature["geometry"]
        if geometry is None:
            continue  # an unlocated feature, 3.2
        everything += list(positions(geometry))
        lines = {"LineString": lambda g: [g["coordinates"]], "MultiLineString": lambda g: g["coordinates"]}
        for line in lines.get(geometry["type"], lambda _: [])(geometry):
            assert len(line) >= 2  # 3.1.4
            assert all(abs(a[0] - b[0]) <= 180 for a, b in itertools.pairwise(line)), "3.1.9: cut at the antimeridian"
    for longitude, latitude in everything:  # 3.1.1: longitude first; two elements suffice, all finite
        assert -180 <= longitude <= 180
        assert -90 <= latitude <= 90
        assert round(longitude, 7) == longitude  # 11.2: no more digits than are known
        assert round(latitude, 7) == latitude
    check_bbox(document.get("bbox"), everything)
    return document


def check_bbox(bbox: list[float] | None, everything: list[list[float]]) -> None:
    """Section 5: all positions lie in it, also where it crosses the date line (5.2)."""
    if bbox is None:
        assert not everything
        return
    west, south, east, north = bbox
    assert (south, north) == (min(lat for _, lat in everything), max(lat for _, lat in everything))
    for longitude, _ in everything:
        assert west <= longitude <= east if west <= east else longitude >= west or longitude <= east


def test_geojson_of_the_drive(drive: Path, tmp_path: Path):
    """Lines by what became of them, in order and joined; a point for each position that was sent, for the press and the callout."""
    document = check_geojson(export(drive, "geojson", tmp_path).decode())
    about = [feature["properties"] for feature in document["features"]]
    lines = [each for each in about if each["kind"] == "track"]
    assert [each["dispatch"] for each in lines] == ["quiet", "live", "told", "live", "live", "untold", "live", "quiet"]
    assert [(each["begin"][11:16], each["end"][11:16]) for each in lines][2] == ("08:39", "08:58")
    with sqlite3.connect(drive) as db:
        sent = db.execute("SELECT count(*) FROM fixes WHERE sent_utc IS NOT NULL").fetchone()[0]
    assert sum(each["kind"] == "sent" for each in about) == sent
    assert [each["kind"] for each in about[:3]] == ["press", "raised", "ended"]
    for feature in document["features"]:
        if feature["properties"]["kind"] == "track":
            assert len(feature["properties"]["coordTimes"]) == len(feature["geometry"]["coordinates"])


def test_a_ferry_across_the_date_line_is_cut(tmp_path: Path):
    """There and back: each line is cut where it crosses, at the latitude of the crossing, and the box is narrow."""
    rows = [fix(0, 10.0, 179.8), fix(10, 12.0, -179.8), fix(20, 12.0, -179.0), fix(30, 10.0, 179.0)]
    document = check_geojson(export(drives.make_track(tmp_path / "a.db", rows), "geojson", tmp_path).decode())
    (feature,) = document["features"]
    assert feature["geometry"] == {
        "type": "MultiLineString",
        "coordinates": [
            [[179.8, 10.0], [180.0, 11.0]],
            [[-180.0, 11.0], [-179.8, 12.0], [-179.0, 12.0], [-180.0, 11.0]],
            [[180.0, 11.0], [179.0, 10.0]],
        ],
    }
    assert document["bbox"] == [179.0, 10.0, -179.0, 12.0]


def test_positions_that_are_none_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A file that somebody else wrote into: no number, no place on earth, no time. CSV shows them."""
    path = drives.make_track(tmp_path / "a.db", [fix(n, -33.9 + n / 1000, 18.4) for n in range(6)])
    with sqlite3.connect(path) as db:
        for second, change in enumerate(("latitude_deg = 9e999", "longitude_deg = NULL", "latitude_deg = 91", "wall_utc = '2026-03-02x'")):
            db.execute(f"UPDATE fixes SET {change} WHERE at_s = ?", (1000.0 + second,))  # noqa: S608 - the words above
    document = check_geojson(export(path, "geojson", tmp_path).decode())
    assert [len(feature["geometry"]["coordinates"]) for feature in document["features"]] == [2]
    assert "4 rows have no usable position" in capsys.readouterr().err
    assert len(export(path, "csv", tmp_path).splitlines()) == 7


def test_a_long_line_goes_on_in_another_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """So that no line has to be held whole: the next one begins where the last one ended."""
    monkeypatch.setattr(geojson, "LONGEST", 4)
    path = drives.make_track(tmp_path / "a.db", [fix(n, -33.9 + n / 1000, 18.4) for n in range(10)])
    lines = [feature["geometry"]["coordinates"] for feature in check_geojson(export(path, "geojson", tmp_path).decode())["features"]]
    assert [len(line) for line in lines] == [4, 4, 4]
    assert all(a[-1] == b[0] for a, b in itertools.pairwise(lines))


# CSV


def test_csv_has_every_row_and_column_of_the_database(drive: Path, tmp_path: Path):
    """Read back with nothing lost: the same values in the same order, empty where there is none."""
    read = list(csv.DictReader(io.StringIO(export(drive, "csv", tmp_path).decode(), newline="")))
    with sqlite3.connect(drive) as db:
        db.row_factory = sqlite3.Row
        kept = db.execute("SELECT f.*, b.boot_id FROM fixes f JOIN boots b ON b.number = f.boot ORDER BY boot, at_s").fetchall()
    assert tuple(read[0]) == COLUMNS
    assert [[row[name] for name in COLUMNS] for row in read] == [
        ["" if row[name] is None else str(row[name]) for name in COLUMNS] for row in kept
    ]


def test_every_column_is_explained():
    """In the table of docs/TRACK.md, in this order."""
    section = (REPO / "docs" / "TRACK.md").read_text(encoding="utf-8").partition("## CSV")[2].partition("## ")[0]
    heads = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in section.splitlines() if line.startswith("| `")]
    assert tuple(itertools.chain(*heads)) == COLUMNS


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '="a",b'])
def test_no_cell_is_a_formula(name: str):
    """A receiver's name comes from a config; a spreadsheet would run it."""
    row = dict.fromkeys(COLUMNS) | {"receiver": name, "longitude_deg": -1.5}
    read = next(csv.DictReader(io.StringIO("".join(sheet.pieces([row])), newline="")))
    assert read["receiver"] == f"'{name}"
    assert read["longitude_deg"] == "-1.5"


# The span


NOW = 1_772_460_000.0  # 2026-03-02T14:00:00Z


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-03-01", "2026-03-01T00:00:00.000Z", "2026-03-01T23:59:59.999Z"),
        ("today", "2026-03-02T00:00:00.000Z", "2026-03-02T23:59:59.999Z"),
        ("Yesterday", "2026-03-01T00:00:00.000Z", "2026-03-01T23:59:59.999Z"),
        ("2026-03-01T12:30", "2026-03-01T12:30:00.000Z", "2026-03-01T12:30:00.000Z"),
        ("2026-03-01T12:30:00+02:00", "2026-03-01T10:30:00.000Z", "2026-03-01T10:30:00.000Z"),
        ("2026-03-01T12:30:00.250Z", "2026-03-01T12:30:00.250Z", "2026-03-01T12:30:00.250Z"),
        ("08:15", "2026-03-02T08:15:00.000Z", "2026-03-02T08:15:00.000Z"),
        ("-2h", "2026-03-02T12:00:00.000Z", "2026-03-02T12:00:00.000Z"),
        ("90min", "2026-03-02T12:30:00.000Z", "2026-03-02T12:30:00.000Z"),
        ("-3d", "2026-02-27T14:00:00.000Z", "2026-02-27T14:00:00.000Z"),
        ("now", "2026-03-02T14:00:00.000Z", "2026-03-02T14:00:00.000Z"),
    ],
)
def test_times_as_they_are_typed(text: str, begin: str, end: str):
    assert (write_utc(instants.read(text, NOW, end=False)), write_utc(instants.read(text, NOW, end=True))) == (begin, end)


@pytest.mark.parametrize("text", ["", "-2x", "tomorrow", "2026-13-01", "25:00", "2026-03-01T", "nan"])
def test_what_is_no_time_is_refused_with_what_would_be(text: str, capsys: pytest.CaptureFixture[str]):
    assert main(["track", "export", "--format", "csv", f"--since={text}"]) == 2
    assert "is no time; it may be" in capsys.readouterr().err


def test_only_the_span_is_exported(drive: Path, tmp_path: Path):
    """Both ends included; presses and callouts of the span too."""
    span = ("--since", "2026-03-02T08:30:50Z", "--until", "2026-03-02T08:31:30Z")
    read = list(csv.DictReader(io.StringIO(export(drive, "csv", tmp_path, *span).decode())))
    assert "2026-03-02T08:30:5" in read[0]["wall_utc"]
    assert read[-1]["wall_utc"] == "2026-03-02T08:31:28.000Z"
    kinds = [each["properties"]["kind"] for each in json.loads(export(drive, "geojson", tmp_path, *span))["features"]]
    assert kinds[:2] == ["press", "raised"]
    assert "ended" not in kinds


def test_ages_need_no_equals_sign(drive: Path, capsys: pytest.CaptureFixture[str]):
    """`--since -2h` is no option of the name -2h. Nothing was recorded then, and it says when something was."""
    assert main(["track", "export", "--format", "csv", "--database", str(drive), "--since", "-2h", "--until", "-1min"]) == 1
    told = capsys.readouterr()
    assert "nothing was recorded since 20" in told.err
    assert "the newest position is of 2026-03-02T10:04:" in told.err
    assert told.out == ""


# What stands in the way


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that fails says."""
    assert main(["track", *words]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


def test_no_database_no_right_no_track(tmp_path: Path, drive: Path, capsys: pytest.CaptureFixture[str]):
    """Each in a sentence that says what to do."""
    csv_of = ("export", "--format", "csv", "--database")
    assert "--database FILE" in complaint(capsys, *csv_of, str(tmp_path / "none.db"))
    (tmp_path / "garbage.db").write_bytes(b"not a database, but long enough for a page " * 200)
    assert "is no database" in complaint(capsys, *csv_of, str(tmp_path / "garbage.db"))
    sqlite3.connect(tmp_path / "other.db").executescript("CREATE TABLE songs (name); INSERT INTO songs VALUES ('x')")
    assert "holds no track" in complaint(capsys, *csv_of, str(tmp_path / "other.db"))
    assert "which format?" in complaint(capsys, "export", "--database", str(drive))
    assert "is later than" in complaint(capsys, *csv_of, str(drive), "--since", "today", "--until", "yesterday")
    assert "is the database itself" in complaint(capsys, *csv_of, str(drive), "--output", str(drive))
    assert "no/such/track.csv: No such file" in complaint(capsys, *csv_of, str(drive), "--output", "no/such/track.csv")
    assert "nothing has been recorded yet" in complaint(capsys, *csv_of, str(drives.make_track(tmp_path / "empty.db", [])))


def test_without_the_right_it_says_sudo(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The files are the service user's and nobody else's."""
    path = drives.make_track(tmp_path / "a.db", [fix(0, -33.9, 18.4)])
    path.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        assert "sudo" in complaint(capsys, "export", "--format", "csv", "--database", str(path))
    finally:
        if root:
            os.seteuid(0)


def test_a_file_appears_whole_or_not_at_all(drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And only its owner may read it: positions are private."""
    target = tmp_path / "track.csv"
    target.write_text("of yesterday")
    monkeypatch.setattr(sheet, "_cell", lambda _value: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert main(["track", "export", "--database", str(drive), "--output", str(target)]) == 1
    assert target.read_text() == "of yesterday"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["track.csv"]
    monkeypatch.undo()
    export(drive, "csv", tmp_path)
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_under_sudo_the_file_is_of_whoever_asked(drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    export(drive, "csv", tmp_path)
    found = (tmp_path / "track.csv").stat()
    assert (found.st_uid, found.st_gid) == (1234, 1235)


# No trace, whatever state the database is in


def seen(folder: Path) -> dict[str, tuple[bytes, float]]:
    return {each.name: (each.read_bytes(), each.stat().st_mtime) for each in folder.iterdir()}


def test_a_paused_reader_holds_nothing_up_and_a_cancel_meanwhile_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`track export | less`: the daemon's -wal can be emptied; and what comes after a cancel says no more than it may."""
    monkeypatch.setattr(history, "_PAGE", 100)
    path = Path(shutil.copy(drives.make_drive(tmp_path / "a.db"), tmp_path / "b.db"))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("UPDATE fixes SET receiver = 'new'")
    with history.opened(path) as found:
        rows = found.rows(history.Window())
        first = next(rows)
        assert first["receiver"] == "new"
        assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "nobody is in the way"
        writer.execute("UPDATE state SET value = '1' WHERE name = 'calm'")
        writer.execute("INSERT OR REPLACE INTO notes VALUES ('calm_since', '2026-03-02T08:40:00.000Z')")
        later = list(rows)
        assert max(row["sent_utc"] or "" for row in later) < "2026-03-02T08:40"
        assert not any(row["told_utc"] for row in later)
        assert found.messages(history.Window()) == []
    writer.close()


@pytest.mark.parametrize("dump", sorted(SCHEMA.parent.glob("version-*.sql")), ids=lambda dump: dump.stem)
def test_a_database_of_every_earlier_version_is_read(tmp_path: Path, dump: Path):
    """A copy from an old device, or a file that was moved aside: nothing migrates it here."""
    with sqlite3.connect(tmp_path / "old.db") as db:
        db.executescript(dump.read_text(encoding="utf-8"))
        count = db.execute("SELECT count(*) FROM fixes").fetchone()[0]
    db.close()
    before = (tmp_path / "old.db").read_bytes()
    assert len(list(csv.DictReader(io.StringIO(export(tmp_path / "old.db", "csv", tmp_path).decode())))) == count > 0
    assert (
        main(["track", "show", "--database", str(tmp_path / "old.db"), "--output", str(tmp_path / "a.svg"), "--since", "2000-01-01"]) == 0
    )
    assert (tmp_path / "old.db").read_bytes() == before


@pytest.mark.parametrize("state", ["closed", "running", "power pulled"])
def test_reading_leaves_no_trace_and_misses_nothing(drive: Path, tmp_path: Path, state: str):
    """With the daemon down, beside a daemon that has it open, and after a power cut that left a -wal without a -shm."""
    folder = tmp_path / "store"
    folder.mkdir()
    path = Path(shutil.copy(drive, folder / "agent.db"))
    writer = sqlite3.connect(path, isolation_level=None)
    if state != "closed":
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE fixes SET receiver = 'new' WHERE at_s = 1000")
    if state == "power pulled":
        kept = {side: (folder / f"agent.db{side}").read_bytes() for side in ("", "-wal")}
        writer.close()
        for side, data in kept.items():
            (folder / f"agent.db{side}").write_bytes(data)
    before = seen(folder)
    # In a process of its own: SQLite's connections of one process share what they know of a file.
    line = [sys.executable, "-m", "agent", "track", "export", "--format", "csv", "--database", str(path)]
    data = subprocess.run(line, cwd=REPO, check=True, capture_output=True, text=True, timeout=30).stdout
    assert seen(folder) == before
    assert (",new," in data) == (state != "closed")
    writer.close()


# Law 5


def outputs(path: Path, out: Path) -> dict[str, bytes]:
    """Everything that the tools make of a database."""
    out.mkdir()
    made = {form: export(path, form, out) for form in FORMATS}
    for form in ("svg", "html"):
        assert main(["track", "show", "--database", str(path), "--output", str(out / f"track.{form}")]) == 0
        made[form] = (out / f"track.{form}").read_bytes()
    return made


@pytest.mark.parametrize("at", [1862.0, 2000.0, 3000.0, 5000.0], ids=["before it was raised", "live", "in an outage", "after one"])
def test_a_cancel_hides_what_goes_on_behind_it(tmp_path: Path, at: float):
    """The same bytes, whether the callout streamed on for an hour and its trail was told, or dispatch had closed at that moment."""
    hidden = drives.make_drive(tmp_path / "hidden.db", cancelled=Cancelled(at, hidden=True))
    closed = drives.make_drive(tmp_path / "closed.db", cancelled=Cancelled(at, hidden=False))
    with sqlite3.connect(hidden) as one, sqlite3.connect(closed) as other:
        rows = "SELECT at_s, episode, sent_utc, told_utc FROM fixes ORDER BY at_s"
        assert one.execute(rows).fetchall() != other.execute(rows).fetchall(), "there is something to hide"
    assert outputs(hidden, tmp_path / "one") == outputs(closed, tmp_path / "other")


def test_the_next_press_ends_the_hiding(tmp_path: Path):
    """And what is not calm is shown: else the test before this one would prove nothing."""
    path = drives.make_drive(tmp_path / "a.db", cancelled=Cancelled(2000.0, hidden=True))
    calm = outputs(path, tmp_path / "calm")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE state SET value = '0' WHERE name = 'calm'")
        db.execute("DELETE FROM notes WHERE name IN ('calm', 'calm_since')")
        db.execute("UPDATE callouts SET calm = 0")
    (tmp_path / "a.db.identity").unlink()
    shown = outputs(path, tmp_path / "shown")
    assert all(calm[form] != shown[form] for form in calm)
    assert b"Nothing got through" in shown["html"]
    assert b"Nothing got through" not in calm["html"]


def test_a_calm_that_only_the_tiny_file_knows_hides_too(tmp_path: Path):
    """On a disk that took nothing more into the database, the press is the last moment that is certain."""
    path = drives.make_drive(tmp_path / "a.db", cancelled=Cancelled(2000.0, hidden=True))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE state SET value = '0' WHERE name = 'calm'")
        db.execute("DELETE FROM notes WHERE name IN ('calm', 'calm_since')")
    assert not [row for row in csv.DictReader(io.StringIO(export(path, "csv", tmp_path).decode())) if row["sent_utc"] or row["told_utc"]]


# Long work


class Terminal(io.StringIO):
    """Where somebody watches."""

    def isatty(self) -> bool:
        return True


def test_a_progress_bar_where_somebody_watches(drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On standard error, only on a terminal, only for long work; the file is the same."""
    quiet = export(drive, "gpx", tmp_path)
    monkeypatch.setattr(sys, "stderr", Terminal())
    export(drive, "gpx", tmp_path)
    assert "reading" not in sys.stderr.getvalue(), "1,600 rows take no time"
    monkeypatch.setattr(track_export, "_LONG", 1000)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert export(drive, "gpx", tmp_path) == quiet
    assert "100%" in sys.stderr.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    export(drive, "gpx", tmp_path)
    assert "reading" not in sys.stderr.getvalue()


def endless(count: int) -> Iterator[dict[str, Any]]:
    """Rows as the database gives them, of a callout that is on all the time."""
    text = {"receiver": "gpsd", "quality": "live", "episode": write_utc(BEGIN), "boot_id": "b", "gnss_utc": None, "told_utc": None}
    for n in range(count):
        utc = write_utc(BEGIN + n)
        place = {"latitude_deg": -33.9 + math.sin(n / 9e3), "longitude_deg": 18.4 + math.cos(n / 7e3), "altitude_m": None}
        numbers = {"at_s": 1000.0 + n, "accuracy_m": 5.0, "speed_mps": 13.0, "track_deg": 90.0, "segment": 0, "wall_trusted": 1}
        yield {"wall_utc": utc, "sent_utc": None if n % 5 else utc, **place, **numbers, **text}


@pytest.mark.parametrize("form", FORMATS)
def test_a_track_of_any_length_takes_the_same_memory(form: str, monkeypatch: pytest.MonkeyPatch):
    """Twice the rows, the same memory. A million of them: docs/TRACK.md."""
    monkeypatch.setattr(geojson, "LONGEST", 500)

    def peak(count: int) -> int:
        rows = endless(count)
        steps = walk((point for row in rows if (point := read_point(row)) is not None), Limits())
        pieces = {
            "gpx": lambda: gpx.pieces(steps, [], "x"),
            "geojson": lambda: geojson.pieces(steps, []),
            "csv": lambda: sheet.pieces(rows),
        }
        tracemalloc.start()
        for _ in pieces[form]():
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(5_000) < 1.2 * peak(2_500) + 50_000
