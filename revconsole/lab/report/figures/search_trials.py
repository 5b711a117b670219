"""What each trial of a search reached, and the best so far."""

from typing import TYPE_CHECKING

from revconsole.lab.report import drawing
from revconsole.lab.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "search-trials"


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    goal = results.search.goal.words if results.search else ""
    return (
        f"Best {goal} of each trial, in the order drawn; hollow: stopped early, so with fewer epochs. The line is the best so "
        "far of those that trained to the end."
    )


def draw(results: Results) -> "Figure | None":
    """A mark for each trial that has a value, and the best so far as steps; None if it is no search."""
    found = results.search
    rows = [row for row in found.rows if row.reached is not None] if found else []
    if found is None or len(rows) < 2:
        return None
    share = 100.0 if found.goal.metric.endswith("accuracy") else 1.0
    figure, (axes,) = drawing.canvas()
    looks = drawing.style(0)
    for state, face in (("finished", looks.colour), ("pruned", "none")):
        marks = [(row.number, share * (row.reached or 0.0)) for row in rows if row.state == state]
        if marks:
            axes.plot(
                *zip(*marks, strict=True), looks.marker, color=looks.colour, markerfacecolor=face, markersize=5,
                label="trained to the end" if state == "finished" else "stopped early",
            )  # fmt: skip
    so_far: list[tuple[int, float]] = []
    for row in rows:
        if row.state == "finished" and row.reached is not None:
            values = [value for _, value in so_far] + [share * row.reached]
            so_far.append((row.number, max(values, key=found.goal.score)))
    axes.step(
        *zip(*so_far, strict=True), where="post", color=drawing.style(1).colour, label="best so far"
    )
    axes.set_xlabel("trial")
    axes.set_ylabel(f"best {found.goal.words}{' (%)' if share > 1 else ''}")
    drawing.legend(figure, axes)
    return figure
