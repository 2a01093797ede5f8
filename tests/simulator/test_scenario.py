"""Scenarios: read strictly, played through the desk, shown as they go, ended cleanly."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from simulator import control
from simulator.fault_keys import ACTIONS, Action
from simulator.player import Player
from simulator.player_sight import matches
from simulator.scenario import DEVICE_ACTS
from simulator.scenario_reading import ScenarioError, read, shipped, shipped_text, start_settings
from simulator.settings import Settings
from simulator.simulation import Simulation
from tests.simulator.rooms import HERE, Room, wait_until

HEAD = 'title = "A test"\ndescription = "Of a scenario."\n'


def problems(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return caught.value.problems


def start(room: Room, steps: str) -> dict[str, Any]:
    """Start these steps; the first progress."""
    reply = room.sim("POST", "/scenario", {"toml": HEAD + steps})
    assert reply.status_code == 201, reply.text
    return reply.json()


def progress(room: Room) -> dict[str, Any]:
    return room.sim("GET", "/scenario").json()


def until(room: Room, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    wait_until(lambda: wanted(progress(room)))
    return progress(room)


def states(told: dict[str, Any]) -> list[str]:
    return [step["state"] for step in told["steps"]]


# --- reading ---


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_says_what_a_good_device_shows_and_ends_with_a_close(name: str):
    scenario = read(shipped_text(name))
    assert "A good device" in scenario.description
    assert "close" in [step.value for step in scenario.steps]
    assert all(step.line for step in scenario.steps)


def test_the_five_that_are_worth_rehearsing_are_shipped():
    assert set(shipped()) >= {"hijack", "captive-portal", "lost-answers", "token-expires", "stood-down"}


def test_every_problem_is_named_with_its_line_key_value_and_rule():
    """All at once, so that a file is mended in one go."""
    text = """titel = "x"
description = "d"
colour = 1

[settings]
generation = "newer"
calout_token_s = 3
customer_id = "x"

[[step]]
wihtin_s = 3
when = "rased"
device = "pres"

[[step]]
device = "cancel"

[[step]]
fault = { name = "x", action = "status", status = 999, on = ["riase"] }

[[step]]
mend = "y"

[[step]]
after_s = "3"
when = "raised"
"""
    told = problems(text)
    for wanted in (
        r"^line 1: titel: .*did you mean title\?$",
        r"^title: missing",
        r"^line 3: colour: not a key",
        r"^line 6: settings: generation: one of old, new$",
        r"^line 7: settings: calout_token_s: .*did you mean callout_token_s\?$",
        r"^line 8: settings: customer_id: 'x' does not fit; the default is 4711$",
        r"^line 11: step 1: wihtin_s: .*did you mean within_s\?$",
        r"^line 12: step 1: when: 'rased': .*did you mean raised\?$",
        r"^line 13: step 1: device: 'pres': .*did you mean press\?$",
        r"^line 15: step 2: code: device = 'cancel' needs code$",
        r"^line 19: step 3: fault: status: ",
        r"^line 19: step 3: fault: on: riase",
        r"^line 22: step 4: mend: 'y': one of x, \*$",
        r"^line 25: step 5: after_s: '3': seconds",
        r"^line 26: step 5: when: .*not for both$",
    ):
        assert [line for line in told if re.search(wanted, line)], f"{wanted} is not in\n" + "\n".join(told)


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ("when = { positions = 0 }", "whole number"),
        ("when = { positions = true }", "whole number"),
        ('when = { seen = "raize" }', "did you mean raise"),
        ('when = { told = "" }', "a text"),
        ("when = { raised = 3 }", "neither a value nor times"),
        ('when = { cancelled = "maybe" }', "one of right, wrong"),
        ('responder = "arrive"\neta_s = 3', "only of responder = 'dispatch'"),
        ('say = "x"\nresponder = "close"', "one act"),
        ('note = "nothing else"', "neither a moment"),
        ("after_s = inf", "seconds from 0"),
        ("after_s = 1\nwithin_s = 3", "there is neither"),
        ('device = "press"\ncode = "right"', "has no code"),
        ('device = "press"\nfor_s = 3', "done when the simulator sees it"),
        ('mend = "x"', "no step before this one"),
        ("set = { device_key = 'x' }", "not a setting that can be changed"),
        ("set = { generation = 'newest' }", "one of old, new"),
        ('fault = { action = "reset" }', "a table with a name"),
        ("raise_elsewhere = { latitude = 'x' }", "true, or a table"),
        ("subscribed = 1", "true or false"),
        (f"after_s = 1{'0' * 400}", "seconds from 0"),
        ('fault = { name = "x", action = ["reset"], colour = 1 }', "colour: not a key"),
        ('set = { refuse_closed = ["locat"] }', "refuse_closed: locat is not one of"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_rule(step: str, rule: str):
    told = problems(f"{HEAD}[[step]]\n{step}\n")
    assert any(rule in line for line in told), told


@pytest.mark.parametrize("text", ["", "title = ", "step = 3", HEAD, HEAD + "step = [1]", 'title = "x"\ndescription = "x"\n[step]'])
def test_what_is_no_scenario_is_refused_and_never_breaks(text: str):
    assert problems(text)


@pytest.mark.parametrize("table", ["", "[settings]", "[[step]]"])
def test_a_file_of_nothing_but_nonsense_is_refused_at_once(table: str):
    """Devices are not served meanwhile."""
    text = HEAD + table + "\n" + "".join(f"generation_{number} = 1\n" for number in range(3_000))
    began_at = time.monotonic()
    assert 100 <= len(problems(text)) <= 110
    assert time.monotonic() - began_at < 1


@pytest.mark.parametrize("text", [f"title = {'[' * 3_000}{']' * 3_000}", f"title = {'9' * 5_000}"])
def test_what_is_beyond_a_reader_of_toml_is_no_scenario(text: str):
    assert "not TOML" in problems(text)[0]


@pytest.mark.parametrize(
    "line",
    [
        "response_types = []",
        "response_types = [[1]]",
        'response_types = [[1, "A", "B"]]',
        'response_types = [[-1, "A"]]',
        "subscription_types = []",
        "coverage = []",
        "coverage = [[1.0, nan]]",
        "site_latitude = nan",
        "site_longitude = inf",
        "customer_id = -4",
        "customer_id = 0",
        f"first_callout_id = {2**60}",
        'device_key = ""',
        'scope = ["raize"]',
    ],
)
def test_a_setting_that_no_simulator_could_run_with_is_refused(line: str):
    """Also where it has the right form: what serves with it would break later, in the middle of a rehearsal."""
    key = line.partition(" ")[0]
    assert any(f"settings: {key}: " in problem for problem in problems(f"{HEAD}[settings]\n{line}\n[[step]]\nafter_s = 1\n"))


def test_every_fault_and_every_device_act_can_be_written():
    """The tables of faults and device acts are the simulator's own: a new one needs no change of the reader."""
    values = {"for_s": "1", "count": "1", "certificate": '"expired"', "delay_s": "1"}
    needed = {action: ", ".join(f"{group[0]} = {values[group[0]]}" for group in about.needs) for action, about in ACTIONS.items()}
    faults = "".join(
        f'[[step]]\nfault = {{ {", ".join(filter(None, (f"""name = "f", action = "{each}" """, needed[each])))} }}\n' for each in Action
    )
    more = {"cancel": 'code = "right"', "type": 'code = "wrong"', "say": 'text = "x"'}
    acts = "".join(f'[[step]]\ndevice = "{name}"\n{more.get(name, "")}\n' for name in DEVICE_ACTS)
    assert len(read(HEAD + faults + acts).steps) == len(Action) + len(DEVICE_ACTS)


def test_a_person_has_longer_for_a_step_than_a_device():
    """Who has to read what to do is given five minutes."""
    of_device, of_dispatch, own = read(
        HEAD + '[[step]]\ndevice = "press"\n[[step]]\nwhen = "raised"\n[[step]]\ndevice = "press"\nwithin_s = 7'
    ).steps
    assert [step.within_s for step in (of_device, of_dispatch, own)] == [300.0, 60.0, 7.0]


def test_settings_that_are_fixed_while_it_runs_can_be_chosen_for_a_start():
    chosen = start_settings(
        read(HEAD + '[settings]\ncustomer_id = 7\ngeneration = "old"\nresponse_types = [[1, "A"]]\n[[step]]\nafter_s = 0').settings
    )
    assert (chosen.customer_id, str(chosen.generation), chosen.response_types) == (7, "old", ((1, "A"),))


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("armed", "Two of them, ARMED.", True),
        ("two*armed", "Two of  them,\narmed.", True),
        ("armed*two", "Two of them, armed.", False),
        ("*", "", True),
        ("(.*)+$", "aaaa", False),
    ],
)
def test_a_text_matches_by_its_parts_in_order(pattern: str, text: str, fits: bool):  # noqa: FBT001 - a row of a table
    assert matches(pattern, text) is fits


def test_a_pattern_of_many_stars_costs_no_time():
    began_at = time.monotonic()
    assert not matches("a*" * 200 + "b", "a" * 100_000)
    assert time.monotonic() - began_at < 1


# --- playing ---


def test_steps_are_played_in_order_and_each_is_shown_done_now_or_waiting(room: Room):
    told = start(
        room,
        """
[[step]]
device = "press"
[[step]]
when = { positions = 2 }
responder = "dispatch"
eta_s = 420
[[step]]
when = { told = "*are armed*" }
say = "Stay where you are."
[[step]]
when = { cancelled = "wrong" }
[[step]]
responder = "close"
""",
    )
    assert told["title"] == "A test"
    told = until(room, lambda told: told["steps"][0]["due"])
    assert (states(told), told["now"]) == (["now", *["waiting"] * 4], "now: press the button")
    callout = room.raise_callout()
    until(room, lambda told: states(told)[:2] == ["done", "now"])
    for _ in range(2):
        assert "dispatched" not in str(room.seen(callout)["events"]).lower()
        room.api("POST", f"/callouts/{callout}/location", HERE)
    wait_until(lambda: room.seen(callout)["dispatched"])
    room.api("POST", f"/callouts/{callout}/events", {"source": "customer", "event": "Two of them, they are ARMED."})
    wait_until(lambda: "Stay where you are." in str(room.seen(callout)["events"]))
    room.api("POST", f"/callouts/{callout}/cancel", {"safeCode": "0042"})
    assert not room.seen(callout)["closed"], "a right code is not the one that is waited for"
    room.api("POST", f"/callouts/{callout}/cancel", {"safeCode": "1111"})
    told = until(room, lambda told: told["state"] == "ended")
    assert states(told) == ["done"] * 5
    assert room.seen(callout)["closed"]


def test_a_press_counts_when_it_is_asked_for_even_if_a_fault_keeps_it_from_being_heard(room: Room):
    start(
        room,
        """
[[step]]
fault = { name = "portal", action = "portal", on = "*" }
[[step]]
device = "press"
[[step]]
when = { seen = "raise", times = 2 }
mend = "portal"
[[step]]
when = "raised"
""",
    )
    until(room, lambda told: states(told)[1] == "now")
    for _ in range(3):
        assert "<html>" in room.api("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": 1}).text
    until(room, lambda told: states(told)[2] == "done")
    assert room.sim("GET", "/faults").json() == []
    room.raise_callout()
    until(room, lambda told: told["state"] == "ended")


def test_what_an_answer_that_never_comes_has_done_is_seen_at_once(room: Room):
    """A device waits for it for longer than the scenario does."""
    start(
        room,
        """
[[step]]
fault = { name = "deaf", action = "half_open", on = "raise", processed = true }
[[step]]
when = "raised"
within_s = 3
""",
    )
    until(room, lambda told: states(told) == ["done", "now"])
    with pytest.raises(httpx.ReadTimeout):
        room.api("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": 1}, timeout=4.0)
    told = progress(room)
    assert told["state"] == "ended", told["why"]


def test_a_step_that_times_out_fails_the_scenario_says_why_and_ends_its_faults(room: Room):
    start(
        room,
        '[[step]]\nfault = { name = "slow", action = "latency", delay_s = 9 }\n[[step]]\nwhen = "raised"\nwithin_s = 0.2\n'
        '[[step]]\nsay = "x"',
    )
    told = until(room, lambda told: told["state"] == "failed")
    assert states(told) == ["done", "failed", "waiting"]
    assert told["why"] == "step 2 timed out: it waited 0.2 s for this: a callout is open"
    assert room.sim("GET", "/faults").json() == []


def test_an_end_ends_the_faults_too_and_one_name_may_be_of_several(room: Room):
    fault = '[[step]]\nfault = { name = "gone", action = "reset", on = "locate", count = 0 }\n'
    start(room, fault + fault + '[[step]]\nmend = "gone"\n' + '[[step]]\nwhen = "raised"\n' + fault + fault)
    until(room, lambda told: states(told)[:4] == ["done", "done", "done", "now"])
    assert room.sim("GET", "/faults").json() == []
    room.raise_callout()
    assert states(until(room, lambda told: told["state"] == "ended")) == ["done"] * 6
    assert room.sim("GET", "/faults").json() == []


def test_a_defect_ends_the_scenario_and_its_faults():
    sim = Simulation(Settings(), "http://127.0.0.1:1")
    desk = Starlette(routes=control.routes(sim))

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/expire"):
            raise RuntimeError("the desk is on fire")
        await desk(scope, receive, send)

    async def play() -> dict[str, Any]:
        player = Player(sim, broken)
        player.start(read(HEAD + '[[step]]\nfault = { name = "gone", action = "reset" }\n[[step]]\nexpire = "tokens"'))
        assert player.progress is not None
        assert player._task is not None
        await asyncio.wait({player._task})
        assert isinstance(player._task.exception(), RuntimeError), "whoever runs it hears of it"
        return player.progress.tell(time.monotonic())

    told = asyncio.run(play())
    assert (told["state"], "on fire" in told["why"]) == ("failed", True)
    assert sim.faults.all(0.0) == []


def test_what_dispatch_says_is_not_told_by_the_device(room: Room):
    callout = room.raise_callout()
    start(room, '[[step]]\nsay = "the device is hot"\n[[step]]\nwhen = { told = "hot" }\n[[step]]\nexpire = "tokens"')
    until(room, lambda told: states(told) == ["done", "now", "waiting"])
    room.act(callout, "dispatch")
    assert states(progress(room)) == ["done", "now", "waiting"]
    room.api("POST", f"/callouts/{callout}/events", {"source": "customer", "event": "Hot here"})
    until(room, lambda told: told["state"] == "ended")


def test_an_act_that_the_desk_refuses_fails_the_scenario_in_the_desk_s_words(room: Room):
    callout = room.raise_callout()
    start(room, '[[step]]\nresponder = "complete"')
    assert "Cannot complete now" in until(room, lambda told: told["state"] == "failed")["why"]
    assert not room.seen(callout)["closed"]


def test_an_act_on_a_callout_needs_one_and_an_earlier_one_that_is_closed_does_not_count(room: Room):
    room.act(room.raise_callout(), "close")
    start(room, '[[step]]\nsay = "x"')
    assert "there is no callout yet" in until(room, lambda told: told["state"] == "failed")["why"]


def test_tokens_subscription_settings_and_a_callout_elsewhere_are_acts_too(room: Room):
    start(
        room,
        """
[[step]]
subscribed = false
[[step]]
set = { right_code_closes = true }
[[step]]
raise_elsewhere = { latitude = -29.0, longitude = 31.0 }
[[step]]
expire = "tokens"
""",
    )
    told = until(room, lambda told: told["state"] != "playing")
    assert told["state"] == "failed", "a customer without a subscription may not raise"
    assert "subscription" in told["why"]
    start(room, '[[step]]\nsubscribed = true\n[[step]]\nraise_elsewhere = true\n[[step]]\nexpire = "tokens"')
    until(room, lambda told: told["state"] == "ended")
    assert [each["origin"] for each in room.sim("GET", "/callouts").json()] == ["elsewhere"]
    assert room.sim("GET", "").json()["right_code_closes"] is True
    assert room.api("GET", "/customers/4711/callouts").status_code == 401


def test_time_passes_before_a_step_that_waits_for_it(room: Room):
    start(room, "[[step]]\nafter_s = 0.3\n[[step]]\nexpire = 'tokens'")
    began_at = time.monotonic()
    assert room.api("GET", "/customers/4711/callouts").status_code == 200
    until(room, lambda told: told["state"] == "ended")
    assert time.monotonic() - began_at > 0.25
    assert room.api("GET", "/customers/4711/callouts").status_code == 401


def test_a_device_act_that_only_time_tells_lasts_as_long_as_it_says(room: Room):
    start(room, '[[step]]\ndevice = "type"\ncode = "right"\nfor_s = 0.2')
    assert until(room, lambda told: told["state"] == "ended")["steps"][0]["seconds"] >= 0.2


def test_stopping_leaves_it_where_it_is_and_ends_its_faults(room: Room):
    start(room, '[[step]]\nfault = { name = "gone", action = "reset", on = "locate" }\n[[step]]\nwhen = "raised"')
    until(room, lambda told: states(told) == ["done", "now"])
    assert len(room.sim("GET", "/faults").json()) == 1
    told = room.sim("DELETE", "/scenario").json()
    assert (told["state"], states(told)) == ("stopped", ["done", "waiting"])
    assert room.sim("GET", "/faults").json() == []
    start(room, "[[step]]\nafter_s = 0")


def test_one_plays_at_a_time_and_none_at_all_is_404(room: Room):
    assert room.sim("GET", "/scenario").status_code == 404
    assert room.sim("DELETE", "/scenario").status_code == 404
    assert room.sim("POST", "/scenario", {"name": "hijack"}).status_code == 201
    assert room.sim("POST", "/scenario", {"name": "hijack"}).status_code == 409
    assert progress(room)["title"] == "Hijack"


@pytest.mark.parametrize(
    "body", [None, {}, [], {"name": "../hijack"}, {"name": "nope"}, {"toml": "x"}, {"toml": 3}, {"name": "hijack", "toml": "x"}]
)
def test_what_is_no_scenario_is_400_over_http_too(room: Room, body: Any):
    assert room.sim("POST", "/scenario", body).status_code == 400
    assert room.sim("GET", "/scenario").status_code == 404


def test_a_setting_that_is_fixed_while_it_runs_is_refused_and_one_that_is_not_is_changed(room: Room):
    reply = room.sim("POST", "/scenario", {"toml": HEAD + "[settings]\ncustomer_id = 1\n[[step]]\nafter_s = 0"})
    assert (reply.status_code, "customer_id" in reply.text) == (409, True)
    start(room, '[settings]\ngeneration = "old"\ncustomer_id = 4711\n[[step]]\nafter_s = 0')
    assert room.sim("GET", "").json()["generation"] == "old"


def test_a_page_of_another_origin_may_not_start_or_stop_one(room: Room):
    foreign = {"Origin": "https://elsewhere.example"}
    assert room.sim("POST", "/scenario", {"name": "hijack"}, headers=foreign).status_code == 403
    start(room, '[[step]]\nwhen = "raised"')
    assert room.sim("DELETE", "/scenario", headers=foreign).status_code == 403
    assert progress(room)["state"] == "playing"


def test_the_shipped_ones_are_listed_for_a_page(room: Room):
    told = room.sim("GET", "/scenarios").json()
    assert sorted(each["name"] for each in told) == sorted(shipped())
    assert all(each["title"] and each["description"] for each in told)


def test_the_simulator_stops_within_a_second_while_one_waits(room: Room):
    start(room, '[[step]]\nwhen = "raised"')
    began_at = time.monotonic()
    room.running.stop()
    assert time.monotonic() - began_at < 1.5
