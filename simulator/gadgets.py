"""Devices that speak through one route: linked to a customer, understood by the template of their type.

Pure rules over records: no HTTP, no JSON, no clock. Decides what a message means; raising, moving and cancelling are the state's.
"""

from __future__ import annotations

import re

from simulator.records import Callout, Device
from simulator.settings import DeviceTemplate
from simulator.state import Point, Refusal, Refused, State, Wanted

MEANINGS = ("NEW_CALLOUT", "LOCATION_UPDATE", "CANCEL", "HEALTH", "BATTERY")
# How much of a serial number is left in the name that events use.
DERIVED = 7


def derive(serial: str) -> str:
    """The name in events: the last digits of the serial number; of one that has too few, its last letters and digits."""
    digits = re.sub(r"[^0-9]", "", serial).lstrip("0")
    rest = digits if len(digits) >= 4 else re.sub(r"[^0-9A-Za-z]", "", serial)
    return rest[-DERIVED:].lstrip("0") or serial


def template(state: State, type_id: int | None, supplier: str | None) -> DeviceTemplate:
    """By its type, else by its supplier. Raises Refused BAD where none is provisioned."""
    for each in state.settings.device_templates:
        if type_id == each.type_id or (type_id is None and (supplier is None or supplier.casefold() == each.supplier.casefold())):
            return each
    raise Refused(Refusal.BAD, "No template is provisioned for this device type or supplier")


def link(state: State, wanted: Device) -> tuple[Device, bool]:
    """The device, and whether it is new: its own customer links it again without harm. Raises Refused CONFLICT where it is another's."""
    state.customer(wanted.customer_id)
    kept = state.devices.get(wanted.device_id)
    if kept is None:
        wanted.id = state.next_id("device")
        state.devices[wanted.device_id] = wanted
        return wanted, True
    if (kept.customer_id, kept.serial) != (wanted.customer_id, wanted.serial):
        raise Refused(Refusal.CONFLICT, "This device is linked already")
    kept.type_id, kept.supplier, kept.updated_wall = wanted.type_id, wanted.supplier, wanted.updated_wall
    kept.alias, kept.firmware = wanted.alias or kept.alias, wanted.firmware or kept.firmware
    return kept, False


def device(state: State, device_id: str, customer_id: int | None = None) -> Device:
    """One device, of one customer where that is asked. Raises Refused UNKNOWN."""
    found = state.devices.get(device_id)
    if found is None or customer_id not in (None, found.customer_id):
        raise Refused(Refusal.UNKNOWN, "Device not found")
    return found


def meaning(state: State, found: Device, type_id: int, message_type: int) -> str:
    """What a number means for this device. Raises Refused BAD for another type or a number that its template has not."""
    if type_id != found.type_id:
        raise Refused(Refusal.BAD, "device_type_id is not the type of this device")
    name = dict(template(state, type_id, None).messages).get(message_type)
    if name is None:
        raise Refused(Refusal.BAD, f"Unknown message_type {message_type} for device_type_id {type_id}")
    return name


def place(found: Device, point: Point | None) -> None:
    """Keep where a device is."""
    if point:
        found.latitude, found.longitude, found.accuracy_m = point.latitude, point.longitude, point.accuracy_m


def raise_by(state: State, found: Device, now: float, track_key: str) -> tuple[Callout, bool]:
    """Raise where the device is, or return the callout that is open. Raises Refused BAD without any place."""
    point = None
    if found.latitude is not None and found.longitude is not None:
        point = Point(found.latitude, found.longitude, found.accuracy_m)
    elif state.settings.position_required:
        raise Refused(Refusal.BAD, "location is required")
    wanted = Wanted(found.customer_id, state.settings.response_types[0][0], point)
    return state.raise_callout(wanted, now, track_key)


def act(state: State, found: Device, name: str, point: Point | None, now: float) -> Callout | None:
    """Move or cancel the callout that is open, None where there is none. A cancel is unconditional: such a message has no code."""
    callout = next(iter(reversed(state.open_callouts(found.customer_id))), None)
    if callout is None:
        return None
    if name == "LOCATION_UPDATE" and point:
        state.locate(callout, point, now)
    elif name == "CANCEL":
        state.cancel(callout, None, now)
    return callout
