"""EditNotes: the dialog for the name, the tags and the note of a run."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from revconsole.console.screens.newest import Newest
from revconsole.errors import RevconsoleError
from revconsole.records.printable import one_line, printable
from revconsole.records.runs import notebook
from revconsole.records.runs.notebook import Edit
from revconsole.records.runs.run import Summary

UNCHANGED = Edit()


class EditNotes(Newest, ModalScreen[Edit | None]):
    """A dialog that returns the change to one run, or the tags to add to several; None without a change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="notes.cancel"),
        Binding("ctrl+s", "save", "Save", priority=True, id="notes.save"),
    ]

    def __init__(self, runs: tuple[Summary, ...], typed: Edit = UNCHANGED, fault: str = "") -> None:
        """typed: a change that could not be written, to begin with; fault: why."""
        super().__init__()
        self._runs, self._typed, self._fault = runs, typed, fault

    def compose(self) -> ComposeResult:
        """The fields and what is wrong with them."""
        first, typed = self._runs[0], self._typed
        single = len(self._runs) == 1
        name = first.name if typed.name is None else typed.name or first.plan.name
        note = first.note if typed.note is None else typed.note
        with Vertical():
            title = one_line(first.name, 60) if single else f"{len(self._runs)} runs"
            yield Static(Text(f"Notes of {title}"), classes="question")
            if single:
                yield Static("name", classes="label")
                yield Input(one_line(name, 1000), compact=True, id="name")
            yield Static("tags" if single else "tags to add; -tag removes one", classes="label")
            yield Input(" ".join(self._tags()), placeholder="paper draft", compact=True, id="tags")
            if single:
                yield Static("note", classes="label")
                yield TextArea(printable(note), compact=True, id="note")
            yield Static(Text(self._fault), id="fault")
            yield Static(Text("⏎ or ^s saves   ⇥ next field   esc cancels", style="dim"))

    def on_input_submitted(self) -> None:
        """Save with Enter in a field of one line."""
        self.action_save()

    def action_save(self) -> None:
        """Return the change, or say what is wrong with it."""
        edit = self._edit()
        try:
            notebook.check(edit)
        except RevconsoleError as error:
            self.query_one("#fault", Static).update(Text(str(error)))
        else:
            self.dismiss(edit if edit != UNCHANGED else None)

    def _tags(self) -> tuple[str, ...]:
        """The tags that a run would have, or those that are to be added and removed."""
        add, remove = self._typed.add, self._typed.remove
        if len(self._runs) > 1:
            return (*add, *(f"-{tag}" for tag in remove))
        return (*(tag for tag in self._runs[0].tags if tag not in remove), *add)

    def _edit(self) -> Edit:
        first, tags = self._runs[0], notebook.tags([self.query_one("#tags", Input).value])
        if len(self._runs) > 1:
            removed = tuple(tag[1:] for tag in tags if tag.startswith("-"))
            return Edit(add=tuple(t for t in tags if not t.startswith("-")), remove=removed)
        name, note = self.query_one("#name", Input).value, self.query_one("#note", TextArea).text
        own = "" if name == first.plan.name else name.strip()
        return Edit(
            name=None if name == printable(first.name) else own,
            note=None if note == printable(first.note) else note,
            add=tuple(tag for tag in tags if tag not in first.tags),
            remove=tuple(tag for tag in first.tags if tag not in tags),
        )
