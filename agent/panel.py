"""The wearer's side of the daemon: buttons to presses, the keypad's code to the inbox, the lifecycle's state to the lamp.

Wires adapters that the daemon has opened to the decisions `acts` and `signs`; touches the runtime directory and, through `presses`,
the store for the last level of each button. It must not delay a press for anything, must not compare, keep or log a code, and tells
the lamp nothing that is not true. A line that fails is a condition and is tried again by its adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from agent import spool
from agent.acts import Acts, Confirm, MakePress, OpenWindow, TakeBack
from agent.conversation import Responder
from agent.health import Conditions
from agent.kept import NoteKept
from agent.model import Act, Acted, Ailment, SafeCode, Severity, Sign
from agent.ports import Button, Clock, Indicator, Keypad
from agent.presses import Presses
from agent.proofs import BUTTON_S
from agent.signals import CancelAsked, Happening, Phase, State
from agent.signs import sign_of

LEVEL_NOTE = "level:"  # the store's note of the last level of a button, by its name
ACTIVE, INACTIVE = "active", "inactive"
STUCK = "button.stuck"
LESSER = frozenset({"button.bias"})  # the button works all the same
ELSEWHERE = ("played", "unproven", "failed")  # not what an adapter tells


@dataclass(frozen=True, slots=True)
class Wired:
    """A button and what the config says of it. response_type_id: None for the usual one."""

    button: Button
    abort_window_s: float = 0.0
    response_type_id: int | None = None


class Talk(Protocol):
    """What dispatch says back, as far as the lamp shows it."""

    def responder(self) -> Responder:
        """How far help has come."""

    def message_new(self) -> bool:
        """Whether dispatch wrote something a moment ago."""


class Rooms(Protocol):
    """What the panel needs of the daemon."""

    @property
    def conversation(self) -> Talk:
        """What dispatch says back."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def conditions(self) -> Conditions:
        """What is unhealthy."""

    @property
    def presses(self) -> Presses:
        """Makes presses."""

    def decide(self, event: Happening) -> Any:
        """Queue an event."""

    def failing(self) -> bool:
        """Whether attempts to raise have failed since the press."""

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start; None if it is not there, or the store has not answered yet."""


class Panel:
    """One per daemon. directory: on tmpfs, for the levels. played: how bad it is that a played chip stands for a real one."""

    def __init__(
        self,
        rooms: Rooms,
        directory: Path,
        buttons: Sequence[Wired],
        indicator: Indicator | None,
        keypad: Keypad | None,
        *,
        played: Severity,
    ) -> None:
        self._rooms, self._directory, self._played = rooms, directory, played
        self._buttons: Mapping[str, Wired] = {each.button.name: each for each in buttons}
        self._indicator, self._keypad = indicator, keypad
        self._acts = Acts({name: each.abort_window_s for name, each in self._buttons.items()})
        self._ailing: dict[str, dict[str, Ailment]] = {"button": {}, "indicator": {}, "keypad": {}}
        self._before = {name: self._level_on_tmpfs(name) for name in self._buttons}  # what the last process left
        self._kept: dict[str, str] = {}
        self._rung = asyncio.Event()

    # --- tasks --------------------------------------------------------------------------------------------------------------

    def vital(self) -> Iterator[tuple[Callable[[], Coroutine[Any, Any, None]], str]]:
        """What may not end: the buttons, and the windows that confirm themselves."""
        for name, each in self._buttons.items():
            yield partial(self._listen, name, each.button), f"button {name}"
        yield self._watch, "windows"

    def attempts(self) -> dict[str, int]:
        """How often each button was looked at or asked for, by the name of its task."""
        return {f"button {name}": each.button.attempts for name, each in self._buttons.items()}

    def read_at(self) -> dict[str, float | None]:
        """When the level of each button was last read, by its name; monotonic s, None: never."""
        return {name: each.button.read_at for name, each in self._buttons.items()}

    def lamp(self) -> Iterator[tuple[Callable[[], Coroutine[Any, Any, None]], str]]:
        """What is started with the buttons, and again when it fails: whoever presses is to see that it was felt."""
        if self._indicator is not None:
            yield self._shine, "indicator"

    def comforts(self) -> Iterator[tuple[Callable[[], Coroutine[Any, Any, None]], str]]:
        """What is started again when it fails."""
        if self._keypad is not None:
            yield self._type, "keypad"

    async def _listen(self, name: str, button: Button) -> None:
        await button.run(
            lambda acted: self.act(name, acted),
            lambda ailment: self._ail("button", name, ailment),
            lambda active: self._levelled(name, active=active),
            lambda: self._was_active(name),
        )

    async def _shine(self) -> None:
        assert self._indicator is not None, "only then is it a comfort"  # noqa: S101 - for mypy and for defects
        self._rooms.conditions.drop("indicator.failed")
        self.follow()
        await self._indicator.run(lambda ailment: self._ail("indicator", "indicator", ailment))

    async def _type(self) -> None:
        assert self._keypad is not None, "only then is it a comfort"  # noqa: S101 - for mypy and for defects
        self._rooms.conditions.drop("keypad.failed")
        await self._keypad.run(self._typed, self._tick, lambda ailment: self._ail("keypad", "keypad", ailment))

    async def _watch(self) -> None:
        """Windows end by themselves."""
        while True:
            due_at = self._acts.due_at
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due_at is None else max(0.0, due_at - self._rooms.clock.at())):
                    await self._rung.wait()
            self._rung.clear()
            if deeds := self._acts.look(self._rooms.clock.at()):
                self._carry_out(deeds)

    # --- what a hand does -----------------------------------------------------------------------------------------------------

    def act(self, name: str, acted: Acted) -> None:
        """An act at a button."""
        state = self._rooms.state
        # Outwardly: while calm a callout that lives on may not make the window vanish (law 5).
        on = not state.calm and state.phase is not Phase.STANDBY
        quiet = not state.calm and state.phase is Phase.STANDBY and not state.owed
        self._carry_out(self._acts.take(name, acted, self._rooms.clock.at(), on=on, quiet=quiet))
        self._rung.set()
        if acted.act is Act.GESTURE:  # behind the press: a crash between the two makes two presses, never none
            self._keep_level(name, ACTIVE)
            self._tell_drill()

    def open_drill(self, seconds: float) -> None:
        """The next gesture within so long is a drill; whoever asks has made sure that one may start."""
        self._acts.open_drill(self._rooms.clock.at() + seconds)
        self._tell_drill()
        asyncio.get_running_loop().call_later(seconds, self._tell_drill)

    def _tell_drill(self) -> None:
        """Whoever looks must know that the next hand at a button may not be taken for an emergency."""
        if self._acts.drill_open(self._rooms.clock.at()):
            hint = "in an emergency press a second time: the second gesture is real"
            text = "the next gesture at a button is a drill, unless something is on by then"
            self._rooms.conditions.put("drill.open", Severity.NOTE, text, hint, wall=self._rooms.clock.wall())
        else:
            self._rooms.conditions.drop("drill.open")

    def _carry_out(self, deeds: Sequence[MakePress | OpenWindow | Confirm | TakeBack]) -> None:
        presses = self._rooms.presses
        for deed in deeds:
            origin = f"button:{deed.button}"
            match deed:
                case MakePress(button, at, drill):
                    presses.feel(origin, at, response_type_id=self._buttons[button].response_type_id, drill=drill)
                case OpenWindow(button, at, drill):
                    presses.open_window(origin, at, response_type_id=self._buttons[button].response_type_id, drill=drill)
                case Confirm():
                    presses.confirm(origin)
                case TakeBack():
                    presses.take_back(origin)
        if presses.waiting or not any(isinstance(deed, MakePress | Confirm) for deed in deeds):
            self.follow()  # the step of a press does, at once: no dark moment before it

    def _typed(self, code: SafeCode) -> None:
        self._rooms.decide(CancelAsked(code))

    def _tick(self) -> None:
        if self._indicator is not None:
            self._indicator.tick()

    # --- levels ---------------------------------------------------------------------------------------------------------------

    def _levelled(self, name: str, *, active: bool) -> None:
        """A released line is kept as such at once. An active one is kept only when its press was made, or when it is stuck.

        So a hold that a crash interrupts is a press after the restart, and one that was made already is not made again.
        """
        if not active:
            self._keep_level(name, INACTIVE)
        self.look()

    def _keep_level(self, name: str, level: str) -> None:
        if self._kept.get(name) == level:
            return
        self._kept[name] = level
        with contextlib.suppress(OSError):
            spool.make(self._directory)
            spool.keep(self._level_path(name), level)
        self._rooms.presses.write_behind(NoteKept(f"{LEVEL_NOTE}{name}", level))

    def _was_active(self, name: str) -> bool | None:
        """By this process, else by the runtime directory, else by the store; None if none knows, or the store has not answered yet."""
        told = self._kept.get(name) or self._before[name] or self._rooms.kept_note(f"{LEVEL_NOTE}{name}")
        return None if told not in (ACTIVE, INACTIVE) else told == ACTIVE

    def _level_on_tmpfs(self, name: str) -> str | None:
        return spool.kept(self._level_path(name))

    def _level_path(self, name: str) -> Path:
        return self._directory / f".level-{quote(name, safe='')}"

    def light(self, armed: bool) -> None:  # noqa: FBT001 - a lamp is lit or not
        """The lamp that says that a raise would work now."""
        if self._indicator is not None:
            self._indicator.arm(lit=armed)

    # --- lamp and conditions ----------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Show what is true now. Called after every step and every act."""
        if self._indicator is not None:
            self._indicator.show(self.sign())

    def sign(self) -> Sign:
        """What the lamp is to say."""
        acts, talk = self._acts, self._rooms.conversation
        sign = sign_of(
            self._rooms.state,
            touched=acts.touched,
            window=acts.window_open,
            failing=self._rooms.failing(),
            responder=talk.responder(),
            message=talk.message_new(),
        )
        # Before the start has been recovered from no step says that a press is owed.
        return Sign.CONTACTING if sign is Sign.NOTHING and self._rooms.presses.waiting else sign

    def _ail(self, kind: str, name: str, ailment: Ailment | None) -> None:
        if ailment is None:
            self._ailing[kind].pop(name, None)
        else:
            self._ailing[kind][name] = ailment
            if ailment.code == STUCK:
                self._keep_level(name, ACTIVE)
            if kind == "button" and ailment.code not in LESSER:
                self._acts.forget_touch(name)
                self.follow()
        self.look()

    def look(self) -> None:
        """Bring the conditions of buttons, lamp and keypad up to date."""
        conditions, wall = self._rooms.conditions, self._rooms.clock.wall()
        for kind, severity in (("button", Severity.CRITICAL), ("indicator", Severity.DEGRADED), ("keypad", Severity.DEGRADED)):
            ailing = self._ailing[kind]
            codes = {ailment.code for ailment in ailing.values()}
            conditions.drop_all(f"{kind}.", but=(*codes, *(f"{kind}.{other}" for other in ELSEWHERE)))
            for code in codes:
                same = {name: ailment for name, ailment in ailing.items() if ailment.code == code}
                text = "; ".join(ailment.text if kind == name else f"{name}: {ailment.text}" for name, ailment in same.items())
                how_bad = Severity.DEGRADED if code in LESSER else severity
                conditions.put(code, how_bad, text, next(iter(same.values())).hint, wall=wall)
        since_at = self._rooms.clock.at() - BUTTON_S
        unproven = [name for name, at in self.read_at().items() if (at is None or at < since_at) and name not in self._ailing["button"]]
        if unproven:
            hint = "it is proven as soon as its line is read; if it lasts, restart the daemon"
            conditions.put("button.unproven", Severity.CRITICAL, f"not read: {', '.join(unproven)}", hint, wall=wall)
        else:
            conditions.drop("button.unproven")
        self._tell_played(wall)

    def _tell_played(self, wall: float) -> None:
        adapters: dict[str, Sequence[object]] = {
            "button": [each.button for each in self._buttons.values()],
            "indicator": [self._indicator],
            "keypad": [self._keypad],
        }
        for kind, those in adapters.items():
            if any(getattr(each, "played", False) for each in those):
                severity = self._played if kind == "button" else Severity.NOTE
                text = f"a program plays the {kind}: no one can press or see it"
                self._rooms.conditions.put(f"{kind}.played", severity, text, "name a real device in the config", wall=wall)
            else:
                self._rooms.conditions.drop(f"{kind}.played")
