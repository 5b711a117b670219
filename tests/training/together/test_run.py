"""A run on two ranks from its start by torchrun to its end: recorded, watched, killed and taken on."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from revconsole.records import ranks
from revconsole.records.logs.events import Advised
from revconsole.records.runs import control
from revconsole.records.runs.identity import mine
from revconsole.records.runs.store import RunStore
from revconsole.training import api
from tests.training.conftest import small_plan

pytestmark = pytest.mark.slow

PATIENCE = 300


@pytest.fixture
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "data"))


def within_time(question, what):
    until = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < until, (what, question())
        time.sleep(0.02)


def of_run(run):
    """The processes whose command line names a run."""
    return [p for p in psutil.process_iter(["cmdline"]) if run in str(p.info["cmdline"])]


def test_a_rank_that_is_killed_ends_the_run_and_one_process_goes_on_to_the_same_weights(
    tmp_path, data, runner
):
    store = RunStore(tmp_path / "store")
    run = store.create(small_plan(train={"gpus": 2}), {})
    folder = store.folder(run)
    store.queue(run, 1, mine(), "process")
    outcomes = []

    def train():
        outcomes.append(
            ranks.train(
                store, run, 1, ranks=ranks.count(store, run), launcher="process", note="it did not wait",
                begun=lambda: control.ask(folder, "pause"),
            )
        )  # fmt: skip

    launching = threading.Thread(target=train)
    launching.start()
    within_time(
        lambda: store.follow(run).summary().state == "paused" or outcomes, "the run never paused"
    )
    assert not outcomes, store.follow(run).summary()
    note = folder / "attempts" / "0001" / "ranks" / "1.json"
    second = psutil.Process(json.loads(note.read_text())["pid"])
    assert len(of_run(run)) >= 3  # the launcher and two ranks
    second.kill()
    launching.join(PATIENCE)

    ended = store.follow(run).summary()
    assert outcomes == ["failed"]
    assert "it did not wait" in (folder / "attempts" / "0001" / "events.jsonl").read_text()
    assert ended.state == "failed"
    assert f"rank 1 (process {second.pid} on" in ended.reason
    within_time(lambda: not of_run(run), "a process was left behind")

    store.queue(run, 2, mine(), "process", {"train.gpus": 1})
    assert ranks.count(store, run) == 1
    assert api.execute(store, run, store.claim(run, 2, "process")) == "completed"
    alone = runner(small_plan(train={"accumulate": 2}))
    assert store.follow(run).summary().weights_sha256 == alone.ending.weights_sha256
    said = [e.text for e in alone.of(Advised)]
    assert not any("since the checkpoint something changed" in text for text in said)


def test_an_attempt_that_another_process_has_claimed_starts_no_ranks(tmp_path):
    store = RunStore(tmp_path / "store")
    run = store.create(small_plan(train={"gpus": 2}), {})
    store.claim(run, 1, "thread").close()
    assert ranks.train(store, run, 1, ranks=2, launcher="process") == "gone"
    assert not list(store.folder(run).glob("launch.log"))


@pytest.mark.skipif("REVCONSOLE_FAULTS" not in os.environ, reason="four starts of torch")
def test_two_torchruns_that_share_the_store_train_one_run(tmp_path, data, runner):
    """As on two machines: each starts one rank, and they meet at a port of the first."""
    store = RunStore(tmp_path / "store")
    run = store.create(small_plan(train={"gpus": 2, "shard": True}), {})
    with socket.create_server(("localhost", 0)) as free:
        meeting = f"localhost:{free.getsockname()[1]}"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--max-restarts", "0",
        "--rdzv-backend", "c10d", "--rdzv-id", run, "--rdzv-endpoint", meeting,
        "-m", "revconsole.training", str(store.root), f"{run}:1",
    ]  # fmt: skip
    nodes = [subprocess.Popen(command) for _ in range(2)]
    try:
        assert [node.wait(PATIENCE) for node in nodes] == [0, 0]
    finally:
        for node in nodes:
            node.kill()
    alone = runner(small_plan(train={"accumulate": 2}))
    assert store.follow(run).summary().weights_sha256 == alone.ending.weights_sha256
