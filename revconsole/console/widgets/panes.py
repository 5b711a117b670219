"""Panes: facts as aligned pairs, and the title line of a screen."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from revconsole.console import tabs
from revconsole.console.colours import themed
from revconsole.console.form import reconstruction
from revconsole.lab.format import cells, fitted, shortened_path
from revconsole.records.printable import one_line
from revconsole.records.settings.plan import Plan

NAME = "revconsole"
LEAST_PATH = 12
APART = 3
"""Fewest blanks between what a title says and the tabs."""
COLUMNS_FROM = 44
"""Width of the facts from which names and values have columns of their own."""


class Words(Static):
    """Text that is laid out and painted again only if it changes."""

    _words: Text | None = None

    def show_text(self, text: Text, *, layout: bool = True) -> None:
        """Show `text`. layout: whether the screen is laid out again if the text takes another height."""
        before, self._words = self._words, text
        if before is None or before != text or before.style != text.style:
            self.update(text, layout=False)
            if layout:
                self._fit()
                # Textual remembers the height of the text before if a layout was due already: look again after it
                self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Lay the screen out if the text needs another height than the widget has."""
        width, height = self.content_size
        fills = self.styles.width is None or not self.styles.width.is_auto
        if not (fills and width and self._height(width) == height):
            self.refresh(layout=True)

    def _height(self, width: int) -> int:
        return self.visual.get_height(self.styles.get_rules(), width)


class Title(Words):
    """The first line of a screen: its name and the state of what it shows."""

    _parts: tuple[str, ...] = ()

    def say(self, *parts: str) -> None:
        """Show parts with a dot between them; a path at the end is shortened to the width that is left."""
        self._parts = tuple(f" · {one_line(part, 4000)}" for part in parts if part)
        self._show()

    def on_mount(self) -> None:
        """Show the tabs in the colours of a theme that is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())

    def on_resize(self) -> None:
        """Fit the path at the end to the new width."""
        self._show()

    async def on_click(self, event: events.Click) -> None:
        """Go to the tab that was clicked."""
        if tab := event.style.meta.get(tabs.META):
            await tabs.go(self.app, tab)

    def _show(self) -> None:
        text = Text(NAME, style="bold", no_wrap=True, overflow="ellipsis")
        if banner := getattr(self.app, "banner", ""):
            text.append(f" {banner} ", style="reverse")
        *front, last = self._parts or ("",)
        room = self.size.width - len(text) - cells("".join(front))
        path = last.removeprefix(" · ") if "/" in last and self.size.width else ""
        least = 3 + min(LEAST_PATH, cells(path)) if path else cells(last)
        places = tabs.line(self.app.theme_variables, self.screen, room - least - APART)
        if path:
            left = room - 3 - (len(places) and len(places) + APART)
            last = f" · {shortened_path(path, max(left, LEAST_PATH))}"
        text.append("".join((*front, last)), style="not bold")
        if places:
            text.append(" " * (self.size.width - cell_len(text.plain) - len(places)))
            text.append_text(places)
        self.show_text(text, layout=False)


class PaneHeading(Words):
    """The first line of a pane. Where the pane has a frame, the style sheet hides the line, and its words stand in the frame."""

    def __init__(self, text: Text, *, id: str | None = None) -> None:  # noqa: A002  Textual's word
        super().__init__(text, id=id, classes="heading")
        self._words = text

    def on_mount(self) -> None:
        """Put the first words into the frame, too."""
        self._frame()

    def say(self, text: Text) -> None:
        """Show one line."""
        if self._words is None or text != self._words or text.style != self._words.style:
            self.show_text(text, layout=False)
            self._frame()

    def _frame(self) -> None:
        if isinstance(self.parent, Widget):
            self.parent.border_title = self._words


class Problem(Words):
    """Why something cannot be shown, in one or more lines; hidden without a reason."""

    DEFAULT_CSS = "Problem { height: auto; padding: 0 1; color: $text-error; display: none; }"
    _sentence = ""

    def say(self, sentence: str) -> None:
        """Show a sentence; hide for an empty one."""
        self._sentence = one_line(sentence, 600)
        self.display = bool(sentence)
        self.show_text(Text(fitted(self._sentence, self.app.size.width - 2)))

    def on_resize(self) -> None:
        """Fit the paths in the sentence to the new width."""
        self.say(self._sentence)


class FormOrigin(Problem):
    """A sentence on the origin of a form's values, where a name alone does not tell it."""

    DEFAULT_CSS = "FormOrigin { color: $foreground; background: $boost; max-height: 3; }"


class ExpectedError(Words):
    """The largest expected reconstruction error of some runs; hidden if nothing is reconstructed."""

    def say(self, plans: Sequence[Plan]) -> None:
        """Show it for these runs."""
        sentence, bad = reconstruction(plans)
        style = themed(self.app.theme_variables, "text-error") if bad else ""
        self.show_text(Text(sentence, style=style))
        self.display = bool(sentence)


class Facts(VerticalScroll, can_focus=True):
    """Pairs of name and value, one below the other; in columns where there is room."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._pairs: tuple[tuple[str, str], ...] = ()

    def compose(self) -> ComposeResult:
        """A heading and the pairs."""
        yield PaneHeading(Text("facts", style="bold"))
        yield Static(classes="pairs")

    def show_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show these pairs in this order."""
        if tuple(pairs) != self._pairs:
            self._pairs = tuple(pairs)
            self._show()

    def on_resize(self) -> None:
        """Lay the pairs out for the new width."""
        self._show()

    def _show(self) -> None:
        table = Table.grid(padding=(0, 1))
        for name, value in self._pairs:
            label = Text(one_line(name), style="dim", no_wrap=True)
            if self.size.width < COLUMNS_FROM:
                table.add_row(Text.assemble(label, "  ", (one_line(value), "not dim")))
            else:
                table.add_row(label, Text(one_line(value)))
        self.query_one(".pairs", Static).update(table)
