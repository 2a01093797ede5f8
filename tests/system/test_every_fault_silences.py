"""Answers that come too late, byte by byte, broken off or never, under a raise and under the stream."""

from __future__ import annotations

from pathlib import Path

import pytest
from enduring import Fault, endure_all

GONE = "dispatch.unreachable"
LATE = Fault("latency", {"action": "latency", "delay_s": 600}, GONE, GONE)
DRIP = Fault("drip", {"action": "drip", "interval_s": 1.0}, GONE, GONE, carried_out=True)
RESET = Fault("reset", {"action": "reset"}, GONE, GONE)
HALF_OPEN = Fault("half_open", {"action": "half_open"}, GONE, GONE)
HALF_OPEN_DONE = Fault("half_open, processed", {"action": "half_open", "processed": True}, GONE, GONE, carried_out=True)
STALLED = Fault("stall_accept", {"action": "stall_accept"}, GONE, GONE)
LOST = Fault("lost", {"action": "lost"}, GONE, GONE, carried_out=True)
FAULTS = (LATE, DRIP, RESET, HALF_OPEN, HALF_OPEN_DONE, STALLED, LOST)


@pytest.mark.timeout(150)
def test_silence_ends_no_callout_and_counts_for_nothing(tmp_path: Path):
    """Named when an answer is overdue, tried again beside what hangs, over when it is over."""
    endure_all(tmp_path, (LATE,), (DRIP,), (HALF_OPEN,), (HALF_OPEN_DONE,), (STALLED, RESET, LOST))
