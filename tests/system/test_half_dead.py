"""Networks and token services that half work, with the real daemon: slow links, forgotten connections, dead resolvers, old tokens.

The stories go on side by side: they wait far more than they work.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from networks import NO_NETWORK, namespaces
from slow_link import Road
from stage import ROOT, Stage, codes, driving, side_by_side

from simulator.settings import CALLOUT_FLOW, Settings

ROUND_TRIP_S, BYTES_PER_S = 1.5, 1200  # 9.6 kbit/s
FIRST_DEADLINE_S = 10.0  # as in the example config; the stage's own is 3 s

# The daemon with another name look-up than the system's: what the file says, "answer", "fail" or "hang".
NAMES = """
import pathlib, socket, sys, time
from agent.cli import main
real, told = socket.getaddrinfo, pathlib.Path(sys.argv.pop(1))
def look_up(host, *rest, **more):
    how = told.read_text()
    if how == "hang":
        time.sleep(60)
    if how == "fail":
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return real("127.0.0.1" if host == "localhost" else host, *rest, **more)
socket.getaddrinfo = look_up
sys.exit(main())
"""


def configured(stage: Stage, **changes: float) -> None:
    """Other values than the stage's for some keys."""
    write = stage.write_config

    def changed() -> None:
        write()
        lines = stage.config.read_text().splitlines()
        names = {line: line.partition(" = ")[0] for line in lines}
        stage.config.write_text("\n".join(f"{names[line]} = {changes[names[line]]}" if names[line] in changes else line for line in lines))

    stage.write_config = changed  # type: ignore[method-assign]


def over(stage: Stage, road: Road) -> None:
    """Everything goes over this road."""
    stage.base_url = stage.base_url.replace(f":{stage.link.port}", f":{road.port}")


async def requests(stage: Stage, operation: str) -> list[dict[str, Any]]:
    """What dispatch has seen of one kind."""
    return [each for each in await stage.desk("GET", "requests") if each["operation"] == operation]


def posted(callout: dict[str, Any]) -> int:
    """Positions that came by themselves."""
    return len([each for each in callout["positions"] if each["via"] == "location"])


def figure(what: str, began: float) -> None:
    print(f"{what}: {time.monotonic() - began:.1f} s")  # noqa: T201 - pytest -s shows the figures


# --- 9.6 kbit/s and 1.5 s there and back ---------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def slowly(folder: Path) -> AsyncIterator[tuple[Stage, Road]]:
    """A chain of certificates as long as those of the public authorities, about 3 kB, over a modem."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    names = ("127.0.0.1", *(f"host-{number}.region-{number}.dispatch.example" for number in range(30)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.create_child_ca(key_type=trustme.KeyType.RSA).issue_cert(*names, key_type=trustme.KeyType.RSA).configure_cert(context)
    async with driving(folder) as (stage, _):
        trusted = Path(str(stage.simulator.ca_file))
        far = ssl.create_default_context(cafile=str(trusted))
        trusted.write_bytes(trusted.read_bytes() + authority.cert_pem.bytes())
        async with (
            Road(stage.simulator.port, own_tls=context, far_tls=far) as front,
            Road(front.port, bytes_per_s=BYTES_PER_S, round_trip_s=ROUND_TRIP_S) as road,
        ):
            over(stage, road)
            configured(stage, deadline_s=FIRST_DEADLINE_S, send_active_s=5, send_min_s=5, adopt_poll_s=300)
            yield stage, road


async def a_press_over_a_slow_link(folder: Path) -> None:
    async with slowly(folder) as (stage, road):
        began = time.monotonic()
        await stage.start()
        await stage.until_status(lambda told: told["armed"] and told["fix"], 100, "armed")
        figure("slow link: armed after the start", began)
        opened = road.opened
        began = time.monotonic()
        await stage.ask(do="raise")
        await stage.until_callout(lambda seen: seen["positions"], 40, "raised over a slow link")
        assert road.opened == opened + 1, "the raise had the link for itself"
        await stage.until_status(lambda told: told["callout"]["state"] == "active", 40, "accepted over a slow link")
        figure("slow link: accepted after the press", began)
        await stage.until_callout(lambda seen: posted(seen) >= 1, 20, "a position over a slow link")
        figure("slow link: first position after the press", began)
        await stage.until_callout(lambda seen: posted(seen) >= 2, 20, "positions flow")
        status = await stage.status()
        assert status["stream"]["failed"] == 0
        assert len(await stage.callouts()) == 1


async def a_press_at_boot_over_a_slow_link_without_a_token(folder: Path) -> None:
    """All lanes want to speak at once, and the token has to be fetched first."""
    async with slowly(folder) as (stage, _):
        stage.write_config()
        assert (await stage.command("raise"))[0] == 3, "kept for the daemon"
        began = time.monotonic()
        await stage.start()
        await stage.until_status(lambda told: told["callout"]["state"] == "active", 60, "accepted over a slow link")
        figure("slow link, boot without a token: accepted after the start", began)
        assert time.monotonic() - began < 45
        await stage.until_callout(lambda seen: posted(seen) >= 2, 30, "positions flow")
        assert len(await stage.callouts()) == 1


# --- connections that are dead and do not say so --------------------------------------------------------------------------


async def forgotten_connections(folder: Path) -> None:
    """A router forgets every connection: a press does not try the dead ones, and positions go on after one deadline."""
    async with driving(folder) as (stage, _), Road(stage.simulator.port) as road:
        over(stage, road)
        configured(stage, deadline_s=FIRST_DEADLINE_S)
        await stage.start()
        await stage.until_armed()
        road.forget()
        began = time.monotonic()
        await stage.ask(do="raise")
        callout = await stage.until_callout(lambda seen: posted(seen) >= 2, 5, "a press over a forgotten connection")
        figure("forgotten connections: streaming after the press", began)
        raises = len(await requests(stage, "raise"))
        road.forget()
        began = time.monotonic()
        await stage.ask(do="raise")
        await stage.until(
            lambda: requests(stage, "raise"), lambda seen: len(seen) > raises, 5, "a second press over a forgotten connection"
        )
        figure("forgotten connections: second press", began)
        count = posted((await stage.callouts())[-1])
        await stage.until_callout(lambda seen: posted(seen) >= count + 2, FIRST_DEADLINE_S + 5, "positions go on")
        figure("forgotten connections: positions again", began)
        (only,) = await stage.callouts()
        assert only["id"] == callout["id"]


async def a_network_that_falls_silent(folder: Path) -> None:
    """New connections are taken and nothing ever comes back: as soon as it is over, an attempt gets through."""
    async with driving(folder) as (stage, _), Road(stage.simulator.port) as road:
        over(stage, road)
        await stage.start()
        await stage.until_armed()
        road.silent = True
        road.forget()
        await stage.ask(do="raise")
        await stage.until_status(lambda told: "dispatch.unreachable" in codes(told), 10)
        opened = road.opened
        await stage.until(lambda: asyncio.sleep(0, road.opened), lambda now: now >= opened + 4, 25, "attempts go on while others hang")
        road.silent = False
        began = time.monotonic()
        await stage.until_callout(lambda seen: posted(seen) >= 1, 15, "raised once the silence is over")
        figure("silence: streaming after it was over", began)
        assert len(await stage.callouts()) == 1


async def a_boot_into_silence(folder: Path) -> None:
    """Without a token, and with the request for one lost in the silence: the next one gets through."""
    async with driving(folder) as (stage, _), Road(stage.simulator.port) as road:
        over(stage, road)
        road.silent = True
        await stage.start()
        await stage.until_status(lambda told: told["fix"])
        await stage.ask(do="raise")
        status = await stage.until_status(lambda told: "token.none" in codes(told) or "dispatch.unreachable" in codes(told))
        assert not status["armed"]
        await stage.until(lambda: asyncio.sleep(0, road.opened), lambda now: now >= 3, 30, "tokens are asked for while others hang")
        road.silent = False
        began = time.monotonic()
        await stage.until_callout(lambda seen: posted(seen) >= 1, 20, "raised once the silence is over")
        figure("boot into silence: streaming after it was over", began)
        assert len(await stage.callouts()) == 1


# --- names --------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def named(folder: Path) -> AsyncIterator[tuple[Stage, Path]]:
    """Dispatch is known by a name, and the file says what becomes of its look-up."""
    told = folder / "names"
    async with driving(folder) as (stage, _):
        stage.base_url = stage.base_url.replace("127.0.0.1", "localhost")
        usual = stage.command_line

        def with_names(*words: str) -> tuple[str, ...]:
            return (sys.executable, "-c", NAMES, str(told), *usual(*words)[3:])

        stage.command_line = with_names  # type: ignore[method-assign]
        yield stage, told


async def a_name_that_cannot_be_looked_up(folder: Path) -> None:
    async with named(folder) as (stage, told):
        told.write_text("fail")
        await stage.start()
        status = await stage.until_status(lambda now: "dispatch.unreachable" in codes(now) or "token.none" in codes(now))
        assert not status["armed"]
        assert any("look-up" in each["text"] for each in status["conditions"])
        await stage.ask(do="raise")
        await stage.until_status(lambda now: now["callout"]["state"] == "raising" and not now["armed"])
        told.write_text("answer")
        began = time.monotonic()
        await stage.until_callout(lambda seen: posted(seen) >= 1, 20, "raised once the name is known")
        figure("name: streaming after it was known", began)
        (callout,) = await stage.callouts()
        await stage.desk("POST", f"callouts/{callout['id']}/close")
        await stage.until_armed()
        for how in ("hang", "fail"):
            told.write_text(how)
            before = len(await stage.callouts())
            began = time.monotonic()
            await stage.ask(do="raise")
            await stage.until_callout(lambda seen: posted(seen) >= 1 and len(seen) > 0, 10, f"raised at the last good address: {how}")
            callouts = await stage.until(
                stage.callouts, lambda seen, before=before: len(seen) == before + 1, 6, f"the last good address: {how}"
            )
            figure(f"name look-ups that {how}: raised after the press", began)
            await stage.desk("POST", f"callouts/{callouts[-1]['id']}/close")
            await stage.until_status(lambda now: now["callout"]["state"] == "standby")
        await stage.kill()
        assert (await stage.command("raise"))[0] == 3, "kept for the daemon"
        before = len(await stage.callouts())
        began = time.monotonic()
        await stage.start()
        await stage.until(stage.callouts, lambda seen: len(seen) == before + 1, 6, "the address that was good before the restart")
        figure("name look-ups that fail from the start on: raised after the start", began)


# --- tokens -------------------------------------------------------------------------------------------------------------


async def tokens_without_a_token_service(folder: Path) -> None:
    """A raise after a boot needs no token service; nor does one with a token that is believed to have ended."""
    async with driving(folder) as (stage, _):
        configured(stage, deadline_s=FIRST_DEADLINE_S)
        await stage.start()
        await stage.until_armed()
        kept = folder / "token.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        for down, aged_s in (({"action": "status", "status": 503}, 0.0), ({"action": "latency", "delay_s": 600.0}, 100_000.0)):
            await stage.kill()
            token = json.loads(kept.read_text())
            kept.write_text(json.dumps({**token, "at": token["at"] - aged_s}))
            await stage.desk("PUT", "faults", {"on": ["mint"], **down})
            await stage.desk("DELETE", "requests")
            assert (await stage.command("raise"))[0] == 3, "kept for the daemon"
            began = time.monotonic()
            await stage.start()
            callout = await stage.until_callout(lambda seen: seen["positions"] and not seen["closed"], 5, "raised with the kept token")
            figure(f"kept token, {aged_s:.0f} s older: raised after the boot", began)
            if not aged_s:
                assert await requests(stage, "mint") == []
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.until_status(lambda now: now["callout"]["state"] == "standby")
        assert len(await stage.callouts()) == 2


async def tokens_that_live_shortly(folder: Path) -> None:
    """Renewed ahead of their end, so that no request ever meets a 401."""
    async with driving(folder, Settings(callout_token_s=8)) as (stage, _):
        await stage.start()
        await stage.until_armed()
        first = (folder / "token.json").read_text()
        minted = await stage.until(lambda: requests(stage, "mint"), lambda seen: len(seen) >= 3, 20, "renewed twice")
        seconds = [each["received"][17:23] for each in minted[:3]]
        gaps = [(float(later) - float(earlier)) % 60 for earlier, later in itertools.pairwise(seconds)]
        assert all(5.5 < gap < 7.5 for gap in gaps), f"at three quarters of 8 s: {gaps}"
        assert [each["status"] for each in await stage.desk("GET", "requests") if each["status"] == 401] == []
        assert (folder / "token.json").read_text() != first
        assert stat.S_IMODE((folder / "token.json").stat().st_mode) == 0o600


async def a_token_that_may_not_read(folder: Path) -> None:
    """401 on one route delays no other."""
    async with driving(folder, Settings(scope=CALLOUT_FLOW - {"read", "list_events"})) as (stage, _):
        await stage.start()
        await stage.until_armed()
        await stage.ask(do="raise")
        await stage.until(lambda: requests(stage, "read"), lambda seen: seen and seen[0]["status"] == 401)
        callout = await stage.until_callout(lambda seen: posted(seen) >= 2)
        began = time.monotonic()
        await stage.until_callout(lambda seen: posted(seen) >= posted(callout) + 5, 10)
        assert time.monotonic() - began < 8, "one a second"
        assert len(await requests(stage, "mint")) <= 2


# --- a link that comes back ---------------------------------------------------------------------------------------------


async def a_link_that_comes_back(folder: Path) -> None:
    """In a network of our own: dispatch has asked to be left alone for 15 s, but the network has changed since then."""
    await _ip("link set lo up")
    async with driving(folder) as (stage, _):
        await stage.start()
        await stage.until_armed()
        await stage.desk("PUT", "faults", {"on": "/panic-api/*", "action": "status", "status": 429, "retry_after": "15"})
        await stage.ask(do="raise")
        tried = await stage.until(lambda: requests(stage, "raise"), bool, 5, "tried once")
        assert len(tried) == 1
        await stage.desk("DELETE", "faults")
        await _ip("link set lo down")
        assert await stage.status(), "the control socket needs no network"
        await _ip("link set lo up")
        began = time.monotonic()
        await stage.until_status(lambda told: told["callout"]["state"] == "active", 2.0, "a link that comes back cuts the wait short")
        figure("link: accepted after it came back", began)
        assert len(await stage.callouts()) == 1


async def _ip(words: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", *words.split())
    assert await process.wait() == 0


# --- all of it ----------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_slow_links_silence_and_forgotten_connections(tmp_path: Path):
    side_by_side(
        tmp_path,
        a_press_over_a_slow_link,
        a_press_at_boot_over_a_slow_link_without_a_token,
        forgotten_connections,
        a_network_that_falls_silent,
        a_boot_into_silence,
    )


def test_names_and_tokens_that_fail(tmp_path: Path):
    side_by_side(
        tmp_path,
        a_name_that_cannot_be_looked_up,
        tokens_without_a_token_service,
        tokens_that_live_shortly,
        a_token_that_may_not_read,
    )


@pytest.mark.skipif(not namespaces(), reason=NO_NETWORK)
def test_link_that_comes_back_cuts_the_wait_short(tmp_path: Path):
    story = f"""
import asyncio, pathlib, sys
sys.path[:0] = {[str(ROOT), *(str(ROOT / "tests" / room) for room in ("system", "hardware", "edges"))]!r}
import test_half_dead
asyncio.run(test_half_dead.a_link_that_comes_back(pathlib.Path({str(tmp_path)!r})))
"""
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", story], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)  # noqa: T201 - pytest -s shows the figure
