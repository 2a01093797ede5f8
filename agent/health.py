"""Conditions -> armed or not -> the status document.

Pure: facts in, a document out. Two sources of conditions are kept apart: the *device* (receivers, store, clock, token, the
adoption poll) and the *callout* (the lanes that serve one). After a cancel only the device's are shown, so that the
document is byte for byte what standby with the adoption poll shows (law 5). It must not leak the inner state any other way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from agent import __version__, codes, wording
from agent.conversation import Conversation
from agent.kept import StoreSummary
from agent.model import Condition, Fix, Severity
from agent.proofs import Proof, SelfTested
from agent.signals import Phase, State
from agent.timescale import Standing

MIB = 2**20
FIXES_TOLD = 10  # while calm
MOST_WHY = 160  # letters of a reason in the status line
PROOF_AGE_S = 30 * 86_400.0  # law 7: no accepted raise in 30 days is a condition


class Origin(StrEnum):
    """Who noticed: the device itself, or a lane that serves a callout."""

    DEVICE = "device"
    CALLOUT = "callout"


class Conditions:
    """What is unhealthy now, each with the moment it began. Setting one again keeps that moment."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Origin], Condition] = {}
        self._began_at: dict[tuple[str, Origin], float] = {}
        self._now_at: float | None = None
        self._failures: dict[tuple[str, Origin], int] = {}

    def look(self, at: float) -> None:
        """It is monotonic `at` now. Who is never told shows everything at once."""
        self._now_at = at

    def put(
        self, code: str, severity: Severity, text: str, hint: str, *, wall: float, origin: Origin = Origin.DEVICE, failed: bool = False
    ) -> None:
        """A condition holds. Text, hint and severity may change while it lasts. failed: an attempt has met it, once more."""
        known = self._kept.get((code, origin))
        if known is None and self._now_at is not None:
            self._began_at[code, origin] = self._now_at
        self._kept[code, origin] = Condition(code, severity, known.since_wall if known else wall, text, hint)
        self._failures[code, origin] = (self._failures.get((code, origin), 0) if known else 0) + failed

    def failures(self, code: str, *, calm: bool) -> int:
        """How many attempts have met this condition since it began. Calm: only the device's own."""
        return sum(self._failures.get((code, origin), 0) for origin in Origin if not (calm and origin is Origin.CALLOUT))

    def drop(self, *codes: str, origin: Origin = Origin.DEVICE) -> None:
        """These conditions no longer hold."""
        for code in codes:
            self._kept.pop((code, origin), None)
            self._began_at.pop((code, origin), None)
            self._failures.pop((code, origin), None)

    def drop_all(self, prefix: str, *, but: Iterable[str] = (), origin: Origin = Origin.DEVICE) -> None:
        """Every condition whose code starts so no longer holds, but these."""
        spare = set(but)
        for code, whose in list(self._kept):
            if whose is origin and code.startswith(prefix) and code not in spare:
                self.drop(code, origin=whose)

    def drop_origin(self, origin: Origin, *, but: str) -> None:
        """A callout is over: what its lanes noticed is, too. but: the code of one that is about another callout."""
        self.drop(*[code for code, whose in self._kept if whose is origin and code != but], origin=origin)

    def restamp(self, by_s: float, wall: float) -> None:
        """It is `wall` now, and until now the clock was off by so much: what began by it began when it seems to have been lately."""
        for key, each in self._kept.items():
            true_wall = min(each.since_wall, each.since_wall + by_s, key=lambda since_wall: abs(since_wall - wall))
            self._kept[key] = replace(each, since_wall=true_wall)

    def shown(self, *, calm: bool) -> tuple[Condition, ...]:
        """Worst first, then oldest; one per code. Calm: only the device's own. Without what is too new or only follows."""
        best: dict[str, Condition] = {}
        for (code, origin), condition in self._kept.items():
            if (calm and origin is Origin.CALLOUT) or self._is_new(condition, origin):
                continue
            other = best.get(code)
            if other is None or _rank(condition) < _rank(other):
                best[code] = condition
        hidden = set(codes.hidden((code, condition.severity) for code, condition in best.items()))
        return tuple(sorted((condition for code, condition in best.items() if code not in hidden), key=_rank))

    def _is_new(self, condition: Condition, origin: Origin) -> bool:
        began_at = self._began_at.get((condition.code, origin))
        if self._now_at is None or began_at is None or condition.severity is Severity.CRITICAL:
            return False
        return self._now_at - began_at < codes.after_s(condition.code)


def _rank(condition: Condition) -> tuple[int, float, str]:
    return codes.rank(condition.severity), condition.since_wall, condition.code


def armed(conditions: Iterable[Condition]) -> bool:
    """A raise would work right now: nothing critical is known against it."""
    return not any(condition.severity is Severity.CRITICAL for condition in conditions)


@dataclass(frozen=True, slots=True)
class Stream:
    """The location lane of the callout of now. Zero and None without one."""

    sent: int = 0
    failed: int = 0
    last_sent_fix_wall: float | None = None
    last_accepted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status document is made of. `at`, `wall`: now."""

    at: float
    wall: float
    state: State
    conditions: tuple[Condition, ...]
    fix: Fix | None = None
    store: StoreSummary = field(default_factory=StoreSummary)
    stream: Stream = field(default_factory=Stream)
    receiver_kind: str | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    clock: Standing = field(default_factory=Standing)
    armed_proof_wall: float | None = None
    conversation: Conversation = field(default_factory=Conversation)
    proofs: tuple[Proof, ...] = ()
    self_test: SelfTested | None = None


def idle(outward: State) -> bool:
    """Whether nothing is on that may be shown."""
    return outward.calm or outward.phase is Phase.STANDBY


def document(facts: Facts, *, inner: bool = False) -> dict[str, Any]:
    """`status --json`. Outwardly a calm device is in standby; `inner` is for root only and says that it is."""
    state = facts.state
    hidden = state.calm and not inner
    idle = hidden or state.phase is Phase.STANDBY
    document = {
        "version": __version__,
        "armed": armed(facts.conditions),
        "armed_proof": _utc(facts.armed_proof_wall),
        "conditions": [_condition(condition) for condition in facts.conditions],
        "callout": _callout(State() if idle else state, Conversation() if idle else facts.conversation),
        "fix": _fix(facts),
        "store": _store(facts.store, idle=idle, hidden=hidden),
        "stream": _stream(Stream() if idle else facts.stream, facts.at),
        "receiver": {"kind": facts.receiver_kind, "rejected": facts.rejected},
        "clock": _clock(facts.clock),
        "proofs": {proof.name: _proof(proof, facts) for proof in facts.proofs},
        "self_test": _self_test(facts.self_test),
    }
    return {"inner": True, "calm": state.calm, **document} if inner else document


def _utc(wall: float | None) -> str | None:
    return None if wall is None else wording.utc(wall)


def _condition(condition: Condition) -> dict[str, str | None]:
    return {
        "code": condition.code,
        "severity": condition.severity.value,
        "since": _utc(condition.since_wall),
        "text": condition.text,
        "hint": condition.hint,
    }


def _callout(state: State, conversation: Conversation) -> dict[str, Any]:
    on = state.phase is not Phase.STANDBY
    origin = state.origin or (state.owed[0].origin if state.owed else "")
    since = state.since_wall or (state.owed[0].wall if state.owed else None)
    return {
        "state": state.phase.value,
        "id": state.callout_id,
        "origin": origin.partition(":")[0] if on and origin else None,
        "drill": on and state.drill,
        "since": _utc(since) if on else None,
        "dispatch_status": state.status,
        "responder": _responder(conversation),
        "messages": _messages(conversation),
    }


def _responder(conversation: Conversation) -> dict[str, str | None]:
    """How far help has come. eta: UTC; eta_text: where dispatch told no time."""
    return {
        "stage": conversation.stage.value,
        "eta": _utc(conversation.eta_wall),
        "eta_text": conversation.eta_text,
        "name": conversation.name,
    }


def _messages(conversation: Conversation) -> dict[str, Any]:
    """What dispatch wrote. time: null where it told none."""
    messages = conversation.messages
    last = messages[-1].event if messages else None
    told = None if last is None else {"time": _utc(last.wall), "source": last.source, "text": last.text}
    return {"heard": len(messages), "last": told}


def _fix(facts: Facts) -> dict[str, Any] | None:
    fix = facts.fix
    if fix is None:
        return None
    return {
        "time": wording.utc(fix.wall),
        "latitude": fix.latitude,
        "longitude": fix.longitude,
        "accuracy_m": None if fix.accuracy_m is None else round(fix.accuracy_m, 1),
        "age_s": round(max(0.0, facts.at - fix.at), 1),
        "receiver": fix.receiver,
    }


def _store(summary: StoreSummary, *, idle: bool, hidden: bool) -> dict[str, Any]:
    """While calm the size is told in whole MiB and the fixes in tens: a commit that comes early would tell that something goes on."""
    size = -(-summary.bytes // MIB) * MIB if hidden else summary.bytes
    fixes = summary.fixes // FIXES_TOLD * FIXES_TOLD if hidden else summary.fixes
    return {"fixes": fixes, "untold": 0 if idle else summary.untold, "bytes": size, "mode": summary.mode}


def _stream(stream: Stream, now_at: float) -> dict[str, Any]:
    last = stream.last_accepted_at
    return {
        "sent": stream.sent,
        "failed": stream.failed,
        "last_sent_fix_time": _utc(stream.last_sent_fix_wall),
        "last_accepted_age_s": None if last is None else round(max(0.0, now_at - last), 1),
    }


def _clock(standing: Standing) -> dict[str, Any]:
    """To the second: a receiver's epochs do not arrive more evenly."""
    off_s = standing.system_off_s
    return {
        "trusted": standing.trusted,
        "witness": None if standing.witness is None else standing.witness.value,
        "system_off_s": None if off_s is None else float(round(off_s)),
    }


def _proof(proof: Proof, facts: Facts) -> dict[str, Any]:
    """proven: when it was exercised last, and worked; null: not yet. holds_s: how long that may be relied on."""
    wall = None if proof.proven_at is None else facts.wall - (facts.at - proof.proven_at)
    return {"proven": _utc(wall), "holds_s": round(proof.holds_s)}


def _self_test(tested: SelfTested | None) -> dict[str, Any] | None:
    return None if tested is None else {"time": _utc(tested.wall), "ok": not tested.failed, "failed": list(tested.failed)}


def line(document: dict[str, Any]) -> str:
    """The status document in one line, for `systemctl status`: without a place. Why a raise would fail comes first, in words."""
    callout, fix, conditions = document["callout"], document["fix"], document["conditions"]
    worst = next((each["text"] for each in conditions if each["severity"] == Severity.CRITICAL.value), None)
    words = [document["version"], "armed" if document["armed"] else "NOT ARMED" + ("" if worst is None else f" ({worst[:MOST_WHY]})")]
    words += ["SAFE MODE"] if any(each["code"] == "safe_mode" for each in conditions) else []
    words.append(callout["state"] if callout["id"] is None else f"{callout['state']}, callout {callout['id']}")
    words.append("no fix" if fix is None else f"fix {fix['age_s']:.0f} s old")
    words += [each["code"] for each in conditions]
    return ", ".join(words)
