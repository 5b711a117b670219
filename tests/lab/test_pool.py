"""A study that trains several runs at once: each run once, whatever befalls a worker, with the results of one after the other."""

import os
import signal
import threading
import time

import pytest

from revconsole.errors import WrongState
from revconsole.lab import going_on
from revconsole.lab import study as studies
from revconsole.lab.lab import Lab
from revconsole.lab.launchers.process import Workers
from revconsole.lab.pool import Pool
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.identity import mine
from revconsole.records.runs.queued import read_queued

SECONDS = 120.0
TWO = Workers(slots=("cpu", "cpu"))


@pytest.fixture
def lab(tmp_path, tiny_study):
    return Lab(tmp_path / "runs")


def until(happened):
    end = time.monotonic() + SECONDS
    while not (found := happened()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def ids_by_state(lab, state):
    return [run.id for run in reversed(lab.store.list()) if run.state == state]


def started(lab, **settings):
    """The study on two workers; its runs, and the process that has them."""
    standing = lab.standings(lab.study("tiny", settings))
    ids = lab.go_on(standing, TWO)
    return ids, read_queued(lab.store.folder(ids[0]) / "launch.json").holder


def trainer(lab, run_id):
    return attempts.owner(lab.store.folder(run_id), lab.summary(run_id).attempt)


def test_a_killed_workers_run_is_taken_again_and_every_weight_is_that_of_an_undisturbed_study(
    lab, tmp_path
):
    settings = {"train.epochs": 3, "train.batch": 64, "seeds": [0]}
    alone = Lab(tmp_path / "alone")
    alone.go_on(alone.standings(alone.study("tiny", settings)))
    ids, process = started(lab, **settings)
    victim = until(lambda: ids_by_state(lab, "running"))[0]
    lab.pause(victim)
    until(lambda: lab.summary(victim).state in {"paused", "finished"})

    os.kill(trainer(lab, victim).pid, signal.SIGKILL)
    assert process.wait(SECONDS)
    assert alone.wait(SECONDS)

    runs = {run.id: run for run in lab.store.list()}
    assert {run.state for run in runs.values()} == {"finished"}
    assert {run_id: runs[run_id].attempt for run_id in ids} == {
        each: 1 + (each == victim) for each in ids
    }
    assert weights(lab) == weights(alone)
    assert "killed" not in {run.state for run in runs.values()}


def weights(lab):
    return {run.plan.digest(): run.weights_sha256 for run in lab.store.list()}


LONG = {"train.epochs": 100_000, "train.checkpoint_epochs": 500, "seeds": [0, 1]}


def test_a_run_that_is_stopped_at_once_is_not_taken_again_and_a_signal_stops_all_workers(lab):
    ids, process = started(lab, **LONG)
    first, _ = until(lambda: len(found := ids_by_state(lab, "running")) == 2 and found)

    lab.stop_now(first)
    until(lambda: len(ids_by_state(lab, "running")) == 2)
    assert lab.summary(first).state == "stopped"
    process.send(signal.SIGTERM)
    assert process.wait(SECONDS)

    states = [lab.summary(run_id).state for run_id in ids]
    assert sorted(states) == ["lost", "stopped", "stopped", "stopped"], "one had not begun"
    assert (lab.store.folder(ids[1]) / "checkpoints").is_dir()


def test_who_waits_for_a_pool_stops_it_or_leaves_it_alone(lab):
    ids, process = started(lab, **LONG)
    until(lambda: len(ids_by_state(lab, "running")) == 2)
    left = Pool(lab, ids)
    left.hand_all_over("its terminal was lost")
    left.wait()
    assert process.alive()
    pool = Pool(lab, ids)

    with pytest.raises(
        WrongState, match=rf"4 runs, are trained already by process {process.pid} of this machine"
    ):
        lab.go_on(unseen(lab))
    with pytest.raises(WrongState, match="4 runs, are trained already"):
        lab.go_on(lab.standings(lab.study("tiny", LONG)))
    pool.stop_all("Ctrl-C")
    pool.wait()

    assert {run.state for run in lab.store.list()} == {"stopped"}
    assert not process.alive()


def unseen(lab):
    """The runs of the study as another command saw them before they were launched."""
    return [studies.Standing(plan=run.plan, summary=None) for run in lab.store.list()]


def test_two_commands_at_once_create_the_runs_of_a_study_once(lab, tmp_path):
    labs = [lab, Lab(lab.store.root)]
    standing = lab.standings(lab.study("tiny"))
    together, said = threading.Barrier(2), []

    def launch(each):
        def start(ids):
            for run_id in ids:
                each.store.queue(run_id, 1, mine(), "process")

        together.wait()
        try:
            said.append(len(going_on.go_on(each.store, standing, studies.RunKeys(), start)))
        except WrongState as error:
            said.append(str(error))

    threads = [threading.Thread(target=launch, args=[each]) for each in labs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)

    assert len(lab.store.list()) == 4
    count, refused = sorted(said, key=str)
    assert count == 4
    assert "what is left of the study, 4 runs, are trained already" in refused
