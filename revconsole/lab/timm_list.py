"""Timm list: the models of timm to choose from, with what is known of each without torch."""

from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

from revconsole.errors import RevconsoleError
from revconsole.lab import timm_names
from revconsole.lab.format import count
from revconsole.records.findings import survey
from revconsole.records.findings.survey import Surveyed
from revconsole.records.foresight import counts
from revconsole.records.sections.model import TimmModel
from revconsole.records.settings.plan import Plan

UNKNOWN = "`revconsole models --reversible` looks which can be reversed"


class TimmList:
    """The models by name. plan: what the model is put into, which decides its parameters; None if unknown."""

    def __init__(self, plan: Plan | None) -> None:
        self._plan = plan

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name, in alphabetical order."""
        return tuple(sorted(timm_names.names()))

    @property
    def title(self) -> str:
        """A heading, with what makes more known."""
        return "timm model" if self._surveyed else f"timm model; {UNKNOWN}"

    def remark(self, name: str) -> str:
        """The parameters of a model if they were ever counted, and how many of its blocks can be reversed if it was looked at."""
        parts = [self._parameters(name)]
        if (seen := self._surveyed.get(name)) is not None:
            blocks = f"{seen.blocks} blocks reversible" if seen.blocks else "not reversible"
            parts.append(blocks)
        return ", ".join(filter(None, parts))

    @cached_property
    def _surveyed(self) -> dict[str, Surveyed]:
        try:
            return survey.kept(survey.kept_file(f"timm-{version('timm')}"))
        except PackageNotFoundError:
            return {}

    def _parameters(self, name: str) -> str:
        """Read for the models on the screen only: a file for each."""
        if self._plan is None:
            return ""
        model = TimmModel(name=name)
        if isinstance(self._plan.model, TimmModel):
            model = self._plan.model.model_copy(update={"name": name})
        try:
            known = counts.known(self._plan.model_copy(update={"model": model}))
        except RevconsoleError:
            return ""
        number = (known or {}).get("parameters")
        return f"{count(number)} parameters" if isinstance(number, int) else ""
