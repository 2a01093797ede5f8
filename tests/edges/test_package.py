"""The Debian package, as far as it can be judged without root: what is in it, what its scripts do with versions, completion, manual page.

Installed and booted it is tried in tests/appliance.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest

from agent.cli import COMMANDS

pytestmark = pytest.mark.timeout(400)  # building takes seconds of work, and minutes on a machine that has other work

ROOT = Path(__file__).parents[2]
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
VERSION = "7.1.0"  # of the package that is built here: of no release
FULL = f"{VERSION}~bookworm1"
HOME = f"usr/lib/callout-agent/versions/{FULL}"


@dataclass(frozen=True)
class Package:
    """file: the .deb. tree: what is in it, DEBIAN included. listing: modes, owners and names as dpkg tells them."""

    file: Path
    tree: Path
    listing: list[list[str]]


def _build(to: Path, **environment: str) -> Path:
    """One build, in surroundings of its own."""
    to.mkdir()
    (to / "tmp").mkdir()
    told = {**os.environ, "VERSION": VERSION, "DIST": str(to), "PY": sys.executable, "TMPDIR": str(to / "tmp"), **environment}
    command = [ROOT / "tools/build-deb", "bookworm", "amd64"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False, timeout=350)
    if "No matching distribution" in done.stderr or "Could not find a version" in done.stderr:
        pytest.skip("no package to judge: the libraries' wheels are not in reach")
    assert done.returncode == 0, done.stderr
    assert not any((to / "tmp").iterdir())
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same tree, built twice in different surroundings."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no package to judge: dpkg-deb is missing, this is no Debian")
    folder = tmp_path_factory.mktemp("packages")
    with ThreadPoolExecutor() as pool:
        one = pool.submit(_build, folder / "one")
        other = pool.submit(_build, folder / "other", TZ="Asia/Tokyo", LC_ALL="C", HOME=str(folder), PYTHONHASHSEED="7")
    return one.result(), other.result()


@pytest.fixture(scope="module")
def package(builds: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package, unpacked."""
    tree = tmp_path_factory.mktemp("unpacked") / "tree"
    subprocess.run(["dpkg-deb", "-R", builds[0], tree], check=True)
    listed = subprocess.run(["dpkg-deb", "-c", builds[0]], check=True, capture_output=True, text=True).stdout
    return Package(builds[0], tree, [line.split(maxsplit=5) for line in listed.splitlines()])


def test_the_same_tree_makes_the_same_bytes(builds: tuple[Path, Path]) -> None:
    """Whoever builds it again can compare."""
    assert builds[0].name == builds[1].name == f"callout-agent_{FULL}_amd64.deb"
    assert builds[0].read_bytes() == builds[1].read_bytes()


def test_all_is_roots_and_nobody_else_may_change_it(package: Package) -> None:
    """No file that the daemon, or anybody, could replace what runs with."""
    assert {owner for _, owner, *_ in package.listing} == {"root/root"}
    for mode, *_, name in package.listing:
        assert mode in {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}, name
    programs = {name for mode, *_, name in package.listing if mode == "-rwxr-xr-x" and "/site/" not in name}
    assert programs == {f"./{HOME}/bin/callout-agent", "./usr/sbin/callout-agent-rollback"}


def test_it_lies_where_it_belongs(package: Package) -> None:
    """The version in a folder of its own, the rest where Debian looks for it; no config that would be wrong."""
    for place in (
        f"{HOME}/bin/callout-agent",
        f"{HOME}/systemd/callout-agent.service",
        "usr/lib/sysusers.d/callout-agent.conf",
        "usr/lib/tmpfiles.d/callout-agent.conf",
        "usr/lib/udev/rules.d/60-callout-agent.rules",
        "usr/lib/systemd/system/callout-agent.service",
        "usr/lib/systemd/system/multi-user.target.wants/callout-agent-settle.service",
        "usr/share/bash-completion/completions/callout-agent",
        "usr/share/man/man8/callout-agent.8.gz",
        "usr/share/man/man8/callout-agent-rollback.8.gz",
        "usr/share/doc/callout-agent/copyright",
        "usr/share/doc/callout-agent/changelog.gz",
    ):
        assert (package.tree / place).is_file(), place
    example = package.tree / "usr/share/doc/callout-agent/examples/config.toml"
    assert example.read_bytes() == (ROOT / "config.example.toml").read_bytes()
    assert {each.name for each in package.tree.iterdir()} == {"DEBIAN", "usr"}
    assert (package.tree / "usr/bin/callout-agent").readlink() == Path("../lib/callout-agent/current/bin/callout-agent")


def test_a_version_brings_its_own_unit(package: Package) -> None:
    """The unit that systemd enables is a file that never changes; what it says comes through `current`."""
    units = package.tree / "usr/lib/systemd/system"
    assert not (units / "callout-agent.service").is_symlink()
    assert "WantedBy=multi-user.target" in (units / "callout-agent.service").read_text()
    drop_in = units / "callout-agent.service.d/00-version.conf"
    leads_to = os.path.normpath(drop_in.parent / drop_in.readlink())
    assert leads_to == str(package.tree / "usr/lib/callout-agent/current/systemd/callout-agent.service")
    assert (package.tree / HOME / "systemd/callout-agent.service").read_bytes() == (ROOT / "systemd/callout-agent.service").read_bytes()


def test_the_libraries_are_those_of_the_lock(package: Package) -> None:
    """Each that is needed at run time, in the pinned version, and nothing else: no simulator, no installer of further packages."""
    site = package.tree / HOME / "site"
    there = {each.metadata["Name"].lower().replace("_", "-"): each.version for each in metadata.distributions(path=[str(site)])}
    assert there.pop("callout-agent") == VERSION
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert there == {name: pinned[name] for name in there}
    assert {"httpx", "gpiod", "gpsd-py3", "pynmeagps", "pyserial", "apscheduler", "sqlite-utils", "anyio"} <= there.keys()
    assert not {"pip", "starlette", "uvicorn", "trustme", "pytest"} & there.keys()
    assert not (site / "simulator").exists()
    binaries = list(site.rglob("*.so*"))
    assert binaries
    assert all(each.name.endswith("cpython-311-x86_64-linux-gnu.so") for each in binaries)


def test_nothing_tells_where_it_was_built(package: Package) -> None:
    """Neither a registry nor a path of the building machine is in it, and no bytecode of its Python."""
    for file in package.tree.rglob("*"):
        assert file.suffix != ".pyc"
        assert file.name not in {"direct_url.json", "INSTALLER", "RECORD"}
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            assert b"file://" not in content or file.suffix == ".py" or file.name == "METADATA", file
            assert str(ROOT).encode() not in content, file
            assert str(package.file.parent).encode() not in content, file


def test_it_is_bound_to_the_python_of_the_release(package: Package) -> None:
    """A machine with another Python refuses it, instead of a daemon that does not start."""
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", (package.tree / "DEBIAN/control").read_text(), re.MULTILINE))
    assert fields["Version"] == FULL
    assert fields["Architecture"] == "amd64"
    depends = fields["Depends"].split(", ")
    assert "python3.11" in depends
    assert "python3" not in depends
    assert (package.tree / HOME / "bin/callout-agent").read_text().startswith("#!/usr/bin/python3.11 -IBS\n")


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the package is for Python 3.11, and this is another")
def test_the_program_sees_its_own_libraries_only(package: Package, tmp_path: Path) -> None:
    """What a user's environment or the machine's Python packages hold is not found."""
    (tmp_path / "agent.py").write_text("raise SystemExit('a stranger')")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('a stranger')")
    program = package.tree / HOME / "bin/callout-agent"
    told = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONHOME": ""}
    command = [sys.executable, "-IBS", program, "--version"]
    assert (
        subprocess.run(command, env=told, cwd=tmp_path, check=True, capture_output=True, text=True).stdout == f"callout-agent {VERSION}\n"
    )
    assert not list(package.tree.rglob("__pycache__"))


def test_the_scripts_are_for_any_sh(package: Package) -> None:
    """Each is read by a shell without complaint, and no name was left to be filled in."""
    scripts = [package.tree / "DEBIAN" / name for name in SCRIPTS] + [package.tree / "usr/sbin/callout-agent-rollback"]
    for script in scripts:
        assert script.read_text().startswith("#!/bin/sh\n")
        assert not re.search(r"@[A-Z_]+@|#INCLUDE", script.read_text()), script.name
        subprocess.run(["sh", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "--severity=warning", *scripts], check=True)


def test_a_purge_keeps_the_tracks_unless_told(package: Package) -> None:
    """The question's default is the one that loses nothing."""
    template = (package.tree / "DEBIAN/templates").read_text()
    assert "Template: callout-agent/purge-tracks\nType: boolean\nDefault: false\n" in template


# What moves from one version to another, on a folder and with a systemd of its own.

SYSTEMCTL = """#!/bin/sh
# A unit that becomes ready if what `current` names holds a file "ready", and waits for its config if that holds a file "unconfigured".
lib={lib}
state=activating
[ ! -e "$lib/current/unconfigured" ] || state=inactive
[ ! -e "$lib/running" ] || state=active
case "$*" in
    *"restart callout-agent.service")
        rm -f "$lib/running"
        [ -e "$lib/current/ready" ] && ln -s "$(readlink "$lib/current")" "$lib/running"
        ;;
    *ActiveState*) echo "$state" ;;
    *ConditionResult*) [ "$state" != inactive ] && echo yes || echo no ;;
    *InvocationID*) readlink "$lib/running" ;;
    *NRestarts*) [ "$state" = activating ] && echo 2 || echo 0 ;;
esac
"""
PROGRAM = """#!/bin/sh
[ "$*" = "status --json" ] && cat {lib}/status.json
"""


class Device:
    """The versions of a device in a folder, and the shell functions that move between them."""

    def __init__(self, folder: Path) -> None:
        self.lib = folder / "lib"
        self.lib.mkdir()
        tools = folder / "tools"
        tools.mkdir()
        (tools / "systemctl").write_text(SYSTEMCTL.format(lib=self.lib))
        (tools / "systemctl").chmod(0o755)
        self._path = f"{tools}:{os.environ['PATH']}"
        self.shows("standby")

    def add(self, version: str, *, ready: bool = True) -> None:
        """A version that is whole, and whether it becomes ready."""
        program = self.lib / "kept" / version / "bin/callout-agent"
        program.parent.mkdir(parents=True)
        program.write_text(PROGRAM.format(lib=self.lib))
        program.chmod(0o755)
        if ready:
            (self.lib / "kept" / version / "ready").touch()

    def shows(self, state: str, *, condition: str = "clock.untrusted") -> None:
        """What `status --json` says."""
        document = {"conditions": [{"code": condition}], "callout": {"state": state, "id": None, "messages": {"last": None}}}
        text = json.dumps(document, indent=2)
        (self.lib / "status.json").write_text(text)

    def do(self, line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One line of shell, as a maintainer script would have it."""
        setting = f"lib={self.lib}; settled_after_s=0; supervised() {{ true; }}"
        script = f"set -e\n. {ROOT}/packaging/switch.sh\n{setting}\n{line}\n"
        told = {**os.environ, "PATH": self._path, **environment}
        return subprocess.run(["sh", "-c", script], env=told, capture_output=True, text=True, check=False, timeout=30)

    def named(self, what: str) -> str | None:
        """The version that `current`, or systemd (`running`), has."""
        link = self.lib / what
        return link.readlink().name if link.is_symlink() else None


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    """One with a version that runs well."""
    device = Device(tmp_path)
    device.add("1.0")
    assert device.do("switch kept/1.0").returncode == 0
    assert (device.named("current"), device.named("running")) == ("1.0", "1.0")
    return device


def test_a_version_that_becomes_ready_stays(device: Device) -> None:
    """It runs, and nothing of the move is left."""
    device.add("2.0")
    done = device.do("switch kept/2.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert (device.named("current"), device.named("running")) == ("2.0", "2.0")
    assert {each.name for each in device.lib.iterdir()} == {"kept", "current", "running", "status.json"}


def test_a_version_that_does_not_become_ready_is_taken_back(device: Device) -> None:
    """The one that ran runs again, and the script fails and says so."""
    device.add("2.0", ready=False)
    done = device.do("switch kept/2.0")
    assert done.returncode == 1
    assert "going back to 1.0" in done.stderr
    assert (device.named("current"), device.named("running")) == ("1.0", "1.0")


def test_a_version_that_comes_up_in_safe_mode_is_taken_back(device: Device) -> None:
    """Ready is more than alive: the alarm path alone is what a crash loop leaves."""
    device.add("2.0")
    program = device.lib / "kept/2.0/bin/callout-agent"
    program.write_text(program.read_text() + f"sed 's/clock.untrusted/safe_mode/' {device.lib}/status.json\n")
    assert device.do("ready_within_s=1; switch kept/2.0").returncode == 1
    assert device.named("current") == "1.0"


def test_a_move_that_was_cut_is_taken_back_later(device: Device) -> None:
    """The power went after `current` had moved: the next attempt still knows what ran before."""
    device.add("2.0", ready=False)
    assert device.do("restart() { rm -f $lib/running; kill -KILL $$; }; switch kept/2.0").returncode == -signal.SIGKILL
    assert (device.named("current"), device.named("running")) == ("2.0", None)
    assert device.do("switch kept/2.0").returncode == 1
    assert (device.named("current"), device.named("running")) == ("1.0", "1.0")


@pytest.mark.parametrize(("ready", "runs", "code"), [(True, "2.0", 0), (False, "1.0", 0)])
def test_a_move_that_was_cut_is_settled_at_boot(device: Device, *, ready: bool, runs: str, code: int) -> None:
    """Nobody is there: what it moved to stays if it becomes ready, else what ran before runs again."""
    device.add("2.0", ready=ready)
    assert device.do("restart() { rm -f $lib/running; kill -KILL $$; }; switch kept/2.0").returncode == -signal.SIGKILL
    boot = "systemctl restart callout-agent.service || true"
    assert device.do(f"{boot}; settle").returncode == code
    assert (device.named("current"), device.named("running")) == (runs, runs)
    assert not (device.lib / "moving-from").exists()


@pytest.mark.parametrize("left", ["nothing", "a dangling one"])
def test_a_link_that_is_lost_is_made_again_at_boot(device: Device, left: str) -> None:
    """Without it systemd has nothing to start."""
    (device.lib / "current").unlink()
    (device.lib / "running").unlink()
    if left != "nothing":
        (device.lib / "current").symlink_to("kept/0.1")
    assert device.do("settle").returncode == 0
    assert (device.named("current"), device.named("running")) == ("1.0", "1.0")


def test_a_device_without_any_version_says_so(device: Device) -> None:
    """Only a person can help it, and must know."""
    shutil.rmtree(device.lib / "kept")
    done = device.do("settle")
    assert (done.returncode, "install the package again" in done.stderr) == (1, True)


def test_a_version_is_not_blamed_for_what_was_broken_before(device: Device) -> None:
    """Where nothing ran, nothing is gained by going back, and the new version may be the remedy."""
    (device.lib / "kept/1.0/ready").unlink()
    device.do("systemctl restart callout-agent.service")
    device.add("2.0", ready=False)
    done = device.do("switch kept/2.0")
    assert done.returncode == 0
    assert "not ready" in done.stderr
    assert device.named("current") == "2.0"


@pytest.mark.parametrize("failing", ["ln", "sync", "mv"])
def test_a_full_disk_moves_nothing_and_is_told(device: Device, failing: str) -> None:
    """Whatever it fails: what ran goes on, and the package manager is not told that the new one does."""
    device.add("2.0")
    done = device.do(f"{failing}() {{ return 1; }}; switch kept/2.0 || exit 1")
    assert done.returncode == 1
    assert "is the disk full" in done.stderr
    assert (device.named("current"), device.named("running")) == ("1.0", "1.0")
    assert device.do("unfinished").stdout in {"", "1.0\n", "kept/1.0\n"}


@pytest.mark.parametrize("failing", ["cp", "nice", "sync"])
def test_a_full_disk_is_not_left_full(device: Device, failing: str) -> None:
    """What was half prepared is removed: the version that runs needs the room for what it records."""
    (device.lib / "versions/2.0/site").mkdir(parents=True)
    functions = (ROOT / "packaging/postinst.sh").read_text().partition("python=@PYTHON@\n")[2].partition("case $1 in")[0]
    done = device.do(f"version=2.0; python=false\n{functions}\n{failing}() {{ return 1; }}\nprepare")
    assert done.returncode == 1
    assert "is the disk full" in done.stderr
    assert {each.name for each in (device.lib / "kept").iterdir()} == {"1.0"}


def test_a_version_that_waits_for_its_config_is_in_place(device: Device) -> None:
    """Before `setup` nothing can become ready, and nothing is waited for."""
    device.add("2.0", ready=False)
    (device.lib / "kept/2.0/unconfigured").touch()
    assert device.do("switch kept/2.0").returncode == 0
    assert device.named("current") == "2.0"


@pytest.mark.parametrize(("state", "code"), [("standby", 0), ("raising", 1), ("active", 1), ("cancelling", 1), ("anything new", 1)])
def test_a_callout_that_is_on_refuses(device: Device, state: str, code: int) -> None:
    """As the device shows it; with the remedy, and nothing moved."""
    device.shows(state)
    done = device.do("refuse_during_callout 'the upgrade'")
    assert done.returncode == code
    assert ("CALLOUT_AGENT_UPGRADE=force" in done.stderr) == bool(code)


def test_who_says_so_goes_on_during_a_callout(device: Device) -> None:
    """The restart resumes the callout; a person may know better than to wait."""
    device.shows("active")
    assert device.do("refuse_during_callout 'the upgrade'", CALLOUT_AGENT_UPGRADE="force").returncode == 0


def test_a_daemon_that_says_nothing_refuses_nothing(device: Device) -> None:
    """It may be the broken one that the upgrade is for."""
    (device.lib / "status.json").unlink()
    assert device.do("refuse_during_callout 'the upgrade'").returncode == 0


# Completion, manual page, udev.


def _complete(script: Path, *words: str) -> set[str]:
    line = f'''
        load() {{ source {script}; }}; load # as bash-completion does it
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words) - 1}
        _callout_agent
        printf '%s\\n' "${{COMPREPLY[@]}}"'''
    told = subprocess.run(["bash", "--norc", "-c", line], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return set(told.split())


def test_tab_completes_commands_options_and_values(package: Package) -> None:
    """From the parser, at every depth; files where a file is due."""
    script = package.tree / "usr/share/bash-completion/completions/callout-agent"
    assert set(COMMANDS) <= _complete(script, "callout-agent", "")
    assert _complete(script, "callout-agent", "tr") == {"track"}
    assert {"export", "show"} <= _complete(script, "callout-agent", "track", "")
    assert _complete(script, "callout-agent", "track", "export", "--form") == {"--format"}
    assert {"gpx", "geojson", "csv"} <= _complete(script, "callout-agent", "track", "export", "--format", "")
    assert _complete(script, "callout-agent", "--config", "CHANGE") == {"CHANGELOG.md"}
    assert _complete(script, "callout-agent", "--config", "CHANGELOG.md", "stat") == {"status"}
    assert _complete(script, "callout-agent", "status", "--js") == {"--json"}


def test_the_manual_page_has_every_command(package: Package) -> None:
    """With no line that roff would take for a request it does not know."""
    page = subprocess.run(
        ["gzip", "-dc", package.tree / "usr/share/man/man8/callout-agent.8.gz"], check=True, capture_output=True, text=True
    ).stdout
    for command in COMMANDS:
        assert re.search(rf'^\.SS "{command}\b', page, re.MULTILINE), command
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".BR", ".RB", ".RI", ".IR"}
    assert "TOKEN" not in page


def test_modem_manager_is_kept_off_receivers_and_left_its_modems() -> None:
    """By vendor and product: what receivers are and hang on, and neither u-blox's modems nor anybody else's."""
    rules = (ROOT / "systemd/callout-agent.rules").read_text()
    patterns = "|".join(re.findall(r'^ENV\{\.callout_agent_usb\}=="([^"]*)"', rules, re.MULTILINE)).split("|")

    def kept_off(number: str) -> bool:
        return any(fnmatch(number, pattern) for pattern in patterns)

    assert all(map(kept_off, ("1546:01a7", "1546:01a9", "10c4:ea60", "067b:2303", "1a86:7523", "0403:6001", "152a:85c0")))
    assert not any(map(kept_off, ("1546:1146", "2c7c:0125", "1199:9071", "12d1:1506")))
