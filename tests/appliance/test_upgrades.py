"""From one version to another on a device in use: nothing is lost, a callout is not interrupted, and what does not work is taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from stage import CODE_WRONG, streamed

from tests.appliance.appliance import LIBRARY, Appliance, ground, installed
from tests.appliance.packages import broken, newer, own_version, version


def pair(folder: Path) -> tuple[Path, Path]:
    """The package that is installed, and a newer one."""
    old = ground("bookworm").package
    return old, newer(old, folder)


async def recorded_until(stage: Appliance, count: int) -> None:
    """Until so many fixes are stored."""
    await stage.until_status(lambda told: told["store"]["fixes"] >= count, 30, "fixes are recorded")


async def names(stage: Appliance) -> set[str]:
    """The versions that lie side by side."""
    return set((await stage.container.must("ls", f"{LIBRARY}/kept")).split())


@pytest.mark.timeout(240)
def test_upgrade_keeps_what_was_recorded_and_rollback_goes_back(tmp_path: Path):
    """The track goes on in the same database; by hand the version before runs again, and the newer one again after that."""

    async def story() -> None:
        old, new = pair(tmp_path)
        async with installed(tmp_path) as stage:
            await recorded_until(stage, 3)
            before = (await stage.status())["store"]["fixes"]
            done = await stage.install(new)
            assert done.status == 0, done.out
            assert await stage.version_of() == f"ii {version(new)}"
            told = await stage.until_armed()
            assert told["version"] == own_version(new)
            assert told["store"]["fixes"] >= before
            assert await names(stage) == {version(old), version(new)}
            await stage.container.must("callout-agent-rollback", within_s=120)
            assert (await stage.until_armed())["version"] == own_version(old)
            await stage.container.must("callout-agent-rollback", version(new), within_s=120)
            assert (await stage.until_armed())["version"] == own_version(new)
            await stage.press()
            await stage.until_callout(lambda seen: seen["positions"], 30, "a callout")

    asyncio.run(story())


@pytest.mark.timeout(240)
def test_upgrade_is_refused_during_a_callout_and_goes_through_behind_a_cancel(tmp_path: Path):
    """Nothing is touched and the callout streams on; after a cancel the device shows none (law 5), and it goes on unseen."""

    async def story() -> None:
        old, new = pair(tmp_path)
        async with installed(tmp_path) as stage:
            await stage.press()
            first = await stage.until_callout(lambda seen: seen["positions"], 30, "a callout")
            running = (await stage.unit())["MainPID"]
            done = await stage.install(new)
            assert done.status != 0
            assert "a callout is on" in done.out
            assert (await stage.unit())["MainPID"] == running
            assert await stage.version_of() == f"ii {version(old)}"
            await streamed(stage)
            await stage.ask(do="cancel", code=CODE_WRONG)
            done = await stage.install(new)
            assert done.status == 0, done.out
            assert "callout is on" not in done.out
            assert (await stage.until_status(lambda told: told["armed"], 30))["callout"]["state"] == "standby"
            assert (await stage.status(inner=True))["callout"]["id"] == first["id"]
            await streamed(stage)

    asyncio.run(story())


@pytest.mark.timeout(240)
def test_upgrade_that_is_forced_during_a_callout_goes_on_with_it(tmp_path: Path):
    """The new version streams to the same callout, and raises no other."""

    async def story() -> None:
        _, new = pair(tmp_path)
        async with installed(tmp_path) as stage:
            await stage.press()
            first = await stage.until_callout(lambda seen: seen["positions"], 30, "a callout")
            done = await stage.install(new, CALLOUT_AGENT_UPGRADE="force")
            assert done.status == 0, done.out
            told = await stage.until_status(lambda told: told["callout"]["id"] == first["id"], 30, "the callout goes on")
            assert told["version"] == own_version(new)
            await streamed(stage)

    asyncio.run(story())


@pytest.mark.timeout(300)
def test_version_that_does_not_become_ready_is_taken_back(tmp_path: Path):
    """The package manager is told that it failed, the old one runs again with all that it had; the next good one goes through."""

    async def story() -> None:
        old, new = pair(tmp_path)
        async with installed(tmp_path) as stage:
            await recorded_until(stage, 2)
            before = (await stage.status())["store"]["fixes"]
            done = await stage.install(broken(new, tmp_path))
            assert done.status != 0
            assert "going back" in done.out
            told = await stage.until_armed()
            assert told["version"] == own_version(old)
            assert told["store"]["fixes"] >= before
            assert (await stage.version_of())[:2] == "iF"  # half configured: as an administrator's tools show it
            await stage.press()
            callout = await stage.until_callout(lambda seen: seen["positions"], 30, "a callout")
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby", 30, "closed")
            mended = newer(new, tmp_path / "mended")
            done = await stage.install(mended)
            assert done.status == 0, done.out
            assert (await stage.until_armed())["version"] == own_version(mended)
            assert await stage.version_of() == f"ii {version(mended)}"

    asyncio.run(story())
