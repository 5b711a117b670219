"""The detached trainer, as a process."""

import os
import signal
import subprocess
import sys
import time

import pytest

PATIENCE_SECONDS = 300.0


def trainer(store, *run_ids, **options):
    command = [sys.executable, "-m", "revconsole.training", str(store.root), *run_ids]
    return subprocess.Popen(command, env=os.environ, start_new_session=True, **options)


def test_claiming_and_refusing_need_no_torch(store, small):
    """A second process for a run that is taken ends at once, without the seconds torch takes to load."""
    run_id = store.create(small(), {})
    attempt = store.claim(run_id, 1)
    code = (
        "import sys; from pathlib import Path; from revconsole.records.runs.store import RunStore; "
        "from revconsole.training.__main__ import RunQueue; from revconsole.records.runs.next_run import OwnLine; "
        f"status = RunQueue(RunStore(Path({str(store.root)!r})), OwnLine([({run_id!r}, 2)])).work(); "
        "sys.exit(10 * ('torch' in sys.modules) + status)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 1
    attempt.close()


def test_a_wrong_command_line_is_explained(store):
    child = trainer(store, stderr=subprocess.PIPE, text=True)
    assert child.communicate()[1].startswith("usage: python -m revconsole.training STORE [")
    assert child.returncode == 2

    child = trainer(store, "22222222", stderr=subprocess.PIPE, text=True)
    assert "there is no run '22222222'" in child.communicate()[1]
    assert child.returncode == 3


@pytest.mark.slow
def test_runs_are_trained_in_turn_and_a_signal_stops_them_gracefully(store, small):
    short = store.create(small(), {})
    long = store.create(small(train={"epochs": 100_000, "checkpoint_epochs": 500}), {})
    never = store.create(small(), {})
    child = trainer(store, short, long, never)

    follow, until = store.follow(long), time.monotonic() + PATIENCE_SECONDS
    while follow.run().summary.epoch < 2 and time.monotonic() < until and child.poll() is None:
        time.sleep(0.01)  # and leave the core to it
    child.send_signal(signal.SIGHUP)
    child.send_signal(signal.SIGTERM)

    assert child.wait(PATIENCE_SECONDS) == 1
    assert store.read(short).summary.state == "finished"
    stopped = store.read(long).summary
    assert stopped.state == "stopped"
    assert (store.folder(long) / "checkpoints" / f"step-{stopped.step:09d}").is_dir()
    assert (store.folder(long) / "attempts" / "0001" / "output.log").exists()
    assert store.read(never).summary.attempt == 0
