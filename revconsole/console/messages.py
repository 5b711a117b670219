"""Messages: what crosses from worker threads to the interface, as immutable values."""

from collections.abc import Mapping
from typing import Literal

from textual.message import Message

from revconsole.console.origin import Judged
from revconsole.console.snapshot import Snapshot
from revconsole.errors import RevconsoleError
from revconsole.records.findings.samples import Samples

Severity = Literal["information", "warning", "error"]


class Looked(Message):
    """The reader saw something new. A newer one replaces one that still waits."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Whether this message makes a waiting one superfluous."""
        return isinstance(message, Looked)


class Said(Message):
    """One sentence for the user."""

    def __init__(self, text: str, severity: Severity = "information") -> None:
        self.text, self.severity = text, severity
        super().__init__()


class Checked(Message):
    """What the settings of the form would run, or what is wrong with them.

    final: whether that is all that is judged; else a model is still being looked at.
    """

    def __init__(
        self, number: int, result: Judged | RevconsoleError, *, final: bool = True
    ) -> None:
        self.number, self.result, self.final = number, result, final
        super().__init__()


class ModelCounted(Message):
    """Parameters by the shape of the model, or why they could not be counted."""

    def __init__(self, number: int, counts: Mapping[str, int], problem: str = "") -> None:
        self.number, self.counts, self.problem = number, counts, problem
        super().__init__()


class Launched(Message):
    """Runs were created and queued."""

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        self.run_ids = run_ids
        super().__init__()


class SamplesRead(Message):
    """Samples of the data were read, or why they could not be."""

    def __init__(self, number: int, *, found: Samples | None = None, problem: str = "") -> None:
        self.number, self.found, self.problem = number, found, problem
        super().__init__()


class Estimating(Message):
    """An arm of a study is being measured; none any more if there is no name."""

    def __init__(self, arm: str) -> None:
        self.arm = arm
        super().__init__()
