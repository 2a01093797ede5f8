"""The tables of the config as frozen dataclasses: keys, defaults, and the rule of each.

Pure. Names are a contract with the whole house and with every installed file: a key is added, never renamed. What it means to a
person stands in `config.example.toml`, not here. Must not touch a file and must not know who uses a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any
from urllib.parse import urlsplit

from agent.rules import Baud, Choice, Command, Flag, Number, Place, Segment, Template, Text, Url, Whole, is_loopback
from agent.tables import Given, Problem

PRODUCTION_HOST = "panic.aura.services"
STAGING_HOST = "staging-panic.aura.services"

_NULL_ISLAND_DEG = 0.001  # as in the gate: 0/0 is no place to send help to
_DAY_S = 86400
_TAP_S = 0.2  # from one press of a button to the next, with a quick finger
_SOCKET_BYTES = 107  # sun_path of unix(7), without its closing zero
_LINE = Whole(0, 1023)
_ID = Whole(1, 2**53)  # whole numbers up to here survive any JSON parser


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicApi:
    """Where dispatch is and who we are to it."""

    environment: Annotated[str, Choice(("production", "staging"))] = "production"
    base_url: Annotated[str, Url("the Panic API's base URL, like https://panic.aura.services/panic-api/v2", base=True)]
    customer_id: Annotated[int, Whole(1, 2**53, put="the customerId of this device at dispatch; one device per customer")]
    response_type_id: Annotated[int, Whole(1, 2**53, put="the responseTypeId that a raise asks for")]
    callout_classification_id: Annotated[int | None, _ID] = None
    deadline_s: Annotated[float, Number(0.5, 60)] = 10.0
    active_callouts_path: Annotated[str, Template()] = "/customers/{customer_id}/callouts"
    return_callout_path: Annotated[str, Segment()] = ""
    report_path: Annotated[str, Template("callout_id")] = "/callouts/{callout_id}/resolutionReport"
    rating_items_path: Annotated[str, Template("")] = "/rating-items"
    response_types_path: Annotated[str, Template("")] = "/responseTypes"
    ca_file: Annotated[str | None, Place()] = None
    proxy: Annotated[str | None, Url("a proxy like http://10.0.0.1:3128", plain_anywhere=True, base=True)] = None

    @property
    def host(self) -> str:
        """The host of base_url, in small letters."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_production_host(self) -> bool:
        """Whether base_url leads to the service that sends real responders."""
        return self.host == PRODUCTION_HOST

    @property
    def is_loopback(self) -> bool:
        """Whether base_url leads to this machine."""
        return is_loopback(self.host)

    @property
    def host_matches(self) -> bool:
        """Whether host and environment agree. Where not, the daemon runs all the same, with a condition."""
        if self.environment == "production":
            return self.is_production_host
        return self.host == STAGING_HOST or self.is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where a token comes from: exactly one of `token_url`, `token_file`, `client_id`. Files: see `Config.secret_path`."""

    token_url: Annotated[str | None, Url("the URL of your backend that mints callout-scoped tokens")] = None
    bearer_file: Annotated[str | None, Place(absolute=False)] = None
    client_cert_file: Annotated[str | None, Place(absolute=False)] = None
    client_key_file: Annotated[str | None, Place(absolute=False)] = None
    token_file: Annotated[str | None, Place(absolute=False)] = None
    client_id: Annotated[str | None, Text("the clientId of your customer source")] = None
    client_secret_file: Annotated[str | None, Place(absolute=False)] = None

    @staticmethod
    def crossed(given: Given) -> Iterator[Problem]:
        """Exactly one source, whole, and nothing that belongs to another."""
        sources = [key for key in ("token_url", "token_file", "client_id") if key in given.written]
        if len(sources) != 1:
            found = " and ".join(sources) if sources else "none"
            yield Problem("token_url", f"exactly one of token_url, token_file, client_id is needed, found {found}")
            return
        companions = {"token_url": {"bearer_file", "client_cert_file", "client_key_file"}, "client_id": {"client_secret_file"}}
        for key in sorted(given.written & set().union(*companions.values()) - companions.get(sources[0], set())):
            yield Problem(key, f"does not go with {sources[0]}", hint="remove it")
        if sources == ["client_id"] and "client_secret_file" not in given.written:
            yield Problem("client_secret_file", "is required with client_id")
        if sources == ["token_url"]:
            yield from Credentials._prove(given)

    @staticmethod
    def _prove(given: Given) -> Iterator[Problem]:
        """How the device proves to the backend who it is."""
        pair = given.written & {"client_cert_file", "client_key_file"}
        if len(pair) == 1:
            (missing,) = {"client_cert_file", "client_key_file"} - pair
            yield Problem(missing, f"is required with {', '.join(pair)}")
        url = given.values.get("token_url")
        if not pair and "bearer_file" not in given.written and url is not None and not is_loopback(urlsplit(url).hostname or ""):
            yield Problem("bearer_file", "is required with token_url, or client_cert_file and client_key_file, unless it is on loopback")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """What all receivers have. name: told in `status`; the kind, with #2 and so on for repeats, where none is given."""

    kind: Annotated[str, Choice(("gpsd", "serial", "replay"))]
    name: Annotated[str, Text("a name", 40)] = ""

    def options(self) -> dict[str, Any]:
        """The keys of this kind, as its adapter takes them."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("kind", "name")}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpsdReceiver(Receiver):
    """A gpsd on this machine or another. device: one of its devices; all of them if there is none."""

    host: Annotated[str, Text("a host name or address", 253, r"[A-Za-z0-9.:_%-]+")] = "127.0.0.1"
    port: Annotated[int, Whole(1, 65535)] = 2947
    device: Annotated[str | None, Text("the name of a device of gpsd", 255)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialReceiver(Receiver):
    """NMEA from a serial line. baud: bits per second."""

    path: Annotated[str, Place()] = "/dev/ttyAMA0"
    baud: Annotated[int, Baud()] = 9600


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReceiver(Receiver):
    """A recorded log, played at `speed` times its own pace."""

    path: Annotated[str, Place()]
    speed: Annotated[float, Number(0.01, 1000)] = 1.0
    loop: Annotated[bool, Flag()] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A panic button on a GPIO line. response_type_id: asked for instead of the one of `[panic_api]`.

    presses 1: the gesture is to hold for hold_s; more: so many presses that begin within within_s, however short.
    abort_line: a second line of the chip, wired alike, that takes a press back while its abort window is open.
    """

    name: Annotated[str, Text("a name", 40)] = "panic"
    chip: Annotated[str, Place()] = "/dev/gpiochip0"
    line: Annotated[int, _LINE] = 17
    active: Annotated[str, Choice(("low", "high"))] = "low"
    bias: Annotated[str, Choice(("pull-up", "pull-down", "disabled", "as-is"))] = "pull-up"
    hold_s: Annotated[float, Number(0, 10)] = 1.5
    presses: Annotated[int, Whole(1, 9)] = 1
    within_s: Annotated[float, Number(0.2, 30)] = 2.0
    abort_window_s: Annotated[float, Number(0, 60)] = 0.0
    abort_line: Annotated[int | None, _LINE] = None
    response_type_id: Annotated[int | None, _ID] = None

    def wiring(self) -> dict[str, Any]:
        """Its line and gesture, as the adapter takes them."""
        names = ("name", "chip", "line", "active", "bias", "hold_s", "presses", "within_s", "abort_line")
        return {name: getattr(self, name) for name in names}

    @staticmethod
    def crossed(given: Given) -> Iterator[Problem]:
        """A gesture that no hand can make calls nobody. A window that nothing can abort would only delay help: holding again confirms."""
        presses, within_s = given.values.get("presses"), given.values.get("within_s")
        if presses is not None and within_s is not None and (presses - 1) * _TAP_S > within_s:
            rule = f"is too short for {presses} presses: nobody taps faster than once in {_TAP_S} s"
            yield Problem("within_s", rule, hint=f"at least {(presses - 1) * _TAP_S:g}, or fewer presses")
        if given.values.get("abort_window_s") and given.values.get("presses") == 1 and "abort_line" not in given.written:
            hint = "name an abort_line, or make the gesture several presses (presses = 3)"
            yield Problem("abort_window_s", "cannot be used where the gesture is a hold and there is no abort_line", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """Lamps and buzzer. armed_line: lit while armed. profile: "silent" shows no outward sign at all."""

    chip: Annotated[str, Place()] = "/dev/gpiochip0"
    lamp_line: Annotated[int, _LINE] = 27
    buzzer_line: Annotated[int | None, _LINE] = None
    armed_line: Annotated[int | None, _LINE] = None
    profile: Annotated[str, Choice(("visible", "silent"))] = "visible"

    def wiring(self) -> dict[str, Any]:
        """All of it, as the adapter takes it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """When to record, when to send, when to look for a callout raised elsewhere. Seconds, metres and degrees."""

    record_idle_s: Annotated[float, Number(1, 3600)] = 30.0
    record_moved_m: Annotated[float, Number(1, 100_000)] = 50.0
    record_turned_deg: Annotated[float, Number(1, 180)] = 30.0
    send_active_s: Annotated[float, Number(1, 600)] = 5.0
    send_min_s: Annotated[float, Number(1, 600)] = 5.0
    send_max_s: Annotated[float, Number(1, 600)] = 20.0
    adopt: Annotated[str, Choice(("near", "always", "never"))] = "near"
    adopt_poll_s: Annotated[float, Number(1, _DAY_S)] = 300.0

    @staticmethod
    def crossed(given: Given) -> Iterator[Problem]:
        """send_min_s <= send_active_s <= send_max_s."""
        for low, high in (("send_min_s", "send_active_s"), ("send_active_s", "send_max_s"), ("send_min_s", "send_max_s")):
            a, b = given.values.get(low), given.values.get(high)
            judged_before = (low, high) == ("send_min_s", "send_max_s") and "send_active_s" in given.values
            if a is not None and b is not None and a > b and not judged_before:
                yield Problem(low, f"must not be more than {high}, which is {b:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The track and everything else that is kept. before_press_s: the trail before a press that is told to dispatch."""

    path: Annotated[str, Place()] = "/var/lib/callout-agent/agent.db"
    max_mb: Annotated[int, Whole(1, 1_000_000)] = 256
    keep_days: Annotated[float, Number(1, 3650)] = 30.0
    before_press_s: Annotated[float, Number(0, _DAY_S)] = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What dispatch is told of an outage. trail_after_s: of one at least this long."""

    after_outage: Annotated[str, Choice(("trail", "events", "keep"))] = "trail"
    trail_after_s: Annotated[float, Number(0, _DAY_S)] = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the device stands if it does not move: coordinates, or a fixed location that dispatch knows by this reference."""

    latitude: Annotated[float | None, Number(-90, 90)] = None
    longitude: Annotated[float | None, Number(-180, 180)] = None
    accuracy_m: Annotated[float, Number(0, 100_000)] = 50.0
    predefined_location: Annotated[str | None, Text("the external reference of a fixed location", 100)] = None

    @staticmethod
    def crossed(given: Given) -> Iterator[Problem]:
        """A place is needed, whole, and not 0/0."""
        pair = given.written & {"latitude", "longitude"}
        if len(pair) == 1:
            (missing,) = {"latitude", "longitude"} - pair
            yield Problem(missing, f"is required with {next(iter(pair))}")
        if not pair and "predefined_location" not in given.written:
            yield Problem("latitude", "latitude and longitude, or predefined_location, is required in a [site]")
        latitude, longitude = given.values.get("latitude"), given.values.get("longitude")
        if latitude is not None and longitude is not None and max(abs(latitude), abs(longitude)) < _NULL_ISLAND_DEG:
            yield Problem("latitude", "0/0 is not a place", hint="put the coordinates of the site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Whether a clock that is earlier than the build is set from the receiver."""

    set_from_gnss: Annotated[str, Choice(("before_build", "never"))] = "before_build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """classification_id: what marks a callout as a drill; without it a drill is refused on production."""

    classification_id: Annotated[int | None, _ID] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Programs that are told; empty: none. unreachable_after_s: after a press without an accepted raise."""

    on_event: Annotated[tuple[str, ...], Command()] = ()
    on_unreachable: Annotated[tuple[str, ...], Command()] = ()
    on_not_armed: Annotated[tuple[str, ...], Command()] = ()
    unreachable_after_s: Annotated[float, Number(1, _DAY_S)] = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What feeds the device. supplies: where the kernel shows batteries and mains. low_percent: a battery is low from here on."""

    supplies: Annotated[str, Place()] = "/sys/class/power_supply"
    low_percent: Annotated[float, Number(1, 99)] = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypad:
    """Where a safe code is typed: an input device."""

    path: Annotated[str, Place()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What dispatch is told of the device itself, every so often. id: as linked at dispatch, not the serial.

    type_id, battery_message_type, health_message_type: numbers of the device's template at dispatch, each with a meaning of its own
    there: a wrong one may open a callout.
    """

    id: Annotated[str, Text("the deviceId that dispatch told when the device was linked", 100)]
    type_id: Annotated[int, Whole(1, 2**53, put="the number of the device's template at dispatch")]
    every_s: Annotated[float, Number(60, _DAY_S)] = 3600.0
    battery_message_type: Annotated[int | None, _ID] = None
    health_message_type: Annotated[int | None, _ID] = None

    @staticmethod
    def crossed(given: Given) -> Iterator[Problem]:
        """Something is to be sent, and one number has one meaning."""
        battery, health = given.values.get("battery_message_type"), given.values.get("health_message_type")
        if not given.written & {"battery_message_type", "health_message_type"}:
            yield Problem("health_message_type", "or battery_message_type, is required in a [device]", hint="else there is nothing to send")
        elif battery is not None and battery == health:
            yield Problem("health_message_type", "must differ from battery_message_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A sign of life to the fleet's own server, every so often."""

    url: Annotated[str, Url("the URL that is told that this device lives")]
    every_s: Annotated[float, Number(5, _DAY_S)] = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The socket of the command line. allow_unconditional: root may cancel without a code."""

    socket: Annotated[str, Place(longest=_SOCKET_BYTES)] = "/run/callout-agent/control.sock"
    allow_unconditional: Annotated[bool, Flag()] = False
