"""The archive for support: secrets and places planted in every source, and not a byte of them in what comes out.

Programs of the system are stood in for by programs that print what they would; the daemon's word comes over a real socket.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import stat
import tarfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import cli, control
from agent.cli import bundle, bundle_documents, doctor_service
from agent.cli.doctor_step import Machine, Scene, State, Step
from agent.config import ConfigError, load
from agent.redaction import clean

# Each is planted somewhere, and none may come out in any form.
KEY = "kEy-0f-the-Device!9"
TOKEN = "tok3nThatWasKept77"
CODE = "0042"
LATITUDE, LONGITUDE = -33.924871, 18.424055
SITE = (-34.101, 18.805)
CUSTOMER, DEVICE_ID, CLIENT = 471100, "8812345678", "source-of-ann"
PHONE, NAME, MESSAGE = "+27820000042", "Ann Wearer", "Stay behind the blue gate of number nine"
USER, QUERY = "operator:hunter2", "k=Zx81"
PLANTED = (
    KEY, TOKEN, f"code {CODE}", "33.92", "18.42", "34.10", "18.80", "3355.4", "01825.4", str(CUSTOMER), DEVICE_ID, CLIENT, PHONE, "0000042",
    KEY[::-1], "ter2@", NAME, MESSAGE, "hunter2", QUERY, "unit-17", "abcdefSERIAL", "gate", "sekrit-inline",
)  # fmt: skip

CONFIG = f"""
[panic_api]
base_url = "https://127.0.0.1:9/panic-api/v2"
environment = "staging"
customer_id = {CUSTOMER}
response_type_id = 1

[credentials]
token_url = "https://127.0.0.1:9/t/unit-17/token"
bearer_file = "device-key"

[[receiver]]
kind = "serial"
path = "PLACE/tty"
name = "roof"

[site]
latitude = {SITE[0]}
longitude = {SITE[1]}

[device]
id = "{DEVICE_ID}"
type_id = 5
health_message_type = 4

[hooks]
on_unreachable = ["/usr/local/bin/sms", "{PHONE}", "--to={NAME}"]

[heartbeat]
url = "https://127.0.0.1:9/beat/unit-17"

[store]
path = "PLACE/agent.db"

[control]
socket = "PLACE/control.sock"
"""

JOURNAL = f"""2026-11-26T04:22:14+0000 callout-agent[412]: armed; no fix yet
2026-11-26T04:22:15+0000 callout-agent[412]: fix at {LATITUDE}, {LONGITUDE} within 4 m
2026-11-26T04:22:15+0000 callout-agent[412]: {{"latitude": {LATITUDE:.4f}, "longitude": {LONGITUDE:.4f}}}
2026-11-26T04:22:16+0000 callout-agent[412]: $GPRMC,042216.00,A,3355.49226,S,01825.44330,E,0.0,0.0,261126,,,A*70
2026-11-26T04:22:17+0000 callout-agent[412]: Authorization: Bearer {TOKEN}
2026-11-26T04:22:18+0000 sms[500]: cancel with code {CODE}; {KEY}; sent to {PHONE}
2026-11-26T04:22:19+0000 callout-agent[412]: GET https://{USER}@host.example/customers/{CUSTOMER}/callouts?{QUERY} 401
2026-11-26T04:22:19+0000 sms[500]: POST https://127.0.0.1:9/beat/unit-17 404; GET /t/unit-17/token; unit-17 is refused
2026-11-26T04:22:19+0000 sms[500]: Authorization: Token {KEY[::-1]}; http://ann:hun@ter2@proxy.example:3128/
2026-11-26T04:22:19+0000 sms[500]: at {LATITUDE:.3f} {LONGITUDE:.3f}, 33.92S 18.42E, POINT({LONGITUDE:.2f} {LATITUDE:.2f})
2026-11-26T04:22:19+0000 gps[501]: GNRMC,042216.00,A,3355.49226,S,01825.44330,E and $gngll,3355.49226,S,01825.44330
2026-11-26T04:22:20+0000 callout-agent[412]: dispatch.unreachable: no answer in time
"""
SUFFERED = {"code": "receiver.silent", "severity": "degraded", "since": None, "text": f"roof: at {LATITUDE}", "hint": f"see {KEY}"}
FIX = {"time": "2026-11-26T04:22:14Z", "accuracy_m": 6.0, "age_s": 0.8, "receiver": "roof"}
STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "armed": False,
    "conditions": [
        {"code": "receiver.silent", "severity": "degraded", "since": None, "text": f"roof: at {LATITUDE}", "hint": f"see {KEY}"}
    ],
    "callout": {
        "state": "active",
        "id": 992011,
        "responder": {"stage": "coming", "name": NAME, "eta_text": None},
        "messages": {"heard": 1, "last": {"text": MESSAGE}},
    },
    "fix": {
        "time": "2026-11-26T04:22:14Z",
        "latitude": LATITUDE,
        "longitude": LONGITUDE,
        "accuracy_m": 6.0,
        "age_s": 0.8,
        "receiver": "roof",
    },
    "store": {"fixes": 1, "untold": 0, "bytes": 4096, "mode": "disk"},
    "some_day": {"somewhere": [LATITUDE, LONGITUDE], "note": "gate"},
}
STEPS = [Step("dispatch", State.FAIL, f"refused at {LATITUDE},{LONGITUDE}", f"the key {KEY}", f"see https://{USER}@host/{TOKEN}?{QUERY}")]
UNIT = f"LoadState=loaded\nActiveState=active\nStatusText=armed, fix {LATITUDE} {LONGITUDE}\nCPUUsageNSec=77777\nEnvironment=SECRET={KEY}\n"


def play_program(folder: Path, name: str, printed: str) -> None:
    """A program of this name that prints this, and nothing else."""
    text = folder / f"{name}.txt"
    text.write_text(printed)
    program = folder / name
    program.write_text(f'#!/bin/sh\ncat "{text}"\n')
    program.chmod(0o755)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device with something planted in every source."""
    programs = tmp_path / "bin"
    programs.mkdir()
    play_program(programs, "journalctl", JOURNAL)
    play_program(programs, "systemctl", UNIT)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    (tmp_path / "config.toml").write_text(CONFIG.replace("PLACE", str(tmp_path)))
    (tmp_path / "device-key").write_text(KEY + "\n")
    (tmp_path / "device-key").chmod(0o600)
    (tmp_path / "token.json").write_text(json.dumps({"audience": "a", "token": TOKEN, "boot": "b", "at": 1.0}))
    (tmp_path / "tty").symlink_to("/dev/null")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("PRETTY_NAME=Debian\n")
    notes = tmp_path / "run/udev/data/c1:3"
    notes.parent.mkdir(parents=True)
    notes.write_text("S:serial\nE:ID_BUS=usb\nE:ID_MODEL=u-blox_7\nE:ID_SERIAL_SHORT=abcdefSERIAL\n")
    mounts = tmp_path / "proc/self/mounts"
    mounts.parent.mkdir(parents=True)
    mounts.write_text(f"/dev/mmcblk0p2 / ext4 rw 0 0\n//nas/x /mnt cifs user=ann,password={KEY} 0 0\n")
    return tmp_path


def scene_of(place: Path, **more: Any) -> Scene:
    args = argparse.Namespace(config=str(place / "config.toml"), bundle=place / "out.tar.gz", json=False, callout=None, token_file=None)
    try:
        return Scene(args, config=load(place / "config.toml"), machine=Machine(place), **more)
    except ConfigError as error:
        return Scene(args, broken=error, machine=Machine(place), **more)


@contextlib.asynccontextmanager
async def daemon_that_says(path: Path, status: dict[str, Any]) -> AsyncIterator[None]:
    """The real socket, and a daemon behind it that would tell root everything."""

    async def handle(request: dict[str, Any], _peer: control.Peer) -> dict[str, Any]:
        return {"ok": True, "status": status if request == {"do": "status"} else {"inner": "gate"}}

    serving = asyncio.create_task(control.serve(path, handle))
    try:
        while not path.exists():  # noqa: ASYNC110 - there is nothing to wait on before the socket has its name
            await asyncio.sleep(0.01)
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def written(place: Path, steps: list[Step] = STEPS) -> dict[str, str]:
    """Gather, write, unpack."""

    async def story() -> None:
        scene = scene_of(place)
        async with daemon_that_says(place / "control.sock", STATUS):
            await doctor_service.ask(scene)
        assert scene.told == STATUS
        assert await bundle.write(scene, steps)

    asyncio.run(story())
    return unpacked(place / "out.tar.gz")


def unpacked(path: Path) -> dict[str, str]:
    """Each member's text by its name."""
    members = {}
    with tarfile.open(path) as archive:
        for each in archive.getmembers():
            file = archive.extractfile(each)
            assert file is not None
            assert each.mode == 0o600
            members[each.name.rpartition("/")[2]] = file.read().decode()
    return members


def assert_clean(members: dict[str, str]) -> None:
    found = [(name, secret) for name, text in members.items() for secret in PLANTED if secret in text]
    assert found == []


def test_not_a_byte_of_what_was_planted_comes_out(place: Path, capsys: pytest.CaptureFixture[str]):
    """In config, secret's file, kept token, status, steps, journal, unit, udev, mounts: and what a supporter needs is there."""
    members = written(place)
    assert_clean(members)
    assert set(members) == {"README.txt", *bundle.CONTENTS}
    assert "no answer in time" in members["journal.txt"]
    assert "armed; no fix yet" in members["journal.txt"]
    assert json.loads(members["status.json"])["fix"] == FIX
    assert 'base_url = "https://127.0.0.1:9/..."' in members["config.txt"]
    assert "u-blox_7" in members["devices.txt"]
    assert "mmcblk0p2 / ext4 rw" in members["machine.txt"]
    assert "fail    dispatch" in members["doctor.txt"]
    told = capsys.readouterr().out
    assert all(name in told for name in bundle.CONTENTS)
    assert "look at it before you send it" in told


@pytest.mark.parametrize("piece", ["+", "a.", "a1-", "1.", "a.b@c.", "a://", "token_", "G", "lat ", "+1 ", "1.11 ", "\u0661"])
def test_no_line_of_a_journal_holds_up_the_archive(piece: str):
    """As long as the journal lets a line be: what was told to the journal on purpose must not keep it from whoever supports this device."""
    text, began_s = piece * (48_000 // len(piece)), time.process_time()
    clean(text)
    assert time.process_time() - began_s < 2


def test_what_grows_with_work_is_left_out(place: Path):
    """Law 5: processor time of the unit would tell whether something goes on; and of the status only what is listed."""
    members = written(place)
    assert "77777" not in members["unit.txt"]
    assert "some_day" not in members["status.json"]
    assert not any("agent.db" in text and "bytes" in text for text in (members["machine.txt"], members["devices.txt"]))


def test_archive_is_for_its_owner_and_replaces_nothing(place: Path, capsys: pytest.CaptureFixture[str]):
    """0600 whatever the umask; a file that is there is refused, before anything is examined and at the end."""
    written(place)
    path = place / "out.tar.gz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert cli.main(["doctor", "--bundle", str(path), "--config", str(place / "config.toml")]) == 1
    told = capsys.readouterr()
    assert "is there already" in told.err
    assert "fail    dispatch" not in told.out
    assert asyncio.run(bundle.write(scene_of(place), STEPS)) is False
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("response_type_id = 1", f'response_type_id = 1\npassword = "{KEY}"'),
        (f"customer_id = {CUSTOMER}", f'customer_id = "{KEY}"'),
        ('environment = "staging"', f'environment = "{KEY}"'),
        ('bearer_file = "device-key"', 'bearer_file = "sekrit-inline"'),
        ("https://127.0.0.1:9/panic-api/v2", f"https://{USER}@host.example/x?{QUERY}"),
        ("[site]", f'[sight]\nwhere = "{KEY}"\n[site]'),
        (f"latitude = {SITE[0]}", f'latitude = "{SITE[0]}"'),
        ("[panic_api]", f'key = "{KEY}"\n[panic_api]'),
        ("[panic_api]", f"[panic_api\n{KEY}"),
    ],
)
def test_secret_in_the_wrong_place_of_a_broken_config_stays_behind(place: Path, old: str, new: str):
    """An unknown key, a value of the wrong kind, a user in a URL, no TOML at all."""
    path = place / "config.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    scene = scene_of(place)
    seen = str(scene.broken.errors[0]) if scene.broken else "it can be used"
    steps = [*STEPS, Step("config", State.FAIL, seen)]
    assert asyncio.run(bundle.write(replace(scene, told=STATUS), steps))
    assert_clean(unpacked(place / "out.tar.gz"))


def test_programs_that_are_not_there_leave_a_word(place: Path, monkeypatch: pytest.MonkeyPatch):
    """No systemd, no journal, no config: an archive all the same."""
    (place / "bin/journalctl").write_text("#!/bin/sh\nexit 1\n")
    (place / "bin/systemctl").write_text("#!/bin/sh\nexit 1\n")
    (place / "config.toml").unlink()
    assert asyncio.run(bundle.write(scene_of(place), STEPS))
    members = unpacked(place / "out.tar.gz")
    assert (members["journal.txt"].strip(), members["unit.txt"].strip()) == (bundle.UNREAD, bundle.UNREAD)


def test_every_key_of_the_example_is_shown_reduced_or_withheld_by_its_rule(place: Path):
    """A key that comes later is withheld or shown by its kind, and none gets lost without a rule."""
    lines = bundle_documents.config_lines(bundle._raw_config(place / "config.toml"), lambda _: True)
    keys = [line.partition(" = ")[0] for line in lines if " = " in line]
    assert keys == [line.partition(" = ")[0] for line in CONFIG.splitlines() if " = " in line]
