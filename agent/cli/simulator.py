"""`callout-agent simulator`: the Panic API stand-in and its control room page, until Ctrl-C or the end of a scenario.

Starts and prints, decides nothing. The simulator is imported only when it runs: a device does not have it installed.
"""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.scenario import Scenario
    from simulator.server import Running

ENDS = {signal.SIGINT, signal.SIGTERM}
LOOK_S = 0.2  # between two looks at a scenario: what it prints is for a person
CUT_SHORT = 130  # a scenario that was ended by a signal, as a shell says it

HELP = "a stand-in for the Panic API with a control room page"


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--port", type=port, help="port to listen on; default 8443 with --tls, else 8080; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s); others open it to the network")
    parser.add_argument("--tls", action="store_true", help="HTTPS with a throw-away certificate authority")
    parser.add_argument("--ca-file", type=Path, metavar="PATH", help="where to write that authority's certificate")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep everything in this file over restarts (SQLite, for its owner only)"
    )
    parser.add_argument("--webhook", metavar="URL", help="tell this address of every event; https, or http on this machine")
    parser.add_argument("--generation", choices=("old", "new"), default="new", help="shapes of the answers (default %(default)s)")
    parser.add_argument("--scenario", metavar="NAME_OR_FILE", help="play this rehearsal; a name that does not exist is told which ones do")
    parser.add_argument("--exit-at-end", action="store_true", help="end with the scenario: exit 0, or 1 where a step failed")
    parser.add_argument("--transcript", type=Path, metavar="FILE", help="write every request to this new file, a line of JSON each")
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("A", "B"),
        help="serve nothing; tell how two transcripts differ (exit 0 alike, 1 different, 2 unreadable)",
    )


def port(text: str) -> int:
    """A port number, for argparse."""
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError("0 to 65535")
    return value


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, or compare. 0 after that, 1 where it cannot start or a scenario failed, 130 where it was cut short."""
    try:
        from agent.cli import rehearsal  # noqa: PLC0415 - a device has no simulator
    except ImportError as missing:
        print(f"The simulator needs {missing.name}: pip install '.[simulator]' in the project's folder", file=sys.stderr)
        return 1
    if args.compare:
        return rehearsal.compared(*args.compare)
    scenario = rehearsal.find(args.scenario) if args.scenario else None
    if args.scenario and scenario is None:
        return 1
    # Waiting for the signals instead of handling them: nothing can arrive between the test and the wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        return _serve(args, scenario)
    except FileExistsError as there:
        print(f"{there.filename} is there already, and a transcript is never overwritten: name another file.", file=sys.stderr)
    except OSError as trouble:
        where = f"Cannot serve on {args.host} port {_port(args)}" if trouble.filename is None else str(trouble.filename)
        hint = "; --port takes another one, 0 any that is free" if trouble.errno == errno.EADDRINUSE else ""
        print(f"{where}: {trouble.strerror or trouble}{hint}", file=sys.stderr)
    except ValueError as refusal:  # a webhook that is not to be told, a state file that cannot be used
        print(refusal, file=sys.stderr)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    return 1


def _port(args: argparse.Namespace) -> int:
    return int(args.port) if args.port is not None else (8443 if args.tls else 8080)


def _serve(args: argparse.Namespace, scenario: Scenario | None) -> int:
    from simulator.scenario_reading import start_settings  # noqa: PLC0415 - likewise
    from simulator.server import Running  # noqa: PLC0415 - likewise

    settings = start_settings({"generation": args.generation, **(scenario.settings if scenario else {})})
    with Running(
        settings,
        host=args.host,
        port=_port(args),
        tls=args.tls,
        ca_file=args.ca_file,
        expose=True,
        transcript=args.transcript,
        state_file=args.state,
        webhook=args.webhook,
    ) as running:
        print(describe(running), flush=True)
        if scenario:
            return _rehearse(running, scenario, exit_at_end=args.exit_at_end)
        signal.sigwait(ENDS)
    return 0


def _rehearse(running: Running, scenario: Scenario, *, exit_at_end: bool) -> int:
    """Play and tell it; then serve on, unless told not to."""
    from agent.cli import rehearsal  # noqa: PLC0415 - likewise

    print("\n" + rehearsal.describe(scenario), flush=True)
    desk, telling = rehearsal.Desk(running.root_url, running.ca_file), rehearsal.Telling()
    try:
        progress = desk.start(scenario)
    except rehearsal.RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    telling.print(progress)
    while progress["state"] == "playing":
        if signal.sigtimedwait(ENDS, LOOK_S) is not None:
            telling.print(desk.stop())
            return CUT_SHORT
        progress = desk.progress()
        telling.print(progress)
    if not exit_at_end:
        print("It goes on serving; Ctrl-C ends it.", flush=True)
        signal.sigwait(ENDS)
    return 0 if progress["state"] == "ended" else 1


def describe(running: Running) -> str:
    """What a person needs to point a client at it. These keys are the stand-in's own and protect nothing."""
    chosen = running.settings
    lines = [
        ("Control room", running.root_url + "/"),
        ("base_url", running.base_url),
        ("token_url", running.token_url),
        ("CA file", str(running.ca_file.resolve()) if running.ca_file else "none (plain HTTP)"),
        ("Customer", f"{chosen.customer_id}, mobile {chosen.customer_mobile}, safe code {chosen.customer_mobile[-4:]}"),
        ("Device key", chosen.device_key),
        ("Responses", ", ".join(f"{number} {name}" for number, name in chosen.response_types)),
        ("Client", f"{chosen.client_id} / {chosen.client_secret}"),
        ("Generation", str(chosen.generation)),
    ]
    return "\n".join(f"{name + ':':14}{value}" for name, value in lines) + "\nCtrl-C ends it."
