"""The conversation back to the wearer: what the watch lane heard, to lamp, `status`, `callout events` and the owner's program.

Touches the store (what was heard, so that a restart tells nothing twice) and the program of `[hooks] on_event`. What it means decides
`conversation`. While calm there is outwardly no conversation (law 5): nothing is shown, what waits for the program is dropped and a
running one ended; a callout that was raised elsewhere has no program and no lamp. It must not delay a lane, and gives a program neither
secret nor code.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Protocol

from agent import conversation, wording
from agent.conversation import Conversation, Entry, Responder
from agent.health import Conditions, Origin
from agent.hearsay import NOTE, Hearsay
from agent.kept import EventKept, NoteKept, Write
from agent.model import CalloutId, Event, Help, Meaning, Outcome, Severity
from agent.ports import Clock, Store
from agent.signals import ELSEWHERE, Forgotten, Happening, Phase, State

FLOURISH_S: Final = 4.0  # how long the lamp says that dispatch wrote something
LIMIT_S: Final = 20.0  # of one run of the program: others wait behind it
MOST_WAITING: Final = 64
DEAF: Final = "dispatch.no_events"
STAGE: Final = "stage "  # how the key of a thing begins that tells how far help has come
STAGE_EVENTS: Final = {
    Responder.COMING: "dispatched",
    Responder.THERE: "arrived",
    Responder.DONE: "completed",
    Responder.STOOD_DOWN: "stood_down",
}


class Rooms(Protocol):
    """What it needs of the daemon."""

    @property
    def store(self) -> Store:
        """The memory."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def conditions(self) -> Conditions:
        """What is unhealthy."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    def outwardly_calm(self) -> bool:
        """Whether a cancel was handed over, or may have been: the store has not told yet."""

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start; None if it is not there, or the store has not answered yet."""


class Program(Protocol):
    """The owner's program. False where there is none."""

    @property
    def running(self) -> object | None:
        """Something while it runs."""

    def __bool__(self) -> bool:
        """Whether there is one."""

    def start(self, document: dict[str, Any], ended: Callable[[], None]) -> None:
        """Run it. ended: called when it has ended by itself."""

    def end(self) -> None:
        """End it, if it runs."""


class Conversing:
    """One per daemon. program: of `[hooks] on_event`. shown: called when the lamp may have something new to say."""

    def __init__(self, rooms: Rooms, program: Program, *, shown: Callable[[], None]) -> None:
        self._rooms, self._program, self._shown = rooms, program, shown
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._hearsay: Hearsay | None = None  # of the callout of now or of last, also while calm
        self._of: CalloutId | None = None  # whose conversation is shown; None while calm
        self._now = Conversation()
        self._message_at = float("-inf")
        self._read_since = True  # since the event stream last told of a responder: when they are expected is read elsewhere
        self._listed = (0, 0)  # entries and letters of the stream when it was last read, before anything of it was cut
        self._note: str | None = None  # as this process last wrote it
        self._moved = asyncio.Event()

    # --- what others see ------------------------------------------------------------------------------------------------------

    @property
    def callout_id(self) -> CalloutId | None:
        """The callout that is on, outwardly."""
        state = self._rooms.state
        hidden = self._rooms.outwardly_calm() or state.phase is Phase.STANDBY
        return None if hidden or state.callout_id != self._of else self._of

    @property
    def outward(self) -> Conversation:
        """The conversation as it may be shown: an empty one in standby and while calm."""
        return Conversation() if self.callout_id is None else self._now

    @property
    def events(self) -> tuple[Event, ...]:
        """Both directions, oldest first; none in standby and while calm. Texts are such as can be shown anywhere."""
        return self.outward.events

    async def more(self) -> None:
        """Ends when there are more events, or when the callout is outwardly over."""
        await self._moved.wait()

    def responder(self) -> Responder:
        """How far help has come, for what does not show: while calm by the status alone, which is read on."""
        state = self._rooms.state
        return conversation.stage_of(state.status) if self._of is None or self._of != state.callout_id else self._now.stage

    def message_new(self) -> bool:
        """Whether dispatch wrote something a moment ago."""
        return self._rooms.clock.at() - self._message_at < FLOURISH_S

    # --- what the watch lane brings --------------------------------------------------------------------------------------------

    def wanted(self) -> CalloutId | None:
        """Whose event stream is to be read; None for none."""
        return None if self._rooms.state.unknown else self.callout_id

    def size(self) -> tuple[int, int]:
        """How many entries the stream has, and how many letters they have: every look at it brings them all."""
        return self._listed

    def take_read(self, outcome: Outcome) -> bool:
        """A read of the callout. Whether what dispatch says of a responder has changed."""
        callout, of, self._read_since = outcome.callout, self.callout_id, True
        if outcome.meaning is not Meaning.ACCEPTED or callout is None or callout.closed or of is None or outcome.callout_id != of:
            self._tell()
            return False
        before = self._now
        self._take(conversation.read(before, callout.status, callout.help, self._rooms.clock.wall()))
        first = before.status is None and self._now.stage is before.stage  # there was nothing that could have changed
        return not first and _news_of(before) != _news_of(self._now)

    def take_events(self, outcome: Outcome) -> bool:
        """What a look at the event stream came to. Whether it told how far help has come, so that a read may tell more."""
        self._follow_scope(outcome)
        of, hearsay, before = self.callout_id, self._hearsay, self._now.claim
        if outcome.meaning is not Meaning.ACCEPTED or outcome.events is None or hearsay is None or of != outcome.callout_id:
            return False
        self._listed = len(outcome.events), sum(len(each.text) for each in outcome.events)
        now = conversation.heard(self._now, outcome.events, hearsay.ours, self._rooms.clock.wall())
        self._read_since = now.claim == before
        self._take(now)
        return not self._read_since

    def _follow_scope(self, outcome: Outcome) -> None:
        conditions = self._rooms.conditions
        if outcome.meaning is Meaning.ACCEPTED:
            conditions.drop(DEAF, origin=Origin.CALLOUT)
        elif outcome.meaning is Meaning.UNAUTHORISED:
            hint = "ask dispatch whether a callout token may read events; that a responder is on the way is read elsewhere"
            text = "the token may not read the event stream: what dispatch writes does not reach the wearer"
            conditions.put(DEAF, Severity.NOTE, text, hint, wall=self._rooms.clock.wall(), origin=Origin.CALLOUT)

    def _take(self, now: Conversation) -> None:
        before, self._now = self._now, now
        known = {each.key for each in before.entries}
        new = [each for each in now.entries if each.key not in known]
        hearsay = self._hearsay
        if hearsay is not None and self._is_own() and any(each.message and not hearsay.is_told(each.key) for each in new):
            self._message_at = self._rooms.clock.at()
        self._keep(new)
        self._tell()
        if new:
            self._move()
        self._shown()

    # --- what else happens ------------------------------------------------------------------------------------------------------

    def say(self, callout_id: CalloutId, texts: Iterable[str]) -> None:
        """These are on their way from us: on the stream they are no messages from dispatch."""
        if callout_id == self._rooms.state.callout_id and self._known(callout_id).say(texts):
            self._keep()

    def follow(self, before: State, after: State, event: Happening) -> None:
        """After each step."""
        if after.calm:
            self._fall_silent()
            return
        left = before.callout_id
        if left is not None and left in after.closed and left != after.callout_id and not isinstance(event, Forgotten):
            self._tell_close(before)
        if after.callout_id != self._of:
            self._of, self._message_at, self._listed = after.callout_id, float("-inf"), (0, 0)
            self._now = Conversation() if self._of is None else self._known(self._of).begin()
            self._move()
        gone = conversation.stage_of(after.status) is Responder.STOOD_DOWN and after.status != self._now.status
        if self._of is not None and gone:  # whoever is coming is told with the next read, which says when, too
            self._take(conversation.read(self._now, after.status, Help(), self._rooms.clock.wall()))
        else:
            self._tell()

    def _fall_silent(self) -> None:
        """A cancel was handed over."""
        self._waiting.clear()
        self._program.end()
        if self._of is not None:
            self._of, self._now, self._message_at = None, Conversation(), float("-inf")
            self._move()

    def _known(self, callout_id: CalloutId) -> Hearsay:
        """What was told of this callout, by this process or an earlier one."""
        if self._hearsay is None or self._hearsay.callout_id != callout_id:
            self._hearsay = Hearsay(callout_id, self._note or self._rooms.kept_note(NOTE))
        return self._hearsay

    def _is_own(self) -> bool:
        return self._rooms.state.origin != ELSEWHERE

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _keep(self, new: Iterable[Entry] = ()) -> None:
        """What is new, into the store, with what was told."""
        hearsay = self._hearsay
        if hearsay is None:
            return
        if self._of == hearsay.callout_id:
            hearsay.remember(self._now)
        theirs, now_wall = [each for each in new if not (each.ours or hearsay.is_told(each.key))], self._rooms.clock.wall()
        heard = [_kept(hearsay.callout_id, each, now_wall) for each in theirs[: hearsay.take_room(len(theirs))]]
        note = hearsay.note()
        if heard or note != self._note:  # a read mostly tells nothing new, and each step waits for the disk
            self._note = note
            writes: list[Write] = [*heard, NoteKept(NOTE, note)]
            self._rooms.store.step(*writes)

    # --- the owner's program ----------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Queue what the program has not been told."""
        hearsay, state = self._hearsay, self._rooms.state
        if hearsay is None or self.callout_id != hearsay.callout_id or not self._is_own():
            return
        for key, document in self._untold(hearsay, state):
            if len(self._waiting) < MOST_WAITING:  # else it is found untold again at the next look
                self._waiting.append((key, document))
        self._hand_over()

    def _untold(self, hearsay: Hearsay, state: State) -> list[tuple[str, dict[str, Any]]]:
        waiting = [key for key, _ in self._waiting]
        found: list[tuple[str, dict[str, Any]]] = []
        accepted = f"accepted {state.press_number}"
        if not state.owed and not state.unknown and accepted not in waiting and not hearsay.is_told(accepted):
            found.append((accepted, self._document("accepted", "Dispatch has the callout.")))
        stage = self._now.stage
        if stage is Responder.NONE and not waiting:
            hearsay.said = stage
        last = next((key.removeprefix(STAGE) for key in reversed(waiting) if key.startswith(STAGE)), hearsay.said.value)
        if stage.value != last and stage in STAGE_EVENTS and self._read_since:
            wall = self._now.claim.wall if self._now.claim.timed else None
            found.append((f"{STAGE}{stage.value}", self._document(STAGE_EVENTS[stage], self._words(stage), wall=wall)))
        for each in self._now.messages:
            if each.key not in waiting and not hearsay.is_told(each.key):
                event = each.event
                found.append((each.key, self._document("message", event.text, source=event.source, wall=event.wall)))
        return found

    def _tell_close(self, before: State) -> None:
        if before.origin != ELSEWHERE and self._of == before.callout_id and len(self._waiting) < MOST_WAITING:
            closed = self._document("closed", "Dispatch has closed the callout.")
            self._waiting.append(("closed", {**closed, "drill": before.drill}))
            self._hand_over()

    def _words(self, stage: Responder) -> str:
        if stage is Responder.COMING:
            return wording.responder_coming(self._now.eta_wall, self._now.eta_text)
        return {
            Responder.THERE: "A responder is at the scene.",
            Responder.DONE: "The responder has finished.",
        }.get(stage, "The responder was stood down.")

    def _document(self, what: str, text: str, *, source: str = "dispatch", wall: float | None = None) -> dict[str, Any]:
        """What the program reads. Times are UTC; null is what dispatch did not tell."""
        now = self._now
        return {
            "event": what,
            "callout_id": self._of,
            "drill": self._rooms.state.drill,
            "source": source,
            "time": None if wall is None else wording.utc(wall),
            "text": text,
            "stage": now.stage.value,
            "eta": None if now.eta_wall is None else wording.utc(now.eta_wall),
            "eta_text": now.eta_text,
            "responder": now.name,
        }

    def _hand_over(self) -> None:
        """The next thing to the program, in order; each is written down as told before it is."""
        handed = False
        while self._waiting and self._program.running is None and not self._rooms.state.calm:
            key, document = self._waiting.popleft()
            self._mark(key, document)
            handed = True
            if self._program:
                self._program.start(document, self._hand_over)
        if handed:
            self._keep()

    def _mark(self, key: str, document: dict[str, Any]) -> None:
        hearsay = self._hearsay
        if hearsay is None or hearsay.callout_id != document["callout_id"]:
            return
        if key.startswith(STAGE):
            hearsay.said = Responder(key.removeprefix(STAGE))
        else:
            hearsay.tell(key)


def _news_of(now: Conversation) -> tuple[object, ...]:
    """What a read tells of status and responder. Without when they are expected: told as a span, that changes with every read."""
    return now.status, replace(now.help, eta_wall=None, eta_text=None)


def _kept(callout_id: CalloutId, entry: Entry, now_wall: float) -> EventKept:
    """As the store keeps it: not later than now, by whose clock ever."""
    event = entry.event
    wall = now_wall if event.wall is None else min(event.wall, now_wall)
    return EventKept(callout_id, f"heard-{entry.key}", event.text, wall, event.source, told=True)
