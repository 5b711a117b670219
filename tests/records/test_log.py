"""A full disk does not stop a run: lines wait, and are written when there is room."""

import errno
import os
import resource
import subprocess
import sys

import pytest

from revconsole.errors import StoreError
from revconsole.records.logs import log
from revconsole.records.logs.events import Checkpointed, Finished, Measured, Started
from revconsole.records.runs import attempt as attempts

WRITE = os.write
ROOM = """
import resource, signal, sys
from pathlib import Path
from revconsole.records.logs import log
log.RETRY_SECONDS = 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
made = log.Log(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (250, resource.RLIM_INFINITY))
outages = [made.append(b"%099d\\n" % n) for n in range(6)]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
over = made.append(b"%099d\\n" % 6)
print(outages == [None] * 6, over.why, over.lost)
"""


class Disk:
    """`os.write` onto a disk that fills up, and is cleared."""

    def __init__(self, room):
        self.room = room

    def __call__(self, file, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = WRITE(file, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch):
    disk = Disk(10**9)
    monkeypatch.setattr(log.os, "write", disk)
    monkeypatch.setattr(log, "RETRY_SECONDS", 0.0)
    return disk


def begun(store, plan):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={}))
    return run_id, attempt


def measure(attempt, *steps):
    for step in steps:
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1.0}))


@pytest.mark.parametrize("room", [0, 1, 57, 300])
def test_what_was_measured_on_a_full_disk_is_written_once_there_is_room(store, plan, disk, room):
    run_id, attempt = begun(store, plan)
    disk.room = room
    measure(attempt, *range(1, 21))
    seen = store.read(run_id)
    assert len(seen.series["loss"].steps if "loss" in seen.series else []) < 20
    assert seen.summary.damaged_lines == 0, "a line that was cut is not there yet"

    disk.room = 10**9
    measure(attempt, 21)

    run = store.read(run_id)
    assert run.series["loss"].steps == list(range(1, 22))
    assert run.summary.damaged_lines == 0
    assert "No space left on device); nothing was lost" in run.log[-1].text


@pytest.mark.parametrize(
    "event", [Checkpointed(step=1, epoch=1, file="1"), Finished(outcome="completed", step=1)]
)
def test_an_outage_that_ends_as_the_log_is_forced_to_disk_is_told_too(
    store, plan, disk, monkeypatch, event
):
    monkeypatch.setattr(log, "RETRY_SECONDS", 1000.0)
    run_id, attempt = begun(store, plan)
    disk.room = 0
    measure(attempt, 1)
    disk.room = 10**9
    attempt.emit(event)

    run = store.read(run_id)
    assert run.series["loss"].steps == [1]
    assert "nothing was lost" in run.log[-1].text
    assert (run.summary.state == "finished") == isinstance(event, Finished)


def test_what_finds_no_room_in_memory_either_is_counted(store, plan, disk, monkeypatch):
    run_id, attempt = begun(store, plan)
    monkeypatch.setattr(log, "MOST_BYTES", 1000)
    disk.room = 0
    measure(attempt, *range(1, 101))
    disk.room = 10**9
    measure(attempt, 101)

    run = store.read(run_id)
    written = run.series["loss"].length
    assert 1 < written < 20
    assert f"{101 - written} lines of the log were lost" in run.log[-1].text


def test_only_the_end_of_a_run_insists_on_being_written(store, plan, disk, monkeypatch):
    monkeypatch.setattr(attempts, "ENDING_PATIENCE_SECONDS", 0.0)
    _, attempt = begun(store, plan)
    disk.room = 0
    measure(attempt, 1)
    with pytest.raises(StoreError, match="No space left on device; make room and resume"):
        attempt.emit(Finished(outcome="completed", step=1))


def test_a_real_limit_on_the_size_of_files_is_survived(tmp_path):
    path = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", ROOM, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "File", "too", "large", "0"]
    assert path.read_bytes() == b"".join(b"%099d\n" % n for n in range(7))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_log_that_somebody_deletes_is_written_anew_with_all_that_was_in_it(store, plan):
    run_id, attempt = begun(store, plan)
    measure(attempt, 1, 2, 3)
    (attempt.folder / "events.jsonl").unlink()
    measure(attempt, 4)
    attempt.emit(Checkpointed(step=4, epoch=1, file="x"))
    measure(attempt, 5)
    (attempt.folder / "events.jsonl").unlink()
    attempt.emit(Finished(outcome="completed", step=5))
    attempt.close()

    run = store.read(run_id)
    assert (run.summary.state, run.summary.damaged_lines) == ("finished", 0)
    assert run.series["loss"].steps == [1, 2, 3, 4, 5]
    assert "the log was deleted while the run went on" in run.log[-2].text


def test_the_log_of_a_run_that_was_deleted_is_not_written_anew(store, plan):
    run_id, attempt = begun(store, plan)
    for path in (attempt.folder / "events.jsonl", store.folder(run_id) / "plan.json"):
        path.unlink()
    attempt.emit(Finished(outcome="completed", step=5))
    attempt.close()
    assert not (attempt.folder / "events.jsonl").exists()
