"""Transcripts: what is in them, what never is, and what a comparison of two tells."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import rehearsal
from simulator import compare, compare_words
from simulator.server import Running
from simulator.settings import Settings
from simulator.transcript_redaction import GONE, Veil, veiled
from tests.simulator.rooms import HERE, THERE, Room, wait_until

WRITTEN = Settings(first_callout_id=500123)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Room]:
    """A room whose transcript goes to a file."""
    running = Running(WRITTEN, transcript=tmp_path / "t.jsonl")
    running.start()
    room = Room(running)
    room.as_device()
    yield room
    room.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def entries(room: Room, kind: str = "request") -> list[dict[str, Any]]:
    return [entry for entry in room.sim("GET", "/transcript").json()["entries"] if entry["kind"] == kind]


# --- what is in it ---


def test_every_request_is_a_line_as_soon_as_it_is_answered_with_both_bodies(written: Room, tmp_path: Path):
    """Number, times, connection, what was asked and answered; for nobody else's eyes."""
    callout = written.raise_callout()
    written.api("POST", f"/callouts/{callout}/location", THERE)
    wait_until(lambda: len(lines(tmp_path / "t.jsonl")) == 4)  # the answer leaves first
    head, minted, raised, located = lines(tmp_path / "t.jsonl")
    assert (head["kind"], head["version"], minted["operation"]) == ("transcript", 1, "mint")
    assert {key: located[key] for key in ("number", "method", "path", "operation", "callout", "body", "status", "answer", "fault")} == {
        "number": 3,
        "method": "POST",
        "path": f"/panic-api/v2/callouts/{callout}/location",
        "operation": "locate",
        "callout": callout,
        "body": THERE,
        "status": 200,
        "answer": {"message": "Location updated"},
        "fault": None,
    }
    assert raised["callout"] == callout == raised["answer"]["callout"]["id"]
    assert 0 <= raised["at_s"] <= located["at_s"]
    assert located["took_s"] >= 0
    assert located["connection"] == raised["connection"] > 0
    assert stat.S_IMODE((tmp_path / "t.jsonl").stat().st_mode) == 0o600


def test_the_same_is_to_be_had_over_http_and_since_a_number(room: Room):
    callout = room.raise_callout()
    told = room.sim("GET", "/transcript").json()
    assert told["trouble"] is None
    assert [entry["operation"] for entry in told["entries"]] == ["mint", "raise"]
    room.api("GET", f"/callouts/{callout}")
    newer = room.sim("GET", f"/transcript?since={told['entries'][-1]['entry']}").json()["entries"]
    assert [entry["operation"] for entry in newer] == ["read"]


@pytest.mark.parametrize(("generation"), ["old", "new"])
def test_codes_become_right_wrong_or_blank_and_no_secret_is_anywhere(open_room: Callable[..., Room], generation: str):
    """Codes, tokens, keys, client secrets, tracking pages and mobile numbers, in bodies of both directions."""
    room = open_room(generation=generation, customer_mobile="+27820007391")
    room.as_backend()
    room.api("POST", "/oauth/calloutToken", {"customerId": 4711})
    tokens = [room.headers["Authorization"].removeprefix("Bearer ")]
    room.as_device()
    tokens.append(room.headers["Authorization"].removeprefix("Bearer "))
    callout = room.raise_callout()
    for code in ("7391", "2604", " ", None, 7391):
        room.api("POST", f"/callouts/{callout}/cancel", {"safeCode": code})
    room.api("POST", f"/callouts/{callout}/cancel")
    room.api("POST", f"/callouts/{callout}/cancel", content=b'{"safeCode": "7391"', headers={"Content-Type": "application/json"})
    said = {"message": f"my key is {room.chosen.device_key} and {tokens[0]}", "source": "customer"}
    room.api("POST", f"/callouts/{callout}/events", {**said, "event": said["message"]})
    room.sim("POST", "/customers", {"id": 5, "mobile": "+27820002604"})
    room.mint(key=room.chosen.device_key)
    told = entries(room)
    cancels = [entry["body"] for entry in told if entry["operation"] == "cancel"]
    assert cancels == [
        *({"safeCode": worth} for worth in ("right", "wrong", "blank", "blank", "blank")),
        None,
        {"bytes": 19, "json": False},
    ]
    text = json.dumps([entry | {"at_s": 0, "took_s": 0, "connection": 0} for entry in (*told, *entries(room, "act"))])
    (key,) = {view.track_key for view in room.running._sim.state.callouts.values()}
    secrets = (*tokens, room.chosen.client_secret, room.chosen.device_key, room.chosen.dispatcher_key, "7391", "2604", key)
    assert [secret for secret in secrets if secret in text] == []
    assert GONE in text


ODDLY_SENT = (
    "2604",
    ["2604"],
    2604,
    {"2604": 1},
    {"value": "2604"},
    {"saf3Code": "2604"},
    {"x": {"x": ["2604"]}},
    {"safeCode": {"x": "2604"}},
)


@pytest.mark.parametrize("body", ODDLY_SENT)
def test_a_code_that_was_sent_in_no_documented_way_is_not_in_a_transcript(old: Room, body: Any):
    """A client that has its key or its path wrong is what a rehearsal is for."""
    callout = old.raise_callout()
    for path in ("dismiss", "cancel"):
        old.api("POST", f"/callouts/{callout}/{path}", body)
    told = [entry["body"] for entry in entries(old) if entry["operation"] in ("cancel", "dismiss")]
    assert (len(told), "2604" in json.dumps(told)) == (2, False)


def test_a_list_says_a_code_no_more_than_a_text_does(room: Room):
    """Lists of rules are what a desk sends; a bare code in one is nothing that anybody should send."""
    room.api("POST", "/ratings", ["2604"])
    room.sim("PUT", "/faults", [{"action": "reset", "on": "rate", "count": 0}])
    assert [entry["body"] for entry in entries(room) if entry["operation"] == "rate"] == [{"bytes": 8}]
    assert entries(room, "act")[-1]["body"][0]["action"] == "reset"


def test_a_token_that_a_client_put_into_a_path_is_not_in_a_transcript(room: Room):
    """Whoever mixes up two arguments is rehearsing, too."""
    token = room.headers["Authorization"].removeprefix("Bearer ")
    room.api("GET", f"/callouts/{token}")
    assert entries(room)[-1]["path"] == f"/panic-api/v2/callouts/{GONE}"


def test_what_is_secret_in_the_url_of_a_webhook_is_left_out(room: Room):
    """User, password, query and fragment; who it is that is told stays."""
    room.as_backend()
    room.api("POST", "/notifiers", {"url": "https://me:s3cret@example.com/hook?key=k3y#fr4gment", "events": ["NEW_CALLOUT"]})
    told = entries(room)[-1]
    assert told["body"]["url"] == told["answer"]["notifier"]["url"] == f"https://{GONE}example.com/hook{GONE}"


def test_acts_of_dispatcher_and_scenario_stand_between_the_requests_in_order(room: Room):
    """And nothing that was only looked at or refused."""
    callout = room.raise_callout()
    room.act(callout, "complete")
    room.act(callout, "dispatch")
    room.sim("POST", f"/callouts/{callout}/say", {"message": "We are coming."})
    text = 'title = "T"\ndescription = "D"\n[[step]]\nresponder = "arrive"\n'
    room.sim("POST", "/scenario", {"toml": text})
    wait_until(lambda: room.sim("GET", "/scenario").json()["state"] == "ended")
    room.api("POST", f"/callouts/{callout}/location", HERE)
    told = [
        (entry.get("by") or entry.get("operation"), entry.get("path", "").rpartition("/")[2] or entry.get("state"))
        for entry in room.sim("GET", "/transcript").json()["entries"]
    ]
    assert told == [
        ("mint", "token"),
        ("raise", "callouts"),
        ("dispatcher", "dispatch"),
        ("dispatcher", "say"),
        (None, "began"),
        ("scenario", "arrive"),
        (None, "did"),
        (None, "ended"),
        ("locate", "location"),
    ]


def test_a_request_without_an_answer_is_there_too_with_its_fault(room: Room):
    callout = room.raise_callout()
    room.sim("POST", "/faults", {"action": "lost", "on": "locate"})
    with pytest.raises(httpx.TransportError):
        room.api("POST", f"/callouts/{callout}/location", HERE)
    wait_until(lambda: entries(room)[-1]["operation"] == "locate")
    last = entries(room)[-1]
    assert (last["status"], last["answer"], last["fault"], last["body"]) == (None, None, "lost", HERE)


def test_a_file_that_is_there_is_not_touched(tmp_path: Path):
    (tmp_path / "t.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError):
        Running(transcript=tmp_path / "t.jsonl").start()
    assert (tmp_path / "t.jsonl").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_ends_the_file_and_not_the_simulator(room: Room):
    transcript = room.running._sim.transcript
    full = os.open("/dev/full", os.O_WRONLY)
    transcript._file = full
    callout = room.raise_callout()
    assert room.api("POST", f"/callouts/{callout}/location", HERE).status_code == 200
    os.close(full)
    told = room.sim("GET", "/transcript").json()
    assert "No space left" in told["trouble"]
    assert [entry["operation"] for entry in told["entries"]] == ["mint", "raise", "locate"]


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"<html>0042</html>", b"[" * 5_000])
def test_what_is_not_json_is_told_by_its_size_alone(raw: bytes):
    assert veiled(raw, Veil(())) == {"bytes": len(raw), "json": False}


def test_a_body_that_nobody_would_read_is_told_by_its_size():
    raw = json.dumps(["x" * 100] * 1_000).encode()
    assert veiled(raw, Veil(())) == {"bytes": len(raw)}
    assert veiled(None, Veil(())) == {"bytes": "too many"}


def test_no_text_takes_long_to_look_through():
    """The simulator's loop waits meanwhile."""
    began_at = time.monotonic()
    for text in ("a" * 200_000, "a." * 100_000, "abcdefgh." * 20_000, "/track/" * 20_000):
        veiled(json.dumps({"event": text}).encode(), Veil(("secret",)))
    assert time.monotonic() - began_at < 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["safeCode", "text", "accessToken", "mobile", "k"]), inner),
    max_leaves=12,
)


@given(
    JSON, st.sampled_from(["safeCode", "SAFE_CODE", "safe-code", "pin", "accessToken", "access_token", "clientSecret", "customerMobile"])
)
def test_a_secret_under_a_telling_key_is_gone_wherever_the_key_stands(document: Any, key: str):
    """At the top, in a list, deep below: whatever stands around it."""
    secret = "13572468"
    for sent in ({key: secret, "more": document}, [document, {key: secret}], {"a": [{"b": {key: secret}}], "more": document}):
        kept = veiled(json.dumps(sent).encode(), Veil((), lambda _: "wrong"))
        assert secret not in json.dumps(kept)


@pytest.mark.parametrize("value", [13572468, 13572468.0, "13572468", ["13572468"], {"X-Key": "13572468"}, {"1": {"2": 13572468}}])
def test_a_secret_is_gone_whatever_kind_of_value_it_is(value: Any):
    for key in ("password", "clientSecret", "headers", "apiKey"):
        assert veiled(json.dumps({key: value}).encode(), Veil(())) == {key: GONE}


# --- comparing ---


def story(room: Room, **other: Any) -> str:
    """One emergency as a transcript; `other` says in what it is another."""
    if other.get("fault", True):
        room.sim("POST", "/faults", {"action": "portal", "on": "raise"})
        for _ in range(other.get("portals", 1)):
            room.api("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": 1})
        room.sim("DELETE", "/faults")
    kind = other.get("kind", 1)
    callout = room.api("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": kind}).json()["callout"]["id"]
    for text in other.get("texts", ("Pressed again at 2026-01-02T03:04:05Z (button panic)", "The battery is at 12 %")):
        room.api("POST", f"/callouts/{callout}/events", {"source": "customer", "event": text})
    for number in range(other.get("positions", 3)):
        room.api("POST", f"/callouts/{callout}/location", {**HERE, "latitude": -29.0 - number / 1000 - room.running.port / 1e6})
        room.api("GET", f"/callouts/{callout}")
    room.api("POST", f"/callouts/{callout}/cancel", {"safeCode": other.get("code", "9999")} if other.get("code", "") is not None else None)
    for _ in range(other.get("behind", 2)):
        room.api("POST", f"/callouts/{callout}/location", HERE)
    for act in other.get("acts", ("dispatch", "close")):
        room.act(callout, act)
    for _ in range(other.get("after", 1)):
        room.api("POST", f"/callouts/{callout}/location", HERE)
    head = json.dumps({"kind": "transcript", "version": 1})
    return "\n".join([head, *map(json.dumps, room.sim("GET", "/transcript").json()["entries"]), ""])


def canon(text: str) -> compare.Canon:
    return compare.canonical(compare.read(text))


def test_two_runs_of_the_same_behaviour_are_the_same(open_room: Callable[..., Room]):
    """Other ids, other times, other places, other numbers of reads, positions and tries; two messages in the other order."""
    first = story(open_room())
    texts = ("The battery is at 9 %", "Pressed again at 2026-02-03T04:05:06Z (button panic)")
    second = story(open_room(first_callout_id=77), positions=7, portals=3, behind=4, after=2, texts=texts)
    assert "\n".join(compare.differences(canon(first), canon(second))) == ""
    assert len(canon(first).milestones) >= 8


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"code": "0042"}, "+ callout 1: cancel with a right code (200)"),
        ({"code": None}, "+ callout 1: cancel with no code (200)"),
        ({"kind": 2}, "responseTypeId: 2"),
        ({"texts": ("Pressed again at 2026-01-02T03:04:05Z (button panic)",)}, '- callout 1 is told "The battery is at #" (201)'),
        ({"texts": ("Pressed first at 2026-01-02T03:04:05Z (button panic)", "The battery is at 12 %")}, "+ callout 1 is told"),
        ({"behind": 0}, "+ after a cancel: none"),
        ({"after": 9}, "it went on"),
        ({"after": 0}, "- callout 1: the device hears that it is closed"),
        ({"acts": ("close",)}, "- dispatch: callouts/#/dispatch"),
        ({"fault": False}, "- met: portal"),
    ],
)
def test_a_changed_behaviour_is_found(open_room: Callable[..., Room], other: dict[str, Any], found: str):
    told = compare.differences(canon(story(open_room())), canon(story(open_room(), **other)))
    assert any(found in line for line in told), "\n".join(told)


def asked(operation: str, callout: int | None = 7, status: int | None = 200, fault: str | None = None, body: Any = None) -> compare.Entry:
    """One request of a transcript."""
    method = "GET" if operation.startswith("list") else "POST"
    told = {"kind": "request", "method": method, "path": f"/x/{operation}", "operation": operation, "answer": None}
    return told | {"callout": callout, "status": status, "fault": fault, "body": body}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([asked("locate")], [asked("locate"), asked("locate", status=400)]),
        ([asked("raise", fault="lost"), asked("raise")], [asked("list_customer", fault="lost"), asked("raise")]),
        ([asked("cancel", fault="lost"), asked("cancel")], [asked("list_customer", fault="lost"), asked("cancel")]),
        ([asked("raise"), asked("raise", 8), asked("cancel", 8)], [asked("raise"), asked("raise", 8), asked("cancel", 7)]),
    ],
    ids=["status", "what met a fault: a raise", "what met a fault: a cancel", "which callout"],
)
def test_a_request_that_ended_otherwise_is_a_difference(first: list[compare.Entry], second: list[compare.Entry]):
    assert compare.differences(compare.canonical(first), compare.canonical(second))


@pytest.mark.parametrize("answer", [asked("locate", status=285), asked("read") | {"answer": {"callout": {"status": "closed"}}}])
def test_a_request_that_was_under_way_at_the_close_hears_of_it_afterwards(answer: compare.Entry):
    """It began before the act, and could only be answered so behind it."""
    act = {"kind": "act", "at_s": 1.0, "method": "POST", "path": "/sim/callouts/7/close", "body": None}
    head = {"kind": "transcript", "version": 1}
    under_way, later = ({**answer, "at_s": at_s, "took_s": 0.3} for at_s in (0.8, 1.2))
    told = [canon("".join(json.dumps(each) + "\n" for each in (head, request, act))) for request in (under_way, later)]
    assert compare.differences(*told) == []


def test_what_is_printed_of_a_foreign_transcript_drives_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    head = json.dumps({"kind": "transcript", "version": 1}) + "\n"
    (tmp_path / "a").write_text(head, encoding="utf-8")
    foreign = {"kind": "scenario", "at_s": 1, "state": "began", "title": "\x1b]0;mine\x07\x9b2J"}
    (tmp_path / "b").write_text(head + json.dumps(foreign) + "\n", encoding="utf-8")
    assert rehearsal.compared(tmp_path / "a", tmp_path / "b") == 1
    told = capsys.readouterr().out
    assert "mine" in told
    assert all(letter.isprintable() for line in told.splitlines() for letter in line)


def test_a_trail_is_the_same_however_it_is_told():
    """One message or several, one position or many: its length decides, and where the device happened to be."""
    forms = (
        "One position did not get through: at 10:00:02 UTC the device was at -33.9,18.4 (within 5 m).",
        "Trail: where the device was while its positions did not get through, 2026-01-01 10:00:00 to 10:00:12 UTC (12 s). It moved 3 km.",
        "Trail, part 1 of 3: where the device was while its positions did not get through, 2026-01-01 10:00:00 to 11:00:00 UTC. More.",
    )
    assert {compare_words.gist(form) for form in forms} == {"where the device was while nothing got through"}
    assert compare_words.gist("Trail, part 2 of 3 (UTC): 10:00:00 -33.9,18.4; 10:00:09 -33.8,18.4.") == ""
    stood = "The device stood for the 10 min before the press at 2026-01-01 10:00:00 UTC within 20 m of -33.9,18.4."
    assert compare_words.gist(stood) == "where the device was before the press"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "mine\n",
        '{"kind": "act", "at_s": 1}\n',
        '{"kind": "transcript", "version": 2}\n',
        '{"kind": "transcript", "version": 1}\n[]\n',
        '{"kind": "transcript", "version": 1}\n{"kind": "request", "at_s": 1}\n',
        '{"kind": "transcript", "version": 1}\n{"kind": "other", "at_s": 1}\n',
    ],
)
def test_what_is_no_transcript_is_unreadable(text: str):
    with pytest.raises(compare.UnreadableError):
        compare.read(text)


HEAD = '{"kind": "transcript", "version": 1}\n'
SEEN = {"kind": "request", "at_s": 1, "method": "GET", "path": "/x", "operation": None, "callout": None, "body": None, "status": 200}
HEARD = {**SEEN, "answer": None, "fault": None}


def test_a_transcript_that_somebody_wrote_by_hand_is_read_or_unreadable():
    """Any key with any value: it is told by its line, and never breaks what reads it."""
    assert compare.canonical(compare.read(HEAD + json.dumps(HEARD) + "\n")).operations
    odd: tuple[Any, ...] = (None, 5, "x", [], {"a": []}, [[1]], True, 10**400, float("nan"), "\ud800")
    acts = ({"kind": "act", "at_s": 1, "method": "POST", "path": "/sim/x", "body": None}, {"kind": "scenario", "at_s": 1, "state": "did"})
    outcomes = set()
    for entry in (HEARD, {**HEARD, "operation": "raise", "method": "POST"}, {**HEARD, "operation": "read"}, *acts):
        for key in entry:
            for value in odd:
                try:
                    canon = compare.canonical(compare.read(HEAD + json.dumps({**entry, key: value}) + "\n"))
                    outcomes.add(bool(compare.differences(canon, canon)))
                except compare.UnreadableError as trouble:
                    outcomes.add(str(trouble))
    assert outcomes == {False, "line 2: not an entry of a transcript"}


def test_two_transcripts_in_one_file_are_none():
    with pytest.raises(compare.UnreadableError, match="line 2"):
        compare.read(HEAD + HEAD)


def test_a_last_line_that_was_cut_off_does_not_matter(room: Room):
    whole = story(room)
    assert canon(whole + '{"kind": "request", "at_s": 12.3, "bo').milestones == canon(whole).milestones
