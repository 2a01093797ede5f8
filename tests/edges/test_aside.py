"""What runs beside the loop: it answers, and it holds nothing of the process that the next process will need."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from agent import aside


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


async def test_thread_beside_the_loop_holds_no_file_of_the_process(tmp_path: Path):
    with (tmp_path / "lock").open("w") as lock:

        def work() -> tuple[bool, bool]:
            with (tmp_path / "own").open("w") as own:
                return is_open(lock.fileno()), is_open(own.fileno())

        shared, opened = await aside.start(work, name="work")
        assert opened
        assert not shared, "a thread that hangs would keep it open"
        assert is_open(lock.fileno()), "the process itself still has it"


async def test_loop_is_woken_by_a_thread_that_has_parted(tmp_path: Path):
    """With the loop asleep the answer must come at once, not with the next event: there is none for half a minute here."""
    async with asyncio.timeout(5):
        assert await aside.start(lambda: 7, name="work") == 7
