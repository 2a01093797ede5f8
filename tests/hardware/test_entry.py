"""The entry of a code: any keys at any times against a plain model, and the borders by hand."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model import SafeCode
from hardware.entry import LONGEST, PAUSE_S, Entry, Key

DIGITS = [key for key in Key if key.value.isdigit()]
MISSED = "missed"
GAPS = st.sampled_from([0.0, 0.2, PAUSE_S - 0.01, PAUSE_S, 60.0])


def typed(entry: Entry, text: str, at: float = 0.0) -> list[str]:
    """Type digits, `E` for enter, `C` for clear, `x` for any other key; return the codes that were handed over."""
    words = {"E": Key.ENTER, "C": Key.CLEAR, "x": Key.OTHER}
    handed = [entry.take(words.get(each) or Key(each), at) for each in text]
    return [code.typed() for code in handed if code is not None]


def expected(steps: list[tuple[Key | str, float]]) -> list[str]:
    """What should be handed over, said as plainly as possible. Each step: a key, and the seconds since the step before."""
    codes: list[str] = []
    held: str | None = ""  # None: void
    quiet_s = 0.0  # since the last digit or loss
    for step, gap_s in steps:
        quiet_s += gap_s
        if quiet_s >= PAUSE_S:
            held = ""
        if step == MISSED:
            held, quiet_s = None, 0.0
        elif step in DIGITS:
            held, quiet_s = (None if held is None or len(held) >= LONGEST else held + str(step)), 0.0
        elif step == Key.ENTER:
            codes += [held] if held else []
            held = ""
        elif step == Key.CLEAR:
            held = ""
    return codes


@given(st.lists(st.tuples(st.sampled_from([*Key, *DIGITS, MISSED]), GAPS), max_size=60))
def test_any_keys_at_any_times_hand_over_what_the_plain_model_does(steps: list[tuple[Key | str, float]]):
    """Codes, their order, their leading zeros, what is void and what was forgotten."""
    entry, at, handed = Entry(), 1000.0, []
    for step, gap_s in steps:
        at += gap_s
        if isinstance(step, Key):
            code = entry.take(step, at)
            handed += [] if code is None else [code.typed()]
        else:
            entry.missed(at)
    assert handed == expected(steps)


@given(st.text("0123456789", min_size=1, max_size=LONGEST), st.lists(st.sampled_from([Key.OTHER]), max_size=3))
def test_a_code_is_handed_over_as_typed(digits: str, others: list[Key]):
    """Whatever the digits, however many leading zeros; keys that mean nothing do nothing, wherever they are pressed."""
    entry = Entry()
    for digit in digits:
        assert entry.take(Key(digit), 0.0) is None
        assert all(entry.take(key, 0.0) is None for key in others)
    code = entry.take(Key.ENTER, 0.0)
    assert code is not None
    assert code.typed() == digits
    assert entry.take(Key.ENTER, 0.0) is None


@pytest.mark.parametrize(
    ("keys", "codes"),
    [
        ("0042E", ["0042"]),
        ("0E", ["0"]),
        ("EEE", []),
        ("CE", []),
        ("12C34E", ["34"]),
        ("1x2xE", ["12"]),
        ("1" * 16 + "E", ["1" * 16]),
        ("1" * 17 + "E", []),
        ("1" * 17 + "E" + "0042E", ["0042"]),
        ("1" * 17 + "C" + "0042E", ["0042"]),
        ("1" * 17 + "22" + "E", []),
        ("12E34E", ["12", "34"]),
    ],
)
def test_by_hand(keys: str, codes: list[str]):
    """The borders: nothing, one digit, sixteen, seventeen, what follows a void entry."""
    assert typed(Entry(), keys) == codes


def test_a_pause_begins_anew():
    """Ten seconds after a digit it is forgotten; a little less, and it counts."""
    entry = Entry()
    assert typed(entry, "12", 0.0) + typed(entry, "34E", PAUSE_S - 0.001) == ["1234"]
    assert typed(entry, "12", 20.0) + typed(entry, "34E", 20.0 + PAUSE_S) == ["34"]
    assert typed(entry, "12", 50.0) + typed(entry, "E", 50.0 + PAUSE_S) == []


def test_each_digit_gives_another_ten_seconds_and_other_keys_give_none():
    """A slow finger is served; a key that means nothing does not keep a half-typed code alive."""
    slow = Entry()
    codes = [code for second in range(0, 60, 9) for code in typed(slow, "1", float(second))] + typed(slow, "E", 60.0)
    assert codes == ["1111111"]
    idle = Entry()
    assert typed(idle, "1", 0.0) + typed(idle, "x", 9.0) + typed(idle, "E", 10.0) == []


def test_what_follows_missed_keys_is_void_until_a_new_beginning():
    """A code with a missing digit would be a call for help under duress; enter, clear and a pause begin anew."""
    for beginning, at in (("E", 1.0), ("C", 1.0), ("", 0.5 + PAUSE_S)):
        entry = Entry()
        assert typed(entry, "12", 0.0) == []
        entry.missed(0.5)
        assert typed(entry, beginning, at) == []
        assert typed(entry, "0042E", at) == ["0042"]
    rest = Entry()
    rest.missed(0.0)
    assert typed(rest, "42E", 1.0) == []


def test_it_says_how_long_it_keeps_a_half_typed_code_and_forgets_it_then():
    """`ends_at` is there only while digits are kept, also after a void entry."""
    entry = Entry()
    assert entry.ends_at is None
    typed(entry, "12", 5.0)
    assert entry.ends_at == 5.0 + PAUSE_S
    entry.look(5.0 + PAUSE_S)
    assert entry.ends_at is None
    typed(entry, "1" * 17, 50.0)
    assert entry.ends_at is None


def test_what_was_typed_is_overwritten():
    """The buffer's own memory holds zeros afterwards, not only a length of nothing."""
    entry = Entry()
    seen: list[bytes] = []

    class Witness(bytearray):
        """A buffer that shows what it holds at the moment when it is emptied."""

        def clear(self) -> None:
            seen.append(bytes(self))
            super().clear()

    entry._typed = Witness()
    typed(entry, "0042E", 0.0)
    typed(entry, "77C", 0.0)
    assert [each.strip(b"\0") for each in seen] == [b"", b""]
    assert [len(each) for each in seen] == [4, 2]


def test_nothing_shows_a_half_typed_code():
    """No repr, no format, no pickle, no copy that could be kept, no traceback."""
    entry = Entry()
    typed(entry, "773311", 0.0)
    assert "773311" not in f"{entry!r} {entry} {[entry]}"
    for keep in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as caught:
            keep(entry)
        assert "773311" not in "".join(traceback.format_exception(caught.value))


def test_the_room_of_codes_and_the_entry_agree_on_the_longest():
    """The longest entry is a code, one more would not be."""
    assert SafeCode("1" * LONGEST).typed() == "1" * LONGEST
    with pytest.raises(ValueError, match="16"):
        SafeCode("1" * (LONGEST + 1))
