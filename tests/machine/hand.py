"""A hand inside the machine: passes questions from outside on to the daemon's control socket, and runs commands.

Started by systemd beside the daemon, for tests alone. One JSON line in, one out, per connection: {"run": [...]} is a command, anything else
the daemon's; empty when the daemon does not answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from agent import control

SOCKET = Path("/run/callout-agent/control.sock")


async def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Do what was asked."""
    if "run" in asked:
        process = await asyncio.create_subprocess_exec(*asked["run"], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        out, _ = await process.communicate()
        return {"status": process.returncode, "out": out.decode()}
    try:
        return await asyncio.to_thread(control.ask, SOCKET, asked, timeout_s=3.0)
    except (control.NotRunningError, TimeoutError):
        return {}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One question."""
    writer.write(json.dumps(await answer(json.loads(await reader.readline()))).encode() + b"\n")
    await writer.drain()
    writer.close()


async def main(address: str, port: int) -> None:
    """Listen until killed."""
    async with await asyncio.start_server(serve, address, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
