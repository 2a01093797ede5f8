"""Our package on a disk image, as an installer leaves it: its environment, the unit and what belongs to it, a config. And the tests' hand.

Touches a copy of the image and mounts of this process's namespace. The libraries are those of the environment that runs the tests: what
requirements.lock pins; so that has to be of the Python that the image has.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from stage import ROOT

PYTHON = (3, 11)  # Debian 12's
_HOME = "opt/callout-agent"
_SITE = f"{_HOME}/lib/python3.11/site-packages"
# Relative to the tree -> where the comment at the top of the unit says.
_SYSTEMD = {
    "callout-agent.service": "etc/systemd/system/callout-agent.service",
    "callout-agent.sysusers": "usr/lib/sysusers.d/callout-agent.conf",
    "callout-agent.tmpfiles": "usr/lib/tmpfiles.d/callout-agent.conf",
    "callout-agent.rules": "etc/udev/rules.d/60-callout-agent.rules",
}
_LAUNCHER = "#!/opt/callout-agent/bin/python\nimport sys\nfrom agent.cli import main\nsys.exit(main())\n"
_CREDENTIAL = "[Service]\nLoadCredential=device-key:/etc/callout-agent/device-key\n"
# Unit files by name; what is written in braces is put in.
_CONNECTIONS = {
    "dispatch.socket": """
[Unit]
Description=Dispatch, as the machine sees it

[Socket]
ListenStream=127.0.0.1:{port}

[Install]
WantedBy=sockets.target
""",
    "dispatch.service": """
[Unit]
Description=Passes on to dispatch
Requires=line.service
After=line.service

[Service]
ExecStart=/lib/systemd/systemd-socket-proxyd {host}:{port}
""",
    "line.service": """
[Unit]
Description=The line to the outside

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip address add {address}/30 dev eth0
ExecStart=ip link set eth0 up
""",
    "hand.service": """
[Unit]
Description=The tests' hand
Requires=line.service
After=line.service

[Service]
ExecStart=/opt/callout-agent/bin/python /opt/hand.py {address} {hand_port}

[Install]
WantedBy=multi-user.target
""",
}


@contextlib.contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """The image's files. Mounting does what a boot would: the file system's journal is played back."""
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


def copy_image(image: Path, to: Path) -> None:
    """Only what is in use takes room."""
    subprocess.run(["cp", "--sparse=always", str(image), str(to)], check=True)


def install(root: Path, config: str, device_key: str, ca_file: Path) -> None:
    """Everything but the first boot. root: the mounted image."""
    subprocess.run(["chroot", str(root), "python3", "-m", "venv", "--without-pip", f"/{_HOME}"], check=True)
    _install_packages(root / _SITE)
    launcher = root / _HOME / "bin/callout-agent"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
    (root / "usr/bin/callout-agent").symlink_to("/opt/callout-agent/bin/callout-agent")
    for name, place in _SYSTEMD.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "systemd" / name, root / place)
    _configure(root, config, device_key, ca_file)
    _enable(root, "callout-agent.service")


def connect(root: Path, dispatch: tuple[str, int], hand: tuple[str, int]) -> None:
    """What stands around it in a test: the hand, where it listens, and the way to dispatch. Addresses and ports as seen from the line."""
    shutil.copyfile(Path(__file__).with_name("hand.py"), root / "opt/hand.py")
    for name, text in _CONNECTIONS.items():
        unit = text.format(host=dispatch[0], port=dispatch[1], address=hand[0], hand_port=hand[1])
        (root / "etc/systemd/system" / name).write_text(unit)
    _enable(root, "hand.service", "dispatch.socket")


def _enable(root: Path, *units: str) -> None:
    subprocess.run(["systemctl", f"--root={root}", "--quiet", "enable", *units], check=True)


def _configure(root: Path, config: str, device_key: str, ca_file: Path) -> None:
    folder = root / "etc/callout-agent"
    folder.mkdir()
    (folder / "config.toml").write_text(config)
    (folder / "device-key").write_text(device_key)
    (folder / "device-key").chmod(0o600)
    shutil.copyfile(ca_file, folder / "ca.pem")
    drop_in = root / "etc/systemd/system/callout-agent.service.d/credential.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(_CREDENTIAL)


def _install_packages(site: Path) -> None:
    """Compiled here: the daemon may not write to where its code lies, and would compile it at every start."""
    for package in ("agent", "hardware"):
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in sorted(_needed("callout-agent")):
        for file in metadata.files(name) or ():
            if not (file.parts[0] == ".." or "__pycache__" in file.parts):
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), site / file)
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", str(site)]
    subprocess.run(command, check=True)


def _needed(name: str) -> set[str]:
    """The distributions that one needs, and those that these need; extras are not installed on a device."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in metadata.requires(waiting.pop()) or ():
            wanted = Requirement(text)
            if wanted.name not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                found.add(wanted.name)
                waiting.append(wanted.name)
    return found
