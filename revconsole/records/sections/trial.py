"""Trial: what a search drew for a run, and by what the run is judged while it trains."""

import hashlib
from typing import Literal

from pydantic import Field

from revconsole.records.criterion import Criterion
from revconsole.records.sections.section import Section

StopEarly = Literal["none", "halving", "hyperband"]


class Trial(Section):
    """One draw of a search. Decides when a run ends, and nothing of the steps before."""

    search: str = Field(min_length=12, max_length=64)
    """Digest of the search: its space, its method and seed, its goal, and the settings that all trials share."""
    number: int = Field(ge=0)
    """Number of the draw, from 0."""
    values: dict[str, bool | int | float | str]
    """What was drawn, by the dotted key of the setting."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampler; see `lab.search.asking`."""
    metric: str
    """The metric of an epoch that the search is for."""
    higher: bool
    """Whether more of it is better."""
    stop_early: StopEarly = "none"
    """By which rule the trial may be stopped early."""
    stop_from: int = Field(default=1, ge=1)
    """The first epoch after which it may be."""

    @property
    def goal(self) -> Criterion:
        """The metric, and which way is better."""
        return Criterion(metric=self.metric, higher=self.higher)


def word_of(search: str, number: int, letters: str, length: int) -> str:
    """A word that belongs to one trial of one search alone, of so many of these letters."""
    digest = hashlib.sha256(f"{search} {number}".encode()).digest()
    value, word = int.from_bytes(digest), ""
    while len(word) < length:
        value, rest = divmod(value, len(letters))
        word += letters[rest]
    return word
