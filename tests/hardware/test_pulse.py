"""When a receiver is alive, and what it suffers from, with time as data."""

from __future__ import annotations

import pytest

from agent.model import Ailment, Report
from hardware import ailments
from hardware.pulse import Pulse, Vitals


def epoch(at: float, mode: int = 3) -> Report:
    return Report(at, "r", mode)


def code(pulse: Pulse, at: float) -> str | None:
    verdict = pulse.verdict(at)
    return verdict.code if verdict else None


def beating(period_s: float, count: int) -> Pulse:
    pulse = Pulse("gps", 0.0)
    for index in range(count):
        pulse.epoch(epoch(index * period_s))
    return pulse


def test_nothing_is_wrong_before_an_epoch_could_have_come():
    """The first seconds after the start are no silence."""
    pulse = Pulse("gps", 100.0)
    assert code(pulse, 103.0) is None
    assert code(pulse, 103.75) == "receiver.silent"


@pytest.mark.parametrize("period_s", [0.1, 0.2, 1.0, 2.0])
def test_a_usual_receiver_is_silent_within_four_seconds(period_s: float):
    """Up to one epoch in two seconds: told 4 s after the last epoch at the latest, looks every quarter second included."""
    pulse = beating(period_s, 20)
    last = 19 * period_s
    assert code(pulse, last + 3.0) is None
    assert code(pulse, last + 3.75) == "receiver.silent"


@pytest.mark.parametrize("period_s", [5.0, 10.0])
def test_a_slow_receiver_is_not_called_silent_for_ever(period_s: float):
    """After three epochs its period is known; a missing one is still noticed."""
    pulse = beating(period_s, 3)
    last = 2 * period_s
    assert code(pulse, last + period_s + 0.4) is None
    assert code(pulse, last + 2 * period_s) == "receiver.silent"


def test_an_outage_teaches_no_patience():
    """Ten seconds without epochs, once, do not make a 1 Hz receiver a slow one."""
    pulse = beating(1.0, 10)
    pulse.epoch(epoch(19.0))
    pulse.epoch(epoch(29.0))
    assert code(pulse, 32.75) == "receiver.silent"


def test_bytes_without_sentences_are_garbage_and_sentences_without_epochs_are_silence():
    """A wrong baud rate and a receiver that sends only satellites need different hands."""
    pulse = Pulse("gps", 0.0)
    pulse.bytes_came(3.0, sentences=False)
    assert code(pulse, 4.0) == "receiver.garbage"
    pulse.bytes_came(4.5, sentences=True)
    assert code(pulse, 5.0) == "receiver.silent"


def test_epochs_without_a_fix_are_told_after_three_seconds_and_forgotten_with_the_first_fix():
    """A gap under a bridge is no ailment; a garage is."""
    pulse = beating(1.0, 5)
    for at in range(5, 9):
        pulse.epoch(epoch(float(at), mode=1))
    assert code(pulse, 7.9) is None
    assert code(pulse, 8.1) == "receiver.no_position"
    pulse.epoch(epoch(9.0, mode=2))
    assert code(pulse, 9.0) is None


def test_what_is_lost_stays_told_until_it_speaks_or_is_silent():
    """Between reopening and the first epoch the old ailment stands; then silence is a new one."""
    pulse = beating(1.0, 5)
    pulse.lost(ailments.unplugged("/dev/x"))
    assert code(pulse, 5.0) == code(pulse, 50.0) == "receiver.unplugged"
    pulse.opened(60.0)
    assert code(pulse, 62.0) == "receiver.unplugged"
    assert code(pulse, 64.0) == "receiver.silent"
    pulse.epoch(epoch(65.0))
    assert code(pulse, 65.0) is None


def test_an_ailment_is_told_only_when_it_changes():
    """Looking often does not speak often."""
    now, told = [0.0], list[Ailment | None]()
    vitals = Vitals(Pulse("gps", 0.0), lambda: now[0], lambda _: None, told.append)
    for quarter in range(40):
        now[0] = quarter / 4
        vitals.look()
    vitals.deliver(epoch(10.0))
    assert [each.code if each else None for each in told] == ["receiver.silent", None]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (2, "missing"),
        (19, "missing"),
        (13, "permission"),
        (1, "permission"),
        (16, "busy"),
        (11, "busy"),
        (None, "unusable"),
        (25, "unusable"),
    ],
)
def test_errors_of_opening_have_names(number: int | None, expected: str):
    """ENOENT, EACCES, EBUSY and the rest become words with a hint."""
    ailment = ailments.of_opening("/dev/x", number, "why")
    assert ailment.code == f"receiver.{expected}"
    assert ailment.hint
