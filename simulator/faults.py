"""Rules for what goes wrong: which request is hit, how often and how.

Pure: decides, does not act (`sabotage` acts). A share is spread evenly and not drawn, so that a test sees the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Action(StrEnum):
    """What happens to a request that is hit.

    STATUS: answered with `status`. LATENCY: delayed, then answered. LOST: processed, never answered, the connection is cut
    after the delay. RESET: cut without being processed. DRIP: the body of the answer comes a byte per interval.
    PORTAL: 200 with the HTML of a captive portal. ODD: processed, answered with JSON of another shape.
    """

    STATUS = "status"
    LATENCY = "latency"
    LOST = "lost"
    RESET = "reset"
    DRIP = "drip"
    PORTAL = "portal"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault.

    on: names of operations (`raise`, `locate`, `mint`, ...), patterns of paths (`/panic-api/v2/callouts/*`) or `*`.
    delay_s: before the request is processed; for LOST before the connection is cut. interval_s: between two bytes.
    retry_after: the header's value, sent as it is. processed: whether a STATUS happens after the request was carried out.
    after: how many matching requests pass first. count, for_s, share: the rule ends after so many hits or seconds, or hits only
    that share of the requests.
    """

    action: Action
    on: tuple[str, ...] = ("*",)
    method: str | None = None
    status: int = 503
    retry_after: str | None = None
    body: str | None = None
    processed: bool = False
    delay_s: float = 0.0
    interval_s: float = 0.2
    after: int = 0
    count: int | None = None
    for_s: float | None = None
    share: float = 1.0

    def matches(self, operation: str | None, method: str, path: str) -> bool:
        """Whether a request is meant, limits aside."""
        if self.method not in (None, method):
            return False
        return any(name in ("*", operation) or ("/" in name and fnmatchcase(path, name)) for name in self.on)


@dataclass(slots=True)
class _Kept:
    number: int
    rule: Rule
    since_wall: float
    seen: int = 0
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen to one request: a delay in s, then the rule, None where it goes its way."""

    delay_s: float = 0.0
    rule: Rule | None = None

    @property
    def words(self) -> str | None:
        """For the request log."""
        if self.rule:
            return str(self.rule.action)
        return "latency" if self.delay_s else None


class Faults:
    """The rules in force, in the order they were added."""

    def __init__(self) -> None:
        self._rules: dict[int, _Kept] = {}
        self._next = 1

    def add(self, rule: Rule, now: float) -> int:
        """Put a rule in force; its number."""
        number = self._next
        self._next += 1
        self._rules[number] = _Kept(number, rule, now)
        return number

    def remove(self, number: int) -> bool:
        """Whether there was such a rule."""
        return self._rules.pop(number, None) is not None

    def clear(self) -> None:
        """No faults."""
        self._rules.clear()

    def plan(self, operation: str | None, method: str, path: str, now: float) -> Plan:
        """Delays add up; of the other rules the first one that hits decides."""
        delay_s, chosen = 0.0, None
        for kept in list(self._rules.values()):
            rule = kept.rule
            if not rule.matches(operation, method, path) or (chosen and rule.action is not Action.LATENCY):
                continue
            if not _hit(kept, now):
                continue
            if rule.action is Action.LATENCY:
                delay_s += rule.delay_s
            else:
                chosen = rule
        return Plan(delay_s, chosen)

    def all(self, now: float) -> list[dict[str, Any]]:
        """Every rule as JSON, with what it did so far."""
        return [
            {"id": kept.number, **asdict(kept.rule), "seen": kept.seen, "hits": kept.hits, "spent": _spent(kept, now)}
            for kept in self._rules.values()
        ]


def _spent(kept: _Kept, now: float) -> bool:
    rule = kept.rule
    over = rule.for_s is not None and now - kept.since_wall >= rule.for_s
    return over or (rule.count is not None and kept.hits >= rule.count)


def _hit(kept: _Kept, now: float) -> bool:
    if _spent(kept, now):
        return False
    kept.seen += 1
    eligible = kept.seen - kept.rule.after
    if eligible <= 0:
        return False
    # Evenly spread: a hit whenever the running total of the share passes the next whole number.
    hit = int(eligible * kept.rule.share + 1e-9) > int((eligible - 1) * kept.rule.share + 1e-9)
    kept.hits += hit
    return hit


# --- from JSON ---

_NUMBERS = {"delay_s": (0, 3600), "interval_s": (0, 3600), "for_s": (0, 1e9), "share": (0, 1), "count": (0, 1e9), "after": (0, 1e9)}
_WHOLE = {"count", "after", "status"}
_KEYS = {field.name for field in fields(Rule)}


def read_rule(body: Mapping[str, Any]) -> Rule:
    """A rule from its JSON form. Raises ValueError that names the key."""
    if unknown := sorted(set(body) - _KEYS):
        raise ValueError(f"{unknown[0]}: not a key of a fault; there are {', '.join(sorted(_KEYS))}")
    values: dict[str, Any] = {key: _read(key, value) for key, value in body.items() if value is not None}
    if "action" not in values:
        raise ValueError(f"action: one of {', '.join(Action)}")
    return Rule(**values)


def _read(key: str, value: Any) -> Any:
    if key == "action":
        return _read_action(value)
    if key == "on":
        return _read_on(value)
    if key in _NUMBERS or key == "status":
        return _read_number(key, value)
    kind = bool if key == "processed" else str
    if key == "retry_after" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, kind):
        raise ValueError(f"{key}: must be {'true or false' if kind is bool else 'a string'}")  # noqa: TRY004 - one kind of error
    return value


def _read_action(value: Any) -> Action:
    try:
        return Action(value)
    except ValueError:
        raise ValueError(f"action: one of {', '.join(Action)}") from None


def _read_on(value: Any) -> tuple[str, ...]:
    names: Iterable[Any] = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("on: a name or a list of names")
    return tuple(names)


def _read_number(key: str, value: Any) -> float:
    low, high = _NUMBERS.get(key, (200, 599))
    whole = key in _WHOLE
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
        raise ValueError(f"{key}: a {'whole ' if whole else ''}number from {low:g} to {high:g}")
    return value


def read_rules(body: Any) -> list[Rule]:
    """One rule or a list of rules."""
    documents: list[Any] = body if isinstance(body, list) else [body]
    if not all(isinstance(document, dict) for document in documents):
        raise ValueError("a fault is a JSON object")
    return [read_rule(document) for document in documents]
