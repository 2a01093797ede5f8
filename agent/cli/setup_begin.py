"""Step 1: what is here already. Refuses while a callout is on; takes the old config's answers; asks whether the daemon may be stopped.

Outwardly only (law 5): what a cancel hides is standby here, too.
"""

from __future__ import annotations

from agent.cli import setup_draft, setup_flags
from agent.cli.setup_scene import RefusedError, Scene
from agent.config import ConfigError, Problem

_STOP = """\
While the daemon runs, it has receiver, button and lamp in its hands. To try them here it must be stopped. Until it is started again,
at the end or when you leave setup in whatever way, or after 15 minutes without an answer, the button of this device calls nobody."""


def begin(scene: Scene) -> None:
    """Raises RefusedError while a callout is on."""
    busy = scene.daemon.busy()
    if busy is not None:
        raise RefusedError(f"{busy}: nothing is changed now", "run setup again when it is over; callout-agent status")
    scene.draft = _draft(scene)
    setup_flags.apply(scene.args, scene.draft)
    _settle_daemon(scene)


def _draft(scene: Scene) -> setup_draft.Draft:
    terminal, path = scene.terminal, scene.path
    if scene.args.fresh or not path.exists():
        terminal.say("You begin with an empty config." if scene.args.fresh else f"There is no {path} yet: it will be made.")
        return setup_draft.begun(path, fresh=True)
    try:
        draft = setup_draft.begun(path)
    except ConfigError as error:
        return _afresh(scene, error.errors)
    others = [problem for problem in draft.problems() if not _asked_about(problem)]
    if others:
        return _afresh(scene, tuple(others))
    terminal.say(f"There is {path}. Its answers are those in [brackets]; what setup does not ask about stays as it is.")
    return draft


def _afresh(scene: Scene, problems: tuple[Problem, ...]) -> setup_draft.Draft:
    """The old file is of no use, in keys that nobody will ask about."""
    scene.terminal.say(f"{scene.path} is broken:")
    for problem in problems:
        scene.terminal.item("  -", str(problem))
    if not scene.terminal.yes("Begin with an empty one? The broken one is kept under another name", default=True):
        raise RefusedError("the config is as it was", f"mend {scene.path} by hand, then run setup again")
    return setup_draft.begun(scene.path, fresh=True)


def _asked_about(problem: Problem) -> bool:
    """Whether a later step will ask for this key anyway."""
    table, _, key = problem.key.partition(".")
    asked = {
        "panic_api": ("environment", "base_url", "customer_id", "response_type_id"),
        "credentials": setup_draft.CREDENTIALS,
    }
    return table == "receiver" or key in asked.get(table, ())


def _settle_daemon(scene: Scene) -> None:
    if scene.daemon.paused or not scene.daemon.runs():
        scene.hands_off = False
        return
    scene.hands_off = True
    if scene.daemon.unit is None:
        scene.terminal.say(
            "A daemon runs that systemd did not start: receiver, button and lamp cannot be tried while it does. "
            "Stop it and run setup again to try them."
        )
        return
    if not scene.args.stop_daemon:
        scene.terminal.say(_STOP.replace("\n", " "))
        if not scene.terminal.yes("Stop it for now", default=False):
            scene.terminal.say("It goes on. Receiver, button and lamp are not tried.")
            return
    failed = scene.daemon.stop()
    if failed is not None:
        scene.terminal.say(f"It was not stopped: {failed}. Receiver, button and lamp are not tried.")
        return
    scene.terminal.say("The daemon is stopped.")
    scene.hands_off = False
