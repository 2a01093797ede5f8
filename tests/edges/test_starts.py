"""A crash loop is noticed, and nothing else is taken for one; what cannot be counted keeps nobody from starting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.identity import read_boot_id
from agent.progress import RECEIVER_S
from agent.starts import LONG_LIFE_S, MOST, NAME, WITHIN_S, Crashes, Starts


class Boot:
    """A device whose processes start one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.now_at = directory, 1000.0

    def start(self, after_s: float) -> tuple[Starts, Crashes | None]:
        self.now_at += after_s
        starts = Starts(self.directory, lambda: self.now_at)
        return starts, starts.begin()


def test_start_that_makes_five_within_five_minutes_is_a_careful_one(tmp_path: Path):
    """And every one after it, as long as they follow each other as quickly; it says how the last life ended."""
    boot = Boot(tmp_path / "presses")
    for number in range(1, 8):
        starts, crashes = boot.start(20.0)
        assert (crashes is not None) == (number >= MOST)
        starts.died("KeyError at agent/trails.py:7")
    assert crashes == Crashes(MOST, 80.0, "KeyError at agent/trails.py:7")


def test_killed_process_cannot_say_of_what_and_counts_all_the_same(tmp_path: Path):
    """SIGKILL, the watchdog, or the kernel that was out of memory; what an earlier life said is not its own."""
    boot = Boot(tmp_path)
    boot.start(1.0)[0].died("KeyError")
    crashes = [boot.start(1.0)[1] for _ in range(MOST - 1)]
    assert crashes[-1] == Crashes(MOST, MOST - 1.0, None)


def test_clean_ends_are_no_crashes(tmp_path: Path):
    """An administrator may restart the unit as often as he likes, and gets out of a careful start by one."""
    boot = Boot(tmp_path)
    for _ in range(20):
        starts, crashes = boot.start(1.0)
        assert crashes is None
        starts.over()
    for _ in range(MOST):
        starts, crashes = boot.start(1.0)
    assert crashes is not None
    starts.over()
    assert boot.start(1.0)[1] is None


def test_daemon_that_stands_still_after_each_start_is_in_a_loop(tmp_path: Path):
    """Nobody dies slower of a start: a slow board's ten seconds, until a receiver counts as standing still, until the watchdog bites."""
    unit = (Path(__file__).parents[2] / "systemd/callout-agent.service").read_text()
    watchdog_s, restart_s = (float(re.findall(rf"^{name}=(\d+)$", unit, re.MULTILINE)[0]) for name in ("WatchdogSec", "RestartSec"))
    boot = Boot(tmp_path)
    crashes = [boot.start(10.0 + RECEIVER_S + watchdog_s + restart_s)[1] for _ in range(MOST)]
    assert crashes[-1] is not None


def test_starts_that_are_far_apart_are_no_loop(tmp_path: Path):
    """A device that is killed every other minute is not in a loop, one that lived long is not either."""
    boot = Boot(tmp_path)
    assert [boot.start(WITHIN_S / (MOST - 1) + 1.0)[1] for _ in range(20)] == [None] * 20
    assert LONG_LIFE_S >= WITHIN_S


def test_another_boot_counts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the runtime directory is no tmpfs: the monotonic clock of another boot says nothing."""
    boot = Boot(tmp_path)
    for _ in range(MOST - 1):
        boot.start(1.0)
    monkeypatch.setattr("agent.starts.read_boot_id", lambda: "another")
    assert boot.start(1.0)[1] is None


ABSURD = b'{"boot_id": "%s", "last": null, "at": [1%s]}' % (read_boot_id().encode(), b"0" * 400)  # no float is so large


@given(st.binary(max_size=200) | st.sampled_from([b"null", b"[]", b'{"boot_id": 1}', b'{"at": "x"}', b"[" * 5000, ABSURD]))
def test_file_that_holds_anything_keeps_nobody_from_starting(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    """It is not believed, and replaced."""
    boot = Boot(tmp_path_factory.mktemp("presses"))
    (boot.directory / NAME).write_bytes(content)
    assert boot.start(1.0)[1] is None
    assert boot.start(1.0)[1] is None


def test_directory_that_cannot_be_written_keeps_nobody_from_starting(tmp_path: Path):
    """Nothing is counted then."""
    (tmp_path / "file").write_text("")
    boot = Boot(tmp_path / "file" / "presses")
    assert [boot.start(1.0)[1] for _ in range(10)] == [None] * 10
