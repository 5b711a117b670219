"""At chance: after a fair try the network predicts no better than by the shares of the classes.

Speaks at the end of an epoch, after 200 steps and an epoch beyond the warm-up, when the validation loss is not below the
entropy of the training labels and the accuracy is that of the most frequent class. The advice goes by what rates and
losses show: a rate (or a clip) that moved nothing, one that threw the weights about, one that decayed. Over once it learns.
Source: Karpathy, "A Recipe for Training Neural Networks", 2019 (verify loss at init, input-independent baseline).
"""

from revconsole.training.advice import chance
from revconsole.training.advice.rule import Finding, with_rate
from revconsole.training.advice.rules import clipping
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The alarm about a network that learns nothing, with the likeliest cause."""
    if not chance.judged(run, seen):
        return None
    evidence, rate = chance.evidence(run, seen), seen.most_rate
    match chance.cause(run, seen):
        case "decayed":
            return Finding(
                evidence=evidence,
                action="its learning rate decayed to nothing before anything was learnt: let it fall more slowly",
                settings={"schedule.name": "cosine"},
            )
        case "still":
            return _still(run, seen, evidence)
        case "thrown":
            why = "the learning rate is too high: try a tenth of it"
            return _at(rate / 10, evidence, why, f", or {run.warm_up}")
        case "slow":
            return _at(10 * rate, evidence, "the learning rate seems too low: try ten times it")
        case _:
            return None


def _still(run: WatchedRun, seen: WatchedSoFar, evidence: str) -> Finding:
    """What keeps the weights where they are: a clip that sets the length of every step, or the rate."""
    clip = clipping.look(run, seen)
    if clip is not None and not run.adaptive:
        return Finding(
            evidence=f"{evidence}; {clip.evidence}, and {seen.step} of them take the weights nowhere",
            action=f"clip at {clip.settings['train.clip']:g}, where only rare gradients are cut",
            settings=clip.settings,
        )
    rate = seen.most_rate
    why = f"the learning rate is too low: with {rate:.2g} at most, {seen.step} steps take the weights nowhere"
    return _at(10 * rate, evidence, f"{why}; try ten times it")


def _at(rate: float, evidence: str, why: str, more: str = "") -> Finding:
    action = f"{why} ({rate:.2g}){more}"
    return Finding(evidence=evidence, action=action, settings=with_rate(rate))


RULE = chance.rule("at chance", look)
