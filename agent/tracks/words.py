"""A track in a few sentences, for the head of a picture, its page and the command line.

Pure. UTC throughout, and it says so. Must not say more than the story knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

from agent.tracks.history import Called, Pressed
from agent.tracks.points import Break
from agent.tracks.story import Outage, Story
from agent.wording import span

midnight = time()


def moment(wall: float) -> datetime:
    """UTC; the store keeps no time that is not a date."""
    return datetime.fromtimestamp(wall, UTC)


def length(seconds: float) -> str:
    """A duration: `45 s`, `12 min`, `3 h 05 min`, `11 days 13 h`."""
    return span(seconds) if seconds < 172_800 else f"{seconds // 86_400:.0f} days {seconds % 86_400 // 3_600:.0f} h"


def day(wall: float) -> str:
    """`25 Nov 2026`."""
    at = moment(wall)
    return f"{at.day} {at:%b %Y}"


def clock(wall: float, *, seconds: bool = False) -> str:
    """`08:40`, or `08:40:12`."""
    return f"{moment(wall):%H:%M:%S}" if seconds else f"{moment(wall):%H:%M}"


def short(wall: float, *, dated: bool) -> str:
    """`08:40`, or `2 Mar 08:40` where a track has several days."""
    return f"{moment(wall).day} {moment(wall):%b} {clock(wall)}" if dated else clock(wall)


def tick(wall: float, step_s: int) -> str:
    """A moment on a scale of time: midnight is a date."""
    if step_s >= 86_400 or moment(wall).time() == midnight:
        return f"{moment(wall).day} {moment(wall):%b}"
    return clock(wall, seconds=step_s < 60)


def distance(metres: float) -> str:
    """`340 m`, `3.4 km`, `93 km`."""
    if metres < 950:
        return f"{metres:.0f} m"
    return f"{metres / 1000:.1f} km" if metres < 9_950 else f"{metres / 1000:.0f} km"


def title(story: Story) -> str:
    """When the track was recorded."""
    if story.first is None or story.last is None:
        return "Track"
    begin, end = story.first.wall, story.last.wall
    if day(begin) == day(end):
        return f"Track of {day(begin)}, {clock(begin)} to {clock(end)} UTC"
    return f"Track from {day(begin)} {clock(begin)} to {day(end)} {clock(end)} UTC"


def times(count: int) -> str:
    """`once`, `twice`, `7 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def headlines(story: Story, presses: Sequence[Pressed], callouts: Sequence[Called]) -> list[str]:
    """The facts in the order of their weight, each short enough for a phone."""
    if story.first is None or story.last is None:
        return []
    lines = [f"{distance(story.distance_m)} in {length(story.last.wall - story.first.wall)}"]
    if presses:
        lines.append(f"pressed {times(len(presses))}" + (f" at {clock(presses[0].wall)}" if len(presses) == 1 else ""))
    ends = (story.first.wall, story.last.wall)
    if earlier := len(callouts[:-2]):
        lines.append(f"{earlier} earlier callout{'s' if earlier > 1 else ''}")
    lines += [callout_words(each, dated=_on_other_days(each, ends)) for each in callouts[-2:]]
    if story.outages:
        lines.append(f"offline {times(len(story.outages))} ({length(sum(each.length_s for each in story.outages))}): {_owed(story)}")
    elif callouts and story.sent:
        lines.append("never offline")
    gaps = [gap for gap in story.gaps if gap.why is Break.GAP]
    if gaps:
        lines.append(f"no position {times(len(gaps))} ({length(sum(gap.length_s for gap in gaps))})")
    return lines


def _owed(story: Story) -> str:
    untold = sum(each.untold for each in story.outages)
    if not untold:
        return "all of it told later"
    told = sum(each.told for each in story.outages)
    return f"{told} positions told later, {untold} not" if told else "nothing of it told"


def _on_other_days(callout: Called, ends: tuple[float, float]) -> bool:
    """Whether a time of day alone would be taken for one of another day. ends: of the track, UTC s."""
    return len({day(wall) for wall in (*ends, callout.raised_wall, callout.ended_wall or callout.raised_wall)}) > 1


def callout_words(callout: Called, *, dated: bool = False) -> str:
    """When it was on."""
    what, begin = "drill" if callout.drill else "callout", short(callout.raised_wall, dated=dated)
    if callout.ended_wall is None:
        return f"{what} since {begin}" if callout.going_on else f"{what} raised {begin}"
    return f"{what} {begin} to {short(callout.ended_wall, dated=dated)}"


def fate_of(outage: Outage) -> str:
    """What became of the positions of an outage."""
    if not outage.untold:
        return "told later"
    return f"{outage.untold} of {outage.told + outage.untold} not told" if outage.told else "not told"


WHY = {
    Break.GAP: "no position",
    Break.BOOT: "device restarted",
    Break.RECEIVER: "other receiver",
    Break.CLOCK: "clock stepped",
}
