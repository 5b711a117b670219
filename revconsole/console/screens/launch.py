"""LaunchScreen: the form. Every change is planned by the lab in a thread and judged there, never here."""

import threading
from collections.abc import Iterable, Mapping, Sequence
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
from revconsole.console.judge import Judge
from revconsole.console.messages import Checked, Launched, ModelCounted, Said
from revconsole.console.one_shot import never_skipped
from revconsole.console.origin import Judged
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

PROFILE, LAUNCHER = "profile", "launcher"
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
        self._shelf = [(entry.name, entry.name) for entry in search_path.shelved()]
        if run is not None:
            self._shelf.insert(0, (f"as run {run.name}", origin.RUN))
        known = [name for _, name in self._shelf]
        self._profile = next((name for name in (origin.RUN, "demo", *known) if name in known), "")
        self._fields = form.asked()
        self._typed: dict[str, str] = {}
        self._kinds: dict[str, set[str]] = {}
        self._offered: dict[str, tuple[str, ...]] = {}
        self._planned: Planned | None = None
        self._number, self._judging = 0, True
        self._eager: dict[str, str] | None = None  # the form that is to be launched once judged
        self._judge = Judge(reader.lab)
        self._timer: Timer | None = None
        self._counts: dict[str, int] = {}
        self._judged: dict[str, str] = {}
        self._counted = self._wrong = self._line = ""

    def compose(self) -> ComposeResult:
        """The fields, what they make, the command that would do the same."""
        yield Title()
        with VerticalScroll(id="settings", can_focus=False):
            offered = self._shelf or [(figures.UNKNOWN, "")]
            yield SettingField(PROFILE, "profile", options=offered, hint="where values come from")
            for field in self._fields:
                options = [(word, word) for word in field.words]
                meaning = form.meaning(field, {})
                yield SettingField(field.key, field.label, options=options, hint=meaning)
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
        if not self._shelf:
            self._judging, self._wrong = False, NO_PROFILE
            self._show_outcome(self._wrong, wrong=True)
            return
        self._setting(PROFILE).fill(self._profile)
        self._setting(PROFILE).seize()
        self._check()

    def on_setting_field_edited(self, event: SettingField.Edited) -> None:
        """Judge the form anew, once typing rests."""
        if event.key == LAUNCHER:
            self._show_command()
        else:
            self._hear(event.key, event.text)

    def _hear(self, key: str, text: str) -> None:
        if key == PROFILE:
            self._profile = text
            self._typed.clear()
            self._offered.clear()
            self._blank(self._fields)
        elif key != form.OTHER:
            self._typed[key] = text
            self._decide(key, text)
        self._number += 1
        self._planned, self._judging = None, True
        if self._eager != self._texts():
            self._eager = None
        self._after(CHECK_SECONDS, self._check)

    @on(Input.Blurred)
    def _left(self) -> None:
        """A field left empty shows what the profile says again."""
        heard = self._texts() == self._judged
        self._show_fields()
        if heard:
            self._judged = self._texts()

    @property
    def pending(self) -> bool:
        """Whether the form is being judged: which fields apply, and whether it can be launched, is not known yet."""
        return self._judging and self._planned is None

    def on_unmount(self) -> None:
        """Whatever is still being found out of a model is for nobody."""
        self._judge.end()

    def action_back(self) -> None:
        """Close the form without launching."""
        self.app.pop_screen()

    def action_launch(self) -> None:
        """Launch the runs of the form once it is checked; ask first if there are many."""
        now = self._texts()
        for key in [] if self._judging else [k for k in now if now[k] != self._judged.get(k)]:
            self._hear(key, now[key])  # word of it may still be on its way here
        if self._judging:
            self._eager = now
            return
        if self._planned is None:
            self._refuse("nothing launched")
            return
        planned, runs = self._planned, len(self._planned.plans)
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
        if self._line:
            self.app.copy_to_clipboard(self._command())
            self.post_message(Said("copied the command"))
        elif self._planned is not None:
            self.post_message(Said(NO_COMMAND, "warning"))
        else:
            self._refuse("no command")

    def action_samples(self) -> None:
        """Show the images that the form would train on."""
        if self._planned is None:
            self._refuse("no samples")
            return
        from revconsole.console.screens.samples import SamplesScreen  # only when asked for

        first, *others = self._planned.plans
        differ = any(plan.data != first.data for plan in others)
        whose = f"of the first of {len(others) + 1} runs" if differ else ""
        self.app.push_screen(SamplesScreen(first, whose))

    def on_checked(self, event: Checked) -> None:
        """Show what the form makes, or what is wrong, beside the field that it names."""
        event.stop()
        if event.number != self._number:
            return
        self._judging, self._wrong = not event.final, ""
        for field in self.query(SettingField):
            field.complain("")
        if isinstance(event.result, RevconsoleError):
            self._planned, self._line = None, ""
            self._show_fields()
            self._show_wrong(event.result)
        else:
            self._take(event.result)
        self._show_command()
        self._judged = self._texts()
        if self._eager is not None and event.final:
            self._eager = None
            self.action_launch()

    def _take(self, judged: Judged) -> None:
        """Show what the form makes."""
        self._planned, self._kinds = judged.planned, form.kinds_of(judged.planned)
        self._line = judged.command
        self.query_one(FormOrigin).say(judged.said)
        self._show_fields()
        self._show_plans(judged.planned)

    def on_model_counted(self, event: ModelCounted) -> None:
        """Show the parameters."""
        event.stop()
        self._counts |= event.counts
        if event.number == self._number and self._planned is not None:
            plans = self._planned.plans
            unknown = event.problem and f"parameters unknown: {event.problem}"
            self._counted = unknown or counting.span(plans, self._counts)
            self._show_outcome(counting.summary(plans, self._counted, looking=self._judging))

    def _check(self) -> None:
        try:
            settings = self._gather()
        except RevconsoleError as error:
            self.post_message(Checked(self._number, error))
        else:
            self._plan(self._number, self._profile, settings)

    @work(thread=True, exclusive=True, exit_on_error=False, group="check")
    def _plan(self, number: int, profile: str, settings: Mapping[str, Any]) -> None:
        try:
            run = self._run if profile == origin.RUN else None
            judged = origin.judge(self.reader.lab, profile, run, settings)
            slow = partial(self.post_message, Checked(number, judged, final=False))
            judged = self._judge.sifted(judged, wanted=lambda: number == self._number, slow=slow)
        except RevconsoleError as error:
            self.post_message(Checked(number, error))
        else:
            self.post_message(Checked(number, judged))

    def _count(self, number: int, plans: tuple[Plan, ...]) -> None:
        """Count in a thread that quitting need not wait for: it may be loading torch."""
        new = {
            counting.shape(plan): plan for plan in plans if counting.shape(plan) not in self._counts
        }
        work = partial(self._count_all, number, dict(list(new.items())[: counting.MOST_COUNTED]))
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

    def _gather(self) -> dict[str, Any]:
        other = self._setting(form.OTHER).text
        return form.settings(self._fields, self._typed, self._kinds, other)

    def _decide(self, key: str, text: str) -> None:
        """A menu that decides the kind of a section decides at once which fields apply."""
        field = next(f for f in self._fields if f.key == key)
        if field.decides and text != form.AS_PROFILE:
            self._kinds[field.section] = {text}
            self._blank([f for f in self._fields if f.section == field.section and f is not field])
            self._show_fields()

    def _blank(self, fields: Iterable[form.FormField]) -> None:
        """Show nothing where what was shown is of another profile or kind, until what is true is known."""
        self._planned = None
        for field in fields:
            if self._typed.get(field.key, form.AS_PROFILE) != form.AS_PROFILE:
                continue
            setting = self._setting(field.key)
            if field.words:
                self._offered[field.key] = (figures.UNKNOWN,)
                self._offer_words(field, setting)
            setting.fill(form.AS_PROFILE)

    def _show_fields(self) -> None:
        """Switch fields on and off; fill those nobody typed in with what the plan says."""
        for field in self._fields:
            setting = self._setting(field.key)
            applies = form.applies(field, self._kinds)
            setting.explain(form.meaning(field, self._kinds, self._planned))
            setting.switch(off="" if applies else form.why_not(field, self._kinds))
            if not applies:  # what is no longer shown is no longer launched
                self._typed.pop(field.key, None)
            if applies and self._planned is not None:
                self._fill(field, setting, self._planned)

    def _fill(self, field: form.FormField, setting: SettingField, planned: Planned) -> None:
        if field.words:
            self._offer(field, setting, planned)
        if self._typed.get(field.key, form.AS_PROFILE) == form.AS_PROFILE:
            varied = field.words and form.varied(planned, field.key)
            setting.fill(form.AS_PROFILE if varied else form.shown(planned, field.key))

    def _offer(self, field: form.FormField, setting: SettingField, planned: Planned) -> None:
        """Where the profile varies a menu's setting, offer to leave it so."""
        if form.varied(planned, field.key):
            label = form.shown(planned, field.key).strip("[]")
            self._offered[field.key] = (f"each: {label}",)
        elif self._offered.get(field.key) == (figures.UNKNOWN,):
            del self._offered[field.key]
        self._offer_words(field, setting)

    def _offer_words(self, field: form.FormField, setting: SettingField) -> None:
        extra = [(label, form.AS_PROFILE) for label in self._offered.get(field.key, ())]
        setting.offer([*extra, *((word, word) for word in field.words)])

    def _refuse(self, instead: str) -> None:
        """Say in the line in red that nothing comes of a key, and why; and go to the field to be corrected."""
        self._show_outcome(f"{instead}, {self._wrong}" if self._wrong else instead, wrong=True)
        if wrong := self.query(SettingField).filter(".-wrong"):
            wrong.first(SettingField).seize()

    def _show_wrong(self, error: RevconsoleError) -> None:
        self._show_forecast(())
        key, reason = getattr(error, "key", PROFILE), getattr(error, "reason", str(error))
        label = form.label(self._fields, key)
        if label:
            self._setting(key).complain(reason)
        else:
            self._setting(form.OTHER).complain(f"{key}: {reason}")
        self._wrong = f"{label or key}: {reason}"
        self._show_outcome(f"not ready, {self._wrong}", wrong=True)

    def _show_plans(self, planned: Planned) -> None:
        self._counted = counting.span(planned.plans, self._counts)
        if not self._counted:
            self._counted = "counting parameters…"
            self._after(COUNT_SECONDS, partial(self._count, self._number, planned.plans))
        self._show_outcome(counting.summary(planned.plans, self._counted, looking=self._judging))
        self._show_forecast(planned.plans)

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
        none = NO_COMMAND if self._planned is not None else ""
        self.query_one("#command", Static).update(Text(self._command() or none))

    def _command(self) -> str:
        """What does the same in a shell; empty if nothing does."""
        return self._line and self._line + (" --detach" if self._launcher() == "process" else "")
