"""The config as setup would write it: the file that is there, and the answers so far.

Reads the file it is told to read. Must not write, must not lose a key that nobody asked about, and never shows a secret.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.cli import setup_toml
from agent.config import ALWAYS, IF_WRITTEN, RECEIVERS, Button, Config, ConfigError, Problem, parse
from agent.rules import RefusedError
from agent.tables import rule_of

KEY_NAME, SECRET_NAME = "device-key", "client-secret"
OPENING = """\
# callout-agent: the config of this device, as `callout-agent setup` wrote it. Run it again to change an answer; what it does not
# ask about stays as you write it here. config.example.toml has every other key with its default.
# After a change by hand: callout-agent check; systemctl restart callout-agent

"""
NOTES: Mapping[str, str] = {
    "panic_api": "where dispatch is, and who this device is to it",
    "panic_api.environment": '"production" or "staging"',
    "panic_api.customer_id": "of this device at dispatch: one device per customer",
    "panic_api.response_type_id": "what a raise asks for",
    "panic_api.ca_file": "a private authority, beside the system's",
    "credentials": "where a token comes from; names without / are files in credentials/ beside this one",
    "receiver": "in order of preference; the first that lives is used",
    "site": "a position for a raise without any fix",
    "button": "a panic button on a GPIO line",
    "button.active": "the level when pressed",
    "button.hold_s": "so long it must be held",
    "indicator": "lamp and buzzer",
    "keypad": "where a safe code is typed",
    "drill": "what marks a callout as a test",
}
ORDER = ("panic_api", "credentials", "receiver", "site", "button", "indicator", "keypad", "drill")  # in a new file
# Whoever chooses one source of tokens has done with the others.
CREDENTIALS = ("token_url", "bearer_file", "client_cert_file", "client_key_file", "token_file", "client_id", "client_secret_file")


@dataclass(slots=True)
class Secret:
    """A typed key on its way to its file. Not shown by repr."""

    value: str = field(repr=False)


@dataclass(slots=True)
class Draft:
    """path: where the config will be. old: the text that is there, None if there is none or it is not used.

    wanted: the answers, as `setup_toml` takes them. secrets: by the name of their file.
    """

    path: Path
    old: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    wanted: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)

    def keys(self, table: str) -> dict[str, Any]:
        """The keys of one table as things stand; empty if there is none."""
        if table in self.wanted:
            told = setup_toml.expected(self.document, {table: self.wanted[table]}).get(table, {})
        else:
            told = self.document.get(table, {})
        return told if isinstance(told, dict) else {}

    def value(self, table: str, key: str) -> Any:
        """One answer as things stand; None where there is none, or one that breaks its rule (a placeholder, a typo)."""
        form = {**ALWAYS, **IF_WRITTEN}[table]
        value = self.keys(table).get(key)
        try:
            return None if value is None else rule_of(form, key).read(value)
        except RefusedError:
            return None

    def set(self, table: str, **keys: Any) -> None:
        """Answers of one table; None takes a key away."""
        before = self.wanted.get(table)
        self.wanted[table] = {**(before if isinstance(before, dict) else {}), **keys}

    def drop(self, table: str) -> None:
        """There is no such thing."""
        if table in self.document or table in self.wanted:
            self.wanted[table] = None

    def tables(self, name: str) -> list[dict[str, Any]]:
        """The receivers or buttons as things stand."""
        told = setup_toml.expected(self.document, {name: self.wanted[name]} if name in self.wanted else {}).get(name, [])
        return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []

    def set_receivers(self, receivers: list[dict[str, Any]]) -> None:
        """These, in this order. One that was there keeps the keys that are not asked about."""
        old = self.document.get("receiver", [])
        numbers = list(range(len(old))) if isinstance(old, list) else []
        chosen: list[tuple[int | None, dict[str, Any]]] = []
        for each in receivers:
            number = next((number for number in numbers if _same_receiver(old[number], each)), None)
            if number is not None:
                numbers.remove(number)
            chosen.append((number, each))
        self.wanted["receiver"] = chosen

    def set_button(self, keys: Mapping[str, Any] | None) -> None:
        """The first button; further ones stay. None: no button at all."""
        old = self.document.get("button", [])
        count = len(old) if isinstance(old, list) else 0
        if keys is None:
            self.wanted["button"] = []
        else:
            self.wanted["button"] = [(0 if count else None, dict(keys)), *((number, {}) for number in range(1, count))]

    def set_credentials(self, **keys: str) -> None:
        """This source of tokens and no other."""
        self.wanted["credentials"] = {**dict.fromkeys(CREDENTIALS), **keys}

    def text(self) -> tuple[str, bool]:
        """The config to be written, and whether comments of the old one were kept."""
        wanted = {name: self.wanted[name] for name in (*ORDER, *self.wanted) if name in self.wanted}
        return setup_toml.changed(OPENING if self.old is None else self.old, wanted, NOTES)

    def config(self) -> Config:
        """The same, read as the daemon would. Raises ConfigError."""
        return parse(self.text()[0], self.path)

    def problems(self) -> tuple[Problem, ...]:
        """What is missing or wrong as things stand."""
        try:
            self.config()
        except ConfigError as error:
            return error.errors
        return ()


def begun(path: Path, *, fresh: bool = False) -> Draft:
    """The draft with what the file at `path` holds. Raises ConfigError for a file that cannot be read or is no TOML."""
    if fresh:
        return Draft(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Draft(path)
    except UnicodeDecodeError:
        raise ConfigError((Problem(str(path), "must be UTF-8"),)) from None
    except OSError as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {error.strerror}"),)) from None
    try:
        return Draft(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise ConfigError((Problem(str(path), f"is no TOML: {error}"),)) from None


def button_default(key: str) -> Any:
    """What a button has where nobody says otherwise."""
    return getattr(Button(), key)


def _same_receiver(old: object, new: Mapping[str, Any]) -> bool:
    if not isinstance(old, dict) or old.get("kind") != new.get("kind"):
        return False
    form = RECEIVERS.get(str(new.get("kind")))
    names = {"host", "port", "path"} & set(form.__dataclass_fields__ if form else ())
    return all(old.get(name, _default(form, name)) == new.get(name, _default(form, name)) for name in names)


def _default(form: Any, name: str) -> object:
    return form.__dataclass_fields__[name].default
