"""`callout-agent status` for a person: how far help has come, and what dispatch wrote."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli import status, talk
from agent.cli.status import render
from agent.conversation import Conversation, heard, read
from agent.health import Facts, document
from agent.model import Event, Help
from agent.signals import Phase, State
from agent.wording import clock

ACTIVE = State(Phase.ACTIVE, callout_id=992011, origin="button:panic", since_wall=1.8e9, status="Responder Dispatched")


def told(conversation: Conversation, state: State = ACTIVE) -> list[str]:
    """The lines about the callout."""
    now = time.time()
    lines = render(document(Facts(1.0, now, state, (), conversation=conversation))).splitlines()
    return [line for line in lines if line.startswith(("responder", "message"))]


def test_responder_on_the_way_is_told_with_the_time_and_how_long_it_is_until_then():
    eta_wall = time.time() + 361
    on_the_way = read(Conversation(), None, Help(dispatched_wall=1.8e9, eta_wall=eta_wall, responder="Unit 7"), 1.8e9)
    assert told(on_the_way) == [f"responder on the way (Unit 7), expected {clock(eta_wall)} (in 6 min)"]
    late = read(Conversation(), None, Help(dispatched_wall=1.8e9, eta_wall=time.time() - 600), 1.8e9)
    assert told(late)[0].endswith("(10 min ago)"), "who is late is not hidden"


@pytest.mark.parametrize(
    ("status", "help_", "line"),
    [
        ("Responder Dispatched", Help(eta_text="12"), 'responder on the way, expected: "12"'),
        ("Responder Dispatched", Help(), "responder on the way"),
        ("Responder Arrived", Help(responder="Unit 7"), "responder at the scene (Unit 7)"),
        ("Responder Completed", Help(), "responder has finished"),
        ("Responder Cancelled", Help(dispatched_wall=1.8e9), "responder was stood down"),
    ],
)
def test_each_stage_has_its_line(status: str, help_: Help, line: str):
    assert told(read(Conversation(), status, help_, 1.8e9)) == [line]


def test_last_message_is_told_and_how_many_there_were():
    one = Event(1, "controller", "Stay \x1b[2Jwhere you are.", 1.8e9, kind="chat")
    two = Event(2, "controller", "At the gate.", None, kind="chat")
    assert told(heard(Conversation(), (one,), frozenset(), 1.8e9)) == [
        'message   "Stay \ufffd[2Jwhere you are.", controller at 2027-01-15T08:00:00Z'
    ]
    assert told(heard(Conversation(), (one, two), frozenset(), 1.8e9)) == ['message   "At the gate.", controller (2 in all)']


def test_with_the_daemon_down_nothing_is_told_of_what_only_it_knows():
    """No receiver and nothing sent would be claims; what the store knows is told."""
    facts = document(Facts(1.0, time.time(), State(), ()))
    up, down = render(facts), render({**facts, "running": False})
    assert {line.split()[0] for line in up.splitlines()} - {line.split()[0] for line in down.splitlines()} == {"stream", "receiver"}


@pytest.mark.parametrize("there", [(), ("config.toml",), ("state/config.toml.last-good",)])
def test_a_device_without_a_config_is_led_to_setup_and_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str], there: tuple[str, ...]):
    """Its daemon can not be started: the unit waits for a config, or for the good copy that a lost one has left."""
    (tmp_path / "state").mkdir()
    config = tmp_path / "config.toml"
    for name in there:
        (tmp_path / name).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(talk, "store_path", lambda _: tmp_path / "state" / "agent.db")
        patch.setattr(talk, "socket_path", lambda _: tmp_path / "control.sock")
        code = status.run(argparse.Namespace(config=str(config), json=False, watch=False, inner=False))
    shown = capsys.readouterr().out
    assert (code, "sudo callout-agent setup" in shown, "systemctl start callout-agent" in shown) == (2, not there, bool(there))


@pytest.mark.parametrize("readable", [False, True])
def test_who_cannot_read_the_store_is_not_told_that_no_callout_is_on(tmp_path: Path, capsys: pytest.CaptureFixture[str], readable: bool):  # noqa: FBT001
    """With the daemon down a member of the group sees no database; where there is none, there is no callout either."""
    database = tmp_path / "agent.db"
    if not readable:
        database.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(talk, "store_path", lambda _: database)
        patch.setattr(talk, "socket_path", lambda _: tmp_path / "control.sock")
        assert status.run(argparse.Namespace(config=str(tmp_path / "config.toml"), json=False, watch=False, inner=False)) == 2
    shown = capsys.readouterr().out
    assert ("callout   standby: none" in shown, "callout   not known" in shown, "store.unreadable" in shown) == (
        readable,
        not readable,
        not readable,
    )


def test_status_of_dispatch_drives_no_terminal():
    shown = render(document(Facts(1.0, time.time(), replace(ACTIVE, status="\x1b]0;all is well\x07\u202ecreated"), ())))
    assert 'dispatch says "\ufffd]0;all is well\ufffd\ufffdcreated"' in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_nothing_is_told_where_nothing_was_said_nor_in_standby_nor_while_calm():
    said = read(heard(Conversation(), (Event(1, "controller", "hello", None),), frozenset(), 1.8e9), "Responder Arrived", Help(), 1.8e9)
    assert told(Conversation()) == []
    assert told(said, State()) == []
    assert told(said, State(Phase.CANCELLING, callout_id=5, calm=True)) == []
