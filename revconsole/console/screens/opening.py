"""OpeningScreen: the first paint, which stands in the place of the runs screen until that can be imported."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from revconsole.console import aside, states
from revconsole.console.first_look import FirstLook
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.keys import KeyBar
from revconsole.lab.format import UNKNOWN, cells, percent, shortened, value
from revconsole.records.printable import one_line

if TYPE_CHECKING:
    from revconsole.records.runs.glimpse import GlimpsedRow

STATE, MOST_NAME = 10, 44
"""Width of the state, as in the runs table, so that neither it nor a name moves when that comes, and the most of a name."""
PAINT_SECONDS = 1.0
"""Longest that a thread waits for the rows to be read, and then for them to be painted."""


class OpeningScreen(Newest, Screen[None]):
    """Title, the newest runs or a word that runs are being read, and the line of keys."""

    def __init__(self, store: Path, look: FirstLook) -> None:
        super().__init__()
        self._store, self._look = store, look

    def compose(self) -> ComposeResult:
        """The three parts, and the aside."""
        yield Static(Text(f"revconsole · reading runs… · {one_line(str(self._store))}"), classes="title")  # fmt: skip
        with Horizontal():
            yield Static("Reading runs…", id="opening")
            yield Static(id="opening-aside", classes="preview")
        yield KeyBar()

    def on_mount(self) -> None:
        """Show the rows, if they are there, in the first frame."""
        self._show(self._look.rows())

    def show_rows(self) -> None:
        """Return when the rows are painted. To be called from a thread, before it loads what would delay them."""
        painted, rows = threading.Event(), self._look.rows(PAINT_SECONDS)

        def paint() -> None:
            self._show(rows)
            self.call_after_refresh(painted.set)

        if rows:
            self.app.call_later(paint)
            painted.wait(PAINT_SECONDS)

    def _show(self, rows: Sequence["GlimpsedRow"] | None) -> None:
        """Show the rows, once, and the curve of the first beside them."""
        listed, beside = self.query_one("#opening", Static), self.query_one("#opening-aside", Static)  # fmt: skip
        width = aside.width(self.app.size.width)
        beside.display = bool(rows and width)
        if rows and not listed.has_class("-listed"):
            listed.add_class("-listed")
            listed.update(self._listed(rows))
            beside.styles.width = width
            beside.update(self._first(rows[0], width - aside.EDGES))

    def _first(self, row: "GlimpsedRow", cells: int) -> Text:
        """The run on which the cursor will stand."""
        variables, text = self.app.theme_variables, Text(f"{shortened(row.name, cells)}\n", "bold")
        if row.state is not None:
            text.append_text(states.shown(row.state, variables, alarm=row.alarm))
        text.append("\n\n")
        return text.append_text(aside.loss(row.curve, variables, cells, given=row.given))

    def _listed(self, rows: Sequence["GlimpsedRow"]) -> Text:
        """A line of headings and a line for each run."""
        width = min(MOST_NAME, max(cells(row.name) for row in rows))
        lines = [Text(f"   {'state':{STATE}} {'name':{width}}  progress       loss")]
        return Text("\n").join([*lines, *(self._line(row, width) for row in rows)])

    def _line(self, row: "GlimpsedRow", width: int) -> Text:
        state = Text("…")
        if row.state is not None:
            state = states.shown(row.state, self.app.theme_variables, alarm=row.alarm, brief=True)
        state.truncate(STATE, overflow="ellipsis", pad=True)
        name = Text(shortened(row.name, width))
        name.truncate(width, pad=True)
        progress = UNKNOWN if row.progress is None else percent(row.progress)
        loss = UNKNOWN if row.loss is None else value(row.loss)
        return Text.assemble("   ", state, " ", name, f"  {progress:>8} {loss:>10}")
