"""Errors of the reversible backward, block by block on the way back, beside what the arithmetic foretells of them."""

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revconsole import arithmetic
from revconsole.lab.report import drawing
from revconsole.lab.report.figures import curves
from revconsole.lab.report.results import ArmResult, Results
from revconsole.records.logs.per_block import of_block
from revconsole.records.settings import growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "reconstruction"
PANELS = (("reconstruction", "activations"), ("gradient_error", "gradients of a block"))
"""What is measured of each block, and the title of its panel."""
FURTHER = 2
"""The foretold growth is drawn over so many times the blocks that the models have."""
LEAST, MOST = -8, 0
"""Powers of ten between which the axis is logarithmic; an error of 0 is below them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """An arm whose blocks are all in one stack and were probed. place: of the arm in the report. blocks: their number."""

    place: int
    arm: ArmResult
    blocks: int

    @property
    def most(self) -> float:
        """The foretold error above which a plan in its precision is refused."""
        return arithmetic.limit(arithmetic.ROUNDING[self.arm.runs[0].plan.train.precision])

    def measured(self, what: str) -> list[tuple[int, float]]:
        """How many blocks were undone and the error then found at the last probe, mean over the seeds."""
        found = []
        for undone in range(1, self.blocks + 1):
            values = self.arm.by_seed(of_block(what, self.blocks - undone)).values()
            if values:
                found.append((undone, statistics.fmean(values)))
        return found

    def foretold(self, blocks: int) -> list[tuple[int, float]]:
        """What the arithmetic foretells of so many blocks, one after the other; empty where it is exact."""
        plan = self.arm.runs[0].plan
        lost = [
            (n, growth.foretold(plan.scheme, n, plan.train.precision)) for n in range(1, blocks + 1)
        ]
        return [(n, error) for n, error in lost if error > 0.0]


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    return (
        "Relative errors of the reversible backward after the last epoch, against the number of blocks undone: of the rebuilt "
        "input of a block, and of the gradient of its weights, each beside one computed with every activation kept. Dotted, what "
        "rounding alone is foretold to grow to, also in deeper models; above the grey line a plan is refused. "
        f"An exact scheme rebuilds without error: {curves.about(results)}"
    )


def draw(results: Results) -> "Figure | None":
    """A curve for each arm that reconstructs; None if none was probed block by block."""
    found = [each for place, arm in enumerate(results.arms) if (each := _rebuilt(place, arm))]
    if not found:
        return None
    figure, panels = drawing.canvas(len(PANELS))
    for axes, (what, title) in zip(panels, PANELS, strict=True):
        for each in found:
            _curve(axes, each, what)
        axes.set_title(title)
        axes.set_xlabel("blocks undone")
        axes.xaxis.set_major_locator(drawing.whole_numbers())
    deepest = FURTHER * max(each.blocks for each in found)
    for each in found:
        lost = each.foretold(deepest)
        panels[0].plot(*_split(lost), ":", color=drawing.style(each.place).colour, linewidth=1.0)
    panels[0].set_xlim(0.0, deepest + 1.0)
    panels[1].set_xlim(left=0.0)
    most = min(each.most for each in found)
    panels[0].axhline(most, color="0.6", linewidth=1.0)
    drawing.magnitudes(panels[0], LEAST, MOST)
    panels[0].set_ylabel("relative error")
    drawing.legend(figure, panels[0])
    return figure


def _rebuilt(place: int, arm: ArmResult) -> Rebuilt | None:
    """The arm, if all of its blocks are undone in one row, so that their numbers say how many were undone."""
    run = arm.runs[0]
    blocks = run.facts.get("rebuilt_blocks")
    if not isinstance(blocks, int) or of_block("reconstruction", 0) not in run.series:
        return None
    one_stack = of_block("reconstruction", blocks) not in run.series
    return Rebuilt(place=place, arm=arm, blocks=blocks) if one_stack else None


def _curve(axes: "Axes", each: Rebuilt, what: str) -> None:
    style = drawing.style(each.place)
    axes.plot(
        *_split(each.measured(what)), style.line, color=style.colour, marker=style.marker, markersize=3.5, linewidth=1.2,
        label=drawing.label(each.arm.name),
    )  # fmt: skip


def _split(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
