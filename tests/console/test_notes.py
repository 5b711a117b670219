"""The dialog for name, tags and note of a run: what was typed is not lost when it cannot be written."""

from revconsole.console.screens.notes import EditNotes
from revconsole.errors import StoreError
from revconsole.records.runs import notebook

FULL = "cannot write notes.json: no space left on device"


async def test_what_a_full_disk_refuses_is_asked_again_as_it_was_typed(
    opened, recorder, monkeypatch
):
    recorder.finished("one")
    write, full = notebook.change, [True]

    def change(folder, edit):
        if full:
            raise StoreError(FULL)
        return write(folder, edit)

    monkeypatch.setattr(notebook, "change", change)
    async with opened(100, 30) as stage:
        await stage.shows("one")
        await stage.press("e")
        await stage.shows("Notes of one")
        await stage.press("home", *"the_", "tab", *"paper", "tab", *"keep", "ctrl+s")
        text = await stage.shows(FULL, "the_one", "paper", "keep")
        assert isinstance(stage.app.screen, EditNotes)
        assert text.count(FULL) == 1, "the dialog says it, and no toast"
        full.clear()
        await stage.press("ctrl+s")
        await stage.until(lambda: recorder.store.list()[0].note == "keep")
    (run,) = recorder.store.list()
    assert (run.name, run.tags) == ("the_one", ("paper",))


async def test_so_are_the_tags_of_several_runs(opened, recorder, monkeypatch):
    recorder.finished("one")
    recorder.finished("two")

    def change(*_):
        raise StoreError(FULL)

    monkeypatch.setattr(notebook, "change", change)
    async with opened(100, 30) as stage:
        await stage.shows("one", "two")
        await stage.press("a", "e", *"new -old", "enter")
        await stage.shows(FULL, "new -old", "Notes of 2 runs")
