"""Noise: what is drawn anew for each training image, and is off when images are evaluated."""

from torch import nn

from revconsole.records.logs.noise import CLEAN
from revconsole.records.sections.scheme import BdiaSection
from revconsole.training.setup.training_state import TrainingState

DROPOUTS = (
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout
)  # fmt: skip


def noise(state: TrainingState) -> str:
    """How the training images went through the model, as a clause; from the model itself, whoever wrote it."""
    plan = state.plan
    done = plan.data.augmentations
    augmented = ", ".join(f"{name} {value}" for name, value in done.items())
    scheme = plan.scheme
    signs = ["bdia's random signs"] if isinstance(scheme, BdiaSection) and scheme.gamma else []
    drawn = [*_dropped(state.model), *signs]
    parts = [f"augmented ({augmented})"] if augmented else []
    parts += [f"with {' and '.join(drawn)}"] if drawn else []
    return " and ".join(parts) or CLEAN


def _dropped(model: nn.Module) -> list[str]:
    """Kinds of dropout, each with its largest probability; a path is dropped by modules that call it `drop_prob`."""
    modules = list(model.modules())
    rates = {
        "dropout": [m.p for m in modules if isinstance(m, DROPOUTS)],
        "drop-path": [float(getattr(m, "drop_prob", None) or 0.0) for m in modules],
    }
    most = {kind: max(found, default=0.0) for kind, found in rates.items()}
    return [f"{kind} {rate:g}" for kind, rate in most.items() if rate > 0]
