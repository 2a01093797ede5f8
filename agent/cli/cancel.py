"""`callout-agent cancel`: asks for the safe code without echo and hands it over as typed.

Never takes a code as an argument (it would show in `ps`), never checks one, and says the same words in every case.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import termios
import warnings
from typing import Any

from agent import control
from agent.cli import talk

HELP = "ask dispatch to cancel, with the safe code"
TRIES = 3


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--safe-code-stdin", action="store_true", help="read the code from the first line of standard input")
    group.add_argument("--unconditional", action="store_true", help="root only, if the config allows it: without a code")


def run(args: argparse.Namespace) -> int:
    """Exit 0 once handed over; the same words in every case."""
    request: dict[str, Any] | None = {"do": "cancel", "unconditional": True} if args.unconditional else _with_code(args)
    if request is None:
        talk.complain("no code was given; nothing was handed over")
        return 1
    try:
        reply = talk.ask(args, request)
    except control.NotRunningError as error:
        talk.complain(f"NOT handed over: {error}", "a callout that is on goes on when the daemon starts")
        return 2
    except control.NotAllowedError as error:
        talk.complain(f"NOT handed over: {error}")
        return 1
    except TimeoutError:
        talk.complain("the daemon does not answer; whether it was handed over is not known")
        return 2
    if not reply.get("ok"):
        talk.complain(f"NOT handed over: {reply.get('error')}", str(reply.get("hint", "")))
        return 1
    print(reply["text"])
    return 0


def _with_code(args: argparse.Namespace) -> dict[str, Any] | None:
    """A blank code is asked for again and can never become the unconditional form."""
    if args.safe_code_stdin:
        code = sys.stdin.readline().rstrip("\r\n")
        return {"do": "cancel", "code": code} if code.strip() else None
    warnings.simplefilter("error", getpass.GetPassWarning)  # rather no code than one on the screen
    for _ in range(TRIES):
        try:
            code = getpass.getpass("Safe code: ")
        except EOFError:  # Ctrl-D
            print(file=sys.stderr)
            return None
        except (OSError, termios.error, getpass.GetPassWarning):
            talk.complain("there is no terminal to type the code at", "--safe-code-stdin reads it from standard input")
            return None
        if code.strip():
            return {"do": "cancel", "code": code}
        print("A code is needed.", file=sys.stderr)
    return None
