"""A receiver for tests and trials that is played by hand and obeys the rules of a real one.

Touches nothing. It must not be kinder than hardware: unplugged it tells nothing, each epoch passes once, `at` is the moment of telling,
and silence, no fix and unplugging become ailments after the same times as on a real line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from agent.model import Ailment, Report
from hardware import ailments
from hardware.pulse import Pulse, Vitals

_LOOK_S = 0.25


class FakeReceiver:
    """A FixSource (see `agent.ports`). `say` an epoch, `unplug`, `replug`; say nothing, and it is silent. clock_at: monotonic s."""

    kind = "fake"

    def __init__(self, *, name: str, clock_at: Callable[[], float]) -> None:
        self.name = name
        self.attempts = 0
        self._clock_at = clock_at
        self._waiting: deque[Report] = deque()
        self._last_time: float | None = None
        self._plugged = True
        self._woken = asyncio.Event()

    def say(self, report: Report) -> None:
        """Tell an epoch now; `at` and `receiver` are filled in. Lost while unplugged, dropped if its time was told last."""
        if not self._plugged or (report.gnss_time is not None and report.gnss_time == self._last_time):
            return
        self._last_time = report.gnss_time
        self._waiting.append(replace(report, at=self._clock_at(), receiver=self.name))
        self._woken.set()

    def place(self, latitude: float, longitude: float, *, gnss_time: float | None = None, accuracy_m: float | None = 5.0) -> None:
        """Tell a three-dimensional epoch at a place, degrees."""
        clock = round(gnss_time % 86_400.0, 3) if gnss_time is not None else None
        self.say(
            Report(
                at=0.0,
                receiver=self.name,
                mode=3,
                gnss_time=gnss_time,
                time_of_day_s=clock,
                latitude=latitude,
                longitude=longitude,
                accuracy_m=accuracy_m,
            )
        )

    def unplug(self) -> None:
        """Pull the device."""
        self._plugged = False
        self._waiting.clear()
        self._woken.set()

    def replug(self) -> None:
        """Put it back."""
        self._plugged = True
        self._woken.set()

    async def run(self, heard: Callable[[Report], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Deliver what is said until cancelled; see `FixSource.run`."""
        vitals = Vitals(Pulse(self.name, self._clock_at()), self._clock_at, heard, ailing)
        plugged = True
        while True:
            self.attempts += 1
            if plugged and not self._plugged:
                vitals.lose(ailments.unplugged(self.name))
            elif self._plugged and not plugged:
                vitals.pulse.opened(self._clock_at())
            plugged = self._plugged
            while self._waiting:
                vitals.deliver(self._waiting.popleft())
            vitals.look()
            self._woken.clear()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
