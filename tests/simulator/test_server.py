"""The running server: TLS, its address, its end; and the command that starts it."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import time_machine

from simulator.server import Running
from simulator.settings import Settings
from simulator.simulation import Simulation
from simulator.state import Wanted
from tests.simulator.rooms import Room, wait_until

REPO = Path(__file__).parents[2]

COMMAND = """
import argparse
from agent.cli import simulator
parser = argparse.ArgumentParser()
simulator.add(parser)
raise SystemExit(simulator.run(parser.parse_args()))
"""


def test_tls_is_verified_against_the_ca_file() -> None:
    """By every name of this machine, and not by the system's authorities."""
    with Running(tls=True) as running:
        assert running.base_url == f"https://127.0.0.1:{running.port}/panic-api/v2"
        assert running.ca_file is not None
        trusted = ssl.create_default_context(cafile=running.ca_file)
        for name in ("127.0.0.1", "localhost"):
            with httpx.Client(verify=trusted, trust_env=False) as client:
                assert client.get(f"https://{name}:{running.port}/sim").json()["base_url"] == running.base_url
        with httpx.Client(trust_env=False) as stranger, pytest.raises(httpx.ConnectError, match="certificate"):
            stranger.get(running.root_url + "/sim")
        folder = running.ca_file.parent
    assert not folder.exists()


def test_a_callout_goes_from_raise_to_close_over_tls(tmp_path: Path) -> None:
    running = Running(tls=True, ca_file=tmp_path / "ca.pem")
    running.start()
    room = Room(running)
    try:
        room.as_device()
        number = room.raise_callout()
        room.act(number, "close")
        assert room.api("POST", f"/callouts/{number}/location", {"latitude": 1, "longitude": 2}).status_code == 285
        room.sim("POST", "/faults", {"action": "reset", "on": "read"})
        with pytest.raises(httpx.TransportError):
            room.api("GET", f"/callouts/{number}")
    finally:
        room.close()
    assert (tmp_path / "ca.pem").exists()


@pytest.mark.parametrize("tls", [False, True])
def test_it_ends_within_a_second_whatever_is_under_way(caplog: pytest.LogCaptureFixture, *, tls: bool) -> None:
    """An open page, an answer held back and an idle connection do not hold it, and nothing is logged."""
    running = Running(Settings(), tls=tls)
    running.start()
    room = Room(running)
    room.sim("POST", "/faults", {"action": "lost", "on": "oauth_token", "delay_s": 60})
    held = threading.Thread(target=_ask_and_get_nothing, args=(room,))
    with caplog.at_level(logging.WARNING), room.http.stream("GET", running.root_url + "/sim/live") as stream:
        next(stream.iter_lines())
        held.start()
        wait_until(lambda: room.sim("GET", "/requests").json())
        started = time.monotonic()
        running.stop()
        took_s = time.monotonic() - started
    held.join(5)
    room.http.close()
    assert took_s < 1.0
    assert not held.is_alive()
    assert caplog.records == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), 1)


def _ask_and_get_nothing(room: Room) -> None:
    with pytest.raises(httpx.TransportError):
        room.api("POST", "/oauth/token", {"clientId": "x", "clientSecret": "y"})


def test_the_same_port_can_be_taken_again_at_once() -> None:
    with Running() as first:
        httpx.get(first.root_url + "/sim", trust_env=False)
    with Running(port=first.port) as second:
        assert second.port == first.port
        with pytest.raises(OSError, match="in use"):
            Running(port=first.port).start()


def test_an_outage_keeps_port_certificate_and_callouts() -> None:
    """Nothing listens in between; afterwards the same client goes on where it was."""
    running = Running(tls=True)
    running.start()
    room = Room(running)
    room.as_device()
    number = room.raise_callout()
    running.stop()
    with pytest.raises(httpx.ConnectError):
        room.api("GET", f"/callouts/{number}")
    running.start()
    assert room.api("GET", f"/callouts/{number}").json()["callout"]["id"] == number
    assert running.ca_file is not None
    assert running.ca_file.exists()
    room.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_it_binds_loopback_only_unless_told_otherwise(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Running(host=host)


def test_a_server_that_never_ran_can_be_stopped() -> None:
    Running().stop()


def test_ids_of_a_later_run_are_higher() -> None:
    """Whatever a device remembers of an earlier run is never meant by an id of this one."""
    first_ids = []
    for moment in ("2026-03-02T10:00:00Z", "2026-03-02T10:00:01Z"):
        with time_machine.travel(moment, tick=False):
            state = Simulation(Settings(), "http://127.0.0.1:1").state
        callout, _ = state.raise_callout(Wanted(4711, 1, None), 0.0, "key")
        first_ids.append(callout.id)
    assert first_ids[0] + 5 < first_ids[1]


def test_the_command_prints_where_it_is_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    arguments = ["--port", "0", "--tls", "--generation", "old", "--ca-file", os.path.relpath(ca_file, REPO)]
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", COMMAND, *arguments],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(9)]
    told = dict(re.match(r"(.+?): +(.*)", line).groups() for line in lines if ":" in line)
    with httpx.Client(verify=ssl.create_default_context(cafile=told["CA file"]), trust_env=False) as client:
        assert "Control room" in client.get(told["Control room"]).text
        minted = client.post(told["token_url"], headers={"Authorization": f"Bearer {told['Device key']}"}, json={"customerId": 4711})
        assert minted.json()["token_type"] == "Bearer"
        assert client.get(told["base_url"] + "/customers/4711/callouts").status_code == 401
    assert told["CA file"] == str(ca_file.resolve()), "a config takes absolute paths only"
    assert told["Customer"] == "4711, mobile +27820000042, safe code 0042"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=10)
    assert (child.returncode, errors) == (0, "")


def test_the_command_overwrites_no_transcript(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").touch()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--port", "0", "--transcript", str(tmp_path / "old.jsonl")],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path}/old.jsonl is there already, and a transcript is never overwritten: name another file.\n"


def test_the_command_says_why_it_cannot_start() -> None:
    with Running() as running:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "--port", str(running.port)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == 1
    assert (
        done.stderr
        == f"Cannot serve on 127.0.0.1 port {running.port}: Address already in use; --port takes another one, 0 any that is free\n"
    )


def test_the_command_hints_at_what_is_not_installed() -> None:
    hidden = "import sys; sys.modules['starlette'] = None\n" + COMMAND
    done = subprocess.run(
        [sys.executable, "-c", hidden, "--port", "0"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install '.[simulator]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
