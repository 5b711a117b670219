"""`verify` prints each check as it is done, and its exit code says whether one failed."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

TINY = """
title = "trains in a second"
seeds = [0, 1]
[model]
patch = 4
dim = 16
depth = 2
heads = 2
[train]
batch = 64
threads = 1
[vary]
scheme = [{ name = "residual" }, { name = "additive" }]
"optimizer.learning_rate" = [0.001, 0.002]
"""
OWN = """
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())

    def forward(self, x):
        return x + self.layers(x)

class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Linear(64, 8), nn.Sequential(Block(), Block(), Block())
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x.flatten(1))))

def blocks():
    return Blocks()

def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

def constant():
    model = linear()
    nn.init.zeros_(model[1].weight)
    model[1].weight.requires_grad_(False)
    return model

def coloured():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
"""


@pytest.fixture(autouse=True)
def _files():
    sys.modules.pop("own_models", None)
    Path("tiny.toml").write_text(TINY)
    Path("own_models.py").write_text(OWN)


def test_each_model_of_a_profile_is_checked_once_in_tab_separated_lines(run):
    said = run("verify", "tiny")

    assert said.code == 0, said.err
    head, *rows = [line.split("\t") for line in said.out.splitlines()]
    assert head == ["model", "check", "result", "figure", "advice"]
    assert all(len(row) == len(head) for row in rows)
    assert len({row[0] for row in rows}) == 2
    skipped = {row[1] for row in rows if row[2] == "skipped" and "additive" in row[0]}
    assert skipped == {"dropout masks repeated", "skip connections", "wired as plain", "dropout"}
    assert "2 models: 23 passed, 0 failed, 11 not applicable" in said.err


def test_settings_and_the_quick_form_reach_the_audit(run):
    said = run("verify", "tiny", "scheme.name=bdia", "scheme.grid_bits=9", "--quick", "--json")

    rows = json.loads(said.out)
    assert said.code == 0, said.err
    assert [row["check"] for row in rows] == [
        "initial loss",
        "uses its input",
        "no leak across batch",
        "images and labels",
        "outputs are logits",
        "gradient everywhere",
        "attention",
        "skip connections",
        "tokens read",
        "dropout",
        "gradient as stored",
        "wired as plain",
    ]
    assert all(
        row.keys() == {"model", "check", "result", "passed", "figure", "advice"} for row in rows
    )
    skipped = {row["check"] for row in rows if row["passed"] is None}
    assert skipped == {"skip connections", "dropout"}
    assert not [row for row in rows if row["passed"] is False]


def test_a_failed_check_is_exit_code_one_and_says_what_to_do(run):
    said = run("verify", "python:own_models:constant", "--quick")

    rows = {row[1]: row for row in (line.split("\t") for line in said.out.splitlines())}
    assert said.code == 1
    assert rows["uses its input"][2] == "failed"
    assert rows["uses its input"][4].startswith("1 (Linear) ignores what it is given")
    assert rows["frozen parameters"][2] == "note"
    assert "own_models:constant: on digits, 8×8 pixels" in said.err
    assert "2 failed" in said.err or "1 failed" in said.err


def test_a_scheme_is_tried_on_a_model_of_ones_own_without_a_profile(run):
    said = run("verify", "python:own_models:blocks", "scheme.name=[residual,bdia]", "--json")

    rows = json.loads(said.out)
    models = {row["model"] for row in rows}
    assert said.code == 0, said.err
    assert len(models) == 2
    inverse = {row["model"]: row["result"] for row in rows if row["check"] == "inverse error"}
    assert [inverse[name] for name in models if "bdia" in name] == ["passed"]


def test_one_arm_that_does_not_suit_keeps_no_other_from_being_checked(run):
    Path("mine.toml").write_text(
        'title = "three ways"\n[model]\narchitecture = "python"\nfunction = "own_models:blocks"\n'
        '[vary]\nscheme = [{ name = "residual" }, { name = "additive" }, { name = "bdia" }]\n'
    )
    said = run("verify", "mine", "--quick", "--json")

    rows = json.loads(said.out)
    refused = [row for row in rows if row["check"] == "can be built"]
    assert said.code == 1
    assert [row["model"] for row in refused] == ["mine-additive"]
    assert "needs two branches" in refused[0]["advice"]
    assert not [row for row in rows if row["model"] == "mine-bdia" and row["passed"] is False]
    assert "3 models: " in said.err
    assert ", 1 failed" in said.err


def test_an_arm_that_cannot_be_planned_keeps_no_other_from_being_checked(run):
    said = run("verify", "tiny", "model.heads=[2,3]", "--quick")
    all_wrong = run("verify", "tiny", "model.heads=3")

    assert said.code == 1
    rows = [line.split("\t") for line in said.out.splitlines()]
    refused = [row for row in rows if row[1] == "can be built"]
    assert {row[0] for row in refused} >= {"residual, learning_rate 0.001, heads 3"}
    assert all("3 heads do not divide dim" in row[4] for row in refused)
    assert len({row[0] for row in rows if row[2] == "passed"}) == 2
    assert (all_wrong.code, "3 heads do not divide dim" in all_wrong.err) == (2, True)


def test_a_model_of_ones_own_is_tried_on_digits_or_on_random_images_of_its_shape(run):
    on_digits = run("verify", "python:own_models:linear", "--quick")
    random = run(
        "verify", "python:own_models:coloured", "--quick", "--size", "16", "--classes", "4"
    )

    assert (on_digits.code, random.code) == (0, 0), on_digits.err + random.err
    assert "random images, 16×16 pixels, 3 channels, 4 classes" in random.err


def test_mistakes_are_one_sentence(run):
    wrong_shape = run("verify", "python:own_models:coloured", "--quick")
    no_function = run("verify", "python:own_models:liner")
    scheme = run("verify", "python:own_models:linear", "scheme.name=bdai")
    unwired = run("verify", "python:own_models:linear", "scheme.name=bdia")
    model = run("verify", "python:own_models:linear", "model.dim=3")
    random = run("verify", "python:own_models:linear", "scheme.name=bdia", "--classes", "3")
    option = run("verify", "tiny", "--size", "8")
    both = run("verify", "python:own_models:linear", "--dataset", "digits", "--classes", "3")
    unknown = run("verify", "tinny")

    assert wrong_shape.code == 1
    assert "own_models:coloured raised RuntimeError" in wrong_shape.err
    assert "the traceback is in verify-traceback.txt" in wrong_shape.err
    assert (no_function.code, "did you mean 'linear'?" in no_function.err) == (2, True)
    assert (scheme.code, "did you mean 'bdia'?" in scheme.err) == (2, True)
    assert (unwired.code, "no stack of residual blocks to rewire" in unwired.err) == (2, True)
    assert (model.code, "data, train, scheme and backward only" in model.err) == (2, True)
    assert (random.code, "leave --channels and --classes out" in random.err) == (2, True)
    assert (option.code, "are for a model of your own" in option.err) == (2, True)
    assert (both.code, "fixed channels and classes" in both.err) == (2, True)
    assert (unknown.code, "did you mean 'tiny'?" in unknown.err) == (2, True)


def test_on_a_terminal_advice_stands_under_its_check_with_marks():
    command = [
        sys.executable,
        "-m",
        "revconsole",
        "verify",
        "python:own_models:constant",
        "--quick",
    ]
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "60", "NO_COLOR": "1"}
    ended = subprocess.run(
        command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert ended.returncode == 1
    lines = shown.splitlines()
    assert lines[0].startswith("✓ initial loss")
    assert lines[1].startswith("✗ uses its input ")
    assert any(line.startswith("    → 1 (Linear) ignores") for line in lines)
    assert any(line.startswith("! frozen parameters ") for line in lines)
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in shown
