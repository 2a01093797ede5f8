"""Power cuts of a whole machine: its systemd starts the real unit again by itself, its disk has what had to be there, the callout goes on.

Ten cuts (CALLOUT_AGENT_CUTS); cut n of a seed (CALLOUT_AGENT_SEED) is always the same, and a failure names both.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from cuts import Cuts, Plan
from evidence import LostError, judge

from tests.machine.installed import change_code
from tests.machine.machine import Machine, booted

CUTS = int(os.environ.get("CALLOUT_AGENT_CUTS", "10"))


def unsynced(root: Path) -> None:
    """Lasting commits are not synced."""
    change_code(root, "agent/keeper.py", 'LASTING_SYNC = "FULL"', 'LASTING_SYNC = "NORMAL"')


async def unit(machine: Machine) -> dict[str, str]:
    """What systemd says of ours."""
    told = await machine.stage.run("systemctl", "show", "callout-agent.service", "--property=ActiveState,NRestarts,Result")
    return dict(line.split("=", 1) for line in told.split())


@pytest.mark.timeout(120 + 60 * CUTS)
def test_machine_whose_power_is_cut_loses_no_press_and_goes_on_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Only a press that the disk did not have yet may be gone, and of routine fixes the last group."""

    async def story() -> None:
        async with booted(tmp_path) as machine:
            told = await Cuts(machine).repeat(CUTS)
            assert await unit(machine) == {"ActiveState": "active", "NRestarts": "0", "Result": "success"}
        with capsys.disabled():
            sys.stdout.write(f"\n{told}\n")

    asyncio.run(story())


def test_the_machine_shows_presses_that_are_lost(tmp_path: Path):
    """The same cuts lose presses where lasting commits are not synced: the test above can fail."""

    async def story() -> None:
        async with booted(tmp_path, unsynced) as machine:
            owed = await Cuts(machine).lead_up(Plan(0.2, (0.4,), 0.2))
            assert owed.presses == {1}
            with pytest.raises(LostError, match="were stored and are gone"):
                judge(owed, await machine.read())

    asyncio.run(story())
