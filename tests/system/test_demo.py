"""`make demo` is the first thing that a newcomer sees: it must hold, step by step."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_demo_plays_a_whole_emergency_from_press_to_close():
    async def story() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "demo", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
        )
        out, _ = await process.communicate()
        text = out.decode()
        assert process.returncode == 0, text
        assert "11 of 11 steps held" in text
        assert "the lamp is steady" in text
        assert "dispatch sees DURESS" in text

    asyncio.run(story())
