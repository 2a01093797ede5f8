"""What may be asked of the daemon: who may, that no blank code ever cancels without one, and that a calm device answers as in standby."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from dispatchers import Line, Service

from agent import requests as room
from agent.control import Peer
from agent.decider import STORE_WAIT_S
from agent.lifecycle import step
from agent.model import Asked, Callout, CalloutId, Event, Meaning, Outcome, Press, SafeCode
from agent.presses import Made
from agent.requests import CANCEL_ANSWER_S, HANDED_OVER, Requests
from agent.signals import CancelAsked, Happening, LocationReplied, Phase, Pressed, RaiseReplied, State

ROOT, SOMEONE = Peer(1, 0), Peer(1, 1000)
ACCEPTED = RaiseReplied(Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7, "created")), 9, drill=False, at=1.0, wall=1.0)
CLOSED = LocationReplied(Outcome(Asked.LOCATION, Meaning.CLOSED, "closed", callout_id=7, http_status=285), 2.0, 2.0)
PRESSED = Pressed(Press(1, 5.0, 1.8e9, "cli"))
CANCEL = CancelAsked(SafeCode("0042"))

STANDBY: tuple[Happening, ...] = ()
RAISING = (PRESSED,)
ACTIVE = (PRESSED, ACCEPTED)
CALM = {"raising": (PRESSED, CANCEL), "cancelling": (*ACTIVE, CANCEL), "closed": (*ACTIVE, CANCEL, CLOSED)}


@dataclass
class Device:
    """A daemon of which only the lifecycle lives, with the conversation it had. look_ups: how often a drill made it ask dispatch.

    slow_s: what a step takes. unsure: the store has not told yet whether a cancel was handed over. events: what was said, told outwardly.
    """

    state: State = field(default_factory=State)
    allow_unconditional: bool = False
    slow_s: float = 0.0
    look_ups: int = 0
    cancels: list[str | None] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    stepped: asyncio.Event = field(default_factory=asyncio.Event)
    service: Service = field(default_factory=Service)
    unsure: bool = False
    heard: tuple[Event, ...] = ()
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def conversation(self) -> Device:
        return self

    @property
    def events(self) -> tuple[Event, ...]:
        return () if self.state.calm or self.state.phase is Phase.STANDBY else self.heard

    async def more(self) -> None:
        self.moved = asyncio.Event()
        await self.moved.wait()

    def hear(self, text: str) -> None:
        self.heard = (*self.heard, Event(len(self.heard) + 1, "dispatch", text, 1.8e9))
        self.moved.set()

    def outwardly_calm(self) -> bool:
        return self.state.calm or self.unsure

    def open(self) -> Line:
        return self.service.connect()

    async def decide(self, event: Happening) -> None:
        await asyncio.sleep(self.slow_s)
        if isinstance(event, CancelAsked):
            self.cancels.append(None if event.code is None else event.code.typed())
        self.state, _ = step(self.state, event)
        self.stepped.set()
        self.moved.set()

    def press(self, origin: str, *, note: str | None, drill: bool) -> Made:
        press = Press(self.state.press_number + 1, 5.0 + self.state.press_number, 1.8e9, origin, note=note, drill=drill)
        return Made(press, asyncio.ensure_future(self.decide(Pressed(press))))

    def tell(self, _callout_id: CalloutId, text: str) -> None:
        self.told.append(text)

    def document(self, *, inner: bool) -> dict[str, Any]:
        return {"inner": inner}

    def forget_foreign(self, _callout_id: CalloutId) -> bool:
        return False

    async def refuse_drill(self) -> str | None:
        self.look_ups += 1
        return None

    def open_drill(self, _seconds: float) -> str | None:
        return None

    async def changed(self) -> None:
        self.stepped.clear()
        await self.stepped.wait()


def on(story: Callable[[Device, Requests], Awaitable[None]], *before: Happening, **of: Any) -> None:
    """Tell a story on a device to which all this has happened before."""

    async def run() -> None:
        device = Device(**of)
        for event in before:
            device.state, _ = step(device.state, event)
        async with asyncio.timeout(10):
            await story(device, Requests(device))

    asyncio.run(run())


def test_cancel_is_answered_in_the_same_words_and_time_whatever_is_on():
    """Also while a step waits for the disk."""

    async def ask(before: tuple[Happening, ...], slow_s: float) -> None:
        device = Device(slow_s=slow_s)
        for event in before:
            device.state, _ = step(device.state, event)
        began = time.monotonic()
        reply = await Requests(device).handle({"do": "cancel", "code": "0042"}, SOMEONE)
        assert reply == {"ok": True, "text": HANDED_OVER}
        assert CANCEL_ANSWER_S <= time.monotonic() - began < CANCEL_ANSWER_S + 0.2

    async def run() -> None:
        befores = (STANDBY, RAISING, ACTIVE, *CALM.values())
        await asyncio.gather(*(ask(before, slow_s) for before in befores for slow_s in (0.0, STORE_WAIT_S)))

    asyncio.run(run())


@pytest.mark.parametrize(
    "request_", [{"code": ""}, {"code": "  "}, {"code": "1" * 17}, {"code": None}, {"code": 42}, {}, {"unconditional": 1}]
)
def test_blank_or_strange_code_is_refused_and_never_becomes_the_unconditional_form(request_: dict[str, Any]):
    async def story(device: Device, requests: Requests) -> None:
        for more in ({}, {"unconditional": True}) if "code" in request_ else ({},):
            reply = await requests.handle({"do": "cancel", **request_, **more}, ROOT)
            assert not reply["ok"]
            assert device.cancels == []
            assert not device.state.calm

    on(story, *ACTIVE, allow_unconditional=True)


@pytest.mark.parametrize(("peer", "allowed", "taken"), [(ROOT, True, True), (ROOT, False, False), (SOMEONE, True, False)])
def test_unconditional_cancel_is_for_root_where_the_config_allows_it(
    monkeypatch: pytest.MonkeyPatch, peer: Peer, *, allowed: bool, taken: bool
):
    monkeypatch.setattr(room, "CANCEL_ANSWER_S", 0.0)

    async def story(device: Device, requests: Requests) -> None:
        reply = await requests.handle({"do": "cancel", "unconditional": True}, peer)
        assert reply["ok"] is taken
        assert device.cancels == ([None] if taken else [])

    on(story, *ACTIVE, allow_unconditional=allowed)


def test_code_is_handed_over_as_typed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "CANCEL_ANSWER_S", 0.0)

    async def story(device: Device, requests: Requests) -> None:
        await requests.handle({"do": "cancel", "code": " 0042 "}, SOMEONE)
        assert device.cancels == [" 0042 "]

    on(story, *ACTIVE)


@pytest.mark.parametrize(
    "request_", [{"do": "say", "text": "are you there?"}, {"do": "raise", "drill": True}, {"do": "drill", "open_s": 5}]
)
def test_calm_device_answers_alike_whether_its_callout_lives_or_not(request_: dict[str, Any]):
    """Law 5; a look-up before the answer would tell by its time."""
    replies = []

    async def story(device: Device, requests: Requests) -> None:
        replies.append(await requests.handle(request_, SOMEONE))
        assert not replies[-1]["ok"]
        assert device.look_ups == 0
        assert device.told == []

    for before in CALM.values():
        on(story, *before)
    on(story, *ACTIVE, unsure=True) if request_["do"] != "say" else None
    assert all(reply == replies[0] for reply in replies)
    if request_["do"] == "say":
        on(story)
        assert replies[-1] == replies[0], "and as in a standby that was never cancelled"


@pytest.mark.parametrize("request_", [{"do": "raise", "drill": True}, {"do": "drill", "open_s": 5}])
@pytest.mark.parametrize("before", [RAISING, ACTIVE])
def test_no_drill_while_something_is_on(request_: dict[str, Any], before: tuple[Happening, ...]):
    async def story(device: Device, requests: Requests) -> None:
        assert not (await requests.handle(request_, SOMEONE))["ok"]
        assert not device.state.drill

    on(story, *before)


def test_drills_that_are_asked_for_at_once_ask_dispatch_one_after_the_other():
    """Each look-up is a connection: a crowd would take the line from whoever is in danger."""

    class Busy(Device):
        asking = most = 0

        async def refuse_drill(self) -> str | None:
            self.asking += 1
            self.most = max(self.most, self.asking)
            await asyncio.sleep(0.01)
            self.asking -= 1
            return "dispatch lists a callout"

    async def run() -> None:
        device = Busy()
        requests = Requests(device)
        asked = [{"do": "raise", "drill": True}, {"do": "drill", "open_s": 5}] * 3
        replies = await asyncio.gather(*(requests.handle(each, SOMEONE) for each in asked))
        assert ([each["ok"] for each in replies], device.most) == ([False] * 6, 1)

    asyncio.run(run())


def test_press_is_never_refused_for_its_note():
    async def story(device: Device, requests: Requests) -> None:
        for note in ("x" * 5_000, 42, ["a"], " "):
            assert (await requests.handle({"do": "raise", "note": note}, SOMEONE))["ok"]
        await device.changed()
        assert len(device.state.owed) == 4

    on(story)


def test_press_that_got_another_number_is_waited_for_until_it_is_answered_itself():
    """`callout.unknown` made a press of its own, and took the number."""

    async def story(device: Device, requests: Requests) -> None:
        made = device.press("cli", note=None, drill=False)
        device.state, _ = step(device.state, Pressed(Press(made.press.number, 4.0, 1.8e9, "cli")))
        requests._made[made.press.number] = made
        await made.decided
        assert [press.number for press in device.state.owed] == [1, 2]
        await device.decide(RaiseReplied(ACCEPTED.outcome, 1, drill=False, at=1.0, wall=1.0))
        reply = await requests.handle({"do": "settled", "press": 1, "wait_s": 0.05}, SOMEONE)
        assert not reply["accepted"]
        await device.decide(RaiseReplied(ACCEPTED.outcome, 2, drill=False, at=1.0, wall=1.0))
        reply = await requests.handle({"do": "settled", "press": 1, "wait_s": 0.05}, SOMEONE)
        assert (reply["accepted"], reply["id"]) == (True, 7)

    on(story)


def test_what_became_of_a_press_is_not_told_once_it_was_cancelled():
    async def story(device: Device, requests: Requests) -> None:
        number = (await requests.handle({"do": "raise"}, SOMEONE))["press"]
        await device.changed()
        await device.decide(CANCEL)
        replies = []
        for event in (None, ACCEPTED, CLOSED):
            if event is not None:
                await device.decide(event)
            replies.append(await requests.handle({"do": "settled", "press": number, "wait_s": 0.0}, SOMEONE))
        assert device.state.phase is Phase.STANDBY
        assert replies[0] == replies[1] == replies[2]
        assert (replies[0]["accepted"], replies[0]["id"]) == (False, None)

    on(story)


def test_inner_view_and_forgetting_are_for_root():
    async def story(device: Device, requests: Requests) -> None:
        device.state = replace(device.state, unknown=True)
        for request in ({"do": "status", "inner": True}, {"do": "forget", "id": 7}):
            assert not (await requests.handle(request, SOMEONE))["ok"]
        assert (await requests.handle({"do": "status", "inner": True}, ROOT))["status"] == {"inner": True}
        assert (await requests.handle({"do": "status"}, ROOT))["status"] == {"inner": False}
        assert device.state.callout_id == 7
        assert (await requests.handle({"do": "forget", "id": 7}, ROOT))["ok"]
        assert device.state.callout_id is None

    on(story, *ACTIVE)
