"""Lamp and buzzer on GPIO lines.

Touches the lines through `hardware.gpio`; what they show is the table in `hardware.patterns`. It must show nothing but what it is told,
never block the loop, and with the silent profile never ask for a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from agent.model import Ailment, Sign
from hardware.gpio import RETRY_S, Tenancy, Waking
from hardware.lines import Gone, Lines, Wish
from hardware.patterns import BUZZER, FLOURISHES, LAMP

TICK_S = 0.03
_LOOK_S = 1.0  # a chip that vanished without a word is noticed within this time


class GpioIndicator:
    """An Indicator (see `agent.ports`). clock_at: monotonic s. profile: "visible" or "silent".

    played: the lines that it holds, or held last, were ones of a played chip.
    """

    def __init__(
        self,
        *,
        clock_at: Callable[[], float],
        chip: str,
        lamp_line: int,
        buzzer_line: int | None = None,
        armed_line: int | None = None,
        profile: str = "visible",
    ) -> None:
        self.played = False
        self._clock_at = clock_at
        self._lamp = lamp_line
        self._buzzer = buzzer_line
        self._armed = armed_line
        self._silent = profile == "silent"
        lines = tuple(line for line in (lamp_line, buzzer_line, armed_line) if line is not None)
        self._wish = Wish(chip=chip, lines=lines, driven=True)
        self._waking = Waking()
        self._sign = Sign.NOTHING
        self._shown_at = clock_at()
        self._under = (Sign.NOTHING, float("-inf"))  # what a flourish lies over, and since when that is shown
        self._ticked_at = float("-inf")
        self._lit = False

    def show(self, sign: Sign) -> None:
        """See `Indicator.show`. What a flourish lay over goes on after it: its beginning would say that it happened again."""
        if sign == self._sign:
            return
        before = (self._sign, self._shown_at)
        goes_on = self._sign in FLOURISHES and sign == self._under[0]
        self._sign, self._shown_at = self._under if goes_on else (sign, self._clock_at())
        if sign in FLOURISHES:
            self._under = before
        self._waking.call()

    def tick(self) -> None:
        """See `Indicator.tick`. It lies over what the buzzer does for the sign, and waits for nothing."""
        self._ticked_at = self._clock_at()
        self._waking.call()

    def arm(self, *, lit: bool) -> None:
        """See `Indicator.arm`. Dark when the process ends; after a kill it is as the chip leaves a line that nobody holds."""
        if lit != self._lit:
            self._lit = lit
            self._waking.call()

    async def run(self, ailing: Callable[[Ailment | None], None]) -> None:
        """Hold, lose and hold the lines again until cancelled; see `Indicator.run`."""
        if self._silent:
            await asyncio.get_running_loop().create_future()  # for ever
        tenancy = Tenancy("indicator", self._wish, ailing)
        while True:
            lines = await tenancy.obtain()
            self.played = lines.played
            tenancy.tell(None)
            try:
                await self._play(lines)
            except Gone:
                tenancy.lose()
            finally:
                with suppress(Gone):
                    lines.drive(dict.fromkeys(self._wish.lines, False))
                lines.close()
            await asyncio.sleep(RETRY_S)

    async def _play(self, lines: Lines) -> None:
        """Raises Gone once the chip has vanished."""
        shown = dict.fromkeys(self._wish.lines, False)
        while True:
            levels, lasts_s = self._wanted(self._clock_at())
            if levels != shown:
                lines.drive(levels)
                shown = levels
            elif lasts_s > _LOOK_S:
                lines.active(self._lamp)
            if await self._waking.wait(lines, min(lasts_s, _LOOK_S)):
                lines.edges()  # driven lines have none: it says that the chip is gone
                await self._waking.breathe()

    def _wanted(self, now: float) -> tuple[dict[int, bool], float]:
        """The levels now, and for how many seconds they will last unless something else is shown."""
        since_s = now - self._shown_at
        lit, lasts_s = LAMP[self._sign].at(since_s)
        levels = {self._lamp: lit}
        if self._armed is not None:
            levels[self._armed] = self._lit
        if self._buzzer is not None:
            loud, loud_lasts_s = BUZZER[self._sign].at(since_s)
            tick_left_s = self._ticked_at + TICK_S - now
            if tick_left_s > 0:
                loud, loud_lasts_s = True, tick_left_s
            levels[self._buzzer] = loud
            lasts_s = min(lasts_s, loud_lasts_s)
        return levels, lasts_s
