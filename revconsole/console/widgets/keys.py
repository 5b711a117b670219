"""Keys: the last line of a screen, with the keys that have an effect now."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget

from revconsole.lab.format import cells

ALWAYS = frozenset({"help", "quit", "command_palette"})
"""Actions whose keys are shown at every width."""
SPARED = frozenset({"fill"})
"""Actions whose keys make room for those after them."""
WIDEST_GAP = 3
"""Most blanks between two keys; the fewest is one."""


@runtime_checkable
class Idle(Protocol):
    """A screen some of whose keys have no effect now; pressed, they show why."""

    def useless(self) -> frozenset[str]:
        """The actions that would have no effect."""


class ShownKey(NamedTuple):
    """A key with what it does. shown: its name on the screen."""

    key: str
    shown: str
    description: str
    action: str
    enabled: bool

    @property
    def width(self) -> int:
        """Cells of the key and its description."""
        return cells(f"{self.shown} {self.description}")


class KeyBar(Widget, can_focus=False):
    """The line of keys; a click on one presses it.

    It is one painted line. Textual's own footer holds a widget for every key and makes all of them anew whenever the
    focus moves, which takes longer than everything else that a key does.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--description", "keys--hovered"}
    DEFAULT_CSS = """
    KeyBar {
        dock: bottom; height: 1; text-wrap: nowrap; color: $footer-foreground; background: $footer-background;
        & > .keys--key { color: $footer-key-foreground; background: $footer-key-background; text-style: bold; }
        & > .keys--description {
            color: $footer-description-foreground; background: $footer-description-background;
        }
        & > .keys--hovered { color: $footer-key-foreground; background: $block-hover-background; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[ShownKey, ...] = ()
        self._hovered: ShownKey | None = None
        self._fitted_to, self._gap = 0, 1
        self._useless: frozenset[str] = frozenset()

    def on_mount(self) -> None:
        """Follow the keys of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def render(self) -> Text:
        """The keys in a row."""
        line = Text(" " * self._edge, no_wrap=True)
        for each in self._keys:
            line.append(each.shown, self._style("key", each))
            line.append(f" {each.description}", self._style("description", each))
            line.append(" " * self._gap)
        return line

    def catch_up(self) -> None:
        """Show other keys if other actions have an effect than before."""
        if self._useless != self._have_no_effect():
            self.screen.refresh_bindings()

    def on_resize(self) -> None:
        """Show the keys that fit the new width."""
        if self._fitted_to and self.app.size.width != self._fitted_to:
            self._show()

    def on_unmount(self) -> None:
        """Follow them no more."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press the key under the mouse."""
        if (pressed := self._at(event.x)) is None:
            return
        if pressed.enabled:
            self.app.simulate_key(pressed.key)
        else:
            self.app.bell()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the key under the mouse."""
        self._hover(self._at(event.x))

    def on_leave(self) -> None:
        """Mark none."""
        self._hover(None)

    def _changed(self, screen: Screen[object]) -> None:
        first = not self._keys  # also of a terminal or a page that begins without the focus
        if (screen.app.app_focus or first) and self.is_attached and screen is self.screen:
            self.call_after_refresh(self._show)

    def _show(self) -> None:
        if not self.is_attached:  # by now
            return
        self._useless, self._fitted_to = self._have_no_effect(), self.app.size.width
        keys = tuple(self._fitting([*self._with_effect()]))
        gap = self._widest_gap(keys)
        if (keys, gap) != (self._keys, self._gap):
            self._keys, self._gap, self._hovered = keys, gap, None
            self.refresh()

    def _with_effect(self) -> Iterator[ShownKey]:
        """The keys of the focused widget, of the screen and of the app.

        Of the actions that are always shown, another key stands where a text field takes the usual one as text.
        """
        bindings = [(b, enabled) for _, b, enabled, _ in self.screen.active_bindings.values()]
        met: set[str] = set()
        for binding, enabled in bindings:
            if binding.show and binding.action not in met | self._useless:
                met.add(binding.action)
                yield self._key(binding, enabled=enabled)
        for binding, enabled in bindings:
            if enabled and binding.action in ALWAYS - met:
                met.add(binding.action)
                yield self._key(binding, enabled=True)

    def _key(self, binding: Binding, *, enabled: bool) -> ShownKey:
        shown = self.app.get_key_display(binding)
        return ShownKey(binding.key, shown, binding.description, binding.action, enabled)

    def _fitting(self, keys: list[ShownKey]) -> Iterator[ShownKey]:
        """The keys that fit with a blank between them, in their order."""
        room = self._fitted_to + 1 - sum(each.width + 1 for each in keys if each.action in ALWAYS)
        kept = set(ALWAYS)
        for each in sorted(keys, key=lambda each: each.action in SPARED):
            room -= 0 if each.action in ALWAYS else each.width + 1
            if room >= 0:
                kept.add(each.action)
        yield from (each for each in keys if each.action in kept)

    def _widest_gap(self, keys: Sequence[ShownKey]) -> int:
        """The most blanks between keys with which all of them fit."""
        room = self._fitted_to - 1 - sum(each.width for each in keys)
        return min(WIDEST_GAP, max(1, room // max(1, len(keys))))

    @property
    def _edge(self) -> int:
        """Blanks before the first key: where there is room, it stands below the text of the screen."""
        return int(self._gap > 1)

    def _have_no_effect(self) -> frozenset[str]:
        screen = self.screen
        return screen.useless() if isinstance(screen, Idle) else frozenset()

    def _at(self, column: int) -> ShownKey | None:
        """The key at a column of the line."""
        start = self._edge
        for each in self._keys:
            if start <= column < start + each.width:
                return each
            start += each.width + self._gap
        return None

    def _hover(self, key: ShownKey | None) -> None:
        if key != self._hovered:
            self._hovered = key
            self.refresh()

    def _style(self, part: str, key: ShownKey) -> Style:
        style = self.get_component_rich_style(
            "keys--hovered" if key == self._hovered else f"keys--{part}"
        )
        return style if key.enabled else style + Style(dim=True)
