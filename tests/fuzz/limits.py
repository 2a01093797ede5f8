"""How long and how large: the number of examples, the time of one, the memory of thousands.

`CALLOUT_AGENT_FUZZ=N` tries N times as many examples, others with every run; without it each run tries the same few.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("CALLOUT_AGENT_FUZZ", "1"))
FEWER = 2 if TIMES == 1 else 1  # each build of a day need not find what a long one does
SLOW_S = 2.0  # of the processor, for one example: the slowest honest one takes a hundredth of that
GROWTH_BYTES = 200_000  # of thousands of examples of a few hundred bytes each: what keeps them all needs more


def tries(count: int) -> settings:
    """So many examples, times what the environment asks for."""
    return settings(
        max_examples=count * TIMES // FEWER,
        derandomize=TIMES == 1 and settings().derandomize,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


class HangsError(BaseException):
    """One example took longer than it may. No Exception: what is tried must not be able to catch it."""


@contextlib.contextmanager
def prompt(cpu_s: float = SLOW_S) -> Iterator[None]:
    """End what does not end by itself: raises HangsError after so much time of the processor, whatever else this machine does."""

    def bite(*_: object) -> None:
        raise HangsError(f"more than {cpu_s} s of the processor")

    before = signal.signal(signal.SIGPROF, bite)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def grown(feed: Callable[[int], object], times: int) -> int:
    """By how many bytes the second half of so many calls has grown what Python holds. feed: told which call it is."""
    times *= TIMES
    tracemalloc.start()
    try:
        for number in range(times // 2):
            feed(number)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(times // 2, times):
            feed(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
