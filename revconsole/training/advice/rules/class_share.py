"""Class share: all that has been learnt is how frequent the classes are.

Speaks when the network is at chance and the most frequent class has 1.5 times the share of equal classes or more: an
accuracy of 90 % that is the share of one class looks like success. Over once it learns. Source: Branco et al., "A Survey
of Predictive Modeling on Imbalanced Domains", 2016.
"""

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, with_rate
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The alarm about an accuracy that is the share of one class."""
    if not chance.judged(run, seen) or chance.cause(run, seen) != "shares":
        return None
    low = chance.stands_still(run, seen) or not chance.thrown(run, seen)
    rate = seen.most_rate * (10 if low else 0.1)
    return Finding(
        evidence=f"{chance.evidence(run, seen)}: only the shares of the classes have been learnt",
        action=f"the learning rate seems too {'low' if low else 'high'}, try {'ten times' if low else 'a tenth of'} it "
        f"({rate:.2g}), and judge by the confusion matrix instead of the accuracy",
        settings=with_rate(rate),
    )


RULE = chance.rule("class share", look)
