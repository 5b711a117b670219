"""The verbs, on real trainings that take a second: launch, queue, stop, resume, detach."""

import os
import signal
import time
from pathlib import Path

import pytest

from revconsole.errors import RevconsoleError
from revconsole.lab.lab import Lab
from revconsole.lab.torch_api import training
from revconsole.records.runs.attempt import owner
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.run import Run
from revconsole.records.settings.typing_again import command_line

TINY = """
title = "a network that trains in a second"
[model]
patch = 4
dim = 16
depth = 2
heads = 2
[scheme]
name = "additive"
[train]
epochs = 2
batch = 256
threads = 1
"""
LONG = {"train.epochs": 100_000}
"""More epochs than any test waits for: these runs end because they are told to."""
SECONDS = 180.0
"""No wait here takes so long unless something is broken."""


@pytest.fixture
def lab(tmp_path):
    Path("tiny.toml").write_text(TINY, encoding="utf-8")
    made = Lab(tmp_path / "runs")
    yield made
    made.stop_all()
    assert made.wait(SECONDS)


def until(lab: Lab, run_id: str, wanted) -> Run:
    """Follow a run until `wanted(run)`; its tail is looked at as fast as the thread scheduler allows."""
    tail, end = lab.store.follow(run_id), time.monotonic() + SECONDS
    while time.monotonic() < end:
        run = tail.run()
        if wanted(run):
            return run
        time.sleep(0.02)
    pytest.fail(f"run {run_id} is {tail.run().summary} after {SECONDS} s")


def gone(identity: Identity) -> None:
    """Wait until a process has ended."""
    end = time.monotonic() + SECONDS
    while identity.alive():
        assert time.monotonic() < end, f"process {identity.pid} still runs"
        time.sleep(0.02)


def test_a_launched_run_trains_to_its_end(lab):
    (run_id,) = lab.launch(lab.plan("tiny"))

    assert lab.wait(SECONDS)

    run = lab.store.read(run_id)
    assert (run.summary.state, run.summary.epoch) == ("finished", 2)
    assert 0 <= run.summary.test_accuracy <= 1
    assert run.summary.parameters == training.cost(run.plan)["parameters"]
    assert run.summary.kept_for_backward_bytes > 0
    assert len(run.summary.fingerprint) == 64
    assert run.plan.data_fingerprint is None or run.plan.data_fingerprint == run.summary.fingerprint
    assert run.series["loss"].length == run.summary.steps == 12


def test_runs_train_one_at_a_time_and_the_rest_wait(lab):
    first, second = lab.launch(lab.plan("tiny", LONG | {"seeds": [0, 1]}))
    until(lab, first, lambda run: run.summary.state == "running" and run.summary.step)

    assert lab.busy() == (first, second)
    assert lab.summary(second).state == "queued"

    assert lab.stop(second) == "taken out of the queue"
    assert lab.summary(second).state == "stopped"
    lab.stop(first)
    assert lab.wait(SECONDS)
    assert (lab.summary(first).state, lab.summary(second).attempt) == ("stopped", 1)


def test_a_stopped_run_says_by_whom_and_goes_on_where_it_was(lab):
    (run_id,) = lab.launch(lab.plan("tiny", {"train.epochs": 400}))
    until(lab, run_id, lambda run: run.summary.step >= 3)
    lab.stop(run_id)
    assert lab.wait(SECONDS)
    stopped = lab.summary(run_id)
    assert stopped.state == "stopped"
    assert f"at step {stopped.step} by" in stopped.reason

    lab.resume(run_id)
    until(lab, run_id, lambda run: run.summary.attempt == 2 and run.summary.step > stopped.step + 2)

    run = lab.store.read(run_id)
    assert run.series["loss"].steps == list(range(1, run.series["loss"].length + 1))


def test_a_run_that_waits_to_be_resumed_is_taken_out_of_the_queue(lab):
    first, second = lab.launch(lab.plan("tiny", LONG | {"seeds": [0, 1]}))
    until(lab, first, lambda run: run.summary.step >= 2)
    lab.stop(first)
    until(lab, second, lambda run: run.summary.step >= 2)
    lab.resume(first)
    assert (lab.busy(), lab.summary(first).state) == ((second, first), "queued")

    lab.stop_all()

    assert lab.wait(SECONDS)
    assert [lab.summary(run_id).state for run_id in (first, second)] == ["stopped", "stopped"]
    assert lab.summary(first).attempt == 2, (
        "the attempt it waited for was taken, and nothing trained"
    )


def test_a_paused_run_holds_and_goes_on(lab):
    (run_id,) = lab.launch(lab.plan("tiny", LONG))
    until(lab, run_id, lambda run: run.summary.step >= 2)
    assert lab.pause(run_id) == "will pause after this step"
    held = until(lab, run_id, lambda run: run.summary.state == "paused").summary.step

    assert lab.pause(run_id) == "continues"

    until(lab, run_id, lambda run: run.summary.step > held + 2)


def test_what_trains_and_waits_here_goes_on_in_the_background_to_the_same_numbers(lab):
    """The same run, once undisturbed and once handed over, loses nothing and repeats nothing."""
    settings = {"train.epochs": 30, "seeds": [3]}
    (whole,) = lab.launch(lab.plan("tiny", settings))
    assert lab.wait(SECONDS)
    moved, waits = lab.launch(lab.plan("tiny", settings)) + lab.launch(lab.plan("tiny"))
    until(lab, moved, lambda run: run.summary.step >= 5)

    assert lab.hand_all_over("the test ends") == (moved, waits)

    assert lab.wait(SECONDS)
    assert not lab.summary(moved).ended, "not lost for a moment"
    run = until(lab, waits, lambda run: run.summary.ended)
    assert (run.summary.state, run.summary.attempt) == ("finished", 1)
    once, twice = lab.store.read(whole), lab.store.read(moved)
    assert (twice.summary.state, twice.summary.attempt) == ("finished", 2)
    for name in ("loss", "gradient_norm", "validation_accuracy", "test_loss"):
        assert twice.series[name].steps == once.series[name].steps
        assert twice.series[name].values == once.series[name].values
    assert "handed over to a background process" in " ".join(line.text for line in twice.log)


def test_anybody_may_move_a_run_to_the_background_where_it_lives_in_its_own_session(lab):
    (run_id,) = lab.launch(lab.plan("tiny", LONG))
    until(lab, run_id, lambda run: run.summary.step >= 2)

    other = Lab(lab.store.root)
    assert other.hand_over(run_id) == "moves to a background process after this step"

    run = until(lab, run_id, lambda run: (run.summary.attempt, run.summary.state) == (2, "running"))
    assert lab.busy() == ()
    with pytest.raises(RevconsoleError, match="already trains in the background"):
        other.hand_over(run_id)
    trainer = owner(lab.store.folder(run_id), 2)
    assert os.getsid(trainer.pid) != os.getsid(0)
    trainer.send(signal.SIGHUP)
    until(lab, run_id, lambda later: later.summary.step > run.summary.step)

    assert other.stop_now(run_id).startswith("ended at once")
    after = lab.summary(run_id)
    assert (after.state, after.attempt) == ("stopped", 3)
    assert after.reason.endswith("(at once)")
    assert after.step >= run.summary.step
    gone(trainer)


@pytest.mark.interpreter  # which takes long enough to be stopped before it claims the run
def test_a_run_on_its_way_to_the_background_can_be_stopped(lab):
    """Its new process has not claimed it yet, and would not hear of what was asked before."""
    (run_id,) = lab.launch(lab.plan("tiny", LONG))
    until(lab, run_id, lambda run: run.summary.step >= 2)
    lab.hand_all_over()
    assert lab.wait(SECONDS)
    assert (lab.summary(run_id).state, lab.summary(run_id).attempt) == ("starting", 1)

    launched = read_queued(lab.store.folder(run_id) / "launch.json")[0]
    assert lab.stop(run_id) == "taken out of the queue"

    gone(launched)
    assert (lab.summary(run_id).state, lab.summary(run_id).attempt) == ("stopped", 2)


def test_a_paused_run_does_not_begin_to_train_again_by_itself(lab):
    (run_id,) = lab.launch(lab.plan("tiny", LONG))
    until(lab, run_id, lambda run: run.summary.step >= 2)
    lab.pause(run_id)
    until(lab, run_id, lambda run: run.summary.state == "paused")

    lab.hand_all_over()

    assert lab.wait(SECONDS)
    assert lab.summary(run_id).reason.endswith("(it was paused)")


def test_nothing_is_signalled_but_the_process_of_the_run(lab):
    (run_id,) = lab.launch(lab.plan("tiny", LONG))
    until(lab, run_id, lambda run: run.summary.step >= 2)
    with pytest.raises(RevconsoleError, match="does not train in a background process"):
        lab.stop_now(run_id)


def test_leaving_at_once_is_recorded_as_a_stop(lab):
    first, second = lab.launch(lab.plan("tiny", LONG | {"seeds": [0, 1]}))
    until(lab, first, lambda run: run.summary.step >= 2)

    lab.end_all_now("left")

    assert [lab.summary(r).state for r in (first, second)] == ["stopped", "stopped"]
    assert lab.summary(first).reason.endswith("(left)")
    step = lab.store.read(first).series["loss"].length
    time.sleep(0.5)
    assert lab.store.read(first).series["loss"].length == step, "nothing is written after the end"


def test_what_has_ended_cannot_be_stopped_and_what_is_finished_not_resumed(lab):
    (run_id,) = lab.launch(lab.plan("tiny"))
    lab.wait(SECONDS)

    with pytest.raises(RevconsoleError, match="is already finished"):
        lab.stop(run_id)
    with pytest.raises(RevconsoleError, match="there is nothing to resume"):
        lab.resume(run_id)
    with pytest.raises(RevconsoleError, match="is finished, not running"):
        lab.pause(run_id)


def test_the_equivalent_command_line_parses_to_the_same_settings():
    settings = {"model.depth": 2, "scheme.name": "bdia", "seeds": [0, 1], "data.standardise": False}

    line = command_line("my profile", settings)

    assert line == (
        "revconsole train 'my profile' model.depth=2 scheme.name=bdia 'seeds=[0,1]' data.standardise=false"
    )
