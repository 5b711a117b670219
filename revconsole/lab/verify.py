"""Verify: which models a name means, and the audit of each, check by check."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import ProfileError
from revconsole.lab import engine
from revconsole.lab.pipeline import ANY_SIZE
from revconsole.records.plan import Plan
from revconsole.records.profile import COMMAND_LINE, Profile

PREFIX = "python:"
OWN_SETTINGS = ("data.", "train.")
SHAPE = {"size": 32, "channels": 3, "classes": 10}
"""Random images where nothing else is said: pixels of a side, channels, classes."""
Row = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model to verify.

    own: where somebody's own model comes from, else empty. shape: of random images in place of the plan's data.
    """

    plan: Plan
    own: str = ""
    shape: Mapping[str, int] | None = None

    def rows(self, *, light: bool) -> Iterator[Row]:
        """Each check as a row: model, check, result, passed, figure, advice. Loads torch."""
        for found in engine.verify(self.plan, own=self.own, shape=self.shape, light=light):
            yield {"model": self.plan.name, **found}


def of_plans(plans: Sequence[Plan]) -> tuple[Subject, ...]:
    """One subject for each model: seeds, rates and schedules make no other model of it."""
    found = {_model(plan): plan for plan in reversed(plans)}
    return tuple(Subject(plan=plan) for plan in reversed(found.values()))


def of_own(
    source: str,
    settings: Mapping[str, Any],
    *,
    dataset: str | None = None,
    shape: Mapping[str, int] | None = None,
) -> Subject:
    """Somebody's own model, on the images of a dataset (digits, if none is named) or on random ones.

    shape: any of size, channels and classes; for a dataset, size alone. Raises ProfileError.
    """
    wanted = dict(shape or {})
    for name in settings:
        if not name.startswith(OWN_SETTINGS) and name != "seeds":
            raise ProfileError(
                COMMAND_LINE, name, "a model of your own takes settings of data and train only"
            )
    if dataset and wanted.keys() - {"size"}:
        raise ProfileError(
            COMMAND_LINE,
            "--dataset",
            "a dataset has channels and classes of its own; leave those out",
        )
    data: dict[str, Any] = {"data.dataset": dataset} if dataset else {}
    if dataset and wanted:
        data["data.image_size"] = wanted.pop("size")
    table = {"model": ANY_SIZE}
    profile = Profile(name=source.removeprefix(PREFIX), where=COMMAND_LINE, table=table)
    plan = profile.overridden({**data, **settings}).plans()[0]
    return Subject(plan=plan, own=source, shape=SHAPE | wanted if wanted else None)


OF_NO_MATTER = {
    "epochs", "steps", "patience", "average", "clip", "label_smoothing", "on_oom",
    "keep_checkpoints", "checkpoint_epochs", "checkpoint_steps", "checkpoint_minutes",
}  # fmt: skip
"""Settings of the training that change nothing of the model."""


def _model(plan: Plan) -> str:
    """What makes it a different model, or different to look at."""
    content = plan.model_dump(include={"model", "scheme", "backward", "data"})
    train = plan.train.model_dump(exclude=OF_NO_MATTER)
    return json.dumps([content, train], sort_keys=True)
