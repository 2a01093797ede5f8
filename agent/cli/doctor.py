"""`callout-agent doctor`: proves the chain piece by piece, says what to do about what is broken, and changes nothing.

Runs beside the daemon and without it, as root or as the service's user. Never touches a callout that is on, and while a cancel hides
one it looks as in standby. With `--bundle` what it found goes into an archive for support (`bundle`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import enquiry, talk

if TYPE_CHECKING:
    from agent.cli.doctor_step import Examination, Scene, Step

HELP = "prove the whole chain piece by piece; changes nothing"
LIMIT_S = 60.0  # of one examination


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document")
    help_ = "a callout that is closed, to try the open paths on; default: the last one that this device knows"
    parser.add_argument("--callout", metavar="ID", type=enquiry.callout_id, help=help_)
    parser.add_argument(
        "--bundle", metavar="FILE", type=Path, help="also write an archive for support (.tar.gz), without secrets or places"
    )
    enquiry.declare_token(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 0 if nothing has failed, and the archive that was asked for is written; else 1."""
    from agent.lookup import LookupLoop  # noqa: PLC0415 - brings the whole way to dispatch along

    enquiry.forgive()
    if args.bundle is not None and args.bundle.exists():
        talk.complain(f"{args.bundle} is there already", "another name: nothing is replaced")
        return 1
    with asyncio.Runner(loop_factory=LookupLoop) as runner:
        return runner.run(_examine(args))


def examinations() -> tuple[Examination, ...]:
    """All of them, down the chain: each needs those before it."""
    from agent.cli import (  # noqa: PLC0415 - see run
        doctor_dispatch,
        doctor_machine,
        doctor_network,
        doctor_panel,
        doctor_paths,
        doctor_receiver,
        doctor_rights,
        doctor_service,
    )

    machine = (*doctor_machine.MACHINE, *doctor_rights.RIGHTS, *doctor_dispatch.CONFIG, *doctor_machine.CLOCK)
    device = (*doctor_receiver.RECEIVERS, *doctor_panel.PANEL, *doctor_service.STORE, *doctor_service.SERVICE)
    beyond = (*doctor_network.NETWORK, *doctor_dispatch.DISPATCH, *doctor_paths.EXAMINATIONS, *doctor_dispatch.AFTER_PATHS)
    return (*machine, *device, *beyond)


async def _examine(args: argparse.Namespace) -> int:
    from agent.cli import doctor_service  # noqa: PLC0415 - see run
    from agent.cli.doctor_step import State, rendered  # noqa: PLC0415 - likewise

    scene, steps = _scene(args), []
    await doctor_service.ask(scene)
    try:
        for examine in examinations():
            for step in await _made(examine, scene):
                steps.append(step)
                if not args.json:
                    print(rendered(step), flush=True)  # as it comes: some steps take a while
    finally:
        if scene.dispatch is not None:
            await scene.dispatch.aclose()
        if scene.connections is not None:
            await scene.connections.aclose()
    failed = any(step.state is State.FAIL for step in steps)
    if args.json:
        print(json.dumps({"ok": not failed, "steps": [asdict(step) for step in steps]}))
    if args.bundle is not None and not await _bundled(scene, steps):
        return 1
    return 1 if failed else 0


def _scene(args: argparse.Namespace) -> Scene:
    from agent.cli import direct  # noqa: PLC0415 - see run
    from agent.cli.doctor_step import Scene  # noqa: PLC0415 - likewise
    from agent.config import ConfigError  # noqa: PLC0415 - likewise

    try:
        return Scene(args, config=direct.configured(args))
    except ConfigError as error:
        return Scene(args, broken=error)


async def _made(examine: Examination, scene: Scene) -> tuple[Step, ...]:
    """What it came to. One that does not end, or fails by itself, is a failed step and holds up no other."""
    from agent.cli.doctor_step import State, Step  # noqa: PLC0415 - see run

    name = examine.__name__.replace("_", " ")
    try:
        made = await asyncio.wait_for(examine(scene), LIMIT_S)
    except TimeoutError:
        return (Step(name, State.FAIL, "it did not end in time", "nothing is known of it; a disk or a device may hang", "try again"),)
    except PermissionError as error:
        return (Step(name, State.SKIPPED, f"this user may not look at {error.filename or 'it'}", "", "sudo callout-agent doctor"),)
    except Exception as error:  # noqa: BLE001 - whatever a strange machine makes of one examination, the others are made
        return (Step(name, State.FAIL, f"it could not be examined ({type(error).__name__})", "nothing is known of it", "please report it"),)
    return made if isinstance(made, tuple) else (made,)


async def _bundled(scene: Scene, steps: list[Step]) -> bool:
    from agent.cli import bundle  # noqa: PLC0415 - only when somebody wants it

    return await bundle.write(scene, steps)
