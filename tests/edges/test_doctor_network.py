"""The way to dispatch by the doctor: which part is broken, and what the certificate and the other side's clock say."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import email.utils
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from agent.cli import doctor_network
from agent.cli.doctor_network import Way, _interface, _way
from agent.cli.doctor_step import Machine, Scene, State, Step

ROUTES = "Iface Destination Gateway Flags\n"
DEFAULT, REJECT, LOCAL = "wwan0 00000000 0100400A 0003\n", "wwan0 00000000 00000000 0203\n", "wwan0 0000400A 00000000 0001\n"
SIX = "{} 00 {} 00 {} 00000400 00000001 00000000 {} {}\n"
NOWHERE = "0" * 32


@pytest.mark.parametrize(
    ("way", "local", "silent", "state", "word"),
    [
        (Way((), out=False), False, False, State.FAIL, "no interface"),
        (Way(("wwan0",), out=False), False, False, State.FAIL, "no route"),
        (Way(("wwan0",), out=True), False, True, State.FAIL, "nothing comes back"),
        (Way(("wwan0",), out=True), False, False, State.OK, "wwan0 is up"),
        (Way((), out=False), True, False, State.OK, "on this machine"),
    ],
)
def test_first_part_that_is_broken_is_named(way: Way, state: State, word: str, *, local: bool, silent: bool):
    """A dead modem is told from one without a connection, and that from a SIM without data."""
    step = _interface(way, local=local, silent=silent)
    assert (step.state, word in step.seen, bool(step.do)) == (state, True, state is State.FAIL)


@pytest.mark.parametrize(
    ("four", "six", "out"),
    [
        ("", "", False),
        (LOCAL, "", False),
        (DEFAULT, "", True),
        (REJECT, "", False),
        ("", SIX.format("fe80" + "0" * 28, NOWHERE, NOWHERE, "00000001", "eth0"), False),
        ("", SIX.format(NOWHERE, NOWHERE, NOWHERE, "00000003", "eth0"), True),
        ("", SIX.format(NOWHERE, NOWHERE, NOWHERE, "00200200", "lo"), False),
    ],
)
def test_route_out_is_one_of_either_kind_that_is_in_force(tmp_path: Path, four: str, six: str, *, out: bool):
    """A route to the neighbourhood leads nowhere, and neither does one that rejects."""
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/route").write_text(ROUTES + four)
    (tmp_path / "proc/net/ipv6_route").write_text(six)
    assert _way(Machine(tmp_path)).out is out


def scene_of(port: int, ca_file: Path | None, *, scheme: str = "https") -> Scene:
    api = argparse.Namespace(base_url=f"{scheme}://127.0.0.1:{port}/v2", proxy=None, ca_file=None if ca_file is None else str(ca_file))
    config: Any = argparse.Namespace(panic_api=api)
    return Scene(argparse.Namespace(), config=config)


def shown(tmp_path: Path, *, known: bool = True, date_wall: float | None = None, answer: bool = True, **terms: Any) -> Step:
    """What the doctor makes of a server with this certificate and this Date."""
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **terms).configure_cert(context)
    (authority if known else trustme.CA()).cert_pem.write_to_path(str(ca_file))
    asked: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        date = "" if date_wall is None else f"Date: {email.utils.formatdate(date_wall, usegmt=True)}\r\n"
        writer.write(f"HTTP/1.1 404 Not Found\r\n{date}Content-Length: 0\r\n\r\n".encode() if answer else b"\0" * 10)
        writer.close()

    async def story() -> Step:
        server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
        async with server:
            return await doctor_network.certificate(scene_of(server.sockets[0].getsockname()[1], ca_file))

    step = asyncio.run(story())
    assert asked in ([], [b"HEAD / HTTP/1.1\r\n"])
    return step


def in_days(days: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


def test_certificate_and_clock_that_are_well_are_told(tmp_path: Path):
    """How long it lasts, who issued it, and that both sides show the same time."""
    step = shown(tmp_path, date_wall=time.time(), not_after=in_days(100))
    assert (step.state, "ends in 100 days" in step.seen, "the clocks agree" in step.seen) == (State.OK, True, True)
    assert "trustme" in step.seen


@pytest.mark.parametrize(("off_s", "word"), [(4_000.0, "ahead of"), (-864_000.0, "10 days behind")])
def test_clock_that_differs_from_dispatchs_is_told(tmp_path: Path, off_s: float, word: str):
    """It is a witness where nobody else is."""
    step = shown(tmp_path, date_wall=time.time() - off_s)
    assert (step.state, word in step.seen) == (State.WARN, True)


@pytest.mark.parametrize("answer", [True, False])
def test_answer_without_a_date_says_nothing_of_the_clock(tmp_path: Path, *, answer: bool):
    """And is no fault."""
    step = shown(tmp_path, answer=answer)
    assert (step.state, "clock" in step.seen) == (State.OK, False)


def test_certificate_that_ends_soon_is_told_before(tmp_path: Path):
    """While there is time to ask."""
    assert shown(tmp_path, not_after=in_days(5)).state is State.WARN


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"not_after": in_days(-1)}, "clock"),
        ({"not_before": in_days(3)}, "clock"),
        ({"known": False}, "portal"),
    ],
)
def test_certificate_that_is_not_accepted_leads_to_the_clock_or_to_a_portal(tmp_path: Path, terms: dict[str, Any], word: str):
    """The same refusal has two causes, and each another remedy."""
    step = shown(tmp_path, **terms)
    assert (step.state, word in step.do) == (State.FAIL, True)


def test_nobody_there_and_plain_http_on_this_machine():
    """The one is a failure that the step before tells, the other needs no certificate."""
    assert asyncio.run(doctor_network.certificate(scene_of(1, None))).state is State.FAIL
    assert asyncio.run(doctor_network.certificate(scene_of(1, None, scheme="http"))).state is State.SKIPPED
    scene = scene_of(1, None)
    steps = {step.name: step for step in asyncio.run(doctor_network.network(scene))}
    assert (steps["name"].state, steps["connection"].state, scene.connected) == (State.OK, State.FAIL, False)
    assert asyncio.run(doctor_network.certificate(scene)).state is State.SKIPPED
