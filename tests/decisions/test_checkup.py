"""What holds from the start goes on holding while the facts of every second are looked at."""

from __future__ import annotations

import re

from agent import BUILT_AT_WALL, checkup
from agent.clock import SystemClock
from agent.codes import CODES
from agent.health import Conditions, armed
from agent.kept import StoreSummary
from agent.model import Condition, Report, Severity
from agent.positions import Positions, Site
from agent.timescale import Standing, Witness


def test_standing_conditions_survive_the_look_of_every_second():
    conditions, clock = Conditions(), SystemClock()
    checkup.stand(
        conditions,
        broken="x",
        elsewhere="x",
        authority="x",
        recording=Severity.CRITICAL,
        wall=clock.wall(),
    )
    stood = {condition.code for condition in conditions.shown(calm=False)}
    assert "config.recording" in stood
    positions = Positions((), Site(1.0, 2.0, 50.0))
    for _ in range(2):
        checkup.look(
            conditions,
            positions=positions,
            clock=clock,
            standing=Standing(),
            store=StoreSummary(),
            proof_wall=clock.wall(),
            started_at=clock.at(),
        )
    shown = conditions.shown(calm=False)
    assert {condition.code for condition in shown} == stood
    assert not armed(shown)


# What checkup itself finds, or finds to be over.
OWN = re.compile(r"position\.|receiver\.|clock\.(untrusted|wrong|unset)|armed_proof\.|store\.(?!unproven|damaged|asides)")


def test_what_other_rooms_have_found_survives_the_look_of_every_second():
    """A room that clears up after itself by a prefix must not clear up after others."""
    conditions, clock = Conditions(), Clock(at=1_000.0, wall=BUILT_AT_WALL + 1_000.0)
    names = {row.name.replace("*", "x") for row in CODES}
    for name in names:
        conditions.put(name, Severity.CRITICAL, "", "", wall=clock.wall())
    standing, positions = Standing(trusted=True, witness=Witness.NETWORK), Positions((), Site(1.0, 2.0, 50.0))
    proof_wall = clock.wall()
    checkup.look(
        conditions,
        positions=positions,
        clock=clock,
        standing=standing,
        store=StoreSummary(),
        proof_wall=proof_wall,
        started_at=0.0,
    )
    assert names - {code for code, _ in conditions._kept} == {name for name in names if OWN.match(name)}


def test_a_receiver_whose_positions_are_all_rejected_is_not_sent_for_a_view_of_the_sky():
    """The hint names the reason, which `status` counts; a receiver that tells none is looked for in the sky as before."""
    for mode, words in ((3, "rejected (null_island)"), (1, "view of the sky")):
        positions, conditions = Positions((("gpsd", "gpsd"),)), Conditions()
        for at in range(20):
            place = 0.0 if mode == 3 else None
            report = Report(at, "gpsd", mode, gnss_time=BUILT_AT_WALL + at, latitude=place, longitude=place, accuracy_m=5.0)
            positions.hear(report, wall=BUILT_AT_WALL + at, wall_trusted=True)
        checkup.look(
            conditions,
            positions=positions,
            clock=Clock(at=20.0, wall=BUILT_AT_WALL + 20.0),
            standing=Standing(),
            store=StoreSummary(),
            proof_wall=BUILT_AT_WALL,
            started_at=0.0,
        )
        shown = {each.code: each.hint for each in conditions.shown(calm=False)}
        assert words in shown["position.none"]
        assert "position.stale" not in shown, "it says no more than that there is none"


class Clock:
    """Shows what it is told to."""

    def __init__(self, *, at: float, wall: float) -> None:
        self.at_s, self.wall_s = at, wall

    def at(self) -> float:
        """Monotonic s."""
        return self.at_s

    def wall(self) -> float:
        """UTC s."""
        return self.wall_s

    def trusted(self) -> bool:
        """Nobody asks."""
        return False


def clock_conditions(standing: Standing, *, since_start_s: float = 100.0, wall: float = BUILT_AT_WALL) -> dict[str, Condition]:
    conditions = Conditions()
    checkup.look(
        conditions,
        positions=Positions((), Site(1.0, 2.0, 50.0)),
        clock=Clock(at=since_start_s, wall=wall),
        standing=standing,
        store=StoreSummary(),
        proof_wall=wall,
        started_at=0.0,
    )
    return {condition.code: condition for condition in conditions.shown(calm=False)}


def test_clock_that_nobody_vouches_for_is_a_condition_once_a_receiver_had_its_time():
    assert clock_conditions(Standing(), since_start_s=5.0) == {}
    assert clock_conditions(Standing())["clock.untrusted"].text == "nobody vouches for the system clock"
    early = clock_conditions(Standing(), since_start_s=0.0, wall=12.0)
    assert "before this software was built" in early["clock.untrusted"].text


def test_system_clock_that_is_off_is_a_condition_that_says_by_how_much():
    """It does not disarm: whether TLS fails by it is a condition of its own."""
    ahead = clock_conditions(Standing(trusted=True, witness=Witness.RECEIVER, system_off_s=30 * 86_400.0))
    assert list(ahead) == ["clock.wrong"]
    assert ahead["clock.wrong"].text == "the system clock is 30 days fast"
    assert ahead["clock.wrong"].severity is Severity.DEGRADED
    assert "timedatectl" in ahead["clock.wrong"].hint
    behind = clock_conditions(Standing(trusted=True, witness=Witness.NETWORK, system_off_s=-3_600.0))
    assert behind["clock.wrong"].text == "the system clock is 60 min slow"
    assert clock_conditions(Standing(trusted=True, witness=Witness.NETWORK, system_off_s=-4.9)) == {}


def test_clock_that_could_not_be_set_is_a_condition_that_names_the_remedy():
    shown = clock_conditions(Standing(trusted=True, witness=Witness.RECEIVER, system_off_s=0.0, unset="Operation not permitted"))
    assert "callout-agent-clock.conf" in shown["clock.unset"].hint
