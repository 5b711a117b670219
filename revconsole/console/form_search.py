"""Form search: the rows of the launch form that make a search of its ranges and lists, and what it says of one. No widgets."""

from dataclasses import fields
from typing import get_args

from revconsole.lab.search.designed import METHOD, NONE
from revconsole.records.printable import plural
from revconsole.records.search.planned_search import PlannedSearch
from revconsole.records.sections.trial import StopEarly
from revconsole.records.settings import ranges
from revconsole.records.settings.search import GOALS, MOST_REPEATS, MOST_TRIALS, Method, SearchTable

SECTION = "search"
NO_COMMAND = "^l saves it as a study and asks where to train it; ^s only saves it"
USUAL = {
    METHOD: SECTION,
    "search.trials": "trials",
    "search.stop_early": "stop early",
    "search.repeat_best": "repeat the best",
}
"""Rows of a search that are shown while its group is closed, each with its label."""
WORDS: dict[str, tuple[str, ...]] = {
    METHOD: (NONE, *get_args(Method)),
    "search.stop_early": get_args(StopEarly),
}
_DEFAULT = {field.name: field.default for field in fields(SearchTable)}
MEANINGS = {
    "method": (
        NONE,
        f"{NONE}, {', '.join(get_args(Method))}",
        "Draw runs one after the other: a number may be a range, as 1e-4..1e-1 log or 2..8 step 2; of a list one is drawn.",
    ),
    "trials": (str(_DEFAULT["trials"]), f"1 to {MOST_TRIALS:,}", "Runs that are drawn."),
    "goal": (
        "",
        ", ".join(name.replace("_", " ") for name in GOALS),
        "What the best trial has most of; unset is what decides the best epoch.",
    ),
    "stop_early": (
        str(_DEFAULT["stop_early"]),
        ", ".join(get_args(StopEarly)),
        "Which rule stops trials that are behind after some epochs; none trains all to their end.",
    ),
    "stop_from": ("", "≥ 1", "The first epoch after which a trial may be stopped; unset is a ninth of the epochs."),
    "repeat_best": (
        str(_DEFAULT["repeat_best"]),
        f"0 to {MOST_REPEATS}",
        "Other seeds with which the best is trained again in the end.",
    ),
    "seed": (str(_DEFAULT["seed"]), "≥ 0", "Seed of the draws."),
}  # fmt: skip
"""Default, range and meaning of each key of `[search]`."""


def entries() -> list[dict[str, str]]:
    """The keys of `[search]` as `glossary` has those of runs."""
    return [
        {"key": f"{SECTION}.{key}", "section": SECTION, "of": "", "default": default, "allowed": allowed, "meaning": meaning}
        for key, (default, allowed, meaning) in MEANINGS.items()
    ]  # fmt: skip


def value(search: PlannedSearch | None, key: str) -> tuple[str, bool] | None:
    """The text of a row, and whether it stands for several values; None for a setting that is the same in all trials."""
    name = key.removeprefix(f"{SECTION}.")
    if name in MEANINGS:
        own = getattr(search.search, name) if search else MEANINGS[name][0]
        return "" if own is None else str(own).replace("_", " "), False
    if search is None:
        return None
    drawn = next((each for each in search.search.space if each.key == key), None)
    return None if drawn is None else (ranges.typed(drawn), True)


def runs(search: PlannedSearch) -> int:
    """Runs that a search trains at most."""
    return search.search.trials + search.search.repeat_best


def sentence(search: PlannedSearch) -> str:
    """How many runs are drawn and repeated, and how long each is at most."""
    own = search.search
    again = f", then the best with {plural(own.repeat_best, 'seed')}" if own.repeat_best else ""
    return f"searches {plural(own.trials, 'trial')}{again}, {plural(search.epochs, 'epoch')} each at most"
