"""What the dispatcher sees: callouts, customers and tokens as JSON for the page and for tests; and what a customer's link shows.

Pure views. Holds back what a view must not show: codes as typed (they have their own, keyed view), secrets, token texts. The
customer's view is a list of what may be shown, so that whatever a callout is given later stays out of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from simulator.codec import iso
from simulator.records import Callout, Cancel, Customer, Device, Position
from simulator.state import State, possible
from simulator.tokens import Token

Json = dict[str, Any]
TEST = "test"  # the classification that says that nobody is in danger
Told = tuple[int, int, int]  # how many positions, events and notes
NOTHING: Told = (0, 0, 0)


def told_of(callout: Callout) -> Told:
    """How much there is to tell of a callout."""
    return len(callout.positions), len(callout.entries), len(callout.notes)


def _sort(state: State, callout: Callout) -> Json:
    """What was asked for, and whether it is meant."""
    classification = state.classification(callout.classification_id)
    return {
        "responseTypeId": callout.response_type_id,
        "responseType": state.response_type(callout.response_type_id),
        "classificationId": callout.classification_id,
        "classification": classification,
        "internalTest": callout.internal_test,
        "test": callout.internal_test or (classification or "").casefold() == TEST,
    }


def callout_view(state: State, callout: Callout, told: Told = NOTHING) -> Json:
    """One callout with everything but codes. told: leave out that many of the oldest positions, events and notes."""
    positions_from, events_from, notes_from = told
    customer = state.customers[callout.customer_id]  # also one that was deleted since
    return {
        "id": callout.id,
        "customerId": customer.id,
        "customerName": customer.name,
        "customerMobile": customer.mobile,
        "status": callout.status,
        "closed": callout.closed,
        "origin": callout.origin,
        **_sort(state, callout),
        "presses": callout.presses,
        "duress": callout.duress,
        "softCancelled": callout.soft_cancelled,
        "raised": iso(callout.raised_wall),
        "dispatched": iso(callout.dispatched_wall),
        "eta": iso(callout.eta_wall),
        "arrived": iso(callout.arrived_wall),
        "completed": iso(callout.completed_wall),
        "stoodDown": iso(callout.stood_down_wall),
        "closedAt": iso(callout.closed_wall),
        "reasons": [{"received": iso(reason.wall), "text": reason.text, "notes": reason.notes} for reason in callout.reasons],
        "ratings": [{"received": iso(rating.wall), "stars": rating.stars, "comment": rating.comment} for rating in callout.ratings],
        "possible": [str(act) for act in possible(callout)],
        "cancels": [_cancel(cancel) for cancel in callout.cancels],
        "eventsFrom": events_from,
        "events": [
            {"id": entry.id, "received": iso(entry.wall), "source": entry.source, "text": entry.text, "kind": entry.kind}
            for entry in callout.entries[events_from:]
        ],
        "notesFrom": notes_from,
        "notes": [{"received": iso(note.wall), "text": note.text, "alarming": note.alarming} for note in callout.notes[notes_from:]],
        "positionsFrom": positions_from,
        "positions": [_position(position) for position in callout.positions[positions_from:]],
    }


def track_view(state: State, callout: Callout, positions_from: int = 0) -> Json:
    """What a customer's tracking link shows: where, and how far help is. Whoever holds the customer may be reading."""
    return {
        "id": callout.id,
        "closed": callout.closed,
        "responseType": state.response_type(callout.response_type_id),
        "raised": iso(callout.raised_wall),
        "dispatched": iso(callout.dispatched_wall),
        "eta": iso(callout.eta_wall),
        "arrived": iso(callout.arrived_wall),
        "completed": iso(callout.completed_wall),
        "closedAt": iso(callout.closed_wall),
        "positionsFrom": positions_from,
        "positions": [_place(position) for position in callout.positions[positions_from:]],
    }


def callouts_view(state: State) -> list[Json]:
    """Every callout, open ones first, then the newest first."""
    ordered = sorted(state.callouts.values(), key=lambda callout: (callout.closed, -callout.id))
    return [callout_view(state, callout) for callout in ordered]


def codes_view(callout: Callout) -> list[Json]:
    """Cancels with the code as typed, in order. For the dispatcher alone."""
    return [{**_cancel(cancel), "typed": cancel.typed} for cancel in callout.cancels]


def customers_view(customers: Iterable[Customer], now: float) -> list[Json]:
    """Every customer that is not deleted; the mobile number is theirs, the safe code follows from it."""
    return [
        {
            "id": customer.id,
            "name": " ".join(part for part in (customer.name, customer.surname) if part),
            "mobile": customer.mobile,
            "subscribed": customer.subscribed_at(now),
        }
        for customer in customers
        if customer.deleted_wall is None
    ]


def devices_view(devices: Iterable[Device]) -> list[Json]:
    """Every linked device and what it last told."""
    return [
        {
            "deviceId": device.device_id,
            "serial": device.serial,
            "supplier": device.supplier,
            "typeId": device.type_id,
            "customerId": device.customer_id,
            "alias": device.alias,
            "lastEvent": device.last_event,
            "lastHeard": iso(device.last_wall),
            "latitude": device.latitude,
            "longitude": device.longitude,
            "accuracy": device.accuracy_m,
            "battery": device.battery_percent,
            "batteryHeard": iso(device.battery_wall),
            "health": None if device.health is None else json.loads(device.health),
            "healthHeard": iso(device.health_wall),
        }
        for device in devices
    ]


def tokens_view(tokens: Iterable[Token], now: float) -> list[Json]:
    """Tokens without their texts."""
    return [
        {
            "customerId": token.customer_id,
            "minted": iso(token.minted_wall),
            "expires": iso(token.expires_wall),
            "live": now < token.expires_wall,
        }
        for token in tokens
    ]


def _cancel(cancel: Cancel) -> Json:
    return {"received": iso(cancel.wall), "verdict": str(cancel.verdict)}


def _position(position: Position) -> Json:
    return {**_place(position), "via": position.via}


def _place(position: Position) -> Json:
    return {
        "received": iso(position.received_wall),
        "latitude": position.latitude,
        "longitude": position.longitude,
        "accuracy": position.accuracy_m,
    }
