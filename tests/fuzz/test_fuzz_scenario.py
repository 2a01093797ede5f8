"""A scenario is written by hand: it is read whole, or every problem is named; and what is read can be played."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from simulator import scenario_reading as room
from simulator.scenario import Scenario
from simulator.scenario_reading import MOST_STEPS, ScenarioError
from simulator.scenario_values import LONGEST_S
from simulator.settings import Settings
from tests.fuzz.limits import GROWTH_BYTES, grown, prompt, tries
from tests.fuzz.mutations import damaged, damaged_by_chance, seeded, toml_of, toml_values, twisted

SHIPPED = [room.shipped_text(name) for name in room.shipped()]
DOCUMENTS = [tomllib.loads(text) for text in SHIPPED]
STEPS: list[dict[str, Any]] = [
    {"device": "cancel", "code": "right", "within_s": 10},
    {"device": "say", "text": "hello"},
    {"when": {"told": "*", "times": 2}, "within_s": 1, "responder": "dispatch", "eta_s": 60},
    {"fault": {"name": "a", "action": "status", "on": ["raise"], "status": 503, "count": 2, "share": 0.5}},
    {"mend": "a"},
    {"set": {"generation": "old"}, "after_s": 1},
]
BUILT = [{**DOCUMENTS[0], "step": STEPS}, {**DOCUMENTS[0], "step": DOCUMENTS[0]["step"] + STEPS}]


def require_told(problems: list[str]) -> None:
    """In words, and not by the megabyte."""
    assert problems
    assert all(isinstance(each, str) and each.strip() for each in problems)
    assert sum(map(len, problems)) < 2_000_000


def read(text: str) -> Scenario | None:
    """Read, or named problems; what is read is in range and has words for every step."""
    with prompt():
        try:
            scenario = room.read(text)
        except ScenarioError as error:
            require_told(error.problems)
            return None
        assert isinstance(room.start_settings(scenario.settings), Settings)
        assert 1 <= len(scenario.steps) <= MOST_STEPS
        for step in scenario.steps:
            assert step.words
            assert 0 <= step.within_s <= LONGEST_S
            assert step.after_s is None or 0 <= step.after_s <= LONGEST_S
            assert step.when is None or step.when.words
        assert [step.number for step in scenario.steps] == list(range(1, len(scenario.steps) + 1))
    return scenario


WORDS = st.sampled_from(
    ["raised", "told", "seen", "positions", "cancelled", "right", "*", "raise", "dispatch", "press", "type", "new", "old"]
)
ANY = twisted(DOCUMENTS + BUILT, toml_values | WORDS | st.sampled_from(STEPS), most=2).filter(lambda each: isinstance(each, dict))


@tries(300)
@given(ANY.map(toml_of))
@example(toml_of({"title": "x", "description": "x", "step": [{"set": {"a" * 100_000: 1}}]}))
@example(toml_of({"title": "x", "description": "x", "step": [{"a" * 30: 1, "b" * 30_000: 2}] * 40}))
@example('title = "x"\ndescription = "x"\nstep = [{after_s = 2026-01-01}]')
def test_any_value_in_any_place_is_read_or_named(text: str):
    """The shipped ones, and one of every act, with something else in a few places."""
    read(text)


@tries(200)
@given(damaged([each.encode() for each in SHIPPED]).map(lambda each: each.decode(errors="replace")))
@example("[" * 100_000)
@example("a" + ".a" * 50_000 + " = 1")
@example("[[step]]\n" * 5_000)
def test_any_text_is_read_or_named(text: str):
    """And what is read says the same when it is read again."""
    scenario = read(text)
    assert scenario is None or scenario == room.read(scenario.text)


def test_the_honest_ones_are_read():
    """Or the tests above would try nothing."""
    assert all(read(text) for text in [*SHIPPED, *map(toml_of, BUILT)])


def test_scenarios_by_the_hundred_fill_no_memory():
    """A desk that sends and sends."""
    chance = seeded(9)
    honest = [each.encode() for each in SHIPPED]
    assert grown(lambda _: read(damaged_by_chance(chance, honest).decode(errors="replace")), 400) < GROWTH_BYTES
