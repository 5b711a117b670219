"""Workers that share the runs of a study: each run is taken by one of them, and a lost one is taken again."""

import json
import os
import tempfile
from dataclasses import replace

import pytest

from revconsole.records.logs.events import Failed, Finished
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import control, identity, state
from revconsole.records.runs.identity import mine
from revconsole.records.runs.next_run import MOST_AGAIN, SharedLine
from revconsole.records.runs.queued import read_queued
from tests.conformance.simulated_study import next_run

GONE = replace(mine(), start=mine().start + 1)


@pytest.fixture
def runs(store, plan):
    """Three runs that wait, as a line takes them."""
    ids = [store.create(plan, {}) for _ in range(3)]
    for run_id in ids:
        store.queue(run_id, 1, mine(), "process")
    return [(run_id, 1) for run_id in ids]


def lost(store, run_id, number, holder=GONE):
    """As if the process that claimed the attempt were no more."""
    claim = store.folder(run_id) / "attempts" / f"{number:04d}" / "claim.json"
    claim.write_text(json.dumps(holder.to_dict()), encoding="utf-8")


def test_each_run_is_taken_by_one_worker_in_order(store, runs):
    here, there = SharedLine(store, runs), SharedLine(store, runs)

    taken = [next_run(store, line).run_id for line in (here, there, here)]

    assert taken == [run_id for run_id, _ in runs]
    assert next_run(store, there) is None
    assert here.open() == there.open() == []


def test_a_run_that_another_worker_takes_between_two_looks_is_passed_over(store, runs):
    class Late(SharedLine):
        def open(self):
            seen = super().open()
            store.claim(*runs[0]) if seen[0] == runs[0] else None
            return seen

    assert next_run(store, Late(store, runs)).run_id == runs[1][0]


def test_a_lost_run_is_taken_again_in_its_old_place(store, runs):
    lost_run = next_run(store, SharedLine(store, runs)).run_id
    before = read_queued(store.folder(lost_run) / "launch.json")
    line = SharedLine(store, runs)
    assert line.open() == runs[1:], "it trains"

    lost(store, lost_run, 1)

    assert line.open() == [(lost_run, 2), *runs[1:]]
    after = read_queued(store.folder(lost_run) / "launch.json")
    assert after == before._replace(attempt=2)
    assert store.follow(lost_run).summary().state == "queued"
    assert next_run(store, line).attempt.number == 2


def test_a_run_that_is_lost_again_and_again_is_given_up(store, runs):
    line, run_id = SharedLine(store, runs[:1]), runs[0][0]
    for number in range(1, MOST_AGAIN + 2):
        assert next_run(store, line).attempt.number == number
        lost(store, run_id, number)

    assert next_run(store, line) is None


def ended(attempt, store):
    attempt.emit(Finished(outcome="completed", step=1))


def failed(attempt, store):
    attempt.emit(Failed(reason="diverged"))


def killed_for_memory(attempt, store):
    attempts.write_json(attempt.folder / "exit.json", {"signal": 9, "memory": True})


def asked_to_stop(attempt, store):
    control.ask(attempt.run_folder, "stop", "at once")


def declared_gone(attempt, store):
    attempts.take_over(attempt.run_folder, attempt.number, "somebody")


@pytest.mark.parametrize("how", [ended, failed, killed_for_memory, asked_to_stop, declared_gone])
def test_whose_end_has_a_reason_is_not_taken_again(store, runs, how):
    line = SharedLine(store, runs[:1])
    run_id, attempt = next_run(store, line)
    how(attempt, store)
    lost(store, run_id, 1)

    assert line.open() == []
    assert next_run(store, SharedLine(store, runs[:1])) is None


def test_a_run_of_another_machine_is_lost_when_nothing_is_heard_of_it(store, runs):
    line = SharedLine(store, runs[:1])
    run_id, attempt = next_run(store, line)
    lost(store, run_id, 1, replace(mine(), host="elsewhere"))
    assert line.open() == []
    log = attempt.folder / "events.jsonl"
    with tempfile.TemporaryFile(dir=log.parent) as now:
        then = os.fstat(now.fileno()).st_mtime - state.FOREIGN_SILENCE_SECONDS - 1

    os.utime(log, (then, then))

    assert line.open() == [(run_id, 2)]


def test_a_deleted_run_holds_up_nobody(store, runs):
    store.folder(runs[0][0]).rename(store.root / ".gone")

    assert SharedLine(store, runs).open() == runs[1:]


def test_runs_that_begin_with_a_later_attempt_are_taken_as_that(store, runs):
    run_id = runs[0][0]
    first = store.claim(run_id, 1)
    first.emit(Finished(outcome="stopped", step=1))

    assert next_run(store, SharedLine(store, [(run_id, 2)])).attempt.number == 2


def test_a_list_asks_for_the_process_of_many_waiting_runs_once(store, runs, monkeypatch):
    asked, started = [], identity._start_now
    monkeypatch.setattr(identity, "_start_now", lambda pid: asked.append(pid) or started(pid))

    assert {run.state for run in store.list()} == {"queued"}
    assert asked == [os.getpid()]
    store.follow(runs[0][0]).summary()
    store.follow(runs[0][0]).summary()
    assert len(asked) == 3, "whoever asks later is told what is so then"
