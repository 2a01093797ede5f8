"""The control socket, both ends: who asks, what cannot be asked, and a daemon that died or lives."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
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


def served(path: Path, story: Callable[[], Awaitable[None]], handle: control.Handle = echo) -> None:
    async def run() -> None:
        server = asyncio.create_task(control.serve(path, handle))
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


def as_nobody(path: Path, program: str) -> subprocess.Popen[str]:
    """Another user of this machine, whom the socket lets in; ends when its standard input does."""
    path.parent.chmod(0o755)
    path.chmod(0o666)
    first, last = "import os, socket, sys\nos.setgid(65534), os.setuid(65534)", "print('ready', flush=True)\nsys.stdin.read()"
    script = f"{first}\nwhere = {str(path)!r}\n{program}\n{last}"
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act for another user")
def test_user_who_takes_every_conversation_sends_away_only_himself():
    """Whoever may ask cannot keep others from asking, or from waiting for an answer."""
    program = f"lines = [socket.socket(socket.AF_UNIX) for _ in range({control.MOST * 3})]\nfor each in lines: each.connect(where)"

    async def handle(request: dict[str, Any], _: Peer) -> dict[str, Any]:
        await gate.wait()
        return request

    gate = asyncio.Event()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.sock")

        async def story() -> None:
            gate.clear()
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"do": "first"}\n')
            crowd = as_nobody(path, program)
            assert await asyncio.to_thread(crowd.stdout.readline) == "ready\n"
            gate.set()
            assert json.loads(await reader.readline()) == {"do": "first"}, "it was there before all of the crowd"
            assert (await asyncio.to_thread(control.ask, path, {"do": "x"})) == {"do": "x"}
            writer.close()
            crowd.communicate("")

        gate.set()
        served(path, story, handle)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act for another user")
def test_user_who_reads_nothing_loses_his_own_answers(monkeypatch: pytest.MonkeyPatch):
    """Not those that an operator has just begun to read."""
    monkeypatch.setattr(control, "MOST_UNREAD", 4_000_000)
    program = "lines = [socket.socket(socket.AF_UNIX) for _ in range(8)]\nfor each in lines: each.connect(where), each.sendall(b'{}\\n')"

    async def handle(_request: dict[str, Any], _: Peer) -> dict[str, Any]:
        return {"text": "x" * 1_500_000}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.sock")

        async def story() -> None:
            reader, writer = await asyncio.open_unix_connection(path)  # reads a little ahead, no more
            writer.write(b"{}\n")
            text = await reader.readexactly(10)
            crowd = as_nobody(path, program)
            assert await asyncio.to_thread(crowd.stdout.readline) == "ready\n"
            assert (await asyncio.to_thread(control.ask, path, {}))["text"], "room was made for it"
            while more := await reader.read(65_536):
                text += more
                if text.endswith(b"\n"):
                    break
            assert len(text) > 1_500_000
            writer.close()
            crowd.communicate("")

        served(path, story, handle)


def test_crowd_begins_one_request_in_each_pass_of_the_loop(tmp_path: Path):
    """Whatever else has to be done, like a press, comes between two of them."""
    path = tmp_path / "c.sock"
    passes, begun = [0], []

    async def count() -> None:
        while True:
            passes[0] += 1
            await asyncio.sleep(0)

    async def handle(request: dict[str, Any], _: Peer) -> dict[str, Any]:
        begun.append(passes[0])
        return {"ok": True, "n": request["n"]}

    async def story() -> None:
        lines = [await asyncio.open_unix_connection(path) for _ in range(control.MOST)]
        for number, (_, writer) in enumerate(lines):
            writer.write(json.dumps({"n": number}).encode() + b"\n")
        begun.clear()
        counting = asyncio.create_task(count())
        answers = [json.loads(await reader.readline()) for reader, _ in lines]
        counting.cancel()
        assert [each["n"] for each in answers] == list(range(control.MOST))
        assert len(begun) == len(set(begun)) == control.MOST
        for _, writer in lines:
            writer.close()

    served(path, story, lambda request, peer: handle({"n": -1, **request}, peer))


async def is_whole(reader: asyncio.StreamReader) -> bool:
    """Whether the answer comes to its end."""
    try:
        return (await reader.readline()).endswith(b"\n")
    except OSError:
        return False


def test_who_does_not_read_gives_way_before_memory_does(tmp_path: Path):
    """The one who was there first, and nobody who reads."""
    path = tmp_path / "c.sock"
    size = control.MOST_UNREAD // 4

    async def long(request: dict[str, Any], _: Peer) -> dict[str, Any]:
        return {"ok": True, "map": "x" * (size if request["do"] == "map" else 1)}

    async def story() -> None:
        deaf = [await asyncio.open_unix_connection(path, limit=2 * size) for _ in range(12)]
        for reader, writer in deaf:
            reader._transport.pause_reading()  # type: ignore[attr-defined] # as a program that is stopped
            writer.write(b'{"do": "map"}\n')
            assert (await asyncio.to_thread(control.ask, path, {"do": "x"}))["ok"]
        assert len((await asyncio.to_thread(control.ask, path, {"do": "map"}))["map"]) == size
        for reader, _ in deaf:
            reader._transport.resume_reading()  # type: ignore[attr-defined]
        whole = [await is_whole(reader) for reader, _ in deaf]
        assert 1 <= sum(whole) <= 4
        assert not any(whole[:7])
        for _, writer in deaf:
            writer.close()

    served(path, story, long)


@pytest.mark.parametrize("said", [float("nan"), ["deep"], "x" * control.MAX_ANSWER], ids=["no number", "deep", "long"])
def test_answer_that_cannot_be_passed_on_is_said_to_be_one(tmp_path: Path, said: Any):
    """And the conversation goes on."""
    path = tmp_path / "c.sock"
    for _ in range(100_000 if isinstance(said, list) else 0):
        said = [said]

    async def story() -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        for request, ok in ((b'{"do": "report"}\n', False), (b'{"do": "x"}\n', True)):
            writer.write(request)
            reply = json.loads(await reader.readline())
            assert reply["ok"] is ok
        writer.close()

    async def handle(request: dict[str, Any], _: Peer) -> dict[str, Any]:
        return {"ok": True, "report": said if request["do"] == "report" else None}

    served(path, story, handle)


def test_request_that_is_nested_too_deep_for_whoever_reads_it_is_refused(tmp_path: Path):
    path = tmp_path / "c.sock"

    async def deep(request: dict[str, Any], _: Peer) -> dict[str, Any]:
        if request["do"] == "deep":
            raise RecursionError
        return {"ok": True}

    async def story() -> None:
        assert (await asyncio.to_thread(control.ask, path, {"do": "deep"}))["error"] == "the request is nested too deep"

    served(path, story, deep)


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


def test_end_of_the_process_is_not_missed_while_the_socket_of_a_dead_daemon_is_looked_at(tmp_path: Path):
    """The refusal of the old socket and the end of the process may come in the same moment."""

    async def story() -> None:
        path = tmp_path / "control.sock"
        for passes in range(6):  # until it serves
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
            serving = asyncio.create_task(control.serve(path, answering))
            for _ in range(passes):
                await asyncio.sleep(0)
            serving.cancel()
            done, _ = await asyncio.wait({serving}, timeout=2.0)
            assert done, f"cancelled after {passes} passes of the loop, and it serves on"
            path.unlink(missing_ok=True)

    async def answering(_request: dict[str, Any], _peer: control.Peer) -> dict[str, Any]:
        return {}

    asyncio.run(story())
