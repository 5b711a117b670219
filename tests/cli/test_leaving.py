"""How the command leaves: by signals in any order, and without a reader of what it prints."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from revconsole.lab.lab import Lab

PATIENCE_SECONDS = 300.0
COMMAND = [sys.executable, "-m", "revconsole"]
LONG = """
title = "long enough to be told to go"
[model]
patch = 4
dim = 16
depth = 1
heads = 2
[train]
epochs = 100000
batch = 512
threads = 1
audit = false
probe_epochs = 0
checkpoint_epochs = 100000
"""


@pytest.fixture
def lab(tmp_path):
    Path("long.toml").write_text(LONG, encoding="utf-8")
    return Lab(tmp_path / "runs")


@pytest.fixture
def begun(lab):
    """A command that trains, ten steps into it."""
    command = [*COMMAND, "--store", str(lab.store.root), "train", "long"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + PATIENCE_SECONDS
        while not any(run.step > 10 for run in lab.store.list()):
            assert time.monotonic() < end
            time.sleep(0.1)
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "apart"),
    [
        (("SIGHUP", "SIGTERM"), 0.05),
        (("SIGTERM", "SIGHUP"), 0.0),  # at no distance the system chooses which comes first
        *([(("SIGTERM", "SIGHUP"), 0.05)] if "REVCONSOLE_FAULTS" in os.environ else []),
    ],
)
def test_two_signals_in_any_order_lose_nothing(lab, begun, order, apart):
    for name in order:
        begun.send_signal(signal.Signals[name])
        time.sleep(apart)

    said = begun.communicate(timeout=PATIENCE_SECONDS)[1]

    assert begun.returncode in {128 + signal.SIGTERM, 128 + signal.SIGHUP}
    assert not apart or begun.returncode == 128 + signal.Signals[order[0]]
    assert "Traceback" not in said
    (run,) = lab.store.list()
    if begun.returncode == 128 + signal.SIGTERM:
        assert run.state == "stopped"
        assert (lab.store.folder(run.id) / "checkpoints" / f"step-{run.step:09d}").is_dir()
    else:
        assert not run.ended, "it goes on in the background"
        lab.stop(run.id)
        end = time.monotonic() + PATIENCE_SECONDS
        while not (run := lab.summary(run.id)).ended:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert (run.state, run.attempt) == ("stopped", 2)


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_a_command_without_streams_does_its_work(lab, redirected):
    lab.store.create(lab.plan("long").plans[0], {})
    shell = f'"$0" -m revconsole --store "$1" ls --json {redirected}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, str(lab.store.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    if redirected.startswith("2"):
        assert len(json.loads(done.stdout)) == 1


def test_output_that_a_full_device_does_not_take_is_one_sentence(lab):
    lab.store.create(lab.plan("long").plans[0], {})
    shell = '"$0" -m revconsole --store "$1" ls >/dev/full'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, str(lab.store.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr == "revconsole: the output cannot be written: No space left on device\n"


def test_a_run_whose_reader_went_away_before_its_first_word_goes_on_in_the_background(lab):
    """As of `train … 2>&1 | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, "--store", str(lab.store.root), "train", "long"]
    with subprocess.Popen(command, stderr=writer, stdout=writer) as process:
        os.close(writer)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGHUP
    (run,) = lab.store.list()
    assert not run.ended
    end = time.monotonic() + PATIENCE_SECONDS
    while lab.summary(run.id).step < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert lab.stop_now(run.id).startswith("ended at once")


@pytest.mark.slow
def test_a_run_trains_on_where_its_words_find_no_room(lab):
    command = [*COMMAND, "--store", str(lab.store.root), "train", "long", "train.epochs=1"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("name")
    assert [run.state for run in lab.store.list()] == ["finished"]
