"""What was recorded, read again: committed or still waiting, a page at a time.

Touches the keeper, in the store's thread only: between two pages a press may be written. Decides how far what waits counts; must not
write, and must not raise for the state of the disk (what cannot be read is left out).
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from agent import waiting
from agent.columns import write_utc
from agent.deeds import Deed
from agent.fix_rows import Row
from agent.keeper import Keeper
from agent.kept import Missed, PressMade
from agent.model import Fix
from agent.waiting import Unwritten

_T = TypeVar("_T")

# Rows read at a time: a press waits for no more than this.
_PAGE = 1000
_IDS = 500  # of which rows are fetched one by one, at a time
_LAST_ID = 2**63 - 1


class Call(Protocol):
    """Has the store's thread do something once everything that waits now was committed, or could not be."""

    def __call__(self, job: Callable[[], _T], /) -> Awaitable[_T]:
        """Ends with what it came to."""


@dataclass(slots=True)
class _Search:
    """A walk through what the lanes missed: found so far, where to go on (None: at the end), what dispatch has before the first.

    cut: the disk could not be read any further. since_at: see `Missed`.
    """

    episode: str
    until_at: float
    most: int
    found: list[Fix]
    after: int | None = -1
    before: Fix | None = None
    cut: bool = False
    since_at: float | None = None


class Retrieval:
    """call: see `Call`. pending: what waits at this moment."""

    def __init__(self, keeper: Keeper, call: Call, pending: Callable[[], tuple[Deed, ...]]) -> None:
        self._keeper, self._call, self._pending = keeper, call, pending

    async def fixes(self, since_wall: float, until_wall: float) -> list[Fix]:
        """Of a span (UTC s, both ends included), in capture order."""
        since, until = write_utc(since_wall), write_utc(until_wall)
        fixes: list[Fix] = []
        after: int | None = -1

        def read(after: int) -> tuple[list[Fix], int | None]:
            nothing: tuple[list[Row], int | None] = ([], None)
            rows, on = self._keeper.ask(lambda tables: tables.fixes.span(since_wall, until_wall, after, _PAGE), nothing)
            # Only this thread commits: with the last page in hand, whatever is not on the disk still waits.
            unwritten = waiting.read(self._pending()).taken if on is None else ()
            return [fix for _, fix in rows] + [t.fix for t in unwritten if since <= write_utc(t.fix.wall) <= until], on

        while after is not None:
            page, after = await self._call(lambda after=after: read(after))  # type: ignore[misc] # mypy cannot type a default of a lambda
            fixes += page
        return fixes

    async def missed(self, episode: str, until_at: float, limit: int) -> Missed:
        """The oldest of an emergency that neither lane told."""
        search = _Search(episode, until_at, limit + 1, [])
        while search.after is not None and len(search.found) <= limit:
            await self._call(lambda: self._search(search))
        more = search.cut or len(search.found) > limit
        return Missed(search.before if search.found else None, tuple(search.found[:limit]), more=more, since_at=search.since_at)

    def _search(self, search: _Search) -> None:
        """The next page of the walk."""
        unwritten = waiting.read(self._pending())
        # Where marks wait, most rows may prove to be marked.
        asked = _PAGE if unwritten.sent or unwritten.told else min(_PAGE, search.most - len(search.found))
        after = -1 if search.after is None else search.after
        read = self._keeper.ask(lambda tables: tables.fixes.missed(search.episode, search.until_at, after, asked), None)
        rows = read or []
        search.after = rows[-1][0] if len(rows) == asked else None
        search.cut = read is None and bool(search.found)
        page = [fix for _, fix in rows]
        # Behind what could be read lies what could not: whoever told what waits behind that as well would never tell it.
        if search.after is None and not search.cut:
            page += [t.fix for t in unwritten.taken if t.episode == search.episode and t.fix.at <= search.until_at]
        had, fresh = unwritten.part(page, search.episode)
        if not search.found:
            first = fresh[0] if fresh else None
            number = next((number for number, fix in rows if fix is first), _LAST_ID)
            search.before = self._told_before(search, had, number, first)
        if read is None and not search.found and fresh:
            search.since_at = fresh[0].at
        search.found += fresh

    def _told_before(self, search: _Search, had: list[Fix], number: int, first: Fix | None) -> Fix | None:
        """The last that dispatch has before the first that it has not (None: not known yet)."""
        last_at = math.inf if first is None else first.at
        on_disk = None if first is None else self._keeper.ask(lambda tables: tables.fixes.told_before(search.episode, number), None)
        candidates = [fix for fix in (search.before, on_disk, *had) if fix is not None and fix.at <= last_at]
        return max(candidates, key=lambda fix: fix.at, default=None)

    async def note(self, name: str) -> str | None:
        """A small fact as it is on the disk now; None where there is none, or where it cannot be read."""
        return await self._call(lambda: self._keeper.ask(lambda tables: tables.read_note(name), None))

    async def before_press(self, number: int, span_s: float) -> tuple[Fix, ...]:
        """Of the `span_s` before a press, by both clocks, oldest first."""
        ids, unwritten = await self._call(lambda: self._list_before(number, span_s))
        fixes: list[Fix] = []
        for start in range(0, len(ids), _IDS):
            chunk = ids[start : start + _IDS]
            fixes += await self._call(lambda chunk=chunk: self._keeper.ask(lambda tables: tables.fixes.read(chunk), list[Fix]()))  # type: ignore[misc] # likewise
        return (*fixes, *unwritten)

    def _list_before(self, number: int, span_s: float) -> tuple[list[int], list[Fix]]:
        pending = self._pending()
        made = next((deed.press for deed in pending if isinstance(deed, PressMade) and deed.press.number == number), None)
        ids = self._keeper.ask(lambda tables: tables.ids_before_press(number, made, span_s), list[int]())
        at = self._keeper.ask(lambda tables: tables.press_at(number), None) if made is None else made.at
        return ids, [] if at is None else _of_span(waiting.read(pending), at - span_s, at)


def _of_span(unwritten: Unwritten, since_at: float, until_at: float) -> list[Fix]:
    return [t.fix for t in unwritten.taken if since_at <= t.fix.at <= until_at]
