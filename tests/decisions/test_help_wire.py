"""How far help has come: understood by what keys mean, never guessed, whatever comes in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.help_wire import LAST_INSTANT, MAX_ENTRIES, help_of
from agent.model import Help
from agent.scalars import INSTANT_FROM

ANSWERED_WALL = 1_772_446_800.0  # 2026-03-02T10:20:00Z
DISPATCHED, ARRIVED, COMPLETED = "2026-03-02T10:11:12Z", "2026-03-02T10:15:00Z", "2026-03-02T10:18:30Z"
WALL = {DISPATCHED: 1_772_446_272.0, ARRIVED: 1_772_446_500.0, COMPLETED: 1_772_446_710.0}


def told(incident: Any, answered_wall: float | None = ANSWERED_WALL) -> Help:
    return help_of({"id": 7, "incidentInformation": incident}, answered_wall)


# --- past -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "incident",
    [
        {"dispatchedAt": DISPATCHED, "arrivedAt": ARRIVED, "completedAt": COMPLETED},
        [{"dispatchedAt": DISPATCHED, "arrivedAt": ARRIVED, "completedAt": COMPLETED}],
        [{"dispatched_at": DISPATCHED}, {"ARRIVED-AT": ARRIVED}, {"completed at": COMPLETED}],
        {"responderDispatchTime": DISPATCHED, "arrivalTimestamp": ARRIVED, "completionDate": COMPLETED},
        {"timestamps": {"dispatch": DISPATCHED, "arrival": ARRIVED, "completion": COMPLETED}},
        {"dispatched": {"at": DISPATCHED}, "arrived": {"time": ARRIVED}, "completed": {"timestamp": COMPLETED}},
        {"dispatchedAt": WALL[DISPATCHED], "arrivedAt": WALL[ARRIVED] * 1000, "completedAt": str(WALL[COMPLETED])},
        {"responder": {"name": "Unit 7", "dispatchedAt": DISPATCHED, "arrivedAt": ARRIVED, "completedAt": COMPLETED}},
        {"metadata": {"details": {"dispatchedAt": DISPATCHED, "arrivedAt": ARRIVED, "completedAt": COMPLETED}}},
        {"incident": [None, {"dispatchedAt": DISPATCHED, "arrivedAt": ARRIVED, "completedAt": COMPLETED}]},
    ],
)
def test_times_are_found_by_what_their_keys_mean(incident: Any) -> None:
    """Array or object, nested or flat, any case and separator; seconds, milliseconds or text."""
    found = told(incident)
    assert (found.dispatched_wall, found.arrived_wall, found.completed_wall) == (WALL[DISPATCHED], WALL[ARRIVED], WALL[COMPLETED])


@pytest.mark.parametrize("incident", [None, [], {}, "text", 3, [None, 3, "x"], {"responder": None}, {"dispatchedAt": None}])
def test_nothing_told_is_nothing_known(incident: Any) -> None:
    """Absent, empty or of no use."""
    assert told(incident) == Help()


def test_a_callout_without_the_block_may_tell_by_itself() -> None:
    """Where the answer is flat."""
    assert help_of({"id": 7, "arrivedAt": ARRIVED}, ANSWERED_WALL).arrived_wall == WALL[ARRIVED]


@pytest.mark.parametrize(
    "incident",
    [
        {"estimatedArrivalTime": ARRIVED},
        {"expectedCompletionAt": COMPLETED},
        {"estimates": {"arrival": ARRIVED, "inner": {"completedAt": COMPLETED}}},
        {"eta": {"arrivalAt": ARRIVED}},
        {"dispatchCancelledAt": DISPATCHED},
        {"dispatcherLoginAt": DISPATCHED},
        {"dispatchCentreOpenedAt": DISPATCHED},
        {"arrivalDeadline": ARRIVED},
        {"dispatched": True, "arrived": "yes", "completed": 1},
        {"dispatchId": 1_772_446_272, "arrivalCode": 1_772_446_500},
        {"arrivedAt": "10:15"},
        {"arrivedAt": "2026-03-02"},
        {"arrivedAt": 0},
        {"arrivedAt": "0001-01-01T00:00:00Z"},
        {"arrivedAt": [ARRIVED]},
        {"details": {"text": "dispatched at 2026-03-02T10:11:12Z"}},
    ],
)
def test_what_only_looks_like_it_happened_has_not(incident: Any) -> None:
    """An estimate, a plan, a flag, an id, half an instant: the wearer must not be told that help is there."""
    found = told(incident)
    assert (found.dispatched_wall, found.arrived_wall, found.completed_wall) == (None, None, None)


def test_what_is_still_to_come_has_not_happened() -> None:
    """A time of arrival that lies ahead is an expectation under another name; a clock may be a little off."""
    assert told({"arrivalTime": ANSWERED_WALL + 600}).arrived_wall is None
    assert told({"arrivalTime": ANSWERED_WALL + 60}).arrived_wall == ANSWERED_WALL + 60


def test_of_several_responders_the_latest_times_count() -> None:
    """One was called off, another one sent: dispatched again, and whoever arrived has arrived."""
    first = {"dispatchedAt": DISPATCHED, "arrivedAt": ARRIVED, "eta": DISPATCHED, "responder": {"name": "Unit 1"}}
    second = {"dispatchedAt": COMPLETED, "etaMinutes": 4, "responder": {"name": "Unit 2"}}
    for incidents in ([first, second], [second, first]):
        found = told(incidents)
        assert (found.dispatched_wall, found.arrived_wall) == (WALL[COMPLETED], WALL[ARRIVED])
        assert (found.eta_wall, found.responder) == (ANSWERED_WALL + 240, "Unit 2")


# --- when they are expected -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("incident", "in_s"),
    [
        ({"etaMinutes": 12}, 720),
        ({"etaInMinutes": "12"}, 720),
        ({"eta_mins": 1.5}, 90),
        ({"etaInMin": 2}, 120),
        ({"etaSeconds": 90}, 90),
        ({"ETA-IN-SECS": 90}, 90),
        ({"etaMilliseconds": 90_000}, 90),
        ({"etaHours": 1}, 3600),
        ({"estimatedTimeOfArrivalMinutes": 3}, 180),
        ({"eta": {"minutes": 5}}, 300),
        ({"responder": {"etaMinutes": 0}}, 0),
        ({"eta": "2026-03-02T10:25:00Z"}, 300),
        ({"eta": "2026-03-02T12:25:00+02:00"}, 300),
        ({"eta": ANSWERED_WALL + 300}, 300),
        ({"etaTime": (ANSWERED_WALL + 300) * 1000}, 300),
        ({"estimatedTimeOfArrival": {"time": "2026-03-02T10:25:00Z"}}, 300),
        ({"expectedArrivalTime": "2026-03-02T10:25:00Z"}, 300),
        ({"etaMinutes": 99, "etaAt": None, "eta": "soon"}, 5940),
    ],
)
def test_an_instant_or_a_span_with_its_unit_is_an_instant(incident: Any, in_s: float) -> None:
    """A span counts from when dispatch said it."""
    found = told([incident])
    assert (found.eta_wall, found.eta_text) == (ANSWERED_WALL + in_s, None)


@pytest.mark.parametrize(
    ("incident", "text"),
    [
        ({"eta": 12}, "12"),
        ({"eta": "12"}, "12"),
        ({"eta": "12 minutes"}, "12 minutes"),
        ({"eta": "00:12:00"}, "00:12:00"),
        ({"etaMin": 5}, None),
        ({"eta": {"min": 5, "max": 9}}, None),
        ({"estimatedTimeOfArrival": "about\u202e ten\n\tminutes "}, "about ten minutes"),
        ({"eta": "x" * 500}, "x" * 60),
        ({"eta": True}, None),
        ({"eta": ""}, None),
        ({"etaMinutes": -3}, None),
        ({"etaMinutes": 1e9}, None),
        ({"etaMinutes": "nan"}, "nan"),
        ({"details": 12, "metadata": 7, "beta": 3, "retail": 4}, None),
    ],
)
def test_no_unit_is_guessed(incident: Any, text: str | None) -> None:
    """A bare number is told as it came, or not at all."""
    found = told([incident])
    assert (found.eta_wall, found.eta_text) == (None, text)


def test_a_span_without_a_moment_says_nothing() -> None:
    """Nobody knows from when it counts."""
    assert told({"etaMinutes": 12}, None).eta_wall is None


# --- who ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("incident", "name"),
    [
        ({"responder": "Unit 7"}, "Unit 7"),
        ({"responder": {"id": 71, "name": " Unit\n7 "}}, "Unit 7"),
        ({"responders": [{"fullName": "Thandi M"}]}, "Thandi M"),
        ({"responder_name": "\u202eUnit 7\x00"}, "Unit 7"),
        ({"responder": {"callSign": "R" * 100}}, "R" * 60),
        ({"responder": {"status": "Unit 7"}, "supplier": {"name": "Simulated"}, "name": "x"}, None),
        ({"responderStatus": "on the way"}, None),
        ({"responder": 71}, None),
    ],
)
def test_a_responder_has_a_name_or_none(incident: Any, name: str | None) -> None:
    """Printable, one line, bounded; nobody else's name."""
    assert told([incident]).responder == name


# --- hostile --------------------------------------------------------------------------------------------------------------

keys = st.sampled_from(
    (
        *("dispatchedAt", "arrivedAt", "completedAt", "arrived", "eta", "etaMinutes", "eta_seconds", "estimatedTimeOfArrival"),
        *("responder", "responders", "name", "at", "time", "minutes", "incidentInformation", "timestamps", ""),
    )
) | st.text(max_size=12)
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=80)
    | st.sampled_from([ARRIVED, "1e400", "9" * 5000, "2026-13-01T00:00:00Z", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"])
)
blocks = st.recursive(values, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=30)


@given(blocks, st.none() | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_nothing_that_comes_in_raises_and_what_is_found_makes_sense(block: Any, answered_wall: float | None) -> None:
    """Any JSON: instants are finite and of this age, texts are short and printable, never two answers to one question."""
    for raw in ({"incidentInformation": block}, block if isinstance(block, dict) else {}):
        found = help_of(raw, answered_wall)
        for wall in (found.dispatched_wall, found.arrived_wall, found.completed_wall):
            assert wall is None or INSTANT_FROM <= wall < LAST_INSTANT
        assert found.eta_wall is None or math.isfinite(found.eta_wall)
        assert found.eta_wall is None or found.eta_text is None
        for text in (found.eta_text, found.responder):
            assert text is None or (0 < len(text) <= 60 and text.isprintable() and text == text.strip())


@given(blocks)
def test_a_callout_is_read_whatever_is_said_of_help(block: Any) -> None:
    """The status, and with it the close, never hangs on the rest."""
    callout = wire.read_callout_of({"callout": {"id": 7, "status": "closed", "incidentInformation": block}}, 7, ANSWERED_WALL)
    assert callout is not None
    assert callout.closed


def test_work_is_bounded() -> None:
    """A bomb of a block is looked at no further than the budget reaches; what stands at its beginning is found."""

    class Counting(dict[str, Any]):
        looked = 0

        def items(self) -> Any:
            for each in super().items():
                Counting.looked += 1
                yield each

    wide: dict[str, Any] = Counting({"arrivedAt": ARRIVED, **{f"x{n}": Counting({"y": {}}) for n in range(50_000)}})
    assert told([wide, wide, wide]).arrived_wall == WALL[ARRIVED]
    assert Counting.looked <= MAX_ENTRIES + 4

    deep: dict[str, Any] = {"arrivedAt": ARRIVED}
    for _ in range(900):
        deep = {"x": deep}
    assert told(deep) == Help()
    assert told({"k" * 1_000_000: ARRIVED, "arrivedAt": ARRIVED}).arrived_wall == WALL[ARRIVED]
    assert told({"eta": "1:" + "1" * 1_000_000}).eta_wall is None
