"""An operator at the real daemon: every verb, its two outputs and exit codes, from the press to long after the close.

Also with dispatch out of reach, with the daemon down, and the doctor at each reading of the open paths.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from stage import INNER, ROOT, Stage, driving, hold, press, side_by_side, staged, streamed

from simulator.settings import Generation, Settings

OVER = "The callout is over."
NONE_ON = "no callout is on"
CALLOUT = {"id", "status", "closed", "customer_id", "created", "latitude", "longitude", "accuracy_m", "responder"}
FAILED = {"ok", "error", "hint", "code"}


async def run(stage: Stage, *words: str, code: int = 0) -> str:
    """A command that must end so; what it said to a person."""
    got, out, err = await stage.command(*words)
    assert got == code, (words, got, out, err)
    return out + err


async def told(stage: Stage, *words: str, code: int = 0) -> dict[str, Any]:
    """The same with --json: one document and nothing beside it."""
    got, out, err = await stage.command(*words, "--json")
    assert (got, err) == (code, ""), (words, got, out, err)
    document: dict[str, Any] = json.loads(out)
    assert document["ok"] is (code == 0)
    if code:
        assert document.keys() >= FAILED
    return document


async def ready(stage: Stage) -> None:
    """The daemon runs and a raise would work."""
    await stage.start()
    await stage.until_armed()


async def raised(stage: Stage) -> int:
    """A callout that is on, with a position."""
    await press(stage)
    callout = await stage.until_callout(lambda seen: seen["positions"])
    await stage.until_status(lambda status: status["callout"]["id"] == callout["id"])
    return int(callout["id"])


async def closed(stage: Stage, callout_id: int) -> None:
    """Dispatch has closed it, and the device knows."""
    await stage.desk("POST", f"callouts/{callout_id}/close")
    await stage.until_status(lambda status: status["callout"]["state"] == "standby")


class Follower:
    """`callout events --follow`, as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def begin(cls, stage: Stage, *words: str) -> Follower:
        command = stage.command_line("callout", "events", "--follow", *words)
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd=ROOT, env=os.environ | stage.env, preexec_fn=hold)
        )

    async def until(self, text: str) -> str:
        """The first line that holds it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while text not in (line := (await self.process.stdout.readline()).decode()):
                assert line, f"it ended without {text!r}"
        return line

    async def ended(self) -> tuple[int, str]:
        """Its exit code, and the last thing that it said."""
        async with asyncio.timeout(20):
            out, err = await self.process.communicate()
        return self.process.returncode or 0, ["", *(out + err).decode().splitlines()][-1]


async def from_standby_to_long_after_the_close(folder: Path) -> None:
    """In standby there is nothing; then everything; then nothing but root's inner view."""
    async with driving(folder) as (stage, _):
        await ready(stage)
        assert await run(stage, "callout", "list") == "no active callout\n"
        verbs = (["show"], ["events"], ["map"], ["report"], ["reasons"], ["rate", "--stars", "5"], ["say", "hello"])
        for said in await asyncio.gather(*(run(stage, "callout", *verb, code=4) for verb in verbs)):
            assert NONE_ON in said
        callout_id = await raised(stage)
        follower = await Follower.begin(stage)
        await all_that_can_be_asked(stage, callout_id)
        await all_that_can_be_told(stage, callout_id)
        await follower.until("dispatch: a car is on its way")
        await follower.until("customer: the gate is open")
        interrupted = await Follower.begin(stage, "--json")
        assert json.loads(await interrupted.until("a car"))["source"] == "dispatch"
        interrupted.process.send_signal(signal.SIGINT)
        assert (await interrupted.ended())[0] == 130
        await closed(stage, callout_id)
        assert await follower.ended() == (0, OVER)
        await after_the_close(stage, callout_id)


async def all_that_can_be_asked(stage: Stage, callout_id: int) -> None:
    shown, listed, with_url, events, items = await asyncio.gather(
        told(stage, "callout", "show"),
        told(stage, "callout", "list"),
        told(stage, "callout", "show", str(callout_id), "--url"),
        told(stage, "callout", "events"),
        told(stage, "callout", "rate", "--items"),
    )
    assert (shown["callout"].keys(), shown["callout"]["id"], shown["callout"]["closed"]) == (CALLOUT, callout_id, False)
    assert [each["id"] for each in listed["callouts"]] == [callout_id]
    assert "/track/" in with_url["callout"]["url"]
    assert (events["id"], events["over"]) == (callout_id, False)
    assert len(items["items"]) == 3
    for word, said in zip(
        ("created", str(callout_id), "Nobody was there", "live page"),
        await asyncio.gather(*(run(stage, "callout", verb) for verb in ("show", "list", "reasons", "map"))),
        strict=True,
    ):
        assert word in said
    refused = await told(stage, "callout", "show", "1", code=1)
    assert refused["error"] == "this device is not on callout 1"
    early, picture = await asyncio.gather(
        told(stage, "callout", "report", code=4), told(stage, "callout", "map", "--save", str(stage.folder / "map.png"), code=4)
    )
    assert (early["code"], picture["code"]) == ("nothing", "nothing")
    assert not (stage.folder / "map.png").exists()


async def all_that_can_be_told(stage: Stage, callout_id: int) -> None:
    await stage.desk("POST", f"callouts/{callout_id}/say", {"message": "a car is on its way\x1b[2J"})
    said, short, added, rated = await asyncio.gather(
        told(stage, "callout", "say", "the gate", "is open"),
        run(stage, "say", "hello"),
        told(stage, "callout", "reasons", "--add", "2", "--notes", "a cat"),
        told(stage, "callout", "rate", "--stars", "4", "--item", "1", "--may-contact", "no"),
    )
    assert said["text"] == short.strip() == "The message is on its way."
    assert added["reason"] == {"id": 2, "reason": "False alarm"}
    assert (rated["rating"]["stars"], rated["items"][0]["taken"]) == (4, True)
    refused, known = await asyncio.gather(
        told(stage, "callout", "reasons", "--add", "999", code=1), run(stage, "callout", "forget", str(callout_id), code=1)
    )
    assert refused["code"] == "refused"
    assert "dispatch has not lost" in known or "root" in known
    texts = lambda seen: {each.get("message") or each.get("text") for each in seen["events"]}  # noqa: E731
    await stage.until_callout(lambda seen: {"the gate is open", "hello"} <= texts(seen), what="both messages")
    await stage.until(lambda: stage.ask(do="events"), lambda reply: {"the gate is open", "hello"} <= texts(reply))
    out = await run(stage, "callout", "events")
    assert "\x1b" not in out
    assert "a car is on its way" in out


async def after_the_close(stage: Stage, callout_id: int) -> None:
    """Root asks dispatch itself, of the callout that the device knew last where no id is given."""
    assert NONE_ON in await run(stage, "callout", "report", code=4)
    if not INNER:
        assert "root only" in await run(stage, "callout", "report", "--inner", code=1)
        return
    saved = stage.folder / "report.json"
    report, map_, shown, saying = await asyncio.gather(
        run(stage, "callout", "report", "--inner"),
        told(stage, "callout", "map", "--inner"),
        told(stage, "callout", "show", str(callout_id), "--inner"),
        told(stage, "callout", "report", "--inner", "--save", str(saved)),
    )
    assert report.startswith("INNER VIEW, for root only: no cancel hides anything\n")
    assert "status: closed" in report
    assert (map_["id"], map_["inner"], map_["calm"]) == (callout_id, True, False)
    assert shown["callout"]["closed"]
    assert saying["saved"] == str(saved)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert str(callout_id) in saved.read_text()
    again, forced, unknown, whole = await asyncio.gather(
        told(stage, "callout", "report", "--inner", "--save", str(saved), code=1),
        told(stage, "callout", "report", "--inner", "--save", str(saved), "--force"),
        told(stage, "callout", "show", "1", "--inner", code=4),
        told(stage, "callout", "list", "--all", "--inner", code=1),
    )
    assert "--force" in again["hint"]
    assert forced["saved"] == str(saved)
    assert unknown["error"] == "dispatch knows no callout 1"
    assert "--token-file" in whole["hint"]
    token = stage.folder / "server-token"
    token.write_text(await server_token(stage))
    assert (await told(stage, "callout", "list", "--all", "--inner", "--token-file", str(token)))["callouts"] == []


async def server_token(stage: Stage) -> str:
    """As a backend has it."""
    chosen = stage.simulator.settings
    reply = await stage._desk.post("/panic-api/v2/oauth/token", json={"clientId": chosen.client_id, "clientSecret": chosen.client_secret})
    return str(reply.json()["accessToken"])


async def dispatch_out_of_reach_and_then_the_daemon(folder: Path) -> None:
    """What cannot be asked is 3; with the daemon down 2, but root's inner view goes on, and its token file stays as it is."""
    async with driving(folder) as (stage, _):
        await ready(stage)
        callout_id = await raised(stage)
        await a_slow_answer_delays_no_lane(stage)
        await stage.link.cut()
        for document in await asyncio.gather(*(told(stage, "callout", verb, code=3) for verb in ("list", "show", "map"))):
            assert document["code"] == "unreachable"
        assert "on its way" in await run(stage, "say", "no signal")
        await stage.link.mend()
        await stage.until_callout(lambda seen: any("no signal" in str(each) for each in seen["events"]), 30)
        follower = await Follower.begin(stage)
        await follower.until("no signal")
        token = folder / "token.json"
        kept = token.read_bytes(), token.stat().st_mtime_ns, token.stat().st_ino
        await stage.kill()
        assert (await follower.ended())[0] == 2
        for said in await asyncio.gather(*(run(stage, *words, code=2) for words in (("callout", "list"), ("say", "hello")))):
            assert "no daemon answers" in said
        if not INNER:
            return
        shown, listed, events = await asyncio.gather(
            told(stage, "callout", "show", "--inner"), told(stage, "callout", "list", "--inner"), run(stage, "callout", "events", "--inner")
        )
        assert (shown["callout"]["id"], shown["inner"], shown["calm"]) == (callout_id, True, False)
        assert [each["id"] for each in listed["callouts"]] == [callout_id]
        assert "no signal" in events
        # A token that dispatch no longer takes is renewed for this once, and not kept.
        await stage.desk("POST", "tokens/expire")
        await told(stage, "callout", "show", "--inner")
        assert (token.read_bytes(), token.stat().st_mtime_ns, token.stat().st_ino) == kept
        assert not list(folder.glob("token.json?*"))


async def a_slow_answer_delays_no_lane(stage: Stage) -> None:
    """Positions go on at their pace while dispatch keeps an operator waiting."""
    await stage.desk("POST", "faults", {"on": ["map"], "action": "latency", "delay_s": 6})
    asking = asyncio.create_task(stage.command("callout", "map"))
    await stage.until(lambda: stage.desk("GET", "requests"), lambda seen: any(each["operation"] == "map" for each in seen))
    for _ in range(2):
        await streamed(stage)
    assert not asking.done()
    assert (await asking)[0] == 0
    await stage.desk("DELETE", "faults")


async def a_cancel_hides_it_from_all_but_root(folder: Path) -> None:
    """Who follows is told that it is over, as by the close; the callout goes on inside, and the inner view says what is shown outside."""
    async with driving(folder) as (stage, _):
        await ready(stage)
        callout_id = await raised(stage)
        follower = await Follower.begin(stage)
        await stage.desk("POST", f"callouts/{callout_id}/say", {"message": "we are coming"})
        await follower.until("we are coming")
        await stage.command("cancel", "--safe-code-stdin", typed="9999\n")
        assert await follower.ended() == (0, OVER)
        await stage.desk("POST", f"callouts/{callout_id}/say", {"message": "at the door"})
        assert await run(stage, "callout", "list") == "no active callout\n"
        assert NONE_ON in await run(stage, "callout", "events", code=4)
        if not INNER:
            return
        shown = await run(stage, "callout", "show", "--inner")
        assert shown.startswith("INNER VIEW, for root only: outwardly this device shows standby\n")
        assert str(callout_id) in shown
        assert "at the door" in await run(stage, "callout", "events", "--inner")
        doctor = await told(stage, "doctor")
        assert str(callout_id) not in json.dumps(doctor)
        await stage.kill()
        shown = await run(stage, "callout", "show", "--inner")
        assert shown.startswith("INNER VIEW, for root only: outwardly this device shows standby\n")


def test_every_verb_from_press_to_close(tmp_path: Path):
    """Three devices side by side, each with its own trouble."""
    side_by_side(
        tmp_path, from_standby_to_long_after_the_close, dispatch_out_of_reach_and_then_the_daemon, a_cancel_hides_it_from_all_but_root
    )


@pytest.mark.skipif(not INNER, reason="devices are for root")
def test_device_is_linked_speaks_and_goes_without_a_daemon(tmp_path: Path):
    """With a server token from a file; the token of the device itself is not enough, and that is said."""

    async def story() -> None:
        async with staged(tmp_path) as stage:
            stage.write_config()
            token = tmp_path / "server-token"
            token.write_text(await server_token(stage))
            server = ("--token-file", str(token))
            link = ("device", "link", "--serial", "SN-1", "--supplier", "Simulated", "--type-id", "5")
            refused = await told(stage, *link, code=1)
            assert "--token-file" in refused["hint"]
            device_id = str((await told(stage, *link, *server))["device"]["id"])
            table = f'[device]\nid = "{device_id}"\ntype_id = 5\nbattery_message_type = 5\n'
            stage.config.write_text(stage.config.read_text() + table)
            assert "BATTERY" in await run(stage, "device", "send", "battery", "--percent", "80", *server)
            assert "health_message_type" in (await told(stage, "device", "send", "health", *server, code=1))["error"]
            cancel = await told(stage, "device", "send", "--message-type", "3", *server, code=1)
            assert "allow_unconditional" in cancel["error"]
            assert (await told(stage, "device", "update", *server))["device"]["serial"] == "SN-1"
            (device,) = await stage.desk("GET", "devices")
            assert device_id in json.dumps(device)
            assert "unlinked" in await run(stage, "device", "unlink", device_id, *server)
            assert (await told(stage, "device", "unlink", device_id, *server, code=4))["code"] == "nothing"
            await stage.link.cut()
            assert (await told(stage, "device", "update", *server, code=3))["code"] == "unreachable"

    asyncio.run(story())


# --- the doctor -----------------------------------------------------------------------------------------------------------

LISTS = ("/customers/{customerId}/callouts", "/customers/{customerId}/activeCallouts", "/callouts/activeCallouts")
READINGS = (
    # what dispatch serves, what the doctor says of the three paths: state and the line of the config
    ({}, ("ok", ""), ("ok", 'return_callout_path = "updateLocationAndReturnCallout"'), ("ok", "")),
    (
        {"customer_list_path": LISTS[1], "return_path": "update-callout-location-and-return", "report_segment": "report"},
        ("fail", 'active_callouts_path = "/customers/{customer_id}/activeCallouts"'),
        ("ok", 'return_callout_path = "update-callout-location-and-return"'),
        ("warn", 'report_path = "/callouts/{callout_id}/report"'),
    ),
    (
        {"customer_list_path": "", "return_path": "", "report_segment": "reports", "rating_items_path": "/elsewhere"},
        ("fail", 'active_callouts_path = "/callouts/activeCallouts"'),
        ("ok", 'return_callout_path = "."'),
        ("warn", 'report_path = "/callouts/{callout_id}/reports"'),
    ),
)


def steps(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By name; each has the same keys."""
    found = {each["name"]: each for each in document["steps"]}
    assert {frozenset(each) for each in found.values()} == {frozenset({"name", "state", "seen", "means", "do"})}
    return found


@pytest.mark.parametrize("generation", list(Generation))
def test_doctor_finds_out_which_reading_of_each_open_path_holds(tmp_path: Path, generation: Generation):
    """Beside no daemon, at a callout that is over; the positions of the callout are what they were."""

    async def story() -> None:
        async with staged(tmp_path, Settings(generation=generation)) as stage:
            stage.write_config()
            callout = await stage.desk("POST", "callouts", {"customerId": 4711, "latitude": -33.9, "longitude": 18.4})
            there = ("doctor", "--callout", str(callout["id"]))
            untouched = steps(await doctor(stage, *there))
            assert untouched["closed callout"]["state"] == "skipped"
            assert "never touched" in untouched["closed callout"]["seen"]
            assert untouched["update-and-return path"]["state"] == "skipped"
            asked = await stage.desk("GET", "requests")
            posted = [each["path"] for each in asked if each["method"] == "POST" and "callouts" in each["path"]]
            assert {each for each in posted if "/callouts/0/" not in each} == set(), "but for one that cannot be"
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            for served, *expected in READINGS if generation is Generation.NEW else READINGS[1:2]:
                await stage.desk("PATCH", "settings", {name: getattr(Settings(), name) for name in PATHS} | served)
                found = steps(await doctor(stage, *there))
                names = ("active callouts path", "update-and-return path", "report path")
                for name, (state, line) in zip(names, expected, strict=True):
                    assert (found[name]["state"], line in found[name]["do"]) == (state, True), found[name]
                assert found["rating items path"]["state"] == ("warn" if "rating_items_path" in served else "ok")
            await stage.desk("PATCH", "settings", {name: getattr(Settings(), name) for name in PATHS} | {"scope": ["read"]})
            found = steps(await doctor(stage, *there))
            assert (found["dispatch"]["state"], found["active callouts path"]["state"]) == ("fail", "skipped")
            await stage.desk("PATCH", "settings", {"scope": ["read", "locate"]})
            found = steps(await doctor(stage, *there))
            assert (found["dispatch"]["state"], found["active callouts path"]["state"]) == ("ok", "warn")
            assert "not for this token" in found["active callouts path"]["seen"]
            (after,) = await stage.callouts()
            assert (after["status"], len(after["positions"])) == ("closed", 1)

    asyncio.run(story())


PATHS = ("customer_list_path", "return_path", "report_segment", "rating_items_path")


async def doctor(stage: Stage, *words: str) -> dict[str, Any]:
    """Its document; the exit code says whether a step has failed."""
    code, out, err = await stage.command(*words, "--json")
    assert err == ""
    document: dict[str, Any] = json.loads(out)
    failed = any(each["state"] == "fail" for each in document["steps"])
    assert (code, document["ok"]) == ((1, False) if failed else (0, True))
    return document


def test_doctor_says_what_stands_in_the_way_of_dispatch(tmp_path: Path):
    """A broken config, an authority that is not trusted, no token, nobody there; then the kinds of response, with a server token."""

    async def story() -> None:
        async with staged(tmp_path) as stage:
            stage.write_config()
            good = stage.config.read_text()
            for old, new, name, word in (
                ("customer_id = 4711", "customer_id = 0", "config", "customer_id"),
                (f'ca_file = "{stage.simulator.ca_file}"', "", "dispatch", "certificate"),
                ('bearer_file = "device-key"', 'bearer_file = "none"', "dispatch", "none"),
                (str(stage.link.port), "1", "dispatch", "refused"),
            ):
                assert old in good
                stage.config.write_text(good.replace(old, new))
                found = steps(await doctor(stage, "doctor"))
                assert found[name]["state"] == "fail"
                assert word in found[name]["seen"].lower()
                assert found[name]["do"]
                assert found["response types"]["state"] == "skipped"
            token = tmp_path / "server-token"
            token.write_text(await server_token(stage))
            for kind, state in (("response_type_id = 1", "ok"), ("response_type_id = 9", "fail")):
                stage.config.write_text(good.replace("response_type_id = 1", kind))
                found = steps(await doctor(stage, "doctor", "--token-file", str(token)))
                assert (found["response types"]["state"], "2 MEDICAL" in found["response types"]["seen"]) == (state, True)
            code, out, _ = await stage.command("doctor")
            assert code == 1
            assert "fail    daemon: the daemon does not run\n" in out
            assert "ok      dispatch: it answers" in out
            assert not (tmp_path / "token.json").exists()

    asyncio.run(story())
