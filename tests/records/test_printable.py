"""What came from outside is text, in tables, headers and JSON: a terminal obeys none of it."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from revconsole.records.printable import HIDDEN_CATEGORIES, json_text, one_line, printable

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202eevil\u2066\x00\r\x7f\u2028\ue000"


def obeyed(text: str) -> set[str]:
    """Characters that a terminal might obey, or that move what is read."""
    return {c for c in text if c not in "\n\t" and unicodedata.category(c) in HIDDEN_CATEGORIES}


def test_json_shows_nothing_that_a_terminal_obeys_and_reads_back_alike():
    body = [{"name": HOSTILE, HOSTILE: ["ü", "東", "🙂", "a\nb\tc"]}]

    text = json_text(body)

    assert obeyed(text) == set()
    assert json.loads(text) == body
    assert "ü" in text
    assert "東" in text


def test_json_with_a_lone_surrogate_can_be_encoded_and_read_by_anybody():
    text = json_text({"a": "x\ud800y", "b": "\udcff"})

    assert json.loads(text.encode("utf-8")) == {"a": "x\ufffdy", "b": "\ufffd"}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_in_json_is_harmless_and_reads_back_alike(text):
    shown = json_text({text: [text]})
    assert obeyed(shown) == set()
    assert json.loads(shown) == {text: [text]}


@given(st.text(st.characters()))
def test_any_text_that_is_shown_is_harmless(text):
    assert obeyed(printable(text)) == set()
    assert obeyed(one_line(text)) == set()
    printable(text).encode("utf-8")
