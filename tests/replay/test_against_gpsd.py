"""Recorded logs of real receivers, compared with gpsd's own reading of them, second by second.

The logs and their `.chk` lie beside the repository (`../shared/nmea`); without them these tests are skipped. Compared by time of
day, because gpsd mis-dates old logs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from agent.gate import Gate, judge
from agent.model import Reason
from hardware.replay import read_log

SHARED = Path(__file__).parents[3] / "shared" / "nmea"
CLOSE_DEG = 2e-6
LOGS = sorted(SHARED.glob("*.log"))
Places = dict[float, list[tuple[float, float]]]

pytestmark = pytest.mark.skipif(not LOGS, reason="the recorded logs (../shared/nmea) are absent: nothing was compared with gpsd")


def told_by_gpsd(chk: Path) -> Places:
    """Timed positions that are not simulated, by time of day."""
    places: Places = defaultdict(list)
    for line in chk.read_text(errors="replace").splitlines():
        if not line.startswith("{"):
            continue
        tpv = json.loads(line)
        if tpv["class"] == "TPV" and "time" in tpv and "lat" in tpv and tpv["mode"] >= 2 and tpv.get("status") != 8:
            time = datetime.fromisoformat(tpv["time"])
            places[round(time.timestamp() % 86400, 3)].append((tpv["lat"], tpv["lon"]))
    return places


def told_by_us(log: Path) -> tuple[Places, dict[str, int]]:
    """Fixes that pass the gate, by the time of day of their report, and what the gate counted."""
    places: Places = defaultdict(list)
    gate, clocks = Gate(log=True), {}
    for report in read_log(log):
        clocks[report.at] = report.time_of_day_s
        gate, verdict = judge(gate, report)
        for fix in verdict.fixes:
            if clocks[fix.at] is not None:
                places[clocks[fix.at]].append((fix.latitude, fix.longitude))
    return places, gate.counts()


def close(one: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    return any(abs(one[0] - lat) <= CLOSE_DEG and abs(one[1] - lon) <= CLOSE_DEG for lat, lon in others)


@pytest.mark.parametrize("log", [pytest.param(log, id=log.stem) for log in LOGS if log.stem != "GPSmap-76S"])
def test_our_fixes_are_those_of_gpsd(log: Path):
    """In 95 % of the seconds that gpsd places, a fix of ours is within 2e-6 degrees; at most 2 % of ours are anywhere else."""
    theirs = told_by_gpsd(log.with_name(log.name + ".chk"))
    ours, _ = told_by_us(log)
    agreeing = [clock for clock, places in theirs.items() if any(close(place, places) for place in ours.get(clock, []))]
    compared = [(clock, place) for clock, places in ours.items() for place in places if clock in theirs]
    differing = [each for each in compared if not close(each[1], theirs[each[0]])]
    assert theirs
    assert len(agreeing) >= 0.95 * len(theirs)
    assert len(differing) <= 0.02 * len(compared)


def test_a_receiver_in_simulator_mode_gives_no_fix():
    """GPSmap-76S looks valid to gpsd; every one of its epochs is counted as simulated, none passes."""
    log = SHARED / "GPSmap-76S.log"
    if not log.exists():
        pytest.skip("GPSmap-76S.log is absent")
    ours, counts = told_by_us(log)
    assert not ours
    assert counts[Reason.SIMULATED] == sum(1 for report in read_log(log) if report.mode >= 2) > 0
