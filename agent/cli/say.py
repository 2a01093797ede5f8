"""`callout-agent say TEXT`: a message into the event stream of the callout that is on."""

from __future__ import annotations

import argparse

from agent import control
from agent.cli import talk

HELP = "tell dispatch something about the callout that is on"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="at most 1000 characters")


def run(args: argparse.Namespace) -> int:
    """Exit 0 queued, 1 refused, 2 not running."""
    try:
        reply = talk.ask(args, {"do": "say", "text": " ".join(args.text)})
    except (control.NotRunningError, TimeoutError) as error:
        talk.complain(f"NOT SENT: {error}")
        return 2
    except control.NotAllowedError as error:
        talk.complain(f"NOT SENT: {error}")
        return 1
    if not reply.get("ok"):
        talk.complain(f"NOT SENT: {reply.get('error')}", str(reply.get("hint", "")))
        return 1
    print(reply["text"])
    return 0
