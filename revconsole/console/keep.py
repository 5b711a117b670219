"""Keep: archive, delete and annotate runs of a table: ask first, do it in a thread, and remember how to undo it."""

from collections.abc import Callable, Sequence
from functools import partial

from revconsole.console.screens.ask import confirm
from revconsole.console.screens.live import LiveScreen
from revconsole.console.steer import act
from revconsole.lab import keeping
from revconsole.records.runs import notebook
from revconsole.records.runs.notebook import Edit, Notes
from revconsole.records.runs.run import Summary

Undo = tuple[str, Callable[[], str]]
"""What was done, and what puts it back and says so."""
MOST_NAMED, MOST_UNDONE = 3, 50


def edit(screen: LiveScreen, runs: Sequence[Summary], undone: list[Undo]) -> None:
    """Ask for the name, tags and note of a run, or for the tags of several, and write them."""
    from revconsole.console.screens.notes import EditNotes  # its fields load when first shown

    def answered(change: Edit | None) -> None:
        if change is not None:
            again = lambda why: ask(EditNotes(tuple(runs), change, why))  # noqa: E731
            _change(screen, runs, change, "notes written", undone, failed=again)

    def ask(dialog: EditNotes) -> None:
        screen.app.push_screen(dialog, answered)

    ask(EditNotes(tuple(runs)))


def archive(screen: LiveScreen, runs: Sequence[Summary], undone: list[Undo]) -> None:
    """Ask, then leave the runs out of the table; archived runs are listed again without asking."""
    if all(run.archived for run in runs):
        _change(screen, runs, Edit(archived=False), "listed again", undone)
        return
    detail = "Lists leave archived runs out; the filter archived=true shows them, u undoes it."
    change = partial(_change, screen, runs, Edit(archived=True), "archived", undone)
    confirm(screen.app, f"Archive {named(runs)}?", detail, "Archive", change)


def delete(screen: LiveScreen, runs: Sequence[Summary], undone: list[Undo]) -> None:
    """Ask, then move the runs into the trash of the store. Runs that have not ended are refused."""
    going = [run for run in runs if not run.ended]
    if going:
        screen.refuse(f"{named(going)} has not ended: stop it first (s)")
        return
    detail = "The runs go into the trash of the store: u puts them back. `revconsole rm --purge` empties it."
    store = screen.reader.lab.store

    def work() -> str:
        keeping.discard(store, runs)
        _remember(undone, f"deleted {named(runs)}", put_back)
        return "in the trash, u puts it back"

    def put_back() -> str:
        keeping.restore(store, [run.id for run in runs])
        return "put back"

    discard = partial(act, screen, screen.reader, named(runs), work)
    confirm(screen.app, f"Delete {named(runs)}?", detail, "Delete", discard)


def undo(screen: LiveScreen, undone: list[Undo]) -> None:
    """Undo what was done last."""
    if not undone:
        screen.refuse("nothing to undo: archiving, deleting and editing notes can be undone")
        return
    what, verb = undone.pop()
    act(screen, screen.reader, f"undo, {what}", verb)


def named(runs: Sequence[Summary]) -> str:
    """The runs in a sentence: their names, or how many there are."""
    if len(runs) <= MOST_NAMED:
        return ", ".join(run.name for run in runs)
    return f"{len(runs)} runs"


def _change(
    screen: LiveScreen,
    runs: Sequence[Summary],
    change: Edit,
    what: str,
    undone: list[Undo],
    *,
    failed: Callable[[str], object] | None = None,
) -> None:
    store = screen.reader.lab.store

    def work() -> str:
        before = [(run.id, notebook.change(store.folder(run.id), change)) for run in runs]
        _remember(undone, f"{what}: {named(runs)}", partial(put_back, before))
        return what

    def put_back(before: Sequence[tuple[str, Notes]]) -> str:
        for run_id, notes in before:
            notebook.put_back(store.folder(run_id), notes)
        return "as before"

    act(screen, screen.reader, named(runs), work, failed)


def _remember(undone: list[Undo], what: str, verb: Callable[[], str]) -> None:
    undone.append((what, verb))
    del undone[:-MOST_UNDONE]
