"""A machine of its own under systemd whose power can be cut: User-Mode Linux, booted from an image again and again.

All of it is one process group; a SIGKILL for the group is the power cut. What the machine had not synced is gone with its memory: its disk
is a file of ours, which keeps what was written to it, so it stands for a disk that has no cache of its own or an honest one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from evidence import Kept, Runner, read_kept
from stage import Stage

from agent import identity
from agent.cli.link import Link
from simulator.server import Running
from simulator.settings import Settings
from tests.machine.installed import PULLS, connect, copy_image, install, mounted

HERE, THERE, PORT = "10.9.0.1", "10.9.0.2", 7000  # tools/system-guest has given us the first
STORE = "var/lib/callout-agent/agent.db"
RECEIVER = "/dev/ttyS1"
BUTTON, LAMP = 17, 27


class Inside(Stage):
    """The daemon in the machine, asked through the hand; dispatch is outside and outlives every cut. Its log is the machine's console."""

    def __init__(self, folder: Path, simulator: Running) -> None:
        super().__init__(folder, simulator, Link(simulator.port))
        # In the machine dispatch is on loopback, too, and systemd passes on: another name would not be believed to be a stand-in's.
        self.base_url = simulator.base_url.replace(HERE, "127.0.0.1")
        self.token_url = simulator.token_url.replace(HERE, "127.0.0.1")

    async def ask(self, **request: Any) -> dict[str, Any]:
        """One question to the hand; empty when nobody answers."""
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(THERE, PORT)
                try:
                    writer.write(json.dumps(request).encode() + b"\n")
                    answer: dict[str, Any] = json.loads(await reader.readline() or b"{}")
                    return answer
                finally:
                    writer.transport.abort()
        except (OSError, TimeoutError):
            return {}

    async def run(self, *command: str) -> str:
        """What a command in the machine prints."""
        told = await self.until(lambda: self.ask(run=command), lambda told: "out" in told, what="the hand answers")
        out: str = told["out"]
        return out

    def describe(self) -> str:
        """The config."""
        return f"""
[panic_api]
environment = "staging"
base_url = "{self.base_url}"
customer_id = {self.simulator.settings.customer_id}
response_type_id = 1
ca_file = "/etc/callout-agent/ca.pem"

[credentials]
token_url = "{self.token_url}"
bearer_file = "device-key"

[[receiver]]
kind = "serial"
path = "{RECEIVER}"

[[button]]
name = "panic"
chip = "/dev/gpiochip0"
line = {BUTTON}

[indicator]
chip = "/dev/gpiochip0"
lamp_line = {LAMP}

[cadence]
send_active_s = 1
send_min_s = 1
record_idle_s = 1
record_moved_m = 1
adopt_poll_s = 2
"""


class Machine:
    """A `cuts.Device`: the whole of it. Its receiver is a line from outside, plugged in anew with every start."""

    under_way_s = 1.5
    group_s = (3.5, 8.0)  # at 10 epochs a second

    def __init__(self, folder: Path, stage: Inside) -> None:
        self.stage = stage
        self._folder = folder
        self._image = folder / "image"
        self._process: asyncio.subprocess.Process | None = None
        self._plugged = contextlib.AsyncExitStack()
        self._runner: Runner | None = None

    @property
    def runner(self) -> Runner:
        assert self._runner is not None, "never started"
        return self._runner

    def prepare(self, image: str, package: Path, change: Callable[[Path], None]) -> None:
        """Install on a copy of the image. change: what else is done to its files."""
        copy_image(Path(image), self._image)
        with mounted(self._image, self._folder / "root") as root:
            ca_file, key = self.stage.simulator.ca_file, self.stage.simulator.settings.device_key
            assert ca_file is not None
            install(root, package, self.stage.describe(), key, ca_file)
            connect(root, (HERE, self.stage.simulator.port), (THERE, PORT))
            change(root)

    async def start(self, *, answers_within_s: float = 40) -> None:
        """Boot. The receiver speaks once the daemon answers; until then nobody would read its line."""
        self._runner = await self._plugged.enter_async_context(Runner(self.stage.tty, pace_s=0.1, silent=True))
        with (self._folder / "agent.log").open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                *self._command_line(console.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=[console.fileno()],
                start_new_session=True,
            )
        await self.stage.until_status(lambda told: told, answers_within_s, "the daemon answers")
        self._runner.silent = False

    def _command_line(self, console: int) -> list[str]:
        return [
            *(os.environ["CALLOUT_AGENT_KERNEL"], "mem=512M", f"ubd0={self._image}", "root=/dev/ubda", "rw"),
            *("con=null", f"con0=null,fd:{console}", "ssl=null", f"ssl1=tty:{self.stage.tty}"),
            *(f"eth0=tuntap,{os.environ['CALLOUT_AGENT_TAP']}", f"uml_dir={self._folder}/"),
            *("quiet", "systemd.show_status=0", "systemd.log_level=warning", "systemd.journald.forward_to_console=1"),
        ]

    async def cut(self) -> None:
        """SIGKILL for all of its processes, together: its kernel traces its programs, and without it they would spin for ever."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.killpg(self._process.pid, 0)
                await asyncio.sleep(0.01)
        self._process = None
        await self._plugged.aclose()

    async def read(self) -> Kept:
        """From a copy: the machine itself is to find its disk as the cut left it."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Kept:
        copy = self._folder / "copy"
        copy_image(self._image, copy)
        with mounted(copy, self._folder / "root") as root:
            return read_kept(root / STORE, self._folder / "scratch")

    async def press(self, held_s: float = 2.5) -> None:
        """The wearer holds the button: its contact connects the line to ground."""
        pull = f"{PULLS}/sim_gpio{BUTTON}/pull"
        await self.stage.run("sh", "-c", f"echo pull-down >{pull}")
        await asyncio.sleep(held_s)  # how long it is held is what is tried
        await self.stage.run("sh", "-c", f"echo pull-up >{pull}")

    async def presses_left(self) -> bool:
        return bool(await self.stage.run("find", "/run/callout-agent/presses", "-name", "*.json"))

    async def owes(self) -> bool:
        path = self._folder / "identity"
        path.write_text(await self.stage.run("cat", f"/{STORE}.identity"))
        kept = identity.load(path)
        return kept is not None and kept.owed is not None


def package() -> Path:
    """What tools/system-guest has built."""
    return Path(os.environ["CALLOUT_AGENT_PACKAGE"])


@contextlib.asynccontextmanager
async def booted(folder: Path, change: Callable[[Path], None] = lambda _: None) -> AsyncIterator[Machine]:
    """A machine that runs, and dispatch. change: what else is done to the files on its disk."""
    with Running(Settings(), host=HERE, tls=True, expose=True) as simulator:
        stage = Inside(folder, simulator)
        machine = Machine(folder, stage)
        try:
            await asyncio.to_thread(machine.prepare, os.environ["CALLOUT_AGENT_IMAGE"], package(), change)
            await machine.start()
            yield machine
        finally:
            await machine.cut()
            await stage.close()
            for big in ("image", "copy"):  # pytest would keep them for its next three runs
                (folder / big).unlink(missing_ok=True)
