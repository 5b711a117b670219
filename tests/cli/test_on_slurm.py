"""`--on slurm`: what is shown, asked, submitted and followed; the cluster is pretended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from revconsole.records.config import places
from revconsole.records.logs.events import Finished
from revconsole.records.runs.store import RunStore
from revconsole.records.search.launched import every_launch
from tests.lab.fake_trials import written

PATIENCE_SECONDS = 120.0
TINY = "[train]\nepochs = 1\n[data]\ntrain_limit = 100\n"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_STORE", str(tmp_path / "runs"))
    Path("tiny.toml").write_text(TINY)
    return RunStore(tmp_path / "runs")


def test_a_plan_is_shown_and_nothing_else_happens(run, slurm, store):
    places.user_file().write_text(
        '[place.slurm]\npartition = "gpu"\ntime = "2-00:00"\nat_once = 2\n'
    )
    said = run(
        "train", "tiny.toml", "seeds=0,1,2", "train.device=cuda", "--on", "slurm", "--dry-run"
    )
    assert said.code == 0, said.err
    assert (
        "slurm: an array of 3 jobs, 2 at once, each with partition gpu, 1 GPU, a limit of 2 d 0 h"
        in said.err
    )
    assert "how long a run takes is not known here" in said.err
    assert "    #SBATCH --array=0-2%2\n" in said.err
    assert slurm.asked() == ["sbatch --test-only"]
    assert store.list() == ()


def test_a_plan_says_when_slurm_expects_the_job_to_begin(run, slurm, store):
    slurm.expects("sbatch: Job 4 to start at 2026-11-29T15:03:00 using 1 processors on nodes n1\n")
    said = run("train", "tiny.toml", "--on", "slurm", "--dry-run")
    assert "as things are, Slurm expects it to begin at 2026-11-29 15:03:00\n" in said.err


def launched(store):
    return [launch.tasks for launch in every_launch(store)]


def test_a_search_is_an_array_of_workers_that_is_watched_and_stopped(
    run, slurm, store, monkeypatch
):
    written()
    monkeypatch.setattr("revconsole.lab.launchers.slurm.watching.EVERY_SECONDS", 0.0)
    places.user_file().write_text("[place.slurm]\nat_once = 3\n")
    said = run("study", "run", "fake", "--on", "slurm", "--yes", "-d")
    assert (said.code, said.out) == (0, "71\n")
    assert "an array of 3 jobs" in said.err
    (path,) = store.root.glob(".searches/*/slurm.sh")
    assert "#SBATCH --array=0-2%3\n" in path.read_text()
    assert f"--search {path.parent.name}/" in path.read_text()
    slurm.says("71_0|RUNNING|None|n1", "71_1|PENDING|Priority|", "71_2|PENDING|Priority|")
    assert (
        "trained by Slurm job 71 (1 running, 2 pending (Priority))"
        in run("study", "show", "fake").err
    )
    assert "nobody" not in run("study", "stop", "fake").err
    assert slurm.asked("scancel") == ["scancel 71"]
    slurm.says("71_0|CANCELLED|None|n1", "71_1|CANCELLED|None|")
    assert "trained by" not in run("study", "show", "fake").err
    assert launched(store) == []


def test_a_refused_search_leaves_no_launch(run, slurm, store):
    written()
    slurm.refuse("sbatch: error: invalid account\n")
    said = run("study", "run", "fake", "--on", "slurm", "--yes")
    assert said.code == 4
    assert said.err.endswith("revconsole: sbatch refused: invalid account\n")
    assert launched(store) == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--on", "slrum", "--yes"], 2, "there is no place 'slrum'; did you mean 'slurm'?"),
        (["--on", "slurm:big", "--yes"], 2, "there is no place 'slurm:big'; did you mean 'slurm'?"),
        (["--on", "slurm"], 2, "--yes: is needed where nobody can be asked"),
        (["--on", "slurm", "--yes", "--now"], 2, "--now: does not go with --on: Slurm decides when a job begins"),
        (["--on", "slurm", "--yes", "train.epochs=0"], 2, "train.epochs"),
        (["--on", "slurm", "--yes", "train.device=cpu:9"], 2, "train.device"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_one_sentence_and_creates_nothing(
    run, slurm, store, words, code, sentence
):
    said = run("train", "tiny.toml", *words)
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert slurm.asked() == []
    assert store.list() == ()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('time = "soon"', "place.slurm.time: should be a time as sbatch takes it"),
        ('time = "00:00"', "place.slurm.time: should be a time as sbatch takes it"),
        ('time = "2"', "place.slurm.time: 2 leaves no time to train"),
        ("gpus = -1", "place.slurm.gpus: should be a number of GPUs"),
        ("nodes = 1.5", "place.slurm.nodes: should be a whole number from 1 to 1024"),
        ('partition = "a b"', "place.slurm.partition: should be a name without spaces"),
        ('options = ["mem=3G"]', "place.slurm.options: should be a list of options"),
        ('options = ["--array=0-3"]', "should not hold --array, which revconsole sets itself"),
        ('options = ["--time=3"]', "should not hold --time, which has the key time of its own"),
        ('setup = ["a\\nb"]', "place.slurm.setup: should be a list with a text for each line"),
        ('partitoin = "x"', "place.slurm.partitoin: unknown key; did you mean 'place.slurm.partition'?"),
    ],
)  # fmt: skip
def test_a_place_that_is_wrong_is_one_sentence(run, slurm, store, line, sentence):
    places.user_file().write_text(f"[place.slurm]\n{line}\n")
    said = run("train", "tiny.toml", "--on", "slurm", "--yes")
    assert said.code == 2
    assert sentence in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert store.list() == ()


def test_without_slurm_it_says_where_it_works(run, store, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    said = run("train", "tiny.toml", "--on", "slurm", "--yes")
    assert said.code == 4
    assert said.err.startswith("revconsole: there is no sbatch here")


def test_a_refused_submission_leaves_nothing(run, slurm, store):
    slurm.refuse("sbatch: error: invalid partition specified: gpu\n")
    said = run("train", "tiny.toml", "--on", "slurm", "--yes")
    assert said.code == 4
    assert (
        "sbatch refused: invalid partition specified: gpu; the partitions here are main, urgent"
        in said.err
    )
    assert store.list() == ()


def test_submitted_runs_are_listed_with_slurms_words_stopped_and_resumed(run, slurm, store):
    """From the login node, through one command after the other."""
    said = run("train", "tiny.toml", "--on", "slurm", "--yes", "-d")
    run_id = said.out.strip()
    assert said.code == 0, said.err
    assert "submitted as Slurm job 71" in said.err
    slurm.says("71|PENDING|Priority|")

    (row,) = json.loads(run("ls", "--json").out)
    assert (row["id"], row["state"]) == (run_id, "queued")
    assert row["reason"] == "Slurm job 71 waits: Priority (jobs with a higher priority come first)"
    said = run("watch", "--no-follow", run_id)
    assert "waits: Priority" in said.err

    assert run("stop", run_id).err.strip() == f"{run_id} taken out of the queue"
    assert slurm.asked("scancel") == ["scancel 71"]
    slurm.job = "72"
    said = run("resume", run_id, "--on", "slurm", "--yes", "-d")
    assert said.code == 0, said.err
    assert "submitted as Slurm job 72" in said.err
    said = run("resume", run_id, "--on", "slurm", "--yes", "-d")
    assert said.code == 2
    assert "is queued" in said.err


def test_a_study_is_an_array_of_what_is_left_of_it(run, slurm, store, tiny_study):
    said = run("study", "run", "tiny.toml", "--on", "slurm", "--yes", "-d")
    assert said.code == 0, said.err
    ids = said.out.split()
    assert len(ids) == 4
    text = (store.folder(ids[0]) / "slurm.sh").read_text()
    assert "#SBATCH --array=0-3\n" in text
    attempt = store.claim(ids[0], 1, "slurm")
    attempt.emit(Finished(outcome="completed", step=9))
    attempt.close()
    for run_id in ids[1:3]:
        store.stop_queued(run_id, 1)
    slurm.says("71_3|PENDING|Resources|")
    said = run("study", "run", "tiny.toml", "--on", "slurm", "--dry-run")
    assert "slurm: an array of 2 jobs" in said.err, "one is done, one still waits for its job"
    said = run("study", "resume", "tiny.toml", "--on", "slurm", "--yes", "-d")
    assert said.out.split() == ids[1:3]


@pytest.mark.slow
def test_ctrl_c_detaches_and_the_job_goes_on(slurm, store):
    slurm.says("71|PENDING|Resources|")
    command = [sys.executable, "-m", "revconsole", "train", "tiny.toml", "--on", "slurm", "--yes"]
    child = subprocess.Popen(
        command, env=os.environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    lines = []
    end = time.monotonic() + PATIENCE_SECONDS
    while not any("waits: Resources" in line for line in lines):
        assert time.monotonic() < end
        lines.append(child.stderr.readline())
    child.send_signal(signal.SIGINT)
    assert "detached, the jobs go on" in child.communicate(timeout=PATIENCE_SECONDS)[1]
    assert child.returncode == 0
    assert slurm.asked("scancel") == []
    assert [row.state for row in store.list()] == ["queued"]
