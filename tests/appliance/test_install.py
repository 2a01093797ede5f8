"""The package installed on Debian 12 and 13, as the installer's page says: what is there then, and that a press becomes a callout."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.appliance.appliance import CONFIG, LAMP, LIBRARY, UNIT, Appliance, appliance, ground, installed
from tests.appliance.packages import version

RELEASES = ("bookworm", "trixie")
EXPOSURE = 1.5
MODES = """
/etc/callout-agent 750 root:callout-agent
/etc/callout-agent/credentials 700 root:root
/usr/bin/callout-agent 777 root:root
/usr/lib/callout-agent/current 777 root:root
/usr/sbin/callout-agent-rollback 755 root:root
/var/lib/callout-agent 700 callout-agent:callout-agent
"""
DOCUMENTS = (
    "/usr/share/man/man8/callout-agent.8.gz",
    "/usr/share/man/man8/callout-agent-rollback.8.gz",
    "/usr/share/bash-completion/completions/callout-agent",
    "/usr/share/doc/callout-agent/copyright",
    "/usr/share/doc/callout-agent/examples/config.toml",
)


async def modes(stage: Appliance) -> str:
    """Of what the package makes, and of what it owns."""
    paths = [line.split()[0] for line in MODES.split("\n") if line]
    return "\n" + await stage.container.must("stat", "--format=%n %a %U:%G", *paths)


async def is_whole(stage: Appliance, package: Path) -> None:
    """The package manager is content, files are whose they should be, code is compiled, the unit is enabled."""
    assert await stage.version_of() == f"ii {version(package)}"
    assert await modes(stage) == MODES
    groups = (await stage.container.must("id", "--name", "--groups", "callout-agent")).split()
    assert set(groups) == {"callout-agent", "dialout", "gpio", "input"}
    await stage.container.must("ls", *DOCUMENTS)
    sources = await stage.container.must("sh", "-c", f"find -L {LIBRARY}/current/site -name '*.py' | wc -l")
    compiled = await stage.container.must("sh", "-c", f"find -L {LIBRARY}/current/site -name '*.pyc' | wc -l")
    assert int(sources) == int(compiled) > 100
    assert (await stage.unit())["UnitFileState"] == "enabled"


async def rests(stage: Appliance) -> None:
    """Not configured: nothing is started over and over, and systemd has nothing to complain about."""
    assert {key: told for key, told in (await stage.unit()).items() if key in {"ActiveState", "NRestarts"}} == {
        "ActiveState": "inactive",
        "NRestarts": "0",
    }
    assert (await stage.systemctl("is-system-running")).out == "running\n"
    lines = (await stage.container.must("journalctl", "--unit", UNIT, "--output=cat")).splitlines()
    assert len(lines) <= 5, lines


async def is_verified(stage: Appliance) -> None:
    """No unknown key, no bad value; and little that it may do."""
    done = await stage.container.run("systemd-analyze", "verify", "--man=no", UNIT)
    assert (done.status, [line for line in done.out.splitlines() if "callout-agent" in line]) == (0, [])
    told = await stage.container.must("systemd-analyze", "security", "--no-pager", UNIT)
    assert float(re.search(r"exposure level for \S+: ([\d.]+)", told)[1]) <= EXPOSURE, told


async def presses(stage: Appliance) -> None:
    """A held button lights the lamp, and becomes a callout whose positions arrive, one callout."""
    await stage.press()
    callout = await stage.until_callout(lambda seen: len(seen["positions"]) >= 3, 30, "positions arrive")
    assert not callout["closed"]
    assert len(await stage.callouts()) == 1
    assert any(lit for _, lit in stage.chip.history(LAMP))
    assert "callout" in (await stage.unit())["StatusText"]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("release", RELEASES)
def test_package_installs_and_a_press_becomes_a_callout(tmp_path: Path, release: str):
    """From a bare system: it rests until it is configured, then it is armed, and the button works."""

    async def story() -> None:
        there = ground(release)
        async with appliance(tmp_path, there.root) as stage:
            await stage.boot()
            done = await stage.install(there.package)
            assert done.status == 0, done.out
            assert "sudo callout-agent setup" in done.out
            await is_whole(stage, there.package)
            await rests(stage)
            await stage.set_up()
            assert (await stage.until_armed())["receiver"]["kind"] == "serial"
            await stage.container.must("callout-agent", "check")
            assert (await stage.unit())["ActiveState"] == "active"
            await is_verified(stage)
            await presses(stage)

    asyncio.run(story())


@pytest.mark.timeout(120)
def test_early_boot_needs_no_network_and_no_receiver(tmp_path: Path):
    """With neither, systemd says that it is ready, and the button is felt and lights the lamp."""

    async def story() -> None:
        async with installed(tmp_path) as stage:
            await stage.container.stop()
            await stage.boot(receiver=False, network=False)
            await stage.until_active()
            told = await stage.until(stage.unit, lambda told: told["StatusText"], 10, "a status line")
            assert (told["ActiveState"], told["NRestarts"], told["Result"]) == ("active", "0", "success")
            shown = (await stage.systemctl("status", "--no-pager", UNIT)).out
            assert f'Status: "{told["StatusText"]}"' in shown
            before = len(stage.chip.history(LAMP))
            await stage.press()
            await stage.until_status(lambda told: told["callout"]["state"] == "raising", what="the press is felt")
            assert len(stage.chip.history(LAMP)) > before
            assert (await stage.until_active())["NRestarts"] == "0"

    asyncio.run(story())


@pytest.mark.timeout(120)
def test_configuration_by_hand_is_checked(tmp_path: Path):
    """The launcher runs the installed code, as whoever asks; a config that is refused says which key."""

    async def story() -> None:
        async with installed(tmp_path) as stage:
            await stage.put(CONFIG, stage.describe().replace("adopt_poll_s", "adopt_pol_s"), "root:callout-agent", "0640")
            status, out, _ = await stage.command("check")
            assert status == 1
            assert "adopt_poll_s" in out

    asyncio.run(story())
