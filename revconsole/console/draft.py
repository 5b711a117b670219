"""Draft: the state of the launch form: what was typed, the runs it would launch, and whether they are checked. No widgets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from revconsole.console import form, form_search, several
from revconsole.console.form import AS_PROFILE, NO_COMMAND, PROFILE, TIMM, FormField
from revconsole.console.origin import Judged
from revconsole.console.remedies import remedy
from revconsole.errors import DataUnavailable, RevconsoleError
from revconsole.lab.format import UNKNOWN
from revconsole.lab.planning import Planned
from revconsole.lab.search.designed import METHOD, SPACE
from revconsole.records.search.planned_search import PlannedSearch


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownField:
    """How the form shows a field. off: why the field does not apply; empty if it does.

    text: the text to show; None keeps what was typed. options: (label, value) of each choice of a menu; None keeps them.
    """

    hint: str
    off: str = ""
    text: str | None = None
    options: tuple[tuple[str, str], ...] | None = None


class Draft:
    """The state of one form. A change makes it unchecked; the result of a check of an older state is ignored.

    planned: the runs it would launch; None while the form is wrong or unchecked. command: the equivalent shell command;
    empty if there is none. toml: the profile that saving would write, if it was asked for; no_toml: why there is none.
    remedies: the settings by key that each thing that is odd advises. unusual: keys of settings that the runs have
    otherwise than by default. problem: what is wrong, with the field's label. number: counts the changes. search: the last
    one that was checked, if the form makes one; the runs are then those at the ends of its space. searching: whether it makes
    one, as far as is known.
    """

    def __init__(self, profile: str) -> None:
        self.fields = form.asked()
        self.profile = profile
        self.planned: Planned | None = None
        self.command = self.problem = self.toml = self.no_toml = ""
        self.unusual: frozenset[str] = frozenset()
        self.remedies: tuple[dict[str, str], ...] = ()
        self.number, self.judging = 0, True
        self.search: PlannedSearch | None = None
        self.searching = False
        self._typed: dict[str, str] = {}
        self._kinds: dict[str, set[str]] = {}
        self._known: Planned | None = None
        """The last runs that the form made, of which values are shown while it is wrong."""
        self._unsaid: dict[str, str] = {}
        self._judged: Mapping[str, str] = {}
        self._awaited: Mapping[str, str] | None = None

    @property
    def pending(self) -> bool:
        """Whether it is not yet known which fields apply and whether the form can be launched."""
        return self.judging and self.planned is None

    @property
    def no_command(self) -> str:
        """Why there is no command; empty if there is one, or nothing to launch."""
        if self.planned is None or self.command:
            return ""
        return form_search.NO_COMMAND if self.search else NO_COMMAND

    def applies(self, field: FormField) -> bool:
        """Whether at least one run has the setting, as far as it is known."""
        if field.section == form_search.SECTION and field.key != METHOD:
            return self.searching
        return form.applies(field, self._kinds)

    def usual(self, field: FormField) -> bool:
        """Whether a field is shown while its group is closed."""
        return field.main or (self.searching and field.key in form_search.USUAL)

    def has_row(self, field: FormField) -> bool:
        """Whether the form has a row for it: as it applies, or to say why a usual setting does not."""
        return self.applies(field) or (field.main and field.key != TIMM)

    def typed(self, field: FormField) -> bool:
        """Whether the value of a field is the user's own."""
        return self._says(field)

    def explained(self, key: str) -> str:
        """The key, range, default and meaning of a field; empty for what is no setting."""
        field = next((each for each in self.fields if each.key == key), None)
        return "" if field is None else form.explained(field, self._kinds)

    def change(self, key: str, text: str) -> tuple[FormField, ...]:
        """Take over the text of a field; returns the fields whose value is unknown until the form is checked.

        Another profile discards everything typed. A field that chooses the kind of a section decides at once which fields apply.
        """
        unknown: tuple[FormField, ...] = ()
        if key == PROFILE:
            self.profile, self._known, self.search, self.searching = text, None, None, False
            self._typed.clear()
            self._unsaid.clear()
            unknown = self.fields
        elif key != form.OTHER:
            self._typed[key] = text
            decided = next(field for field in self.fields if field.key == key)
            if decided.decides and text != AS_PROFILE:
                self._known = None
                self._kinds[decided.section] = set(several.apart(text))
                same_section = [f for f in self.fields if f.section == decided.section]
                unknown = tuple(field for field in same_section if field is not decided)
        self.number += 1
        self.planned, self.judging = None, True
        unknown = tuple(field for field in unknown if not self._says(field))
        self._unsaid |= {field.key: UNKNOWN for field in unknown if field.words}
        return unknown

    def settings(self, other: str) -> dict[str, Any]:
        """The typed settings by dotted key. other: text of the free line. Raises ProfileError; see `form.settings`."""
        return form.settings(self.fields, self._typed, self._kinds, other)

    def judge(self, result: Judged | RevconsoleError, *, final: bool) -> None:
        """Take over the result of a check: the runs, or the error. final: whether no model is still being checked."""
        self.judging, self.problem, self.command = not final, "", ""
        self.toml = self.no_toml = ""
        self.remedies = ()
        if isinstance(result, RevconsoleError):
            self.planned = None
            self.searching |= self._key_of(result).startswith(f"{form_search.SECTION}.")
            key, reason = self.wrong(result)
            own = self._key_of(result) == key
            self.problem = f"{form.label(self.fields, key)}: {reason}" if own else reason
            return
        self.planned = self._known = result.planned
        self.search, self.searching = result.search, result.search is not None
        self._kinds = form.kinds_of(result.planned)
        self.unusual = form.unusual(self.fields, result.planned)
        self.command, self.toml, self.no_toml = result.command, result.toml, result.no_toml
        keys = {field.key for field in self.fields}
        found = (remedy(note.text) for note in result.notes)
        self.remedies = tuple(each for each in found if each and each.keys() <= keys)

    def refuse(self, problem: str) -> None:
        """Mark the form as wrong, without a check."""
        self.judging, self.problem = False, problem

    def wrong(self, error: RevconsoleError) -> tuple[str, str]:
        """The key of the field that shows an error, and the text; the free line shows errors of keys without a row."""
        key, reason = self._key_of(error), getattr(error, "reason", str(error))
        rows = {PROFILE, form.OTHER, *(field.key for field in self.fields if self.has_row(field))}
        return (key, reason) if key in rows else (form.OTHER, f"{key}: {reason}")

    def _key_of(self, error: RevconsoleError) -> str:
        """The key of the setting to correct; for data or a weights file that is missing, the setting that names it."""
        if not isinstance(error, DataUnavailable):
            key: str = getattr(error, "key", PROFILE)
            return METHOD if key == SPACE else key.removeprefix(f"{SPACE}.")
        sentence = str(error)
        named = (f.key for f in self.fields if f.section in {"model", "data"} and f.key in sentence)
        return next(named, "data.dataset")

    def shown(self, field: FormField) -> ShownField:
        """How the form shows a field. The text of a field that does not apply is discarded."""
        hint = form.meaning(field, self._kinds, self.planned)
        if not form.applies(field, self._kinds):
            self._typed.pop(field.key, None)
            return ShownField(hint=hint, off=form.why_not(field, self._kinds))
        known = self.planned or self._known
        if known is None:
            return ShownField(hint=hint)
        value, varied = self._value(known, field.key)
        if field.words and varied and not self._says(field):
            self._unsaid[field.key] = f"each: {value.strip('[]')}"
        elif self._unsaid.get(field.key) == UNKNOWN:
            del self._unsaid[field.key]
        return ShownField(
            hint=hint,
            options=self.options(field) if field.words else None,
            text=None if self._says(field) else AS_PROFILE if field.words and varied else value,
        )

    def _value(self, known: Planned, key: str) -> tuple[str, bool]:
        """The value of a key as text, and whether the runs differ in it."""
        own = form_search.value(self.search, key)
        return own or (form.shown(known, key), form.varied(known, key))

    def options(self, field: FormField) -> tuple[tuple[str, str], ...]:
        """The (label, value) choices of a menu. A first choice stands for a setting that varies in the profile or is not known yet."""
        unsaid = [(self._unsaid[field.key], AS_PROFILE)] if field.key in self._unsaid else []
        return (*unsaid, *((word, word) for word in field.words))

    def judged_as(self, texts: Mapping[str, str]) -> None:
        """Store the texts of the fields at the time of the check."""
        self._judged = texts

    def unheard(self, texts: Mapping[str, str]) -> list[str]:
        """Keys of fields whose text differs from the checked one: their change events are still to come."""
        return [] if self.judging else [k for k in texts if texts[k] != self._judged.get(k)]

    def same_as_judged(self, texts: Mapping[str, str]) -> bool:
        """Whether no text has changed since the check."""
        return texts == self._judged

    def launch_once_judged(self, texts: Mapping[str, str]) -> None:
        """Launch the form with exactly these texts as soon as it is checked."""
        self._awaited = texts

    def forget_unless(self, texts: Mapping[str, str]) -> None:
        """Cancel the pending launch if the texts have changed."""
        if self._awaited != texts:
            self._awaited = None

    def take_awaited(self) -> bool:
        """Whether a pending launch can start now; clears it if so."""
        awaited = self._awaited is not None and not self.judging
        if awaited:
            self._awaited = None
        return awaited

    def _says(self, field: FormField) -> bool:
        """Whether the text of a field differs from the profile's value."""
        return self._typed.get(field.key, AS_PROFILE) != AS_PROFILE
