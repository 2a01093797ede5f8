"""What a controller reads in the event stream: whole sentences with UTC times.

Words only; decides nothing but how to say it. Times are UTC, because the controller may sit anywhere.
"""

from __future__ import annotations

from datetime import UTC, datetime

from agent.model import Place, Press, Quality

LATE_S = 60.0  # a press delivered later than this says when it was made
REAL_EMERGENCY = "REAL EMERGENCY, NOT A DRILL: the button was pressed during a drill. Treat this callout as real."
DRILL_STARTED = "DRILL: this callout is a test of the device. No one is in danger."
DRILL_FOUND_ONE = "the raise returned a callout that was already open; nothing was written to it"
MAX_EVENT_CHARS = 1_000


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
    asked = "" if press.response_type_id is None else f", response type {press.response_type_id} asked for"
    note = f": {press.note}" if press.note else ""
    return f"Pressed again at {utc(press.wall)} ({by_what(press.origin)}{asked}){note}"[:MAX_EVENT_CHARS]


def delivered_late(press: Press, wall: float) -> str:
    """A press that could not be delivered for longer than LATE_S."""
    doubt = "" if press.wall_trusted else " (by a clock that was not yet set)"
    return f"Pressed at {utc(press.wall)}{doubt}, {span(wall - press.wall)} before this callout could be raised."


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


def unreachable(press: Press, place: Place | None, now_wall: float) -> str:
    """For a person who gets it as an SMS: dispatch could not be reached."""
    what = f"Emergency button pressed at {utc(press.wall)}; dispatch could not be reached for {span(now_wall - press.wall)}."
    if place is None:
        return f"{what} Position unknown."
    age = "" if place.wall is None else f", {span(now_wall - place.wall)} old"
    spread = "" if place.accuracy_m is None else f" within {place.accuracy_m:.0f} m"
    return f"{what} Position {place.latitude:.5f}, {place.longitude:.5f}{spread}{age}."
