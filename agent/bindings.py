"""From the tables of the config to the values that the rooms take, so that no room needs to know the config.

Pure translation; decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.cadence import Pace
from agent.config import Config
from agent.device_report import Duty
from agent.lanes.desk import Terms
from agent.model import Severity
from agent.positions import Positions, Site
from agent.proofs import POLL_MOST_S
from agent.retention import Limits
from agent.trails import Manner


def positions(config: Config, asleep_s: Callable[[], float]) -> Positions:
    """Receivers in order of preference, and the site."""
    site = config.site
    place = (
        None if site is None or site.latitude is None or site.longitude is None else Site(site.latitude, site.longitude, site.accuracy_m)
    )
    known = site is not None and site.predefined_location is not None
    return Positions(tuple((each.name, each.kind) for each in config.receivers), place, known_to_dispatch=known, asleep_s=asleep_s)


def limits(config: Config) -> Limits:
    """How much the store keeps."""
    return Limits(max_mb=config.store.max_mb, before_press_s=config.store.before_press_s)


def manner(config: Config) -> Manner:
    """How what was missed is told."""
    return Manner(config.backlog.after_outage, config.backlog.trail_after_s, config.store.before_press_s)


def terms(config: Config) -> Terms:
    """What the lanes need."""
    api, pace = config.panic_api, config.cadence
    return Terms(
        pace=Pace(
            record_idle_s=pace.record_idle_s,
            record_moved_m=pace.record_moved_m,
            record_turned_deg=pace.record_turned_deg,
            send_active_s=pace.send_active_s,
            send_min_s=pace.send_min_s,
            send_max_s=pace.send_max_s,
        ),
        response_type_id=api.response_type_id,
        deadline_s=api.deadline_s,
        adopt=pace.adopt,
        adopt_poll_s=min(pace.adopt_poll_s, POLL_MOST_S),  # also with adopt = "never": the answer proves that dispatch is there
        customer_id=api.customer_id,
        predefined=config.site is not None and config.site.predefined_location is not None,
    )


def recording(config: Config) -> Severity | None:
    """A played log is for the bench: in production it is no position at all."""
    if not any(each.kind == "replay" for each in config.receivers):
        return None
    return Severity.CRITICAL if config.panic_api.environment == "production" else Severity.NOTE


def played(config: Config) -> Severity:
    """How bad it is that a program plays a button: in production no one can raise."""
    return Severity.CRITICAL if config.panic_api.environment == "production" else Severity.NOTE


def duty(config: Config) -> Duty | None:
    """What dispatch is told of the device itself."""
    told = config.device
    if told is None:
        return None
    return Duty(
        device_id=told.id,
        type_id=told.type_id,
        every_s=told.every_s,
        battery_message_type=told.battery_message_type,
        health_message_type=told.health_message_type,
        deadline_s=config.panic_api.deadline_s,
    )
