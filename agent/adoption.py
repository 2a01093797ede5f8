"""Which callout, of those that dispatch lists, this device is to stream to.

Decides on lists and positions handed to it. Never ends anything: a callout that is not listed is not closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.geo import UNKNOWN_ACCURACY_M, distance_m
from agent.model import Callout, CalloutId, Fix
from agent.signals import AdoptPolicy

NEAR_M = 1_000.0  # DESIGN section 4: the owner may press on a phone far from the parked car


@dataclass(frozen=True, slots=True)
class Choice:
    """adopted: to stream to. offer: open and ours but not near, to be told our position once. disputed: closed for us, yet listed."""

    adopted: Callout | None = None
    offer: Callout | None = None
    disputed: Callout | None = None


def ours(callouts: Iterable[Callout], customer_id: int, closed: tuple[CalloutId, ...]) -> Callout | None:
    """The newest open callout of our customer that we do not know as closed. A list that names no customer is about ours."""
    return max(
        (each for each in callouts if not each.closed and each.id not in closed and each.customer_id in (None, customer_id)),
        key=_age_key,
        default=None,
    )


def choose(callouts: tuple[Callout, ...], policy: AdoptPolicy, closed: tuple[CalloutId, ...], here: Fix | None) -> Choice:
    """Adopt, offer or leave alone. here: our newest fix, None if there is none."""
    mine = [each for each in callouts if not each.closed and each.customer_id in (None, policy.customer_id)]
    disputed = max((each for each in mine if each.id in closed), key=_age_key, default=None)
    if policy.mode == "never":
        return Choice(disputed=disputed)  # it was ours once: that is no adoption
    fresh = [each for each in mine if each.id not in closed]
    fit = [each for each in fresh if policy.mode == "always" or (here is not None and _near(each, here))]
    if fit:
        return Choice(adopted=max(fit, key=_age_key))
    return Choice(offer=max(fresh, key=_age_key, default=None), disputed=disputed)


def _near(callout: Callout, here: Fix) -> bool:
    if callout.latitude is None or callout.longitude is None:
        return False
    away_m = distance_m(callout.latitude, callout.longitude, here.latitude, here.longitude)
    return away_m <= NEAR_M + (callout.accuracy_m or UNKNOWN_ACCURACY_M) + (here.accuracy_m or UNKNOWN_ACCURACY_M)


def _age_key(callout: Callout) -> tuple[float, int]:
    """Newest last: by the time of creation, else by number, since dispatch counts up."""
    return callout.created_wall or 0.0, callout.id if isinstance(callout.id, int) else 0
