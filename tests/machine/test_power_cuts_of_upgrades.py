"""The power is cut while dpkg upgrades the package: the machine comes back by itself with a whole version, and dpkg mends the rest."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.appliance.packages import broken, newer, own_version, version
from tests.machine.installed import LIBRARY, PACKAGES, put_package
from tests.machine.machine import Machine, booted, package

# What is so at the moment of the cut, as a shell in the machine sees it. {new}: the version that comes, {pid}: of the daemon that ran.
MOMENTS = {
    "while dpkg unpacks": "[ -n \"$(find /{library}/versions/{new} -name '*.dpkg-new' 2>/dev/null | head -n 1)\" ]",
    "once it is unpacked": "grep -q '^Status: install ok unpacked' /var/lib/dpkg/status /var/lib/dpkg/updates/* 2>/dev/null",
    "while it is compiled": "[ -n \"$(find /{library}/kept/.new -name '*.pyc' 2>/dev/null | head -n 1)\" ]",
    "once current names it": '[ "$(readlink /{library}/current)" = kept/{new} ]',
    "once the old one has ended": "! [ -d /proc/{pid} ]",
}


async def upgrade(machine: Machine, to: Path, moment: str) -> None:
    """Begin it, and return at this moment."""
    pid = (await machine.stage.run("systemctl", "show", "--property=MainPID", "--value", "callout-agent.service")).strip()
    condition = MOMENTS[moment].format(library=LIBRARY, new=version(to), pid=pid)
    install = ("dpkg", "--install", f"/{PACKAGES}/{to.name}")
    await machine.stage.run("systemd-run", "--quiet", "--unit=upgrade", "--setenv=DEBIAN_FRONTEND=noninteractive", *install)
    end = asyncio.get_running_loop().time() + 240
    while True:
        # In the machine, so that no answer is waited for meanwhile; for less than the hand is waited for.
        told = await machine.stage.run("timeout", "3", "sh", "-c", f"until {condition}; do sleep 0.05; done; echo there")
        if "there" in told:
            return
        assert asyncio.get_running_loop().time() < end, await machine.stage.run("journalctl", "--no-pager", "--unit=upgrade")


async def works(machine: Machine) -> str:
    """The version that runs, proven by a press that becomes a callout."""
    stage = machine.stage
    told = await stage.until_status(lambda told: told["armed"], 60, "armed")
    await machine.press()
    callout = await stage.until_callout(lambda seen: not seen["closed"], 40, "a callout")
    await stage.desk("POST", f"callouts/{callout['id']}/close")
    await stage.until_status(lambda told: told["callout"]["state"] == "standby", 30, "closed")
    found: str = told["version"]
    return found


async def mended(machine: Machine, to: Path) -> str:
    """As the page for installers says; what dpkg thought of the package before."""
    stage, query = machine.stage, ("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}${Version}", "callout-agent")
    before = await stage.run(*query)
    for number, words in enumerate(("--configure --pending", f"--install /{PACKAGES}/{to.name}")):
        name = f"mend{number}.service"  # a unit of its own: it takes longer than an answer is waited for
        command = ("systemd-run", "--quiet", f"--unit={name}", "--setenv=DEBIAN_FRONTEND=noninteractive", "dpkg", *words.split())
        await stage.run(*command)
        asked = ("systemctl", "show", "--property=ActiveState", "--value", name)
        await stage.until(lambda asked=asked: stage.run(*asked), lambda told: "inactive" in told or "failed" in told, 180, f"dpkg {words}")
    assert await stage.run(*query) == f"ii {version(to)}", "the package manager is content"
    return before


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", MOMENTS)
def test_machine_whose_power_is_cut_while_it_is_upgraded_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str], moment: str):
    """With the version before or the new one, whole; nobody has to do anything for the button to work."""
    old = package()
    new = newer(old, tmp_path)

    async def story() -> None:
        async with booted(tmp_path, lambda root: put_package(root, new)) as machine:
            await machine.stage.until_status(lambda told: told["armed"], 40, "armed")
            await upgrade(machine, new, moment)
            await machine.cut()
            await machine.start()
            found = await works(machine)
            assert found in {own_version(old), own_version(new)}
            before = await mended(machine, new)
            assert await works(machine) == own_version(new)
        with capsys.disabled():
            sys.stdout.write(f"\ncut {moment}: {found} ran, the package manager had it as {before}\n")

    asyncio.run(story())


@pytest.mark.timeout(900)
def test_machine_whose_power_is_cut_while_a_broken_version_is_tried_goes_back(tmp_path: Path):
    """Nobody is there to take the new version back: the machine does it at its next boot."""
    old = package()
    bad = broken(newer(old, tmp_path), tmp_path)

    async def story() -> None:
        async with booted(tmp_path, lambda root: put_package(root, bad)) as machine:
            await machine.stage.until_status(lambda told: told["armed"], 40, "armed")
            await upgrade(machine, bad, "once current names it")
            await machine.cut()
            await machine.start(answers_within_s=120)
            assert await works(machine) == own_version(old)

    asyncio.run(story())
