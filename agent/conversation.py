"""What dispatch has said back, folded into one value: its messages, and how far help has come.

Pure: replies in, a `Conversation` out. Dispatch says how far help has come in three places that may disagree: the status text, the
details of the callout, the event stream. The newest of these facts counts, and a responder who was stood down is not coming. It must not
take what the customer's own side wrote for dispatch's word, and lets nothing through that could drive a terminal.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from agent import wording
from agent.model import Event, Help

Listed = TypeVar("Listed")

MOST_HEARD: Final = 500  # entries of dispatch that are kept, the newest
MOST_OURS: Final = 500  # of our own: a long trail must not push out what dispatch said
MOST_LISTED: Final = 2_000  # entries of one list that are looked at
MAX_SOURCE: Final = 40


class Responder(StrEnum):
    """How far help has come, as dispatch says it."""

    NONE = "none"  # or dispatch has not said so
    COMING = "coming"
    THERE = "there"
    DONE = "done"
    STOOD_DOWN = "stood_down"


RANK: Final = {Responder.NONE: 0, Responder.STOOD_DOWN: 0, Responder.COMING: 1, Responder.THERE: 2, Responder.DONE: 3}

# Status texts, sentences of the event stream and names of webhook events, in small letters, words apart.
WORDS: Final = {
    "responder dispatched": Responder.COMING,
    "responder manually dispatched": Responder.COMING,
    "responder acknowledged callout": Responder.COMING,
    "responder acknowledged callout with eta": Responder.COMING,
    "responder arrived": Responder.THERE,
    "responder on scene": Responder.THERE,
    "responder arrived on scene": Responder.THERE,
    "responder completed": Responder.DONE,
    "responder cancelled": Responder.STOOD_DOWN,
    "responder canceled": Responder.STOOD_DOWN,
    "responder stood down": Responder.STOOD_DOWN,
    "callout no longer requires response": Responder.STOOD_DOWN,
}
# What the service notes by itself and what says nothing of a responder: no message.
ROUTINE: Final = frozenset(
    {
        "new callout",
        "callout created",
        "callout owned",
        "callout events changed",
        "callout soft cancelled by customer",
        "callout closed",
    }
)
CUSTOMER: Final = frozenset({"customer", "device"})
DISPATCH: Final = frozenset({"system", "aura", "dispatch", "dispatcher", "controller", "control", "operator", "responder", "supplier"})
UNCLEAR: Final = "unknown"  # the source of an entry that names none
CHAT: Final = frozenset({"chat", "message", "note", "comment"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the event stream as it may be shown. key: the same for the same entry, whenever it is read.

    ours: from the customer's side. step: what it says of a responder, None for nothing. message: written for us to read.
    vouched: who wrote it is known to speak for dispatch.
    """

    key: str
    event: Event
    ours: bool = False
    step: Responder | None = None
    message: bool = False
    vouched: bool = True


class Witness(StrEnum):
    """Who says how far help has come."""

    NOBODY = "nobody"
    KEPT = "kept"  # an earlier process
    READ = "read"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Claim:
    """wall: UTC s since when; -inf for "before anybody looked". timed: dispatch told the time, not we."""

    stage: Responder = Responder.NONE
    wall: float = -math.inf
    by: Witness = Witness.NOBODY
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known of one callout. claim: the newest fact about the responder; by_read, by_stream: the last word of each witness."""

    entries: tuple[Entry, ...] = ()
    claim: Claim = Claim()
    status: str | None = None
    help: Help = field(default_factory=Help)
    by_read: Claim | None = None
    by_stream: Claim | None = None

    @property
    def stage(self) -> Responder:
        """How far help has come."""
        return self.claim.stage

    @property
    def events(self) -> tuple[Event, ...]:
        """Both directions, oldest first."""
        return tuple(each.event for each in self.entries)

    @property
    def messages(self) -> tuple[Entry, ...]:
        """What dispatch wrote, oldest first."""
        return tuple(each for each in self.entries if each.message)

    @property
    def eta_wall(self) -> float | None:
        """UTC s when a responder is expected who is on the way."""
        return self.help.eta_wall if self.stage is Responder.COMING else None

    @property
    def eta_text(self) -> str | None:
        """The same as told, where it is no time."""
        return None if self.stage is not Responder.COMING or not self.help.eta_text else wording.harmless(self.help.eta_text, MAX_SOURCE)

    @property
    def name(self) -> str | None:
        """Who comes or came."""
        known = RANK[self.stage] > 0 and self.help.responder
        return wording.harmless(self.help.responder or "", 60) if known else None


def resumed(stage: str, wall: float | None, status: str | None) -> Conversation:
    """What an earlier process knew of the callout. Words that nobody knows are none."""
    known = Responder(stage) if stage in set(Responder) else Responder.NONE
    claim = Claim(known, -math.inf if wall is None else wall, Witness.KEPT, timed=wall is not None)
    return Conversation(claim=claim, status=status, by_read=None if status is None else Claim(stage_of(status), by=Witness.READ))


def stage_of(status: str | None) -> Responder:
    """What dispatch's free-form status says of a responder."""
    return WORDS.get(_words(status), Responder.NONE)


def digest(text: str) -> str:
    """A text of ours by which it is known again, however dispatch spaces it."""
    return hashlib.blake2s(" ".join(text.split()).casefold().encode("utf-8", "replace"), digest_size=4).hexdigest()


# --- what a read says -----------------------------------------------------------------------------------------------------


def read(before: Conversation, status: str | None, told: Help, now_wall: float) -> Conversation:
    """The callout as dispatch shows it now (UTC s `now_wall`); status None: it did not say."""
    status = before.status if status is None else status
    claim = _by_read(status, told)
    known = before.by_read
    same = known is not None and known.stage is claim.stage and (not claim.timed or known.wall == claim.wall)
    after = replace(before, status=status, help=told)
    if same:
        return after
    if not claim.timed and (known is not None or claim.stage is Responder.STOOD_DOWN):
        # It changed under our eyes, or it is what holds now: newer than whatever was told before, by whose clock ever.
        claim = replace(claim, wall=max(now_wall, before.claim.wall))
    return replace(after, by_read=claim, claim=_newer(before.claim, claim))


def _by_read(status: str | None, told: Help) -> Claim:
    said = stage_of(status)
    if said is Responder.STOOD_DOWN:  # the details may still hold who was on the way
        return Claim(said, by=Witness.READ)
    steps = ((told.dispatched_wall, Responder.COMING), (told.arrived_wall, Responder.THERE), (told.completed_wall, Responder.DONE))
    timed = [(wall, RANK[stage], stage) for wall, stage in steps if wall is not None]
    wall, rank, stage = max(timed, default=(-math.inf, 0, Responder.NONE))
    if rank and rank >= RANK[said]:
        return Claim(stage, wall, Witness.READ, timed=True)
    return Claim(said, by=Witness.READ)


def _newer(held: Claim, told: Claim) -> Claim:
    """Of two witnesses the later fact; a witness takes back its own word whenever it says another."""
    if held.by is told.by or told.wall >= held.wall:
        return told
    goes_on = RANK[told.stage] > RANK[held.stage] > 0
    return told if goes_on and not held.timed else held  # our clock may be ahead of dispatch's: who is coming may have come


# --- what the event stream says -------------------------------------------------------------------------------------------


def heard(before: Conversation, listed: Iterable[Event], ours: frozenset[str], now_wall: float) -> Conversation:
    """The event stream as dispatch lists it, whole. ours: digests of what we said."""
    entries: dict[str, Entry] = {}
    for event in _in_order(tuple(listed), lambda each: each.wall)[-MOST_LISTED:]:
        entry = _entry(event, ours)
        entries.setdefault(entry.key, entry)
    gone = (each for each in before.entries if each.key not in entries)  # what was there once is not taken back
    kept = _bounded(_in_order((*gone, *entries.values()), lambda each: each.event.wall))
    after = replace(before, entries=kept)
    step = next((each for each in reversed(kept) if each.step is not None and _counts(each, before)), None)
    if step is None or step.step is None:
        return after
    known, wall = before.by_stream, step.event.wall
    claim = Claim(step.step, -math.inf if wall is None else wall, Witness.STREAM, timed=wall is not None)
    if known is not None and known.stage is claim.stage and (not claim.timed or known.wall == claim.wall):
        return after
    if not claim.timed and known is not None:
        claim = replace(claim, wall=max(now_wall, before.claim.wall))
    return replace(after, by_stream=claim, claim=_newer(before.claim, claim))


def _counts(entry: Entry, before: Conversation) -> bool:
    """Who wrote it may be anybody where nobody vouches: it may only lead on from a responder of whom dispatch itself has told."""
    told = before.by_read is not None and RANK[before.by_read.stage] > 0
    return entry.vouched or told or entry.step is Responder.STOOD_DOWN


def _in_order(listed: tuple[Listed, ...], wall_of: Callable[[Listed], float | None]) -> tuple[Listed, ...]:
    """By time; what has none stays behind what was listed before it."""
    walls, last_wall = [], -math.inf
    for each in listed:
        wall = wall_of(each)
        last_wall = last_wall if wall is None else wall
        walls.append(last_wall)
    return tuple(listed[place] for place in sorted(range(len(listed)), key=walls.__getitem__))


def _bounded(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    left = {True: MOST_OURS, False: MOST_HEARD}
    kept = []
    for entry in reversed(entries):
        if left[entry.ours] > 0:
            left[entry.ours] -= 1
            kept.append(entry)
    return tuple(reversed(kept))


def _entry(event: Event, ours: frozenset[str]) -> Entry:
    source, unclear = _words(event.source), event.source.strip().casefold() in ("", UNCLEAR)
    mine = source in CUSTOMER or (unclear and digest(event.text) in ours)
    kind = _words(event.kind)
    step = named = WORDS.get(kind)
    chat = bool(set(kind.split()) & CHAT)
    if step is None and not chat:
        step = WORDS.get(_words(event.text))
    shown = replace(
        event,
        source=wording.harmless(event.source, MAX_SOURCE) or UNCLEAR,
        text=wording.harmless(event.text, wording.MAX_EVENT_CHARS),
    )
    who = set(source.split())
    vouched = named is not None or (unclear and bool(kind)) or bool(who & DISPATCH)
    noted = (step is not None and (vouched or unclear)) or kind in ROUTINE or (not chat and _words(event.text) in ROUTINE)
    return Entry(_key(event), shown, mine, None if mine or who & CUSTOMER else step, message=not mine and not noted, vouched=vouched)


def _key(event: Event) -> str:
    if event.id is not None:
        return hashlib.blake2s(f"{type(event.id).__name__} {event.id}".encode("utf-8", "replace"), digest_size=5).hexdigest()
    return hashlib.blake2s(f"{event.wall} {event.source} {event.text}".encode("utf-8", "replace"), digest_size=5).hexdigest()


def _words(text: str | None) -> str:
    """In small letters, words apart: `RESPONDER_ARRIVED_ON_SCENE` and `Responder arrived on scene.` are the same."""
    if text is None or len(text) > 100:
        return ""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split())
