"""What holds from the start goes on holding while the facts of every second are looked at."""

from __future__ import annotations

from agent import checkup
from agent.clock import SystemClock
from agent.health import Conditions, armed
from agent.kept import StoreSummary
from agent.model import Severity
from agent.positions import Positions, Site


def test_standing_conditions_survive_the_look_of_every_second():
    conditions, clock = Conditions(), SystemClock()
    checkup.stand(
        conditions,
        broken="x",
        elsewhere="x",
        authority="x",
        unserved=("button", "keypad"),
        recording=Severity.CRITICAL,
        wall=clock.wall(),
    )
    stood = {condition.code for condition in conditions.shown(calm=False)}
    assert "config.recording" in stood
    positions = Positions((), Site(1.0, 2.0, 50.0))
    for _ in range(2):
        checkup.look(conditions, positions=positions, clock=clock, store=StoreSummary(), proof_wall=clock.wall(), started_at=clock.at())
    shown = conditions.shown(calm=False)
    assert {condition.code for condition in shown} == stood
    assert not armed(shown)
