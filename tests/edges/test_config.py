"""The config: what it takes, what it refuses and in which words, and the last good copy. Reads and writes real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import config
from agent.cli import talk
from agent.config import Config, ConfigError, Problem

MINIMAL = """
[panic_api]
base_url = "https://panic.aura.services/panic-api/v2"
customer_id = 4711
response_type_id = 1

[credentials]
token_url = "https://backend.example.com/token"
bearer_file = "device-key"

[[receiver]]
kind = "gpsd"
"""


def minimal(*edits: tuple[str, str], more: str = "") -> str:
    """The minimal config with each old text replaced by its new one, and more behind it."""
    text = MINIMAL
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text + more


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "there/config.toml")
    return caught.value.errors


def problem(text: str) -> Problem:
    (only,) = problems(text)
    return only


def test_minimal_config_is_complete():
    """What has no default is enough; everything else is as documented."""
    read = config.parse(MINIMAL)
    assert read.panic_api.customer_id == 4711
    assert read.panic_api.deadline_s == 10.0
    assert [each.name for each in read.receivers] == ["gpsd"]
    assert read.receivers[0].options() == {"host": "127.0.0.1", "port": 2947, "device": None}
    assert read.buttons == ()
    assert (read.indicator, read.site, read.keypad, read.device, read.heartbeat) == (None, None, None, None, None)


def test_unknown_key_names_the_nearest():
    """A typo is told with what was probably meant, and its line."""
    found = problem(minimal(("customer_id = 4711", "customer_id = 4711\ndeadline = 3")))
    assert (found.key, found.line) == ("panic_api.deadline", 5)
    assert "deadline_s" in found.hint


def test_unknown_table_names_the_nearest():
    """So is a table."""
    found = problem(minimal(more="[cadance]\nsend_min_s = 5\n"))
    assert found.key == "cadance"
    assert "cadence" in found.hint


def test_value_of_unknown_key_is_not_shown():
    """A secret written where it does not belong stays out of messages."""
    found = problem(minimal(('bearer_file = "device-key"', 'bearer_file = "device-key"\nbearer = "s3cret"')))
    assert "s3cret" not in str(found)


def test_password_in_a_url_is_not_shown():
    """A URL with a user is refused without repeating the password."""
    found = problem(minimal(("https://backend.example.com/token", "https://me:s3cret@backend.example.com/token")))
    assert found.key == "credentials.token_url"
    assert "user or password" in found.rule
    assert "s3cret" not in str(found)


def test_all_problems_are_told_at_once():
    """One run of `check` is enough to know everything."""
    text = minimal(
        ("customer_id = 4711", 'customer_id = "x"'), ('kind = "gpsd"', 'kind = "gpsd"\nport = 0'), more="[store]\nmax_mb = true\n"
    )
    assert [each.key for each in problems(text)] == ["panic_api.customer_id", "store.max_mb", "receiver[1].port"]


def test_message_names_key_value_rule_and_line():
    """An error can be mended without looking anything up."""
    text = str(problem(minimal(more='[cadence]\nadopt = "sometimes"\n')))
    assert text == 'cadence.adopt = "sometimes": must be "near" or "always" or "never" (line 14)'


def test_line_is_left_out_where_a_string_looks_like_a_key():
    """A wrong line would be worse than none."""
    text = minimal(more='[site]\nlatitude = 100.0\nlongitude = 2.0\npredefined_location = """\nlatitude = 1\n"""\n')
    latitude = next(each for each in problems(text) if each.key == "site.latitude")
    assert latitude.line == 13  # that of the table


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("cadence", "record_idle_s", "true"),
        ("cadence", "record_idle_s", '"30"'),
        ("cadence", "record_idle_s", "nan"),
        ("cadence", "record_idle_s", "inf"),
        ("cadence", "record_idle_s", "0"),
        ("cadence", "send_min_s", "0.9"),
        ("cadence", "adopt_poll_s", "-1"),
        ("store", "max_mb", "1.0"),
        ("store", "max_mb", "true"),
        ("store", "max_mb", "0"),
        ("store", "path", '"agent.db"'),
        ("store", "path", '""'),
        ("store", "path", '"/a\\u0000b"'),
        ("store", "before_press_s", "-1"),
        ("backlog", "after_outage", '"no"'),
        ("clock", "set_from_gnss", "true"),
        ("drill", "classification_id", "0"),
        ("hooks", "on_event", '"/bin/true"'),
        ("hooks", "on_event", '["notify"]'),
        ("hooks", "on_event", '["/bin/true", 1]'),
        ("hooks", "unreachable_after_s", "0"),
        ("control", "allow_unconditional", "1"),
        ("control", "socket", '"/' + "x" * 107 + '"'),
        ("keypad", "path", '"kbd"'),
        ("heartbeat", "url", '"http://ops.example.com/"'),
        ("heartbeat", "url", '"CHANGE-ME"'),
        ("indicator", "lamp_line", "-1"),
        ("indicator", "lamp_line", "1024"),
        ("indicator", "profile", '"loud"'),
        ("button", "line", "17.0"),
        ("button", "presses", "0"),
        ("button", "hold_s", "11"),
        ("button", "active", '"on"'),
        ("button", "name", '" "'),
        ("button", "name", '"a\\nb"'),
        ("button", "response_type_id", "0"),
    ],
)
def test_wrong_value_is_refused_by_its_key(table: str, key: str, value: str):
    """Types are strict, numbers finite and in range, paths absolute, words from their list."""
    header, at = (f"[[{table}]]", f"{table}[1]") if table == "button" else (f"[{table}]", table)
    found = problem(minimal(more=f"{header}\n{key} = {value}\n"))
    assert found.key == f"{at}.{key}"
    assert found.rule


@pytest.mark.parametrize(
    "url",
    [
        "http://panic.aura.services/panic-api/v2",
        "http://localhost.example.com/",
        "http://10.0.0.1/",
        "http://[::2]/",
        "ftp://panic.aura.services/",
        "panic.aura.services/panic-api/v2",
        "https:///panic-api",
        "https://",
        "https://panic.aura.services:x/",
        "https://panic.aura.services:0/",
        "https://panic.aura.services:70000/",
        "https://panic.aura.services/a b",
        "https://panic.aura.services/a?b=c",
        "https://panic.aura.services/a#b",
        "https://panic.aura.services/a?",
        "https://@panic.aura.services/",
        "https://me@panic.aura.services/",
        "https://pänic.aura.services/",
        "https://[::1/",
        "https://[v1.a]/",
        "https://-panic/",
        "https:\\\\\\\\panic.aura.services",
        "https://panic.aura.services/\\n",
        "\\thttps://panic.aura.services/",
        "",
    ],
)
def test_base_url_that_cannot_be_trusted_is_refused(url: str):
    """https, or http on loopback; no user, query or fragment; nothing that a URL parser would quietly mend."""
    assert problem(minimal(("https://panic.aura.services/panic-api/v2", url))).key == "panic_api.base_url"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://panic.aura.services/panic-api/v2/", "https://panic.aura.services/panic-api/v2"),
        ("HTTPS://Panic.Aura.Services:443/panic-api/v2", "https://panic.aura.services/panic-api/v2"),
        ("http://127.0.0.1:8080/panic-api/v2//", "http://127.0.0.1:8080/panic-api/v2"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://localhost:8080", "http://localhost:8080"),
    ],
)
def test_base_url_is_normalised(written: str, read: str):
    """A slash more does not make it another place: callouts are kept by base_url."""
    assert config.parse(minimal(("https://panic.aura.services/panic-api/v2", written))).panic_api.base_url == read


@pytest.mark.parametrize(
    ("environment", "url", "production", "matches"),
    [
        ("production", "https://panic.aura.services/panic-api/v2", True, True),
        ("production", "https://staging-panic.aura.services/panic-api/v2", False, False),
        ("production", "http://127.0.0.1/", False, False),
        ("production", "https://panic.aura.services.example.com/", False, False),
        ("staging", "https://staging-panic.aura.services/panic-api/v2", False, True),
        ("staging", "http://localhost:1/", False, True),
        ("staging", "https://panic.aura.services/panic-api/v2", True, False),
    ],
)
def test_host_and_environment_are_told_apart_not_refused(environment: str, url: str, *, production: bool, matches: bool):
    """A host that does not match is for the daemon to say: it is no error of the file."""
    read = config.parse(
        minimal(("https://panic.aura.services/panic-api/v2", url), ("[panic_api]", f'[panic_api]\nenvironment = "{environment}"'))
    )
    assert (read.is_production_host, read.panic_api.host_matches) == (production, matches)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("", "token_url"),
        ('token_file = "t"\nclient_id = "c"\nclient_secret_file = "s"', "token_url"),
        ('token_url = "https://b.example.com"\nbearer_file = "k"\ntoken_file = "t"', "token_url"),
        ('token_url = "https://b.example.com"', "bearer_file"),
        ('token_url = "http://b.example.com"\nbearer_file = "k"', "token_url"),
        ('token_url = "https://b.example.com"\nclient_cert_file = "c"', "client_key_file"),
        ('token_url = "https://b.example.com"\nclient_key_file = "k"', "client_cert_file"),
        ('token_url = "https://b.example.com"\nbearer_file = "k"\nclient_secret_file = "s"', "client_secret_file"),
        ('token_file = "t"\nbearer_file = "k"', "bearer_file"),
        ('client_id = "c"', "client_secret_file"),
        ('client_id = "CHANGE-ME"\nclient_secret_file = "s"', "client_id"),
        ('token_url = "https://b.example.com"\nbearer_file = ""', "bearer_file"),
    ],
)
def test_credentials_must_be_one_whole_source(written: str, key: str):
    """Exactly one of three sources, with all that it needs and nothing of another."""
    text = minimal(('token_url = "https://backend.example.com/token"\nbearer_file = "device-key"', written))
    assert problem(text).key == f"credentials.{key}"


@pytest.mark.parametrize(
    "written",
    [
        'token_url = "http://127.0.0.1:9/token"',
        'token_url = "https://b.example.com"\nclient_cert_file = "c"\nclient_key_file = "k"',
        'token_url = "https://b.example.com"\nbearer_file = "b"\nclient_cert_file = "c"\nclient_key_file = "k"',
        'token_file = "/run/token"',
        'client_id = "c"\nclient_secret_file = "s"',
    ],
)
def test_each_credentials_source_is_taken(written: str):
    """Each documented form is accepted."""
    config.parse(minimal(('token_url = "https://backend.example.com/token"\nbearer_file = "device-key"', written)))


@pytest.mark.parametrize(
    "value",
    [
        "/customers/{customerId}/callouts",
        "/callouts",
        "/{customer_id}/{customer_id}",
        "x/{customer_id}",
        "/{customer_id}?a=b",
        "/{{customer_id}}",
    ],
)
def test_active_callouts_path_needs_its_one_placeholder(value: str):
    """The customer's own list, and nothing else in braces."""
    found = problem(minimal(("customer_id = 4711", f'customer_id = 4711\nactive_callouts_path = "{value}"')))
    assert found.key == "panic_api.active_callouts_path"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("report_path", "/callouts/resolutionReport"),
        ("report_path", "/callouts/{customer_id}/report"),
        ("report_path", "/{callout_id}/{callout_id}"),
        ("report_path", "callouts/{callout_id}/report"),
        ("rating_items_path", "rating-items"),
        ("rating_items_path", "/{customer_id}/items"),
        ("response_types_path", ""),
        ("response_types_path", "/responseTypes?all=1"),
    ],
)
def test_paths_that_no_page_shows_are_still_paths(key: str, value: str):
    """Below base_url, with the placeholder that belongs there and no other."""
    assert problem(minimal(("customer_id = 4711", f'customer_id = 4711\n{key} = "{value}"'))).key == f"panic_api.{key}"


def test_a_device_is_told_of_where_its_table_stands():
    """An hour apart unless it is said otherwise."""
    read = config.parse(minimal(more='[device]\nid = "0042"\ntype_id = 5\nhealth_message_type = 4\n')).device
    assert read == config.Device(id="0042", type_id=5, every_s=3600.0, battery_message_type=None, health_message_type=4)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('id = "1"\ntype_id = 5', "health_message_type"),
        ('id = "1"\ntype_id = 5\nbattery_message_type = 4\nhealth_message_type = 4', "health_message_type"),
        ('id = "1"\ntype_id = 5\nbattery_message_type = 0', "battery_message_type"),
        ('id = "1"\ntype_id = 5\nhealth_message_type = 4\nevery_s = 59', "every_s"),
        ('id = "1"\ntype_id = 0\nhealth_message_type = 4', "type_id"),
        ("id = 1\ntype_id = 5\nhealth_message_type = 4", "id"),
        ("type_id = 5\nhealth_message_type = 4", "id"),
    ],
)
def test_a_device_says_something_and_each_number_once(written: str, key: str):
    """A template's numbers are easily mixed up, and one of them opens callouts."""
    assert problem(minimal(more=f"[device]\n{written}\n")).key == f"device.{key}"


@pytest.mark.parametrize("placeholder", ["CHANGE-ME", "https://CHANGE-ME/panic-api/v2", "change-me"])
def test_placeholder_says_what_to_put(placeholder: str):
    """The example's placeholders are refused as such, not as bad URLs."""
    found = problem(minimal(("https://panic.aura.services/panic-api/v2", placeholder)))
    assert found.placeholder
    assert "put " in found.hint


def test_cadence_must_be_in_order():
    """send_min_s <= send_active_s <= send_max_s, each pair told."""
    text = minimal(more="[cadence]\nsend_min_s = 9\nsend_active_s = 8\nsend_max_s = 7\n")
    assert [each.key for each in problems(text)] == ["cadence.send_min_s", "cadence.send_active_s"]
    config.parse(minimal(more="[cadence]\nsend_min_s = 1\nsend_active_s = 1\nsend_max_s = 1\n"))


def test_without_receiver_a_site_is_needed():
    """A device that can never have a position is a mistake."""
    text = minimal(('[[receiver]]\nkind = "gpsd"\n', ""))
    assert problem(text).key == "receiver"
    read = config.parse(text + '[site]\npredefined_location = "STORE-001"\n')
    assert (read.receivers, read.site) == ((), config.Site(predefined_location="STORE-001"))


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("", "latitude"),
        ("latitude = 1.0", "longitude"),
        ("latitude = 0.0\nlongitude = 0.0", "latitude"),
        ("latitude = 91\nlongitude = 1", "latitude"),
        ("latitude = 1\nlongitude = nan", "longitude"),
    ],
)
def test_site_must_be_a_place(written: str, key: str):
    """Whole, in range, and not 0/0."""
    assert problem(minimal(more=f"[site]\n{written}\n")).key == f"site.{key}"


def test_receivers_are_read_by_kind_and_named():
    """Each kind has its own keys; names are the kind, counted, unless given."""
    text = minimal(
        more='[[receiver]]\nkind = "serial"\npath = "/dev/ttyUSB0"\nbaud = 115200\n'
        '[[receiver]]\nkind = "gpsd"\nname = "roof"\nport = 2948\n[[receiver]]\nkind = "gpsd"\n'
        '[[receiver]]\nkind = "replay"\npath = "/x.nmea"\nspeed = 10\nloop = true\n'
    )
    read = config.parse(text).receivers
    assert [(each.kind, each.name) for each in read] == [
        ("gpsd", "gpsd"),
        ("serial", "serial"),
        ("gpsd", "roof"),
        ("gpsd", "gpsd#2"),
        ("replay", "replay"),
    ]
    assert read[1].options() == {"path": "/dev/ttyUSB0", "baud": 115200}
    assert read[4].options() == {"path": "/x.nmea", "speed": 10.0, "loop": True}


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ('kind = "usb"', "receiver[2].kind"),
        ("kind = []", "receiver[2].kind"),
        ('path = "/dev/ttyUSB0"', "receiver[2].kind"),
        ('kind = "serial"\nbaud = 9601', "receiver[2].baud"),
        ('kind = "serial"\nhost = "h"', "receiver[2].host"),
        ('kind = "replay"', "receiver[2].path"),
        ('kind = "replay"\npath = "/x"\nspeed = 0', "receiver[2].speed"),
        ('kind = "gpsd"\nhost = "a b"', "receiver[2].host"),
    ],
)
def test_wrong_receiver_is_refused(written: str, key: str):
    """An unknown kind, a key of another kind, a speed that no receiver has."""
    assert problem(minimal(more=f"[[receiver]]\n{written}\n")).key == key


def test_names_must_differ():
    """Two buttons or receivers of one name could not be told apart."""
    button = '[[button]]\nname = "panic"\nline = {}\n'
    assert problem(minimal(more=button.format(4) + button.format(5))).key == "button[2].name"
    receiver = '[[receiver]]\nkind = "gpsd"\nname = "roof"\n'
    assert problem(minimal(more=receiver * 2)).key == "receiver[3].name"


def test_a_gpio_line_does_one_thing():
    """A line used twice is told with who has it; the same number on another chip is fine."""
    buttons = '[[button]]\nname = "a"\nline = 4\n[[button]]\nname = "b"\nline = {}\nchip = "/dev/gpiochip{}"\n'
    found = problem(minimal(more=buttons.format(4, 0)))
    assert (found.key, "button[1].line" in found.rule) == ("button[2].line", True)
    assert problem(minimal(more=buttons.format(27, 0) + "[indicator]\n")).key == "indicator.lamp_line"
    assert problem(minimal(more="[indicator]\nbuzzer_line = 27\n")).key == "indicator.buzzer_line"
    assert problem(minimal(more="[indicator]\narmed_line = 27\n")).key == "indicator.armed_line"
    config.parse(minimal(more=buttons.format(4, 1)))


def test_gesture_that_no_hand_can_make_is_refused():
    """A button that asks for it would call nobody, and look fine until the day."""
    button = "[[button]]\npresses = {}\nwithin_s = {}\n"
    found = problem(minimal(more=button.format(9, 1.5)))
    assert (found.key, "too short for 9 presses" in found.rule, "at least 1.6" in found.hint) == ("button[1].within_s", True, True)
    config.parse(minimal(more=button.format(9, 1.6)))
    config.parse(minimal(more=button.format(1, 0.2)))  # a hold has no use for it


@pytest.mark.parametrize("text", ["[panic_api", "a = 1\na = 2", "= 1", "a = " + "[" * 5000, "a = " + "9" * 5000, "a = 2026-99-99"])
def test_what_is_no_toml_is_one_problem(text: str):
    """Also where the parser itself gives up."""
    found = problem(text)
    assert (found.key, "TOML" in found.rule) == ("there/config.toml", True)


@pytest.mark.parametrize(
    "text", ["panic_api = 1", "receiver = 3", "receiver = [1]", "[receiver]\nkind = 'gpsd'", "[[store]]", "button = 'x'"]
)
def test_table_of_another_shape_is_told(text: str):
    """[x] and [[x]] are not the same."""
    name = text.strip("[").split("]")[0].split(" ")[0]
    assert any(each.key == name and "[" in each.rule for each in problems(text))


def test_file_that_is_not_there(tmp_path: Path):
    """A missing file is told with what to do."""
    with pytest.raises(ConfigError, match="does not exist") as caught:
        config.load(tmp_path / "none.toml")
    assert "--config" in caught.value.errors[0].hint


@pytest.mark.parametrize(("content", "rule"), [(b"\xff\xfe", "UTF-8"), (b"#" * (2 << 20), "larger")])
def test_file_that_is_something_else(tmp_path: Path, content: bytes, rule: str):
    """Neither another encoding nor a huge file ends in a traceback."""
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=rule):
        config.load(tmp_path / "c.toml")


def test_directory_is_no_config(tmp_path: Path):
    """Nor does a directory."""
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)


def test_windows_editor_is_forgiven(tmp_path: Path):
    """A byte order mark and CRLF are no reason to leave anyone without a panic button."""
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert config.load(tmp_path / "c.toml").panic_api.customer_id == 4711


def test_secret_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Absolute as it stands; else what systemd handed over, unless that is the unit's blank; else beside the config."""
    there, credentials = tmp_path / "etc", tmp_path / "credentials"
    there.mkdir()
    credentials.mkdir()
    read = config.parse(MINIMAL, there / "config.toml")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert read.secret_path("key") == there / "key"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert read.secret_path("key") == there / "key"
    (there / "credentials").mkdir()
    (there / "credentials" / "key").touch()
    assert read.secret_path("key") == there / "credentials" / "key"
    (credentials / "key").write_text(" ")
    assert read.secret_path("key") == there / "credentials" / "key"
    (credentials / "key").write_text("secret")
    assert read.secret_path("key") == credentials / "key"
    assert read.secret_path("/elsewhere/key") == Path("/elsewhere/key")


def test_broken_file_falls_back_to_the_last_good_copy(tmp_path: Path):
    """A typo must not silence a panic button; it is told all the same, and names stay relative to the real file."""
    path, copy = tmp_path / "etc.toml", tmp_path / "state" / "good.toml"
    copy.parent.mkdir()
    path.write_text(MINIMAL)
    good, none = config.load_or_last_good(path, copy)
    assert none == ()
    assert config.keep_good_copy(good, copy)
    path.write_text(MINIMAL.replace("4711", "'x'"))
    kept, told = config.load_or_last_good(path, copy)
    assert kept == good
    assert [each.key for each in told] == ["panic_api.customer_id"]
    assert kept.secret_path("key") == tmp_path / "key"
    path.unlink()
    assert config.load_or_last_good(path, copy)[0] == good


@pytest.mark.timeout(20)
def test_pipe_in_the_place_of_the_file_keeps_nobody_waiting(tmp_path: Path):
    """Neither the daemon, whose button would not be felt, nor whoever raises without it."""
    path, copy = tmp_path / "etc.toml", tmp_path / "good.toml"
    copy.write_text(MINIMAL)
    os.mkfifo(path)
    kept, told = config.load_or_last_good(path, copy)
    assert (kept.panic_api.customer_id, [each.rule for each in told]) == (4711, ["is a pipe, and no file"])
    assert talk.setting(path, "control", "socket", "/usual") == "/usual"


def test_both_broken_is_an_error_that_tells_both(tmp_path: Path):
    """Nothing to run with: the file's own problems first, then the copy's."""
    (tmp_path / "c.toml").write_text("[panic_api")
    with pytest.raises(ConfigError) as caught:
        config.load_or_last_good(tmp_path / "c.toml", tmp_path / "good.toml")
    assert [Path(each.key).name for each in caught.value.errors] == ["c.toml", "good.toml"]


def test_good_copy_is_private_and_written_once(tmp_path: Path):
    """Owner only, no partial files left, and the card is spared when nothing changed."""
    good, copy = config.parse(MINIMAL), tmp_path / "good.toml"
    assert config.keep_good_copy(good, copy)
    first = copy.stat()
    assert first.st_mode & 0o777 == 0o600
    assert config.keep_good_copy(good, copy)
    assert copy.stat().st_ino == first.st_ino
    assert config.keep_good_copy(config.parse(MINIMAL + "# more\n"), copy)
    assert copy.read_text().endswith("# more\n")
    assert [each.name for each in tmp_path.iterdir()] == ["good.toml"]


def test_good_copy_that_cannot_be_kept_is_no_exception(tmp_path: Path):
    """A full or missing disk does not keep the daemon from starting."""
    assert not config.keep_good_copy(config.parse(MINIMAL), tmp_path / "missing" / "good.toml")


values = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["CHANGE-ME", "https://panic.aura.services", "http://127.0.0.1:1/", "/x", "gpsd", "serial", "near", "low"]),
    st.lists(st.text(max_size=5), max_size=3),
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(each):08x}" for each in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Known tables and keys with any values, now and then none of them."""
    lines = []
    for name, form in {**config.ALWAYS, **config.IF_WRITTEN, "[receiver]": config.SerialReceiver, "[button]": config.Button}.items():
        if draw(st.booleans()):
            lines.append(f"[{name}]")
            keys = [*form.__dataclass_fields__, "odd"]
            lines += [f"{key} = {_toml(draw(values))}" for key in draw(st.lists(st.sampled_from(keys), unique=True, max_size=4))]
    return "\n".join(lines)


def _outcome(text: str) -> Config | tuple[Problem, ...]:
    try:
        return config.parse(text)
    except ConfigError as error:
        return error.errors


@given(st.one_of(st.text(), documents(), documents().map(lambda more: MINIMAL + more)))
def test_any_text_is_a_config_or_a_config_error(text: str):
    """Nothing that anyone writes into the file ends in a traceback, and every message is one printable line."""
    outcome = _outcome(text)
    assert outcome
    if not isinstance(outcome, Config):
        assert all(each.key and each.rule and str(each).isprintable() for each in outcome)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    """So it is with what is not even text."""
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        config.load(path)
