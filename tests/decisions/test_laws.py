"""The laws of the callout, against a plain model: a dispatch that loses, delays, refuses and closes, and a device that crashes.

The lifecycle is driven as the lanes drive it: whatever `raise_wanted`, `covers`, `stream_to` and `next_cancel` ask for is sent,
requests are handled and answered in any order, and of the device only what `records.writes` said survives a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent import records, resume
from agent.conversation import Conversation
from agent.conversing import Conversing
from agent.essence import Essence
from agent.health import Conditions, Facts, Stream, document
from agent.kept import StoreSummary, Write
from agent.lifecycle import covers, may_drill, next_cancel, raise_wanted, step, stream_to
from agent.model import Asked, Callout, Event, Fix, Help, Meaning, Outcome, Press, SafeCode, Sign
from agent.raising import ELSEWHERE
from agent.signals import (
    AdoptPolicy,
    CancelAsked,
    CancelReplied,
    CancelSent,
    Command,
    EventReplied,
    Happening,
    LocationReplied,
    LookedUp,
    Phase,
    Pressed,
    Probe,
    RaiseReplied,
    ReadReplied,
    State,
)
from agent.signs import sign_of

URL, OURS, FOREIGN = "https://dispatch.test", 4711, 9
EPOCH = 1.8e9
HERE = (-33.9249, 18.4241)
MAX_RAISES = 4
REFUSALS = {401: Meaning.UNAUTHORISED, 400: Meaning.REJECTED, 403: Meaning.REJECTED, 404: Meaning.REJECTED, 500: Meaning.RETRY}


# --- dispatch ---------------------------------------------------------------------------------------------------------------


@dataclass
class Incident:
    """A callout as dispatch has it. opened, closed: s; closed None while it is open."""

    id: int
    opened: float
    drill: bool
    closed: float | None = None
    status: str = "created"
    help: Help = field(default_factory=Help)
    entries: list[Event] = field(default_factory=list)


@dataclass
class Request:
    """One request on its way. outcome: dispatch's answer, once it was handled. ghost: its sender no longer listens."""

    asked: Asked
    sent: float
    callout_id: int | None = None
    code: str | None = None
    number: int = 0
    covered: int = 0
    drill: bool = False
    outcome: Outcome | None = None
    ghost: bool = False


@dataclass
class ModelDispatch:
    """One open callout per customer at most: a raise returns it, or opens one."""

    incidents: dict[int, Incident] = field(default_factory=dict)
    cancel_closes: bool = False

    @property
    def open(self) -> Incident | None:
        return next((each for each in self.incidents.values() if each.closed is None), None)

    def raise_one(self, now: float, *, drill: bool) -> Incident:
        if self.open is None:
            number = 500 + len(self.incidents)
            self.incidents[number] = Incident(number, now, drill)
        assert self.open is not None
        return self.open

    def close(self, callout_id: int, now: float) -> None:
        if self.incidents[callout_id].closed is None:
            self.incidents[callout_id].closed = now

    def handle(self, request: Request, now: float) -> Outcome:
        """As documented; a refusal is put on top by whoever plays the network."""

        def outcome(meaning: Meaning, http: int, **more: object) -> Outcome:
            return Outcome(request.asked, meaning, str(meaning), callout_id=request.callout_id, http_status=http, **more)

        if request.asked is Asked.RAISE:
            found = self.raise_one(now, drill=request.drill)
            return outcome(Meaning.ACCEPTED, 200, callout=self._shown(found, now))
        if request.asked is Asked.LOOK_UP:
            foreign = Callout(FOREIGN, "created", 1, *HERE)
            active = () if self.open is None else (self._shown(self.open, now),)
            return outcome(Meaning.ACCEPTED, 200, callouts=(foreign, *active))
        incident = self.incidents[request.callout_id or 0]
        if request.asked is Asked.EVENTS:
            return outcome(Meaning.ACCEPTED, 200, events=tuple(incident.entries))
        if request.asked is Asked.READ:
            return outcome(Meaning.ACCEPTED, 200, callout=self._shown(incident, now))
        if incident.closed is not None:
            return outcome(Meaning.CLOSED, 285)
        if request.asked is Asked.CANCEL and self.cancel_closes:
            self.close(incident.id, now)
        return outcome(Meaning.ACCEPTED, 200)

    @staticmethod
    def _shown(incident: Incident, now: float) -> Callout:
        status = incident.status if incident.closed is None else " Closed"
        return Callout(incident.id, status, OURS, *HERE, existed=True if now - incident.opened > 120 else None, help=incident.help)


# --- the device -------------------------------------------------------------------------------------------------------------


@dataclass
class ModelClock:
    """The one time of the model."""

    now: float = 100.0
    stepped: float = 0.0

    def at(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.stepped + self.now

    def trusted(self) -> bool:
        return True


class Program:
    """The owner's program: it takes its time, and notes what it was told."""

    def __init__(self) -> None:
        self.running: dict[str, Any] | None = None
        self.told: list[dict[str, Any]] = []
        self._ended: Callable[[], None] = lambda: None

    def __bool__(self) -> bool:
        return True

    def start(self, document: dict[str, Any], ended: Callable[[], None]) -> None:
        assert self.running is None, "one at a time"
        self.running, self._ended = document, ended
        self.told.append(document)

    def end(self) -> None:
        self.running = None

    def finish(self) -> None:
        """It ends by itself."""
        self.running = None
        self._ended()


class Disk:
    """A store that keeps at once."""

    def __init__(self, disk: list[Write]) -> None:
        self._disk = disk

    def step(self, *writes: Write) -> None:
        self._disk += writes


def outward(state: State, conversation: Conversation | None = None) -> dict[str, object]:
    """What a bystander reads: the status document, whatever the lanes of the callout have noticed."""
    fix = Fix(90.0, EPOCH + 90.0, "gpsd", *HERE, accuracy_m=5.0)
    stream = Stream(sent=state.press_number + 3, failed=2, last_sent_fix_wall=EPOCH, last_accepted_at=95.0)
    store = StoreSummary(fixes=70, untold=0 if state.phase is Phase.STANDBY else 4, bytes=2**20, mode="disk")
    if state.phase is Phase.STANDBY and not state.calm:
        stream = Stream()
    conversation = conversation or Conversation()
    return document(Facts(100.0, EPOCH + 100.0, state, (), fix=fix, store=store, stream=stream, conversation=conversation))


class Emergency(RuleBasedStateMachine):
    """One device, one dispatch, one bad network."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ModelClock()
        self.dispatch = ModelDispatch()
        self.state = State()
        self.disk: list[Write] = []
        self.uncommitted: list[Write] = []
        self.spool: list[Press] = []
        self.requests: list[Request] = []
        self.probes: set[int] = set()
        self.made: list[Press] = []  # real presses, by `at`
        self.settled: dict[float, int] = {}
        self.calm = False
        self.typed: dict[str, int | None] = {}  # each code and the callout it was typed for, once that is known
        self.dropped: set[str] = set()  # codes that a later press took back before they were sent
        self.unconditional_asked = False
        self.last_cancel = 0
        self.conditions, self.program, self.notes = Conditions(), Program(), {}
        self.store = Disk(self.disk)
        self.conversation = Conversing(self, self.program, shown=lambda: None)
        self.written = self.told_before_calm = 0

    # the rooms of the conversation

    def outwardly_calm(self) -> bool:
        return self.state.calm

    def kept_note(self, name: str) -> str | None:
        return self.notes.get(name)

    @initialize()
    def begin(self):
        self.restart()

    # the inbox

    def happen(self, event: Happening, *, dies: bool = False) -> None:
        before = self.state
        after, commands = step(before, event)
        writes = records.writes(before, after, base_url=URL, customer_id=OURS, wall=self.clock.wall())
        self.uncommitted += writes
        if not isinstance(event, Pressed):
            self.commit()
        self._judge(before, after, event, commands, writes)
        if dies:
            self.restart()
        else:
            self.state = after
            self.conversation.follow(before, after, event)
            self.probes |= {command.callout_id for command in commands if isinstance(command, Probe)}
            self._bind()

    def commit(self) -> None:
        self.disk += self.uncommitted
        self.uncommitted = []
        self.spool = []

    def _judge(self, before: State, after: State, event: Happening, commands: tuple[Command, ...], writes: tuple[Write, ...]) -> None:
        spoken = repr((before, after, event, commands, writes, self.disk))
        assert not any(code in spoken for code in self.typed), "law 5: a code is nowhere but in the queue"
        self._judge_leaving(before, after, event)
        for press in before.owed:
            if press not in after.owed:
                self._judge_settled(press, after)
        for press in after.owed:
            assert press.at not in self.settled, "law 1: one callout per emergency: a press that was settled is never raised again"

    def _judge_settled(self, press: Press, after: State) -> None:
        if press.drill:
            return
        assert after.callout_id is not None, "law 1: a press does not vanish"
        incident = self.dispatch.incidents[after.callout_id]
        assert incident.closed is None or incident.closed > press.at, "law 1: the callout was open after the press"
        assert not incident.drill, "law 1: a drill is no help"
        self.settled[press.at] = after.callout_id

    def _judge_leaving(self, before: State, after: State, event: Happening) -> None:
        left = before.callout_id
        if left is None or left == after.callout_id:
            return
        assert isinstance(event, LocationReplied | ReadReplied | CancelReplied | EventReplied | RaiseReplied), "law 2"
        incident = self.dispatch.incidents[left]
        assert incident.closed is not None or incident.drill, "law 2: only what dispatch closed is left"

    def _bind(self) -> None:
        if self.state.callout_id not in (None, self.state.overtaken):
            self.typed = {code: self.state.callout_id if to is None else to for code, to in self.typed.items()}

    def restart(self) -> None:
        """Of the process nothing is left; of the device what was written down, and the presses on tmpfs."""
        essence = Essence()
        for write in self.disk:
            essence.fold(write)
        kept = essence.remembered()
        calm = dict(kept.notes).get("calm") == "true"
        event, foreign = resume.restarted(kept, calm=calm, base_url=URL, customer_id=OURS, clock=self.clock)
        assert foreign is None
        for request in self.requests:
            request.ghost = True
        self.state, self.uncommitted, self.probes = State(), [], set()
        self.notes, told = dict(kept.notes), self.program.told
        self.program = Program()
        self.program.told = told
        self.conversation = Conversing(self, self.program, shown=lambda: None)
        self.last_cancel = {}  # numbers begin anew
        self.dropped |= set(self.typed)  # they lived in memory only
        spooled, self.spool = self.spool, []
        self.happen(event)
        for press in spooled:
            self.spool.append(press)
            self.happen(Pressed(Press(self.state.press_number + 1, press.at, press.wall, press.origin, drill=press.drill)))

    # people

    @rule()
    def press(self):
        self.clock.now += 1
        made = Press(self.state.press_number + 1, self.clock.at(), self.clock.wall(), "button:panic")
        self.made.append(made)
        self._pressed(made)
        assert raise_wanted(self.state), "law 1: a raise never waits"

    @precondition(lambda self: may_drill(self.state) and not self.state.calm and self.dispatch.open is None)
    @rule()
    def drill(self):
        self.clock.now += 1
        self._pressed(Press(self.state.press_number + 1, self.clock.at(), self.clock.wall(), "cli", drill=True))

    def _pressed(self, press: Press) -> None:
        self.spool.append(press)
        self.dropped |= set(self.typed)
        self.calm = False
        self.happen(Pressed(press))

    @rule()
    def ask_to_cancel(self):
        self._ask(f"code{len(self.typed):04}")

    @rule()
    def ask_to_cancel_unconditionally(self):
        self._ask(None)

    def _ask(self, code: str | None) -> None:
        if self.state.phase is not Phase.STANDBY:
            self.calm = True
            self.unconditional_asked |= code is None
            if code is not None:
                self.typed[code] = self.state.callout_id
        self.happen(CancelAsked(None if code is None else SafeCode(code)))

    @rule()
    def someone_raises_by_phone(self):
        self.dispatch.raise_one(self.clock.now, drill=False)

    @rule()
    def dispatch_closes(self):
        self.clock.now += 1
        if self.dispatch.open is not None:
            self.dispatch.close(self.dispatch.open.id, self.clock.now)
            self._lose_older_drills()

    @rule()
    def dispatch_sends_a_responder(self):
        if self.dispatch.open is not None:
            self.dispatch.open.status = "Responder Dispatched"

    @rule()
    def responder_arrives(self):
        if self.dispatch.open is not None:
            self.dispatch.open.help = Help(arrived_wall=self.clock.wall())

    @rule()
    def responder_is_stood_down(self):
        if self.dispatch.open is not None:
            self.dispatch.open.status, self.dispatch.open.help = "Responder Cancelled", Help()

    @rule()
    def dispatch_writes(self):
        if self.dispatch.open is not None:
            self.written += 1
            self.dispatch.open.entries.append(Event(self.written, "controller", f"message {self.written}", self.clock.wall()))

    @precondition(lambda self: self.program.running is not None)
    @rule()
    def program_ends(self):
        self.program.finish()

    @precondition(lambda self: self.conversation.wanted() is not None)
    @rule()
    def listen(self):
        self._send(Asked.EVENTS, self.conversation.wanted())

    @rule(closes=st.booleans())
    def dispatch_changes_its_mind_about_cancels(self, closes: bool):  # noqa: FBT001 - drawn by name
        self.dispatch.cancel_closes = closes

    # the device's power and disk

    @rule()
    def crash(self):
        self.restart()

    @precondition(lambda self: not self.uncommitted)
    @rule()
    def power_is_cut(self):
        """Tmpfs is gone, the disk is not; the monotonic clock of the next boot is not modelled."""
        self.spool = []
        self.restart()

    @rule(seconds=st.sampled_from([-3_600.0, 30 * 86_400.0, 56 * 365 * 86_400.0, -10 * 365 * 86_400.0]))
    def wall_clock_steps(self, seconds: float):
        self.clock.stepped += seconds

    @rule()
    def disk_catches_up(self):
        self.commit()

    @rule(seconds=st.sampled_from([5.0, 70.0, 700.0]))
    def time_passes(self, seconds: float):
        self.clock.now += seconds

    # the lanes

    def _send(self, asked: Asked, callout_id: int | None = None, **more: object) -> Request:
        self.clock.now += 0.5
        request = Request(asked, self.clock.now, callout_id, **more)
        self.requests.append(request)
        return request

    def _alive(self, asked: Asked) -> list[Request]:
        return [request for request in self.requests if request.asked is asked and not request.ghost]

    @precondition(lambda self: raise_wanted(self.state) and len(self._alive(Asked.RAISE)) < MAX_RAISES)
    @rule()
    def send_raise(self):
        self._send(Asked.RAISE, covered=covers(self.state), drill=self.state.drill)

    @precondition(lambda self: not self._alive(Asked.LOOK_UP))
    @rule()
    def send_look_up(self):
        self._send(Asked.LOOK_UP, covered=covers(self.state))

    @precondition(lambda self: stream_to(self.state) is not None)
    @rule(asked=st.sampled_from([Asked.LOCATION, Asked.READ, Asked.EVENT]))
    def send_about_the_callout(self, asked: Asked):
        self._send(asked, stream_to(self.state))

    @precondition(lambda self: self.probes)
    @rule()
    def send_probe(self):
        self._send(Asked.LOCATION, self.probes.pop())

    @precondition(lambda self: next_cancel(self.state) is not None and not self._alive(Asked.CANCEL))
    @rule()
    def send_cancel(self):
        cancel = next_cancel(self.state)
        self.happen(CancelSent(cancel.number))
        assert next_cancel(self.state) == cancel
        code = None if cancel.code is None else cancel.code.typed()
        assert cancel.number >= self.last_cancel.get(cancel.bound, 0), "law 5: in the order typed"
        self.last_cancel[cancel.bound] = cancel.number
        if code is None:
            assert self.unconditional_asked or cancel.bound == self.state.overtaken, "nobody asked for the unconditional form"
        else:
            assert code not in self.dropped, "law 5: a press takes back what was not sent; a code does not survive the process"
            assert self.typed[code] == cancel.bound, "law 5: a code reaches only the callout it was typed for"
        self._send(Asked.CANCEL, cancel.bound, code=code, number=cancel.number)

    # the network

    @precondition(lambda self: any(request.outcome is None for request in self.requests))
    @rule(which=st.integers(0, 5), refusal=st.sampled_from([None, None, None, None, 400, 401, 403, 404, 500]))
    def dispatch_handles(self, which: int, refusal: int | None):
        waiting = [request for request in self.requests if request.outcome is None]
        self._handle(waiting[which % len(waiting)], refusal)

    def _handle(self, request: Request, refusal: int | None = None) -> None:
        self.clock.now += 0.25
        if request.asked is Asked.RAISE and not request.drill:
            self._lose_older_drills()
        if refusal is None:
            was_open = self.dispatch.open
            request.outcome = self.dispatch.handle(request, self.clock.now)
            if was_open is not None and was_open.closed is not None:
                self._lose_older_drills()
        else:
            request.outcome = Outcome(request.asked, REFUSALS[refusal], "refused", callout_id=request.callout_id, http_status=refusal)

    def _lose_older_drills(self) -> None:
        """The one thing this network does not do: carry a drill's raise so slowly that it opens a callout after another one closed.

        No device could tell that callout from the answer to its real raise.
        """
        for each in [each for each in self.requests if each.asked is Asked.RAISE and each.drill and each.outcome is None]:
            each.outcome = Outcome(Asked.RAISE, Meaning.RETRY, "reset")

    @precondition(lambda self: any(request.outcome is not None and not request.ghost for request in self.requests))
    @rule(which=st.integers(0, 5), dies=st.sampled_from([False, False, False, True]))
    def answer_arrives(self, which: int, dies: bool):  # noqa: FBT001 - drawn by name
        answered = [request for request in self.requests if request.outcome is not None and not request.ghost]
        self._arrive(answered[which % len(answered)], dies=dies)

    @precondition(lambda self: any(not request.ghost for request in self.requests))
    @rule(which=st.integers(0, 5))
    def deadline_elapses(self, which: int):
        """The request may still be on its way, and be handled long after."""
        heard = [request for request in self.requests if not request.ghost]
        request = heard[which % len(heard)]
        request.ghost = True
        self._tell_of(request, Outcome(request.asked, Meaning.RETRY, "timeout", callout_id=request.callout_id))

    @precondition(lambda self: self.requests)
    @rule(handled=st.booleans())
    def link_is_lost_and_comes_back(self, handled: bool):  # noqa: FBT001 - drawn by name
        """Whatever was on its way is lost, with dispatch having handled it or not; every lane tries again at once."""
        for request in list(self.requests):
            if handled and request.outcome is None:
                self._handle(request)
            if not request.ghost:
                request.ghost = True
                self._tell_of(request, Outcome(request.asked, Meaning.RETRY, "reset", callout_id=request.callout_id))
        self.requests.clear()

    def _arrive(self, request: Request, *, dies: bool = False) -> None:
        self.requests.remove(request)
        if not request.ghost and request.outcome is not None:
            self._tell_of(request, request.outcome, dies=dies)

    def _tell_of(self, request: Request, outcome: Outcome, *, dies: bool = False) -> None:
        self.clock.now += 0.25
        at, wall = self.clock.at(), self.clock.wall()
        match request.asked:
            case Asked.RAISE:
                event: Happening = RaiseReplied(outcome, request.covered, request.drill, at, wall, request.sent)
            case Asked.LOOK_UP:
                here = Fix(at, wall, "gpsd", *HERE, accuracy_m=5.0)
                event = LookedUp(outcome, request.covered, at, wall, AdoptPolicy("near", OURS), here)
            case Asked.LOCATION:
                event = LocationReplied(outcome, at, wall)
            case Asked.EVENTS:
                self.conversation.take_events(outcome)
                return
            case Asked.READ:
                self.conversation.take_read(outcome)
                event = ReadReplied(outcome, at)
            case Asked.CANCEL:
                event = CancelReplied(outcome, request.number)
            case _:
                event = EventReplied(outcome)
        self.happen(event, dies=dies)

    # what holds at any moment

    @invariant()
    def calm_lasts_from_a_cancel_to_the_next_press(self):
        assert self.state.calm == self.calm

    @invariant()
    def calm_shows_standby_whatever_goes_on_inside(self):
        if self.state.calm:
            talk = self.conversation
            assert outward(self.state, talk.outward) == outward(self.state, talk._now) == outward(State()), "law 5"
            assert self._sign(failing=bool(self.state.owed)) is Sign.NOTHING, "law 5"
            assert (talk.events, talk.callout_id, talk.wanted()) == ((), None, None), "law 5"
            assert self.program.running is None, "law 5: what ran is ended"
            assert len(self.program.told) == self.told_before_calm, "law 5: nothing more is told"
        else:
            self.told_before_calm = len(self.program.told)

    def _sign(self, *, failing: bool = False) -> Sign:
        talk = self.conversation
        return sign_of(self.state, touched=False, window=False, failing=failing, responder=talk.responder(), message=talk.message_new())

    @invariant()
    def program_is_told_nothing_twice_and_nothing_of_a_callout_raised_elsewhere(self):
        messages = [(each["callout_id"], each["text"]) for each in self.program.told if each["event"] == "message"]
        assert len(messages) == len(set(messages)), "also across crashes"
        if self.state.origin == ELSEWHERE and self.program.running is not None:
            assert self.program.running["callout_id"] != self.state.callout_id

    @invariant()
    def lamp_claims_nothing_that_is_not_true(self):
        sign = self._sign()
        if sign in (Sign.ACCEPTED, Sign.RESPONDING, Sign.ARRIVED, Sign.MESSAGE):
            assert not self.state.owed
            assert self.state.callout_id in self.dispatch.incidents, "dispatch has it, or had it until it says otherwise"
        if self.state.owed and not self.state.calm:
            assert sign is Sign.CONTACTING

    @invariant()
    def every_press_is_owed_or_settled(self):
        owed = {press.at for press in self.state.owed}
        assert all(press.at in owed or press.at in self.settled for press in self.made)
        assert raise_wanted(self.state) == bool(self.state.owed)

    @invariant()
    def what_is_known_as_closed_is_closed(self):
        assert all(self.dispatch.incidents[each].closed is not None for each in self.state.closed)

    @invariant()
    def only_a_callout_of_our_customer_is_streamed_to(self):
        assert stream_to(self.state) != FOREIGN

    @invariant()
    def phase_says_what_is_on(self):
        state = self.state
        assert (state.phase is Phase.STANDBY) == (state.callout_id is None and not state.owed)
        assert (state.phase is Phase.CANCELLING) == (state.callout_id is not None and state.calm)

    # and in the end

    def teardown(self):
        """The network heals, the schedule is fair, nobody presses or closes any more."""
        for _ in range(3):
            self._fair_round()
        for incident in self.dispatch.incidents.values():
            if incident.drill or incident.id == self.state.overtaken:  # it was cancelled, or may have been refused: in the end it closes
                self.dispatch.close(incident.id, self.clock.now)
        for _ in range(6):
            self._fair_round()
        assert not self.state.owed, "law 1: every press ended in a callout"
        still_open = self.dispatch.open
        assert stream_to(self.state) == (None if still_open is None else still_open.id), "what is open is streamed to"
        assert self.state.calm == self.calm

    def _fair_round(self) -> None:
        self._answer_all()
        for _ in range(20):
            if next_cancel(self.state) is None or self._alive(Asked.CANCEL):
                break
            self.send_cancel()
            self._answer_all()
        if raise_wanted(self.state):
            self.send_raise()
        self._answer_all()
        while self.probes:
            self.send_probe()
        if stream_to(self.state) is not None:
            self.send_about_the_callout(Asked.LOCATION)
            self.send_about_the_callout(Asked.READ)
        self._answer_all()
        self.send_look_up()
        self._answer_all()

    def _answer_all(self) -> None:
        while self.requests:
            request = self.requests[0]
            if request.outcome is None:
                self._handle(request)
            self._arrive(request)


class OvertakenDrill(Emergency):
    """The same, begun by a drill whose raise is on its way when the real press comes."""

    @initialize()
    def begin(self):
        self.restart()
        self.drill()
        self.send_raise()
        self.press()


class SpokenTo(Emergency):
    """The same, with a callout that dispatch has, and a dispatch that speaks and is heard."""

    @initialize()
    def begin(self):
        self.restart()
        self.press()
        self.send_raise()
        self._answer_all()

    @rule()
    def dispatch_writes_and_is_heard(self):
        self.dispatch_writes()
        self._hear()

    @rule(arrives=st.booleans())
    def responder_moves_and_is_heard_of(self, arrives: bool):  # noqa: FBT001 - drawn by name
        if arrives:
            self.responder_arrives()
        else:
            self.dispatch_sends_a_responder()
        self._hear()

    @rule(code=st.booleans())
    def dispatch_speaks_into_a_cancel(self, code: bool):  # noqa: FBT001 - drawn by name
        self.dispatch_writes()
        if self.conversation.wanted() is not None:
            self.listen()
        self._ask(f"code{len(self.typed):04}" if code else None)
        self._answer_all()

    @rule()
    def crash_and_listen(self):
        self.restart()
        self._hear()

    def _hear(self) -> None:
        if stream_to(self.state) is not None:
            self.send_about_the_callout(Asked.READ)
        if self.conversation.wanted() is not None:
            self.listen()
        self._answer_all()


BOUNDED = settings(max_examples=300, stateful_step_count=40, deadline=None, derandomize=True)
Emergency.TestCase.settings = OvertakenDrill.TestCase.settings = BOUNDED
SpokenTo.TestCase.settings = settings(BOUNDED, max_examples=100)
TestEmergency = Emergency.TestCase
TestOvertakenDrill = OvertakenDrill.TestCase
TestSpokenTo = SpokenTo.TestCase
