"""placeholder for the support archive; it must not be used yet."""

from __future__ import annotations

from agent.cli.doctor_step import Scene, Step


async def write(scene: Scene, steps: list[Step]) -> bool:
    """Not yet."""
    return bool(scene) and bool(steps)
