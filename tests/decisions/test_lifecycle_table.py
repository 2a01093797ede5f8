"""The callout lifecycle, row by row and note by note of its table: what each event does in each phase, and what it must not do."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import records, wording
from agent.kept import CalloutKept, CalloutRecord, NoteKept, PressesSettled, PressMade
from agent.lifecycle import IGNORED, TABLE, covers, may_drill, next_cancel, raise_wanted, step, stream_to
from agent.model import Asked, Callout, Fix, Meaning, Outcome, Press, SafeCode
from agent.signals import (
    CLOSED_REMEMBERED,
    AdoptPolicy,
    Cancel,
    CancelAsked,
    CancelReplied,
    CancelSent,
    Command,
    DrillFailed,
    EventReplied,
    Forgotten,
    Happening,
    LocateNow,
    LocationReplied,
    LookedUp,
    LookUpNow,
    Missing,
    OfferPosition,
    Phase,
    Pressed,
    Probe,
    RaiseReplied,
    ReadNow,
    ReadReplied,
    Restarted,
    State,
    Tell,
)
from agent.streaming import MOST_CODES

OURS = 4711
X, Y = 500, 501  # two callouts, in the order in which dispatch opened them
WALL = 1.8e9
HERE = Fix(0.0, WALL, "gpsd", -33.9249, 18.4241, accuracy_m=10.0)
NEAR, FAR = (-33.9260, 18.4241), (-33.9549, 18.4241)  # 0.1 km and 3.3 km away
CLOSES = (Asked.LOCATION, Asked.CANCEL, Asked.EVENT)


# --- saying it short --------------------------------------------------------------------------------------------------------


def press(number: int = 1, *, drill: bool = False, at: float = 0.0, wall: float = WALL) -> Press:
    return Press(number, at, wall, "button:panic", drill=drill)


def pressed(number: int = 1, *, drill: bool = False) -> Pressed:
    return Pressed(press(number, drill=drill))


def raised(
    callout_id: int | None,
    covered: int = 99,
    *,
    status: str = "created",
    drill: bool = False,
    existed: bool | None = None,
    at: float = 10.0,
    wall: float = WALL,
    sent_at: float | None = None,
) -> RaiseReplied:
    """An accepted raise; no id: no answer came."""
    if callout_id is None:
        outcome = Outcome(Asked.RAISE, Meaning.RETRY, "timeout")
    else:
        outcome = Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(callout_id, status, existed=existed))
    return RaiseReplied(outcome, covered, drill, at, wall, sent_at)


def said(asked: Asked, callout_id: int, meaning: Meaning, http: int | None = None, callout: Callout | None = None) -> Outcome:
    return Outcome(asked, meaning, meaning.value, callout_id=callout_id, http_status=http, callout=callout)


def located(callout_id: int, meaning: Meaning = Meaning.ACCEPTED, http: int | None = None, *, at: float = 20.0) -> LocationReplied:
    return LocationReplied(said(Asked.LOCATION, callout_id, meaning, http), at, WALL + at)


def read(callout_id: int, status: str | None = "created", http: int | None = None, *, at: float = 20.0) -> ReadReplied:
    if http is not None:
        return ReadReplied(said(Asked.READ, callout_id, Meaning.REJECTED, http), at)
    return ReadReplied(said(Asked.READ, callout_id, Meaning.ACCEPTED, 200, Callout(callout_id, status)), at)


def listed(*callouts: Callout, covered: int = 99, mode: str = "near", here: Fix | None = HERE, at: float = 20.0) -> LookedUp:
    outcome = Outcome(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", http_status=200, callouts=callouts)
    return LookedUp(outcome, covered, at, WALL + at, AdoptPolicy(mode, OURS), here)


def at(place: tuple[float, float], callout_id: int = X, **more: object) -> Callout:
    return replace(Callout(callout_id, "created", OURS, *place, accuracy_m=10.0), **more)


def code(text: str = "4711") -> CancelAsked:
    return CancelAsked(SafeCode(text))


def answered(number: int, meaning: Meaning = Meaning.ACCEPTED, http: int | None = 200, callout_id: int = X) -> CancelReplied:
    return CancelReplied(said(Asked.CANCEL, callout_id, meaning, http), number)


def closed(callout_id: int = X, asked: Asked = Asked.LOCATION) -> Happening:
    outcome = said(asked, callout_id, Meaning.CLOSED, 285)
    if asked is Asked.LOCATION:
        return LocationReplied(outcome, 30.0, WALL)
    return CancelReplied(outcome, 1) if asked is Asked.CANCEL else EventReplied(outcome)


def play(*events: Happening, start: State | None = None) -> State:
    state = State() if start is None else start
    for event in events:
        state, _ = step(state, event)
    return state


def told(commands: tuple[Command, ...]) -> list[str]:
    return [command.text for command in commands if isinstance(command, Tell)]


def record(*, calm: bool = False, drill: bool = False, phase: str = "active", raised_wall: float = WALL) -> CalloutRecord:
    return CalloutRecord(X, "https://x", OURS, phase, calm, "button:panic", drill, raised_wall, press_number=1)


def restarted(*owed: Press, kept: CalloutRecord | None = None, shut: tuple[int, ...] = (), calm: bool = False) -> Restarted:
    return Restarted(0.0, WALL + 60, max([1, *(p.number for p in owed)]), owed, kept, shut, calm)


RAISING = play(pressed())
ACTIVE = play(pressed(), raised(X))
CANCELLING = play(pressed(), raised(X), code())
DRILL = play(pressed(drill=True), raised(X, drill=True))


# --- every pair -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", get_args(Happening))
def test_every_pair_of_phase_and_event_is_in_exactly_one_of_the_tables(phase: Phase, event: type):
    assert ((phase, event) in TABLE) != ((phase, event) in IGNORED)


def test_tables_hold_nothing_else_and_every_ignored_pair_has_a_reason():
    pairs = {(phase, event) for phase in Phase for event in get_args(Happening)}
    assert set(TABLE) | set(IGNORED) == pairs
    assert all(len(reason) > 10 for reason in IGNORED.values())


IDS = st.sampled_from([X, Y, 502, "odd-7"])
TIMES = st.floats(-1e6, 1e10)
NUMBERS = st.integers(0, 4)
PRESSES = st.builds(
    Press, NUMBERS, TIMES, TIMES, st.sampled_from(["button:panic", "cli", "spool"]), st.booleans(), st.none(), st.none(), st.booleans()
)
CALLOUTS = st.builds(
    Callout,
    IDS,
    st.sampled_from([None, "created", "  Closed ", "Responder Cancelled"]),
    st.sampled_from([None, OURS, 1]),
    st.none() | st.floats(-90, 90),
    st.none() | st.floats(-180, 180),
    st.none() | st.floats(0, 1e9),
    st.none() | TIMES,
    st.sampled_from([None, True, False]),
)
OUTCOMES = st.builds(
    Outcome,
    st.sampled_from(Asked),
    st.sampled_from(Meaning),
    st.just("ok"),
    callout_id=st.none() | IDS,
    http_status=st.sampled_from([None, 200, 285, 400, 401, 404, 500]),
    callout=st.none() | CALLOUTS,
    callouts=st.none() | st.lists(CALLOUTS, max_size=3).map(tuple),
)
CODES = st.none() | st.builds(SafeCode, st.sampled_from(["0001", "x"]))
RECORDS = st.builds(
    CalloutRecord,
    IDS,
    st.just("https://x"),
    st.just(OURS),
    st.sampled_from(Phase).map(str),
    st.booleans(),
    st.just("cli"),
    st.booleans(),
    TIMES,
)
SOME_PRESSES = st.lists(PRESSES, max_size=3).map(tuple)
EVENTS = st.one_of(
    st.builds(Restarted, TIMES, TIMES, NUMBERS, SOME_PRESSES, st.none() | RECORDS, st.lists(IDS, max_size=2).map(tuple), st.booleans()),
    st.builds(Pressed, PRESSES, st.booleans()),
    st.builds(CancelAsked, CODES),
    st.builds(CancelSent, NUMBERS),
    st.builds(RaiseReplied, OUTCOMES, NUMBERS, st.booleans(), TIMES, TIMES, st.none() | TIMES),
    st.builds(
        LookedUp,
        OUTCOMES,
        NUMBERS,
        TIMES,
        TIMES,
        st.builds(AdoptPolicy, st.sampled_from(["near", "always", "never"]), st.just(OURS)),
        st.sampled_from([None, HERE]),
    ),
    st.builds(LocationReplied, OUTCOMES, TIMES, TIMES),
    st.builds(ReadReplied, OUTCOMES, TIMES),
    st.builds(CancelReplied, OUTCOMES, NUMBERS),
    st.builds(EventReplied, OUTCOMES),
    st.builds(Forgotten, IDS),
)
STATES = st.builds(
    State,
    phase=st.sampled_from(Phase),
    callout_id=st.none() | IDS,
    raised_at=st.none() | TIMES,
    calm=st.booleans(),
    drill=st.booleans(),
    owed=SOME_PRESSES,
    press_number=NUMBERS,
    found=st.none() | st.tuples(IDS, NUMBERS),
    cancels=st.lists(st.builds(Cancel, NUMBERS, CODES, st.none() | IDS), max_size=2).map(tuple),
    overtaken=st.none() | IDS,
    closed=st.lists(IDS, max_size=3, unique=True).map(tuple),
    missing=st.builds(Missing, st.booleans(), st.booleans(), st.booleans(), NUMBERS, TIMES),
    disputed=st.none() | IDS,
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(STATES, EVENTS)
def test_handlers_raise_for_no_state_and_no_event_however_absurd(state: State, event: Happening):
    after, _ = step(state, event)
    records.writes(state, after, base_url="https://x", customer_id=OURS, wall=WALL)
    covers(after), next_cancel(after), stream_to(after), raise_wanted(after), may_drill(after)


def sound(state: State) -> None:
    """What holds of every state that can be reached."""
    assert (state.phase in (Phase.ACTIVE, Phase.CANCELLING)) == (state.callout_id is not None)
    assert (state.phase is Phase.RAISING) == (state.callout_id is None and bool(state.owed))
    assert (state.phase is Phase.CANCELLING) == (state.callout_id is not None and state.calm)
    assert state.callout_id not in state.closed
    assert len(state.closed) <= CLOSED_REMEMBERED
    assert raise_wanted(state) == bool(state.owed), "a raise waits for nothing"
    assert all(one.number <= state.press_number for one in state.owed)
    assert not state.drill or all(one.drill for one in state.owed)
    assert all(one.code is None for one in state.cancels if one.bound not in (None, state.callout_id, state.overtaken))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(EVENTS, max_size=14))
def test_every_reachable_state_is_sound_whatever_happens_in_whatever_order(events: list[Happening]):
    state = State()
    for event in events:
        state, _ = step(state, event)
        sound(state)


# --- standby ----------------------------------------------------------------------------------------------------------------


def test_press_in_standby_is_owed_raised_and_written_down_at_once():
    state, _ = step(State(), pressed())
    assert state.phase is Phase.RAISING
    assert raise_wanted(state)
    assert covers(state) == 1
    assert PressMade(press()) in records.writes(State(), state, base_url="https://x", customer_id=OURS, wall=WALL)


def test_loose_contact_without_a_link_makes_thousands_of_presses_and_each_step_stays_quick():
    """A step that compared each press with each would take seconds: the watchdog would end the process, for ever."""
    state = replace(RAISING, owed=tuple(press(number) for number in range(1, 5_001)), press_number=5_000)
    began = time.perf_counter()
    for number in range(5_001, 5_021):
        after, _ = step(state, Pressed(press(number)))
        writes = records.writes(state, after, base_url="https://x", customer_id=OURS, wall=WALL)
        assert writes == (PressMade(press(number)),)
        state = after
    assert time.perf_counter() - began < 5.0, "it would be a minute"


@pytest.mark.parametrize(
    "calm", [State(calm=True), State(Phase.CANCELLING, X, calm=True), State(Phase.RAISING, calm=True, owed=(press(),))]
)
def test_press_that_the_cancel_was_about_is_raised_again_after_a_restart_and_shows_nothing(calm: State):
    """No disk had kept it, so it is told again; an emergency that was cancelled must not light up (law 5)."""
    state, _ = step(calm, Pressed(press(2), cancelled=True))
    sound(state)
    assert raise_wanted(state)
    assert state.calm
    *_, last = records.writes(calm, state, base_url="https://x", customer_id=OURS, wall=WALL)
    assert last == NoteKept("calm", "true"), "behind the press, which ends the calm of the store"
    news, _ = step(calm, pressed(2))
    assert not news.calm
    standby, _ = step(State(), Pressed(press(2), cancelled=True))
    assert not standby.calm


def test_callout_found_elsewhere_nearby_is_adopted_and_located_at_once():
    state, commands = step(State(), listed(at(NEAR)))
    assert (state.phase, stream_to(state), state.origin) == (Phase.ACTIVE, X, "elsewhere")
    assert LocateNow() in commands


def test_cancel_in_standby_is_sent_nowhere_and_kept_nowhere():
    quiet = play(pressed(), raised(X), closed())
    assert step(quiet, code()) == (quiet, ())
    assert step(State(), CancelAsked(None)) == (State(), ())


def test_reply_to_an_attempt_that_comes_after_the_end_is_ours_if_its_id_is_news():
    over = play(pressed(), raised(X), closed())
    assert stream_to(play(raised(Y), start=over)) == Y
    assert step(over, raised(X)) == (over, ())


# --- raising ----------------------------------------------------------------------------------------------------------------


def test_accepted_raise_settles_the_press_and_posts_the_newest_fix_at_once():
    state, commands = step(RAISING, raised(X))
    assert (state.phase, stream_to(state), state.owed) == (Phase.ACTIVE, X, ())
    assert LocateNow() in commands
    writes = records.writes(RAISING, state, base_url="https://x", customer_id=OURS, wall=WALL)
    assert PressesSettled(1, X, WALL) in writes
    assert any(isinstance(each, CalloutKept) and each.record.id == X and each.record.phase == "active" for each in writes)


def test_raise_that_returns_a_closed_callout_leaves_us_raising():
    assert play(raised(X, status=" CLOSED"), start=RAISING) == RAISING


def test_raise_that_returns_an_id_known_closed_settles_nothing_and_probes_it():
    state, commands = step(play(pressed(), raised(X), closed(), pressed(2)), raised(X))
    assert (state.phase, state.disputed) == (Phase.RAISING, X)
    assert raise_wanted(state)
    assert commands == (Probe(X),)
    assert play(closed(), start=state).phase is Phase.RAISING
    alive = play(located(X), start=state)
    assert (alive.phase, stream_to(alive), alive.owed) == (Phase.ACTIVE, X, ()), "only an accepted location settles it"


def test_lost_or_ambiguous_answer_raises_again_and_looks_up_beside_it():
    state, commands = step(RAISING, raised(None))
    assert state == RAISING
    assert raise_wanted(state)
    assert commands == (LookUpNow(),)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500])
def test_refused_raise_goes_on_being_raised(status: int):
    meaning = Meaning.UNAUTHORISED if status == 401 else Meaning.RETRY if status in (429, 500) else Meaning.REJECTED
    state = play(RaiseReplied(Outcome(Asked.RAISE, meaning, "no", http_status=status), 1, drill=False, at=1.0, wall=WALL), start=RAISING)
    assert state == RAISING


def test_look_up_finds_the_callout_of_a_lost_answer_and_settles_only_once_a_location_is_accepted():
    state = play(listed(at(FAR), covered=1, mode="never"), start=RAISING)
    assert (state.phase, stream_to(state)) == (Phase.ACTIVE, X)
    assert raise_wanted(state), "found is not yet settled"
    assert play(located(X, Meaning.RETRY, 500), start=state).owed
    assert play(located(Y), start=state).owed
    assert play(located(X), start=state).owed == ()


def test_look_up_sent_before_the_press_settles_nothing():
    state = play(listed(at(NEAR), covered=1), located(X), start=play(pressed(2), start=RAISING))
    assert [one.number for one in state.owed] == [2]
    assert play(listed(at(NEAR), covered=0), start=RAISING) == RAISING


def test_press_while_raising_is_owed_and_told_later_as_an_event():
    state, commands = step(RAISING, pressed(2))
    assert (state.phase, len(state.owed), commands) == (Phase.RAISING, 2, ())
    state, commands = step(state, raised(X, 2))
    assert state.owed == ()
    assert any("Pressed again" in text for text in told(commands))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (Press(1, 10.0, WALL, "cli"), f"Pressed at {wording.utc(WALL)}, 85 s before"),
        (Press(1, 10.0, 300.0, "cli", wall_trusted=False), "Pressed 85 s before"),
        (Press(1, 0.0, WALL - 7_200, "cli"), f"Pressed at {wording.utc(WALL - 7_200)}, 2 h 00 min before"),
        (Press(1, 0.0, 300.0, "cli", wall_trusted=False), "Pressed 2 min before"),
    ],
    ids=["known time", "no clock yet", "another boot", "another boot without a clock"],
)
def test_press_that_waited_says_for_how_long_whatever_the_clock_was(made: Press, said: str):
    """Law 9: the wall clock was put right by decades between the press and its raise, or stepped by a day."""
    state = play(Pressed(made))
    late = raised(X, at=95.0, wall=WALL if made.at <= 0 else WALL + 86_400)
    assert any(text.startswith(said) for text in told(step(state, late)[1]))


def test_press_made_after_a_raise_was_sent_is_not_settled_by_its_answer():
    state = play(pressed(2), raised(X, 1), start=RAISING)
    assert [one.number for one in state.owed] == [2]
    assert raise_wanted(state)
    assert play(raised(X, 2), start=state).owed == ()


def test_cancel_while_raising_is_calm_and_stops_no_raise():
    state = play(code(), start=RAISING)
    assert (state.phase, state.calm) == (Phase.RAISING, True)
    assert raise_wanted(state)
    assert next_cancel(state) is None


def test_codes_typed_while_raising_leave_in_order_once_there_is_an_id():
    state = play(code("1"), CancelAsked(None), code("2"), raised(X), start=RAISING)
    assert (state.phase, state.calm) == (Phase.CANCELLING, True)
    seen = []
    while (cancel := next_cancel(state)) is not None:
        assert cancel.bound == X
        seen.append(cancel.code and cancel.code.typed())
        state = play(CancelSent(cancel.number), answered(cancel.number), start=state)
    assert seen == ["1", None, "2"]


def test_codes_typed_while_raising_leave_to_a_callout_that_a_look_up_found_too():
    state = play(code("1"), listed(at(NEAR), covered=1), start=RAISING)
    assert (state.phase, next_cancel(state).bound) == (Phase.CANCELLING, X)


def test_waited_press_tells_its_age_first():
    old = restarted(press(wall=WALL - 86_400))
    _, commands = step(play(old), raised(X))
    assert told(commands)[0].startswith(f"Pressed at {wording.utc(WALL - 86_400)}")
    assert "24 h" in told(commands)[0]


def test_press_whose_response_type_a_later_one_outvoted_before_there_was_an_id_is_told():
    medic = replace(press(), origin="button:medic", response_type_id=2)
    for last in (press(2), replace(press(2), response_type_id=3)):
        _, commands = step(play(Pressed(medic), Pressed(last)), raised(X, 2))
        first, again = told(commands)
        assert first.startswith("Pressed first at ")
        assert "(button medic, response type 2 asked for)" in first
        assert again.startswith("Pressed again at ")
    for asked_for_it in ((Pressed(medic), Pressed(replace(medic, number=2)), raised(X, 2)), (Pressed(medic), pressed(2), raised(X, 1))):
        _, commands = step(play(*asked_for_it[:-1]), asked_for_it[-1])
        assert not any("first" in text for text in told(commands))


def test_what_was_said_with_the_first_press_is_told_once_there_is_an_id():
    """Also after a restart, before what later presses said, and not again where it was told with a press during a callout."""
    first, second = replace(press(), note="two of them"), replace(press(2), note="in the yard")
    for start in (play(Pressed(first), Pressed(second)), play(restarted(first, second))):
        _, commands = step(start, raised(X, 2))
        said, again = told(commands)
        assert said == "Said with the press: two of them"
        assert again.endswith("(button panic): in the yard")
    _, commands = step(play(pressed()), raised(X))
    assert not told(commands)
    _, commands = step(play(Pressed(second), start=ACTIVE), raised(X, 2))
    assert not told(commands)


# --- active -----------------------------------------------------------------------------------------------------------------


def test_press_while_active_is_owed_raised_told_and_located():
    again = Press(2, 5.0, WALL + 5, "button:medical", response_type_id=2)
    state, commands = step(ACTIVE, Pressed(again))
    assert (state.phase, state.owed) == (Phase.ACTIVE, (again,))
    assert raise_wanted(state)
    assert LocateNow() in commands
    assert "button medical" in told(commands)[0]
    assert "response type 2" in told(commands)[0]


def test_raise_that_opened_a_new_callout_is_followed_there():
    state, commands = step(play(pressed(2), start=ACTIVE), raised(Y, 2))
    assert (stream_to(state), state.owed) == (Y, ())
    assert LocateNow() in commands


def test_answer_to_a_raise_from_before_the_callout_of_now_replaces_it_only_if_it_takes_a_position():
    now = play(pressed(), raised(Y, at=50.0, sent_at=40.0), pressed(2))
    state, commands = step(now, raised(X, 2, at=60.0, sent_at=30.0))
    assert (stream_to(state), len(state.owed), commands) == (Y, 1, (Probe(X),))
    assert play(located(Y), start=state).owed == state.owed, "that ours lives says nothing of the other"
    assert stream_to(play(closed(X), start=state)) == Y
    assert stream_to(play(located(X), start=state)) == X
    assert stream_to(play(raised(X, 2, at=70.0, sent_at=55.0), start=now)) == X, "sent since then: dispatch has moved on"


@pytest.mark.parametrize("asked", CLOSES)
def test_285_to_a_location_cancel_or_event_closes(asked: Asked):
    for start in (ACTIVE, CANCELLING):
        state = play(closed(X, asked), start=start)
        assert (state.phase, state.callout_id, state.closed) == (Phase.STANDBY, None, (X,))


@pytest.mark.parametrize("asked", [Asked.READ, Asked.RAISE, Asked.LOOK_UP, Asked.EVENTS, Asked.TOKEN])
def test_285_to_anything_else_closes_nothing(asked: Asked):
    outcome = said(asked, X, Meaning.CLOSED, 285)
    policy = AdoptPolicy("near", OURS)
    for start in (ACTIVE, CANCELLING):
        for event in (
            ReadReplied(outcome, 1.0),
            RaiseReplied(outcome, 1, drill=False, at=1.0, wall=WALL),
            LookedUp(outcome, 1, 1.0, WALL, policy),
            LocationReplied(outcome, 1.0, WALL),
            EventReplied(outcome),
        ):
            assert stream_to(play(event, start=start)) == X


def test_285_for_another_callout_closes_only_that_one():
    state = play(closed(Y), start=ACTIVE)
    assert (stream_to(state), state.closed) == (X, (Y,))


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        ("closed", True),
        ("  Closed ", True),
        ("CLOSED\n", True),
        ("Responder Cancelled", False),
        ("close", False),
        ("", False),
        (None, False),
    ],
)
def test_closed_by_read_is_the_status_closed_and_nothing_else(status: str | None, ends: bool):  # noqa: FBT001 - a table's column
    assert (play(read(X, status), start=ACTIVE).phase is Phase.STANDBY) == ends


def test_read_that_says_closed_ends_a_cancelled_callout_too():
    """A device without a position has no other way to learn it."""
    state = play(read(X, "closed"), start=CANCELLING)
    assert (state.phase, state.calm, stream_to(state)) == (Phase.STANDBY, True, None)


def test_read_of_another_callout_says_nothing_about_ours():
    assert play(read(Y, "closed"), start=ACTIVE) == ACTIVE


@pytest.mark.parametrize("http", [400, 401, 403, 404, 409, 422, 429, 500, None])
@pytest.mark.parametrize("asked", [Asked.LOCATION, Asked.READ, Asked.CANCEL, Asked.EVENT])
def test_no_other_reply_ends_a_callout(http: int | None, asked: Asked):
    for meaning in (Meaning.REJECTED, Meaning.RETRY, Meaning.UNAUTHORISED):
        outcome = said(asked, X, meaning, http)
        for event in (LocationReplied(outcome, 1e6, WALL), ReadReplied(outcome, 1e6), EventReplied(outcome), CancelReplied(outcome, 1)):
            assert all(stream_to(play(*[event] * 9, start=start)) == X for start in (ACTIVE, CANCELLING))


def test_absence_from_a_list_is_no_closure():
    assert stream_to(play(*[listed(at=float(second)) for second in range(0, 1000, 100)], start=ACTIVE)) == X


def test_close_with_a_press_owed_goes_on_raising():
    state = play(pressed(2), closed(), start=ACTIVE)
    assert (state.phase, state.callout_id, state.closed) == (Phase.RAISING, None, (X,))
    assert raise_wanted(state)


def test_the_last_32_closed_ids_are_known_and_no_more():
    state = State()
    for number in range(1, 41):
        state = play(pressed(number), raised(1000 + number), closed(1000 + number), start=state)
    assert state.closed == tuple(range(1040, 1008, -1))


# --- cancelling -------------------------------------------------------------------------------------------------------------


def test_cancel_is_outwardly_over_and_inwardly_still_streaming():
    state = play(code(), start=ACTIVE)
    assert (state.phase, state.calm, stream_to(state)) == (Phase.CANCELLING, True, X)


def test_codes_by_the_thousand_fill_no_memory_and_change_nothing_of_those_before_them():
    state = play(*(code(f"{n:05}") for n in range(MOST_CODES + 500)), start=ACTIVE)
    assert [cancel.code.typed() for cancel in state.cancels if cancel.code is not None] == [f"{n:05}" for n in range(MOST_CODES)]
    assert state.calm


def test_every_code_waits_its_turn_and_an_unconditional_cancel_overtakes_none():
    state = play(code("1"), CancelAsked(None), code("2"), start=ACTIVE)
    order = []
    for _ in range(3):
        cancel = next_cancel(state)
        order.append(cancel.code and cancel.code.typed())
        state = play(CancelSent(cancel.number), answered(cancel.number, Meaning.RETRY, None), start=state)
        assert next_cancel(state) == cancel, "a lost one is retried before the next"
        state = play(CancelSent(cancel.number), answered(cancel.number), start=state)
    assert order == ["1", None, "2"]
    assert next_cancel(state) is None


@pytest.mark.parametrize(
    ("meaning", "http"),
    [(Meaning.ACCEPTED, 200), (Meaning.REJECTED, 400), (Meaning.UNAUTHORISED, 401), (Meaning.REJECTED, 404), (Meaning.RETRY, None)],
)
def test_any_reply_to_a_cancel_ends_nothing_and_changes_nothing_outward(meaning: Meaning, http: int | None):
    sent = play(CancelSent(1), start=CANCELLING)
    state = play(answered(1, meaning, http), start=sent)
    assert replace(state, cancels=()) == replace(CANCELLING, cancels=())


def test_press_while_cancelling_is_owed_and_drops_the_codes_not_yet_sent():
    state = play(code("2"), pressed(2), start=CANCELLING)
    assert (state.phase, state.calm, [one.number for one in state.owed]) == (Phase.ACTIVE, False, [2])
    assert next_cancel(state) is None


def test_only_a_raise_sent_after_the_cancel_in_flight_ended_settles_the_press():
    state = play(CancelSent(1), pressed(2), start=CANCELLING)
    assert raise_wanted(state), "the raise goes all the same"
    assert covers(state) == 0
    state = play(raised(X, covers(state)), start=state)
    assert len(state.owed) == 1
    state = play(answered(1, Meaning.RETRY, None), start=state)
    assert covers(state) == 2
    assert play(raised(X, covers(state)), start=state).owed == ()


def test_close_during_a_cancel_stays_calm_until_the_next_press():
    state = play(closed(), start=CANCELLING)
    assert (state.phase, state.calm) == (Phase.STANDBY, True)
    assert play(listed(at(NEAR, Y)), start=state).calm
    assert not play(pressed(2), start=state).calm


def test_codes_never_reach_another_callout():
    state = play(pressed(2), code("1"), closed(), raised(Y), start=ACTIVE)
    assert (stream_to(state), next_cancel(state)) == (Y, None)
    assert next_cancel(play(pressed(2), code("1"), raised(Y), start=ACTIVE)) is None


def test_code_typed_for_a_drill_that_failed_reaches_no_adopted_callout():
    state = play(pressed(drill=True), code("1"), raised(X, drill=True, existed=True), listed(at(NEAR, Y)))
    assert (stream_to(state), next_cancel(state)) == (Y, None)


def test_cancel_bound_elsewhere_is_never_next():
    assert next_cancel(State(Phase.CANCELLING, callout_id=X, calm=True, cancels=(Cancel(1, None, Y), Cancel(2, None, None)))) is None


def test_cancel_sent_after_the_close_is_forgotten_when_its_reply_comes():
    state = play(closed(), start=play(CancelSent(1), start=CANCELLING))
    assert covers(state) == 0
    assert covers(play(answered(1), start=state)) == 1


# --- restart ----------------------------------------------------------------------------------------------------------------


def test_restart_in_standby_is_standby_and_keeps_calm_and_the_closed_ids():
    state = play(restarted(shut=(X,), calm=True))
    assert (state.phase, state.calm, state.closed, state.press_number) == (Phase.STANDBY, True, (X,), 1)


def test_restart_with_an_owed_press_raises_at_once_however_old_it_is():
    state = play(restarted(press(1, at=-1e7, wall=0.0), press(2, wall=1.0)))
    assert state.phase is Phase.RAISING
    assert len(state.owed) == 2
    assert raise_wanted(state)
    assert covers(state) == 2


def test_restart_while_raising_calmly_stays_calm_and_raises():
    state = play(restarted(press(), calm=True))
    assert (state.phase, state.calm) == (Phase.RAISING, True)
    assert play(raised(X), start=state).phase is Phase.CANCELLING


def test_restart_while_active_reads_and_locates_at_once():
    state, commands = step(State(), restarted(kept=record()))
    assert (state.phase, stream_to(state)) == (Phase.ACTIVE, X)
    assert {LocateNow(), ReadNow()} <= set(commands)


def test_restart_while_cancelling_is_calm_without_the_code():
    state = play(restarted(kept=record(calm=True, phase="cancelling")))
    assert (state.phase, state.calm, next_cancel(state)) == (Phase.CANCELLING, True, None)
    assert raise_wanted(play(restarted(press(2), kept=record(calm=True, phase="cancelling"))))


def test_calm_that_only_the_runtime_directory_knows_of_is_calm_with_the_callout_that_goes_on():
    state = play(restarted(kept=record(calm=False), calm=True))
    assert (state.phase, state.calm, stream_to(state)) == (Phase.CANCELLING, True, X)


def test_record_of_a_callout_that_ended_is_not_gone_on_with():
    assert play(restarted(kept=record(phase="standby"))).phase is Phase.STANDBY


def test_cancel_that_a_late_store_tells_of_hides_what_was_found_meanwhile_unless_someone_pressed():
    found = play(restarted(), listed(at(NEAR)))
    late = restarted(press(3), calm=True)
    state = play(late, start=found)
    assert (state.phase, state.calm, stream_to(state)) == (Phase.CANCELLING, True, X)
    assert [each.number for each in state.owed] == [3], "a cancelled raise goes on"
    assert covers(state) == 3
    assert play(restarted(press(3)), start=found) == found
    again = play(pressed(2), start=found)
    assert play(late, start=again) == again


def test_store_that_answers_late_takes_back_nothing_that_was_learnt_meanwhile():
    over = play(Restarted(0.0, WALL), pressed(900), raised(X, 900), code(), closed())
    state = play(restarted(shut=(77,)), start=over)
    assert (state.phase, state.calm, state.press_number, state.closed) == (Phase.STANDBY, True, 900, (X, 77))


# --- 404 --------------------------------------------------------------------------------------------------------------------


def missed(at_s: float) -> tuple[Happening, ...]:
    return located(X, Meaning.REJECTED, 404, at=at_s), read(X, http=404, at=at_s), listed(at=at_s)


def test_404_everywhere_three_times_over_60_s_makes_it_unknown_and_raises_ours_once_more():
    state = play(*missed(20), *missed(50), start=ACTIVE)
    assert (state.unknown, raise_wanted(state)) == (False, False)
    assert not play(*missed(79), start=state).unknown, "three rounds, but within a minute"
    state = play(*missed(81), start=state)
    assert (state.unknown, stream_to(state)) == (True, X)
    assert raise_wanted(state)
    assert stream_to(play(raised(Y, covers(state)), start=state)) == Y
    back = play(raised(X, covers(state)), start=state)
    assert not raise_wanted(play(*missed(200), *missed(300), *missed(400), start=back)), "once, not for ever"


def test_unknown_callout_needs_all_three_kinds_of_evidence_in_every_round():
    for left_out in range(3):
        events = [[*missed(float(at_s))] for at_s in range(20, 400, 30)]
        for one in events:
            del one[left_out]
        state = play(*(event for one in events for event in one), start=ACTIVE)
        assert (state.unknown, stream_to(state)) == (False, X)


def test_any_sign_of_life_takes_the_evidence_back():
    for sign in (located(X), read(X), listed(at(NEAR))):
        state = play(*missed(20), *missed(50), sign, *missed(90), start=ACTIVE)
        assert not state.unknown
        assert not play(*missed(150), *missed(170), sign, start=state).unknown


def test_unknown_callout_that_is_old_or_adopted_is_not_raised_again():
    old = play(*missed(620), *missed(650), *missed(690), start=ACTIVE)
    assert (old.unknown, raise_wanted(old)) == (True, False)
    adopted = play(listed(at(NEAR)), *missed(21), *missed(51), *missed(91))
    assert (adopted.unknown, raise_wanted(adopted)) == (True, False)


def test_press_that_gets_the_number_of_the_repeat_is_not_settled_by_the_repeats_raise():
    state = play(*missed(20), *missed(50), *missed(81), start=ACTIVE)
    settled_by = covers(state)
    state = play(pressed(settled_by), raised(X, settled_by), start=state)
    assert raise_wanted(state)


# --- adoption ---------------------------------------------------------------------------------------------------------------


def test_far_callout_is_offered_our_position_once_and_not_streamed_to():
    state, commands = step(State(), listed(at(FAR)))
    assert (state.phase, commands) == (Phase.STANDBY, (OfferPosition(X),))
    assert step(state, listed(at(FAR)))[1] == ()


def test_both_accuracies_widen_the_kilometre():
    assert play(listed(at(FAR, accuracy_m=2_400.0))).phase is Phase.ACTIVE
    assert play(listed(at(FAR), here=replace(HERE, accuracy_m=2_400.0))).phase is Phase.ACTIVE
    assert play(listed(at(FAR, accuracy_m=2_200.0))).phase is Phase.STANDBY


def test_callout_of_unknown_position_is_not_near():
    assert play(listed(Callout(X, "created", OURS))).phase is Phase.STANDBY
    assert play(listed(at(NEAR), here=None)).phase is Phase.STANDBY


def test_always_adopts_wherever_and_never_not_even_next_door():
    assert play(listed(Callout(X, "created", OURS), mode="always", here=None)).phase is Phase.ACTIVE
    assert step(State(), listed(at(NEAR), mode="never")) == (State(), ())


@pytest.mark.parametrize("mode", ["near", "always", "never"])
def test_callout_of_another_customer_is_ignored(mode: str):
    assert step(State(), listed(at(NEAR, customer_id=1), mode=mode)) == (State(), ())
    assert play(listed(at(NEAR, customer_id=1), mode=mode), start=RAISING) == RAISING


@pytest.mark.parametrize("mode", ["near", "always", "never"])
def test_id_known_closed_is_never_adopted_but_disputed_and_probed(mode: str):
    over = play(pressed(), raised(X), closed())
    state, commands = step(over, listed(at(NEAR), mode=mode))
    assert (state.phase, state.disputed, commands) == (Phase.STANDBY, X, (Probe(X),))
    for refused in (located(X, Meaning.RETRY, 500), located(X, Meaning.REJECTED, 404), closed(X)):
        assert play(refused, start=state).phase is Phase.STANDBY
    alive = play(located(X), start=state)
    assert (alive.phase, alive.closed) == (Phase.ACTIVE, ())


def test_of_several_the_newest_that_fits_is_adopted():
    old, new = at(NEAR, 900, created_wall=WALL), at(NEAR, 800, created_wall=WALL + 5)
    assert stream_to(play(listed(old, new))) == 800
    assert stream_to(play(listed(new, old))) == 800
    assert stream_to(play(listed(at(NEAR, X), at(NEAR, Y)))) == Y
    assert stream_to(play(listed(at(NEAR, X), at(FAR, Y)))) == X
    assert stream_to(play(listed(at(NEAR, Y, status="closed"), at(NEAR, X)))) == X


def test_of_several_active_our_own_raise_wins():
    state = play(listed(at(NEAR)), pressed(), raised(Y))
    assert (stream_to(state), state.origin) == (Y, "button:panic")
    assert stream_to(play(listed(at(NEAR, X), at(NEAR, 900)), start=ACTIVE)) == X


def test_adopted_callout_is_the_wearers_own_once_a_press_was_answered_with_it():
    assert play(listed(at(NEAR)), pressed(), raised(X)).origin == "button:panic"


def test_callout_adopted_during_calm_is_as_calm_as_standby():
    state = play(listed(at(NEAR, Y)), start=play(closed(), start=CANCELLING))
    assert (stream_to(state), state.calm, state.phase) == (Y, True, Phase.CANCELLING)


# --- drill ------------------------------------------------------------------------------------------------------------------


def test_drill_starts_only_from_a_quiet_standby():
    assert may_drill(State())
    assert not any(may_drill(state) for state in (RAISING, ACTIVE, CANCELLING))
    for state in (RAISING, ACTIVE, CANCELLING):
        assert step(state, pressed(2, drill=True)) == (state, ())


@pytest.mark.parametrize("answer", [raised(X, drill=True, existed=True), raised(X, drill=True, status="closed")])
def test_drill_that_finds_a_real_callout_writes_nothing_to_it_and_has_failed(answer: RaiseReplied):
    state, commands = step(play(pressed(drill=True)), answer)
    assert (state.phase, stream_to(state), state.drill, state.owed) == (Phase.STANDBY, None, False, ())
    assert [type(command) for command in commands] == [DrillFailed]


def test_drill_that_was_cancelled_tells_nobody_that_it_has_failed():
    """Law 5: it would tell that dispatch has answered after the cancel."""
    state, commands = step(play(pressed(drill=True), code()), raised(X, drill=True, existed=True))
    assert (state.phase, state.calm, commands) == (Phase.STANDBY, True, ())


def test_drill_answered_with_an_id_known_closed_has_failed():
    over = play(pressed(), raised(X), closed())
    state, commands = step(play(pressed(2, drill=True), start=over), raised(X, 2, drill=True))
    assert (state.phase, [type(each) for each in commands]) == (Phase.STANDBY, [DrillFailed])


def test_second_answer_to_a_drill_with_its_own_id_changes_nothing():
    assert play(raised(X, drill=True, existed=True), start=DRILL) == DRILL


def test_drill_ends_with_its_callout_and_raises_nothing_real():
    behind_a_cancel = play(CancelSent(1), closed(), pressed(2, drill=True), start=CANCELLING)
    state = play(raised(Y, covers(behind_a_cancel), drill=True), start=behind_a_cancel)
    assert (stream_to(state), state.drill) == (Y, True)
    assert play(raised(Y, 2, drill=True, existed=True), start=state).owed == (), "its own id is no callout that existed before"
    state = play(closed(Y), start=state)
    assert (state.phase, raise_wanted(state)) == (Phase.STANDBY, False)


def overtaken_soundly(state: State, commands: tuple[Command, ...]) -> None:
    assert (stream_to(state), state.drill) == (X, False)
    assert Tell(X, wording.REAL_EMERGENCY) in commands
    assert LocateNow() in commands
    assert next_cancel(state).code is None
    assert next_cancel(state).bound == X
    assert raise_wanted(state)
    assert raise_wanted(play(raised(X), start=state)), "the drill's callout settles nothing"
    settled = play(raised(Y), start=state)
    assert (stream_to(settled), settled.owed) == (Y, ())


def test_press_during_a_drill_tells_streams_cancels_and_raises_until_the_id_differs():
    overtaken_soundly(*step(DRILL, pressed(2)))


def test_press_while_a_drill_is_raised_takes_its_callout_for_the_drills_when_it_comes():
    state = play(pressed(2), start=play(pressed(drill=True)))
    assert (state.phase, state.drill) == (Phase.RAISING, False)
    overtaken_soundly(*step(state, raised(X, 1, drill=True)))


def test_first_id_after_a_press_during_a_drill_may_be_the_drills_though_a_real_raise_brought_it():
    state = play(pressed(2), start=play(pressed(drill=True)))
    overtaken_soundly(*step(state, raised(X, 2)))
    assert play(listed(at(NEAR)), start=state) == state, "a list cannot tell which it is"


def test_callout_that_existed_before_the_drill_is_a_real_one_and_is_not_cancelled():
    for answer in (raised(X, 2, existed=True), raised(X, 1, drill=True, existed=True)):
        state, commands = step(play(pressed(drill=True), pressed(2)), answer)
        assert (stream_to(state), next_cancel(state)) == (X, None)
        assert wording.REAL_EMERGENCY in told(commands)
        assert play(raised(X, 2), start=state).owed == ()


def test_further_presses_do_not_take_back_the_cancel_of_the_overtaken_drill():
    state = play(pressed(2), pressed(3), start=DRILL)
    assert (next_cancel(state).bound, next_cancel(state).code) == (X, None)
    elsewhere = play(raised(Y), start=state)
    assert (stream_to(elsewhere), next_cancel(elsewhere).bound) == (Y, X), "it goes to the drill even when the real one is there"
    assert next_cancel(play(closed(X, Asked.CANCEL), start=elsewhere)) is None
    assert stream_to(play(closed(X, Asked.CANCEL), start=elsewhere)) == Y


def test_code_typed_while_the_overtaken_drill_had_no_id_waits_for_the_real_callout():
    state = play(pressed(drill=True), pressed(2), code("1"), raised(X, 1, drill=True))
    assert (state.calm, next_cancel(state).code) == (True, None)
    state = play(CancelSent(2), answered(2), start=state)
    assert next_cancel(state) is None
    state = play(raised(Y), start=state)
    assert (next_cancel(state).bound, next_cancel(state).code.typed()) == (Y, "1")


def test_old_answer_with_the_true_drill_does_not_replace_what_was_taken_for_it():
    state = play(pressed(drill=True), pressed(2), raised(Y, 2, at=9.0, sent_at=8.0))
    state, commands = step(state, raised(X, 2, at=10.0, sent_at=7.0))
    assert (stream_to(state), commands, raise_wanted(state)) == (Y, (Probe(X),), True)


def test_close_of_the_overtaken_drill_goes_on_raising():
    state = play(pressed(2), closed(), start=DRILL)
    assert state.phase is Phase.RAISING
    assert stream_to(play(raised(Y), start=state)) == Y


def kept_of(before: State, after: State) -> CalloutRecord:
    writes = records.writes(before, after, base_url="https://x", customer_id=OURS, wall=WALL)
    return next(each.record for each in writes if isinstance(each, CalloutKept))


def test_restart_takes_an_overtaken_drill_for_a_drill_still():
    overtaken = play(pressed(2), start=DRILL)
    kept = kept_of(DRILL, overtaken)
    assert kept.drill
    overtaken_soundly(*step(State(), restarted(press(2), kept=kept)))


def test_restart_with_a_drill_press_before_a_real_one_still_doubts_the_first_id():
    overtaken_soundly(*step(play(restarted(press(1, drill=True), press(2))), raised(X)))


def test_restart_goes_on_with_a_drill_as_a_drill():
    assert play(restarted(press(1, drill=True))).drill
    assert play(restarted(kept=record(drill=True))).drill
    assert not play(restarted(kept=record())).drill


def test_late_answer_to_a_drill_tells_which_callout_is_the_drills():
    state = play(pressed(drill=True), pressed(2), raised(Y, 2), raised(X, 1, drill=True))
    assert (stream_to(state), next_cancel(state).bound) == (Y, X)
    assert play(raised(Y, 2), start=state).owed == ()


# --- forget -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [closed(), read(X, "closed"), Forgotten(X)])
def test_end_of_a_callout_is_written_down_as_closed(end: Happening):
    before = play(pressed(2), start=ACTIVE)
    assert (kept_of(before, play(end, start=before)).phase, kept_of(before, play(end, start=before)).closed_wall) == ("standby", WALL)
    moved = records.writes(before, play(raised(Y), start=before), base_url="https://x", customer_id=OURS, wall=WALL)
    assert [(each.record.id, each.record.phase) for each in moved if isinstance(each, CalloutKept)] == [(X, "standby"), (Y, "active")]


def test_news_of_a_cancelled_callout_is_written_down_as_of_a_calm_one():
    """Law 5 across a restart: the newest record tells whether the device is calm."""
    after = play(read(X, "Responder Dispatched"), start=CANCELLING)
    (kept,) = records.writes(CANCELLING, after, base_url="https://x", customer_id=OURS, wall=WALL)
    assert isinstance(kept, CalloutKept)
    assert (kept.record.calm, kept.record.dispatch_status) == (True, "Responder Dispatched")


def test_accepted_location_adopts_nothing_that_is_not_disputed():
    for start in (State(), RAISING, play(pressed(), raised(X), closed())):
        assert play(located(Y), start=start) == start
        assert play(located(X), start=start) == start


def test_root_may_forget_the_callout_of_now_and_no_other():
    assert play(Forgotten(Y), start=ACTIVE) == ACTIVE
    for start in (ACTIVE, CANCELLING):
        state = play(Forgotten(X), start=start)
        assert (state.phase, state.closed, state.calm) == (Phase.STANDBY, (X,), start.calm)
    assert play(pressed(2), Forgotten(X), start=ACTIVE).phase is Phase.RAISING


# --- codes ------------------------------------------------------------------------------------------------------------------


def test_no_code_is_in_what_is_written_or_printed():
    state = play(code("8642"), code("9753"), start=ACTIVE)
    writes = records.writes(ACTIVE, state, base_url="https://x", customer_id=OURS, wall=WALL)
    assert writes
    for text in (repr(writes), repr(state), str(state), repr(state.cancels), repr(code("8642"))):
        assert "8642" not in text
        assert "9753" not in text
