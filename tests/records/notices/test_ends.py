"""Each end of a run is told once, by whoever sees it first."""

import pytest

from revconsole.records.config.config import read_config
from revconsole.records.logs.events import Failed, Finished, Started
from revconsole.records.notices.ends import Watched, tell_of, tell_of_end
from revconsole.records.runs.identity import mine
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

CONFIG = read_config(['notify.command=["true"]', 'notify.on=["ended","failed"]'])


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def ended(store, event):
    run_id = store.create(Plan(name="mine"), {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={}))
    attempt.emit(event)
    attempt.close()
    return store.follow(run_id).summary()


def test_an_end_is_told_once_whoever_sees_it(store):
    run = ended(store, Failed(reason="no data"))
    assert tell_of(store, run, CONFIG)
    assert not tell_of(RunStore(store.root), run, CONFIG)
    attempt = store.claim(run.id, 2)
    attempt.emit(Started(facts={}))
    assert not tell_of(store, store.follow(run.id).summary(), CONFIG)
    attempt.emit(Finished(outcome="completed", step=1))
    attempt.close()
    assert tell_of(store, store.follow(run.id).summary(), CONFIG)


def test_a_run_that_was_refused_before_it_began_is_told_of_once_for_each_attempt(store):
    def refused(run_id, number):
        store.queue(run_id, number, mine(), "process")
        assert watched.ended([store.follow(run_id).summary()]) == []
        store.refuse(run_id, number, "no such device")
        (run,) = watched.ended([store.follow(run_id).summary()])
        return run

    watched, run_id = Watched(), store.create(Plan(name="mine"), {})
    run = refused(run_id, 1)
    assert (run.state, run.attempt, run.reason) == ("failed", 0, "no such device")
    assert tell_of(store, run, CONFIG)
    assert not tell_of(RunStore(store.root), run, CONFIG)

    attempt = store.claim(run_id, 1)
    attempt.emit(Finished(outcome="stopped", step=1))
    attempt.close()
    assert tell_of(store, store.follow(run_id).summary(), CONFIG)
    assert tell_of(store, refused(run_id, 2), CONFIG)


def test_nothing_is_written_where_nobody_is_to_be_told(store):
    run = ended(store, Failed(reason="no data"))
    before = sorted(store.root.rglob("*"))
    assert not tell_of(store, run, read_config([]))
    assert not tell_of(store, run, read_config(['notify.command=["true"]', 'notify.on=["ended"]']))
    assert sorted(store.root.rglob("*")) == before
    tell_of_end(store, "22222222")


def test_those_that_end_while_they_are_watched_are_seen_once(store):
    def summary(attempt_state):
        return store.follow(attempt_state).summary()

    past = ended(store, Failed(reason="long ago"))
    run_id = store.create(Plan(name="mine"), {})
    attempt = store.claim(run_id, 1)
    watched = Watched()
    assert watched.ended([past, summary(run_id)]) == []
    attempt.emit(Finished(outcome="completed", step=1))
    attempt.close()
    assert [run.id for run in watched.ended([past, summary(run_id)])] == [run_id]
    assert watched.ended([past, summary(run_id)]) == []
