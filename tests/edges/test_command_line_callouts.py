"""Commands about callouts: exit codes of mistakes, what a hostile text does to a terminal (nothing), pictures and files."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.server
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import cli, control, lookup
from agent.cli import callout_events, callout_map, callout_show, device, enquiry, picture, printed, saved
from agent.documents import NOTHING, REFUSED, UNREACHABLE, failure

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 32
REPO = Path(__file__).parents[2]


# --- mistakes, nobody there -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["callout"],
        ["callout", "dance"],
        ["callout", "rate"],
        ["callout", "rate", "--stars", "6"],
        ["callout", "rate", "--stars", "5", "--items"],
        ["callout", "map", "--save", "x.png", "--open"],
        ["callout", "show", "--jsn"],
        ["callout", "show", "a b"],
        ["callout", "forget"],
        ["say"],
        ["device", "link"],
        ["device", "send", "battery", "--set", "x"],
        ["doctor", "--callout"],
    ],
)
def test_mistake_is_64_because_2_means_that_the_daemon_is_not_running(words: list[str], capsys: pytest.CaptureFixture[str]):
    """And argparse says which."""
    assert cli.main(words) == 64
    assert "usage:" in capsys.readouterr().err


def test_help_of_every_verb(capsys: pytest.CaptureFixture[str]):
    """Every one takes --json; those about callouts an inner view."""
    from agent.cli.callout import VERBS

    for verb in VERBS:
        assert cli.main(["callout", verb, "--help"]) == 0
        told = capsys.readouterr().out
        assert "--json" in told
        assert ("--inner" in told) is (verb != "forget")
    for verb in ("link", "update", "unlink", "send"):
        assert cli.main(["device", verb, "--help"]) == 0
        assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["callout", "list"],
        ["callout", "show"],
        ["callout", "show", "7"],
        ["callout", "events", "--follow"],
        ["callout", "say", "hello"],
        ["say", "hello"],
        ["callout", "map", "--save", "x.png"],
        ["callout", "report"],
        ["callout", "reasons", "--add", "1"],
        ["callout", "rate", "--stars", "5"],
        ["callout", "rate", "--items"],
        ["callout", "forget", "7"],
    ],
)
def test_without_a_daemon_it_is_2_with_what_to_do(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """In words and in JSON."""
    config = ["--config", str(tmp_path / "none.toml")]
    (tmp_path / "none.toml").write_text(f'[control]\nsocket = "{tmp_path}/control.sock"\n')
    assert cli.main([*words, *config]) == 2
    assert "systemctl start callout-agent" in capsys.readouterr().err
    assert cli.main([*words, *config, "--json"]) == 2
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (set(document), document["ok"], document["code"], told.err) == ({"ok", "error", "hint", "code"}, False, "not_running", "")


def test_other_token_goes_with_the_inner_view_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The daemon is never handed a token."""
    assert cli.main(["callout", "list", "--token-file", str(tmp_path / "t"), "--config", str(tmp_path / "none.toml")]) == 1
    assert "--inner" in capsys.readouterr().err


def test_inner_view_is_refused_to_anybody_but_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Before anything is read, also where no daemon could refuse it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for words in (["callout", "show", "--inner"], ["callout", "list", "--inner", "--token-file", "t"], ["device", "unlink", "7"]):
        assert cli.main([*words, "--config", str(tmp_path / "none.toml")]) == 1
        assert "root only" in capsys.readouterr().err


def test_inner_view_with_a_broken_config_says_what_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """With the daemon down there is nobody else to ask."""
    if os.geteuid() != 0:
        pytest.skip("the inner view is for root")
    config = tmp_path / "config.toml"
    config.write_text(f'[control]\nsocket = "{tmp_path}/control.sock"\n')
    assert cli.main(["callout", "show", "--inner", "--json", "--config", str(config)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["code"], "panic_api" in document["error"], "check" in document["hint"]) == ("refused", True, True)


def test_commands_that_ask_the_daemon_do_not_bring_the_way_to_dispatch_along():
    """`say` on a small computer answers at once."""
    code = "import sys; from agent import cli; cli.main(['callout', 'show', '--help']); print({'httpx'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr


# --- what a terminal is shown ---------------------------------------------------------------------------------------------

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202eevil\r\nline\u2028two\x00\ud800 caf\u00e9 \U0001f600"


def test_text_of_dispatch_cannot_drive_a_terminal():
    """Escapes, other controls, marks of direction and half characters are marked; letters stay."""
    shown = printed.plain(HOSTILE)
    assert all(letter.isprintable() for letter in shown)
    assert "evil" in shown
    assert "caf\u00e9 \U0001f600" in shown
    for view in (
        printed.table(("A", "B"), [(HOSTILE, 1)]),
        printed.pairs([("a", HOSTILE)]),
        printed.tree({HOSTILE: [HOSTILE, {"a": HOSTILE}]}),
    ):
        assert all(letter.isprintable() for line in view.split("\n") for letter in line)


def test_refusal_of_dispatch_cannot_drive_a_terminal_either(capsys: pytest.CaptureFixture[str]):
    reply = {"ok": False, "error": HOSTILE, "hint": HOSTILE, "code": "refused"}
    assert enquiry.finish(argparse.Namespace(json=False), reply, str) == 1
    told = capsys.readouterr().err
    assert all(letter.isprintable() for line in told.split("\n") for letter in line)


def test_report_of_any_shape_is_an_indented_table():
    document = {"times": {"closed": "10:00", "none": None}, "events": [{"a": 1}, "x", []], "done": True, "empty": {}}
    assert printed.tree(document) == "times:\n  closed: 10:00\n  none: -\nevents:\n  -\n    a: 1\n  - x\n  - -\ndone: yes\nempty: -"
    deep: dict[str, Any] = {}
    for _ in range(400):
        deep = {"x": deep}
    assert printed.tree(deep).count("\n") < 20
    assert printed.tree({}) == "(empty)"


def test_what_was_only_not_heard_yet_is_not_called_unsaid(capsys: pytest.CaptureFixture[str]):
    """The daemon tells what it heard some seconds ago; the inner view is dispatch's own word."""
    args = argparse.Namespace(json=False)
    for inner, words in ((False, "heard"), (True, "said")):
        assert enquiry.finish(args, {"ok": True, "events": [], "inner": inner}, callout_events._words) == 0
        assert f"nothing was {words} yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ([{"ok": True, "callout": {"closed": False}}, {"ok": True, "callout": {"closed": True}}], 0),
        ([failure(UNREACHABLE, "no answer"), {"ok": True, "callout": {"closed": True}}], 0),
        ([failure(REFUSED, "dispatch does not let this token do that")], 1),
        ([failure(NOTHING, "dispatch knows no callout 7")], 4),
    ],
)
def test_what_dispatch_refuses_to_tell_is_not_said_to_be_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: list[Any], status: int
):
    """Root follows a callout straight from dispatch; a token that is refused half way says nothing of the emergency."""
    answers = iter(shown)
    events = {"ok": True, "id": 7, "events": [], "inner": True}
    monkeypatch.setattr(enquiry, "ask", lambda _args, request: next(answers) if request["do"] == "show" else events)
    monkeypatch.setattr(callout_events, "INNER_EVERY_S", 0)
    assert callout_events.run(argparse.Namespace(follow=True, inner=True, json=False, id=7)) == status
    said = capsys.readouterr()
    assert (callout_events.OVER in said.out) is (status == 0)
    assert next(answers, None) is None


@pytest.mark.parametrize(
    ("told", "words"), [({}, None), ({"url": None}, callout_show.UNTOLD), ({"url": "https://example.com/a"}, "https://example.com/a")]
)
def test_a_live_page_that_was_asked_for_and_is_not_told_is_said(told: dict[str, str | None], words: str | None):
    """Silence would be taken for a page that was forgotten; where nobody asked, nothing is said."""
    nobody = dict.fromkeys(("name", "dispatched", "expected", "expected_text", "arrived", "completed"))
    callout = {"id": 7, "status": "created", "created": None, "latitude": None, "longitude": None, "accuracy_m": None, "responder": nobody}
    shown = callout_show._words({"ok": True, "callout": {**callout, **told}})
    assert ("live page" in shown) == (words is not None)
    assert words is None or words in shown


def test_a_linked_device_is_told_as_a_line_for_the_config(capsys: pytest.CaptureFixture[str]):
    """Dispatch's own id for it and the serial are easily mistaken for it."""
    reply = {"ok": True, "device": {"id": "A 1", "serial": "S", "details": {"id": 1}}}
    assert enquiry.finish(argparse.Namespace(json=False), reply, device._link_words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == 'for the config: [device] id = "A 1"'
    assert "config" not in device._link_words({**reply, "device": None})


def test_columns_line_up_and_nothing_is_cut():
    assert printed.table(("ID", "STATUS"), [(1, None), (123, "Responder Dispatched")]) == "ID   STATUS\n1    -\n123  Responder Dispatched"


# --- files ----------------------------------------------------------------------------------------------------------------


def test_saved_file_is_for_nobody_else_and_replaces_none_unless_forced(tmp_path: Path):
    """A symbolic link is something that is there already, too."""
    path = tmp_path / "map.png"
    saved.save(path, b"one")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o600)
    with pytest.raises(FileExistsError):
        saved.save(path, b"two")
    assert path.read_bytes() == b"one"
    path.chmod(0o644)
    saved.save(path, b"two", force=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode), list(tmp_path.iterdir())) == (b"two", 0o600, [path])
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        saved.save(link, b"three")
    assert not (tmp_path / "elsewhere").exists()


def test_file_that_cannot_be_written_is_a_refusal(tmp_path: Path):
    for path in (tmp_path, tmp_path / "none" / "x"):
        told = saved.told({"ok": True}, path, b"x", force=False)
        assert (told["ok"], told["code"]) == (False, "refused")
        assert str(path) in told["error"]


# --- pictures -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(answer: Any) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server of pictures on this machine: its address, and the headers of each request."""
    asked: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append({key.lower(): value for key, value in self.headers.items()})
            answer(self)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sends(content: bytes, status: int = 200, **headers: str) -> Any:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(content)

    return answer


def of(image: str, base_url: str = "https://dispatch.example/panic-api/v2") -> bytes:
    return picture.of(image, base_url=base_url, ca_file=None)


@pytest.mark.parametrize("content", [PNG, JPEG, b"GIF89a..", b"RIFF\0\0\0\0WEBPVP8 "])
def test_picture_comes_out_of_every_form_in_which_it_may_be_sent(content: bytes):
    """A JPEG in base64 begins like a path."""
    text = base64.b64encode(content).decode()
    wrapped = "\n".join(text[at : at + 20] for at in range(0, len(text), 20))
    for image in (text, wrapped, f"data:image/png;base64,{text}", f"data:image/jpeg;charset=x;base64,{text}"):
        assert of(image) == content
    with serving(sends(content)) as (url, _):
        assert of(f"{url}/map.png?x=1") == content
        assert of("/maps/7.png", base_url=f"{url}/panic-api/v2") == content


def test_picture_is_fetched_without_any_token():
    with serving(sends(PNG)) as (url, asked):
        of(f"{url}/map.png")
    assert len(asked) == 1
    assert "authorization" not in asked[0]
    assert "cookie" not in asked[0]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (sends(b"<html>sign in</html>"), "no picture"),
        (sends(b"<svg xmlns='x'><script/></svg>"), "no picture"),
        (sends(PNG, 404), "HTTP 404"),
        (sends(PNG, 302, Location="http://127.0.0.1:1/x.png"), "HTTP 302"),
    ],
)
def test_what_is_no_picture_is_not_saved(answer: Any, word: str):
    with serving(answer) as (url, asked), pytest.raises(picture.PictureError, match=word):
        of(f"{url}/map.png")
    assert len(asked) == 1


def test_picture_has_bounds_in_size_and_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(picture, "MAX_BYTES", 10_000)
    monkeypatch.setattr(picture, "FETCH_S", 0.5)
    with serving(sends(PNG + b"\0" * 20_000)) as (url, _), pytest.raises(picture.PictureError, match="larger"):
        of(f"{url}/map.png")
    release = threading.Event()
    with serving(lambda _: release.wait(10)) as (url, _):
        began = time.monotonic()
        with pytest.raises(picture.PictureError, match="did not come"):
            of(f"{url}/map.png")
        assert time.monotonic() - began < 2
        release.set()


def test_picture_whose_name_is_never_found_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch):
    """A look-up cannot be ended, and must not be waited for."""
    release = threading.Event()

    def never(*_question: object, **_more: object) -> list[Any]:
        release.wait(10)
        raise OSError

    monkeypatch.setattr(picture, "FETCH_S", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr(lookup.Resolver.__init__, "__defaults__", (never,))
    began = time.monotonic()
    with pytest.raises(picture.PictureError, match="did not come"):
        of("https://maps.example/map.png")
    assert time.monotonic() - began < 2
    release.set()


@pytest.mark.parametrize(
    "image",
    [
        "http://maps.example/x.png",
        "//[x/y.png",
        "ftp://maps.example/x.png",
        "file:/etc/hostname",
        "x",
        "data:,hello",
        "data:image/png;base64,@@",
    ],
)
def test_address_that_is_not_safe_and_text_that_is_nothing_are_refused(image: str):
    """Nothing is fetched in the clear from another machine, and no file of this one is read."""
    with pytest.raises(picture.PictureError) as refused:
        of(image)
    assert not refused.value.away


def test_live_page_is_opened_without_its_address_in_ps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Whoever has the address sees where the wearer is; what a program is called with can be read by anybody."""
    program, seen = tmp_path / "xdg-open", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\ncat "$1" >> {seen}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    url = 'https://dispatch.example/track/KEY?a=1&b="<x>'
    assert not callout_map._open(url)
    monkeypatch.setenv("DISPLAY", ":0")
    assert callout_map._open(url)
    called, page = seen.read_text().split("\n", 1)
    assert "KEY" not in called
    assert "track/KEY?a=1&amp;b=&quot;&lt;x&gt;" in page
    assert stat.S_IMODE(Path(called).stat().st_mode) == 0o600
    for other in (None, "javascript:alert(1)", "file:/etc/passwd"):
        assert not callout_map._open(other)


def listening(path: Path) -> bool:
    """Whether a connection is taken: a socket has its name a moment before that."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextlib.contextmanager
def daemon(tmp_path: Path, reply: dict[str, Any]) -> Iterator[list[str]]:
    """A control socket that answers this to everything; how to call a command that asks it."""
    path, config = tmp_path / "control.sock", tmp_path / "config.toml"
    config.write_text(f'[control]\nsocket = "{path}"\n')
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def handle(_request: dict[str, Any], _peer: control.Peer) -> dict[str, Any]:
        return reply

    async def live() -> None:
        serving = asyncio.create_task(control.serve(path, handle))
        await stop.wait()
        serving.cancel()
        await asyncio.wait({serving})

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(live())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while not listening(path):
            assert thread.is_alive()
            time.sleep(0.001)
        yield ["--config", str(config)]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def test_picture_of_megabytes_comes_over_the_socket_and_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """In base64, as a dispatch may send it."""
    content, path = PNG + os.urandom(3_000_000), tmp_path / "map.png"
    reply = {"ok": True, "id": 7, "url": "https://x.example/t", "image": base64.b64encode(content).decode()}
    with daemon(tmp_path, reply) as config:
        assert cli.main(["callout", "map", "--save", str(path), *config]) == 0
        assert capsys.readouterr().out == f"callout 7: the picture is in {path}\n"
        assert path.read_bytes() == content
        assert cli.main(["callout", "map", "--save", str(path), *config]) == 1
        assert "--force" in capsys.readouterr().err
        assert cli.main(["callout", "map", *config]) == 0
        assert capsys.readouterr().out == "callout    7\nlive page  https://x.example/t\npicture    with --save FILE\n"
        assert cli.main(["callout", "map", "--open", *config]) == 0, "no desktop: it is said where it is"
        assert "https://x.example/t" in capsys.readouterr().out


@pytest.mark.parametrize(("image", "code"), [(None, 4), ("", 4), ("nonsense", 1), ("http://127.0.0.1:1/x.png", 3)])
def test_picture_that_cannot_be_had_is_told_with_the_live_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], image: str | None, code: int
):
    with daemon(tmp_path, {"ok": True, "id": 7, "url": "https://x.example/t", "image": image}) as config:
        assert cli.main(["callout", "map", "--save", str(tmp_path / "map.png"), "--json", *config]) == code
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["url"]) == (False, "https://x.example/t")
    assert not (tmp_path / "map.png").exists()


# --- devices --------------------------------------------------------------------------------------------------------------


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    device.add(parser)
    return parser.parse_args(words)


CONFIGURED = argparse.Namespace(id="D7", type_id=5, battery_message_type=50, health_message_type=None)


def test_message_of_a_device_is_numbered_by_the_config():
    request = device._request(
        parsed("send", "battery", "--percent", "80", "--set", "x=1", "--set", "y=a=b"), CONFIGURED, unconditional=False
    )
    assert request == {
        "do": "device_send",
        "id": "D7",
        "type_id": 5,
        "message_type": 50,
        "extra": {"x": 1, "y": "a=b", "battery_level": 80},
    }
    request = device._request(parsed("update", "--id", "9", "--type-id", "6"), CONFIGURED, unconditional=False)
    assert request == {"do": "device_update", "id": 9, "type_id": 6}


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("send",), "which message"),
        (("send", "battery", "--message-type", "3"), "which message"),
        (("send", "health"), "health_message_type"),
        (("send", "--message-type", "3"), "allow_unconditional"),
    ],
)
def test_number_that_may_mean_a_cancel_is_not_sent_by_anyone_who_may_not_cancel_so(words: tuple[str, ...], word: str):
    """The template at dispatch alone knows what a number means."""
    with pytest.raises(ValueError, match=word):
        device._request(parsed(*words), CONFIGURED, unconditional=False)
    if "3" in words and "battery" not in words:
        assert device._request(parsed(*words), CONFIGURED, unconditional=True)["message_type"] == 3


def test_device_without_an_id_is_asked_for():
    for words in (("update",), ("send", "battery")):
        with pytest.raises(ValueError, match="--id"):
            device._request(parsed(*words), None, unconditional=False)
