"""`callout-agent callout forget ID`: root gives a callout up by hand.

For the one case in which nobody else can: dispatch no longer knows it, or the config leads elsewhere. Ends nothing at dispatch,
and is refused while dispatch knows it: only dispatch ends a callout.
"""

from __future__ import annotations

import argparse

from agent.cli import talk

HELP = "give up a callout that dispatch no longer knows (root)"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("verb", choices=["forget"], help="forget: dispatch is told nothing")
    parser.add_argument("id", metavar="ID", help="as `status` names it")


def run(args: argparse.Namespace) -> int:
    """Exit 0 forgotten, 1 refused, 2 not running."""
    given = int(args.id) if args.id.isascii() and args.id.isdigit() else args.id
    return talk.hand_over(args, {"do": "forget", "id": given}, "not forgotten")
