"""The systemd files: they parse, and hold what people's lives hang on."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.cli import DEFAULT_CONFIG
from agent.cli.run import last_good_path
from agent.config import HANDED

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "callout-agent.service"
CLOCK = SYSTEMD / "callout-agent-clock.conf"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)  # a key may stand there several times
    parser.optionxform = str
    parser.read(UNIT)
    return parser


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)


def verify(text: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """The judgement of systemd itself, with a program that is there in place of the installed one."""
    path = directory / "callout-agent.service"
    path.write_text(text.replace("/usr/bin/callout-agent", "/bin/true"))
    return run("systemd-analyze", "verify", "--man=no", str(path))


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines about our unit: an unknown key is told on stderr only, with exit code 0."""
    return [line for line in done.stderr.splitlines() if "callout-agent.service" in line]


def test_unit_is_verified_by_systemd(tmp_path: Path):
    """No unknown key, no bad value."""
    done = verify(UNIT.read_text(), tmp_path)
    assert (done.returncode, complaints(done)) == (0, [])


def test_verification_sees_an_unknown_key(tmp_path: Path):
    """Or the test above would prove nothing."""
    assert complaints(verify(UNIT.read_text().replace("Restart=always", "Restrat=always"), tmp_path))


def verify_with_drop_in(drop_in: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """The unit as it is with the drop-in installed."""
    folder = directory / "callout-agent.service.d"
    folder.mkdir()
    (folder / "clock.conf").write_text(drop_in)
    return verify(UNIT.read_text(), directory)


def test_drop_in_that_lets_the_agent_set_the_clock_is_verified_by_systemd(tmp_path: Path):
    """With the unit that it belongs to."""
    done = verify_with_drop_in(CLOCK.read_text(), tmp_path)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "clock.conf" in line], complaints(done)) == (0, [], [])


def test_verification_sees_an_unknown_key_in_the_drop_in(tmp_path: Path):
    """Or the test above would prove nothing: the drop-in is read."""
    assert "clock.conf" in verify_with_drop_in(CLOCK.read_text().replace("ProtectClock", "ProtektClock"), tmp_path).stderr


def test_drop_in_gives_one_capability_and_the_unit_none():
    """Whatever the unit forbids that the drop-in needs, the drop-in allows again: the calls, and the capability itself."""
    given = [line for line in CLOCK.read_text().splitlines() if line and not line.startswith("#")]
    assert given == [
        "[Service]",
        "AmbientCapabilities=CAP_SYS_TIME",
        "CapabilityBoundingSet=CAP_SYS_TIME",
        "ProtectClock=no",
        "SystemCallFilter=@clock",
    ]
    assert unit()["Service"]["CapabilityBoundingSet"] == ""
    assert not unit()["Service"].keys() & {"AmbientCapabilities", "PrivateUsers"}, "in a user namespace of its own it sets no clock"


def exposure(text: str, directory: Path, drop_in: str = "") -> float:
    """As systemd rates it: 0 nothing, 10 everything."""
    (directory / "callout-agent.service.d").mkdir()
    (directory / "callout-agent.service.d" / "clock.conf").write_text(drop_in or "[Service]\n")
    path = directory / "callout-agent.service"
    path.write_text(text.replace("/usr/bin/callout-agent", "/bin/true"))
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=100", str(path))
    assert done.returncode == 0, done.stderr
    return float(re.search(r"Overall exposure level for \S+: (\S+)", done.stdout)[1])


def test_unit_is_exposed_as_little_as_its_work_allows(tmp_path: Path):
    """At most 1.5: the network, GPIO and serial lines cost the most of it."""
    assert exposure(UNIT.read_text(), tmp_path) <= 1.5


def test_exposure_sees_what_the_unit_gives_away(tmp_path: Path):
    """Or the test above would prove nothing."""
    assert exposure(UNIT.read_text().replace("RestrictNamespaces=yes", ""), tmp_path) > 1.5


def test_setting_the_clock_costs_what_it_costs_and_no_more(tmp_path: Path):
    """The capability, the calls and ProtectClock= are counted each: 0.9 in all, and all of it is the drop-in's own purpose."""
    assert 1.5 < exposure(UNIT.read_text(), tmp_path, CLOCK.read_text()) <= 2.4


def test_nothing_that_grows_with_work_is_counted_for_everybody():
    """`systemctl status` shows it to any user, and it would tell whether something goes on behind a cancel (law 5)."""
    told = unit()["Service"]
    assert {name: told[name] for name in ("CPUAccounting", "IOAccounting", "IPAccounting")} == dict.fromkeys(
        ("CPUAccounting", "IOAccounting", "IPAccounting"), "no"
    )
    counting = {"CPUWeight", "StartupCPUWeight", "CPUQuota", "IOWeight", "IPAddressDeny", "IPAddressAllow"}
    assert not told.keys() & counting, "these turn the counting on again"


def test_service_is_never_given_up():
    """Restarted always, without the start limit at which systemd stops trying, and watched."""
    read = unit()
    assert read["Unit"]["StartLimitIntervalSec"] == "0"
    assert read["Service"]["Restart"] == "always"
    assert 0 < float(read["Service"]["RestartSec"]) <= 5
    assert 5 <= float(read["Service"]["WatchdogSec"]) <= 60


def test_start_waits_for_nothing_that_may_never_come():
    """For files alone: not for a network, a clock, a receiver or gpsd, nor for the rest of the system. Of these none must succeed."""
    read = unit()["Unit"]
    assert read["DefaultDependencies"] == "no"
    assert set(read["After"].split()) == {"local-fs.target", "systemd-sysusers.service", "systemd-tmpfiles-setup.service"}
    assert not read.keys() & {"Wants", "Requires", "BindsTo", "Requisite", "PartOf"}


def test_deleted_config_silences_nothing(monkeypatch: pytest.MonkeyPatch):
    """Either of the two is enough: the config, or the copy of it that `run` keeps in the state directory that systemd makes."""
    read = UNIT.read_text()
    conditions = re.findall(r"^((?:Condition|Assert)\w+)=(.*)$", read, re.MULTILINE)
    monkeypatch.setenv("STATE_DIRECTORY", f"/var/lib/{unit()['Service']['StateDirectory']}")
    copy = last_good_path(Path(DEFAULT_CONFIG))
    assert conditions == [("ConditionPathExists", f"|{DEFAULT_CONFIG}"), ("ConditionPathExists", f"|{copy}")]


def test_missing_secret_keeps_nothing_from_starting():
    """Each has a stand-in of one character, which no secret has."""
    read = UNIT.read_text()
    handed = re.findall(r"^LoadCredential=(.*):(.*)$", read, re.MULTILINE)
    assert handed == [(name, f"/etc/callout-agent/credentials/{name}") for name in HANDED]
    assert re.findall(r"^SetCredential=(.*):(.*)$", read, re.MULTILINE) == [(name, r"\x20") for name in HANDED]


def test_presses_outlive_a_restart():
    """The runtime directory stays, and nobody outside user and group can look into it or into the store."""
    service = unit()["Service"]
    assert service["RuntimeDirectoryPreserve"] == "yes"
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert service["StateDirectoryMode"][-1] == service["RuntimeDirectoryMode"][-1] == "0"
    assert service["UMask"] == "0077"


def test_user_and_groups_are_made(tmp_path: Path):
    """systemd-sysusers makes the user, its group, and the groups of the hardware."""
    done = run("systemd-sysusers", "--dry-run", f"--root={tmp_path}", str(SYSTEMD / "callout-agent.sysusers"))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-sysusers has no --dry-run")
    assert done.returncode == 0, done.stderr
    made = done.stdout + done.stderr
    assert all(f"'{group}'" in made for group in ("callout-agent", "dialout", "gpio", "input"))


def test_chips_go_to_a_group_of_the_user():
    """Or the agent may open no button where chips are root's alone."""
    (rule,) = [line for line in (SYSTEMD / "callout-agent.rules").read_text().splitlines() if 'SUBSYSTEM=="gpio"' in line]
    assert rule.startswith('SUBSYSTEM=="gpio", KERNEL=="gpiochip[0-9]*"')
    group = re.search(r'GROUP="(\w+)", MODE="0660"$', rule)[1]
    assert f"m callout-agent {group}" in (SYSTEMD / "callout-agent.sysusers").read_text().splitlines()


def test_runtime_directory_takes_presses_of_the_group(tmp_path: Path):
    """systemd-tmpfiles makes the place where a press waits for a daemon: shared by the group, none can remove another's."""
    if os.geteuid() != 0:
        pytest.skip("only root may give directories away")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text(f"callout-agent:x:{os.getuid()}:{os.getgid()}::/:/bin/false\n")
    (tmp_path / "etc" / "group").write_text(f"callout-agent:x:{os.getgid()}:\n")
    done = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", str(SYSTEMD / "callout-agent.tmpfiles"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "callout-agent" / "presses").stat().st_mode & 0o7777 == 0o3770
    assert (tmp_path / "run" / "callout-agent").stat().st_mode & 0o7777 == 0o750
