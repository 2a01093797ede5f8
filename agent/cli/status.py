"""`callout-agent status`: what the daemon knows; with the daemon down, what the store knows.

Shows, never judges: armed or not is the daemon's word.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from agent import control, wording
from agent.cli import talk
from agent.model import Ailment

HELP = "show what the daemon knows"
UNREAD = "store.unreadable"
NOT_RUNNING = {
    "code": "daemon.down",
    "severity": "critical",
    "since": None,
    "text": "the daemon does not run: a press would reach nobody",
    "hint": "systemctl start callout-agent; journalctl -u callout-agent says why it stopped",
}

UNCONFIGURED = NOT_RUNNING | {"text": "this device is not configured yet: a press would reach nobody", "hint": "sudo callout-agent setup"}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")
    parser.add_argument("--inner", action="store_true", help="root only: also what a cancelled callout does inwardly")


def run(args: argparse.Namespace) -> int:
    """Exit 0 armed, 1 not armed, 2 not running."""
    while True:
        document, code = _fetch(args)
        if args.watch and not args.json and sys.stdout.isatty():
            print("\033[2J\033[H", end="")
        print(json.dumps(document, indent=None if args.watch else 2) if args.json else render(document), flush=True)
        if not args.watch:
            return code
        time.sleep(1.0)


def _fetch(args: argparse.Namespace) -> tuple[dict[str, Any], int]:
    try:
        reply = talk.ask(args, {"do": "status", "inner": args.inner})
    except control.NotRunningError:
        return from_store(args), 2
    except control.NotAllowedError as error:
        talk.complain(str(error))
        sys.exit(2)
    except TimeoutError:
        talk.complain("the daemon is there but does not answer", "journalctl -u callout-agent; systemctl restart callout-agent")
        sys.exit(2)
    if not reply.get("ok"):
        talk.complain(str(reply.get("error")), str(reply.get("hint", "")))
        sys.exit(1)
    document: dict[str, Any] = reply["status"]
    return document, 0 if document["armed"] else 1


def from_store(args: argparse.Namespace) -> dict[str, Any]:
    """The same document, from what is on disk: outward like the daemon's, so a cancelled callout is not told."""
    from agent.cli import outward  # noqa: PLC0415 - only when the daemon is down
    from agent.health import Facts, document  # noqa: PLC0415 - likewise
    from agent.lifecycle import step  # noqa: PLC0415 - likewise
    from agent.proofs import read_self_test  # noqa: PLC0415 - likewise
    from agent.signals import Restarted, State  # noqa: PLC0415 - likewise
    from agent.store import peek  # noqa: PLC0415 - likewise

    summary, kept = peek(talk.store_path(args))
    notes = dict(kept.notes)
    calm = outward.is_calm(kept, _presses(args))
    event = Restarted(0.0, 0.0, kept.press_number, kept.owed, kept.callout, kept.closed, calm=calm)
    state, _ = step(State(), event)
    proof = notes.get("armed_proof", "")
    proof = proof if proof.replace(".", "", 1).isdigit() else ""
    facts = Facts(at=0.0, wall=0.0, state=state, conditions=(), store=summary, armed_proof_wall=float(proof) if proof else None)
    told = document(replace(facts, self_test=read_self_test(notes.get("self_test"))))
    if kept.last_fix is not None:
        fix = kept.last_fix
        told["fix"] = {
            "time": wording.utc(fix.wall),
            "latitude": fix.latitude,
            "longitude": fix.longitude,
            "accuracy_m": fix.accuracy_m,
            "age_s": round(max(0.0, time.time() - fix.wall), 1),
            "receiver": fix.receiver,
        }
    conditions = [UNCONFIGURED if talk.unconfigured(args) else NOT_RUNNING, _waiting(args), _unread(summary.trouble)]
    return {**told, "armed": False, "running": False, "conditions": [each for each in conditions if each is not None]}


def _unread(trouble: Ailment | None) -> dict[str, Any] | None:
    """Nothing is known then, and that no callout is on would be a claim. A store that was never made holds none."""
    if trouble is None or trouble.code != UNREAD:
        return None
    return {"code": UNREAD, "severity": "degraded", "since": None, "text": trouble.text, "hint": trouble.hint}


def _presses(args: argparse.Namespace) -> Path:
    return talk.socket_path(args).parent / "presses"


def _waiting(args: argparse.Namespace) -> dict[str, Any] | None:
    """Presses that nobody has taken up yet."""
    try:
        count = len(list(_presses(args).glob("*.json")))
    except OSError:
        return None
    if not count:
        return None
    return {
        "code": "press.waiting",
        "severity": "critical",
        "since": None,
        "text": f"{count} made while the daemon was down: NOT SENT yet",
        "hint": "start the daemon, and call for help another way meanwhile",
    }


def render(document: dict[str, Any]) -> str:
    """The document for a person."""
    callout, fix, stream, store, receiver = (document[key] for key in ("callout", "fix", "stream", "store", "receiver"))
    proof = f"last raise accepted {document['armed_proof']}" if document["armed_proof"] else "no raise was accepted yet"
    lines = [
        f"callout-agent {document['version']}   {'ARMED' if document['armed'] else 'NOT ARMED'}   ({proof})",
        "callout   not known: see store.unreadable" if _is_unread(document) else f"callout   {_callout(callout)}",
        *_conversation(callout),
        f"position  {_position(fix)}",
        f"stream    {stream['sent']} sent, {stream['failed']} failed{_ago(', last accepted {} ago', stream['last_accepted_age_s'])}",
        f"store     {store['fixes']} fixes, {store['untold']} untold, {store['bytes'] / 1024:.0f} KiB, {store['mode']}",
        f"receiver  {receiver['kind'] or 'none'}; {_rejections(receiver['rejected'])}",
        f"self-test {_self_test(document.get('self_test'))}",
    ]
    if document.get("running") is False:  # what only the daemon counts is not nothing, it is unknown
        lines = [line for line in lines if not line.startswith(("stream ", "receiver "))]
    if document.get("inner"):
        lines.insert(1, f"INNER VIEW, for root only{': outwardly this device shows standby' if document['calm'] else ''}")
    for condition in document["conditions"]:
        since = f" since {condition['since']}" if condition["since"] else ""
        lines += [
            f"{condition['severity'].upper():<9} {condition['code']}{since}: {condition['text']}",
            f"          -> {condition['hint']}",
        ]
    return "\n".join(lines)


def _is_unread(document: dict[str, Any]) -> bool:
    return document.get("running") is False and any(each["code"] == UNREAD for each in document["conditions"])


def _self_test(tested: dict[str, Any] | None) -> str:
    if tested is None:
        return "none yet"
    return f"{tested['time']}: " + ("all was well" if tested["ok"] else "found " + ", ".join(tested["failed"]))


def _callout(callout: dict[str, Any]) -> str:
    if callout["state"] == "standby":
        return "standby: none"
    words = [callout["state"], "no id yet" if callout["id"] is None else str(callout["id"])]
    words += ["a DRILL"] if callout["drill"] else []
    words += [f"since {callout['since']}"] if callout["since"] else []
    words += [f"raised by {callout['origin']}"] if callout["origin"] else []
    words += [f'dispatch says "{_plain(callout["dispatch_status"])}"'] if callout["dispatch_status"] else []
    return ", ".join(words)


def _conversation(callout: dict[str, Any]) -> list[str]:
    """How far help has come, and what dispatch wrote last. Nothing where it has said nothing."""
    responder, messages = callout["responder"], callout["messages"]
    who = f" ({_plain(responder['name'])})" if responder["name"] else ""
    said = {
        "coming": f"on the way{who}{_expected(responder)}",
        "there": f"at the scene{who}",
        "done": f"has finished{who}",
        "stood_down": "was stood down",
    }.get(responder["stage"])
    lines = [] if said is None else [f"responder {said}"]
    last = messages["last"]
    if last is not None:
        when = f" at {last['time']}" if last["time"] else ""
        count = f" ({messages['heard']} in all)" if messages["heard"] > 1 else ""
        lines.append(f'message   "{_plain(last["text"])}", {_plain(last["source"])}{when}{count}')
    return lines


def _expected(responder: dict[str, Any]) -> str:
    if responder["eta_text"]:
        return f', expected: "{_plain(responder["eta_text"])}"'
    if not responder["eta"]:
        return ""
    eta_wall = datetime.fromisoformat(responder["eta"]).timestamp()
    left_s = eta_wall - time.time()
    how = f"in {wording.span(left_s)}" if left_s >= 0 else f"{wording.span(-left_s)} ago"
    return f", expected {wording.clock(eta_wall)} ({how})"


def _plain(text: str) -> str:
    """As the daemon tells it already; whoever else answers on its socket drives no terminal either."""
    return wording.harmless(text, wording.MAX_EVENT_CHARS)


def _position(fix: dict[str, Any] | None) -> str:
    if fix is None:
        return "none since start"
    accuracy = "" if fix["accuracy_m"] is None else f" within {fix['accuracy_m']:.0f} m"
    stale = "  (STALE)" if fix["age_s"] > 10 else ""
    return f"{fix['latitude']:.6f}, {fix['longitude']:.6f}{accuracy}, {fix['age_s']:.1f} s old, from {fix['receiver']}{stale}"


def _ago(text: str, seconds: float | None) -> str:
    return "" if seconds is None else text.format(f"{seconds:.1f} s")


def _rejections(rejected: dict[str, int]) -> str:
    told = [f"{reason} {count}" for reason, count in rejected.items() if count]
    return "rejected: " + ", ".join(told) if told else "nothing rejected"
