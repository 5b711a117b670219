"""Faults of the store: many runs, many points, damaged files, several readers of a run that is being written.

The short form runs with every test; `make faults` takes the full numbers. What is asserted is
work (files opened, bytes read), as time differs between machines; `figures.py` prints times.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revconsole.errors import NoSuchRun, StoreError
from revconsole.records.logs import column_cache
from revconsole.records.logs.events import (
    Failed,
    Finished,
    Logged,
    LoggedEvent,
    Measured,
    Started,
    encode,
)
from revconsole.records.runs import store_cache
from revconsole.records.runs.identity import mine
from revconsole.records.runs.store import RunStore

COMPLETE = "REVCONSOLE_FAULTS" in os.environ
RUNS = 10_000 if COMPLETE else 500
LINES = 250_000 if COMPLETE else 12_500
"""Of four points each."""
READ_WHILE_WRITTEN = 20_000 if COMPLETE else 2_000
"""Lines that are written while three processes read."""
WRITER = """
import sys
from pathlib import Path
from revconsole.records.logs.events import Finished, Measured, Started
from revconsole.records.runs.store import RunStore
attempt = RunStore(Path(sys.argv[1])).claim(sys.argv[2], 1)
attempt.emit(Started(facts={"steps": int(sys.argv[3])}))
for step in range(1, int(sys.argv[3]) + 1):
    values = {"loss": 1 / step, "learning_rate": 0.1, "gradient_norm": 2.0, "resident_bytes": 1e8}
    attempt.emit(Measured(step=step, epoch=1, values=values))
attempt.emit(Finished(outcome="completed", step=step))
"""
READER = """
import sys, time
from pathlib import Path
from revconsole.records.runs.store import RunStore
store = RunStore(Path(sys.argv[1]))
tail = store.follow(sys.argv[2])
lengths = [0]
while not tail.run().summary.ended:
    series = tail.run().series.get("loss")
    lengths.append(series.length if series else 0)
    time.sleep(0.002)
run, (row,) = tail.run(), store.list()
series = {name: (s.steps, s.values) for name, s in run.series.items()}
import zlib
print(lengths == sorted(lengths), zlib.crc32(repr(series).encode()), run.summary == row, row.damaged_lines)
"""


def figures():
    """The script beside this file, which makes stores."""
    spec = importlib.util.spec_from_file_location("figures", Path(__file__).with_name("figures.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = figures()
opened: list[Counter] = []


def _note(event: str, arguments: tuple) -> None:
    if event == "open" and opened:
        opened[-1][Path(str(arguments[0])).name] += 1


sys.addaudithook(_note)


@contextmanager
def watched():
    """Counts the files that are opened meanwhile, by name."""
    opened.append(Counter())
    try:
        yield opened[-1]
    finally:
        opened.clear()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    root = tmp_path_factory.mktemp("many") / "runs"
    with made.without_syncing():
        store = made.many_runs(root, RUNS)
    rows = store.list()
    assert (root / store_cache.FILE).exists()
    return root, rows


def test_a_store_of_many_runs_is_listed_without_opening_a_file_of_those_that_ended(many):
    root, rows = many
    unlike = sum(row.state != "finished" for row in rows)

    with watched() as files:
        again = RunStore(root).list()

    assert again == rows
    assert len(again) == RUNS
    assert files["index.json"] == 1
    assert max(files["events.jsonl"], files["plan.json"]) <= 2 * unlike
    assert {row.state for row in rows} == {"finished", "running", "lost", "damaged"}


def test_a_second_look_returns_the_very_rows_of_the_first(many):
    store = RunStore(many[0])
    first = store.list()

    with watched() as files:
        second = store.list()

    ended = [(a, b) for a, b in zip(first, second, strict=True) if a.state == "finished"]
    assert all(a is b for a, b in ended)
    assert files["index.json"] == 0


@pytest.fixture
def few(tmp_path):
    """A store of 40 ended runs with an index."""
    store = RunStore(tmp_path / "runs")
    for number in range(40):
        run_id = store.create(made.plan(number), {})
        made.train(store, run_id, 3)
        made.age(store.folder(run_id))
    store.list()
    assert (store.root / store_cache.FILE).exists()
    return store


def change_log(store, run_id):
    late = LoggedEvent(seq=99, time=1.0, elapsed=9.0, event=Failed(reason="at last"))
    with (store.folder(run_id) / "attempts" / "0001" / "events.jsonl").open("ab") as file:
        file.write(encode(late))


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (change_log, "failed"),
        (lambda store, i: store.queue(i, 2, mine(), "thread"), "queued"),
        (lambda store, i: store.claim(i, 2), "starting"),
        (lambda store, i: shutil.rmtree(store.folder(i)), None),
    ],
    ids=["log", "queued again", "new attempt", "deleted"],
)
def test_an_index_never_serves_a_run_that_changed(few, change, state):
    run_id = few.list()[7].id
    change(few, run_id)

    for store in (few, RunStore(few.root)):
        states = {row.id: row.state for row in store.list()}
        assert states.pop(run_id, None) == state
        assert set(states.values()) == {"finished"}


@pytest.mark.parametrize("state", ["running", "lost"])
def test_a_run_that_has_not_ended_is_not_in_the_index(few, state):
    run_id = few.create(made.plan(1), {})
    if state == "lost":
        made.train(few, run_id, 3)
        made.unend(few, run_id)
    else:
        few.claim(run_id, 1).emit(Started(facts={}))
    made.age(few.folder(run_id))
    (few.root / store_cache.FILE).unlink()
    RunStore(few.root).list()

    kept = store_cache.read(few.root)
    assert len(kept) == 40
    assert run_id not in kept


def test_two_writers_of_the_index_harm_nothing(few):
    rows = few.list()
    listing = (
        "import sys; from pathlib import Path; from revconsole.records.runs.store import RunStore\n"
    )
    listing += "for _ in range(8):\n    Path(sys.argv[1], 'index.json').unlink(missing_ok=True)\n"
    listing += "    assert len(RunStore(Path(sys.argv[1])).list()) == 40\n"
    command = [sys.executable, "-X", "preloaded", "-c", listing, str(few.root)]

    both = [subprocess.Popen(command) for _ in range(2)]

    assert [process.wait() for process in both] == [0, 0]
    assert RunStore(few.root).list() == rows
    assert len(store_cache.read(few.root)) == 40
    assert [p.name for p in few.root.iterdir() if p.name.startswith(".")] == []


def test_a_store_that_cannot_be_written_is_listed_all_the_same(few):
    rows = few.list()
    (few.root / store_cache.FILE).unlink()
    (few.root / store_cache.FILE).mkdir()  # nothing can replace it, whoever one is

    assert RunStore(few.root).list() == rows
    assert [p.name for p in few.root.iterdir() if p.name.startswith(".")] == []


damage = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.none()),
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 7)),
    st.tuples(st.just("zero"), st.floats(0, 1), st.none()),
    st.tuples(st.just("fill"), st.none(), st.binary(max_size=40)),
    st.tuples(
        st.just("fill"),
        st.none(),
        st.sampled_from([b"[" * 20_000, b"null", b"[]", b'{"pid": 1e999}', b'{"attempt": 1e999}']),
    ),
)


def harm(path: Path, kind: str, where: float | None, what) -> None:
    whole = path.read_bytes() if path.exists() else b""
    at = int((where or 0) * max(0, len(whole) - 1))
    if kind == "cut":
        whole = whole[:at]
    elif kind == "flip" and whole:
        whole = whole[:at] + bytes([whole[at] ^ (1 << what)]) + whole[at + 1 :]
    elif kind == "zero":
        whole = whole[:at] + bytes(len(whole) - at)
    elif kind == "fill":
        whole = what
    path.write_bytes(whole)


DERIVED = [f"../{store_cache.FILE}", f"attempts/0001/{column_cache.FILE}"]
FILES = [
    *DERIVED, "plan.json", "launch.json", "attempts/0001/claim.json", "attempts/0001/exit.json",
    "attempts/0001/events.jsonl",
]  # fmt: skip


@settings(
    max_examples=1000 if COMPLETE else 80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(file=st.sampled_from(FILES), how=damage)
def test_a_damaged_file_is_not_raised_and_the_other_runs_are_unaffected(tmp_path, file, how):
    store = RunStore(tmp_path / f"{time.monotonic_ns()}")
    bad, good = (store.create(made.plan(n), {}) for n in range(2))
    for run_id in (bad, good):
        made.train(store, run_id, 3)
        store.queue(run_id, 1, mine(), "thread")
    made.age(store.folder(good))
    before = {row.id: row for row in store.list()}
    store_cache.write(store.root, {good: store._table._kept[good]})

    harm(store.folder(bad) / file, *how)

    rows = {row.id: row for row in RunStore(store.root).list()}
    assert rows[good] == before[good]
    assert set(rows) == {bad, good}
    run = store.read(bad)
    if file in {*DERIVED, "launch.json"}:
        assert run.series["loss"].steps == [1, 2, 3]
    if file in DERIVED:
        assert rows[bad] == before[bad]
    if file.endswith("events.jsonl"):
        assert set(run.series["loss"].steps if run.series else ()) <= {1, 2, 3}


def test_a_bad_last_line_is_not_there_yet_and_is_damaged_once_a_good_one_follows(store, plan):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={}))
    log = attempt.folder / "events.jsonl"
    tail = store.follow(run_id)
    whole = log.read_bytes()
    attempt.emit(Measured(step=1, epoch=1, values={"loss": 1.0}))
    written = log.read_bytes()

    log.write_bytes(whole + bytes(len(written) - len(whole) - 1) + b"\n")
    run = tail.run()
    assert (run.series, run.summary.damaged_lines) == ({}, 0)
    log.write_bytes(written)
    assert tail.run().series["loss"].steps == [1], "the bytes came after all"

    log.write_bytes(written + b"\0\0\0\n")
    attempt.emit(Logged(text="good"))
    run = tail.run()
    assert (run.summary.damaged_lines, run.log[-1].text) == (1, "good")
    log.write_bytes(log.read_bytes() + b"bad\n")
    assert tail.run().summary.damaged_lines == 1, "the run goes on"
    attempt.emit(Finished(outcome="completed", step=1))
    log.write_bytes(log.read_bytes() + b"bad\n")
    assert tail.run().summary.damaged_lines == store.read(run_id).summary.damaged_lines == 3


def test_a_log_that_became_shorter_is_read_from_its_beginning(store, plan):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    for step in range(1, 9):
        attempt.emit(Measured(step=step, epoch=1, values={"loss": 1.0}))
    tail = store.follow(run_id)
    assert tail.run().series["loss"].length == 8
    log = attempt.folder / "events.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))

    assert tail.run().series["loss"].steps == [1, 2, 3]


def test_a_deleted_run_is_gone_for_whoever_names_it_and_for_nobody_else(store, plan):
    gone, other = store.create(plan, {}), store.create(plan, {})
    tail = store.follow(gone)
    shutil.rmtree(store.folder(gone))

    assert [row.id for row in store.list()] == [other]
    assert tail.run().id == gone
    for verb in (store.read, store.follow, store.plan, store.folder):
        with pytest.raises(NoSuchRun):
            verb(gone)


def test_a_plan_that_was_damaged_and_is_mended_is_seen(store, plan):
    run_id = store.create(plan, {})
    path = store.folder(run_id) / "plan.json"
    whole = path.read_bytes()
    path.write_bytes(b"{")
    assert store.list()[0].state == "damaged"
    with pytest.raises(StoreError):
        store.plan(run_id)

    path.write_bytes(whole)

    assert store.list()[0].state == "queued"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder of a run of many points, and its name."""
    root = tmp_path_factory.mktemp("long") / "runs"
    with made.without_syncing():
        return root, made.long_run(RunStore(root), LINES)


@pytest.fixture
def long(recorded, store):
    """Its name in a store that a test may change."""
    shutil.copytree(recorded[0], store.root)
    return recorded[1]


def test_a_run_of_many_points_is_opened_by_parsing_hardly_any(store, long):
    folder = store.folder(long) / "attempts" / "0001"
    *_, last = column_cache.chunks(folder)
    left = (folder / "events.jsonl").stat().st_size - last.stop

    assert left < column_cache.CHUNK_BYTES + 1000
    with_digest = store.read(long)
    (folder / column_cache.FILE).unlink()
    without = store.read(long)
    assert with_digest.series["loss"].length == LINES
    assert with_digest == without


def test_a_look_at_a_run_of_many_points_reads_what_is_new_and_copies_no_column(store, long):
    tail, log = store.follow(long), store.folder(long) / "attempts/0001/events.jsonl"
    before = tail.run()
    with log.open("ab") as file:
        file.write(log.read_bytes().splitlines(keepends=True)[-2])

    with watched() as files:
        after = tail.run()

    assert files["digest.bin"] == 0
    assert after.series["loss"].length == before.series["loss"].length + 1
    assert after.series["loss"]._values is before.series["loss"]._values


def test_two_stores_and_three_readers_agree_on_a_run_that_is_being_written(store, plan):
    run_id = store.create(plan, {})
    steps = str(READ_WHILE_WRITTEN)
    writer = subprocess.Popen(
        [sys.executable, "-X", "preloaded", "-c", WRITER, str(store.root), run_id, steps]
    )
    consoles = [RunStore(store.root), RunStore(store.root)]
    tails = [each.follow(run_id) for each in consoles]
    while store.next_attempt(run_id) == 1:
        time.sleep(0.01)
    command = [sys.executable, "-X", "preloaded", "-c", READER, str(store.root), run_id]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    while writer.poll() is None:
        for console, tail in zip(consoles, tails, strict=True):
            assert {row.state for row in console.list()} <= {"starting", "running", "finished"}
            tail.run()
            time.sleep(0.02)

    said = {reader.communicate()[0] for reader in readers}
    assert len(said) == 1
    assert json.loads(said.pop().split()[0].lower()) is True
    runs = [tail.run() for tail in tails] + [store.read(run_id)]
    assert runs[0] == runs[1] == runs[2]
    assert runs[0].series["loss"].steps == list(range(1, READ_WHILE_WRITTEN + 1))
