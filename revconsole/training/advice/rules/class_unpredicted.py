"""Class unpredicted: the network learns, and some class is never the answer.

Speaks when a class with five validation images or more was predicted for none in any of the last five epochs, although the
accuracy is 40 % of the way from the most frequent class to 100 %: for that class the accuracy is 0. Source: He and Garcia, "Learning
from Imbalanced Data", 2009.
"""

from collections.abc import Sequence

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import MISSED_EPOCHS, WatchedRun, WatchedSoFar

WAY = 0.4
"""Share of the way from guessing to 100 % from which every class should have its turn."""
NAMED = 5
"""Classes that are named; of more, the others are counted."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about classes that the network does not know."""
    missed = _missed(seen.unpredicted)
    share = run.guessing_accuracy
    if share is None or not missed or seen.step < run.fair:
        return None
    accuracy = seen.epoch().get("validation_accuracy", 0.0)
    if accuracy < share + WAY * (1 - share):
        return None
    one = len(missed) == 1
    return Finding(
        evidence=f"{_named(run.names, missed)} {'is' if one else 'are'} never predicted: in {MISSED_EPOCHS} epochs none of "
        f"{run.images:,} validation images was taken for {'it' if one else 'them'}, at an accuracy of {accuracy:.1%}",
        action="look how many images each class has, and whether the labels are right",
        verb="data show",
    )


def _missed(by_epoch: Sequence[Sequence[int]]) -> list[int]:
    """The classes that were predicted in none of the epochs; empty before there are enough of these."""
    if len(by_epoch) < MISSED_EPOCHS:
        return []
    return sorted(set(by_epoch[0]).intersection(*by_epoch[1:]))


def _named(names: Sequence[str], missed: Sequence[int]) -> str:
    """The classes in words: by name, or by number (from 0) where there are no names."""
    words = [repr(names[each]) if each < len(names) else str(each) for each in missed]
    if len(words) == 1:
        return f"class {words[0]}"
    if len(words) > NAMED:
        words = [*words[:NAMED], f"{len(words) - NAMED} more"]
    return f"the classes {', '.join(words[:-1])} and {words[-1]}"


RULE = WatchRule(
    name="class unpredicted", level="warning", look=look, unless=chance.RULES | {"diverged"}
)
