"""Presses and callouts as single moments on the map: what each is called, when and where it was.

Pure. The words are the same in a picture, a GPX waypoint and a GeoJSON point. Must not know a format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent import wording
from agent.tracks.history import Called, Pressed
from agent.tracks.points import Point

_TOLD_AGE_S = 30.0  # a position older than this says so


@dataclass(frozen=True, slots=True)
class Mark:
    """kind: `press`, `raised` or `ended`. wall: UTC s. place: None where the device did not know its position."""

    kind: str
    wall: float
    name: str
    text: str
    place: Point | None


def marks(presses: Iterable[Pressed], callouts: Iterable[Called]) -> list[Mark]:
    """All of them, in the order of their time."""
    found = [_press(each) for each in presses]
    found += [mark for each in callouts for mark in _callout(each)]
    return sorted(found, key=lambda mark: mark.wall)


def _press(press: Pressed) -> Mark:
    words = [f"Pressed at {wording.utc(press.wall)} ({wording.by_what(press.origin)})"]
    words += ["a drill"] if press.drill else []
    if press.answered_wall is not None:
        words.append(f"a callout answered it after {wording.span(press.answered_wall - press.wall)}")
    text = "; ".join([*words, *_age(press.place, press.wall)])
    return Mark("press", press.wall, f"Press {press.number}", f"{text}. {press.note}" if press.note else f"{text}.", press.place)


def _callout(callout: Called) -> Iterator[Mark]:
    what = "Drill" if callout.drill else "Callout"
    text = f"Raised at {wording.utc(callout.raised_wall)} ({_origin(callout.origin)})"
    place = callout.begin
    yield Mark(
        "raised", callout.raised_wall, f"{what} {callout.id} raised", "; ".join([text, *_age(place, callout.raised_wall)]) + ".", place
    )
    if callout.ended_wall is not None:
        text = f"Ended at {wording.utc(callout.ended_wall)}, after {wording.span(callout.ended_wall - callout.raised_wall)}"
        ended = "; ".join([text, *_age(callout.end, callout.ended_wall)]) + "."
        yield Mark("ended", callout.ended_wall, f"{what} {callout.id} ended", ended, callout.end)


def _origin(origin: str) -> str:
    return "raised elsewhere" if origin == "elsewhere" else wording.by_what(origin)


def _age(place: Point | None, wall: float) -> list[str]:
    if place is None:
        return ["position unknown"]
    age_s = wall - place.wall
    return [f"the position is {wording.span(age_s)} old"] if age_s > _TOLD_AGE_S else []
