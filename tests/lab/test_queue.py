"""The queue of this process: nothing that befalls one run keeps the next from training."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from revconsole.errors import StoreError
from revconsole.lab.lab import Lab
from revconsole.lab.launchers import thread
from revconsole.records.logs import log
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import control, identity
from revconsole.records.runs.identity import Identity

SECONDS = 180.0
"""No wait here takes so long unless something is broken."""
TRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from revconsole.cli.app import main
sys.argv = ["revconsole", "--store", sys.argv[2], "train", "tiny", "seeds=[0]"]
main()
"""


@pytest.fixture
def lab(tmp_path, tiny_study):
    return Lab(tmp_path / "runs")


@pytest.fixture
def held(monkeypatch):
    """A function: let every run wait at the very moment it would be claimed, until what it returns is set."""

    def made(lab):
        gate, claim = threading.Event(), lab.store.claim

        def wait_then_claim(*arguments):
            assert gate.wait(SECONDS)
            return claim(*arguments)

        monkeypatch.setattr(lab.store, "claim", wait_then_claim)
        return gate

    return made


def states(lab, ids):
    return [lab.summary(run_id).state for run_id in ids]


def test_a_run_that_cannot_be_claimed_gets_the_reason_and_the_next_one_trains(lab, held):
    gate = held(lab)
    ids = lab.launch(lab.plan("tiny", {"seeds": [0, 1, 2]}))
    one, two, three = ids[:3]
    (lab.store.folder(one) / "attempts").symlink_to("nowhere")
    shutil.rmtree(lab.store.folder(two))
    gate.set()

    assert lab.wait(SECONDS)

    refused = lab.summary(one)
    assert refused.state == "failed"
    assert refused.reason.startswith("cannot write in ")
    assert lab.unrecorded(one) == refused.reason
    assert "there is no run" in lab.unrecorded(two)
    assert set(states(lab, [three, *ids[3:]])) == {"finished"}
    assert lab.launch(lab.plan("tiny", {"seeds": [5]}))
    assert lab.wait(SECONDS), "and so do later ones"


def test_a_full_disk_at_claim_is_the_reason_and_takes_the_note_of_it(lab, held, monkeypatch):
    """What was noted when it was queued is written over: a full disk has no room for another file."""
    gate = held(lab)
    run_id, *_ = ids = lab.launch(lab.plan("tiny", {"seeds": [0]}))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(attempts, "write_json", full)
    gate.set()

    assert lab.wait(SECONDS)
    assert set(states(lab, ids)) == {"failed"}
    assert lab.summary(run_id).reason.endswith("No space left on device")
    monkeypatch.undo()
    lab.resume(run_id)
    assert lab.wait(SECONDS)
    assert lab.summary(run_id).state == "finished"


def test_whatever_a_training_raises_the_next_one_trains(lab, monkeypatch):
    execute, broken = thread.training.execute, ["the first"]

    def breaks_once(*arguments):
        if broken:
            raise LookupError(broken.pop())
        return execute(*arguments)

    monkeypatch.setattr(thread.training, "execute", breaks_once, raising=False)
    one, two, *_ = lab.launch(lab.plan("tiny", {"seeds": [0]}))

    assert lab.wait(SECONDS)
    assert lab.unrecorded(one) == "LookupError: the first"
    assert lab.summary(two).state == "finished"


def test_a_run_that_is_about_to_be_claimed_moves_all_the_same(lab, held):
    """A request from before the claim would be dropped as one to an earlier attempt, and the run would train on here."""
    gate = held(lab)
    run_id, *others = lab.launch(lab.plan("tiny", {"seeds": [0], "train.epochs": 5000}))
    leaving = threading.Thread(target=lab.hand_all_over)
    leaving.start()
    leaving.join(0.2)
    gate.set()
    leaving.join(SECONDS)

    assert lab.wait(SECONDS)
    assert lab.moved(run_id)
    lab.stop_runs([run_id, *others])


BREAKS = """
import torch

class Broken(torch.nn.Linear):
    def forward(self, images):
        if torch.is_grad_enabled():
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return super().forward(images.flatten(1))

def model(size, channels, classes):
    return Broken(size * size * channels, classes)
"""


def test_after_an_error_of_the_gpu_whatever_waits_and_comes_trains_in_another_process(lab, held):
    Path("breaking.py").write_text(BREAKS)
    Path("own.toml").write_text(
        '[model]\narchitecture = "python"\nfunction = "breaking:model"\n[data]\ntrain_limit = 200\n'
        "[train]\nepochs = 1\naudit = false\n"
    )
    gate = held(lab)
    (broken,) = lab.launch(lab.plan("own.toml"))
    waiting = lab.launch(lab.plan("tiny", {"seeds": [0]}))
    gate.set()
    assert lab.wait(SECONDS)
    later = lab.launch(lab.plan("tiny", {"seeds": [1]}))

    assert "CUDA error: unspecified launch failure" in lab.summary(broken).reason
    for run_id in [*waiting, *later]:
        follow, until = lab.store.follow(run_id), time.monotonic() + SECONDS
        while not follow.summary().ended and time.monotonic() < until:
            time.sleep(0.05)
        assert lab.summary(run_id).state == "finished"
        assert lab.moved(run_id)
        assert attempts.owner(lab.store.folder(run_id), 1) != identity.mine()


@pytest.mark.parametrize("library", ["torch", "timm"])
def test_without_torch_a_run_fails_with_the_reason_and_the_command_ends(lab, tmp_path, library):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / f"{library}.py").write_text("raise OSError('libcudnn.so.9: no such file')")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(broken), *sys.path]))

    command = [sys.executable, "-c", TRAIN, str(broken), str(lab.store.root)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert {run.state for run in lab.store.list()} == {"failed"}
    assert all("OSError: libcudnn.so.9: no such file" in run.reason for run in lab.store.list())

    run_id = lab.store.list()[0].id
    detached = [sys.executable, "-m", "revconsole.training", str(lab.store.root), run_id]
    done = subprocess.run(detached, env=environment, timeout=SECONDS, check=False)
    assert done.returncode == 1
    again = lab.summary(run_id)
    assert (again.state, again.attempt) == ("failed", 2)
    assert "OSError: libcudnn.so.9: no such file" in again.reason


def test_an_end_that_no_disk_takes_is_told_and_the_run_can_go_on(lab, monkeypatch):
    monkeypatch.setattr(attempts, "ENDING_PATIENCE_SECONDS", 0.0)
    write = log.os.write

    def full_at_the_end(file, data):
        if b'"kind":"finished"' in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(log.os, "write", full_at_the_end)
    run_id, *_ = lab.launch(lab.plan("tiny", {"seeds": [0]}))
    assert lab.wait(SECONDS)

    assert lab.unrecorded(run_id).endswith("No space left on device; make room and resume the run")
    row = lab.summary(run_id)
    assert row.state == "lost"
    assert row.reason.startswith("its end could not be written after step ")
    monkeypatch.undo()
    lab.resume(run_id)
    assert lab.wait(SECONDS)
    assert lab.summary(run_id).state == "finished"


def test_a_run_of_this_process_hears_what_no_disk_takes(lab, monkeypatch):
    def full(folder, verb, *_):
        raise StoreError(f"cannot ask the run to {verb}")

    monkeypatch.setattr(control, "ask", full)
    run_id, *_ = lab.launch(lab.plan("tiny", {"seeds": [0], "train.epochs": 100_000}))
    tail = lab.store.follow(run_id)
    while not tail.summary().step:
        assert lab.busy()
        time.sleep(0.02)

    lab.stop_all("the test")

    assert lab.wait(SECONDS)
    assert lab.summary(run_id).state == "stopped"
    assert lab.summary(run_id).reason.endswith("(the test)")


@pytest.mark.parametrize("trainer", ["nothing of ours", "of a copy of this run"])
def test_nothing_but_a_trainer_of_this_very_run_is_killed(lab, tmp_path, trainer):
    """A claim may be forged, or copied with its run: the process it names must be at work on this folder."""
    run_id = lab.store.create(lab.plan("tiny").plans[0], {})
    lab.store.claim(run_id, 1, "process").close()
    shutil.copytree(lab.store.root, tmp_path / "copy")
    words = ["revconsole.training", str(tmp_path / "copy"), f"{run_id}:1"]
    command = [
        sys.executable,
        "-c",
        "input()",
        *(words if trainer != "nothing of ours" else [run_id]),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        claim = lab.store.folder(run_id) / "attempts" / "0001" / "claim.json"
        attempts.write_json(claim, Identity.of(other.pid).to_dict() | {"launcher": "process"})

        with pytest.raises(StoreError, match=f"process {other.pid}, .* does not train this run"):
            lab.stop_now(run_id)

        assert other.poll() is None
        other.kill()
