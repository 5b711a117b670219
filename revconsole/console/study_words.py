"""Study words: what a screen says of a study: its question and what is known of it, and what its runs would take."""

from collections.abc import Iterable, Mapping

from rich.text import Text

from revconsole.console import study_rows
from revconsole.console.colours import themed
from revconsole.lab.board import View
from revconsole.records.printable import one_line, plural
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.settings.study import StudyFacts

TOLD = ("source", "expected", "time", "hardware")


def facts(known: StudyFacts, search: PlannedSearch | None, notes: Iterable[str]) -> Text:
    """The title of a study, what its file says of it, what a search draws, and what is odd of its runs."""
    text = Text(one_line(known.title, 400), style="bold")
    told = [(word, getattr(known, word)) for word in TOLD]
    drawn = [("drawn", _drawn(search))] if search else []
    for word, said in (*told, *drawn, *(("odd", note) for note in notes)):
        if said:
            text.append(f"\n{word}: ", style="not bold dim")
            text.append(one_line(said, 1000), style="not bold not dim")
    return text


def _drawn(search: PlannedSearch) -> str:
    """What a search draws, and by which method."""
    space = "; ".join(f"{each.key} {each.words}" for each in search.search.space)
    return f"by {search.search.method}, {search.search.trials} trials, stop early {search.search.stop_early}: {space}"


def estimate(view: View) -> str:
    """The time and the memory that the runs that are left would take, in lines."""
    expected = view.facts.time if view.facts else ""
    lines = [f"Time: {view.forecast.sentence}.", f"Memory: {view.memory}."]
    lines += [f"The study says: {expected}"] if expected else []
    lines += (
        [f"Odd: {plural(len(view.notes), 'thing')}, on the screen behind."] if view.notes else []
    )
    return "\n".join(lines)


def left(view: View, measuring: str, width: int, variables: Mapping[str, str]) -> Text:
    """How many runs are done and failed, what trains, and what is left. measuring: the arm that is being measured."""
    if view.problem:
        return Text()
    failed = study_rows.failed(view.standing)
    text = Text(view.tally if view.standing else "nothing of this study has been launched")
    if view.note:
        text.append(f"\n{one_line(view.note)}")
    if failed:
        text.append(f", {failed} failed", style=themed(variables, "text-error"))
    if view.workers:
        text.append(f"\ntrained by {one_line(view.workers)}")
    if training := study_rows.by_device(view.standing, width):
        text.append(f"\n{training}")
    if measuring:
        text.append(f"\nmeasuring a few steps of {one_line(measuring)}")
    elif view.forecast.left:
        text.append(f"\ntime left: {view.forecast.sentence}\nmemory: {view.memory}")
    if view.notes:
        more = f" ({len(view.notes) - 1} more above)" if view.notes[1:] else ""
        text.append(f"\nodd: {one_line(view.notes[0], 120)}{more}")
    return text
