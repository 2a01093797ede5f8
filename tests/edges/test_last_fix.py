"""The last position outlives a process in the runtime directory, and only there: not a boot, not what somebody else wrote."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import last_fix, resume
from agent.last_fix import EVERY_S, NAME, LastFix
from agent.model import Fix, Quality

FIX = Fix(at=5.0, wall=1_800_000_000.0, receiver="gps", latitude=-33.9, longitude=18.4, accuracy_m=6.0)


def test_last_position_is_told_to_the_next_process_as_a_stored_one(tmp_path: Path):
    """And is for nobody else."""
    LastFix(tmp_path, lambda: 10.0).follow(FIX)
    assert last_fix.recall(tmp_path) == replace(FIX, quality=Quality.STORED)
    path = tmp_path / resume.OWN_NAME / NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()] == [0o700]


def test_it_is_written_at_most_twice_a_minute(tmp_path: Path):
    """At the same pace whatever goes on: it depends on the receiver alone (law 5)."""
    now_at = [0.0]
    keeping, seen = LastFix(tmp_path, lambda: now_at[0]), set()
    for second in range(1, 300):
        now_at[0] = float(second)
        keeping.follow(replace(FIX, at=float(second)))
        told = last_fix.recall(tmp_path)
        assert told is not None
        assert second - told.at < EVERY_S
        seen.add(told.at)
    assert len(seen) == 10


def test_another_boot_has_another_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the runtime directory is no tmpfs."""
    LastFix(tmp_path, lambda: 10.0).follow(FIX)
    monkeypatch.setattr("agent.last_fix.read_boot_id", lambda: "another")
    assert last_fix.recall(tmp_path) is None


@given(
    st.binary(max_size=100)
    | st.sampled_from([{"latitude": 91.0}, {"longitude": "x"}, {"at": None}, {"wall": float("nan")}, {"more": 1}, {"receiver": 3}]).map(
        lambda wrong: json.dumps(
            {"boot_id": last_fix.read_boot_id(), "at": 5, "wall": 1, "receiver": "r", "latitude": 1, "longitude": 2} | wrong
        ).encode()
    )
)
def test_file_that_holds_anything_else_is_no_position(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    """It is not believed; nothing is raised for it."""
    folder = tmp_path_factory.mktemp("presses")
    LastFix(folder, lambda: 10.0).follow(FIX)
    (folder / resume.OWN_NAME / NAME).write_bytes(content)
    assert last_fix.recall(folder) is None


def test_later_of_two_is_taken():
    """Of this boot the one with the later moment; one of another boot is older than any of this."""
    other_boot, newer = replace(FIX, at=0.0), replace(FIX, at=9.0)
    assert last_fix.later(None, None) is None
    assert last_fix.later(FIX, None) == last_fix.later(None, FIX) == last_fix.later(other_boot, FIX) == FIX
    assert last_fix.later(newer, FIX) == last_fix.later(FIX, newer) == newer
