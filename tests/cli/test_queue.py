"""The queue on the command line: who waits is told, moved and taken out, and leaves nothing behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.records.logs.events import Started
from revconsole.records.runs import identity
from revconsole.records.runs.turns import BESIDE, FOLDER, TURN, DeviceTurns
from revconsole.records.settings.plan import Plan

PATIENCE_SECONDS = 120.0
COMMAND = [sys.executable, "-m", "revconsole"]


@pytest.fixture(autouse=True)
def _own_store(store, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_STORE", str(store.root))


@pytest.fixture
def queued(store):
    """Three runs on the CPU, of which the first trains."""
    ids = []
    for name in ("one", "two", "three"):
        plan = Plan.model_validate({"name": name, "train": {"device": "cpu"}})
        ids.append(store.create(plan, {}))
        store.queue(ids[-1], 1, identity.mine(), "thread")
    turns = DeviceTurns(store.root)
    assert turns.next([(ids[0], 1)])
    attempt = store.claim(ids[0], 1)
    attempt.emit(Started(facts={"steps": 10, "device": "cpu"}))
    yield ids
    attempt.close()
    turns.leave()


def test_the_queue_is_listed_in_its_order_with_what_is_known_of_the_time(run, queued):
    said = run("queue")

    cells = [line.split("\t") for line in said.out.splitlines()]
    assert [row[1:5] for row in cells[1:]] == [
        ["", queued[0], "one", "running"],
        ["1", queued[1], "two", "queued"],
        ["2", queued[2], "three", "queued"],
    ]
    assert "1 trains and 2 wait on cpu" in said.err


def test_as_json_it_says_which_device_and_when_each_begins(run, queued):
    (queue,) = json.loads(run("queue", "--json").out)

    assert (queue["devices"], queue["host"]) == (["cpu"], None)
    assert [entry["id"] for entry in queue["training"]] == queued[:1]
    assert [entry["id"] for entry in queue["waiting"]] == queued[1:]
    assert queue["waiting"][0]["begins_in_seconds"] is None


def order(run):
    return [entry["name"] for entry in json.loads(run("queue", "--json").out)[0]["waiting"]]


def test_runs_are_moved_to_the_head_to_the_end_and_before_another(run, queued):
    said = run("queue", "three", "--first")
    assert (said.code, said.err) == (0, f"{queued[2]} is number 1 of 2 that wait for cpu\n")
    assert order(run) == ["three", "two"]

    run("queue", "three", "--last")
    assert order(run) == ["two", "three"]
    run("queue", "three", "--before", "two")
    assert order(run) == ["three", "two"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["two"], 2, "takes runs and one of --first, --last, --before RUN and --now"),
        (["--first"], 2, "takes runs and one of --first"),
        (["two", "--first", "--last"], 2, "takes runs and one of --first"),
        (["one", "--first"], 2, "(one) is running: only a run that waits has a place in a queue"),
        (["two", "--before", "one"], 2, "(one) is running: only a run that waits"),
        (["four", "--first"], 3, "four"),
    ],
)
def test_what_cannot_be_moved_is_refused_with_the_reason(run, queued, words, code, said):
    told = run("queue", *words)
    assert told.code == code
    assert said in told.err


def test_a_readonly_command_moves_nothing(run, queued):
    assert run("--readonly", "queue", "three", "--first").code == 2
    assert order(run) == ["two", "three"]


def test_ls_and_show_say_what_waits(run, queued):
    assert "1 trains and 2 wait on cpu" in run("ls").err
    assert f"waits for cpu behind one ({queued[0]}, running)" in run("show", "two").err


def test_an_empty_queue_is_said(run):
    assert run("queue").err == "nothing trains or waits\n"


@pytest.mark.interpreter  # it ends before it would load torch
def test_a_command_that_waits_says_behind_whom_and_leaves_nothing_when_it_is_interrupted(
    store, queued, tiny_study
):
    command = [*COMMAND, "train", "tiny", "seeds=[0]", "train.device=cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "waits for" in line:
                break
        assert (
            f"waits for cpu behind one ({queued[0]}, running) and two ({queued[1]}, queued)" in line
        )
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 130
    assert "taken out of the queue: nothing had begun" in rest
    assert {each.state for each in store.list() if each.id not in queued} == {"stopped"}
    assert {path.name for path in (store.root / FOLDER).glob("*/*/*")} == {TURN, BESIDE}


@pytest.mark.interpreter  # it ends before it would load torch
def test_a_background_process_that_waits_ends_when_its_run_is_stopped(run, store, queued):
    Path("one.toml").write_text('[train]\naudit = false\ndevice = "cpu"\n', encoding="utf-8")
    said = run("train", "one.toml", "--detach")
    run_id = said.out.strip()
    assert "waits for cpu behind one (" in said.err

    assert run("stop", run_id).err == f"{run_id} taken out of the queue\n"

    holder = identity.Identity.from_dict(
        json.loads((store.folder(run_id) / "launch.json").read_text(encoding="utf-8"))
    )
    assert holder.wait(PATIENCE_SECONDS)
    assert store.follow(run_id).summary().state == "stopped"


def test_a_run_that_begins_now_is_told_what_trains_beside_it(run, queued):
    beside = run("train", "demo", "train.device=cpu", "--now", "--dry-run").err
    behind = run("train", "demo", "train.device=cpu", "--dry-run").err

    assert "one trains on the same device (cpu)" in beside
    assert "same device" not in behind
