"""The package in a container, as an installer leaves it; dispatch and receiver outside, a played button and lamp beside it.

Tests ask the daemon through its control socket, look at dispatch, and run commands within. Which roots and packages there are, the
environment says (tools/appliance-guest).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from stage import DRIVE, Stage

from agent.cli.link import Link
from hardware.feeder import Feeder
from hardware.played_chip import PlayedChip
from simulator.server import Running
from simulator.settings import Settings
from tests.appliance.container import Container, Done

UNIT = "callout-agent.service"
CONFIG = "/etc/callout-agent/config.toml"
SOCKET = "/run/callout-agent/control.sock"
LIBRARY = "/usr/lib/callout-agent"
RECEIVER, CHIP = "/dev/ttyUSB0", "/outside/chip"
BUTTON, LAMP = 17, 27


@dataclass(frozen=True, slots=True)
class Ground:
    """What there is to install on, and what to install."""

    release: str
    root: Path
    package: Path


def ground(release: str) -> Ground:
    """Skips, visibly, where it has not been made."""
    root = os.environ.get(f"CALLOUT_AGENT_ROOT_{release.upper()}")
    if root is None:
        pytest.skip(f"there is no root or no package of {release} here")
    (package,) = Path(os.environ["CALLOUT_AGENT_PACKAGES"], f"{release}-amd64").glob("*.deb")
    return Ground(release, Path(root), package)


def describe(stage: Stage, receiver: str = RECEIVER) -> str:
    """The config of a device, as it is within."""
    token_url = stage.base_url.replace("/panic-api/v2", "/backend/token")
    return f"""
[panic_api]
environment = "staging"
base_url = "{stage.base_url}"
customer_id = {stage.simulator.settings.customer_id}
response_type_id = 1
ca_file = "/etc/callout-agent/ca.pem"

[credentials]
token_url = "{token_url}"
bearer_file = "device-key"

[[receiver]]
kind = "serial"
path = "{receiver}"

[[button]]
name = "panic"
chip = "{CHIP}"
line = {BUTTON}

[indicator]
chip = "{CHIP}"
lamp_line = {LAMP}

[cadence]
send_active_s = 1
send_min_s = 1
record_idle_s = 2
adopt_poll_s = 2

{stage.more}
"""


class Appliance(Stage):
    """A `Stage` whose daemon is in a container. chip: its played lines."""

    def __init__(self, folder: Path, simulator: Running, container: Container, chip: PlayedChip) -> None:
        super().__init__(folder, simulator, Link(simulator.port))
        self.base_url, self.container, self.chip = simulator.base_url, container, chip

    async def boot(self, *, receiver: bool = True, network: bool = True) -> None:
        """Give it its power."""
        await self.container.boot(devices={RECEIVER: self.tty} if receiver else None, network=network)
        self.socket = self.container.path(SOCKET)

    async def install(self, package: Path, **env: str) -> Done:
        """As the installer's page says."""
        (self.container.outside / package.name).write_bytes(package.read_bytes())
        words = ("apt-get", "install", "--yes", "--quiet", "--allow-downgrades", f"/outside/{package.name}")
        return await self.container.run(*words, within_s=240, DEBIAN_FRONTEND="noninteractive", **env)

    async def configure(self) -> None:
        """By hand: what `callout-agent setup` would write."""
        await self.put(CONFIG, self.describe(), "root:callout-agent", "0640")
        await self.put("/etc/callout-agent/ca.pem", Path(str(self.simulator.ca_file)).read_text(), "root:root", "0644")
        await self.container.must("install", "-d", "-m", "0700", "/etc/callout-agent/credentials")
        await self.put("/etc/callout-agent/credentials/device-key", self.simulator.settings.device_key, "root:root", "0600")

    async def set_up(self, *more: str) -> str:
        """As an installer of a fleet does: no question, an armed daemon at the end; what it said."""
        await self.put("/etc/callout-agent/ca.pem", Path(str(self.simulator.ca_file)).read_text(), "root:root", "0644")
        await self.put("/run/device-key", self.simulator.settings.device_key, "root:root", "0600")
        words = {
            "environment": "staging",
            "base-url": self.base_url,
            "customer-id": str(self.simulator.settings.customer_id),
            "response-type-id": "1",
            "ca-file": "/etc/callout-agent/ca.pem",
            "token-url": self.base_url.replace("/panic-api/v2", "/backend/token"),
            "key-file": "/run/device-key",
            "receiver": "auto",
            "chip": CHIP,
            "button": str(BUTTON),
            "lamp": str(LAMP),
        }
        flags = [word for flag, value in words.items() for word in (f"--{flag}", value)]
        return await self.container.must("callout-agent", "setup", "--unattended", *flags, *more, within_s=180)

    async def put(self, path: str, text: str, owner: str, mode: str) -> None:
        """Write a file within."""
        done = await self.container.run("sh", "-c", f"cat >{path} && chown {owner} {path} && chmod {mode} {path}", typed=text)
        assert done.status == 0, done

    def describe(self) -> str:
        """The config."""
        return describe(self)

    async def until(
        self, ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], object], within_s: float = 15.0, what: str = ""
    ) -> Any:
        """Ask until it is so; a failure tells what the journal says."""
        try:
            return await super().until(ask, wanted, within_s, what)
        except pytest.fail.Exception as failure:
            failure.add_note((await self.container.run("journalctl", "--no-pager", "--lines=60", "--output=short-precise")).out)
            raise

    async def command(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Run a command of ours within: exit status, output and errors together, nothing."""
        done = await self.container.run("callout-agent", *words, typed=typed, within_s=60)
        return done.status, done.out, ""

    async def systemctl(self, *words: str) -> Done:
        """What systemd within says."""
        return await self.container.run("systemctl", *words, within_s=90)

    async def unit(self) -> dict[str, str]:
        """How our unit is."""
        asked = "ActiveState,SubState,Result,NRestarts,MainPID,StatusText,UnitFileState"
        told = await self.container.must("systemctl", "show", UNIT, f"--property={asked}")
        return dict(line.split("=", 1) for line in told.splitlines())

    async def until_active(self, within_s: float = 30.0) -> dict[str, str]:
        """Until systemd says that it is ready."""
        told: dict[str, str] = await self.until(self.unit, lambda told: told["ActiveState"] == "active", within_s, "the unit is active")
        return told

    async def version_of(self, package: str = "callout-agent") -> str:
        """What dpkg says of a package: its state and version."""
        done = await self.container.run("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Version}", package)
        return done.out

    async def runs(self) -> str:
        """The version that answers on the control socket; empty when none does."""
        found: str = (await self.status()).get("version", "")
        return found

    async def press(self, held_s: float = 1.8) -> None:
        """The wearer holds the button."""
        self.chip.press(BUTTON)
        await asyncio.sleep(held_s)  # how long it is held is what is tried
        self.chip.release(BUTTON)

    async def signal(self, number: int) -> None:
        """Send the daemon a signal, and not its children."""
        await self.container.must("systemctl", "kill", "--kill-who=main", f"--signal={number}", UNIT)

    async def close(self) -> None:
        """Take its power, forget its files."""
        await super().close()
        await self.container.stop()
        self.container.discard()


@contextlib.asynccontextmanager
async def appliance(folder: Path, *layers: Path) -> AsyncIterator[Appliance]:
    """One that is not booted yet, with a receiver that drives, a button and a lamp. layers: of files, the lowest first."""
    container = Container(folder, layers)
    with Running(Settings(), tls=True) as simulator, PlayedChip(container.outside / "chip") as chip:
        (container.outside / "chip").chmod(0o666)  # it is root's, whom the daemon trusts
        stage = Appliance(folder, simulator, container, chip)
        async with Feeder(DRIVE, stage.tty, wall=time.time):
            try:
                yield stage
            finally:
                await stage.close()


@contextlib.asynccontextmanager
async def installed(folder: Path, release: str = "bookworm") -> AsyncIterator[Appliance]:
    """One that runs the package, configured and armed. It is installed once; each test goes on from there with files of its own."""
    there = ground(release)
    async with appliance(folder, there.root, await _layer(folder, there)) as stage:
        await stage.boot()
        await stage.configure()  # each has a dispatch service of its own
        await stage.container.must("systemctl", "restart", UNIT)
        await stage.until_armed()
        yield stage


async def _layer(folder: Path, there: Ground) -> Path:
    """What the installation of the package writes, made by the first test that asks, of all that run at once."""
    shared = there.package.parent / f"installed-{hashlib.blake2b(there.package.read_bytes()).hexdigest()[:12]}"
    with await asyncio.to_thread(_locked, Path(f"{shared}.lock")):
        if not shared.exists():
            making = folder / "making"
            making.mkdir()
            async with appliance(making, there.root) as stage:
                await stage.boot()
                done = await stage.install(there.package)
                assert done.status == 0, done.out
                await stage.container.stop()
                await asyncio.to_thread(_copy, stage.container.written, shared)
    return shared


def _locked(path: Path) -> IO[str]:
    """A file that is ours alone until it is closed."""
    lock = path.open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _copy(folder: Path, to: Path) -> None:
    subprocess.run(["cp", "--archive", str(folder), str(to)], check=True)
