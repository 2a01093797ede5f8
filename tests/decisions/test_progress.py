"""Who stands still: attempts count, success does not, and a machine that stalls accuses nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.progress import MOST_BETWEEN_S, Progress

LIMITS_S = {"decider": 5.0, "receiver": 30.0}


def looked(progress: Progress, seconds: int, begin_at: float, **attempts: int) -> list[str]:
    """A look every second for so long, at the same counts; who began to stand still in it."""
    return [part for second in range(1, seconds + 1) for part in progress.look(attempts, begin_at + second)]


def test_part_without_an_attempt_stands_still_once_its_own_limit_is_over():
    """Each part has the time that its own waits may take, and is named once."""
    progress = Progress(LIMITS_S)
    progress.look({"decider": 1, "receiver": 1}, 100.0)
    assert looked(progress, 5, 100.0, decider=1, receiver=1) == []
    assert looked(progress, 1, 105.0, decider=1, receiver=1) == ["decider"]
    assert looked(progress, 24, 106.0, decider=1, receiver=1) == []
    assert looked(progress, 1, 130.0, decider=1, receiver=1) == ["receiver"]
    assert progress.standing == {"decider", "receiver"}


def test_attempt_is_progress_whatever_came_of_it():
    """Only the count is looked at: an attempt every few seconds, each of them failing, is no standstill."""
    progress, named = Progress(LIMITS_S), []
    for second in range(600):
        named += progress.look({"decider": second, "receiver": second // 29}, float(second))
    assert named == []
    assert not progress.standing


def test_part_that_goes_on_stands_still_no_longer():
    """And is named anew when it stops again."""
    progress = Progress(LIMITS_S)
    progress.look({"decider": 1, "receiver": 0}, 0.0)
    assert looked(progress, 6, 0.0, decider=1, receiver=1) == ["decider"]
    progress.look({"decider": 2, "receiver": 2}, 7.0)
    assert not progress.standing
    assert looked(progress, 6, 7.0, decider=2, receiver=2) == ["decider"]


def test_part_that_never_begins_stands_still():
    """A task that was never started counts nothing."""
    progress = Progress(LIMITS_S)
    progress.look({}, 0.0)
    assert looked(progress, 6, 0.0) == ["decider"]


@given(st.floats(min_value=0.0, max_value=1e9))
def test_machine_that_stalls_as_a_whole_accuses_nobody(stalled_s: float):
    """A process that was stopped for an hour finds its parts as old as before: they had no time to do anything."""
    progress = Progress(LIMITS_S)
    progress.look({"decider": 1, "receiver": 1}, 100.0)
    assert progress.look({"decider": 1, "receiver": 1}, 100.0 + stalled_s) == []
    assert min(LIMITS_S.values()) > MOST_BETWEEN_S
