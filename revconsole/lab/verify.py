"""Verify: the models that a name means, and the audit of each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab.pipeline import ANY_SIZE
from revconsole.lab.torch_api import training
from revconsole.records.runs import audits
from revconsole.records.runs.run import AuditFinding
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, Profile
from revconsole.records.settings.study import Study, UnfitChoice

PREFIX = "python:"
OWN_SETTINGS, WIRING = ("data.", "train."), ("scheme", "backward")
UNSUITABLE = "can be built"
"""The check that fails for a model that cannot be built for a reason its user can correct."""
SHAPE = {"size": 32, "channels": 3, "classes": 10}
"""Default shape of random images: pixels of a side, channels, classes."""
Row = Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelToVerify:
    """One model. own: the address of the user's own, else empty. shape: that of random images in place of the plan's data."""

    plan: Plan
    own: str = ""
    shape: Mapping[str, int] | None = None

    @property
    def name(self) -> str:
        """The model's name in the rows."""
        return self.plan.name

    def rows(self, *, light: bool) -> Iterator[Row]:
        """Yield each check as a row: model, check, result, passed, figure, advice. Imports torch. Raises RevconsoleError."""
        found = []
        for check in training.audited(self.plan, own=self.own, shape=self.shape, light=light):
            found.append(_finding(check))
            yield {"model": self.plan.name, **check}
        if not self.own:
            audits.keep(self.plan, found)


def _finding(check: Row) -> AuditFinding:
    name, level, figure, advice = (str(check[k]) for k in ("check", "result", "figure", "advice"))
    return AuditFinding(name=name, level=level, figure=figure, advice=advice)


def unsuitable(name: str, error: RevconsoleError) -> Row:
    """A row for a model that cannot be checked, with the reason."""
    return {
        "model": name, "check": UNSUITABLE, "result": "failed", "passed": False, "figure": "",
        "advice": str(error),
    }  # fmt: skip


def of_plans(plans: Sequence[Plan | UnfitChoice]) -> tuple[ModelToVerify | UnfitChoice, ...]:
    """One model for all plans that differ only in seed, rate or schedule."""
    different = {_model(each) if isinstance(each, Plan) else each: each for each in reversed(plans)}
    return tuple(
        ModelToVerify(plan=each) if isinstance(each, Plan) else each
        for each in reversed(different.values())
    )


def of_own(
    source: str,
    settings: Mapping[str, Any],
    *,
    dataset: str | None = None,
    shape: Mapping[str, int] | None = None,
) -> tuple[ModelToVerify | UnfitChoice, ...]:
    """The user's own model, on the images of a dataset (default: digits) or on random ones.

    It is checked as it is, or wired if the settings name a scheme or backward. shape: any of size, channels and classes; with
    a dataset or a scheme only size. Raises ProfileError.
    """
    wanted = dict(shape or {})
    wired = any(name.partition(".")[0] in WIRING for name in settings)
    _refuse_foreign(settings)
    if (dataset or wired) and wanted.keys() - {"size"}:
        raise ProfileError(
            COMMAND_LINE,
            "--dataset" if dataset else next(iter(settings)),
            "a dataset has fixed channels and classes; leave --channels and --classes out"
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
"""Training settings that do not change the model."""


def _model(plan: Plan) -> str:
    """A key of everything that makes a different model, or a different check of it."""
    content = plan.model_dump(include={"model", "scheme", "backward", "data"})
    train = plan.train.model_dump(exclude=OF_NO_MATTER)
    return json.dumps([content, train], sort_keys=True)
