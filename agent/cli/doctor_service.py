"""The doctor's steps for the daemon itself: its store, its unit, whether it answers, what it says of itself.

Asks the daemon for its outward status and systemd for a few words about the unit: never for what it used of processor, network or disk,
which would tell whether something goes on (law 5).
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from agent import __version__, aside, control
from agent.cli import talk
from agent.cli.doctor_program import output
from agent.cli.doctor_step import SETUP, SUDO, Daemon, Scene, State, Step, in_words_of_daemon, skipped
from agent.store import peek

UNIT = "callout-agent.service"
# Nothing that grows with work: see the module's docstring.
PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "ExecMainStatus", "ExecMainCode", "WatchdogUSec",
    "ActiveEnterTimestamp", "FragmentPath", "DropInPaths", "NeedDaemonReload", "StatusText", "Type", "Restart", "User", "ConditionResult",
)  # fmt: skip
READ_S = 8.0
MANY_RESTARTS = 3
STARTED = {"enabled", "enabled-runtime", "linked", "static"}
CONDITION = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*: ")  # as `journal` logs one
SEE_JOURNAL = "journalctl -u callout-agent -b -p warning"
NOBODY = "a press reaches nobody"


async def ask(scene: Scene) -> None:
    """Before all examinations: the daemon's outward word, which several of them need. Never raises for what a daemon does."""
    try:
        reply = await aside.run(lambda: talk.ask(scene.args, {"do": "status"}), name="status", limit_s=READ_S)
    except control.NotRunningError:
        scene.daemon = Daemon.DOWN
    except control.NotAllowedError:
        scene.daemon = Daemon.FORBIDDEN
    except TimeoutError:
        scene.daemon = Daemon.SILENT
    else:
        told = reply.get("status")
        scene.daemon, scene.told = Daemon.ANSWERS, told if isinstance(told, dict) else {}


async def daemon(scene: Scene) -> Step:
    """Whether it runs, and is what lies on the disk."""
    match scene.daemon:
        case Daemon.DOWN:
            do = SETUP if talk.unconfigured(scene.args) else f"systemctl start callout-agent; {SEE_JOURNAL}"
            return Step("daemon", State.FAIL, "the daemon does not run", NOBODY, do)
        case Daemon.SILENT:
            return Step("daemon", State.FAIL, "there is a daemon, and it does not answer", NOBODY, "systemctl restart callout-agent")
        case Daemon.FORBIDDEN:
            return skipped("daemon", f"this user may not ask it; the group {control.GROUP} and root may", SUDO)
    version = scene.told.get("version")
    if version != __version__:
        means = f"{__version__} is installed and does not run"
        return Step("daemon", State.WARN, f"version {version} runs", means, "systemctl restart callout-agent, once no callout is on")
    safe = scene.conditions("safe_mode")
    if safe:
        step = in_words_of_daemon("daemon", safe, "")
        return Step("daemon", State.FAIL, step.seen, "a press is raised; nothing is recorded and no comfort works", step.do)
    return Step("daemon", State.OK, f"version {version} runs and answers")


async def store(scene: Scene) -> Step:
    """Whether the track is kept."""
    if scene.told:
        mode = (scene.told.get("store") or {}).get("mode")
        step = in_words_of_daemon("store", scene.conditions("store."), "the database takes what is recorded")
        if step.state is State.OK and mode != "disk":
            means = "the track is lost with the process"
            return Step("store", State.WARN, f"the store is kept in {mode}", means, "see the disk's step")
        return step
    path = talk.store_path(scene.args)
    summary, _ = await aside.run(lambda: peek(path), name="store", limit_s=READ_S)
    if summary.trouble is not None and os.geteuid() != 0 and "Permission" in summary.trouble.text:
        return skipped("store", "this user may not read it", SUDO)
    if summary.trouble is not None:
        absent = summary.trouble.code == "store.absent"
        return Step("store", State.WARN if absent else State.FAIL, summary.trouble.text, "", summary.trouble.hint)
    return Step("store", State.OK, "the database can be read")


async def unit(scene: Scene) -> Step:
    """Whether systemd starts it, keeps it and watches it."""
    if not scene.machine.at("run/systemd/system").is_dir():
        return skipped("unit", "systemd does not run here: whatever started the daemon must start it again")
    shown = await properties()
    if not shown:
        return skipped("unit", "systemd does not answer", "systemctl status callout-agent")
    return _unit(shown)


async def properties() -> dict[str, str]:
    """What systemd says of the unit, of `PROPERTIES` alone; empty if it says nothing."""
    told = await output("systemctl", "show", UNIT, "--property", ",".join(PROPERTIES))
    pairs = (line.partition("=") for line in (told or "").splitlines())
    return {key: value for key, _, value in pairs if key in PROPERTIES}


def _unit(shown: dict[str, str]) -> Step:
    active, told = shown.get("ActiveState"), shown.get("NRestarts") or ""
    restarts = int(told) if told.isdigit() else 0
    state = f"{shown.get('UnitFileState') or 'unknown'}, {active} ({shown.get('SubState')})"
    seen = f"{state}, {restarts} restarts, result {shown.get('Result')}"
    unwatched = shown.get("WatchdogUSec") in {"0", "infinity", ""}
    troubles = (
        (shown.get("LoadState") != "loaded", State.FAIL, "systemd knows no such unit", NOBODY, "install the package"),
        (active != "active" and shown.get("ConditionResult") == "no", State.FAIL, "not configured yet", NOBODY, SETUP),
        (active != "active", State.FAIL, "it does not run", NOBODY, f"systemctl start callout-agent; {SEE_JOURNAL}"),
        (shown.get("UnitFileState") not in STARTED, State.FAIL, "it is not enabled", NOBODY, "systemctl enable callout-agent"),
        (unwatched, State.WARN, "no watchdog", "nobody restarts a daemon that stands still", "WatchdogSec=20 in the unit"),
        (shown.get("NeedDaemonReload") == "yes", State.WARN, "its file has changed", "the old one is in force", "systemctl daemon-reload"),
        (restarts >= MANY_RESTARTS, State.WARN, "it ended by itself often", "see why", SEE_JOURNAL),
    )
    for there, how_bad, what, means, do in troubles:
        if there:
            return Step("unit", how_bad, f"{what}: {seen}", means, do)
    return Step("unit", State.OK, seen)


async def crashes(scene: Scene) -> Step:
    """The last words of a process that did not end well, in this boot."""
    name = "last crash"
    if not scene.machine.at("run/systemd/system").is_dir():
        return skipped(name, "there is no journal of systemd")
    told = await output("journalctl", "--unit", UNIT, "--boot", "--priority", "err", "--lines", "200", "--output", "json", "--no-pager")
    if told is None:
        return skipped(name, "the journal cannot be read", SUDO)
    messages = [str(each.get("MESSAGE", "")) for each in map(_entry, told.splitlines()) if each]
    messages = [each for each in messages if CONDITION.match(each) is None]  # a critical condition is an error, and no crash
    if not messages:
        return Step(name, State.OK, "no crash in the journal of this boot")
    from agent import redaction  # noqa: PLC0415 - only when there is something to clean

    last = redaction.clean(messages[-1].strip().splitlines()[-1] if messages[-1].strip() else "")
    seen = f"{len(messages)} errors but for conditions in the journal of this boot, the last: {last[:200]}"
    return Step(name, State.WARN, seen, "", SEE_JOURNAL)


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


async def heartbeat(scene: Scene) -> Step:
    """Whether an operator would notice that this device goes quiet."""
    config = scene.config
    if config is None:
        return skipped("heartbeat")
    if config.heartbeat is None:
        return skipped("heartbeat", "none is configured: nobody notices when this device goes quiet", "[heartbeat] url")
    if not scene.told:
        return skipped("heartbeat", f"the daemon {scene.daemon}")
    return in_words_of_daemon("heartbeat", scene.conditions("heartbeat."), f"it is sent every {config.heartbeat.every_s:.0f} s")


async def self_test(scene: Scene) -> Step:
    """What the last daily test came to."""
    name, told = "self-test", scene.told.get("self_test")
    if not isinstance(told, dict):
        return skipped(name, "none since the daemon began, or the daemon does not say")
    failed = [str(each) for each in told.get("failed") or ()]
    if failed:
        return Step(name, State.WARN, f"at {told.get('time')}: {', '.join(failed)}", "", "see these steps and `callout-agent status`")
    return Step(name, State.OK, f"passed at {told.get('time')}")


async def armed(scene: Scene) -> Step:
    """The daemon's own verdict: whether a raise would work now."""
    if not scene.told:
        return skipped("armed", f"the daemon {scene.daemon}")
    step = in_words_of_daemon("armed", scene.conditions(""), "a raise would work now, and nothing is wrong")
    if scene.told.get("armed") is True:
        return Step("armed", State.OK if step.state is State.OK else State.WARN, f"armed; {step.seen}", "a raise would work now", step.do)
    return Step("armed", State.FAIL, f"NOT armed: {step.seen}", "a raise might not work now", step.do)


STORE = (store,)
SERVICE = (unit, daemon, crashes, heartbeat, self_test, armed)
