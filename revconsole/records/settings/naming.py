"""What people call the model of a plan: the architecture, and which member of its family."""

from revconsole.records.sections import Model
from revconsole.records.sections.model import Svm

TELLING = ("name", "layers", "variant", "function")
"""Settings that say which member of its family a model is."""


def title(model: Model) -> str:
    """A few words, e.g. `resnet 18`."""
    if isinstance(model, Svm):
        return f"svm {model.kernel}"
    found = (getattr(model, name) for name in TELLING if hasattr(model, name))
    return " ".join((model.architecture, *map(str, found)))
