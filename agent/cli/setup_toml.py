"""A TOML text, changed in a few keys: what nobody asked about stays as it was written, comments included.

Pure: text and values in, text out. Must not guess: a text that it cannot change line by line (dotted keys, inline tables) is written
anew from its values, without its comments, and says so; either way the result is read back and compared with what was wanted.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*(\]\]?)\s*(#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
_OFF = re.compile(r"#\s*([A-Za-z0-9_-]+)\s*=")
_COMMENT_AT = 39  # the column of comments, as in config.example.toml

# A table: the keys to set, None takes one away. A list of tables: for each its number in the old text, or None for a new one.
Keys = Mapping[str, Any]
Tables = Sequence[tuple[int | None, Keys]]
Wanted = Mapping[str, "Keys | Tables | None"]


@dataclass(slots=True)
class _Entry:
    """Lines that belong together. key: whose value they are; off: of which key they are an example; both empty: blank or comment."""

    text: str
    key: str = ""
    off: str = ""


@dataclass(slots=True)
class _Block:
    """A table with its header; the first one, without name, is what stands before any."""

    name: str = ""
    header: str = ""
    lead: list[str] = field(default_factory=list)
    entries: list[_Entry] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return [*self.lead, *([self.header] if self.header else []), *(entry.text for entry in self.entries)]


def changed(text: str, wanted: Wanted, notes: Mapping[str, str]) -> tuple[str, bool]:
    """The text with what is wanted, and whether its comments were kept.

    notes: comments of new keys ("table.key") and of new tables ("table"). Raises ValueError for a text that is no TOML.
    """
    document = expected(tomllib.loads(text), wanted)
    result = _joined(_edited(_blocks(text), wanted, notes))
    try:
        if tomllib.loads(result) == document:
            return result, True
    except ValueError:
        pass
    return generated(document), False


def expected(document: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """What the changed text must read as."""
    result = dict(document)
    for name, keys in wanted.items():
        if keys is None:
            result.pop(name, None)
        elif isinstance(keys, Mapping):
            old = document.get(name, {})
            result[name] = _merged(old if isinstance(old, dict) else {}, keys)
        else:
            written = document.get(name, [])
            tables = [_merged(written[number] if number is not None else {}, each) for number, each in keys]
            result.pop(name, None)
            result.update({name: tables} if tables else {})
    return result


def generated(document: Mapping[str, Any]) -> str:
    """A whole document from its values."""
    plain = {key: value for key, value in document.items() if not _is_table(value)}
    parts = ["".join(f"{key} = {value_text(value)}\n" for key, value in plain.items())] if plain else []
    for name, value in document.items():
        tables = value if isinstance(value, list) else [value]
        header = f"[[{_key(name)}]]" if isinstance(value, list) else f"[{_key(name)}]"
        if _is_table(value):
            parts += [header + "\n" + "".join(f"{_key(key)} = {value_text(each)}\n" for key, each in table.items()) for table in tables]
    return "\n".join(parts)


def value_text(value: object) -> str:
    """One value as TOML writes it. Raises TypeError for what TOML has no word for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {value_text(each)}" for key, each in value.items()) + "}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else value_text(name)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value))


def _merged(old: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    merged = {**old, **keys}
    return {key: value for key, value in merged.items() if value is not None}


def _blocks(text: str) -> list[_Block]:
    blocks = [_Block()]
    lines = text.split("\n")
    while lines:
        line = lines.pop(0)
        if (header := _HEADER.fullmatch(line.rstrip("\r"))) and len(header[1]) == len(header[3]):
            blocks.append(_Block(header[2], line, _lead_of(blocks[-1])))
        elif key := _KEY.match(line):
            blocks[-1].entries.append(_Entry("\n".join((line, *_rest(line, lines))), key=key[1]))
        else:
            off = _OFF.match(line)
            blocks[-1].entries.append(_Entry(line, off=off[1] if off else ""))
    return blocks


def _rest(line: str, lines: list[str]) -> Iterator[str]:
    """The further lines of a value that goes on: as many as it takes to be TOML. Takes them out of `lines`."""
    for count in range(len(lines) + 1):
        try:
            tomllib.loads("\n".join((line, *lines[:count])))
        except ValueError:
            continue
        taken, lines[:] = lines[:count], lines[count:]
        yield from taken
        return


def _lead_of(block: _Block) -> list[str]:
    """The comment right above a header belongs to it. Takes it out of the block before."""
    lead: list[str] = []
    while block.entries and not block.entries[-1].key and not block.entries[-1].off and block.entries[-1].text.lstrip().startswith("#"):
        lead.insert(0, block.entries.pop().text)
    return lead


def _edited(blocks: list[_Block], wanted: Wanted, notes: Mapping[str, str]) -> list[_Block]:
    for name, keys in wanted.items():
        old = [block for block in blocks if block.name == name]
        if keys is None:
            blocks = [block for block in blocks if block.name != name]
        elif isinstance(keys, Mapping):
            block = old[0] if old else _Block(name, _commented(f"[{name}]", notes.get(name, "")))
            _set(block, keys, notes)
            blocks = blocks if old else [*blocks, block]
        else:
            blocks = _with_tables(blocks, name, keys, notes)
    return blocks


def _with_tables(blocks: list[_Block], name: str, tables: Tables, notes: Mapping[str, str]) -> list[_Block]:
    """The tables of this name, in their new order, where the first of the old ones stood; else at the end."""
    old = [block for block in blocks if block.name == name]
    place = next((number for number, block in enumerate(blocks) if block.name == name), len(blocks))
    new = []
    for count, (number, keys) in enumerate(tables):
        known = number is not None and number < len(old)
        block = (
            old[number] if known and number is not None else _Block(name, _commented(f"[[{name}]]", "" if count else notes.get(name, "")))
        )
        _set(block, keys, notes)
        new.append(block)
    others = [block for block in blocks if block.name != name]
    before = sum(block.name != name for block in blocks[:place])
    return [*others[:before], *new, *others[before:]]


def _set(block: _Block, keys: Keys, notes: Mapping[str, str]) -> None:
    for key, value in keys.items():
        at = next((number for number, entry in enumerate(block.entries) if entry.key == key), None)
        if value is None:
            block.entries = [entry for entry in block.entries if entry.key != key]
        elif at is not None:
            if tomllib.loads(block.entries[at].text).get(key) != value:
                block.entries[at] = _Entry(_commented(f"{key} = {value_text(value)}", _comment_of(block.entries[at].text)), key=key)
        else:
            line = _commented(f"{key} = {value_text(value)}", notes.get(f"{block.name}.{key}", ""))
            block.entries.insert(_place_of(block, key), _Entry(line, key=key))


def _place_of(block: _Block, key: str) -> int:
    """After its own example if there is one, else after the last key: behind that there may be comments about something else."""
    for number, entry in enumerate(block.entries):
        if entry.off == key:
            return number + 1
    return max((number + 1 for number, entry in enumerate(block.entries) if entry.key), default=0)


def _comment_of(text: str) -> str:
    """The comment behind a value of one line: the longest end that begins with # and whose loss changes nothing."""
    if "\n" in text:
        return ""
    whole = tomllib.loads(text)
    for at in (place for place, sign in enumerate(text) if sign == "#"):
        try:
            if tomllib.loads(text[:at]) == whole:
                return text[at + 1 :].strip()
        except ValueError:
            continue
    return ""


def _commented(text: str, comment: str) -> str:
    return f"{text.ljust(_COMMENT_AT - 1)} # {comment}" if comment else text


def _joined(blocks: list[_Block]) -> str:
    """One blank line at least between two tables."""
    text = ""
    for block in blocks:
        part = "\n".join(block.lines)
        if text and part and block.name:
            text = text.rstrip("\n") + "\n\n"
        text += part + ("\n" if part and not part.endswith("\n") else "")
    return text.rstrip("\n") + "\n"
