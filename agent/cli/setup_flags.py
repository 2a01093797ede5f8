"""The flags of `setup`: what a fleet says without a dialogue, and what a dialogue then takes for granted.

Turns words into answers of the draft. Must not ask, and must not take a secret as an argument: `ps` shows those.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from agent.cli import setup_pins
from agent.cli.setup_draft import KEY_NAME, SECRET_NAME, Draft, Secret
from agent.settings import PRODUCTION_HOST, STAGING_HOST, GpsdReceiver, SerialReceiver

CERT_NAME, CERT_KEY_NAME = "device.pem", "device-key.pem"  # the names by which the unit hands them over
NONE = "none"
AUTO = "auto"
_USUAL_CHIP = "/dev/gpiochip0"
_MOST_SECRET = 65_536  # characters; more is another file
ADDRESSES = {
    "production": f"https://{PRODUCTION_HOST}/panic-api/v2",
    "staging": f"https://{STAGING_HOST}/panic-api/v2",
}


class WrongError(ValueError):
    """Flags that cannot be used: all of them, each with its reason."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def declare(parser: argparse.ArgumentParser) -> None:
    """All flags, in groups as the dialogue asks."""
    _of_setup(parser)
    place = parser.add_argument_group("dispatch")
    place.add_argument("--environment", choices=sorted(ADDRESSES))
    place.add_argument("--base-url", metavar="URL", help="default: that of --environment")
    place.add_argument("--customer-id", metavar="N", type=int, help="of this device at dispatch; one device per customer")
    place.add_argument("--response-type-id", metavar="N", type=int, help="what a raise asks for")
    place.add_argument("--classification-id", metavar="N", type=int, help="sent with every raise, where your source uses them")
    place.add_argument("--drill-classification-id", metavar="N", type=int, help="what marks a callout as a drill")
    place.add_argument("--ca-file", metavar="FILE", help="a private authority, beside the system's")
    place.add_argument("--proxy", metavar="URL")
    _of_credentials(parser)
    where = parser.add_argument_group("position")
    text = f"{AUTO}, gpsd[:HOST[:PORT]], serial:PATH[@BAUD] (without BAUD it is found out), or {NONE}; may be given several times"
    where.add_argument("--receiver", metavar="WHAT", action="append", help=text)
    where.add_argument("--port", metavar="PATH", action="append", default=[], help="look at this serial port and no other; several times")
    where.add_argument("--site", metavar="LAT,LON[,M]", help=f"where the device stands if it does not move, within M metres; or {NONE}")
    _of_panel(parser)


def _of_setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unattended", action="store_true", help="ask nothing: every answer is a flag, or in the config already")
    parser.add_argument("--fresh", action="store_true", help="take nothing from the config that is there; a copy of it is kept")
    parser.add_argument("--stop-daemon", action="store_true", help="a daemon that runs may be stopped; it is started again in every case")
    parser.add_argument("--no-start", action="store_true", help="write the config, and leave the daemon as it is")
    parser.add_argument("--no-try", action="store_true", help="do not try the way to dispatch")
    parser.add_argument("--drill", action="store_true", help="raise a drill at the end; dispatch closes it, or a safe code does")
    parser.add_argument("--wait", metavar="S", type=_seconds, default=None, help="wait so long for armed (default: 120)")
    parser.add_argument("--unit", metavar="NAME", help="the systemd unit of this config (default: callout-agent.service, of the usual one)")


def _of_credentials(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("credentials", "exactly one of --token-url, --token-file, --client-id")
    group.add_argument("--token-url", metavar="URL", help="your backend that gives out tokens")
    text = "the device's key for it is in this file (-: standard input); it is copied to credentials/ beside the config"
    group.add_argument("--key-file", metavar="FILE", help=text)
    group.add_argument("--client-cert", metavar="FILE", help="instead: a client certificate, PEM; copied likewise")
    group.add_argument("--client-key", metavar="FILE", help="and its unencrypted key")
    group.add_argument("--token-file", metavar="FILE", help="a token that somebody else keeps fresh")
    group.add_argument("--client-id", metavar="ID", help="labs and staging only")
    group.add_argument("--client-secret-file", metavar="FILE", help="goes with it; copied as the key is (-: standard input)")


def _of_panel(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("button, lamp, keypad", "a LINE is 17, GPIO17, pin11 (of a Raspberry Pi), or /dev/gpiochip0:17")
    group.add_argument("--button", metavar="LINE", type=_line, help=f"or {NONE}")
    group.add_argument("--chip", metavar="PATH", help="of lines that are named without one (default: /dev/gpiochip0)")
    group.add_argument("--active", choices=("low", "high"), help="the button's level when pressed (default: low)")
    group.add_argument("--bias", choices=("pull-up", "pull-down", "disabled", "as-is"), help="default: pull-up, with active high pull-down")
    group.add_argument("--hold", metavar="S", type=float, dest="hold_s", help="so long it must be held (default: 1.5)")
    for name in ("lamp", "buzzer", "armed-lamp"):
        group.add_argument(f"--{name}", metavar="LINE", type=_line, help=f"or {NONE}")
    group.add_argument("--profile", choices=("visible", "silent"), help="silent: no outward sign at all")
    group.add_argument("--keypad", metavar="PATH", help=f"where a safe code is typed: an input device; or {NONE}")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError("0 to 3600 seconds")
    return value


def _line(text: str) -> setup_pins.Named | str:
    if text == NONE:
        return NONE
    try:
        return setup_pins.named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def apply(args: argparse.Namespace, draft: Draft) -> None:
    """Put what the flags say into the draft. Receivers to be looked for are left to `receivers`. Raises WrongError."""
    reasons: list[str] = []
    for part in (_put_dispatch, _put_credentials, _put_site, _put_button, _put_indicator):
        try:
            part(args, draft)
        except (ValueError, OSError) as error:
            reasons.append(str(error))
    if args.keypad == NONE:
        draft.drop("keypad")
    elif args.keypad is not None:
        draft.set("keypad", path=args.keypad)
    if reasons:
        raise WrongError(reasons)


def _put_dispatch(args: argparse.Namespace, draft: Draft) -> None:
    told = {
        "environment": args.environment,
        "base_url": args.base_url or ADDRESSES.get(args.environment or ""),
        "customer_id": args.customer_id,
        "response_type_id": args.response_type_id,
        "callout_classification_id": args.classification_id,
        "ca_file": None if args.ca_file is None else str(Path(args.ca_file).absolute()),
        "proxy": args.proxy,
    }
    if any(value is not None for value in told.values()):
        draft.set("panic_api", **{key: value for key, value in told.items() if value is not None})
    if args.drill_classification_id is not None:
        draft.set("drill", classification_id=args.drill_classification_id)


def _put_credentials(args: argparse.Namespace, draft: Draft) -> None:
    sources = [name for name in ("token_url", "token_file", "client_id") if getattr(args, name) is not None]
    if len(sources) > 1:
        raise ValueError("--token-url, --token-file and --client-id exclude each other")
    companions = (args.key_file, args.client_cert, args.client_key, args.client_secret_file)
    if not sources and all(each is None for each in companions):
        return
    source = sources[0] if sources else next((key for key in ("token_url", "client_id") if draft.value("credentials", key)), None)
    if source == "token_file":
        draft.set_credentials(token_file=_absolute(args.token_file))
    elif source == "client_id":
        draft.set_credentials(client_id=args.client_id or draft.value("credentials", "client_id"), client_secret_file=SECRET_NAME)
        _take(draft, SECRET_NAME, args.client_secret_file)
    else:
        _put_token_url(args, draft)


def _put_token_url(args: argparse.Namespace, draft: Draft) -> None:
    url = args.token_url or draft.value("credentials", "token_url") or ""
    if args.client_cert is not None or args.client_key is not None:
        if args.client_cert is None or args.client_key is None:
            raise ValueError("--client-cert and --client-key go together")
        draft.set_credentials(token_url=url, client_cert_file=CERT_NAME, client_key_file=CERT_KEY_NAME)
        draft.secrets |= {CERT_NAME: read_file(args.client_cert), CERT_KEY_NAME: read_file(args.client_key)}
    else:
        name = draft.value("credentials", "bearer_file")
        draft.set_credentials(token_url=url, **({"bearer_file": name or KEY_NAME} if args.key_file or name else {}))
        if args.key_file is not None:
            draft.set_credentials(token_url=url, bearer_file=KEY_NAME)
        _take(draft, KEY_NAME, args.key_file)


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _take(draft: Draft, name: str, path: str | None) -> None:
    if path is not None:
        draft.secrets[name] = read_secret(path)


def read_file(path: str) -> Secret:
    """A certificate or its key, whole. Raises OSError, ValueError."""
    with Path(path).open(encoding="ascii") as file:
        try:
            return Secret(file.read(_MOST_SECRET).strip())
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not PEM") from None


def read_secret(path: str) -> Secret:
    """A secret of one line from a file, or from standard input. Raises OSError, ValueError without the secret in it."""
    if path == "-":
        text = sys.stdin.read(_MOST_SECRET)
    else:
        with Path(path).open(encoding="utf-8") as file:
            try:
                text = file.read(_MOST_SECRET)
            except UnicodeDecodeError:
                raise ValueError(f"{path} is not text") from None
    return secret(text, path)


def secret(text: str, whence: str) -> Secret:
    """A typed or read secret. Raises ValueError for one that cannot stand in a header."""
    stripped = text.strip()
    # Of one letter: that is what the unit hands over in the place of a secret that is not there.
    if len(stripped) < 2 or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise ValueError(f"{whence} holds no key: one word of plain letters, digits and signs, on one line")
    return Secret(stripped)


def _put_site(args: argparse.Namespace, draft: Draft) -> None:
    if args.site is None:
        return
    if args.site == NONE:
        draft.drop("site")
        return
    draft.set("site", **site(args.site))


def site(text: str) -> dict[str, float]:
    """LAT,LON or LAT,LON,M. Raises ValueError."""
    try:
        numbers = [float(part) for part in re.split(r"[,\s]+", text.strip())]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3):
        raise ValueError("a site is latitude,longitude in degrees, like -33.9249,18.4241 and perhaps ,50 for metres of accuracy")
    return dict(zip(("latitude", "longitude", "accuracy_m"), numbers, strict=False))


def _put_button(args: argparse.Namespace, draft: Draft) -> None:
    if args.button == NONE:
        draft.set_button(None)
        return
    keys: dict[str, Any] = {}
    if args.button is not None:
        chip, line = _place(args.button, args.chip, _chip(draft))
        keys |= {"chip": chip, "line": line}
    if args.active is not None:
        keys |= {"active": args.active, "bias": args.bias or ("pull-up" if args.active == "low" else "pull-down")}
    elif args.bias is not None:
        keys["bias"] = args.bias
    if args.hold_s is not None:
        keys["hold_s"] = args.hold_s
    if keys and args.button is None and not draft.tables("button"):
        raise ValueError("--active, --bias and --hold need a button: --button LINE")
    if keys:
        draft.set_button(keys)


def _chip(draft: Draft) -> str | None:
    """The chip of a button that is there already."""
    return next((each["chip"] for each in draft.tables("button") if isinstance(each.get("chip"), str)), None)


def _place(named: setup_pins.Named, chip: str | None, before: str | None) -> tuple[str, int]:
    """Chip and line. On some boards the header is not the first chip: where nobody says, its kernel's names do."""
    from hardware.wiring import place_of  # noqa: PLC0415 - not for --help

    said = named.chip or chip or before
    known = place_of(named.name) if named.name and said is None else None
    return known or (said or _USUAL_CHIP, named.line)


def _put_indicator(args: argparse.Namespace, draft: Draft) -> None:
    if args.lamp == NONE:
        draft.drop("indicator")
        return
    wanted = {"lamp_line": args.lamp, "buzzer_line": args.buzzer, "armed_line": args.armed_lamp}
    keys: dict[str, Any] = {}
    for key, named in wanted.items():
        if named == NONE:
            keys[key] = None
        elif named is not None:
            keys["chip"], keys[key] = _place(named, args.chip, draft.value("indicator", "chip") or _chip(draft))
    if args.profile is not None:
        keys["profile"] = args.profile
    keys = {key: value for key, value in keys.items() if value is not None or key in draft.keys("indicator")}
    if keys and "lamp_line" not in {**draft.keys("indicator"), **keys}:
        raise ValueError("--buzzer, --armed-lamp and --profile need a lamp: --lamp LINE")
    if keys:
        draft.set("indicator", **keys)


def receiver(text: str) -> dict[str, Any]:
    """What `--receiver` names, as a table; a serial one without its speed lacks `baud`. Raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind == "gpsd":
        host, _, port = rest.rpartition(":") if re.fullmatch(r".+:\d+", rest) else (rest, "", "")
        found: dict[str, Any] = {"kind": "gpsd", "host": host or GpsdReceiver(kind="gpsd").host}
        return {**found, "port": int(port) if port else GpsdReceiver(kind="gpsd").port}
    if kind == "serial":
        path, _, baud = rest.rpartition("@") if re.fullmatch(r".+@\d+", rest) else (rest, "", "")
        path = path or SerialReceiver(kind="serial").path
        return {"kind": "serial", "path": path} | ({"baud": int(baud)} if baud else {})
    raise ValueError(f'--receiver "{text}": type {AUTO}, gpsd, gpsd:HOST:PORT, serial:PATH, serial:PATH@BAUD or {NONE}')
