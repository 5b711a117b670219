"""Form rows: the rows of the launch form, and which of them are shown."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from revconsole.console import form, form_place
from revconsole.console.draft import Draft
from revconsole.console.form import PROFILE, TIMM
from revconsole.console.widgets.setting_rows import Option, Row
from revconsole.lab.format import UNKNOWN

FIND = "find"


def rows(draft: Draft, profiles: Sequence[Option], places: Sequence[Option] = ()) -> Iterator[Row]:
    """Every row that the form can show. places: where else than on this machine the runs can train."""
    offered = tuple(profiles or [(UNKNOWN, "")])
    start = offered[0][1]
    yield Row(key=FIND, label="find", hint="a setting by name or meaning", wide=True)
    yield Row(
        key=PROFILE, label="profile", options=offered, text=start, known=start,
        hint="where values come from",
    )  # fmt: skip
    for field in draft.fields:
        options = draft.options(field)
        value = options[0][1] if options else ""
        yield Row(
            key=field.key, label=field.label, options=options, text=value, known=value,
            hint=form.meaning(field, {}), listed=field.key == TIMM,
        )  # fmt: skip
    yield Row(key=form.OTHER, label="other", hint="more settings: key=value key=[a,b] …", wide=True)
    yield from form_place.rows(places)


def shown(
    draft: Draft,
    words: str,
    opened: Collection[str],
    at_hand: str = "",
    room: int = 0,
    *,
    launcher: str = form_place.HERE,
) -> list[str]:
    """The keys of the rows to show: those with the words that are searched for, or each group with what is open of it.

    at_hand: the key of the row that is typed into, which stays where it is even if its text is deleted. room: lines that
    there are; where they suffice, settings that the runs have otherwise than by default are shown in closed groups, too. launcher: the chosen one.
    """
    if words:
        return [FIND, *(f.key for f in form.found(draft.fields, words) if draft.applies(f))]
    place = () if draft.searching else form_place.shown(launcher)
    usual = {
        f.key for f in draft.fields
        if draft.usual(f) or draft.typed(f) or f.group in opened or f.key == at_hand
    }  # fmt: skip
    for kept in (usual | draft.unusual, usual):
        keys = [f.key for f in draft.fields if f.key in kept and draft.has_row(f)]
        rows = [FIND, PROFILE, *keys, form.OTHER, *place]
        if len(rows) <= room:
            break
    return rows


def found(draft: Draft, words: str) -> str:
    """How many settings have the words that are searched for; if none has, what to do."""
    number = len(shown(draft, words, ())) - 1
    if number:
        return f"{number} setting{'s' * (number > 1)} found"
    return f"no setting is called {words!r} or has it in its meaning; esc shows all settings again"


def more(draft: Draft, group: str, rows: Collection[str] = ()) -> int:
    """The number of settings that a group shows when it is open only. rows: keys of those that are shown."""
    own = [field for field in draft.fields if field.group == group]
    return sum(
        not draft.usual(field) and field.key not in rows and draft.applies(field) for field in own
    )


def marks(draft: Draft, opened: Collection[str]) -> Mapping[str, str]:
    """A mark for the first row of each group that can be opened or closed, by key."""
    first: dict[str, str] = {}
    for field in draft.fields:
        first.setdefault(field.group, field.key)
    return {
        first[group]: "▾" if group in opened else "▸" for group in form.GROUPS if more(draft, group)
    }


def group_of(draft: Draft, key: str) -> str:
    """The group of a row; empty for none."""
    return next((field.group for field in draft.fields if field.key == key), "")


def described(draft: Draft, row: Row, opened: Collection[str], rows: Collection[str]) -> str:
    """What a row is, its range, default and meaning, or why it does not apply; in one or two lines.

    rows: keys of the rows that are shown.
    """
    if row.off:
        return row.off
    if row.key == FIND and (words := row.text.strip()):
        return found(draft, words)
    first, _, meaning = draft.explained(row.key).partition("\n")
    group = group_of(draft, row.key)
    if group and group not in opened and (number := more(draft, group, rows)):
        first += f" · ^g shows {number} more of {group}"
    said = meaning if row.hint in meaning else row.hint
    return f"{first}\n{said}" if first else said
