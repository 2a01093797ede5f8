"""Setup without a dialogue: flags and the config that is there make the answers, what is missing is named all at once.

Decides in which order things happen and which exit code they come to (`setup` lists them). Must not write anything while an answer is
missing, and must not stop a daemon without leave.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from agent.cli import setup_flags, setup_receivers, setup_saving, setup_summary, setup_trial, talk
from agent.cli.setup_draft import Draft
from agent.cli.setup_flags import AUTO, NONE, WrongError
from agent.cli.setup_service import Daemon
from agent.config import ConfigError
from agent.settings import PanicApi

DONE, REFUSED, ANSWERS, NOT_ARMED, NO_DRILL = 0, 1, 2, 3, 4
SETTLED_S = 60.0
DRILL_ASK_S = 60.0  # dispatch is asked for active callouts first


def run(args: argparse.Namespace, draft: Draft, daemon: Daemon) -> int:
    """Do it; the exit code."""
    try:
        setup_flags.apply(args, draft)
    except WrongError as wrong:
        return _wrong(wrong.reasons)
    missing = list(_missing(args, draft))
    if missing:
        return _wrong([f"missing: {each}" for each in missing])
    refused = _prepare(args, daemon)
    if refused is not None:
        talk.complain(refused)
        return REFUSED
    try:
        return _carry_out(args, draft, daemon)
    finally:
        daemon.release()


def _missing(args: argparse.Namespace, draft: Draft) -> Iterator[str]:
    if draft.value("panic_api", "base_url") is None and draft.keys("panic_api").get("base_url") in (None, "CHANGE-ME"):
        yield "--environment production or staging, or --base-url URL: where dispatch is"
    for key, what in (("customer_id", "of this device at dispatch"), ("response_type_id", "what a raise asks for")):
        if not draft.keys("panic_api").get(key):
            yield f"--{key.replace('_', '-')} N: {what}"
    yield from _missing_credentials(draft)
    if args.receiver is None and not draft.tables("receiver") and not draft.keys("site"):
        yield f"--receiver {AUTO}, gpsd or serial:PATH, or --site LAT,LON: where a position comes from"
    if not draft.tables("button") and args.button != NONE and "button" not in draft.document:
        yield f"--button LINE, or --button {NONE}: a device whose callouts are raised by software only"


def _missing_credentials(draft: Draft) -> Iterator[str]:
    keys = draft.keys("credentials")
    if not any(draft.value("credentials", key) for key in ("token_url", "token_file", "client_id")):
        yield "--token-url URL with --key-file FILE (or --token-file FILE; in labs --client-id ID with --client-secret-file FILE)"
        return
    for key, flag in (("bearer_file", "--key-file FILE"), ("client_secret_file", "--client-secret-file FILE")):
        name = keys.get(key)
        if isinstance(name, str) and name not in draft.secrets and not _is_there(draft, name):
            yield f"{flag}: the secret {name} is not there yet"


def _is_there(draft: Draft, name: str) -> bool:
    beside = draft.path.absolute().parent
    return any(os.path.lexists(place) for place in (beside / name, beside / setup_saving.CREDENTIALS / name))


def _prepare(args: argparse.Namespace, daemon: Daemon) -> str | None:
    """Why nothing may be changed now; stops the daemon if that is needed and allowed."""
    busy = daemon.busy()
    if busy is not None:
        return f"{busy}: nothing is changed now; run this again when it is over"
    if args.no_start or not daemon.runs():
        return None
    if not args.stop_daemon:
        return "the daemon runs: --stop-daemon lets setup stop it and start it with the new config, --no-start only writes the config"
    failed = daemon.stop()
    return None if failed is None else f"the daemon cannot be stopped: {failed}"


def _carry_out(args: argparse.Namespace, draft: Draft, daemon: Daemon) -> int:
    reasons = _find_receivers(args, draft)
    if reasons:
        return _wrong(reasons)
    try:
        draft.config()
    except ConfigError as error:
        return _wrong([f"{_flag_of(problem.key)}: {problem}" for problem in error.errors])
    print(f"receivers: {', '.join(setup_summary.receiver_words(each) for each in draft.tables('receiver')) or 'none, a site'}")
    if not args.no_try:
        trial = setup_trial.tried(draft)
        print(f"{'ok' if trial.ok else 'NOT YET'}: {trial.said}" + (f"\n  -> {trial.do}" if trial.do else ""))
    saved = setup_saving.save(draft)
    setup_summary.say_saved(saved)
    if args.no_start:
        print("the daemon is as it was: systemctl restart callout-agent lets it live by this config")
        return DONE
    return _start(args, draft, daemon)


def _find_receivers(args: argparse.Namespace, draft: Draft) -> list[str]:
    named = args.receiver or []
    if not named:
        return []
    try:
        tables = [setup_flags.receiver(each) for each in named if each not in (AUTO, NONE)]
    except ValueError as error:
        return [str(error)]
    chosen, reasons = setup_receivers.completed(tables, automatic=AUTO in named, only=args.port)
    draft.set_receivers(chosen)
    return reasons


def _start(args: argparse.Namespace, draft: Draft, daemon: Daemon) -> int:
    if daemon.unit is None:
        print("no systemd unit belongs to this config: start the daemon yourself, callout-agent run")
        return DONE
    failed = daemon.start()
    if failed is not None:
        talk.complain(f"the daemon was not started: {failed}", "journalctl -u callout-agent says why")
        return NOT_ARMED
    conditions = setup_summary.Conditions()
    document = daemon.watch(args.wait, conditions.tell)
    drilled = _drill(daemon) if args.drill and document.get("armed") else None
    document = daemon.status() if drilled is not None else document
    print("\n" + setup_summary.summary(draft, document, daemon, drilled))
    if not document.get("armed"):
        return NOT_ARMED
    return NO_DRILL if args.drill and drilled is None else DONE


def _drill(daemon: Daemon) -> str | None:
    """The id of the accepted drill; None if there is none, which is told."""
    reply = daemon.ask({"do": "raise", "drill": True, "note": "drill of setup"}, timeout_s=DRILL_ASK_S)
    if not reply.get("ok"):
        talk.complain(f"NO DRILL: {reply.get('error')}", str(reply.get("hint", "")))
        return None
    settled = daemon.ask({"do": "settled", "press": reply["press"], "wait_s": SETTLED_S}, timeout_s=SETTLED_S + 5)
    if not settled.get("accepted"):
        talk.complain("THE DRILL WAS NOT ACCEPTED by dispatch within a minute")
        return None
    print("the drill is on until dispatch closes it, or a safe code is handed over: callout-agent cancel")
    return str(settled["id"])


def _wrong(reasons: list[str]) -> int:
    for reason in reasons:
        talk.complain(reason)
    talk.complain("nothing was changed")
    return ANSWERS


def _flag_of(key: str) -> str:
    """The flag that answers a key of the config, as far as one does."""
    table, _, name = key.partition(".")
    flags = {"receiver": "--receiver", "button": "--button", "site": "--site", "keypad": "--keypad", "indicator": "--lamp"}
    if table == "panic_api" and name in PanicApi.__dataclass_fields__:
        return "--" + name.removeprefix("callout_").replace("_", "-")
    return flags.get(table.partition("[")[0], "the config" if table != "credentials" else "--" + name.replace("_", "-"))
