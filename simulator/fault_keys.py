"""The words a fault is put in: its actions and its keys, their types, ranges and defaults, and how each is said to a person.

Pure: a table, how one value is read against it, and the table as JSON. Knows no rule in force and carries nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAME_LETTERS = 80
REDIRECTS = (301, 302, 303, 307, 308)


class Action(StrEnum):
    """What happens to a request that is hit; CERTIFICATE and STALL_ACCEPT happen to connections. `ACTIONS` says it in words."""

    STATUS = "status"
    LATENCY = "latency"
    LOST = "lost"
    HALF_OPEN = "half_open"
    RESET = "reset"
    DRIP = "drip"
    PORTAL = "portal"
    ODD = "odd"
    CERTIFICATE = "certificate"
    STALL_ACCEPT = "stall_accept"


# They happen before there is a request: to connections, whoever makes them.
OF_CONNECTIONS = frozenset({Action.CERTIFICATE, Action.STALL_ACCEPT})


class Portal(StrEnum):
    """How a captive portal shows itself."""

    PAGE = "page"
    REDIRECT = "redirect"
    NETWORK_AUTHENTICATION = "511"


class Shape(StrEnum):
    """A 2xx whose body is not what is due. The last three are made from the honest answer."""

    RESULT = "result"
    EMPTY = "empty"
    LIST = "list"
    NULL = "null"
    NOT_JSON = "not_json"
    NESTED_DEEP = "nested_deep"
    NO_ID = "no_id"
    TRUNCATED = "truncated"
    HUGE = "huge"


class Certificate(StrEnum):
    """What is wrong with the certificate that new connections are shown."""

    EXPIRED = "expired"
    NOT_YET = "not_yet"
    OTHER_NAME = "other_name"
    UNKNOWN_AUTHORITY = "unknown_authority"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a rule. kind: JSON Schema's word. low, high: inclusive. default: what holds where it is absent or null."""

    words: str
    kind: str
    default: Any = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def tell(self, name: str) -> dict[str, Any]:
        """As JSON."""
        told: dict[str, Any] = {"key": name, "words": self.words, "type": self.kind, "default": self.default}
        told |= {} if self.low is None else {"minimum": self.low, "maximum": self.high}
        return told | ({"choices": list(self.choices)} if self.choices else {})


YEARS_S = 1e9

KEYS = {
    "name": Key(f"what the rule is called, at most {NAME_LETTERS} printable letters", "string"),
    "action": Key("what happens", "string", choices=tuple(Action)),
    "on": Key("names of operations, patterns of paths (with a slash and *), or * for all", "array", ["*"]),
    "method": Key("only requests with this HTTP method", "string"),
    "after": Key("so many matching requests (connections) pass first", "integer", 0, 0, YEARS_S),
    "count": Key("the rule ends after so many hits", "integer", None, 0, YEARS_S),
    "for_s": Key("the rule ends after so many seconds", "number", None, 0, YEARS_S),
    "share": Key("hits this share of the requests, evenly spread", "number", 1.0, 0, 1),
    "delay_s": Key("seconds before the request is carried out; of a lost answer, before the connection is cut", "number", 0.0, 0, 3600),
    "interval_s": Key("seconds between two bytes", "number", 0.2, 0, 3600),
    "status": Key("HTTP status; of a portal's redirect 301, 302 (its default), 303, 307 or 308", "integer", 503, 200, 599),
    "retry_after": Key("the header's value, sent as it is", "string"),
    "body": Key("the body, instead of the usual one", "string"),
    "processed": Key("whether the request is carried out all the same; default: only with `odd`", "boolean"),
    "portal": Key("a page with 200, a redirect to a sign-in page, or 511 with a page", "string", Portal.PAGE, choices=tuple(Portal)),
    "shape": Key("which wrong shape", "string", Shape.RESULT, choices=tuple(Shape)),
    "certificate": Key("what is wrong with the certificate", "string", choices=tuple(Certificate)),
}
LIMITS = ("after", "count", "for_s", "share")


@dataclass(frozen=True, slots=True)
class About:
    """One action. keys: its own, beside those that every action has. needs: at least one of each group must be given."""

    title: str
    words: str
    example: dict[str, Any]
    keys: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    of_requests: bool = True

    @property
    def all_keys(self) -> tuple[str, ...]:
        """In the order in which a person would fill them in."""
        if not self.of_requests:
            return ("name", "action", *self.keys)
        return ("name", "action", "on", "method", *self.keys, "delay_s", *LIMITS)


# The desk is behind the same door: a rule that shuts it must end by itself.
ENDS = ("for_s", "count")

ACTIONS = {
    Action.STATUS: About(
        "Status",
        "Answered with this status; the request is not carried out unless `processed`.",
        {"status": 503},
        ("status", "retry_after", "body", "processed"),
    ),
    Action.LATENCY: About("Latency", "Delayed, then answered as ever. Delays of several rules add up.", {"delay_s": 4.0}),
    Action.LOST: About("Lost answer", "Carried out, never answered: the connection is reset instead.", {}),
    Action.HALF_OPEN: About(
        "Half-open",
        "The request is read; then not a byte comes back, now or later, and the connection is never closed from here.",
        {"processed": True},
        ("processed",),
    ),
    Action.RESET: About("Reset", "The connection is reset; the request is not carried out.", {}),
    Action.DRIP: About("Drip", "Carried out; the body of the answer comes a byte at a time.", {"interval_s": 0.2}, ("interval_s",)),
    Action.PORTAL: About(
        "Captive portal",
        "A network that wants somebody to sign in: its page, a redirect to it, or 511. Not carried out.",
        {"portal": "page"},
        ("portal", "status"),
    ),
    Action.ODD: About(
        "Wrong shape",
        "200 with a body that is not what is due: `shape`, or `body` as it is. Carried out unless `processed` is false.",
        {"shape": "no_id"},
        ("shape", "body", "processed", "retry_after"),
    ),
    Action.CERTIFICATE: About(
        "Wrong certificate",
        "New connections are shown a certificate that must not be accepted; those of devices are cut when the rule begins. Needs --tls. "
        "The desk has the same certificate: such a rule must end by itself, after seconds or connections.",
        {"certificate": "expired", "for_s": 30.0},
        ("certificate", *LIMITS),
        (("certificate",), ENDS),
        of_requests=False,
    ),
    Action.STALL_ACCEPT: About(
        "Stalled listener",
        "The kernel takes new connections and nobody serves them until the rule ends; those of devices are cut when it begins. "
        "The desk has the same door: such a rule must end by itself.",
        {"for_s": 30.0},
        ("for_s",),
        (("for_s",),),
        of_requests=False,
    ),
}


def kinds(operations: Iterable[str]) -> dict[str, Any]:
    """Everything that a fault may be, as JSON. Each example, with `action`, is a whole rule."""
    actions = [
        {
            "action": action,
            "title": about.title,
            "words": about.words,
            "keys": list(about.all_keys),
            "needs": [list(group) for group in about.needs],
            "tls": action is Action.CERTIFICATE,
            "example": {"action": action, **about.example},
        }
        for action, about in ACTIONS.items()
    ]
    return {"actions": actions, "keys": [key.tell(name) for name, key in KEYS.items()], "operations": ["*", *operations]}


# --- one value ---


def read_value(name: str, value: Any) -> Any:
    """A key's value as a rule keeps it. Raises ValueError that names the key."""
    if name in _READERS:
        return _READERS[name](value)
    key = KEYS[name]
    if key.low is not None:
        return _number(name, key, value)
    wanted = bool if key.kind == "boolean" else str
    if not isinstance(value, wanted):
        raise ValueError(f"{name}: must be {'true or false' if wanted is bool else 'a string'}")  # noqa: TRY004 - one kind of error
    return value


def _number(name: str, key: Key, value: Any) -> float:
    whole = key.kind == "integer"
    low, high = key.low or 0, key.high or 0
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
        raise ValueError(f"{name}: a {'whole ' if whole else ''}number from {low:g} to {high:g}")
    return value


def _choice(name: str, kind: type[StrEnum]) -> Callable[[Any], StrEnum]:
    def read(value: Any) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"{name}: one of {', '.join(kind)}") from None

    return read


def _on(value: Any) -> tuple[str, ...]:
    names: Any = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("on: a name or a list of names")
    return tuple(names)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > NAME_LETTERS or not value.isprintable():
        raise ValueError(f"name: 1 to {NAME_LETTERS} printable letters")
    return value


def _header(value: Any) -> str:
    told = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(told, str) or not told.isascii() or not told.isprintable() or told != told.strip():
        raise ValueError("retry_after: a number of seconds, or a string as a header may hold it")
    return told


def _body(value: Any) -> str:
    try:
        value.encode()
    except (AttributeError, UnicodeEncodeError):
        raise ValueError("body: a string, every character of which can be sent") from None
    told: str = value
    return told


def _method(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isalpha():
        raise ValueError("method: GET, POST, PUT, PATCH or DELETE")
    return value.upper()


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "action": _choice("action", Action),
    "on": _on,
    "method": _method,
    "retry_after": _header,
    "body": _body,
    "portal": _choice("portal", Portal),
    "shape": _choice("shape", Shape),
    "certificate": _choice("certificate", Certificate),
}
