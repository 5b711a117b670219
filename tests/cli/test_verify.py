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
    assert skipped == {"randomness replayed"}
    assert "2 models: 14 passed, 0 failed, 6 did not apply" in said.err


def test_settings_and_the_quick_form_reach_the_audit(run):
    said = run("verify", "tiny", "scheme.name=bdia", "scheme.grid_bits=9", "--quick", "--json")

    rows = json.loads(said.out)
    assert said.code == 0, said.err
    assert [row["check"] for row in rows] == [
        "initial loss",
        "own pixels",
        "no other sample",
        "gradient everywhere",
        "gradient as stored",
    ]
    assert all(
        row.keys() == {"model", "check", "result", "passed", "figure", "advice"} for row in rows
    )
    assert {row["passed"] for row in rows} == {True}


def test_a_failed_check_is_exit_code_one_and_says_what_to_do(run):
    said = run("verify", "python:own_models:constant", "--quick")

    rows = {row[1]: row for row in (line.split("\t") for line in said.out.splitlines())}
    assert said.code == 1
    assert rows["own pixels"][2] == "failed"
    assert rows["own pixels"][4].startswith("1 (Linear) ignores what it is given")
    assert rows["frozen parameters"][2] == "note"
    assert "own_models:constant: on digits, 8×8 pixels" in said.err
    assert "2 failed" in said.err or "1 failed" in said.err


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
    scheme = run("verify", "python:own_models:linear", "scheme.name=bdia")
    option = run("verify", "tiny", "--size", "8")
    both = run("verify", "python:own_models:linear", "--dataset", "digits", "--classes", "3")
    unknown = run("verify", "tinny")

    assert wrong_shape.code == 1
    assert "own_models:coloured raised RuntimeError" in wrong_shape.err
    assert "the traceback is in verify-traceback.txt" in wrong_shape.err
    assert (no_function.code, "did you mean 'linear'?" in no_function.err) == (2, True)
    assert (scheme.code, "takes settings of data and train only" in scheme.err) == (2, True)
    assert (option.code, "are for a model of your own" in option.err) == (2, True)
    assert (both.code, "channels and classes of its own" in both.err) == (2, True)
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
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"COLUMNS": "60", "NO_COLOR": "1", "PYTHONPATH": root}
    ended = subprocess.run(
        command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert ended.returncode == 1
    lines = shown.splitlines()
    assert lines[0].startswith("✓ initial loss")
    assert lines[1].startswith("✗ own pixels ")
    assert any(line.startswith("    → 1 (Linear) ignores") for line in lines)
    assert any(line.startswith("! frozen parameters ") for line in lines)
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in shown
