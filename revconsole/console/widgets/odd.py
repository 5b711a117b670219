"""Odd: what is odd of the runs that a form would launch, as much of it as the terminal has room for."""

from collections.abc import Sequence

from rich.text import Text

from revconsole.console.colours import themed
from revconsole.console.remedies import in_lines, on_one_line
from revconsole.console.widgets.log_view import COLOURS
from revconsole.console.widgets.panes import Words
from revconsole.records.logs.events import Advised
from revconsole.records.printable import one_line

MOST_ON_FEW_LINES = 2
TALL = 36
"""Lines of a terminal from which a narrow one shows more than two notes."""
SHARE = 0.4
"""Most of the height that notes take where they stand beside the settings."""


class OddSettings(Words):
    """Each thing that is odd: beside the settings in full, with what to do in a line of its own; on a narrow terminal the
    first ones on a line each, their middle left out, so that the setting to change is seen. Hidden if there is nothing.
    """

    DEFAULT_CSS = "OddSettings { height: auto; padding: 0 1; background: $boost; display: none; }"
    _notes: tuple[Advised, ...] = ()

    def on_mount(self) -> None:
        """Show them in the colours of a theme that is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())

    def say(self, notes: Sequence[Advised]) -> None:
        """Show these."""
        self._notes = tuple(notes)
        self._show()

    def on_resize(self) -> None:
        """Fit to the new size."""
        self._show()

    def _show(self) -> None:
        theme, size = self.app.theme_variables, self.app.size
        style = {level: themed(theme, name) for level, name in COLOURS.items()} | {"note": ""}
        if self.screen.has_class("-wide"):
            width = self.content_size.width or size.width // 2 - 2
            most = int(size.height * SHARE)
            text = in_lines(
                self._notes, width, most, style=style, accent=f"bold {themed(theme, 'text-accent')}"
            )
        else:
            text = self._few(
                size.width - 2,
                2 * MOST_ON_FEW_LINES if size.height >= TALL else MOST_ON_FEW_LINES,
                style,
            )
        self.display = bool(self._notes)
        self.show_text(text)

    def _few(self, width: int, most: int, style: dict[str, str]) -> Text:
        """The first notes on a line each."""
        shown, text = self._notes[:most], Text()
        left = len(self._notes) - len(shown)
        for number, note in enumerate(shown, 1):
            last = number == len(shown)
            more = f" +{left} more" if last and left else ""
            sentence = f"{'!' if note.level == 'warning' else '·'} {one_line(note.text, 1000)}"
            sentence = on_one_line(sentence, width - len(more))
            text.append(sentence + more, style=style[note.level])
            text.append("" if last else "\n")
        return text
