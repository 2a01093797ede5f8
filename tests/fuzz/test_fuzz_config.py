"""The config is written by people, by scripts and by half-broken cards: it loads and is sound, or says what is wrong with which key."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import config, tables
from agent.cli import setup_toml
from agent.config import Config, ConfigError, Problem
from tests.fuzz.limits import GROWTH_BYTES, grown, prompt, tries
from tests.fuzz.mutations import damaged, damaged_by_chance, seeded, toml_of, toml_values, twisted

EXAMPLE = Path(__file__).parents[2].joinpath("config.example.toml").read_text(encoding="utf-8")
FILLED = (
    EXAMPLE.replace('base_url = "CHANGE-ME"', 'base_url = "https://panic.aura.services/panic-api/v2"')
    .replace('token_url = "CHANGE-ME"', 'token_url = "https://backend.example.com/token"')
    .replace("customer_id = 0", "customer_id = 4711")
    .replace("response_type_id = 0", "response_type_id = 1")
)
# Every key that stands commented out in the example, too, as far as the whole stays TOML.
WHOLE = {
    **tomllib.loads(FILLED),
    "site": {"latitude": -33.9249, "longitude": 18.4241, "accuracy_m": 50},
    "keypad": {"path": "/dev/input/event0"},
    "device": {"id": "d-1", "type_id": 3, "health_message_type": 2},
    "heartbeat": {"url": "https://ops.example.com/beat", "every_s": 900},
}
ODD = ["https://user:hunter2@host/x", "http://127.0.0.1:99999", "http://[::1", "https://é", "/dev/../x", "/" * 300, "-", "{customer_id}{"]
KNOWN = "production gpsd serial replay silent low pull-up always trail never CHANGE-me"
WORDS = st.sampled_from([*ODD, *KNOWN.split()])
SECRET = "hunter2"


def dataclasses_in(value: Any) -> Iterator[Any]:
    """A config and every table in it."""
    if isinstance(value, tuple):
        for each in value:
            yield from dataclasses_in(each)
    elif dataclasses.is_dataclass(value):
        yield value
        for each in dataclasses.fields(value):
            yield from dataclasses_in(getattr(value, each.name))


def require_sound(loaded: Config) -> None:
    """Frozen, hashable, and every value passes its own rule again: nothing is within range by luck."""
    assert hash(loaded) == hash(loaded)
    for table in dataclasses_in(loaded):
        name = dataclasses.fields(table)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(table, name, None)
        if isinstance(table, Config):
            continue
        for each in dataclasses.fields(table):
            value = getattr(table, each.name)
            if value is None or (each.name == "name" and not value) or value == each.default:
                continue
            rule = tables.rule_of(type(table), each.name)
            assert rule.read(list(value) if isinstance(value, tuple) else value) == value, f"{type(table).__name__}.{each.name} = {value!r}"
    names = [each.name for each in loaded.receivers]
    assert len(set(names)) == len(names)
    assert all(names)
    assert loaded.receivers or loaded.site


def require_told(problems: tuple[Problem, ...]) -> None:
    """Each names a key and the rule that it breaks, on one line that a terminal shows, without what may be a secret."""
    assert problems
    for each in problems:
        assert each.key
        assert each.rule
        assert str(each).isprintable()
        assert SECRET not in str(each)
        assert len(str(each)) < 1_000


def outcome(text: str) -> None:
    """Load it, or be told."""
    with prompt():
        try:
            loaded = config.parse(text)
        except ConfigError as error:
            require_told(error.errors)
        else:
            require_sound(loaded)


@tries(300)
@given(twisted([WHOLE], toml_values | WORDS).filter(lambda each: isinstance(each, dict)).map(toml_of))
@example('receiver = [{kind = "gpsd", port = 2026-01-01}]')
@example("panic_api = {customer_id = 2026-01-01T00:00:00Z}")
@example(toml_of({"a" * 50_000: 1, "b\n": {"c": 2}}))
def test_any_value_in_any_place_is_sound_or_told(text: str):
    """The example with something else in a few places: another type, another range, a table for a number."""
    outcome(text)


def test_the_filled_example_is_sound():
    """Or the test above would try nothing."""
    require_sound(config.parse(toml_of(WHOLE)))
    assert get_type_hints(Config)


@tries(200)
@given(damaged([FILLED.encode(), EXAMPLE.encode(), toml_of(WHOLE).encode()]))
@example(b"\xef\xbb\xbf" + FILLED.encode())
@example(b"[" * 100_000)
@example(b"a" + b".a" * 50_000 + b" = 1")
@example(b"x = " + b"9" * 5_000)
def test_a_card_that_rots_leaves_a_config_or_words(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    """And where the copy that was kept is whole, the daemon runs by that, and says so (a typo must not silence a panic button)."""
    path, copy = (tmp_path_factory.getbasetemp() / name for name in ("fuzz.toml", "fuzz.good"))
    path.write_bytes(content)
    copy.write_text(FILLED)
    with prompt():
        loaded, problems = config.load_or_last_good(path, copy)
    require_sound(loaded)
    if problems:
        require_told(problems)
        assert loaded.panic_api.customer_id == 4711
    copy.write_bytes(content)
    try:
        assert problems or config.load_or_last_good(path, copy)[1] == ()
        with prompt():
            config.load_or_last_good(path, copy)
    except ConfigError as error:
        require_told(error.errors)


def test_configs_by_the_thousand_fill_no_memory():
    """Whoever edits and edits."""
    chance = seeded(8)
    honest = [line.encode() + b"\n" for line in FILLED.split("\n") if line.strip()]

    def feed(_number: int) -> None:
        lines = [chance.choice(honest) for _ in range(10)]
        lines.append(damaged_by_chance(chance, honest))
        outcome(b"".join(lines).decode(errors="replace").replace("\0", ""))

    assert grown(feed, 200) < GROWTH_BYTES


TABLES = st.sampled_from(["panic_api", "credentials", "indicator", "keypad", "site", "drill", "odd table", "x"])
ANSWERED = st.dictionaries(
    st.sampled_from(["customer_id", "path", "lamp_line", "a b", "é"]), toml_values.filter(lambda each: not has_none(each)) | st.none()
)


def has_none(value: Any) -> bool:
    """Whether a value holds what TOML has no word for, or writes otherwise than it reads: NaN, half characters, more than 64 bits."""
    if isinstance(value, dict):
        return any(has_none(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(map(has_none, value))
    if isinstance(value, str):
        return any(0xD800 <= ord(each) <= 0xDFFF for each in value)
    return value is None or (isinstance(value, float) and math.isnan(value))


@tries(200)
@given(damaged([FILLED.encode(), EXAMPLE.encode()], most=3), st.dictionaries(TABLES, st.none() | ANSWERED, max_size=4))
def test_what_setup_changes_reads_as_what_was_answered(content: bytes, wanted: dict[str, Any]):
    """Whatever stood there before: what nobody asked about stays, and what was answered is there; or it was no TOML, and that is said."""
    text = content.decode(errors="replace")
    with prompt(10):
        try:
            before = tomllib.loads(text)
        except ValueError:
            with pytest.raises(tomllib.TOMLDecodeError):
                setup_toml.changed(text, wanted, {})
            return
        result, _ = setup_toml.changed(text, wanted, {})
    after = tomllib.loads(result)
    assert after == setup_toml.expected(before, wanted)
    assert {name: after[name] for name in before if name not in wanted} == {name: before[name] for name in before if name not in wanted}
