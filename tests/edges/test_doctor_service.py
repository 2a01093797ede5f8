"""The daemon and its unit by the doctor: what systemd says, whether it answers, what it says of itself, errors in the journal."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from agent import __version__
from agent.cli import doctor_service
from agent.cli.doctor_step import Daemon, Machine, Scene, State, Step

SHOWN = {
    "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Result": "success",
    "NRestarts": "0", "WatchdogUSec": "20s", "NeedDaemonReload": "no", "ConditionResult": "yes",
}  # fmt: skip


def scene_of(root: Path, *, daemon: Daemon = Daemon.DOWN, told: dict[str, Any] | None = None, config: Any = None) -> Scene:
    file = root / "config.toml"
    file.write_text(f'[store]\npath = "{root}/agent.db"\n[control]\nsocket = "{root}/control.sock"\n')
    return Scene(argparse.Namespace(config=str(file)), config=config, machine=Machine(root), daemon=daemon, told=told or {})


def made(examination: Any, scene: Scene) -> Step:
    step = asyncio.run(examination(scene))
    assert isinstance(step, Step)
    return step


def play_program(root: Path, name: str, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of this name that prints this, under a systemd that runs."""
    folder = root / "bin"
    folder.mkdir(exist_ok=True)
    (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(printed)
    (folder / name).write_text(f'#!/bin/sh\ncat "{folder}/{name}.txt"\n')
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("changed", "state", "word"),
    [
        ({}, State.OK, ""),
        ({"LoadState": "not-found"}, State.FAIL, "install"),
        ({"ActiveState": "inactive"}, State.FAIL, "systemctl start"),
        ({"ActiveState": "inactive", "ConditionResult": "no"}, State.FAIL, "setup"),
        ({"ActiveState": "failed"}, State.FAIL, "systemctl start"),
        ({"UnitFileState": "disabled"}, State.FAIL, "systemctl enable"),
        ({"WatchdogUSec": "0"}, State.WARN, "WatchdogSec"),
        ({"WatchdogUSec": "infinity"}, State.WARN, "WatchdogSec"),
        ({"NeedDaemonReload": "yes"}, State.WARN, "daemon-reload"),
        ({"NRestarts": "3"}, State.WARN, "journalctl"),
        ({"NRestarts": "[not set]"}, State.OK, ""),
    ],
)
def test_unit_that_would_not_come_back_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], state: State, word: str
):
    """The first thing that is wrong, and the line that mends it."""
    shown = "".join(f"{key}={value}\n" for key, value in (SHOWN | changed).items())
    play_program(tmp_path, "systemctl", shown + "CPUUsageNSec=77777\n", monkeypatch)
    step = made(doctor_service.unit, scene_of(tmp_path))
    assert (step.state, word in step.do) == (state, True)
    assert "77777" not in json.dumps(asyncio.run(doctor_service.properties()))


def test_without_systemd_nothing_is_said_of_a_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nor with one that does not answer."""
    assert made(doctor_service.unit, scene_of(tmp_path)).state is State.SKIPPED
    play_program(tmp_path, "systemctl", "", monkeypatch)
    assert made(doctor_service.unit, scene_of(tmp_path)).state is State.SKIPPED


def test_errors_of_the_journal_are_counted_and_the_last_one_is_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever somebody logged there."""
    lines = [
        {"MESSAGE": "position.none: a raise would carry no position"},
        {"MESSAGE": "Main process exited"},
        {"MESSAGE": "the daemon ends on a defect\nKeyError at -33.92487, 18.42406"},
    ]
    play_program(tmp_path, "journalctl", "\n".join(map(json.dumps, lines)) + "\nno json\n", monkeypatch)
    step = made(doctor_service.crashes, scene_of(tmp_path))
    assert (step.state, "2 errors" in step.seen, "KeyError" in step.seen, "33.9" in step.seen) == (State.WARN, True, True, False)
    play_program(tmp_path, "journalctl", "", monkeypatch)
    assert made(doctor_service.crashes, scene_of(tmp_path)).state is State.OK


def test_daemon_is_down_silent_or_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By its socket: none, one where nobody answers."""
    monkeypatch.setattr(doctor_service, "READ_S", 0.3)
    scene = scene_of(tmp_path)
    asyncio.run(doctor_service.ask(scene))
    assert (scene.daemon, made(doctor_service.daemon, scene).state) == (Daemon.DOWN, State.FAIL)
    assert "systemctl start" in made(doctor_service.daemon, scene).do
    with monkeypatch.context() as patch:  # without a config there is nothing to start
        patch.setattr(doctor_service.talk, "store_path", lambda _: tmp_path / "agent.db")
        (tmp_path / "config.toml").rename(tmp_path / "moved.toml")
        assert made(doctor_service.daemon, scene).do == "sudo callout-agent setup"
        (tmp_path / "moved.toml").rename(tmp_path / "config.toml")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "control.sock"))
        deaf.listen()
        asyncio.run(doctor_service.ask(scene))
    assert (scene.daemon, made(doctor_service.daemon, scene).state) == (Daemon.SILENT, State.FAIL)


SAFE = {"code": "safe_mode", "severity": "degraded", "text": "safe mode", "hint": "see the journal"}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"version": __version__, "conditions": []}, State.OK),
        ({"version": "0.0.9", "conditions": []}, State.WARN),
        ({"version": __version__, "conditions": [SAFE]}, State.FAIL),
    ],
)
def test_what_runs_is_compared_with_what_is_installed(tmp_path: Path, told: dict[str, Any], state: State):
    """And safe mode is told."""
    assert made(doctor_service.daemon, scene_of(tmp_path, daemon=Daemon.ANSWERS, told=told)).state is state


@pytest.mark.parametrize(
    ("armed", "conditions", "state"),
    [
        (True, [], State.OK),
        (True, [{"code": "a.b", "severity": "degraded", "text": "t", "hint": "h"}], State.WARN),
        (False, [{"code": "a.b", "severity": "critical", "text": "t", "hint": "h"}], State.FAIL),
        (False, [], State.FAIL),
    ],
)
def test_armed_is_the_daemons_word(tmp_path: Path, armed: bool, conditions: list[dict[str, str]], state: State):  # noqa: FBT001
    """With every condition and its hint."""
    step = made(doctor_service.armed, scene_of(tmp_path, daemon=Daemon.ANSWERS, told={"armed": armed, "conditions": conditions}))
    assert (step.state, bool(conditions) == ("h" in step.do)) == (state, True)


@pytest.mark.parametrize(
    ("self_test", "state"),
    [
        (None, State.SKIPPED),
        ({"time": "2026-11-26T03:00:00Z", "ok": True, "failed": []}, State.OK),
        ({"time": "2026-11-26T03:00:00Z", "ok": False, "failed": ["disk.low"]}, State.WARN),
    ],
)
def test_self_test_of_the_last_night_is_told(tmp_path: Path, self_test: dict[str, Any] | None, state: State):
    """What it failed in."""
    step = made(doctor_service.self_test, scene_of(tmp_path, daemon=Daemon.ANSWERS, told={"self_test": self_test}))
    assert (step.state, "disk.low" in step.seen) == (state, state is State.WARN)


HUNG = {"code": "store.hung", "severity": "critical", "text": "t", "hint": "h"}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"store": {"mode": "disk"}, "conditions": []}, State.OK),
        ({"store": {"mode": "memory"}, "conditions": []}, State.WARN),
        (
            {"store": {"mode": "memory"}, "conditions": [{"code": "store.hung", "severity": "critical", "text": "t", "hint": "h"}]},
            State.FAIL,
        ),
        ({}, State.WARN),
    ],
)
def test_store_is_told_by_the_daemon_or_by_its_file(tmp_path: Path, told: dict[str, Any], state: State):
    """Without a daemon and without a file there is none yet."""
    assert made(doctor_service.store, scene_of(tmp_path, told=told)).state is state
