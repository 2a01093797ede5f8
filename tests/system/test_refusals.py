"""Dispatch that refuses, stumbles, cannot be trusted or is not there at all, with the real daemon.

For each: what `status` says, what the wearer sees, and that the callout is raised, once, when it clears, without a restart.
Each scene is a device of its own that goes through several troubles; the scenes go on side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from slow_link import Road
from stage import Stage, codes
from wearing import Wearing, wearing

CAP_S = 15.0  # the longest pause between two attempts; of a refusal it is 60 s, but not after so few
SLACK_S = 5.0  # two busy cores
API = "/panic-api/*"


@dataclass
class Scene:
    """One device and what lies between it and dispatch."""

    stage: Stage
    wearer: Wearing
    road: Road | None = None
    show: Callable[..., None] | None = None  # another certificate
    took_s: dict[str, float] = field(default_factory=dict)


Deed = Callable[[Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Trouble:
    """idle: told before anybody presses, because a look-up meets it too."""

    name: str
    code: str
    begin: Deed
    end: Deed
    idle: bool = True


def _faulty(*rules: dict[str, Any]) -> tuple[Deed, Deed]:
    async def begin(scene: Scene) -> None:
        await scene.stage.desk("PUT", "faults", list(rules))

    async def end(scene: Scene) -> None:
        await scene.stage.desk("DELETE", "faults")

    return begin, end


def _answers(status: int, on: str | list[str] = API, **more: Any) -> tuple[Deed, Deed]:
    return _faulty({"on": on, "action": "status", "status": status, **more})


async def _unsubscribe(scene: Scene) -> None:
    await scene.stage.desk("PATCH", f"customers/{scene.stage.simulator.settings.customer_id}", {"subscribed": False})


async def _subscribe(scene: Scene) -> None:
    await scene.stage.desk("PATCH", f"customers/{scene.stage.simulator.settings.customer_id}", {"subscribed": True})


async def _fall_silent(scene: Scene) -> None:
    assert scene.road is not None
    scene.road.silent = True
    scene.road.forget()


async def _speak_again(scene: Scene) -> None:
    assert scene.road is not None
    scene.road.silent = False


def _shown(**terms: Any) -> tuple[Deed, Deed]:
    async def begin(scene: Scene) -> None:
        assert scene.show is not None
        scene.show(**terms)

    async def end(scene: Scene) -> None:
        assert scene.show is not None
        scene.show()

    return begin, end


def _days(number: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=number)


PAGE = "<html><body>Sign in</body></html>"
REFUSING = (
    Trouble("401 on every route", "token.refused", *_answers(401)),
    Trouble("403 without a subscription", "dispatch.no_entitlement", _unsubscribe, _subscribe, idle=False),
    Trouble("404 to a raise", "dispatch.no_entitlement", *_answers(404, ["raise", "raise_legacy"]), idle=False),
)
STUMBLING = (
    Trouble("429", "dispatch.failing", *_answers(429, retry_after="2")),
    Trouble("500", "dispatch.failing", *_answers(500)),
    Trouble("connection refused", "dispatch.unreachable", lambda scene: scene.stage.link.cut(), lambda scene: scene.stage.link.mend()),
)
PORTALS = (
    Trouble("a portal's 200", "dispatch.odd_reply", *_faulty({"on": API, "action": "portal"})),
    Trouble("a portal's 302", "dispatch.odd_reply", *_answers(302)),
    Trouble("511", "dispatch.odd_reply", *_answers(511, body=PAGE)),
)
HALF_DEAD = (
    Trouble("half open", "dispatch.unreachable", _fall_silent, _speak_again),
    Trouble("a byte a second", "dispatch.unreachable", *_faulty({"on": API, "action": "drip", "interval_s": 1.0})),
)
CERTIFICATES = (
    Trouble("not yet valid", "clock.tls", *_shown(not_before=_days(1), not_after=_days(9))),
    Trouble("expired", "clock.tls", *_shown(not_before=_days(-9), not_after=_days(-1))),
    Trouble("another authority", "dispatch.tls", *_shown(strange=True)),
)


@contextlib.asynccontextmanager
async def on_a_road(folder: Path) -> AsyncIterator[Scene]:
    async with wearing(folder) as (stage, wearer), Road(stage.simulator.port) as road:
        stage.base_url = stage.base_url.replace(f":{stage.link.port}", f":{road.port}")
        yield Scene(stage, wearer, road)


@contextlib.asynccontextmanager
async def on_a_link(folder: Path) -> AsyncIterator[Scene]:
    async with wearing(folder) as (stage, wearer):
        yield Scene(stage, wearer)


@contextlib.asynccontextmanager
async def behind_a_certificate(folder: Path) -> AsyncIterator[Scene]:
    """The road ends TLS with a certificate that can be exchanged; the agent trusts its authority, too."""
    ours, strange = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    async with wearing(folder) as (stage, wearer):
        far = ssl.create_default_context(cafile=str(stage.simulator.ca_file))
        trusted = Path(str(stage.simulator.ca_file))
        trusted.write_bytes(trusted.read_bytes() + ours.cert_pem.bytes())
        async with Road(stage.simulator.port, own_tls=context, far_tls=far) as road:

            def show(**terms: Any) -> None:
                authority = strange if terms.pop("strange", False) else ours
                authority.issue_cert("127.0.0.1", **terms).configure_cert(context)
                road.cut()  # what is open was checked when it was opened

            stage.base_url = stage.base_url.replace(f":{stage.link.port}", f":{road.port}")
            yield Scene(stage, wearer, road, show)


async def suffer(scene: Scene, trouble: Trouble) -> None:
    """From a healthy standby through the trouble, a press and its callout to a healthy standby."""
    stage, wearer = scene.stage, scene.wearer
    before = len(await stage.callouts())

    def told(status: dict[str, Any]) -> bool:
        return trouble.code in codes(status) and not status["armed"]

    await trouble.begin(scene)
    if trouble.idle:
        await stage.until_status(told, 15, f"{trouble.name}: {trouble.code} in standby")
    wearer.hold()
    await wearer.until_sees("failing", 20)
    status = await stage.until_status(told, 5, f"{trouble.name}: {trouble.code} while raising")
    assert status["callout"]["state"] == "raising", trouble.name
    wearer.let_go()
    await trouble.end(scene)
    ended_at = time.monotonic()
    status = await stage.until_status(lambda now: now["callout"]["state"] == "active", CAP_S + SLACK_S, f"{trouble.name}: raised")
    scene.took_s[trouble.name] = time.monotonic() - ended_at
    await wearer.until_steady()
    await stage.until_status(lambda now: trouble.code not in codes(now), 10, f"{trouble.name}: over")
    callouts = await stage.callouts()
    assert len(callouts) == before + 1, f"{trouble.name}: one press, one callout"
    assert callouts[-1]["id"] == status["callout"]["id"]
    await stage.desk("POST", f"callouts/{callouts[-1]['id']}/close")
    await stage.until_status(lambda now: now["callout"]["state"] == "standby" and now["armed"], 15, f"{trouble.name}: armed again")
    await wearer.until_dark()


async def play(made: contextlib.AbstractAsyncContextManager[Scene], troubles: tuple[Trouble, ...]) -> dict[str, float]:
    async with made as scene:
        await scene.stage.start()
        await scene.stage.until_armed()
        process = scene.stage.agent
        for trouble in troubles:
            await suffer(scene, trouble)
        assert process is not None
        assert process.returncode is None, "all of this without a restart"
        return scene.took_s


def play_all(tmp_path: Path, *scenes: tuple[Callable[[Path], Any], tuple[Trouble, ...]]) -> None:
    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number, (make, troubles) in enumerate(scenes):
                folder = tmp_path / str(number)
                folder.mkdir()
                tasks.append(group.create_task(play(make(folder), troubles)))
        for task in tasks:
            print({name: round(seconds, 1) for name, seconds in task.result().items()})  # noqa: T201 - pytest -s shows the figures

    asyncio.run(story())


@pytest.mark.timeout(180)
def test_trouble_is_told_and_shown_and_raised_against_until_it_clears(tmp_path: Path):
    answers = [(on_a_link, troubles) for troubles in (REFUSING, STUMBLING, PORTALS)]
    play_all(tmp_path, *answers, (on_a_road, HALF_DEAD), (behind_a_certificate, CERTIFICATES))
