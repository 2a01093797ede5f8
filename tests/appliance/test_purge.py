"""What is left when the package goes: everything, the tracks, or nothing, as whoever removes it has said."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from pathlib import Path

import pytest

from tests.appliance.appliance import UNIT, Appliance, appliance, ground
from tests.appliance.packages import nothing

STATE = "/var/lib/callout-agent"
# What the system's own tools leave of any package: their logs, their backups, and the databases that every package is entered into.
THEIRS = {
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/ld.so.cache",
    "/etc/passwd-",
    "/etc/shadow-",
    "/etc/subgid-",
    "/etc/subuid-",
    "/var/cache/debconf/config.dat",
    "/var/cache/debconf/config.dat-old",
    "/var/cache/debconf/templates.dat",
    "/var/cache/debconf/templates.dat-old",
    "/var/cache/apt/pkgcache.bin",
    "/var/cache/apt/srcpkgcache.bin",
    "/var/lib/apt/extended_states",
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/triggers/File",
    "/var/lib/dpkg/triggers/Unincorp",
    "/var/log/apt/eipp.log.xz",
    "/var/log/apt/history.log",
    "/var/log/apt/term.log",
    "/var/log/dpkg.log",
}
NEVER_COMPARED = {"dev", "proc", "sys", "run", "tmp", "outside"}  # of the running system, not of the disk


def walk(root: Path) -> dict[str, str]:
    """Every file of a system, with what it is: kind and mode, owner, target or contents."""
    found = {}
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [each for each in folders if each not in NEVER_COMPARED]
        for name in folders + files:
            path = Path(folder, name)
            found["/" + str(path.relative_to(root))] = _describe(path)
    return found


def _describe(path: Path) -> str:
    told = path.lstat()
    owner = f"{stat.filemode(told.st_mode)} {told.st_uid}:{told.st_gid}"
    if stat.S_ISLNK(told.st_mode):
        return f"{owner} -> {path.readlink()}"
    if stat.S_ISREG(told.st_mode):
        return f"{owner} {hashlib.blake2b(path.read_bytes()).hexdigest()[:12]}"
    return owner


def differences(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """What is another file, by path, except what is the system's own."""
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {
        path: f"{before.get(path)} => {after.get(path)}" for path in sorted(changed - THEIRS) if not path.startswith("/var/log/journal")
    }


async def settled(stage: Appliance, folder: Path) -> dict[str, str]:
    """The system's files after another package has come and gone: what that leaves of any package is there already."""
    done = await stage.install(nothing(folder))
    assert done.status == 0, done.out
    await stage.container.must("apt-get", "purge", "--yes", "nothing", DEBIAN_FRONTEND="noninteractive")
    return walk(stage.container.root)


async def use(stage: Appliance) -> None:
    """Install it, configure it, let it record, let the wearer press, and let dispatch close."""
    done = await stage.install(ground("bookworm").package)
    assert done.status == 0, done.out
    await stage.configure()
    await stage.container.must("systemctl", "restart", UNIT)
    await stage.until_armed()
    await stage.press()
    callout = await stage.until_callout(lambda seen: seen["positions"], 30, "a callout")
    await stage.desk("POST", f"callouts/{callout['id']}/close")
    await stage.until_status(lambda told: told["callout"]["state"] == "standby" and told["store"]["fixes"] > 2, 30, "recorded")


async def purge(stage: Appliance, *, tracks: str) -> str:
    """As an administrator who has answered the question: what was said."""
    answer = f"callout-agent callout-agent/purge-tracks boolean {tracks}\n"
    done = await stage.container.run("debconf-set-selections", typed=answer)
    assert done.status == 0, done
    return await stage.container.must("apt-get", "purge", "--yes", "callout-agent", within_s=120, DEBIAN_FRONTEND="noninteractive")


@pytest.mark.timeout(240)
def test_purge_answered_yes_leaves_nothing(tmp_path: Path):
    """Every file of the system is what it was before the installation: no file, no user, no group, no link, no process."""

    async def story() -> None:
        async with appliance(tmp_path, ground("bookworm").root) as stage:
            await stage.boot()
            before = await settled(stage, tmp_path)
            await use(stage)
            assert len(differences(before, walk(stage.container.root))) > 1000
            await purge(stage, tracks="true")
            assert differences(before, walk(stage.container.root)) == {}
            assert (await stage.container.run("id", "callout-agent")).status != 0
            assert (await stage.container.must("systemctl", "list-units", "--all", "--plain", "--no-legend", "callout*")) == ""
            assert (await stage.container.run("ls", "/run/callout-agent")).status != 0
            assert (await stage.container.run("pgrep", "-f", "callout-agent")).status == 1

    asyncio.run(story())


@pytest.mark.timeout(240)
def test_package_goes_also_where_somebody_removed_its_places_before(tmp_path: Path):
    """A removal that fails leaves a package that nothing gets rid of."""

    async def story() -> None:
        async with appliance(tmp_path, ground("bookworm").root) as stage:
            await stage.boot()
            before = await settled(stage, tmp_path)
            done = await stage.install(ground("bookworm").package)
            assert done.status == 0, done.out
            await stage.container.must("rm", "-r", STATE, "/etc/callout-agent")
            await stage.container.must("apt-get", "remove", "--yes", "callout-agent", within_s=120, DEBIAN_FRONTEND="noninteractive")
            await stage.container.must("apt-get", "purge", "--yes", "callout-agent", within_s=120, DEBIAN_FRONTEND="noninteractive")
            assert differences(before, walk(stage.container.root)) == {}

    asyncio.run(story())


@pytest.mark.timeout(240)
def test_purge_that_nobody_answered_keeps_the_tracks_and_nothing_else(tmp_path: Path):
    """The database stays, says the purge, readable for root alone; secrets, user, unit are gone. A new installation has it again."""

    async def story() -> None:
        there = ground("bookworm")
        async with appliance(tmp_path, there.root) as stage:
            await stage.boot()
            before = await settled(stage, tmp_path)
            await use(stage)
            fixes = (await stage.status())["store"]["fixes"]
            said = await stage.container.must("apt-get", "purge", "--yes", "callout-agent", within_s=120, DEBIAN_FRONTEND="noninteractive")
            assert STATE in said
            left = differences(before, walk(stage.container.root))
            assert {path for path in left if not path.startswith(f"{STATE}/agent.db")} == {STATE}
            assert await stage.container.must("stat", "--format=%a %U:%G", STATE) == "700 root:root\n"
            assert await stage.container.must("find", STATE, "-mindepth", "1", "-not", "-user", "root") == ""
            done = await stage.install(there.package)
            assert done.status == 0, done.out
            await stage.configure()
            await stage.container.must("systemctl", "restart", UNIT)
            assert (await stage.until_armed())["store"]["fixes"] >= fixes

    asyncio.run(story())


@pytest.mark.timeout(180)
def test_removal_is_refused_during_a_callout(tmp_path: Path):
    """The daemon goes on as if nobody had asked."""

    async def story() -> None:
        async with appliance(tmp_path, ground("bookworm").root) as stage:
            await stage.boot()
            await use(stage)
            await stage.press()
            await stage.until_callout(lambda seen: not seen["closed"] and seen["positions"], 30, "a callout")
            done = await stage.container.run("apt-get", "remove", "--yes", "callout-agent", within_s=120, DEBIAN_FRONTEND="noninteractive")
            assert done.status != 0
            assert "a callout is on" in done.out
            assert (await stage.unit())["ActiveState"] == "active"

    asyncio.run(story())
