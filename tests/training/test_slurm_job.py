"""A trainer in a job of Slurm: which attempt it begins, what a signal makes of the run and of the job."""

import os
import signal
import subprocess
import sys
import time

import pytest

from revconsole.errors import RunFailed
from revconsole.lab.lab import Lab
from revconsole.records import ranks
from revconsole.records.logs.events import Finished, Started
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.control import Control
from revconsole.records.runs.next_run import OwnLine
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.submission import MARK, NAME, SUBMITTED_WITH, holder
from revconsole.records.settings.plan import Plan
from revconsole.training.__main__ import RunQueue
from revconsole.training.slurm_job import SlurmJob
from tests.lab.fake_trials import worker, written

PATIENCE_SECONDS = 300.0
RUNNING = "JobId=71 JobState=RUNNING Restarts=0 PreemptTime=None"


@pytest.fixture
def run_id(store, plan):
    """A run that waits for job 71."""
    run_id = store.create(plan, {})
    store.queue(run_id, 1, holder("71"), NAME, job="71")
    return run_id


def job(restarts=0, number="71", **submitted_with):
    return SlurmJob(id=number, restarts=restarts, submitted_with=submitted_with)


def ended(store, run_id, number, event=None):
    attempt = store.claim(run_id, number, NAME)
    attempt.emit(Started(facts={"steps": 100}))
    if event is not None:
        attempt.emit(event)
    attempt.close()


def stopped(step):
    return Finished(outcome="stopped", step=step, by="me@n12 (SIGUSR2)")


def waits_for(store, run_id):
    queued = read_queued(store.folder(run_id) / "launch.json")
    return queued.attempt, queued.job, queued.refused


def test_a_job_is_ours_only_if_our_script_says_so():
    assert SlurmJob.of_this_process({"SLURM_JOB_ID": "71"}) is None
    assert SlurmJob.of_this_process({MARK: "1"}) is None
    variables = {
        MARK: "1",
        "SLURM_JOB_ID": "74",
        "SLURM_ARRAY_JOB_ID": "71",
        "SLURM_ARRAY_TASK_ID": "3",
    }
    found = SlurmJob.of_this_process(
        variables | {"SLURM_RESTART_COUNT": "2", SUBMITTED_WITH: "revconsole=1 torch=2.8"}
    )
    assert found == job(2, "71_3", revconsole="1", torch="2.8")


def test_a_job_begins_what_was_queued_with_it_and_nothing_else(store, run_id):
    assert job().to_begin(store, [run_id]) == [f"{run_id}:1"]
    assert job(number="70").to_begin(store, [run_id]) == [], "a run that was submitted again"
    store.stop_queued(run_id, 1)
    assert job().to_begin(store, [run_id]) == [], "taken out of the queue"
    assert job(restarts=1).to_begin(store, [run_id]) == []


def test_the_last_task_of_an_array_whose_job_has_the_number_of_the_array_asks_for_itself(
    slurm, monkeypatch
):
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    slurm.controls("JobId=71 JobState=RUNNING Restarts=0 PreemptTime=2026-11-29T15:00:00")
    assert job(number="71_3").comes_again("SIGTERM")
    assert slurm.asked("scontrol") == [
        "scontrol --oneliner show job 71_3",
        "scontrol requeue 71_3",
    ]


@pytest.mark.parametrize(("signalled", "again"), [(True, ["SIGUSR2"]), (False, [])])
def test_a_worker_of_a_search_that_is_signalled_between_two_trials_comes_again(
    store, monkeypatch, signalled, again
):
    """No run of its own sees to the job then."""
    line = worker(Lab(store.root), written(), job="71")
    asked = []
    monkeypatch.setattr(SlurmJob, "comes_again", lambda _, name: asked.append(name))
    queue = RunQueue(store, line, job())
    monkeypatch.setattr(line, "open", lambda: (signalled and queue.go(signal.SIGUSR2, None)) or [])
    queue.work()
    assert asked == again


def test_whose_a_trial_is_stands_in_its_note_once_a_job_has_begun_it(store, monkeypatch):
    line = worker(Lab(store.root), written(trials=4), job="71_1")
    monkeypatch.setattr(RunQueue, "_execute", lambda *_: "completed")
    RunQueue(store, line, job(number="71_1")).work()
    notes = [waits_for(store, run_id) for run_id in line.ids()]
    assert notes == [(1, "71_1", "")] * 4
    assert {path.name for path in (store.root / ".slurm").iterdir()} == {
        f"{run_id}.runs" for run_id in line.ids()
    }


def test_a_job_that_starts_before_its_number_is_known_begins_too(store, run_id):
    store.queue(run_id, 1, holder("71"), NAME, job="")
    assert job().to_begin(store, [run_id]) == [f"{run_id}:1"]


def test_a_job_that_was_restarted_takes_over_what_its_first_start_left(store, run_id):
    ended(store, run_id, 1)
    assert job().to_begin(store, [run_id]) == [], "not the same start twice"
    assert job(restarts=1).to_begin(store, [run_id]) == [f"{run_id}:2"]
    assert attempts.alive(store.folder(run_id), 1) is False
    assert waits_for(store, run_id) == (2, "71", "")


def test_another_version_of_revconsole_is_refused_and_another_torch_is_said(store, run_id):
    assert "submitted with torch 0.1, trained with" in job(torch="0.1").other_versions()
    assert job(torch="0.1").to_begin(store, [run_id]) == [f"{run_id}:1"]
    with pytest.raises(RunFailed, match=r"was submitted with revconsole 0\.0\.1, and its node has"):
        job(revconsole="0.0.1").to_begin(store, [run_id])
    row = store.follow(run_id).summary()
    assert row.state == "failed"
    assert "was submitted with revconsole 0.0.1" in row.reason


@pytest.mark.parametrize(
    ("why", "facts", "requeued", "again"),
    [
        ("SIGUSR2", RUNNING, True, True),
        ("SIGTERM", RUNNING, False, False),
        ("SIGTERM", RUNNING.replace("=None", "=2026-11-29T11:06:39"), True, True),
        ("SIGTERM", "JobState=COMPLETING Restarts=1", False, True),
        ("SIGTERM", "JobState=COMPLETING Restarts=0", False, False),
    ],
    ids=["limit", "a signal of somebody", "preempted", "requeued", "cancelled"],
)
def test_what_a_signal_makes_of_the_job(store, run_id, slurm, why, facts, requeued, again):
    slurm.controls(facts)
    ended(store, run_id, 1, stopped(7))
    job().queue(store, run_id, 2)
    job().leave(store, run_id, 1, why, "stopped")
    assert any("requeue" in line for line in slurm.asked("scontrol")) is requeued
    assert waits_for(store, run_id) == (2 if again else 1, "71", "")
    assert store.follow(run_id).summary().state == ("queued" if again else "stopped")


def test_ranks_that_stopped_come_again_though_their_run_waits_already(store, run_id, slurm):
    slurm.controls("JobState=COMPLETING Restarts=1")
    ended(store, run_id, 1, stopped(7))
    job().queue(store, run_id, 2)
    job().leave(store, run_id, 1, "SIGTERM", "failed")
    assert waits_for(store, run_id) == (2, "71", "")


def test_ranks_whose_job_nears_its_limit_stop_and_the_job_begins_them_again(
    store, slurm, monkeypatch
):
    """Signalled while they train; what the ranks' processes do is written here for them."""
    slurm.controls("")
    run_id = store.create(Plan(name="ranked", train={"gpus": 2, "device": "cpu"}), {})
    store.queue(run_id, 1, holder("71"), NAME, job="71")
    queue = RunQueue(store, OwnLine([(run_id, 1)]), job())

    def train(store, run_id, number, *, ranks, launcher, note, begun):
        attempt = store.claim(run_id, number, launcher)
        attempt.emit(Started(facts={"steps": 100}))
        begun()
        queue.go(signal.SIGUSR2, None)
        asked = [each.verb for each in Control(store.folder(run_id)).pending()]
        attempt.emit(stopped(7 if (ranks, asked) == (2, ["stop"]) else 0))
        attempt.close()
        return "failed"  # a run that waits again is no longer stopped

    monkeypatch.setattr(ranks, "train", train)
    assert queue.work() == 1
    assert "scontrol requeue 71" in slurm.asked("scontrol")
    assert waits_for(store, run_id) == (2, "71", "")
    assert attempts.last_step(store.folder(run_id), 1) == 7
    assert job(restarts=1).to_begin(store, [run_id]) == [f"{run_id}:2"]


def test_a_run_that_completes_while_it_is_told_to_go_does_not_come_again(store, run_id, slurm):
    ended(store, run_id, 1, Finished(outcome="completed", step=9))
    job().queue(store, run_id, 2)
    job().leave(store, run_id, 1, "SIGUSR2", "completed")
    assert slurm.asked("scontrol") == []
    assert store.follow(run_id).summary().state == "finished"


def test_a_limit_that_leaves_no_time_for_a_step_does_not_requeue_for_ever(store, run_id, slurm):
    ended(store, run_id, 1, stopped(7))
    ended(store, run_id, 2, stopped(7))
    job().queue(store, run_id, 3)
    job().leave(store, run_id, 2, "SIGUSR2", "stopped")
    assert slurm.asked("scontrol") == []
    assert (
        "reached its time limit without a step: raise place.slurm.time"
        in waits_for(store, run_id)[2]
    )


def test_a_job_that_cannot_be_requeued_says_why(store, run_id, slurm):
    (slurm.folder / "scontrol").write_text("#!/bin/sh\necho 'requeue disabled' >&2; exit 1\n")
    ended(store, run_id, 1, stopped(7))
    job().queue(store, run_id, 2)
    job().leave(store, run_id, 1, "SIGUSR2", "stopped")
    row = store.follow(run_id).summary()
    assert (row.state, row.reason) == (
        "failed",
        "Slurm cannot be asked to requeue job 71: requeue disabled",
    )


def trainer(store, run_id, **variables):
    command = [sys.executable, "-m", "revconsole.training", str(store.root), run_id]
    variables = os.environ | {MARK: "1", "SLURM_JOB_ID": "71"} | variables
    return subprocess.Popen(command, env=variables, start_new_session=True)


@pytest.mark.slow
def test_a_requeued_run_has_the_bits_of_one_that_nobody_disturbed(store, small, slurm):
    """Told before the limit, and again by SIGTERM as srun and Slurm both do, then started again."""
    slurm.controls("")
    plan = small(train={"epochs": 80, "checkpoint_epochs": 40})
    undisturbed, run_id = store.create(plan, {}), store.create(plan, {})
    for each in (undisturbed, run_id):
        store.queue(each, 1, holder("71"), NAME, job="71")
    assert trainer(store, undisturbed).wait(PATIENCE_SECONDS) == 0

    child, follow, end = (
        trainer(store, run_id),
        store.follow(run_id),
        time.monotonic() + PATIENCE_SECONDS,
    )
    while follow.summary().epoch < 2 and time.monotonic() < end and child.poll() is None:
        time.sleep(0.01)
    for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGUSR2, signal.SIGTERM):
        child.send_signal(number)
    assert child.wait(PATIENCE_SECONDS) == 1
    row = store.follow(run_id).summary()
    assert (row.state, row.attempt) == ("queued", 1)
    assert 0 < row.step < 320
    assert slurm.asked("scontrol") == ["scontrol requeue 71"]

    assert trainer(store, run_id, SLURM_RESTART_COUNT="1").wait(PATIENCE_SECONDS) == 0
    whole, again = (store.follow(each).summary() for each in (undisturbed, run_id))
    assert (again.state, again.attempt) == ("finished", 2)
    assert again.weights_sha256 == whole.weights_sha256 != ""
    assert attempts.launcher(store.folder(run_id), 2) == "slurm"
