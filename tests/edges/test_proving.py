"""Each part of a raise is exercised for real: the store's disk, the system's resolver, the loop; and dispatch's own answers are heard."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bench import play

from agent import bindings, lookup, proofs, proving
from agent.clock import SystemClock
from agent.config import parse
from agent.health import Conditions, Origin
from agent.kept import NoteKept
from agent.model import Asked, Meaning, Outcome, Severity
from agent.positions import Positions, Site
from agent.proofs import DISPATCH, LOOKUP, LOOP, STORE, TOKEN
from agent.proving import STORE_NOTE, Proving
from agent.store import Store

HOST = "dispatch.test"  # which the tests' loop knows
ANSWERED = Outcome(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", http_status=200)
REFUSED = Outcome(Asked.LOOK_UP, Meaning.UNAUTHORISED, "scope", http_status=401)
NEW_TOKEN = Outcome(Asked.TOKEN, Meaning.ACCEPTED, "ok")


class Buttons:
    """What a panel knows of its buttons."""

    def __init__(self) -> None:
        self.read: dict[str, float | None] = {"panic": None}

    def read_at(self) -> dict[str, float | None]:
        return self.read


class Device:
    """What is proven, without a daemon around it."""

    def __init__(self, store: Store, host: str = HOST) -> None:
        self.store, self.clock, self.conditions, self.panel = store, SystemClock(), Conditions(), Buttons()
        self.positions = Positions((), Site(1.0, 2.0, 50.0))
        self.asleep_s, self.recovery = 50.0, SimpleNamespace(proof_wall=None)
        self.of = Proving(self, host=host, poll_s=300.0, asleep_s=lambda: self.asleep_s)  # type: ignore[arg-type] # buttons alone are a panel enough

    def proven_at(self, name: str) -> float | None:
        return next(proof.proven_at for proof in self.of.all() if proof.name == name)

    def codes(self) -> dict[str, Severity]:
        self.of.look()
        return {each.code: each.severity for each in self.conditions.shown(calm=True)}

    async def until(self, name: str) -> None:
        """That is proven."""
        async with asyncio.timeout(10):
            while self.proven_at(name) is None:  # noqa: ASYNC110 - a thread, and nothing that rings
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def exercised(path: Path, host: str = HOST) -> AsyncIterator[Device]:
    """A device that exercises."""
    store = Store(path)
    await store.open()
    device = Device(store, host)
    running = asyncio.ensure_future(device.of.run())
    try:
        yield device
        assert not running.done(), "it never ends by itself"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.aclose()


async def test_store_resolver_and_loop_are_proven_soon_after_the_start(tmp_path: Path) -> None:
    """What is proven was really done: the row is on the disk."""
    async with exercised(tmp_path / "agent.db") as device:
        for name in (STORE, LOOKUP, LOOP):
            await device.until(name)
        assert float(await device.store.reading.note(STORE_NOTE) or "nan") == pytest.approx(device.proven_at(STORE), abs=1.0)


async def test_store_that_takes_nothing_is_not_proven(tmp_path: Path) -> None:
    """A file stands where its directory should be: rows wait in memory, and nothing is claimed of the disk."""
    (tmp_path / "state").write_text("in the way")
    async with exercised(tmp_path / "state" / "agent.db") as device:
        await device.until(LOOKUP)
        await device.store.step(NoteKept("x", "y"))
        assert await device.of._write() is False
        assert device.proven_at(STORE) is None


async def test_disk_that_hangs_holds_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exercise ends at its limit, and the next one comes."""
    monkeypatch.setattr(proving, "LIMIT_S", 0.2)
    gate = threading.Event()
    async with exercised(tmp_path / "agent.db") as device:
        await device.until(STORE)
        device.store._call(lambda: gate.wait(10))  # type: ignore[arg-type] # the thread is held as a disk holds it
        try:
            began = time.monotonic()
            assert await device.of._write() is False
            assert time.monotonic() - began < 2.0
            await device.until(LOOP)
        finally:
            gate.set()


class System:
    """A resolver that answers, fails or hangs."""

    def __init__(self) -> None:
        self.gate, self.hangs, self.knows = threading.Event(), False, True

    def __call__(self, host: str, *_rest: Any) -> list[Any]:
        if self.hangs:
            self.gate.wait(10)
        if not self.knows:
            raise OSError("no such name")
        return [(2, 1, 6, "", ("192.0.2.1", 443))]


async def test_name_is_asked_for_anew_whatever_is_remembered() -> None:
    """What the daemon's own look-ups offer from memory proves nothing of the resolver."""
    loop, system = asyncio.get_running_loop(), System()
    assert isinstance(loop, lookup.LookupLoop)
    loop.resolver.ask = system
    assert await loop.getaddrinfo(HOST, 443)
    assert lookup.remembered(HOST)
    assert await lookup.ask_anew(HOST, limit_s=1.0)
    system.knows = False
    assert await loop.getaddrinfo(HOST, 443), "from memory"
    assert not await lookup.ask_anew(HOST, limit_s=1.0)
    system.hangs = system.knows = True
    began = time.monotonic()
    assert not await lookup.ask_anew(HOST, limit_s=0.1)
    assert not await lookup.ask_anew(HOST, limit_s=0.1), "one thread, however often it is asked"
    assert [thread.name for thread in threading.enumerate()].count(f"proof {HOST}") == 1
    assert time.monotonic() - began < 2.0
    system.gate.set()


async def test_host_that_is_an_address_needs_no_resolver() -> None:
    assert await lookup.ask_anew("192.0.2.1", limit_s=0.1)
    assert lookup.remembered("192.0.2.1")
    assert not lookup.remembered("never.asked.test")


async def test_dispatch_and_token_are_proven_by_answers_and_behind_a_cancel_by_the_poll_alone(tmp_path: Path) -> None:
    """What a callout's lanes hear behind a cancel would show that they are at work (law 5)."""
    async with exercised(tmp_path / "agent.db") as device:
        device.of.heard(ANSWERED, Origin.CALLOUT, calm=True)
        assert device.proven_at(DISPATCH) is device.proven_at(TOKEN) is None
        assert {"dispatch.unproven"} <= set(device.codes())
        device.of.heard(ANSWERED, Origin.DEVICE, calm=True)
        assert device.proven_at(DISPATCH) is not None
        assert device.proven_at(TOKEN) is not None
        assert not {"dispatch.unproven", "token.unproven"} & set(device.codes())


async def test_lane_that_is_answered_proves_the_way_while_nothing_is_hidden(tmp_path: Path) -> None:
    async with exercised(tmp_path / "agent.db") as device:
        device.of.heard(Outcome(Asked.RAISE, Meaning.UNAUTHORISED, "scope", http_status=401), Origin.CALLOUT, calm=False)
        assert device.proven_at(DISPATCH) is not None
        assert device.proven_at(TOKEN) is None, "it was refused"
        assert device.codes()["token.unproven"] is Severity.CRITICAL
        device.of.token_told(Outcome(Asked.TOKEN, Meaning.RETRY, "timeout"), calm=False)
        assert device.proven_at(TOKEN) is None
        device.of.token_told(NEW_TOKEN, calm=False)
        assert "token.unproven" not in device.codes()


@pytest.mark.parametrize("status", [403, 404])
async def test_list_that_is_refused_proves_nothing_on_a_device_from_which_no_raise_was_ever_accepted(tmp_path: Path, status: int) -> None:
    """A mistyped base_url, or the number of another customer: whoever answers would refuse a raise, too (law 7)."""
    refused = Outcome(Asked.LOOK_UP, Meaning.REJECTED, f"http_{status}", http_status=status)
    async with exercised(tmp_path / "agent.db") as device:
        device.of.heard(refused, Origin.DEVICE, calm=False)
        assert device.codes()["dispatch.unproven"] is Severity.CRITICAL
        (shown,) = [each for each in device.conditions.shown(calm=True) if each.code == "dispatch.unproven"]
        assert "refuses to list" in shown.text
        assert "base_url and customer_id" in shown.hint
        device.of.heard(Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", http_status=200), Origin.CALLOUT, calm=False)
        assert "dispatch.unproven" not in device.codes(), "what takes a raise is dispatch"


async def test_list_that_is_refused_is_an_answer_of_a_dispatch_that_has_taken_a_raise(tmp_path: Path) -> None:
    """It serves no such path; a device that cries wolf is not listened to."""
    async with exercised(tmp_path / "agent.db") as device:
        device.recovery.proof_wall = 1.8e9
        device.of.heard(Outcome(Asked.LOOK_UP, Meaning.REJECTED, "http_404", http_status=404), Origin.DEVICE, calm=False)
        assert not {"dispatch.unproven", "token.unproven"} & set(device.codes())


async def test_renewal_behind_a_cancel_may_be_a_lanes_and_proves_nothing_where_the_poll_does(tmp_path: Path) -> None:
    """A lane that is refused on its route has the token renewed: the moment of that would be shown (law 5). Else nothing would prove it."""
    async with exercised(tmp_path / "agent.db") as device:
        device.of.heard(ANSWERED, Origin.DEVICE, calm=True)
        by_poll_at = device.proven_at(TOKEN)
        device.of.token_told(NEW_TOKEN, calm=True)
        assert device.proven_at(TOKEN) == by_poll_at
        device.of.heard(Outcome(Asked.LOOK_UP, Meaning.RETRY, "timeout"), Origin.DEVICE, calm=True)
        device.of.token_told(NEW_TOKEN, calm=True)
        assert device.proven_at(TOKEN) == by_poll_at, "a poll that was not answered says nothing of the next"
        device.of.token_told(NEW_TOKEN, calm=False)
        assert (again_at := device.proven_at(TOKEN)) != by_poll_at
        device.of.heard(REFUSED, Origin.DEVICE, calm=True)
        device.of.token_told(NEW_TOKEN, calm=True)
        assert device.proven_at(TOKEN) != again_at, "the poll does not prove it at this dispatch"


async def test_machine_that_was_suspended_has_proven_nothing_lately(tmp_path: Path) -> None:
    """Its monotonic clock stood still: what was proven before it slept would be taken for fresh."""
    async with exercised(tmp_path / "agent.db") as device:
        device.of.heard(ANSWERED, Origin.DEVICE, calm=False)
        device.asleep_s += 0.5
        assert "dispatch.unproven" not in device.codes(), "two clocks are never read at one moment"
        device.asleep_s += 8 * 3_600.0
        assert "dispatch.unproven" in device.codes()
        device.of.heard(ANSWERED, Origin.DEVICE, calm=False)
        assert "dispatch.unproven" not in device.codes()


async def test_machine_that_wakes_up_proves_anew_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock that stood still the next look-up would be five minutes away, and the next write a quarter of an hour."""
    monkeypatch.setattr(proving, "WAKE_LOOK_S", 0.05)
    async with exercised(tmp_path / "agent.db") as device:
        for name in (STORE, LOOKUP):
            await device.until(name)
        woken_at = device.clock.at()
        device.asleep_s += 8 * 3_600.0
        async with asyncio.timeout(10):
            while min(device.proven_at(name) or 0.0 for name in (STORE, LOOKUP)) < woken_at:  # noqa: ASYNC110 - as in `until`
                await asyncio.sleep(0.01)


def test_somebody_finds_out_whether_dispatch_is_there_however_seldom_callouts_are_looked_for(tmp_path: Path) -> None:
    """Also on a device that adopts none: the poll goes on, at most a quarter of an hour apart."""
    text = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
    for key in ("base_url", "token_url"):
        text = re.sub(rf"^{key} = .*$", f'{key} = "http://127.0.0.1/v2"', text, flags=re.MULTILINE)
    text = re.sub(r"^(customer_id|response_type_id) = 0", r"\1 = 1", text, flags=re.MULTILINE)
    text = re.sub(r"^bearer_file.*$", "", text, flags=re.MULTILINE)
    rare = text.replace("adopt_poll_s = 300", "adopt_poll_s = 86400").replace('adopt = "near"', 'adopt = "never"')
    assert bindings.terms(parse(rare)).adopt_poll_s == proofs.POLL_MOST_S
    assert bindings.terms(parse(text)).adopt_poll_s == 300.0

    async def story(bench: Any, service: Any) -> None:
        bench.terms = replace(bench.terms, adopt="never")
        await bench.until(lambda: [asked for asked, _ in bench.origins].count(Asked.LOOK_UP) >= 3)

    play(story, drive=False, poll_s=0.05)


async def test_button_is_proven_when_its_level_is_read(tmp_path: Path) -> None:
    async with exercised(tmp_path / "agent.db") as device:
        device.of.look()
        assert device.proven_at("button:panic") is None
        device.panel.read["panic"] = 12.5
        device.of.look()
        assert device.proven_at("button:panic") == 12.5


async def test_loop_that_is_held_up_twice_is_a_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody computes on the loop, for longer than it may."""
    monkeypatch.setattr(proofs, "LAG_S", 0.3)
    async with exercised(tmp_path / "agent.db") as device:
        await device.until(LOOP)
        for _ in range(2):
            await asyncio.sleep(0.1)  # into the beat
            time.sleep(proving.BEAT_S + 0.5)  # noqa: ASYNC251 - the fault itself
            await asyncio.sleep(0.1)  # and out of it
        assert "loop.lagging" in device.codes()
