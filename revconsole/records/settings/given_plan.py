"""Given plan: what is known of a run that another program trains: a name, a seed and the settings that it gave.

It stands where a run has its plan, so that everything that shows a run shows this one too. Whatever trains, repeats or
resumes a run asks `Summary.plan_known` first, because no setting of ours says anything of it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field

from revconsole.records.given import GivenValue, given_plan
from revconsole.records.settings.plan import Plan

LENGTHS = ("epochs", "num_train_epochs", "max_epochs")
"""Settings by which programs call the number of epochs that they train."""


class GivenPlan(Plan):
    """Stands for the plan of a run that another program trains: the values of the sections are defaults, and say nothing of it.

    given: its settings, by dotted key. program: what wrote the run, such as "revconsole.record" or "TensorBoard".
    """

    known = False
    given: dict[str, GivenValue] = Field(default_factory=dict)
    program: str = Field(min_length=1, max_length=120)

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any], program: str) -> Self:
        """The plan of a run called `name`; see `given_plan`."""
        return cls.model_validate(given_plan(name, settings, program))

    @property
    def length(self) -> int | None:
        """The number of epochs that the program said it would train; None if it did not."""
        epochs = next((self.given[key] for key in LENGTHS if key in self.given), None)
        whole = isinstance(epochs, int | float) and epochs > 0 and float(epochs).is_integer()
        return int(epochs) if whole and epochs is not None else None

    def digest(self) -> str:
        """A hash of what was given; no plan of ours has it."""
        content = {"program": self.program, "seed": self.seed, "given": self.given}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
