"""FormScreen: base of the launch form: its settings, and what is known of the runs they make.

Every change is planned and checked by the lab in a thread.
"""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.timer import Timer

from revconsole.console import form, form_place, form_rows, form_search, origin, slurm_places
from revconsole.console.draft import Draft
from revconsole.console.form import PROFILE
from revconsole.console.form_foresight import FormForesight, FormQuestion
from revconsole.console.form_place import DEVICES, KEYS, LAUNCHER, FormPlace
from revconsole.console.form_rows import FIND, rows
from revconsole.console.judge import Judge
from revconsole.console.messages import Checked, Foretold
from revconsole.console.one_shot import never_skipped
from revconsole.console.origin import Origins
from revconsole.console.prospect import Prospect, summary
from revconsole.console.reader import Reader
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.form_result import FormResult
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.odd import OddSettings
from revconsole.console.widgets.panes import Title
from revconsole.console.widgets.prospect_panel import ProspectPanel
from revconsole.console.widgets.setting import SettingList
from revconsole.console.widgets.toml_view import TomlView
from revconsole.errors import RevconsoleError
from revconsole.lab.planning import Planned
from revconsole.records.printable import plural
from revconsole.records.runs.run import Summary

CHECK_SECONDS, FORETELL_SECONDS = 0.12, 0.5
NO_PROFILE = "no profile found: put one as NAME.toml into ./profiles"
COST, TOML = "-cost", "-toml"
"""Classes of the screen: what takes the place beside or below the settings."""


class FormScreen(Newest, Screen[None]):
    """An abstract form of settings, beside what its runs would cost."""

    tab = "launch"
    home = True

    def __init__(self, reader: Reader, begins: Summary | str | None = None) -> None:
        """begins: the run that the values come from, or the path of a search."""
        super().__init__()
        self.reader = reader
        self._origins = Origins(begins, reader.latest.summaries)
        self._draft = Draft(self._origins.first)
        self._judge, self._foretelling = Judge(reader.lab), FormForesight(reader.lab)
        self._timer: Timer | None = None
        self._prospect = Prospect(runs=0)
        self._open: set[str] = set()
        """The groups that are open."""

    def compose(self) -> ComposeResult:
        """The fields, the runs they make, and the equivalent command."""
        yield Title()
        with Container(id="body"):
            origins = self._origins.options(self._draft.profile)
            yield SettingList(tuple(rows(self._draft, origins, self._places())), id="settings")
            with Vertical(id="beside"):
                yield ProspectPanel()
                yield TomlView()
                yield OddSettings(id="odd")
        yield FormResult()
        yield KeyBar()

    def _arrange(self) -> None:
        """Show the rows that are visible now; the first of a group has a mark that tells whether it is open."""
        words = self._list.text(FIND).strip()
        here = self._list.at_hand.key
        room = self._list.size.height
        launcher = self._list.text(LAUNCHER)
        keys = form_rows.shown(self._draft, words, self._open, here, room, launcher=launcher)
        self._list.arrange_rows(keys)
        self._list.mark({} if words else form_rows.marks(self._draft, self._open))

    def on_mount(self) -> None:
        """Show the profile's values."""
        self.query_one(Title).say("launch")
        self._arrange()
        self._list.go(PROFILE)
        if not self._draft.profile:
            self._draft.refuse(NO_PROFILE)
            self._result.say(NO_PROFILE, wrong=True)
            return
        self._list.fill(PROFILE, self._draft.profile)
        self._check()

    @on(SettingList.SettingEdited)
    def _edited(self, event: SettingList.SettingEdited) -> None:
        """Check the form again, once typing pauses."""
        event.stop()
        if event.key in KEYS:
            self._judge.elsewhere = self._place.slurm
            self._check()
        elif event.key == FIND:
            self._fill_quietly()
        else:
            self._hear(event.key, event.text)

    def _hear(self, key: str, text: str) -> None:
        self._foretelling.stop_timing()
        unknown = self._draft.change(key, text)
        for field in unknown:
            if field.words:
                self._list.offer(field.key, self._draft.options(field))
            self._list.fill(field.key, form.AS_PROFILE)
        if unknown and key != PROFILE:
            self._show_fields()
        self._draft.forget_unless(self._texts())
        self._after(CHECK_SECONDS, self._check)

    @on(SettingList.RowArrived)
    def _arrived(self, event: SettingList.RowArrived) -> None:
        """Describe the row at hand; show the profile's value again in a field that was left empty."""
        event.stop()
        self._fill_quietly()

    def _fill_quietly(self) -> None:
        """Fill the fields on the screen; what is filled in is no change of the form."""
        heard = self._draft.same_as_judged(self._texts())
        self._show_fields()
        if heard:
            self._draft.judged_as(self._texts())

    def _describe(self) -> None:
        """Show what the row at hand is, its range, default and meaning, or what is wrong with it."""
        row = self._list.at_hand
        said = form_rows.described(self._draft, row, self._open, self._list.keys_shown)
        self._result.describe(said)
        if self._list.wrong:
            self.query_one(ProspectPanel).say_wrong(*self._list.complaint)

    @property
    def pending(self) -> bool:
        """Whether the form is being checked, so that it is not known yet which fields apply and whether it can be launched."""
        return self._draft.pending

    def on_resize(self) -> None:
        """Show as many settings as there is room for now."""
        self.call_after_refresh(self._fill_quietly)

    def on_unmount(self) -> None:
        """Cancel checks in progress."""
        self._judge.end()
        self._foretelling.end()

    def on_checked(self, event: Checked) -> None:
        """Show the runs of the form, or the error beside its field."""
        event.stop()
        if event.number != self._draft.number:
            return
        self._draft.judge(event.result, final=event.final)
        if isinstance(event.result, RevconsoleError):
            self._show_fields()
            self._show_wrong(event.result)
        else:
            wrong = self._place.problem
            self._list.complain({DEVICES: wrong} if wrong else {})
            self._show_fields()
            self._result.say_origin(event.result.said)
            self._show_plans(event.result.planned, event.known or Prospect(runs=0))
            self.query_one(OddSettings).say(event.result.notes)
            self.query_one(TomlView).say(event.result.toml, event.result.no_toml)
        self._describe()
        self._show_command()
        self._draft.judged_as(self._texts())
        if self._draft.take_awaited():
            self.launch_checked()

    def on_foretold(self, event: Foretold) -> None:
        """Show what is known by now of the runs."""
        event.stop()
        if event.number == self._draft.number and self._draft.planned is not None:
            self._show_prospect(self._draft.planned, event.prospect)

    @abstractmethod
    def launch_checked(self) -> None:
        """Launch the runs of the form, which is checked."""

    def _check(self) -> None:
        try:
            settings = self._draft.settings(self._list.text(form.OTHER))
        except RevconsoleError as error:
            self.post_message(Checked(self._draft.number, error))
        else:
            self._plan(self._draft.number, self._draft.profile, settings)

    @work(thread=True, exclusive=True, exit_on_error=False, group="check")
    def _plan(self, number: int, profile: str, settings: Mapping[str, Any]) -> None:
        try:
            judged = origin.judge(self.reader.lab, profile, self._origins.run(profile), settings)
            drawn = form_search.runs(judged.search) if judged.search else 0
            known = self._foretelling.known(judged.planned, drawn)
            slow = partial(self.post_message, Checked(number, judged, known, final=False))
            whole = judged.planned
            judged = self._judge.sifted(
                judged, wanted=lambda: number == self._draft.number, slow=slow
            )
            if len(judged.planned.plans) < len(whole.plans):
                known = self._foretelling.known(judged.planned, drawn)
            judged = origin.written(judged) if self.has_class(TOML) else judged
        except RevconsoleError as error:
            self.post_message(Checked(number, error))
        else:
            self.post_message(Checked(number, judged, known))

    def _foretell(self) -> None:
        """Ask for what is not known of the runs."""
        if (question := self._question()) is not None:
            self._foretelling.ask(question)

    def _question(self) -> FormQuestion | None:
        """What is asked of the runs of the form as it is now; None while it makes none."""
        draft, number = self._draft, self._draft.number
        if draft.planned is None:
            return None
        return FormQuestion(
            planned=draft.planned,
            drawn=form_search.runs(draft.search) if draft.search else 0,
            wanted=lambda: number == draft.number and self.is_attached,
            tell=lambda found: self.post_message(Foretold(number, found)),
        )

    def time_steps(self) -> None:
        """Time a few steps of the runs until the form changes, or stop what is being timed already."""
        question = self._question()
        if self._foretelling.stop_timing():
            self._foretell()
        elif question is not None:
            self._foretelling.time(question)

    def _after(self, seconds: float, what: Any) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = never_skipped(self.set_timer(seconds, what))

    @property
    def _list(self) -> SettingList:
        return self.query_one(SettingList)

    @property
    def _result(self) -> FormResult:
        return self.query_one(FormResult)

    def _texts(self) -> dict[str, str]:
        """The text of every field that decides what is launched, by key."""
        return {k: text for k, text in self._list.texts.items() if k not in {*KEYS, FIND}}

    def _places(self) -> tuple[tuple[str, str], ...]:
        """Where else the runs can train: in words, and by the name."""
        names = slurm_places.offered(self.reader.config)
        return tuple((slurm_places.labelled(name), name) for name in names)

    @property
    def _place(self) -> FormPlace:
        """Where the runs are to train."""
        return FormPlace.of(self._list.texts)

    def _show_fields(self) -> None:
        """Switch the fields on the screen on and off; fill those that were not edited with the planned values."""
        self._arrange()
        visible = set(self._list.keys_shown)
        for field in self._draft.fields:
            if field.key not in visible:
                continue
            shown = self._draft.shown(field)
            typed = self._draft.typed(field)
            self._list.explain(field.key, hint=shown.hint, off=shown.off, typed=typed)
            if shown.options is not None:
                self._list.offer(field.key, shown.options)
            if shown.text is not None:
                self._list.fill(field.key, shown.text)
        self._describe()

    def _show_wrong(self, error: RevconsoleError) -> None:
        self._result.expect(())
        self.query_one(OddSettings).say(())
        self.query_one(TomlView).say("", "no profile while a setting is wrong")
        key, reason = self._draft.wrong(error)
        if key not in form_rows.shown(self._draft, "", self._open):
            self._open.add(form_rows.group_of(self._draft, key))
            self._show_fields()
        self._list.complain({key: reason})
        self._result.say(f"not ready, {self._draft.problem}", wrong=True)

    def _show_plans(self, planned: Planned, found: Prospect) -> None:
        self._show_prospect(planned, found)
        if found.uncounted or found.unforeseen:
            self._after(FORETELL_SECONDS, self._foretell)
        self._result.expect(planned.plans)

    def _show_prospect(self, planned: Planned, found: Prospect) -> None:
        """Show what is known of the runs: the number of parameters in the line of the outcome, the rest in the panel."""
        self._prospect = found
        search, runs = self._draft.search, plural(len(planned.plans), "run")
        launches = form_search.sentence(search) if search else f"launches {runs}"
        wrong = self._place.problem
        said = f"not ready, {DEVICES}: {wrong}" if wrong else ""
        said = said or summary(launches, found, looking=self._draft.judging)
        self._result.say(said, wrong=bool(wrong))
        self.query_one(ProspectPanel).say(found, planned.plans[0])

    def _show_command(self) -> None:
        self._result.show_command(self._command() or self._no_command())
        self.query_one(KeyBar).catch_up()

    def _no_command(self) -> str:
        """Why there is no command; empty where nothing can be launched."""
        return self._draft.no_command or (form_place.NO_COMMAND if self._draft.command else "")

    def _command(self) -> str:
        return self._place.command(self._draft.command)
