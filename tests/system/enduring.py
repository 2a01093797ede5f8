"""What must hold under any fault of the service, with the real daemon over TLS: the same story for each.

A press while it lasts: named in `status`, not armed, nothing given up; once it ends, one callout. The stream while it lasts: named,
nothing counts as delivered that was not taken; once it ends, the newest position arrives, what was said, and the condition goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from stage import Stage, codes, driving, press

API = "/panic-api/*"
CAP_S = 15.0  # the longest pause between two attempts
SLACK_S = 5.0  # two busy cores
ON_ITS_WAY_S = 2.0  # a fix is a second old when the next one comes, and so is a request that was on its way when the fault ended

Story = Callable[[Path], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One fault and what is to be seen of it.

    name: as in docs/FAULTS.md. rule: as POST /sim/faults takes it, without `on`. raising, streaming: the condition while a raise, or
    the stream, meets it. carried_out: dispatch does what it is asked, and the agent does not learn of it. taken: the answer to a
    position and a message is one that dispatch might give. parked: a message that meets it is not told again.
    """

    name: str
    rule: dict[str, Any]
    raising: str
    streaming: str
    carried_out: bool = False
    taken: bool = False
    parked: bool = False
    on: str | tuple[str, ...] = API

    @property
    def codes(self) -> set[str]:
        """Its conditions."""
        return {self.raising, self.streaming}

    @property
    def whole_rule(self) -> dict[str, Any]:
        """With whom it hits; a fault of connections hits all of them."""
        if self.rule["action"] in ("certificate", "stall_accept"):
            return {"for_s": 120, **self.rule}
        return {"on": self.on if isinstance(self.on, str) else list(self.on), **self.rule}


@dataclass
class Endurance:
    """One device, and every position that it had, so that a position at dispatch can be dated."""

    stage: Stage
    times: dict[tuple[float, float], str] = field(default_factory=dict)
    took_s: dict[str, list[float]] = field(default_factory=dict)

    async def status(self) -> dict[str, Any]:
        """The status document; the fix in it is noted."""
        told = await self.stage.status()
        if fix := told.get("fix"):
            self.times[_place(fix)] = fix["time"]
        return told

    async def note_positions(self) -> None:
        """Look again and again, for as long as the device is there."""
        while True:
            await self.status()
            await asyncio.sleep(0.2)

    async def until(self, wanted: Any, within_s: float, what: str) -> dict[str, Any]:
        """Until the status document is so."""
        told: dict[str, Any] = await self.stage.until(self.status, wanted, within_s, what)
        return told

    async def posted(self) -> list[dict[str, Any]]:
        """Positions of the newest callout that came by themselves."""
        newest = (await self.stage.callouts())[-1:]
        return [each for callout in newest for each in callout["positions"] if each["via"] == "location"]

    async def begin(self, fault: Fault) -> None:
        """From now on."""
        await self.stage.desk("PUT", "faults", fault.whole_rule)

    async def hits(self) -> int:
        """How often the fault has hit."""
        return sum(each["hits"] for each in await self.stage.desk("GET", "faults"))

    async def end(self) -> float:
        """From now on no more; when, monotonic s."""
        await self.stage.desk("DELETE", "faults")
        return time.monotonic()


def _place(position: dict[str, Any]) -> tuple[float, float]:
    return round(position["latitude"], 6), round(position["longitude"], 6)


@contextlib.asynccontextmanager
async def device(folder: Path) -> AsyncIterator[Endurance]:
    """An armed device. The dispatcher's connection is kept: behind a wrong certificate there is no new one."""
    async with driving(folder) as (stage, _):
        await stage._desk.aclose()
        trust = ssl.create_default_context(cafile=str(stage.simulator.ca_file))
        limits = httpx.Limits(max_connections=1, keepalive_expiry=60)
        stage._desk = httpx.AsyncClient(base_url=stage.simulator.root_url, verify=trust, trust_env=False, timeout=10, limits=limits)
        await stage.start()
        await stage.until_armed()
        device_ = Endurance(stage)
        async with asyncio.TaskGroup() as group:
            noting = group.create_task(device_.note_positions())
            yield device_
            noting.cancel()


async def endure(device_: Endurance, fault: Fault, *, streamed: bool = True) -> None:
    """The whole story of one fault, from standby to standby."""
    before = len(await device_.stage.callouts())
    await raise_through(device_, fault, before)
    if streamed:
        await stream_through(device_, fault)
    callouts = await device_.stage.callouts()
    assert len(callouts) == before + 1, f"{fault.name}: one press, one callout"
    dated = [device_.times[_place(each)] for each in await device_.posted() if _place(each) in device_.times]
    assert dated == sorted(dated), f"{fault.name}: only ever forward"
    assert dated, f"{fault.name}: positions came"
    await device_.stage.desk("POST", f"callouts/{callouts[-1]['id']}/close")
    await device_.until(
        lambda now: now["callout"]["state"] == "standby" and now["armed"] and not fault.codes & set(codes(now)),
        CAP_S + SLACK_S,
        f"{fault.name}: over and armed again",
    )


async def raise_through(device_: Endurance, fault: Fault, before: int) -> None:
    """A press meets the fault from the first attempt on."""
    stage = device_.stage
    await device_.begin(fault)
    await press(stage)
    await stage.until(device_.hits, lambda now: now or fault.rule["action"] == "stall_accept", CAP_S, f"{fault.name}: met")
    status = await device_.until(
        lambda now: fault.raising in codes(now) and not now["armed"] and now["callout"]["state"] == "raising",
        CAP_S,
        f"{fault.name}: {fault.raising} while raising",
    )
    assert status["callout"]["id"] is None, f"{fault.name}: nothing was accepted"
    made = len(await stage.callouts()) - before
    assert made <= fault.carried_out, f"{fault.name}: nothing to repeat a raise for"
    ended_at = await device_.end()
    await device_.until(lambda now: now["callout"]["state"] == "active", CAP_S + SLACK_S, f"{fault.name}: raised once it is over")
    await stage.until(device_.posted, bool, CAP_S + SLACK_S, f"{fault.name}: a position once it is over")
    device_.took_s.setdefault(fault.name, []).append(time.monotonic() - ended_at)


async def stream_through(device_: Endurance, fault: Fault) -> None:
    """The stream and a message meet the fault: positions first, then what was said, then the condition goes."""
    stage = device_.stage
    await device_.begin(fault)
    said = f"said during {fault.name}"
    assert (await stage.ask(do="say", text=said)).get("ok")
    await device_.until(lambda now: fault.streaming in codes(now), CAP_S + SLACK_S, f"{fault.name}: {fault.streaming} while streaming")
    await nothing_counts(device_, fault)
    newest = (await device_.status())["fix"]["time"]
    ended_at = await device_.end()
    seen = len(await device_.posted())
    arrived = await stage.until(device_.posted, lambda now: len(now) > seen, CAP_S + SLACK_S, f"{fault.name}: a position once it is over")
    device_.took_s.setdefault(fault.name, []).append(time.monotonic() - ended_at)
    await is_no_older(device_, arrived[seen], newest, fault.name)
    await device_.until(lambda now: not fault.codes & set(codes(now)), CAP_S + SLACK_S, f"{fault.name}: over")
    await is_told(device_, said, fault)


async def nothing_counts(device_: Endurance, fault: Fault) -> None:
    """While the fault goes on hitting, no position counts as sent but where the answer might be dispatch's own."""
    sent, hits = (await device_.status())["stream"]["sent"], await device_.hits()
    fault_of_listener = fault.rule["action"] == "stall_accept"  # what is not served is not counted
    more = 0 if fault_of_listener else 2
    await device_.stage.until(device_.hits, lambda now: now >= hits + more, CAP_S + SLACK_S, f"{fault.name}: tried again")
    status = await device_.status()
    assert status["callout"]["state"] == "active", f"{fault.name}: it ends no callout"
    assert fault.taken or status["stream"]["sent"] == sent, f"{fault.name}: nothing counts as delivered"


def seconds_between(earlier: str, later: str) -> float:
    """Of two moments as the status document tells them."""
    return (dt.datetime.fromisoformat(later) - dt.datetime.fromisoformat(earlier)).total_seconds()


async def is_no_older(device_: Endurance, position: dict[str, Any], newest: str, name: str) -> None:
    """The first position after the fault is that of the moment when it left, not one that waited."""
    place = _place(position)
    await device_.until(lambda _: place in device_.times, SLACK_S, f"{name}: the position that arrived is one that the device had")
    waited_s = seconds_between(device_.times[place], newest)
    assert waited_s <= ON_ITS_WAY_S, f"{name}: the newest goes first, not one that is {waited_s} s older"


async def is_told(device_: Endurance, said: str, fault: Fault) -> None:
    """What was said arrives, once where its answer was not lost; what dispatch refused in both shapes is parked."""

    async def told() -> int:
        return sum(said in each["text"] for each in (await device_.stage.callouts())[-1]["events"])

    if fault.parked:
        assert await told() == 0, f"{fault.name}: dispatch refused it"
        return
    count = await device_.stage.until(told, bool, CAP_S + SLACK_S, f"{fault.name}: what was said is told")
    assert count == 1 or fault.carried_out, f"{fault.name}: told {count} times"


def _folder(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / str(number)  # short: a socket's path has at most 107 bytes
    folder.mkdir()
    return folder


def endure_all(tmp_path: Path, *shares: tuple[Fault, ...], hasty: tuple[Fault, ...] = (), beside: Iterable[Story] = ()) -> None:
    """Each share is a device that goes through its faults in turn, without a restart; the devices go on side by side.

    hasty: only a raise meets them. beside: stories of other devices, each in a folder of its own.
    """

    async def one(folder: Path, faults: tuple[Fault, ...]) -> dict[str, list[float]]:
        async with device(folder) as device_:
            process = device_.stage.agent
            for fault in faults:
                await endure(device_, fault, streamed=fault not in hasty)
            assert process is not None
            assert process.returncode is None, "all of this without a restart"
            return device_.took_s

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(_folder(tmp_path, number), share)) for number, share in enumerate(shares)]
            for number, story in enumerate(beside, len(shares)):
                group.create_task(story(_folder(tmp_path, number)))
        for task in tasks:
            print({name: [round(each, 1) for each in took] for name, took in task.result().items()})  # noqa: T201 - pytest -s shows it

    asyncio.run(all_of_them())
