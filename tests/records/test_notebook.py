"""What users add to runs, and the short curve of a run in its row."""

import math
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

import pytest

from revconsole.errors import StoreError
from revconsole.records.logs.events import Finished, Measured, Started
from revconsole.records.runs import notebook, store_cache
from revconsole.records.runs.notebook import Edit
from revconsole.records.runs.sketch import MOST_POINTS, Sketch
from revconsole.records.runs.store import RunStore


def test_changes_made_at_once_are_all_kept(store, plan):
    folder = store.folder(store.create(plan, {}))

    def tag(number):
        notebook.change(folder, Edit(add=(f"tag{number}",)))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(tag, range(30)))
    assert set(notebook.read(folder).tags) == {f"tag{n}" for n in range(30)}


def test_a_notebook_that_cannot_be_read_hides_no_run(store, plan):
    folder = store.folder(store.create(plan, {}))
    (folder / notebook.FILE).write_text('{"name": 3')
    assert store.list()[0].name == "small"


def test_no_notes_are_written_through_a_link(store, plan, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        notebook.change(link, Edit(note="x"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_cached_row_has_the_notes_metrics_and_curve_of_the_run(store, plan, monkeypatch):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={}))
    for step, loss in enumerate((2.0, math.nan, 0.5)):
        attempt.emit(Measured(step=step, epoch=1, values={"loss": loss, "norm": 2.0 * step}))
    attempt.emit(Finished(outcome="completed", step=2))
    attempt.close()
    notebook.change(store.folder(run_id), Edit(name="other", add=("a",), note="why", archived=True))
    before = store.list()[0]
    entry = store_cache.CachedRow((1, 2, 3, 4), before)
    store_cache.write(store.root, {run_id: entry})
    cached = store_cache.read(store.root)[run_id].row
    assert repr(cached) == repr(before)
    assert (cached.name, cached.tags, cached.note, cached.archived) == (
        "other",
        ("a",),
        "why",
        True,
    )
    assert cached.metrics == {"loss": 0.5, "norm": 4.0}
    assert repr(cached.loss_curve) == "(2.0, nan, 0.5)"
    assert repr(RunStore(store.root).list()[0]) == repr(before)
    notebook.change(store.folder(run_id), Edit(name="newer"))
    assert RunStore(store.root).list()[0].name == "newer"


@pytest.mark.parametrize("count", [1, 47, 48, 49, 1000])
def test_a_sketch_is_means_of_equally_many_values(count):
    values = [math.sin(n) + n / 100 for n in range(count)]
    one_by_one, at_once = Sketch(), Sketch()
    for step, value in enumerate(values):
        one_by_one.add(step, value)
    at_once.extend(range(count), values)
    points = one_by_one.points()
    assert len(points) <= MOST_POINTS
    stride = -(-count // len(points))
    expected = [fmean(values[n : n + stride]) for n in range(0, count, stride)]
    assert points == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert at_once.points() == pytest.approx(points, rel=1e-3)


def test_a_resumed_run_has_no_curve_beyond_where_it_continued():
    sketch = Sketch()
    sketch.extend(range(40), [1.0] * 20 + [9.0] * 20)
    sketch.cut(19)
    sketch.add(20, 3.0)
    assert sketch.points() == (*[1.0] * 20, 3.0)


@pytest.mark.parametrize(
    "wrong", ['"archived": "yes", "tags": []', '"archived": false, "tags": "abc"']
)
def test_notes_of_another_type_are_damage(store, plan, wrong):
    folder = store.folder(store.create(plan, {}))
    (folder / notebook.FILE).write_text(f'{{"name": "", "note": "", {wrong}}}')
    assert notebook.read(folder) == notebook.NOTHING
    assert "is damaged" in notebook.damage(folder)
