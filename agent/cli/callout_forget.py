"""`callout-agent callout forget ID`: root gives a callout up by hand.

For the one case in which nobody else can: dispatch no longer knows it, or the config leads elsewhere. Ends nothing at dispatch,
and is refused while dispatch knows it: only dispatch ends a callout.
"""

from __future__ import annotations

import argparse

from agent.cli import enquiry

HELP = "give up a callout that dispatch no longer knows (root); dispatch is told nothing"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("id", metavar="ID", type=enquiry.callout_id, help="as `status` names it")
    enquiry.declare(parser, subject=False, inner=False)


def run(args: argparse.Namespace) -> int:
    """Exit 0 forgotten, 1 refused, 2 not running."""
    return enquiry.finish(args, enquiry.ask(args, {"do": "forget", "id": args.id}), lambda told: str(told["text"]), failed="not forgotten")
