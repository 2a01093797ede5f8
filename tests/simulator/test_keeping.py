"""The state file: everything of a simulation survives a stop, a kill and strange texts; files that are not its own are left alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import signal
import sqlite3
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import httpx
import pytest

from simulator import keeping
from simulator.keeping import TABLES, Keeping, UnusableError
from simulator.outbox import Outbox
from simulator.records import Cancel, Notice
from simulator.server import Running
from simulator.settings import Settings
from simulator.state import Act, Point, State, Wanted
from simulator.tokens import Tokens
from tests.simulator.rooms import HERE, THERE, Room, wait_until

NOW = 1_790_000_000.25


class Books:
    """What a simulation keeps, without a server around it."""

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        self.chosen = settings or Settings(first_callout_id=500)
        self.state = State(self.chosen, 500)
        self.tokens = Tokens()
        self.outbox = Outbox()
        self.keeping = Keeping(path, self.state, self.tokens, self.outbox, self.chosen)

    def save(self) -> None:
        self.keeping.save(self.chosen, self.state.touched)
        self.state.touched.clear()

    def contents(self) -> dict[str, Any]:
        kept = {table.name: getattr(self.state, table.name) for table in keeping.STATE_TABLES}
        return {**kept, "tokens": self.tokens.book, "deliveries": self.outbox.waiting}


@pytest.fixture
def open_books(tmp_path: Path) -> Iterator[Callable[[], Books]]:
    """Opens the same file again and again, the last one closed before."""
    opened: list[Books] = []

    def reopen() -> Books:
        for books in opened:
            books.keeping.close()
        opened.append(Books(tmp_path / "state.db"))
        return opened[-1]

    yield reopen
    for books in opened:
        books.keeping.close()


# --- every field ---


def example(hint: Any, nth: int, *, depth: int = 0) -> Any:
    """A value of a field's type that is not its default, another one for each nth."""
    if get_origin(hint) in (Union, UnionType):
        return example(next(each for each in get_args(hint) if each is not NoneType), nth, depth=depth)
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if isinstance(origin, type) and issubclass(origin, StrEnum):
        return list(origin)[nth % len(origin)]
    if dataclasses.is_dataclass(origin):
        return filled(origin, nth)
    simple = {bool: nth % 2 == 0, int: 1000 + nth, float: nth + 0.125, str: f"text {nth} ' \" ; é\n\0"}
    if origin in simple:
        return simple[origin]
    if origin is dict:
        return {example(inner[0], nth + step): example(inner[1], nth + step) for step in (1, 2)}
    return origin(example(inner[0], nth + step) for step in (1, 2))


def filled(form: Any, nth: int) -> Any:
    hints = get_type_hints(form)
    names = [field.name for field in dataclasses.fields(form)]
    values = {name: example(hints[name], nth + place) for place, name in enumerate(names)}
    if form is Cancel:
        values["typed"] = None
    return form(**values)


def fill(books: Books) -> None:
    """Two records in every dict, one in every single place, every field of each of them set."""
    for table in TABLES:
        holder = {"tokens": books.tokens.book, "deliveries": books.outbox.waiting}.get(table.name)
        if table.name == "settings":
            continue
        if table.key is None:
            setattr(books.state, table.name, filled(table.form, 7))
            continue
        records = [filled(table.form, nth) for nth in (3, 40)]
        kept = getattr(books.state, table.name) if holder is None else holder
        kept.update({getattr(record, table.key): record for record in records})


def test_every_field_of_everything_that_is_kept_survives(open_books: Callable[[], Books]) -> None:
    """A new field of a record needs nothing but to be there."""
    books = open_books()
    fill(books)
    books.state.touched.update(books.state.callouts)
    books.save()
    before = books.contents()
    assert len(before["callouts"]) == 2
    assert all(each.positions and each.entries and each.cancels for each in before["callouts"].values())
    after = open_books().contents()
    assert after == before
    assert [list(value) for value in after.values() if isinstance(value, dict)] == [
        list(value) for value in before.values() if isinstance(value, dict)
    ]


def test_everything_that_state_remembers_is_kept_or_named_here() -> None:
    """A new attribute of `State` gets a row in keeping.STATE_TABLES, or a reason in this test."""
    # Settings lie beside; what was touched and what was noticed is gone by the end of a step.
    remembered = set(vars(State(Settings(), 1))) - {"settings", "touched", "notices"}
    assert remembered == {table.name for table in keeping.STATE_TABLES}


def test_every_change_of_every_field_is_seen(open_books: Callable[[], Books]) -> None:
    """Also one of a record that is there already, and of a list inside it."""
    books = open_books()
    fill(books)
    books.state.touched.update(books.state.callouts)
    books.save()
    for record in [*books.state.customers.values(), *books.state.devices.values(), *books.state.callouts.values(), books.state.webhook]:
        hints = get_type_hints(type(record))
        for place, field in enumerate(dataclasses.fields(record)):
            if field.name not in ("id", "device_id", "cancels"):
                setattr(record, field.name, example(hints[field.name], 91 + place))
    books.state.touched.update(books.state.callouts)
    books.save()
    before = books.contents()
    assert open_books().contents() == before


def test_lists_may_grow_shrink_and_change_in_the_middle(open_books: Callable[[], Books]) -> None:
    """Whatever becomes of a list, the file holds it as it is."""
    books = open_books()
    callout, _ = books.state.raise_callout(Wanted(4711, 1, Point(1, 2, 3)), NOW, "key")
    for step in range(5):
        books.state.say(callout, "customer", f"text {step}", NOW + step)
    books.save()
    for change in (lambda each: each.pop(2), lambda each: each.reverse(), lambda each: each.extend(each[:2]), lambda each: each.clear()):
        change(callout.entries)
        books.state.touched.add(callout.id)
        books.save()
        kept = list(callout.entries)
        books = open_books()
        callout = books.state.callouts[callout.id]
        assert callout.entries == kept


def test_what_goes_is_gone_with_all_that_was_inside(open_books: Callable[[], Books], tmp_path: Path) -> None:
    """A reset leaves no rows of what was before."""
    books = open_books()
    fill(books)
    books.state.touched.update(books.state.callouts)
    books.save()
    books.state.reset()
    books.save()
    before = books.contents()
    assert open_books().contents() == before
    inside = [below.name for table in TABLES for below in table.within() if table.name in ("callouts", "devices", "webhook")]
    with sqlite3.connect(tmp_path / "state.db") as reader:
        left = {name: reader.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in inside}  # noqa: S608 - our own tables
    reader.close()
    assert left == dict.fromkeys(inside, 0)
    assert len(left) > 8


def test_texts_and_numbers_that_fit_no_database_are_kept(open_books: Callable[[], Books]) -> None:
    """A lone surrogate or a number beyond 64 bits that a client sent does not keep the rest from being written."""
    books = open_books()
    callout, _ = books.state.raise_callout(Wanted(4711, 1, Point(1, 2, None)), NOW, "key")
    books.state.say(callout, "\ud800", "half a pair \udfff and a \0", NOW)
    callout.presses = 2**80
    books.save()
    kept = open_books().state.callouts[callout.id]
    assert (kept.entries, kept.presses) == (callout.entries, 2**80)


# --- secrets ---


def test_a_code_as_typed_is_nowhere_in_the_file(open_books: Callable[[], Books], tmp_path: Path) -> None:
    """The verdict is kept, the code is not, hashed or otherwise."""
    books = open_books()
    callout, _ = books.state.raise_callout(Wanted(4711, 1, Point(1, 2, 3)), NOW, "key")
    books.state.cancel(callout, "typed-by-the-wearer", NOW)
    books.save()
    digests = [make(b"typed-by-the-wearer").hexdigest() for make in (hashlib.md5, hashlib.sha1, hashlib.sha256)]
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"cancels" in raw
    assert not [secret for secret in ("typed-by-the-wearer", *digests) if secret.encode() in raw]
    assert [(each.verdict, each.typed) for each in open_books().state.callouts[callout.id].cancels] == [("wrong", None)]


def test_the_file_is_for_its_owner_alone(open_books: Callable[[], Books], tmp_path: Path) -> None:
    """With what SQLite lays beside it; one that was opened up is closed again."""
    path = tmp_path / "state.db"
    open_books().save()
    path.chmod(0o644)
    open_books().save()
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in tmp_path.iterdir()} == {
        "state.db": "0o600",
        "state.db-wal": "0o600",
        "state.db-shm": "0o600",
    }


# --- cost ---


def test_one_position_more_is_one_row_more(open_books: Callable[[], Books]) -> None:
    """Among 200 callouts with an hour behind them: nothing is written again, and what is settled is not read out again either."""
    assert {"callout_positions", "callout_entries"} <= {below.name for table in TABLES for below in table.within() if below.settled}
    books = open_books()
    for number in range(200):
        customer = dataclasses.replace(books.state.customers[4711], id=5000 + number, mobile=f"+2782000{number:04}")
        books.state.customers[customer.id] = customer
        callout, _ = books.state.raise_callout(Wanted(customer.id, 1, Point(1, 2, 3)), NOW, f"key {number}")
    for second in range(3600):
        books.state.locate(callout, Point(1, 2 + second / 1e5, 5), NOW + second)
    books.save()
    written = books.keeping._connection.total_changes
    for each in list(books.state.callouts.values()):
        books.state.locate(each, Point(1, 2, 3), NOW)
        books.save()
    assert books.keeping._connection.total_changes - written == 200
    books.save()
    assert books.keeping._connection.total_changes - written == 200


def test_a_step_that_could_not_be_written_is_written_with_the_next(open_books: Callable[[], Books], tmp_path: Path) -> None:
    """Somebody holds the file by hand: the step fails loudly, and nothing of it is lost."""
    books = open_books()
    books.keeping._connection.execute("PRAGMA busy_timeout = 0")
    callout, _ = books.state.raise_callout(Wanted(4711, 1, Point(1, 2, 3)), NOW, "key")
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        books.save()
    other.execute("ROLLBACK")
    other.close()
    books.save()
    assert open_books().state.callouts[callout.id].positions == callout.positions


def test_a_step_that_broke_off_in_its_midst_is_written_whole_with_the_next(open_books: Callable[[], Books]) -> None:
    """No room for its last row: none of it is in the file, until there is room."""
    books = open_books()
    connection = books.keeping._connection
    callout, _ = books.state.raise_callout(Wanted(4711, 1, Point(1, 2, 3)), NOW, "key")
    books.state.say(callout, "customer", "long " * 50_000, NOW)
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        books.save()
    assert connection.execute("SELECT COUNT(*) FROM callouts").fetchone() == (0,)
    connection.execute("PRAGMA max_page_count = 100000")
    books.save()
    assert open_books().state.callouts == {callout.id: callout}


def test_a_step_that_is_not_kept_is_answered_500_with_a_message_and_goes_on(tmp_path: Path) -> None:
    """As any other answer: its connection stays, and what was not kept is kept by the next step."""
    with Running(state_file=tmp_path / "state.db") as running:
        room = Room(running)
        room.as_device()
        callout = room.raise_callout()
        connection = running._sim.keeping._connection  # type: ignore[union-attr]
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        said = {"source": "customer", "event": "long " * 10_000}
        told = [room.api("POST", f"/callouts/{callout}/events", said), room.sim("POST", f"/callouts/{callout}/say", {"message": "more"})]
        assert [(each.status_code, "full" in each.json()["message"]) for each in told] == [(500, True)] * 2
        connection.execute("PRAGMA max_page_count = 100000")
        assert room.api("GET", f"/callouts/{callout}").status_code == 200
        assert len({seen["connection"] for seen in room.sim("GET", "/requests").json()}) == 1
        assert running._sim.keeping._compare(None).statements == []  # type: ignore[union-attr]
        room.http.close()


# --- files that are not ours ---


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()


def another_version(path: Path) -> None:
    Books(path).keeping.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 12345")
    connection.close()


STRANGERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (lambda path: path.write_text("dear diary, " * 50), "not a state file"),
    "nothing": (lambda path: path.write_bytes(b""), "not a state file"),
    "another database": (foreign_database, "not a state file"),
    "another version": (another_version, "another version"),
    "a pipe": (os.mkfifo, "not a state file"),
    "a folder": (lambda path: path.mkdir(), "cannot be opened"),
    "a folder that is not there": (lambda path: path.symlink_to(path.parent / "no" / "where"), "cannot be"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_file_that_cannot_be_used_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    """The refusal names the file and what to do."""
    path = tmp_path / "state.db"
    make, words = STRANGERS[kind]
    make(path)
    before = {each: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()}
    with pytest.raises(UnusableError, match=words) as refusal:
        Books(path)
    assert str(path) in str(refusal.value)
    assert re.search(r"name (another|a) file", str(refusal.value))
    assert {each: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()} == before


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """The rows are read at the start, not when somebody asks for them."""
    path = tmp_path / "state.db"
    Books(path).keeping.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xaa" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(UnusableError, match="damaged"):
        Books(path)
    assert path.read_bytes() == raw


def test_two_simulators_on_one_file_are_one_too_many(open_books: Callable[[], Books], tmp_path: Path) -> None:
    """The second is refused in one line; when the first has ended it may begin."""
    first = open_books()
    with pytest.raises(UnusableError, match="in use by another simulator") as refusal:
        Books(tmp_path / "state.db")
    assert "\n" not in str(refusal.value)
    first.keeping.close()
    Books(tmp_path / "state.db").keeping.close()


# --- the running simulator ---


def test_a_device_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Token, callout, settings and the next id: as if nothing had been."""
    path = tmp_path / "state.db"
    with Running(Settings(first_callout_id=700), state_file=path) as running:
        room = Room(running)
        room.as_device()
        number = room.raise_callout()
        room.sim("PATCH", "/settings", {"right_code_closes": True, "scope": ["raise", "read", "locate"], "callout_token_s": 60})
        room.sim("POST", "/faults", {"action": "status", "on": "read"})
        token, seen = room.headers, room.seen(number)
        room.http.close()
    with Running(Settings(first_callout_id=700), state_file=path) as running:
        room = Room(running)
        room.headers = token
        assert room.seen(number) == seen
        assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
        assert room.api("GET", f"/callouts/{number}/events").status_code == 401
        told = room.sim("GET", "").json()
        assert (told["right_code_closes"], told["scope"], told["callout_token_s"]) == (True, ["locate", "raise", "read"], 60)
        assert room.sim("GET", "/faults").json() == []
        room.act(number, "close")
        assert room.raise_callout() == number + 1
        room.http.close()


# What a backend, a device and a dispatcher may do one after the other. CALLOUT, RATING, SUBSCRIPTION: the last one.
STEPS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/notifiers", {"url": "http://127.0.0.1:9/", "events": ["SUBSCRIPTION_UPDATED"], "headers": {"X-Key": "1"}}),
    ("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": 1}),
    ("POST", "/customers/4711/callouts", {"location": THERE, "responseTypeId": 2}),
    ("POST", "/callouts/CALLOUT/location", THERE),
    ("POST", "/callouts/CALLOUT/updateLocationAndReturnCallout", THERE),
    ("POST", "/callouts/CALLOUT/events", {"source": "customer", "event": "hello"}),
    ("POST", "/callouts/CALLOUT/cancel", {"safeCode": "9999"}),
    ("POST", "/callouts/CALLOUT/cancel", {"safeCode": "0042"}),
    ("SIM", "/callouts/CALLOUT/say", {"message": "on our way"}),
    ("SIM", "/callouts/CALLOUT/dispatch", {"eta_s": 60}),
    ("SIM", "/callouts/CALLOUT/stand_down", None),
    ("SIM", "/callouts/CALLOUT/dispatch", None),
    ("SIM", "/callouts/CALLOUT/arrive", None),
    ("SIM", "/callouts/CALLOUT/complete", None),
    ("POST", "/callouts/CALLOUT/exceptionReasons", {"exceptionReasonId": 2, "notes": "n"}),
    ("SIM", "/callouts/CALLOUT/close", None),
    ("POST", "/callouts/CALLOUT/cancel", {"safeCode": "9999"}),
    ("POST", "/ratings", {"calloutId": "CALLOUT", "rating": 4}),
    ("POST", "/rating-items", {"calloutRatingId": 1, "ratingItemDescription": "speed", "sentiment": "good"}),
    ("POST", "/devices", {"customerId": 4711, "deviceSerial": "8812345", "deviceSupplier": "Simulated"}),
    ("POST", "/predefinedLocations", {"externalReferenceId": "S2", "locationIdentifier": "two", "latitude": "1", "longitude": "2"}),
    ("POST", "/predefinedLocations/externalRef/STORE-001/callouts", {}),
    ("POST", "/callouts/CALLOUT/cancel", {}),
    ("SIM", "/callouts", {"customerId": 4711, "latitude": 1, "longitude": 2}),
    ("SIM", "/callouts/CALLOUT/close", None),
    ("POST", "/customers", {"customer": {"name": "A", "surname": "B", "mobile": "+27825550123"}}),
    ("DELETE", "/subscriptions/1", None),
    ("SIM", "/tokens/expire", {}),
    ("SIM", "/reset", None),
)


def test_every_step_is_in_the_file_when_it_is_answered(tmp_path: Path) -> None:
    """Whatever operation it was: nothing is left to be written."""
    with Running(state_file=tmp_path / "state.db") as running:
        room = Room(running)
        room.as_backend()
        sim = running._sim
        assert sim is not None
        assert sim.keeping is not None
        for method, path, body in STEPS:
            last = max(sim.state.callouts, default=0)
            sent = json.loads(json.dumps(body).replace('"CALLOUT"', str(last)))
            before = sim.keeping._connection.total_changes
            where = path.replace("CALLOUT", str(last))
            told = room.sim("POST", where, sent) if method == "SIM" else room.api(method, where, sent)
            assert told.status_code < 285, f"{method} {path}: {told.status_code} {told.text}"
            assert sim.keeping._connection.total_changes > before, f"{method} {path} wrote nothing"
            assert sim.keeping._compare(None).statements == [], f"{method} {path} left something unwritten"
        room.http.close()


def test_an_outage_keeps_the_file_open_and_in_step(tmp_path: Path) -> None:
    """`stop` and `start` of one simulator."""
    path = tmp_path / "state.db"
    with Running(state_file=path) as running:
        room = Room(running)
        room.as_device()
        running.stop()
        running.start()
        number = room.raise_callout()
        room.http.close()
    with sqlite3.connect(path) as reader:
        assert reader.execute("SELECT id, latitude FROM callouts JOIN callout_positions ON of_callout = id").fetchall() == [
            (number, HERE["latitude"])
        ]
    reader.close()


COMMAND = [sys.executable, "-c", "from agent.cli import main; raise SystemExit(main())", "simulator", "--port", "0", "--state"]


def start(path: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([*COMMAND, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if found := re.match(r"Control room:\s+(\S+)/$", line):
            return process, found[1]
    raise AssertionError("it did not start")


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """SIGKILL in the midst of positions: every one that was answered is in the file, and the file opens."""
    path = tmp_path / "state.db"
    process, root = start(path)
    api, answered = root + "/panic-api/v2", 0
    with process, httpx.Client(trust_env=False) as client:
        token = client.post(root + "/backend/token", headers={"Authorization": "Bearer demo-device-key"}, json={"customerId": 4711}).json()
        client.headers["Authorization"] = f"Bearer {token['accessToken']}"
        number = client.post(api + "/customers/4711/callouts", json={"location": HERE, "responseTypeId": 1}).json()["callout"]["id"]
        try:
            for step in range(10_000):
                place = {"latitude": 1.0, "longitude": step / 100, "accuracy": 5}
                answered += client.post(f"{api}/callouts/{number}/location", json=place).status_code == 200
                if step == 100:
                    process.send_signal(signal.SIGKILL)
        except httpx.TransportError:
            pass
    assert answered > 100
    with sqlite3.connect(path) as reader:
        kept = [row[0] for row in reader.execute("SELECT longitude FROM callout_positions WHERE via = 'location' ORDER BY nth")]
    reader.close()
    assert kept[:answered] == [step / 100 for step in range(answered)]
    assert len(kept) <= answered + 1
    with Running(state_file=path) as running, httpx.Client(trust_env=False, headers=client.headers) as again:
        assert again.get(f"{running.base_url}/callouts/{number}").status_code == 200


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    """A file in use, and one that is not a state file: exit code 1, no traceback."""
    path = tmp_path / "state.db"
    stranger = tmp_path / "letter.txt"
    stranger.write_text("dear diary")
    with Running(state_file=path):
        for file, words in ((path, "in use"), (stranger, "not a state file")):
            ended = subprocess.run([*COMMAND, str(file)], capture_output=True, text=True, check=False)
            assert (ended.returncode, ended.stdout) == (1, "")
            assert len(ended.stderr.splitlines()) == 1
            assert words in ended.stderr


def test_a_device_trusts_a_simulator_that_was_started_again(tmp_path: Path) -> None:
    """The authority is kept beside the state, for its owner only; without a state file it goes with the process."""
    path, ca_file = tmp_path / "state.db", tmp_path / "ca.pem"
    with Running(tls=True, ca_file=ca_file, state_file=path):
        device = ssl.create_default_context(cafile=ca_file)
    kept = tmp_path / "state.db.authority"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with Running(tls=True, ca_file=ca_file, state_file=path) as running:
        assert httpx.get(running.root_url + "/openapi.json", verify=device, trust_env=False).status_code == 200
    with Running(tls=True, ca_file=ca_file) as running, pytest.raises(httpx.ConnectError):
        httpx.get(running.root_url + "/openapi.json", verify=device, trust_env=False)
    kept.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="no authority of the simulator"):
        Running(tls=True, ca_file=ca_file, state_file=path).start()
    assert kept.read_text(encoding="utf-8") == "mine"


def test_a_webhook_hears_after_a_restart_what_it_missed(tmp_path: Path) -> None:
    """What waits to be delivered outlives the process, in order."""
    path = tmp_path / "state.db"
    with Running(state_file=path, webhook="http://127.0.0.1:9/") as running:
        room = Room(running)
        room.as_device()
        number = room.raise_callout()
        room.act(number, "dispatch")
        waiting = room.sim("GET", "/webhooks").json()
        assert waiting["waiting"] >= 2
        room.http.close()
    with Running(state_file=path) as running:
        room = Room(running)
        wait_until(lambda: room.sim("GET", "/webhooks").json()["deliveries"][-1]["tries"])
        told = room.sim("GET", "/webhooks").json()["deliveries"]
        assert [(each["event"], each["id"]) for each in told] == [(each["event"], each["id"]) for each in waiting["deliveries"]]
        assert {each["id"] for each in told} == {number}
        room.http.close()


def test_a_step_leaves_no_notice_behind(tmp_path: Path) -> None:
    """Without a webhook they are let go, so that a later one does not hear of the past."""
    with Running(state_file=tmp_path / "state.db") as running:
        room = Room(running)
        room.as_device()
        number = room.raise_callout()
        room.act(number, Act.CLOSE)
        assert running._sim is not None
        assert running._sim.state.notices == []
        running._sim.state.notices.append(Notice("NEW_CALLOUT", "callout", number))
        room.seen(number)
        assert running._sim.state.notices == []
        assert room.sim("GET", "/webhooks").json()["deliveries"] == []
        room.http.close()
