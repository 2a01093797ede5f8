"""What nobody meant to send: honest bytes and honest documents, damaged; and any at all.

One kind for Hypothesis, which makes a failing example small, and one for a plain random number, for thousands in a row.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

LONG = 40  # bytes put in at once
NUMBERS = [0, -0.0, 1, -1, 1e-9, 90.0, 180.0, 91, 2**31, 2**53 + 1, 2**63, 10**40, 10**400, 1e308, -1e308, float("inf"), float("nan")]
TEXTS = ["", " ", "0", "-1", "1e999", "null", "\0", "\ud800", "é", "\n", "x" * 300, "closed", "CLOSED ", "2026-01-01T00:00:00Z", "..", "{}"]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=12
)


def seeded(number: int) -> random.Random:
    """Chance that is the same each time."""
    return random.Random(number)  # noqa: S311 - nobody has to guess it


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The same bytes in pieces."""
    edges = [0, *sorted(each % (len(data) + 1) for each in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def edited(data: bytes, how: str, at: int, length: int, put: bytes) -> bytes:
    """One act of damage."""
    at %= len(data) + 1
    end = min(len(data), at + length)
    match how:
        case "flip":
            return data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :] if at < len(data) else data
        case "drop":
            return data[:at] + data[end:]
        case "put":
            return data[:at] + put + data[at:]
        case "write":
            return data[:at] + put + data[at + len(put) :]
        case "double":
            return data[:end] + data[at:end] + data[end:]
        case _:  # "end"
            return data[:at]


HOW = ("flip", "drop", "put", "write", "double", "end")


def damaged(honest: Sequence[bytes], put: st.SearchStrategy[bytes] | None = None, most: int = 6) -> st.SearchStrategy[bytes]:
    """Honest bytes after a few acts of damage, or none."""
    put = st.binary(min_size=1, max_size=LONG) if put is None else put
    acts = st.lists(st.tuples(st.sampled_from(HOW), st.integers(0, 1 << 14), st.integers(1, 200), put), max_size=most)

    def apply(told: tuple[bytes, list[tuple[str, int, int, bytes]]]) -> bytes:
        data, edits = told
        for how, at, length, piece in edits:
            data = edited(data, how, at, length, piece)
        return data

    return st.tuples(st.sampled_from(list(honest)), acts).map(apply)


def damaged_by_chance(chance: random.Random, honest: Sequence[bytes]) -> bytes:
    """The same by a random number."""
    data = chance.choice(honest)
    for _ in range(chance.randrange(5)):
        piece = chance.choice((chance.randbytes(chance.randrange(1, LONG)), chance.choice(honest)[:LONG]))
        data = edited(data, chance.choice(HOW), chance.randrange(len(data) + 1), chance.randrange(1, 60), piece)
    return data


def paths(document: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, itself included, as far down as anything honest goes."""
    inner: list[tuple[Any, Any]] = []
    if len(here) > 12:
        return [here]
    if isinstance(document, dict):
        inner = list(document.items())
    elif isinstance(document, list):
        inner = list(enumerate(document))
    return [here, *(path for key, value in inner for path in paths(value, (*here, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value in this place; the original stays."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


@st.composite
def twisted(draw: Callable[..., Any], honest: Sequence[Any], other: st.SearchStrategy[Any] = values, most: int = 3) -> Any:
    """An honest JSON document in which a few places hold something else."""
    document = draw(st.sampled_from(list(honest)))
    for _ in range(draw(st.integers(0, most))):
        document = replaced(document, draw(st.sampled_from(paths(document))), draw(other))
    return document


MOMENTS = [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(1, 1, 1, 1), dt.date(9999, 12, 31), dt.time(23, 59, 59, 999_999)]  # noqa: DTZ001 - TOML has such
toml_values = values | st.sampled_from(MOMENTS)


def toml_of(document: Any) -> str:
    """A document as TOML, each of its keys on one line; what TOML has no word for (None) is left out."""
    return "\n".join(f"{_toml(key)} = {_toml(value)}" for key, value in document.items() if value is not None)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items() if each is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value if each is not None) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" if not each.isalnum() or not each.isascii() else each for each in value) + '"'
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    return str(value)
