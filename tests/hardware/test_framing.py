"""Bytes become sentences whatever the line does to them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hardware.framing import LONGEST, Framer, checksum

BODY = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="$*"), min_size=1, max_size=80)
NOISE = st.binary(max_size=40).map(lambda raw: raw.replace(b"$", b""))


def sentence(body: str) -> bytes:
    return b"$" + body.encode() + b"*%02X" % checksum(body.encode())


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def fed(chunks: list[bytes]) -> tuple[list[bytes], int, int, int]:
    framer = Framer()
    found = [line for chunk in chunks for line in framer.feed(chunk)]
    return found, framer.good, framer.bad, framer.unchecked


@settings(deadline=None)  # a shared machine may stall
@given(st.lists(st.tuples(NOISE, BODY, st.sampled_from([b"\r\n", b"\n", b"", b"\r"]))), st.lists(st.integers(0, 10_000), max_size=30))
def test_every_sentence_between_noise_is_found_under_every_split(parts: list[tuple[bytes, str, bytes]], cuts: list[int]):
    """Garbage around sentences, missing line ends and any chunking lose no sentence and invent none."""
    data = b"".join(noise + sentence(body) + end for noise, body, end in parts)
    assert fed(split(data, cuts))[0] == [sentence(body) for _, body, _ in parts]


@settings(deadline=None)  # a shared machine may stall
@given(st.binary(max_size=400) | st.text(alphabet="$*A1,\r\n", max_size=300).map(str.encode), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_bytes_give_the_same_answer_under_every_split(data: bytes, cuts: list[int]):
    """Sentences and counts depend on the bytes, never on how they were chunked, down to single bytes."""
    whole = fed([data])
    assert fed(split(data, cuts)) == whole
    assert fed([data[at : at + 1] for at in range(len(data))]) == whole


@settings(deadline=None)  # a shared machine may stall
@given(BODY, st.integers(0, 1000), st.integers(1, 255))
def test_a_flipped_bit_is_never_passed(body: str, where: int, flip: int):
    """One damaged byte costs the sentence: what comes out is never the damaged text."""
    good = sentence(body)
    at = where % len(good)
    damaged = good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :]
    # A byte that turns into a mark of framing makes a shorter sentence, and of those one in 256 has a right sum by chance.
    assume(damaged[at] not in b"$*")
    found = fed([damaged + b"\r\n"])[0]
    # lower and upper case of a hexadecimal digit are the same checksum
    assert all(line.upper() == good.upper() and line[:-2] == good[:-2] for line in found)


def test_a_sentence_is_complete_with_its_checksum():
    """Nothing waits for a line end that may come a second later."""
    assert fed([sentence("GPGLL,1")])[0] == [sentence("GPGLL,1")]


def test_a_sentence_without_checksum_is_counted_and_not_passed():
    """No checksum, no sentence; the count lets `status` say why."""
    assert fed([b"$GPGLL,1,2,3\r\n"]) == ([], 0, 0, 1)


def test_a_sentence_that_never_ends_does_not_fill_the_memory():
    """A stuck sender costs at most LONGEST bytes, and the next sentence is found."""
    framer = Framer()
    framer.feed(b"$" + b"A" * 100_000)
    assert len(framer._rest) <= LONGEST + 1
    assert framer.bad == 1
    assert framer.feed(b"\r\n" + sentence("GPGLL,1")) == [sentence("GPGLL,1")]


def test_lower_case_checksums_are_right_too():
    """Some receivers write `*3f`."""
    line = sentence("GPGLL,5")
    line = line[:-2] + line[-2:].lower()
    assert fed([line])[0] == [line]


def test_sentence_of_nothing_is_no_sentence():
    """Its checksum is right, and a damaged line can look like it."""
    assert fed([b"$*00\r\n"])[0] == []
