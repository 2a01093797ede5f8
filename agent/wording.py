"""What a controller reads in the event stream: whole sentences with UTC times.

Words only; decides nothing but how to say it. Times are UTC, because the controller may sit anywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from agent.model import Place, Press, Quality

LATE_S = 60.0  # a press delivered later than this says when it was made
REAL_EMERGENCY = "REAL EMERGENCY, NOT A DRILL: the button was pressed during a drill. Treat this callout as real."
DRILL_STARTED = "DRILL: this callout is a test of the device. No one is in danger."
DRILL_FOUND_ONE = "the raise returned a callout that was already open; nothing was written to it"
FIXED_LOCATION = "Raised for the fixed location that dispatch knows of this device; its position is not measured."
UNVOUCHED = " Times by a clock that was not yet set."  # behind a message whose times nobody vouches for
MAX_EVENT_CHARS = 1_000
# Categories of Unicode that a terminal or a log may act upon instead of showing them: controls, marks of direction, halves of characters.
UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def utc(wall: float) -> str:
    """`2026-03-02T10:11:12Z`; "an unknown time" for what no calendar can show."""
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def span(seconds: float) -> str:
    """A duration for a person: `45 s`, `12 min`, `3 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    if whole < 5_400:
        return f"{round(whole / 60)} min"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def by_what(origin: str) -> str:
    """The origin of a press in words."""
    kind, _, name = origin.partition(":")
    return f"button {name}" if kind == "button" else {"cli": "by software", "spool": "by software"}.get(origin, origin)


def pressed_again(press: Press) -> str:
    """A press while a callout is on."""
    return _pressed("again", press)


def pressed_first(press: Press) -> str:
    """The press that began it, where the raise asked for what a later one asks."""
    return _pressed("first", press)


def said_with(press: Press) -> tuple[str, ...]:
    """The note of a press that begins a callout, if it has one; that of a later press stands in `pressed_again`."""
    return (f"Said with the press: {press.note}"[:MAX_EVENT_CHARS],) if press.note else ()


def _pressed(which: str, press: Press) -> str:
    asked = "" if press.response_type_id is None else f", response type {press.response_type_id} asked for"
    note = f": {press.note}" if press.note else ""
    doubt = "" if press.wall_trusted else " by a clock that was not yet set"
    return f"Pressed {which} at {utc(press.wall)}{doubt} ({by_what(press.origin)}{asked}){note}"[:MAX_EVENT_CHARS]


def other_type(press: Press, *, own: bool) -> str | None:
    """Where a raise did without the response type of its press (own: it did not), because dispatch had refused it; else None."""
    if own or press.response_type_id is None:
        return None
    return f"The button asked for response type {press.response_type_id}, which dispatch refused; this callout is of the usual one."


def delivered_late(press: Press, waited_s: float) -> str:
    """A press that could not be delivered for longer than LATE_S. A time that was never right is left out: it would only mislead."""
    when = f" at {utc(press.wall)}," if press.wall_trusted else ""
    return f"Pressed{when} {span(waited_s)} before this callout could be raised."


def source_of(place: Place | None, now_wall: float) -> str | None:
    """What to know of the position that a raise carried; None for a live one, which needs no words."""
    if place is None:
        return "Raised without a position: the device has none yet. The first one follows at once."
    if place.quality is Quality.LIVE:
        return None
    if place.quality is Quality.SITE:
        return "The position of the raise is the configured site, not a measured one."
    age = "" if place.wall is None else f" of {utc(place.wall)}, {span(now_wall - place.wall)} old"
    accuracy = "" if place.accuracy_m is None else f", accuracy {place.accuracy_m:.0f} m"
    what = {Quality.STORED: "the last stored one", Quality.UNCONFIRMED: "a first fix, not yet confirmed"}.get(
        place.quality, "a doubtful one"
    )
    return f"The position of the raise is {what}{age}{accuracy}."


def doubtful(accuracy_m: float | None) -> str:
    """Said when the gate had to let a doubted position through."""
    spread = "unknown" if accuracy_m is None else f"{accuracy_m:.0f} m"
    return f"The receiver's positions contradict each other; the one now shown may be wrong by {spread}."


def offered(place: Place, now_wall: float) -> str:
    """Our position for a callout that was raised elsewhere, not near."""
    spread = "" if place.accuracy_m is None else f" within {place.accuracy_m:.0f} m"
    when = " (its configured site)" if place.wall is None else f", {span(now_wall - place.wall)} ago"
    return f"The tracking device of this customer is not near: it is at {place.latitude:.5f}, {place.longitude:.5f}{spread}{when}."


def unreachable(press: Press, place: Place | None, *, age_s: float, now_wall: float) -> str:
    """For a person who gets it as an SMS: dispatch could not be reached. age_s: of the press."""
    when = f" at {utc(press.wall)}" if press.wall_trusted else ""
    what = f"Emergency button pressed{when}; dispatch could not be reached for {span(age_s)}."
    if place is None:
        return f"{what} Position unknown."
    return f"{what} Position {where(place, now_wall)}."


def outage(from_wall: float, to_wall: float, position: str, *, together: bool) -> str:
    """The link is back. position: from `without_position`. together: it and the position were lost at the same time."""
    cause = " Both were lost at the same time: jamming is possible, or a tunnel, or a roof." if together else ""
    return f"Nothing got through from {utc(from_wall)} to {utc(to_wall)} ({span(to_wall - from_wall)}). {position}{cause}"


def without_position(gaps: Sequence[tuple[float | None, float | None]], more: int) -> str:
    """What the receivers knew during an outage. gaps: UTC s of the position before and after each, None: none. more: gaps beside."""
    if not gaps:
        return "The position was known throughout."
    if gaps[0] == (None, None):
        return "There was no live position."
    before = f", and {more} times more" if more else ""
    return f"No position {', '.join(_gap(*each) for each in gaps)}{before}."


def _gap(before_wall: float | None, after_wall: float | None) -> str:
    if after_wall is None:
        return f"since {utc(before_wall or 0.0)}"
    return f"until {utc(after_wall)}" if before_wall is None else f"from {utc(before_wall)} to {utc(after_wall)}"


def position_lost(last_wall: float, now_wall: float) -> str:
    """The link is good, and no position comes in. last_wall: UTC s of the last one."""
    return f"No position since {utc(last_wall)}: antenna, roof or jamming. The last one is {span(now_wall - last_wall)} old."


def position_back(last_wall: float, next_wall: float) -> str:
    """Positions come in again."""
    return f"Positions come in again since {utc(next_wall)}; there were none from {utc(last_wall)} ({span(next_wall - last_wall)})."


def battery_low(percent: float | None, wall: float) -> str:
    """The device lives on what is left. percent: None where only the fact is known."""
    return f"The battery of the device is nearly empty{charge(percent)} at {utc(wall)}: it may go silent."


def supply_cut(percent: float | None, wall: float) -> str:
    """wall: UTC s of the cut."""
    return f"The power supply of the device was cut at {utc(wall)}; it runs on its battery{charge(percent)}."


def supply_back(percent: float | None, wall: float) -> str:
    """wall: UTC s."""
    battery = "" if percent is None else f"; its battery is at {percent:.0f} %"
    return f"The power supply of the device is back at {utc(wall)}{battery}."


def shutting_down(wall: float) -> str:
    """wall: UTC s of the order."""
    return f"The device is being shut down at {utc(wall)}: no positions until it runs again."


def charge(percent: float | None) -> str:
    """` (12 %)`; nothing where it is unknown."""
    return "" if percent is None else f" ({percent:.0f} %)"


def last_position(place: Place | None, now_wall: float) -> str:
    """For the last words of a device; nothing where a live position goes out with them."""
    if place is None:
        return " There is no position."
    return "" if place.quality in (Quality.LIVE, Quality.FORCED) else f" Last known position: {where(place, now_wall)}."


def where(place: Place, now_wall: float) -> str:
    """A place with what it is worth: `-33.92490, 18.42410 within 12 m, 5 min old`."""
    spread = "" if place.accuracy_m is None else f" within {place.accuracy_m:.0f} m"
    age = "" if place.wall is None else f", {span(now_wall - place.wall)} old"
    return f"{place.latitude:.5f}, {place.longitude:.5f}{spread}{age}"


def harmless(text: str, limit: int) -> str:
    """A text from outside as one line that can be shown anywhere: blanks are one space, what could drive a terminal is a mark."""
    blanks = " ".join(text[: 4 * limit].split())[: limit + 1]  # a long list of long texts would else hold the loop
    clean = (
        blanks if blanks.isprintable() else "".join("\ufffd" if unicodedata.category(letter) in UNSHOWN else letter for letter in blanks)
    )
    return clean if len(clean) <= limit else f"{clean[: limit - 1]}…"


def clock(wall: float) -> str:
    """The time of day of UTC s: `14:32 UTC`; "an unknown time" for what no calendar can show."""
    told = utc(wall)
    return f"{told[11:16]} UTC" if told.endswith("Z") else told


def responder_coming(eta_wall: float | None, eta_text: str | None) -> str:
    """A responder is on the way. eta_wall: UTC s. eta_text: as dispatch told it, where it is no time."""
    if eta_wall is not None:
        return f"A responder is on the way, expected at {clock(eta_wall)}."
    return "A responder is on the way." if eta_text is None else f"A responder is on the way; dispatch says: {eta_text}."
