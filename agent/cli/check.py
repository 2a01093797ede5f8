"""`check`: is this config good, here, for whoever asks? Looks at files, rights and device nodes.

Changes nothing, opens no device, talks to nobody (that is `doctor`) and must not print what a secret file holds. Strict: what
`run` would survive is still told.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent import file_modes
from agent.cli import DEFAULT_CONFIG
from agent.config import HANDED, Config, ConfigError, Power, Problem, ReplayReceiver, SerialReceiver, load
from agent.rules import shown

SERVICE_USER = "callout-agent"  # as in the unit
WRITABLE = ("/var/lib/callout-agent", "/run/callout-agent")  # by StateDirectory= and RuntimeDirectory= of the unit
UNIT_CONFIG = Path(DEFAULT_CONFIG)
DROP_INS = Path("/etc/systemd/system/callout-agent.service.d")
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - by ProtectHome= and PrivateTmp= of the unit

HELP = "check the config, its files and permissions; exit 0 if all is well, 1 if not"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found wrong. fatal: to be mended before anyone relies on this device; else to be known."""

    problem: Problem
    fatal: bool = True


def add(_parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """Print every finding. 0: nothing fatal."""
    try:
        config = load(args.config)
    except ConfigError as error:
        _print([Finding(problem) for problem in error.errors])
        return 1
    findings = list(look(config))
    _print(findings)
    fatal = sum(each.fatal for each in findings)
    if fatal:
        return 1
    print(("ok but for the notes: " if findings else "ok: ") + _understood(config))
    return 0


def look(config: Config) -> Iterator[Finding]:
    """Everything that is wrong with the machine as this config wants it."""
    yield from _look_at_config_file(config.where)
    yield from _look_at_modes(config)
    yield from _look_at_dispatch(config)
    yield from _look_at_secrets(config)
    yield from _look_at_certificates(config)
    yield from _look_at_places(config)
    yield from _look_at_receivers(config)
    yield from _look_at_nodes(config)
    yield from _look_at_hooks(config)
    yield from _look_at_power(config)
    yield from _look_at_abort_lines(config)


def _understood(config: Config) -> str:
    """What a person may compare with what was meant."""
    receivers = ", ".join(each.name for each in config.receivers) or "none, a site"
    buttons = ", ".join(each.name for each in config.buttons) or "none"
    lamp = "no lamp" if config.indicator is None else f"a {config.indicator.profile} lamp"
    keypad = "no keypad" if config.keypad is None else "a keypad"
    api = config.panic_api
    return f"{api.base_url}, customer {api.customer_id}, receivers: {receivers}; buttons: {buttons}; {lamp}; {keypad}"


def _print(findings: list[Finding]) -> None:
    for each in findings:
        problem = each.problem
        what = problem.key + (f" = {problem.value}" if problem.value else "")
        where = "" if problem.line is None else f" (line {problem.line})"
        print(f"{'error' if each.fatal else 'note'}: {what}: {problem.rule}{where}")
        if problem.hint:
            print(f"    hint: {problem.hint}")


def _found(key: str, path: Path | str, rule: str, hint: str = "", *, fatal: bool = True) -> Finding:
    return Finding(Problem(key, rule, shown(str(path)), hint), fatal)


def _look_at_config_file(path: Path) -> Iterator[Finding]:
    if path.stat().st_mode & stat.S_IWOTH:
        yield _found("config", path, "must not be writable by others: they could send callouts elsewhere", f"chmod o-w {path}")

    elif _is_closed_to_service(path):
        yield _found(
            "config", path, f"cannot be read by the service's user {SERVICE_USER}", f"chown {SERVICE_USER} {path}, or chmod 644 {path}"
        )


def _look_at_modes(config: Config) -> Iterator[Finding]:
    """What the daemon tells as `files.open`; secrets, programs, and a config that anyone may change have findings of their own."""
    path = config.where.absolute()
    elsewhere = {config.secret_path(name) for name in _secrets(config).values()} | {Path(command[0]) for _, command in _commands(config)}
    for each in file_modes.owners(config):
        if each.path not in elsewhere and not (each.path == path and path.stat().st_mode & stat.S_IWOTH):
            yield _found("files", each.path, each.rule, each.hint, fatal=False)


def _is_closed_to_service(path: Path, right: int = stat.S_IRUSR) -> bool:
    """Whether root checks for a service that has fewer rights than root. Directories above are left to the doctor.

    right: of the owner, as in `stat`; those of group and others follow from it.
    """
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return False
    status = path.stat()
    if os.geteuid() != 0:
        return False
    if status.st_uid == user.pw_uid:
        return not status.st_mode & right
    group = right >> 3 if status.st_gid in os.getgrouplist(SERVICE_USER, user.pw_gid) else 0
    return not status.st_mode & (group | right >> 6)


def _look_at_dispatch(config: Config) -> Iterator[Finding]:
    api = config.panic_api
    if not api.host_matches:
        rule = f'is not the host of environment = "{api.environment}"'
        yield _found("panic_api.base_url", api.base_url, rule, "the device will run, but not say that it is armed", fatal=False)
    if config.credentials.client_id is not None and api.is_production_host:
        rule = "gives this device the whole customer source: for labs and staging only"
        yield _found("credentials.client_id", config.credentials.client_id, rule, "use token_url on production", fatal=False)


def _look_at_secrets(config: Config) -> Iterator[Finding]:
    for key, name in _secrets(config).items():
        yield from _look_at_secret(f"credentials.{key}", config.secret_path(name))


def _secrets(config: Config) -> dict[str, str]:
    """Names of secret files, by their key."""
    given = {key: getattr(config.credentials, key) for key in ("bearer_file", "client_key_file", "token_file", "client_secret_file")}
    return {key: name for key, name in given.items() if name is not None}


def _look_at_secret(key: str, path: Path) -> Iterator[Finding]:
    unreadable = _why_unreadable(path)
    if unreadable is not None:
        yield _found(key, path, *unreadable)
        return
    if path.stat().st_size == 0:
        yield _found(key, path, "is empty", "put the secret into it, on one line")
    mode = stat.S_IMODE(path.stat().st_mode)
    # systemd hands a credential over with an access list of its own, which shows up as rights of the group.
    if path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere")):
        return
    if mode & 0o077:
        yield _found(key, path, f"must not be open to group or others, mode is {mode:04o}", f"chmod 600 {path}")
    elif not _is_handed_over(path) and _is_closed_to_service(path):
        rule = f"cannot be read by the service's user {SERVICE_USER}, unless systemd hands it over"
        names = ", ".join(HANDED)
        hint = f"chown {SERVICE_USER} {path}; or move it to /etc/callout-agent/credentials under a name that the unit knows: {names}"
        yield _found(key, path, rule, hint, fatal=False)


def _is_handed_over(path: Path) -> bool:
    """Whether the unit gives it to the service, whoever owns it."""
    return path.parent == Path("/etc/callout-agent/credentials") and path.name in HANDED


def _why_unreadable(path: Path) -> tuple[str, str] | None:
    """Rule and hint, or None for a file that can be read."""
    if not path.exists():
        return "does not exist", "put the file there, or mend the name"
    if not path.is_file():
        return "must be a file", ""
    if not _may(path, os.R_OK):
        return "cannot be read", f"give it to the user that runs this: chown {os.geteuid()} {path}"
    return None


def _may(path: Path, rights: int) -> bool:
    return os.access(path, rights, effective_ids=True)


def _look_at_certificates(config: Config) -> Iterator[Finding]:
    api, given = config.panic_api, config.credentials
    if api.ca_file is not None:
        ca_file = Path(api.ca_file)
        yield from _load_pem("panic_api.ca_file", ca_file, lambda context: context.load_verify_locations(ca_file))
    if given.client_cert_file is not None and given.client_key_file is not None:
        cert, key = config.secret_path(given.client_cert_file), config.secret_path(given.client_key_file)
        if _why_unreadable(key) is None:  # else told already
            yield from _load_pem("credentials.client_cert_file", cert, lambda context: context.load_cert_chain(cert, key, lambda: ""))


def _load_pem(key: str, path: Path, load_into: Callable[[ssl.SSLContext], None]) -> Iterator[Finding]:
    unreadable = _why_unreadable(path)
    if unreadable is not None:
        yield _found(key, path, *unreadable)
        return
    try:
        load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        hint = "a certificate authority's file" if key.endswith("ca_file") else "a certificate and the unencrypted key that belongs to it"
        yield _found(key, path, f"must be PEM: {reason}", hint)


def _look_at_places(config: Config) -> Iterator[Finding]:
    database, socket = Path(config.store.path), Path(config.control.socket)
    yield from _look_at_directory("store.path", database)
    yield from _look_at_directory("control.socket", socket)
    if _is_of_the_unit(config):
        yield from _look_at_what_the_unit_opens("store.path", database)
        yield from _look_at_what_the_unit_opens("control.socket", socket)
    if database.exists() and not database.is_file():
        yield _found("store.path", database, "must be a file")
    elif database.exists() and not _may(database, os.R_OK | os.W_OK):
        yield _found("store.path", database, "cannot be written", f"chown it to the user that runs this ({os.geteuid()})")
    if socket.exists() and not socket.is_socket():
        yield _found("control.socket", socket, "is something else than a socket", "remove it, or name another place")


def _look_at_what_the_unit_opens(key: str, path: Path) -> Iterator[Finding]:
    """Root may write everywhere, the service where its unit says: without that nothing would be recorded."""
    if any(path.is_relative_to(place) for place in (*WRITABLE, *_opened_by_drop_ins())):
        return
    rule = f"lies where the unit lets the service write nothing: it may in {', '.join(WRITABLE)}"
    hint = f"`systemctl edit callout-agent`: [Service], ReadWritePaths={path.parent}; and chown {SERVICE_USER} {path.parent}"
    yield _found(key, path, rule, hint, fatal=False)


def _opened_by_drop_ins() -> list[str]:
    """What the owner's drop-ins name."""
    lines = [line.strip() for each in sorted(DROP_INS.glob("*.conf")) for line in each.read_text(errors="replace").splitlines()]
    named = [line.partition("=")[2].split() for line in lines if line.startswith("ReadWritePaths=")]
    return [word.lstrip("-+") for words in named for word in words]


def _look_at_directory(key: str, path: Path) -> Iterator[Finding]:
    """The directory of this path takes new files, or can be made."""
    place = next(each for each in path.parents if each.exists())
    if not place.is_dir():
        yield _found(key, path, f"{place} is not a directory")
    elif not _may(place, os.W_OK | os.X_OK):
        hint = "run this as root or as the service's user: systemd makes the directory for it at start"
        yield _found(key, path, f"{place} cannot be written by you (user {os.geteuid()})", hint)


def _look_at_receivers(config: Config) -> Iterator[Finding]:
    for number, receiver in enumerate(config.receivers, 1):
        key = f"receiver[{number}].path"
        if isinstance(receiver, SerialReceiver):
            yield from _look_at_line(key, Path(receiver.path))
        elif isinstance(receiver, ReplayReceiver):
            path = Path(receiver.path)
            unreadable = _why_unreadable(path)
            if unreadable is not None:
                yield _found(key, path, *unreadable)


def _look_at_line(key: str, path: Path) -> Iterator[Finding]:
    """A serial line may be plugged in later; what is there must be one, and ours to use."""
    if not path.exists():
        yield _found(key, path, "is not there now", "plug the receiver in, or mend the path", fatal=False)
    elif not path.is_char_device():
        yield _found(key, path, "must be a serial line")
    elif not _may(path, os.R_OK | os.W_OK):
        yield _found(key, path, "may not be used by you", f"add the user to the group {_group_of(path)}")


def _group_of(path: Path) -> str:
    number = path.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _look_at_nodes(config: Config) -> Iterator[Finding]:
    chips = {f"button[{number}].chip": each.chip for number, each in enumerate(config.buttons, 1)}
    if config.indicator is not None:
        chips["indicator.chip"] = config.indicator.chip
    first: dict[Path, str] = {}
    for key, chip in chips.items():
        yield from _look_at_node(key, Path(chip), "gpio", "must be a GPIO chip, like /dev/gpiochip0")
        known = first.setdefault(Path(chip).resolve(), chip)
        if known != chip:
            yield _found(key, chip, f"is {known} by another name", "name it alike: lines used twice are found by it", fatal=False)
    if config.keypad is not None:
        yield from _look_at_node("keypad.path", Path(config.keypad.path), "input", "must be an input device, like /dev/input/event0")


def _look_at_node(key: str, path: Path, subsystem: str, rule: str) -> Iterator[Finding]:
    """A chip or keypad may be plugged in later; what is there must be one, or a played one, and ours to use."""
    hint = "`ls /dev/gpiochip* /dev/input/by-id` shows what is"
    if not path.exists():
        yield _found(key, path, "is not there now", hint, fatal=False)
    elif not path.is_socket() and not _belongs_to(path, subsystem):
        yield _found(key, path, rule, hint)
    elif not _may(path, os.R_OK | os.W_OK):
        yield _found(key, path, "may not be used by you", f"add the user to the group {_group_of(path)}")
    elif path.is_char_device() and (_is_closed_to_service(path) or _is_closed_to_service(path, stat.S_IWUSR)):
        rule = f"may not be used by the service's user {SERVICE_USER}"
        yield _found(key, path, rule, f"let a group of that user use it (now: {_group_of(path)}), by a rule of udev")


def _belongs_to(path: Path, subsystem: str) -> bool:
    """Whether the kernel counts this node to it; where the kernel shows nothing, any character device may."""
    if not path.is_char_device():
        return False
    number = path.stat().st_rdev
    link = Path(f"/sys/dev/char/{os.major(number)}:{os.minor(number)}/subsystem")
    return not link.exists() or link.resolve().name == subsystem


def _look_at_hooks(config: Config) -> Iterator[Finding]:
    for key, command in _commands(config):
        yield from _look_at_program(f"hooks.{key}", Path(command[0]))
        if _is_of_the_unit(config):
            yield from _look_from_the_unit(f"hooks.{key}", command)


def _commands(config: Config) -> list[tuple[str, tuple[str, ...]]]:
    given = [(key, getattr(config.hooks, key)) for key in ("on_event", "on_unreachable", "on_not_armed")]
    return [(key, command) for key, command in given if command]


def _look_from_the_unit(key: str, command: tuple[str, ...]) -> Iterator[Finding]:
    """By hand it works; the service would find nothing there on the day that counts."""
    for path in (Path(word) for word in command if word.startswith("/")):
        if path.exists() and any(path.resolve().is_relative_to(place) for place in HIDDEN):
            rule = f"lies where the unit hides it from the service ({', '.join(HIDDEN)})"
            yield _found(key, path, rule, "move it to /usr/local/bin, unless a drop-in shows it (ProtectHome=read-only)", fatal=False)


def _is_of_the_unit(config: Config) -> bool:
    """Whether this is what the unit runs, on a machine that has its user."""
    try:
        pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return False
    return config.where.absolute() == UNIT_CONFIG


def _look_at_program(key: str, path: Path) -> Iterator[Finding]:
    rule = "must be a program that can be run"
    if not path.exists():
        yield _found(key, path, f"{rule}: it does not exist", "put it there, or mend the name")
    elif not path.is_file():
        yield _found(key, path, f"{rule}: it is no file", "name the program itself")
    elif not _may(path, os.X_OK):
        yield _found(key, path, rule, f"chmod +x {path}")
    elif path.stat().st_mode & stat.S_IWOTH:
        yield _found(key, path, "must not be writable by others: it runs with the daemon's rights", f"chmod o-w {path}")
    elif _is_closed_to_service(path, stat.S_IXUSR):
        yield _found(key, path, f"cannot be run by the service's user {SERVICE_USER}", f"chmod 755 {path}")


def _look_at_power(config: Config) -> Iterator[Finding]:
    supplies = Path(config.power.supplies)
    if supplies != Path(Power().supplies) and not supplies.is_dir():  # a kernel without batteries may have no such place
        rule = "is no directory: neither a low battery nor a cut supply will be told"
        yield _found("power.supplies", supplies, rule, "mend the path, or leave it out", fatal=False)


def _look_at_abort_lines(config: Config) -> Iterator[Finding]:
    for number, each in enumerate(config.buttons, 1):
        if each.abort_line is not None and not each.abort_window_s:
            rule = "does nothing while abort_window_s is 0: no press can be taken back"
            yield Finding(Problem(f"button[{number}].abort_line", rule, str(each.abort_line), "set abort_window_s"), fatal=False)
