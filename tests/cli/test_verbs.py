"""The command line: data on stdout, narration on stderr, exit codes as documented."""

import json
import time
from pathlib import Path

import pytest

from revconsole.records.logs.events import Advised, EpochFinished, Finished, Measured, Started
from revconsole.records.runs.attempt import Attempt
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.scheme import AdditiveSection
from revconsole.records.settings.plan import Plan

TINY = """
title = "trains in a second"
[model]
patch = 4
dim = 16
depth = 2
heads = 2
[train]
epochs = 2
batch = 256
threads = 1
[vary]
scheme = [{ name = "residual" }, { name = "additive" }]
"""


def finished(store: RunStore, plan: Plan, accuracy: float) -> str:
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(
        Started(facts={"steps": 2, "parameters": 7, "device": "cpu", "fingerprint": "f" * 64})
    )
    attempt.emit(
        Measured(step=1, epoch=1, values={"loss": 2.0, "kept_for_backward_bytes": 2.0**20})
    )
    attempt.emit(Measured(step=2, epoch=1, values={"loss": 0.1 + 0.2}))
    attempt.emit(EpochFinished(epoch=1, step=2, values={"validation_accuracy": accuracy}))
    attempt.emit(Advised(level="warning", text="\x1b[31mlook\x1b[0m out"))
    attempt.emit(Finished(outcome="completed", step=2, values={"test_accuracy": accuracy}))
    attempt.close()
    return run_id


@pytest.fixture
def pair() -> list[str]:
    """Two finished runs in ./runs."""
    store = RunStore(Path("runs"))
    return [
        finished(store, Plan(name="plain"), 0.9),
        finished(store, Plan(name="rev", scheme=AdditiveSection(), backward="reversible"), 0.95),
    ]


def test_train_prints_progress_and_ends_with_the_comparison(run):
    Path("tiny.toml").write_text(TINY)

    said = run("train", "tiny")

    assert said.code == 0, said.err
    head, *rows = said.out.splitlines()
    assert head.startswith("name")
    assert [row.split()[:2] for row in rows] == [
        ["tiny-residual", "finished"],
        ["tiny-additive", "finished"],
    ]
    assert "tiny-additive  epoch 2/2  loss" in said.err
    assert "one seed each (0)" in said.err


def test_train_does_not_leave_while_the_thread_of_its_last_run_is_still_at_work(run, monkeypatch):
    """A process that ends while a thread frees a large model is aborted, whatever the run came to."""
    Path("tiny.toml").write_text(TINY)
    closed, close = [], Attempt.close

    def slowly(attempt: Attempt) -> None:
        time.sleep(1.0)
        close(attempt)
        closed.append(attempt)

    monkeypatch.setattr(Attempt, "close", slowly)

    assert run("train", "tiny", "scheme.name=residual").code == 0
    assert len(closed) == 1


def test_settings_on_the_command_line_reach_the_run(run):
    Path("tiny.toml").write_text(TINY)

    said = run("train", "tiny", "scheme.name=additive", "model.depth=1", "train.epochs=1")
    listed = json.loads(run("ls", "--json").out)

    assert said.code == 0, said.err
    assert [(r["scheme"], r["epochs"], r["state"]) for r in listed] == [("additive", 1, "finished")]
    assert json.loads(run("show", "@1", "--json").out)["settings"]["model.depth"] == 1


def test_dry_run_and_print_config_start_nothing(run):
    Path("tiny.toml").write_text(TINY)

    dry = run("train", "tiny", "--dry-run")
    config = run("train", "tiny", "scheme.name=additive", "--print-config")

    assert "tiny-residual\tvit\tresidual\tstored\tdigits\t2\t256\t0" in dry.out
    assert "2 runs; nothing was started" in dry.err
    assert 'fuse = "concat"' in config.out
    assert not Path("runs").exists()


def test_ls_is_a_tab_separated_table_in_a_pipe(run, pair):
    said = run("ls")

    head, *rows = [line.split("\t") for line in said.out.splitlines()]
    assert head[:3] == ["id", "name", "state"]
    assert {row[0] for row in rows} == set(pair)
    assert all(len(row) == len(head) for row in rows)


def test_ls_json_keeps_its_promise(run, pair):
    listed = {r["id"]: r for r in json.loads(run("ls", "--json").out)}

    row = listed[pair[1]]
    assert row["test_accuracy"] == 0.95
    assert row["kept_for_backward_bytes"] == 2**20
    assert (row["architecture"], row["scheme"], row["backward"]) == (
        "vit",
        "additive",
        "reversible",
    )
    assert (row["dataset"], row["seed"], row["epoch"], row["parameters"]) == ("digits", 0, 1, 7)


def test_what_to_expect_of_the_reconstruction_is_said_before_anything_runs(run):
    Path("tiny.toml").write_text(TINY)
    deep = ("train", "tiny", "scheme.name=momentum", "scheme.gamma=0.5", "model.depth=48")

    assert "float momentum loses its activations over 48 blocks" in run(*deep, "--dry-run").err
    trained = run("train", "tiny").err
    expected = "tiny-additive: reconstruction: error grows to about 8e-08 of the activations"
    assert trained.index(expected) < trained.index("2 runs in")


def test_the_error_of_a_reversible_run_can_be_read_from_every_verb(run):
    Path("tiny.toml").write_text(TINY)
    run("train", "tiny")
    listed = {r["scheme"]: r for r in json.loads(run("ls", "--json").out)}
    points = run("show", "tiny-additive", "--metric", "gradient_error").out.splitlines()
    shown = dict(line.split("\t") for line in run("show", "tiny-additive").out.splitlines())
    head, *rows = run("compare", "tiny-residual", "tiny-additive").out.splitlines()

    assert [point.split("\t")[0] for point in points] == ["0", "6", "12"]
    assert 0 < listed["additive"]["gradient_error"] < 1e-5
    assert listed["residual"]["gradient_error"] is None
    assert shown["reconstruction"].startswith("error grows to about 8e-08")
    assert "gradients" in shown["measured error"]
    errors = [row.split("\t")[head.split("\t").index("gradient error")] for row in rows]
    assert (errors[0], errors[1][1:3]) == ("–", "e-")


def test_an_empty_store_says_what_to_do(run):
    said = run("ls")

    assert (said.code, len(said.out.splitlines())) == (0, 1)
    assert "start with `revconsole demo`" in said.err


def test_show_prints_one_metric_to_the_last_bit(run, pair):
    said = run("show", pair[0], "--metric", "loss")

    assert said.out == "1\t2.0\n2\t0.30000000000000004\n"


def test_show_of_a_metric_there_is_not_names_the_nearest(run, pair):
    said = run("show", pair[0], "--metric", "los")

    assert (said.code, said.err) == (
        2,
        "revconsole: there is no metric 'los'; did you mean 'loss'?\n",
    )


def test_nothing_from_a_log_reaches_the_terminal_as_an_escape(run, pair):
    said = run("show", pair[0])

    assert "look" in said.err
    assert "\x1b" not in said.err + said.out


def test_a_damaged_line_of_a_log_is_told_by_show_and_compare(run, pair):
    (log,) = Path("runs", pair[0]).glob("attempts/*/events.jsonl")
    log.write_bytes(log.read_bytes().replace(b'"loss":2', b'"loss":9', 1))

    shown = dict(line.split("\t") for line in run("show", pair[0]).out.splitlines())

    assert shown["damaged lines"] == "1, left out"
    assert "1 line of the log of " in run("compare", *pair).err


def test_compare_gives_differences_to_the_first_run(run, pair):
    body = json.loads(run("compare", *pair, "--json").out)

    assert body["differing"] == ["scheme", "backward"]
    assert round(body["runs"][1]["test_accuracy_gain"], 9) == 0.05
    assert any("one seed each" in warning for warning in body["warnings"])
    assert "+5.0 pp" in run("compare", *pair).out


def test_watch_of_a_finished_run_returns_at_once_with_its_result(run, pair):
    said = run("watch", pair[0])

    assert said.code == 0
    assert "plain  finished" in said.err


def test_detach_prints_the_ids_alone_and_watch_without_a_name_follows_the_grid_to_its_last_run(run):
    Path("tiny.toml").write_text(TINY)
    ids = run("train", "tiny", "--detach", "train.epochs=4", "seeds=[0,1]").out.split()
    assert len(ids) == 4
    assert all(Path("runs", run_id).is_dir() for run_id in ids)

    said = run("watch")

    assert said.code == 0, said.err
    assert "tiny-additive-s1  finished" in said.err
    assert "-- tiny-additive-s1 is " in said.err
    assert "the last" in said.err
    assert {r["state"] for r in json.loads(run("ls", "--json").out)} == {"finished"}
    assert [run("watch", run_id).code for run_id in ids] == [0] * 4


def test_runs_are_compared_and_watched_by_profile_and_pattern(run):
    Path("tiny.toml").write_text(TINY)
    run("train", "tiny", "train.epochs=1", "seeds=[0,1]")

    by_profile = json.loads(run("compare", "tiny", "--json").out)["runs"]
    by_pattern = json.loads(run("compare", "tiny-res*", "--json").out)["runs"]
    assert [r["name"] for r in by_profile] == [
        "tiny-residual-s0", "tiny-residual-s1", "tiny-additive-s0", "tiny-additive-s1",
    ]  # fmt: skip
    assert [r["name"] for r in by_pattern] == ["tiny-residual-s0", "tiny-residual-s1"]
    assert run("watch", "tiny-*").err.count("finished after") == 4
    Path("tiny.toml").unlink()
    reported = run("report", "tiny", "--figures", "none", "--format", "csv", "--no-weights")
    assert len(reported.out.splitlines()) == 3, "the runs of a profile that is gone"


def test_resume_without_a_name_takes_the_newest_run_that_ended_early(run, pair):
    store = RunStore(Path("runs"))
    assert run("resume").err == (
        "revconsole: no run ended early, so there is nothing to resume; `revconsole ls` lists them\n"
    )
    Path("tiny.toml").write_text(TINY)
    run("train", "tiny", "scheme.name=residual", "train.epochs=1")
    stopped = store.create(Plan(name="stopped", profile="tiny"), {})
    attempt = store.claim(stopped, 1)
    attempt.emit(Finished(outcome="stopped", step=0))
    attempt.close()
    finished(store, Plan(name="newer"), 0.9)

    said = run("resume", "--detach")

    assert said.out.split() == [stopped]
    run("stop", "--now", stopped)


def test_a_pattern_stops_what_is_not_over_and_says_where_nothing_is(run, pair):
    store = RunStore(Path("runs"))
    waiting = [store.create(Plan(name=f"mine-{n}", profile="mine"), {}) for n in range(2)]

    said = run("stop", "mine")

    assert said.code == 0, said.err
    assert all(f"{run_id} taken out of the queue" in said.err for run_id in waiting)
    again = run("stop", "mine-*")
    assert (again.code, "all 2 runs that match 'mine-*' have ended" in again.err) == (3, True)


def test_lists_name_what_there_is(run):
    assert "bdia" in run("models").out
    assert "fashion_mnist" in run("data").out
    assert "demo" in run("profiles").out
    assert "scheme.gamma" in run("settings", "scheme").out
    assert {"cls", "mean"} <= set(run("settings", "model").out.replace(",", " ").split())


def test_one_dataset_shows_its_source_and_licence(run):
    said = run("data", "cifar10")

    assert "Krizhevsky" in said.out
    assert "licence" in said.out


def test_stop_and_resume_refuse_what_cannot_be_done(run, pair):
    assert "is already finished" in run("stop", pair[0]).err
    assert run("stop", pair[0]).code == 2
    assert "nothing to resume" in run("resume", pair[0]).err


def test_without_a_terminal_the_runs_are_printed_once_instead_of_the_console(run, pair):
    said = run()

    assert said.code == 0
    assert said.out == run("ls").out
    assert pair[0] in said.out
    assert "the console needs a terminal" in said.err


def test_the_console_without_a_terminal_and_without_runs_creates_no_store(run):
    said = run()

    assert said.code == 0
    assert "the console needs a terminal" in said.err
