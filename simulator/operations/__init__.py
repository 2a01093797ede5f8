"""The Panic API's operations: one table of all of them, and where each is served.

The table is what routes, faults, the scope of tokens and the request log read. What an operation does is in the modules beside; here is
nothing but their rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.operations import admission, after_care, callouts, customers, devices, notifiers, places
from simulator.operations.calls import Call, Door, Operation, Reply, Unauthorised
from simulator.settings import Generation, Settings

__all__ = ["BACKEND", "OPERATIONS", "Call", "Door", "Operation", "Reply", "Unauthorised", "path_of", "require_known"]

_CALLOUT = "/callouts/{calloutId}"
# A right code has a webhook told of it and a wrong one has not; that work is over by then where the receiver is quick.
_EVEN_S = 0.05

# One row a line: the table is read across.
# fmt: off
OPERATIONS = (
    Operation("oauth_token", "POST", "/oauth/token", Door.OPEN, admission.exchange),
    Operation("callout_token", "POST", "/oauth/calloutToken", Door.SERVER, admission.mint),
    Operation("raise", "POST", "/customers/{customerId}/callouts", Door.SCOPED, callouts.raise_for_customer),
    Operation("list_customer", "GET", "/customers/{customerId}/callouts", Door.SCOPED, callouts.list_for_customer),
    Operation("raise_legacy", "POST", "/callouts", Door.SCOPED, callouts.raise_legacy),
    Operation("list_active", "GET", "/callouts/activeCallouts", Door.SCOPED, callouts.list_active),
    Operation("read", "GET", _CALLOUT, Door.SCOPED, callouts.read),
    Operation("locate", "POST", f"{_CALLOUT}/location", Door.SCOPED, callouts.locate),
    Operation("locate_return", "POST", f"{_CALLOUT}/updateLocationAndReturnCallout", Door.SCOPED, callouts.locate_and_return),
    Operation("list_events", "GET", f"{_CALLOUT}/events", Door.SCOPED, callouts.list_events),
    Operation("send_event", "POST", f"{_CALLOUT}/events", Door.SCOPED, callouts.send_event),
    Operation("cancel", "POST", f"{_CALLOUT}/cancel", Door.SCOPED, callouts.cancel, optional_body=True, even_s=_EVEN_S),
    Operation("map", "GET", f"{_CALLOUT}/maps", Door.SCOPED, after_care.show_map),
    Operation("raise_site", "POST", "/predefinedLocations/externalRef/{externalReferenceId}/callouts", Door.SCOPED,
              callouts.raise_at_site, optional_body=True),
    Operation("list_reasons", "GET", f"{_CALLOUT}/exceptionReasons", Door.SCOPED, after_care.list_reasons),
    Operation("add_reason", "POST", f"{_CALLOUT}/exceptionReasons", Door.SCOPED, after_care.add_reason, optional_body=True),
    Operation("report", "GET", f"{_CALLOUT}/resolutionReport", Door.SCOPED, after_care.report),
    Operation("dismiss", "POST", f"{_CALLOUT}/dismiss", Door.SCOPED, after_care.dismiss, optional_body=True),
    Operation("rating_items", "GET", "/rating-items", Door.SCOPED, after_care.rating_items),
    Operation("rate_item", "POST", "/rating-items", Door.SCOPED, after_care.rate_item),
    Operation("rate", "POST", "/ratings", Door.SCOPED, after_care.rate),
    Operation("device_link", "POST", "/devices", Door.SCOPED, devices.link),
    Operation("device_update", "PUT", "/devices", Door.SCOPED, devices.update),
    Operation("device_unlink", "DELETE", "/devices/{deviceId}", Door.SCOPED, devices.unlink),
    Operation("device_event", "POST", "/deviceEvent", Door.SCOPED, devices.event),
    Operation("create_site", "POST", "/predefinedLocations", Door.SCOPED, places.create_site),
    Operation("response_types", "GET", "/responseTypes", Door.SCOPED, places.response_types),
    Operation("coverage", "GET", "/coverage/{responseTypeId}", Door.SCOPED, places.coverage),
    Operation("webhook", "POST", "/notifiers", Door.SCOPED, notifiers.register),
    Operation("create_customer", "POST", "/customers", Door.SCOPED, customers.create),
    Operation("delete_customer", "POST", "/customers/{customerId}/delete", Door.SCOPED, customers.delete, optional_body=True),
    Operation("subscriptions", "GET", "/customers/{customerId}/subscriptions", Door.SCOPED, customers.subscriptions),
    Operation("create_subscription", "POST", "/subscriptions", Door.SCOPED, customers.subscribe),
    Operation("subscription_types", "GET", "/subscriptions/subscriptionTypes", Door.SCOPED, customers.subscription_types),
    Operation("cancel_subscription", "DELETE", "/subscriptions/{subscriptionId}", Door.SCOPED, customers.unsubscribe),
)
# fmt: on

# What an operator's own backend would offer its devices; not a part of the Panic API.
BACKEND = (Operation("mint", "POST", "/backend/token", Door.KEY, admission.mint),)

# Settings that name operations, and which ones: a token's scope any that a token reaches, 285 what is done with one callout.
_NAMED = {
    "scope": tuple(each.name for each in OPERATIONS if each.door is Door.SCOPED),
    "refuse_closed": ("locate", "locate_return", "read", "list_events", "send_event", "cancel"),
}


def require_known(wanted: Mapping[str, Any]) -> None:
    """Whether the changed settings name operations that they can mean. Raises ValueError that names the key."""
    for key, known in _NAMED.items():
        for name in wanted.get(key, ()):
            if name not in known:
                raise ValueError(f"{key}: {name[:60]} is not one of {', '.join(known)}")


def path_of(operation: Operation, settings: Settings) -> str | None:
    """Where an operation is served with these settings, None where it is not. Paths that no page tells are settings."""
    if operation.name == "dismiss" and settings.generation is Generation.NEW:
        return None
    open_paths = {
        "list_customer": settings.customer_list_path or None,
        "locate_return": f"{_CALLOUT}/{settings.return_path}".rstrip("/"),
        "report": f"{_CALLOUT}/{settings.report_segment}",
        "rating_items": settings.rating_items_path,
        "response_types": settings.response_types_path,
    }
    return open_paths.get(operation.name, operation.path)
