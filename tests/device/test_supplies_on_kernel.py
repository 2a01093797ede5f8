"""Supplies as a kernel itself shows and announces them: its `test_power` driver, a battery and two plugs to play with."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from pathlib import Path

import pytest

from agent import aside
from agent.model import Power
from hardware import supply
from hardware.supply import KernelSupply

CLASS = Path("/sys/class/power_supply")
DRIVER = Path("/sys/module/test_power/parameters")


def test_kernel_announces_each_change_and_it_is_read_at_once(monkeypatch: pytest.MonkeyPatch):
    async def story() -> None:
        monkeypatch.setattr(supply, "LOOK_S", 60.0)  # only an announcement can bring it
        (DRIVER / "battery_status").write_text("discharging")
        (DRIVER / "usb_online").write_text("off")
        told: asyncio.Queue[Power] = asyncio.Queue()
        watcher = KernelSupply(
            os.fspath(CLASS), low_percent=15.0, clock_at=time.monotonic, beside=partial(aside.start, name="test supplies")
        )
        running = asyncio.create_task(watcher.run(told.put_nowait))
        async with asyncio.timeout(10):
            assert await told.get() == Power(50.0, mains=True)
            for parameter, value, power in (
                ("ac_online", "off", Power(50.0, mains=False, lost=True)),
                ("battery_capacity", "10", Power(10.0, mains=False, low=True, lost=True)),
                ("battery_present", "false", Power(None, mains=False, low=True, lost=True)),
                ("ac_online", "on", Power(None, mains=True, low=True, lost=True)),
            ):
                (DRIVER / parameter).write_text(value)
                assert await told.get() == power
        running.cancel()

    asyncio.run(story())
