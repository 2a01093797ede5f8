"""`callout-agent doctor --bundle FILE`: an archive for whoever supports this device, without secrets or places, and outward only.

Gathers what the doctor found, status, config, unit, journal, versions, machine and devices; writes one new file, for its owner only.
Never takes in the database, a track, a secret's file or the inner view, nor what grows with work: that would tell whether something goes on
behind a cancel (law 5). A person should look at it before it is sent, and is told so.
"""

from __future__ import annotations

import io
import json
import platform
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from agent import __version__, aside, wording
from agent.cli import bundle_documents, doctor_rights, doctor_service, saved, talk
from agent.cli.doctor_program import output
from agent.cli.doctor_step import Scene, Step, read_small, rendered
from agent.connections import TOKEN_NAME
from agent.redaction import clean, numbers

READ_S = 20.0
JOURNAL_LINES = 3000
MOST_SECRET_BYTES, MOST_SECRET_LINES, MOST_WORD_BYTES = 65_536, 200, 8_192
# Of a device node. A serial number of its own is not among them.
UDEV_KEYS = (
    "SUBSYSTEM", "ID_BUS", "ID_VENDOR", "ID_VENDOR_ID", "ID_MODEL", "ID_MODEL_ID", "ID_REVISION", "ID_TYPE", "ID_USB_DRIVER",
    "ID_USB_INTERFACE_NUM", "ID_PATH", "ID_MM_CANDIDATE", "ID_MM_DEVICE_IGNORE", "ID_MM_PORT_IGNORE", "TAGS", "CURRENT_TAGS",
)  # fmt: skip
UNREAD = "it cannot be read by this user, or is not there"
CONTENTS = {
    "doctor.txt": "what the doctor found",
    "doctor.json": "the same as JSON",
    "status.json": "the daemon's outward status, without places, names and messages",
    "config.txt": "the config, without secrets, places, numbers of people, paths of URLs",
    "unit.txt": "what systemd says of the unit",
    "journal.txt": f"the unit's last {JOURNAL_LINES} lines of the journal, cleaned",
    "versions.txt": "versions of libraries",
    "machine.txt": "kernel, system, board, mounts and free space",
    "devices.txt": "modes of the devices in the config, and what udev noted of them",
}


async def write(scene: Scene, steps: list[Step]) -> bool:
    """Gather and write; says what is in it. False if it could not be written."""
    path: Path = scene.args.bundle
    unit, journal = await doctor_service.properties(), await _journal()
    try:
        members = await aside.run(lambda: _members(scene, steps, unit, journal), name="bundle", limit_s=READ_S)
    except TimeoutError:
        talk.complain("what belongs into the archive cannot be read in time", "a disk may hang: restart the device")
        return False
    try:
        saved.save(path, _archive(members))
    except FileExistsError:
        talk.complain(f"{path} is there already", "another name: nothing is replaced")
        return False
    except OSError as error:
        talk.complain(f"{path} cannot be written: {error.strerror}", "another place")
        return False
    _tell(path, members, sys.stderr if scene.args.json else sys.stdout)
    return True


def _tell(path: Path, members: dict[str, bytes], to: Any) -> None:
    lines = [f"\n{path} holds:"]
    lines += [f"  {name:<14}{len(content):>9} bytes  {CONTENTS.get(name, 'what this is')}" for name, content in members.items()]
    lines += [
        "Secrets and places were taken out, and no machine finds them all: look at it before you send it.",
        f"  tar -xOzf {path} | less",
    ]
    print("\n".join(lines), file=to)


async def _journal() -> str:
    told = await output(
        "journalctl", "--unit", doctor_service.UNIT, "--lines", str(JOURNAL_LINES), "--output", "short-iso", "--no-hostname", "--no-pager"
    )
    return told or UNREAD


def _members(scene: Scene, steps: list[Step], unit: dict[str, str], journal: str) -> dict[str, bytes]:
    """Every file of the archive, cleaned. Blocks."""
    raw, found = _raw_config(Path(scene.args.config)), [asdict(step) for step in steps]
    texts = {
        "doctor.txt": "\n".join(map(rendered, steps)),
        "doctor.json": json.dumps({"steps": found}, indent=1),
        "status.json": json.dumps(bundle_documents.status(scene.told), indent=1),
        "config.txt": _config(scene, raw),
        "unit.txt": "\n".join(f"{key}={value}" for key, value in unit.items()) or UNREAD,
        "journal.txt": journal,
        "versions.txt": "\n".join(_versions()),
        "machine.txt": "\n".join(_machine(scene)),
        "devices.txt": "\n".join(_devices(scene)) or "the config names none, or cannot be used",
    }
    known = tuple(each for each in _known(scene, raw) if each.strip())
    cleaned = {name: clean(text, known) for name, text in texts.items()}
    about = f"callout-agent {__version__}, written {wording.utc(time.time())}. Outward only: no track, no secret, no place.\n"
    index = "\n".join(f"{name:<14}{what}" for name, what in CONTENTS.items())
    return {name: (text + "\n").encode() for name, text in {"README.txt": about + index, **cleaned}.items()}


# --- what must not be in it ---------------------------------------------------------------------------------------------------


def _known(scene: Scene, raw: dict[str, Any]) -> Iterator[str]:
    """Values that are secret or a place, to be looked for in every text."""
    is_file = _is_secret_file(scene)
    yield from bundle_documents.secrets_of_config(raw, is_file)
    yield from () if raw else bundle_documents.secrets_of_text(read_small(Path(scene.args.config)) or "")
    yield from bundle_documents.personal_of_status(scene.told)
    credentials = raw.get("credentials")
    names = [credentials.get(key) for key in bundle_documents.SECRET_FILES] if isinstance(credentials, dict) else []
    store = talk.store_path(scene.args)
    paths = [_secret_path(scene, each) for each in names if isinstance(each, str)]
    beside = Path(scene.args.config).absolute().parent
    for path in (*paths, store.with_name(TOKEN_NAME), beside / TOKEN_NAME):
        yield from _secrets_in(path)
    for path in (*beside.glob("*"), *beside.glob("credentials/*")):
        yield from _lone_word(path)
    for place in (scene.told.get("fix"), raw.get("site")):
        for key in ("latitude", "longitude"):
            yield from _forms(place.get(key) if isinstance(place, dict) else None)


def _forms(coordinate: object) -> Iterator[str]:
    """Those with at least three decimals: fewer would be found in anything."""
    with suppress(TypeError, ValueError):
        yield from (each for each in numbers(float(str(coordinate))) if len(each.partition(".")[2]) > 2)


def _lone_word(path: Path) -> Iterator[str]:
    """A key that lies beside the config, also where the config cannot say so: one word and nothing else."""
    try:
        small = path.is_file() and path.stat().st_size <= MOST_WORD_BYTES
        text = path.read_bytes().decode(errors="replace").strip() if small else ""
    except OSError:
        return
    if text and not any(letter.isspace() for letter in text):
        yield text


def _secrets_in(path: Path) -> Iterator[str]:
    """The content of a secret's file, its lines, and the texts of a document in it."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_SECRET_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return
    yield text.strip()
    yield from (line.strip() for line in text.splitlines()[:MOST_SECRET_LINES])
    with suppress(ValueError, RecursionError):
        document = json.loads(text)
        if isinstance(document, dict):
            yield from (value for key, value in document.items() if isinstance(value, str) and key not in {"boot", "audience"})


def _secret_path(scene: Scene, name: str) -> Path:
    return scene.config.secret_path(name) if scene.config is not None else Path(scene.args.config).absolute().parent / name


def _is_secret_file(scene: Scene) -> Any:
    def is_file(name: str) -> bool:
        try:
            return _secret_path(scene, name).is_file()
        except (OSError, ValueError):
            return False

    return is_file


# --- what is in it ------------------------------------------------------------------------------------------------------------


def _raw_config(path: Path) -> dict[str, Any]:
    """The file parsed, whatever else is wrong with it; empty if it is no TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}


def _config(scene: Scene, raw: dict[str, Any]) -> str:
    broken = [] if scene.broken is None else [f"# {problem.key}: {problem.rule}" for problem in scene.broken.errors]
    return "\n".join([*broken, *bundle_documents.config_lines(raw, _is_secret_file(scene))]) or UNREAD


def _versions() -> Iterator[str]:
    yield f"callout-agent {__version__}"
    yield f"Python {sys.version}"
    yield from sorted({f"{each.metadata['Name']} {each.version}" for each in metadata.distributions() if each.metadata["Name"]})


def _machine(scene: Scene) -> Iterator[str]:
    machine = scene.machine
    yield f"{platform.system()} {platform.release()} {platform.version()} {platform.machine()}"
    yield f"board: {machine.text('proc/device-tree/model') or machine.text('sys/class/dmi/id/product_name') or 'unknown'}"
    yield from (machine.text("etc/os-release") or "").splitlines()
    yield f"throttled: {machine.text('sys/devices/platform/soc/soc:firmware/get_throttled') or 'not told'}"
    yield "mounts (device, place, type, read-only or not):"
    for line in (machine.text("proc/self/mounts") or "").splitlines():
        device, place, kind, options, *_ = [*line.split(), "", "", "", ""]
        if device.startswith("/dev/") or kind in {"tmpfs", "overlay", "squashfs"}:
            yield f"  {device} {place} {kind} {'ro' if 'ro' in options.split(',') else 'rw'}"
    yield from (line for line in (machine.text("proc/meminfo") or "").splitlines() if line.startswith(("MemTotal", "MemAvailable", "Swap")))


def _devices(scene: Scene) -> Iterator[str]:
    for path in () if scene.config is None else doctor_rights.devices(scene.config):
        if not path.exists():
            yield f"{path}: is not there"
            continue
        yield f"{path}: {doctor_rights.mode_of(path)}"
        told = doctor_rights.udev_properties(path, scene.machine)
        yield from (f"  {key}={told[key]}" for key in UDEV_KEYS if key in told)


def _archive(members: dict[str, bytes]) -> bytes:
    whole, folder = io.BytesIO(), f"callout-agent-{wording.utc(time.time())[:10]}"
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return whole.getvalue()
