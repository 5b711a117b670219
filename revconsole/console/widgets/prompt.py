"""Prompt: a line to type into that a key opens, and that has whatever is typed after it."""

from textual.widgets import Input


class Prompt(Input):
    """An input that is not there until it is opened.

    Over a slow line a key and the words after it arrive at once. So a screen binds the key with priority, which is
    carried out before the next key is looked at, and the prompt takes the focus at once and not when it is painted.
    While it has the focus Textual leaves it every key that is a letter, those of such bindings too.
    """

    DEFAULT_CSS = "Prompt { display: none; height: 1; background: $boost; }"

    def open(self) -> None:
        """Be there, and take the keys."""
        self.display = True
        self.screen.set_focus(self)

    def close(self) -> None:
        """Be gone."""
        self.display = False
