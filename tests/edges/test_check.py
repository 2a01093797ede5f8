"""`check` on real files with real permissions. As root it puts on the rights of nobody where rights are what is tested."""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from agent.cli import check

NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that others can enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="callout-check-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def write(path: Path, text: str = "secret\n", mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def config_in(place: Path, *, api: str = "", credentials: str = "", more: str = "") -> Path:
    """A config that is good in this place, but for what the test adds."""
    write(place / "device-key")
    credentials = credentials or 'token_url = "https://backend.example.com/token"\nbearer_file = "device-key"'
    text = f"""
[panic_api]
base_url = "https://panic.aura.services/panic-api/v2"
customer_id = 4711
response_type_id = 1
{api}
[credentials]
{credentials}
[store]
path = "{place}/state/agent.db"
[control]
socket = "{place}/run/control.sock"
[[receiver]]
kind = "gpsd"
{more}
"""
    return write(place / "config.toml", text, 0o644)


def run(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = check.run(argparse.Namespace(config=path))
    return code, capsys.readouterr().out


def test_good_config_is_ok(place: Path, capsys: pytest.CaptureFixture[str]):
    """Exit 0 and one line that says what was understood."""
    code, out = run(config_in(place), capsys)
    assert code == 0
    assert out.startswith("ok: https://panic.aura.services/panic-api/v2, customer 4711, receivers: gpsd")


def test_check_changes_nothing(place: Path, capsys: pytest.CaptureFixture[str]):
    """No directory is made, no file touched."""
    path = config_in(place)
    before = sorted(place.rglob("*"))
    run(path, capsys)
    assert sorted(place.rglob("*")) == before


def test_missing_config_says_so(place: Path, capsys: pytest.CaptureFixture[str]):
    """Exit 1 and a hint."""
    code, out = run(place / "config.toml", capsys)
    assert code == 1
    assert "does not exist" in out
    assert "hint: " in out


def test_broken_config_tells_every_problem(place: Path, capsys: pytest.CaptureFixture[str]):
    """Each as `key = value: rule`, with its line."""
    code, out = run(config_in(place, api="deadline_s = 0\nproxi = 1"), capsys)
    assert code == 1
    assert "error: panic_api.deadline_s = 0: must be a number from 0.5 to 60 (line 6)" in out
    assert "error: panic_api.proxi: is no key of this table (line 7)\n    hint: did you mean proxy?" in out


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_secret_open_to_others_is_an_error(place: Path, capsys: pytest.CaptureFixture[str], mode: int):
    """The hint is the command that mends it."""
    path = config_in(place)
    (place / "device-key").chmod(mode)
    code, out = run(path, capsys)
    assert code == 1
    assert f'error: credentials.bearer_file = "{place}/device-key": must not be open to group or others, mode is {mode:04o}' in out
    assert f"hint: chmod 600 {place}/device-key" in out


def test_secret_from_systemd_may_show_group_rights(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Its access list looks like rights of the group; what matters is who handed it over."""
    path = config_in(place)
    (place / "device-key").unlink()
    (place / "credentials").mkdir()
    write(place / "credentials" / "device-key", mode=0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place / "credentials"))
    assert run(path, capsys)[0] == 0


@pytest.mark.parametrize(
    ("key", "credentials"),
    [
        ("bearer_file", 'token_url = "https://b.example.com"\nbearer_file = "gone"'),
        ("token_file", 'token_file = "gone"'),
        ("client_secret_file", 'client_id = "c"\nclient_secret_file = "gone"'),
        ("client_key_file", 'token_url = "https://b.example.com"\nclient_cert_file = "gone"\nclient_key_file = "gone"'),
    ],
)
def test_missing_secret_is_an_error(place: Path, capsys: pytest.CaptureFixture[str], key: str, credentials: str):
    """Whatever the source."""
    code, out = run(config_in(place, credentials=credentials), capsys)
    assert code == 1
    assert f'error: credentials.{key} = "{place}/gone": does not exist' in out


def test_empty_or_odd_secret_is_an_error(place: Path, capsys: pytest.CaptureFixture[str]):
    """An empty file and a directory hold no secret."""
    path = config_in(place)
    write(place / "device-key", "")
    assert "is empty" in run(path, capsys)[1]
    (place / "device-key").unlink()
    (place / "device-key").mkdir()
    assert "must be a file" in run(path, capsys)[1]


def test_secret_of_another_user_is_an_error(place: Path, capsys: pytest.CaptureFixture[str]):
    """What cannot be read will not work in an emergency either."""
    path = config_in(place)
    (place / "device-key").chmod(0o000)
    with as_nobody():
        code, out = run(path, capsys)
    assert code == 1
    assert "bearer_file" in out
    assert "cannot be read" in out


def test_secret_is_never_printed(place: Path, capsys: pytest.CaptureFixture[str]):
    """Not even when something is wrong with it."""
    path = config_in(place)
    write(place / "device-key", "s3cret", 0o666)
    assert "s3cret" not in run(path, capsys)[1]


def test_directories_must_be_writable(place: Path, capsys: pytest.CaptureFixture[str]):
    """Of the store and of the control socket, or they must be possible to make."""
    path = config_in(place)
    (place / "device-key").chmod(0o600)
    if os.geteuid() == 0:
        os.chown(place / "device-key", NOBODY, NOBODY)
    place.chmod(0o555)
    with as_nobody():
        code, out = run(path, capsys)
    place.chmod(0o755)
    assert code == 1
    assert "error: store.path" in out
    assert "error: control.socket" in out
    assert f"{place} cannot be written by you" in out


def test_file_where_a_directory_is_due(place: Path, capsys: pytest.CaptureFixture[str]):
    """The store's directory is a file, the database a directory, the socket a plain file: each told."""
    path = config_in(place)
    write(place / "state")
    assert f"{place}/state is not a directory" in run(path, capsys)[1]
    (place / "state").unlink()
    (place / "state" / "agent.db").mkdir(parents=True)
    assert "store.path" in run(path, capsys)[1]
    (place / "state" / "agent.db").rmdir()
    (place / "run").mkdir()
    write(place / "run" / "control.sock")
    assert "something else than a socket" in run(path, capsys)[1]


def test_living_socket_is_fine(place: Path, capsys: pytest.CaptureFixture[str]):
    """Check is run beside the daemon."""
    path = config_in(place)
    (place / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "run" / "control.sock"))
        assert run(path, capsys)[0] == 0


def test_serial_line_may_come_later_but_must_be_one(place: Path, capsys: pytest.CaptureFixture[str]):
    """A missing node is a note, a plain file an error, a terminal is fine."""
    line = place / "ttyGPS"
    path = config_in(place, more=f'[[receiver]]\nkind = "serial"\npath = "{line}"')
    code, out = run(path, capsys)
    assert code == 0
    assert f'note: receiver[2].path = "{line}": is not there now' in out
    write(line)
    assert run(path, capsys)[0] == 1
    line.unlink()
    master, slave = pty.openpty()
    line.symlink_to(os.ttyname(slave))
    code, out = run(path, capsys)
    os.close(master)
    os.close(slave)
    assert (code, "receiver[2]" in out) == (0, False)


def test_replay_file_must_exist(place: Path, capsys: pytest.CaptureFixture[str]):
    """A log to play cannot be plugged in later."""
    path = config_in(place, more=f'[[receiver]]\nkind = "replay"\npath = "{place}/drive.nmea"')
    code, out = run(path, capsys)
    assert (code, f'receiver[2].path = "{place}/drive.nmea": does not exist' in out) == (1, True)
    write(place / "drive.nmea")
    assert run(path, capsys)[0] == 0


def test_ca_file_must_be_pem(place: Path, capsys: pytest.CaptureFixture[str]):
    """A certificate authority is accepted, anything else told."""
    ca_file = place / "ca.pem"
    path = config_in(place, api=f'ca_file = "{ca_file}"')
    assert f'panic_api.ca_file = "{ca_file}": does not exist' in run(path, capsys)[1]
    write(ca_file, "no certificate")
    code, out = run(path, capsys)
    assert (code, "must be PEM" in out) == (1, True)
    trustme.CA().cert_pem.write_to_path(str(ca_file))
    assert run(path, capsys)[0] == 0


def test_client_certificate_must_fit_its_key(place: Path, capsys: pytest.CaptureFixture[str]):
    """The key of another certificate is found out here, not in an emergency."""
    credentials = 'token_url = "https://b.example.com"\nclient_cert_file = "c.pem"\nclient_key_file = "k.pem"'
    path, authority = config_in(place, credentials=credentials), trustme.CA()
    mine, other = authority.issue_cert("unit-17"), authority.issue_cert("unit-18")
    mine.cert_chain_pems[0].write_to_path(str(place / "c.pem"))
    write(place / "k.pem", other.private_key_pem.bytes().decode())
    code, out = run(path, capsys)
    assert (code, "credentials.client_cert_file" in out) == (1, True)
    write(place / "k.pem", mine.private_key_pem.bytes().decode())
    assert run(path, capsys)[0] == 0


def test_hooks_must_be_programs(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Missing, no file, not executable, anyone's to change, or closed to the service: each is an error with its own remedy."""
    hook = place / "hook"
    path = config_in(place, more=f'[hooks]\non_unreachable = ["{hook}"]')
    code, out = run(path, capsys)
    assert (code, "it does not exist" in out) == (1, True)
    hook.mkdir()
    assert "it is no file" in run(path, capsys)[1]
    hook.rmdir()
    write(hook, "#!/bin/sh\n", 0o644)
    code, out = run(path, capsys)
    assert (code, f"hint: chmod +x {hook}" in out) == (1, True)
    hook.chmod(0o777)
    assert "must not be writable by others" in run(path, capsys)[1]
    hook.chmod(0o755)
    assert run(path, capsys)[0] == 0
    if os.geteuid() == 0:
        monkeypatch.setattr(check, "SERVICE_USER", "nobody")
        hook.chmod(0o744)
        code, out = run(path, capsys)
        assert (code, "cannot be run by the service's user nobody" in out) == (1, True)


def test_program_where_the_unit_hides_it_is_noted(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """In a home or in /tmp it works by hand, and for the service it is not there; a script as much as its shell."""
    monkeypatch.setattr(check, "HIDDEN", (str(place),))
    write(place / "siren.sh", "#!/bin/sh\n", 0o755)
    path = config_in(place, more=f'[hooks]\non_unreachable = ["/bin/sh", "{place}/siren.sh"]')
    monkeypatch.setattr(check, "UNIT_CONFIG", path)
    monkeypatch.setattr(check, "SERVICE_USER", "no-such-user")
    assert "the unit hides it" not in run(path, capsys)[1]
    monkeypatch.setattr(check, "SERVICE_USER", "nobody")
    told = [line for line in run(path, capsys)[1].splitlines() if "the unit hides it" in line]
    assert len(told) == 1
    assert told[0].startswith("note: hooks.on_unreachable")
    assert f"{place}/siren.sh" in told[0]
    monkeypatch.setattr(check, "HIDDEN", ("/somewhere/else",))
    assert "the unit hides it" not in run(path, capsys)[1]


def test_store_where_the_unit_lets_nobody_write_is_noted(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Root may write there, and so would find nothing wrong; until a drop-in opens it, also by a folder above."""
    monkeypatch.setattr(check, "SERVICE_USER", "nobody")
    monkeypatch.setattr(check, "WRITABLE", (str(place / "run"),))
    monkeypatch.setattr(check, "DROP_INS", place / "drop-ins")
    path = config_in(place)
    assert "ReadWritePaths" not in run(path, capsys)[1], "of no unit"
    monkeypatch.setattr(check, "UNIT_CONFIG", path)
    (told,) = [line for line in run(path, capsys)[1].splitlines() if "ReadWritePaths" in line]
    assert f"ReadWritePaths={place}/state;" in told
    (place / "drop-ins").mkdir()
    write(place / "drop-ins/more.conf", f"[Service]\nReadWritePaths=/srv -{place}\n", 0o644)
    assert "ReadWritePaths" not in run(path, capsys)[1]


def test_config_that_anyone_may_change_is_an_error(place: Path, capsys: pytest.CaptureFixture[str]):
    """Who can write it can send callouts elsewhere."""
    path = config_in(place)
    path.chmod(0o646)
    assert run(path, capsys)[0] == 1


@pytest.mark.parametrize(
    ("name", "mode", "more", "hint"),
    [
        ("config.toml", 0o664, "", "chmod g-w"),
        ("config.toml", 0o644, "\n[site]\nlatitude = -33.9\nlongitude = 18.4\n", "chmod o-r"),
        (".", 0o757, "", "chmod o-w"),
        (".", 0o770, "", "chmod g-w"),
        ("siren.sh", 0o777, '\n[hooks]\non_unreachable = ["/bin/sh", "PLACE/siren.sh"]\n', "chmod o-w"),
    ],
)
def test_what_others_may_read_or_change_is_noted(
    place: Path, capsys: pytest.CaptureFixture[str], name: str, mode: int, more: str, hint: str
):
    """As the daemon tells it while it runs, with the command that closes it."""
    write(place / "siren.sh", "#!/bin/sh\n", 0o755)
    path = config_in(place, more=more.replace("PLACE", str(place)))
    (place / name).chmod(mode)
    code, out = run(path, capsys)
    assert (code, "note: files = " in out, f"hint: {hint}" in out) == (0, True, True)


def test_root_checks_for_the_service_too(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """What root can read its service may not: a secret may come through systemd and is noted, the config cannot and is an error."""
    if os.geteuid() != 0:
        pytest.skip("only root checks for someone with fewer rights")
    monkeypatch.setattr(check, "SERVICE_USER", "nobody")
    path = config_in(place)
    code, out = run(path, capsys)
    assert (code, "note: credentials.bearer_file" in out, "under a name that the unit knows" in out) == (0, True, True)
    os.chown(place / "device-key", NOBODY, NOBODY)
    assert "note: " not in run(path, capsys)[1]
    path.chmod(0o600)
    code, out = run(path, capsys)
    assert (code, "error: config" in out) == (1, True)
    os.chown(path, 0, NOBODY)
    path.chmod(0o640)
    assert run(path, capsys)[0] == 0


def test_missing_pins_and_odd_host_are_notes(place: Path, capsys: pytest.CaptureFixture[str]):
    """What may be right tomorrow, or is meant so, is told and does not fail; but nobody reads `ok` alone."""
    api = 'environment = "staging"'
    more = """
[[button]]
chip = "/dev/gpiochip-none"
abort_line = 23
[indicator]
chip = "/dev/gpiochip-none"
[keypad]
path = "/dev/input/none"
[power]
supplies = "/sys/class/power-none"
[heartbeat]
url = "https://ops.example.com/beat"
"""
    code, out = run(config_in(place, api=api, more=more), capsys)
    assert code == 0
    keys = [line.split(" ")[1].rstrip(":") for line in out.splitlines() if line.startswith("note: ")]
    assert keys == [
        "panic_api.base_url",
        "button[1].chip",
        "indicator.chip",
        "keypad.path",
        "power.supplies",
        "button[1].abort_line",
    ]
    assert out.splitlines()[-1].startswith("ok but for the notes: https://panic.aura.services")
    assert out.endswith("buttons: panic; a visible lamp; a keypad\n")


@pytest.mark.parametrize("node", ["/dev/null", "/dev", "{place}/device-key"])
def test_what_is_there_must_be_a_chip_and_a_keypad(place: Path, capsys: pytest.CaptureFixture[str], node: str):
    """A file, a directory, or another driver's device is no button, whatever the day."""
    node = node.format(place=place)
    code, out = run(config_in(place, more=f'[[button]]\nchip = "{node}"\n[keypad]\npath = "{node}"'), capsys)
    assert code == 1
    assert f'error: button[1].chip = "{node}": must be a GPIO chip' in out
    assert f'error: keypad.path = "{node}": must be an input device' in out


def test_played_chip_and_keypad_are_fine(place: Path, capsys: pytest.CaptureFixture[str]):
    """Their nodes are sockets; `status` says that they are played."""
    with socket.socket(socket.AF_UNIX) as chip:
        chip.bind(str(place / "chip"))
        code, out = run(config_in(place, more=f'[[button]]\nchip = "{place}/chip"\n[keypad]\npath = "{place}/chip"'), capsys)
    assert (code, "button" in out.replace("buttons:", ""), "error" in out) == (0, False, False)


def test_one_chip_under_two_names_is_noted(place: Path, capsys: pytest.CaptureFixture[str]):
    """Else a line that is used twice would not be found."""
    (place / "gpiochip4").symlink_to("/dev/gpiochip-none")
    more = f'[[button]]\nchip = "/dev/gpiochip-none"\n[indicator]\nchip = "{place}/gpiochip4"\nlamp_line = 17'
    assert "is /dev/gpiochip-none by another name" in run(config_in(place, more=more), capsys)[1]


def test_client_id_on_production_is_noted(place: Path, capsys: pytest.CaptureFixture[str]):
    """The secret of a whole customer source does not belong on a device."""
    code, out = run(config_in(place, credentials='client_id = "c"\nclient_secret_file = "device-key"'), capsys)
    assert (code, "note: credentials.client_id" in out) == (0, True)
