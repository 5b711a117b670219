"""What is printed where there is no Unicode: other characters, in columns that are still straight."""

import ast
import io
import json
import sys
from pathlib import Path

import pytest

import revconsole
from revconsole.cli import encoding, output
from revconsole.lab.curves.cells import BLOCKS

DRAWN = {*BLOCKS, *map(chr, range(0x2800, 0x2900))}
"""Pictures, which have an ASCII form of their own."""


def stream(of: str, environment=None, *, terminal=False) -> io.TextIOWrapper:
    raw = io.BytesIO()
    made = io.TextIOWrapper(raw, encoding=of, newline="")
    made.isatty = lambda: terminal
    encoding.settle(made, environment or {})
    return made


def written(made: io.TextIOWrapper) -> str:
    made.flush()
    return made.buffer.getvalue().decode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("85.42 ± 4.12 %", "85.42 +/- 4.12 %"),
        ("≥ 1, ×1.20, –", ">= 1, x1.20, -"),
        ("long…name", "long...name"),
        ("2⁻ˡ ẍ Müller", "2-l x Muller"),
        ("模型", "??"),
    ],
)
def test_what_ascii_lacks_is_written_by_what_is_like_it(text, shown):
    made = stream("ascii")
    made.write(text)
    assert written(made) == shown == encoding.as_printed(text, made) == encoding.plain(text)


def test_a_stream_that_takes_the_text_gets_it_as_it_is():
    for of, text in (("utf-8", "± ≥ … 模型 é"), ("latin-1", "± × é")):
        made = stream(of)
        assert encoding.takes(text, made)
    assert encoding.as_printed("85 ± 4 – é", stream("latin-1")) == "85 ± 4 - é"


def test_the_linux_console_gets_signs_in_ascii_and_letters_as_they_are():
    console = stream("utf-8", {"TERM": "linux"}, terminal=True)
    console.write("×1.2 ▇▅ Müller")
    assert written(console) == "x1.2 ## Müller"
    pipe = stream("utf-8", {"TERM": "linux"})
    pipe.write("×1.2")
    assert written(pipe) == "×1.2"


def test_every_sign_in_the_texts_of_the_program_has_a_likeness():
    """One is found in a module as part of a text; letters of names are the users' own."""
    found = set()
    for path in Path(revconsole.__file__).parent.rglob("*.py"):
        if {"data", "models", "training", "reversible"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {
                    c for c in node.value if c.isprintable() and not (c.isascii() or c.isalpha())
                }
    assert len(found) > 50
    assert sorted(c for c in found - DRAWN if "?" in encoding.plain(c)) == ["�"]


def test_columns_are_straight_and_json_has_escapes_where_there_is_no_unicode(monkeypatch):
    made = stream("ascii")
    monkeypatch.setattr(sys, "stdout", made)
    output.print_table(["name", "mean", "n"], [["a…b", "1 ± 2", "3"], ["c", "4", "5"]], plain=True)
    output.print_json({"name": "a…b ±"})

    *table, body = written(made).split("\n", 3)
    assert table == ["name   mean     n", "a...b  1 +/- 2  3", "c      4        5"]
    assert json.loads(body) == {"name": "a…b ±"}
