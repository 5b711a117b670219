"""Verify: which models a name means, and the audit of each, check by check."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab.pipeline import ANY_SIZE
from revconsole.lab.torch_api import training
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, Profile
from revconsole.records.settings.study import Study, UnfitChoice

PREFIX = "python:"
OWN_SETTINGS, WIRING = ("data.", "train."), ("scheme", "backward")
UNSUITABLE = "can be built"
"""The check that a model fails which cannot be looked at, for a reason its user can act on."""
SHAPE = {"size": 32, "channels": 3, "classes": 10}
"""Random images where nothing else is said: pixels of a side, channels, classes."""
Row = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelToVerify:
    """One model to verify.

    own: where somebody's own model comes from, else empty. shape: of random images in place of the plan's data.
    """

    plan: Plan
    own: str = ""
    shape: Mapping[str, int] | None = None

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.plan.name

    def rows(self, *, light: bool) -> Iterator[Row]:
        """Each check as a row: model, check, result, passed, figure, advice. Loads torch. Raises RevconsoleError."""
        for found in training.audited(self.plan, own=self.own, shape=self.shape, light=light):
            yield {"model": self.plan.name, **found}


def unsuitable(name: str, error: RevconsoleError) -> Row:
    """The row of a model that cannot be checked, and why."""
    return {
        "model": name, "check": UNSUITABLE, "result": "failed", "passed": False, "figure": "",
        "advice": str(error),
    }  # fmt: skip


def of_plans(plans: Sequence[Plan | UnfitChoice]) -> tuple[ModelToVerify | UnfitChoice, ...]:
    """One subject for each model: seeds, rates and schedules make no other model of it."""
    found = {_model(each) if isinstance(each, Plan) else each: each for each in reversed(plans)}
    return tuple(
        ModelToVerify(plan=each) if isinstance(each, Plan) else each
        for each in reversed(found.values())
    )


def of_own(
    source: str,
    settings: Mapping[str, Any],
    *,
    dataset: str | None = None,
    shape: Mapping[str, int] | None = None,
) -> tuple[ModelToVerify | UnfitChoice, ...]:
    """Somebody's own model, on the images of a dataset (digits, if none is named) or on random ones.

    It is checked as it is, or wired as settings of scheme and backward say. shape: any of size, channels and classes;
    for a dataset or a scheme, size alone. Raises ProfileError.
    """
    wanted = dict(shape or {})
    wired = any(name.partition(".")[0] in WIRING for name in settings)
    _refuse_foreign(settings)
    if (dataset or wired) and wanted.keys() - {"size"}:
        raise ProfileError(
            COMMAND_LINE,
            "--dataset" if dataset else next(iter(settings)),
            "a dataset has channels and classes of its own; leave those out"
            if dataset
            else "a scheme is tried on the images of a dataset; leave --channels and --classes out",
        )
    data: dict[str, Any] = {"data.dataset": dataset} if dataset else {}
    if (dataset or wired) and wanted:
        data["data.image_size"] = wanted.pop("size")
    called = source.removeprefix(PREFIX)
    model = {"architecture": "python", "function": called} if wired else ANY_SIZE
    profile = Profile(name=called, where=COMMAND_LINE, table={"model": model})
    experiment = Study.of_profile(profile)
    if wired:
        return of_plans(experiment.models({**data, **settings}))
    plan = experiment.plans({**data, **settings})[0]
    return (ModelToVerify(plan=plan, own=source, shape=SHAPE | wanted if wanted else None),)


def _refuse_foreign(settings: Mapping[str, Any]) -> None:
    for name in settings:
        known = name.startswith(OWN_SETTINGS) or name.partition(".")[0] in {*WIRING, "seeds"}
        if not known:
            raise ProfileError(
                COMMAND_LINE,
                name,
                "a model of your own takes settings of data, train, scheme and backward only",
            )


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
