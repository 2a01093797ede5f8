"""Setup's answers: lines as a person names them, flags, and a config text that is changed where it was asked and nowhere else."""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.cli import setup_draft, setup_flags, setup_pins, setup_summary, setup_toml
from agent.cli.setup_service import Daemon
from agent.config import parse

EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
ANSWERED = EXAMPLE.replace('base_url = "CHANGE-ME"', 'base_url = "https://127.0.0.1/v2"').replace(
    'token_url = "CHANGE-ME"', 'token_url = "https://127.0.0.1/t"'
)
ANSWERED = ANSWERED.replace("customer_id = 0 ", "customer_id = 7 ").replace("response_type_id = 0 ", "response_type_id = 1 ")


@pytest.mark.parametrize(
    ("said", "line", "chip"),
    [
        ("17", 17, None),
        ("pin 11", 17, None),
        ("Pin11", 17, None),
        ("pin #13", 27, None),
        ("p 15", 22, None),
        ("GPIO17", 17, None),
        ("bcm 4", 4, None),
        ("/dev/gpiochip1:5", 5, "/dev/gpiochip1"),
        ("gpiochip2:31", 31, "/dev/gpiochip2"),
        (" 0 ", 0, None),
    ],
)
def test_a_line_by_any_name(said: str, line: int, chip: str | None):
    """A pin of the header is not the number of its line."""
    named = setup_pins.named(said)
    assert (named.line, named.chip) == (line, chip)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("pin 9", "ground"),
        ("pin 1", "3.3 V"),
        ("pin 2", "5 V"),
        ("pin 41", "no pin"),
        ("pin 0", "no pin"),
        ("lamp", "names no line"),
        ("1024", "more than"),
    ],
)
def test_what_is_no_line_says_why(said: str, word: str):
    """Ground and supply are the mistakes that burn something."""
    with pytest.raises(ValueError, match=word):
        setup_pins.named(said)


def test_every_pin_of_the_header_is_one_thing():
    """Forty pins: 28 lines, each once, ground and supply."""
    pins = [*setup_pins.HEADER, *setup_pins.GROUND, *setup_pins.SUPPLY]
    assert sorted(pins) == list(range(1, 41))
    assert sorted(setup_pins.HEADER.values()) == list(range(28))


@pytest.mark.parametrize(("pin", "word"), [(8, "serial"), (10, "serial"), (3, "pull-up"), (27, "add-on"), (11, ""), (13, "")])
def test_a_pin_that_has_another_duty_is_doubted(pin: int, word: str):
    """It can be used; a person is told what for it is there."""
    doubt = setup_pins.doubt(setup_pins.HEADER[pin])
    assert word in doubt
    assert bool(doubt) == bool(word)


TABLES = ("panic_api", "credentials", "cadence", "store", "indicator", "control", "hooks", "fresh")
KEYS = st.dictionaries(
    st.sampled_from(["environment", "chip", "send_min_s", "path", "new_key", "socket", "on_event", "lamp_line"]),
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.floats(-1e6, 1e6), st.text(max_size=12), st.lists(st.text(), max_size=3)),
    max_size=4,
)
WANTED = st.dictionaries(st.sampled_from(TABLES), st.one_of(st.none(), KEYS), max_size=4)
OLD = st.sampled_from(
    [
        EXAMPLE,
        "",
        "a.b = 1\n[store]\nx = 1\n",
        'store = {path = "/x"}\n',
        '[store]\npath = """\n[panic_api]\nx = 1\n"""  # where\n\n# about it\n[hooks]\non_event = [\n  "/a", # first\n  "/b",\n]\n',
        "[store]\r\nmax_mb = 5 # small\r\n",
        '["panic_api"]\nx = "#"   # y\n',
    ]
)


@given(text=OLD, wanted=WANTED)
@example(text=EXAMPLE, wanted={"panic_api": {"environment": "a#b\x7f\n\"'\\"}})
@example(text='[store]\nx = "# no comment"   # one\n', wanted={"store": {"x": "y"}})
def test_a_changed_text_says_what_was_wanted_and_the_rest_as_before(text: str, wanted: dict[str, dict[str, object] | None]):
    """Whatever it looked like. Read back by another reader than the one that wrote it."""
    before = tomllib.loads(text)
    after = tomllib.loads(setup_toml.changed(text, wanted, {})[0])
    for name, keys in wanted.items():
        if keys is None:
            assert name not in after
        else:
            table = before.get(name, {})
            told = {key: value for key, value in {**table, **keys}.items() if value is not None}
            assert after[name] == told
    assert {name: after.get(name) for name in before if name not in wanted} == {name: before[name] for name in before if name not in wanted}


def test_lines_that_nobody_asked_about_stay_to_the_letter():
    """Comments, order, blanks."""
    wanted = {"panic_api": {"customer_id": 4711}, "indicator": {"buzzer_line": 22}, "keypad": {"path": "/dev/pad"}}
    text, kept = setup_toml.changed(EXAMPLE, wanted, {"keypad": "where a code is typed"})
    before, after = EXAMPLE.splitlines(), text.splitlines()
    assert kept
    assert [line for line in before if line not in after] == [line for line in before if line.startswith("customer_id =")]
    new = [line for line in after if line not in before and line]
    assert [re.sub(r"\s+#.*", "", line) for line in new] == [
        "customer_id = 4711",
        "buzzer_line = 22",
        "[keypad]",
        'path = "/dev/pad"',
    ]
    assert after[after.index("buzzer_line = 22") - 1] == "# buzzer_line = 22"


def test_receivers_keep_their_own_keys():
    """Chosen anew, in another order; one that is gone goes with its keys, no other does."""
    text = '[[receiver]]\nkind = "gpsd"\nname = "roof" # the good\n\n[[receiver]]\nkind = "serial"\npath = "/dev/ttyUSB0"\nbaud = 4800\n'
    draft = setup_draft.Draft(Path("/x/config.toml"), text, tomllib.loads(text))
    draft.set_receivers([{"kind": "serial", "path": "/dev/ttyS1", "baud": 9600}, {"kind": "gpsd", "host": "127.0.0.1", "port": 2947}])
    written = draft.text()[0]
    assert [each.get("name") for each in tomllib.loads(written)["receiver"]] == [None, "roof"]
    assert "# the good" in written
    assert "ttyUSB0" not in written


def test_the_first_button_is_set_and_further_ones_stay():
    """A medic's button is nobody's business here."""
    text = '[[button]]\nline = 5\npresses = 3\n[[button]]\nname = "medic"\nline = 6\n'
    draft = setup_draft.Draft(Path("/x/config.toml"), text, tomllib.loads(text))
    draft.set_button({"chip": "/dev/gpiochip0", "line": 17})
    told = tomllib.loads(draft.text()[0])["button"]
    assert told == [{"line": 17, "presses": 3, "chip": "/dev/gpiochip0"}, {"name": "medic", "line": 6}]


def test_one_source_of_tokens_takes_the_place_of_another():
    """Two of them are an error of the config."""
    draft = setup_draft.Draft(Path("/x/config.toml"), ANSWERED, tomllib.loads(ANSWERED))
    draft.set_credentials(token_file="/run/token")
    assert draft.config().credentials == parse(draft.text()[0]).credentials
    assert draft.config().credentials.token_url is None


def test_placeholders_are_no_answers():
    """The example's 0 and CHANGE-ME are there to be refused."""
    draft = setup_draft.Draft(Path("/x/config.toml"), EXAMPLE, tomllib.loads(EXAMPLE))
    assert [draft.value("panic_api", key) for key in ("base_url", "customer_id", "response_type_id")] == [None, None, None]
    assert draft.value("panic_api", "environment") == "production"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("gpsd", {"kind": "gpsd", "host": "127.0.0.1", "port": 2947}),
        ("gpsd:10.0.0.5", {"kind": "gpsd", "host": "10.0.0.5", "port": 2947}),
        ("gpsd:box:2948", {"kind": "gpsd", "host": "box", "port": 2948}),
        ("serial:/dev/ttyUSB0", {"kind": "serial", "path": "/dev/ttyUSB0"}),
        (
            "serial:/dev/serial/by-path/pci-0:1.0@4800",
            {"kind": "serial", "path": "/dev/serial/by-path/pci-0:1.0", "baud": 4800},
        ),
    ],
)
def test_a_receiver_in_a_flag(said: str, wanted: dict[str, object]):
    """A path may hold colons."""
    assert setup_flags.receiver(said) == wanted


@pytest.mark.parametrize("said", ["usb", "serial0", ""])
def test_a_receiver_that_is_none(said: str):
    """In words."""
    with pytest.raises(ValueError, match="serial:PATH"):
        setup_flags.receiver(said)


@pytest.mark.parametrize(("said", "wanted"), [("-33.9,18.4", [-33.9, 18.4]), ("-33.9, 18.4, 50", [-33.9, 18.4, 50.0])])
def test_a_site(said: str, wanted: list[float]):
    """Two numbers or three."""
    assert list(setup_flags.site(said).values()) == wanted


def test_flags_that_make_no_sense_are_named_together():
    """Not one after the other."""
    parser = argparse.ArgumentParser()
    setup_flags.declare(parser)
    words = ["--site", "here", "--active", "low", "--buzzer", "22", "--client-cert", "/x"]
    with pytest.raises(setup_flags.WrongError) as wrong:
        setup_flags.apply(parser.parse_args(words), setup_draft.Draft(Path("/x/config.toml")))
    assert len(wrong.value.reasons) == 4


@pytest.mark.parametrize("text", ["", " \n", "7", "two words", "kéy", "a\x00b", "one\ntwo"])
def test_what_is_no_key(tmp_path: Path, text: str):
    """It has to stand in a header; its words never hold it."""
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="holds no key") as refused:
        setup_flags.read_secret(str(path))
    assert len(text.strip()) < 2 or text not in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [({}, "hold it for 1.5 s"), ({"hold_s": 0.0}, "touch it"), ({"presses": 3, "within_s": 2.0}, "press it 3 times within 2 s")],
)
def test_what_a_finger_does(keys: dict[str, float], words: str):
    """Nobody can hold for no time."""
    assert setup_summary.gesture_words(keys) == words


def test_the_last_page_of_a_daemon_that_does_not_run_says_what_next():
    """It is what is photographed, and asked about."""
    draft = setup_draft.Draft(Path("/x/config.toml"), ANSWERED, tomllib.loads(ANSWERED))
    page = setup_summary.summary(draft, {}, Daemon(argparse.Namespace(config="/x/config.toml", unit=None)))
    assert "NOT ARMED: the daemon does not run" in page
    assert "sudo callout-agent doctor" in page


def test_a_secret_has_no_words():
    """Not in a repr, of itself and of what holds it."""
    draft = setup_draft.Draft(Path("/x"), secrets={"device-key": setup_draft.Secret("hunter2hunter2")})
    assert "hunter2" not in repr(draft)
