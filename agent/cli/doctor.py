"""`callout-agent doctor`: proves the chain piece by piece, says what to do about what is broken, and changes nothing.

Runs beside the daemon and without it, as root or as the service's user. Never touches a callout that is on, and while a cancel hides
one it looks as in standby.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from agent.cli import enquiry
from agent.cli.printed import plain

HELP = "prove the whole chain piece by piece; changes nothing"
LIMIT_S = 60.0  # of one examination


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document")
    help_ = "a callout that is closed, to try the open paths on; default: the last one that this device knows"
    parser.add_argument("--callout", metavar="ID", type=enquiry.callout_id, help=help_)
    enquiry.declare_token(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 0 if nothing has failed, else 1."""
    from agent.lookup import LookupLoop  # noqa: PLC0415 - brings the whole way to dispatch along

    enquiry.forgive()
    with asyncio.Runner(loop_factory=LookupLoop) as runner:
        return runner.run(_examine(args))


async def _examine(args: argparse.Namespace) -> int:
    from agent.cli import doctor_dispatch, doctor_paths  # noqa: PLC0415 - see run
    from agent.cli.doctor_step import Scene, State, Step  # noqa: PLC0415 - likewise

    scene, steps = Scene(args), []
    examinations = (*doctor_dispatch.EXAMINATIONS, *doctor_paths.EXAMINATIONS, *doctor_dispatch.AFTER_PATHS)
    try:
        for examine in examinations:
            try:
                step = await asyncio.wait_for(examine(scene), LIMIT_S)
            except TimeoutError:
                name = examine.__name__.replace("_", " ")
                step = Step(name, State.FAIL, f"no end within {LIMIT_S:.0f} s", "nothing is known of it", "try again")
            steps.append(step)
            if not args.json:
                _print(asdict(step))
    finally:
        if scene.dispatch is not None:
            await scene.dispatch.aclose()
        if scene.connections is not None:
            await scene.connections.aclose()
    failed = any(step.state is State.FAIL for step in steps)
    if args.json:
        print(json.dumps({"ok": not failed, "steps": [asdict(step) for step in steps]}))
    return 1 if failed else 0


def _print(step: dict[str, str]) -> None:
    """As it comes: some steps take a while."""
    print(f"{step['state']:<8}{step['name']}: {plain(step['seen'])}")
    for text, sign in ((step["means"], "  "), (step["do"], "->")):
        if text:
            print("\n".join(f"        {sign} {plain(line)}" for line in text.split("\n")))
    sys.stdout.flush()
