"""The unit as it is installed: nothing that an owner leaves lying about keeps it from starting, and it may do what its work needs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.appliance.appliance import CONFIG, RECEIVER, SOCKET, UNIT, Appliance, installed

RELEASES = ("bookworm", "trixie")
SECRETS = "/etc/callout-agent/credentials"
COPY = "/var/lib/callout-agent/config.toml.last-good"
UNMOUNTABLE = """
[Unit]
DefaultDependencies=no
Before=local-fs.target

[Mount]
What=none
Where=/mnt
Type=nosuchfilesystem
"""
TOLD = "/run/callout-agent/told"
# What a program of the owner does: each line of its report is the name of what worked.
PROGRAM = f"""#!/bin/bash
exec >>{TOLD} 2>/dev/null
cat >/dev/null && echo read
file=$(mktemp) && rm "$file" && echo temporary
python3 -c 'import ctypes, ssl, subprocess, threading; threading.Thread(target=print, args=["python"]).start(); subprocess.run("true")'
: </dev/ttyUSB0 && echo serial
(exec 3<>/dev/udp/127.0.0.1/9) && echo network
unshare --map-root-user true && echo NAMESPACE
: >/var/lib/written && echo WRITTEN
ls /home/somebody && echo HOME
[ -n "$CREDENTIALS_DIRECTORY" ] && echo SECRETS
kill -0 1 && echo KILLS
echo end
"""


async def restarts(stage: Appliance) -> None:
    """And is ready; nobody waits for a second try."""
    await stage.container.must("systemctl", "restart", UNIT, within_s=60)
    assert (await stage.unit())["NRestarts"] == "0"
    shown = (await stage.container.run("systemctl", "status", "--no-pager", UNIT)).out
    assert "Main PID" in shown
    assert "CPU:" not in shown, "what grows with work would tell whether something goes on behind a cancel (law 5)"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("release", RELEASES)
def test_nothing_that_lies_beside_a_secret_keeps_it_from_starting(tmp_path: Path, release: str):
    """Odd names, huge files, links to nowhere; nor does it that there is no secret, and no place for any."""

    async def story() -> None:
        async with installed(tmp_path, release) as stage:
            for words in (
                f"cp {SECRETS}/device-key '{SECRETS}/schl\u00fcssel' && cp {SECRETS}/device-key '{SECRETS}/a:b c'",
                f"head -c 3000000 /dev/zero >{SECRETS}/firmware.bin && mkdir {SECRETS}/folder && mkfifo {SECRETS}/pipe",
                f"ln -s /nowhere {SECRETS}/client-secret",
            ):
                await stage.container.must("sh", "-c", words)
                await restarts(stage)
            handed = await stage.container.must("sh", "-c", f"cat /run/credentials/{UNIT}/device-key")
            assert handed.strip() == stage.simulator.settings.device_key
            await stage.until_armed()
            await stage.container.must("mv", SECRETS, "/srv/away")
            await restarts(stage)

    asyncio.run(story())


@pytest.mark.timeout(180)
def test_config_that_was_deleted_silences_nothing_and_none_at_all_is_no_endless_try(tmp_path: Path):
    """The last good copy serves, and says so; without that, too, it rests until there is one."""

    async def story() -> None:
        async with installed(tmp_path) as stage:
            await stage.until(lambda: stage.container.run("test", "-e", COPY), lambda done: done.status == 0, what="a copy is kept")
            await stage.container.must("mv", CONFIG, "/srv/away.toml")
            await restarts(stage)
            await stage.until_status(lambda told: "config.last_good" in {each["code"] for each in told["conditions"]}, what="it says so")
            await stage.container.must("systemctl", "stop", UNIT)
            await stage.container.must("rm", COPY)
            await stage.container.must("systemctl", "start", UNIT)
            told = await stage.unit()
            assert (told["ActiveState"], told["NRestarts"]) == ("inactive", "0")
            await stage.container.must("mv", "/srv/away.toml", CONFIG)
            await stage.container.must("systemctl", "start", UNIT)
            await stage.until_armed()

    asyncio.run(story())


@pytest.mark.timeout(180)
@pytest.mark.parametrize("release", RELEASES)
def test_button_works_where_the_system_ends_in_the_emergency_shell(tmp_path: Path, release: str):
    """A partition cannot be mounted, and nothing else comes up."""

    async def story() -> None:
        async with installed(tmp_path, release) as stage:
            await stage.put("/etc/systemd/system/mnt.mount", UNMOUNTABLE, "root:root", "0644")
            await stage.container.must("mkdir", "-p", "/etc/systemd/system/local-fs.target.requires")
            await stage.container.must("ln", "-s", "../mnt.mount", "/etc/systemd/system/local-fs.target.requires/mnt.mount")
            await stage.container.stop()
            await stage.container.boot(devices={RECEIVER: stage.tty}, ends_in={"maintenance"})
            stage.socket = stage.container.path(SOCKET)
            assert (await stage.systemctl("is-active", "emergency.target", "sysinit.target")).out.split() == ["active", "inactive"]
            await stage.until_armed()
            await stage.press()
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3, 30, "positions arrive")

    asyncio.run(story())


@pytest.mark.timeout(180)
@pytest.mark.parametrize("release", RELEASES)
def test_program_of_the_owner_may_do_its_work_and_no_more(tmp_path: Path, release: str):
    """As docs/SECURITY.md says it."""

    async def story() -> None:
        async with installed(tmp_path, release) as stage:
            await stage.put("/usr/local/bin/told", PROGRAM, "root:root", "0755")
            await stage.container.must("mkdir", "-p", "/home/somebody")
            stage.more = '[hooks]\non_event = ["/usr/local/bin/told"]\n'
            await stage.configure()
            await restarts(stage)
            await stage.until_armed()
            await stage.press()
            report = await stage.until(
                lambda: stage.container.run("cat", TOLD), lambda done: "end" in done.out.split(), 30, "the program has run"
            )
            assert set(report.out.split("end")[0].split()) == {"read", "temporary", "python", "serial", "network"}

    asyncio.run(story())
