"""What may leave the device in a text: no secret, no place, nobody's number; and what a supporter needs stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.redaction import PLACE, SECRET, Withheld, clean, numbers, where

FENCE = "-----{} EC PRIVATE" + " KEY-----"  # in two pieces: no committed file holds what looks like a key
PLANTED = [
    ("https://unit:hunter2@dispatch.example/panic-api/v2", "hunter2"),
    ("GET https://maps.example/x?key=abc&q=-33.9,18.4 200", "key=abc"),
    ("Authorization: Bearer abcdef0123", "abcdef0123"),
    ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmF0dXJl refused", "eyJhbGci"),
    ('{"token": "t0psecret"}', "t0psecret"),
    ("device_key=k3yk3y", "k3yk3y"),
    ("password=correct", "correct"),
    ("the safe code 0042 was typed", "0042"),
    ('{"safeCode":"ab12"}', "ab12"),
    ("code: 98765", "98765"),
    (f"{FENCE.format('BEGIN')}\nMHcCAQ\n{FENCE.format('END')}", "MHcCAQ"),
    ("key a94f5374fce5edbc8e2a8697c15331677e6ebf0b", "a94f5374"),
    ("at -33.92490, 18.42410", "33.92"),
    ("at -33.92/18.42 now", "33.92"),
    ("at -33.92490,18.42410.", "18.42"),
    ('{"latitude": -33.9, "longitude": 18}', "33.9"),
    ('{"latitude": -33.9, "longitude": 18}', ": 18"),
    ("lat=-33 lon=18", "=18"),
    ("$GPRMC,120000.00,A,3355.49400,S,01825.44600,E,0.0,0.0,010124,,,A*70", "3355"),
    ("3355.49400,S and so on", "3355"),
    ("33°55'29.6\"S 18°25'26.8\"E", "55'29"),
    ("33.9249° S", "33.9"),
    ("geo:-33.9,18.4", "33.9"),
    ("18.4241", "18.42"),
    ("GET /customers/4711/callouts", "4711"),
    ("customer 4711 is unknown", "4711"),
    ('{"customerId": 4711}', "4711"),
    ("SMS to +27 82 000 0042 failed", "0042"),
    ("mail to ann.wearer@example.com", "ann"),
]


@pytest.mark.parametrize(("text", "gone"), PLANTED)
def test_what_may_not_leave_is_gone(text: str, gone: str):
    """In each of the forms that logs, programs and documents have it."""
    assert gone in text
    assert gone not in clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26T04:22:14.123456Z callout-agent[412]: armed",
        "certifi 2026.10.18, httpx 0.28.1, Python 3.11.2, kernel 6.12.34+rpt-rpi-v8",
        "fail    token: no answer in time (waiting for the reply)",
        '{"code": "token.none", "severity": "critical", "since": "2026-11-26T04:22:14Z"}',
        "no token to raise with: token service: HTTP 404 to token",
        "WatchdogUSec=20000000 ExecMainStatus=1 ExecMainCode=1 NRestarts=3",
        "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10KX8Z1-if00-port0",
        "dispatch answers 503 to locate; tried again in 12.5 s",
        "0.42 s old, within 6.0 m; 312 MiB of 29000 MiB are free",
        'token_url = "https://backend.example/..."',
        "192.168.1.17 and 127.0.0.1:2947",
    ],
)
def test_what_a_supporter_needs_stays(text: str):
    """Times, versions, codes, paths, sizes."""
    assert clean(text) == text


def test_known_values_are_gone_in_every_form():
    """As they stand, in JSON and in a URL; the longer one first, and none that is too short to mean anything."""
    known = ('pa"ss wörd/1', "pa", "pass")
    for form in ('pa"ss wörd/1', json.dumps('pa"ss wörd/1'), "pa%22ss%20w%C3%B6rd%2F1"):
        assert "rd" not in clean(f"<{form}>", known)
    assert clean("a part of a pattern", known) == "a part of a pattern"


@given(st.floats(-90, 90).filter(lambda each: abs(each) > 0.001), st.floats(-180, 180).filter(lambda each: abs(each) > 0.001))
def test_no_pair_of_coordinates_survives(latitude: float, longitude: float):
    """Wherever it is, with the decimals that software writes."""
    for digits in (2, 4, 5, 6):
        pair = f"{latitude:.{digits}f}, {longitude:.{digits}f}"
        assert clean(f"moved to {pair} now") == f"moved to {PLACE} now"


@given(st.floats(-180, 180))
def test_a_known_coordinate_has_all_its_forms(value: float):
    """Rounded and cut, without its sign."""
    assert f"{abs(value):.5f}" in numbers(value)
    assert all(not each.startswith("-") for each in numbers(value))


@given(st.text(max_size=200))
def test_cleaning_never_fails_and_is_done_once(text: str):
    """What was cleaned has nothing left to clean."""
    once = clean(text)
    assert clean(once) == once


def test_what_is_withheld_has_no_value_in_any_form():
    """Not in its repr, its format or its fields."""
    kept = Withheld("secret")
    assert {str(kept), f"{kept}", f"{kept!s:>20}".strip()} == {"(withheld:secret)"}
    assert repr(kept) == "Withheld(what='secret')"
    assert kept == SECRET


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://panic.aura.services/panic-api/v2", "https://panic.aura.services/..."),
        ("https://ann:pw@host:8443/t/unit-17?k=1", "https://host:8443/..."),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("CHANGE-ME", "(no URL)"),
        ("https://h:99999/x", "(no URL)"),
    ],
)
def test_of_a_url_only_the_host_is_told(url: str, shown: str):
    """No user, no path, no query."""
    assert where(url) == shown
