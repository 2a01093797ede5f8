"""The simulator's own API: the dispatcher's side, the log, the settings."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from simulator.desk import track_view
from simulator.pages import FILES
from simulator.server import Running
from simulator.settings import Settings
from simulator.state import Point, State, Wanted
from tests.simulator.rooms import FIRST, HERE, THERE, Room


def test_a_callout_raised_elsewhere_is_found_by_the_device(room: Room) -> None:
    told = room.sim("POST", "/callouts", {"customerId": 4711, **HERE, "responseTypeId": 2})
    assert (told.status_code, told.json()["origin"], told.json()["responseType"]) == (201, "elsewhere", "MEDICAL")
    listed = room.api("GET", "/customers/4711/callouts").json()["callouts"]
    assert [(each["id"], each["latitude"]) for each in listed] == [(told.json()["id"], HERE["latitude"])]
    assert room.raise_callout() == told.json()["id"]
    assert room.sim("POST", "/callouts", {"customerId": 4711}).status_code == 200
    assert room.seen(told.json()["id"])["presses"] == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"customerId": 1, **HERE}, 404), ({"customerId": 4711, "latitude": 1}, 400), ([], 400), ({"customerId": "x"}, 400)],
)
def test_a_raise_from_elsewhere_is_checked(room: Room, body: Any, status: int) -> None:
    assert room.sim("POST", "/callouts", body).status_code == status


def test_the_responder_walks_a_callout_to_its_end(room: Room) -> None:
    number = room.raise_callout()
    for act, stamp in [("dispatch", "dispatched"), ("arrive", "arrived"), ("complete", "completed"), ("close", "closedAt")]:
        assert room.act(number, act).json()[stamp]
        assert room.act(number, act).status_code == 409
    assert room.seen(number)["possible"] == []
    assert [each["event"]["text"] for each in room.api("GET", f"/callouts/{number}/events").json()][-1] == "Callout closed"


def test_customers_come_and_subscriptions_go(room: Room) -> None:
    made = room.sim("POST", "/customers", {"id": 5, "mobile": "+27820001234", "name": "Five", "subscribed": False})
    assert made.status_code == 201
    assert room.sim("POST", "/customers", {"id": 5, "mobile": "+27820009999"}).status_code == 409
    assert room.sim("POST", "/customers", {"id": 6, "mobile": "12"}).status_code == 400
    raised = {"location": HERE, "responseTypeId": 1}
    room.as_device(5)
    assert room.api("POST", "/customers/5/callouts", raised).status_code == 403
    room.sim("PATCH", "/customers/5", {"subscribed": True})
    assert room.api("POST", "/customers/5/callouts", raised).status_code == 201
    assert [each["id"] for each in room.sim("GET", "/customers").json()] == [4711, 5]


def test_the_log_holds_requests_and_no_secrets(room: Room) -> None:
    number = room.raise_callout()
    room.api("POST", f"/callouts/{number}/location", THERE)
    room.headers = {"Authorization": "Bearer wrong-token"}
    room.api("GET", f"/callouts/{number}?secret=query")
    shown = room.sim("GET", "/requests")
    told = [(each["method"], each["operation"], each["status"]) for each in shown.json()]
    assert told == [("POST", "mint", 200), ("POST", "raise", 201), ("POST", "locate", 200), ("GET", "read", 401)]
    assert all(each["received"].endswith("Z") and each["took_s"] >= 0 and each["connection"] for each in shown.json())
    for secret in ("wrong-token", "query", room.chosen.device_key, "-29.8"):
        assert secret not in shown.text
    assert [each["number"] for each in room.sim("GET", "/requests?since=3").json()] == [4]


def test_no_view_shows_a_token_or_a_key(room: Room) -> None:
    secrets = [room.headers["Authorization"].split()[1], room.chosen.device_key, room.chosen.client_secret, room.chosen.dispatcher_key]
    room.raise_callout()
    for view in ("", "/callouts", "/customers", "/tokens", "/requests", "/settings", "/faults"):
        shown = room.sim("GET", view).text
        assert not [secret for secret in secrets if secret in shown], view


def test_settings_change_while_it_runs(room: Room) -> None:
    assert room.sim("PATCH", "/settings", {"generation": "old"}).json()["generation"] == "old"
    assert "access_token" in room.mint().json()
    for wrong in ({"generation": "odd"}, {"device_key": "x"}, []):
        assert room.sim("PATCH", "/settings", wrong).status_code == 400


def test_a_reset_empties_everything(room: Room) -> None:
    first = room.raise_callout()
    room.sim("POST", "/faults", {"action": "reset", "on": "read"})
    room.sim("POST", "/reset")
    assert [room.sim("GET", view).json() for view in ("/callouts", "/faults", "/requests")] == [[], [], []]
    assert room.api("GET", "/customers/4711/callouts").status_code == 401
    room.as_device()
    assert room.raise_callout() > first


@pytest.mark.parametrize("typed", [[], ["1234"], ["0000"], ["0000", "1234"], ["1234", "0000", "1111"]], ids=str)
def test_a_customer_s_link_shows_the_same_whatever_was_typed(typed: list[str]) -> None:
    """Whoever holds the customer may be reading: no cancel, a right code, duress, notes and flags, all look alike."""
    state = State(Settings(customer_mobile="+27820001234"), FIRST)
    callout, _ = state.raise_callout(Wanted(4711, 1, Point(-29.8, 31.0, 5.0)), 1.8e9, "key")
    plain = track_view(state, callout)
    for code in typed:
        state.cancel(callout, code, 1.8e9 + 60)
        assert track_view(state, callout) == plain
    assert callout.duress is any(code != "1234" for code in typed)
    assert not set(plain) & {"duress", "softCancelled", "cancels", "notes", "events", "presses", "customerId"}


def test_a_page_of_another_origin_may_not_post(room: Room) -> None:
    number = room.raise_callout()
    path = f"/callouts/{number}/close"
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null"):  # another server of this machine is another origin
        assert room.sim("POST", path, headers={"Origin": origin}).status_code == 403
    assert not room.seen(number)["closed"]
    assert room.sim("POST", path, headers={"Origin": room.running.root_url}).status_code == 200


def test_a_page_whose_name_was_made_to_lead_here_reads_and_changes_nothing(room: Room) -> None:
    """Its origin is then its own, and only the name that it calls by tells."""
    number = room.raise_callout()
    evil = {"Host": "evil.example:80", "Origin": "http://evil.example:80"}
    for path in ("/", "/sim", "/sim/callouts", "/sim/live", "/openapi.json", f"/panic-api/v2/callouts/{number}"):
        assert room.http.get(room.running.root_url + path, headers={**room.headers, "Host": evil["Host"]}).status_code == 403, path
    assert room.sim("POST", f"/callouts/{number}/close", headers=evil).status_code == 403
    assert room.sim("GET", "/callouts", headers={"Host": "127.0.0.1.evil.example"}).status_code == 403
    assert room.sim("GET", "/callouts", headers={"Host": "localhost.evil.example"}).status_code == 403
    assert not room.seen(number)["closed"]
    for name in ("localhost", "127.0.0.1:1", "[::1]:8080", "here.localhost", "LOCALHOST"):
        assert room.sim("GET", "/callouts", headers={"Host": name}).status_code == 200, name


def test_one_that_is_open_to_the_network_answers_to_any_name() -> None:
    """A laboratory or a container calls it by names of its own."""
    running = Running(host="0.0.0.0", expose=True)
    running.start()
    try:
        told = httpx.get(f"http://127.0.0.1:{running.port}/sim/callouts", headers={"Host": "dispatch.lab"}, trust_env=False)
        assert (told.status_code, told.json()) == (200, [])
    finally:
        running.stop()


@pytest.mark.parametrize("digits", ["9" * 16, "9" * 5_000, "0" * 5_000])
def test_a_number_that_is_none_of_anything_is_not_there(room: Room, digits: str) -> None:
    """However long: the simulator is not at a loss for an answer."""
    for method, path in (("GET", "/callouts/{}"), ("GET", "/callouts/{}/codes"), ("POST", "/callouts/{}/close"), ("DELETE", "/faults/{}")):
        key = {"Authorization": f"Bearer {room.chosen.dispatcher_key}"}
        assert room.sim(method, path.format(digits), headers=key).status_code == 404, path
    assert room.sim("PATCH", f"/customers/{digits}", {"subscribed": True}).status_code == 404
    for path in ("/requests", "/transcript"):
        assert room.sim("GET", f"{path}?since={digits}").json() == room.sim("GET", path).json()


def test_a_body_that_is_no_json_is_400(room: Room) -> None:
    number = room.raise_callout()
    told = room.sim("POST", f"/callouts/{number}/say", content=b"{", headers={"Content-Type": "application/json"})
    assert told.status_code == 400
    assert room.sim("POST", f"/callouts/{number}/say", {"message": " "}).status_code == 400
    assert room.seen(number)["events"] == []


def test_the_page_asks_nothing_of_other_hosts(room: Room) -> None:
    """Every file is served from the package, names no other host, and the policy forbids one."""
    page = room.http.get(room.running.root_url + "/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in sorted(each.name for each in FILES.iterdir()):
        told = room.http.get(f"{room.running.root_url}/page/{name}")
        assert told.status_code == 200
        assert "://" not in told.text.replace("http://www.w3.org/2000/svg", ""), name
        assert "innerHTML" not in told.text, name
    assert room.http.get(room.running.root_url + "/page/secrets.txt").status_code == 404
