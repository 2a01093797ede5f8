"""Conditions in the log, for a person: when one begins, while it goes on failing, and what it came to. Never a coordinate or a token.

Handed only what is shown outwardly, so that a calm device has nothing more to say than standby has (law 5). However often a condition comes
and goes, in the long run it has one beginning a minute; and no complaint of whatever room is repeated within one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent import wording
from agent.model import Condition, Severity

UNFILTERED = "callout-agent.once"  # whoever logs here repeats nothing needlessly
log = logging.getLogger(UNFILTERED)
LEVELS = {Severity.CRITICAL: logging.ERROR, Severity.DEGRADED: logging.WARNING, Severity.NOTE: logging.INFO}
EVERY_S = 60.0
LASTING = 1 / 60  # what has lasted long is said again only after this part of it: a month without a network is some hundred lines
BURST = 3.0  # beginnings of one condition that may follow each other more quickly: a person who tries something out wants to see it
MOST_KNOWN = 256


@dataclass(slots=True)
class _Told:
    """What is known of one code. credit: beginnings that may be said now. came: how often it came since the last one that was said.

    severity: as said; None while nobody was told that it is on. failures: so far; told_of: as last said.
    """

    credit: float
    filled_at: float
    on: bool = False
    severity: Severity | None = None
    began_at: float = 0.0
    line_at: float = 0.0
    came: int = 0
    failures: int = 0
    told_of: int = 0


class Journal:
    """Remembers what it has said. failures: how many attempts met this condition since it began, as far as that may be shown."""

    def __init__(self, failures: Callable[[str], int] = lambda _code: 0) -> None:
        self._failures = failures
        self._told: dict[str, _Told] = {}

    def follow(self, conditions: Iterable[Condition], at: float) -> None:
        """Say what is new, worse or better, goes on, or is over. at: monotonic s."""
        now = {condition.code: condition for condition in conditions}
        for code, condition in now.items():
            told = self._told.setdefault(code, _Told(BURST, at))
            if not told.on:
                told.on, told.began_at, told.came, told.told_of = True, at, told.came + 1, 0
            told.failures = self._failures(code)
            if told.severity is not condition.severity:
                self._begin(told, condition, at)
            elif told.failures > told.told_of and at - told.line_at >= max(EVERY_S, LASTING * (told.line_at - told.began_at)):
                self._go_on(told, condition, at)
        for code, told in self._told.items():
            if told.on and code not in now:
                self._end(told, code, at)
        self._forget()

    def _begin(self, told: _Told, condition: Condition, at: float) -> None:
        told.credit, told.filled_at = min(BURST, told.credit + (at - told.filled_at) / EVERY_S), at
        if told.credit < 1.0:
            return
        again = f" (it came {told.came} times)" if told.came > 1 else ""
        log.log(LEVELS[condition.severity], "%s%s: %s (%s)", condition.code, again, condition.text, condition.hint)
        told.credit, told.severity, told.line_at, told.came = told.credit - 1.0, condition.severity, at, 0
        told.told_of = told.failures

    def _go_on(self, told: _Told, condition: Condition, at: float) -> None:
        lasts = wording.span(at - told.began_at)
        log.log(LEVELS[condition.severity], "%s: still, %d failure(s) in %s: %s", condition.code, told.failures, lasts, condition.text)
        told.told_of, told.line_at = told.failures, at

    def _end(self, told: _Told, code: str, at: float) -> None:
        if told.severity is not None:
            count, lasted = f"{told.failures} failure(s) in " if told.failures else "", wording.span(at - told.began_at)
            log.info("%s: over after %s%s", code, count, lasted)
        told.on, told.severity = False, None

    def _forget(self) -> None:
        if len(self._told) > MOST_KNOWN:
            self._told = {code: told for code, told in self._told.items() if told.on}


class Repeats(logging.Filter):
    """Lets a complaint through once in EVERY_S, and then says how often it was kept back. clock_at: monotonic s."""

    def __init__(self, clock_at: Callable[[], float]) -> None:
        super().__init__()
        self._clock_at = clock_at
        self._known: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be said."""
        if record.levelno < logging.WARNING or record.name == UNFILTERED:
            return True
        text, now_at = record.getMessage(), self._clock_at()
        said_at, kept_back = self._known.get(key := (record.name, record.levelno, text), (float("-inf"), 0))
        if now_at - said_at < EVERY_S:
            self._known[key] = (said_at, kept_back + 1)
            return False
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = (now_at, 0)
        if kept_back:
            record.msg, record.args = f"{text} (and {kept_back} times more since)", None
        return True
