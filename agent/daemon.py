"""The composition root: builds every room from the config, wires them, and carries commands out.

Opens the receivers; buttons and lamp are open already (`first`). Decides nothing about callouts, positions or health: it hands things from
one room to the next. Vital tasks (decider, lanes, receivers) share one TaskGroup: what they do not expect ends the process, and a restart
is recovery. The control socket is a comfort: it is restarted and never ends the process. After a crash loop (`safe_mode`) only the alarm
path is begun, and all of it but decider and store is restarted, too.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import hardware
from agent import aside, autopsy, bindings, checkup, health, links, resume, safe_mode, wording
from agent.comforts import Comforts
from agent.config import Config, Problem
from agent.connections import ADDRESS_NOTE, Connections
from agent.conversing import LIMIT_S, Conversing
from agent.decider import Decider
from agent.delivery import DEADLINE_CAP_S
from agent.device_report import DeviceReport
from agent.examinations import Examinations
from agent.farewell import Farewell
from agent.first import First
from agent.health import Origin
from agent.hooks import Hook
from agent.identity import read_machine_id
from agent.keeper import Keeper
from agent.lanes.board import Lanes
from agent.lanes.turns import Rank
from agent.last_fix import LastFix
from agent.lifecycle import raise_wanted
from agent.model import CalloutId, Fix, Meaning, Outcome, Place, Severity
from agent.notices import Notices
from agent.notify import Supervisor
from agent.overview import Overview
from agent.pocket import Pocket
from agent.ports import Dispatch, FixSource, Supply
from agent.presses import Made
from agent.progress import BUTTON_S, DECIDER_S, LANE_S, RECEIVER_S
from agent.proving import Proving
from agent.records import PRESS_TRAIL_NOTE
from agent.recovery import Recovery
from agent.requests import Requests
from agent.selftest import SelfTest
from agent.signals import Command, DrillFailed, Happening, OfferPosition, Phase, Pressed, RaiseReplied, State, Tell
from agent.store import Store
from agent.telling import Telling
from agent.ticking import Ticking
from agent.timekeeping import Timekeeping
from agent.tracking import Tracking
from agent.trails import Trails
from agent.unreachable import Unreachable

log = logging.getLogger("callout-agent")

Work = Callable[[], Coroutine[Any, Any, None]]

END_S = 10.0  # last words, what waits for the disk, and a hung journal: each has a limit of its own


class Daemon:
    """One device. `run` returns after a clean stop; who sets `stop` asks for it."""

    def __init__(self, first: First, stop: asyncio.Event, *, problems: Iterable[Problem] = ()) -> None:
        self.config = config = first.config
        self.careful = first.crashes is not None
        self.clock, self.conditions = first.clock, first.conditions
        self.presses, self.panel, self.spool = first.presses, first.panel, first.spool
        self.notices = Notices(self.conditions, config.panic_api.customer_id)
        self.positions = bindings.positions(config, self.clock.asleep_s)
        self.connections = Connections(config, self.clock, self._token_told)
        keeper, limits = Pocket if self.careful else Keeper, bindings.limits(config)
        self.store = Store(Path(config.store.path), machine_id=read_machine_id(), limits=limits, wall=self.clock.wall, keeper=keeper)
        base_url, customer_id = config.panic_api.base_url, config.panic_api.customer_id
        self.decider = Decider(self.store, self.clock, changed=self._changed, base_url=base_url, customer_id=customer_id)
        self.terms = bindings.terms(config)
        self.supervisor = Supervisor()
        setting = config.clock.set_from_gnss == "before_build"
        stamped = self._restamped
        self.timekeeping = Timekeeping(self.clock, self.store, set_from_gnss=setting, hurry=self._link_changed, restamped=stamped)
        hooks = config.hooks
        on_event = () if self.careful else hooks.on_event
        self.conversation = Conversing(self, Hook(on_event, self.clock, self.conditions, limit_s=LIMIT_S), shown=self._heard)
        self.telling = Telling(self.store, self.clock, lanes=lambda: self.lanes, said=self.conversation.say)
        self.lanes = Lanes(self, self.telling.settled, self.conversation)
        self.trails = Trails(self, self.store, self.telling, bindings.manner(config))
        self.overview = Overview(self)
        track = partial(Tracking, self.positions, self.store, self.clock, self.terms.pace, state=lambda: self.state)
        self.tracking = track(fresh=self.lanes.location.ring, ailing=self.overview.check, vouch=self.clock.hear)
        recovery = partial(Recovery, self.spool, self.store, self.clock, state=lambda: self.state, decide=self.decide)
        self.recovery = recovery(base_url=base_url, customer_id=customer_id)
        self.farewell = Farewell(self, config.backlog.trail_after_s)
        self.device_report = self._open_device_report()
        self.self_test = self._open_self_test()
        self.proving = Proving(self, host=config.panic_api.host, poll_s=self.terms.adopt_poll_s, asleep_s=self.clock.asleep_s)
        self.receivers = self._open_receivers()
        self.last_fix = LastFix(self.spool, self.clock.at)
        self.unreachable = Unreachable(hooks.on_unreachable, hooks.unreachable_after_s, self.clock, self.conditions, place=self.place)
        self._step_done = asyncio.Event()
        self._stop = stop
        self._stand(next((str(problem) for problem in problems), None))
        self.presses.remember(self.store)
        first.join(self)

    def _stand(self, broken: str | None) -> None:
        checkup.stand(
            self.conditions,
            broken=broken,
            elsewhere=self.connections.not_production(),
            authority=self.connections.trouble,
            recording=bindings.recording(self.config),
            wall=self.clock.wall(),
        )

    # --- life --------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`. Whatever a vital task did not expect comes out as an exception."""
        try:
            async with asyncio.TaskGroup() as vital:
                tasks = [vital.create_task(self.decider.run(), name="decider")]
                told = self.telling.recall
                late = await self.recovery.run(self.presses, self.positions, self.timekeeping, self.conditions, told)
                self.trails.recall(self.recovery.note(PRESS_TRAIL_NOTE))
                self.connections.recall(self.recovery.note(ADDRESS_NOTE))
                if late is not None:
                    tasks.append(vital.create_task(_joined(late), name="late store"))
                for work, name in self._works():
                    tasks.append(vital.create_task(work(), name=name))
                self.supervisor.ready()
                await self._stop.wait()
                self.supervisor.stopping(END_S)
                await self.farewell.end()
                for task in tasks:
                    task.cancel()
        finally:
            await self.store.aclose()
            await self.connections.aclose()

    def _works(self) -> Iterable[tuple[Work, str]]:
        handle, panel = Requests(self).handle, self.panel.comforts()
        comforts = Comforts(self, handle=handle, supply=self._open_supply, panel=panel, few=self.careful)
        yield self.store.watch, "store"
        if self.careful:
            yield from ((partial(safe_mode.revive, name, work), name) for work, name in self._alarm_path())
            yield self._leave_when_quiet, "safe mode"
        else:
            yield from self._alarm_path()
            yield self.trails.run, "trails"
            yield partial(links.watch, self._link_changed), "links"
        yield from comforts.works()

    def _alarm_path(self) -> Iterable[tuple[Work, str]]:
        yield from self.lanes.works()
        yield from ((partial(self.tracking.receive, source), source.name) for source in self.receivers)
        yield self.connections.credentials.keep_fresh, "credentials"
        yield Ticking(self, self._limits_s()).run, "tick"

    async def _leave_when_quiet(self) -> None:
        """Outwardly: what a cancel hides is resumed by the next start, and may not keep this one from ending (law 5)."""
        await safe_mode.until_quiet(lambda: health.idle(self.overview.outward()), self.clock.at)
        self._stop.set()

    def attempts(self) -> dict[str, int]:
        """How often each vital part has attempted its work, by its name; see `progress`."""
        senses = {source.name: source.attempts for source in self.receivers}
        return {"decider": self.decider.attempts, **self.panel.attempts(), **senses, **self.lanes.attempts()}

    def _limits_s(self) -> dict[str, float]:
        lane_s = max(DEADLINE_CAP_S, self.terms.deadline_s) + LANE_S
        senses = {source.name: RECEIVER_S for source in self.receivers}
        buttons, lanes = dict.fromkeys(self.panel.attempts(), BUTTON_S), dict.fromkeys(self.lanes.attempts(), lane_s)
        return {"decider": DECIDER_S, **buttons, **senses, **lanes}

    def _link_changed(self) -> None:
        """A link that comes back cuts every wait short."""
        self.lanes.hurry()
        self.connections.credentials.hurry()

    def _restamped(self, by_s: float, wall: float) -> None:
        self.conditions.restamp(by_s, wall)
        self.recovery.restamp(wall)

    def _open_device_report(self) -> DeviceReport | None:
        duty = bindings.duty(self.config)
        if duty is None or self.careful:
            return None
        report = partial(DeviceReport, duty, self.connections.open(), self.clock, self.conditions)
        return report(owed=self.openly_owed, roll=self.roll, turn=self.modest_turn)

    def _open_self_test(self) -> SelfTest:
        line, on_disk = partial(self.connections.line, self.config.panic_api.base_url), lambda: self.store.summary().mode == "disk"
        look = partial(Examinations, self.config, self.clock, line, on_disk=on_disk)
        return SelfTest(self, look(owed=self.openly_owed, turn=self.modest_turn))

    def _open_receivers(self) -> list[FixSource]:
        """In a careful start without those that cannot even be opened: help that comes without a position is help."""
        opened = []
        for each in self.config.receivers:
            try:
                opened.append(hardware.open_receiver(each.kind, name=each.name, clock_at=self.clock.at, **each.options()))
            except Exception as error:
                if not self.careful:
                    raise
                log.error("%s cannot be opened: %s", each.name, autopsy.brief(error))  # noqa: TRY400 - its text may hold a position
        return opened

    def _open_supply(self) -> Supply:
        power, beside = self.config.power, partial(aside.start, name="power supplies")
        return hardware.open_supply(power.supplies, low_percent=power.low_percent, clock_at=self.clock.at, beside=beside)

    # --- the desk of the lanes ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""
        return self.decider.state

    def decide(self, event: Happening) -> Awaitable[None]:
        """Queue an event."""
        return self.decider.decide(event)

    def open(self) -> Dispatch:
        """A connection of one's own."""
        return self.connections.open()

    def roll(self) -> float:
        """Jitter."""
        return random.random()  # noqa: S311 - spreads retries, keeps no secret

    def place(self) -> Place | None:
        """The best position for a raise."""
        return self.positions.for_raise(self.clock.at(), self.clock.wall(), wall_trusted=self.clock.trusted())

    def live(self) -> Fix | None:
        """The newest fix if it is not stale."""
        return self.positions.live(self.clock.at())

    def tell(self, callout_id: CalloutId, text: str, *, urgent: bool = False) -> None:
        """Queue a message for the event stream. An urgent one goes before all others."""
        self.telling.tell(callout_id, text, urgent=urgent)

    def sent(self, fix: Fix) -> None:
        """A position was accepted."""
        self.tracking.sent(fix)
        if not self.careful:
            self.trails.located(fix)

    def not_sent(self) -> None:
        """A position was not accepted."""
        self.tracking.not_sent()

    def notice(self, outcome: Outcome, origin: Origin) -> None:
        """Turn a reply into conditions of the lane's origin."""
        self.notices.take(outcome, origin, wall=self.clock.wall(), calm=self.outwardly_calm())
        self.proving.heard(outcome, origin, calm=self.outwardly_calm())
        self.lanes.heard(outcome)
        self.farewell.replied(outcome)
        if not self.careful:
            self.trails.replied(outcome)

    def _token_told(self, outcome: Outcome) -> None:
        """A renewal of the token came to this."""
        self.notices.take_token(outcome, wall=self.clock.wall())
        self.proving.token_told(outcome, calm=self.outwardly_calm())

    # --- presses and requests -----------------------------------------------------------------------------------------------

    def press(self, origin: str, *, note: str | None = None, drill: bool = False) -> Made:
        """Make a press."""
        return self.presses.make(origin, note=note, drill=drill)

    @property
    def allow_unconditional(self) -> bool:
        """`[control] allow_unconditional`."""
        return self.config.control.allow_unconditional

    def forget_foreign(self, callout_id: CalloutId) -> bool:
        """Give up a stored callout of another base_url or customer."""
        return self.recovery.forget_foreign(callout_id, self.conditions)

    async def refuse_drill(self) -> str | None:
        """Why no drill may start; looks for an active callout first."""
        return await self.connections.refuse_drill()

    def open_drill(self, seconds: float) -> str | None:
        """The next gesture at a button is a drill. In words why not."""
        if not self.config.buttons:
            return "no button is configured"
        self.panel.open_drill(seconds)
        return None

    def failing(self) -> bool:
        """Whether attempts to raise have failed since the press."""
        return self.lanes.alert.failing

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start."""
        return self.recovery.note(name)

    def outwardly_calm(self) -> bool:
        """Whether a cancel was handed over, or may have been: the store has not told yet."""
        return self.overview.outward().calm

    def openly_owed(self) -> bool:
        """Whether comforts are to leave the line to a raise. Behind a cancel they go on as in standby: what they meet is shown (law 5)."""
        return raise_wanted(self.state) and not self.outwardly_calm()

    def modest_turn(self) -> AbstractAsyncContextManager[None]:
        """For a comfort that opens a connection. Behind a cancel it waits for no lane: in standby there is none."""
        return self.lanes.turns.take(Rank.AT_ONCE if self.outwardly_calm() else Rank.MESSAGE)

    def _heard(self) -> None:
        """Dispatch said something."""
        self.panel.follow()

    async def changed(self) -> None:
        """Ends after the next step."""
        self._step_done.clear()
        await self._step_done.wait()

    def document(self, *, inner: bool = False) -> dict[str, Any]:
        """The status document of now."""
        return self.overview.document(inner=inner)

    # --- after a step -------------------------------------------------------------------------------------------------------

    def _changed(self, before: State, after: State, event: Happening, commands: tuple[Command, ...]) -> None:
        if after.callout_id != before.callout_id:
            self.tracking.start_stream()
        if after.phase is Phase.STANDBY and before.phase is not Phase.STANDBY:
            self.notices.end_callout()
            self.presses.forget_all()
        if after.calm != before.calm:
            resume.keep_calm(self.spool, calm=after.calm, at=self.clock.at())
        self.notices.take_state(after, wall=self.clock.wall())
        if not self.careful:
            self.trails.follow(before, after)
        accepted = isinstance(event, RaiseReplied) and event.outcome.meaning is Meaning.ACCEPTED
        self.recovery.follow(after, event, accepted_wall=event.wall if accepted and isinstance(event, RaiseReplied) else None)
        self._log_step(before, after)
        self.conversation.follow(before, after, event)
        if isinstance(event, Pressed):
            self.conditions.drop("drill.failed")
            self.lanes.alert.hurry()
        for command in commands:
            self._obey(command)
        self.lanes.ring()
        self.panel.follow()
        self._step_done.set()

    def _obey(self, command: Command) -> None:
        if self.lanes.obey(command):
            return
        match command:
            case Tell(callout_id, text):
                self.tell(callout_id, text)
            case OfferPosition(callout_id):
                self._offer_position(callout_id)
            case DrillFailed(text):
                self.conditions.put("drill.failed", Severity.NOTE, text, "try again when no callout is open", wall=self.clock.wall())

    def _offer_position(self, callout_id: CalloutId) -> None:
        place = self.place()
        if place is not None:
            self.tell(callout_id, wording.offered(place, self.clock.wall()))

    def _log_step(self, before: State, after: State) -> None:
        """For the journal, outwardly: a calm device has nothing to say (law 5)."""
        if not self.outwardly_calm() and after.phase is not before.phase:
            log.info("callout %s: %s -> %s", after.callout_id or before.callout_id or "-", before.phase, after.phase)


async def _joined(task: asyncio.Task[None]) -> None:
    """A task of the group for one that was made outside it, so that it cannot die unnoticed."""
    await task


def load(config: Config, *, careful: bool) -> None:
    """Bring along what the receivers of this config need. Blocks, like the import of this module: call both in a thread.

    careful: without what cannot be had.
    """
    for each in config.receivers:
        try:
            hardware.load([each.kind])
        except Exception:
            if not careful:
                raise
