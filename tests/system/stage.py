"""The real thing on one machine: the agent as a process, a simulator over TLS, a receiver on a pty or behind a real gpsd.

What tests learn they learn from outside: at the simulator, through the control socket, by exit codes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent import control
from agent.cli.link import Link
from hardware.feeder import Feeder
from simulator.server import Running
from simulator.settings import Settings

DRIVE = resources.files("agent.cli").joinpath("drive.nmea").read_bytes().splitlines()
CODE_RIGHT, CODE_WRONG = "0042", "9999"
ROOT = Path(__file__).parents[2]
INNER = os.geteuid() == 0  # the inner view is for root; outwardly it is the same unless a cancel was handed over


class Stage:
    """One device and one dispatch service."""

    def __init__(self, folder: Path, simulator: Running, link: Link) -> None:
        self.folder, self.simulator, self.link = folder, simulator, link
        self.base_url = simulator.base_url.replace(f":{simulator.port}", f":{link.port}")
        self.tty = folder / "ttyGPS"
        self.socket = folder / "run" / "control.sock"
        self.config = folder / "config.toml"
        self.store = folder / "agent.db"
        self.agent: asyncio.subprocess.Process | None = None
        trust = ssl.create_default_context(cafile=str(simulator.ca_file))
        self._desk = httpx.AsyncClient(base_url=simulator.root_url, verify=trust, trust_env=False, timeout=10)
        self.receivers = f'[[receiver]]\nkind = "serial"\npath = "{self.tty}"\n'
        self.record = "record_idle_s = 2"
        self.more = ""
        self.env: dict[str, str] = {}  # of the agent and of commands, beside ours

    def write_config(self) -> None:
        """As an installer would; `receivers`, `record` (when fixes are) and `more` are TOML."""
        key = self.folder / "device-key"
        key.write_text(self.simulator.settings.device_key)
        key.chmod(0o600)
        (self.folder / "run").mkdir(exist_ok=True)
        token_url = self.base_url.replace("/panic-api/v2", "/backend/token")
        self.config.write_text(
            f"""
[panic_api]
environment = "staging"
base_url = "{self.base_url}"
customer_id = {self.simulator.settings.customer_id}
response_type_id = 1
ca_file = "{self.simulator.ca_file}"
deadline_s = 3

[credentials]
token_url = "{token_url}"
bearer_file = "device-key"

[cadence]
send_active_s = 1
send_min_s = 1
{self.record}
adopt_poll_s = 2

[store]
path = "{self.store}"

[control]
socket = "{self.socket}"

{self.more}
{self.receivers}
"""
        )

    async def start(self) -> None:
        """Start the agent."""
        self.write_config()
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(
                *self.command_line("run"), stdout=log, stderr=log, cwd=ROOT, env=os.environ | self.env, preexec_fn=hold
            )

    def command_line(self, *words: str) -> tuple[str, ...]:
        """How a command is called."""
        return (sys.executable, "-m", "agent", *words, "--config", str(self.config))

    async def signal(self, number: int) -> None:
        """Send the agent a signal."""
        assert self.agent is not None
        self.agent.send_signal(number)

    async def ended(self, within_s: float = 10.0) -> int:
        """Its exit status."""
        assert self.agent is not None
        async with asyncio.timeout(within_s):
            return await self.agent.wait()

    async def kill(self) -> None:
        """SIGKILL: no time for anything."""
        await self.signal(signal.SIGKILL)
        await self.ended()

    async def command(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Run a command: exit status, output, errors."""
        process = await asyncio.create_subprocess_exec(
            *self.command_line(*words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | self.env,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(typed.encode())
        return process.returncode or 0, out.decode(), err.decode()

    async def ask(self, **request: Any) -> dict[str, Any]:
        """One question to the control socket; empty when nobody answers."""
        try:
            return await asyncio.to_thread(control.ask, self.socket, request, timeout_s=3.0)
        except (control.NotRunningError, TimeoutError):
            return {}

    async def status(self, *, inner: bool = False) -> dict[str, Any]:
        """The status document; empty when nobody answers."""
        return (await self.ask(do="status", inner=inner)).get("status", {})

    async def callouts(self) -> list[dict[str, Any]]:
        """What the dispatcher sees, oldest first."""
        return sorted((await self._desk.get("/sim/callouts")).json(), key=lambda each: each["id"])

    async def desk(self, method: str, path: str, body: Any = None) -> Any:
        """Something the dispatcher does, below /sim."""
        reply = await self._desk.request(method, f"/sim/{path}", json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    async def until(
        self, ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], object], within_s: float = 15.0, what: str = ""
    ) -> Any:
        """Ask until it is so; the answer that was."""
        end, answer = time.monotonic() + within_s, None
        while time.monotonic() < end:
            answer = await ask()
            with contextlib.suppress(KeyError, IndexError, TypeError):
                if wanted(answer):
                    return answer
            await asyncio.sleep(0.05)
        log = (self.folder / "agent.log").read_text()[-3000:] if (self.folder / "agent.log").exists() else ""
        pytest.fail(f"not within {within_s} s: {what}\nlast answer: {answer}\nlog:\n{log}")

    async def until_status(self, wanted: Callable[[dict[str, Any]], object], within_s: float = 15.0, what: str = "") -> dict[str, Any]:
        """Until the status document is so."""
        told: dict[str, Any] = await self.until(self.status, wanted, within_s, what)
        return told

    async def until_callout(self, wanted: Callable[[dict[str, Any]], object], within_s: float = 15.0, what: str = "") -> dict[str, Any]:
        """Until the newest callout at dispatch is so."""
        told: list[dict[str, Any]] = await self.until(self.callouts, lambda all_: all_ and wanted(all_[-1]), within_s, what)
        return told[-1]

    async def until_armed(self) -> dict[str, Any]:
        """Until a raise would work."""
        return await self.until_status(lambda told: told["armed"] and told["fix"], 20, "armed")

    async def close(self) -> None:
        """End whatever still runs."""
        await self._desk.aclose()
        if self.agent is not None and self.agent.returncode is None:
            self.agent.kill()
            await self.agent.wait()


def hold() -> None:
    """In the child: it ends with us, or it would hold the next test's receiver; and it cannot set this machine's clock, root or not."""
    kernel = ctypes.CDLL(None)
    kernel.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    kernel.prctl(24, 25, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_TIME; without root there is nothing to drop


def codes(status: dict[str, Any]) -> list[str]:
    """The conditions of a status document."""
    return [each["code"] for each in status["conditions"]]


async def press(stage: Stage) -> float:
    """A press by software; returns when it was made, monotonic s."""
    made_at = time.monotonic()
    reply = await stage.ask(do="raise")
    assert reply.get("ok"), reply
    return made_at


async def streamed(stage: Stage) -> None:
    """Until another position has reached the callout, which is the only one."""
    count = len((await stage.callouts())[-1]["positions"])
    await stage.until_callout(lambda seen: len(seen["positions"]) > count, what="positions go on")
    assert len(await stage.callouts()) == 1


@contextlib.asynccontextmanager
async def staged(folder: Path, settings: Settings | None = None) -> AsyncIterator[Stage]:
    """A stage with its simulator and link up; the agent is not started."""
    with Running(settings or Settings(), tls=True) as simulator:
        link = Link(simulator.port)
        await link.mend()
        stage = Stage(folder, simulator, link)
        try:
            yield stage
        finally:
            await stage.close()
            await link.cut()


@contextlib.asynccontextmanager
async def driving(folder: Path, settings: Settings | None = None) -> AsyncIterator[tuple[Stage, Feeder]]:
    """A stage whose receiver plays the shipped drive into a pty."""
    async with staged(folder, settings) as stage, Feeder(DRIVE, stage.tty, wall=time.time) as feeder:
        yield stage, feeder


def side_by_side(tmp_path: Path, *stories: Callable[[Path], Awaitable[None]]) -> None:
    """Stories that wait more than they work, each in a folder of its own; the first that fails ends them all."""

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for number, story in enumerate(stories):
                folder = tmp_path / str(number)  # short: a socket's path has at most 107 bytes
                folder.mkdir()
                group.create_task(story(folder))

    asyncio.run(all_of_them())
