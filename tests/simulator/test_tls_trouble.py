"""Faults of connections over TLS: certificates that must not be accepted, a listener that serves nobody."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.server import Running
from simulator.settings import Settings
from tests.simulator.rooms import FIRST, HERE, Room, wait_until

RAISE = {"location": HERE, "responseTypeId": 1}


class Guarded(Room):
    """A room over TLS whose dispatcher has a connection of their own, apart from the device's."""

    def __init__(self, running: Running) -> None:
        super().__init__(running)
        self.context = ssl.create_default_context(cafile=running.ca_file)
        self.dispatcher = httpx.Client(verify=self.context, trust_env=False, timeout=10)

    def sim(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request to the simulator's own API, over the dispatcher's connection."""
        return self.dispatcher.request(method, self.running.root_url + "/sim" + path, json=body, **options)

    def close(self) -> None:
        self.dispatcher.close()
        super().close()

    def verified(self) -> None:
        """One handshake from scratch, as a device makes it."""
        with socket.create_connection(("127.0.0.1", self.running.port), timeout=5) as plain:
            self.context.wrap_socket(plain, server_hostname="127.0.0.1").close()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    """A simulator with certificates."""
    with Running(Settings(first_callout_id=FIRST), tls=True) as running:
        room = Guarded(running)
        room.as_device()
        yield room
        room.close()


@pytest.mark.parametrize(
    ("certificate", "complaint"),
    [
        ("expired", "certificate has expired"),
        ("not_yet", "certificate is not yet valid"),
        ("other_name", "IP address mismatch"),
        ("unknown_authority", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_is_wrong_in_one_way_until_the_rule_ends(guarded: Guarded, certificate: str, complaint: str) -> None:
    """Whoever verifies complains of exactly that; afterwards the honest certificate is there again."""
    guarded.sim("POST", "/faults", {"action": "certificate", "certificate": certificate, "for_s": 60})
    for _ in range(2):
        with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
            guarded.verified()
    assert guarded.sim("GET", "/faults").json()[0]["hits"] == 2
    guarded.sim("DELETE", "/faults")
    guarded.verified()


def test_a_wrong_certificate_bites_at_once_and_the_desk_goes_on(guarded: Guarded) -> None:
    """A device's connection of before is cut; the dispatcher's, over which the rule came, is not."""
    assert guarded.api("GET", "/customers/4711/callouts").status_code == 200
    guarded.sim("POST", "/faults", {"action": "certificate", "certificate": "expired", "for_s": 60})
    with pytest.raises(httpx.TransportError):
        guarded.api("POST", "/customers/4711/callouts", RAISE)
    assert guarded.sim("GET", "/callouts").json() == []
    guarded.sim("DELETE", "/faults")
    assert guarded.api("POST", "/customers/4711/callouts", RAISE).status_code == 201


def test_so_many_connections_or_seconds_end_a_wrong_certificate(guarded: Guarded) -> None:
    """The desk is behind the same certificate: it is never shut out for good."""
    guarded.sim("POST", "/faults", {"action": "certificate", "certificate": "expired", "count": 1})
    with pytest.raises(ssl.SSLCertVerificationError):
        guarded.verified()
    guarded.verified()
    guarded.sim("PUT", "/faults", {"action": "certificate", "certificate": "not_yet", "for_s": 0.2})
    wait_until(lambda: guarded.sim("GET", "/faults").json()[0]["spent"])
    guarded.verified()


def test_no_session_carries_a_good_certificate_into_a_bad_time(guarded: Guarded) -> None:
    """A client that resumes a session checks no certificate: the simulator offers none."""
    with socket.create_connection(("127.0.0.1", guarded.running.port), timeout=5) as plain:
        first = guarded.context.wrap_socket(plain, server_hostname="127.0.0.1")
        first.sendall(b"GET /sim/faults HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while first.recv(4096):
            pass
        kept = first.session
        first.close()
    guarded.sim("POST", "/faults", {"action": "certificate", "certificate": "expired", "for_s": 60})
    with (
        socket.create_connection(("127.0.0.1", guarded.running.port), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        guarded.context.wrap_socket(plain, server_hostname="127.0.0.1", session=kept)


def test_a_stalled_listener_takes_connections_and_serves_none_until_the_rule_ends(guarded: Guarded) -> None:
    """The kernel says yes, the handshake goes unanswered; those who still wait are served when it is over."""
    guarded.sim("POST", "/faults", {"action": "stall_accept", "for_s": 1.0})
    began = time.monotonic()
    with pytest.raises(httpx.TransportError):
        guarded.api("GET", "/customers/4711/callouts", timeout=0.3)
    waiting = [socket.create_connection(("127.0.0.1", guarded.running.port), timeout=5) for _ in range(3)]
    assert guarded.sim("GET", "/faults").json()[0]["spent"] is False, "the desk's connection of before is served"
    for plain in waiting:
        guarded.context.wrap_socket(plain, server_hostname="127.0.0.1").close()
    assert time.monotonic() - began >= 0.9
    assert guarded.api("GET", "/customers/4711/callouts").status_code == 200


def test_it_stops_soon_while_the_listener_is_stalled() -> None:
    """Whoever stands in front of the door does not keep it open."""
    running = Running(tls=True)
    running.start()
    room = Guarded(running)
    room.sim("POST", "/faults", {"action": "stall_accept", "for_s": 600})
    with socket.create_connection(("127.0.0.1", running.port)), socket.create_connection(("127.0.0.1", running.port)):
        began = time.monotonic()
        room.close()
        assert time.monotonic() - began < 3
