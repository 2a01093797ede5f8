"""Conditions in the log: a line when one begins, a line when it is over. For the journal; never a coordinate or a token.

Handed only what is shown outwardly, so that a calm device has nothing more to say than standby has (law 5).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from agent.model import Condition, Severity

log = logging.getLogger("callout-agent")
LEVELS = {Severity.CRITICAL: logging.ERROR, Severity.DEGRADED: logging.WARNING, Severity.NOTE: logging.INFO}


class Journal:
    """Remembers what it has said."""

    def __init__(self) -> None:
        self._said: dict[str, Severity] = {}

    def follow(self, conditions: Iterable[Condition]) -> None:
        """Say what is new, worse or better, or over."""
        now = {condition.code: condition for condition in conditions}
        for code, condition in now.items():
            if self._said.get(code) is not condition.severity:
                log.log(LEVELS[condition.severity], "%s: %s (%s)", code, condition.text, condition.hint)
        for code in self._said.keys() - now.keys():
            log.info("%s: over", code)
        self._said = {code: condition.severity for code, condition in now.items()}
