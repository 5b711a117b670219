"""Form dialogs: the screens that the launch form opens; each is imported only when asked for."""

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import App
from textual.message import Message
from textual.screen import ModalScreen, Screen

from revconsole.console import form_search
from revconsole.console.form_place import BEGINS, LAUNCHER
from revconsole.console.messages import Said
from revconsole.console.origin import Origins
from revconsole.console.several import apart
from revconsole.console.widgets.setting_rows import Row
from revconsole.errors import RevconsoleError
from revconsole.lab import saved_profile, timm_list
from revconsole.lab.planning import Planned
from revconsole.lab.search import designed
from revconsole.records.printable import plural
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.settings.plan import Plan

TICKS = "tab ticks several: a run of each"
UNLISTED = {LAUNCHER, BEGINS, *form_search.WORDS}
"""Rows of one choice."""


def choices(row: Row, planned: Planned | None) -> ModalScreen[tuple[str, ...] | None]:
    """The list of a menu, or of timm's models with what is known of each. planned: what the model is put into."""
    from revconsole.console.screens.choices import Choices

    several = apart(row.text)
    ticked = several if len(several) > 1 else ()
    if row.options and row.key in UNLISTED:
        return Choices(row.label, row.options, row.text)
    if row.options:
        return Choices(row.label, row.options, row.text, ticked=ticked, keys=TICKS)
    known = timm_list.TimmList(planned.plans[0] if planned else None)
    options = [(name, name) for name in known.names]
    return Choices(known.title, options, row.text, known.remark, ticked=ticked, keys=TICKS)


def start_from(
    origins: Origins, value: str, planned: Planned | None
) -> ModalScreen[tuple[str, ...] | None]:
    """The runs and profiles whose values the form may take over. planned: the runs that a run is compared with."""
    from revconsole.console.screens.choices import Choices

    return Choices(
        "start from the settings of",
        origins.every(),
        value,
        remark=lambda each: origins.remark(each, planned),
    )


def ask_first(
    app: App[Any], runs: int, launch: Callable[[], object], asked_of_slurm: str = ""
) -> None:
    """Ask whether to launch many runs, or to submit any; the latter with what is asked of the cluster."""
    from revconsole.console.screens.ask import Answer, Ask

    verb = "Submit" if asked_of_slurm else "Launch"
    question, choice = f"{verb} {plural(runs, 'run')}?", Answer(answer="go", key="y", label=verb)
    detail = asked_of_slurm or (
        "They train one after the other. Each combination of the lists in profile and form is a run."
    )

    def answered(answer: str | None) -> None:
        if answer:
            launch()

    app.push_screen(Ask(question, detail, [choice]), answered)


def save(app: App[Any], planned: Planned, post: Callable[[Message], object]) -> None:
    """Ask for a name, and save the runs as a profile of it."""
    from revconsole.console.screens.naming import Naming

    def named(name: str | None) -> None:
        if name:
            try:
                post(Said(f"saved {saved_profile.save(planned, name)}"))
            except RevconsoleError as error:
                post(Said(getattr(error, "reason", str(error)), "error"))

    app.push_screen(Naming("save as profiles/NAME.toml"), named)


def save_search(app: App[Any], search: PlannedSearch, then: Callable[[str], object]) -> None:
    """Ask for a name, save a search as a study of it, and go on with its path."""
    from revconsole.console.screens.naming import Naming

    def named(name: str | None) -> None:
        if name:
            try:
                path = designed.save(search, name)
            except RevconsoleError as error:
                app.post_message(Said(getattr(error, "reason", str(error)), "error"))
            else:
                then(path)

    app.push_screen(Naming("save as profiles/studies/NAME.toml", designed.free_name(search)), named)


def samples(plans: Sequence[Plan]) -> Screen[None]:
    """The images that the runs would train on."""
    from revconsole.console.screens.samples import SamplesScreen

    first, *others = plans
    differ = any(plan.data != first.data for plan in others)
    whose = f"of the first of {len(others) + 1} runs" if differ else ""
    return SamplesScreen(first, whose)
