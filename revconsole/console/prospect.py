"""Prospect: what the runs of a form would cost, as far as it is known: parameters, memory, time. No widgets."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from revconsole.errors import RevconsoleError
from revconsole.lab import format as figures
from revconsole.lab import room
from revconsole.lab.estimate import Measurer
from revconsole.lab.foreseer import Foreseer
from revconsole.lab.outlook import WORST, Outlook, foretold
from revconsole.lab.timing import Timing, timing
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import Kind
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.runs.pace import pace_key
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MOST_COUNTED = 12
"""Most shapes of models that are counted for a large grid."""
MOST_FORESEEN = 4
"""Most kinds of run of a large grid whose memory is foreseen."""
MOST_TIMED = 200
"""Most runs whose time is added up."""
READING = "reading the model…"
UNTIMED = "no earlier run on this device tells how long; f3 times a few steps"
TELLS = "f3 tells how long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What some runs would cost.

    at_most: whether some of the runs may be stopped before their end. worst: of the run that needs most of what is known; None
    while nothing is. timing: of the longest run, or of one whose time is unknown. seconds: of all runs one after the other; None
    if one is unknown. counted: their parameters as text, empty while unknown. problem: why something stays unknown. uncounted,
    unforeseen: one plan of each kind that is still to be asked about. untimed: one of each whose steps may be timed, as no run
    tells how long it takes. measuring: what is being timed, or why it was not, in words.
    """

    runs: int
    at_most: bool = False
    worst: Outlook | None = None
    timing: Timing | None = None
    seconds: float | None = None
    counted: str = ""
    problem: str = ""
    uncounted: tuple[Plan, ...] = ()
    unforeseen: tuple[Plan, ...] = ()
    untimed: tuple[Plan, ...] = ()
    measuring: str = ""

    @property
    def duration(self) -> str:
        """How long all runs take, what is being timed, or how to know it, in words; empty while their models are still read."""
        parts = [self.measuring] if self.measuring else []
        if self.seconds is not None:
            parts = [
                f"{'at most ' if self.at_most else ''}about {figures.duration(self.seconds)}",
                *parts,
            ]
        elif self.untimed and not self.uncounted and not parts:
            parts = [TELLS]
        return " · ".join(parts)

    @property
    def uncounted_words(self) -> str:
        """What stands in place of the parameters: a support vector machine has none."""
        return READING if self.uncounted or not self.runs else "no parameters to count"


def prospect(
    plans: Sequence[Plan],
    foreseer: Foreseer,
    earlier: Sequence[Summary],
    drawn: int = 0,
    measurer: Measurer | None = None,
) -> Prospect:
    """What the plans would cost, from what is known of them; takes milliseconds and imports no torch.

    drawn: how many runs a search draws, of which these are at the ends of its space; 0 if these are all.
    """
    shapes = {_shape(plan): plan for plan in reversed(plans)}
    shapes = dict(list(reversed(shapes.items()))[:MOST_COUNTED])
    known = {shape: foreseer.known(plan) for shape, plan in shapes.items()}
    uncounted = tuple(plan for shape, plan in shapes.items() if known[shape] is None)
    kinds = list(shapes.items())[:MOST_FORESEEN]
    partly = [plan for shape, plan in kinds if _unforeseen(plan, known[shape])]
    paces = Counter(map(_pace, plans[:MOST_TIMED]))
    outlooks = _outlooks(plans[:MOST_TIMED], foreseer, earlier)
    times = _times(plans[:MOST_TIMED], outlooks, earlier, measurer or Measurer())
    counts = {
        shape: number for shape, each in known.items() if (number := _parameters(each)) is not None
    }
    problem = next((each.why_not for each in known.values() if each and each.counts is None), "")
    worst = max(outlooks.values(), key=_need, default=None)
    return Prospect(
        runs=drawn or len(plans),
        at_most=bool(drawn),
        worst=worst,
        timing=max((told for _, told in times.values()), key=_longest, default=None),
        seconds=_total(paces, times, drawn) if len(plans) <= MOST_TIMED else None,
        counted=_span(plans, counts),
        problem=problem,
        uncounted=uncounted,
        unforeseen=tuple(partly),
        untimed=tuple(plan for plan, told in times.values() if told.source != "run"),
    )


def summary(launches: str, found: Prospect, *, looking: bool) -> str:
    """A line on what a form launches, in words. looking: whether a model is still being checked."""
    counted = found.counted or (
        f"parameters unknown: {found.problem}" if found.problem else found.uncounted_words
    )
    total = f" · {found.duration}" if found.duration else ""
    return f"{launches} · {counted}{total}" + (" · checking the model…" if looking else "")


def _unforeseen(plan: Plan, known: Foreseen | None) -> bool:
    """Whether the memory of a plan is still to be asked about."""
    if plan.fitted:
        return False
    return known is None or (known.foresight is None and not known.why_not)


def _parameters(known: Foreseen | None) -> int | None:
    number = (known.counts or {}).get("parameters") if known else None
    return number if isinstance(number, int) else None


def _outlooks(
    plans: Sequence[Plan], foreseer: Foreseer, earlier: Sequence[Summary]
) -> dict[str, Outlook]:
    """The outlook of each kind of run that is known, by pace."""
    free: dict[Kind, int | None] = {}
    found: dict[str, Outlook] = {}
    for pace, plan in {_pace(plan): plan for plan in reversed(plans)}.items():
        known = foreseer.known(plan)
        if known is None or known.counts is None:
            continue
        kind = room.kind_of(plan)
        if kind not in free:
            free[kind] = room.free_on(kind)
        found[pace] = foretold(plan, known, memory=free[kind], runs=earlier)
    return found


def _pace(plan: Plan) -> str:
    return f"{pace_key(plan)} {plan.epochs}"


def _need(outlook: Outlook) -> tuple[int, int]:
    """How much a run needs: the worse verdict first, then the more bytes."""
    own = outlook.own
    verdict = outlook.verdict
    return (WORST.index(verdict) if verdict else 0, own.bounds.high if own else 0)


def _times(
    plans: Sequence[Plan],
    outlooks: Mapping[str, Outlook],
    earlier: Sequence[Summary],
    measurer: Measurer,
) -> dict[str, tuple[Plan, Timing]]:
    """How long each kind of run takes, and the first of that kind, by pace."""

    def kept(plan: Plan) -> KeptPace:
        """Nothing trains while one types."""
        found = measurer.known(plan)
        if found is None:
            raise RevconsoleError(UNTIMED)
        return found

    times: dict[str, tuple[Plan, Timing]] = {}
    for pace, plan in {_pace(plan): plan for plan in reversed(plans)}.items():
        outlook = outlooks.get(pace)
        counted = outlook.counts.get("multiply_adds_per_image") if outlook else None
        times[pace] = plan, timing(plan, earlier, kept, counted)
    return times


def _longest(told: Timing) -> float:
    return math.inf if told.seconds is None else told.seconds


def _total(
    paces: Mapping[str, int], times: Mapping[str, tuple[Plan, Timing]], drawn: int
) -> float | None:
    """Seconds of all runs, one after the other; of drawn ones as if each were the longest. paces: the number of runs of each pace."""
    known = [(number, times[pace][1].seconds) for pace, number in paces.items()]
    seconds = [(number, each) for number, each in known if each is not None]
    if len(seconds) < len(known):
        return None
    if drawn:
        return drawn * max((each for _, each in seconds), default=0.0)
    return sum(number * each for number, each in seconds)


def _shape(plan: Plan) -> str:
    """A key for everything that the number of parameters depends on."""
    return f"{plan.model!r} {plan.scheme!r} {plan.data.dataset} {plan.image_shape}"


def _span(plans: Sequence[Plan], counts: Mapping[str, int]) -> str:
    """The smallest and largest number of parameters of the runs as text; empty while one is unknown."""
    shapes = list(dict.fromkeys(_shape(plan) for plan in plans))[:MOST_COUNTED]
    if not counts.keys() >= set(shapes):
        return ""
    low, high = (f([counts[shape] for shape in shapes]) for f in (min, max))
    if not high:
        return "support vectors known after the fit"
    if low == high:
        return f"{figures.count(low)} parameters"
    return f"{figures.count(low)} to {figures.count(high)} parameters"
