"""What is there before everything else: the buttons, the lamp, and the presses that they make.

Opens these and touches the runtime directory through `presses`. Whoever holds a button while the device boots must be felt: nothing here
may wait for a network, a receiver, a clock or a disk, nor import what talks to dispatch, which takes longer than all else together. A
press that comes before the rest is there lies on tmpfs, and the lamp says that it was felt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import hardware
from agent import safe_mode
from agent.clock import SystemClock
from agent.config import Config
from agent.conversation import Responder
from agent.health import Conditions
from agent.model import Severity
from agent.notify import Supervisor
from agent.panel import Panel, Talk, Wired
from agent.presses import Presses
from agent.signals import Happening, State
from agent.starts import Crashes

START_S = 90.0  # a board that is busy with its own boot reads a thousand files slowly; whoever hangs for longer is started anew


class Rest(Protocol):
    """All that comes after."""

    @property
    def conversation(self) -> Talk:
        """What dispatch says back."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    def decide(self, event: Happening) -> Awaitable[None]:
        """Queue an event."""

    def failing(self) -> bool:
        """Whether attempts to raise have failed since the press."""

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start."""

    async def run(self) -> None:
        """Until the end."""


class First:
    """One per daemon. crashes: what makes this start a careful one, if it is. Until `join` the device is in standby and knows nothing."""

    def __init__(self, config: Config, crashes: Crashes | None = None) -> None:
        self.config, self.crashes = config, crashes
        self.clock = SystemClock()
        self.conditions = Conditions()
        self.spool = Path(config.control.socket).parent / "presses"
        self.presses = Presses(self.spool, None, self.clock, state=lambda: self.state, decide=self.decide)
        self.panel = self._open_panel()
        self._rest: Rest | None = None
        if crashes is not None:
            safe_mode.say(crashes, self.conditions, self.clock.wall())

    def join(self, rest: Rest) -> None:
        """All else is there."""
        self._rest = rest

    async def run(self, bring: Callable[[], Awaitable[Rest]]) -> None:
        """Feel the buttons from now on, bring the rest along, and run until that ends. What a vital task did not expect comes out."""
        async with asyncio.TaskGroup() as vital:
            tasks = [vital.create_task(self._guarded(name, work), name=name) for work, name in self.panel.vital()]
            tasks += [vital.create_task(safe_mode.revive(name, work, self._dark), name=name) for work, name in self.panel.lamp()]
            Supervisor().starting(START_S)
            rest = await bring()
            await rest.run()
            for task in tasks:
                task.cancel()

    async def _guarded(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """In a careful start one button that fails must not take the others along."""
        await (work() if self.crashes is None else safe_mode.revive(name, work))

    def _dark(self, why: str) -> None:
        text, hint = f"the lamp does not work: {why}", "see the journal; please report it"
        self.conditions.put("indicator.failed", Severity.DEGRADED, text, hint, wall=self.clock.wall())

    def _open_panel(self) -> Panel:
        config, at = self.config, self.clock.at
        lamp, pad = config.indicator, config.keypad
        buttons = [
            Wired(hardware.open_button(clock_at=at, **each.wiring()), each.abort_window_s, each.response_type_id) for each in config.buttons
        ]
        indicator = None if lamp is None else hardware.open_indicator(clock_at=at, **lamp.wiring())
        # A played one stands for a real one on the bench; in production no one could raise.
        played = Severity.CRITICAL if config.panic_api.environment == "production" else Severity.NOTE
        keypad = None if pad is None else hardware.open_keypad(name="keypad", clock_at=at, path=pad.path)
        return Panel(self, self.spool, buttons, indicator, keypad, played=played)

    # --- what the panel asks for ------------------------------------------------------------------------------------------------

    @property
    def conversation(self) -> Talk:
        """What dispatch says back."""
        return _Silence() if self._rest is None else self._rest.conversation

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""
        return State() if self._rest is None else self._rest.state

    def decide(self, event: Happening) -> Any:
        """Queue an event; nothing has one before the rest is there."""
        assert self._rest is not None, "a press is decided once it has a number"  # noqa: S101 - for mypy and for defects
        return self._rest.decide(event)

    def failing(self) -> bool:
        """Whether attempts to raise have failed since the press."""
        return self._rest is not None and self._rest.failing()

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start."""
        return None if self._rest is None else self._rest.kept_note(name)


class _Silence:
    """Dispatch has not been heard yet."""

    def responder(self) -> Responder:
        """How far help has come."""
        return Responder.NONE

    def message_new(self) -> bool:
        """Whether dispatch wrote something a moment ago."""
        return False
