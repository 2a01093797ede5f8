"""What a scenario is: steps in order, each with a moment and an act, as frozen values; and how each is said to a person.

Pure: reads nothing (`scenario_reading`), plays nothing (`player`). A scenario says what dispatch, the network and the wearer do;
what the device makes of it is for the transcript to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WITHIN_S = 60.0  # a condition without a limit of its own
DEVICE_WITHIN_S = 300.0  # a person has to read what to do, and to do it


@dataclass(frozen=True, slots=True)
class Condition:
    """What the simulator must see before a step's act.

    kind: `raised`, `cancelled`, `told`, `closed` are so, or become so, for the newest callout; `positions` and `seen` are counted from
    the end of the step before. wanted: the text of `told` (`*` stands for anything, case does not count), the operation of `seen`,
    the verdict of `cancelled` ("" for any). times: how many.
    """

    kind: str
    wanted: str = ""
    times: int = 1

    @property
    def words(self) -> str:
        """For a person: "3 more positions"."""
        often = "" if self.times == 1 else f" {self.times} times"
        if self.kind == "positions":
            return f"{self.times} more position{'' if self.times == 1 else 's'}"
        if self.kind == "told":
            return f'the device told "{self.wanted}"{often}'
        if self.kind == "seen":
            return f"{self.wanted} was asked for{often}"
        code = f" ({self.wanted})" if self.wanted else ""
        return {"raised": "a callout is open", "closed": "the callout is closed"}.get(self.kind, f"a cancel came in{code}{often}")


@dataclass(frozen=True, slots=True)
class Effect:
    """How the simulator sees that the wearer did it: one of these operations was asked for; none: only time tells."""

    words: str
    operations: tuple[str, ...] | None = None
    anything: bool = False


RAISES = ("raise", "raise_legacy", "raise_site")
# What a wearer, or whoever plays one, does at the device.
DEVICE_ACTS: Mapping[str, Effect] = {
    "drive": Effect("switch the device on where it has a position, and drive", anything=True),
    "press": Effect("press the button", RAISES),
    "cancel": Effect("cancel at the device with {code}", ("cancel",)),
    "type": Effect("type {code} at the device"),
    "say": Effect('say "{text}" at the device', ("send_event",)),
    "restart": Effect("take the power from the device, and give it back"),
}
CODES = {"right": "the right safe code", "wrong": "a WRONG safe code"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. number: from 1. line: where it begins in its file.

    after_s: since the step before was done. when: waited for, at most within_s; neither: at once. act: None only waits. value: of the
    act, as plain data. more: its companions (`eta_s`, `code`, `text`, `for_s`). within_s limits a device act, too. note: own words.
    """

    number: int
    line: int
    after_s: float | None = None
    when: Condition | None = None
    within_s: float = WITHIN_S
    act: str | None = None
    value: Any = None
    more: Mapping[str, Any] | None = None
    note: str | None = None

    @property
    def companions(self) -> Mapping[str, Any]:
        """What goes with the act."""
        return self.more or {}

    @property
    def effect(self) -> Effect | None:
        """Of a device act."""
        return DEVICE_ACTS[self.value] if self.act == "device" else None

    @property
    def words(self) -> str:
        """The whole step for a person."""
        moment = f"after {self.after_s:g} s" if self.after_s else f"when {self.when.words}" if self.when else ""
        act = f"{self.doing} ({self.note})" if self.note and self.effect else self.note or self.doing
        return f"{moment}: {act}" if moment and act else moment or act

    @property
    def doing(self) -> str:
        """The act for a person, empty where the step only waits."""
        if self.act is None:
            return ""
        if self.effect:
            more = self.companions
            return self.effect.words.format(code=CODES.get(more.get("code", ""), "a code"), text=more.get("text", ""))
        if self.act == "responder":
            eta = self.companions.get("eta_s")
            return f"responder: {self.value.replace('_', ' ')}" + (f", expected in {eta:g} s" if eta is not None else "")
        return _WORDS[self.act](self.value)


def _fault(value: Mapping[str, Any]) -> str:
    names = value.get("on", "*")
    on = names if isinstance(names, str) else ", ".join(names)
    return f"fault {value['name']}: {value['action']} on {'everything' if on == '*' else on}"


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "say": lambda value: f'dispatch says "{value}"',
    "fault": _fault,
    "mend": lambda value: "every fault is over" if value == "*" else f"fault {value} is over",
    "expire": lambda _: "every token expires",
    "raise_elsewhere": lambda _: "a callout is raised elsewhere",
    "subscribed": lambda value: "the customer subscribes" if value else "the customer's subscription ends",
    "set": lambda value: "settings: " + ", ".join(f"{key} = {each!r}" for key, each in value.items()),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole one. settings: of the simulator, as plain data. text: the TOML that it was read from."""

    title: str
    description: str
    settings: Mapping[str, Any]
    steps: tuple[Step, ...]
    text: str
