"""LaunchScreen: the keys of the launch form."""

from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from revconsole.console import clipboard, form_rows, slurm_places, study_choices
from revconsole.console.form import PROFILE
from revconsole.console.form_place import DEVICES, FormPlace
from revconsole.console.form_rows import FIND
from revconsole.console.messages import Launched, Said
from revconsole.console.screens import form_dialogs
from revconsole.console.screens.form_screen import COST, TOML, FormScreen
from revconsole.console.several import joined
from revconsole.console.widgets.setting import SettingList
from revconsole.console.widgets.toml_view import TomlView
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.submitting import SlurmLauncher
from revconsole.lab.planning import Planned

MANY_RUNS, PAGE = 12, 10
"""Runs that are launched without a question, and settings that a page goes on."""
TOLD = "nothing to time: an earlier run like each of these tells how long it takes"
ELSEWHERE = "not timed: the runs train on another machine, where steps take another time"


class LaunchScreen(FormScreen):
    """The launch form: choose a profile, change settings, launch."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "launch", "Launch", priority=True, id="launch.launch"),
        Binding("ctrl+n", "start_from", "Start from", priority=True, id="launch.from"),
        Binding("ctrl+f", "find", "Search", priority=True, id="launch.find"),
        Binding("f2", "apply", "Apply", priority=True, id="launch.apply"),
        Binding("ctrl+g", "more", "More", priority=True, id="launch.more"),
        Binding("ctrl+r", "forecast", "Cost", priority=True, id="launch.cost"),
        Binding("f3", "time", "Time", priority=True, id="launch.time"),
        Binding("ctrl+t", "toml", "TOML", priority=True, id="launch.toml"),
        Binding("ctrl+y", "copy", "Copy", priority=True, id="launch.copy"),
        Binding("ctrl+s", "save", "Save", priority=True, id="launch.save"),
        Binding("ctrl+o", "samples", "Samples", priority=True, id="launch.samples"),
        Binding("escape", "back", "Back", id="launch.back"),
        Binding("slash", "find", "Find", show=False, id="launch.search"),
        Binding("down,j,tab", "step(1)", "Next field", show=False, id="launch.next"),
        Binding("up,k,shift+tab", "step(-1)", "Previous field", show=False, id="launch.previous"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="launch.page-down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="launch.page-up"),
    ]

    @on(SettingList.SettingPicked)
    def _pick(self, event: SettingList.SettingPicked) -> None:
        """Let the user choose a value from a list."""
        event.stop()
        row = event.row
        if row.key == PROFILE:
            self.action_start_from()
            return

        def chosen(values: tuple[str, ...] | None) -> None:
            if values is not None:
                self._list.choose(row.key, joined(values))

        planned = self._draft.planned
        self.app.push_screen(form_dialogs.choices(row, planned), chosen)

    def useless(self) -> frozenset[str]:
        """The actions that would have no effect now: nothing can be made of a form that is wrong."""
        none = {"copy"} if self._draft.planned is not None and not self._copied() else set()
        if self._draft.problem:
            none |= {"launch", "copy", "save", "samples"}
        none |= set() if self._draft.remedies else {"apply"}
        none |= set() if self._prospect.untimed else {"time"}
        return frozenset(none | ({"forecast"} if self.has_class("-wide") else set()))

    def action_back(self) -> None:
        """Close the form without launching; first show all settings again if some are searched for."""
        if self._list.text(FIND):
            self._list.choose(FIND, "")
            self._list.go(FIND)
        else:
            self.app.pop_screen()

    def action_step(self, by: int) -> None:
        """Go to another row."""
        self._list.move(by)

    def action_more(self) -> None:
        """Show all settings of the group at hand, or the usual ones only."""
        self._open ^= {form_rows.group_of(self._draft, self._list.at_hand.key)}
        self._fill_quietly()

    def action_forecast(self) -> None:
        """Show all of what the runs would cost, or on a narrow terminal only a line of it."""
        self.remove_class(TOML)
        self.toggle_class(COST)

    def action_time(self) -> None:
        """Time a few steps of the runs, which tells how long they take; again stops it."""
        if self._draft.planned is None:
            self._refuse("nothing timed")
        elif self._place.slurm:
            self.post_message(Said(ELSEWHERE, "warning"))
        elif not self._prospect.untimed:
            self.post_message(Said(TOLD))
        else:
            self.time_steps()

    def action_toml(self) -> None:
        """Show the profile that saving would write in the place of the cost, or the cost again."""
        self.remove_class(COST)
        self.toggle_class(TOML)
        if self.has_class(TOML) and self._draft.planned is not None:
            self._check()
        self._show_command()

    def action_page(self, by: int) -> None:
        """Scroll the profile that is shown, or go ten settings on."""
        if self.has_class(TOML):
            self.query_one(TomlView).page(by)
        else:
            self._list.move(by, far=PAGE)

    def action_start_from(self) -> None:
        """Choose the run or the profile that the values come from."""
        if self._draft.profile:
            dialog = form_dialogs.start_from(
                self._origins, self._draft.profile, self._draft.planned
            )
            self.app.push_screen(dialog, self._start_from)

    def _start_from(self, values: tuple[str, ...] | None) -> None:
        for value in values or ():
            self._list.choose(FIND, "")
            self._list.offer(PROFILE, self._origins.options(value))
            self._list.choose(PROFILE, value)
            self._list.go(PROFILE)

    def action_apply(self) -> None:
        """Set what the first note advises."""
        for remedy in self._draft.remedies[:1]:
            for key, text in remedy.items():
                self._list.choose(key, text)

    def action_find(self) -> None:
        """Search the settings by name and meaning."""
        self._list.go(FIND)

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
        if draft.search is not None:
            opens = lambda path: self.app.post_message(Launched(study=path))  # noqa: E731
            form_dialogs.save_search(self.app, draft.search, opens)
            return
        planned, runs = draft.planned, len(draft.planned.plans)
        detail, known = "", self.reader.latest.summaries
        try:
            if self._place.problem:
                raise ProfileError(DEVICES, "", self._place.problem)
            if self._place.slurm:
                launcher = SlurmLauncher(SlurmPlace.of(self.reader.config, self._place.launcher))
                detail = slurm_places.asked(launcher, planned.plans, known)
        except RevconsoleError as error:
            self.post_message(Said(str(error), "error"))
            return
        if not detail and runs <= MANY_RUNS:
            self._launch(planned, self._place)
            return
        form_dialogs.ask_first(self.app, runs, lambda: self._launch(planned, self._place), detail)

    def launch_checked(self) -> None:
        """Launch what was asked for while it was being checked."""
        self.action_launch()

    def action_copy(self) -> None:
        """Copy the command, or the profile while it is shown."""
        what = "profile" if self.has_class(TOML) else "command"
        if self._draft.planned is None:
            self._refuse(f"no {what}")
        elif text := self._copied():
            self.post_message(clipboard.copied(self.app, text, f"the {what}"))
        else:
            why = self._draft.no_toml if self.has_class(TOML) else self._no_command()
            self.post_message(Said(why, "warning"))

    def _copied(self) -> str:
        """What the key copies; empty if there is nothing to copy."""
        return self._draft.toml if self.has_class(TOML) else self._command()

    def action_save(self) -> None:
        """Save the runs as a profile."""
        planned = self._draft.planned
        if planned is None:
            self._refuse("nothing saved")
            return
        if self._draft.search is not None:
            said = lambda path: self.post_message(Said(f"saved {path}"))  # noqa: E731
            form_dialogs.save_search(self.app, self._draft.search, said)
        else:
            form_dialogs.save(self.app, planned, self.post_message)

    def action_samples(self) -> None:
        """Show the images that the form would train on."""
        if self._draft.planned is None:
            self._refuse("no samples")
            return
        self.app.push_screen(form_dialogs.samples(self._draft.planned.plans))

    @work(thread=True, exclusive=True, exit_on_error=False, group="launch")
    def _launch(self, planned: Planned, place: FormPlace) -> None:
        try:
            planned, left_out = self._judge.sifted_own(planned)
            launcher = study_choices.launcher_of(
                self.reader.config, place.answer, planned.plans, self.reader.latest.summaries
            )
            ids = self.reader.lab.launch(planned, launcher, now=place.now)
        except RevconsoleError as error:
            self.app.post_message(Said(str(error), "error"))
            return
        self.reader.wake()
        self.app.post_message(Launched(tuple(ids)))
        if left_out:
            self.app.post_message(Said(left_out, "warning"))

    def _refuse(self, instead: str) -> None:
        """Show in red why a key does nothing, and focus the field to correct."""
        problem = self._draft.problem
        self._result.say(f"{instead}, {problem}" if problem else instead, wrong=True)
        if wrong := self._list.wrong:
            if wrong not in self._list.keys_shown:
                self._list.choose(FIND, "")
                self._arrange()
            self._list.go(wrong)
