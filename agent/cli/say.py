"""`callout-agent say TEXT`: a message into the event stream of the callout that is on."""

from __future__ import annotations

import argparse

from agent.cli import talk

HELP = "tell dispatch something about the callout that is on"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="at most 1000 characters")


def run(args: argparse.Namespace) -> int:
    """Exit 0 queued, 1 refused, 2 not running."""
    return talk.hand_over(args, {"do": "say", "text": " ".join(args.text)}, "NOT SENT")
