"""Draft: what the launch form knows: what was typed, what it would launch, and whether that is judged yet. No widgets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from revconsole.console import counting, form
from revconsole.console.form import AS_PROFILE, PROFILE, FormField
from revconsole.console.origin import Judged
from revconsole.errors import RevconsoleError
from revconsole.lab.format import UNKNOWN
from revconsole.lab.planning import Planned
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownField:
    """How a field stands in the form. off: why it does not apply; empty if it does.

    text: what it shows; None leaves what was typed. options: of a menu, each with its word; None leaves them.
    """

    hint: str
    off: str = ""
    text: str | None = None
    options: tuple[tuple[str, str], ...] | None = None


class Draft:
    """One form. Every change makes it unjudged; a judgement of an older form is not heard.

    planned: the runs it would launch; None while it is wrong or unjudged. command: what does the same in a shell;
    empty if nothing does. problem: what is wrong, with the field's label. number: counts the changes.
    """

    def __init__(self, profile: str) -> None:
        self.fields = form.asked()
        self.profile = profile
        self.planned: Planned | None = None
        self.command = self.problem = ""
        self.number, self.judging = 0, True
        self._typed: dict[str, str] = {}
        self._kinds: dict[str, set[str]] = {}
        self._unsaid: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._judged: Mapping[str, str] = {}
        self._awaited: Mapping[str, str] | None = None

    @property
    def pending(self) -> bool:
        """Whether it is unknown which fields apply and whether the form can be launched."""
        return self.judging and self.planned is None

    def change(self, key: str, text: str) -> tuple[FormField, ...]:
        """Take in what a field says now; returns the fields of which nobody knows what they say before it is judged.

        Another profile forgets what was typed. What decides the kind of a section decides at once which fields apply.
        """
        unknown: tuple[FormField, ...] = ()
        if key == PROFILE:
            self.profile = text
            self._typed.clear()
            self._unsaid.clear()
            unknown = self.fields
        elif key != form.OTHER:
            self._typed[key] = text
            decided = next(field for field in self.fields if field.key == key)
            if decided.decides and text != AS_PROFILE:
                self._kinds[decided.section] = {text}
                same_section = [f for f in self.fields if f.section == decided.section]
                unknown = tuple(field for field in same_section if field is not decided)
        self.number += 1
        self.planned, self.judging = None, True
        unknown = tuple(field for field in unknown if not self._says(field))
        self._unsaid |= {field.key: UNKNOWN for field in unknown if field.words}
        return unknown

    def settings(self, other: str) -> dict[str, Any]:
        """What was typed as settings. other: the free line. Raises ProfileError; see `form.settings`."""
        return form.settings(self.fields, self._typed, self._kinds, other)

    def judge(self, result: Judged | RevconsoleError, *, final: bool) -> None:
        """Take in what the form would launch, or what is wrong with it. final: whether nothing is still looked at."""
        self.judging, self.problem, self.command = not final, "", ""
        if isinstance(result, RevconsoleError):
            self.planned = None
            key, reason = self.wrong(result)
            own = getattr(result, "key", PROFILE) == key
            self.problem = f"{form.label(self.fields, key)}: {reason}" if own else reason
            return
        self.planned, self._kinds = result.planned, form.kinds_of(result.planned)
        self.command = result.command

    def refuse(self, problem: str) -> None:
        """Take in that there is nothing to judge."""
        self.judging, self.problem = False, problem

    def wrong(self, error: RevconsoleError) -> tuple[str, str]:
        """The field that an error is shown beside, the free line for a key without a field, and what is shown."""
        key, reason = getattr(error, "key", PROFILE), getattr(error, "reason", str(error))
        return (key, reason) if form.label(self.fields, key) else (form.OTHER, f"{key}: {reason}")

    def shown(self, field: FormField) -> ShownField:
        """How a field stands. What was typed into one that does not apply is forgotten, and not launched."""
        hint = form.meaning(field, self._kinds, self.planned)
        if not form.applies(field, self._kinds):
            self._typed.pop(field.key, None)
            return ShownField(hint=hint, off=form.why_not(field, self._kinds))
        if self.planned is None:
            return ShownField(hint=hint)
        said, varied = form.shown(self.planned, field.key), form.varied(self.planned, field.key)
        if field.words and varied:
            self._unsaid[field.key] = f"each: {said.strip('[]')}"
        elif self._unsaid.get(field.key) == UNKNOWN:
            del self._unsaid[field.key]
        return ShownField(
            hint=hint,
            options=self.options(field) if field.words else None,
            text=None if self._says(field) else AS_PROFILE if field.words and varied else said,
        )

    def options(self, field: FormField) -> tuple[tuple[str, str], ...]:
        """The options of a menu; before its words stands one that leaves the setting as the profile varies it, or as it is unknown."""
        unsaid = [(self._unsaid[field.key], AS_PROFILE)] if field.key in self._unsaid else []
        return (*unsaid, *((word, word) for word in field.words))

    def judged_as(self, texts: Mapping[str, str]) -> None:
        """Remember what stood in the fields when they were judged."""
        self._judged = texts

    def unheard(self, texts: Mapping[str, str]) -> list[str]:
        """Keys of fields that say otherwise than when the form was judged: word of it is still on its way."""
        return [] if self.judging else [k for k in texts if texts[k] != self._judged.get(k)]

    def same_as_judged(self, texts: Mapping[str, str]) -> bool:
        """Whether nothing was changed since."""
        return texts == self._judged

    def launch_once_judged(self, texts: Mapping[str, str]) -> None:
        """Remember that exactly this form is to be launched."""
        self._awaited = texts

    def forget_unless(self, texts: Mapping[str, str]) -> None:
        """Forget what was to be launched if the fields say otherwise now."""
        if self._awaited != texts:
            self._awaited = None

    def take_awaited(self) -> bool:
        """Whether the form was to be launched once judged, and is; it is asked once."""
        awaited = self._awaited is not None and not self.judging
        if awaited:
            self._awaited = None
        return awaited

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Take in the parameters of models, by their shapes."""
        self._counts |= counts

    @property
    def counted(self) -> str:
        """Parameters of the runs; empty while one is not counted."""
        return counting.span(self.planned.plans, self._counts) if self.planned else ""

    @property
    def uncounted(self) -> dict[str, Plan]:
        """Models of which nothing is counted yet, by their shapes, as many as are counted of a form."""
        plans = self.planned.plans if self.planned else ()
        shapes = {counting.shape(plan): plan for plan in plans}
        new = [(shape, plan) for shape, plan in shapes.items() if shape not in self._counts]
        return dict(new[: counting.MOST_COUNTED])

    def _says(self, field: FormField) -> bool:
        """Whether something was typed that the profile does not say."""
        return self._typed.get(field.key, AS_PROFILE) != AS_PROFILE
