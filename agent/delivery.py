"""What a reply means, when to try again, and in which shape (DESIGN section 6).

Decides on values alone: a reply as it came, a count of failures, a random number. Must not wait, send or know a lane; must
not raise for anything a reply contains; puts no secret and no coordinate into a text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from agent import paper_wire, wire
from agent.model import Asked, CalloutId, Meaning, Outcome

CLOSED_STATUS: Final = 285  # dispatch's own "Updates Not Required"; numerically a 2xx
CLOSES: Final = frozenset({Asked.LOCATION, Asked.CANCEL, Asked.EVENT})  # requests for which 285 means closed
TRANSIENT: Final = frozenset({408, 425, 429})  # and every 5xx but 511, which is a captive portal
REFUSED_SHAPE: Final = frozenset({400, 422})
REFUSED: Final = frozenset({403, 404, 409})
NO_SUCH_PATH: Final = frozenset({404, 405})

FIRST_S: Final = 1.0
CAP_S: Final = 15.0  # while a callout is wanted
REFUSED_CAP_S: Final = 60.0  # a raise that dispatch refuses outright
DEADLINE_CAP_S: Final = 60.0  # a 2G handshake can take 12 s; nothing needs longer than this
FRESH_AFTER_S: Final = 10.0  # DESIGN section 6: a second attempt starts while the first may still finish
SCOPE_EVERY_S: Final = 300.0  # DESIGN section 6: a route that refuses a fresh token is tried with another one this often, no more
KEEPALIVE_S: Final = 45.0  # of an idle connection: below the 60 s after which mobile networks forget one
EXISTED_AFTER_S: Final = 120.0  # older than this at the reply: open before we raised, even if our first answers were lost
PLAIN_WORD: Final = re.compile(r"[A-Za-z][A-Za-z'-]{0,14}[.,:;!?]?")
MAX_WORDS: Final = 16


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came. elapsed_s: from sending to the end of the reply. date, retry_after: the headers, verbatim."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    retry_after: str | None = None
    date: str | None = None
    elapsed_s: float = 0.0
    too_large: bool = False  # cut off at the limit: `body` is only its beginning

    @property
    def html(self) -> bool:
        """A page for a person: a captive portal, a proxy, a gateway."""
        return "html" in self.content_type.lower() or self.body.lstrip()[:1] == b"<"

    @property
    def date_wall(self) -> float | None:
        """UTC s by the clock of whoever answered."""
        return _http_date(self.date)


def outcome_of(asked: Asked, callout_id: CalloutId | None, reply: Reply, *, now_wall: float, shape: str | None = None) -> Outcome:
    """What a reply means to this request. now_wall (UTC s) stands in for the Date of a reply without one."""
    status = reply.status
    base = Outcome(asked, Meaning.RETRY, f"http_{status}", f"HTTP {status} to {asked}", callout_id, status, shape=shape)
    answered_wall = now_wall if reply.date_wall is None else reply.date_wall
    if status == CLOSED_STATUS:  # tested before any 2xx test
        return _closed(base, reply, answered_wall) if asked in CLOSES else _odd(base, reply)
    if 200 <= status < 300:
        return _succeeded(base, reply, answered_wall)
    return _failed(replace(base, retry_after_s=retry_after_s(reply, now_wall)), reply)


def _failed(base: Outcome, reply: Reply) -> Outcome:
    """Neither closed nor accepted: refused, to be tried again, or not dispatch's answer at all."""
    status = reply.status
    if 300 <= status < 400:
        return replace(base, cause="redirect", text=f"{base.text}: a redirect, not followed")
    if status == 401:
        return replace(base, meaning=Meaning.UNAUTHORISED)
    if status in REFUSED_SHAPE or status in REFUSED:
        return replace(base, meaning=Meaning.REJECTED, text=base.text + _said(base.asked, reply))
    if status in TRANSIENT or (500 <= status < 600 and status != 511):
        return base
    return _odd(base, reply)


def lost(asked: Asked, callout_id: CalloutId | None, cause: str, text: str, *, shape: str | None = None) -> Outcome:
    """No reply came. cause: "timeout", "dns", "connect", "reset", "tls", "tls.clock", "odd" or "no_token"."""
    return Outcome(asked, Meaning.RETRY, cause, text, callout_id, shape=shape)


def retry_after_s(reply: Reply, now_wall: float) -> float | None:
    """Retry-After as seconds or HTTP-date, against the reply's own Date where it has one. None when absent or senseless."""
    told = (reply.retry_after or "").strip()
    if told.isascii() and told.isdigit() and len(told) < 10:
        return float(told)
    until_wall = _http_date(told)
    if until_wall is None:
        return None
    answered_wall = reply.date_wall
    return max(0.0, until_wall - (now_wall if answered_wall is None else answered_wall))


# --- when, in which shape -----------------------------------------------------------------------------------------------


def backoff_s(failures: int, *, roll: float, retry_after_s: float | None = None, cap_s: float = CAP_S) -> float:
    """Seconds before the next try: exponential from 1 s to the cap, full jitter (roll in [0, 1)), Retry-After honoured up to it."""
    ceiling_s = min(cap_s, FIRST_S * 2.0 ** min(max(failures - 1, 0), 30))
    asked_s = retry_after_s if retry_after_s is not None and math.isfinite(retry_after_s) else 0.0
    return max(roll * ceiling_s, min(max(asked_s, 0.0), cap_s))


def raise_pause_s(outcome: Outcome, failures: int, *, roll: float) -> float:
    """Seconds before the next raise after this one failed: a refusal that no repetition mends at most 60 s, all else 15 s.

    A token refused for good counts among the former: the 5 min of other routes are too long for someone in danger.
    """
    refused = outcome.meaning is Meaning.UNAUTHORISED or outcome.http_status in REFUSED
    return backoff_s(failures, roll=roll, retry_after_s=outcome.retry_after_s, cap_s=REFUSED_CAP_S if refused else CAP_S)


def attempt_deadline_s(timeouts: int, base_s: float = 10.0) -> float:
    """The total deadline of an attempt after so many timeouts: 10, 20, 40, 60 s."""
    return min(max(DEADLINE_CAP_S, base_s), base_s * 2.0 ** min(max(timeouts, 0), 30))


def fresh_after_s(tries: int, base_s: float = 10.0) -> float:
    """When a further attempt on the alert lane starts beside those that hang: 10 s after the first, 15 s after any later one.

    15 s is the cap of all pauses, and four attempts of 60 s that start 15 s apart follow each other without a gap.
    """
    first_s = min(FRESH_AFTER_S, base_s)
    return first_s if tries <= 1 else 1.5 * first_s


def refused_tries(refused: int, outcome: Outcome) -> int:
    """How often the shape was changed so far. From the first 400 or 422 on, every further failed try changes it, whatever it met.

    Otherwise a shape that meets 404 or 401 (the legacy route may) would be tried for ever. The route of a fixed location is changed at
    any refusal: it may be unknown, or out of the token's scope, where a raise with a position is not.
    """
    if outcome.meaning is Meaning.ACCEPTED:
        return refused
    status = outcome.http_status or 0
    changes = status in REFUSED_SHAPE or (outcome.shape == "predefined" and 400 <= status < 500 and status not in TRANSIENT)
    return refused + 1 if refused or changes else 0


def raise_shape(refused: int, *, has_position: bool, predefined: bool = False) -> str:
    """The shape of the next raise. refused: see `refused_tries`; the shapes take turns, the documented one first."""
    turn = _turn(has_position=has_position, predefined=predefined)
    return turn[refused % len(turn)]


def asks_own_type(refused: int, *, has_position: bool, predefined: bool = False) -> bool:
    """Whether the next raise asks for the response type of its press, or for the usual one.

    When every shape was refused it may be the type that dispatch does not know: every other turn does without it.
    """
    return refused // len(_turn(has_position=has_position, predefined=predefined)) % 2 == 0


def _turn(*, has_position: bool, predefined: bool) -> tuple[str, ...]:
    turn = ("nested", "flat") if has_position else ("nested", "flat", "legacy")
    return ("predefined", *turn) if predefined else turn


# --- 2xx ----------------------------------------------------------------------------------------------------------------


def _succeeded(base: Outcome, reply: Reply, answered_wall: float) -> Outcome:
    """Accepted if the body is what this request must bring; anything else may be a portal or a proxy speaking."""
    if reply.too_large:
        return replace(base, cause="too_large", text=f"{base.text}: the body is larger than any answer of dispatch")
    if reply.html:
        return _odd(base, reply)
    document = wire.document_of(reply.body)
    found = _with_paper(base, reply, document) if base.asked in paper_wire.BRINGS else _found(base, reply, document, answered_wall)
    return _odd(base, reply) if found is None else replace(found, meaning=Meaning.ACCEPTED, cause="ok")


def _found(base: Outcome, reply: Reply, document: Any, answered_wall: float) -> Outcome | None:
    """The outcome with what was due in it; None when it is missing."""
    nothing_listed = reply.status == 204 and _empty(reply, document)
    found: Outcome | None = None
    match base.asked:
        case Asked.RAISE:
            callout = wire.callout_of(document, answered_wall)
            if callout is not None:
                found = replace(base, callout=replace(callout, existed=_existed(callout.created_wall, reply)))
        case Asked.READ:
            callout = None if base.callout_id is None else wire.read_callout_of(document, base.callout_id, answered_wall)
            found = None if callout is None else replace(base, callout=callout)
        case Asked.LOOK_UP | Asked.LIST_ACTIVE:
            callouts = () if nothing_listed else wire.callouts_of(document)
            found = None if callouts is None else replace(base, callouts=callouts)
        case Asked.EVENTS:
            events = () if nothing_listed else wire.events_of(document, reply.date_wall)
            found = None if events is None else replace(base, events=events)
        case Asked.TOKEN:
            found = base if wire.token_of(document, at=0.0, wall=None) else None
        case Asked.CANCEL | Asked.PROBE:
            found = base  # nobody knows what a cancel is answered with: only a page for a person is not it
        case _:
            sound = _empty(reply, document) or isinstance(document, dict | list)
            found = _with_callout(base, document, answered_wall) if sound else None
    return found


def _with_paper(base: Outcome, reply: Reply, document: Any) -> Outcome | None:
    """With what is not about an emergency itself; None when it was due and is missing. Nothing is due to what only writes."""
    if _empty(reply, document):
        empty = () if base.asked in paper_wire.LISTS and reply.status == 204 else None
        return replace(base, paper=empty) if empty is not None or base.asked not in paper_wire.DUE else None
    paper = paper_wire.paper_of(base.asked, document, reply.body)
    if paper is None and (base.asked in paper_wire.DUE or not isinstance(document, dict | list)):
        return None
    return replace(base, paper=paper)


def _empty(reply: Reply, document: Any) -> bool:
    return document is None and reply.body.strip() in (b"", b"null")


def _closed(base: Outcome, reply: Reply, answered_wall: float) -> Outcome:
    """Closed, whatever the body: a parse failure must not undo the stop."""
    known = _with_callout(base, wire.document_of(reply.body), answered_wall)
    return replace(known, meaning=Meaning.CLOSED, cause="closed", text="dispatch has closed the callout")


def _with_callout(base: Outcome, document: Any, answered_wall: float) -> Outcome:
    """With the callout, if the reply names the very one that was asked about."""
    callout = wire.callout_of(document, answered_wall)
    return replace(base, callout=callout) if callout is not None and str(callout.id) == str(base.callout_id) else base


def _odd(base: Outcome, reply: Reply) -> Outcome:
    if reply.html:
        return replace(base, cause="html", text=f"{base.text} with a web page: a portal or proxy?")
    return replace(base, cause="odd", text=f"{base.text} without what it must bring")


def _existed(created_wall: float | None, reply: Reply) -> bool | None:
    """True when it was created long before the request, both times by dispatch's own clock; else unknown."""
    answered_wall = reply.date_wall
    if created_wall is None or answered_wall is None:
        return None
    return True if answered_wall - created_wall > reply.elapsed_s + EXISTED_AFTER_S else None


def _said(asked: Asked, reply: Reply) -> str:
    """Why dispatch refused a raise, in its plain words only: what holds a digit could be a coordinate, a number or a token."""
    message = wire.message_of(wire.document_of(reply.body)) if asked is Asked.RAISE else None
    words = [word for word in (message or "").split()[:MAX_WORDS] if PLAIN_WORD.fullmatch(word)]
    return f": {' '.join(words)}" if words else ""


def _http_date(text: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
