"""Rules between the settings of an architecture, the image and the scheme."""

import re

from revconsole.records.sections import Section
from revconsole.records.sections.model import (
    Cct,
    Cnn,
    Conformer,
    Mlp,
    Python,
    Resnet,
    Svm,
    Swin,
    TimmModel,
    Uniformer,
    Vit,
)
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.scheme import ResidualSection
from revconsole.records.settings.plan_settings import PlanSettings

RUN = "run:"
FUNCTION = re.compile(r"[\w.]+:\w+")
POWERS = frozenset({2, 4, 8, 16, 32, 64, 128, 256})
"""Patch sides that repeated halving can produce."""


def check_model(plan: PlanSettings) -> None:
    """Raise Rule for the first violated rule about the model."""
    model, size = plan.model, plan.image_size
    _check_start(model)
    match model:
        case Vit():
            _check_vit(model, size)
            if model.token_merging:
                _check_merging(model)
                _require_plain(plan, "merged tokens cannot be told apart again")
        case Cct():
            _check_heads(model.heads, model.dim)
            _check_sines(model.position, model.dim)
            if model.kernel % 2 == 0:
                raise Rule("model.kernel", f"a kernel has an odd side, not {model.kernel}")
        case Conformer():
            _check_conformer(model, size)
            _require_plain(plan, "the blocks of conformer pass on two streams already")
        case Uniformer():
            _check_patch(2 * model.patch, size, shown=model.patch, factor=2)
            _check_heads(model.heads, 2 * model.dim)
        case Cnn() | Mlp() | Svm():
            _require_plain(plan, f"{model.architecture} has no residual blocks to wire otherwise")
        case Python():
            _check_function(model.function)
        case Resnet():
            _require_one_branch(plan)
        case _:
            pass
    _check_fitted(plan)
    _check_width(plan)
    _check_views(plan)
    _check_joined(plan)


def has_batch_norm(model: Section) -> bool | None:
    """Whether a network of the package has a BatchNorm; None for the models of others, whose settings do not tell."""
    match model:
        case Resnet() | Conformer() | Uniformer():
            return True
        case Vit(stem=stem):
            return stem in {"conv", "resnet"}
        case Cnn(batch_norm=normed):
            return normed
        case Cct() | Swin() | Mlp():
            return False
        case _:
            return None


def run_address(model: Section) -> str | None:
    """Address of the run in `model.pretrained`, without `run:`; None if it names no run."""
    pretrained = getattr(model, "pretrained", None)
    return pretrained.removeprefix(RUN) if isinstance(pretrained, str) else None


def _check_start(model: Section) -> None:
    pretrained, address = getattr(model, "pretrained", None), run_address(model)
    if address is not None and (not address or not str(pretrained).startswith(RUN)):
        alternative = ", or true for published weights" if isinstance(model, TimmModel) else ""
        raise Rule(
            "model.pretrained",
            f"write run: and the id or name of a run of this store{alternative}, not {pretrained!r}",
        )
    if address is None and getattr(model, "pretrained_sha256", None) is not None:
        raise Rule(
            "model.pretrained_sha256",
            "belongs to a run that model.pretrained names, and it names none; leave it out",
        )


def _check_vit(vit: Vit, size: int) -> None:
    _check_patch(vit.patch, size)
    _check_heads(vit.heads, vit.dim)
    _check_sines(vit.position, vit.dim)
    if vit.stem in {"conv", "resnet"} and vit.patch not in POWERS:
        raise Rule(
            "model.patch",
            f"stem {vit.stem!r} halves the side step by step, so patch is 2, 4, 8, …, not {vit.patch}",
        )
    if vit.stem == "shifted" and vit.patch == 1:
        raise Rule("model.patch", "stem 'shifted' moves by half a patch, so patch is at least 2")
    tokens = (size // vit.patch) ** 2 + (vit.pool == "cls")
    if vit.attention == "local" and tokens == 1:
        raise Rule(
            "model.attention",
            "'local' lets no token see itself, and there is only one; use a smaller patch",
        )
    _check_landmarks(vit, tokens)


def _check_landmarks(vit: Vit, tokens: int) -> None:
    if vit.landmarks is None:
        return
    if vit.attention != "softmax_free":
        raise Rule(
            "model.landmarks",
            f"only attention 'softmax_free' has landmarks, not {vit.attention!r}; leave them out",
        )
    if vit.landmarks > tokens:
        raise Rule(
            "model.landmarks", f"{vit.landmarks} landmarks are more than the {tokens} tokens"
        )


def _check_merging(vit: Vit) -> None:
    if vit.attention != "softmax":
        raise Rule(
            "model.token_merging",
            f"tokens are merged with attention 'softmax' only, not {vit.attention!r}",
        )
    if vit.pool != "cls":
        raise Rule(
            "model.token_merging",
            f"merged tokens stand for several patches each, which pool {vit.pool!r} would not weigh; "
            "use pool 'cls'",
        )


def _check_conformer(model: Conformer, size: int) -> None:
    _check_patch(model.patch, size)
    _check_heads(model.heads, model.dim)
    if model.patch % 2:
        raise Rule("model.patch", f"conformer needs an even patch, not {model.patch}")
    if model.channels % 4:
        raise Rule("model.channels", f"channels is a multiple of 4, and {model.channels} is not")


def _check_width(plan: PlanSettings) -> None:
    """Refuse images that are not square to what only sees squares."""
    height, width = plan.image_shape
    if height == width:
        return
    model = plan.model
    if not isinstance(model, Vit | Resnet | Cnn | Mlp):
        raise Rule(
            "data.image_width",
            f"{model.architecture} sees square images only; leave it out, or use vit, resnet, cnn or mlp",
        )
    if plan.objective.name != "classification":
        raise Rule(
            "data.image_width",
            f"objective {plan.objective.name!r} sees square images only; leave one out",
        )
    if isinstance(model, Vit):
        _check_patch(model.patch, width)
        if model.pretrained is not None:
            raise Rule(
                "data.image_width",
                "weights of another run are resampled to squares only; leave one out",
            )


def _check_fitted(plan: PlanSettings) -> None:
    """Refuse settings that need step-by-step training, beside a fitted model."""
    if not plan.fitted:
        return
    train = plan.train
    if plan.data.augmentations:
        raise Rule(
            f"data.{next(iter(plan.data.augmentations))}",
            "svm is fitted to each image once, as it is, so nothing is augmented; leave it out",
        )
    for name in ("average", "freeze"):
        if getattr(train, name) is not None:
            raise Rule(f"train.{name}", "svm is not trained in steps; leave it out")
    if train.device not in {"auto", "cpu"}:
        raise Rule("train.device", f"svm is fitted on the CPU, not on {train.device}; leave it out")


def _check_function(source: str | None) -> None:
    if source is None or not FUNCTION.fullmatch(source):
        fault = "is not set" if source is None else f"is {source!r}"
        raise Rule(
            "model.function",
            f"{fault}; write where your model comes from as package.module:function",
        )


def _require_plain(plan: PlanSettings, because: str) -> None:
    """Refuse every scheme but the plain network, and every backward that would wire it."""
    plain = isinstance(plan.scheme, ResidualSection)
    if plain and plan.backward == "stored":
        return
    raise Rule(
        "backward" if plain else "scheme.name",
        f"{because}; use scheme 'residual' with backward 'stored'",
    )


def _require_one_branch(plan: PlanSettings) -> None:
    if plan.scheme.of_two:
        raise Rule(
            "scheme.name",
            f"a block of resnet has one branch, and {plan.scheme.name} needs two; use bdia or momentum",
        )


def _check_views(plan: PlanSettings) -> None:
    if plan.data.views > 1 and isinstance(plan.model, Conformer | Mlp | Python):
        raise Rule(
            "data.views",
            f"{plan.model.architecture} has no features that a head could read of both views; "
            "use another architecture, or views 1",
        )


def _check_joined(plan: PlanSettings) -> None:
    """Refuse concatenated streams where the norm and head after the stack cannot take them."""
    model, scheme = plan.model, plan.scheme
    pooled = isinstance(model, Vit) and model.pool == "sequence"
    staged = isinstance(model, Cct | Swin | Uniformer)
    if scheme.joins and (pooled or staged):
        what = "pool 'sequence'" if pooled else model.architecture
        raise Rule(
            "scheme.fuse",
            f"two streams side by side do not fit what follows the blocks with {what}; "
            'set scheme.fuse = "mean"',
        )


def _check_patch(patch: int, size: int, *, shown: int | None = None, factor: int = 1) -> None:
    """Refuse a patch that does not divide the side. `shown` is the setting; the patch is `factor` times as large."""
    if size % patch == 0:
        return
    fitting = [str(n // factor) for n in range(factor, size + 1, factor) if size % n == 0]
    times = "" if factor == 1 else f"{factor} × "
    raise Rule(
        "model.patch",
        f"{times}patch {patch if shown is None else shown} does not divide the image side of {size} "
        f"pixels; these do: {', '.join(fitting) or 'none, change data.image_size'}",
    )


def _check_heads(heads: int, dim: int) -> None:
    if dim % heads:
        fitting = [str(n) for n in range(1, min(dim, 64) + 1) if dim % n == 0]
        raise Rule(
            "model.heads", f"{heads} heads do not divide dim {dim}; these do: {', '.join(fitting)}"
        )


def _check_sines(position: str, dim: int) -> None:
    if position == "sinusoidal" and dim % 4:
        raise Rule(
            "model.dim", f"sinusoidal positions need dim to be a multiple of 4, and {dim} is not"
        )
