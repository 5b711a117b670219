"""Disks, clocks, folders and rivals: what happens around a run must not harm it, or must be said."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

CLAIM = """
import sys, time
from pathlib import Path
from revconsole.errors import AlreadyClaimed
from revconsole.records.runs.store import RunStore
store = RunStore(Path(sys.argv[1]))
sys.stdin.readline()
try:
    store.claim(sys.argv[2], 1)
    print("won", flush=True)
    time.sleep(60)
except AlreadyClaimed as error:
    print(error, flush=True)
"""


def limited(trainer, size):
    """Let no file of a process grow beyond so many bytes: the nearest thing to a full disk without being root."""
    psutil.Process(trainer.pid).rlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def held(site, run_id):
    """The process that trains a run, held by SIGSTOP."""
    trainer = site.trainer(run_id)
    trainer.send(signal.SIGSTOP)
    site.until(lambda: site.lab.summary(run_id).state == "stalled")
    return trainer


@pytest.mark.slow
def test_one_run_in_the_background_meets_one_fault_after_another(site, noted):
    """The short form of those that need a process of their own: three processes for eight faults."""
    run_id = site.detached(**{"train.epochs": 100_000})
    folder = site.lab.store.folder(run_id)
    site.reaches(run_id, 15)

    trainer = held(site, run_id)
    os.kill(psutil.Process(trainer.pid).ppid(), signal.SIGKILL)
    noted("kill -9 of a trainer's parent", 1)
    put_a_file_in_place_of(folder / "checkpoints")
    trainer.send(signal.SIGCONT)
    site.until(
        lambda: any("was not written" in line.text for line in site.lab.store.read(run_id).log)
    )
    (folder / "checkpoints").unlink()
    noted("checkpoint folder not writable", 1)

    log = folder / "attempts" / "0001" / "events.jsonl"
    trainer = held(site, run_id)
    limited(trainer, full := log.stat().st_size + 4037)
    trainer.send(signal.SIGCONT)
    site.until(lambda: log.stat().st_size == full)
    stuck = site.lab.store.read(run_id)
    assert (stuck.summary.damaged_lines, stuck.summary.ended) == (0, False)
    limited(trainer, resource.RLIM_INFINITY)
    site.until(
        lambda: any("nothing was lost" in line.text for line in site.lab.store.read(run_id).log)
    )
    noted(
        "disk full while training, then cleared",
        1,
        lost=site.lost(stuck, site.lab.store.read(run_id)),
    )

    site.reaches(run_id, site.lab.summary(run_id).step + 15)
    trainer = held(site, run_id)
    code, said = site.told("stop", run_id)
    assert code == 0
    assert "is suspended by a signal" in said
    waits = site.lab.summary(run_id)
    assert waits.state == "stalled"
    assert f"kill -CONT {trainer.pid}" in said
    assert f"kill -CONT {trainer.pid}" in waits.reason
    trainer.send(signal.SIGCONT)
    site.until(lambda: site.lab.summary(run_id).ended)
    read = site.lab.store.read(run_id)
    newest = folder / "checkpoints" / f"step-{read.summary.step:09d}"
    assert read.summary.state == "stopped"
    assert newest.is_dir()
    noted("stop while SIGSTOP holds it", 1)

    damaged(newest / "state.pt", "flipped", site.chance)
    site.resume(run_id)
    site.regains(run_id, read)
    named = [line.text for line in site.lab.store.read(run_id).log if newest.name in line.text]
    assert any("damaged" in text for text in named)
    noted("checkpoint damaged", 1)

    read = site.kill(run_id)
    site.until(lambda: site.lab.summary(run_id).state == "killed")
    assert site.lab.summary(run_id).reason.startswith("by SIGKILL after step ")
    site.resume(run_id)
    site.regains(run_id, read)
    noted("kill -9 of a run in a process", 1)

    trainer = held(site, run_id)
    code, said = site.told("stop", "--now", run_id)
    assert code == 0
    assert "ended at once" in said
    assert not trainer.alive()
    summary = site.lab.summary(run_id)
    assert (summary.state, summary.attempt) == ("stopped", 4)
    assert summary.reason.endswith("(at once)")
    noted("stop --now while SIGSTOP holds it", 1)


@pytest.mark.slow
def test_a_disk_that_fills_up_and_is_cleared_costs_nothing(site, noted, complete):
    whole = site.finish(site.detached())
    run_id = site.detached()
    site.reaches(run_id, 30)
    log = site.lab.store.folder(run_id) / "attempts" / "0001" / "events.jsonl"
    full = log.stat().st_size + 4037
    limited(site.trainer(run_id), full)
    site.until(lambda: log.stat().st_size == full)
    time.sleep(1.0)
    stuck = site.lab.store.read(run_id)
    assert stuck.summary.damaged_lines == 0
    assert not stuck.summary.ended, "the training goes on"

    limited(site.trainer(run_id), resource.RLIM_INFINITY)
    took = site.until(lambda: site.lab.summary(run_id).step > stuck.summary.step)

    run = site.finish(run_id)
    site.same(whole, run)
    said = " ".join(line.text for line in run.log)
    assert "nothing was lost" in said
    noted("disk full while training, then cleared", 1, lost=site.lost(stuck, run), worst=took)


@pytest.mark.slow
def test_checkpoints_that_cannot_be_written_are_said_and_the_run_goes_on(site, noted, complete):
    run_id = site.detached()
    site.reaches(run_id, 10)
    folder = site.lab.store.folder(run_id) / "checkpoints"
    put_a_file_in_place_of(folder)
    site.reaches(run_id, site.lab.summary(run_id).step + 20)
    folder.unlink()
    run = site.finish(run_id)
    assert run.summary.state == "finished"
    assert any("was not written" in line.text for line in run.log)
    noted("checkpoint folder not writable", 1)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
@pytest.mark.parametrize("file", ["model.safetensors", "state.pt", "manifest.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(site, noted, damage, file, complete):
    whole = site.finish(site.detached())
    run_id = site.detached()
    site.reaches(run_id, 100)
    read = site.kill(run_id)
    newest = max((site.lab.store.folder(run_id) / "checkpoints").glob("step-*"))
    damaged(newest / file, damage, site.chance)
    worst = site.resume(run_id)
    run = site.finish(run_id)
    site.same(whole, run)
    assert any(newest.name in line.text and "damaged" in line.text for line in run.log)
    noted(f"checkpoint {damage}", 1, lost=site.lost(read, run), worst=worst)


def put_a_file_in_place_of(folder):
    """Nothing can then be written there, not even by root. Whoever writes may make the folder anew meanwhile."""
    file = folder.with_name("a file")
    file.touch()
    while not folder.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            file.rename(folder)


def damaged(path, how, chance):
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: chance.randrange(len(content))])
    else:
        at = chance.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@pytest.mark.slow
def test_a_run_deleted_underneath_ends_its_process_and_leaves_nothing(site, noted, complete):
    run_id = site.detached()
    site.reaches(run_id, 5)
    trainer = site.trainer(run_id)
    shutil.rmtree(site.lab.store.folder(run_id))
    took = site.until(lambda: not trainer.alive())
    assert not (site.lab.store.root / run_id).exists()
    assert site.lab.store.list() == ()
    noted("run folder deleted", 1, worst=took)


def test_of_twenty_writers_one_wins_and_the_others_say_so(site, noted):
    run_id = site.lab.store.create(site.lab.plan("faulty").plans[0], {})
    command = [sys.executable, "-X", "preloaded", "-c", CLAIM, str(site.lab.store.root), run_id]
    rivals = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    for rival in rivals:
        rival.stdin.write("\n")
        rival.stdin.flush()
    said = [rival.stdout.readline().strip() for rival in rivals]
    for rival in rivals:
        rival.kill()
        rival.communicate()
    assert said.count("won") == 1
    assert {line for line in said if line != "won"} == {
        f"run {run_id}: attempt 1 was taken by another process"
    }
    noted("writers started on one run", 20)


def test_a_clock_set_back_by_hours_changes_no_duration(site, noted, monkeypatch):
    from revconsole.records.logs.events import Measured, Started
    from revconsole.records.runs import attempt as attempts

    run_id = site.lab.store.create(site.lab.plan("faulty").plans[0], {})
    attempt = site.lab.store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 1000, "image_seconds": 0.0}))
    today, began = time.time(), time.monotonic()
    for step in range(1, 61):  # a second a step
        shift = -7200.0 if step > 30 else 0.0
        clock = {"time": today + step + shift, "monotonic": began + step}
        told = SimpleNamespace(**{name: lambda at=at: at for name, at in clock.items()})
        monkeypatch.setattr(attempts, "time", told)
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1.0, "resident_bytes": 1e8}))
    summary = site.lab.summary(run_id)
    assert summary.state == "running"
    assert summary.seconds == pytest.approx(60, abs=5)
    assert summary.eta_seconds == pytest.approx(940, rel=0.05)
    noted("clock set back by two hours", 1)
