"""A panic button on a GPIO line.

Touches: the line, and an abort line requested with it, through `hardware.gpio`. Feeds edges to `hardware.press`, which decides what they
mean. It must not block the loop, judge an act itself, or look at the time before it has drained the edges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.model import Acted, Ailment
from hardware import ailments
from hardware.gpio import DEBOUNCE_S, RETRY_S, Tenancy, Waking
from hardware.lines import Edge, Gone, Lines, Wish
from hardware.press import Debounce, Gestures

_LOOK_S = 0.5  # so often the level is compared, should an edge have been lost; and not every kernel wakes us when a chip goes
_SETTLE_S = 0.05  # a line that its bias has only begun to pull may read as active for a moment


class GpioButton:
    """A Button (see `agent.ports`). clock_at: monotonic s. active: "low" or "high", the level when pressed.

    played: the line that it holds, or held last, was one of a played chip.
    """

    def __init__(
        self,
        *,
        name: str,
        clock_at: Callable[[], float],
        chip: str,
        line: int,
        active: str,
        bias: str,
        hold_s: float,
        presses: int,
        within_s: float,
        abort_line: int | None = None,
    ) -> None:
        self.name = name
        self.played = False
        self.attempts = 0
        self.read_at: float | None = None
        self._clock_at = clock_at
        self._line = line
        self._gesture = (hold_s, presses, within_s)
        lines = (line,) if abort_line is None else (line, abort_line)
        self._wish = Wish(chip=chip, lines=lines, active_low=active == "low", bias=bias, debounce_s=DEBOUNCE_S)

    async def run(
        self,
        acted: Callable[[Acted], None],
        ailing: Callable[[Ailment | None], None],
        levelled: Callable[[bool], None],
        was_active: Callable[[], bool | None],
    ) -> None:
        """Hold, lose and hold the line again until cancelled; see `Button.run`."""
        hold_s, presses, within_s = self._gesture
        gestures = Gestures(hold_s=hold_s, presses=presses, within_s=within_s, was_active=was_active)
        finger = _Finger(gestures, acted, levelled)
        tenancy = Tenancy("button", self._wish, ailing, self._tried)
        while True:
            lines = await tenancy.obtain()
            self.played = lines.played
            try:
                await self._feel(lines, finger, tenancy)
            except Gone:
                tenancy.lose()
            finally:
                lines.close()
            finger.tell(gestures.lost(self._clock_at()))
            await asyncio.sleep(RETRY_S)

    def _tried(self) -> None:
        self.attempts += 1

    async def _feel(self, lines: Lines, finger: _Finger, tenancy: Tenancy) -> None:
        """Raises Gone once the chip has vanished."""
        contacts = _Contacts(lines, self._line, finger, self._clock_at)
        await contacts.sight()
        waking = Waking()
        spoke = True
        while True:
            if not contacts.take() and not spoke:
                await waking.breathe()
            self.read_at = self._clock_at()
            tenancy.tell(self._verdict(finger.gestures, lines.wish))
            self._tried()
            spoke = not await waking.wait(lines, contacts.rest_s())

    def _verdict(self, gestures: Gestures, granted: Wish) -> Ailment | None:
        if gestures.stuck:
            return ailments.stuck(self.name)
        if granted.bias != self._wish.bias:
            return ailments.unbiased(granted.chip, self._line, self._wish.bias)
        return None


class _Finger:
    """The gesture machine with the two callbacks of `Button.run`: tells the level when it is first seen and when it changes."""

    def __init__(self, gestures: Gestures, acted: Callable[[Acted], None], levelled: Callable[[bool], None]) -> None:
        self.gestures = gestures
        self._acted = acted
        self._levelled = levelled
        self._told: bool | None = None

    def tell(self, acts: list[Acted]) -> None:
        for act in acts:
            self._acted(act)
        level = self.gestures.level
        if level is not None and level != self._told:
            self._told = level
            self._levelled(level)


class _Contacts:
    """The granted lines of one button: edges to the gesture machine, debounced here where the chip refused to."""

    def __init__(self, lines: Lines, line: int, finger: _Finger, clock_at: Callable[[], float]) -> None:
        self._lines = lines
        self._line = line
        self._finger = finger
        self._clock_at = clock_at
        self._debounces: dict[int, Debounce] = {}

    async def sight(self) -> None:
        """The first level. Active is believed once it has lasted; it counts from the beginning all the same."""
        at = self._clock_at()
        levels = {line: self._lines.active(line) for line in self._lines.wish.lines}
        edges: list[Edge] = []
        if levels[self._line]:
            await asyncio.sleep(_SETTLE_S)
            edges = self._lines.edges()
            levels[self._line] = all(edge.line != self._line for edge in edges)
        period_s = DEBOUNCE_S - self._lines.wish.debounce_s
        self._debounces = {line: Debounce(period_s, active=level) for line, level in levels.items()}
        self._finger.tell(self._finger.gestures.sight(levels[self._line], at))
        self._feed(edges)

    def take(self) -> bool:
        """Feed what has happened, then look at the time; False: nothing had happened. Raises Gone."""
        now = self._clock_at()  # before the edges: one that comes while they are read must not be judged too late
        edges = self._lines.edges()
        self._feed(edges)
        mended = self._mend(now)
        for line, debounce in self._debounces.items():
            self._settled(line, debounce.look(now))
        self._finger.tell(self._finger.gestures.look(now))
        return bool(edges) or mended

    def rest_s(self) -> float:
        """How long nothing will need to be looked at, unless an edge comes."""
        dues = [self._finger.gestures.due, *(debounce.due for debounce in self._debounces.values())]
        now = self._clock_at()
        return min([_LOOK_S, *(due - now for due in dues if due is not None)])

    def _feed(self, edges: list[Edge]) -> None:
        for edge in edges:
            debounce = self._debounces[edge.line]
            if edge.lost and edge.active == debounce.raw:
                # The opposite edge is among the lost ones. That it came last is the reading that serves the wearer.
                self._settled(edge.line, debounce.edge(not edge.active, edge.at))
            self._settled(edge.line, debounce.edge(edge.active, edge.at))

    def _mend(self, now: float) -> bool:
        """An edge was lost without a trace if the level is another one, and no edge on its way explains it."""
        debounce = self._debounces[self._line]
        if self._lines.active(self._line) == debounce.raw:
            return False
        self._feed(self._lines.edges())
        level = self._lines.active(self._line)
        if level != debounce.raw:
            self._feed([Edge(self._line, level, now)])
        return True

    def _settled(self, line: int, changes: list[tuple[bool, float]]) -> None:
        gestures = self._finger.gestures
        for active, at in changes:
            if line == self._line:
                self._finger.tell(gestures.edge(active, at))
            elif active:
                self._finger.tell(gestures.abort_touched(at))
