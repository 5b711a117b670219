"""Batches: what `watch` without a name follows."""

import subprocess

import pytest

from revconsole.lab import batches
from revconsole.records.logs.events import Started
from revconsole.records.runs import identity
from revconsole.records.runs.identity import Identity
from revconsole.records.settings.plan import Plan

STARTED = {"steps": 10, "steps_per_epoch": 10, "device": "cpu", "fingerprint": "7d"}


@pytest.fixture
def elsewhere():
    """A process that lives, and could have launched runs."""
    child = subprocess.Popen(["sleep", "600"])
    yield Identity.of(child.pid)
    child.kill()
    child.wait()


def queued(store, names, holder):
    ids = [store.create(Plan(name=name), {}) for name in names]
    for run_id in ids:
        store.queue(run_id, 1, holder, "process")
    return ids


def test_the_run_that_trains_comes_first_then_its_queue_and_no_run_of_another_launch(
    store, elsewhere
):
    first = queued(store, ["a", "b", "c"], identity.mine())
    other = queued(store, ["x", "y"], elsewhere)
    done = store.claim(first[0], 1)
    done.emit(Started(facts=STARTED))

    found = batches.newest(store, store.list())

    assert found == tuple(first), "that which trains, though the other launch is newer"
    assert set(found).isdisjoint(other)
    done.close()


def test_where_nothing_trains_the_newest_launch_is_waited_for(store, elsewhere):
    queued(store, ["a"], identity.mine())
    newer = queued(store, ["x", "y"], elsewhere)

    assert batches.newest(store, store.list()) == tuple(newer)


def test_where_everything_is_over_there_is_no_batch(store):
    assert batches.newest(store, store.list()) == ()
