"""Readiness: whether a plan can be trained here, according to its device, model and initial weights.

The model is built as in a run and discarded; nothing is trained, downloaded or created. What needs no torch (data,
names, files) is checked earlier, in `revconsole.lab.judging`.

Shapes: B images, C channels, S pixels of height and width.
"""

import torch
from torch import nn

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.models import timm
from revconsole.records.datasets.counts import counted
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.model import Python, TimmModel
from revconsole.records.settings.plan import Plan
from revconsole.reversible.audit.sight import left_out, seen
from revconsole.training.checkpoints import starts
from revconsole.training.learning.preparing import learning_of
from revconsole.training.machine import devices, precision
from revconsole.training.machine.shortage import ran_out
from revconsole.training.objectives import objective_of
from revconsole.training.setup import norms
from revconsole.training.setup.build import build_learner


def refuse_unready(plan: Plan, store: RunStore, *, own_code: bool) -> None:
    """Raise what a run of the plan would raise before its first step, as far as that is known without its images.

    own_code: whether a user's own model may be built, which executes their code; otherwise it is not checked. Raises
    DeviceUnavailable, ProfileError, UnknownName, NotInvertible or DataUnavailable, with one sentence.
    """
    # A GPU is not queried, because that would initialise CUDA before the run has set its switches.
    name = learning_of(plan).device(plan)
    devices.refuse_missing(name)
    devices.refuse_few(name, plan.train.ranks)
    if name == "cpu" or (name == "auto" and devices.available() == ["cpu"]):
        precision.prepare(plan.train.precision, torch.device("cpu"))
    if isinstance(plan.model, Python) and not own_code:
        return
    try:
        _judge_model(plan, store)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise  # without memory nothing can be checked here; the run itself will

    if isinstance(plan.model, TimmModel) and plan.model.pretrained is True:
        timm.refuse_unpublished(plan.model)


def _judge_model(plan: Plan, store: RunStore) -> None:
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        model = _built(plan)
        starts.first_weights(plan, model, store)
        if isinstance(plan.model, Python) and plan.train.audit:
            _refuse_blind(plan, model)
        least = norms.least_images(objective_of(plan), model, plan)
        images = counted(plan.data).trained
        norms.refuse_single(plan, least, images)
        norms.refuse_rest(plan, least, images)


def _built(plan: Plan) -> nn.Module:
    """The learner with weights of a file, but without downloaded ones or those of another run."""
    none: dict[str, object] = {"pretrained_sha256": None}
    none["pretrained"] = False if isinstance(plan.model, TimmModel) else None
    applicable = {name: value for name, value in none.items() if hasattr(plan.model, name)}
    try:
        return build_learner(
            plan.model_copy(update={"model": plan.model.model_copy(update=applicable)})
        )
    except (RevconsoleError, MemoryError):
        raise
    except Exception as error:
        if ran_out(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ProfileError(
            "the plan", "model", f"it cannot be built: {type(error).__name__}: {reason}"
        ) from error


def _refuse_blind(plan: Plan, model: nn.Module) -> None:
    """Raise ProfileError if rows or columns of an image do not affect the output of a user's own model."""
    if not objective_of(plan).labelled:
        return
    sight = seen(model, plan.facts.channels, plan.image_size)
    if sight is not None and (missed := left_out(sight)):
        raise ProfileError(
            "the plan",
            "data.image_size",
            f"{getattr(plan.model, 'function', 'the model')} sees {missed}; choose a side that its patches or strides "
            "divide, or let it pass with train.audit = false",
        )
