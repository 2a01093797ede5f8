"""Operations of places: fixed locations, kinds of response and the area that each covers.

Reads and makes sites; raising for one is the callouts' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from simulator import bodies, forms
from simulator.operations.calls import Call, Reply, made, number, own
from simulator.papers import Papers
from simulator.records import Site
from simulator.state import Refusal, Refused

KML = "application/vnd.google-earth.kml+xml"
NAMESPACE = "http://www.opengis.net/kml/2.2"


def create_site(call: Call) -> Reply:
    """A fixed location; its coordinates are texts. Without a customer it is the simulation's own. 409 for a reference that is taken."""
    body, state = call.body, call.sim.state
    customer_id = forms.optional_integer(body, "customerId") or call.sim.settings.customer_id
    own(call, customer_id)
    site = Site(
        id=0,
        reference=bodies.text(body, "externalReferenceId"),
        customer_id=state.customer(customer_id).id,
        latitude=forms.degrees(body, "latitude", 90.0),
        longitude=forms.degrees(body, "longitude", 180.0),
        identifier=bodies.text(body, "locationIdentifier"),
        type_id=forms.optional_integer(body, "calloutLocationTypeId"),
        description=forms.optional_text(body, "locationDescription"),
        additional_information=forms.optional_text(body, "locationAdditionalInformation"),
        formatted_address=forms.optional_text(body, "formattedAddress"),
        w3w=forms.optional_text(body, "w3w"),
        created_wall=call.now,
    )
    return made(call, Papers(call.new).site(state.add_site(site)))


def response_types(call: Call) -> Reply:
    """The kinds of response of this source."""
    return Reply(Papers(call.new).response_types(call.sim.settings.response_types))


def coverage(call: Call) -> Reply:
    """Where a kind of response is to be had, as KML. 404 for an unknown kind."""
    type_id = number(call.params["responseTypeId"], "Response type")
    if type_id not in dict(call.sim.settings.response_types):
        raise Refused(Refusal.UNKNOWN, "Response type not found")
    return Reply(_kml(call.sim.state.response_type(type_id), call.sim.settings.coverage), kind=KML)


def _kml(name: str, corners: Sequence[tuple[float, float]]) -> str:
    """One polygon. KML tells longitude first, and the first corner again at the end."""
    root = ET.Element("kml", xmlns=NAMESPACE)
    placemark = ET.SubElement(ET.SubElement(root, "Document"), "Placemark")
    ET.SubElement(placemark, "name").text = name
    ring = placemark
    for tag in ("Polygon", "outerBoundaryIs", "LinearRing", "coordinates"):
        ring = ET.SubElement(ring, tag)
    ring.text = " ".join(f"{longitude},{latitude},0" for latitude, longitude in (*corners, corners[0]))
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")
