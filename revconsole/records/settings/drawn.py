"""Drawn: the plan of a trial, from a study with `[search]` and the values that were drawn for it.

settings of the file  <  those of [quick]  <  those of the command line  <  the drawn values
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from revconsole.errors import ProfileError
from revconsole.records.printable import plural
from revconsole.records.settings import layer
from revconsole.records.settings import search as searches
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.search import Dimension, Scalar, SearchTable
from revconsole.records.settings.study import Study

PREFIX = "search."
"""What the keys of `[search]` begin with on the command line."""


def search_of(study: Study) -> SearchTable:
    """The search of a study. Raises ProfileError if it has none."""
    if study.search is None:
        raise ProfileError(study.where, "search", "there is no table [search] in it")
    return study.search


def with_settings(study: Study, settings: Mapping[str, Any]) -> tuple[Study, Mapping[str, Any]]:
    """The study with what the command line says of its search (`search.trials=40`), and the settings that are left of its runs.

    Raises ProfileError.
    """
    own = {key: value for key, value in settings.items() if key.startswith(PREFIX)}
    if not own:
        return study, settings
    given = {key.removeprefix(PREFIX): value for key, value in own.items()}
    search = searches.changed(search_of(study), given, COMMAND_LINE)
    rest = {key: value for key, value in settings.items() if key not in own}
    return replace(study, search=search), rest


def drawn(
    study: Study,
    values: Mapping[str, Scalar],
    settings: Mapping[str, Any] | None = None,
    *,
    quick: bool = False,
    number: int = 0,
) -> Plan:
    """The run with these values, called after the study and its number. Raises ProfileError if they give no valid run."""
    given = settings or {}
    if quick and not study.has_quick:
        raise ProfileError(study.where, "quick", "there is no [quick] in it; leave --quick out")
    profile = study.profile
    if quick:
        profile = profile.overridden(study.quick, f"{study.where}: quick")
    profile = profile.overridden(given).overridden(values, f"{study.where}: search.space")
    plans = profile.plans()
    if len(plans) > 1:
        raise ProfileError(
            study.where,
            "seeds",
            f"a trial is one run, and this makes {plural(len(plans), 'run')} of it; leave one seed and no lists: "
            "repeat_best repeats the best with other seeds",
        )
    form = ["quick"] if quick else []
    name = "-".join([study.name, *form, f"trial-{number}"])[-120:]
    labels = {"name": name, "profile": study.name, "study": study.name, "arm": f"trial {number}"}
    return plans[0].model_copy(update=labels | {"quick": quick})


def extremes(
    study: Study, settings: Mapping[str, Any] | None = None, *, quick: bool = False
) -> Iterator[tuple[dict[str, Scalar], Plan | ProfileError]]:
    """The combinations of extreme values, each with its run or with why there is none."""
    for values in search_of(study).corners():
        try:
            yield values, drawn(study, values, settings, quick=quick)
        except ProfileError as error:
            yield values, error


def possible(
    study: Study, settings: Mapping[str, Any] | None = None, *, quick: bool = False
) -> list[Plan]:
    """The runs at the extremes of the space, where there are any.

    Raises ProfileError for a mistake that no draw avoids: one of the file or of the command line, an end of a range out of
    the setting's own, a choice that goes with none of the others.
    """
    _refuse_drawn(study, settings or {})
    found = list(extremes(study, settings, quick=quick))
    fit = [values for values, plan in found if isinstance(plan, Plan)]
    for dimension in search_of(study).space:
        for value in dimension.extremes:
            if not any(values[dimension.key] == value for values in fit):
                raise _why(study, dimension, value, found)
    return [plan for _, plan in found if isinstance(plan, Plan)]


def _why(
    study: Study,
    dimension: Dimension,
    value: Scalar,
    found: list[tuple[dict[str, Scalar], Plan | ProfileError]],
) -> ProfileError:
    """Why no run has this value."""
    errors = [
        why
        for values, why in found
        if values[dimension.key] == value and isinstance(why, ProfileError)
    ]
    own = [error for error in errors if error.key == dimension.key]
    first = (own or errors)[0]
    if not own and all(isinstance(plan, ProfileError) for _, plan in found):
        return first
    why = (
        first.reason if own else f"goes with nothing else of the space: {first.key} {first.reason}"
    )
    return ProfileError(study.where, f"search.space.{dimension.key}", f"{value}: {why}")


def _refuse_drawn(study: Study, settings: Mapping[str, Any]) -> None:
    drawn_keys = {each.key for each in search_of(study).space}
    typed = layer.typed(settings, COMMAND_LINE)
    for key in (*typed.fixed, *typed.varied):
        if key in drawn_keys:
            raise ProfileError(
                COMMAND_LINE,
                key,
                "is drawn by the search; leave it out, or take it out of [search.space]",
            )
