"""PlannedRun: what the rules look at: a plan, with what the catalogue, its profile, the store and Foresight know."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from revconsole.errors import RevconsoleError
from revconsole.records.foresight import cache
from revconsole.records.foresight.foresight import Foresight
from revconsole.records.prelaunch import shape
from revconsole.records.prelaunch.origin import NearestRun, origin_of
from revconsole.records.prelaunch.shape import NetworkShape
from revconsole.records.sections.model import TimmModel, Vit
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run that may be launched.

    images: training images of an epoch; 0 for a folder that was not counted. origin: the profile it comes from, if
    that is still there. beside: names of runs that train on the same device. foresight: the memory of a step, if it is
    known already. batch_norm: whether the model has norms over the batch that train, where it was looked at.
    """

    plan: Plan
    images: int
    origin: NearestRun | None = None
    beside: tuple[str, ...] = ()
    foresight: Foresight | None = None
    batch_norm: bool | None = None

    @cached_property
    def network(self) -> NetworkShape:
        """The shape of the network."""
        return shape.of(self.plan)

    @property
    def normed(self) -> bool:
        """Whether the network is known to have a norm over the batch that trains."""
        if self.batch_norm is not None:
            return self.batch_norm
        return bool(self.network.batch_norm) and not self.frozen

    @property
    def frozen(self) -> bool:
        """Whether a part of the network does not train."""
        return self.plan.train.freeze is not None

    @property
    def scratch(self) -> bool:
        """Whether the network starts from random weights."""
        model = self.plan.model
        if not isinstance(model, TimmModel | Vit):
            return True
        return not model.pretrained and model.weights is None

    @property
    def transformer(self) -> bool:
        """Whether the network is a transformer."""
        return self.network.kind == "transformer"

    @property
    def optimizer(self) -> str:
        """The name of the optimiser, of timm's own the name of the algorithm."""
        return str(getattr(self.plan.optimizer, "algorithm", self.plan.optimizer.name))

    @property
    def micro_batch(self) -> int:
        """Images that go through the network at once."""
        return self.plan.train.micro_batch

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch; 0 if the images are not counted."""
        return self.plan.steps_of(self.images)

    @property
    def steps(self) -> int:
        """Optimiser steps in all; 0 if they are not known."""
        train = self.plan.train
        return train.steps or train.epochs * self.steps_per_epoch


def planned_run(plan: Plan, *, beside: tuple[str, ...] = ()) -> PlannedRun:
    """The run of a plan, with what can be looked up without torch in milliseconds."""
    foresight = None
    if plan.backward != "stored":
        with suppress(RevconsoleError):
            foresight = cache.known(plan)
    return PlannedRun(
        plan=plan,
        images=plan.trained_images,
        origin=origin_of(plan),
        beside=beside,
        foresight=foresight,
    )
