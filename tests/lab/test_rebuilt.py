"""The figure of what a reversible backward loses, block by block, and figures for a page of two columns."""

import math
from pathlib import Path

import pytest
from matplotlib.text import Text

from revconsole.lab.report import drawing, writing
from revconsole.lab.report import results as reported
from revconsole.lab.report.figures import loss_curves, rebuilt
from revconsole.records.logs.events import EpochFinished, Finished, Measured, Started
from revconsole.records.logs.per_block import of_block
from revconsole.records.sections import Train
from revconsole.records.sections.model import Vit
from revconsole.records.sections.scheme import MomentumSection, ResidualSection
from revconsole.records.settings.plan import Plan

BLOCKS = 3
ERRORS = {"lossy": 1e-6, "exact": 0.0}
"""Error of the input of the last block, which doubles with every block that is undone, in the run of seed 0."""


@pytest.fixture
def results(store):
    """A plain arm, one that rebuilds with errors, and an exact one, of two seeds each; the second errs three times as much."""

    def run(arm, seed, scheme):
        plan = Plan(
            name=f"{arm}-s{seed}", seed=seed, train=Train(epochs=1), scheme=scheme, model=Vit(depth=BLOCKS),
            backward="stored" if arm == "plain" else "reversible",
        )  # fmt: skip
        run_id = store.create(plan, {})
        attempt = store.claim(run_id, 1)
        probed = arm in ERRORS
        attempt.emit(Started(facts={"steps": 1} | ({"rebuilt_blocks": BLOCKS} if probed else {})))
        if probed:
            first = ERRORS[arm] * (1 + 2 * seed)
            values = {
                of_block("reconstruction", n): first * 2 ** (BLOCKS - 1 - n) for n in range(BLOCKS)
            }
            gradients = {of_block("gradient_error", n): 1e-5 * (n + 1) for n in range(BLOCKS)}
            attempt.emit(Measured(step=1, epoch=1, values=values | gradients))
        losses = {"train_loss": 1.0, "validation_loss": 1.0}
        attempt.emit(EpochFinished(epoch=1, step=1, values=losses))
        attempt.emit(Finished(outcome="completed", step=1, values={"test_accuracy": 0.5}))
        attempt.close()
        return store.read(run_id)

    schemes = {
        "plain": ResidualSection(),
        "lossy": MomentumSection(gamma=0.5),
        "exact": MomentumSection(gamma=0.5, grid_bits=9),
    }
    return reported.of_runs(
        [run(arm, seed, scheme) for arm, scheme in schemes.items() for seed in (0, 1)]
    )


def test_the_error_of_each_block_stands_over_the_blocks_undone(results):
    with drawing.drawn():
        left, right = rebuilt.draw(results).axes

    lines = {line.get_label(): line for line in left.lines}
    lossy, exact = lines["lossy"], lines["exact"]
    assert "plain" not in lines, "it rebuilds nothing"
    assert list(lossy.get_xdata()) == [1, 2, 3]
    assert list(lossy.get_ydata()) == pytest.approx([2e-6, 4e-6, 8e-6]), "the mean of the seeds"
    assert list(exact.get_ydata()) == [0, 0, 0]
    assert list(right.lines[0].get_ydata()) == pytest.approx([3e-5, 2e-5, 1e-5])


def test_beside_it_stands_what_rounding_grows_to_by_the_formula(results):
    with drawing.drawn():
        left, _ = rebuilt.draw(results).axes

    dotted = [line for line in left.lines if line.get_linestyle() == ":"]
    grows = [line for line in dotted if len(line.get_xdata())]
    # Two roundings a block of half a unit in the last place, halved gamma doubling those before: a geometric sum of squares.
    formula = [2 * 2.0**-24 * math.sqrt((4**n - 1) / 3) for n in range(1, 2 * BLOCKS + 1)]
    assert [list(line.get_ydata()) for line in grows] == [pytest.approx(formula)]
    (limit,) = [line for line in left.lines if line.get_color() == "0.6"]
    assert list(limit.get_ydata()) == pytest.approx([2 ** (-24 * 0.4) / 2.5] * 2)


def test_a_report_without_a_probe_has_no_such_figure(results):
    plain = reported.of_runs([run for run in results.runs if run.plan.backward == "stored"])
    with drawing.drawn():
        assert rebuilt.draw(plain) is None


def test_a_figure_for_one_of_two_columns_is_as_wide_as_that_and_its_letters_can_be_read(results):
    with drawing.drawn(two_columns=True):
        figure = loss_curves.draw(results)
        figure.draw_without_rendering()
        shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
        sizes = [text.get_fontsize() for text in shown]
        inches = figure.get_tightbbox()
    with drawing.drawn():
        wide = loss_curves.draw(results)

    assert figure.get_figwidth() == pytest.approx(3.3)
    assert min(sizes) >= 7
    assert 0 <= inches.x0 < inches.x1 <= 3.3, "nothing is cut off"
    above, below = (axes.get_position() for axes in figure.axes)
    assert above.y0 > below.y1, "panels below each other"
    assert wide.get_figwidth() == pytest.approx(6.2), "the width is asked for each time"


def test_in_latex_tables_span_both_columns_and_narrow_figures_one(results):
    writing.write(results, Path("out"), ["tex"], ["pdf"], two_columns=True)
    text = Path("out/report.tex").read_text(encoding="utf-8")

    assert r"\begin{table*}" in text
    assert r"\begin{table}" not in text
    assert r"\begin{figure}" in text
    assert r"\begin{figure*}" not in text
