"""Console: the application object. It knows the screens, the reader and how to leave; workflows live in screens."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, cast

from textual import events, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette, Provider
from textual.screen import ModalScreen, Screen
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from revconsole.console import escape, palette, terminal
from revconsole.console.keyboard import Keyboard, Typed
from revconsole.console.messages import Launched, Looked, Said
from revconsole.console.one_shot import never_skipped
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Answer, Ask
from revconsole.console.screens.runs import RunsScreen
from revconsole.console.screens.too_small import TooSmall, too_small
from revconsole.console.snapshot import Live
from revconsole.errors import RevconsoleError
from revconsole.lab.format import fitted
from revconsole.lab.lab import Lab
from revconsole.records.printable import printable

WAYS = (
    Answer(answer="on", key="b", label="Run on in the background"),
    Answer(answer="stop", key="y", label="Stop after this step"),
    Answer(answer="now", key="x", label="Stop now, without a checkpoint"),
)
MOST_TOAST, TOAST_EDGES = 60, 4
"""Columns of a toast, and those of them that are its edges, as Textual lays it out."""
AWAITED = {"check", "launch", "steer", CommandPalette._GATHER_COMMANDS_GROUP}  # noqa: SLF001  it has no other name
"""Groups of workers whose answer says what the next key means."""
PATIENCE_SECONDS = 600.0
"""How long a departure without a terminal waits for the step under way."""


class Console(App[int]):
    """Runs as they train: list, follow, compare, launch. `opened` are runs to show over each other at once."""

    TITLE = "revconsole"
    CSS_PATH = "console.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012  as Textual declares it
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {
        *App.COMMANDS, palette.Actions, palette.Runs,
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", id="app.help"),
        Binding("q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit-always"),
        Binding(
            "ctrl+p",
            "command_palette",
            "Find any action or run by its name",
            show=False,
            priority=True,
            id="app.palette",
        ),
        Binding("ctrl+z", "suspend", "Suspend", show=False, id="app.suspend"),
    ]

    def __init__(self, lab: Lab, opened: Sequence[str] = ()) -> None:
        super().__init__()
        self.lab, self._opened = lab, tuple(opened)
        self.reader = Reader(lab, lambda snapshot: self.post_message(Looked(snapshot)))
        self.keyboard = Keyboard(self, self._settled)
        self._leaving = self._departing = False
        if terminal.still_life(os.environ):
            self.animation_level = "none"

    def get_default_screen(self) -> Screen[None]:
        """The runs."""
        return RunsScreen(self.reader)

    def set_timer(self, *arguments: Any, **options: Any) -> Timer:
        """Set a timer as Textual does; Textual also resizes by such a timer."""
        return never_skipped(super().set_timer(*arguments, **options))

    async def on_event(self, event: events.Event) -> None:
        """Handle an event as Textual does, but one key after another."""
        typed = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if not (typed and self.keyboard.keeps(cast("Typed", event))):
            await super().on_event(event)

    def on_mount(self) -> None:
        """Open what was asked for."""
        if self._opened:
            self._open(self._opened)

    def on_ready(self) -> None:
        """Paint first, then read: this comes once, after the first layout, whichever screen is in front."""
        terminal.on_signals(self.leave)
        self.run_worker(
            self.reader.run, thread=True, exclusive=True, exit_on_error=False, group="reader"
        )

    def on_unmount(self) -> None:
        """Let the reader's thread end."""
        self.reader.end()

    def on_resize(self, event: events.Resize) -> None:
        """Cover the screens while there is no room for them."""
        small = too_small(*event.size)
        if small and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())
        elif not small and isinstance(self.screen, TooSmall):
            self.pop_screen()

    def on_looked(self, event: Looked) -> None:
        """Hand news to the screen in front, and to the one that shows behind a dialog, while they have widgets."""
        for screen in reversed(self.screen_stack):
            if screen.children and isinstance(screen, Live):
                screen.show_snapshot(event.snapshot)
            if not isinstance(screen, ModalScreen):
                return

    def on_said(self, event: Said) -> None:
        """Show one sentence."""
        room = min(MOST_TOAST, self.size.width // 2) - TOAST_EDGES
        self.notify(fitted(printable(event.text), room), severity=event.severity, markup=False)

    def on_launched(self, event: Launched) -> None:
        """Show what was launched, in place of the form."""
        self.pop_screen()
        self._open(event.run_ids)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault in a thread is a bug, but no reason to end the trainings of this process."""
        if event.state is WorkerState.ERROR:
            fault = f"{type(event.worker.error).__name__}: {event.worker.error}"
            self.post_message(Said(f"internal error in {event.worker.group}: {fault}", "error"))

    def action_open_run(self, run_id: str) -> None:
        """Open one run."""
        self._open((run_id,))

    def action_help(self) -> None:
        """List every key, those of the screen in front first."""
        from revconsole.console.screens import help  # noqa: A004  the screen; it imports all others

        groups = sorted(help.groups(), key=lambda group: not isinstance(self.screen, group[1]))
        self.push_screen(help.Help((*groups, ("Everywhere", Console))))

    async def action_quit(self) -> None:
        """Leave; ask first if runs train here, leave at once if asked again while they stop."""
        busy = self.lab.busy()
        if self._leaving or not busy:
            self.exit(0)
            return
        runs = "1 run trains" if len(busy) == 1 else f"{len(busy)} runs train or wait"
        detail = (
            "In the background they continue without losing a step; start `revconsole` again to see them. "
            "If they stop after the current step, they write a checkpoint; if they stop now, they can resume from the last one."
        )
        self.push_screen(Ask(f"{runs} in this console", detail, WAYS), self._quit_asked)

    def action_suspend(self) -> None:
        """Go to the background of the shell, unless a training would stand still."""
        if self.lab.busy():
            self.post_message(Said("a run trains in this console and would stand still", "warning"))
        else:
            self.action_suspend_process()

    def deliver_screenshot(
        self, filename: str | None = None, path: str | None = None, time_format: str | None = None
    ) -> None:
        """Save the screen as a picture, in the working folder or wherever it can be, and say where."""
        name = filename or time.strftime(time_format or "revconsole-%Y-%m-%d-%H%M%S.svg")
        folders = [Path(path)] if path else [Path.cwd(), Path.home(), Path(tempfile.gettempdir())]
        folder, reason = terminal.kept(lambda f: self.save_screenshot(name, str(f)), folders)
        said = f"saved {folder / name}" if folder else f"no screenshot: {reason}"
        self.post_message(Said(said, "information" if folder else "error"))

    def leave(self, code: int) -> None:
        """Go without asking: the terminal is lost, or somebody sent a signal."""
        if self._departing:
            return
        self._departing = True
        secure = self._stop_runs if code == terminal.TERMINATED else self._hand_runs_over
        terminal.depart(code, secure)
        self.exit(code)

    def _settled(self) -> bool:
        """Whether what earlier keys asked of threads has been answered."""
        asked = any(w.group in AWAITED and not w.is_finished for w in self.workers)
        return self.reader.settled and not asked and not getattr(self.screen, "pending", False)

    def _quit_asked(self, answer: str | None) -> None:
        if answer:
            self._leaving = True
            self.post_message(
                Said("waiting for the step to end; q again leaves at once", "warning")
            )
            self._secure_and_exit(answer)

    @work(thread=True, exit_on_error=False, group="quit")
    def _secure_and_exit(self, answer: str) -> None:
        verbs = {
            "on": self.lab.hand_all_over,
            "stop": self.lab.stop_all,
            "now": self.lab.end_all_now,
        }
        try:
            verbs[answer]("quit the console")
        except RevconsoleError as error:
            self.post_message(Said(str(error), "error"))
        while answer != "now" and not self.lab.wait(0.2):
            if not self.is_running:
                return
        self.call_later(self.exit, 0)

    def _stop_runs(self) -> None:
        self.lab.stop_all("SIGTERM")
        self.lab.wait(PATIENCE_SECONDS)

    def _hand_runs_over(self) -> None:
        self.lab.hand_all_over("its terminal was lost")
        self.lab.wait(PATIENCE_SECONDS)

    def _open(self, run_ids: Sequence[str]) -> None:
        """One run as such, several over each other."""
        if len(run_ids) == 1:
            from revconsole.console.screens.run import RunScreen  # plots load when first shown

            self.push_screen(RunScreen(self.reader, run_ids[0]))
        else:
            from revconsole.console.screens.comparison import ComparisonScreen  # as above

            self.push_screen(ComparisonScreen(self.reader, run_ids))


def run_console(lab: Lab, opened: Sequence[str] = ()) -> int:
    """Open the console until the user leaves; returns the exit code."""
    terminal.own_size(os.environ)
    escape.escape_is_a_key()
    console = Console(lab, opened)
    stop_watching = terminal.watch(console.leave)
    code = console.run()
    stop_watching()
    if code:
        lab.wait(PATIENCE_SECONDS)
    with suppress(OSError):  # there may be no terminal any more
        print(_what_goes_on(lab), end="", file=sys.stderr)  # noqa: T201  after the screen is gone
    if lab.busy():
        lab.end_all_now("quit the console without waiting")
    code = code or console.return_code or 0
    if "torch" in sys.modules:
        terminal.vanish(code)
    return code


def _what_goes_on(lab: Lab) -> str:
    """A line on the runs of other processes; empty if there are none."""
    if lab.hand_over_problem():
        return f"{printable(lab.hand_over_problem())}\n"
    try:
        going = [run for run in lab.store.list() if not run.ended and run.id not in lab.busy()]
    except RevconsoleError:
        return ""
    if len(going) == 1:
        return f"1 run goes on: `revconsole watch {going[0].id}` follows it\n"
    return f"{len(going)} runs go on: `revconsole ls` lists them\n" if going else ""
