"""Plan: one run, with all defaults resolved and all rules between settings checked, so that it can be trained."""

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar, Self

from pydantic import model_validator

from revconsole.records.sections import KINDS
from revconsole.records.sections.optimizer import Sgd
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.schedule import OneCycle
from revconsole.records.settings.data_rules import check_data
from revconsole.records.settings.model_rules import check_model
from revconsole.records.settings.objective_rules import check_objective
from revconsole.records.settings.plan_settings import PlanSettings
from revconsole.records.settings.rank_rules import check_ranks

LABELS = frozenset(
    {"name", "profile", "study", "arm", "quick", "data_fingerprint", "folder_images", "trial"}
)
"""Names, origin and later findings of a plan, which do not decide the result."""

WHERE = {"train": {"device", "gpus", "shard", "track"}, "data": {"place"}}
"""Settings by section that only say where a run is computed."""

NOT_OF_THE_PAST = {
    "train": {
        "device", "gpus", "shard", "track", "threads", "deterministic", "epochs", "steps", "patience", "budget_mib", "on_oom",
        "audit", "probe_epochs", "checkpoint_epochs", "checkpoint_steps", "checkpoint_minutes",
        "keep_checkpoints",
    },
    "data": {"folder", "place", "prefetch"},
    "model": {"weights"},
}  # fmt: skip
"""Settings by section that do not affect the steps already made: device, length, file locations, measurements and
checkpoints.
"""


class Plan(PlanSettings):
    """One run: settings that fit together."""

    known: ClassVar[bool] = True
    """Whether they are those of the run; not of one that another program trains, see `GivenPlan`, nor of an `UnreadPlan`."""
    readable: ClassVar[bool] = True
    """Whether its plan.json could be read."""

    def digest(self) -> str:
        """A hash of everything that decides the result: plans with equal digests train alike on any device.

        What is at its default is left out: a setting that a later version adds changes no digest.
        """
        content = self._without(WHERE).model_dump(exclude=set(LABELS), exclude_defaults=True)
        for section, (tag, _) in KINDS.items():
            content.setdefault(section, {})[tag] = getattr(getattr(self, section), tag)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def past_digest(self) -> str:
        """A hash of what decides the steps already made, without `NOT_OF_THE_PAST`; checkpoints carry it."""
        return self._without(NOT_OF_THE_PAST).model_copy(update={"lengthened": None}).digest()

    @property
    def where(self) -> tuple[object, ...]:
        """Values of the settings in `WHERE`, which the digest leaves out."""
        return tuple(
            getattr(getattr(self, section), name)
            for section, names in WHERE.items()
            for name in sorted(names)
        )

    def _without(self, settings: Mapping[str, AbstractSet[str]]) -> Self:
        """The plan with the given settings, by section, at their defaults."""
        first: dict[str, object] = {}
        for section, names in settings.items():
            inner = getattr(self, section)
            fields = type(inner).model_fields
            defaults = {name: fields[name].default for name in names if name in fields}
            first[section] = inner.model_copy(update=defaults)
        return self.model_copy(update=first)

    @model_validator(mode="after")
    def _rules(self) -> Self:
        check_data(self.data)
        check_model(self)
        check_objective(self)
        if self.backward == "reversible":
            self.scheme.check_inverse()
        self.scheme.check()
        _check_training(self)
        return self


def _check_training(plan: Plan) -> None:
    train = plan.train
    check_ranks(plan)
    if train.batch % train.accumulate:
        raise Rule(
            "train.accumulate",
            f"{train.accumulate} micro-batches do not divide batch {train.batch}",
        )
    if isinstance(plan.optimizer, Sgd) and plan.optimizer.nesterov and not plan.optimizer.momentum:
        raise Rule(
            "optimizer.nesterov",
            "needs a momentum above 0; set optimizer.momentum=0.9, or leave it out",
        )
    check_length(plan)
    if train.precision == "fp16" and train.device == "cpu":
        raise Rule("train.precision", "fp16 needs a GPU; on the CPU use float32 or bf16")
    if train.precision == "tf32" and train.device in {"cpu", "mps"}:
        raise Rule(
            "train.precision",
            f"tf32 is arithmetic of NVIDIA GPUs, and train.device is {train.device}; use float32 or bf16",
        )
    if plan.data.repeats > train.batch:
        raise Rule(
            "data.repeats",
            f"{plan.data.repeats} copies of an image do not fit into a batch of {train.batch}",
        )
    data, shipped = plan.data, plan.shipped
    for name, what, images, limit in (
        ("train_limit", "training", shipped.train_images, data.train_limit),
        ("test_limit", "test", shipped.test_images, data.test_limit),
    ):
        if images and limit and limit > images:
            raise Rule(f"data.{name}", f"{data.dataset} has {images} {what} images, not {limit}")


def check_length(plan: Plan) -> None:
    """Raise Rule for a warm-up as long as the run, if the steps per epoch are known."""
    train, schedule, per_epoch = plan.train, plan.schedule, plan.steps_per_epoch
    if isinstance(schedule, OneCycle) or (train.steps is not None and not per_epoch):
        return
    epochs = train.steps / per_epoch if train.steps else float(train.epochs)
    steps = train.steps or train.epochs * per_epoch
    length = (
        f"the {epochs:.3g} epochs of train.steps ({train.steps:,})"
        if train.steps
        else f"train.epochs ({epochs:g})"
    )
    if schedule.warmup_steps is not None:
        if per_epoch and schedule.warmup_steps >= steps:
            raise Rule(
                "schedule.warmup_steps",
                f"{schedule.warmup_steps:,} steps of warm-up must be fewer than the {steps:,} of the run; "
                f"set schedule.warmup_steps={steps // 10}, say",
            )
    elif 0 < schedule.warmup_epochs >= epochs:
        raise Rule(
            "schedule.warmup_epochs",
            f"{schedule.warmup_epochs:g} epochs of warm-up must be fewer than {length}; "
            f"set schedule.warmup_epochs={epochs / 10:.2g}, say",
        )
