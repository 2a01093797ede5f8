"""One value of a scenario at a time: what a step, its moment, its act and a setting may be, and the words for what they may not.

Pure. Every reader here raises `Problem`, which names the key and the rule; `scenario_reading` collects them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from simulator import faults, settings
from simulator.fault_keys import Action
from simulator.operations import BACKEND, OPERATIONS, require_known
from simulator.scenario import CODES, DEVICE_ACTS, Condition
from simulator.settings import Settings
from simulator.state import Act

LONGEST_S = 86_400.0

# Act to the keys that may stand beside it.
ACTS: Mapping[str, tuple[str, ...]] = {
    "responder": ("eta_s",),
    "say": (),
    "fault": (),
    "mend": (),
    "expire": (),
    "raise_elsewhere": (),
    "subscribed": (),
    "set": (),
    "device": ("code", "text", "for_s"),
}
MOMENTS = ("after_s", "when", "within_s", "note")
STEP_KEYS = (*MOMENTS, *ACTS, *dict.fromkeys(key for keys in ACTS.values() for key in keys))
CONDITIONS = ("raised", "cancelled", "closed", "positions", "told", "seen")
NAMES = tuple(each.name for each in (*OPERATIONS, *BACKEND))


class Problem(Exception):  # noqa: N818 - it says what is wrong with one key
    """One key that does not fit."""

    def __init__(self, key: str, rule: str) -> None:
        super().__init__(rule)
        self.key = key
        self.rule = rule


def act_of(table: Mapping[str, Any]) -> str | None:
    """Which key of a step is its act, None where it only waits."""
    acts = [key for key in table if key in ACTS]
    if len(acts) > 1:
        raise Problem(acts[1], f"a step has one act, and this one has {acts[0]} already")
    if not acts and not {"after_s", "when"} & set(table):
        raise Problem("step", f"neither a moment (after_s, when) nor an act ({', '.join(ACTS)})")
    return acts[0] if acts else None


def beside(act: str | None) -> tuple[str, ...]:
    """The keys that may stand beside an act."""
    return ACTS.get(act or "", ())


def strangers(table: Mapping[str, Any], act: str | None) -> None:
    """Keys of a step that do not go together."""
    companions = {key for keys in ACTS.values() for key in keys}
    for key in table:
        if key in companions - set(beside(act)):
            raise Problem(key, f"goes with {' or '.join(name for name, keys in ACTS.items() if key in keys)}, not with {act or 'no act'}")
    if "after_s" in table and "when" in table:
        raise Problem("when", "a step waits for a time or for a condition, not for both")
    if "within_s" in table and "when" not in table and act != "device":
        raise Problem("within_s", "a limit for `when` or for a device act, and there is neither")


def fitting(act: str | None, value: Any, table: Mapping[str, Any]) -> None:
    """What an act needs and does not take beside it."""
    if "eta_s" in table and value != Act.DISPATCH:
        raise Problem("eta_s", f"only of responder = {str(Act.DISPATCH)!r}")
    if act != "device" or value is None:
        return
    takes = {"cancel": "code", "type": "code", "say": "text"}.get(value)
    for key in ("code", "text"):
        if (key in table) is not (key == takes):
            raise Problem(key, f"device = {value!r} " + (f"needs {key}" if key == takes else f"has no {key}"))
    if "for_s" in table and (DEVICE_ACTS[value].operations or DEVICE_ACTS[value].anything):
        raise Problem("for_s", f"device = {value!r} is done when the simulator sees it")


def condition(value: Any) -> Condition:
    """What `when` says."""
    table = {value: True} if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise Problem("when", f"one of {', '.join(CONDITIONS)}, as a text or a table")
    kinds = [key for key in table if key != "times"]
    if len(kinds) != 1 or kinds[0] not in CONDITIONS:
        found = kinds[0] if kinds else ""
        raise Problem("when", f"{value!r}: one of {', '.join(CONDITIONS)}{nearest(str(found), CONDITIONS)}")
    return _of_kind(kinds[0], table[kinds[0]], table)


def _of_kind(kind: str, wanted: Any, table: Mapping[str, Any]) -> Condition:
    if kind == "positions":
        return Condition(kind, times=_whole("when", wanted, "positions"))
    times = _whole("when", table.get("times", 1), "times")
    if kind == "seen":
        return Condition(kind, choice("when", wanted, NAMES), times)
    if kind == "told":
        if not isinstance(wanted, str) or not wanted.strip():
            raise Problem("when", f"told = {wanted!r}: a text; * stands for anything")
        return Condition(kind, wanted, times)
    if kind == "cancelled":
        return Condition(kind, "" if wanted is True else choice("when", wanted, ("right", "wrong", "unconditional")), times)
    if wanted is not True or times != 1:
        raise Problem("when", f"{kind} has neither a value nor times: it is so or is not")
    return Condition(kind)


def companion(key: str, table: Mapping[str, Any]) -> Any:
    """The value of a key that stands beside an act."""
    if key == "code":
        return choice(key, table[key], tuple(CODES))
    return text(table, key, 500) if key == "text" else seconds(table, key)


def text(table: Mapping[str, Any], key: str, most: int) -> str:
    """A text that is not blank, without the space around it."""
    value = table.get(key)
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= most:
        raise Problem(key, f"{_shown(value) if key in table else 'missing'}: a text of 1 to {most} characters")
    return value.strip()


def seconds(table: Mapping[str, Any], key: str) -> float | None:
    """A span in s, None where it is absent."""
    if key not in table:
        return None
    value = table[key]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= LONGEST_S:
        raise Problem(key, f"{_shown(value)}: seconds from 0 to {LONGEST_S:g}")
    return float(value)


def _whole(key: str, value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        raise Problem(key, f"{name} = {_shown(value)}: a whole number from 1 to 100000")
    return value


def choice(key: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of several texts."""
    if value not in choices:
        raise Problem(key, f"{_shown(value)}: one of {', '.join(choices)}{nearest(str(value), choices)}")
    return str(value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Problem(key, f"{_shown(value)}: true or false")
    return value


def _elsewhere(value: Any) -> Any:
    if value is True:
        return {}
    number = isinstance(value, dict) and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in value.values())
    if not isinstance(value, dict) or not number or not set(value) <= {"latitude", "longitude", "accuracy", "responseTypeId"}:
        raise Problem("raise_elsewhere", f"{_shown(value)}: true, or a table of latitude, longitude, accuracy, responseTypeId")
    return value


def _set(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        raise Problem("set", f"{_shown(value)}: a table of settings")
    try:
        settings.change(Settings(), value)
        require_known(value)
    except ValueError as error:
        raise Problem("set", str(error)) from None
    return value


VALUES: Mapping[str, Callable[[Any], Any]] = {
    "responder": lambda value: choice("responder", value, tuple(map(str, Act))),
    "say": lambda value: text({"say": value}, "say", 1_000),
    "expire": lambda value: choice("expire", value, ("tokens",)),
    "raise_elsewhere": _elsewhere,
    "subscribed": lambda value: _flag("subscribed", value),
    "set": _set,
    "device": lambda value: choice("device", value, tuple(DEVICE_ACTS)),
}


def fault_problems(table: Mapping[str, Any]) -> list[str]:
    """Every problem of a fault: `read_rule` names one at a time, so the key it named is left out and it is asked again."""
    rest, problems = dict(table), []
    while True:
        try:
            faults.read_rule(rest, NAMES)
        except ValueError as error:
            problems.append(str(error))
            key = str(error).partition(":")[0]
            if key == "action" or key not in rest or table.get("action") not in list(Action):
                return problems
            del rest[key]
        else:
            return problems


# --- settings ---


def setting(key: str, value: Any) -> None:
    """One line of the settings: is there such a one, and does the value fit."""
    known = list(Settings.__dataclass_fields__)
    if key not in known:
        raise Problem(key, f"not a setting of the simulator{nearest(key, known)}")
    try:
        with_settings(Settings(), {key: value})
        require_known({key: value})
    except ValueError as error:
        raise Problem(key, str(error).removeprefix(f"{key}: ")) from None


def with_settings(base: Settings, wanted: Mapping[str, Any]) -> Settings:
    """The settings with these changes, those too that are fixed while it runs. Raises ValueError that names the key."""
    free = settings.tell(base).keys()
    fixed = {key: value for key, value in wanted.items() if key not in free}
    changed = settings.change(base, {key: value for key, value in wanted.items() if key in free})
    values = {key: _like(getattr(base, key), key, value) for key, value in fixed.items()}
    return Settings(**{**{name: getattr(changed, name) for name in Settings.__dataclass_fields__}, **values})


def _like(default: Any, key: str, value: Any) -> Any:
    """The value in the form of its default: a text, a number, a flag, rows of plain values. Raises ValueError that names the key."""
    if isinstance(default, tuple) and isinstance(value, list) and value and default:
        row = not isinstance(default[0], tuple)
        if not row or len(value) == len(default):
            return tuple(_like(default[place if row else 0], key, each) for place, each in enumerate(value))
    kind: type | tuple[type, ...] = (int, float) if isinstance(default, float) else int if default is None else type(default)
    if not isinstance(value, kind) or isinstance(value, bool) is not isinstance(default, bool) or not _is_sane(value, kind):
        raise ValueError(f"{key}: {_shown(value)} does not fit; the default is {_shown(default)}")
    return value


def _is_sane(value: Any, kind: object) -> bool:
    """Whether a number can be an id, or a measure that JSON can tell; a text is not blank."""
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return True
    return 0 < value < 2**53 if kind is int else abs(value) <= LONGEST_S


def nearest(key: str, known: Iterable[str]) -> str:
    """A hint at the known key that looks most like this one, empty where none does."""
    found = get_close_matches(key, list(known), 1, 0.6)
    return f"; did you mean {found[0]}?" if found else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
