"""StudyScreen: one study, arms by seeds, live; here it is estimated, run, stopped and resumed."""

import shlex
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Input, Static

from revconsole.console import (
    clipboard,
    searching,
    slurm_places,
    steer,
    study_choices,
    study_rows,
    study_words,
)
from revconsole.console.judge import Judge
from revconsole.console.messages import Estimating, Said
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Ask, confirm
from revconsole.console.screens.live import LiveScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.arm_dots import ArmDots
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.live_table import LiveTable
from revconsole.console.widgets.panes import Problem, Title, Words
from revconsole.console.widgets.prompt import Prompt
from revconsole.errors import RevconsoleError
from revconsole.lab.board import AskedStudy, View
from revconsole.lab.estimate import Measurer
from revconsole.lab.study import Standing, to_launch
from revconsole.records.printable import plural
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.typing_again import command_line

FORMS = ("full form", "quick form", "as launched")
WHAT_STOPS = "Waiting runs leave the queue; the training run stops after its step with a checkpoint. r resumes them."
MOST_COMPARED = 8
TEXTS = ("Title", "#facts-of-study", "Problem", "#left", "#at-hand", "#settings", "KeyBar")
"""What stands above and below the table."""


class StudyScreen(LiveScreen):
    """The description of a study, the table of its runs, and what is left to do."""

    tab = "studies"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "run", "Run", id="study.run"),
        Binding("s", "stop", "Stop", id="study.stop"),
        Binding("escape", "back", "Back", id="study.back"),
        Binding("t", "form", "Full/quick", id="study.form"),
        Binding("m", "measure", "Measure", id="study.measure"),
        Binding("o", "settings", "Settings", id="study.settings"),
        Binding("n", "launch", "New like this", show=False, id="study.launch"),
        Binding("c", "compare", "Compare", show=False, id="study.compare"),
        Binding("v", "samples", "Samples", show=False, id="study.samples"),
        Binding("y", "copy", "Copy the command", show=False, id="study.copy"),
    ]

    def __init__(self, reader: Reader, path: str, *, at_once: bool = False) -> None:
        """at_once: whether to ask where to train as soon as the study is read."""
        super().__init__(reader)
        self._ask_at_once = at_once
        self._path, self._form = path, 0
        self._settings: dict[str, Any] = {}
        self._measurer: Measurer | None = None
        self._measuring = ""

    def compose(self) -> ComposeResult:
        """Title, facts, table, what is left, the run under the cursor, settings, keys."""
        yield Title()
        with VerticalScroll(id="facts-of-study", can_focus=False):
            yield Static(id="facts-text")
        yield Problem()
        yield LiveTable(id="arms", by_cell=True)
        yield ArmDots()
        yield Words(id="left")
        yield Words(id="at-hand")
        yield Prompt(
            placeholder="settings: train.epochs=2 seeds=[0,1] …", id="settings", compact=True
        )
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the table."""
        self.query_one(LiveTable).focus()

    def on_screen_resume(self) -> None:
        """Read this study from now on."""
        self._look()

    def on_unmount(self) -> None:
        """End the measurements."""
        if self._measurer is not None:
            self._measurer.end()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the screen."""
        view = self._view(snapshot)
        form = FORMS[self._form]
        changed = shlex.join(f"{key}={value}" for key, value in self._settings.items())
        if view is None:
            self.query_one(Title).say("study", "reading…")
            return
        self.query_one(Title).say("study", view.name, form, changed)
        self.query_one(Problem).say(view.problem or snapshot.problem)
        self._show_facts(view)
        table = self.query_one(LiveTable)
        columns = study_rows.arm_columns(view, self.size.width)
        table.set_columns(columns)
        fresh = not table.row_count
        table.set_rows(study_rows.arm_rows(view, columns, self.app.theme_variables))
        if fresh and view.seeds:
            table.move_cursor(column=len(columns) - len(view.seeds))
        left = study_words.left(view, self._measuring, self.size.width, self.app.theme_variables)
        self.query_one("#left", Words).show_text(left)
        self._show_at_hand()
        self.show_keys()
        if self._ask_at_once:
            self._ask_at_once = False
            self.action_run()

    def useless(self) -> frozenset[str]:
        """The actions without effect: stop if nothing trains or waits, run and measure if nothing is left."""
        view = self._view(self.reader.latest)
        if view is None or view.problem:
            return frozenset({"run", "stop", "measure"})
        left = any(each.progress in {"to do", "interrupted"} for each in view.standing)
        if view.search is not None:
            left = bool(view.forecast.left) and not view.workers
        actions = set() if left else {"run", "measure"}
        actions |= {"measure"} if view.search is not None else set()
        return frozenset(actions if _going(view) or view.workers else {*actions, "stop"})

    def on_estimating(self, event: Estimating) -> None:
        """Show which arm is being measured."""
        event.stop()
        self._measuring = event.arm
        if not event.arm:
            self._measurer = None
        self.reader.wake()
        self.redraw()

    def action_back(self) -> None:
        """Leave the settings first, then the screen; runs continue."""
        if self.query_one(Prompt).display:
            self._close_settings()
        else:
            super().action_back()

    def action_form(self) -> None:
        """Show the quick form, if there is one, what was launched with whatever settings, the full form again."""
        view = self._view(self.reader.latest)
        short = view is None or view.has_quick or bool(view.problem)
        self._form = (self._form + (1 if short or self._form else 2)) % len(FORMS)
        self._look()

    def action_run(self) -> None:
        """Start or resume the runs that are not done; asks first and shows the estimate."""
        view = self._view(self.reader.latest)
        if view is None or view.problem:
            return
        if view.search is not None:
            searching.ask_to_go_on(self, self.reader, view)
            return
        try:
            left = to_launch(view.standing)
        except RevconsoleError:
            self.refuse("nothing of this study has been launched; t shows its full form")
            return
        if not left:
            done = "trains or waits already" if _going(view) else "is done"
            self.refuse(f"every run of the {FORMS[self._form]} {done}")
            return
        busy = sum(not s.ended and s.state != "queued" for s in self.reader.latest.summaries)
        also = f" Training now, of any study: {busy}." if busy else ""
        config, known = self.reader.config, self.reader.latest.summaries
        jobs = "".join(f"\n\n{each}" for each in slurm_places.described(config, left, known))
        detail = f"{study_words.estimate(view)}\n\n{study_choices.WHAT_HAPPENS}{also}{jobs}"
        unknown = view.forecast.blank and self._measurer is None
        choices = study_choices.offered(config, measure=unknown)
        runs = plural(len(left), "run")
        question = f"Train {runs} of {view.name}, {FORMS[self._form]}?"
        self.app.push_screen(Ask(question, detail, choices), partial(self._run_asked, left))

    def action_stop(self) -> None:
        """Stop the runs of this study that are training or queued."""
        view = self._view(self.reader.latest)
        going = _going(view) if view else []
        if view is None or not (going or view.workers):
            self.refuse("no run of this form trains or waits")
            return
        if view.search is not None:
            searching.ask_to_stop(self, self.reader, view, view.search)
            return
        runs = "the run" if len(going) == 1 else f"the {len(going)} runs"
        question = f"Stop {runs} of {view.name} that train or wait?"
        verb = partial(self.reader.lab.stop_runs, [s.id for s in going])
        stop = partial(steer.act, self, self.reader, view.name, verb)
        confirm(self.app, question, WHAT_STOPS, "Stop them", stop)

    def action_measure(self) -> None:
        """Estimate time and memory of the remaining runs, in a separate process."""
        view = self._view(self.reader.latest)
        if self._measurer is not None or view is None or not view.standing:
            return
        self._measurer, self._measuring = Measurer(), "…"
        work = (self._measurer, view.standing, self.post_message)
        threading.Thread(target=self._measure, args=work, name="measurer", daemon=True).start()
        self.redraw()

    def action_settings(self) -> None:
        """Change settings of all runs, as on the command line."""
        self.query_one(Prompt).open()

    def action_open(self) -> None:
        """Open the run under the cursor."""
        each = self._at_hand()[1]
        if each is None or each.summary is None:
            self.refuse("put the cursor on a run that has begun")
            return
        from revconsole.console.screens.run import RunScreen  # plots load when first shown

        self.app.push_screen(RunScreen(self.reader, each.summary.id))

    def action_launch(self) -> None:
        """Open the launch form on the search, or on the run under the cursor."""
        searching.open_form(self, self.reader, self._view(self.reader.latest), self._at_hand()[1])

    def action_compare(self) -> None:
        """Compare the arms: the runs with the seed under the cursor, or with the first seed."""
        view = self._view(self.reader.latest)
        if view is None or not view.seeds:
            return
        column = study_rows.seed_of(self.query_one(LiveTable).selected_column or "")
        seed = column if column in view.seeds else view.seeds[0]
        ordered = sorted(view.arms, key=lambda arm: not arm.baseline)
        launched = [arm.by_seed[seed].summary for arm in ordered if seed in arm.by_seed]
        ids = [s.id for s in launched if s is not None]
        if len(ids) < 2:
            self.refuse(f"fewer than two arms have a run of seed {seed}")
            return
        ids, left_out = study_rows.told_apart(ids, MOST_COMPARED)
        if left_out:
            self.post_message(Said(left_out, "warning"))
        from revconsole.console.screens.comparison import ComparisonScreen  # as above

        self.app.push_screen(ComparisonScreen(self.reader, ids))

    def action_samples(self) -> None:
        """Show the images that the arm under the cursor trains on."""
        view = self._view(self.reader.latest)
        arm = next((a for a in view.arms if a.name == self._at_hand()[0]), None) if view else None
        if arm is not None:
            from revconsole.console.screens.samples import SamplesScreen  # as above

            plan = next(iter(arm.by_seed.values())).plan
            self.app.push_screen(SamplesScreen(plan, arm.name))

    def action_copy(self) -> None:
        """Copy the command that runs this form."""
        verb = "study resume" if self._form == 2 else "study run"
        settings = {} if self._form == 2 else self._settings
        line = command_line(self._path, settings, verb, quick=self._form == 1)
        self.post_message(clipboard.copied(self.app, line, "the command"))

    @on(Input.Submitted, "#settings")
    def _set(self, event: Input.Submitted) -> None:
        try:
            self._settings = parse_assignments(shlex.split(event.value))
        except (RevconsoleError, ValueError) as error:
            self.refuse(str(error))
            return
        self._close_settings()
        self._look()

    @on(DataTable.CellHighlighted)
    def _moved(self) -> None:
        self._show_at_hand()

    @on(DataTable.CellSelected)
    def _opened(self) -> None:
        self.action_open()

    def _close_settings(self) -> None:
        self.query_one(Prompt).close()
        self.query_one(LiveTable).focus()

    def _look(self) -> None:
        self.reader.want(WantedByScreen(study=self._asked()))
        self.redraw()

    def _asked(self) -> AskedStudy:
        return AskedStudy(
            study=self._path,
            quick=self._form == 1,
            launched=self._form == 2,
            settings={} if self._form == 2 else self._settings,
        )

    def _view(self, snapshot: Snapshot) -> View | None:
        """The reader's view of this form of the study; None before it was read."""
        view = snapshot.study
        return view if view is not None and view.asked == self._asked() else None

    def _at_hand(self) -> tuple[str, Standing | None]:
        """The arm under the cursor, and its run if the cursor is on one."""
        view, table = self._view(self.reader.latest), self.query_one(LiveTable)
        arm = next((a for a in view.arms if a.name == table.selected), None) if view else None
        seed = study_rows.seed_of(table.selected_column or "")
        return (arm.name, arm.by_seed.get(seed)) if arm else ("", None)

    def _run_asked(self, left: list[Standing], answer: str | None) -> None:
        if answer == "measure":
            self.action_measure()
        elif answer == study_choices.NAME.answer:
            study_choices.ask_which(self, partial(self._run_asked, left))
        elif answer:
            steer.act(self, self.reader, self._called, partial(self._go_on, left, answer))

    def _go_on(self, left: list[Standing], chosen: str) -> str:
        """Start or resume the runs; runs in a worker thread. Raises RevconsoleError."""
        lab, plans = self.reader.lab, [each.plan for each in left]
        launcher = study_choices.launcher_of(
            self.reader.config, chosen, plans, self.reader.latest.summaries
        )
        judge = Judge(lab)
        judge.elsewhere = slurm_places.is_place(chosen)
        try:
            fit, left_out = judge.sifted_runs(left, self._path)
        finally:
            judge.end()
        now = study_choices.at_once(chosen)
        count = len(lab.go_on(fit, launcher, now=now)) if fit else 0
        where = study_choices.where(chosen)
        queued = f"{count} runs queued {where}" if count != 1 else f"1 run queued {where}"
        return f"{queued}; {left_out}" if left_out else queued

    def _measure(
        self, measurer: Measurer, standing: tuple[Standing, ...], post: Callable[[Any], object]
    ) -> None:
        """Measure time and memory; runs in a daemon thread, which quitting does not wait for."""
        try:
            for arm, error in self.reader.lab.estimate(standing, measurer):
                post(Said(f"{arm}: {error}", "error") if error else Estimating(arm))
        except RevconsoleError as error:
            post(Said(str(error), "error"))
        measurer.end()
        post(Estimating(""))

    @property
    def _called(self) -> str:
        view = self._view(self.reader.latest)
        return view.name if view else "study"

    def _show_facts(self, view: View) -> None:
        if view.facts is not None:
            said = study_words.facts(view.facts, view.search, view.notes)
            self.query_one("#facts-text", Static).update(said)

    def _show_at_hand(self) -> None:
        arm, each = self._at_hand()
        words = self.query_one("#at-hand", Words)
        words.show_text(study_rows.run_line(arm, each, self.app.theme_variables))
        self.call_after_refresh(self._show_dots)

    def _show_dots(self) -> None:
        """Draw the arms where table and texts leave them room."""
        view, table = self._view(self.reader.latest), self.query_one(LiveTable)
        if view is not None:
            texts = sum(self.query_one(name).outer_size.height for name in TEXTS)
            room = self.size.height - texts - table.row_count - 1
            drawn = self.query_one(ArmDots).show_arms(view, self._at_hand()[0], room)
            table.styles.height = table.row_count + 1 if drawn else "1fr"


def _going(view: View) -> list[Any]:
    return [e.summary for e in view.standing if e.progress == "running" and e.summary]
