"""The reader: one snapshot per change, nothing when nothing changed."""

from dataclasses import replace

from revconsole.console.reader import Reader
from revconsole.console.snapshot import WantedByScreen, WantedFigure
from revconsole.lab.curves.figures import Frame
from revconsole.records.runs.store import RunStore

PICTURE = WantedFigure(subject="loss", run_ids=(), frame=Frame(width=40))


def test_two_looks_at_the_same_store_are_equal(lab, recorder):
    run_id = recorder.finished("done")
    reader = Reader(lab, lambda _: None)
    reader.want(
        WantedByScreen(run_ids=(run_id,), pictures={"loss": replace(PICTURE, run_ids=(run_id,))})
    )
    assert reader.look() == reader.look()


def test_a_figure_is_drawn_anew_only_if_its_run_or_its_width_changed(lab, recorder):
    run_id, attempt = recorder.begin("alive")
    recorder.epoch(attempt, 1)
    reader = Reader(lab, lambda _: None)
    picture = replace(PICTURE, run_ids=(run_id,))
    reader.want(WantedByScreen(pictures={"loss": picture}))
    first = reader.look().figures["loss"]
    assert reader.look().figures["loss"] is first
    recorder.epoch(attempt, 2)
    second = reader.look().figures["loss"]
    assert len(second.curves[0].xs) > len(first.curves[0].xs)
    reader.want(WantedByScreen(pictures={"loss": replace(picture, frame=Frame(width=4))}))
    assert len(reader.look().figures["loss"].curves[0].xs) < len(second.curves[0].xs)
    attempt.close()


def test_a_run_that_is_gone_is_left_out(lab, recorder):
    run_id = recorder.finished("done")
    reader = Reader(lab, lambda _: None)
    reader.want(WantedByScreen(run_ids=(run_id, "22222222")))
    assert set(reader.look().runs) == {run_id}


def test_a_store_that_is_gone_is_told_from_an_empty_one(lab, recorder):
    reader = Reader(lab, lambda _: None)
    assert reader.look().problem == "", "it was never there"
    recorder.finished("done")
    reader.latest = reader.look()
    lab.store.root.rename(lab.store.root.with_name("elsewhere"))
    looked = reader.look()
    assert "is gone" in looked.problem
    assert [row.name for row in looked.summaries] == ["done"]
    lab.store.root.with_name("elsewhere").rename(lab.store.root)
    assert reader.look().problem == ""


def test_it_posts_what_is_new_and_ends_when_told(lab, recorder):
    recorder.finished("done")
    seen = []

    def post(snapshot):
        seen.append(snapshot)
        reader.end()

    reader = Reader(lab, post)
    reader.run()
    assert [s.name for s in seen[0].summaries] == ["done"]


def test_it_posts_nothing_when_nothing_changed(lab, recorder):
    recorder.finished("done")
    seen = []

    class Counting(RunStore):
        looks = 0

        def list(self):
            self.looks += 1
            reader.end() if self.looks == 3 else reader.wake()
            return super().list()

    lab.store = Counting(lab.store.root)
    reader = Reader(lab, seen.append)
    reader.run()
    assert lab.store.looks == 3
    assert len(seen) == 1


def test_other_figures_of_the_same_runs_do_not_wait_for_the_store(lab, recorder):
    run_id, attempt = recorder.begin("alive")
    recorder.epoch(attempt, 1)
    reader = Reader(lab, lambda _: None)
    picture = replace(PICTURE, run_ids=(run_id,))
    reader.want(WantedByScreen(pictures={"loss": picture}))
    before = reader.look()
    recorder.epoch(attempt, 2)
    reader.want(WantedByScreen(pictures={"loss": replace(picture, frame=Frame(width=4))}))
    zoomed = reader.look()
    assert zoomed.summaries is before.summaries
    assert zoomed.figures["loss"] != before.figures["loss"]
    assert reader.look().summaries[0].epoch == 2
    attempt.close()
