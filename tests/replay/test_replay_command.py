"""`callout-agent replay LOG`: what an installer sends us when a receiver misbehaves."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from agent.cli import main
from agent.model import Reason

DRIVE = Path(str(resources.files("agent.cli").joinpath("drive.nmea")))


def test_every_second_of_a_good_log_is_a_fix_and_the_last_line_counts_the_rejections(capsys: pytest.CaptureFixture[str]):
    assert main(["replay", str(DRIVE), "--json"]) == 0
    *fixes, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(fixes) == 400
    assert list(fixes[0]) == ["time", "latitude", "longitude", "accuracy_m", "speed_mps", "track_deg"]
    assert fixes[0]["time"] == "2026-03-02T09:14:00.000Z"
    assert fixes[-1]["time"] == "2026-03-02T09:20:39.000Z"
    assert last == {"rejected": {reason.value: 0 for reason in Reason}}


def test_text_has_the_same_fields_in_the_same_order(capsys: pytest.CaptureFixture[str]):
    assert main(["replay", str(DRIVE)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[60].split(", ")[:3] == ["2026-03-02T09:15:00.000Z", *lines[60].split(", ")[1:3]]
    assert len(lines[60].split(", ")) == 6
    assert lines[-1].startswith("rejected: simulated 0, ")


def test_simulated_receiver_gives_no_fix_and_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = tmp_path / "simulated.nmea"
    body = [line for line in DRIVE.read_text().splitlines()[:51] if line.startswith("$GNGGA")]
    log.write_text("".join(_quality(line, "8") + "\n" for line in body))
    assert main(["replay", str(log), "--json"]) == 0
    (last,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert last["rejected"]["simulated"] == len(body)


def _quality(line: str, quality: str) -> str:
    fields = line[1 : line.index("*")].split(",")
    fields[6] = quality
    content = ",".join(fields)
    check = 0
    for byte in content.encode():
        check ^= byte
    return f"${content}*{check:02X}"


def test_file_that_no_receiver_wrote_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "x").write_text("hello\nworld\n")
    assert main(["replay", str(tmp_path / "x")]) == 1
    assert "nothing in it that a receiver says" in capsys.readouterr().err


def test_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["replay", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
