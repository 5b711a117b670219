"""The figure of what a reversible backward loses, block by block, and figures for a page of two columns."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.text import Text
from timm.models.vision_transformer import VisionTransformer

from revconsole.lab.layer_files import layer_tables
from revconsole.lab.report import drawing, writing
from revconsole.lab.report import results as reported
from revconsole.lab.report.document import DrawnFigure, document
from revconsole.lab.report.figures import loss_curves, rebuilt
from revconsole.lab.report.formats import as_latex
from revconsole.lab.report.layers import layers
from revconsole.lab.report.shown_table import Table
from revconsole.records.findings.modules import ModuleCost
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
            name=f"{arm}-s{seed}", seed=seed, train=Train(epochs=1), scheme=scheme, model=Vit(depth=BLOCKS, dim=16, heads=2, patch=4),
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
    written = [text.get_text() for text in left.get_yticklabels()]
    assert (written[:2], written[-1]) == (["0", "1"], "1e-8"), "no formula, and 0 is on the axis"
    assert left.get_ylim()[0] < 0
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


def test_in_latex_tables_span_both_columns_and_layers_stand_in_the_appendix(results):
    appendix = layer_tables(
        ["all arms"],
        [
            [
                ModuleCost(
                    name="head",
                    kind="Linear",
                    inputs=(1, 16),
                    calls=1,
                    outputs=(1, 10),
                    parameters=170,
                    multiply_adds=160,
                )
            ]
        ],
    )
    writing.write(
        results, Path("out"), ["tex", "md", "html"], [], two_columns=True, layers=appendix
    )
    for name in ("report.md", "report.html"):
        assert "Layers of all arms" in Path("out", name).read_text(encoding="utf-8")
    text = Path("out/report.tex").read_text(encoding="utf-8")

    assert r"\begin{table*}" in text
    assert r"\begin{table}" not in text
    assert r"\caption{Layers of all arms}" in text


def test_in_latex_a_column_of_words_is_set_from_the_left_and_one_of_numbers_from_the_right():
    shown = Table(
        caption="",
        headings=("setting", "a", "b"),
        rows=(("gamma", "–", "stored"), ("patch", "1,024", "4")),
        notes=(),
    )

    assert r"{@{}>{\raggedright\arraybackslash}Xrl@{}}" in as_latex.tabular(shown, "a")


@pytest.mark.parametrize(
    ("width", "two_columns", "environment"),
    [(1.0, True, "figure"), (1.9, True, "figure*"), (1.9, False, "figure")],
)
def test_in_latex_a_figure_that_is_wider_than_a_column_spans_both(
    results, width, two_columns, environment
):
    figure = DrawnFigure(name="curves", caption="", files={"pdf": Path("curves.pdf")}, width=width)
    placed = as_latex.render(replace(document(results, (figure,)), two_columns=two_columns))

    assert f"\\begin{{{environment}}}" in placed
    assert f"\\end{{{environment}}}" in placed


def test_arms_that_share_a_model_share_a_table_of_its_layers(results):
    (shown,) = layers(results)
    model = VisionTransformer(
        img_size=8, patch_size=4, in_chans=1, num_classes=10, embed_dim=16, depth=BLOCKS, num_heads=2, mlp_ratio=4
    )  # fmt: skip

    assert shown.caption == "Layers of plain, lossy, exact"
    times, counts = shown.headings.index("times"), shown.headings.index("parameters")
    numbers = [(int(row[times] or 1), int(row[counts].replace(",", ""))) for row in shown.rows[:-1]]
    own = sum(parameter.numel() for parameter in model.parameters())
    assert sum(count * each for count, each in numbers) == own
