"""The edges as Protocols: what the daemon needs of a receiver, a store, a clock and dispatch.

Imports model only. No implementation lives here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from agent.kept import Missed, Remembered, StoreSummary, Write
from agent.model import Acted, Ailment, CalloutId, Fix, Outcome, Place, Power, Report, SafeCode, Sign


class Clock(Protocol):
    """Time as the daemon sees it. `at` never steps; `wall` may."""

    def at(self) -> float:
        """Monotonic s of this boot (CLOCK_MONOTONIC)."""

    def wall(self) -> float:
        """UTC s since 1970, the best that is known: not what a system clock says that was set wrong."""

    def trusted(self) -> bool:
        """Whether somebody vouches for `wall`: network time, a receiver, or a clock that ran on without power."""


class FixSource(Protocol):
    """A receiver. `run` lives until cancelled: it opens, reads, loses and reopens its device by itself."""

    name: str
    kind: str
    attempts: int  # grows with whatever `run` tries or looks at, at least every few seconds: it shows that the task does not hang

    async def run(self, heard: Callable[[Report], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Deliver each epoch once through `heard`, what is wrong (None: nothing any more) through `ailing`.

        Both callbacks are quick and never raise. An ailment is told at the latest 4 s after it began and only when it
        changes. Never raises for trouble with the device; anything else that escapes is a defect and ends the process.
        """


class Button(Protocol):
    """A button. `run` lives until cancelled: it requests, loses and requests its line again by itself."""

    name: str
    attempts: int  # see `FixSource.attempts`
    read_at: float | None  # monotonic s when its level was last read from the device; None: never

    async def run(
        self,
        acted: Callable[[Acted], None],
        ailing: Callable[[Ailment | None], None],
        levelled: Callable[[bool], None],
        was_active: Callable[[], bool | None],
    ) -> None:
        """Tell every act through `acted`, in order, what is wrong (None: nothing any more) through `ailing`.

        levelled: told the level (True: active) when it is first seen and whenever it changes. was_active: the last level that an
        earlier process stored, None if unknown; asked when a line that was held at the start has been held for long enough. All
        callbacks are quick and never raise. Never raises for trouble with the line; what else escapes is a defect.
        """


class Indicator(Protocol):
    """Lamp and buzzer. `run` lives until cancelled and plays whatever is shown."""

    def show(self, sign: Sign) -> None:
        """What to say from now on. The same sign again changes nothing."""

    def tick(self) -> None:
        """One short sound: a key was felt."""

    def arm(self, *, lit: bool) -> None:
        """The lamp for `armed`, where there is one."""

    async def run(self, ailing: Callable[[Ailment | None], None]) -> None:
        """Play; tell what is wrong (None: nothing any more). Never raises for trouble with the lines."""


class Keypad(Protocol):
    """Where a safe code is typed. `run` lives until cancelled: it opens, grabs, loses and reopens its device by itself."""

    name: str

    async def run(self, typed: Callable[[SafeCode], None], ticked: Callable[[], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Hand over each code through `typed`, as typed; call `ticked` once per key, the same for all keys."""


class Supply(Protocol):
    """What feeds the device. `run` lives until cancelled."""

    async def run(self, told: Callable[[Power], None]) -> None:
        """Tell what feeds it at the latest 2 s after it changed, and only then; a device that tells nothing of it is `Power()`.

        `told` is quick and never raises. Never raises for trouble with a supply.
        """


class Office(Protocol):
    """What an emergency does not need of the Panic API, for operators and comforts. Every call returns an Outcome, as with Dispatch.

    What comes back is `Outcome.paper`, see `paperwork`.
    """

    async def list_active(self, *, deadline_s: float) -> Outcome:
        """List the active callouts of the whole source; needs a server token."""

    async def reasons(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """List the reasons for which a callout may be called off."""

    async def add_reason(self, callout_id: CalloutId, reason_id: int | None, notes: str | None, *, deadline_s: float) -> Outcome:
        """Say why a callout was called off."""

    async def report(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Read the resolution report; REJECTED with http_status 404 while there is none."""

    async def picture(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Read where the map is; 404 as with the report."""

    async def rating_items(self, *, deadline_s: float) -> Outcome:
        """List what a rating may speak of."""

    async def rate(
        self,
        callout_id: CalloutId,
        stars: int,
        comment: str | None = None,
        may_contact: bool | None = None,  # noqa: FBT001 - None is a third
        *,
        deadline_s: float,
    ) -> Outcome:
        """Rate a callout with 1 to 5 stars. Raises ValueError for any other number."""

    async def rate_item(
        self,
        rating_id: CalloutId,
        description: str,
        *,
        item_id: CalloutId | None = None,
        sentiment: str | None = None,
        score: int | None = None,
        deadline_s: float,
    ) -> Outcome:
        """Say one thing within a rating."""

    async def response_types(self, *, deadline_s: float) -> Outcome:
        """List what a raise may ask for."""

    async def link_device(
        self,
        serial: str,
        supplier: str,
        *,
        device_type_id: int | None = None,
        alias: str | None = None,
        firmware: str | None = None,
        deadline_s: float,
    ) -> Outcome:
        """Link a device to the customer."""

    async def update_device(self, device_id: CalloutId, *, device_type_id: int | None = None, deadline_s: float) -> Outcome:
        """Change a linked device."""

    async def unlink_device(self, device_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Unlink a device."""

    async def device_event(
        self,
        device_id: CalloutId,
        device_type_id: int,
        message_type: int,
        *,
        place: Place | None = None,
        extra: Mapping[str, Any] | None = None,
        deadline_s: float,
    ) -> Outcome:
        """Send what a device says of itself. Some message types open a callout. Raises ValueError or TypeError for what is no JSON."""

    async def probe(self, method: str, path: str, *, deadline_s: float) -> Outcome:
        """Find out whether a path exists."""

    async def aclose(self) -> None:
        """Drop the connection."""


class Dispatch(Office, Protocol):
    """The Panic API over one connection. Every call returns an Outcome and never raises for what the network does."""

    async def raise_callout(
        self, place: Place | None, *, response_type_id: int, shape: str, deadline_s: float, drill: bool = False
    ) -> Outcome:
        """Raise in one of the documented shapes: "nested", "flat", "legacy", "predefined"."""

    async def locate(self, callout_id: CalloutId, newest: Callable[[], Fix], *, deadline_s: float) -> Outcome:
        """Post one position to the location lane (flat body). newest: asked when the connection is open, just before it leaves."""

    async def read(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Read a callout."""

    async def look_up(self, *, deadline_s: float) -> Outcome:
        """List the customer's active callouts."""

    async def cancel(self, callout_id: CalloutId, code: SafeCode | None, *, deadline_s: float) -> Outcome:
        """Ask dispatch to cancel; None is the unconditional form."""

    async def tell(self, callout_id: CalloutId, text: str, *, deadline_s: float) -> Outcome:
        """Add one message to the callout's event stream."""

    async def events(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Read the callout's event stream."""


class Store(Protocol):
    """What the daemon asks of its memory. Nothing here blocks the loop; every write is one transaction in its own thread."""

    async def open(self) -> Remembered:
        """Open (or replace, or fall back to memory) and tell what was kept. Never raises for the state of the disk."""

    def record(self, fix: Fix) -> None:
        """Keep a fix with the next group commit (at most 5 s or 30 rows)."""

    def sent(self, fix: Fix) -> None:
        """Mark a recorded fix as accepted on the location lane."""

    def step(self, *writes: Write) -> Awaitable[None]:
        """Commit these, and every fix still waiting, in one FULL transaction.

        The awaitable ends when it is on disk, or failed: that is a condition, never an exception. Not awaiting it does not undo it.
        """

    async def has_press(self, at: float) -> bool:
        """Whether a press of this boot at monotonic `at` is kept for good, owed or settled. False where that cannot be told in time."""

    def summary(self) -> StoreSummary:
        """Counts as of the last commit; does no IO."""

    def covered(self, since_at: float, until_at: float) -> None:
        """What was captured between these (monotonic s) lies between two positions that dispatch has, close enough to need no words.

        Marked as told with the next group commit.
        """

    async def missed(self, until_at: float, limit: int) -> Missed:
        """The oldest fixes of the emergency, at most `limit`, that neither lane told, captured until monotonic `until_at`."""

    async def before_press(self, number: int, span_s: float) -> tuple[Fix, ...]:
        """Recorded fixes of the `span_s` before that press, oldest first; by both clocks. Empty when the press is not known."""

    async def fixes(self, since_wall: float, until_wall: float) -> list[Fix]:
        """Recorded fixes of a span, oldest first."""

    async def aclose(self) -> None:
        """Commit what waits and close, at most 2 s."""
