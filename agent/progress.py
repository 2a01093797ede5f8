"""Who among the vital parts still gets anywhere, and who stands still.

Pure: counts of attempts and times go in, names come out. What counts is that a part has *attempted* its work, never what came of it: no
network, no receiver, no answer is a reason to start the process anew. Whoever waits for a disk or a look-up in a thread is no part.
"""

from __future__ import annotations

from collections.abc import Mapping

# A process that was stopped, or a machine that stalls as a whole, ages no part by more than this between two looks: each part must have had
# the time to do something. Who keeps the loop from turning is found out by the missing look.
MOST_BETWEEN_S = 2.0

DECIDER_S = 15.0  # a step waits for the store half a second; it is named before the watchdog of the unit (20 s) bites
BUTTON_S = 15.0  # a held line is looked at twice a second, a lost one is asked for as often; a mute played chip takes one second
RECEIVER_S = 30.0  # a connection to gpsd may take 3 s, a pause between two 2 s; a line without data is looked at four times a second
LANE_S = 30.0  # beside an attempt: others go first for at most 20 s, and a lane that rests looks up every 10 s


class Progress:
    """One per daemon. limits_s: how long each part may go without an attempt, by its name."""

    def __init__(self, limits_s: Mapping[str, float]) -> None:
        self._limits_s = dict(limits_s)
        self._counts: dict[str, int] = {}
        self._idle_s = dict.fromkeys(limits_s, 0.0)
        self._looked_at: float | None = None

    @property
    def standing(self) -> frozenset[str]:
        """Who stands still, as of the last look."""
        return frozenset(part for part, idle_s in self._idle_s.items() if idle_s > self._limits_s[part])

    def look(self, attempts: Mapping[str, int], at: float) -> list[str]:
        """Take how often each part has attempted its work so far (monotonic s `at`); return who has begun to stand still since."""
        passed_s = 0.0 if self._looked_at is None else min(max(0.0, at - self._looked_at), MOST_BETWEEN_S)
        self._looked_at, before = at, self.standing
        for part in self._limits_s:
            count = attempts.get(part, 0)
            self._idle_s[part] = 0.0 if count != self._counts.get(part) else self._idle_s[part] + passed_s
            self._counts[part] = count
        return sorted(self.standing - before)
