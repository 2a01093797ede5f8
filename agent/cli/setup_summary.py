"""What setup says at its end, fit to be photographed: version, device, armed or what is missing. No secret, no place.

Words only; asks nobody. What the daemon says of itself is its outward document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent import __version__
from agent.cli import setup_pins
from agent.cli.printed import pairs, plain
from agent.cli.setup_draft import Draft
from agent.cli.setup_saving import Saved
from agent.cli.setup_service import Daemon
from agent.settings import PRODUCTION_HOST

RULE = "-" * 78


class Conditions:
    """Tells what is wrong while it is waited for armed: each condition when it comes and when it goes, once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._silent = 0

    def tell(self, document: Mapping[str, Any]) -> None:
        """Take a status document; empty while nobody answers."""
        if not document:
            return
        now = {each["code"]: each for each in document["conditions"] if each["severity"] != "note"}
        for code in self._told.keys() - now.keys():
            print(f"  mended   {plain(self._told.pop(code))}", flush=True)
        for code, each in now.items():
            if code not in self._told:
                self._told[code] = str(each["text"])
                sign = "missing" if each["severity"] == "critical" else "mind"
                print(f"  {sign:<8} {plain(each['text'])}\n           -> {plain(each['hint'])}", flush=True)


def say_saved(saved: Saved) -> None:
    """Where the config is now, and where the old one is."""
    if not saved.written:
        print(f"{saved.path} said all this already: it stays as it is")
        return
    print(f"written: {saved.path}" + (f"; the one before: {saved.backup.name}" if saved.backup is not None else ""))
    if not saved.comments_kept:
        print("  its comments could not be kept: they are in the one before")


def receiver_words(keys: Mapping[str, Any]) -> str:
    """A receiver on one line."""
    if keys.get("kind") == "gpsd":
        return f"gpsd at {keys.get('host', '127.0.0.1')}:{keys.get('port', 2947)}"
    return f"{keys.get('path', '/dev/ttyAMA0')}" + (f" at {keys.get('baud', 9600)} baud" if keys.get("kind") == "serial" else "")


def button_words(keys: Mapping[str, Any]) -> str:
    """A button on one line."""
    return f"{line_words(keys.get('chip', '/dev/gpiochip0'), keys.get('line', 17))}: {gesture_words(keys)}"


def gesture_words(keys: Mapping[str, Any]) -> str:
    """What a finger does."""
    if keys.get("presses", 1) > 1:
        return f"press it {keys['presses']} times within {keys.get('within_s', 2.0):g} s"
    hold_s = keys.get("hold_s", 1.5)
    return f"hold it for {hold_s:g} s" if hold_s else "touch it"


def line_words(chip: str, line: int) -> str:
    """A line of a chip: with its pin on the chip of a header."""
    return setup_pins.spoken(line) if chip == "/dev/gpiochip0" else f"line {line} of {chip}"


def lamp_words(keys: Mapping[str, Any]) -> str:
    """Lamp and buzzer on one line."""
    chip = keys.get("chip", "/dev/gpiochip0")
    words = [line_words(chip, keys.get("lamp_line", 27))]
    words += [f"buzzer {line_words(chip, keys['buzzer_line'])}"] if keys.get("buzzer_line") is not None else []
    words += [f"armed lamp {line_words(chip, keys['armed_line'])}"] if keys.get("armed_line") is not None else []
    return ", ".join(words) + (", SILENT: no outward sign" if keys.get("profile") == "silent" else "")


def summary(draft: Draft, document: Mapping[str, Any], daemon: Daemon, drilled: str | None = None) -> str:
    """The last page. document: the daemon's, empty where none answers."""
    config = draft.config()
    api = config.panic_api
    where = "PRODUCTION: real responders" if api.host == PRODUCTION_HOST else f"{api.environment}: no real responder comes"
    lamp = "none" if config.indicator is None else lamp_words(draft.keys("indicator"))
    facts = [
        ("callout-agent", document.get("version", __version__)),
        ("customer", api.customer_id),
        ("dispatch", f"{api.host} ({where})"),
        ("help asked for", f"response type {api.response_type_id}"),
        ("receivers", "; ".join(receiver_words(each) for each in draft.tables("receiver")) or "none"),
        ("site", "yes, for a raise without a fix" if config.site is not None else None),
        ("button", "; ".join(button_words(each) for each in draft.tables("button")) or "none: callouts are raised by software only"),
        ("lamp", lamp),
        ("keypad", "none" if config.keypad is None else config.keypad.path),
        ("starts by itself", None if daemon.unit is None else "yes" if daemon.enabled else f"NO: systemctl enable {daemon.unit}"),
        ("drill", f"accepted by dispatch, callout {plain(drilled)}" if drilled is not None else None),
    ]
    return "\n".join([RULE, _verdict(document), "", pairs(facts), *_missing(document), RULE])


def _verdict(document: Mapping[str, Any]) -> str:
    if not document:
        return "NOT ARMED: the daemon does not run\n  -> sudo callout-agent doctor says what stops it"
    return "ARMED: a press would be sent now" if document["armed"] else "NOT ARMED: a press might reach nobody"


def _missing(document: Mapping[str, Any]) -> list[str]:
    conditions = [each for each in document.get("conditions", ()) if each["severity"] in ("critical", "degraded")]
    lines = [""] if conditions else []
    for each in conditions:
        lines += [f"{each['severity']}: {plain(each['text'])}", f"  -> {plain(each['hint'])}"]
    return lines
