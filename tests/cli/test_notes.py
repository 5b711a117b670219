"""What is odd of runs is said before they are launched, by every verb that plans them, and not twice."""

import json
from pathlib import Path

ODD = """
title = "One patch, in a step too few"
[model]
architecture = "vit"
patch = 8
dim = 16
depth = 1
heads = 1
[data]
dataset = "digits"
train_limit = 120
[train]
epochs = 1
batch = 64
audit = false
[vary]
backward = ["stored", "checkpointed"]
"""
ONE_TOKEN = "note: the whole image is one token"


def test_train_says_before_the_launch_what_is_odd_and_the_runs_do_not_say_it_again(run):
    Path("odd.toml").write_text(ODD)

    dry = run("train", "odd", "--dry-run")
    trained = run("train", "odd")

    assert dry.err.count(ONE_TOKEN) == 1
    assert (
        "note: 1 of 2 runs, first checkpointed: backward=checkpointed saves next to nothing"
        in dry.err
    )
    assert trained.err.count("the whole image is one token") == 1
    assert trained.err.index(ONE_TOKEN) < trained.err.index("finished")
    assert "note: this run makes 2 steps in all" in trained.err
    assert "warning: the whole image is one token" in run("show", "@1").err


def test_plan_says_what_is_odd_and_json_has_it_by_rule(run):
    Path("odd.toml").write_text(ODD.replace('["stored", "checkpointed"]', '["stored"]'))

    said = run("plan", "odd")
    (entry,) = json.loads(run("plan", "odd", "--json").out)

    assert ONE_TOKEN in said.err
    assert [note["rule"] for note in entry["notes"]] == ["hardly any steps", "tokens"]
    assert {note["level"] for note in entry["notes"]} == {"warning"}
