"""Power cuts at random moments of the real daemon, while it records and raises: on the disk is what had to be there, and it goes on.

The daemon's disk is an ext4 of its own; a cut takes from it whatever was not synced, and the runtime directory goes with it. A few cuts in
`make test`, 100 in `make test-long` (CALLOUT_AGENT_CUTS). Cut n of a seed (CALLOUT_AGENT_SEED) is always the same; a failure names both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cuts import Cuts, Plan
from disks import Disk, make_disk, needs_root
from evidence import Kept, LostError, Runner, judge, read_kept
from stage import ROOT, Stage, staged

from agent import identity

CUTS = int(os.environ.get("CALLOUT_AGENT_CUTS", "5"))
# Read by every Python that is started with it on its path, before anything else.
UNSYNCED = "from agent import keeper\nassert keeper.LASTING_SYNC == 'FULL'\nkeeper.LASTING_SYNC = 'NORMAL'\n"


@dataclass(slots=True)
class OnADisk:
    """A daemon of this machine on a disk of its own: a `cuts.Device`."""

    stage: Stage
    disk: Disk
    runner: Runner
    under_way_s: float = 0.5
    group_s: tuple[float, float] = (1.5, 4.5)  # at 20 epochs a second

    async def presses_left(self) -> bool:
        return any((self.stage.folder / "run" / "presses").rglob("*.json"))

    async def owes(self) -> bool:
        kept = identity.load(self.stage.store.with_name("agent.db.identity"))
        return kept is not None and kept.owed is not None

    async def cut(self) -> None:
        self.disk.cut_power()
        await self.stage.kill()
        self.disk.mount_anew()
        shutil.rmtree(self.stage.folder / "run")

    async def read(self) -> Kept:
        return await asyncio.to_thread(read_kept, self.stage.store, self.stage.folder / "copy")

    async def start(self) -> None:
        await self.stage.start()


@contextlib.asynccontextmanager
async def cutting(folder: Path, **env: str) -> AsyncIterator[Cuts]:
    """A daemon on a disk whose receiver moves on, in standby; a raise takes a moment, so that cuts fall into it, too."""
    disk = make_disk(folder)
    async with staged(folder) as stage, Runner(stage.tty) as runner:
        stage.env |= env | {"STATE_DIRECTORY": str(disk.folder)}  # as systemd names it: the last good config lies there
        with disk.mounted():
            stage.store = disk.folder / "agent.db"
            stage.record = "record_idle_s = 1\nrecord_moved_m = 1"
            await stage.desk("PUT", "faults", [{"action": "latency", "on": "raise", "delay_s": 0.03}])
            await stage.start()
            yield Cuts(OnADisk(stage, disk, runner))


@needs_root
@pytest.mark.timeout(60 + 20 * CUTS)
def test_power_that_is_cut_at_any_moment_loses_no_press_and_no_more_than_a_group_of_fixes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Only a press that the disk did not have yet may be gone. The database is intact, and the callout goes on, the only one."""

    async def story() -> None:
        async with cutting(tmp_path) as cuts:
            told = await cuts.repeat(CUTS)
        with capsys.disabled():
            sys.stdout.write(f"\n{told}\n")

    asyncio.run(story())


@needs_root
def test_the_rig_shows_presses_that_are_lost(tmp_path: Path):
    """The same cuts lose presses where lasting commits are not synced: the test above can fail."""
    (tmp_path / "sitecustomize.py").write_text(UNSYNCED)

    async def story() -> None:
        async with cutting(tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}") as cuts:
            owed = await cuts.lead_up(Plan(0.2, (0.4,), 0.2))
            assert owed.presses == {1}
            with pytest.raises(LostError, match="were stored and are gone"):
                judge(owed, await cuts.device.read())

    asyncio.run(story())
