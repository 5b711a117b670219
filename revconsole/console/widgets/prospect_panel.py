"""ProspectPanel: what the runs of a form would cost, beside the settings or, on a narrow terminal, in one line."""

import textwrap

from rich.text import Text
from textual.geometry import Size

from revconsole.console.colours import themed
from revconsole.console.panel import PanelStyles, in_short, panel
from revconsole.console.prospect import Prospect
from revconsole.console.widgets.panes import Words
from revconsole.lab.format import fitted
from revconsole.records.printable import one_line
from revconsole.records.settings.plan import Plan

NOTHING = "what it would cost is unknown while a setting is wrong"


class ProspectPanel(Words):
    """The panel. It keeps showing the last known figures while the form is checked, and none while it is wrong."""

    _told: tuple[Prospect, Plan] | None = None
    _wrong: tuple[int, str] | None = None
    _fits: Size | None = None
    """The size for which the present text was made."""

    def say(self, prospect: Prospect, plan: Plan) -> None:
        """Show a prospect. plan: the first run, which is drawn."""
        self._told, self._wrong, self._fits = (prospect, plan), None, None
        self._show()

    def say_wrong(self, line: int, complaint: str) -> None:
        """Show what is wrong, on the line of the setting, in place of figures: no runs have the settings of the form.

        On a narrow terminal the row has the room for it.
        """
        self._told, self._wrong, self._fits = None, (line, complaint), None
        self._show()

    def on_mount(self) -> None:
        """Show it in the colours of a theme that is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_again())

    def on_resize(self) -> None:
        """Fit to the new size."""
        self._show()

    def _show_again(self) -> None:
        self._fits = None
        self._show()

    def _show(self) -> None:
        if self.size == self._fits:
            return
        self._fits = self.size
        if self._wrong is not None:
            self._show_wrong(*self._wrong)
        if self._told is None:
            return
        if self.size.height <= 1:
            line = in_short(self._told[0])
            self.show_text(Text(fitted(line, self.app.size.width - 2)), layout=False)
            return
        theme = self.app.theme_variables
        styles = PanelStyles(
            accent=themed(theme, "accent"),
            bad=themed(theme, "text-error"),
            doubtful=themed(theme, "text-warning"),
        )
        width = self.content_size.width or self.app.size.width // 2
        self.show_text(panel(*self._told, width, styles, self.size.height), layout=False)

    def _show_wrong(self, line: int, complaint: str) -> None:
        if self.size.height <= 1:
            self.show_text(Text(NOTHING, style="dim"), layout=False)
            return
        error, width = themed(self.app.theme_variables, "text-error"), self.content_size.width
        lines = textwrap.wrap(one_line(complaint, 600), max(width - 2, 20))
        above = max(0, min(line, self.size.height - len(lines) - 2))
        text = Text("\n" * above)
        for number, each in enumerate(lines):
            text.append(f"{'◀' if not number else ' '} {each}\n", style=error)
        text.append(f"\n  {NOTHING}", style="dim")
        self.show_text(text, layout=False)
