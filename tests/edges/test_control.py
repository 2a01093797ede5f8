"""The control socket, both ends: who asks, what cannot be asked, and a daemon that died or lives."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent import control
from agent.control import Peer


async def echo(request: dict[str, Any], peer: Peer) -> dict[str, Any]:
    return {"ok": True, "request": request, "uid": peer.uid}


def answers(path: Path) -> bool:
    try:
        return bool(control.ask(path, {"do": "x"}))
    except control.NotRunningError:
        return False


def served(path: Path, story: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        server = asyncio.create_task(control.serve(path, echo))
        async with asyncio.timeout(10):
            for _ in range(500):
                if await asyncio.to_thread(answers, path):
                    break
                await asyncio.sleep(0.01)
            await story()
        server.cancel()
        with pytest.raises(asyncio.CancelledError):
            await server
        assert not path.exists()

    asyncio.run(run())


def test_question_is_answered_and_the_kernel_says_who_asks(tmp_path: Path):
    path = tmp_path / "c.sock"

    async def story() -> None:
        reply = await asyncio.to_thread(control.ask, path, {"do": "x"})
        assert reply == {"ok": True, "request": {"do": "x"}, "uid": os.getuid()}
        assert path.stat().st_mode & 0o777 == 0o660

    served(path, story)


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b"null\n", b"[" * 60_000 + b"\n", b'{"do": \xff}\n'])
def test_what_is_no_request_is_refused_in_words(tmp_path: Path, line: bytes):
    path = tmp_path / "c.sock"

    async def story() -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        reply = json.loads(await reader.readline())
        assert reply["ok"] is False
        assert reply["error"]
        writer.close()

    served(path, story)


def test_endless_line_ends_the_conversation_and_not_the_daemon(tmp_path: Path):
    path = tmp_path / "c.sock"

    async def story() -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"x" * 200_000)
        assert await reader.read() == b""
        writer.close()
        assert (await asyncio.to_thread(control.ask, path, {"do": "x"}))["ok"]

    served(path, story)


def test_socket_of_a_daemon_that_died_is_taken_over_and_of_one_that_lives_is_not(tmp_path: Path):
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def story() -> None:
        with pytest.raises(control.InUseError):
            await control.serve(path, echo)

    served(path, story)


def test_nobody_there_is_said_to_be_nobody(tmp_path: Path):
    with pytest.raises(control.NotRunningError):
        control.ask(tmp_path / "none.sock", {"do": "status"})


def test_silent_conversations_make_room_for_one_that_asks(tmp_path: Path):
    path = tmp_path / "c.sock"

    async def story() -> None:
        silent = [await asyncio.open_unix_connection(path) for _ in range(control.MOST + 20)]
        assert (await asyncio.to_thread(control.ask, path, {"do": "x"}))["ok"]
        assert await silent[0][0].read() == b"", "the oldest one was sent away"
        for _, writer in silent:
            writer.close()

    served(path, story)


def test_answer_that_breaks_off_is_no_answer(tmp_path: Path):
    path = tmp_path / "c.sock"

    async def story() -> None:
        async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b'{"ok": tr')
            writer.close()

        server = await asyncio.start_unix_server(break_off, path)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(control.ask, path, {"do": "raise"})
        server.close()

    asyncio.run(story())
