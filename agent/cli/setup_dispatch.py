"""Step 6: where dispatch is, who this device is to it, its key; tried at once, and what is wrong said so that it can be mended.

A secret is typed without echo or read from a file, and kept in memory until the end. Must not show one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.cli import setup_flags, setup_saving, setup_trial
from agent.cli.printed import plain
from agent.cli.setup_draft import KEY_NAME, SECRET_NAME, Draft, Secret
from agent.cli.setup_flags import ADDRESSES
from agent.cli.setup_scene import Scene
from agent.cli.setup_terminal import BackError, SkipError
from agent.cli.setup_trial import Trial
from agent.config import ConfigError
from agent.rules import RefusedError
from agent.settings import Credentials as Settings
from agent.settings import PanicApi
from agent.tables import rule_of

_ENVIRONMENT = "production: real responders come. staging: for trials, nobody comes, and the device says so."
_CUSTOMER = "The customerId that AURA or your backend gave this one device. Two devices with one id disturb each other's callouts."
_URL = "Where this device gets its tokens: your own backend, like https://backend.example.com/token, which asks for the device's key."
_SOURCES = (
    ("token_url", "your backend gives out tokens, and asks for this device's key"),
    ("certificate", "the same, and this device shows a certificate instead of a key"),
    ("token_file", "another program on this device keeps a token fresh in a file"),
    ("client_id", "labs and staging only: the clientId and secret of your customer source"),
)


def choose(scene: Scene) -> None:
    """All of it, until it works or the person goes on without."""
    _ask_place(scene)
    _ask_customer(scene)
    _ask_credentials(scene)
    trial = _try(scene)
    while not trial.ok and _mend(scene, trial):
        trial = _try(scene)
    _ask_type(scene, trial)
    _ask_drill(scene)


def _mend(scene: Scene, trial: Trial) -> bool:
    """Another answer to what is most likely wrong. False: the person goes on without."""
    ways: tuple[tuple[str, str, Callable[[Scene], None]], ...] = (
        ("again", "try again", lambda _: None),
        ("place", "change the address of dispatch", _ask_place),
        ("customer", "change the customer id", _ask_customer),
        ("credentials", "change where tokens come from, or the key", _ask_credentials),
        ("authority", "name a private authority's file", _ask_authority),
    )
    options = [*(said for _, said, _ in ways), "go on, and mend it later: the device will not be armed"]
    likely = next(number for number, (name, _, _) in enumerate(ways) if name == trial.mend)
    chosen = scene.terminal.choose("What now", options, likely)
    if chosen == len(ways):
        return False
    ways[chosen][2](scene)
    return True


def _ask_place(scene: Scene) -> None:
    terminal, draft = scene.terminal, scene.draft
    environments = ("production", "staging")
    before = draft.value("panic_api", "environment") or "production"
    chosen = environments[
        terminal.choose("Which dispatch", ("production: real responders", "staging: for trials"), environments.index(before), _ENVIRONMENT)
    ]
    address = draft.value("panic_api", "base_url")
    if address is None or (chosen != before and address == ADDRESSES[before]):
        address = ADDRESSES[chosen]
    url = terminal.ask(
        "The address of the Panic API", _ruled(PanicApi, "base_url"), address, "As AURA told it; usually it is right as it stands."
    )
    draft.set("panic_api", environment=chosen, base_url=url)
    if not PanicApi(environment=chosen, base_url=url, customer_id=1, response_type_id=1).host_matches:
        terminal.say(f"Mind that this is not the host of {chosen}: the device will run, but not say that it is armed.")


def _ask_customer(scene: Scene) -> None:
    before = scene.draft.value("panic_api", "customer_id")
    number = scene.terminal.ask("Customer id of this device", _whole, None if before is None else str(before), _CUSTOMER)
    scene.draft.set("panic_api", customer_id=number)


def _ruled(form: type, key: str) -> Any:
    """Reads an answer by the config's own rule."""

    def read(answer: str) -> object:
        try:
            return rule_of(form, key).read(answer)
        except RefusedError as refused:
            raise ValueError(f"It {refused.rule}" + (f": {refused.hint}" if refused.hint else "")) from None

    return read


def _whole(answer: str) -> int:
    if not answer.isascii() or not answer.isdigit() or not 1 <= int(answer) <= 2**53:
        raise ValueError("Type a whole number, like 4711")
    return int(answer)


def _ask_credentials(scene: Scene) -> None:
    terminal, draft = scene.terminal, scene.draft
    kinds = [kind for kind, _ in _SOURCES]
    keys = draft.keys("credentials")
    before = next((kind for kind in ("certificate", "token_file", "client_id") if keys.get(_key_of(kind))), "token_url")
    kind = kinds[terminal.choose("Where do this device's tokens come from", [said for _, said in _SOURCES], kinds.index(before), _URL)]
    if kind == "token_file":
        path = terminal.ask("Its file", _ruled(Settings, "token_file"), draft.value("credentials", "token_file"), "An absolute path.")
        draft.set_credentials(token_file=path)
    elif kind == "client_id":
        client = terminal.ask("clientId", _ruled(Settings, "client_id"), draft.value("credentials", "client_id"))
        draft.set_credentials(client_id=client, client_secret_file=SECRET_NAME)
        _ask_secret(scene, SECRET_NAME, "client secret")
    else:
        url = terminal.ask(
            "The address that gives out tokens", _ruled(Settings, "token_url"), draft.value("credentials", "token_url"), _URL
        )
        _ask_proof(scene, kind, url)


def _key_of(kind: str) -> str:
    return "client_cert_file" if kind == "certificate" else kind


def _ask_proof(scene: Scene, kind: str, url: str) -> None:
    draft = scene.draft
    if kind == "token_url":
        draft.set_credentials(token_url=url, bearer_file=KEY_NAME)
        _ask_secret(scene, KEY_NAME, "device key")
        return
    draft.set_credentials(token_url=url, client_cert_file=setup_flags.CERT_NAME, client_key_file=setup_flags.CERT_KEY_NAME)
    for name, what in ((setup_flags.CERT_NAME, "The certificate's file (PEM)"), (setup_flags.CERT_KEY_NAME, "Its key's file (PEM)")):
        kept = kept_secret(draft, name)
        path = scene.terminal.ask(
            what, _file_or_kept(kept=kept), "the one that is here" if kept else None, "It is copied beside the config."
        )
        if path is not None:
            draft.secrets[name] = setup_flags.read_file(path)


def _file_or_kept(*, kept: bool) -> Any:
    def read(answer: str) -> str | None:
        if kept and answer == "the one that is here":
            return None
        if not Path(answer).is_file():
            raise ValueError(f"There is no file {answer}")
        return answer

    return read


def kept_secret(draft: Draft, name: str) -> bool:
    """Whether this secret is there already, typed or from before."""
    beside = draft.path.absolute().parent
    return name in draft.secrets or any((place / name).exists() for place in (beside, beside / setup_saving.CREDENTIALS))


def _ask_secret(scene: Scene, name: str, what: str) -> None:
    """Typed without echo, or the name of a file that holds it; Enter keeps the one that is there."""
    terminal, draft = scene.terminal, scene.draft
    kept = kept_secret(draft, name)
    while True:
        typed = terminal.secret(f"The {what}, not shown while you type (or @FILE{'; Enter keeps it' if kept else ''})")
        if not typed and kept:
            return
        if typed in ("b", "s"):  # no key is that short
            raise BackError if typed == "b" else SkipError
        try:
            draft.secrets[name] = _secret_of(typed, what)
        except (OSError, ValueError) as error:
            terminal.say(f"{error}.")
            continue
        return


def _secret_of(typed: str, what: str) -> Secret:
    if typed.startswith("@"):
        return setup_flags.read_secret(typed[1:])
    return setup_flags.secret(typed, f"what you typed as {what}")


def _try(scene: Scene) -> Trial:
    terminal = scene.terminal
    if scene.args.no_try:
        return Trial(ok=True, said="not tried")
    terminal.say("Trying it: network, token, dispatch ...")
    try:
        trial = setup_trial.tried(_tryable(scene.draft))
    except ConfigError as error:
        trial = Trial(ok=False, said=str(error.errors[0]), mend="place")
    terminal.say(f"{'It works' if trial.ok else 'It does not work yet'}: {plain(trial.said)}.")
    if trial.do:
        terminal.item("  ->", plain(trial.do))
    return trial


def _tryable(draft: Draft) -> Draft:
    """What dispatch needs and nothing else: an earlier step may have been skipped."""
    trial = Draft(draft.path, wanted={name: draft.keys(name) for name in ("panic_api", "credentials", "store")}, secrets=draft.secrets)
    trial.set("site", latitude=1.0, longitude=1.0)  # no position is sent: a config needs a place to be whole
    if not draft.value("panic_api", "response_type_id"):
        trial.set("panic_api", response_type_id=1)  # likewise: a look-up asks for none
    return trial


def _ask_authority(scene: Scene) -> None:
    before = scene.draft.value("panic_api", "ca_file") or setup_flags.NONE

    def read(answer: str) -> str | None:
        if answer == setup_flags.NONE:
            return None
        if not Path(answer).is_file():
            raise ValueError(f"There is no file {answer}")
        return str(Path(answer).absolute())

    more = "A company's own authority, as a PEM file. If you know of none, somebody may be in the way: do not go on in this network."
    path = scene.terminal.ask("A private authority's file, or none", read, before, more)
    if path is not None or "ca_file" in scene.draft.keys("panic_api"):
        scene.draft.set("panic_api", ca_file=path)


def _ask_type(scene: Scene, trial: Trial) -> None:
    """What a raise asks for: from dispatch's own list where it tells one."""
    terminal, draft = scene.terminal, scene.draft
    before = draft.value("panic_api", "response_type_id")
    kinds = [each for each in trial.types if isinstance(each.id, int)]
    if kinds:
        ids = [int(each.id or 0) for each in kinds]
        options = [
            f"{plain(each.value)}{f', {plain(each.description)}' if each.description else ''} (response type {each.id})" for each in kinds
        ]
        place = terminal.choose("What does a press call for", options, ids.index(before) if before in ids else 0)
        chosen = ids[place]
    else:
        more = "The responseTypeId, as AURA told it; dispatch gave no list here."
        chosen = terminal.ask("Response type that a press asks for", _whole, None if before is None else str(before), more)
    draft.set("panic_api", response_type_id=chosen)


def _ask_drill(scene: Scene) -> None:
    """What marks a drill: without it none is possible in production."""
    draft = scene.draft
    before = draft.value("drill", "classification_id")

    def read(answer: str) -> int | None:
        return None if answer == setup_flags.NONE else _whole(answer)

    more = "The calloutClassificationId by which dispatch tells a test from an emergency. Without one no drill is possible in production."
    number = scene.terminal.ask("Classification of a drill, or none", read, setup_flags.NONE if before is None else str(before), more)
    if number is not None or before is not None:
        draft.set("drill", classification_id=number)
