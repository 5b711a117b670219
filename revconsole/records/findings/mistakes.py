"""Mistakes: the test images that a run's network calls otherwise than they are."""

from dataclasses import dataclass

from revconsole.records.findings.samples import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistakes:
    """images: how many were tested; wrong: how many of them are mistaken. pictures: of the surest mistakes, the surest first."""

    images: int
    wrong: int
    step: int
    pictures: tuple[Picture, ...]
