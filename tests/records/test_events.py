"""Event lines: what is written is what is read, and damage is noticed."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revconsole.records.logs.events import (
    Advised,
    DamagedLine,
    Finished,
    Logged,
    LoggedEvent,
    Measured,
    Started,
    decode,
    encode,
)

numbers = st.floats(allow_nan=True, allow_infinity=True)
events = st.one_of(
    st.builds(
        Measured,
        step=st.integers(0, 10**9),
        epoch=st.integers(0, 10**6),
        values=st.dictionaries(st.text(max_size=20), numbers, max_size=5),
    ),
    st.builds(Logged, text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200)),
    st.builds(
        Started, facts=st.dictionaries(st.text(max_size=9), st.none() | st.integers() | st.text())
    ),
    st.builds(Advised, level=st.just("warning"), text=st.text(max_size=50)),
)


def same(a: object, b: object) -> bool:
    return repr(a) == repr(b)


@given(events, st.integers(1, 10**9), st.floats(0, 1e10))
def test_an_event_survives_its_line(event, seq, time):
    record = LoggedEvent(seq=seq, time=round(time, 6), elapsed=0.5, event=event)

    line = encode(record)

    assert same(decode(line), record)
    assert line.count(b"\n") == 1


@given(events, st.data())
def test_any_changed_byte_is_noticed(event, data):
    line = encode(LoggedEvent(seq=1, time=0.0, elapsed=0.5, event=event))
    index = data.draw(st.integers(0, len(line) - 2))
    flipped = bytes([line[index] ^ (1 << data.draw(st.integers(0, 7)))])

    with pytest.raises(DamagedLine):
        decode(line[:index] + flipped + line[index + 1 :])


@given(events, st.data())
def test_a_cut_line_is_noticed(event, data):
    line = encode(LoggedEvent(seq=1, time=0.0, elapsed=0.5, event=event))

    with pytest.raises(DamagedLine):
        decode(line[: data.draw(st.integers(0, len(line) - 2))])


def test_numbers_that_are_not_finite_stay_json_and_come_back():
    values = {"a": math.nan, "b": math.inf, "c": -math.inf}

    line = encode(
        LoggedEvent(
            seq=1, time=0.0, elapsed=0.5, event=Finished(outcome="completed", step=1, values=values)
        )
    )

    assert json.loads(line)["values"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity"}
    restored = decode(line).event.values
    assert math.isnan(restored["a"])
    assert restored["b"] == math.inf
    assert restored["c"] == -math.inf


def test_a_number_keeps_every_bit():
    value = 0.1 + 0.2

    line = encode(
        LoggedEvent(
            seq=1, time=0.0, elapsed=0.5, event=Measured(step=1, epoch=1, values={"loss": value})
        )
    )

    assert decode(line).event.values["loss"] == value
