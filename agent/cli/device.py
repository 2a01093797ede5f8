"""`callout-agent device VERB`: this device at dispatch: link it, change it, unlink it, send what it says of itself.

For root, straight to dispatch, mostly with a server token (`--token-file`): these routes lie outside a callout token's scope. What the
number of a message means is known to the template at dispatch alone, and one of them cancels without a code: so numbers that are not
in `[device]` are sent only where the config allows an unconditional cancel.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from agent.cli import enquiry
from agent.cli.printed import pairs, plain, tree
from agent.documents import REFUSED, failure

HELP = "this device at dispatch: link, update, unlink, send (root)"
KINDS = ("battery", "health")
BATTERY_KEY = "battery_level"
Reply = enquiry.Reply


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    link = _verb(verbs, "link", "make it known to dispatch as this customer's; tells its id")
    link.add_argument("--serial", metavar="TEXT", required=True, help="its serial number, as AURA has provisioned it")
    link.add_argument("--supplier", metavar="TEXT", required=True, help="its brand, as AURA has it")
    link.add_argument("--alias", metavar="TEXT", help="a name for people")
    link.add_argument("--firmware", metavar="TEXT", help="its version")
    update = _verb(verbs, "update", "change the number of its template")
    unlink = _verb(verbs, "unlink", "make it unknown to dispatch")
    send = _verb(verbs, "send", "a message of the device, once")
    for verb in (update, send):
        verb.add_argument("--id", metavar="ID", type=enquiry.callout_id, help="default: [device] id")
    unlink.add_argument("id", metavar="ID", type=enquiry.callout_id, help="as `link` told it")
    for verb in (link, update, send):
        verb.add_argument("--type-id", metavar="N", type=int, help="the number of its template; default: [device] type_id")
    send.add_argument("kind", choices=KINDS, nargs="?", help="as [device] numbers it")
    send.add_argument("--message-type", metavar="N", type=int, help="another number of the template; it may mean a callout or a cancel")
    send.add_argument("--percent", metavar="N", type=int, choices=range(101), help="of the battery")
    send.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], type=_pair, help="a further key of the message")
    for verb in (link, update, unlink, send):
        enquiry.declare(verb, subject=False, inner=False)
        enquiry.declare_token(verb)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
    return parser


def _pair(text: str) -> tuple[str, Any]:
    """KEY=VALUE for argparse; a whole number stays one."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError("KEY=VALUE")
    return key, int(value) if value.isascii() and value.isdigit() else value


def run(args: argparse.Namespace) -> int:
    """Exit 0 done, 1 refused, 3 no answer of dispatch, 4 dispatch knows no such device."""
    return enquiry.finish(args, _asked(args), _link_words if args.verb == "link" else _words)


def _asked(args: argparse.Namespace) -> Reply:
    if os.geteuid() != 0:
        return failure(REFUSED, "devices are for root only", "sudo callout-agent device ...")
    from agent.cli import direct  # noqa: PLC0415 - brings the whole way to dispatch along
    from agent.config import ConfigError  # noqa: PLC0415 - likewise

    try:
        config = direct.configured(args)
    except ConfigError as error:
        return direct.broken(error)
    try:
        request = _request(args, config.device, unconditional=config.control.allow_unconditional)
    except ValueError as error:
        return failure(REFUSED, str(error), "callout-agent device --help")
    return direct.perform(config, request)


def _request(args: argparse.Namespace, device: Any, *, unconditional: bool) -> Reply:
    """What to ask. device: the table of the config, or None. Raises ValueError."""
    request: Reply = {"do": f"device_{args.verb}"}
    if args.verb == "link":
        told = {name: getattr(args, name) for name in ("serial", "supplier", "alias", "firmware")}
        return {**request, **told, "type_id": args.type_id}
    request["id"] = args.id if args.id is not None else getattr(device, "id", None)
    if request["id"] is None:
        raise ValueError("which device? --id, or a [device] in the config")
    if args.verb == "unlink":
        return request
    request["type_id"] = args.type_id if args.type_id is not None else getattr(device, "type_id", None)
    return request if args.verb == "update" else {**request, **_message(args, device, unconditional=unconditional)}


def _message(args: argparse.Namespace, device: Any, *, unconditional: bool) -> Reply:
    if (args.kind is None) == (args.message_type is None):
        raise ValueError("which message? battery, health, or --message-type N")
    if args.kind is None and not unconditional:
        raise ValueError("the template may take this number for a cancel without a code: only where [control] allow_unconditional = true")
    number = args.message_type if args.kind is None else getattr(device, f"{args.kind}_message_type", None)
    if number is None:
        raise ValueError(f"[device] {args.kind}_message_type is not in the config; config.example.toml says what it is")
    extra = dict(args.set) | ({} if args.percent is None else {BATTERY_KEY: args.percent})
    return {"message_type": number, "extra": extra}


def _link_words(reply: Reply) -> str:
    device = reply["device"] or {"id": None}
    hint = "" if device["id"] is None else f"\nfor the config: [device] id = {json.dumps(plain(device['id']))}"
    return _words(reply) + hint


def _words(reply: Reply) -> str:
    if "event" in reply:
        made = reply["event"] or "no event that it names"
        touched = "" if reply["callout_id"] is None else f", callout {reply['callout_id']}"
        return f"device {plain(reply['id'])}: dispatch made of it: {plain(made)}{plain(touched)}"
    if "device" not in reply:
        return f"device {plain(reply['id'])}: unlinked"
    device = reply["device"] or {"id": None, "serial": None, "details": {}}
    return pairs([("device", device["id"]), ("serial", device["serial"])]) + "\n" + tree(device["details"])
