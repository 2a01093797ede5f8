"""`callout-agent callout VERB`: what an operator may ask about callouts, one file per verb.

Finds the verb. Without `--inner` all of them speak only of the callout that is on, as the device shows it.
"""

from __future__ import annotations

import argparse
from types import ModuleType

from agent.cli import (
    callout_events,
    callout_forget,
    callout_list,
    callout_map,
    callout_rate,
    callout_reasons,
    callout_report,
    callout_say,
    callout_show,
)

HELP = "ask dispatch about the callout that is on, or tell it something"
VERBS: dict[str, ModuleType] = {
    "list": callout_list,
    "show": callout_show,
    "events": callout_events,
    "say": callout_say,
    "map": callout_map,
    "report": callout_report,
    "reasons": callout_reasons,
    "rate": callout_rate,
    "forget": callout_forget,
}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs and their options."""
    parser.epilog = "exit codes: 0 done, 1 refused, 2 the daemon is not running, 3 dispatch gave no answer, 4 nothing there, 64 usage"
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, module in VERBS.items():
        module.add(verbs.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False))


def run(args: argparse.Namespace) -> int:
    """Exit as `enquiry.EXIT` has it."""
    code: int = VERBS[args.verb].run(args)
    return code
