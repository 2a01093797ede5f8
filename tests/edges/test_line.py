"""A connection: on an ill disk, and when it is given up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme
from networks import NO_NETWORK, namespaces
from scripted import NAME, server_context

from agent.line import Failure, Line

ROOT = Path(__file__).parents[2]


class Watching:
    """Finds no module, and knows which were looked for."""

    def __init__(self) -> None:
        self.sought: list[str] = []

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Python asks every finder in turn; the next ones ask the disk."""
        self.sought.append(name)
        return None


async def test_requests_look_for_no_module_on_the_disk(rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    """Everything is imported with the first one; a press must not find the event loop waiting for a folder."""
    async with rig() as at:
        await at.api.look_up(deadline_s=2)
        watching = Watching()
        monkeypatch.setattr(sys, "meta_path", [watching, *sys.meta_path])
        for _ in range(2):  # over the connection that is there, and over a new one
            assert (await at.api.look_up(deadline_s=2)).http_status == 404
            await at.api.aclose()
        assert watching.sought == []


async def test_request_that_was_given_up_does_not_arrive_after_what_was_sent_later():
    """The kernel would go on delivering it: an old position would be the last one on the responder's map."""
    readable, arrived = asyncio.Event(), asyncio.Queue[bytes | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await readable.wait()  # until then nothing gets through: what does not fit on the way waits in our kernel
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await reader.readexactly(1)
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
            arrived.put_nowait(head)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            arrived.put_nowait(None)
        finally:
            writer.close()

    line = Line(ssl.create_default_context())
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # as small as the kernel makes it
    async with await asyncio.start_server(serve, sock=listening, limit=1) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.exchange("POST", f"{url}/old", body=b"x" * 30_000), 0.3)
        readable.set()
        assert not isinstance(await line.exchange("POST", f"{url}/new", body=b"{}"), Failure)
        ends = [await asyncio.wait_for(arrived.get(), 5) for _ in range(2)]
        assert sorted(b"/new" in (end or b"") for end in ends) == [False, True]
        assert None in ends, "the old one never arrived whole"
        await line.aclose()


async def test_body_is_that_of_the_moment_when_the_connection_is_open(authority: trustme.CA, trusting: ssl.SSLContext):
    """A connection can take longer to open than a position takes to grow old: through a dead zone, or a slow handshake."""
    arrived: list[tuple[int, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                arrived.append((head.lower().count(b"content-length"), await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()

    line, newest = Line(trusting), b'"old"'
    listening = socket.create_server(("127.0.0.1", 0))  # the kernel takes the connection, and nobody answers the handshake
    url = f"https://{NAME}:{listening.getsockname()[1]}/location"
    asking = asyncio.ensure_future(line.exchange("POST", url, body=lambda: newest))
    async with asyncio.timeout(5):
        while line.stage != "in the TLS handshake":  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
    newest = b'"as new as can be"'
    async with await asyncio.start_server(serve, sock=listening, ssl=server_context(authority)):
        assert not isinstance(await asking, Failure)
        newest = b'"newer still"'
        assert not isinstance(await line.exchange("POST", url, body=lambda: newest), Failure)
        assert arrived == [(1, b'"as new as can be"'), (1, b'"newer still"')]
        await line.aclose()


# In a network of its own: a server, and the address from which it is asked, which then goes as it does when a device roams.
ROAMING = """
import asyncio, ssl, subprocess
from agent.line import Line

SERVER, BEFORE = "192.0.2.1", "192.0.2.9"

def ip(words):
    subprocess.run(["ip", *words.split()], check=True)

async def serve(reader, writer):
    while True:
        await reader.readuntil(b"\\r\\n\\r\\n")
        asked_from.append(writer.get_extra_info("peername")[0])
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        await writer.drain()

async def main():
    ip("link set lo up")
    for address in (SERVER, BEFORE):
        ip(f"address add {address}/32 dev lo")
    ip(f"route replace local {SERVER} dev lo table local src {BEFORE}")
    server = await asyncio.start_server(serve, SERVER, 8000)
    line = Line(ssl.create_default_context())
    for _ in range(2):
        await line.exchange("GET", f"http://{SERVER}:8000/")
    ip(f"address delete {BEFORE}/32 dev lo")
    ip(f"route replace local {SERVER} dev lo table local src {SERVER}")
    await asyncio.wait_for(line.exchange("GET", f"http://{SERVER}:8000/"), 5)
    assert asked_from == [BEFORE, BEFORE, SERVER], asked_from

asked_from = []
asyncio.run(main())
"""


@pytest.mark.skipif(not namespaces(), reason=NO_NETWORK)
def test_connection_from_an_address_that_is_gone_costs_no_deadline():
    """The kernel would hold it for alive, and every lane would wait its 10 s out."""
    told = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", ROAMING], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )
    assert told.returncode == 0, told.stderr
