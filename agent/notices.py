"""Replies -> conditions, with the memory that needs: which routes refuse the token, how many positions in a row were refused.

Decides only which condition a reply begins or ends. While calm a lane of the callout changes nothing that is shown (law 5).
"""

from __future__ import annotations

from agent import findings
from agent.health import Conditions, Origin
from agent.model import Asked, Meaning, Outcome, Severity
from agent.signals import State

POSITIONS_REFUSED = 3  # DESIGN section 6: three in a row; also 403 and 404, which nothing else would name
RAISE_CODES = ("dispatch.no_entitlement", "dispatch.rejects_raise")


class Notices:
    """One per daemon."""

    def __init__(self, conditions: Conditions, customer_id: int) -> None:
        self._conditions = conditions
        self._customer_id = customer_id
        self._scoped: set[tuple[Asked, Origin]] = set()
        self._refused_positions = 0
        self._raise_met: str | None = None  # what keeps raises from dispatch; that other requests are answered does not disprove it

    def take(self, outcome: Outcome, origin: Origin, *, wall: float, calm: bool) -> None:
        """One reply, or its absence."""
        finding = findings.of(outcome)
        if outcome.asked is Asked.RAISE:
            self._raise_met = finding.code if finding is not None and finding.code in findings.PATH else None
        if findings.proves_path(outcome):
            self._conditions.drop(*self._disproved(origin), origin=origin)
            if not calm:  # fresher than the last poll; but a calm device learns of dispatch by its polls alone
                self._conditions.drop(*findings.PATH, origin=Origin.DEVICE)
        if finding is not None:
            if finding.code in findings.PATH:
                self._conditions.drop(*(code for code in self._disproved(origin) if code != finding.code), origin=origin)
            self._conditions.put(finding.code, finding.severity, finding.text, finding.hint, wall=wall, origin=origin, failed=True)
        self._follow_routes(outcome, origin, wall)
        if outcome.asked is Asked.LOCATION:
            self._follow_positions(outcome, wall)

    def end_callout(self) -> None:
        """What the callout's lanes noticed is over with it."""
        self._conditions.drop_origin(Origin.CALLOUT, but="callout.foreign")
        self._scoped = {each for each in self._scoped if each[1] is not Origin.CALLOUT}
        self._refused_positions = 0
        self._raise_met = None

    def take_token(self, outcome: Outcome, *, wall: float) -> None:
        """What a renewal of the token came to. The old token may still work: degraded until dispatch says otherwise."""
        if outcome.meaning is Meaning.ACCEPTED:
            self._conditions.drop("token.renewal")
            return
        hint = "check token_url and its key (or token_file), and that the backend is up and knows this customer_id"
        text = f"the token cannot be renewed ({outcome.cause})" + (f": {outcome.text}" if outcome.text else "")
        self._conditions.put("token.renewal", Severity.DEGRADED, text, hint, wall=wall)

    def take_state(self, state: State, *, wall: float) -> None:
        """What the lifecycle knows to be wrong between us and dispatch."""
        if not state.owed:  # a look-up may have settled what was refused, or not answered: no other raise follows
            self._conditions.drop("dispatch.rejects_raise", origin=Origin.CALLOUT)
            if self._raise_met is not None:
                self._conditions.drop(self._raise_met, origin=Origin.CALLOUT)
                self._raise_met = None
        if state.unknown:
            text = f"dispatch does not know callout {state.callout_id} any more, and has not said that it is closed"
            hint = "streaming is tried once a minute; ask dispatch, or give it up as root: `callout-agent callout forget ID`"
            self._conditions.put("callout.unknown", Severity.DEGRADED, text, hint, wall=wall, origin=Origin.CALLOUT)
        else:
            self._conditions.drop("callout.unknown", origin=Origin.CALLOUT)
        if state.disputed is not None:
            text = f"dispatch lists callout {state.disputed} as open and has said that it is closed"
            hint = "a position is offered to it once a minute; it is taken up again if dispatch accepts one"
            self._conditions.put("dispatch.disagrees", Severity.NOTE, text, hint, wall=wall, origin=Origin.CALLOUT)
        else:
            self._conditions.drop("dispatch.disagrees", origin=Origin.CALLOUT)

    def _disproved(self, origin: Origin) -> tuple[str, ...]:
        """What an answer of dispatch disproves: nothing that a raise has met since, while one is owed."""
        return findings.PATH if origin is Origin.DEVICE else tuple(code for code in findings.PATH if code != self._raise_met)

    def _follow_customers(self, outcome: Outcome, wall: float, origin: Origin) -> None:
        others = {each.customer_id for each in outcome.callouts or ()} - {None, self._customer_id}
        if not others:
            self._conditions.drop("dispatch.foreign_customer", origin=origin)
            return
        hint = "check active_callouts_path and the token's customer; such callouts are ignored"
        text = "dispatch lists callouts of another customer as ours"
        self._conditions.put("dispatch.foreign_customer", Severity.DEGRADED, text, hint, wall=wall, origin=origin)

    def _follow_routes(self, outcome: Outcome, origin: Origin, wall: float) -> None:
        if outcome.meaning is Meaning.UNAUTHORISED:
            self._scoped.add((outcome.asked, origin))
        if outcome.meaning is not Meaning.ACCEPTED:
            return
        self._scoped.discard((outcome.asked, origin))
        if not any(whose is origin for _, whose in self._scoped):
            self._conditions.drop("token.scope", origin=origin)
        if outcome.asked is Asked.RAISE:
            for whose in Origin:
                self._conditions.drop(*RAISE_CODES, origin=whose)
        if outcome.asked is Asked.LOOK_UP:
            for whose in Origin if origin is Origin.DEVICE else (origin,):  # the poll goes on when no look-up is asked for any more
                self._conditions.drop("dispatch.no_list", origin=whose)
            self._follow_customers(outcome, wall, origin)

    def _follow_positions(self, outcome: Outcome, wall: float) -> None:
        refused = outcome.meaning is Meaning.REJECTED
        self._refused_positions = self._refused_positions + 1 if refused else 0
        if self._refused_positions >= POSITIONS_REFUSED:
            text = f"dispatch refused the last {self._refused_positions} positions (HTTP {outcome.http_status})"
            hint = "dispatch does not see this device move; tell it by another channel, and the makers of this software"
            self._conditions.put("dispatch.rejects_position", Severity.DEGRADED, text, hint, wall=wall, origin=Origin.CALLOUT)
        elif not refused:
            self._conditions.drop("dispatch.rejects_position", origin=Origin.CALLOUT)
