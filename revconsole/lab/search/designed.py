"""Designed: a search made of a profile, and of settings in which ranges and lists are to be drawn from.

A form shows it, and saves it as a study of the user's own, which is then trained like any other.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from revconsole.errors import ProfileError
from revconsole.lab.saved_profile import new_file
from revconsole.records.runs.store import RunStore
from revconsole.records.search.planned_search import PlannedSearch, planned_of
from revconsole.records.sections import KINDS
from revconsole.records.settings import ranges, search_path
from revconsole.records.settings import study as studies
from revconsole.records.settings.drawn import PREFIX
from revconsole.records.settings.layer import tag_of
from revconsole.records.settings.profile import COMMAND_LINE
from revconsole.records.settings.search import SearchTable
from revconsole.records.settings.study import Study
from revconsole.records.settings.words import as_toml

METHOD, NONE = "search.method", "none"
SPACE = f"{PREFIX}space"
MOST_NAMES = 100
"""Most names that are tried for a new study."""


def asks(base: Study, settings: Mapping[str, Any]) -> bool:
    """Whether a search is asked for: by its method, by a range, or by the file the settings are set over."""
    method = settings.get(METHOD, "bayes" if base.search else NONE)
    return method != NONE or any(ranges.is_range(key, value) for key, value in settings.items())


def designed(base: Study, settings: Mapping[str, Any], store: RunStore) -> PlannedSearch:
    """The search of a profile with settings: a range, or a list, is drawn from; a single value holds for every trial.

    Raises ProfileError for whatever could be wrong with any of its trials; its key is `search.space.KEY` for what is drawn.
    """
    if settings.get(METHOD) == NONE:
        key = next(key for key, value in settings.items() if ranges.is_range(key, value))
        raise ProfileError(
            COMMAND_LINE, key, "a range is drawn from by a search: choose bayes or random as search"
        )
    table = _table(base, settings)
    study = studies.of_table(table, name=base.name, where=COMMAND_LINE)
    return planned_of(study, base.name, {}, store)


def text(search: PlannedSearch) -> str:
    """The search as a study in TOML."""
    import tomli_w  # only when asked for

    study, given = search.study, search.search
    shared = tomli_w.dumps({"title": study.facts.title, **study.profile.table})
    own = [f"{key} = {as_toml(value)}" for key, value in _own(given).items()]
    space = [f"{each.key} = {_spaced(ranges.written(each))}" for each in given.space]
    return "\n".join([shared, "[search]", *own, "", "[search.space]", *space, ""])


def free_name(search: PlannedSearch) -> str:
    """A name for the study after its profile that no experiment has."""
    name = search.study.name
    stem = name if PREFIX.strip(".") in name else f"{name}-search"
    names = (stem, *(f"{stem}-{number}" for number in range(2, MOST_NAMES)))
    return next((name for name in names if not search_path.known(name)), "")


def save(search: PlannedSearch, name: str) -> str:
    """Write `text` as `profiles/studies/NAME.toml` in the working folder; returns its path. Raises as `saved_profile.save`."""
    return str(new_file(name, text(search), "studies"))


def _table(base: Study, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The study as a table: what all trials share, what is drawn, and how."""
    if base.arms:
        raise ProfileError(
            base.where, METHOD, "a search has no arms; start from one of the runs of this study"
        )
    fixed, drawn = _apart(base, settings)
    merged = base.profile.overridden(fixed).merged()
    _keep_all(fixed, merged)
    for key, values in merged.pop("vary", {}).items():
        if key in KINDS and len(values) == 1:
            merged[key] = {**merged.get(key, {}), **values[0]}
        else:
            _draw_varied(key, values, drawn, base.where)
    own = {
        key.removeprefix(PREFIX): value for key, value in settings.items() if key.startswith(PREFIX)
    }
    named = base.facts.title.removesuffix(" once more")
    title = named if base.search else f"{named}, searched"
    search = (_own(base.search) if base.search else {}) | own
    return merged | {"title": title, "search": {**search, "space": _by_section(drawn)}}


def _keep_all(fixed: Mapping[str, Any], merged: dict[str, Any]) -> None:
    """Put back what no run of the profile has a use for: what is drawn may have one, and a mistake is told."""
    known = studies.flattened(merged)
    for key, value in fixed.items():
        section, _, name = ranges.full(key).partition(".")
        if not name and section not in {*known, *KINDS, "seed", "vary"}:
            merged[section] = value
        elif name and f"{section}.{name}" not in known:
            merged[section] = {**merged.get(section, {}), name: value}


def _by_section(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """What is drawn in the order in which a file has it, where the keys of a section stand together."""
    sections = list(dict.fromkeys(key.partition(".")[0] for key in drawn))
    return dict(sorted(drawn.items(), key=lambda each: sections.index(each[0].partition(".")[0])))


def _apart(base: Study, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that all trials share, and what is drawn by dotted key."""
    drawn = {each.key: ranges.written(each) for each in base.search.space} if base.search else {}
    fixed: dict[str, Any] = {}
    for key, value in settings.items():
        full = ranges.full(key)
        if key.startswith(PREFIX):
            continue
        drawn.pop(full, None)
        if ranges.is_range(key, value):
            drawn[full] = ranges.table_of(value, COMMAND_LINE, f"{SPACE}.{full}")
        elif isinstance(value, list) and full not in {"seed", "seeds"}:
            drawn[full] = value
        else:
            fixed[key] = value
    return fixed, drawn


def _draw_varied(key: str, values: list[Any], drawn: dict[str, Any], where: str) -> None:
    """Draw from what the profile varies as well; of a whole section its kinds. Raises ProfileError if they have settings of their own."""
    if key not in KINDS:
        drawn.setdefault(key, values)
        return
    tag = tag_of(key)
    chosen = drawn.setdefault(tag, [each[KINDS[key][0]] for each in values])
    for each in values:
        rest = {name: value for name, value in each.items() if name != KINDS[key][0]}
        if rest and each[KINDS[key][0]] in chosen:
            name, value = next(iter(rest.items()))
            raise ProfileError(
                where,
                tag,
                f"{each[KINDS[key][0]]} has {name} {value} in the profile, which a search cannot say of one of several; "
                "choose one, or others",
            )


def _spaced(value: Any) -> str:
    """A range or choices as TOML, with spaces as a person writes them."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return f"{{ {', '.join(f'{key} = {as_toml(each)}' for key, each in value.items())} }}"


def _own(search: SearchTable) -> dict[str, Any]:
    """The keys of `[search]` but what is drawn, without those that are unset."""
    values = {key.name: getattr(search, key.name) for key in fields(search) if key.name != "space"}
    return {key: value for key, value in values.items() if value not in {None, ""}}
