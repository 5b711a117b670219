"""Hostile names and facts reach no terminal: whatever verb shows them, in text or as JSON."""

import io
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from revconsole.cli.app import main
from revconsole.records.logs.events import (
    Advised,
    Confused,
    Finished,
    Logged,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.printable import HIDDEN_CATEGORIES
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202eevil\ud800\x00\r\x7f\u2028"
VERBS = [
    ("ls",), ("ls", "--json"), ("show", "@1"), ("show", "@1", "--json"),
    ("show", "@1", "--confusion"), ("compare", "@1", "@2"), ("compare", "@1", "@2", "--json"),
    ("watch", "@1"), ("show", HOSTILE), ("stop", "@1"), ("resume", "@1"),
    ("show", "@1", "--metric", HOSTILE), ("report", "@1", "@2"),
]  # fmt: skip


@pytest.fixture
def hostile_store() -> RunStore:
    """Two finished runs in ./runs, with everything hostile that a run can hold."""
    store = RunStore(Path("runs"))
    name = HOSTILE.replace("\ud800", "")
    for number in range(2):
        plan = Plan.model_validate({"name": f"{name}{number}", "profile": name})
        run_id = store.create(plan, {})
        attempt = store.claim(run_id, 1)
        attempt.emit(Started(facts={"device": HOSTILE, HOSTILE: HOSTILE, "steps": 1}))
        attempt.emit(
            MetricDeclared(name=HOSTILE, unit=HOSTILE, per="step", direction="up", meaning=HOSTILE)
        )
        attempt.emit(Measured(step=1, epoch=1, values={"loss": 1.0, HOSTILE: 2.0}))
        attempt.emit(Logged(text=HOSTILE))
        attempt.emit(Advised(level="alarm", text=HOSTILE))
        attempt.emit(Advised(level="alarm", text=HOSTILE, rule=HOSTILE))
        attempt.emit(Confused(step=1, names=(HOSTILE, f"b{HOSTILE}"), counts=((1, 0), (1, 1))))
        values = {"test_accuracy": 0.5}
        attempt.emit(Finished(outcome="completed", step=1, values=values, by=HOSTILE))
        attempt.close()
    return store


def obeyed(text: str) -> set[str]:
    return {c for c in text if c not in "\n\t" and unicodedata.category(c) in HIDDEN_CATEGORIES}


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_prints_what_a_terminal_obeys(hostile_store, run, words):
    said = run(*words)

    assert obeyed(said.out) == set()
    assert obeyed(said.err) == set()
    assert "Traceback" not in said.err
    if "--json" in words:
        assert json.loads(said.out)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_characters_gets_others_and_no_traceback(
    hostile_store, encoding, monkeypatch
):
    for words in (("ls",), ("show", "@1"), ("profiles",), ("nonsense–verb",)):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["revconsole", *words])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as end:
                main()
        assert (end.value.code or 0) == (2 if words[0] == "nonsense–verb" else 0)
        err.flush()
        assert out.buffer.getvalue() or err.buffer.getvalue()


def test_so_does_a_process_of_that_encoding(hostile_store):
    ended = subprocess.run(
        [sys.executable, "-m", "revconsole", "show", "@1"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == 0
