"""Studies on the command line: they run, survive being killed, skip what is done, and report failures."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.lab.lab import Lab
from revconsole.records import host

SECONDS = 300.0


@pytest.fixture(autouse=True)
def tiny(tiny_study):
    return tiny_study


def test_the_list_has_the_shipped_studies_and_those_of_the_working_folder(run):
    names = {entry["name"] for entry in json.loads(run("study", "list", "--json").out)}

    assert {"tiny", "reversible-comparison", "mnist-patch"} <= names


def test_a_dry_run_says_how_many_runs_and_how_long_and_starts_nothing(run):
    said = run("study", "run", "tiny", "--dry-run")

    assert said.code == 0, said.err
    assert "tiny: 0 of 4 runs done, 4 to do" in said.err
    assert "time: about" in said.err
    assert "4 runs from a few steps measured" in said.err
    assert len(said.out.splitlines()) == 5
    assert not Path("runs").exists()


def test_a_study_runs_to_its_end_and_is_not_run_twice(run):
    first = run("study", "run", "tiny")
    assert first.code == 0, first.err
    again = run("study", "run", "tiny")

    assert "-- 3 of 4 runs; left: " in first.err
    assert "known" not in first.err, "what was measured before the first run is remembered"
    assert "revconsole report tiny" in first.err
    assert again.code == 0
    assert "4 of 4 runs done" in again.err
    assert "epoch" not in again.err, "nothing was trained again"
    assert len(list(Path("runs").glob("*/plan.json"))) == 4


def test_the_quick_form_and_changed_settings_are_runs_of_their_own(run):
    assert run("study", "run", "tiny", "--quick", "train.epochs=1").code == 0
    shown = json.loads(run("study", "show", "tiny", "--quick", "train.epochs=1", "--json").out)

    assert [(r["arm"], r["seed"], r["progress"]) for r in shown["runs"]] == [
        ("plain", 0, "done"),
        ("two streams", 0, "done"),
    ]
    assert shown["quick"] is True
    listed = json.loads(run("ls", "--json").out)
    assert {(r["study"], r["arm"], r["quick"]) for r in listed} == {
        ("tiny", "plain", True),
        ("tiny", "two streams", True),
    }
    full = run("study", "show", "tiny")
    # The full form has one epoch as well, so its first seed is done by the same digest.
    assert "2 of 4 runs done, 2 to do" in full.err
    assert "title: two ways, in seconds" in full.err


def test_a_run_that_fails_holds_up_no_other_and_the_exit_code_says_so(run):
    said = run(
        "study", "run", "tiny", "seeds=[0]", "data.fingerprint=000000000000", "train.batch=5000"
    )

    assert said.code == 1
    assert said.err.count("note: the batch of 5,000") == 1, "what is odd is said before the launch"
    assert "2 of 2 runs did not finish" in said.err
    states = {summary.state for summary in Lab(Path("runs")).store.list()}
    assert states == {"failed"}


def test_one_failure_among_others_is_counted(run, tiny):
    text = tiny.read_text(encoding="utf-8").replace(
        '"additive"', '"additive"\ndata.fingerprint = "000000000000"'
    )
    tiny.write_text(text, encoding="utf-8")

    said = run("study", "run", "tiny", "seeds=[0]")

    assert said.code == 1
    assert "1 of 2 runs did not finish" in said.err
    assert sorted(s.state for s in Lab(Path("runs")).store.list()) == ["failed", "finished"]


@pytest.fixture
def _four_cores(monkeypatch):
    monkeypatch.setattr(host, "cores", lambda: 4)


@pytest.mark.usefixtures("_four_cores")
def test_a_study_trains_two_at_once_and_says_where_and_how_long(run):
    dry = run("study", "run", "tiny", "seeds=[0, 1]", "--devices", "cpu:2", "--dry-run")
    assert "2 at once, each as fast as alone" in dry.err
    assert not Path("runs").exists()

    said = run("study", "run", "tiny", "seeds=[0, 1]", "--devices", "cpu:2")

    assert said.code == 0, said.err
    assert "2 runs at once, 2 on cpu; Ctrl-C stops with a checkpoint" in said.err
    assert said.err.count("  trains on cpu\n") == 4
    assert "tiny-plain-s0  epoch 1/1" in said.err
    assert re.search("-- [123] of 4 runs; left: ", said.err), (
        "two of them begin when two have ended"
    )
    assert {s.state for s in Lab(Path("runs")).store.list()} == {"finished"}
    again = run("study", "run", "tiny", "seeds=[0, 1]", "--devices", "cpu:2")
    assert again.code == 0, again.err
    assert "4 of 4 runs done" in again.err
    detached = run("study", "run", "tiny", "seeds=[0, 1]", "--devices", "cpu:2", "--detach")
    assert (detached.out, "in the background" in detached.err) == ("", False)


@pytest.mark.usefixtures("_four_cores")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--devices", "cuda:9"], "--devices: there is no cuda:9 on this machine"),
        (["--devices", "cpu:2", "train.device=cpu"], "train.device: does not go with --devices"),
        (["--per-device", "9"], "--per-device: 9 runs at once on a device only take turns"),
        (["--devices", "cpu:2", "--per-device", "2"], "--per-device: is for cards"),
        (["--devices", "cpu:2", "train.precision=tf32"], "tf32 is arithmetic of NVIDIA GPUs"),
        (["--devices", "cpu:2", "train.gpus=2"], "train.gpus: 2 does not go with --devices"),
    ],
)
def test_devices_that_are_not_there_are_one_sentence_and_start_nothing(run, words, said):
    refused = run("study", "run", "tiny", *words)

    assert refused.code in {2, 4}
    assert said in refused.err
    assert refused.err.splitlines()[-1].startswith("revconsole: ")
    assert refused.err.count("revconsole: ") == 1
    assert not Path("runs").exists()


KILLED = """
import os, signal, sys
from revconsole.cli.app import main
from revconsole.records.logs.events import EpochFinished
from revconsole.records.runs.attempt import Attempt

emit = Attempt.emit

def emit_and_die(attempt, event):
    emit(attempt, event)
    if isinstance(event, EpochFinished) and event.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Attempt.emit = emit_and_die
main()
"""


def test_a_study_that_was_killed_goes_on_where_it_was(run):
    words = ["study", "run", "tiny", "seeds=[0]", "train.epochs=3"]
    command = [sys.executable, "-X", "preloaded", "-c", KILLED, *words]
    child = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
    lab = Lab(Path("runs"))
    assert child.returncode == -signal.SIGKILL
    assert {(s.state, s.epoch) for s in lab.store.list()} == {("lost", 2), ("lost", 0)}

    said = run("study", "resume", "tiny")

    assert said.code == 0, said.err
    assert "0 of 2 runs done, 2 interrupted" in said.err
    rows = lab.store.list()
    assert [s.state for s in rows] == ["finished"] * 2
    assert sorted(s.attempt for s in rows) == [1, 2], "the one that trained goes on"


def test_nothing_to_resume_is_said(run):
    said = run("study", "resume", "tiny")

    assert said.code == 2
    assert (
        "no run of this study has been launched; `revconsole study run` launches them" in said.err
    )


def test_an_unknown_study_is_a_sentence(run):
    said = run("study", "show", "tinny")

    assert said.code == 2
    assert said.err == "revconsole: there is no study 'tinny'; did you mean 'tiny'?\n"
