"""What proves that a raise would work, for how long each proof holds, and what it means when one is not renewed in time.

Pure: moments in, conditions out. Proofs come from the device alone, on a schedule that no callout changes (law 5); while a cancel is not
handed over, what dispatch answers to a lane is one as well. It must not decide how anything is proven: `proving` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.model import Meaning, Outcome, Severity

TOKEN, LOOKUP, DISPATCH, CLOCK, POSITION, STORE, LOOP = "token", "lookup", "dispatch", "clock", "position", "store", "loop"
BUTTON: Final = "button:"  # and its name

MINUTE_S, HOUR_S, DAY_S = 60.0, 3_600.0, 86_400.0
POLL_MOST_S: Final = 900.0  # however seldom callouts are looked for: somebody has to find out whether dispatch is there
POLL_JITTER: Final = 1.2
# A poll that waits for its turn, and for an answer until its deadline, is late, and no sign of anything.
SLACK_S: Final = 90.0
TOKEN_S: Final = 1.25 * HOUR_S  # a token that tells no life is renewed three quarters of an hour after the last
LOOKUP_EVERY_S, LOOKUP_S = 5 * MINUTE_S, 12 * MINUTE_S
STORE_EVERY_S, STORE_S = 15 * MINUTE_S, 35 * MINUTE_S
BUTTON_S: Final = MINUTE_S
LAG_S: Final = 1.0  # a loop that comes back later than this was held up
LAGS_TOLD: Final = 2  # one may be a card that collects its garbage
LAGS_KEPT_S: Final = MINUTE_S
FIRST_S: Final = 20.0  # after the start nothing but what a raise needs at once is called unproven


@dataclass(frozen=True, slots=True)
class Proof:
    """One part of a raise. proven_at: monotonic s of the last proof, None: none yet. holds_s: so long it may be relied on."""

    name: str
    holds_s: float
    proven_at: float | None = None

    def holds(self, at: float) -> bool:
        """Whether it may be relied on now."""
        return self.proven_at is not None and at - self.proven_at <= self.holds_s


@dataclass(frozen=True, slots=True)
class SelfTested:
    """What the last self-test came to. wall: UTC s. failed: codes of conditions."""

    wall: float
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lapse:
    """A condition that follows from a proof that does not hold."""

    code: str
    severity: Severity
    text: str
    hint: str


class Proofs:
    """One per daemon. poll_s: how often callouts are looked for. started_at: monotonic s."""

    def __init__(self, *, poll_s: float, buttons: tuple[str, ...], started_at: float) -> None:
        holds_s = dispatch_holds_s(poll_s)
        spans = {TOKEN: max(TOKEN_S, holds_s), LOOKUP: LOOKUP_S, DISPATCH: holds_s, CLOCK: MINUTE_S, POSITION: DAY_S}
        spans |= {f"{BUTTON}{name}": BUTTON_S for name in buttons} | {STORE: STORE_S, LOOP: MINUTE_S}
        self._proofs = {name: Proof(name, span_s) for name, span_s in spans.items()}
        self._started_at = started_at
        self._lags: list[float] = []

    def prove(self, name: str, at: float) -> None:
        """It was exercised, and worked, at monotonic `at`. An older proof than the one that is there changes nothing."""
        proof = self._proofs[name]
        if proof.proven_at is None or proof.proven_at < at:
            self._proofs[name] = Proof(name, proof.holds_s, at)

    def slept(self, seconds: float) -> None:
        """The machine was suspended for so long, which a monotonic clock does not count: every proof is so much older."""
        for name, proof in self._proofs.items():
            if proof.proven_at is not None:
                self._proofs[name] = Proof(name, proof.holds_s, proof.proven_at - seconds)

    def lag(self, seconds: float, at: float) -> None:
        """The loop came back so much later than it should have."""
        self.prove(LOOP, at)
        if seconds > LAG_S:
            self._lags = [*self._lags[-LAGS_TOLD:], at]

    def all(self) -> tuple[Proof, ...]:
        """Every proof, in the order of a raise."""
        return tuple(self._proofs.values())

    def lapses(self, at: float, *, address_known: bool, refused: bool = False) -> Iterator[Lapse]:
        """What is not proven, as conditions. Buttons are judged by the panel.

        address_known: dispatch can be reached without its name. refused: whoever answers there refuses, and has never taken a raise.
        """
        young = at - self._started_at < FIRST_S
        if not self._proofs[DISPATCH].holds(at):
            yield Lapse("dispatch.unproven", Severity.CRITICAL, *self._unheard(at, refused=refused))
        if not self._proofs[TOKEN].holds(at):
            text = f"no token was taken by dispatch, or renewed, {self._for(TOKEN, at)}"
            yield Lapse("token.unproven", Severity.CRITICAL, text, "check token_url and its key, or token_file; see the other conditions")
        if not self._proofs[LOOKUP].holds(at) and not young:
            severity = Severity.DEGRADED if address_known else Severity.CRITICAL
            text = f"the name of the dispatch host was not looked up {self._for(LOOKUP, at)}"
            text += ": its last proven address would be tried" if address_known else ""
            yield Lapse("lookup.unproven", severity, text, "check the link and the resolver (/etc/resolv.conf)")
        if not self._proofs[STORE].holds(at) and not young:
            text = f"nothing was written to the store and read back {self._for(STORE, at)}"
            yield Lapse("store.unproven", Severity.DEGRADED, text, "see the journal; presses are safe in the runtime directory")
        if len([lag_at for lag_at in self._lags if at - lag_at <= LAGS_KEPT_S]) >= LAGS_TOLD:
            text = "the daemon stood still for more than a second, twice within a minute"
            yield Lapse("loop.lagging", Severity.DEGRADED, text, "is the machine overloaded, hot, or its card hanging? see `top` and dmesg")

    def _unheard(self, at: float, *, refused: bool) -> tuple[str, str]:
        if refused:
            hint = "compare base_url and customer_id with what AURA gave you; `callout-agent doctor` finds out which paths are served"
            return "dispatch refuses to list callouts, and no raise was ever accepted from this device: one might be refused, too", hint
        hint = "it is proven as soon as dispatch answers the next look-up"
        if self._proofs[DISPATCH].proven_at is None:
            return "dispatch has not answered since start", hint
        return f"dispatch has not answered {self._for(DISPATCH, at)}", hint

    def _for(self, name: str, at: float) -> str:
        """In words that change once an hour: what changes every second would tell the moment of the last proof."""
        proof = self._proofs[name]
        since_at = self._started_at if proof.proven_at is None else proof.proven_at
        hours = int((at - since_at) // HOUR_S)
        return "since start" if proof.proven_at is None else f"for {hours} h" if hours else "in time"


def dispatch_holds_s(poll_s: float) -> float:
    """Two polls may fail to come before it is doubted."""
    return 2 * POLL_JITTER * min(poll_s, POLL_MOST_S) + SLACK_S


def proves_token(outcome: Outcome) -> bool:
    """Dispatch answered a request and did not refuse its token."""
    return outcome.meaning in (Meaning.ACCEPTED, Meaning.CLOSED, Meaning.REJECTED)


def write_self_test(tested: SelfTested) -> str:
    """As a note of the store."""
    return " ".join((f"{tested.wall:.0f}", *tested.failed))


def read_self_test(note: str | None) -> SelfTested | None:
    """From a note; None where there is none, or another version wrote it."""
    wall, *failed = (note or "").split() or [""]
    return SelfTested(float(wall), tuple(failed)) if wall.isdigit() else None


CODES: Final = ("dispatch.unproven", "token.unproven", "lookup.unproven", "store.unproven", "loop.lagging")
