"""At peak: the least time that a card takes for the products of a training, from its multiply-adds and the card's peak.

    seconds ≥ 2 · multiply-adds / (operations per second · ranks)

The multiply-adds are those of all training steps: forward, backward, and what the backward computes again. Evaluation,
data, norms and the update of the weights come on top, and no kernel reaches the peak, so a run takes longer. Only an
algorithm with fewer products may take less: Winograd's for convolutions of 3×3, which some kernels use in float32.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab import format as form
from revconsole.lab.torch_api import training
from revconsole.records.card_peaks import PEAKS, TERA, cards_named
from revconsole.records.foresight import products
from revconsole.records.printable import plural
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

OPTION = "--card"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCard:
    """A card with a known peak. alike: how many cards the given name means; this is the fastest of them."""

    title: str
    alike: int

    @property
    def words(self) -> str:
        """The card in words."""
        return self.title if self.alike == 1 else f"{self.title}, the fastest of {self.alike}"

    def peak_for(self, plan: Plan) -> float:
        """Operations per second in the plan's precision. Raises ProfileError if the card has no such products."""
        precision = plan.train.precision
        peak = PEAKS[self.title].in_precision(precision)
        if peak is None:
            raise ProfileError(
                COMMAND_LINE, OPTION, f"{self.title} has no products in {precision}, which {plan.name} trains in; set train.precision"
            )  # fmt: skip
        return peak


def card_named(name: str) -> NamedCard:
    """The card of that name, or the fastest of its series. Raises UnknownName."""
    found = cards_named(name)
    return NamedCard(title=found[0], alike=len(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastTime:
    """The least seconds of a run. multiply_adds: of all its training steps. why_not: why both are unknown.

    peak: operations per second of the card. ranks: cards that share each step.
    """

    peak: float
    ranks: int = 1
    multiply_adds: int | None = None
    why_not: str = ""

    def seconds(self, share: float = 1.0) -> float | None:
        """The seconds if the products run at this share of the peak; None if unknown."""
        if self.multiply_adds is None:
            return None
        return 2 * self.multiply_adds / (share * self.peak * self.ranks)


def least_time(plan: Plan, card: NamedCard) -> LeastTime:
    """The least time of a run on a card. Raises ProfileError for a precision that it does not have."""
    peak, ranks = card.peak_for(plan), plan.train.ranks
    if plan.fitted:
        return LeastTime(peak=peak, why_not="it is fitted at once and has no steps")
    try:
        counted = products.known(plan) or training.products_of_step(plan)
    except RevconsoleError as error:
        return LeastTime(peak=peak, ranks=ranks, why_not=str(error))
    in_all = counted.of_run(plan)
    why_not = "" if in_all is not None else "the images of its folder are not counted"
    return LeastTime(peak=peak, ranks=ranks, multiply_adds=in_all, why_not=why_not)


def entry(card: NamedCard, time: LeastTime, utilisation: float | None) -> dict[str, Any]:
    """The least time as `plan --json` prints it."""
    at_share = None if utilisation is None else time.seconds(utilisation)
    return {
        "card": card.title, **asdict(time), "seconds_at_peak": time.seconds(), "utilisation": utilisation,
        "seconds_at_utilisation": at_share,
    }  # fmt: skip


def sentence(card: NamedCard, times: Sequence[LeastTime], utilisation: float | None) -> str:
    """The least time of all runs together, one after the other, in words."""
    known = [time for time in times if time.multiply_adds is not None]
    if not known:
        return f"on {card.words}: no time is known"
    least = form.duration(sum(time.seconds() or 0.0 for time in known))
    runs = "the run" if len(times) == 1 else f"all {len(times)} runs, one after the other,"
    rest = f" without {len(times) - len(known)} of them" if len(known) < len(times) else ""
    peaks = " or ".join(f"{each / TERA:,.4g}" for each in dict.fromkeys(t.peak for t in known))
    ranks = max(time.ranks for time in known)
    many = "" if ranks == 1 else f"{plural(ranks, 'card')} a run, "
    text = f"on {card.words}: {runs} at least {least}{rest} ({many}{peaks} TFLOP/s at its peak)"
    if utilisation is None:
        return text
    longer = form.duration(sum(time.seconds(utilisation) or 0.0 for time in known))
    return f"{text}; {longer} at the given {utilisation:.0%} of it"
