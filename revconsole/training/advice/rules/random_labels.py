"""Random labels: what is learnt of the training images holds for no others, or nothing can be learnt at a good rate.

Speaks when the network is at chance on the validation images although it predicts its training images better than by
guessing, or at chance on both with a rate that is neither low nor high and weights that have moved. A network can learn
labels drawn at random by heart (Zhang et al., "Understanding deep learning requires rethinking generalization", 2017).
"""

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The alarm about labels that have nothing to do with their images."""
    if not chance.judged(run, seen) or chance.cause(run, seen) != "labels":
        return None
    train = seen.epoch().get("train_loss")
    learnt = train is not None and train < (run.guessing_loss or 0.0)
    why = (
        f"what is learnt of the training images (loss {train:.3f}) holds for no others: the labels look random, or the "
        "validation images are labelled otherwise"
        if learnt
        else f"the learning rate ({seen.most_rate:.2g}) is neither low nor high: the labels look random, or nothing of the "
        "images reaches the answer"
    )
    return Finding(
        evidence=f"{chance.evidence(run, seen)}; {why}",
        action="look at images with their labels",
        verb="data show",
    )


RULE = chance.rule("random labels", look)
