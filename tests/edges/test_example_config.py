"""config.example.toml is the reference: it documents every key, shows the defaults, and works once its placeholders are filled."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from agent import config
from simulator import settings as simulator_settings

TEXT = (Path(__file__).parents[2] / "config.example.toml").read_text()

# A line that is off: a table or a key behind "# ". Prose never looks like one.
OFF = re.compile(r"^# (?=\[\[?[a-z]+\]|[a-z_]+ = )", re.MULTILINE)
PLACEHOLDERS = {
    'base_url = "CHANGE-ME"': 'base_url = "https://panic.aura.services/panic-api/v2"',
    "customer_id = 0": "customer_id = 4711",
    "response_type_id = 0": "response_type_id = 1",
    'token_url = "CHANGE-ME"': 'token_url = "https://backend.example.com/token"',
}


def filled(text: str) -> str:
    for placeholder, value in PLACEHOLDERS.items():
        assert text.count(f"\n{placeholder}") == 1
        text = text.replace(f"\n{placeholder}", f"\n{value}")
    return text


def required_keys() -> set[str]:
    return {line.split(" = ")[0] for line in TEXT.splitlines() if "# required" in line and not line.startswith("#")}


def forms() -> dict[str, type]:
    return {**config.ALWAYS, **config.IF_WRITTEN, "button": config.Button}


def form_of(name: str, table: dict[str, object]) -> type:
    return config.RECEIVERS[str(table["kind"])] if name == "receiver" else forms()[name]


def test_as_shipped_it_is_refused_only_for_its_placeholders():
    """Nobody can run the example by accident, and nothing else is wrong with it."""
    with pytest.raises(config.ConfigError) as caught:
        config.parse(TEXT)
    assert all(each.placeholder and each.line for each in caught.value.errors)
    assert [each.key for each in caught.value.errors] == [
        "panic_api.base_url",
        "panic_api.customer_id",
        "panic_api.response_type_id",
        "credentials.token_url",
    ]


def test_the_config_of_a_trial_is_good():
    """The one to copy in docs/PRESS.md, with the keys and the name of the customer that the simulator prints."""
    text = (Path(__file__).parents[2] / "docs" / "PRESS.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    read = config.parse(block)
    shown = simulator_settings.Settings()
    assert (read.panic_api.customer_id, read.panic_api.environment) == (shown.customer_id, "staging")
    assert read.panic_api.response_type_id in dict(shown.response_types)
    assert f"echo {shown.device_key} > /tmp/trial/{read.credentials.bearer_file}" in text


def test_filled_in_it_is_good():
    """Four values are all that must be put."""
    read = config.parse(filled(TEXT))
    assert [each.name for each in read.receivers] == ["gpsd", "serial"]


def test_what_is_not_required_equals_the_default():
    """Leaving a key out and leaving it as shown are the same."""
    document = tomllib.loads(TEXT)
    compared = 0
    for name, tables in document.items():
        for table in tables if isinstance(tables, list) else [tables]:
            defaults = {each.name: each.default for each in dataclasses.fields(form_of(name, table))}
            for key, value in table.items():
                if key in required_keys() or (name, key) == ("receiver", "kind"):
                    continue
                assert value == defaults[key], f"{name}.{key}"
                assert isinstance(value, bool) == isinstance(defaults[key], bool), f"{name}.{key}"
                compared += 1
    assert compared > 30


def test_every_key_is_in_it():
    """On or off: what is not documented does not exist."""
    document = tomllib.loads(OFF.sub("", TEXT))
    for name, form in forms().items():
        table = document[name][0] if name == "button" else document[name]
        assert {each.name for each in dataclasses.fields(form)} == table.keys(), name
    for kind, form in config.RECEIVERS.items():
        tables = [each for each in document["receiver"] if each["kind"] == kind]
        keys = {each.name for each in dataclasses.fields(form)} - {"name"}
        assert keys == set().union(*tables) - {"name"}, kind
    assert "name" in document["receiver"][0]


SOURCES = [
    {"token_url", "bearer_file"},
    {"token_url", "client_cert_file", "client_key_file"},
    {"token_file"},
    {"client_id", "client_secret_file"},
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda keys: "+".join(sorted(keys)))
def test_everything_that_is_off_is_good_when_on(source: set[str]):
    """With every # taken away, and one of the credentials' sources left, the example is a config."""
    others = set().union(*SOURCES) - source
    lines = [line for line in OFF.sub("", filled(TEXT)).splitlines() if line.split(" = ")[0] not in others]
    read = config.parse("\n".join(lines))
    assert read.panic_api.proxy == "http://10.0.0.1:3128"
    assert [each.kind for each in read.receivers] == ["gpsd", "serial", "replay"]
    assert read.site == config.Site(latitude=-33.9249, longitude=18.4241, predefined_location="STORE-001")
    assert read.hooks.on_unreachable == ("/usr/local/bin/sms",)
    assert None not in (read.keypad, read.heartbeat, read.drill.classification_id, read.buttons[0].response_type_id)
