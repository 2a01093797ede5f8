"""The package of another processor, under emulation: it installs, and the daemon streams. No systemd: an emulated root boots nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stage import DRIVE, ROOT, Stage

from agent.cli.link import Link
from hardware.feeder import Feeder
from hardware.played_chip import PlayedChip
from simulator.server import Running
from simulator.settings import Settings
from tests.appliance.appliance import BUTTON, LAMP, describe

GUEST = str(ROOT / "tools" / "arm64-guest")
_ENTER = "mount -t proc proc proc; mount --rbind /dev dev; export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8\n"
INSTALL = f"{_ENTER} DEBIAN_FRONTEND=noninteractive exec chroot . dpkg --install /outside/package.deb"
RUN = f"""{_ENTER} CREDENTIALS_DIRECTORY=/etc/callout-agent/credentials exec chroot . \
setpriv --reuid=callout-agent --regid=callout-agent --init-groups callout-agent run"""


class Emulated(Stage):
    """A `Stage` whose daemon is in a root of another processor."""

    def __init__(self, folder: Path, simulator: Running, root: Path) -> None:
        super().__init__(folder, simulator, Link(simulator.port))
        self.base_url, self.root = simulator.base_url, root
        self.socket = root / "run/callout-agent/control.sock"

    async def install(self, package: Path) -> str:
        """As the package manager does; what it said."""
        shutil.copy(package, self.root / "outside/package.deb")
        process = await asyncio.create_subprocess_exec(
            *(GUEST, "sh", "-euc", INSTALL), cwd=self.root, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()

    def write_config(self) -> None:
        """As an installer would; without systemd nobody hands secrets over: they are the daemon's own."""
        folder = self.root / "etc/callout-agent"
        (folder / "config.toml").write_text(describe(self, str(self.tty.readlink())))
        shutil.copy(str(self.simulator.ca_file), folder / "ca.pem")
        key = folder / "credentials/device-key"
        key.write_text(self.simulator.settings.device_key)
        key.chmod(0o600)
        owner = (self.root / "var/lib/callout-agent").stat()
        (self.root / "run/callout-agent").mkdir(exist_ok=True)
        for each in (key, key.parent, folder / "config.toml", folder / "ca.pem", self.root / "run/callout-agent"):
            os.chown(each, owner.st_uid, owner.st_gid)

    async def start(self) -> None:
        """Start the daemon, as its own user."""
        self.write_config()
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(GUEST, "sh", "-euc", RUN, cwd=self.root, stdout=log, stderr=log)

    async def close(self) -> None:
        """The guest ends with whatever is in it."""
        if self.agent is not None and self.agent.returncode is None:
            await self.signal(signal.SIGTERM)
            await self.ended()
        await super().close()


@asynccontextmanager
async def emulated(folder: Path, lower: Path) -> AsyncIterator[tuple[Emulated, PlayedChip]]:
    """One that is not installed yet, with a receiver that drives, a button and a lamp."""
    root = folder / "root"
    for each in (root, folder / "written", folder / "work"):
        each.mkdir()
    options = f"lowerdir={lower},upperdir={folder / 'written'},workdir={folder / 'work'}"
    _do("mount", "-t", "overlay", "overlay", "-o", options, str(root))
    (root / "outside").mkdir()
    with Running(Settings(), tls=True) as simulator, PlayedChip(root / "outside/chip") as chip:
        (root / "outside/chip").chmod(0o666)
        stage = Emulated(folder, simulator, root)
        async with Feeder(DRIVE, stage.tty, wall=time.time):
            try:
                yield stage, chip
            finally:
                await stage.close()
    _do("umount", str(root))
    for each in ("written", "work"):
        shutil.rmtree(folder / each)


def _do(*command: str) -> None:
    subprocess.run(command, check=True)


@pytest.mark.timeout(900)
def test_package_installs_on_arm64_and_the_daemon_streams(tmp_path: Path):
    """Each library is of that processor; the receiver's positions reach a callout that the button has raised."""
    lower = os.environ.get("CALLOUT_AGENT_ROOT_ARM64")
    if lower is None:
        pytest.skip("there is no root or no package of arm64 here")
    (package,) = Path(os.environ["CALLOUT_AGENT_PACKAGES"], "bookworm-arm64").glob("*.deb")

    async def story() -> None:
        async with emulated(tmp_path, Path(lower)) as (stage, chip):
            assert "sudo callout-agent setup" in await stage.install(package)
            machines = {path.read_bytes()[18:20] for path in stage.root.glob("usr/lib/callout-agent/kept/*/site/**/*.so")}
            assert machines == {b"\xb7\x00"}
            await stage.start()
            await stage.until_status(lambda told: told["armed"] and told["fix"], 90, "armed")
            chip.press(BUTTON)
            await asyncio.sleep(2.5)  # how long it is held is what is tried
            chip.release(BUTTON)
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3, 60, "positions arrive")
            assert len(await stage.callouts()) == 1
            assert any(lit for _, lit in chip.history(LAMP))

    asyncio.run(story())
