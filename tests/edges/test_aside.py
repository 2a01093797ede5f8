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


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_thread_beside_the_loop_holds_no_file_of_the_process(tmp_path: Path):
    with (tmp_path / "lock").open("w") as lock:
        ours = os.fstat(lock.fileno()).st_ino

        def work() -> tuple[bool, bool]:
            with (tmp_path / "own").open("w") as own:
                return os.fstat(lock.fileno()).st_ino == ours, is_open(own.fileno())

        shared, opened = await aside.start(work, name="work")
        assert opened
        assert not shared, "a thread that hangs would keep it open"
        assert is_open(lock.fileno()), "the process itself still has it"


async def test_loop_is_woken_by_a_thread_that_has_parted(tmp_path: Path):
    """With the loop asleep the answer must come at once, not with the next event: there is none for half a minute here."""
    async with asyncio.timeout(5):
        assert await aside.start(lambda: 7, name="work") == 7


async def test_file_of_a_parted_thread_has_a_number_that_means_nothing_elsewhere(tmp_path: Path):
    """Whoever finds it forgotten closes it by number: that must never be the number of a lock, a line or a socket."""

    def work() -> tuple[int, int]:
        own = os.open(tmp_path / "own", os.O_CREAT | os.O_RDWR)
        return own, os.open(os.devnull, os.O_RDONLY)

    before = descriptors()
    numbers = await aside.start(work, name="work")
    assert not any(is_open(number) for number in numbers)
    assert min(numbers) >= 500
    assert descriptors() == before, "nothing is left open in the process"
