"""The rows of a store's newest runs, read before anything else is loaded; their states are tried in `test_state`."""

import math
import os

import pytest

from revconsole.records.logs.events import Advised, Measured, Started
from revconsole.records.runs import notebook
from revconsole.records.runs.glimpse import glimpse
from revconsole.records.runs.identity import mine
from revconsole.records.runs.notebook import Edit
from revconsole.records.runs.standing import as_they_go
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def created(store, *names):
    """Folders of runs of these names."""
    return [store.folder(store.create(Plan(name=name), {})) for name in names]


def names(store, most=9):
    return [row.name for row in glimpse(store.root, most, math.inf)]


def alike(store):
    """What a glimpse and the list both say of every run, which must be the same."""
    glimpsed = [
        (r.id, r.name, r.state, r.alarm, r.loss, r.curve, r.given, r.created, r.place)
        for r in glimpse(store.root, 9, math.inf)
    ]
    listed = as_they_go([row for row in store.list() if not row.archived])
    assert glimpsed == [
        (r.id, r.name, r.state, r.alarm, r.loss, r.loss_curve, bool(r.program), r.created, r.place)
        for r in listed
    ]
    return [(name, state) for _, name, state, *_ in glimpsed]


def test_rows_are_those_of_the_table_in_its_order(store):
    trains, waits, waits_longer, old, new = created(
        store, "trains", "waits", "longer", "old", "new"
    )
    store.queue(waits.name, 1, mine(), "thread")
    store.queue(waits_longer.name, 1, mine(), "thread")
    store.move(waits_longer.name, 1, place=1.0)
    attempt = store.claim(trains.name, 1)
    attempt.emit(Started(facts={"steps": 8}))
    attempt.emit(Measured(step=2, epoch=1, values={"loss": 0.5}))
    attempt.emit(Advised(level="alarm", rule="diverged", text="the loss has grown"))
    for ended in (old, new):
        store.stop_queued(ended.name, 1)

    assert alike(store) == [
        ("trains", "running"), ("longer", "queued"), ("waits", "queued"), ("new", "stopped"), ("old", "stopped"),
    ]  # fmt: skip
    first = glimpse(store.root, 9, math.inf)[0]
    assert (first.progress, first.loss, first.alarm) == (0.25, 0.5, "diverged")


def test_names_are_those_that_a_user_gave_and_archived_runs_are_left_out(store):
    old, _, new = created(store, "old", "middle", "new")
    os.utime(old)  # its folder changed last, as by another attempt
    assert names(store) == ["old", "middle", "new"], "as they wait"
    notebook.change(new, Edit(name="renamed"))
    notebook.change(old, Edit(archived=True))
    assert names(store) == ["middle", "renamed"]
    alike(store)


def test_a_run_of_another_program_is_told_from_ours(store):
    store.create(GivenPlan.of("theirs", {}, "another program"), {})
    created(store, "ours")
    alike(store)
    assert {row.name: row.given for row in glimpse(store.root, 9, math.inf)} == {
        "theirs": True, "ours": False,
    }  # fmt: skip


def test_only_the_folders_that_changed_last_are_read(store):
    folders = created(store, *(f"run-{number}" for number in range(5)))
    for age, folder in enumerate(folders):
        os.utime(folder, (1e9 - age, 1e9 - age))
    assert names(store, 2) == ["run-0", "run-1"]


def test_without_time_names_come_without_states(store):
    broken, _ = created(store, "a", "b")
    (broken / "plan.json").unlink()
    assert {(row.name, row.state) for row in glimpse(store.root, 9, -1.0)} == {
        ("b", None), (broken.name, "damaged"),
    }  # fmt: skip


def test_a_store_that_is_not_there_has_no_rows(store):
    assert glimpse(store.root, 9, math.inf) == []


def test_what_cannot_be_read_is_damaged_as_in_the_table_and_no_escape_gets_through(store):
    broken, queue, text, edited, copied, linked, noted, hostile = created(store, *"abcdefgh")
    (broken / "plan.json").write_bytes(b"\x00" * 100)
    (text / "plan.json").write_text('{"plan": "deep", "created": "now"}')
    (queue / "plan.json").unlink()
    os.mkfifo(queue / "plan.json")
    plan = edited / "plan.json"
    plan.write_text(plan.read_text().replace('"d"', '"other"'))
    (copied / "plan.json").write_text(plan.read_text().replace("other", "d"))
    linked.rename(store.root.parent / "elsewhere")
    linked.symlink_to(store.root.parent / "elsewhere")
    (noted / "notebook.json").write_text("[" * 5000)
    notebook.change(hostile, Edit(name="x"))
    body = (hostile / "notebook.json").read_text()
    (hostile / "notebook.json").write_text(body.replace('"x"', r'"\u001b]0;owned\u0007 [red]b\nc"'))
    (store.root / "no run").mkdir()

    found = {row.id: (row.name, row.state) for row in glimpse(store.root, 9, math.inf)}
    listed = {row.id: row for row in store.list()}
    for folder in (broken, queue, text, edited, copied, linked):
        assert found.pop(folder.name) == (folder.name, "damaged")
        assert listed[folder.name].state == "damaged"
    assert found == {noted.name: ("g", "queued"), hostile.name: ("�]0;owned� [red]b c", "queued")}
