"""What the doctor makes of answers: whether a path is there, which line of the config is right, and that one step never holds up all."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dispatchers import Service

from agent import cli
from agent.cli import direct, doctor, doctor_dispatch, doctor_paths, talk
from agent.cli.doctor_paths import stands
from agent.cli.doctor_step import Scene, State, Step
from agent.config import ConfigError, Problem
from agent.kept import CalloutRecord, Remembered
from agent.model import Asked, Meaning, Outcome


def answer(status: int | None, cause: str = "") -> Outcome:
    meaning = Meaning.ACCEPTED if status in (200, 204) and not cause else Meaning.REJECTED
    return Outcome(Asked.PROBE, meaning, cause or f"http_{status}", http_status=status)


CONFIG: Any = object()  # of no interest to the step


@pytest.mark.parametrize(
    ("status", "cause", "absent", "there"),
    [
        (200, "", 404, True),
        (204, "", 404, True),
        (400, "", 404, True),
        (422, "", 404, True),
        (409, "", 404, True),
        (285, "odd", 404, True),
        (401, "", 404, True),
        (403, "", 405, True),
        (404, "", 404, False),
        (405, "", 404, False),
        (404, "", 401, False),
        (200, "", 401, True),
        (400, "", 401, True),
        (401, "", 401, None),
        (403, "", 401, None),
        (200, "", 200, None),
        (400, "", 400, None),
        (200, "html", 404, None),
        (302, "redirect", 404, None),
        (500, "", 404, None),
        (503, "", 503, None),
        (429, "", 404, None),
        (None, "timeout", 404, None),
        (200, "", None, True),
    ],
)
def test_path_is_there_only_where_it_answers_otherwise_than_one_that_cannot_be(
    status: int | None, cause: str, absent: int | None, *, there: bool | None
):
    """And what cannot be told is not guessed."""
    assert stands(answer(status, cause), answer(absent)) is there


@pytest.mark.parametrize(
    ("found", "state", "word"),
    [
        ({"/a": True, "/b": False}, State.OK, ""),
        ({"/a": True, "/b": True}, State.OK, ""),
        ({"/a": False, "/b": True}, State.FAIL, 'a_path = "/b"'),
        ({"/a": None, "/b": True}, State.FAIL, 'a_path = "/b"'),
        ({"/a": False, "/b": False}, State.FAIL, "ask AURA"),
        ({"/a": None, "/b": False}, State.WARN, "try again"),
    ],
)
def test_configured_path_wins_where_it_is_there(found: dict[str, bool | None], state: State, word: str):
    step = doctor_paths._verdict("a path", "a_path", "/a", found, State.FAIL, "something is lost")
    assert (step.state, word in step.do) == (state, True)
    assert step.seen


def test_step_that_does_not_end_is_a_failure_and_the_next_one_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    """In words and in JSON, with the exit code."""

    async def never_ends(_scene: Scene) -> Step:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def good(_scene: Scene) -> Step:
        return Step("good", State.OK, "seen\x1b[2J", "so what", "one line\nanother")

    monkeypatch.setattr(doctor, "LIMIT_S", 0.05)

    async def breaks(_scene: Scene) -> Step:
        raise ValueError("of the kind that nobody thought of")

    async def forbidden(_scene: Scene) -> Step:
        raise PermissionError(13, "Permission denied", "/etc/secret")

    async def several(_scene: Scene) -> tuple[Step, ...]:
        return Step("one", State.OK, "seen"), Step("two", State.SKIPPED, "why")

    monkeypatch.setattr(doctor, "examinations", lambda: (never_ends, breaks, forbidden, several, good))
    assert cli.main(["doctor", "--config", str(tmp_path / "none.toml")]) == 1
    told = capsys.readouterr().out
    assert told.startswith("fail    never ends: it did not end in time\n")
    assert "fail    breaks: it could not be examined (ValueError)\n" in told
    assert "skipped forbidden: this user may not look at /etc/secret\n        -> sudo callout-agent doctor\n" in told
    assert "ok      one: seen\nskipped two: why\n" in told
    assert "ok      good: seen\N{REPLACEMENT CHARACTER}[2J\n" in told
    assert told.endswith("        -> one line\n        -> another\n")
    assert cli.main(["doctor", "--json", "--config", str(tmp_path / "none.toml")]) == 1
    document = json.loads(capsys.readouterr().out)
    assert ([each["state"] for each in document["steps"]], document["ok"]) == (
        ["fail", "fail", "skipped", "ok", "skipped", "ok"],
        False,
    )
    monkeypatch.setattr(doctor, "examinations", lambda: (good,))
    assert cli.main(["doctor", "--json", "--config", str(tmp_path / "none.toml")]) == 0


def test_broken_config_is_told_and_what_needs_it_is_skipped(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Nothing is asked of anybody; the machine, and whether the daemon runs, are examined all the same."""
    config = tmp_path / "config.toml"
    config.write_text(f'[control]\nsocket = "{tmp_path}/control.sock"\n[store]\npath = "{tmp_path}/agent.db"\nno_such_key = 1\n')
    assert cli.main(["doctor", "--json", "--config", str(config)]) == 1
    steps = {each["name"]: each for each in json.loads(capsys.readouterr().out)["steps"]}
    assert steps["config"]["state"] == "fail"
    assert "no_such_key" in steps["config"]["seen"] or "base_url" in steps["config"]["seen"]
    assert (steps["machine"]["state"], steps["daemon"]["state"]) == ("ok", "fail")
    needing = ("files", "receiver", "button", "network", "certificate", "token", "dispatch", "active callouts path", "response types")
    assert {name: steps[name]["state"] for name in needing} == dict.fromkeys(needing, "skipped")


@pytest.mark.parametrize(
    ("why", "asker", "state", "do"),
    [
        ("is missing", 0, State.FAIL, "sudo callout-agent setup"),
        ("cannot be read: Permission denied", 1000, State.SKIPPED, "sudo callout-agent doctor"),
    ],
)
def test_a_config_that_is_not_there_leads_to_setup_and_one_that_may_not_be_read_to_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, asker: int, state: State, do: str
):
    """To check, or to start, what is not there would help nobody."""
    monkeypatch.setattr(os, "geteuid", lambda: asker)
    monkeypatch.setattr(talk, "store_path", lambda _: tmp_path / "agent.db")
    broken = ConfigError([Problem("config.toml", why)])
    step = asyncio.run(doctor_dispatch.config(Scene(argparse.Namespace(config=str(tmp_path / "config.toml")), broken=broken)))
    assert (step.state, step.do) == (state, do)


def test_steps_go_down_the_chain_and_each_has_a_name_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Machine, rights, config, clock, receiver, button, store, service, network, token, dispatch, paths."""
    cli.main(["doctor", "--json", "--config", str(tmp_path / "none.toml")])
    names = [each["name"] for each in json.loads(capsys.readouterr().out)["steps"]]
    chain = ["machine", "disk", "user", "files", "config", "clock", "receiver", "button", "store", "unit", "daemon", "network"]
    chain += ["certificate", "token", "dispatch"]
    chain += ["token scope", "active callouts path", "response types"]
    assert [each for each in names if each in chain] == chain
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("named", [None, 7])
@pytest.mark.parametrize(("on", "closed"), [(7, ()), (None, (7, 6)), (7, (6,)), (None, ())])
def test_while_a_cancel_hides_it_no_callout_is_tried_or_named(
    monkeypatch: pytest.MonkeyPatch, on: int | None, closed: tuple[int, ...], named: int | None
):
    """Law 5: whether it still goes on or was closed inside, the same step, and dispatch is asked nothing; also of one that is named."""
    monkeypatch.setattr(direct, "known", lambda *_: (True, on, closed))
    service = Service()
    service.callouts = {7: "created"}
    scene = Scene(argparse.Namespace(callout=named), config=CONFIG, dispatch=service.connect(), reached=True)
    step = asyncio.run(doctor_paths.closed_callout(scene))
    assert step == Step(
        "closed callout",
        State.SKIPPED,
        "none is known: open paths below a callout cannot be tried",
        "",
        "after the first drill that dispatch closed without a cancel, or with --callout ID",
    )
    assert (service.asked, scene.closed_callout) == ([], None)


def test_while_a_callout_is_on_none_is_tried_and_afterwards_the_last_one(monkeypatch: pytest.MonkeyPatch):
    """Not even an older one: the line belongs to the emergency."""
    service = Service()
    service.callouts = {7: "created", 6: "closed"}
    scene = Scene(argparse.Namespace(callout=None), config=CONFIG, dispatch=service.connect(), reached=True)
    monkeypatch.setattr(direct, "known", lambda *_: (False, 7, (6,)))
    assert asyncio.run(doctor_paths.closed_callout(scene)).state is State.SKIPPED
    assert service.asked == []
    monkeypatch.setattr(direct, "known", lambda *_: (False, None, (6,)))
    assert asyncio.run(doctor_paths.closed_callout(scene)).state is State.OK
    assert scene.closed_callout == 6


@pytest.mark.parametrize("status", ["created", "Responder Dispatched", "closed soon"])
def test_callout_that_is_named_and_still_on_is_not_tried(monkeypatch: pytest.MonkeyPatch, status: str):
    """It is somebody's emergency, whoever named it: it is read, and no position of nowhere is sent to it."""
    service = Service()
    service.callouts = {9: status}
    scene = Scene(argparse.Namespace(callout=9), config=CONFIG, dispatch=service.connect(), reached=True)
    monkeypatch.setattr(direct, "known", lambda *_: (False, None, (6,)))
    step = asyncio.run(doctor_paths.closed_callout(scene))
    assert (step.state, "never touched" in step.seen) == (State.SKIPPED, True)
    assert (scene.closed_callout, service.asked) == (None, [Asked.READ])


@pytest.mark.parametrize(
    ("base_url", "customer_id", "on"), [("https://a/v2", 1, 7), ("https://b/v2", 1, None), ("https://a/v2", 2, None)], ids=str
)
def test_stored_callout_is_known_only_at_its_own_dispatch_and_customer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base_url: str, customer_id: int, on: int | None
):
    """The same number means another emergency elsewhere."""
    record = CalloutRecord(7, "https://a/v2", 1, "active", calm=False, origin="cli", drill=False, raised_wall=1.8e9)
    monkeypatch.setattr(direct, "peek", lambda _: (None, Remembered(callout=record)))
    monkeypatch.setattr(talk, "store_path", lambda _: tmp_path / "agent.db")
    monkeypatch.setattr(talk, "socket_path", lambda _: tmp_path / "control.sock")
    config: Any = SimpleNamespace(panic_api=SimpleNamespace(base_url=base_url, customer_id=customer_id))
    assert direct.known(argparse.Namespace(), config) == (False, on, ())


def test_path_is_looked_for_only_on_a_callout_that_is_closed():
    """Without one, nothing is sent."""
    scene = Scene(argparse.Namespace(callout=None))
    for examine in (doctor_paths.update_and_return, doctor_paths.report):
        assert asyncio.run(examine(scene)).state is State.SKIPPED


@pytest.mark.parametrize(("where", "closed"), [("", "key"), ("credentials", "key"), (None, "")])
def test_secret_that_whoever_asks_may_not_read_is_no_fault_of_the_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str | None, closed: str
):
    """The file beside the config, or the directory that only root may enter; one that is nowhere is a fault."""
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    if where is not None:
        (tmp_path / where).mkdir(exist_ok=True)
    if where == "":
        (tmp_path / "key").write_text("k")
    credentials = SimpleNamespace(bearer_file="key", client_cert_file=None, client_key_file=None, token_file=None)
    config: Any = SimpleNamespace(credentials=credentials, where=tmp_path / "config.toml", secret_path=lambda name: tmp_path / name)
    scene = Scene(argparse.Namespace(), config=config, connections=no_token(), dispatch=Service().connect())
    assert scene.secrets_closed == closed
    step = asyncio.run(doctor_dispatch.token(scene))
    assert (step.state, step.do == "sudo callout-agent doctor") == (State.SKIPPED if closed else State.FAIL, bool(closed))


def no_token() -> Any:
    """A token service that has none for us."""

    async def current(*, urgent: bool) -> None:
        """None, at once."""

    trouble = Outcome(Asked.TOKEN, Meaning.RETRY, "no_token", "key: cannot be used")
    return SimpleNamespace(credentials=SimpleNamespace(current=current, trouble=trouble))
