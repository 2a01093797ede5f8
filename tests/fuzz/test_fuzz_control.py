"""The control socket answers whoever may open it, and they may send anything: lines, half lines, floods.

The real server and the real requests on a real socket, in front of a device of which only the lifecycle lives. Every line has one answer,
nobody but root gets what is root's, and no code but one that was typed ever leaves (law 5).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import tempfile
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scripted import Wall
from test_requests import ACTIVE, CALM, RAISING, SOMEONE, STANDBY, Device

from agent import control
from agent import requests as room
from agent.control import Peer
from agent.credentials import Credentials
from agent.lifecycle import step
from agent.panic_api import PanicApi, Service
from agent.requests import Requests
from tests.fuzz.limits import GROWTH_BYTES, tries
from tests.fuzz.minting import TLS, Minted
from tests.fuzz.mutations import damaged, damaged_by_chance, seeded, twisted, values
from tests.fuzz.wire_noise import Answering

ANSWER_S = 20.0  # on a machine with other work; a request of a crowd waits for its turn
BEFORE = {"standby": STANDBY, "raising": RAISING, "active": ACTIVE, **CALM}
ASKED: list[dict[str, Any]] = [
    {"do": "status"},
    {"do": "status", "inner": True},
    {"do": "raise", "note": "at the gate", "drill": False},
    {"do": "raise", "drill": True},
    {"do": "settled", "press": 1, "wait_s": 0},
    {"do": "cancel", "code": "0042"},
    {"do": "cancel", "unconditional": True},
    {"do": "say", "text": "hello"},
    {"do": "say", "text": "hello", "inner": True, "id": 7},
    {"do": "forget", "id": 7},
    {"do": "drill", "open_s": 60},
    {"do": "list"},
    {"do": "list", "all": True},
    {"do": "show", "id": 7},
    {"do": "show", "id": 7, "inner": True},
    {"do": "events", "follow": 6, "mark": "x", "wait_s": 0},
    {"do": "reasons", "id": None},
    {"do": "report"},
    {"do": "map", "url": True},
    {"do": "add_reason", "reason": 1, "notes": "x"},
    {"do": "rating_items"},
    {"do": "rate", "stars": 5, "comment": "x"},
]
LINES = [json.dumps(each).encode() for each in ASKED]
DEEP = st.sampled_from([json.loads("[" * 900 + "]" * 900), {"a": {"b": {}}}, 10**400, "x" * 5_000, "\ud800", "\0", "", -0.0, [None]])
# Nobody's patience is tried here: `settled` and `events` wait as long as they are asked to.
NO_TIME = [0, -1, 1e308, float("nan"), "0", True, None]


@st.composite
def requests(draw: Any) -> bytes:
    """A request in which something is otherwise than meant, as a line."""
    document = draw(twisted(ASKED, values | DEEP))
    if isinstance(document, dict) and document.get("wait_s"):
        document = {**document, "wait_s": draw(st.sampled_from(NO_TIME))}
    return json.dumps(document).encode().replace(b"\n", b" ")


lines = requests() | damaged(LINES, most=3).filter(lambda line: b"wait_s" not in line) | st.binary(max_size=80) | st.just(b"")


DOCUMENT = json.dumps({"message": "ok", "callout": {"id": 7, "status": "Responder Dispatched"}, "calloutEvents": []}).encode()
SAYS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(DOCUMENT), DOCUMENT)


class Watched(Device):
    """Remembers what left it; speaks to a dispatch that knows the callout. url: where that is."""

    inner_seen = False
    url = "http://127.0.0.1:1"

    def open(self) -> PanicApi:  # type: ignore[override]
        return PanicApi(Service(base_url=self.url, customer_id=4711), Credentials(Minted(), Wall()), TLS)

    def document(self, *, inner: bool) -> dict[str, Any]:
        self.inner_seen |= inner
        return {"inner": inner, "calm": self.state.calm}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a cancel takes is tried elsewhere."""
    monkeypatch.setattr(room, "CANCEL_ANSWER_S", 0.01)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path: a socket's name has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


@contextlib.asynccontextmanager
async def serving(path: Path, device: Device, peer: Peer | None = SOMEONE) -> AsyncIterator[Path]:
    """The real server on a real socket. peer: whom everybody is taken for; None: who they are."""
    requests_ = Requests(device)
    server = asyncio.create_task(control.serve(path, lambda request, who: requests_.handle(request, peer or who)))
    try:
        async with asyncio.timeout(ANSWER_S):
            while not path.exists():  # noqa: ASYNC110 - the server tells nobody that it is there
                await asyncio.sleep(0.001)
        yield path
        assert not server.done(), "the server has ended"
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


async def talk(path: Path, data: bytes) -> list[bytes]:
    """Say all of it, hang up the sending half, and hear what comes."""
    reader, writer = await asyncio.open_unix_connection(path, limit=control.MAX_ANSWER)
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        writer.write_eof()
    heard = b""
    with contextlib.suppress(ConnectionError):
        heard = await asyncio.wait_for(reader.read(-1), ANSWER_S)
    writer.close()
    return heard.split(b"\n")[:-1]


def require_answers(answers: list[bytes]) -> list[dict[str, Any]]:
    """Each is one JSON object that says whether it went well, and if not, why."""
    told = [json.loads(line) for line in answers]
    for each in told:
        assert isinstance(each, dict)
        assert isinstance(each["ok"], bool)
        assert each["ok"] or (isinstance(each["error"], str) and each["error"])
    return told


def tried(path: Path, before: str, data: bytes, peer: Peer | None = SOMEONE) -> tuple[Watched, list[dict[str, Any]]]:
    """One conversation with a device to which all this has happened; and it still answers afterwards."""

    async def run() -> tuple[Watched, list[dict[str, Any]]]:
        device = Watched(allow_unconditional=True)
        for event in BEFORE[before]:
            device.state, _ = step(device.state, event)
        async with Answering() as dispatch, serving(path, device, peer):
            device.url, dispatch.answer = dispatch.url, SAYS
            told = require_answers(await talk(path, data))
            (alive,) = require_answers(await talk(path, b'{"do": "status"}\n'))
            assert alive["ok"]
        return device, told

    return asyncio.run(run())


@tries(120)
@given(st.sampled_from(sorted(BEFORE)), st.lists(lines.map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=5))
@example("active", [b'{"do": "raise", "note": "\\ud800\\u0000"}', b'{"do": "say", "text": "\\ud800"}'])
@example("standby", [b'{"do": "show", "id": ' + b"[" * 800 + b"]" * 800 + b"}"])
@example("active", [b'{"do": "cancel", "code": "\\ud800"}'])
def test_every_line_has_one_answer_and_nobody_gets_what_is_roots(folder: Path, before: str, said: list[bytes]):
    """In every state, for somebody of the group."""
    device, told = tried(folder / "c", before, b"".join(line + b"\n" for line in said))
    assert len(told) == len(said)
    assert not device.inner_seen
    assert not any(each.get("inner") for each in told)
    codes = [request.get("code") for request in map(document_of, said) if isinstance(request, dict)]
    for cancelled in device.cancels:
        assert cancelled is not None, "without a code: only root may"
        assert cancelled.strip()
        assert cancelled in codes


def document_of(line: bytes) -> Any:
    """What a line says; None where it is no JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(line)
    return None


@tries(40)
@given(requests())
def test_no_request_tells_what_goes_on_behind_a_cancel(folder: Path, said: bytes):
    """Law 5: word for word the same in every calm state, and as a device that has never raised; but a drill has to wait there."""
    answers = {before: [masked(each) for each in tried(folder / "c", before, said + b"\n")[1]] for before in (*CALM, "standby")}
    drill = any("no drill now" in str(each) for each in answers["closed"])
    told = [each for before, each in answers.items() if not (drill and before == "standby")]
    assert all(each == told[0] for each in told)


def masked(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what counts presses, or says of a press of one's own what became of it; and without the rig's own document."""
    answer = {key: value for key, value in answer.items() if key not in {"press", "status"}}
    return {"ok": True} if {"accepted", "id", "cancelled"} <= answer.keys() else answer


@tries(40)
@given(
    st.lists(
        requests() | st.binary(max_size=200) | st.sampled_from([b"\n", b"{", b'{"do": "status"}\n', b"x" * 70_000, b"\r\n"]), max_size=6
    )
)
def test_no_bytes_of_root_itself_end_the_server(folder: Path, pieces: list[bytes]):
    """Neither do half lines, nor lines that are too long."""
    tried(folder / "c", "active", b"".join(pieces), peer=None)


def test_who_sends_without_end_and_never_reads_fills_no_memory(folder: Path):
    """Answers that nobody fetches, by the hundred conversations at once."""
    chance = seeded(7)

    async def run() -> None:
        device = Watched()
        async with serving(folder / "c", device) as path:
            grew = []
            tracemalloc.start()
            for _ in range(3):
                for _ in range(150):
                    with contextlib.closing(socket.socket(socket.AF_UNIX)) as line, contextlib.suppress(OSError):
                        line.setblocking(False)  # noqa: FBT003 - as sockets say it
                        line.connect(str(path))
                        line.send(damaged_by_chance(chance, LINES)[:200].replace(b"wait_s", b"w") + b"\n" * chance.randrange(3))
                        await asyncio.sleep(0)
                device.cancels.clear()
                device.told.clear()
                device.state = replace(device.state, owed=())
                assert require_answers(await talk(path, b'{"do": "status"}\n'))
                gc.collect()
                grew.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            assert grew[2] - grew[1] < GROWTH_BYTES

    asyncio.run(run())


@tries(60)
@given(
    st.binary(max_size=200) | damaged([b'{"ok": true, "status": {}}\n', b"\n"]) | values.map(lambda each: json.dumps(each).encode() + b"\n")
)
def test_the_asking_end_takes_any_answer(folder: Path, answer: bytes):
    """A daemon that dies while it answers, or is none: an answer, or one of the three ways in which there is none."""
    path = folder / "a"
    path.unlink(missing_ok=True)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        server.listen()

        def answer_once() -> None:
            line, _ = server.accept()
            with line, contextlib.suppress(OSError):
                line.recv(65_536)
                line.sendall(answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        try:
            told = control.ask(path, {"do": "status"}, timeout_s=ANSWER_S)
        except (control.NotRunningError, control.NotAllowedError, TimeoutError):
            told = {}
        finally:
            thread.join()
    assert isinstance(told, dict)
