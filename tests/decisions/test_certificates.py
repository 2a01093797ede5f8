"""How long a certificate lasts, read from its bytes; whatever else the bytes are, nothing is claimed."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from agent.certificates import Validity, of_der, of_pem

DAY_S = 86_400.0
NOW = datetime.now(UTC).replace(microsecond=0)


def pem(ends: datetime) -> str:
    return trustme.CA().issue_cert("dispatch.test", not_after=ends).cert_chain_pems[0].bytes().decode()


@pytest.mark.parametrize("ends", [NOW + timedelta(days=3), datetime(2049, 12, 31, tzinfo=UTC), datetime(2071, 1, 1, tzinfo=UTC)])
def test_end_is_read_in_both_forms_of_time(ends: datetime):
    """Until 2049 with two digits of the year, then with four; and the whole chain may follow in the file."""
    text = pem(ends)
    read = of_pem("words before\n" + text + pem(NOW))
    assert read is not None
    assert read.ends_wall == ends.timestamp()
    assert read.begins_wall < NOW.timestamp()
    assert of_der(ssl.PEM_cert_to_DER_cert(text)) == read


def test_two_weeks_are_soon_and_so_is_a_third_of_a_short_life():
    now = 1.8e9
    long = Validity(now - 60 * DAY_S, now + 15 * DAY_S)
    assert not long.ends_soon(now)
    assert long.ends_soon(now + 2 * DAY_S)
    weekly = Validity(now, now + 6 * DAY_S)
    assert not weekly.ends_soon(now + 1 * DAY_S), "one that is renewed every few days is not always about to end"
    assert weekly.ends_soon(now + 5 * DAY_S)


@given(st.binary(max_size=300))
def test_what_is_no_certificate_has_no_end(der: bytes):
    assert of_der(der) is None


@given(st.text(max_size=200))
def test_what_is_no_file_of_certificates_has_none(text: str):
    assert of_pem(text) is None
    assert of_pem(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----") is None


WHOLE = ssl.PEM_cert_to_DER_cert(pem(NOW + timedelta(days=3)))


@given(place=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), end=st.integers(0, len(WHOLE)))
def test_damaged_one_raises_nothing(place: int, value: int, end: int):
    """A byte is another one, or the rest is missing."""
    read = of_der((WHOLE[:place] + bytes((value,)) + WHOLE[place + 1 :])[:end])
    assert read is None or isinstance(read.ends_wall, float)
