"""Step 7: the config is written, the daemon started, armed waited for, a drill offered; and the last page.

Only here anything is changed. The drill goes by the daemon's own rules, which may refuse it. Outwardly only: after a safe code this
shows what standby shows (law 5).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

from agent.cli import setup_saving, setup_summary
from agent.cli.printed import plain
from agent.cli.setup_scene import LackError, RefusedError, Scene
from agent.cli.setup_terminal import BackError, SkipError, Terminal
from agent.config import ConfigError

DONE, NOT_ARMED, NO_DRILL = 0, 3, 4
DRILL_OPEN_S = 60.0
_ASK_S = 60.0  # dispatch is asked for active callouts first
_SETTLED_S = 60.0
_LOOK_S = 0.5
_CLOSED_S = 600.0
_DRILL = (
    "A drill is a whole emergency that is marked as a test: the button, dispatch's answer, and its end. "
    "Tell the control room before, if it is staffed by people."
)
_NOT_ACCEPTED = (
    "Dispatch has not accepted it within a minute. It goes on being tried: callout-agent status says what is in the way. "
    "Tell the control room that a drill is under way."
)
_NOT_FELT = (
    "No press was felt, and no drill is made any more. Look at the button and its wires (callout-agent setup, step 3); "
    "then sudo callout-agent drill --open 60 opens the window again."
)
_OPEN_STILL = "For up to a minute the next gesture at the button is a drill still. In an emergency do it twice: the second one is real."
_GOES_ON = "The drill goes on until dispatch closes it: callout-agent status shows it."
_CODE = "Enter: wait for it. Or the customer's safe code ends it (not shown)"
_LET_CLOSE = (
    "Let the control room close it. A safe code would end it, too; but after a code, right or wrong, this device makes no further drill "
    "until a real press was made."
)
_NO_CODES = ("b", "s", "?")  # what they are at every other question; to hand them over would tell dispatch of duress


def end(scene: Scene) -> None:
    """Raises RefusedError where nothing can be written, LackError while answers are missing."""
    terminal = scene.terminal
    problems = scene.draft.problems()
    if problems:
        terminal.say("This is missing or wrong still:")
        for problem in problems:
            terminal.item("  -", str(problem))
        terminal.pause("Press Enter to go back to it")
        raise LackError(_table_of(problems[0].key))
    if not terminal.yes("Write the config", default=True, more=f"To {scene.path}. Until now nothing was changed."):
        raise RefusedError("nothing was changed")
    _write(scene)
    if scene.args.no_start:
        terminal.say("The daemon is as it was: systemctl restart callout-agent lets it live by this config.")
    else:
        _prove(scene)


def _table_of(key: str) -> str:
    """Whose step can mend it. A window that nobody sees wants a lamp, and the window itself is not asked about."""
    return "indicator" if key.endswith(".abort_window_s") else re.split(r"[.\[]", key)[0]


def _write(scene: Scene) -> None:
    busy = None if scene.daemon.paused else scene.daemon.busy()
    if busy is not None:
        raise RefusedError(f"{busy}: nothing was changed", "run setup again when it is over")
    try:
        saved = setup_saving.save(scene.draft)
    except (ConfigError, OSError) as error:
        raise RefusedError(f"it could not be written: {error}", "the config is as it was") from None
    scene.written = True
    setup_summary.say_saved(saved)


def _prove(scene: Scene) -> None:
    terminal, daemon = scene.terminal, scene.daemon
    if daemon.unit is None:
        terminal.say("No systemd unit belongs to this config: start the daemon yourself with callout-agent run.")
        print(setup_summary.summary(scene.draft, daemon.status(), daemon), flush=True)
        return
    terminal.say("Starting the daemon ...")
    scene.hands_off = True
    failed = daemon.start()
    if failed is not None:
        terminal.say(f"It did not start: {failed}. journalctl -u callout-agent says why.")
    terminal.say(f"Waiting for armed, at most {scene.args.wait:.0f} s; what is in the way:")
    document = daemon.watch(scene.args.wait, setup_summary.Conditions().tell)
    drilled = None
    scene.code = DONE if document.get("armed") else NOT_ARMED
    if document.get("armed"):
        terminal.say("ARMED.")
        with contextlib.suppress(SkipError, BackError):  # there is a last page in any case
            drilled = _offer_drill(scene)
    print("\n" + setup_summary.summary(scene.draft, daemon.status() or document, daemon, drilled), flush=True)


def _offer_drill(scene: Scene) -> str | None:
    """The id of the callout that dispatch accepted; None: no drill, which has been told."""
    terminal = scene.terminal
    if not _may_drill(scene):
        terminal.say(
            "No drill: on production it needs a classification that marks it as a test, and none is configured. "
            "Ask AURA for one, then run setup again, or callout-agent raise --drill."
        )
        return None
    terminal.forget_typed()  # an Enter of impatience would open the window in which a press is a drill
    if not terminal.yes("Make a drill now", default=True, more=_DRILL):
        return None
    terminal.say(_DRILL)
    accepted = _by_button(scene) if scene.draft.tables("button") else _by_software(scene)
    if accepted is None:
        scene.code = NO_DRILL
        return None
    terminal.say(f"Dispatch has it: callout {plain(accepted)}. The drill has worked.")
    _close(scene)
    return accepted


def _may_drill(scene: Scene) -> bool:
    config = scene.draft.config()
    api = config.panic_api
    return config.drill.classification_id is not None or api.is_loopback or (api.environment == "staging" and api.host_matches)


def _by_button(scene: Scene) -> str | None:
    """A gesture at the button itself, from the finger to dispatch."""
    terminal, button = scene.terminal, scene.draft.tables("button")[0]
    with _left(terminal, _OPEN_STILL):
        reply = scene.daemon.ask({"do": "drill", "open_s": DRILL_OPEN_S}, timeout_s=_ASK_S)
        if not reply.get("ok"):
            _refused(scene, reply)
            return None
        gesture = setup_summary.gesture_words(button)
        terminal.say(f"Now {gesture}, ONCE, within {DRILL_OPEN_S:.0f} s. (A second time would be a real emergency.)")
        document = _until(scene, DRILL_OPEN_S + 5, lambda told: told["callout"]["state"] != "standby")
    if document is None:
        terminal.say(_NOT_FELT)
        return None
    with _left(terminal, _GOES_ON):
        document = _until(scene, _SETTLED_S, lambda told: told["callout"]["id"] is not None)
    if document is None:
        terminal.say(_NOT_ACCEPTED)
        return None
    return str(document["callout"]["id"])


def _by_software(scene: Scene) -> str | None:
    reply = scene.daemon.ask({"do": "raise", "drill": True, "note": "drill of setup"}, timeout_s=_ASK_S)
    if not reply.get("ok"):
        _refused(scene, reply)
        return None
    settled = scene.daemon.ask({"do": "settled", "press": reply["press"], "wait_s": _SETTLED_S}, timeout_s=_SETTLED_S + 5)
    if not settled.get("accepted"):
        scene.terminal.say(_NOT_ACCEPTED)
        return None
    return str(settled["id"])


def _refused(scene: Scene, reply: dict[str, Any]) -> None:
    scene.terminal.say(f"No drill: {plain(reply.get('error'))}. {plain(reply.get('hint'))}")


def _close(scene: Scene) -> None:
    """Dispatch ends a callout, a drill too: by itself, or when a safe code is handed over."""
    terminal = scene.terminal
    terminal.say(_LET_CLOSE)
    with _left(terminal, _GOES_ON):
        code = terminal.secret(_CODE)
        while code in _NO_CODES:
            terminal.say("That is no safe code, and was not handed over. Type the code, or Enter to leave it to the control room.")
            code = terminal.secret(_CODE)
    if code:
        reply = scene.daemon.ask({"do": "cancel", "code": code})
        terminal.say(str(reply.get("text") or f"Not handed over: {plain(reply.get('error'))}."))
        return
    terminal.say("Waiting for the control room to close it. (Ctrl-C: leave; the drill goes on until it is closed.)")
    if _until(scene, _CLOSED_S, lambda told: told["callout"]["state"] == "standby") is None:
        terminal.say("It is still open: ask the control room to close it.")


@contextlib.contextmanager
def _left(terminal: Terminal, words: str) -> Iterator[None]:
    """Whoever leaves here is told what goes on."""
    try:
        yield
    except KeyboardInterrupt:
        terminal.say(f"\n{words}")
        raise


def _until(scene: Scene, within_s: float, wanted: Any) -> dict[str, Any] | None:
    """The status document that is so; None if it did not become so in time."""
    finish = time.monotonic() + within_s
    while time.monotonic() < finish:
        document = scene.daemon.status()
        if document and wanted(document):
            return document
        time.sleep(_LOOK_S)
    return None
