"""What time is it, and who says so? Turns what witnesses tell into one believed time of this boot (law 9).

Decides on what it is handed: no IO and no clock. It must not follow a clock that steps while somebody who knows better tells the
truth, and must not believe a time before this software was built, whoever says it.

A time is told as a *zero*: UTC s of the moment when `at` was 0. Here `at` is s since boot with those of a suspend (CLOCK_BOOTTIME),
so that a zero which is true once stays true until the next boot.

Witnesses that contradict each other: two against one win. What is believed counts as one of the two where it was learnt from
somebody else than the one who says so again. Without such a majority the better witness is believed: the network at once, a
receiver only after a while where it contradicts what is believed in this boot or was in an earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent import BUILT_AT_WALL

DAY_S = 86_400.0
HORIZON_S = 20 * 365.25 * DAY_S  # no device of this build runs longer; a date beyond it is a wrong one
LEAP_S = 20.0  # a receiver without the almanac's UTC correction is ahead by the leap seconds, 18 since 2017: no contradiction
DRIFT = 2e-4  # s/s: more than any crystal is off
AGREEING = 3  # epochs of one receiver
SPAN_S = 1.0  # that they must take to arrive: what comes at once was held up, or is made up
PACE_S = 1.0  # how far an epoch may be off the pace of real time
GAP_S = 0.1  # epochs closer than this are one
SILENT_S = 30.0  # a receiver that has told no time for so long vouches for nothing


class Witness(StrEnum):
    """Who may vouch for a time, best first."""

    NETWORK = "network"  # the kernel says that somebody keeps its clock synchronised
    RECEIVER = "receiver"
    BATTERY = "battery"  # a clock that ran on without power says the same as the system clock


_RANK = {witness: rank for rank, witness in enumerate(Witness)}

# How long (s) the first must have said the same before it is believed against what the second had taught. Not listed: 0.
INSIST_S = {
    (Witness.RECEIVER, Witness.RECEIVER): 60.0,
    (Witness.RECEIVER, Witness.NETWORK): 3_600.0,
    (Witness.BATTERY, Witness.NETWORK): math.inf,
    (Witness.BATTERY, Witness.RECEIVER): math.inf,
}


@dataclass(frozen=True, slots=True)
class Run:
    """Epochs of one receiver that follow each other at the pace of real time.

    zero: by the epoch that was least late on its way. since_at, last_at: arrival of the first and the last. told: UTC s of the last.
    """

    zero: float
    since_at: float
    last_at: float
    told: float
    epochs: int = 1

    @property
    def vouches(self) -> bool:
        """Whether it is long enough to be believed."""
        return self.epochs >= AGREEING and self.last_at - self.since_at >= SPAN_S


@dataclass(frozen=True, slots=True)
class Voice:
    """One receiver. said: its last run that vouched; doubt: a run that contradicts it, or has not vouched yet."""

    said: Run | None = None
    doubt: Run | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A witness says that this is the zero, and has said so for so long."""

    witness: Witness
    zero: float
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Belief:
    """zero: what is believed. at: when somebody last said so. by: everybody who has; witness: who is followed."""

    zero: float
    witness: Witness
    at: float
    by: frozenset[Witness]

    def confirms(self, zero: float, at: float) -> bool:
        """Whether this zero is the believed one, as far as a clock that ran alone until `at` can tell."""
        return abs(zero - self.zero) <= LEAP_S + max(0.0, at - self.at) * DRIFT

    @property
    def best(self) -> Witness:
        """The best of those who said so."""
        return min(self.by, key=_RANK.__getitem__)


@dataclass(frozen=True, slots=True)
class Floor:
    """The last time that was believed before this boot, and who had taught it. UTC s."""

    wall: float
    witness: Witness


@dataclass(frozen=True, slots=True)
class System:
    """The system clock: its zero, whether the network keeps it, whether a battery clock says the same."""

    zero: float
    network: bool = False
    battery: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How the device stands with time, for `status`. system_off_s: how far the system clock is ahead of what is believed.

    unset: why the system clock could not be set, in words; None if it was, or need not be.
    """

    trusted: bool = False
    witness: Witness | None = None
    system_off_s: float | None = None
    unset: str | None = None


@dataclass(frozen=True, slots=True)
class Timescale:
    """What is remembered. `hear` and `weigh` return the next one."""

    belief: Belief | None = None
    floor: Floor | None = None
    voices: dict[str, Voice] = field(default_factory=dict)  # by receiver, in the order in which they were first heard


def plausible(wall: float) -> bool:
    """Whether this software can live at that time (UTC s)."""
    return math.isfinite(wall) and BUILT_AT_WALL <= wall <= BUILT_AT_WALL + HORIZON_S


def hear(scale: Timescale, receiver: str, at: float, told: float | None, *, played: bool = False) -> Timescale:
    """An epoch arrived that tells this UTC (s; None: no date). played: the receiver itself says that it is none."""
    voice = Voice() if played else scale.voices.get(receiver, Voice())
    if told is None or not plausible(told) or played:
        return replace(scale, voices={**scale.voices, receiver: replace(voice, doubt=None)})
    said, doubt = _go_on(voice.said, at, told), _go_on(voice.doubt, at, told)
    if said is not None:
        voice = Voice(said)
    elif doubt is not None and doubt.vouches:
        voice = Voice(doubt)
    else:
        voice = Voice(voice.said, doubt or Run(told - at, at, at, told))
    return replace(scale, voices={**scale.voices, receiver: voice})


def weigh(scale: Timescale, at: float, system: System) -> Timescale:
    """Believe what the witnesses of now say, where they agree or one of them weighs more; else what was believed."""
    claims = [claim for claim in _claims(scale, at, system) if plausible(claim.zero + at)]
    claim = _majority(scale.belief, claims, at) or next(_allowed(scale, claims, at, system), None)
    if claim is None:
        return scale
    by = frozenset(other.witness for other in claims if abs(other.zero - claim.zero) <= LEAP_S)
    if scale.belief is not None and scale.belief.confirms(claim.zero, at):
        by |= scale.belief.by
    return replace(scale, belief=Belief(claim.zero, claim.witness, at, by))


def recall(scale: Timescale, at: float, *, floor: Floor | None, belief: Belief | None) -> Timescale:
    """What earlier processes believed: in earlier boots (floor), and in this one. What is believed by now goes before it."""
    if floor is not None and not plausible(floor.wall):
        floor = None
    if belief is not None and not plausible(belief.zero + at):
        belief = None
    return replace(scale, floor=floor or scale.floor, belief=scale.belief or belief)


def standing(scale: Timescale, system: System) -> Standing:
    """What may be shown."""
    belief = scale.belief
    if belief is None:
        return Standing()
    return Standing(trusted=True, witness=belief.witness, system_off_s=system.zero - belief.zero)


def _go_on(run: Run | None, at: float, told: float) -> Run | None:
    """The run with this epoch; None if it does not continue it."""
    if run is None or at - run.last_at > SILENT_S:
        return None
    zero = run.zero - max(0.0, at - run.last_at) * DRIFT
    if abs(told - at - zero) >= PACE_S:
        return None
    if told - run.told < GAP_S:
        return run  # told twice
    return Run(max(zero, told - at), run.since_at, at, told, run.epochs + 1)


def _claims(scale: Timescale, at: float, system: System) -> Iterator[Claim]:
    """Best witness first."""
    if system.network:
        yield Claim(Witness.NETWORK, system.zero)
    for voice in scale.voices.values():
        if voice.said is not None and at - voice.said.last_at <= SILENT_S:
            yield Claim(Witness.RECEIVER, voice.said.zero, at - voice.said.since_at)
    if system.battery and not system.network:  # the network keeps a battery clock, too: that is one witness, not two
        yield Claim(Witness.BATTERY, system.zero)


def _majority(belief: Belief | None, claims: list[Claim], at: float) -> Claim | None:
    """The best of those whom most agree with; None if nobody agrees with anybody. Of two camps of a size, that of the better witness."""
    strong = [claim for claim in claims if claim.witness is not Witness.BATTERY]
    votes = {claim: _votes(claim, strong, belief, at) for claim in strong}
    most = max(votes.values(), default=0)
    won = [claim for claim, count in votes.items() if count == most]
    if most < 2:
        return None
    best = [claim for claim in won if claim.witness is won[0].witness]
    return best[0] if belief is None else min(best, key=lambda claim: abs(claim.zero - belief.zero))


def _votes(claim: Claim, claims: list[Claim], belief: Belief | None, at: float) -> int:
    """How many say what this one says."""
    same = [other for other in claims if abs(other.zero - claim.zero) <= LEAP_S]
    others = belief is not None and belief.confirms(claim.zero, at) and bool(belief.by - {other.witness for other in same})
    return len(same) + others


def _agree(claims: Iterable[Claim]) -> bool:
    zeros = [claim.zero for claim in claims]
    return max(zeros) - min(zeros) <= LEAP_S


def _allowed(scale: Timescale, claims: list[Claim], at: float, system: System) -> Iterator[Claim]:
    """Who may be believed on their own word, best first."""
    told = [claim for claim in claims if claim.witness is Witness.RECEIVER]
    quarrel = bool(told) and not _agree(told)
    # The system clock says the same, though nobody vouches for it: where receivers contradict each other that decides.
    known = {claim: abs(claim.zero - system.zero) <= LEAP_S for claim in claims}
    new = {claim: scale.belief is None or not scale.belief.confirms(claim.zero, at) for claim in claims}
    for claim in sorted(claims, key=lambda claim: (_RANK[claim.witness], not known[claim], new[claim])):
        if claim.witness is Witness.BATTERY and scale.belief is not None and scale.belief.best is not Witness.BATTERY:
            continue
        if claim.witness is Witness.RECEIVER and quarrel:
            if known[claim] or not new[claim]:
                yield claim
        elif not new[claim] or claim.for_s >= _insist_s(scale, claim, at, system, known=known[claim]):
            yield claim


def _insist_s(scale: Timescale, claim: Claim, at: float, system: System, *, known: bool) -> float:
    """How long this one must have said the same before it is believed against what was believed until now."""
    belief, floor, insist_s = scale.belief, scale.floor, 0.0
    if belief is not None:
        # A system clock that goes on as believed takes its side, whoever set it.
        backed = belief.best is Witness.RECEIVER and belief.confirms(system.zero, at)
        insist_s = INSIST_S.get((claim.witness, Witness.NETWORK if backed else belief.best), 0.0)
    bound = belief is None or belief.best is Witness.BATTERY  # a battery clock says nothing against what was believed before this boot
    if floor is None or not bound or claim.zero + at >= floor.wall or (claim.witness is Witness.RECEIVER and known):
        return insist_s
    return max(insist_s, INSIST_S.get((claim.witness, floor.witness), 0.0))
