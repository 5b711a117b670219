"""A run that has diverged finishes, and everything that speaks of it says so."""

import json
from pathlib import Path

import pytest

DIVERGING = """
title = "a rate a thousand times too high"
[model]
patch = 4
dim = 16
depth = 1
heads = 2
[data]
train_limit = 500
test_limit = 50
[optimizer]
name = "sgd"
learning_rate = 100.0
[schedule]
name = "constant"
[train]
epochs = 3
batch = 16
threads = 1
clip = 1.0
audit = false
probe_epochs = 0
"""


@pytest.fixture
def diverging():
    Path("diverging.toml").write_text(DIVERGING, encoding="utf-8")


def test_a_diverged_run_is_an_alarm_in_every_view_and_in_the_exit_code(run, diverging):
    trained = run("train", "diverging.toml")

    assert trained.code == 1
    assert "alarm: the run has diverged" in trained.err
    assert trained.err.count("the run has diverged") == 1
    assert "finished, diverged" in trained.err

    (row,) = json.loads(run("ls", "--json").out)
    assert (row["state"], row["alarm"]) == ("finished", "diverged")
    assert row["alarm_text"].startswith("the run has diverged: the loss began at 2.")
    assert "finished, diverged" in run("ls").out
    shown = run("show", "@1").out
    assert "finished, diverged" in shown
    assert "a tenth of the learning rate (10)" in shown
    assert run("watch", "@1").code == 1


def test_a_healthy_run_has_no_alarm(run, diverging):
    trained = run("train", "diverging.toml", "optimizer.learning_rate=0.05")

    assert trained.code == 0
    assert "alarm" not in trained.err
    (row,) = json.loads(run("ls", "--json").out)
    assert (row["state"], row["alarm"], row["alarm_text"]) == ("finished", None, None)


STUDY = (
    DIVERGING
    + """
[[arm]]
name = "gentle"
optimizer.learning_rate = 0.05
[[arm]]
name = "wild"
"""
)


def test_a_study_tells_the_alarm_of_an_arm_now_and_later(run):
    text = STUDY.replace('title = "', 'seeds = [0]\n[study]\ntitle = "', 1)
    Path("wild.toml").write_text(text, encoding="utf-8")

    trained = run("study", "run", "wild.toml")
    assert trained.code == 1
    assert "1 of 2 runs did not finish or ended with an alarm" in trained.err

    shown = run("study", "show", "wild.toml")
    assert "2 of 2 runs done, 1 with an alarm" in shown.err
    (wild,) = [line for line in shown.out.splitlines() if line.startswith("wild")]
    assert "done, diverged" in wild
    assert "2 of 2 runs done, 1 with an alarm" in run("study", "run", "wild.toml").err
