"""When to record a fix, and when to send the next one.

Pure: times and fixes in, yes or seconds out. What it must not do: silence an active callout because nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.geo import distance_m
from agent.model import Fix

TOLERANCE_S = 0.25  # epochs come a few milliseconds early or late; without it every second one would be skipped


@dataclass(frozen=True, slots=True)
class Pace:
    """From `[cadence]`. Seconds and metres; send_min_s <= send_active_s <= send_max_s."""

    record_idle_s: float = 30.0
    record_moved_m: float = 50.0
    send_active_s: float = 5.0
    send_min_s: float = 5.0
    send_max_s: float = 20.0


def record_due(last: Fix | None, fix: Fix, pace: Pace, *, streaming: bool) -> bool:
    """Whether this fix belongs into the track.

    streaming: a callout is on and not outwardly over. (Law 5: a cancelled one is recorded like standby, or the growing track
    would give it away.)
    """
    if last is None or fix.segment != last.segment or fix.receiver != last.receiver:
        return True
    passed_s = fix.at - last.at
    if streaming:
        return passed_s >= min(pace.send_active_s, pace.record_idle_s) - TOLERANCE_S
    moved_m = distance_m(last.latitude, last.longitude, fix.latitude, fix.longitude)
    return passed_s >= pace.record_idle_s - TOLERANCE_S or moved_m >= pace.record_moved_m


def send_in_s(last_at: float | None, now_at: float, pace: Pace, *, struggling: bool) -> float:
    """Seconds until the next position may leave; 0 for at once. struggling: the last attempts failed, so the line is spared."""
    if last_at is None:
        return 0.0
    interval_s = pace.send_max_s if struggling else pace.send_active_s
    return max(0.0, last_at + min(max(interval_s, pace.send_min_s), pace.send_max_s) - now_at)
