"""`callout-agent simulator`: the Panic API stand-in and its control room page, until Ctrl-C.

Starts and prints, decides nothing. The simulator is imported only when it runs: a device does not have it installed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.server import Running

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


def port(text: str) -> int:
    """A port number, for argparse."""
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError("0 to 65535")
    return value


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. 0 after that, 1 where it cannot start."""
    try:
        from simulator.server import Running  # noqa: PLC0415 - a device has no simulator
        from simulator.settings import Generation, Settings  # noqa: PLC0415
    except ImportError as missing:
        print(f"The simulator needs {missing.name}: pip install 'callout-agent[simulator]'", file=sys.stderr)
        return 1
    port = args.port if args.port is not None else (8443 if args.tls else 8080)
    settings = Settings(generation=Generation(args.generation))
    # Waiting for the signals instead of handling them: nothing can arrive between the test and the wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        kept = {"state_file": args.state, "webhook": args.webhook}
        with Running(settings, host=args.host, port=port, tls=args.tls, ca_file=args.ca_file, expose=True, **kept) as running:
            print(describe(running), flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except OSError as trouble:
        print(f"Cannot serve on {args.host} port {port}: {trouble.strerror or trouble}", file=sys.stderr)
        return 1
    except ValueError as refusal:  # a webhook that is not to be told, a state file that cannot be used
        print(refusal, file=sys.stderr)
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    return 0


def describe(running: Running) -> str:
    """What a person needs to point a client at it. These keys are the stand-in's own and protect nothing."""
    chosen = running.settings
    lines = [
        ("Control room", running.root_url + "/"),
        ("base_url", running.base_url),
        ("token_url", running.token_url),
        ("CA file", str(running.ca_file) if running.ca_file else "none (plain HTTP)"),
        ("Customer", f"{chosen.customer_id}, mobile {chosen.customer_mobile}, safe code {chosen.customer_mobile[-4:]}"),
        ("Device key", chosen.device_key),
        ("Responses", ", ".join(f"{number} {name}" for number, name in chosen.response_types)),
        ("Client", f"{chosen.client_id} / {chosen.client_secret}"),
        ("Generation", str(chosen.generation)),
    ]
    return "\n".join(f"{name + ':':14}{value}" for name, value in lines) + "\nCtrl-C ends it."
