"""The place of a worker: it sees its device alone, and begins no run for which the device or the disk has no room."""

import os

import pytest

from revconsole.records import devices, host
from revconsole.records.runs import identity, state
from revconsole.records.runs.turns import NextRun
from revconsole.training.slot import THREADS, slots_of

GIB = 2**30


@pytest.fixture
def run(store, plan):
    """A waiting run that needs 30 GiB."""
    run_id = store.create(plan, {})
    store.queue(run_id, 1, identity.mine(), "process", slots=("cuda:1",), needs=30 * GIB)
    return NextRun(run_id, 1)


def room(monkeypatch, free, total=80):
    monkeypatch.setattr(devices, "memory", lambda _: (free * GIB, total * GIB))


def test_a_worker_sees_its_own_card_and_its_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "a-1", "cuda:1": "b-2"})
    monkeypatch.setattr(host, "cores", lambda: 9)
    monkeypatch.delenv(THREADS, raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))

    slots = slots_of(["cuda:0", "cuda:1"], "x")
    slots[1].enter()

    assert os.environ[devices.VISIBLE] == "GPU-b-2"
    assert os.environ[THREADS] == "4"
    assert [slot.together for slot in slots] == ["", ""], "each has its device alone"
    assert devices.candidates("auto") == ("cuda:1",)
    assert devices.shared_name("cuda:0") == "cuda:1"


def test_threads_that_somebody_has_set_stay(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ) | {THREADS: "3"})
    slots_of(["cpu", "cpu"], "x")[0].enter()
    assert os.environ[THREADS] == "3"


def test_workers_on_one_device_know_each_other(monkeypatch):
    assert [slot.together for slot in slots_of(["cpu", "cpu"], "a:1")] == ["a:1", "a:1"]


def test_a_run_waits_while_others_hold_the_memory_it_needs_and_says_so(store, run, monkeypatch):
    (slot,) = slots_of(["cuda:1"], "x")
    room(monkeypatch, free=10)

    lacks = slot.lacks(store, run)
    store.say_lack(run.run_id, run.number, lacks)

    assert lacks == "waits for 30 GiB of cuda:1: others hold 70 GiB of its 80 GiB"
    row = store.follow(run.run_id).summary()
    assert (row.state, row.reason) == ("queued", lacks)
    room(monkeypatch, free=30)
    assert slot.lacks(store, run) == ""
    store.say_lack(run.run_id, run.number, "")
    assert store.follow(run.run_id).summary().reason == ""


def test_a_run_that_no_such_device_can_hold_begins_and_fails_with_the_reason(
    store, run, monkeypatch
):
    room(monkeypatch, free=1, total=20)
    assert slots_of(["cuda:1"], "x")[0].lacks(store, run) == ""


def test_a_full_disk_holds_runs_back_and_is_said_on_the_full_disk_itself(store, run, monkeypatch):
    (slot,) = slots_of(["cuda:1"], "x")
    room(monkeypatch, free=80)
    monkeypatch.setattr(state, "disk_warning", lambda _: "the disk of the store is full")

    assert slot.lacks(store, run) == "the disk of the store is full"


def test_who_looks_again_and_again_writes_a_reason_once(store, run):
    note = store.folder(run.run_id) / "launch.json"
    store.say_lack(run.run_id, run.number, "no room")
    before = note.stat().st_ino
    store.say_lack(run.run_id, run.number, "no room")
    store.say_lack(run.run_id, 7, "of another attempt")

    assert note.stat().st_ino == before
