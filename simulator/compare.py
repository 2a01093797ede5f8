"""Two transcripts side by side: what each comes to in a canonical form, and how these differ, in words.

Pure: texts in, lines out. What two honest runs never share goes first (ids, times, coordinates, how often something routine was
asked); what a change of behaviour would show stays. docs/REHEARSAL.md says what this can tell and what it cannot.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator import compare_words as words
from simulator.transcript import VERSION

Entry = dict[str, Any]

TOKENS = {"oauth_token", "callout_token", "mint"}
LOCATES = {"locate", "locate_return"}
ROUTINE = TOKENS | LOCATES | {"device_event"}
FEW_AFTER_CLOSE = 3  # under way when the callout was closed: no sign of a device that goes on
OK, CLOSED = 200, 285
LONGEST_S = 1e12  # longer than any rehearsal, and a float tells it


# What each kind of entry must have to be told, and of which kinds; `body` and `answer` may be anything.
_TEXT, _NUMBER = str | None, int | None
_KEYS: dict[Any, dict[str, Any]] = {
    "transcript": {"version": object},
    "request": {
        "method": str,
        "path": str,
        "operation": _TEXT,
        "callout": _NUMBER,
        "body": object,
        "status": _NUMBER,
        "answer": object,
        "fault": _TEXT,
    },
    "act": {"method": str, "path": str, "body": object},
    "scenario": {"state": str},
}


class UnreadableError(ValueError):
    """A text that is no transcript. Says which line, and why."""


def read(text: str) -> list[Entry]:
    """The entries in the order of their beginning, but news of a close when they left. A last line that was cut off is left out.

    Raises UnreadableError.
    """
    lines = text.split("\n")
    whole = lines[:-1]  # what follows the last line break was not written to its end
    entries = [_entry(number, line) for number, line in enumerate(whole, 1) if line.strip()]
    if not entries:
        raise UnreadableError("no transcript: its first line says what it is, and there is none")
    if entries[0].get("version") != VERSION:
        raise UnreadableError(f"a transcript of version {entries[0].get('version')}; this reads version {VERSION}")
    return sorted(entries[1:], key=_moment)


def _moment(entry: Entry) -> float:
    """Seconds. A request that was under way at the close hears of it, though it began before."""
    took_s = entry.get("took_s") if entry.get("status") == CLOSED or _is_read_of_close(entry) else None
    late_s = float(took_s) if isinstance(took_s, (int, float)) and 0 < took_s <= LONGEST_S else 0.0
    return float(entry["at_s"]) + late_s


def _is_read_of_close(entry: Entry) -> bool:
    return entry.get("operation") == "read" and words.status_of(entry.get("answer")) == "closed"


def _entry(number: int, line: str) -> Entry:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreadableError(f"line {number}: not JSON") from None
    if not isinstance(entry, dict) or not _fits(entry, first=number == 1):
        raise UnreadableError(f"line {number}: not an entry of a transcript")
    return dict(entry)


def _fits(entry: Entry, *, first: bool) -> bool:
    kind, at_s = entry.get("kind"), entry.get("at_s")
    keys = _KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None or first is not (kind == "transcript"):
        return False
    timed = first or (isinstance(at_s, (int, float)) and abs(at_s) <= LONGEST_S)
    return timed and all(key in entry and isinstance(entry[key], form) for key, form in keys.items())


@dataclass(slots=True)
class Canon:
    """One transcript in canonical form. milestones: in order. operations: each with its distinct happenings, in order of the first."""

    milestones: list[str] = field(default_factory=list)
    operations: dict[str, list[str]] = field(default_factory=dict)
    _messages: int = 0  # where the messages in a row begin

    def happen(self, text: str, *, message: bool = False) -> None:
        """One more milestone; the same again at once says nothing new. Messages in a row have no order: their lanes race."""
        if not message:
            self._messages = len(self.milestones) + (self.milestones[-1:] != [text])
        row = self.milestones[self._messages :] if message else self.milestones[-1:]
        if text not in row:
            self.milestones.append(text)
            self.milestones[self._messages :] = sorted(self.milestones[self._messages :])

    def see(self, operation: str, text: str) -> None:
        """One more happening of an operation."""
        seen = self.operations.setdefault(operation, [])
        if text not in seen:
            seen.append(text)


def canonical(entries: Iterable[Entry]) -> Canon:
    """What of a transcript two runs of the same behaviour share."""
    teller = _Teller()
    for entry in entries:
        {"request": teller.request, "act": teller.act, "scenario": teller.scenario}[entry["kind"]](entry)
    teller.sum_up()
    return teller.canon


class _Teller:
    """Walks through one transcript."""

    def __init__(self) -> None:
        self.canon = Canon()
        self._ordinals: dict[Any, int] = {}
        self._met: set[str] = set()  # troubles since the last act: which of many requests met one first is chance
        self._closed: set[Any] = set()
        self._cancelled = False
        self._positions = {"before": 0, "behind": 0, "after": 0}

    def act(self, entry: Entry) -> None:
        """Of the dispatcher or of the scenario: who did it makes no difference to a device."""
        self._met.clear()
        self.canon.happen(f"dispatch: {words.act(entry['method'], entry['path'], entry.get('body'))}")

    def scenario(self, entry: Entry) -> None:
        """Its beginning and its end; its acts are told as acts."""
        if entry["state"] != "did":
            self.canon.happen(f"scenario {entry['state']}: {words.masked(str(entry.get('why') or entry.get('title')))}")

    def request(self, entry: Entry) -> None:
        """One request and what became of it."""
        name, status = entry["operation"] or words.masked(entry["path"]), entry["status"]
        self._count(name, entry)
        if entry["fault"] or status == 401:
            self._meet(entry["fault"] or "401")
        self._learn(entry)
        if name.startswith("raise") or not (entry["method"] == "GET" or name in ROUTINE):
            self._mark(name, entry)
        if self._by_chance(name, entry):
            return
        told = f"{words.shape(entry['body'])} " if entry["body"] is not None else ""
        self.canon.see(name, f"{told}-> {words.outcome(status, entry['fault'])}")

    def sum_up(self) -> None:
        """How the stream of positions stood to cancel and close."""
        for when, text in (("before", "before a cancel"), ("behind", "after a cancel")):
            self.canon.see("positions", f"{text}: {'some' if self._positions[when] else 'none'}")
        after = self._positions["after"]
        self.canon.see("positions", f"after the device knew of the close: {'few or none' if after <= FEW_AFTER_CLOSE else 'it went on'}")

    # --- parts ---

    def _mark(self, name: str, entry: Entry) -> None:
        status, callout = entry["status"], self._ordinal(entry["callout"])
        if entry["fault"] or status in (None, 401, CLOSED):
            return
        if name.startswith("raise"):
            self.canon.happen(f"raise: {f'callout {callout}' if callout else words.shape(entry['body'])} ({status})")
        elif name == "send_event":
            if gist := words.gist(words.said(entry["body"])):
                self.canon.happen(f'callout {callout} is told "{gist}" ({status})', message=True)
        elif name == "cancel":
            self._cancelled = True
            self.canon.happen(f"callout {callout}: cancel with {words.code(entry['body'])} ({status})")
        else:
            self.canon.happen(f"{name} {words.shape(entry['body'])} ({status})")

    def _count(self, name: str, entry: Entry) -> None:
        if name not in LOCATES or entry["callout"] is None:
            return
        if entry["callout"] in self._closed:
            self._positions["after"] += 1
        elif entry["status"] in (200, 201) and not entry["fault"]:
            self._positions["behind" if self._cancelled else "before"] += 1

    def _learn(self, entry: Entry) -> None:
        """Whether 285 or a read comes first is chance; that the device hears of the close is not."""
        callout = entry["callout"]
        closed = entry["status"] == CLOSED or _is_read_of_close(entry)
        if closed and not entry["fault"] and callout not in self._closed:
            self._closed.add(callout)
            self.canon.happen(f"callout {self._ordinal(callout)}: the device hears that it is closed")

    def _meet(self, trouble: str) -> None:
        if trouble not in self._met:
            self._met.add(trouble)
            self.canon.happen(f"met: {trouble}")

    @staticmethod
    def _by_chance(name: str, entry: Entry) -> bool:
        """Whether another run need not have this one: a good read, a trouble that something routine met, an unheard answer, a 285."""
        if entry["method"] == "GET" and entry["status"] == OK:
            return True
        if entry["status"] in (401, CLOSED) or (entry["status"] is None and not entry["fault"]):
            return True
        return bool(entry["fault"]) and not (name.startswith("raise") or name in LOCATES | {"cancel"})

    def _ordinal(self, callout: Any) -> int | None:
        if callout is None:
            return None
        return self._ordinals.setdefault(callout, len(self._ordinals) + 1)


def differences(left: Canon, right: Canon) -> list[str]:
    """Lines for a person: `-` is only in the first, `+` only in the second. Empty where they are the same."""
    lines = _section("What happened, in order", left.milestones, right.milestones)
    for name in sorted(left.operations.keys() | right.operations.keys()):
        lines += _section(
            f"Operation {name}" if name != "positions" else "Positions", left.operations.get(name, ()), right.operations.get(name, ())
        )
    return lines


def _section(title: str, left: Sequence[str], right: Sequence[str]) -> list[str]:
    if list(left) == list(right):
        return []
    changes = [line for line in difflib.unified_diff(list(left), list(right), lineterm="", n=2) if not line.startswith(("---", "+++"))]
    return [f"{title}:", *("  ..." if line.startswith("@@") else f"  {line[0]} {line[1:]}" for line in changes), ""]
