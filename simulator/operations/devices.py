"""Operations of linked devices: link, update, unlink, and the one route that all their messages go to.

The rules are those of `gadgets`. Messages of devices are in snake case, unlike everything else.
"""

from __future__ import annotations

import json

from simulator import bodies, forms, gadgets
from simulator.operations.calls import Call, Reply, made, own
from simulator.papers import Papers
from simulator.records import Callout, Device
from simulator.state import Point, Refusal, Refused


def link(call: Call) -> Reply:
    """Link a device to a customer. OLD takes the device's name, NEW derives it from the serial number and tells it."""
    wanted = _wanted(call)
    own(call, wanted.customer_id)
    device, new = gadgets.link(call.sim.state, wanted)
    told = Papers(call.new).device(device)
    return made(call, told) if new else Reply(told)


def _wanted(call: Call) -> Device:
    body = call.body
    serial = bodies.text(body, "deviceSerial").strip() if call.new else forms.label(body, "deviceId")
    supplier = bodies.text(body, "deviceSupplier") if call.new else None
    type_id = forms.optional_integer(body, "deviceType" if call.new else "deviceTypeId")
    found = gadgets.template(call.sim.state, type_id, supplier)
    return Device(
        id=0,
        device_id=gadgets.derive(serial) if call.new else serial,
        serial=serial,
        supplier=supplier or found.supplier,
        type_id=found.type_id,
        customer_id=bodies.integer(body, "customerId"),
        alias=forms.optional_text(body, "deviceAlias") if call.new else None,
        firmware=forms.optional_text(body, "firmwareVersion") if call.new else None,
        created_wall=call.now,
        updated_wall=call.now,
    )


def update(call: Call) -> Reply:
    """Change what is known of a linked device; which one is in the body."""
    customer_id = bodies.integer(call.body, "customerId")
    own(call, customer_id)
    device = gadgets.device(call.sim.state, forms.label(call.body, "deviceId"), customer_id)
    type_id = forms.optional_integer(call.body, "deviceTypeId")
    if type_id is not None:
        device.type_id = gadgets.template(call.sim.state, type_id, None).type_id
    device.alias = forms.optional_text(call.body, "deviceAlias") or device.alias
    device.firmware = forms.optional_text(call.body, "firmwareVersion") or device.firmware
    device.updated_wall = call.now
    return Reply(Papers(call.new).device(device))


def unlink(call: Call) -> Reply:
    """Unlink a device. OLD answers without a body, NEW with a message: no page says which."""
    device = gadgets.device(call.sim.state, call.params["deviceId"])
    own(call, device.customer_id)
    del call.sim.state.devices[device.device_id]
    return Reply({"message": "Device unlinked"}) if call.new else Reply(None, 204)


def event(call: Call) -> Reply:
    """One message of a device; the template of its type says what it means. An unknown device is 400: the page knows no 404."""
    body, state = call.body, call.sim.state
    try:
        device = gadgets.device(state, forms.label(body, "device_id"))
    except Refused as refused:
        if refused.why is Refusal.UNKNOWN:
            bodies.bad("Unknown device_id")
        raise
    own(call, device.customer_id)
    meaning = gadgets.meaning(state, device, bodies.integer(body, "device_type_id"), bodies.integer(body, "message_type"))
    point = bodies.read_point(forms.record(body, "location"), "location.") if body.get("location") is not None else None
    callout = _carry_out(call, device, meaning, point)
    device.last_event, device.last_wall = meaning, call.now
    return Reply(Papers(call.new).device_event(meaning, callout, device, dict(body)))


def _carry_out(call: Call, device: Device, meaning: str, point: Point | None) -> Callout | None:
    """The callout that a message was about, None where it was about none. What does not fit is refused before anything changes."""
    if meaning == "LOCATION_UPDATE" and point is None:
        bodies.bad("location is required")
    if meaning == "BATTERY" or (meaning == "HEALTH" and "battery_level" in call.body):
        device.battery_percent, device.battery_wall = forms.percent(call.body, "battery_level"), call.now
    gadgets.place(device, point)
    if meaning == "HEALTH":
        device.health, device.health_wall = _health(call.body), call.now
    if meaning in ("BATTERY", "HEALTH"):
        return None
    if meaning == "NEW_CALLOUT":
        return gadgets.raise_by(call.sim.state, device, call.now, call.sim.track_key())[0]
    return gadgets.act(call.sim.state, device, meaning, point, call.now)


def _health(body: bodies.Body) -> str | None:
    """What came beyond the documented keys, as JSON."""
    rest = {key: value for key, value in body.items() if key not in {"device_id", "device_type_id", "message_type", "location"}}
    return json.dumps(rest) if rest else None
