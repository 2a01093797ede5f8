"""Lines of a GPIO chip on the event loop: asking for them, waiting for them, losing them, asking again.

Touches the chip's node, through the library gpiod (imported only when a kernel's chip is asked for, so that a device without it loses its
button, not its daemon). A chip whose path is a socket is a played one. It must not decide what an edge means, and must never block the
loop, spin on a dead descriptor or raise for what a chip does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent.model import Ailment
from hardware import ailments
from hardware.lines import CONSUMER, Edge, Gone, Lines, Wish
from hardware.played_lines import request_played

if TYPE_CHECKING:
    from gpiod import LineRequest, LineSettings

DEBOUNCE_S = 0.02
RETRY_S = 0.5
_QUEUE = 256  # edges that the kernel keeps for us: more than 5 s of the worst chatter that passes the debounce
_AT_ONCE = 1024  # a line that chatters without a debounce must not keep the loop to itself
_PAUSE_S = 0.01
# What drivers answer to a debounce or bias that they cannot do. The last is the kernel's own ENOTSUPP, which leaks.
_REFUSALS = {errno.EINVAL, errno.EOPNOTSUPP, errno.ERANGE, 524}
_TROUBLE = (OSError, ValueError, ImportError)


async def request(wish: Wish) -> Lines:
    """Return the wished lines, without debounce or bias where the chip refuses only these.

    Raises OSError (EBUSY: another holds one), ValueError for a line that the chip does not have, ImportError without gpiod.
    """
    refusal: OSError | None = None
    for lesser in _ever_less(wish):
        try:
            if stat.S_ISSOCK(Path(wish.chip).stat().st_mode):
                return await request_played(lesser)
            return KernelLines(lesser)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            refusal = refusal or error
    raise refusal or OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def _ever_less(wish: Wish) -> Iterator[Wish]:
    yield wish
    if wish.debounce_s:
        yield replace(wish, debounce_s=0.0)
    if wish.bias != "as-is":
        yield replace(wish, bias="as-is")
        if wish.debounce_s:
            yield replace(wish, bias="as-is", debounce_s=0.0)


class KernelLines:
    """Lines of a chip of the kernel; see `hardware.lines.Lines`. Raises as `request` does."""

    played = False

    def __init__(self, wish: Wish) -> None:
        import gpiod  # noqa: PLC0415 - only here, see the module's docstring

        self.wish = wish
        self._seqnos = dict.fromkeys(wish.lines, 0)
        with gpiod.Chip(wish.chip) as chip:
            settings = _settings(wish)
            queue = None if wish.driven else _QUEUE
            self._request: LineRequest = chip.request_lines(dict.fromkeys(wish.lines, settings), CONSUMER, queue)
        self._active = gpiod.line.Value.ACTIVE
        self._inactive = gpiod.line.Value.INACTIVE
        self._rising = gpiod.EdgeEvent.Type.RISING_EDGE
        os.set_blocking(self._request.fd, False)

    def fileno(self) -> int:
        """See `Lines`."""
        return self._request.fd

    def edges(self) -> list[Edge]:
        """See `Lines`. At most _AT_ONCE and a few: the descriptor stays readable for the rest."""
        edges: list[Edge] = []
        try:
            while len(edges) < _AT_ONCE:
                for event in self._request.read_edge_events():
                    lost = event.line_seqno - self._seqnos[event.line_offset] - 1
                    self._seqnos[event.line_offset] = event.line_seqno
                    edges.append(Edge(event.line_offset, event.event_type == self._rising, event.timestamp_ns / 1e9, max(lost, 0)))
        except BlockingIOError:
            pass
        except OSError as error:
            if not edges:  # what was felt before the chip went still counts; the next call says that it is gone
                raise Gone(str(error)) from error
        return edges

    def active(self, line: int) -> bool:
        """See `Lines`."""
        try:
            return self._request.get_value(line) == self._active
        except OSError as error:
            raise Gone(str(error)) from error

    def drive(self, levels: Mapping[int, bool]) -> None:
        """See `Lines`."""
        try:
            self._request.set_values({line: self._active if level else self._inactive for line, level in levels.items()})
        except OSError as error:
            raise Gone(str(error)) from error

    def close(self) -> None:
        """See `Lines`."""
        with suppress(OSError):
            self._request.release()


def _settings(wish: Wish) -> LineSettings:
    from gpiod import LineSettings, line  # noqa: PLC0415 - see the module's docstring

    if wish.driven:
        return LineSettings(direction=line.Direction.OUTPUT, active_low=wish.active_low)
    biases = {"pull-up": line.Bias.PULL_UP, "pull-down": line.Bias.PULL_DOWN, "disabled": line.Bias.DISABLED}
    return LineSettings(
        direction=line.Direction.INPUT,
        edge_detection=line.Edge.BOTH,
        bias=biases.get(wish.bias, line.Bias.AS_IS),
        active_low=wish.active_low,
        debounce_period=timedelta(seconds=wish.debounce_s),
        event_clock=line.Clock.MONOTONIC,
    )


class Tenancy:
    """Lines that are held again and again. Tells what is wrong, only when it changes. kind: "button" or "indicator".

    tried: called before each request.
    """

    def __init__(self, kind: str, wish: Wish, ailing: Callable[[Ailment | None], None], tried: Callable[[], None] = lambda: None) -> None:
        self._kind = kind
        self._wish = wish
        self._ailing = ailing
        self._tried = tried
        self._told: Ailment | None = None
        self._been_held = False

    async def obtain(self) -> Lines:
        """Ask every RETRY_S until the chip grants the lines. What was wrong stands until `tell` says otherwise."""
        while True:
            self._tried()
            try:
                lines = await request(self._wish)
            except _TROUBLE as error:
                self.tell(ailments.of_lines(self._kind, self._wish.chip, self._wish.lines, error, been_held=self._been_held))
                await asyncio.sleep(RETRY_S)
            else:
                self._been_held = True
                return lines

    def lose(self) -> None:
        """The chip has vanished under us."""
        self.tell(ailments.chip_unplugged(self._kind, self._wish.chip))

    def tell(self, ailment: Ailment | None) -> None:
        """What is wrong now; None: nothing."""
        if ailment != self._told:
            self._told = ailment
            self._ailing(ailment)


class Waking:
    """One task's wait for its lines, for a moment, or for a call, whichever comes first.

    Whoever waits looks at everything anew afterwards, and looks and waits without a pause in between: no call is missed.
    """

    def __init__(self) -> None:
        self._future: asyncio.Future[bool] | None = None

    def call(self) -> None:
        """End the wait, if there is one."""
        self._wake(readable=False)

    async def wait(self, lines: Lines, within_s: float) -> bool:
        """Wait at most so long; True: the lines have something to say.

        The reader leaves the loop each time, so that a descriptor which is readable for ever cannot make the loop spin by itself.
        """
        loop = asyncio.get_running_loop()
        self._future = loop.create_future()
        loop.add_reader(lines.fileno(), lambda: self._wake(readable=True))
        timer = loop.call_later(max(within_s, 0.0), self.call)
        try:
            return await self._future
        finally:
            timer.cancel()
            loop.remove_reader(lines.fileno())
            self._future = None

    async def breathe(self) -> None:
        """After a wake-up that brought nothing: a descriptor may be readable and yet empty for ever."""
        await asyncio.sleep(_PAUSE_S)

    def _wake(self, *, readable: bool) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(readable)
