"""Naming: the title of a plan's model, from the architecture and the member of its family."""

from revconsole.records.sections import Model
from revconsole.records.sections.model import Svm

TELLING = ("name", "layers", "variant", "function")
"""Settings that identify the member of a family."""


def title(model: Model) -> str:
    """The name of a model in a few words, e.g. `resnet 18`."""
    if isinstance(model, Svm):
        return f"svm {model.kernel}"
    members = (getattr(model, name) for name in TELLING if hasattr(model, name))
    return " ".join((model.architecture, *map(str, members)))
