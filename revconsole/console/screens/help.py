"""Help: every key of every screen, read from the bindings and the docstrings of their actions."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from revconsole.console.keymap import split
from revconsole.console.screens.artifacts import ArtifactsScreen
from revconsole.console.screens.comparison import ComparisonScreen
from revconsole.console.screens.launch import LaunchScreen
from revconsole.console.screens.mistakes import MistakesScreen
from revconsole.console.screens.newest import Newest
from revconsole.console.screens.plotting import PlottingScreen
from revconsole.console.screens.reversibility import ReversibilityScreen
from revconsole.console.screens.run import RunScreen
from revconsole.console.screens.runs import RunsScreen
from revconsole.console.screens.samples import SamplesScreen
from revconsole.console.screens.studies import StudiesScreen
from revconsole.console.screens.study import StudyScreen
from revconsole.console.screens.system import SystemScreen
from revconsole.console.view_state import config_of
from revconsole.console.widgets.live_table import LiveTable
from revconsole.console.widgets.prompt import Prompt

MOST_WIDTH, EDGES, KEYS = 76, 8, 16
"""Columns of the dialog at most, those of its edges and scrollbar, and those of the keys."""
Group = tuple[str, type[DOMNode]]
"""A heading, and the class whose keys are listed under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the help: keys as they are shown, what they do, the id by which the configuration changes them."""

    keys: str
    meaning: str
    binding_id: str
    also: str = ""
    """Other words by which it is found: the keys' names, and what the line of keys calls it."""


class Help(Newest, ModalScreen[None]):
    """The list of keys, grouped by screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", id="help.close"),
        Binding("slash", "search", "Search", key_display="/", id="help.search"),
        Binding("j", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, groups: Sequence[Group]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """The list as one scrollable text, and a field to search it."""
        with VerticalScroll():
            yield Static(self._text(""), id="keys")
            yield Prompt(placeholder="a key or what it does", id="sought", compact=True)

    def action_search(self) -> None:
        """Search the keys by words of what they do."""
        self.query_one(Prompt).open()

    @on(Input.Changed, "#sought")
    def _sought(self, event: Input.Changed) -> None:
        self.query_one("#keys", Static).update(self._text(event.value))

    @on(Input.Submitted, "#sought")
    def _found(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _text(self, words: str) -> Text:
        width = min(MOST_WIDTH, self.app.size.width * 95 // 100) - EDGES
        return described(self._groups, words, config_of(self.app).keymap, width)

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.query_one("#keys", Static).update(self._text(self.query_one(Prompt).value))

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def groups() -> list[Group]:
    """The screens and tables in the order in which a user meets them."""
    return [
        ("Runs", RunsScreen),
        ("One run", RunScreen),
        ("Reversibility", ReversibilityScreen),
        ("Comparison", ComparisonScreen),
        ("Charts", PlottingScreen),
        ("Launch form", LaunchScreen),
        ("Samples", SamplesScreen),
        ("Mistakes", MistakesScreen),
        ("Artifacts", ArtifactsScreen),
        ("Studies", StudiesScreen),
        ("One study", StudyScreen),
        ("System", SystemScreen),
        ("Tables", LiveTable),
    ]


def bindings_by_screen(everywhere: type[DOMNode]) -> dict[str, dict[str, str]]:
    """The keys of each binding by its id, for each screen with those that hold everywhere, which are the app's."""
    return {title: _keys_by_id(owner) | _keys_by_id(everywhere) for title, owner in groups()}


def _keys_by_id(owner: type[DOMNode]) -> dict[str, str]:
    return {b.id: b.key for b in owner.BINDINGS if isinstance(b, Binding) and b.id}


def described(
    groups: Sequence[Group], words: str, keymap: Mapping[str, str], width: int = MOST_WIDTH
) -> Text:
    """The keys of each group whose key or meaning has all the words; the first line says how to search.

    width: cells of a line; a longer meaning goes on below its beginning.
    """
    text = Text("/ searches, esc closes\n", style="dim")
    for title, owner in groups:
        found = [entry for entry in entries(owner, keymap) if _has(entry, words)]
        if found:
            text.append(f"\n{title}\n", style="bold not dim")
        for entry in found:
            first, *more = textwrap.wrap(entry.meaning, max(width - KEYS, KEYS))
            text.append(f"  {entry.keys:<{KEYS - 3}} ", style="bold not dim")
            text.append(f"{first}\n", style="not bold not dim")
            for line in more:
                text.append(f"{'':{KEYS}}{line}\n", style="not bold not dim")
    return text


def _has(entry: Entry, words: str) -> bool:
    line = f"{entry.keys} {entry.meaning} {entry.also}".lower()
    return all(word in line for word in words.lower().split())


def entries(
    owner: type[DOMNode], keymap: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Entry]:
    """What the keys of a screen or table do. keymap: other keys, by the id of a binding."""
    for binding in owner.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            keys = split(keymap.get(binding.id, binding.key))
            shown = ", ".join(format_key(key) for key in keys)
            yield Entry(
                keys=shown,
                meaning=_meaning(owner, binding),
                binding_id=binding.id,
                also=" ".join([binding.description, *keys]),
            )


def _meaning(owner: type[DOMNode], binding: Binding) -> str:
    """The first line of the action's docstring; the binding's description if one action serves several keys."""
    name, _, arguments = binding.action.partition("(")
    action = getattr(owner, f"action_{name.removeprefix('screen.')}", None)
    sentence = (action.__doc__ or "") if action and not arguments else ""
    return sentence.strip().partition("\n")[0].rstrip(".") or binding.description
