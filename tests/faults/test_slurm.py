"""Jobs of a real Slurm that are requeued, preempted, cancelled or killed, or reach their limit: no bit of a run changes.

They need a machine on which a Slurm can be started; see `real_slurm`.
"""

import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from revconsole.errors import RevconsoleError
from revconsole.lab.lab import Lab
from revconsole.lab.launchers.slurm import programs, search_jobs
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.lab.search import launching
from revconsole.lab.search.searching import Searching
from revconsole.records.runs.queued import read_queued
from revconsole.records.search.planned_search import planned_search
from tests.faults.conftest import PROFILE, Site
from tests.real_slurm import RealSlurm, lacking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"no Slurm can be started here: {lacking()}"),
]
PLACE = {"name": "slurm", "partition": "main", "gpus": "0", "cpus": 1}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[RealSlurm]:
    made = RealSlurm(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.end()


class Jobs:
    """The runs of a site in jobs of a cluster."""

    def __init__(self, site: Site, cluster: RealSlurm) -> None:
        self.site, self.cluster = site, cluster

    def submit(self, place: dict | None = None, **settings) -> list[str]:
        planned = self.site.lab.plan("faulty", settings)
        return self.site.lab.launch(planned, SlurmLauncher(SlurmPlace(**PLACE | (place or {}))))

    def job(self, run_id: str) -> str:
        return read_queued(self.site.lab.store.folder(run_id) / "launch.json").job

    def state(self, run_id: str) -> str:
        self.site.lab.jobs.look()
        return self.site.lab.summary(run_id).state

    def comes_again(self, run_id: str, attempt: int) -> float:
        """Wait until a requeued job has begun its next attempt; returns the seconds from then on to its next step.

        What Slurm lets it rest before is left out.
        """
        site, job = self.site, self.job(run_id)
        site.until(lambda: self.state(run_id) == "queued")
        assert f"Slurm job {job} " in site.lab.summary(run_id).reason
        before = site.lab.summary(run_id).step
        self.release(job)
        tail = site.lab.store.follow(run_id)
        began = time.monotonic()

        def moved() -> bool:
            row = tail.summary()
            return row.attempt == attempt and (row.step > before or row.ended)

        site.until(moved)
        return time.monotonic() - began

    def release(self, job: str) -> None:
        """Let a requeued job begin now."""
        fact = f"scontrol show job {job} --oneliner".split()
        self.site.until(lambda: "JobState=PENDING" in self.cluster.ask(*fact))
        self.cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def finish(self, run_id: str):
        """Wait for the end; a job that comes again meanwhile does so at once."""

        def over() -> bool:
            if self.state(run_id) == "queued":
                self.cluster.ask("scontrol", "update", f"JobId={self.job(run_id)}", "StartTime=now")
            return self.site.lab.summary(run_id).ended

        self.site.until(over)
        return self.site.lab.store.read(run_id)


@pytest.fixture
def jobs(site, cluster, monkeypatch) -> Jobs:
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    monkeypatch.setattr(programs, "here", lambda: True)
    monkeypatch.setattr("revconsole.lab.launchers.slurm.watching.EVERY_SECONDS", 0.2)
    return Jobs(site, cluster)


def test_a_job_that_is_requeued_in_training_changes_no_bit(site, jobs, noted):
    whole = site.detached()
    (run_id,) = jobs.submit()
    read = site.reaches(run_id, 40)
    assert not read.summary.ended
    jobs.cluster.ask("scontrol", "requeue", jobs.job(run_id))
    worst = jobs.comes_again(run_id, 2)
    runs = [site.finish(each) for each in (whole, run_id)]
    assert runs[1].summary.attempt == 2
    site.same(*runs)
    steps = runs[1].series["loss"].steps
    assert all(later == earlier + 1 for earlier, later in pairwise(steps)), "no step was repeated"
    noted("a Slurm job requeued in training: bit-identical", 1, worst=worst)


def test_jobs_requeued_during_checkpoints_and_twice_change_no_bit(site, jobs, noted, complete):
    whole = site.detached()
    (run_id,) = jobs.submit(**{"train.checkpoint_steps": 1})
    worst = 0.0
    for attempt in (2, 3):
        site.reaches(run_id, 60 * (attempt - 1) + site.chance.randrange(20))
        jobs.cluster.ask("scontrol", "requeue", jobs.job(run_id))
        worst = max(worst, jobs.comes_again(run_id, attempt))
    runs = [site.finish(each) for each in (whole, run_id)]
    assert runs[1].summary.attempt == 3
    site.same(*runs)
    noted("a Slurm job requeued twice, a checkpoint each step: bit-identical", 2, worst=worst)


def test_a_job_goes_on_beyond_its_time_limit(site, jobs, noted, complete):
    """The signal comes 30 to 90 seconds before a limit of two minutes; the job asks to be requeued, and is."""
    settings = {"train.epochs": 100_000, "train.checkpoint_steps": 500}
    (run_id,) = jobs.submit({"time": "2", "signal_seconds": 30}, **settings)
    worst = jobs.comes_again(run_id, 2)
    site.lab.stop(run_id)
    run = site.finish(run_id)
    whole = site.detached(**settings)
    site.reaches(whole, run.summary.step + 1)
    assert site.lost(run, site.lab.store.read(whole)) == 0
    site.lab.stop_now(whole)
    assert run.series["loss"].steps == list(range(1, run.summary.step + 1))
    noted("a Slurm job at its limit: bit-identical so far", 1, worst=worst)


def test_a_job_that_is_preempted_comes_again(site, jobs, noted, complete):
    whole = site.detached()
    (run_id,) = jobs.submit()
    site.reaches(run_id, 40)
    urgent = jobs.cluster.ask(
        "sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--exclusive", "--time=2", "--output=/dev/null",
        "--wrap=srun sleep 1",
    )  # fmt: skip
    worst = jobs.comes_again(run_id, 2)
    jobs.cluster.ask("scancel", urgent.strip())
    site.same(*(site.finish(each) for each in (whole, run_id)))
    noted("a Slurm job preempted: bit-identical", 1, worst=worst)


def test_a_trainer_killed_in_its_job_is_told_and_resumed_in_another(site, jobs, noted, complete):
    whole = site.detached()
    (run_id,) = jobs.submit()
    site.reaches(run_id, 40)
    read = site.kill(run_id)
    site.until(lambda: jobs.state(run_id) == "killed")
    first = jobs.job(run_id)
    site.lab.resume(run_id, SlurmLauncher(SlurmPlace(**PLACE)))
    assert jobs.job(run_id) != first
    site.regains(run_id, read)
    site.same(*(site.finish(each) for each in (whole, run_id)))
    noted("SIGKILL in a Slurm job, resumed in another: bit-identical", 1)


def test_all_processes_of_a_job_killed_and_the_job_requeued(site, jobs, noted, complete):
    """What a node that dies leaves: no end in the log, no exit record, and a job that starts again."""
    import psutil

    whole = site.detached()
    (run_id,) = jobs.submit()
    site.reaches(run_id, 40)
    trainer = psutil.Process(site.trainer(run_id).pid)
    supervisor = trainer.parent()
    read = site.lab.store.read(run_id)
    job = jobs.job(run_id)
    supervisor.suspend()
    trainer.send_signal(signal.SIGKILL)
    jobs.cluster.ask("scontrol", "requeue", job)
    supervisor.kill()
    worst = jobs.comes_again(run_id, 2)
    site.regains(run_id, read)
    site.same(*(site.finish(each) for each in (whole, run_id)))
    noted("a node's processes killed, the job requeued: bit-identical", 1, worst=worst)


def test_ranks_on_two_nodes_are_requeued_together(site, jobs, noted, complete):
    """Their losses and weights are those of two micro-batches in one process."""
    whole = site.detached(**{"train.accumulate": 2})
    (run_id,) = jobs.submit({"nodes": 2}, **{"train.accumulate": 2, "train.gpus": 2})
    site.reaches(run_id, 40)
    jobs.cluster.ask("scontrol", "requeue", jobs.job(run_id))
    worst = jobs.comes_again(run_id, 2)
    site.same(*(site.finish(each) for each in (whole, run_id)))
    noted("ranks on two nodes of Slurm, requeued: bit-identical", 1, worst=worst)


def test_the_ranks_of_a_job_are_requeued_during_checkpoints_and_twice(site, jobs, noted, complete):
    whole = site.detached(**{"train.accumulate": 2})
    settings = {"train.accumulate": 2, "train.gpus": 2, "train.checkpoint_steps": 1}
    (run_id,) = jobs.submit({}, **settings)
    worst = 0.0
    for attempt in (2, 3):
        site.reaches(run_id, 60 * (attempt - 1) + site.chance.randrange(20))
        jobs.cluster.ask("scontrol", "requeue", jobs.job(run_id))
        worst = max(worst, jobs.comes_again(run_id, attempt))
    runs = [site.finish(whole), jobs.finish(run_id)]
    assert runs[1].summary.attempt == 3
    site.same(*runs)
    noted(
        "ranks of a Slurm job requeued twice, a checkpoint each step: bit-identical", 2, worst=worst
    )


def test_a_study_is_an_array_that_keeps_its_limit_and_is_stopped(site, jobs, noted, complete):
    ids = jobs.submit({"at_once": 1}, seeds=[0, 1, 2, 3])
    site.reaches(ids[0], 5)
    jobs.site.lab.jobs.look()
    assert [site.lab.summary(each).state for each in ids[1:]] == ["queued"] * 3
    reason = site.lab.summary(ids[1]).reason
    assert "JobArrayTaskLimit" in reason, reason
    assert site.lab.stop(ids[3]) == "taken out of the queue"
    assert "will stop after this step" in site.lab.stop(ids[0])
    site.until(lambda: jobs.state(ids[0]) == "stopped")
    site.reaches(ids[1], 5)
    assert "is cancelled" in site.lab.stop_now(ids[1])
    site.until(lambda: jobs.state(ids[1]) == "stopped")
    with pytest.raises(RevconsoleError, match="is already stopped"):
        site.lab.stop(ids[1])
    assert site.finish(ids[2]).summary.state == "finished"
    site.until(lambda: not jobs.cluster.ask("squeue", "--noheader").strip())
    assert jobs.state(ids[3]) == "stopped"
    assert max(site.lab.summary(each).attempt for each in ids) == 1
    noted("an array of a study: one at a time, stopped, cancelled", 4)


SEARCH = """
[search]
method = "random"
trials = 3
stop_early = "none"
repeat_best = 1
[search.space]
"optimizer.learning_rate" = { from = 1e-3, to = 1e-2 }
"""


def test_a_search_is_an_array_of_workers_that_come_again_and_are_stopped(
    site, jobs, noted, complete
):
    """One worker is requeued in a trial, both are stopped, and others go on: every trial is that of a search in a process."""
    Path("searched.toml").write_text(f"{PROFILE}{SEARCH}", encoding="utf-8")
    lab, alone = site.lab, Lab(site.lab.store.root.with_name("alone"))
    found, other = (
        Searching(each, planned_search("searched", {}, each.store)) for each in (lab, alone)
    )
    place = SlurmPlace(**PLACE)

    search_jobs.submit(place, lab.store, launching.new_launch(found), 2)
    site.until(lambda: len(lab.store.list()) == 2)
    first = min(run.id for run in lab.store.list())
    site.reaches(first, 40)
    jobs.cluster.ask("scontrol", "requeue", jobs.job(first))
    worst = jobs.comes_again(first, 2)
    assert "what trains stops" in launching.stop(lab.store, found.planned.like.search)
    site.until(lambda: not jobs.cluster.ask("squeue", "--noheader").strip())
    assert {run.state for run in lab.store.list()} <= {"stopped", "finished"}
    search_jobs.submit(place, lab.store, launching.new_launch(found), 2)
    launching.launch(alone, other)
    site.until(lambda: found.standing().done == other.standing().done == 4)

    def weights(each):
        return {run.name: run.weights_sha256 for run in each.store.list()}

    assert weights(lab) == weights(alone)
    noted("a worker of a search requeued, all stopped, gone on with: bit-identical", 1, worst=worst)
