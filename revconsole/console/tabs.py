"""Tabs: the four places that a digit or a click on the first line of a screen leads to from everywhere."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.style import Style
from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from revconsole.console.colours import muted, themed
from revconsole.console.messages import Said
from revconsole.console.screens.newest import Newest

TABS = {"runs": "1 Runs", "studies": "2 Studies", "launch": "3 New", "system": "4 System"}
OPENS = {"studies": "screen.studies", "launch": "screen.launch", "system": "app.system"}
"""The action that opens a place from the runs."""
META = "tab"
"""Under which a cell of the first line holds the tab that it leads to."""
GAPS = (3, 1)
"""Blanks between two tabs, as there is room."""

BINDINGS: list[BindingType] = [
    Binding("1", "go('runs')", "Runs", show=False, id="app.go-runs"),
    Binding("2", "go('studies')", "Studies", show=False, id="app.go-studies"),
    Binding("3", "go('launch')", "New", show=False, id="app.go-launch"),
    Binding("4", "go('system')", "System", show=False, id="app.go-system"),
]
"""The app's."""


def line(theme: dict[str, str], screen: object, room: int) -> Text:
    """The tabs, that of the screen set off; the others as digits where `room` cells are few, and nothing where they are fewer."""
    here = screen.tab if isinstance(screen, Newest) else ""
    forms = [(TABS, gap) for gap in GAPS]
    forms.append(({tab: words if tab == here else words[0] for tab, words in TABS.items()}, 1))
    laid = (Text(" " * gap).join(_shown(theme, here, words)) for words, gap in forms)
    return next((text for text in laid if len(text) <= room), Text())


def _shown(theme: dict[str, str], here: str, words: Mapping[str, str]) -> Iterator[Text]:
    for tab, said in words.items():
        style = (
            f"bold {themed(theme, 'text-primary')}" if tab == here else f"not bold {muted(theme)}"
        )
        yield Text(said, style=Style.parse(style) + Style(meta={META: tab}))


async def go(app: App[Any], tab: str) -> None:
    """Close what is above the runs, or above the place itself if it is open, and open the place."""
    here = _in_front(app)
    while here is not None and not (here.home and here.tab in {tab, "runs"}):
        app.pop_screen()
        here = _in_front(app)
    if here is not None and here.tab != tab:
        await app.run_action(OPENS[tab])


def open_kept(app: App[Any], place: str, made: Callable[[], Screen[Any]]) -> None:
    """Open the screen of a place, which is made once: the next time it is there at once, as it was left."""
    if not app.is_screen_installed(place):
        app.install_screen(made(), place)
    app.push_screen(place)


async def typed(app: App[Any], tab: str) -> None:
    """Go where a digit leads; it does not leave the form, where most digits are text."""
    here = _in_front(app)
    if here is not None and here.tab == "launch" != tab:
        app.post_message(Said("esc leaves the form, and what is typed in it is lost", "warning"))
    else:
        await go(app, tab)


def _in_front(app: App[Any]) -> Newest | None:
    """The screen in front, if it belongs to a tab: no dialog does."""
    screen = app.screen
    return screen if isinstance(screen, Newest) and screen.tab else None
