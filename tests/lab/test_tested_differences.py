"""Differences with their tests: intervals, effect sizes and corrections, each beside a second computation."""

import csv
import io
import math
from dataclasses import replace
from itertools import combinations

import pytest
from scipy import stats

from revconsole.lab.report.document import document
from revconsole.lab.report.drawing import canvas
from revconsole.lab.report.figures import (
    accuracy_curves,
    accuracy_memory,
    accuracy_time,
    boundaries,
    loss_curves,
    memory_bars,
    rebuilt,
)
from revconsole.lab.report.formats import as_csv, as_html, as_latex, as_markdown
from revconsole.lab.report.grouping import by_dataset, together
from revconsole.lab.report.methods import paragraph
from revconsole.lab.report.numbers import arm_rows
from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.statistics import (
    MeanDifference,
    corrected,
    difference,
    quantile,
    two_sided_p,
)
from revconsole.lab.report.table import COLUMNS, table
from revconsole.lab.report.writing import draw
from revconsole.records.logs.events import EpochFinished, Finished, Measured, MetricDeclared
from revconsole.records.sections import Data, Train
from revconsole.records.sections.model import Vit
from revconsole.records.settings.plan import Plan

PAIRS = {0: 0.82, 1: 0.84, 2: 0.83, 3: 0.88}, {0: 0.80, 1: 0.81, 2: 0.81, 3: 0.82}
NEWCOMERS = {4: 0.83, 5: 0.86}, {4: 0.80, 5: 0.84}


@pytest.fixture
def finished(store):
    """`finished(arm, seed, test, dataset)` → a run that ended."""

    def make(arm, seed, test, dataset="digits", power=(), seconds=60.0, study="", **model):
        plan = Plan(
            name=f"{arm}-s{seed}", seed=seed, arm=arm, study=study, model=Vit(**model),
            data=Data(dataset=dataset), train=Train(epochs=1),
        )  # fmt: skip
        run_id = store.create(plan, {})
        attempt = store.claim(run_id, 1)
        declared = MetricDeclared(
            name="gpu_power", unit="W", per="step", direction="none", meaning="Power."
        )
        attempt.emit(declared)
        for step, watts in enumerate(power):
            attempt.emit(Measured(step=step, epoch=0, values={"gpu_power": watts}))
        attempt.emit(EpochFinished(epoch=1, step=9, values={"validation_accuracy": 0.5}))
        attempt.emit(Finished(outcome="completed", step=9, values={"test_accuracy": test}))
        attempt.close()
        return store.read(run_id)

    return make


def arm(name, runs, **given):
    return ArmResult(name=name, runs=tuple(runs), planned=len(runs), **given)


def results(arms, **given):
    return Results(name="study", title="A study", arms=tuple(arms), baseline=arms[0].name, **given)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("p", [0.4, 0.05, 0.001])
def test_a_quantile_is_that_of_student_s_t(freedom, p):
    assert quantile(p, freedom) == pytest.approx(stats.t.isf(p / 2, freedom), rel=1e-9)


@pytest.mark.parametrize("more", [False, True])
def test_an_interval_is_that_of_the_paired_test(more):
    values, baseline = (a | b if more else a for a, b in zip(PAIRS, NEWCOMERS, strict=True))
    found = difference(values, baseline)
    other = stats.ttest_rel(list(values.values()), list(baseline.values()))
    low, high = other.confidence_interval(0.95)

    assert found.p == pytest.approx(other.pvalue)
    assert found.mean - found.half_width == pytest.approx(low)
    assert found.mean + found.half_width == pytest.approx(high)


def test_an_effect_size_is_the_mean_by_the_deviation_corrected_for_few_pairs():
    found = difference(*PAIRS)
    gains = [a - b for a, b in zip(*(each.values() for each in PAIRS), strict=True)]
    freedom = len(gains) - 1
    correction = math.gamma(freedom / 2) / (math.sqrt(freedom / 2) * math.gamma((freedom - 1) / 2))

    plain = float(stats.tmean(gains) / stats.tstd(gains))
    assert found.effect == pytest.approx(correction * plain)
    assert abs(found.effect) < abs(plain)


@pytest.mark.parametrize(("pairs", "most"), [(3, 0.06), (4, 0.03), (8, 0.01)])
def test_the_detectable_difference_is_found_with_the_power_it_says(pairs, most):
    found = MeanDifference(mean=0.0, pairs=pairs, p=1.0, deviation=0.02)
    critical = stats.t.isf(0.025, pairs - 1)
    shift = found.detectable / 0.02 * math.sqrt(pairs)
    exact = next(
        s / 1000 for s in range(1000, 12_000) if stats.nct.sf(critical, pairs - 1, s / 1000) >= 0.8
    )

    assert shift == pytest.approx(exact, rel=most)


def test_tests_made_together_are_corrected_by_holm():
    """Second computation: closed testing, of which Holm's is the form with Bonferroni's test of each intersection."""
    ps = [0.012, 0.2, 0.011, 0.04]
    gains = [MeanDifference(mean=0.01, pairs=3, p=p, single_p=p, deviation=0.01) for p in ps]
    untested = MeanDifference(mean=0.01, pairs=2, why_untested="2 seeds")

    found = corrected([None, *gains, untested])

    others = range(len(ps))
    closed = [
        max(
            min(1.0, len(group) * min(ps[j] for j in group))
            for size in range(1, len(ps) + 1)
            for group in combinations(others, size)
            if i in group
        )
        for i in others
    ]
    assert [gain.p for gain in found[1:5]] == pytest.approx(closed)
    assert [gain.single_p for gain in found[1:5]] == ps
    assert (found[0], found[5]) == (None, untested)
    assert [gain.distinguishable for gain in found[1:5]] == [True, False, True, False]


def test_a_correction_is_said_wherever_it_was_made(finished):
    arms = [
        arm(name, [finished(name, s, 0.8 + gain + d * s * s / 500, depth=d) for s in range(3)])
        for name, gain, d in (("a", 0.0, 1), ("b", 0.02, 2), ("c", 0.05, 3))
    ]
    made = results(arms)

    alone = arm_rows(results(arms[:2]))[1].gain
    assert arm_rows(made)[1].gain.together == 2
    assert arm_rows(made)[1].gain.single_p == alone.p
    for module in (as_markdown, as_latex, as_html):
        assert "corrected for the 2 tests" in module.render(document(made))
    assert "corrected for 2 tests (Holm 1979)" in paragraph(made)
    assert "corrected" not in paragraph(results(arms[:2]))


def test_a_ladder_is_tested_rung_by_rung(finished):
    accuracies = {
        "plain": (0.70, 0.71, 0.73),
        "crop": (0.72, 0.75, 0.76),
        "drop": (0.80, 0.82, 0.81),
    }
    arms = [
        arm(name, [finished(name, s, v, depth=d) for s, v in enumerate(values)])
        for d, (name, values) in enumerate(accuracies.items(), start=1)
    ]
    made = results(arms, ladder=True)

    plain, crop, drop = arm_rows(made)
    assert plain.step is None
    assert drop.step.mean == pytest.approx(0.81 - sum(accuracies["crop"]) / 3)
    single = stats.ttest_rel(accuracies["drop"], accuracies["crop"]).pvalue
    assert drop.step.single_p == pytest.approx(single)
    shown = table(made)
    assert "difference to the arm above" in shown.headings
    head, *lines = csv.reader(io.StringIO(as_csv.render(document(made)), newline=""))
    at = head.index("difference to the arm above (percentage points)")
    assert float(lines[2][at]) == pytest.approx(100 * drop.step.mean)
    assert crop.step.mean == pytest.approx(crop.gain.mean)
    assert "above" not in " ".join(table(results(arms)).headings)


def test_arms_of_several_datasets_are_compared_within_each(finished):
    def runs(name, dataset, base, **model):
        return [finished(name, s, base + s / 100, dataset, **model) for s in range(3)]

    arms = [
        arm("digits, residual", runs("digits, residual", "digits", 0.90)),
        arm("synthetic, residual", runs("synthetic, residual", "synthetic", 0.50)),
        arm("digits, deep", runs("digits, deep", "digits", 0.92, depth=3)),
        arm("synthetic, deep", runs("synthetic, deep", "synthetic", 0.48, depth=3)),
    ]
    made = by_dataset(results(arms))

    rows = arm_rows(made)
    assert [(row.group, row.short) for row in rows] == [
        ("digits", "residual"), ("digits", "deep"), ("synthetic", "residual"), ("synthetic", "deep"),
    ]  # fmt: skip
    assert [row.gain and round(row.gain.mean, 6) for row in rows] == [None, 0.02, None, -0.02]
    assert made.baseline_word == "residual"
    for module in (as_markdown, as_latex, as_html):
        text = module.render(document(made))
        assert text.index("digits") < text.index("synthetic")
        assert "baseline of each group" in text
    assert by_dataset(results(arms[::2])) == results(arms[::2]), "one dataset makes no groups"


def test_a_dataset_without_the_baseline_s_settings_has_no_difference(finished):
    arms = [
        arm("a", [finished("a", 0, 0.9)]),
        arm("b", [finished("b", 0, 0.5, "synthetic", depth=5)]),
    ]

    assert [row.gain for row in arm_rows(by_dataset(results(arms)))] == [None, None]


@pytest.mark.parametrize(
    ("second", "groups"), [("synthetic", ["digits", "synthetic"]), ("digits", ["one", "two"])]
)
def test_several_studies_are_one_report_with_a_group_each(finished, second, groups):
    def study(name, dataset):
        arms = [
            arm(word, [finished(word, 0, 0.8 + d / 100, dataset, study=name, depth=d)])
            for word, d in (("plain", 1), ("deep", 2))
        ]
        return Results(name=name, title=name.title(), arms=tuple(arms), baseline="plain")

    made = together([study("one", "digits"), study("two", second)])

    rows = arm_rows(made)
    assert list(dict.fromkeys(row.group for row in rows)) == groups
    assert [row.short for row in rows] == ["plain", "deep"] * 2
    assert [row.baseline for row in rows] == [True, False] * 2
    assert len({each.name for each in made.arms}) == 4
    assert "plain" in table(made).rows[2][0]


def test_hours_and_energy_are_of_all_runs_of_an_arm(finished):
    metered = [finished("a", s, 0.8, power=(100.0, 300.0)) for s in range(2)]
    without = [finished("b", 0, 0.8, power=(100.0,), depth=2), finished("b", 1, 0.8, depth=2)]
    first, second = arm_rows(results([arm("a", metered), arm("b", without)]))

    hours = sum(run.summary.seconds for run in metered) / 3600
    assert first.device_hours == pytest.approx(hours)
    assert first.watt_hours == pytest.approx(200.0 * hours)
    assert second.watt_hours is None, "a run without samples makes the sum unknown"


def test_any_column_can_be_chosen(finished):
    arms = [
        arm(name, [finished(name, s, 0.8 + g * s, depth=d) for s in range(3)])
        for name, g, d in (("a", 0.01, 1), ("b", 0.03, 2))
    ]
    made = document(results(arms), columns=["accuracy", "interval", "effect"])

    assert made.table.headings == ("arm", "test accuracy", "95 % interval (pp)", "effect size")
    typeset = as_latex.render(made)
    assert "interval" in typeset
    assert "seeds}" not in typeset.split(r"\bottomrule")[0]
    assert set(COLUMNS) >= {"accuracy", "interval", "effect"}


def test_a_table_that_is_too_wide_goes_on_in_another(finished):
    names = ["a", "b"]
    arms = [
        arm(n, [finished(n, s, 0.8 + k * s / 90, depth=k + 1) for s in range(3)])
        for k, n in enumerate(names)
    ]
    text = as_latex.render(document(results(arms), columns=COLUMNS))

    assert text.count("(continued)") >= 1
    assert "resizebox" not in text
    assert text.count("p $") + text.count("paired t-test") >= 1
    for part in text.split(r"\toprule")[1:]:
        heading = part.split(r"\midrule")[0]
        assert heading.count(" & ") <= 8


def test_what_is_tested_stays_together_where_a_table_goes_on(finished):
    arms = [
        arm(n, [finished(n, s, 0.8 + k * s / 90, depth=k + 1) for s in range(3)])
        for k, n in enumerate(["a", "a name that is as long as a line of its own"])
    ]
    shown = ["seeds", "accuracy", "reported", "best-epoch", "difference", "interval", "p", "effect"]
    made = document(results([replace(each, reported=88.0) for each in arms]), columns=shown)
    headings = [part.split(r"\midrule")[0] for part in as_latex.render(made).split(r"\toprule")[1:]]

    (compared,) = [heading for heading in headings if "difference" in heading]
    assert r"{\begin{tabular}[b]{@{}c@{}}p\end{tabular}}" in compared
    assert "accuracy" not in compared


@pytest.mark.parametrize(("settings", "floats"), [(5, 1), (30, 4)])
def test_a_table_of_settings_that_is_longer_than_a_page_goes_on_in_another(settings, floats):
    """Sixteen arms, four side by side: what did not fit ran off the page."""
    arms = [f"an arm called {n}" for n in range(16)]
    rows = tuple((f"setting {k}", *("a value of it" for _ in arms)) for k in range(settings))
    text = as_latex.tabular(
        Table(caption="what", headings=("setting", *arms), rows=rows, notes=("a note",)), "s"
    )

    assert text.count(r"\begin{table}") == text.count("label{tab:s") == floats
    assert text.count("(continued)") == floats - 1
    assert text.count("a note") == 1
    assert text.count(r"\toprule") == 4


@pytest.mark.parametrize(
    ("arms_each", "drawn_as"), [(4, ["memory"]), (5, ["memory-1", "memory-2"])]
)
def test_groups_of_many_arms_have_figures_of_their_own(
    finished, tmp_path, monkeypatch, arms_each, drawn_as
):
    """Sixteen curves of four studies in one figure are mud."""
    for kind in (loss_curves, accuracy_curves, accuracy_time, accuracy_memory, rebuilt, boundaries):
        monkeypatch.setattr(kind, "draw", lambda _shown: None)
    seen = []

    def bars(shown):
        seen.append([each.name for each in shown.arms])
        return canvas()[0]

    monkeypatch.setattr(memory_bars, "draw", bars)

    arms = [
        replace(
            arm(f"a{k}, {d}", [finished(f"a{k}", 0, 0.8, dataset=d, depth=k + 1)]),
            group=d,
            short=f"a{k}",
        )
        for d in ("digits", "mnist")
        for k in range(arms_each)
    ]
    figures = draw(results(arms), tmp_path, ["svg"])

    assert [figure.name for figure in figures] == drawn_as
    names = [f"a{k}" for k in range(arms_each)]
    assert seen == ([names, names] if len(drawn_as) > 1 else [[each.name for each in arms]])
    assert figures[-1].caption.endswith(" Of mnist alone.") == (len(drawn_as) > 1)


@pytest.mark.parametrize(("rows", "inside"), [(14, True), (15, False)])
def test_the_notes_of_a_long_table_follow_it(rows, inside):
    """Sixteen arms and their notes were a float longer than a page, whose end was cut off."""
    shown = Table(
        caption="what", headings=("arm", "n"), rows=(("a", "1"),) * rows, notes=("a note",)
    )
    text = as_latex.tabular(shown, "s")

    assert text.count("a note") == text.count(r"\begin{minipage}") == 1
    assert (text.index("a note") < text.index(r"\end{table}")) == inside


def test_p_of_one_test_is_as_before():
    assert two_sided_p(2.0, 4) == pytest.approx(2 * stats.t.sf(2.0, 4))
