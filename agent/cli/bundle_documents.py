"""Config and status as they may leave the device: rebuilt key by key, so that what nobody has thought of stays behind.

Pure. A key of the config is shown, reduced or withheld by the type of its rule, and a key that is not listed is withheld. It must not look
into a secret file, and must not decide what a file's text holds (`redaction` cleans all that is written, these documents too).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

from agent import config
from agent.redaction import PERSONAL, PLACE, SECRET, Withheld, where
from agent.rules import Baud, Choice, Command, Flag, Number, Place, Segment, Template, Text, Url, Whole

# Numbers that say who or where somebody is.
WITHHELD = {
    ("panic_api", "customer_id"): PERSONAL,
    ("site", "latitude"): PLACE,
    ("site", "longitude"): PLACE,
    ("site", "predefined_location"): PLACE,
    ("device", "id"): PERSONAL,
}
# Texts that name a part of the device.
SHOWN_TEXTS = {("receiver", "name"), ("receiver", "host"), ("receiver", "device"), ("button", "name")}
# Names of files that hold a secret. Somebody may have put the secret itself there.
SECRET_FILES = ("bearer_file", "client_cert_file", "client_key_file", "token_file", "client_secret_file")

STATUS_KEYS: Mapping[str, tuple[str, ...]] = {
    "callout": ("state", "id", "origin", "drill", "since", "dispatch_status"),
    "fix": ("time", "accuracy_m", "age_s", "receiver"),
    "store": ("fixes", "untold", "bytes", "mode"),
    "stream": ("sent", "failed", "last_sent_fix_time", "last_accepted_age_s"),
    "receiver": ("kind", "rejected"),
    "clock": ("trusted", "witness", "system_off_s"),
    "self_test": ("time", "ok", "failed"),
}
STATUS_WHOLE = ("version", "armed", "armed_proof", "proofs", "running")
URL = re.compile(r"\w+://[^\s\"'<>]{1,500}")
KEY_CHARS = 7  # a shorter part of a path is no key
CONDITION_KEYS = ("code", "severity", "since", "text", "hint")


def status(told: Mapping[str, Any]) -> dict[str, Any]:
    """The outward document without places, names and messages."""
    shared: dict[str, Any] = {key: told[key] for key in STATUS_WHOLE if key in told}
    shared["conditions"] = [_few(each, CONDITION_KEYS) for each in told.get("conditions") or () if isinstance(each, dict)]
    for name, keys in STATUS_KEYS.items():
        if isinstance(told.get(name), dict):
            shared[name] = _few(told[name], keys)
    return shared


def _few(document: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: document[key] for key in keys if key in document}


def personal_of_status(told: Mapping[str, Any]) -> Iterator[str]:
    """Texts of the document that are withheld, so that they can be found elsewhere, too."""
    callout = told.get("callout")
    if not isinstance(callout, dict):
        return
    for name, key in (("responder", "name"), ("responder", "eta_text")):
        yield str((callout.get(name) or {}).get(key) or "")
    last = (callout.get("messages") or {}).get("last") or {}
    yield str(last.get("text") or "")


def config_lines(document: Mapping[str, Any], is_file: Callable[[str], bool]) -> list[str]:
    """A parsed config as TOML again, reduced. is_file: whether a secret's file is there under this name."""
    lines: list[str] = []
    for table, held in document.items():
        tables = held if isinstance(held, list) else [held]
        for each in tables:
            head = f"[[{table}]]" if isinstance(held, list) else f"[{table}]"
            known = table in {*config.ALWAYS, *config.IF_WRITTEN, "receiver", "button"}
            if not known or not isinstance(each, dict):
                lines.append(f"# {'a table' if isinstance(each, dict) else 'a key'} that this version does not know: withheld")
                continue
            lines += [head, *(f"{key} = {_toml(value)}" for key, value in _reduced(table, each, is_file)), ""]
    return lines


def secrets_of_config(document: Mapping[str, Any], is_file: Callable[[str], bool]) -> Iterator[str]:
    """Every text and number of a parsed config that is withheld or reduced, but for places: to be looked for elsewhere."""
    for table, held in document.items():
        for each in held if isinstance(held, list) else [held]:
            if not isinstance(each, dict):
                yield from _leaves(each)
                continue
            shown = dict(_reduced(table, each, is_file))
            for key, value in each.items():
                if shown.get(key) not in (value, PLACE) and not isinstance(value, bool):
                    yield from _leaves(value)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value[1:]:  # of a command the program is shown
            yield from _leaves(each)
    elif isinstance(value, str) and "://" in value:
        yield from _ways(value)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float):
        yield str(value)


def secrets_of_text(text: str) -> Iterator[str]:
    """Of a config that is no TOML: what its URLs would tell."""
    for url in URL.findall(text):
        yield from _ways(url)


def _ways(url: str) -> Iterator[str]:
    """The path of a URL, and what in it looks like a key; the host is shown, and patterns find the rest."""
    with suppress(ValueError):
        path = urlsplit(url).path.rstrip("/")
        yield path
        yield from (each for each in path.split("/") if len(each) >= KEY_CHARS and any(map(str.isdigit, each)))


def _reduced(table: str, written: Mapping[str, Any], is_file: Callable[[str], bool]) -> Iterator[tuple[str, object]]:
    for key, value in written.items():
        rule = _rules(table, str(written.get("kind"))).get(key)
        if rule is None:
            continue  # a key that nobody knows may be a secret in the wrong place, its name too
        yield key, WITHHELD.get((table, key)) or _value(table, key, value, rule, is_file)


@cache
def _rules(table: str, kind: str) -> Mapping[str, object]:
    form = config.Button if table == "button" else config.RECEIVERS.get(kind, config.Receiver) if table == "receiver" else None
    form = form or config.ALWAYS.get(table) or config.IF_WRITTEN.get(table)
    if form is None:
        return {}
    return {key: get_args(hint)[1] for key, hint in get_type_hints(form, include_extras=True).items() if get_args(hint)[1:]}


def _value(table: str, key: str, value: Any, rule: object, is_file: Callable[[str], bool]) -> object:
    if key in SECRET_FILES and not (isinstance(value, str) and is_file(value)):
        return SECRET
    if isinstance(rule, Url):
        return where(value) if isinstance(value, str) else SECRET
    if isinstance(rule, Command):
        return _command(value)
    if isinstance(rule, Text) and (table, key) not in SHOWN_TEXTS:
        return PERSONAL
    return value if _fits(value, rule) else SECRET


def _fits(value: object, rule: object) -> bool:
    """Whether a value is of its rule's kind: one that is not may be anything, in the wrong place."""
    if isinstance(rule, Choice):
        return value in rule.words
    if isinstance(rule, Text | Place | Template | Segment):
        return isinstance(value, str)
    return isinstance(value, bool | int | float) and isinstance(rule, Flag | Number | Whole | Baud)


def _command(value: object) -> object:
    """The program; its arguments may be numbers of people."""
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        return SECRET
    return [value[0], *([Withheld(f"{len(value) - 1}-arguments")] if len(value) > 1 else [])]


def _toml(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
