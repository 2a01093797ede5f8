"""Who may do what, by the doctor: modes, ModemManager, a console and strangers at the receiver's line."""

from __future__ import annotations

import argparse
import asyncio
import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.cli import doctor_rights
from agent.cli.doctor_rights import Account, held_by
from agent.cli.doctor_step import Machine, Scene, State, Step
from agent.config import SerialReceiver
from hardware.feeder import FakePort


def scene_of(root: Path, *lines: Path) -> Scene:
    receivers = tuple(SerialReceiver(kind="serial", name=f"r{number}", path=str(line)) for number, line in enumerate(lines))
    config: Any = argparse.Namespace(receivers=receivers, buttons=(), indicator=None, keypad=None)
    return Scene(argparse.Namespace(), config=config, machine=Machine(root))


def made(examination: Any, scene: Scene) -> Step:
    step = asyncio.run(examination(scene))
    assert isinstance(step, Step)
    return step


def notes(root: Path, line: Path, **properties: str) -> None:
    """What udev noted of a node."""
    number = line.stat().st_rdev
    path = root / f"run/udev/data/c{os.major(number)}:{os.minor(number)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"E:{key}={value}\n" for key, value in properties.items()))


def runs(root: Path, name: str, pid: int = 77) -> None:
    """A process of this name."""
    (root / f"proc/{pid}").mkdir(parents=True, exist_ok=True)
    (root / f"proc/{pid}/comm").write_text(f"{name}\n")


@pytest.mark.parametrize(
    ("process", "properties", "state"),
    [
        ("bash", {"ID_BUS": "usb"}, State.OK),
        ("ModemManager", {"ID_BUS": "usb"}, State.WARN),
        ("ModemManager", {"ID_BUS": "usb", "ID_MM_DEVICE_IGNORE": "1"}, State.OK),
        ("ModemManager", {"ID_BUS": "usb", "ID_MM_PORT_IGNORE": "1"}, State.OK),
        ("ModemManager", {"ID_BUS": "usb", "ID_MM_DEVICE_IGNORE": "0"}, State.WARN),
        ("ModemManager", {}, State.OK),
    ],
)
def test_modem_manager_is_a_trouble_where_it_runs_and_may_probe(tmp_path: Path, process: str, properties: dict[str, str], state: State):
    """By udev's notes of the very node; lines of the board are left alone by default."""
    line = Path("/dev/null")
    runs(tmp_path, process)
    notes(tmp_path, line, **properties)
    step = made(doctor_rights.modem_manager, scene_of(tmp_path, line))
    assert (step.state, bool(step.do)) == (state, state is State.WARN)
    assert "remove ModemManager" not in step.do, "it may be what keeps the network"
    assert ("ID_MM_PORT_IGNORE" in step.do) == (state is State.WARN)


def test_stranger_at_a_line_is_named_and_the_player_of_a_pty_is_none(tmp_path: Path):
    """By the node itself: another process that has it open; whoever plays the device is not a second reader."""
    port = FakePort(tmp_path / "tty")
    try:
        assert held_by(port.path, Machine()) == []
        reader = "import sys; sys.stdout.write('ready'); sys.stdout.flush(); sys.stdin.read()"
        with port.path.open("rb") as line:
            stranger = subprocess.Popen(
                [sys.executable, "-c", reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(line.fileno(),)
            )
        with stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.read(5) == b"ready"
            assert held_by(port.path, Machine()) == [f"{Path(f'/proc/{stranger.pid}/comm').read_text().strip()} ({stranger.pid})"]
            step = made(doctor_rights.holders, scene_of(Path("/"), port.path))
            assert (step.state, str(stranger.pid) in step.seen) == (State.FAIL, True)
            stranger.communicate()
        assert made(doctor_rights.holders, scene_of(Path("/"), port.path)).state is State.OK
    finally:
        port.close()


@pytest.mark.parametrize(("cmdline", "state"), [("console=tty1 quiet", State.OK), ("console=null,115200 quiet", State.FAIL)])
def test_console_of_the_kernel_on_the_receivers_line_is_a_failure(tmp_path: Path, cmdline: str, state: State):
    """As every fresh Raspberry Pi has it on its UART."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text(cmdline)
    step = made(doctor_rights.holders, scene_of(tmp_path, Path("/dev/null")))
    assert (step.state, "raspi-config" in step.do) == (state, state is State.FAIL)


def test_service_that_may_not_use_a_device_is_told_to_root_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever the one who asks may: by owner, group and the rest, the first that applies alone."""
    node = tmp_path / "chip"
    node.touch()
    owner, group = node.stat().st_uid, node.stat().st_gid
    for mode, account, may in (
        (0o600, Account("s", owner + 1, frozenset({group})), False),
        (0o660, Account("s", owner + 1, frozenset({group})), True),
        (0o660, Account("s", owner + 1, frozenset({group + 1})), False),
        (0o606, Account("s", owner + 1, frozenset({group})), False),
        (0o666, Account("s", owner + 1, frozenset()), True),
        (0o640, Account("s", owner + 1, frozenset({group})), False),
    ):
        node.chmod(mode)
        assert account.may(node) is may, oct(mode)
        monkeypatch.setattr(doctor_rights, "service_account", lambda account=account: account)
        step = made(doctor_rights.nodes, scene_of(tmp_path, node))
        assert (step.state, str(node) in step.seen) == (State.OK if may else State.FAIL, True)
        assert bool(step.do) is not may


@pytest.mark.parametrize(("member", "state"), [(True, State.OK), (False, State.FAIL)])
def test_user_of_the_service_needs_its_groups(monkeypatch: pytest.MonkeyPatch, state: State, *, member: bool):
    """Those that exist here; the line that mends it is told."""
    monkeypatch.setattr(pwd, "getpwnam", lambda _: argparse.Namespace(pw_name="callout-agent", pw_uid=991, pw_gid=991))
    monkeypatch.setattr(os, "getgrouplist", lambda *_: [991, 20] if member else [991])
    monkeypatch.setattr(grp, "getgrnam", lambda name: argparse.Namespace(gr_gid={"dialout": 20}[name]))
    step = made(doctor_rights.user, Scene(argparse.Namespace()))
    assert (step.state, "usermod -aG dialout callout-agent" in step.do) == (state, not member)
