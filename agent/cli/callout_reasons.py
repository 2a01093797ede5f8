"""`callout-agent callout reasons`: why a callout may be called off, and saying which of them it was.

Ends nothing: a reason is a note at dispatch.
"""

from __future__ import annotations

import argparse

from agent.cli import enquiry
from agent.cli.printed import plain, table

HELP = "the reasons for which a callout may be called off; --add says which it was"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser)
    parser.add_argument("--add", metavar="REASON_ID", type=int, help="say that it was this one; ends nothing")
    parser.add_argument("--notes", metavar="TEXT", help="in your words, at most 1000 characters")


def run(args: argparse.Namespace) -> int:
    """Exit 4 while none is on."""
    if args.add is None and args.notes is None:
        return enquiry.finish(args, enquiry.ask(args, {"do": "reasons", "id": args.id}), _listed)
    request = {"do": "add_reason", "id": args.id, "reason_id": args.add, "notes": args.notes}
    return enquiry.finish(args, enquiry.ask(args, request), _added)


def _listed(reply: enquiry.Reply) -> str:
    if not reply["reasons"]:
        return "dispatch names no reasons"
    return table(("ID", "REASON"), [(each["id"], each["reason"]) for each in reply["reasons"]])


def _added(reply: enquiry.Reply) -> str:
    reason = reply["reason"]
    named = plain(reason["reason"] or ("your note" if reason["id"] is None else f"reason {reason['id']}"))
    return f"callout {reply['id']}: dispatch has taken {named}. That ends nothing: only dispatch closes a callout"
