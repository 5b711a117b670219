"""Keyboard: keys act one after another, however fast they arrive.

Textual decides where a key goes when it arrives, but its effect takes several messages: an action moves the focus or opens
a screen, and keys that arrived meanwhile would go to where the focus was. So every key and paste waits until the screen in
front has no message left to handle, and a key that is not text also for work in threads. Every wait ends after a time limit.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.widget import Widget
from textual.widgets import Input

from revconsole.console.escape import Behind

Typed = events.Key | events.Paste
PATIENCE_SECONDS = 30.0
"""Longest wait of a key that was pressed before the effect of the key before it could be seen."""
SEEN_SECONDS = 1.0
"""Longest wait for threads of a key pressed later: a user who sees that something is loading may want to go back."""
IMPATIENCE_SECONDS = 0.1
"""Longest wait of a key after the wait of an earlier key has ended at its limit."""
BY_WORD = {"b": "ctrl+left", "f": "ctrl+right"}
LOOK_SECONDS, NEXT_TURN = 0.01, 0.0
MANY_TURNS = 500
"""Turns of the event loop after which a handler counts as sleeping, and is polled less often."""
NEVER = math.inf


class Keyboard:
    """Queue of keys. settled: whether the threads have finished what was asked of them."""

    def __init__(self, app: App[Any], settled: Callable[[], bool]) -> None:
        self._app, self._settled = app, settled
        self._kept: deque[tuple[float, Typed]] = deque()
        """The keys that wait, each with the time it arrived."""
        self._released: Typed | None = None
        self._releasing: asyncio.Task[None] | None = None
        self._typing_into: Widget | None = None
        self._rested = NEVER
        """The time at which the key released last had been handled completely."""
        self._hopeful = True

    @property
    def idle(self) -> bool:
        """Whether no key waits."""
        return self._releasing is None

    def keeps(self, event: Typed) -> bool:
        """Whether the key has to wait. It is then posted again when its turn comes."""
        if event is self._released:
            self._released = None
            return False
        self._kept.append((self._now(), event))
        if self._releasing is None:
            self._releasing = asyncio.create_task(self._release(), name="keyboard")
        return True

    async def _release(self) -> None:
        try:
            while self._kept and self._app.is_running:
                await self._until_its_turn(*self._kept[0])
                came, typed = self._kept.popleft()
                event, *behind = apart(typed, self._app.focused)
                self._kept.extendleft((came, key) for key in behind)
                self._released, self._rested = event, NEVER
                self._app.post_message(event)
                await self._until(self._on_its_way, NEVER)
                if not self._kept:
                    await self._until_rest(self._now() + PATIENCE_SECONDS)
        finally:
            self._releasing = None

    async def _until_its_turn(self, came: float, event: Typed) -> None:
        """Wait for the keys before; text for the field that already receives text need not wait."""
        if self._typing_into is not None and self._text_for(event) is self._typing_into:
            return
        start = self._now()
        await self._until_rest(start + (PATIENCE_SECONDS if self._hopeful else IMPATIENCE_SECONDS))
        patience = PATIENCE_SECONDS if came <= self._rested else SEEN_SECONDS
        end = start + (patience if self._hopeful else IMPATIENCE_SECONDS)
        if self._text_for(event) is None:
            self._hopeful = await self._until(self._all_done, end)
        self._typing_into = self._text_for(event)

    async def _until_rest(self, end: float) -> None:
        self._hopeful = await self._until(self._at_rest, end)
        if self._rested == NEVER:
            self._rested = self._now()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _on_its_way(self) -> bool:
        """Whether the app has sent the released key to its widget."""
        return self._released is None

    async def _until(self, happened: Callable[[], bool], end: float) -> bool:
        """Wait until the condition holds in two turns of the loop; False if it did not before the time `end`."""
        turns = calm = 0
        while calm < 2:
            if self._now() > end or not self._app.is_running:
                return False
            calm = calm + 1 if happened() else 0  # the loop knows a thread's message a turn later
            turns += 1
            await asyncio.sleep(NEXT_TURN if turns < MANY_TURNS or calm else LOOK_SECONDS)
        return True

    def _all_done(self) -> bool:
        """Whether threads are done, all resulting messages are handled, and the layout is up to date."""
        return self._settled() and self._at_rest() and not self._app.screen._layout_required  # noqa: SLF001

    def _at_rest(self) -> bool:
        """Whether no widget of the screen in front handles a message or has one queued."""
        if not self._app.screen_stack:
            return True
        screen = self._app.screen
        if screen._callbacks:  # noqa: SLF001  they are called after the next paint
            return False
        return at_rest(self._app) and all(map(at_rest, screen.walk_children(with_self=True)))

    def _text_for(self, event: Typed) -> Widget | None:
        """The focused widget, if the event is text for it and nothing else."""
        focused = self._app.focused if self._app.screen_stack else None
        if focused is None or isinstance(event, events.Paste):
            return focused
        return focused if focused.check_consume_key(event.key, event.character) else None


def apart(event: Typed, focused: Widget | None) -> tuple[Typed, ...]:
    """Escape and the key behind it, where both came as one event, the bytes of Alt; only two keys for words are bound to Alt."""
    if not isinstance(event, Behind):
        return (event,)
    if isinstance(focused, Input) and event.behind.key in BY_WORD:
        return (events.Key(BY_WORD[event.behind.key], None),)
    return events.Key("escape", "\x1b"), event.behind


def at_rest(pump: MessagePump) -> bool:
    """Whether a widget waits for its next message, or is being closed."""
    # Textual does not say whether a message is being handled; one who waits for the next one has handled it.
    if pump._closing or pump._closed:  # noqa: SLF001
        return True
    waits = bool(getattr(pump._message_queue.ready_event, "_waiters", True))  # noqa: SLF001
    nothing = not pump.message_queue_size and not pump._next_callbacks  # noqa: SLF001
    return pump.is_running and waits and nothing
