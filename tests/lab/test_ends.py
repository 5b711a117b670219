"""A run whose process is killed is told of by whoever watches it, since nobody of the run is left to tell."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from revconsole.lab.ends import SeenEnds
from revconsole.lab.lab import Lab
from revconsole.records.config import places
from revconsole.records.config.config import read_config
from revconsole.records.settings.plan import Plan

TRAINER = """
import signal, sys
from pathlib import Path
from revconsole.records.logs.events import Started
from revconsole.records.runs.store import RunStore
attempt = RunStore(Path(sys.argv[1])).claim(sys.argv[2], 1)
attempt.emit(Started(facts={}))
print("claimed", flush=True)
signal.pause()
"""


@pytest.fixture
def killed(tmp_path):
    """A function that has a run watched by some, kills its process, and lets each of them look again; returns its id."""

    def kill(lab, *watchers):
        run_id = lab.store.create(Plan(name="mine"), {})
        command = [sys.executable, "-X", "preloaded", "-c", TRAINER, str(lab.store.root), run_id]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as trainer:
            assert trainer.stdout.readline() == b"claimed\n"
            for ends in watchers:
                ends.look(lab.store.list())
            trainer.send_signal(signal.SIGKILL)
        end = time.monotonic() + 120
        while not lab.summary(run_id).ended:
            assert time.monotonic() < end
            time.sleep(0.02)
        for ends in watchers:
            ends.look(lab.store.list())
        return run_id

    return kill


def test_two_that_watch_tell_once_and_each_rings(tmp_path, killed):
    told, rung = Path("told").resolve(), []
    places.user_file().write_text(
        f'[notify]\nbell = true\ncommand = ["sh", "-c", "echo $REVCONSOLE_NOTICE >> $0", "{told}"]'
    )
    lab = Lab(tmp_path / "runs")
    run_id = killed(lab, *(SeenEnds(lab, read_config(), rung.append) for _ in range(2)))
    sentence = (
        f"mine ({run_id}): lost, its process is gone after step 0; `revconsole resume` goes on"
    )
    assert rung == [sentence] * 2
    end = time.monotonic() + 120
    while not (told.exists() and told.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert told.read_text() == f"{sentence}\n"


def test_who_may_only_read_tells_nobody_and_rings_only_where_that_is_asked_for(tmp_path, killed):
    rung = []
    config = read_config(['notify.command=["true"]', "notify.bell=false"])
    lab = Lab(tmp_path / "runs", readonly=True)
    run_id = killed(lab, SeenEnds(lab, config, rung.append))
    assert rung == []
    assert not (lab.store.root / run_id / "attempts" / "0001" / "told").exists()
