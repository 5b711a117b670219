"""Runs that no recorded one is like, written with fixed times for the frames of their screens."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from revconsole.console.app import Console
from revconsole.console.screens.run import RunScreen
from revconsole.console.screens.study import StudyScreen
from revconsole.records.logs.events import (
    EpochFinished,
    Event,
    Finished,
    LoggedEvent,
    Started,
    decode,
    encode,
)
from revconsole.records.runs.header import write_header
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import holder
from revconsole.records.runs.whereabouts import Whereabouts, write_whereabouts
from revconsole.records.search.planned_search import planned_search
from revconsole.records.settings.plan import Plan

Ids = dict[str, str]
WHEN = 1_795_952_000.0
"""When all of them began, in seconds since 1970."""
EVENTS = 400
"""Of the recorded run, as far as the one that trains has got."""


def training(app: Console, ids: Ids) -> RunScreen:
    """A run that trains in this process, and is as far as the recorded one once was after so many events."""
    store = app.reader.lab.store
    like = store.folder(ids["demo-bdia"])
    (store.root / "222222bc").mkdir()
    write_header(store.root / "222222bc", "222222bc", WHEN, store.plan(ids["demo-bdia"]))
    store.claim("222222bc", 1).close()
    log = Path("attempts", "0001", "events.jsonl")
    lines = (like / log).read_bytes().splitlines(keepends=True)
    (store.root / "222222bc" / log).write_bytes(b"".join(lines[:EVENTS]))
    return RunScreen(app.reader, "222222bc")


def on_ranks(app: Console, ids: Ids) -> RunScreen:
    """The run of BDIA as if two ranks had trained it, the second of which wrote a warning."""
    store = app.reader.lab.store
    like = store.folder(ids["demo-bdia"])
    lines = (like / "attempts" / "0001" / "events.jsonl").read_bytes().splitlines()
    events = [_on_two_ranks(decode(line)) for line in lines]
    plan = store.plan(ids["demo-bdia"]).model_copy(update={"name": "demo-on-two-ranks"})
    folder = _written(store, "t2ranks9", plan, events)
    log = folder / "ranks" / "1.log"
    log.parent.mkdir()
    log.write_text("UserWarning: the second rank has fewer images\n")
    os.utime(log, (events[-1].time, events[-1].time))
    return RunScreen(app.reader, "t2ranks9")


def in_a_job(app: Console, ids: Ids) -> RunScreen:
    """A run that waits for a job of Slurm."""
    store = app.reader.lab.store
    folder = store.root / "j4bqueue"
    folder.mkdir()
    write_header(folder, "j4bqueue", WHEN, store.plan(ids["demo-bdia"]))
    store.queue("j4bqueue", 1, holder("71"), "slurm", job="71")
    found = Whereabouts(job="71", state="PENDING", reason="Priority")
    write_whereabouts(folder, found)
    return RunScreen(app.reader, "j4bqueue")


def searched(app: Console, study: Path) -> StudyScreen:
    """A search of which three trials have ended, one of them early."""
    store = app.reader.lab.store
    search = planned_search(str(study), {}, store)
    drawn = ((0.003, 0.1, 2, 64, 0.93), (0.08, 0.3, 1, 128, 0.41), (0.012, 0.02, 1, 32, 0.95))
    for number, (*values, accuracy) in enumerate(drawn):
        keys = (each.key for each in search.search.space)
        plan = search.trial(number, dict(zip(keys, values, strict=True)))
        early = accuracy < 0.5
        last = 1 if early else plan.epochs
        scores = {"validation_accuracy": accuracy}
        ended = Finished(
            outcome="pruned" if early else "completed",
            step=30 * last,
            values={} if early else {"test_accuracy": accuracy - 0.01},
        )
        events = [
            Started(facts={"device": "cpu"}),
            *(EpochFinished(epoch=n, step=30 * n, values=scores) for n in range(1, last + 1)),
            ended,
        ]
        _written(store, search.id_of(plan), plan, _timed(events))
    return StudyScreen(app.reader, str(study))


def _timed(events: Iterable[Event]) -> list[LoggedEvent]:
    return [
        LoggedEvent(seq=n, time=WHEN + n, elapsed=float(n), event=event)
        for n, event in enumerate(events, 1)
    ]


def _on_two_ranks(record: LoggedEvent) -> LoggedEvent:
    if not isinstance(record.event, Started):
        return record
    facts: dict[str, Any] = {
        **record.event.facts,
        "device_name": f"2 ranks on {record.event.facts['device_name']}",
    }
    return replace(record, event=record.event._replace(facts=facts))


def _written(store: RunStore, run_id: str, plan: Plan, events: Iterable[LoggedEvent]) -> Path:
    """Write a run with one attempt; returns the folder of that."""
    attempt = store.root / run_id / "attempts" / "0001"
    attempt.mkdir(parents=True)
    write_header(store.root / run_id, run_id, WHEN, plan)
    (attempt / "events.jsonl").write_bytes(b"".join(map(encode, events)))
    return attempt
