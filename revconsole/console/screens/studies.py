"""StudiesScreen: every study by name, with how many of its runs are done."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from revconsole.console import study_rows
from revconsole.console.screens.live import LiveScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.live_table import LiveTable
from revconsole.console.widgets.panes import Problem, Title, Words
from revconsole.lab.board import StudyEntry
from revconsole.lab.format import fitted, shortened_path
from revconsole.records.printable import one_line

NOTHING = "No study found.\nPut one as NAME.toml with a table [study] into ./profiles/studies"


class StudiesScreen(LiveScreen):
    """The list of studies; Enter opens one."""

    tab = "studies"
    home = True

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back", id="studies.back")]

    def compose(self) -> ComposeResult:
        """Title, list, the question of the study under the cursor, keys."""
        yield Title()
        yield Problem()
        yield LiveTable(id="studies")
        yield Words(id="about")
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the list."""
        self.query_one(LiveTable).focus()

    def on_screen_resume(self) -> None:
        """Ask the reader for studies."""
        self.reader.want(WantedByScreen(studies=True))
        self.redraw()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the list."""
        entries = snapshot.studies
        self.query_one(Problem).say(snapshot.problem)
        if entries is None:
            self.query_one(Title).say("studies", "reading studies…")
            return
        self.query_one(Title).say(f"{len(entries)} studies" if len(entries) != 1 else "1 study")
        table = self.query_one(LiveTable)
        table.set_columns(study_rows.list_columns(entries, self.size.width))
        table.set_rows(study_rows.list_rows(entries, self.app.theme_variables))
        self._show_about(entries)

    def action_back(self) -> None:
        """Go back to the runs."""
        super().action_back()

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._show_about(self.reader.latest.studies or ())

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        path = self.query_one(LiveTable).selected
        if path is not None:
            from revconsole.console.screens.study import StudyScreen  # only when one is opened

            self.app.push_screen(StudyScreen(self.reader, path))

    def _show_about(self, entries: tuple[StudyEntry, ...]) -> None:
        """Show title and file of the study under the cursor in full."""
        path = self.query_one(LiveTable).selected
        entry = next((e for e in entries if e.path == path), None)
        text = Text(NOTHING if self.reader.latest.studies == () else "")
        if entry is not None:
            room = self.size.width - 2
            text = Text(f"{fitted(one_line(entry.problem or entry.title, 400), room)}\n")
            text.append(shortened_path(one_line(entry.path, 4000), room), style="dim")
            if entry.found:
                text.append(f"\n{fitted(one_line(entry.found, 400), room)}")
        self.query_one("#about", Words).show_text(text)
