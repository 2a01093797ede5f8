"""Once a second: do the facts still hold? Turns receivers, positions, store, clock and proofs into conditions.

Decides what is unhealthy from what the daemon hands it; every text has a hint that says what to do. Only device conditions:
nothing here may depend on whether a callout is on (law 5).
"""

from __future__ import annotations

from agent import BUILT_AT_WALL, wording
from agent.health import PROOF_AGE_S, Conditions
from agent.kept import StoreSummary
from agent.model import Reason, Severity
from agent.ports import Clock
from agent.positions import Positions
from agent.timescale import DAY_S, Standing

UNVOUCHED_S = 10.0  # a receiver needs three epochs, and a moment to be opened
OFF_S = 5.0  # a system clock that is off by less harms nothing
STORE_ELSEWHERE = ("store.unproven", "store.damaged", "store.asides")  # not what the store suffers from by its own word
STORED_TOO_OLD = "the last stored position is older than a day"


def look(
    conditions: Conditions,
    *,
    positions: Positions,
    clock: Clock,
    standing: Standing,
    store: StoreSummary,
    proof_wall: float | None,
    started_at: float,
) -> None:
    """Bring every device condition up to date."""
    wall = clock.wall()
    conditions.look(clock.at())
    _receivers(conditions, positions, wall)
    _position(conditions, positions, clock, started_at)
    _dates(conditions, positions, wall, clock.at())
    _store(conditions, store, wall)
    _proof(conditions, proof_wall, wall)
    _clock(conditions, standing, wall, since_start_s=clock.at() - started_at)


def stand(
    conditions: Conditions,
    *,
    broken: str | None,
    elsewhere: str | None,
    authority: str | None,
    recording: Severity | None,
    wall: float,
) -> None:
    """What holds from the start until something proves otherwise.

    broken: the config, in words. elsewhere: not production. authority: an unusable ca_file. recording: how bad it is that a receiver
    only plays a log; None if none does.
    """
    if recording is not None:
        hint = "a device in use has receivers of kind gpsd or serial"
        conditions.put("config.recording", recording, "a receiver plays a recording: its positions are not ours", hint, wall=wall)
    if authority is not None:
        hint = "put the file back; until then only the system's authorities are trusted"
        conditions.put("dispatch.ca_file", Severity.CRITICAL, authority, hint, wall=wall)
    if broken is not None:
        text = f"the config is broken and the last good copy is used: {broken}"
        conditions.put("config.last_good", Severity.CRITICAL, text, "mend it; `callout-agent check` names every problem", wall=wall)
    if elsewhere is not None:
        hint = 'set environment = "staging" for a test installation, or mend base_url'
        conditions.put("dispatch.not_production", Severity.CRITICAL, elsewhere, hint, wall=wall)


def _receivers(conditions: Conditions, positions: Positions, wall: float) -> None:
    """One condition per kind of trouble; two receivers with the same trouble share it."""
    ailing = [(source, source.ailment) for source in positions.sources.values() if source.ailment is not None]
    codes = {ailment.code for _, ailment in ailing}
    conditions.drop_all("receiver.", but=(*codes, "receiver.date"))
    for code in codes:
        same = [(source.name, ailment) for source, ailment in ailing if ailment.code == code]
        text = "; ".join(f"{name}: {ailment.text}" for name, ailment in same)
        conditions.put(code, Severity.DEGRADED, text, same[0][1].hint, wall=wall)


def _position(conditions: Conditions, positions: Positions, clock: Clock, started_at: float) -> None:
    now_at, wall = clock.at(), clock.wall()
    hint = _why_no_fix(positions, now_at)
    if not positions.armed(now_at, wall, wall_trusted=clock.trusted()):
        text = "a raise would carry no position" if positions.newest is None and positions.stored is None else STORED_TOO_OLD
        conditions.put("position.none", Severity.CRITICAL, text, hint, wall=wall)
    else:
        conditions.drop("position.none")
    if positions.own(now_at) is not None or not positions.sources:
        conditions.drop("position.stale")
    elif positions.newest is not None or now_at - started_at > 5.0:
        age = "there was none since start" if positions.newest is None else f"the last is {wording.span(now_at - positions.newest.at)} old"
        conditions.put("position.stale", Severity.DEGRADED, f"no fix is coming in; {age}", hint, wall=wall)


def _why_no_fix(positions: Positions, now_at: float) -> str:
    """Where to look. A receiver whose every position is rejected needs no view of the sky."""
    rejected = {reason: count for reason, count in positions.rejected(now_at).items() if reason != Reason.UNCONFIRMED.value}
    worst = max(rejected, key=lambda reason: rejected[reason])
    if positions.newest is None and rejected[worst]:
        return f"a receiver tells positions, and they are rejected ({worst}): `callout-agent replay` of a log of it shows which and why"
    return "check antenna and view of the sky; see the receiver's own condition"


def _dates(conditions: Conditions, positions: Positions, wall: float, now_at: float) -> None:
    live = positions.own(now_at)
    if live is None or live.gnss_time is not None:
        conditions.drop("receiver.date")
        return
    text = f"{live.receiver}: its date or time cannot be true, so the time of arrival is used"
    hint = "a receiver past its week rollover needs new firmware; positions are good"
    conditions.put("receiver.date", Severity.NOTE, text, hint, wall=wall)


def _clock(conditions: Conditions, standing: Standing, wall: float, *, since_start_s: float) -> None:
    """Whether somebody vouches for the time, and whether the system clock, which TLS goes by, shows it."""
    early = wall < BUILT_AT_WALL
    if standing.trusted or (not early and since_start_s < UNVOUCHED_S):
        conditions.drop("clock.untrusted")
    else:
        text = "the system clock shows a time before this software was built" if early else "nobody vouches for the system clock"
        hint = "give it a network (NTP) or a receiver with a view of the sky; times are marked as doubtful until then"
        conditions.put("clock.untrusted", Severity.DEGRADED, text, hint, wall=wall)
    if standing.system_off_s is None or abs(standing.system_off_s) <= OFF_S:
        conditions.drop("clock.wrong")
    else:
        text = f"the system clock is {_far(abs(standing.system_off_s))} {'fast' if standing.system_off_s > 0 else 'slow'}"
        hint = f"set it (timedatectl, NTP): certificates are judged by it, all else goes by the {standing.witness}"
        conditions.put("clock.wrong", Severity.DEGRADED, text, hint, wall=wall)
    if standing.unset is None:
        conditions.drop("clock.unset")
    else:
        text = f"the receiver's time could not be given to the system clock: {standing.unset}"
        hint = 'install callout-agent-clock.conf as a drop-in of the unit, or configure set_from_gnss = "never"'
        conditions.put("clock.unset", Severity.DEGRADED, text, hint, wall=wall)


def _far(off_s: float) -> str:
    return wording.span(off_s) if off_s < 2 * DAY_S else f"{off_s / DAY_S:.0f} days"


def _store(conditions: Conditions, store: StoreSummary, wall: float) -> None:
    trouble = store.trouble
    conditions.drop_all("store.", but=STORE_ELSEWHERE if trouble is None else (*STORE_ELSEWHERE, trouble.code))
    if trouble is not None:
        conditions.put(trouble.code, Severity.DEGRADED, trouble.text, trouble.hint, wall=wall)


def _proof(conditions: Conditions, proof_wall: float | None, wall: float) -> None:
    if proof_wall is not None and wall - proof_wall <= PROOF_AGE_S:
        conditions.drop("armed_proof.old")
        return
    text = (
        "no raise was ever accepted from this device" if proof_wall is None else f"the last accepted raise was on {wording.utc(proof_wall)}"
    )
    conditions.put("armed_proof.old", Severity.DEGRADED, text, "make a drill: `callout-agent raise --drill`", wall=wall)
