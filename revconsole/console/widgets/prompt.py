"""Prompt: a line to type into that a key opens, and that has whatever is typed after it."""

from textual.widgets import Input


class Prompt(Input):
    """An input that is not there until it is opened."""

    DEFAULT_CSS = "Prompt { display: none; height: 1; background: $boost; }"

    def open(self) -> None:
        """Be there, and take the keys."""
        self.display = True
        self.focus()

    def close(self) -> None:
        """Be gone."""
        self.display = False
