"""Help: every key of every screen, read from the bindings and the actions behind them."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import ModalScreen
from textual.widgets import Static

from revconsole.console.screens.comparison import ComparisonScreen
from revconsole.console.screens.launch import LaunchScreen
from revconsole.console.screens.newest import Newest
from revconsole.console.screens.run import RunScreen
from revconsole.console.screens.runs import RunsScreen
from revconsole.console.screens.samples import SamplesScreen
from revconsole.console.screens.studies import StudiesScreen
from revconsole.console.screens.study import StudyScreen
from revconsole.console.widgets.live_table import LiveTable

Group = tuple[str, type[DOMNode]]
"""A title, and the class whose keys stand under it."""


class Help(Newest, ModalScreen[None]):
    """The list of keys, one group per screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", id="help.close"),
        Binding("j", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll():
            yield Static(_text(self._groups))

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def groups() -> list[Group]:
    """The screens and tables, in the order they are met."""
    return [
        ("Runs", RunsScreen),
        ("One run", RunScreen),
        ("Comparison", ComparisonScreen),
        ("Launch form", LaunchScreen),
        ("Samples", SamplesScreen),
        ("Studies", StudiesScreen),
        ("One study", StudyScreen),
        ("Tables", LiveTable),
    ]


def _text(groups: Sequence[Group]) -> Text:
    text = Text()
    for title, owner in groups:
        text.append(f"\n{title}\n", style="bold")
        for keys, what in entries(owner):
            text.append(f"  {keys:<13} ", style="bold")
            text.append(f"{what}\n", style="not bold")
    return text


def entries(owner: type[DOMNode]) -> Iterable[tuple[str, str]]:
    """The keys of a screen or table, each with what it does."""
    for binding in owner.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            keys = ", ".join(format_key(key) for key in binding.key.replace(" ", "").split(","))
            yield keys, _meaning(owner, binding)


def _meaning(owner: type[DOMNode], binding: Binding) -> str:
    """What the action says of itself; its short name where one action serves several keys."""
    name, _, arguments = binding.action.partition("(")
    action = getattr(owner, f"action_{name}", None)
    sentence = (action.__doc__ or "") if action and not arguments else ""
    return sentence.strip().partition("\n")[0].rstrip(".") or binding.description
