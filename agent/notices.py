"""Replies -> conditions, with the memory that needs: which routes refuse the token, how many positions in a row were refused.

Decides only which condition a reply begins or ends. While calm a lane of the callout changes nothing that is shown (law 5).
"""

from __future__ import annotations

from agent import findings
from agent.health import Conditions, Origin
from agent.model import Asked, Meaning, Outcome, Severity

POSITIONS_REFUSED = 3  # DESIGN section 6: three 400 in a row
RAISE_CODES = ("dispatch.no_entitlement", "dispatch.rejects_raise", "token.refused")


class Notices:
    """One per daemon."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._scoped: set[Asked] = set()
        self._refused_positions = 0

    def take(self, outcome: Outcome, origin: Origin, *, wall: float, calm: bool) -> None:
        """One reply, or its absence."""
        finding = findings.of(outcome)
        if findings.proves_path(outcome):
            self._conditions.drop(*findings.PATH, origin=origin)
            if not calm:  # fresher than the last poll; but a calm device learns of dispatch by its polls alone
                self._conditions.drop(*findings.PATH, "dispatch.unproven", origin=Origin.DEVICE)
            if origin is Origin.DEVICE:
                self._conditions.drop("dispatch.unproven")
        if finding is not None:
            if finding.code in findings.PATH:
                self._conditions.drop(*(code for code in findings.PATH if code != finding.code), origin=origin)
            self._conditions.put(finding.code, finding.severity, finding.text, finding.hint, wall=wall, origin=origin)
        self._follow_routes(outcome, origin)
        if outcome.asked is Asked.LOCATION:
            self._follow_positions(outcome, wall)

    def take_token(self, outcome: Outcome, *, wall: float) -> None:
        """What a renewal of the token came to. The old token may still work: degraded until dispatch says otherwise."""
        if outcome.meaning is Meaning.ACCEPTED:
            self._conditions.drop("token.renewal")
            return
        hint = "check token_url and its key (or token_file), and that the backend is up and knows this customer_id"
        text = f"the token cannot be renewed ({outcome.cause})" + (f": {outcome.text}" if outcome.text else "")
        self._conditions.put("token.renewal", Severity.DEGRADED, text, hint, wall=wall)

    def _follow_routes(self, outcome: Outcome, origin: Origin) -> None:
        if outcome.meaning is Meaning.UNAUTHORISED:
            self._scoped.add(outcome.asked)
        if outcome.meaning is not Meaning.ACCEPTED:
            return
        self._scoped.discard(outcome.asked)
        if not self._scoped:
            self._conditions.drop("token.scope", origin=origin)
        if outcome.asked is Asked.RAISE:
            for whose in Origin:
                self._conditions.drop(*RAISE_CODES, origin=whose)
        if outcome.asked is Asked.LOOK_UP:
            self._conditions.drop("dispatch.no_list", origin=origin)

    def _follow_positions(self, outcome: Outcome, wall: float) -> None:
        refused = outcome.meaning is Meaning.REJECTED and outcome.http_status in (400, 422)
        self._refused_positions = self._refused_positions + 1 if refused else 0
        if self._refused_positions >= POSITIONS_REFUSED:
            text = f"dispatch refused the last {self._refused_positions} positions (HTTP {outcome.http_status})"
            hint = "dispatch does not see this device move; tell it by another channel, and the makers of this software"
            self._conditions.put("dispatch.rejects_position", Severity.DEGRADED, text, hint, wall=wall, origin=Origin.CALLOUT)
        elif not refused:
            self._conditions.drop("dispatch.rejects_position", origin=Origin.CALLOUT)
