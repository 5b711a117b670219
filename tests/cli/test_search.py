"""A search on the command line: it trains, is cut off and goes on, says what is wrong, and is reported."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from revconsole.lab.lab import Lab
from revconsole.records.runs import attempt as attempts
from tests.lab.fake_trials import searched, written

SECONDS = 300.0
TINY = """
title = "A tiny search"
[search]
method = "random"
trials = 4
repeat_best = 1
seed = 49
[search.space]
optimizer.learning_rate = { from = 1e-4, to = 0.1, log = true }
"model.dim" = [8, 16]
[model]
patch = 4
depth = 1
heads = 2
pool = "mean"
[data]
train_limit = 150
[train]
epochs = 2
batch = 64
threads = 1
audit = false
"""


@pytest.fixture
def tiny():
    Path("tiny.toml").write_text(TINY, encoding="utf-8")


def until(happened):
    end = time.monotonic() + SECONDS
    while not (found := happened()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def paused(lab, attempt):
    """The run that trains as this attempt, once it pauses."""
    (run,) = until(lambda: [r for r in lab.store.list() if r.attempt == attempt and not r.ended])
    lab.pause(run.id)
    until(lambda: lab.summary(run.id).state == "paused")
    return run


def trainer(lab, run):
    return attempts.owner(lab.store.folder(run.id), lab.summary(run.id).attempt).pid


def ended(store):
    """Of each run its name, state, weights and how far it came; the same wherever and however often it was cut off."""
    return {
        s.name: (s.state, s.epoch, s.best_validation_accuracy, s.weights_sha256)
        for s in Lab(Path(store)).store.list()
    }


def test_a_search_whose_processes_were_killed_ends_as_one_that_was_not(run, tiny):
    """First a worker, whose trial another process takes again; then all processes, after which the same command goes on."""
    lab = Lab(Path("cut"))
    pid = int(run("--store", "cut", "study", "run", "tiny", "-d").out)
    first = paused(lab, attempt=1)
    os.kill(trainer(lab, first), signal.SIGKILL)
    second = paused(lab, attempt=2)
    os.kill(pid, signal.SIGKILL)
    os.kill(trainer(lab, second), signal.SIGKILL)
    until(lambda: lab.summary(second.id).ended)
    assert first.id == second.id

    again = run("--store", "cut", "study", "run", "tiny")
    whole = run("--store", "whole", "study", "run", "tiny")

    assert (again.code, whole.code) == (0, 0), again.err + whole.err
    assert ended("cut") == ended("whole")
    states = [state for state, *_ in ended("whole").values()]
    assert len(states) == 5, "four trials, and the best once more"
    assert set(states) == {"finished", "pruned"}
    assert "stopped early after epoch 1: validation accuracy" in whole.err
    assert "repeated with 1 of 1 seed" in whole.err
    assert "report tiny" in whole.err
    shown = run("--store", "whole", "ls", "--json")
    assert {row["state"] for row in json.loads(shown.out)} == {"finished", "pruned"}


def test_a_dry_run_says_what_is_drawn_and_how_long_it_takes_and_creates_nothing(run, tiny):
    said = run("study", "run", "tiny", "--dry-run")

    assert said.code == 0, said.err
    assert "optimizer.learning_rate" in said.out
    assert "0.0001 to 0.1, logarithmic" in said.out
    assert "4 trials, method random with seed 49, for validation accuracy" in said.err
    assert "halving stops trials early from epoch 1 of 2 on" in said.err
    assert "time: at most about " in said.err
    assert "for 5 runs" in said.err
    assert not Path("runs").exists()


@pytest.fixture
def fake():
    name = written()
    searched(Lab(Path("runs")), name)
    return name


def test_show_lists_the_trials_and_the_best(run, fake):
    said = run("study", "show", "fake")
    body = json.loads(run("study", "show", "fake", "--json").out)

    assert said.code == 0, said.err
    assert "12 of 12 trials" in said.err
    assert f"best: trial {body['best']}, optimizer.learning_rate=" in said.err
    assert len(body["trials"]) == 12
    assert len(said.out.splitlines()) == 1 + 12 + 2
    assert body["goal"] == "validation_accuracy"
    assert [each["progress"] for each in body["repeats"]] == ["done", "done"]
    best = max(
        (t for t in body["trials"] if t["run"]["state"] == "finished"), key=lambda t: t["reached"]
    )
    assert body["best"] == best["number"]


def test_the_report_has_the_repeats_the_trials_and_what_the_selection_is_worth(run, fake):
    said = run("report", "fake", "--figures", "svg", "--no-weights")
    written_report = Path("report-fake/report.md").read_text(encoding="utf-8")

    assert said.code == 0, said.err
    assert (
        "Search: 12 trials, drawn by Optuna's tree-structured Parzen estimator with seed 0"
        in said.err
    )
    assert "Stopped early by halving: " in said.err
    assert "Importance of the settings (fANOVA" in said.err
    assert "no test image chose anything" in said.err
    assert "The test accuracy above is of 2 other seeds, which chose nothing either." in said.err
    assert "**Table:** Trials of the search" in written_report
    assert Path("report-fake/figures/search-trials.svg").exists()
    assert all(Path(f"report-fake/report.{word}").exists() for word in ("tex", "csv", "html"))


def test_without_a_finished_trial_the_report_says_what_to_do(run):
    written()

    said = run("report", "fake")

    assert said.code == 2
    assert said.err == (
        "revconsole: no trial of the search fake has trained to its end; `revconsole study run fake` trains it\n"
    )


def test_without_optuna_it_is_one_sentence_with_the_line_that_installs_it(run, monkeypatch):
    written()
    monkeypatch.setitem(sys.modules, "optuna", None)

    said = run("study", "run", "fake")

    assert said.code == 4
    assert said.err == (
        "revconsole: a search needs Optuna, which is not installed; `pip install 'revconsole[search]'`, then the "
        "same again\n"
    )
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "fake"], "fake.toml: search: draws its runs one after the other; `revconsole study run fake` trains them"),
        (["study", "run", "fake", "optimizer.learning_rate=0.1"], "command line: optimizer.learning_rate: is drawn by the search; leave it out"),
        (["study", "run", "fake", "search.trials=3"], "command line: search.trials: 3 are too few for stop_early = 'halving'"),
        (["study", "run", "fake", "search.trails=30"], "command line: search.trails: unknown key; did you mean 'trials'?"),
        (["study", "run", "fake", "search.method=bayse"], "command line: search.method: there is no method 'bayse'; did you mean 'bayes'?"),
        (["study", "run", "fake", "search.space.model.depth=2"], "command line: search.space.model.depth: what is drawn is written in the file"),
        (["study", "run", "fake", "seeds=[1,2]"], "fake.toml: seeds: a trial is one run, and this makes 2 runs of it"),
        (["study", "run", "fake", "train.batch=[32,64]"], "fake.toml: seeds: a trial is one run, and this makes 2 runs of it"),
        (["study", "run", "fake", "train.epoch=3"], "command line: train.epoch: unknown key; did you mean train.epochs?"),
        (["study", "run", "fake", "train.epochs=1"], "fake.toml: search.stop_early: a trial has 1 epoch"),
        (["study", "run", "fake", "--quick"], "fake.toml: quick: there is no [quick] in it; leave --quick out"),
        (["study", "run", "fake", "train.device=cuda:7"], "there is no device 'cuda:7' on this machine"),
        (["study", "show", "fake", "data.dataset=digit"], "there is no dataset 'digit'"),
        (["study", "run", "fake", "--devices", "cpu:0"], "command line: --devices: takes at most cpu:"),
        (["study", "run", "fake", "--devices", "cuda:99"], "--devices: there is no cuda:99 on this machine"),
        (["study", "run", "fake", "--devices", "cpu:1", "train.device=cpu"], "command line: train.device: does not go with --devices"),
        (["study", "run", "fake", "--devices", "cpu:1", "train.gpus=2", "train.accumulate=2"], "command line: train.gpus: 2 does not go with --devices"),
        (["study", "stop", "fake"], "nobody on this machine draws for the search"),
        (["report", "fake", "model.depth=1"], "command line: model.depth: is drawn by the search"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(run, words, said):
    written()

    answer = run(*words)

    assert answer.code in {2, 4}
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not Path("runs").exists()


def test_what_the_command_line_says_of_the_search_counts(run, fake):
    more = run("study", "run", "fake", "search.trials=20", "--dry-run")
    other = run("study", "show", "fake", "search.stop_early=none")

    assert more.err.startswith("fake: 12 of 20 trials, "), "the same search goes on"
    assert "20 trials, method bayes" in more.err
    assert "0 of 12 trials" in other.err, "another search"
    assert "a search: 15 trials between" in run("plan", "fake", "search.trials=15").out


def test_plan_counts_the_ends_of_the_space_and_says_how_many_runs_there_are(run):
    text = TINY.replace('"model.dim" = [8, 16]', "").replace("trials = 4", "trials = 5")
    Path("rates.toml").write_text(text, encoding="utf-8")

    said = run("plan", "rates")

    assert said.code == 0, said.err
    assert "rates, learning_rate 0.0001" in said.out
    assert "a search: 5 trials between these and 1 repeat of the best" in said.out
