"""Messages: immutable values from worker threads to the interface."""

from __future__ import annotations  # types are not imported: the first paint waits for this module

from typing import TYPE_CHECKING, Literal

from textual.message import Message

from revconsole.errors import RevconsoleError

if TYPE_CHECKING:
    from revconsole.console.origin import Judged
    from revconsole.console.prospect import Prospect
    from revconsole.console.snapshot import Snapshot
    from revconsole.records.findings.mistakes import Mistakes
    from revconsole.records.findings.samples import Picture, Samples
    from revconsole.records.runs.artifacts import Artifact

Severity = Literal["information", "warning", "error"]


class Looked(Message):
    """The reader has a new snapshot. It replaces an older message that is still queued."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Whether this message makes the queued one superfluous."""
        return isinstance(message, Looked)


class Said(Message):
    """A sentence for the user. bell: whether the terminal rings with it."""

    def __init__(
        self, text: str, severity: Severity = "information", *, bell: bool = False
    ) -> None:
        self.text, self.severity, self.bell = text, severity, bell
        super().__init__()


class Checked(Message):
    """The result of a check of the form: the runs, or the error.

    known: what is known of the runs. final: whether the check is complete; otherwise a model is still being checked.
    """

    def __init__(
        self,
        number: int,
        result: Judged | RevconsoleError,
        known: Prospect | None = None,
        *,
        final: bool = True,
    ) -> None:
        self.number, self.result, self.known, self.final = number, result, known, final
        super().__init__()


class Foretold(Message):
    """What is known by now of the runs of a form."""

    def __init__(self, number: int, prospect: Prospect) -> None:
        self.number, self.prospect = number, prospect
        super().__init__()


class Launched(Message):
    """Runs were created and queued, or a study was saved that is still to be."""

    def __init__(self, run_ids: tuple[str, ...] = (), study: str = "") -> None:
        self.run_ids, self.study = run_ids, study
        super().__init__()


class SamplesRead(Message):
    """Samples of the data, or why they cannot be read."""

    def __init__(self, number: int, *, samples: Samples | None = None, problem: str = "") -> None:
        self.number, self.samples, self.problem = number, samples, problem
        super().__init__()


class ArtifactsRead(Message):
    """The images among the artifacts of a run as pictures of a side, each with why there is none."""

    def __init__(self, side: int, found: tuple[tuple[Artifact, Picture | str], ...]) -> None:
        self.side, self.found = side, found
        super().__init__()


class MistakesFound(Message):
    """Mistakes on the test images, or why they are not known."""

    def __init__(self, mistakes: Mistakes | None = None, *, problem: str = "") -> None:
        self.mistakes, self.problem = mistakes, problem
        super().__init__()


class Estimating(Message):
    """The arm of a study that is being measured; empty when the measurements have ended."""

    def __init__(self, arm: str) -> None:
        self.arm = arm
        super().__init__()
