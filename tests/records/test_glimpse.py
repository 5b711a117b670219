"""The names of a store's runs, read before anything else is loaded."""

import os

import pytest

from revconsole.records.runs import notebook
from revconsole.records.runs.glimpse import glimpse
from revconsole.records.runs.notebook import Edit
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def created(store, *names):
    """Folders of runs of these names."""
    return [store.folder(store.create(Plan(name=name), {})) for name in names]


def test_names_are_those_of_the_list_the_newest_first(store):
    old, _, new = created(store, "old", "middle", "new")
    os.utime(old)  # its folder changed last, as by another attempt
    assert glimpse(store.root, 9) == ["new", "middle", "old"] == [r.name for r in store.list()]
    notebook.change(new, Edit(name="renamed"))
    notebook.change(old, Edit(archived=True))
    assert glimpse(store.root, 9) == ["renamed", "middle"]


def test_only_the_folders_that_changed_last_are_read(store):
    folders = created(store, *(f"run-{number}" for number in range(5)))
    for age, folder in enumerate(folders):
        os.utime(folder, (1e9 - age, 1e9 - age))
    assert glimpse(store.root, 2) == ["run-1", "run-0"]


def test_a_store_that_is_not_there_has_no_names(store):
    assert glimpse(store.root, 9) == []


def test_what_cannot_be_read_is_left_out_and_no_escape_gets_through(store):
    broken, queue, text, linked, noted, hostile = created(store, *"abcdef")
    (broken / "plan.json").write_bytes(b"\x00" * 100)
    (text / "plan.json").write_text('{"plan": "deep", "created": "now"}')
    (queue / "plan.json").unlink()
    os.mkfifo(queue / "plan.json")
    linked.rename(store.root.parent / "elsewhere")
    linked.symlink_to(store.root.parent / "elsewhere")
    (noted / "notebook.json").write_text("[" * 5000)
    notebook.change(hostile, Edit(name="x"))
    body = (hostile / "notebook.json").read_text()
    (hostile / "notebook.json").write_text(body.replace('"x"', r'"\u001b]0;owned\u0007 [red]b\nc"'))
    assert glimpse(store.root, 9) == ["�]0;owned� [red]b c", "e"]
