"""Attention maps: attention rollout over a model's blocks on some test images."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from revconsole.lab.report import drawing
from revconsole.lab.report.figures.inspected import Inspections, inspected, of_which
from revconsole.lab.report.figures.sheet import Sheet, file_name
from revconsole.lab.report.results import Results
from revconsole.records.findings.inspection import Attended, AttentionRollout
from revconsole.records.settings.plan import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

NAME = "attention"
AS_DEFINED = frozenset({"residual", "bdia"})
"""Schemes whose blocks compute x + h(x) in evaluation, for which rollout is defined."""


LARGEST, MARGIN, TITLE, LOWEST = 1.6, 0.9, 0.4, 2.2
"""Inches: largest side of an image, margin for the colour scale, height of the titles, of a figure in which its words have room."""


def sheets(results: Results, inspections: Inspections) -> Iterator[Sheet]:
    """Yield a figure for each arm whose attention is a softmax over the whole image."""
    for place, inspection in inspected(results, inspections):
        if isinstance(inspection.attention, AttentionRollout):
            arm = results.arms[place]
            yield Sheet(
                name=file_name(NAME, place, arm),
                caption=_caption(inspection.attention, of_which(arm, inspection), arm.runs[0].plan),
                figure=draw(inspection.attention),
            )


def draw(shown: AttentionRollout) -> "Figure":
    """Each image above the same image under its map, all on one scale."""
    count = len(shown.images)
    width = min(LARGEST, (drawing.WIDTH - MARGIN) / count)
    pixels = shown.images[0].picture.rows
    height = min(LARGEST, width * len(pixels) / len(pixels[0]))
    size = (count * width + MARGIN, max(LOWEST, 2 * height + TITLE))
    figure, panels = drawing.grid(2, count, size=size)
    even = math.prod(shown.grid)
    values = [share * even for each in shown.images for row in each.shares for share in row]
    for column, each in enumerate(shown.images):
        above, below = panels[0][column], panels[1][column]
        _image(above, each)
        above.set_title(_title(each), fontsize=7.5)
        _image(below, each)
        layer = _map(below, each, even, (min(values), max(values)))
    bar = figure.colorbar(layer, ax=[axes for row in panels for axes in row], aspect=25)
    bar.set_label("attention relative to uniform")
    return figure


def _image(axes: "Axes", each: Attended) -> None:
    axes.imshow(each.picture.rows, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_axis_off()


def _map(axes: "Axes", each: Attended, even: int, scale: tuple[float, float]) -> "AxesImage":
    """Draw a translucent map over an image, patch by patch."""
    height, width = len(each.picture.rows), len(each.picture.rows[0])
    return axes.imshow(
        [[share * even for share in row] for row in each.shares], cmap="viridis",
        vmin=scale[0], vmax=scale[1], alpha=0.65, extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
    )  # fmt: skip


def _title(each: Attended) -> str:
    truth, called = drawing.label(each.truth, 14), drawing.label(each.called, 14)
    return truth if each.truth == each.called else f"{truth}\n({called})"


def _caption(shown: AttentionRollout, whose: str, plan: Plan) -> str:
    text = (
        f"Attention of {shown.of} on the first test image of each of {len(shown.images)} classes, rolled out over "
        f"{shown.blocks} softmax attentions (Abnar and Zuidema 2020; heads averaged, the skip connection half of every "
        f"row), of {whose}. Above the image with its class, and in brackets the predicted one where that was wrong; below the "
        f"same under its map: attention relative to uniform (1/{math.prod(shown.grid)} for each patch). One scale for all images."
    )
    if plan.scheme.name not in AS_DEFINED:
        text += (
            f" Rollout is defined for blocks that compute x + h(x); the scheme {plan.scheme.name} wires them "
            "otherwise, so the map is an approximation."
        )
    return text
