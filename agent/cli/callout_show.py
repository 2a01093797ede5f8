"""`callout-agent callout show`: one callout as dispatch describes it now.

The address of its live page is shown only where it is asked for: whoever has it sees where the wearer is.
"""

from __future__ import annotations

import argparse

from agent.cli import enquiry
from agent.cli.callout_list import place
from agent.cli.printed import pairs

HELP = "one callout, as dispatch describes it now"
UNTOLD = "dispatch does not tell it here; `callout map` may"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser)
    parser.add_argument("--url", action="store_true", help="also the address of its live page; whoever has it sees where the wearer is")


def run(args: argparse.Namespace) -> int:
    """Exit 4 while none is on."""
    return enquiry.finish(args, enquiry.ask(args, {"do": "show", "id": args.id, "url": args.url}), _words)


def _words(reply: enquiry.Reply) -> str:
    callout = reply["callout"]
    responder = callout["responder"]
    return pairs(
        [
            ("callout", callout["id"]),
            ("status", callout["status"]),
            ("created", callout["created"]),
            ("position", place(callout)),
            ("responder", responder["name"]),
            ("dispatched", responder["dispatched"]),
            ("expected", responder["expected"] or responder["expected_text"]),
            ("arrived", responder["arrived"]),
            ("completed", responder["completed"]),
            ("live page", callout["url"] or UNTOLD if "url" in callout else None),
        ]
    )
