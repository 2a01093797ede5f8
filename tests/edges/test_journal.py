"""The log of a device is for a person: first failure, one line a minute, recovery with a count, whatever comes and goes."""

from __future__ import annotations

import logging

from hypothesis import given
from hypothesis import strategies as st

from agent.health import Conditions, Origin
from agent.journal import BURST, UNFILTERED, Journal, Repeats
from agent.model import Condition, Severity

CODE = "dispatch.unreachable"


class Log:
    """A journal of a device, and what it has said."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []
        self.failures = 0
        self.journal = Journal(lambda _code: self.failures)

    def look(self, at: float, *severities: Severity) -> None:
        """A second of the device: the condition holds so badly, or not at all."""
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append((record.levelno, record.getMessage()))  # type: ignore[method-assign]
        logger = logging.getLogger(UNFILTERED)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            self.journal.follow([Condition(CODE, each, 0.0, "no answer", "look at the link") for each in severities], at)
        finally:
            logger.removeHandler(handler)


def test_first_failure_one_a_minute_and_recovery_with_a_count():
    """Ten minutes without a network, tried every five seconds."""
    log = Log()
    for second in range(600):
        log.failures = 1 + second // 5
        log.look(float(second), Severity.CRITICAL)
    log.look(600.0)
    assert log.said[0] == (logging.ERROR, f"{CODE}: no answer (look at the link)")
    assert log.said[1] == (logging.ERROR, f"{CODE}: still, 13 failure(s) in 60 s: no answer")
    assert log.said[-1] == (logging.INFO, f"{CODE}: over after 120 failure(s) in 10 min")
    assert len(log.said) == 1 + 9 + 1


def test_month_without_a_network_floods_no_journal():
    """One line a minute for an hour, later ever fewer: whoever looks after a month still finds when it began."""
    log = Log()
    for second in range(0, 30 * 86_400, 10):
        log.failures += 1
        log.look(float(second), Severity.CRITICAL)
    assert 60 < len(log.said) < 500


def test_what_lasts_without_a_further_attempt_is_said_once():
    """A missing antenna is one line, not one a minute."""
    log = Log()
    for second in range(3600):
        log.look(float(second), Severity.DEGRADED)
    log.look(3600.0)
    assert log.said == [
        (logging.WARNING, f"{CODE}: no answer (look at the link)"),
        (logging.INFO, f"{CODE}: over after 60 min"),
    ]


def test_worse_is_said_at_once():
    """From a note to what keeps a raise from dispatch."""
    log = Log()
    log.look(0.0, Severity.NOTE)
    log.look(1.0, Severity.CRITICAL)
    assert [level for level, _ in log.said] == [logging.INFO, logging.ERROR]


@given(st.lists(st.sampled_from([None, *Severity]), min_size=30, max_size=900))
def test_condition_that_comes_and_goes_fills_no_journal(seconds: list[Severity | None]):
    """In the long run one beginning a minute, and an end for each beginning that was said, however it flaps."""
    log = Log()
    for second, severity in enumerate(seconds):
        log.look(float(second), *(() if severity is None else (severity,)))
    log.look(float(len(seconds)))
    over = [text for _, text in log.said if ": over" in text]
    begun = len(log.said) - len(over)
    assert begun <= BURST + len(seconds) / 60
    assert len(over) <= begun
    if any(seconds):
        assert ": over" in log.said[-1][1], "the last word is not that it is on"


def test_what_came_and_went_unsaid_is_counted():
    """The line that is said at last tells how often."""
    log = Log()
    for second in range(200):
        log.look(float(second), *((Severity.CRITICAL,) if second % 2 else ()))
    counted = [text for _, text in log.said if "it came" in text]
    assert counted
    assert "it came 30 times" in counted[-1] or "it came 29 times" in counted[-1]


def test_failures_of_a_callout_are_not_counted_behind_a_cancel():
    """Law 5: the count is the device's own."""
    conditions = Conditions()
    for origin, times in ((Origin.DEVICE, 2), (Origin.CALLOUT, 5)):
        for _ in range(times):
            conditions.put(CODE, Severity.CRITICAL, "x", "y", wall=0.0, origin=origin, failed=True)
    assert (conditions.failures(CODE, calm=False), conditions.failures(CODE, calm=True)) == (7, 2)
    conditions.drop(CODE)
    assert conditions.failures(CODE, calm=True) == 0


def test_complaint_is_not_repeated_within_a_minute():
    """And then with a count; what is no complaint, and what a journal says, passes."""
    now_at = [0.0]
    repeats, passed = Repeats(lambda: now_at[0]), []

    def say(level: int, name: str, words: str, *args: object) -> None:
        record = logging.LogRecord(name, level, "", 0, words, args, None)
        if repeats.filter(record):
            passed.append(record.getMessage())

    for second in range(121):
        now_at[0] = float(second)
        say(logging.WARNING, "callout-agent", "%s failed", "control")
    assert passed == ["control failed", "control failed (and 59 times more since)", "control failed (and 59 times more since)"]
    passed.clear()
    for _ in range(3):
        say(logging.INFO, "callout-agent", "press")
        say(logging.ERROR, UNFILTERED, "dispatch")
    for number in range(1000):
        say(logging.ERROR, "agent", "another %d", number)
    assert len(passed) == 6 + 1000
