"""`callout-agent callout report`: what dispatch says in the end about a callout.

Nobody documents its shape: it is shown as it comes, as indented keys, or saved as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from agent.cli import enquiry, saved
from agent.cli.printed import plain, tree

HELP = "dispatch's report of a callout; there is one once it is closed, if at all"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser)
    parser.add_argument("--save", metavar="FILE", type=Path, help="into a new file, as JSON, for nobody else to read")
    parser.add_argument("--force", action="store_true", help="replace the file")


def run(args: argparse.Namespace) -> int:
    """Exit 4 where there is none."""
    reply = enquiry.ask(args, {"do": "report", "id": args.id})
    if args.save is not None and reply.get("ok"):
        content = reply["report"] or {"text": reply["text"]}
        reply = saved.told(reply, args.save, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n", force=args.force)
    return enquiry.finish(args, reply, _words)


def _words(reply: enquiry.Reply) -> str:
    if "saved" in reply:
        return f"callout {reply['id']}: the report is in {plain(reply['saved'])}"
    if reply["text"] is not None and not reply["report"]:
        return "\n".join(plain(line) for line in str(reply["text"]).splitlines())
    return tree(reply["report"])
