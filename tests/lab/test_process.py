"""Background processes: nothing of the working folder runs in them, and what they say is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.lab.lab import Lab
from revconsole.records import child
from revconsole.records.runs.attempt import LAUNCH_LOG
from revconsole.records.runs.queued import read_queued

pytestmark = pytest.mark.interpreter

TINY = """
title = "a network that trains in a second"
[model]
patch = 4
dim = 16
depth = 1
heads = 2
[data]
train_limit = 100
[train]
epochs = 1
batch = 64
threads = 1
audit = false
"""
SECONDS = 180.0


@pytest.fixture
def lab(tmp_path):
    Path("tiny.toml").write_text(TINY, encoding="utf-8")
    return Lab(tmp_path / "runs")


def ended(lab: Lab, run_id: str) -> None:
    queued = read_queued(lab.store.folder(run_id) / "launch.json")
    assert queued is not None
    assert queued[0].wait(SECONDS)


def test_a_background_process_runs_no_code_of_the_working_folder_but_a_model_of_ones_own(
    lab, hostile, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", os.environ.get("PYTHONPATH", "")]))
    Path("mine.py").write_text(
        "from torch import nn\n"
        "def model(size, channels, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(size * size * channels, classes))\n"
    )
    settings = {"model.architecture": "python", "model.function": "mine:model"}
    (run_id,) = lab.launch(lab.plan("tiny.toml", settings), "process")
    ended(lab, run_id)

    assert not hostile.exists()
    summary = lab.summary(run_id)
    assert (summary.state, summary.reason) == ("finished", "")
    folder = lab.store.folder(run_id)
    assert not (folder / LAUNCH_LOG).exists(), "what was said before the claim is the attempt's"
    assert (folder / "attempts" / "0001" / LAUNCH_LOG).read_text() == ""


def test_a_process_that_measures_runs_no_code_of_the_working_folder(lab, hostile):
    (plan,) = lab.plan("tiny.toml").plans
    from revconsole.lab.estimate import Measurer

    measurer = Measurer()
    try:
        assert measurer.ask(plan).pace.epoch_seconds > 0
    finally:
        measurer.end()
    assert not hostile.exists()


def test_the_module_runs_no_code_of_the_working_folder_once_it_has_begun():
    """`python -m revconsole` puts that folder first; what Python itself imports before is not ours to say."""
    Path("typer.py").write_text("raise SystemExit('foreign')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "revconsole", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_process_says_before_it_has_a_run_is_told_and_kept(lab, tmp_path, monkeypatch):
    """A broken installation ends the process before it can claim anything."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "psutil.py").write_text("raise ImportError('no psutil for this machine')")
    (broken / "pydantic.py").write_text("raise ImportError('libfoo.so: not found')")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")])
    )
    (run_id,) = lab.launch(lab.plan("tiny.toml"), "process")
    ended(lab, run_id)

    summary = lab.summary(run_id)
    assert summary.state == "lost"
    assert "ended before the run began (ImportError: libfoo.so: not found)" in summary.reason
    assert "Traceback" in (lab.store.folder(run_id) / LAUNCH_LOG).read_text()


def test_relative_folders_of_the_environment_mean_the_same_in_a_child(tmp_path, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_DATA", "images")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib", "/else"]))
    code = "import os; print(os.environ['REVCONSOLE_DATA']); print(os.environ['PYTHONPATH'])"
    here = Path.cwd()

    said = subprocess.run(
        [sys.executable, "-c", code], env=child.environment(), cwd="/", capture_output=True,
        text=True, check=True,
    ).stdout.splitlines()  # fmt: skip

    assert said == [str(here / "images"), os.pathsep.join([str(here / "lib"), "/else"])]
