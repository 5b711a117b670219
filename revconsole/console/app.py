"""Console: the Textual application. It knows the screens, the reader and how to quit; the workflows are in the screens.

The first paint needs Textual alone. The lab, which brings pydantic and the records, is imported in a thread after it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, work
from textual.binding import Binding, BindingType
from textual.command import CommandPalette, Provider
from textual.screen import ModalScreen, Screen
from textual.theme import Theme
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from revconsole.console import palette, tabs, terminal
from revconsole.console.first_look import FirstLook
from revconsole.console.keyboard import Keyboard, Typed
from revconsole.console.legible import LegibleApp
from revconsole.console.messages import Launched, Looked, Said
from revconsole.console.pace import TerminalPace
from revconsole.console.screens.opening import OpeningScreen
from revconsole.console.screens.too_small import TooSmall, too_small
from revconsole.console.themes import THEMES
from revconsole.console.view_state import ViewState
from revconsole.errors import RevconsoleError
from revconsole.records.config import places
from revconsole.records.config.config import Config, read_config

if TYPE_CHECKING:
    from revconsole.console.reader import Reader
    from revconsole.lab.lab import Lab

DEMO = "DEMO of recorded runs"
AWAITED = {"check", "launch", "steer", CommandPalette._GATHER_COMMANDS_GROUP}  # noqa: SLF001  it has no other name
"""Groups of workers whose result decides what the next key means."""
PAINT_SECONDS, LATE_SECONDS, PATIENCE_SECONDS = 0.01, 0.2, 600.0
"""Seconds that the first frame takes to be written; between looks whether a slow terminal takes more; that quitting waits for a step."""


class Console(LegibleApp):
    """The console: list, follow, compare and launch runs.

    lab: or the folder of its store; then the lab is made after the first paint. opened: runs to show at the start, several
    as a comparison. config: by default this process's. demo: of recorded runs, of which nothing is remembered. look: at the
    store, if it has begun. `views` is what is remembered of the store, `failure` why it could not be opened.
    """

    TITLE = "revconsole"
    CSS_PATH = ["opening.tcss", "console.tcss"]  # noqa: RUF012  as Textual declares it
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012  as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (36, "-tall")]  # noqa: RUF012  as above
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {
        *LegibleApp.COMMANDS, palette.Actions, palette.Runs, palette.Metrics,
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "Help", id="app.help"),
        Binding("S", "system", "System", show=False, id="app.system"),
        *tabs.BINDINGS,
        Binding("semicolon,f3", "jump", "Jump", key_display=";", show=False, id="app.jump"),
        Binding("q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="app.quit-always"),
        Binding("ctrl+p", "command_palette", "Find", key_display="^p", priority=True, id="app.palette"),
        Binding("ctrl+z", "suspend", "Suspend", show=False, id="app.suspend"),
    ]  # fmt: skip

    def __init__(
        self,
        lab: Lab | Path,
        opened: Sequence[str] = (),
        *,
        config: Config | None = None,
        demo: bool = False,
        look: FirstLook | None = None,
    ) -> None:
        super().__init__()
        self._styles = self.css_path
        if isinstance(lab, Path):
            self.css_path = self._styles[:1]  # all that the first frame waits for
        self._lab, self._opened, self._look = lab, tuple(opened), look
        self.config = read_config() if config is None else config
        self.banner = DEMO if demo else ""
        root = lab if isinstance(lab, Path) else lab.store.root
        self.views = ViewState(None if demo else places.view_file(root))
        self.baseline = ""
        """Id of the run that others are compared with; empty without one."""
        self.keyboard = Keyboard(self, self._settled)
        self.failure: Exception | None = None
        self._early: list[events.Event] | None = [] if isinstance(lab, Path) else None
        """Keys that arrive before the runs screen is there; None once it is."""
        self._leaving = self._departing = self._has_rows = False
        self._late: Timer | None = None
        self._choose_theme()
        if terminal.still_life(os.environ):
            self.animation_level = "none"

    @cached_property
    def lab(self) -> Lab:
        """The lab of the store. Raises RevconsoleError."""
        if not isinstance(self._lab, Path):
            return self._lab
        from revconsole.lab.opened import opened_lab  # pydantic: after the first paint

        return opened_lab(self._lab, self.config, console=True)

    @cached_property
    def reader(self) -> Reader:
        """Reads the store for the screens."""
        from revconsole.console.reader import Reader  # as above
        from revconsole.lab.ends import SeenEnds

        ends = SeenEnds(
            self.lab, self.config, lambda text: self.post_message(Said(text, "warning", bell=True))
        )
        return Reader(
            self.lab, lambda seen: self.post_message(Looked(seen)), self.config, ends.look
        )

    def get_default_screen(self) -> Screen[None]:
        """The runs screen, or what stands in its place until the lab is there."""
        if isinstance(self._lab, Path):
            return OpeningScreen(self._lab, self._look or FirstLook(self._lab))
        return self._runs_screen()

    async def on_event(self, event: events.Event) -> None:
        """Handle an event as Textual does, but keys one after another."""
        typed = isinstance(event, events.Key | events.Paste) and not event.is_forwarded
        if typed and self._early is not None:
            self._early.append(event)
        elif not (typed and self.keyboard.keeps(cast("Typed", event))):
            await super().on_event(event)

    def on_mount(self) -> None:
        """Open the runs given at the start."""
        self.theme_changed_signal.subscribe(self, self._remember_theme)
        if self._early is None and self._opened:
            self._open(self._opened)

    def on_ready(self) -> None:
        """Load the lab and start the reader, after the first paint: what runs keeps the thread waiting that writes it."""
        terminal.on_signals(self.leave)
        if self._early is None:
            self._go_on()
        else:
            self.set_timer(PAINT_SECONDS, self._go_on)

    def _go_on(self) -> None:
        from revconsole.console import app_log  # what it needs loads after the first paint

        app_log.begin(places.console_log())
        if self._early is None:
            self._begin_reading()
        else:
            self._load()

    def on_unmount(self) -> None:
        """End the reader's thread and the log."""
        from revconsole.console import app_log  # loaded by now

        if "reader" in self.__dict__:
            self.reader.end()
        app_log.end()

    def on_resize(self, event: events.Resize) -> None:
        """Cover the screens while the terminal is too small for them."""
        self.shown.forget()
        small = too_small(*event.size)
        if small and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())
        elif not small and isinstance(self.screen, TooSmall):
            self.pop_screen()

    def on_looked(self, event: Looked) -> None:
        """Pass the snapshot to the screens in front; on a slow line the newest, once what was written before is shown."""
        if self._exit or not self.is_running:
            return
        if self._has_rows and (self.pace.waits or not terminal.takes_more()):
            self._late = self._late or self.set_timer(LATE_SECONDS, self._look_late)
            return
        from revconsole.console.snapshot import Live  # loaded by now

        self.ask_pace()
        self._has_rows |= event.snapshot.complete  # keys that were typed early are about them
        for screen in reversed(self.screen_stack):
            if screen.children and isinstance(screen, Live):
                screen.show_snapshot(event.snapshot)
            if not isinstance(screen, ModalScreen):
                return

    def _look_late(self) -> None:
        self._late = None
        self.post_message(Looked(self.reader.latest))

    def on_said(self, event: Said) -> None:
        """Show the sentence as a toast; an error is noted too."""
        if event.severity == "error":
            self._note(event.text)
        if event.bell:
            self.bell()
        self.toast(event.text, event.severity)

    def on_launched(self, event: Launched) -> None:
        """Replace the launch form by the screen of the launched runs, or of the study that it made."""
        self.pop_screen()
        self._open(event.run_ids, event.study)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error in a worker thread as a toast instead of ending the process, which would end its trainings."""
        if event.state is WorkerState.ERROR:
            fault = f"{type(event.worker.error).__name__}: {event.worker.error}"
            self._note(f"worker {event.worker.group}", event.worker.error)
            self.post_message(Said(f"internal error in {event.worker.group}: {fault}", "error"))

    def action_open_run(self, run_id: str) -> None:
        """Open one run."""
        self._open((run_id,))

    def action_system(self) -> None:
        """Show the machine: processors, memory, cards, and what uses them."""
        from revconsole.console.screens.system import SystemScreen  # only when asked for

        if not isinstance(self.screen, SystemScreen | ModalScreen):
            tabs.open_kept(self, "system", lambda: SystemScreen(self.reader))

    async def action_go(self, tab: str) -> None:
        """Go to a tab: the runs, the studies, the form of a new run, or the machine."""
        await tabs.typed(self, tab)

    def action_jump(self) -> None:
        """Label every pane with a letter, which goes there."""
        from revconsole.console.screens.jump import offer_places  # only when asked for

        offer_places(self)

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
        from revconsole.console.screens.quitting import how_to_quit  # only when asked for

        self.push_screen(how_to_quit(len(busy)), self._quit_asked)

    def action_suspend(self) -> None:
        """Suspend the console (Ctrl-Z), unless a training of this process would be suspended too."""
        if self.lab.busy():
            self.post_message(
                Said("a run trains in this console and would be suspended too", "warning")
            )
        else:
            self.action_suspend_process()

    def leave(self, code: int) -> None:
        """Quit without asking, because the terminal is lost or a signal asks for it."""
        if self._departing:
            return
        self._departing, self.pace = True, TerminalPace()
        secure = self._stop_runs if code == terminal.TERMINATED else self._hand_runs_over
        terminal.depart(code, secure)
        self.exit(code)

    def _note(self, text: str, error: BaseException | None = None) -> None:
        """Note in the log what went wrong."""
        from revconsole.console import app_log  # loaded by now, or nothing is noted

        app_log.note(text, error)

    def _handle_exception(self, error: Exception) -> None:
        """End the app as Textual does; the log has the traceback."""
        self._note("the console ended", error)
        super()._handle_exception(error)

    @work(thread=True, exit_on_error=False, group="load")
    def _load(self) -> None:
        """Import what the runs screen needs, then show it; if the store cannot be opened, leave."""
        cast("OpeningScreen", self.screen_stack[0]).show_rows()
        try:
            self._runs_screen()
        except Exception as error:  # noqa: BLE001  raised again when the terminal is given back
            self.failure = error
            self.call_later(self.exit, 1)
        else:
            self.call_later(self._cover_opening)

    def _runs_screen(self) -> Screen[None]:
        from revconsole.console.screens.runs import RunsScreen  # as the lab

        return RunsScreen(self.reader)

    async def _cover_opening(self) -> None:
        """Show the runs screen above the first one, then handle the keys that came before it."""
        self.stylesheet.read_all(self._styles)
        covered = isinstance(self.screen, TooSmall)
        if covered:
            await self.pop_screen()
        await self.push_screen(self._runs_screen())
        if covered:
            await self.push_screen(TooSmall())
        if self._opened:
            self._open(self._opened)
        early, self._early = self._early or [], None
        for event in early:
            self.post_message(event)
        self._begin_reading()

    def _begin_reading(self) -> None:
        if not gc.isenabled():  # as `run_console` left it: what is there now is never garbage
            gc.freeze()
            gc.enable()
        self._settle_config()
        self.run_worker(
            self.reader.run, thread=True, exclusive=True, exit_on_error=False, group="reader"
        )

    def _choose_theme(self) -> None:
        """Use the theme remembered for this store, unless the configured one has changed since it was chosen."""
        any(map(self.register_theme, THEMES))
        configured = self.config["theme"]
        kept = self.views.get("console", {"theme": "", "instead_of": ""})
        wanted = kept["theme"] if kept["instead_of"] == configured else configured
        if wanted in self.available_themes:
            self.set_reactive(LegibleApp.theme, wanted)  # or the first layout is done twice
            self.stylesheet.set_variables(self.get_css_variables())

    def _remember_theme(self, theme: Theme) -> None:
        configured = self.config["theme"]
        if self.views.get("console", {"theme": ""})["theme"] or theme.name != configured:
            self.views.set("console", {"theme": theme.name, "instead_of": configured})

    def _settle_config(self) -> None:
        """Use the configured keys, and say what of the configuration and the remembered views is not used."""
        wrong = list(self.config.problems)
        if self.config.keymap:
            from revconsole.console.keymap import usable  # only if keys are configured
            from revconsole.console.screens.help import bindings_by_screen

            keys, clashes = usable(self.config.keymap, bindings_by_screen(Console))
            self.set_keymap(keys)
            wrong += clashes
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
            text = f"configuration: {wrong[0]}{more}; the default is used; `revconsole config validate` lists all"
            self.post_message(Said(text, "warning"))
        if self.views.notice:
            self.post_message(Said(self.views.notice, "warning"))

    def _settled(self) -> bool:
        """Whether all work that earlier keys started in threads is done."""
        working = any(w.group in AWAITED and not w.is_finished for w in self.workers)
        return self.reader.settled and not working and not getattr(self.screen, "pending", False)

    def _quit_asked(self, answer: str | None) -> None:
        if answer:
            self._leaving = True
            self.post_message(
                Said("waiting for the current step; q again quits at once", "warning")
            )
            self._secure_and_exit(answer)

    @work(thread=True, exit_on_error=False, group="quit")
    def _secure_and_exit(self, answer: str) -> None:
        lab = self.lab
        verbs = {"on": lab.hand_all_over, "stop": lab.stop_all, "now": lab.end_all_now}
        try:
            verbs[answer]("quit the console")
        except RevconsoleError as error:
            self.post_message(Said(str(error), "error"))
        while answer != "now" and not lab.wait(0.2):
            if not self.is_running:
                return
        self.call_later(self.exit, 0)

    def _stop_runs(self) -> None:
        self.lab.stop_all("SIGTERM")
        self.lab.wait(PATIENCE_SECONDS)

    def _hand_runs_over(self) -> None:
        self.lab.hand_all_over("its terminal was lost")
        self.lab.wait(PATIENCE_SECONDS)

    def _open(self, run_ids: Sequence[str], study: str = "") -> None:
        """Open one run in its own screen, several as a comparison; or a study by its path."""
        from revconsole.console.screens.launched import screen_of  # plots load when first shown

        self.push_screen(screen_of(self.reader, run_ids, study))
