"""What dispatch says is folded into what is true: the newest fact counts, our own words are no message, and nothing drives a terminal."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation import MOST_HEARD, MOST_LISTED, MOST_OURS, Conversation, Responder, digest, heard, read, resumed, stage_of
from agent.hearsay import MOST_OURS as MOST_KNOWN
from agent.hearsay import Hearsay
from agent.model import Event, Help
from agent.wording import UNSHOWN

T = 1.8e9
NONE, COMING, THERE, DONE, GONE = Responder.NONE, Responder.COMING, Responder.THERE, Responder.DONE, Responder.STOOD_DOWN
SENT = "Responder Dispatched"


def listened(before: Conversation, *events: Event, ours: tuple[str, ...] = (), now_wall: float = T + 100) -> Conversation:
    return heard(before, events, frozenset(map(digest, ours)), now_wall)


def system(text: str, wall: float | None, number: int = 1) -> Event:
    """As the newest generation lists what the service notes by itself."""
    return Event(number, "system", text, wall, kind="lifecycle")


def wrote(text: str, number: int = 1, source: str = "controller", wall: float | None = T, kind: str | None = "chat") -> Event:
    return Event(number, source, text, wall, kind=kind)


# --- how far help has come ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("Responder Dispatched", COMING),
        (" responder dispatched ", COMING),
        ("RESPONDER ARRIVED", THERE),
        ("responder on scene", THERE),
        ("Responder Completed", DONE),
        ("Responder Cancelled", GONE),
        ("created", NONE),
        ("closed soon", NONE),
        ("", NONE),
        (None, NONE),
    ],
)
def test_status_text_says_how_far_help_has_come(status: str | None, stage: Responder):
    assert stage_of(status) is stage
    assert read(Conversation(), status, Help(), T).stage is stage


def test_details_of_the_callout_lead_where_the_status_lags_behind():
    """The stand-in's status stays `Responder Dispatched` after the arrival."""
    now = read(Conversation(), SENT, Help(dispatched_wall=T), T)
    assert now.stage is COMING
    now = read(now, SENT, Help(dispatched_wall=T, arrived_wall=T + 60), T + 61)
    assert now.stage is THERE
    assert read(now, SENT, Help(dispatched_wall=T, arrived_wall=T + 60, completed_wall=T + 90), T + 91).stage is DONE


def test_responder_who_was_stood_down_is_not_coming_whatever_the_details_still_hold():
    now = read(Conversation(), SENT, Help(dispatched_wall=T, eta_wall=T + 300), T)
    now = read(now, "Responder Cancelled", Help(dispatched_wall=T, eta_wall=T + 300), T + 30)
    assert now.stage is GONE
    assert (now.eta_wall, now.name) == (None, None)
    late = listened(now, system("Responder dispatched", T), system("Responder arrived on scene", T + 10, 2))
    assert late.stage is GONE, "what is heard late is older than that"


def test_another_responder_after_one_who_was_stood_down_is_coming_and_not_there():
    now = read(Conversation(), SENT, Help(dispatched_wall=T, arrived_wall=T + 5), T + 6)
    now = read(now, "Responder Cancelled", Help(), T + 30)
    assert read(now, SENT, Help(dispatched_wall=T + 60), T + 61).stage is COMING
    assert read(now, SENT, Help(dispatched_wall=T + 60, arrived_wall=T + 5), T + 61).stage is COMING, "that arrival was the first one's"
    assert read(now, SENT, Help(), T + 61).stage is COMING, "a status that changed is news, without any time"


def test_event_stream_tells_of_an_arrival_that_no_read_tells():
    now = read(read(Conversation(), "created", Help(), T), SENT, Help(), T + 20)
    assert listened(now, system("Responder arrived on scene", T + 60)).stage is THERE
    assert listened(now, system("Responder arrived on scene", T + 10)).stage is THERE, "our clock may be ahead of dispatch's"
    assert listened(now, Event(1, "system", "Unit 7", T + 60, kind="RESPONDER_ARRIVED_ON_SCENE")).stage is THERE


def test_newest_step_of_the_stream_counts_in_whatever_order_it_is_listed():
    steps = [
        system("Responder dispatched", T, 1),
        system("Responder arrived on scene", T + 10, 2),
        system("Responder stood down", T + 20, 3),
        system("Responder dispatched", T + 30, 4),
    ]
    for order in itertools.permutations(steps):
        assert listened(Conversation(), *order).stage is COMING
    assert listened(Conversation(), *sorted(steps, key=lambda each: each.wall or 0)[:3]).stage is GONE


def test_stream_that_is_looked_at_again_takes_nothing_back_that_was_read_since():
    steps = (system("Responder dispatched", T, 1), system("Responder arrived on scene", T + 10, 2))
    now = listened(Conversation(), *steps)
    now = read(now, "Responder Cancelled", Help(), T + 60)
    assert listened(now, *steps).stage is GONE


@pytest.mark.parametrize("clock_off_s", [-3e8, -600.0, 0.0, 3e8])
def test_responder_who_is_stood_down_is_not_there_by_whose_clock_ever(clock_off_s: float):
    """The device's clock is years behind, or an entry of the stream is of a time to come: what changed just now is newer all the same."""
    now = read(Conversation(), SENT, Help(dispatched_wall=T), T + clock_off_s)
    now = listened(now, system("Responder arrived on scene", T + 60), now_wall=T + 70 + clock_off_s)
    assert now.stage is THERE
    now = read(now, "Responder Cancelled", Help(), T + 120 + clock_off_s)
    assert now.stage is GONE
    assert listened(now, system("Responder arrived on scene", T + 60), now_wall=T + 130 + clock_off_s).stage is GONE
    assert read(now, SENT, Help(), T + 150 + clock_off_s).stage is COMING, "and another one is coming"


def test_one_entry_without_a_time_leaves_the_others_in_order():
    steps = [system("Responder stood down", T + 20, 3), system("Responder arrived on scene", T + 10, 2), system("hello", None, 4)]
    for order in itertools.permutations(steps):
        assert listened(Conversation(), *order).stage is GONE
        assert listened(listened(Conversation(), *order[:2]), *order[2:]).stage is GONE, "also what is listed no more"


@pytest.mark.parametrize("source", ["customer 4711", "Customer App", "mobile user", "Jo Smith", "panic device"])
def test_whoever_does_not_speak_for_dispatch_sends_no_responder(source: str):
    """Nor is what they write lost: it is shown, because it may be of dispatch."""
    arrived = wrote("Responder arrived on scene", source=source, kind=None, wall=T + 60)
    now = listened(Conversation(), arrived)
    assert (now.stage, [each.event.text for each in now.messages]) == (NONE, ["Responder arrived on scene"])
    if {"customer", "device"} & set(source.casefold().split()):
        assert listened(read(Conversation(), SENT, Help(), T), arrived).stage is COMING


def test_dispatch_takes_back_what_it_said_too_early():
    """An arrival that was noted for the wrong callout: whoever is on the way is still on the way."""
    now = read(Conversation(), SENT, Help(dispatched_wall=T, arrived_wall=T + 60), T + 61)
    assert now.stage is THERE
    assert read(now, SENT, Help(dispatched_wall=T), T + 90).stage is COMING


@pytest.mark.parametrize("source", ["customer", "Customer", " CUSTOMER ", "device"])
@pytest.mark.parametrize("kind", ["chat", "lifecycle", None, "RESPONDER_ARRIVED_ON_SCENE"])
def test_customer_who_writes_that_a_responder_is_there_sends_none(source: str, kind: str | None):
    """Whoever holds the customer's phone could else calm the wearer."""
    now = read(Conversation(), SENT, Help(), T)
    now = listened(now, wrote("Responder arrived on scene", source=source, kind=kind, wall=T + 60))
    assert (now.stage, now.messages) == (COMING, ())


def test_chat_of_dispatch_is_a_message_and_no_step_whatever_it_says():
    now = listened(Conversation(), wrote("Responder arrived on scene"))
    assert now.stage is NONE
    assert [each.event.text for each in now.messages] == ["Responder arrived on scene"]


def test_entry_without_a_source_leads_on_only_from_a_responder_of_whom_dispatch_has_told():
    """The older generation names nobody: who wrote it is not known."""
    arrived = wrote("Responder arrived on scene", source="unknown", kind=None, wall=T + 60)
    assert listened(Conversation(), arrived).stage is NONE
    assert listened(read(Conversation(), "created", Help(), T), arrived).stage is NONE
    assert listened(read(Conversation(), SENT, Help(), T), arrived).stage is THERE
    stood_down = wrote("Responder stood down", source="unknown", kind=None, wall=T + 60)
    now = read(read(Conversation(), "created", Help(), T - 1), SENT, Help(), T)
    assert listened(now, stood_down).stage is GONE, "to claim less needs no voucher"


def test_status_that_says_nothing_of_a_responder_any_more_claims_none():
    now = read(Conversation(), SENT, Help(), T)
    assert read(now, "created", Help(), T + 5).stage is NONE
    assert read(now, None, Help(), T + 5).stage is COMING, "a body without a status says nothing"


def test_expected_time_and_name_are_told_while_they_are_true():
    told = Help(dispatched_wall=T, eta_wall=T + 300, responder="Unit 7\x1b[31m")
    now = read(Conversation(), SENT, told, T)
    assert (now.eta_wall, now.name) == (T + 300, "Unit 7�[31m")
    now = read(now, SENT, replace(told, arrived_wall=T + 200), T + 201)
    assert (now.eta_wall, now.name) == (None, "Unit 7�[31m"), "who is there is not expected"
    assert read(Conversation(), "created", told, T).stage is COMING, "that they were dispatched is told"
    assert read(Conversation(), "created", Help(eta_wall=T + 300), T).stage is NONE, "an estimate is no dispatch"
    assert read(Conversation(), SENT, Help(eta_text="12"), T).eta_text == "12"


def test_restart_goes_on_with_what_was_known():
    now = resumed("there", T + 10, SENT)
    assert now.stage is THERE
    now = read(now, SENT, Help(), T + 500)
    assert now.stage is THERE, "the same status is no news"
    assert read(now, "Responder Cancelled", Help(), T + 510).stage is GONE
    assert listened(now, system("Responder stood down", T + 20)).stage is GONE
    assert resumed("gone fishing", None, None) == Conversation(claim=resumed("none", None, None).claim)


# --- messages -------------------------------------------------------------------------------------------------------------


def test_each_entry_is_heard_once_in_the_order_of_its_time():
    first, second = wrote("one", 1, wall=T), wrote("two", 2, wall=T + 5)
    now = listened(Conversation(), second, first)
    now = listened(now, first, second, first)
    assert [each.text for each in now.events] == ["one", "two"]
    assert len(now.messages) == 2
    assert listened(now).events == now.events, "what was there once is not taken back"


def test_entry_without_an_id_is_known_by_its_text_and_time():
    anonymous = replace(wrote("one"), id=None)
    now = listened(listened(Conversation(), anonymous), anonymous, replace(anonymous, wall=T + 1))
    assert [each.text for each in now.events] == ["one", "one"]


@pytest.mark.parametrize("source", ["customer", "device", "unknown"])
def test_our_own_words_are_no_message(source: str):
    text = "Pressed again at 2026-03-02T10:11:12Z (button panic)"
    now = listened(Conversation(), wrote(f" {text}  ", source=source, kind=None), ours=(text,))
    assert now.messages == ()
    assert len(now.events) == 1, "but they are part of the conversation"


def test_dispatch_may_use_the_same_words_as_we_did():
    now = listened(Conversation(), wrote("ok", 1, "customer"), wrote("ok", 2), ours=("ok",))
    assert [each.event.source for each in now.messages] == ["controller"]


def test_what_the_service_notes_by_itself_is_no_message():
    noted = [
        Event(n, "system", text, T, kind="lifecycle") for n, text in enumerate(("Callout closed", "NEW_CALLOUT", "Responder completed"))
    ]
    assert listened(Conversation(), *noted).messages == ()


def test_long_trail_of_ours_does_not_push_out_what_dispatch_said_and_both_are_bounded():
    now = listened(Conversation(), wrote("hold on", 0, wall=T), *(wrote(f"at {n}", n, "customer", wall=T + n) for n in range(1, 1_200)))
    assert [each.event.text for each in now.messages] == ["hold on"]
    assert len(now.events) == 1 + MOST_OURS
    now = listened(Conversation(), *(wrote(f"{n}", n, wall=T + n) for n in range(1_200)))
    assert len(now.events) == MOST_HEARD
    assert now.events[-1].text == "1199", "the newest are kept"


@pytest.mark.parametrize("newest_first", [False, True])
def test_what_was_said_last_is_heard_of_the_longest_stream_in_whatever_order_it_is_listed(*, newest_first: bool):
    """Every missed fix may be a line of it: thousands after a long outage."""
    told = [wrote(f"at {n}", n, "customer", wall=T + n) for n in range(3 * MOST_LISTED)]
    told += [wrote("we are at the door", 9_001, wall=T + 9_001), system("Responder arrived on scene", T + 9_002, 9_002)]
    now = listened(Conversation(), *(reversed(told) if newest_first else told), now_wall=T + 9_100)
    assert ([each.event.text for each in now.messages], now.stage) == (["we are at the door"], THERE)


@pytest.mark.parametrize(
    "nasty", ["\x1b]0;owned\x07", "\x1b[2J\x1b[H", "a\x9b31mb", "one\r\ntwo", "\u202eevil", "\ud800", "\x00", "\u2028"]
)
def test_nothing_that_dispatch_writes_can_drive_a_terminal(nasty: str):
    (event,) = listened(Conversation(), wrote(f"x{nasty}y", source=f"s{nasty}")).events
    for text in (event.text, event.source):
        assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in text)
        text.encode()
    assert event.text.startswith("x")
    assert event.text.endswith("y")


def test_long_text_is_cut_and_says_so():
    (event,) = listened(Conversation(), wrote("a" * 5_000)).events
    assert len(event.text) == 1_000
    assert event.text.endswith("…")


EVENTS = st.lists(
    st.builds(
        Event,
        st.one_of(st.none(), st.integers(0, 9), st.text(max_size=3)),
        st.sampled_from(["customer", "controller", "system", "unknown", "", "\x1b"]),
        st.one_of(st.text(max_size=20), st.sampled_from(["Responder dispatched", "Responder arrived on scene", "Responder stood down"])),
        st.one_of(st.none(), st.floats(T - 100, T + 100), st.just(1e300)),
        kind=st.one_of(st.none(), st.sampled_from(["chat", "lifecycle", "RESPONDER_COMPLETED"])),
    ),
    max_size=8,
)


@given(st.lists(EVENTS, max_size=4))
def test_whatever_is_listed_is_heard_once_and_can_be_shown(lists: list[list[Event]]):
    now = Conversation()
    for listed in lists:
        before, now = now, listened(now, *listed)
        keys = [each.key for each in now.entries]
        assert len(keys) == len(set(keys))
        assert {each.key for each in before.entries} <= set(keys)
        assert listened(now, *listed) == now, "the same list again is no news"
        assert not any(unicodedata.category(letter) in UNSHOWN for each in now.entries for letter in each.event.text + each.event.source)
    assert all(not (each.ours and (each.message or each.step)) for each in now.entries)


# --- what is remembered ---------------------------------------------------------------------------------------------------


def test_what_was_told_of_a_callout_outlives_the_process_and_is_of_no_other():
    hearsay = Hearsay(500)
    hearsay.tell("a", "accepted 1")
    assert hearsay.say(["one", "two"])
    assert not hearsay.say(["One  "]), "known"
    hearsay.said = THERE
    hearsay.remember(read(Conversation(), SENT, Help(arrived_wall=T), T))
    again = Hearsay(500, hearsay.note())
    assert (again.is_told("a"), again.is_told("b"), again.said) == (True, False, THERE)
    assert again.ours == hearsay.ours
    assert (again.begin().stage, again.begin().status) == (THERE, SENT)
    other = Hearsay("500", hearsay.note())
    assert (other.is_told("a"), other.ours, other.begin()) == (False, frozenset(), Hearsay(7).begin())


@given(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(['{"of": 5, "told": 7, "ours": {}, "wall": "x", "stage": [], "status": 3, "said": null}', "[]", "null"]),
    )
)
def test_damaged_note_is_none(note: str):
    hearsay = Hearsay(5, note)
    assert (hearsay.said, hearsay.ours, hearsay.begin().stage) == (NONE, frozenset(), NONE)


def test_memory_is_bounded_and_forgets_the_oldest():
    hearsay = Hearsay(5)
    hearsay.say(str(n) for n in range(3 * MOST_KNOWN))
    hearsay.tell(*(str(n) for n in range(5_000)))
    assert len(hearsay.ours) == MOST_KNOWN
    assert digest(str(3 * MOST_KNOWN - 1)) in hearsay.ours
    assert (hearsay.is_told("0"), hearsay.is_told("4999")) == (False, True)
    assert len(hearsay.note()) < 25_000
