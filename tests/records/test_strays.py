"""Run folders that were renamed or copied are called what they are."""

import shutil

import pytest

from revconsole.errors import NoSuchRun


def test_a_renamed_folder_is_told_with_the_run_that_it_holds(store, plan):
    run_id = store.create(plan, {})
    store.folder(run_id).rename(store.root / "my best run")
    (store.root / "no run").mkdir()

    (stray,) = store.strays()

    assert (
        stray.sentence
        == f"my best run (its plan says {run_id}; give it that name to have it listed)"
    )
    for address in (run_id, "my best run"):
        with pytest.raises(NoSuchRun, match="there is the folder my best run"):
            store.find(address)
    assert store.list() == ()
    (store.root / "my best run").rename(store.root / run_id)
    assert store.find(run_id) == run_id
    assert store.strays() == ()


def test_a_copy_is_not_taken_for_a_second_run(store, plan):
    run_id = store.create(plan, {})
    for name in (f"{run_id} (copy)", f"{run_id}-backup", "abcdefgh"):
        shutil.copytree(store.folder(run_id), store.root / name)

    assert [stray.sentence for stray in store.strays()] == [
        f"{run_id} (copy) (a copy of {run_id})",
        f"{run_id}-backup (a copy of {run_id})",
    ]
    rows = {row.id: row for row in store.list()}
    assert rows[run_id].state == "queued"
    assert rows["abcdefgh"].state == "damaged"
    assert rows["abcdefgh"].reason == (
        f"its plan is of run {run_id}: the folder was renamed, or is a copy"
    )
