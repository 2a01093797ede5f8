"""What others may read or write is closed where it is ours, and told where it is the owner's."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent import config, file_modes
from agent.clock import SystemClock
from agent.config import Config
from agent.health import Conditions

NOBODY = 65534

TEXT = """
[panic_api]
environment = "staging"
base_url = "https://staging-panic.aura.services/panic-api/v2"
ca_file = "{place}/ca.pem"
customer_id = 4711
response_type_id = 1

[credentials]
token_url = "https://backend.example.com/token"
bearer_file = "device-key"

[[receiver]]
kind = "gpsd"

[hooks]
on_event = ["{place}/told"]
on_unreachable = ["/bin/sh", "{place}/hooks/siren.sh", "--loud"]

[store]
path = "{place}/state/agent.db"

[control]
socket = "{place}/run/control.sock"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device as the package leaves it: everything closed."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    for name, mode in {"etc": 0o750, "etc/credentials": 0o700, "state": 0o700, "run": 0o750, "run/presses": 0o3770}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    files = ("etc/credentials/device-key", "state/agent.db", "state/agent.db-wal", "state/token.json", "state/config.toml.last-good")
    for name in files:
        (tmp_path / name).write_text("x" * 20)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "told").write_text("#!/bin/sh\n")
    (tmp_path / "told").chmod(0o755)
    (tmp_path / "hooks").mkdir(mode=0o755)
    (tmp_path / "hooks/siren.sh").write_text("")
    (tmp_path / "hooks/siren.sh").chmod(0o644)
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "ca.pem").chmod(0o644)
    return tmp_path


def device(place: Path, more: str = "") -> Config:
    """Its config, read from the file."""
    path = place / "etc" / "config.toml"
    path.write_text(TEXT.format(place=place) + more)
    path.chmod(0o640)
    return config.load(path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_device_as_it_was_installed_has_nothing_open(place: Path):
    """Or everybody would learn to look away."""
    assert file_modes.look(device(place, "\n[site]\nlatitude = -33.9\nlongitude = 18.4\n")) == ()


@pytest.mark.parametrize(
    ("name", "opened", "closed"),
    [
        ("state", 0o755, 0o700),
        ("state/agent.db", 0o644, 0o600),
        ("state/agent.db-wal", 0o666, 0o600),
        ("state/token.json", 0o640, 0o600),
        ("state/config.toml.last-good", 0o644, 0o600),
        ("run", 0o777, 0o750),
        ("run/presses", 0o3777, 0o3770),
    ],
)
def test_what_is_ours_is_closed(place: Path, name: str, opened: int, closed: int):
    """Where we have been, and the token, are nobody's business; and whoever may write a press may raise."""
    (place / name).chmod(opened)
    assert file_modes.look(device(place)) == ()
    assert mode(place / name) == closed


def test_link_in_our_directory_leads_to_no_other_file(place: Path):
    """Only modes of our own are changed."""
    (place / "elsewhere").write_text("")
    (place / "elsewhere").chmod(0o644)
    (place / "state" / "agent.db-shm").symlink_to(place / "elsewhere")
    file_modes.look(device(place))
    assert mode(place / "elsewhere") == 0o644


def test_directory_that_systemd_has_not_made_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch):
    """It may be somebody's home."""
    monkeypatch.delenv("STATE_DIRECTORY")
    (place / "state").chmod(0o755)
    assert file_modes.look(device(place)) == ()
    assert mode(place / "state") == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_file_of_another_that_lies_among_ours_is_told(place: Path, monkeypatch: pytest.MonkeyPatch):
    """A database that somebody restored as root, say: the service may not close it."""
    os.chown(place / "state" / "agent.db", NOBODY, NOBODY)
    (place / "state" / "agent.db").chmod(0o644)
    (found,) = file_modes.look(device(place))
    assert found.hint == f"chmod g-r,o-r {place}/state/agent.db"
    assert mode(place / "state" / "agent.db") == 0o644


@pytest.mark.parametrize(
    ("name", "opened", "says", "hint"),
    [
        ("etc/config.toml", 0o660, "written", "g-w"),
        ("etc/config.toml", 0o646, "written", "o-w"),
        ("etc", 0o757, "written", "o-w"),
        ("etc/credentials", 0o755, "read", "g-rx,o-rx"),
        ("etc/credentials/device-key", 0o640, "read", "g-r"),
        ("etc/credentials/device-key", 0o622, "written", "g-w,o-w"),
        ("etc", 0o770, "written", "g-w"),
        ("told", 0o757, "written", "o-w"),
        ("hooks/siren.sh", 0o646, "written", "o-w"),
        ("hooks", 0o757, "written", "o-w"),
        ("ca.pem", 0o664, "written", "g-w"),
    ],
)
def test_what_is_the_owners_is_told_with_the_command_that_closes_it(place: Path, name: str, opened: int, says: str, hint: str):
    """And not changed: it may be meant so, and it is not ours."""
    read = device(place)
    (place / name).chmod(opened)
    (found,) = file_modes.look(read)
    assert f"{place}/{name} may be {says} by others" in found.text
    assert found.hint == f"chmod {hint} {place}/{name}"
    assert mode(place / name) == opened
    subprocess.run(found.hint.split(), check=True)
    assert file_modes.look(read) == ()


def test_config_that_holds_a_place_is_nobody_elses_to_read(place: Path):
    """Law 11: where a device without a receiver stands."""
    (place / "etc").chmod(0o755)
    for more, found in (("", 0), ("\n[site]\nlatitude = -33.9\nlongitude = 18.4\n", 1)):
        read = device(place, more)
        (place / "etc" / "config.toml").chmod(0o644)
        assert len(file_modes.look(read)) == found


def test_directory_in_which_nobody_can_replace_anothers_file_is_closed_enough(place: Path):
    """As a trial in /tmp."""
    read = device(place)
    (place / "etc").chmod(0o1777)
    assert file_modes.look(read) == ()


def test_secret_that_systemd_handed_over_is_closed_whatever_its_mode_shows(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Its list of access looks like rights of a group."""
    (place / "handed").mkdir()
    (place / "handed" / "device-key").write_text("secret")
    (place / "handed" / "device-key").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place / "handed"))
    assert file_modes.look(device(place)) == ()


def test_what_is_not_there_is_not_open(place: Path):
    """Nor what cannot be listed."""
    read = device(place)
    for name in ("told", "etc/credentials/device-key", "state/agent.db"):
        (place / name).unlink()
    (place / "run" / "presses").rmdir()
    assert file_modes.look(read) == ()


class Shown(Conditions):
    """Says when what is shown may have changed."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def put(self, *args: Any, **kwargs: Any) -> None:
        super().put(*args, **kwargs)
        self.changed.set()

    def drop(self, *codes: str, **kwargs: Any) -> None:
        super().drop(*codes, **kwargs)
        self.changed.set()

    async def until(self, count: int) -> None:
        """So many are shown."""
        while len(self.shown(calm=True)) != count:
            self.changed.clear()
            await self.changed.wait()


def test_open_file_is_a_condition_until_it_is_closed(place: Path, monkeypatch: pytest.MonkeyPatch):
    """Degraded: a raise would work all the same. It is over soon after the owner has run the command."""
    monkeypatch.setattr(file_modes, "AGAIN_S", 0.01)
    read, conditions = device(place), Shown()
    (place / "etc" / "config.toml").chmod(0o666)

    async def live() -> None:
        running = asyncio.create_task(file_modes.FileModes(read, SystemClock(), conditions).run())
        async with asyncio.timeout(10):
            await conditions.until(1)
            (shown,) = conditions.shown(calm=True)
            assert (shown.code, shown.severity.value) == ("files.open", "degraded")
            assert shown.hint == f"chmod g-w,o-w {place}/etc/config.toml"
            (place / "etc" / "config.toml").chmod(0o640)
            await conditions.until(0)
        running.cancel()

    asyncio.run(live())


def test_many_open_files_are_told_briefly(place: Path):
    """Somebody who ran `chmod -R 777` gets a line that can be read."""
    read, conditions = device(place), Conditions()
    for name in ("etc", "etc/config.toml", "etc/credentials", "etc/credentials/device-key", "told"):
        (place / name).chmod(0o777)
    file_modes.FileModes(read, SystemClock(), conditions)._tell(file_modes.look(read))
    (shown,) = conditions.shown(calm=False)
    assert shown.text.endswith("; and 2 more")
    assert shown.hint.count("chmod") == file_modes.TOLD
