"""Runs in jobs of a pretended Slurm: what is submitted, what is known of the jobs, how they are stopped."""

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from revconsole.errors import NotSubmitted, ProfileError, StoreError, UnknownName
from revconsole.lab.lab import Lab
from revconsole.lab.launchers.slurm import watching
from revconsole.lab.launchers.slurm.asking import asked_for
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.script import script
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.records import ranks
from revconsole.records.config import places
from revconsole.records.config.config import read_config
from revconsole.records.logs.events import Finished, Started
from revconsole.records.runs.attempt import LAUNCH_LOG
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.submission import NODES, versions

PLACE = SlurmPlace(name="slurm", partition="gpu", account="ml", time="1-00:00:00", at_once=2)


@pytest.fixture
def lab(store, monkeypatch):
    monkeypatch.setattr("revconsole.lab.launchers.slurm.watching.EVERY_SECONDS", 0.0)
    return Lab(store.root)


def submit(lab, plan, seeds=(0,), place=PLACE):
    """Runs of a plan, one a seed, submitted."""
    ids = [lab.store.create(plan.model_copy(update={"seed": seed}), {}) for seed in seeds]
    SlurmLauncher(place).launch(lab.store, ids)
    return ids


def state(lab, run_id):
    lab.jobs.look()
    row = lab.summary(run_id)
    return row.state, row.reason


def test_a_run_is_submitted_with_a_script_that_its_folder_keeps(lab, slurm, plan):
    (run_id,) = submit(lab, plan)
    path = lab.store.folder(run_id) / "slurm.sh"
    lines = path.read_text().splitlines()

    assert slurm.asked("sbatch") == [f"sbatch --parsable {path}"]
    assert lines[0] == "#!/bin/bash"
    assert {
        "#SBATCH --requeue", "#SBATCH --signal=USR2@120", "#SBATCH --partition=gpu", "#SBATCH --account=ml",
        "#SBATCH --time=1-00:00:00", "#SBATCH --gres=gpu:1", "#SBATCH --open-mode=append",
    } <= set(lines)  # fmt: skip
    assert not any("--array" in line for line in lines)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    queued = read_queued(lab.store.folder(run_id) / "launch.json")
    assert (queued.job, queued.attempt, queued.devices) == ("71", 1, ())
    assert lab.summary(run_id).state == "queued"
    assert lab.summary(run_id).reason == "submitted as Slurm job 71"


def test_several_runs_are_an_array_of_which_so_many_run_at_once(lab, slurm, plan):
    ids = submit(lab, plan, seeds=(0, 1, 2))

    assert len(slurm.asked("sbatch")) == 1
    jobs = [read_queued(lab.store.folder(run_id) / "launch.json").job for run_id in ids]
    assert jobs == ["71_0", "71_1", "71_2"]
    texts = {(lab.store.folder(run_id) / "slurm.sh").read_text() for run_id in ids}
    assert len(texts) == 1
    assert "#SBATCH --array=0-2%2\n" in texts.pop()
    assert lab.batch() == tuple(ids)


@pytest.mark.parametrize("task", [0, 2])
def test_each_task_of_an_array_starts_its_own_run(lab, slurm, plan, tmp_path, task):
    """In a store whose name has what shells and sbatch read otherwise, with set-up lines before the training."""
    lab = Lab(tmp_path / "a %store's $runs")
    place = SlurmPlace(name="slurm", setup=("module() { echo loaded $1; }", "module cuda"))
    ids = submit(lab, plan, seeds=(0, 1, 2), place=place)
    srun = slurm.folder / "srun"
    srun.write_text(
        f'#!/bin/sh\nfor word; do echo "[$word]"; done > {tmp_path}/srun.txt\npwd -P >> {tmp_path}/srun.txt\n'
        f'echo "$REVCONSOLE_SUBMITTED_WITH" >> {tmp_path}/srun.txt\n'
    )
    srun.chmod(0o755)

    path = lab.store.folder(ids[0]) / "slurm.sh"
    assert (
        f'#SBATCH --output="{tmp_path}/a %%store\'s $runs/.slurm/%A_%a.out"\n' in path.read_text()
    )
    bare = {"PATH": os.environ["PATH"], "SLURM_ARRAY_TASK_ID": str(task)}
    subprocess.run(["bash", str(path)], env=bare, check=True)

    said = (tmp_path / "srun.txt").read_text().splitlines()
    assert said[-4:-2] == [f"[{lab.store.root.resolve()}]", f"[{ids[task]}]"]
    assert said[-2] == str(lab.store.root.resolve())
    assert said[-1] == f"revconsole={versions()['revconsole']} torch={versions()['torch']}"
    assert (lab.store.folder(ids[task]) / LAUNCH_LOG).read_text() == "loaded cuda\n"


def test_a_script_holds_no_address_of_notices(lab, slurm, plan, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_NOTIFY_WEBHOOK", "https://example.org/secret")
    (run_id,) = submit(lab, plan)
    assert "secret" not in (lab.store.folder(run_id) / "slurm.sh").read_text()


def test_what_is_set_elsewhere_does_not_override_the_place(lab, slurm, plan, monkeypatch):
    (slurm.folder / "sbatch").write_text(f"#!/bin/sh\nenv > {slurm.folder}/environment\necho 5\n")
    for name in ("PARTITION", "QOS"):
        monkeypatch.setenv(f"SBATCH_{name}", "other")
    submit(lab, plan)
    found = (slurm.folder / "environment").read_text()
    assert "SBATCH_QOS=other" in found
    assert "SBATCH_PARTITION" not in found


def test_a_refused_submission_is_quoted_with_the_partitions_and_leaves_nothing(lab, slurm, plan):
    slurm.refuse(
        "sbatch: error: invalid partition specified: gpu\n"
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    )
    with pytest.raises(NotSubmitted) as raised:
        submit(lab, plan, seeds=(0, 1))
    assert str(raised.value) == (
        "sbatch refused: invalid partition specified: gpu; Batch job submission failed: Invalid partition name "
        "specified; the partitions here are main, urgent"
    )
    assert lab.store.list() == ()
    assert list((lab.store.root / ".slurm").iterdir()) == []


def test_a_refused_resume_leaves_the_run_as_it_was(lab, slurm, plan):
    run_id = lab.store.create(plan, {})
    attempt = lab.store.claim(run_id, 1)
    attempt.emit(Finished(outcome="stopped", step=7, by="me"))
    attempt.close()
    slurm.refuse("sbatch: error: Batch job submission failed: Job violates accounting policy\n")
    with pytest.raises(NotSubmitted, match=r"^sbatch refused: .* accounting policy$"):
        lab.resume(run_id, SlurmLauncher(PLACE))
    assert (lab.summary(run_id).state, lab.summary(run_id).reason) == ("stopped", "at step 7 by me")


def test_without_sbatch_nothing_is_created(lab, plan, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        NotSubmitted, match="there is no sbatch here: --on slurm works on a login node"
    ):
        submit(lab, plan)
    assert not (lab.store.root / ".slurm").exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("71|PENDING|Priority|", "Slurm job 71 waits: Priority (jobs with a higher priority come first)"),
        ("71|PENDING|Resources|", "Slurm job 71 waits: Resources (for nodes or devices to become free)"),
        ("71|PENDING|QOSMaxGRESPerUser|", "Slurm job 71 waits: QOSMaxGRESPerUser"),
        ("71|PENDING|None|", "Slurm job 71 waits"),
        ("71|CONFIGURING|None|n12", "Slurm job 71 is configuring on n12"),
    ],
)  # fmt: skip
def test_a_waiting_run_says_why_in_slurms_own_words(lab, slurm, plan, row, said):
    (run_id,) = submit(lab, plan)
    slurm.says(row)
    assert state(lab, run_id) == ("queued", said)
    assert Lab(lab.store.root, readonly=True).summary(run_id).reason == said, "for everybody"


def test_a_job_that_runs_and_leaves_no_trace_does_not_see_the_store(lab, slurm, plan, monkeypatch):
    (run_id,) = submit(lab, plan)
    slurm.says("71|RUNNING|None|n12")
    assert state(lab, run_id) == ("queued", "Slurm job 71 is running on n12")
    whereabouts = lab.store.folder(run_id) / "whereabouts.json"
    then = whereabouts.stat().st_mtime - 61
    os.utime(whereabouts, (then, then))
    assert (
        state(lab, run_id)[1]
        == f"nothing from Slurm job 71 in 60 s: is {lab.store.root} shared with n12?"
    )
    (lab.store.folder(run_id) / LAUNCH_LOG).touch()
    assert state(lab, run_id)[1] == "Slurm job 71 is running on n12"


def test_a_job_that_ends_before_its_run_begins_is_told_with_its_last_line(lab, slurm, plan):
    one, other = submit(lab, plan, seeds=(0, 1))
    (lab.store.folder(one) / LAUNCH_LOG).write_text("module: command not found\n")
    slurm.says("71_0|FAILED|NonZeroExitCode|n12", "71_1|NODE_FAIL|None|n13")
    why = "Slurm job 71_0 ended on n12 as FAILED before the run began (module: command not found)"
    assert state(lab, one) == ("failed", f"{why}; `revconsole resume` starts it")
    assert state(lab, other)[1] == (
        "Slurm job 71_1 ended on n13 as NODE_FAIL before the run began and left no trace: is "
        f"{lab.store.root} shared with n13?; `revconsole resume` starts it"
    )
    asked = len(slurm.asked("squeue"))
    assert state(lab, one)[0] == "failed"
    assert len(slurm.asked("squeue")) == asked, "nobody asks about what is over"


def test_a_job_cancelled_from_outside_stops_its_run(lab, slurm, plan):
    (run_id,) = submit(lab, plan)
    slurm.says("71|CANCELLED|None|")
    assert state(lab, run_id)[0] == "stopped"
    assert "(Slurm job 71 was cancelled)" in lab.summary(run_id).reason


def begun_elsewhere(lab, run_id, step=9):
    """A run that a node has begun, whose processes nobody here can ask about."""
    import json

    attempt = lab.store.claim(run_id, 1, "slurm")
    attempt.emit(Started(facts={"steps": 100}))
    attempt.close()
    path = attempt.folder / "claim.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "n12"}))


@pytest.mark.parametrize(
    ("row", "state_said", "why"),
    [
        ("71|TIMEOUT|TimeLimit|n12", "killed", "Slurm job 71 ended on n12 as TIMEOUT after step 0"),
        ("71|OUT_OF_MEMORY|OutOfMemory|n12", "out of memory", "as OUT_OF_MEMORY after step 0"),
        ("71|NODE_FAIL|None|n12", "killed", "as NODE_FAIL after step 0"),
    ],
)  # fmt: skip
def test_a_run_whose_job_is_over_is_no_longer_said_to_train_and_resumes(
    lab, slurm, plan, row, state_said, why
):
    (run_id,) = submit(lab, plan)
    begun_elsewhere(lab, run_id)
    slurm.says("71|RUNNING|None|n12")
    assert state(lab, run_id) == ("running", "")
    slurm.says(row)
    found = state(lab, run_id)
    assert found[0] == state_said
    assert why in found[1]
    slurm.job = "72"
    lab.resume(run_id, SlurmLauncher(PLACE))
    assert state(lab, run_id)[0] == "failed", "job 72 is unknown to squeue, so it is over"


def test_what_a_supervisor_saw_of_the_end_is_kept(lab, slurm, plan):
    (run_id,) = submit(lab, plan)
    begun_elsewhere(lab, run_id)
    record = lab.store.folder(run_id) / "attempts" / "0001" / "exit.json"
    record.write_text('{"signal": 11, "memory": false}')
    slurm.says("71|FAILED|NonZeroExitCode|n12")
    assert state(lab, run_id)[1].startswith("by SIGSEGV after step 0")


def test_a_job_that_slurm_has_forgotten_is_asked_of_the_accounting_where_there_is_one(
    lab, slurm, plan
):
    one, other = submit(lab, plan, seeds=(0, 1))
    begun_elsewhere(lab, one)
    begun_elsewhere(lab, other)
    slurm.says()
    slurm.accounts("71_0|CANCELLED by 1000|None|n12")
    assert "Slurm job 71_0 ended on n12 as CANCELLED" in state(lab, one)[1]
    assert "Slurm job 71_1 ended as GONE" in state(lab, other)[1]


def test_a_node_that_died_leaves_a_run_that_waits_for_its_job_again(lab, slurm, plan):
    (run_id,) = submit(lab, plan)
    begun_elsewhere(lab, run_id)
    slurm.says("71|PENDING|BeginTime|")
    found = state(lab, run_id)
    assert found[0] == "queued"
    assert found[1].startswith("Slurm job 71 waits: BeginTime")
    queued = read_queued(lab.store.folder(run_id) / "launch.json")
    assert (queued.attempt, queued.job) == (2, "71")


def test_slurm_is_asked_at_most_every_ten_seconds_by_all_together_and_seldom_in_vain(
    store, slurm, plan, monkeypatch
):
    lab = Lab(store.root)
    submit(lab, plan)
    slurm.says("71|PENDING|Priority|")
    for _ in range(3):
        lab.jobs.look()
        Lab(store.root).jobs.look()
    assert len(slurm.asked("squeue")) == 1
    asked = store.root / ".slurm" / "asked"

    def later(seconds):
        for path in (asked, asked.with_name("silent")):
            if path.exists():
                then = path.stat().st_mtime - seconds
                os.utime(path, (then, then))

    slurm.be_silent()
    later(11)
    lab.jobs.look()
    assert len(slurm.asked("squeue")) == 2
    later(11)
    lab.jobs.look()
    assert len(slurm.asked("squeue")) == 2, "a minute after an answer that did not come"
    later(61)
    lab.jobs.look()
    assert len(slurm.asked("squeue")) == 3


def test_a_store_without_jobs_asks_nothing_and_a_readonly_lab_neither(lab, slurm, plan):
    lab.jobs.look()
    submit(lab, plan)
    Lab(lab.store.root, readonly=True).jobs.look()
    assert slurm.asked("squeue") == []


def test_a_waiting_run_is_taken_out_of_slurms_queue(lab, slurm, plan):
    one, other = submit(lab, plan, seeds=(0, 1))
    assert lab.stop(one) == "taken out of the queue"
    assert lab.stop_now(other) == "taken out of the queue"
    assert slurm.asked("scancel") == ["scancel 71_0", "scancel 71_1"]
    assert [lab.summary(run_id).state for run_id in (one, other)] == ["stopped", "stopped"]


def test_jobs_that_are_stopped_together_are_cancelled_with_one_call(lab, slurm, plan):
    ids = submit(lab, plan, seeds=(0, 1, 2))
    assert lab.stop_runs(ids) == "3 taken out of the queue"
    (asked,) = slurm.asked("scancel")
    assert sorted(asked.split()[1:]) == ["71_0", "71_1", "71_2"]


def test_who_is_to_be_told_hears_of_a_run_that_the_end_of_its_job_ended(
    lab, slurm, plan, monkeypatch
):
    told = []
    monkeypatch.setattr(watching, "tell_of_end", lambda store, run_id: told.append(run_id))
    (run_id,) = submit(lab, plan)
    slurm.says("71|TIMEOUT|TimeLimit|n1")
    lab.jobs.look()
    assert told == [run_id]


def test_a_run_that_trains_is_asked_through_its_folder_and_cancelled_only_at_once(lab, slurm, plan):
    (run_id,) = submit(lab, plan)
    begun_elsewhere(lab, run_id)
    assert lab.stop(run_id) == "will stop after this step with a checkpoint"
    assert slurm.asked("scancel") == []
    assert (
        lab.stop_now(run_id)
        == "ends now: Slurm job 71 is cancelled, and saves the run if it still can"
    )
    assert slurm.asked("scancel") == ["scancel 71"]


def test_a_store_that_cannot_be_written_submits_nothing(lab, slurm, plan):
    (run_id,) = [lab.store.create(plan, {})]
    (lab.store.root / ".slurm").write_text("in the way")
    with pytest.raises(StoreError, match="cannot submit from"):
        SlurmLauncher(PLACE).launch(lab.store, [run_id])
    assert slurm.asked("sbatch") == []


def test_places_have_names_and_what_they_do_not_say_is_that_of_slurm():
    places.user_file().write_text(
        '[place.slurm]\npartition = "gpu"\ntime = 90\n[place.slurm.big]\ngpus = "a100:8"\nnodes = 2\n'
    )
    config = read_config()
    assert config.problems == ()
    usual, big = SlurmPlace.of(config, "slurm"), SlurmPlace.of(config, "slurm:big")
    assert (usual.partition, usual.gpus, usual.seconds) == ("gpu", "1", 5400)
    assert (big.partition, big.gpus, big.nodes, big.seconds) == ("gpu", "a100:8", 2, 5400)
    text = script(big, Path("/s"), Path("/s/l"), name="x", count=1)
    assert "#SBATCH --gres=gpu:a100:8\n" in text
    assert "#SBATCH --nodes=2\n" in text
    with pytest.raises(UnknownName, match="there is no place 'slurm:bg'; did you mean 'slurm:big'"):
        SlurmPlace.of(config, "slurm:bg")


def test_a_run_of_several_ranks_asks_for_a_gpu_for_each(lab, slurm, plan):
    train = plan.train.model_copy(update={"gpus": 4, "accumulate": 4})
    (run_id,) = submit(
        lab, plan.model_copy(update={"train": train}), place=replace(PLACE, gpus="a100:1")
    )
    text = (lab.store.folder(run_id) / "slurm.sh").read_text()
    assert "#SBATCH --gres=gpu:a100:4\n" in text
    assert "REVCONSOLE_NODES" not in text


def test_ranks_on_several_nodes_are_started_on_each_by_srun(lab, slurm, plan, monkeypatch):
    train = plan.train.model_copy(update={"gpus": 4, "accumulate": 4})
    place = replace(PLACE, nodes=2)
    (run_id,) = submit(lab, plan.model_copy(update={"train": train}), place=place)
    text = (lab.store.folder(run_id) / "slurm.sh").read_text()
    for line in ("#SBATCH --nodes=2", "#SBATCH --gres=gpu:2", "export REVCONSOLE_NODES=2"):
        assert f"{line}\n" in text
    assert "srun --nodes=1 --ntasks=1 --overlap --export=ALL" in text, (
        "one process asks them to stop"
    )
    assert "2 GPUs on each of 2 nodes" in asked_for(place.sized(4), 1)

    monkeypatch.setenv(NODES, "2")
    srun, *words = ranks._command(lab.store, run_id, 1, 4)
    assert srun == "srun"
    assert {"--overlap", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"} <= set(words)
    assert words[-5:-1] == [str(lab.store.root.resolve()), f"{run_id}:1", "4", "2"]
    assert re.fullmatch(r".+:\d+", words[-1])


def test_ranks_that_the_nodes_cannot_share_are_refused_and_leave_nothing(lab, slurm, plan):
    with pytest.raises(
        ProfileError,
        match=r"train\.gpus: 1 cannot be shared alike by the 2 nodes of slurm: set it to 2",
    ):
        submit(lab, plan, place=replace(PLACE, nodes=2))
    assert lab.store.list() == ()
    assert slurm.asked() == []


def test_a_limit_without_time_to_train_is_refused():
    places.user_file().write_text('[place.slurm]\ntime = "3"\n')
    with pytest.raises(ProfileError, match=r"place\.slurm\.time: 3 leaves no time to train"):
        SlurmPlace.of(read_config(), "slurm")
