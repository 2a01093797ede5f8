"""What all commands about callouts share: their options, whom they ask, their exit codes, and their two outputs.

Asks the daemon; with `--inner`, for root, and no daemon, dispatch itself. Never decides what a device may show (`enquiries` does).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import control
from agent.cli import talk
from agent.documents import NOT_RUNNING, REFUSED, UNREACHABLE, failure
from agent.model import CalloutId

EXIT = {REFUSED: 1, NOT_RUNNING: 2, UNREACHABLE: 3, "nothing": 4}
ANSWER_S = 20.0  # the daemon gives up after 15 s
OUTWARD = "outwardly this device shows standby"
OPEN = "no cancel hides anything"
START_HINT = "systemctl start callout-agent; journalctl -u callout-agent says why it stopped"
ROOT_HINT = "; without it, root may ask dispatch itself with --inner"

Reply = dict[str, Any]


def callout_id(text: str) -> CalloutId:
    """A number where it is one, for argparse."""
    if not text or len(text) > 64 or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError("not an id")
    return int(text) if text.isascii() and text.isdigit() else text


def declare(parser: argparse.ArgumentParser, *, subject: bool = True, inner: bool = True, nested: bool = True) -> None:
    """The options that all have. subject: takes an ID. nested: a verb of a command; a command has its --config already."""
    if subject:
        help_ = "the callout; without it the one that is on, with --inner the last one that this device knew"
        parser.add_argument("id", metavar="ID", nargs="?", type=callout_id, help=help_)
    parser.add_argument("--json", action="store_true", help="one JSON document, also of what goes wrong")
    if inner:
        parser.add_argument(
            "--inner", action="store_true", help="root only: straight from dispatch, any callout, whatever the device shows"
        )
        declare_token(parser, "with --inner: ")
    if nested:
        parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def declare_token(parser: argparse.ArgumentParser, when: str = "") -> None:
    """Another token than the device's, for what a callout token may not."""
    help_ = f"{when}another token than the device's, like a server token, in a file; it is used for this and not kept"
    parser.add_argument("--token-file", metavar="FILE", type=Path, help=help_)


def ask(args: argparse.Namespace, request: Reply, *, timeout_s: float = ANSWER_S) -> Reply:
    """The answer, or why there is none; never raises for what is expected."""
    inner, token_file = getattr(args, "inner", False), getattr(args, "token_file", None)
    if inner and os.geteuid() != 0:  # the daemon would say the same
        return failure(REFUSED, "the inner view is for root only", "leave out --inner")
    if token_file is not None:
        return _direct(args, request) if inner else failure(REFUSED, "--token-file goes with --inner", "else the daemon asks, with its own")
    try:
        reply = talk.ask(args, {**request, "inner": True} if inner else request, timeout_s=timeout_s)
    except control.NotRunningError as error:
        hint = START_HINT + (ROOT_HINT if hasattr(args, "inner") else "")
        reply = _direct(args, request) if inner else failure(NOT_RUNNING, str(error), hint)
    except control.NotAllowedError as error:
        reply = failure(REFUSED, str(error))
    except TimeoutError as error:
        hint = "journalctl -u callout-agent; systemctl restart callout-agent"
        reply = failure(NOT_RUNNING, f"the daemon is there but does not answer ({error})", hint)
    return reply if reply.get("ok") else {"code": REFUSED, **reply}


def _direct(args: argparse.Namespace, request: Reply) -> Reply:
    from agent.cli import direct  # noqa: PLC0415 - brings the whole way to dispatch along

    return direct.inner(args, request)


def finish(args: argparse.Namespace, reply: Reply, words: Callable[[Reply], str], failed: str = "") -> int:
    """Print it, and return the exit code. failed: how a failure begins, for a person."""
    forgive()
    if args.json:
        print(json.dumps(reply))
    else:
        say_view(reply)
        if reply.get("ok"):
            print(words(reply))
        else:
            complain(reply, failed)
    return exit_code(reply)


def forgive() -> None:
    """A terminal that has no letter for something still shows the rest."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def exit_code(reply: Reply) -> int:
    """0 done, else by the kind of failure."""
    return 0 if reply.get("ok") else EXIT.get(str(reply.get("code")), 1)


def say_view(reply: Reply) -> None:
    """The inner view says that it is."""
    if reply.get("inner"):
        print(f"INNER VIEW, for root only: {OUTWARD if reply.get('calm') else OPEN}")


def complain(reply: Reply, failed: str = "") -> None:
    """What went wrong, for a person."""
    from agent.cli.printed import plain  # noqa: PLC0415 - only when something went wrong

    talk.complain((f"{failed}: " if failed else "") + plain(reply.get("error")), plain(reply.get("hint")))
