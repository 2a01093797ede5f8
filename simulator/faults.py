"""Rules for what goes wrong: which request or connection is hit, how often and how.

Pure: decides, does not act (`sabotage` acts on requests, `tls` and `server` on connections). A share is spread evenly and not drawn,
so that a test sees the same every time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from simulator.fault_keys import ACTIONS, OF_CONNECTIONS, REDIRECTS, Action, Certificate, Portal, Shape, read_value


class NeedsTlsError(ValueError):
    """A fault of certificates where there are none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault. What each key means, and which action has which: `fault_keys.KEYS` and `ACTIONS`.

    processed None: as the action has it by itself, which is True for ODD alone.
    """

    action: Action
    name: str | None = None
    on: tuple[str, ...] = ("*",)
    method: str | None = None
    status: int = 503
    retry_after: str | None = None
    body: str | None = None
    processed: bool | None = None
    portal: Portal = Portal.PAGE
    shape: Shape = Shape.RESULT
    certificate: Certificate | None = None
    delay_s: float = 0.0
    interval_s: float = 0.2
    after: int = 0
    count: int | None = None
    for_s: float | None = None
    share: float = 1.0

    @property
    def carried_out(self) -> bool:
        """Whether the request is processed before it is answered wrongly."""
        return self.action is Action.ODD if self.processed is None else self.processed

    @property
    def redirect(self) -> int:
        """The status of a portal's redirect."""
        return self.status if self.status in REDIRECTS else 302

    def matches(self, operation: str | None, method: str, path: str) -> bool:
        """Whether a request is meant, limits aside."""
        if self.action in OF_CONNECTIONS or self.method not in (None, method):
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
    """The rules in force, in the order they were added.

    tls: whether there are certificates to be wrong about. begun: hears of each rule for connections as it comes into force.
    """

    def __init__(self, *, tls: bool = False, begun: Callable[[], None] | None = None) -> None:
        self._rules: dict[int, _Kept] = {}
        self._next = 1
        self._tls = tls
        self._begun = begun

    def check(self, rule: Rule) -> None:
        """Whether it can be carried out here. Raises NeedsTlsError."""
        if rule.action is Action.CERTIFICATE and not self._tls:
            raise NeedsTlsError("action: a wrong certificate needs the simulator to be started with --tls")

    def add(self, rule: Rule, now: float) -> int:
        """Put a rule in force; its number. Raises NeedsTlsError."""
        self.check(rule)
        number = self._next
        self._next += 1
        self._rules[number] = _Kept(number, rule, now)
        if self._begun and rule.action in OF_CONNECTIONS:
            self._begun()
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

    def certificate(self, now: float) -> Certificate | None:
        """What is to be wrong with the certificate of the connection that is being made; counts it."""
        for kept in self._rules.values():
            if kept.rule.action is Action.CERTIFICATE and _hit(kept, now):
                return kept.rule.certificate
        return None

    def stalled(self, now: float) -> bool:
        """Whether nobody is to serve the connections that the kernel takes."""
        return any(kept.rule.action is Action.STALL_ACCEPT and not _spent(kept, now) for kept in self._rules.values())

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

_KEYS = {field.name for field in fields(Rule)}


def read_rule(body: Mapping[str, Any], operations: Collection[str] = ()) -> Rule:
    """A rule from its JSON form. operations: the names there are; none: any is taken. Raises ValueError that names the key."""
    if unknown := sorted(set(body) - _KEYS):
        raise ValueError(f"{unknown[0]}: not a key of a fault; there are {', '.join(sorted(_KEYS))}")
    action = read_value("action", body.get("action"))
    given = {key: value for key, value in body.items() if value is not None}
    _require(action, given)
    values = {key: read_value(key, value) for key, value in given.items()}
    rule = Rule(**values)
    if rule.portal is Portal.REDIRECT and "status" in values and rule.status not in REDIRECTS:
        raise ValueError(f"status: of a portal's redirect one of {', '.join(map(str, REDIRECTS))}")
    _require_known(rule.on, operations)
    return rule


def _require(action: Action, given: Collection[str]) -> None:
    about = ACTIONS[action]
    for key in given:
        if key not in about.all_keys:
            raise ValueError(f"{key}: {action} has no such key; it has {', '.join(about.all_keys)}")
    for group in about.needs:
        if not set(group) & set(given):
            raise ValueError(f"{group[0]}: {action} needs {' or '.join(group)}")


def _require_known(names: tuple[str, ...], operations: Collection[str]) -> None:
    for name in names:
        if operations and name != "*" and "/" not in name and name not in operations:
            raise ValueError(f"on: {name[:60]} is neither an operation nor a pattern of paths; there are {', '.join(sorted(operations))}")


def read_rules(body: Any, operations: Collection[str] = ()) -> list[Rule]:
    """One rule or a list of rules."""
    documents: list[Any] = body if isinstance(body, list) else [body]
    if not all(isinstance(document, dict) for document in documents):
        raise ValueError("a fault is a JSON object")
    return [read_rule(document, operations) for document in documents]
