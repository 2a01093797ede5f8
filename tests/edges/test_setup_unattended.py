"""Setup without a dialogue: what is missing is named at once, what is written is whole, and nothing is shown that should not be."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import spool
from agent.cli import main, setup_trial
from agent.config import load
from hardware.feeder import FakePort
from simulator.server import Running
from simulator.settings import Settings

KEY = "demo-device-key"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Running]:
    """One for all: nothing here raises anything."""
    with Running(Settings(), tls=True) as running:
        yield running


class Place:
    """A folder for a config, and how setup is called for it."""

    def __init__(self, folder: Path, simulator: Running) -> None:
        self.folder, self.config, self.simulator = folder, folder / "etc" / "config.toml", simulator
        self.config.parent.mkdir()
        self.key = folder / "key"
        self.key.write_text(KEY + "\n")
        self.answers = {
            "--environment": "staging",
            "--base-url": simulator.base_url,
            "--customer-id": "4711",
            "--response-type-id": "1",
            "--token-url": simulator.base_url.replace("/panic-api/v2", "/backend/token"),
            "--key-file": str(self.key),
            "--ca-file": str(simulator.ca_file),
            "--site": "-33.9,18.4",
            "--button": f"{folder}/chip:5",
        }
        self.write(f'[store]\npath = "{folder}/agent.db"\n\n[control]\nsocket = "{folder}/run/s"\n')

    def write(self, text: str) -> None:
        """The config that is there already."""
        self.config.write_text(text)

    def files(self) -> dict[str, bytes]:
        """Everything in the config's folder."""
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.config.parent.rglob("*") if path.is_file()}

    def run(self, *words: str, **changed: str | None) -> int:
        """Setup with these answers; a changed one of None is left out."""
        answers = {**self.answers, **{f"--{key.replace('_', '-')}": value for key, value in changed.items()}}
        flags = [word for flag, value in answers.items() if value is not None for word in (f"{flag}={value}",)]
        return main(["setup", "--unattended", "--config", str(self.config), *flags, *words])


@pytest.fixture
def place(tmp_path: Path, simulator: Running) -> Place:
    """With a store and a socket of its own, named in a config that lacks all else."""
    return Place(tmp_path, simulator)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Setup takes signals for itself."""
    import signal

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_missing_answers_are_named_all_at_once(place: Place, capsys: pytest.CaptureFixture[str]):
    """A fleet mends its script once, not seven times."""
    before = place.files()
    place.answers = {}
    assert place.run() == 2
    told = capsys.readouterr().err
    flags = ("--environment", "--customer-id", "--response-type-id", "--token-url", "--key-file", "--receiver", "--site", "--button")
    assert [flag for flag in flags if flag not in told] == []
    assert "nothing was changed" in told
    assert place.files() == before


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"customer_id": "0"}, "--customer-id"),
        ({"base_url": "http://dispatch.example.com/v2"}, "must be https"),
        ({"site": "91,0"}, "--site"),
        ({"site": "0,0"}, "not a place"),
        ({"hold": "99"}, "--button"),
        ({"key_file": "/nowhere/key"}, "/nowhere/key"),
        ({"receiver": "usb"}, "--receiver"),
        ({"receiver": "serial:/dev/none"}, "no such port"),
        ({"keypad": "pad"}, "--keypad"),
    ],
)
def test_wrong_answers_change_nothing(place: Place, capsys: pytest.CaptureFixture[str], changed: dict[str, str], word: str):
    """They are named by their flag, and by the config's own rule."""
    before = place.files()
    assert place.run("--no-try", **changed) == 2
    assert word in capsys.readouterr().err
    assert place.files() == before


def test_what_is_written(place: Place, capsys: pytest.CaptureFixture[str]):
    """A config that loads, the secret for root alone, a dated copy; and the key in no word of it."""
    old = place.config.read_bytes()
    assert place.run("--no-start") == 0
    said = capsys.readouterr()
    config = load(place.config)
    assert (config.panic_api.customer_id, config.credentials.bearer_file, config.buttons[0].line) == (4711, "device-key", 5)
    assert config.store.path == str(place.folder / "agent.db")
    secret = place.config.parent / "credentials" / "device-key"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (secret, secret.parent, place.config)]
    assert (secret.read_text().strip(), modes[:2], modes[2] & 0o137) == (KEY, [0o600, 0o700], 0)
    backups = list(place.config.parent.glob("config.toml.*"))
    assert [each.read_bytes() for each in backups] == [old]
    assert time.strftime("%Y") in backups[0].name
    assert KEY not in said.out + said.err + place.config.read_text()
    assert "takes the token" in said.out
    assert load(place.config).secret_path("device-key") == secret


def test_an_authority_that_the_unit_could_not_read_is_copied(place: Place):
    """It lay in a home or in /tmp, which the service does not see."""
    assert place.run("--no-start") == 0
    kept = place.config.parent / "ca.pem"
    assert load(place.config).panic_api.ca_file == str(kept)
    assert kept.read_bytes() == place.simulator.ca_file.read_bytes()


def test_what_a_cut_of_the_power_left_is_swept_up(place: Place):
    """It may hold a secret; and a folder that somebody made by hand is closed."""
    folder = place.config.parent / "credentials"
    folder.mkdir(mode=0o755)
    for partial in (folder / ".setup-x1", place.config.parent / ".setup-x2"):
        partial.write_text("half")
    assert place.run("--no-start") == 0
    assert [name for name in place.files() if ".setup-" in name] == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_same_answers_again_write_nothing(place: Place):
    """No copy of a copy."""
    assert place.run("--no-start") == 0
    before = place.files()
    place.answers = {}
    assert place.run("--no-start", "--no-try") == 0
    assert place.files() == before


def test_one_changed_answer_leaves_the_rest(place: Place):
    """Keys that setup knows nothing of, comments, another button."""
    assert place.run("--no-start") == 0
    place.write(place.config.read_text() + '\n[hooks]\nunreachable_after_s = 17 # ours\n\n[[button]]\nname = "medic"\nline = 6\n')
    place.answers = {"--customer-id": "4712"}
    assert place.run("--no-start", "--no-try") == 0
    config = load(place.config)
    assert (config.panic_api.customer_id, config.hooks.unreachable_after_s, len(config.buttons)) == (4712, 17.0, 2)
    assert "unreachable_after_s = 17 # ours" in place.config.read_text()


@pytest.mark.parametrize("broken", ["this is no TOML", "\xff", "[store]\npath = 5\n"])
def test_a_broken_config_is_refused_or_begun_afresh(place: Place, capsys: pytest.CaptureFixture[str], broken: str):
    """Never mended by guessing; its copy is kept."""
    place.config.write_bytes(broken.encode("latin-1"))
    before = place.files()
    assert place.run("--no-start", "--no-try") == 2
    assert place.files() == before
    assert capsys.readouterr().err
    assert place.run("--no-start", "--no-try", "--fresh") == 0
    assert load(place.config).panic_api.customer_id == 4711
    assert [each.read_bytes() for each in place.config.parent.glob("config.toml.*")] == [broken.encode("latin-1")]


def test_the_key_from_standard_input(place: Place, monkeypatch: pytest.MonkeyPatch):
    """No file of it need ever be there."""
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    assert place.run("--no-start", key_file="-") == 0
    assert (place.config.parent / "credentials" / "device-key").read_text().strip() == KEY


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key_file": "WRONG"}, "refuses this device's key"),
        ({"ca_file": None}, "cannot prove who it is"),
        ({"token_url": "https://nowhere.invalid/token"}, "is not found"),
        ({"token_url": "https://127.0.0.1:9/token"}, "cannot be reached"),
        ({"base_url": "https://127.0.0.1:9/v2"}, "dispatch (127.0.0.1) cannot be reached"),
    ],
)
def test_what_is_wrong_on_the_way_is_said(place: Place, capsys: pytest.CaptureFixture[str], changed: dict[str, str | None], said: str):
    """With whom, and what to do; it is written all the same: the SIM may come tomorrow."""
    if changed.get("key_file") == "WRONG":
        place.key.write_text("another-key")
        changed = {}
    assert place.run("--no-start", **changed) == 0
    out = capsys.readouterr().out
    assert "NOT YET" in out
    assert said in out
    assert "  -> " in out


def test_a_portal_in_the_place_of_the_token_service(place: Place, capsys: pytest.CaptureFixture[str]):
    """A web page that answers to everything."""
    import http.server

    class Portal(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            page = b"<html>Welcome to Hotel WiFi</html>"
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with http.server.HTTPServer(("127.0.0.1", 0), Portal) as portal:
        thread = threading.Thread(target=portal.serve_forever)
        thread.start()
        try:
            assert place.run("--no-start", token_url=f"http://127.0.0.1:{portal.server_port}/token") == 0
        finally:
            portal.shutdown()
            thread.join()
    assert "sign in" in capsys.readouterr().out


def test_a_customer_that_nobody_knows(place: Place, capsys: pytest.CaptureFixture[str]):
    """Another customer's token is refused; the words point at the id."""
    assert place.run("--no-start", customer_id="999999") == 0
    out = capsys.readouterr().out
    assert "customer 999999" in out
    assert "is the customer id right?" in out


def test_nothing_is_changed_while_a_press_waits(place: Place, capsys: pytest.CaptureFixture[str]):
    """Made while the daemon was down: whoever starts it now has something better to do."""
    press = spool.SpooledPress(boot_id="", at=time.monotonic(), wall=time.time(), origin="spool", note=None, drill=False)
    spool.put(place.folder / "run" / "presses", press)
    before = place.files()
    assert place.run("--no-start", "--no-try") == 1
    assert "a press waits" in capsys.readouterr().err
    assert place.files() == before


@pytest.mark.parametrize("automatic", [False, True])
def test_a_speed_is_found_out(place: Place, automatic: bool):  # noqa: FBT001 - a parameter
    """serial:PATH without a speed, or whatever there is; the receiver is a real port."""
    from rigs import generated_log

    port, said = FakePort(place.folder / "ttyUSB0"), b"".join(generated_log(6))
    over = threading.Event()

    def speak() -> None:
        while not over.wait(0.05):
            port.write(said)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        which = "auto" if automatic else f"serial:{port.path}"
        assert place.run("--no-start", "--no-try", "--port", str(port.path), receiver=which, site=None) == 0
    finally:
        over.set()
        thread.join()
        port.close()
    found = [(each.kind, getattr(each, "path", ""), getattr(each, "baud", 0)) for each in load(place.config).receivers]
    assert ("serial", str(port.path), 9600) in found


def test_whoever_may_not_write_is_told_so(place: Place, capsys: pytest.CaptureFixture[str]):
    """At once, not after the last question."""
    place.config.parent.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write anywhere
    try:
        assert place.run() == 1
    finally:
        os.seteuid(user)
    assert "sudo" in capsys.readouterr().err


def test_every_cause_of_a_failure_has_words():
    """Those that a line can have."""
    assert {"dns", "connect", "reset", "timeout", "tls", "tls.clock", "html", "redirect", "odd"} <= set(setup_trial._WORDS)


def test_a_latitude_of_the_south_needs_no_equals_sign(place: Place):
    """As the page writes it: to the parser a word with a minus is an option."""
    assert place.run("--no-start", "--no-try", "--site", "-33.9,18.4", site=None) == 0
    assert load(place.config).site is not None
