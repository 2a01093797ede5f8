r"""`callout-agent setup`: the installer's dialogue, and the same without one.

With `--unattended` nothing is asked; every answer is a flag or stands in the config already, and missing ones are named all at once:

    callout-agent setup --unattended --environment staging --customer-id 4711 --response-type-id 1 \
        --token-url https://backend.example.com/token --key-file /run/device-key \
        --receiver auto --button pin11 --lamp pin13

The others: --base-url --classification-id --drill-classification-id --ca-file --proxy; --client-cert with --client-key, --token-file,
--client-id with --client-secret-file; --receiver gpsd[:HOST[:PORT]] or serial:PATH[@BAUD], --port PATH, --site LAT,LON[,M]; --chip
--active --bias --hold --buzzer --armed-lamp --profile --keypad; --fresh --stop-daemon --no-start --no-try --drill --wait S --unit NAME.
`none` takes away a button, lamp, buzzer, keypad, site or all receivers.

Exit codes: 0 written, and armed if the daemon was started. 1 refused, nothing changed: a callout is on, a daemon runs and may not be
stopped, no right to write. 2 answers are missing or wrong, nothing changed. 3 written, but not armed in time. 4 armed, but the drill was
not accepted. 130 interrupted, nothing changed.

Touches nothing by itself: see `setup_*` beside it.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from agent.cli import setup_flags, talk
from agent.config import ConfigError

if TYPE_CHECKING:
    from agent.cli.setup_service import Daemon

HELP = "the installer's dialogue: finds receivers, tries button and lamp, writes the config"
REFUSED, ANSWERS = 1, 2


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    setup_flags.declare(parser)


def run(args: argparse.Namespace) -> int:
    """See the module for exit codes."""
    from agent.cli import enquiry, setup_saving  # noqa: PLC0415 - not for --help
    from agent.cli.setup_service import ARMED_S, Daemon  # noqa: PLC0415 - likewise

    enquiry.forgive()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):  # a lost ssh session goes the same way out as Ctrl-C
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    path = Path(args.config).absolute()
    if not setup_saving.writable(path):
        talk.complain(f"{path} may not be written by you; nothing was changed", "sudo callout-agent setup")
        return REFUSED
    args.wait = ARMED_S if args.wait is None else args.wait
    with setup_saving.alone(path) as alone:
        if alone:
            return _run(args, path, Daemon(args))
    talk.complain("another setup is at work on this device; nothing was changed", "end that one first: with Ctrl-C, where it runs")
    return REFUSED


def _run(args: argparse.Namespace, path: Path, daemon: Daemon) -> int:
    from agent.cli import setup_draft  # noqa: PLC0415 - not for --help

    if not args.unattended:
        from agent.cli import setup_dialogue  # noqa: PLC0415 - likewise

        return setup_dialogue.run(args, path, daemon)
    from agent.cli import setup_unattended  # noqa: PLC0415 - likewise

    try:
        draft = setup_draft.begun(path, fresh=args.fresh)
    except ConfigError as error:
        talk.complain(f"{error}; nothing was changed", "--fresh begins anew, and keeps a copy of it")
        return ANSWERS
    return setup_unattended.run(args, draft, daemon)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        from agent.cli.setup_terminal import hush  # noqa: PLC0415 - not for --help

        hush()
    raise KeyboardInterrupt
