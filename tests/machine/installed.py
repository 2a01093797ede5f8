"""The package on a disk image, as an installer leaves it: by dpkg, with a config and a secret. And what stands around it in a test.

Touches a copy of the image and mounts of this process's namespace. Nothing of the machine runs meanwhile: the package finds no systemd to
talk to, as on an image for a card, and its unit starts with the first boot.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PACKAGES = "opt/packages"
LIBRARY = "usr/lib/callout-agent"
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
    "pins.service": """
[Unit]
Description=A chip with GPIO lines
DefaultDependencies=no
After=systemd-udevd.service
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh /opt/pins.sh

[Install]
WantedBy=sysinit.target
""",
    "hand.service": """
[Unit]
Description=The tests' hand
Requires=line.service
After=line.service

[Service]
# As it was when the machine started: an upgrade moves what `current` names.
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=sh -c 'PYTHONPATH=$$(realpath /usr/lib/callout-agent/current)/site exec python3 /opt/hand.py {address} {hand_port}'

[Install]
WantedBy=multi-user.target
""",
}
# A simulated chip; what its lines are connected to is written to PULL/sim_gpio<line>/pull.
_PINS = """
mount -t configfs configfs /sys/kernel/config
chip=/sys/kernel/config/gpio-sim/chip
mkdir -p $chip/bank0
echo 32 >$chip/bank0/num_lines
echo 1 >$chip/live
ln -sfn /sys/devices/platform/$(cat $chip/dev_name)/$(cat $chip/bank0/chip_name) /run/pins
"""
PULLS = "/run/pins"


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


def install(root: Path, package: Path, config: str, device_key: str, ca_file: Path) -> None:
    """Everything but the first boot. root: the mounted image."""
    put_package(root, package)
    environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"]
    command = ["chroot", str(root), *environment, "dpkg", "--install", f"/{PACKAGES}/{package.name}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    _configure(root / "etc/callout-agent", config, device_key, ca_file)


def put_package(root: Path, package: Path) -> None:
    """Where a command in the machine finds it."""
    (root / PACKAGES).mkdir(exist_ok=True)
    shutil.copy(package, root / PACKAGES)


def connect(root: Path, dispatch: tuple[str, int], hand: tuple[str, int]) -> None:
    """What stands around it: pins, the hand, where it listens, and the way to dispatch. Addresses and ports as seen from the line."""
    shutil.copyfile(Path(__file__).with_name("hand.py"), root / "opt/hand.py")
    (root / "opt/pins.sh").write_text(_PINS)
    for name, text in _CONNECTIONS.items():
        unit = text.format(host=dispatch[0], port=dispatch[1], address=hand[0], hand_port=hand[1])
        (root / "etc/systemd/system" / name).write_text(unit)
    units = ("hand.service", "pins.service", "dispatch.socket")
    subprocess.run(["systemctl", f"--root={root}", "--quiet", "enable", *units], check=True)


def change_code(root: Path, module: str, old: str, new: str) -> None:
    """Change the installed code, where a test shows what another one finds."""
    (path,) = root.glob(f"{LIBRARY}/kept/*/site/{module}")
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):  # nobody would look whether it is of another text
        compiled.unlink()


def _configure(folder: Path, config: str, device_key: str, ca_file: Path) -> None:
    (folder / "config.toml").write_text(config)
    shutil.copyfile(ca_file, folder / "ca.pem")
    key = folder / "credentials/device-key"
    key.write_text(device_key)
    key.chmod(0o600)
    for each in (folder / "config.toml", folder / "ca.pem"):
        each.chmod(0o644)
