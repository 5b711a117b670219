"""LaunchScreen: the form. Every change is planned by the lab in a thread and judged there, never here."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from revconsole.console import counting, form, origin
from revconsole.console.colours import themed
from revconsole.console.draft import Draft
from revconsole.console.form import PROFILE
from revconsole.console.judge import Judge
from revconsole.console.messages import Checked, Launched, ModelCounted, Said
from revconsole.console.one_shot import never_skipped
from revconsole.console.reader import Reader
from revconsole.console.screens.ask import Answer, Ask
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import FormOrigin, Title
from revconsole.console.widgets.setting import SettingField
from revconsole.errors import RevconsoleError
from revconsole.lab import format as figures
from revconsole.lab.lab import Launcher
from revconsole.lab.planning import Planned
from revconsole.lab.torch_api import training
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan

LAUNCHER = "launcher"
CHECK_SECONDS, COUNT_SECONDS = 0.12, 0.5
MANY_RUNS = 12
NO_PROFILE = "no profile found: put one as NAME.toml into ./profiles"
NO_COMMAND = "no command line makes these runs: they are not of one profile as it is now"


class LaunchScreen(Newest, Screen[None]):
    """Pick a profile, change what should be different, launch."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "launch", "Launch", priority=True, id="launch.launch"),
        Binding("escape", "back", "Back", id="launch.back"),
        Binding("ctrl+o", "samples", "Samples", priority=True, id="launch.samples"),
        Binding("ctrl+y", "copy", "Copy command", priority=True, id="launch.copy"),
        Binding("down,j", "app.focus_next", "Next field", show=False, id="launch.next"),
        Binding("up,k", "app.focus_previous", "Previous field", show=False, id="launch.previous"),
    ]

    def __init__(self, reader: Reader, run: Summary | None = None) -> None:
        super().__init__()
        self.reader, self._run = reader, run
        self._profiles = [(entry.name, entry.name) for entry in search_path.profiles()]
        if run is not None:
            self._profiles.insert(0, (f"as run {run.name}", origin.RUN))
        known = [name for _, name in self._profiles]
        first = next((name for name in (origin.RUN, "demo", *known) if name in known), "")
        self._draft = Draft(first)
        self._judge = Judge(reader.lab)
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """The fields, what they make, the command that would do the same."""
        yield Title()
        with VerticalScroll(id="settings", can_focus=False):
            offered = self._profiles or [(figures.UNKNOWN, "")]
            yield SettingField(PROFILE, "profile", options=offered, hint="where values come from")
            for field in self._draft.fields:
                options, hint = self._draft.options(field), form.meaning(field, {})
                yield SettingField(field.key, field.label, options=options, hint=hint)
            yield SettingField(form.OTHER, "other", hint="more settings: key=value key=[a,b] …")
            hint = "a background process outlives this terminal"
            yield SettingField(LAUNCHER, "trains in", options=form.LAUNCHERS, hint=hint)
        yield FormOrigin(id="origin")
        yield Static(id="outcome")
        yield Static(id="forecast")
        yield Static(id="command")
        yield KeyBar()

    def on_mount(self) -> None:
        """Fill in the profile."""
        self.query_one(Title).say("launch")
        if not self._profiles:
            self._draft.refuse(NO_PROFILE)
            self._show_outcome(NO_PROFILE, wrong=True)
            return
        self._setting(PROFILE).fill(self._draft.profile)
        self._setting(PROFILE).seize()
        self._check()

    def on_setting_field_edited(self, event: SettingField.Edited) -> None:
        """Judge the form anew, once typing rests."""
        if event.key == LAUNCHER:
            self._show_command()
        else:
            self._hear(event.key, event.text)

    def _hear(self, key: str, text: str) -> None:
        unknown = self._draft.change(key, text)
        for field in unknown:
            setting = self._setting(field.key)
            if field.words:
                setting.offer(self._draft.options(field))
            setting.fill(form.AS_PROFILE)
        if unknown and key != PROFILE:
            self._show_fields()
        self._draft.forget_unless(self._texts())
        self._after(CHECK_SECONDS, self._check)

    @on(Input.Blurred)
    def _left(self) -> None:
        """A field left empty shows what the profile says again."""
        heard = self._draft.same_as_judged(self._texts())
        self._show_fields()
        if heard:
            self._draft.judged_as(self._texts())

    @property
    def pending(self) -> bool:
        """Whether the form is being judged: which fields apply, and whether it can be launched, is not known yet."""
        return self._draft.pending

    def on_unmount(self) -> None:
        """Cancel whatever is still being found out about a model."""
        self._judge.end()

    def action_back(self) -> None:
        """Close the form without launching."""
        self.app.pop_screen()

    def action_launch(self) -> None:
        """Launch the runs of the form once it is checked; ask first if there are many."""
        now, draft = self._texts(), self._draft
        for key in draft.unheard(now):
            self._hear(key, now[key])
        if draft.judging:
            draft.launch_once_judged(now)
            return
        if draft.planned is None:
            self._refuse("nothing launched")
            return
        planned, runs = draft.planned, len(draft.planned.plans)
        if runs <= MANY_RUNS:
            self._launch(planned, self._launcher())
            return
        question, choice = f"Launch {runs} runs?", Answer(answer="go", key="y", label="Launch")
        detail = "They train one after the other. Lists in the profile and in the form multiply."

        def answered(answer: str | None) -> None:
            if answer:
                self._launch(planned, self._launcher())

        self.app.push_screen(Ask(question, detail, [choice]), answered)

    def action_copy(self) -> None:
        """Copy the command."""
        if self._draft.command:
            self.app.copy_to_clipboard(self._command())
            self.post_message(Said("copied the command"))
        elif self._draft.planned is not None:
            self.post_message(Said(NO_COMMAND, "warning"))
        else:
            self._refuse("no command")

    def action_samples(self) -> None:
        """Show the images that the form would train on."""
        if self._draft.planned is None:
            self._refuse("no samples")
            return
        from revconsole.console.screens.samples import SamplesScreen  # only when asked for

        first, *others = self._draft.planned.plans
        differ = any(plan.data != first.data for plan in others)
        whose = f"of the first of {len(others) + 1} runs" if differ else ""
        self.app.push_screen(SamplesScreen(first, whose))

    def on_checked(self, event: Checked) -> None:
        """Show what the form makes, or what is wrong, beside the field that it names."""
        event.stop()
        if event.number != self._draft.number:
            return
        self._draft.judge(event.result, final=event.final)
        for field in self.query(SettingField):
            field.complain("")
        self._show_fields()
        if isinstance(event.result, RevconsoleError):
            self._show_wrong(event.result)
        else:
            self.query_one(FormOrigin).say(event.result.said)
            self._show_plans(event.result.planned)
        self._show_command()
        self._draft.judged_as(self._texts())
        if self._draft.take_awaited():
            self.action_launch()

    def on_model_counted(self, event: ModelCounted) -> None:
        """Show the parameters."""
        event.stop()
        draft = self._draft
        draft.add_counts(event.counts)
        if event.number == draft.number and draft.planned is not None:
            unknown = event.problem and f"parameters unknown: {event.problem}"
            self._show_counted(draft.planned, unknown or draft.counted)

    def _check(self) -> None:
        try:
            settings = self._draft.settings(self._setting(form.OTHER).text)
        except RevconsoleError as error:
            self.post_message(Checked(self._draft.number, error))
        else:
            self._plan(self._draft.number, self._draft.profile, settings)

    @work(thread=True, exclusive=True, exit_on_error=False, group="check")
    def _plan(self, number: int, profile: str, settings: Mapping[str, Any]) -> None:
        try:
            run = self._run if profile == origin.RUN else None
            judged = origin.judge(self.reader.lab, profile, run, settings)
            slow = partial(self.post_message, Checked(number, judged, final=False))
            judged = self._judge.sifted(
                judged, wanted=lambda: number == self._draft.number, slow=slow
            )
        except RevconsoleError as error:
            self.post_message(Checked(number, error))
        else:
            self.post_message(Checked(number, judged))

    def _count(self) -> None:
        """Count in a thread that quitting need not wait for: it may be loading torch."""
        work = partial(self._count_all, self._draft.number, self._draft.uncounted)
        threading.Thread(target=work, name="counter", daemon=True).start()

    def _count_all(self, number: int, plans: Mapping[str, Plan]) -> None:
        try:
            counts = {s: training.count_parameters(plan) for s, plan in plans.items()}
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end up on the screen
            why = one_line(str(error) or type(error).__name__)
            self.post_message(ModelCounted(number, {}, why))
        else:
            self.post_message(ModelCounted(number, counts))

    @work(thread=True, exclusive=True, exit_on_error=False, group="launch")
    def _launch(self, planned: Planned, launcher: Launcher) -> None:
        try:
            planned, left_out = self._judge.sifted_own(planned)
            ids = self.reader.lab.launch(planned, launcher)
        except RevconsoleError as error:
            self.app.post_message(Said(str(error), "error"))
            return
        self.reader.wake()
        self.app.post_message(Launched(tuple(ids)))
        if left_out:
            self.app.post_message(Said(left_out, "warning"))

    def _after(self, seconds: float, what: Any) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = never_skipped(self.set_timer(seconds, what))

    def _setting(self, key: str) -> SettingField:
        return self.query_one(f"#setting-{key.replace('.', '-')}", SettingField)

    def _texts(self) -> dict[str, str]:
        """What stands in every field that decides what is launched."""
        return {s.key: s.text for s in self.query(SettingField) if s.key != LAUNCHER}

    def _launcher(self) -> Launcher:
        return "process" if self._setting(LAUNCHER).text == "process" else "thread"

    def _show_fields(self) -> None:
        """Switch fields on and off; fill those nobody typed in with what the plan says."""
        for field in self._draft.fields:
            setting, shown = self._setting(field.key), self._draft.shown(field)
            setting.explain(shown.hint)
            setting.switch(off=shown.off)
            if shown.options is not None:
                setting.offer(shown.options)
            if shown.text is not None:
                setting.fill(shown.text)

    def _refuse(self, instead: str) -> None:
        """Say in the line in red that nothing comes of a key, and why; and go to the field to be corrected."""
        problem = self._draft.problem
        self._show_outcome(f"{instead}, {problem}" if problem else instead, wrong=True)
        if wrong := self.query(SettingField).filter(".-wrong"):
            wrong.first(SettingField).seize()

    def _show_wrong(self, error: RevconsoleError) -> None:
        self._show_forecast(())
        key, reason = self._draft.wrong(error)
        self._setting(key).complain(reason)
        self._show_outcome(f"not ready, {self._draft.problem}", wrong=True)

    def _show_plans(self, planned: Planned) -> None:
        counted = self._draft.counted
        self._show_counted(planned, counted or "counting parameters…")
        if not counted:
            self._after(COUNT_SECONDS, self._count)
        self._show_forecast(planned.plans)

    def _show_counted(self, planned: Planned, counted: str) -> None:
        looking = self._draft.judging
        self._show_outcome(counting.summary(planned.plans, counted, looking=looking))

    def _show_forecast(self, plans: Sequence[Plan]) -> None:
        """What to expect of the reconstruction, of the run that is worst off."""
        said, bad = form.reconstruction(plans)
        forecast, red = self.query_one("#forecast", Static), self.app.theme_variables
        forecast.update(Text(said, style=themed(red, "text-error") if bad else ""))
        forecast.display = bool(said)

    def _show_outcome(self, text: str, *, wrong: bool = False) -> None:
        style = themed(self.app.theme_variables, "text-error") if wrong else "bold"
        said = figures.fitted(one_line(text, 300), self.size.width - 2)
        self.query_one("#outcome", Static).update(Text(said, style=style))

    def _show_command(self) -> None:
        none = NO_COMMAND if self._draft.planned is not None else ""
        self.query_one("#command", Static).update(Text(self._command() or none))

    def _command(self) -> str:
        """What does the same in a shell; empty if nothing does."""
        line = self._draft.command
        return line and line + (" --detach" if self._launcher() == "process" else "")
