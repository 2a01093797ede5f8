"""`callout-agent raise`: a press from software.

Never says that help is on its way unless dispatch accepted. Without a daemon the press is left in the runtime directory, the
unit is started if it may be, and it says NOT SENT.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time

from agent import control
from agent.cli import talk

HELP = "raise a callout: a press from software"
ACK_S = 5.0  # the daemon answers once the press is on tmpfs
LOOK_UP_S = 60.0  # a drill asks dispatch before it starts


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--note", metavar="TEXT", help="what dispatch is told with it; of a drill it is only kept")
    parser.add_argument("--wait", metavar="S", type=seconds, default=0.0, help="wait so long for dispatch to accept")
    parser.add_argument("--drill", action="store_true", help="a test, marked as one, from press to close")


def seconds(text: str) -> float:
    """0 to 86400 seconds, for argparse."""
    value = float(text)
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError("0 to 86400 seconds")
    return value


def run(args: argparse.Namespace) -> int:
    """Exit 0 stored or sent (with --wait: accepted), 1 refused, 2 not stored, 3 daemon down, 4 wait elapsed."""
    request = {"do": "raise", "note": args.note and args.note[:500], "drill": args.drill}
    try:
        reply = talk.ask(args, request, timeout_s=LOOK_UP_S if args.drill else ACK_S)
    except (control.NotRunningError, TimeoutError) as error:
        return _without_daemon(args, hung=isinstance(error, TimeoutError))
    except control.NotAllowedError as error:
        talk.complain(f"NOT SENT: {error}")
        return 1
    if not reply.get("ok"):
        talk.complain(f"NOT SENT: {reply.get('error')}", str(reply.get("hint", "")))
        return 1
    return _report(args, reply["press"])


def _report(args: argparse.Namespace, press: int) -> int:
    kind = "drill" if args.drill else "press"
    if not args.wait:
        print(f"{kind} {press}: stored and being sent; `callout-agent status` shows what dispatch says")
        return 0
    try:
        reply = talk.ask(args, {"do": "settled", "press": press, "wait_s": args.wait}, timeout_s=args.wait + ACK_S)
    except (control.NotRunningError, control.NotAllowedError, TimeoutError):
        reply = {}
    if reply.get("accepted"):
        print(f"{kind} {press}: accepted by dispatch, callout {reply['id']}")
        return 0
    if reply.get("cancelled"):  # no word of what goes on inside
        print(f"{kind} {press}: a cancel was handed over")
    else:
        print(f"{kind} {press}: NOT YET ACCEPTED by dispatch; the agent goes on trying")
    return 4


def _without_daemon(args: argparse.Namespace, *, hung: bool) -> int:
    """Leave the press in the runtime directory. A daemon that hangs may have it twice: dispatch returns the open callout."""
    if args.drill:
        talk.complain("NO DRILL: the daemon does not answer", "a drill needs it running: systemctl start callout-agent")
        return 3
    from agent import identity, spool  # noqa: PLC0415 - only when the daemon is down

    press = spool.SpooledPress(
        boot_id=identity.read_boot_id(), at=time.monotonic(), wall=time.time(), origin="spool", note=args.note, drill=args.drill
    )
    try:
        spool.put(talk.socket_path(args).parent / "presses", press)
    except OSError as error:
        talk.complain(f"NOT SENT and NOT STORED: the daemon does not answer, and {error}", "call for help another way")
        return 2
    started = _start_unit()
    text = "it was asked to start and will send it" if started else "it will send it when it starts: systemctl start callout-agent"
    what = "does not answer" if hung else "is down"
    talk.complain(f"NOT SENT: the daemon {what}. The press is stored", text)
    return 3


def _start_unit() -> bool:
    """Ask systemd, if this user may; never asks for a password."""
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return False
    command = [systemctl, "--no-ask-password", "--no-block", "start", "callout-agent.service"]
    try:
        return subprocess.run(command, capture_output=True, timeout=5, check=False).returncode == 0  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return False
