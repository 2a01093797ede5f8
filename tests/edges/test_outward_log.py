"""The journal's line of a step of the callout: told while it may be, never where a cancel may have been handed over (law 5)."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from agent.daemon import Daemon
from agent.signals import Phase, State

ADOPTED = State(Phase.ACTIVE, callout_id=7)


class Outward:
    """What a step's line needs of the daemon: whether everybody may hear of it."""

    def __init__(self, *, calm: bool) -> None:
        self.calm = calm

    def outwardly_calm(self) -> bool:
        return self.calm


def said(caplog: pytest.LogCaptureFixture, after: State, *, outwardly_calm: bool) -> list[str]:
    with caplog.at_level(logging.INFO, "callout-agent"):
        Daemon._log_step(Outward(calm=outwardly_calm), State(), after)  # type: ignore[arg-type] # all that it asks for
    return [record.getMessage() for record in caplog.records]


def test_callout_that_begins_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, ADOPTED, outwardly_calm=False) == ["callout 7: standby -> active"]


@pytest.mark.parametrize("after", [ADOPTED, replace(ADOPTED, phase=Phase.CANCELLING, calm=True)])
def test_callout_that_may_have_been_cancelled_is_not_told(caplog: pytest.LogCaptureFixture, after: State) -> None:
    """Also while a hung disk has not told yet: the poll finds such a callout at dispatch, and does not know of a cancel."""
    assert said(caplog, after, outwardly_calm=True) == []
