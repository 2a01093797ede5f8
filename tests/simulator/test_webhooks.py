"""Deliveries to a webhook: what a receiver gets, in which order, what happens to one that is slow, wrong or gone."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from simulator import webhooks
from simulator.codec import Codec
from simulator.outbox import MOST_WAITING, Outbox
from simulator.records import Happening, Notice, Webhook
from simulator.server import Running
from simulator.settings import Settings
from simulator.state import State
from simulator.webhooks import MOST_BYTES, Patience, is_acceptable
from tests.simulator.rooms import THERE, Room, wait_until

QUICK = Patience(deadline_s=2.0, first_s=0.01, longest_s=0.02, tries=3)
ALL = [str(each) for each in Happening]


class Receiver:
    """A little server that takes deliveries. answers: statuses in turn, then 200. gate: deliveries wait for it while it is clear."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.endless = False
        self.cut = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def __getattr__(self, name: str) -> Callable[[], None]:
                """Any method is taken."""
                if name.startswith("do_"):
                    return lambda: receiver.take(self)
                raise AttributeError(name)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_port}/hook"

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.got.append({"method": handler.command, "path": handler.path, "headers": headers, "body": json.loads(raw or b"null")})
        self.gate.wait(10)
        try:
            handler.send_response(self.answers.pop(0) if self.answers else 200)
            handler.send_header("Location", "/elsewhere")
            handler.end_headers()
            while self.endless:
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            self.cut.set()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def told(self) -> list[tuple[str, int]]:
        """Event and the id of what it is about: the key by which a receiver tells repeats."""
        keys = ("callout", "customer", "subscription")
        return [(each["body"]["message"], next(each["body"][key]["id"] for key in keys if key in each["body"])) for each in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Plain http on loopback."""
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """HTTPS, of an authority that this process trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    (tmp_path / "authority.pem").write_bytes(authority.cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    one = Receiver(context)
    one.url = one.url.replace("127.0.0.1", "localhost")  # its certificate is for the name alone
    yield one
    one.close()


@pytest.fixture
def open_room() -> Iterator[Callable[..., Room]]:
    """A simulator with a quick patience, told at the start whom to tell."""
    opened: list[tuple[Running, Room]] = []

    def open_one(url: str | None = None, **chosen: Any) -> Room:
        running = Running(Settings(**{"first_callout_id": 500, **chosen}), webhook=url)
        running.start()
        assert running._sim is not None
        running._sim.webhooks.patience = QUICK
        opened.append((running, Room(running)))
        opened[-1][1].as_device()
        return opened[-1][1]

    yield open_one
    for running, room in opened:
        room.http.close()
        running.__exit__(None, None, None)


def shown(room: Room) -> dict[str, Any]:
    return room.sim("GET", "/webhooks").json()


def shown_waiting(room: Room) -> int:
    assert room.running._sim is not None
    return len(room.running._sim.outbox.waiting)


def settled(room: Room) -> None:
    wait_until(lambda: shown(room)["waiting"] == 0)


def register(room: Room, **wanted: Any) -> None:
    device = room.headers
    room.as_backend()
    answer = room.api("POST", "/notifiers", {"events": ALL, **wanted})
    assert answer.status_code == 201, answer.text
    room.headers = device


# --- what is told ---


@pytest.mark.parametrize("generation", ["new", "old"])
def test_a_callout_is_told_from_raise_to_close_in_order(open_room: Callable[..., Room], receiver: Receiver, generation: str) -> None:
    """Each event with the callout as the generation shows it at creation; a responder's with the incident as an object."""
    room = open_room(receiver.url, generation=generation)
    number = room.raise_callout()
    room.sim("POST", f"/callouts/{number}/dispatch", {"eta_s": 420})
    for act in ("arrive", "complete", "close"):
        room.act(number, act)
    settled(room)
    events = [event for event, _ in receiver.told() if event != "CALLOUT_EVENTS_CHANGED"]
    assert events == [
        "NEW_CALLOUT",
        "CALLOUT_OWNED",
        "RESPONDER_ACKNOWLEDGED_CALLOUT",
        "RESPONDER_ARRIVED_ON_SCENE",
        "RESPONDER_COMPLETED",
        "CALLOUT_CLOSED",
    ]
    bodies = {each["body"]["message"]: each["body"] for each in receiver.got}
    # As it was when it happened, not as it is by the time it is told.
    assert [bodies[event]["callout"]["status"] for event in events[:1] + events[-1:]] == ["created", "closed"]
    assert {"id": number, "customerId": 4711, "latitude": -29.8579}.items() <= bodies["NEW_CALLOUT"]["callout"].items()
    assert ("url" in bodies["NEW_CALLOUT"]["callout"]) == (generation == "new")
    assert {event for event, body in bodies.items() if "incidentInformation" in body} == {e for e in events if e.startswith("RESPONDER_")}
    arrived = bodies["RESPONDER_ARRIVED_ON_SCENE"]["incidentInformation"]
    assert arrived["arrivedAt"] and arrived["responder"]["name"]  # noqa: PT018 - one fact: somebody is there
    assert all(each["method"] == "POST" and each["headers"]["content-type"] == "application/json" for each in receiver.got)


def test_what_nobody_foresaw_is_a_try_that_failed(
    open_room: Callable[..., Room], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the end of the server: here the system has no thread left for one look-up."""
    look_up, asked = webhooks.look_up, []

    async def no_thread(host: str) -> list[str]:
        asked.append(host)
        if len(asked) == 1:
            raise RuntimeError("can't start new thread")
        return await look_up(host)

    monkeypatch.setattr(webhooks, "look_up", no_thread)
    room = open_room(receiver.url)
    number = room.raise_callout()
    settled(room)
    assert receiver.told() == [("NEW_CALLOUT", number)]
    assert shown(room)["deliveries"][0]["tries"] == 2


def test_duress_and_codes_are_told_to_nobody(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """A wrong code leaves no trace in any delivery."""
    room = open_room(receiver.url)
    number = room.raise_callout()
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "8371"})
    room.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": "hello"})
    settled(room)
    assert room.seen(number)["duress"]
    assert ("CALLOUT_EVENTS_CHANGED", number) in receiver.told()
    assert not [word for word in ("8371", "duress", "DURESS", "wrong", "SOFT_CANCELLED") if word in json.dumps(receiver.got)]


def test_customers_and_subscriptions_are_told(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """By their own keys."""
    room = open_room(receiver.url)
    room.sim("POST", "/customers", {"id": 5001, "mobile": "+27820001234", "subscribed": True})
    settled(room)
    about = {each["body"]["message"]: each["body"] for each in receiver.got}
    assert about["CREATED_CUSTOMER"]["customer"]["id"] == 5001
    assert about["SUBSCRIPTION_CREATED"]["subscription"]["customerId"] == 5001


def test_only_what_is_registered_for_is_told_with_the_registered_headers_and_method(
    open_room: Callable[..., Room], secure: Receiver
) -> None:
    """Over TLS. Headers that frame a request are not the webhook's to set."""
    room = open_room()
    headers = {"X-Key": "s3cret-of-the-receiver", "Host": "elsewhere", "Content-Length": "1", "Content-Type": "application/vnd.test+json"}
    register(room, url=secure.url, events=["CALLOUT_CLOSED"], headers=headers, method="PUT")
    number = room.raise_callout()
    room.act(number, "close")
    settled(room)
    assert secure.told() == [("CALLOUT_CLOSED", number)]
    got = secure.got[0]
    assert (got["method"], got["path"]) == ("PUT", "/hook")
    assert got["headers"]["x-key"] == "s3cret-of-the-receiver"
    assert got["headers"]["content-type"] == "application/vnd.test+json"
    assert f"https://{got['headers']['host']}/hook" == secure.url


def test_the_view_shows_neither_headers_nor_secrets_of_the_url(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """Names of headers, the url without user, query and fragment."""
    room = open_room()
    url = receiver.url.replace("//", "//user:pass@") + "?key=s3cret#part"
    register(room, url=url, headers={"X-Key": "s3cret"})
    room.raise_callout()
    settled(room)
    view = shown(room)
    assert view["webhook"] == {"url": receiver.url, "events": ALL, "headers": ["X-Key"]}
    assert "s3cret" not in json.dumps(view)
    assert view["delivered"] == len(receiver.got) > 0
    assert {each["result"] for each in view["deliveries"]} == {"delivered"}


# --- receivers in trouble ---


def test_a_refused_delivery_is_tried_again_before_the_next(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """In order, with the same event and id, so that the receiver can tell a repeat."""
    receiver.answers = [500, 302, 200, 404]
    room = open_room()
    register(room, url=receiver.url, events=["NEW_CALLOUT", "RESPONDER_MANUALLY_DISPATCHED", "CALLOUT_CLOSED"])
    number = room.raise_callout()
    room.act(number, "dispatch")
    room.act(number, "close")
    settled(room)
    events = ["NEW_CALLOUT"] * 3 + ["RESPONDER_MANUALLY_DISPATCHED"] * 2 + ["CALLOUT_CLOSED"]
    assert receiver.told() == [(event, number) for event in events]
    assert {each["path"] for each in receiver.got} == {"/hook"}, "a redirect was followed"
    assert [(each["tries"], each["outcome"]) for each in shown(room)["deliveries"][::-1]] == [(3, "200"), (2, "200"), (1, "200")]


def test_each_wait_is_twice_the_last_up_to_the_longest() -> None:
    patience = Patience(first_s=0.5, longest_s=30.0)
    assert [patience.wait_s(tries) for tries in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_proxy_of_the_environment_hears_nothing(
    open_room: Callable[..., Room], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be told where somebody is."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    room = open_room(receiver.url)
    number = room.raise_callout()
    settled(room)
    assert receiver.told() == [("NEW_CALLOUT", number)]
    assert shown(room)["deliveries"][0]["tries"] == 1


def test_a_delivery_is_given_up_after_so_many_tries_and_says_so(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """The next one goes out all the same."""
    receiver.answers = [503] * QUICK.tries
    room = open_room(receiver.url)
    room.raise_callout()
    wait_until(lambda: shown(room)["given_up"] == 1)
    number = room.sim("GET", "/callouts").json()[0]["id"]
    room.act(number, "close")
    settled(room)
    first = shown(room)["deliveries"][-1]
    assert {"event": "NEW_CALLOUT", "result": "given up", "tries": QUICK.tries, "outcome": "503"}.items() <= first.items()
    assert receiver.told()[-1] == ("CALLOUT_CLOSED", number)


def test_nobody_there_is_a_try_like_any_other(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """The kind of trouble is shown, not its text."""
    room = open_room(receiver.url)
    receiver.close()
    room.raise_callout()
    wait_until(lambda: shown(room)["given_up"])
    assert shown(room)["deliveries"][0]["outcome"] == "ConnectError"


def test_a_receiver_that_hangs_costs_no_answer_a_moment(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """While it holds a delivery the API answers everything; then it hears the rest."""
    receiver.gate.clear()
    room = open_room(receiver.url)
    number = room.raise_callout()
    wait_until(lambda: receiver.got)
    for _ in range(50):
        assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    room.act(number, "close")
    assert receiver.told() == [("NEW_CALLOUT", number)]
    receiver.gate.set()
    settled(room)
    assert receiver.told()[-1] == ("CALLOUT_CLOSED", number)


def test_a_receiver_that_never_answers_is_tried_again(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """At the deadline of a try."""
    receiver.gate.clear()
    room = open_room(receiver.url)
    assert room.running._sim is not None
    room.running._sim.webhooks.patience = Patience(deadline_s=0.1, first_s=0.01, longest_s=0.01, tries=3)
    room.raise_callout()
    wait_until(lambda: shown(room)["given_up"])
    first = shown(room)["deliveries"][0]
    assert (first["tries"], first["outcome"]) == (3, "no answer within 0.1 s")


def test_an_endless_answer_is_not_read_to_its_end(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """Its status counts; the connection is closed on the rest."""
    assert MOST_BYTES == 4096
    receiver.endless = True
    room = open_room()
    register(room, url=receiver.url, events=["NEW_CALLOUT"])
    room.raise_callout()
    settled(room)
    assert shown(room)["delivered"] == 1
    assert receiver.cut.wait(5)


def test_a_stranger_with_a_certificate_hears_nothing(
    open_room: Callable[..., Room], secure: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of an authority that is not trusted is refused, and the view says why."""
    monkeypatch.delenv("SSL_CERT_FILE")
    room = open_room(secure.url)
    room.raise_callout()
    wait_until(lambda: shown(room)["given_up"])
    assert "certificate" in shown(room)["deliveries"][0]["outcome"]
    assert secure.got == []


def test_another_registration_takes_over_at_once(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """One webhook per source: what waits for the old one goes to the new one, as far as that one wants it."""
    room = open_room("http://127.0.0.1:9/nobody")
    assert room.running._sim is not None
    room.running._sim.webhooks.patience = Patience(first_s=60.0, longest_s=60.0)
    number = room.raise_callout()
    room.act(number, "close")
    wait_until(lambda: shown(room)["deliveries"][-1]["tries"] == 1)
    register(room, url=receiver.url, events=["CALLOUT_CLOSED"])
    settled(room)
    assert receiver.told() == [("CALLOUT_CLOSED", number)]
    assert {each["event"] for each in shown(room)["deliveries"] if each["result"] == "not wanted"} >= {"NEW_CALLOUT"}


def test_a_simulator_ends_at_once_while_a_receiver_hangs(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """And goes on with the delivery when it is started again."""
    receiver.gate.clear()
    room = open_room(receiver.url)
    number = room.raise_callout()
    wait_until(lambda: receiver.got)
    room.running.stop()
    assert room.running._thread is not None
    assert not room.running._thread.is_alive()
    receiver.gate.set()
    room.running.start()
    settled(room)
    assert receiver.told() == [("NEW_CALLOUT", number)] * 2


def test_a_name_that_is_never_found_holds_nothing_up(open_room: Callable[..., Room], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the API nor the end: a look-up may hang for minutes."""
    asked, release, ended, real = threading.Event(), threading.Event(), threading.Event(), socket.getaddrinfo

    def hang(host: Any, *rest: Any, **named: Any) -> Any:
        if host != "hangs.example":
            return real(host, *rest, **named)
        asked.set()
        release.wait(20)
        ended.set()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    room = open_room("https://hangs.example/")
    number = room.raise_callout()
    assert asked.wait(5)
    assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    room.running.stop()
    assert not ended.is_set()
    release.set()
    assert shown_waiting(room) == 1


def test_the_start_s_webhook_is_told_on_after_a_reset(open_room: Callable[..., Room], receiver: Receiver) -> None:
    """A reset is the start again."""
    room = open_room(receiver.url)
    register(room, url="http://127.0.0.1:9/", events=["CALLOUT_CLOSED"])
    room.sim("POST", "/reset")
    room.as_device()
    number = room.raise_callout()
    settled(room)
    assert receiver.told() == [("NEW_CALLOUT", number)]


# --- without a server ---


def test_the_queue_is_bounded_and_keeps_the_newest() -> None:
    """What is dropped is counted and shown."""
    state, outbox = State(Settings(), 1), Outbox()
    state.webhook = Webhook(1, "https://example.com/", ALL, "webhook", {}, 0.0)
    codec = Codec(Settings().generation, "http://x")
    outbox.take([Notice("CALLOUT_CLOSED", "callout", number) for number in range(MOST_WAITING + 5)], state, codec, 0.0)
    assert [each.id for each in outbox.waiting.values()] == list(range(5, MOST_WAITING + 5))
    assert outbox.tell(state.webhook)["dropped"] == 5
    assert len({each.number for each in outbox.waiting.values()}) == MOST_WAITING


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://example.com/hook", True),
        ("https://10.0.0.1:8443/", True),
        ("http://127.0.0.1:9000/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://localhost@example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("https://", False),
        ("https://[half", False),
        ("", False),
    ],
)
def test_only_https_or_this_machine_is_told(url: str, *, fits: bool) -> None:
    """A delivery holds where somebody is."""
    assert is_acceptable(url) is fits
    if not fits and url:
        with pytest.raises(ValueError, match="https"):
            Running(webhook=url)
