"""Noise: the random transformations of training images that are switched off in evaluation."""

from torch import nn

from revconsole.records.logs.noise import CLEAN
from revconsole.records.sections.scheme import BdiaSection
from revconsole.training.setup.training_state import TrainingState

DROPOUTS = (
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout
)  # fmt: skip


def noise(state: TrainingState) -> str:
    """How training images pass through the model, as a clause; read from the model itself, also for users' models."""
    plan = state.plan
    augmentations = plan.data.augmentations
    augmented = ", ".join(f"{name} {value}" for name, value in augmentations.items())
    scheme = plan.scheme
    signs = ["bdia's random signs"] if isinstance(scheme, BdiaSection) and scheme.gamma else []
    drawn = [*_dropped(state.model), *signs]
    parts = [f"augmented ({augmented})"] if augmented else []
    parts += [f"with {' and '.join(drawn)}"] if drawn else []
    return " and ".join(parts) or CLEAN


def _dropped(model: nn.Module) -> list[str]:
    """Kinds of dropout with their largest probability; modules that drop paths have an attribute `drop_prob`."""
    modules = list(model.modules())
    rates = {
        "dropout": [m.p for m in modules if isinstance(m, DROPOUTS)],
        "drop-path": [float(getattr(m, "drop_prob", None) or 0.0) for m in modules],
    }
    most = {kind: max(found, default=0.0) for kind, found in rates.items()}
    return [f"{kind} {rate:g}" for kind, rate in most.items() if rate > 0]
