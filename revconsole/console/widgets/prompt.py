"""Prompt: a text field that a key opens and that receives all keys typed after that key."""

from textual.widgets import Input


class Prompt(Input):
    """A text field that is hidden until it is opened."""

    DEFAULT_CSS = "Prompt { display: none; height: 1; }"

    def open(self) -> None:
        """Show and focus the field."""
        self.display = True
        self.focus()

    def close(self) -> None:
        """Hide the field."""
        self.display = False
