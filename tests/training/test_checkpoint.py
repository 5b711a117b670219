"""Checkpoints: whole or absent; a damaged one is recognised whatever byte of it changed."""

import errno
import hashlib
import io
import json
import os
import resource
import subprocess

import pytest
import torch
from safetensors import SafetensorError

from revconsole.errors import StoreError
from revconsole.records.logs.events import Advised, Checkpointed, Started
from revconsole.training.checkpoints.checkpoint import CheckpointStore, DamagedCheckpoint, NotSaved

WEIGHTS = {"a": torch.arange(2000.0), "b": torch.ones(3, 3, dtype=torch.bfloat16)}
STATE = {
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}},
    "progress": {"step": 3, "best": None},
}
FILES = ["model.safetensors", "state.pt", "manifest.json"]


@pytest.fixture
def checkpoints(tmp_path):
    return CheckpointStore(tmp_path)


def test_what_was_saved_is_loaded(checkpoints):
    checkpoints.save(3, weights=WEIGHTS, state=STATE)
    loaded = checkpoints.load(3)

    assert loaded.step == 3
    assert loaded.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(loaded.weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert loaded.state["progress"] == STATE["progress"]
    assert loaded.state["optimizer"]["state"][0]["step"] == 3.0


def test_tensors_that_share_memory_are_saved_as_they_are(checkpoints):
    checkpoints.save(1, weights={"a": WEIGHTS["a"], "tied": WEIGHTS["a"]}, state=STATE)

    assert torch.equal(checkpoints.load(1).weights["tied"], WEIGHTS["a"])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_one_flipped_bit_anywhere_is_noticed(checkpoints, name, place):
    path = checkpoints.save(3, weights=WEIGHTS, state=STATE) / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 0x10
    path.write_bytes(content)

    with pytest.raises(DamagedCheckpoint, match="step-000000003"):
        checkpoints.load(3)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_or_missing_is_noticed(checkpoints, name):
    path = checkpoints.save(3, weights=WEIGHTS, state=STATE) / name
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(3)

    path.unlink()
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(3)


def test_a_checkpoint_under_the_name_of_another_step_is_noticed(checkpoints):
    checkpoints.save(3, weights=WEIGHTS, state=STATE).rename(checkpoints.path(4))

    with pytest.raises(DamagedCheckpoint, match="is of step 3"):
        checkpoints.load(4)


def test_a_state_that_would_run_code_is_refused(checkpoints, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "proof"), "w"))

    checkpoints.save(3, weights=WEIGHTS, state={"optimizer": Evil()})

    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(3)
    assert not (tmp_path / "proof").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(checkpoints):
    checkpoints.save(3, weights=WEIGHTS, state=STATE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot write the checkpoint of step 4 .* make room"):
            checkpoints.save(4, weights=WEIGHTS, state=STATE)
        with pytest.raises(StoreError, match="cannot write the checkpoint of step 5"):
            checkpoints.save(5, weights={}, state={"optimizer": WEIGHTS})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-000000003"]
    assert checkpoints.load(3).step == 3


def remains_of(checkpoints, pid):
    remains = checkpoints.folder / f".tmp-{pid}-000000002"
    remains.mkdir(parents=True)
    return remains


def test_what_a_killed_writer_left_is_swept_and_what_another_writes_is_not(checkpoints):
    dead = subprocess.Popen(["true"])
    dead.wait()
    remains, written = remains_of(checkpoints, dead.pid), remains_of(checkpoints, os.getppid())
    (remains / "state.pt").write_bytes(b"half")
    checkpoints.save(3, weights=WEIGHTS, state=STATE)

    assert checkpoints.steps() == [3]
    assert not remains.exists()
    assert written.exists()


def test_a_process_that_has_the_number_of_a_dead_writer_is_not_taken_for_it(checkpoints):
    remains = remains_of(checkpoints, os.getppid())
    os.utime(remains, (0, 0))  # written to before that process began
    checkpoints.save(3, weights=WEIGHTS, state=STATE)

    assert not remains.exists()


def test_the_newest_two_and_the_best_are_kept(runner, small):
    log = runner(small(train={"epochs": 6}, optimizer={"name": "sgd", "learning_rate": 1e-6}))

    saved = [event.step for event in log.of(Checkpointed)]
    best = [event.step for event in log.of(Checkpointed) if event.best]
    assert best[-1] < saved[-2]  # the rate is so small that the first epoch stays the best
    assert runner.checkpoints().steps() == sorted({*saved[-2:], best[-1]}, reverse=True)
    assert all(
        (runner.place() / event.file / "manifest.json").exists()
        for event in log.of(Checkpointed)[-2:]
    )


@pytest.mark.parametrize("name", FILES)
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(runner, small, name):
    plan = small(train={"epochs": 3})
    whole = runner(plan, "whole")
    runner(plan)
    newest, before = runner.checkpoints().steps()[:2]
    path = runner.checkpoints().path(newest) / name
    path.write_bytes(path.read_bytes()[:-1])

    rest = runner(plan)

    assert rest.of(Started)[0].resumed_from == before
    assert any(f"step-{newest:09d}" in a.text and a.level == "warning" for a in rest.of(Advised))
    assert rest.losses == {k: v for k, v in whole.losses.items() if k > before}
    assert rest.ending.values == whole.ending.values


def test_with_every_checkpoint_damaged_the_run_begins_anew(runner, small):
    plan = small()
    whole = runner(plan)
    for step in runner.checkpoints().steps():
        manifest = runner.checkpoints().path(step) / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))

    again = runner(plan)

    assert again.of(Started)[0].resumed_from is None
    assert again.losses == whole.losses


def refitted(checkpoints, step, content):
    """Put other content into a checkpoint, and let its manifest fit."""
    state, manifest = (checkpoints.path(step) / name for name in ("state.pt", "manifest.json"))
    state.write_bytes(content)
    body = json.loads(manifest.read_text())
    body["files"]["state.pt"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    manifest.write_text(json.dumps(body))


def saved(body):
    made = io.BytesIO()
    torch.save(body, made)
    return made.getvalue()


@pytest.mark.parametrize("content", [b"", b"\x80", b"PK\x03\x04", saved([1, 2]), saved(None)])
def test_a_state_that_fits_its_manifest_and_is_none_is_damage(checkpoints, content):
    checkpoints.save(3, weights=WEIGHTS, state=STATE)
    refitted(checkpoints, 3, content)
    with pytest.raises(DamagedCheckpoint, match="step-000000003"):
        checkpoints.load(3)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (SafetensorError("I/O error: Input/output error (os error 5)"), "Input/output error"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ],
)
def test_an_error_of_the_disk_is_not_called_a_want_of_room(checkpoints, monkeypatch, error, why):
    def fails(*_):
        raise error

    monkeypatch.setattr("revconsole.training.checkpoints.checkpoint.save_file", fails)
    with pytest.raises(NotSaved) as refused:
        checkpoints.save(3, weights=WEIGHTS, state=STATE)
    assert refused.value.why == why


def test_a_full_disk_is_called_one_with_what_is_needed(checkpoints, monkeypatch):
    def fails(*_):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("revconsole.training.checkpoints.checkpoint.save_file", fails)
    with pytest.raises(NotSaved, match=r"No space left on device, it takes .* MiB are free"):
        checkpoints.save(3, weights=WEIGHTS, state=STATE)
