"""Readiness: whether a plan can be trained here, as far as its device, its model and its first weights tell.

The model is built as a run would build it and let go again; nothing is trained, downloaded or created. What needs no
torch to be known (data, names, files) is judged before, in `revconsole.lab.judging`.

Shapes: B images, C channels, S pixels of height and width.
"""

import torch
from torch import nn

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.models import timm
from revconsole.records.datasets.counts import counted
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.model import Python, Svm, TimmModel
from revconsole.records.settings.plan import Plan
from revconsole.reversible.audit.sight import left_out, seen
from revconsole.training.checkpoints import starts
from revconsole.training.machine import devices, precision
from revconsole.training.machine.shortage import ran_out
from revconsole.training.objectives import objective_of
from revconsole.training.setup import norms
from revconsole.training.setup.build import build_learner


def refuse_unready(plan: Plan, store: RunStore, *, own_code: bool) -> None:
    """Raise what a run of the plan would raise before its first step, as far as it can be told without its images.

    own_code: whether a model of somebody's own may be built, which runs their code; otherwise it is not judged.
    Raises DeviceUnavailable, ProfileError, UnknownName, NotInvertible or DataUnavailable, with one sentence.
    """
    # A GPU is not asked for what it can: CUDA would begin here, before the run has set its switches.
    name = "cpu" if isinstance(plan.model, Svm) else plan.train.device
    devices.refuse_missing(name)
    if name == "cpu" or (name == "auto" and devices.available() == ["cpu"]):
        precision.prepare(plan.train.precision, torch.device("cpu"))
    if isinstance(plan.model, Svm) or (isinstance(plan.model, Python) and not own_code):
        return
    try:
        _judge_model(plan, store)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise  # for want of room nothing can be told here; the run will know

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
    """The learner, with weights of a file but without any that are downloaded or another run's."""
    none: dict[str, object] = {"pretrained_sha256": None}
    none["pretrained"] = False if isinstance(plan.model, TimmModel) else None
    known = {name: value for name, value in none.items() if hasattr(plan.model, name)}
    try:
        return build_learner(plan.model_copy(update={"model": plan.model.model_copy(update=known)}))
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
    """Raise ProfileError where rows or columns of an image change nothing in what somebody's own model says."""
    if not objective_of(plan).labelled:
        return
    found = seen(model, plan.facts.channels, plan.image_size)
    if found is not None and (missed := left_out(found)):
        raise ProfileError(
            "the plan",
            "data.image_size",
            f"{getattr(plan.model, 'function', 'the model')} sees {missed}; choose a side that its patches or strides "
            "divide, or let it pass with train.audit = false",
        )
