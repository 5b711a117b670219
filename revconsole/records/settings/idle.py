"""Idle settings: settings that have no effect beside others, with the change that would give them one.

A profile refuses them; a plan accepts them, because a later layer may make an earlier setting idle.
"""

from collections.abc import Callable
from dataclasses import dataclass

from revconsole.records.datasets import sources
from revconsole.records.sections.model import Cct, Conformer, Svm, TimmModel, Vit
from revconsole.records.sections.objective import Dino, Mae
from revconsole.records.sections.schedule import StepSchedule
from revconsole.records.sections.scheme import CoefficientsSection, ResidualSection
from revconsole.records.settings.plan import Plan

BACKWARD = ("backward", "scheme.name")
LATE = {"schedule.every_epochs"}
"""Settings that are idle only if they take effect after the last epoch, which their defaults may not."""


@dataclass(frozen=True, slots=True)
class Need:
    """The condition under which a setting has an effect.

    causes: keys that decide it. lacking: why the setting is idle in a plan; empty if it is not. has_default_effect:
    whether its default has an effect too, which another setting may contradict.
    """

    causes: tuple[str, ...]
    lacking: Callable[[Plan], str]
    has_default_effect: bool = False


def why(plan: Plan, key: str) -> str:
    """Why a setting of the plan has no effect, with a remedy; empty if it has one."""
    need = NEEDS.get(key)
    return need.lacking(plan) if need else ""


def causes(key: str) -> tuple[str, ...]:
    """Keys that decide whether a setting is idle."""
    need = NEEDS.get(key)
    return need.causes if need else ()


def is_default(plan: Plan, key: str) -> bool:
    """Whether a setting has its default value and contradicts no other setting."""
    need = NEEDS.get(key)
    if need and need.has_default_effect:
        return False
    section, _, name = key.partition(".")
    owner = getattr(plan, section)
    return bool(not name or getattr(owner, name) == type(owner).model_fields[name].default)


def without_effect(plan: Plan) -> Plan:
    """The plan with idle settings at their defaults, so that settings without effect do not distinguish two runs."""
    for key in NEEDS:
        section, _, name = key.partition(".")
        owner = getattr(plan, section)
        fields = type(owner).model_fields
        if name in fields and why(plan, key):
            inner = owner.model_copy(update={name: fields[name].default})
            reset = plan.model_copy(update={section: inner})
            plan = plan if key in LATE and not why(reset, key) else reset
    return plan


def _crop_padding(plan: Plan) -> str:
    cropped = plan.data.augment != "none"
    return "" if cropped else "pads before a random crop, and there is none; add data.augment=crop"


def _mirroring(plan: Plan) -> str:
    if plan.data.augment != "crop-flip":
        return ""
    if plan.data.flip:
        return "data.augment=crop-flip mirrors already; leave one out"
    return "data.augment=crop-flip mirrors; write data.augment=crop, which does not"


def _pieces(plan: Plan) -> str:
    if plan.data.random_resized_crop is not None:
        return ""
    return (
        "is of data.random_resized_crop, which is not set; add data.random_resized_crop=0.08, say"
    )


def _alone(key: str, value: str) -> Callable[[Plan], str]:
    """The reason for a setting that has an effect beside one value of another."""
    section, _, name = key.rpartition(".")

    def lacking(plan: Plan) -> str:
        chosen = getattr(getattr(plan, section) if section else plan, name, value)
        return "" if chosen == value else f"is of {key}={value} alone, not of {chosen!r}"

    return lacking


def _patches(plan: Plan) -> str:
    if plan.data.dataset == sources.PATCHES:
        return ""
    return f"only context_patches has it, not {plan.data.dataset}; add data.dataset=context_patches"


def _folder(plan: Plan) -> str:
    if sources.FOLDER in {plan.data.dataset, plan.data.source}:
        return ""
    return f"only a folder of images has it, not {plan.data.dataset}; add data.dataset=imagefolder"


def _batches(plan: Plan) -> str:
    return "a support vector machine is fitted without batches; leave it out" if plan.fitted else ""


def _place(plan: Plan) -> str:
    if plan.data.place == "disk":
        return _folder(plan)
    device = plan.train.device
    return f"needs a GPU, and train.device is {device}" if device == "cpu" else ""


def _mlp_ratio(plan: Plan) -> str:
    width = getattr(plan.model, "mlp_width", None)
    return "" if width is None else f"model.mlp_width ({width}) says how wide; leave one out"


def _drop_path(plan: Plan) -> str:
    model = plan.model
    if isinstance(model, Vit | Cct | Conformer) and model.depth == 1:
        return "rises from 0 at the first block to this at the last, and there is only one"
    return ""


def _published(plan: Plan) -> str:
    model = plan.model
    if isinstance(model, TimmModel) and model.pretrained is True and model.weights is not None:
        return "model.weights names a file to start from instead; leave one out"
    return ""


def _weights(plan: Plan) -> str:
    if isinstance(plan.model, TimmModel | Vit) and isinstance(plan.model.pretrained, str):
        return "model.pretrained names a run to start from instead; leave one out"
    return ""


def _kernel_gamma(plan: Plan) -> str:
    linear = isinstance(plan.model, Svm) and plan.model.kernel == "linear"
    return "the kernel 'linear' has no gamma; rbf and poly have it" if linear else ""


def _moving(plan: Plan) -> str:
    scheme = plan.scheme
    if not isinstance(scheme, CoefficientsSection):
        return ""
    ends = (scheme.end_alpha in {None, scheme.alpha}, scheme.end_beta in {None, scheme.beta})
    return "neither weight moves; set scheme.end_alpha or scheme.end_beta" if all(ends) else ""


def _epochs(plan: Plan) -> str:
    steps = plan.train.steps
    if steps is None:
        return ""
    return (
        f"train.steps ({steps:,}) says how long it trains; leave one out, or set train.steps=none"
    )


def _rebuilds(plan: Plan) -> bool:
    """Whether any block is reconstructed."""
    return plan.backward in {"reversible", "auto"} and not isinstance(plan.scheme, ResidualSection)


def _probes(plan: Plan) -> str:
    if _rebuilds(plan) or not plan.train.probe_epochs:
        return ""
    return (
        f"nothing is reconstructed with scheme {plan.scheme.name!r} and backward {plan.backward!r}, "
        "so there is no error to measure; leave it out"
    )


def _warmup_epochs(plan: Plan) -> str:
    steps = getattr(plan.schedule, "warmup_steps", None)
    return (
        "" if steps is None else f"schedule.warmup_steps ({steps:,}) says how long; leave one out"
    )


def _steps_down(plan: Plan) -> str:
    schedule = plan.schedule
    counted = plan.train.steps is None or plan.steps_per_epoch
    if not isinstance(schedule, StepSchedule) or not counted or schedule.every_epochs < plan.epochs:
        return ""
    return (
        f"the rate is lowered every {schedule.every_epochs} epochs (schedule.every_epochs), and there are "
        f"{plan.epochs}; lower schedule.every_epochs"
    )


def _crops(plan: Plan) -> str:
    none = isinstance(plan.objective, Dino) and not plan.objective.local_crops
    return "there are no small crops; raise objective.local_crops" if none else ""


def _warmup_temperature(plan: Plan) -> str:
    none = isinstance(plan.objective, Dino) and not plan.objective.temperature_warmup
    return "there is no warm-up; raise objective.temperature_warmup" if none else ""


def _temperature_warmup(plan: Plan) -> str:
    dino = plan.objective
    if not isinstance(dino, Dino) or dino.warmup_temperature != dino.teacher_temperature:
        return ""
    return (
        f"it would go from {dino.warmup_temperature:g} to {dino.teacher_temperature:g}; "
        "set objective.warmup_temperature or objective.teacher_temperature"
    )


def _mixing(plan: Plan) -> str:
    if not isinstance(plan.objective, Mae | Dino):
        return ""
    return f"mixes labels with the images, and {plan.objective.name!r} reads none; leave it out"


NEEDS: dict[str, Need] = {
    "data.crop_padding": Need(("data.augment",), _crop_padding),
    "data.flip": Need(("data.augment",), _mirroring, has_default_effect=True),
    "data.crop_most": Need(("data.random_resized_crop",), _pieces),
    "data.crop_ratio": Need(("data.random_resized_crop",), _pieces),
    "data.zca_eps": Need(("data.standardise",), _alone("data.standardise", "zca")),
    "data.source_size": Need(("data.dataset",), _patches),
    "data.patch_side": Need(("data.dataset",), _patches),
    "data.gap": Need(("data.dataset",), _patches),
    "data.jitter": Need(("data.dataset",), _patches),
    "data.cut_seed": Need(("data.dataset",), _patches),
    "data.labels": Need(("data.dataset", "data.source"), _folder),
    "data.image_column": Need(("data.dataset", "data.source"), _folder),
    "data.label_column": Need(("data.dataset", "data.source"), _folder),
    "data.drop_last": Need(("model.architecture",), _batches),
    "data.fit": Need(("data.dataset", "data.source"), _folder),
    "data.links": Need(("data.dataset", "data.source"), _folder),
    "data.on_bad_image": Need(("data.dataset", "data.source"), _folder),
    "data.mixup": Need(("objective.name",), _mixing),
    "data.cutmix": Need(("objective.name",), _mixing),
    "data.place": Need(("train.device", "data.dataset", "data.source"), _place),
    "model.mlp_ratio": Need(("model.mlp_width",), _mlp_ratio, has_default_effect=True),
    "model.drop_path": Need(("model.depth",), _drop_path),
    "model.pretrained": Need(("model.weights",), _published),
    "model.weights": Need(("model.pretrained",), _weights),
    "model.gamma": Need(("model.kernel",), _kernel_gamma),
    "model.degree": Need(("model.kernel",), _alone("model.kernel", "poly")),
    "scheme.moving": Need(
        ("scheme.alpha", "scheme.beta", "scheme.end_alpha", "scheme.end_beta"), _moving
    ),
    "train.epochs": Need(("train.steps",), _epochs, has_default_effect=True),
    "train.budget_mib": Need(BACKWARD, _alone("backward", "auto")),
    "train.probe_epochs": Need(BACKWARD, _probes),
    "schedule.warmup_epochs": Need(
        ("schedule.warmup_steps",), _warmup_epochs, has_default_effect=True
    ),
    "schedule.every_epochs": Need(("train.epochs", "train.steps"), _steps_down),
    "schedule.factor": Need(("train.epochs", "train.steps", "schedule.every_epochs"), _steps_down),
    "objective.local_size": Need(("objective.local_crops",), _crops),
    "objective.local_scale": Need(("objective.local_crops",), _crops),
    "objective.warmup_temperature": Need(("objective.temperature_warmup",), _warmup_temperature),
    "objective.temperature_warmup": Need(
        ("objective.warmup_temperature", "objective.teacher_temperature"), _temperature_warmup
    ),
}
"""Settings that can be idle. A run of a support vector machine reports its unused settings itself."""
