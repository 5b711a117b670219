"""Comparison: what differs comes first, differences are to the baseline, and doubt is voiced."""

import json
import random
from dataclasses import replace

import pytest
from scipy import stats

from revconsole.lab import rows
from revconsole.lab.compare import compare
from revconsole.lab.comparison_table import comparison_table
from revconsole.lab.report.statistics import two_sided_p
from revconsole.lab.trade_offs import front
from revconsole.records.runs.run import Summary
from revconsole.records.sections.model import Vit
from revconsole.records.sections.scheme import AdditiveSection, BdiaSection
from revconsole.records.settings.plan import Plan


def summary(name, *, plan=None, **given):
    known = {"state": "finished", "created": 0.0, "seconds": 10.0, "fingerprint": "f" * 64} | given
    return Summary(id=name * 8, name=name, plan=plan or Plan(name=name), **known)


def test_only_settings_that_differ_are_listed():
    compared = compare(
        [
            summary("a", plan=Plan(name="a")),
            summary("b", plan=Plan(name="b", scheme=AdditiveSection(), backward="reversible")),
        ]
    )

    assert compared.rows[0].settings == {"scheme": "residual", "backward": "stored"}
    assert compared.rows[1].settings == {
        "scheme": "additive", "backward": "reversible"
    }  # fmt: skip


def test_a_setting_of_one_kind_is_listed_by_its_key():
    compared = compare(
        [
            summary("a", plan=Plan(name="a", scheme=BdiaSection(gamma=0.5))),
            summary("b", plan=Plan(name="b", scheme=BdiaSection(gamma=0.25))),
        ]
    )

    assert compared.differing == ("scheme.gamma",)
    assert [row.settings["scheme.gamma"] for row in compared.rows] == [0.5, 0.25]


def test_gains_and_ratios_are_to_the_first_run():
    compared = compare(
        [
            summary("a", test_accuracy=0.90, kept_for_backward_bytes=1000, seconds=10.0),
            summary("b", test_accuracy=0.95, kept_for_backward_bytes=250, seconds=13.0),
        ]
    )
    baseline, other = compared.rows

    assert baseline.test_accuracy_gain is None
    assert round(other.test_accuracy_gain, 12) == 0.05
    assert (other.kept_ratio, other.seconds_ratio) == (0.25, 1.3)


def test_what_is_not_measured_yet_is_unknown_and_not_zero():
    compared = compare([summary("a"), summary("b", test_accuracy=0.9)])

    assert compared.rows[1].test_accuracy_gain is None
    assert compared.rows[1].kept_ratio is None


def test_other_images_are_warned_of():
    compared = compare([summary("a", fingerprint="a" * 64), summary("b", fingerprint="b" * 64)])

    assert any("not train on the same images" in w for w in compared.warnings)


def test_one_seed_each_is_warned_of_and_several_are_not():
    one = compare([summary("a"), summary("b")])
    two = compare([summary("a"), summary("b", plan=Plan(name="b", seed=1))])

    assert any("one seed each" in w for w in one.warnings)
    assert not any("one seed" in w for w in two.warnings)


def test_runs_that_differ_in_their_seed_alone_gain_nothing_over_one_another_and_have_a_mean():
    seeds = [
        summary(f"a-s{n}", plan=Plan(name="a", seed=n), test_accuracy=v)
        for n, v in enumerate((0.5, 0.6, 0.7))
    ]
    other = summary("b-s0", plan=Plan(name="b", model=Vit(depth=2)), test_accuracy=0.65)

    compared = compare([*seeds, other])

    assert [row.test_accuracy_gain for row in compared.rows] == [
        None,
        None,
        None,
        pytest.approx(0.15),
    ]
    assert compared.means == ("test accuracy of a over seeds 0, 1, 2: 60.00 ± 10.00 %",)


def two_arms(plain, reversible):
    """Runs of two arms, by seed."""
    rev = {"scheme": AdditiveSection(), "backward": "reversible"}
    return [
        *(summary(f"a-s{n}", plan=Plan(name=f"a-s{n}", seed=n), test_accuracy=v) for n, v in plain.items()),
        *(summary(f"b-s{n}", plan=Plan(name=f"b-s{n}", seed=n, **rev), test_accuracy=v) for n, v in reversible.items()),
    ]  # fmt: skip


def test_a_run_is_measured_against_the_baseline_of_its_own_seed_and_an_arm_by_the_mean():
    compared = compare(two_arms({0: 0.5, 1: 0.7}, {1: 0.8, 0: 0.4}))

    gains = [row.test_accuracy_gain for row in compared.rows]
    assert gains == [None, None, pytest.approx(0.8 - 0.7), pytest.approx(0.4 - 0.5)]
    assert (
        compared.means[1]
        == "test accuracy of b over seeds 0, 1: 60.00 ± 28.28 %, +0.00 pp to a (not tested: 2 seeds)"
    )


def test_no_seed_is_measured_against_another_where_an_arm_has_several():
    one_baseline = compare(two_arms({0: 0.5}, {0: 0.6, 1: 0.9}))
    other_seeds = compare(two_arms({0: 0.5, 1: 0.6}, {2: 0.9}))
    single = compare(two_arms({0: 0.5}, {1: 0.9}))

    assert [row.test_accuracy_gain for row in one_baseline.rows] == [
        None, pytest.approx(0.1), None,
    ]  # fmt: skip
    assert other_seeds.rows[2].test_accuracy_gain is None
    assert single.rows[1].test_accuracy_gain == pytest.approx(0.4)
    assert " pp to " not in "".join(one_baseline.means + other_seeds.means)


def test_the_mean_difference_of_three_seeds_is_tested_in_pairs():
    plain, reversible = {0: 0.50, 1: 0.62, 2: 0.55}, {0: 0.56, 1: 0.70, 2: 0.60}
    p = stats.ttest_rel([*reversible.values()], [*plain.values()]).pvalue

    compared = compare(two_arms(plain, reversible))

    assert compared.means[1].endswith(f", +6.33 pp to a (p = {p:.3f})")


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30])
def test_the_probability_of_the_test_is_that_of_scipy(freedom):
    for t in (0.0, 0.3, -1.0, 2.5, 12.0):
        assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), abs=1e-14)


def of_cost(name, accuracy, kept, seconds=10.0, **given):
    return summary(
        name, test_accuracy=accuracy, kept_for_backward_bytes=kept, seconds=seconds, **given
    )


def test_no_run_of_the_front_is_beaten_in_accuracy_and_cost_and_every_other_is():
    drawn = random.Random(0)
    runs = [of_cost(f"r{n}", drawn.randrange(20) / 20, drawn.randrange(20)) for n in range(40)]

    def beaten(run):
        return any(
            (o.test_accuracy >= run.test_accuracy and o.kept_for_backward_bytes <= run.kept_for_backward_bytes)
            and (o.test_accuracy, o.kept_for_backward_bytes) != (run.test_accuracy, run.kept_for_backward_bytes)
            for o in runs
        )  # fmt: skip

    best = front(runs, lambda run: run.kept_for_backward_bytes)

    assert {run.name for run in best} == {run.name for run in runs if not beaten(run)}
    assert [run.kept_for_backward_bytes for run in best] == sorted(
        run.kept_for_backward_bytes for run in best
    )


def test_the_best_trade_offs_are_said_where_some_run_is_beaten_and_none_is_going_on():
    runs = [
        of_cost("cheap", 0.8, 1000), of_cost("good", 0.9, 5000), of_cost("beaten", 0.7, 2000),
        of_cost("going on", 0.99, 1, state="running"), summary("failed", state="failed"),
    ]  # fmt: skip

    (sentence,) = compare(runs).trade_offs
    assert sentence.endswith(
        "memory kept for backward, no other run is better in both: cheap, good"
    )
    assert not compare(runs[:2]).trade_offs
    assert not compare([of_cost(n, 0.5, 7) for n in "abc"]).trade_offs


def test_runs_of_one_name_are_told_apart_in_every_sentence():
    runs = [of_cost("same", 0.8, 1000), of_cost("same", 0.9, 5000), of_cost("beaten", 0.7, 2000)]
    runs = [replace(run, id=f"run{n}") for n, run in enumerate(runs)]
    (sentence,) = compare(runs).trade_offs
    assert sentence.endswith("better in both: same (run0), same (run1)")
    (sentence,) = compare(runs, {"run0": "A", "run1": "B", "run2": "C"}).trade_offs
    assert sentence.endswith("better in both: A same, B same")
    ended = [replace(run, state="stopped", step=1) for run in runs[:2]]
    assert any(
        "same (run0), same (run1): stopped" in warning for warning in compare(ended).warnings
    )


def test_seeds_that_gave_the_very_same_weights_have_a_mean_without_a_deviation():
    same = [
        summary(f"a-s{n}", plan=Plan(name="a", seed=n), test_accuracy=0.5, weights_sha256="f" * 64)
        for n in range(3)
    ]

    (mean,) = compare(same).means

    assert mean == "test accuracy of a over seeds 0, 1, 2, which gave identical weights: 50.00 %"


def test_of_runs_that_ended_early_it_is_said_what_became_of_each():
    plan = Plan(name="x", train={"epochs": 9})
    runs = [
        summary("a", state="failed", plan=plan),
        summary("b", state="stopped", plan=plan, step=40, epoch=3),
        summary("c", state="killed", plan=plan, step=2),
        *(summary(name, state="failed", plan=plan) for name in "defg"),
    ]

    found = compare(runs).warnings

    assert "a, d, e and 2 more: failed before the first step, without a result" in found
    assert "b: stopped after epoch 3 of 9, with the figures of a shorter training" in found
    assert "c: killed within the first epoch, with the figures of a shorter training" in found


def test_unfinished_runs_are_warned_of():
    compared = compare([summary("a"), summary("b", state="running")])

    assert any("not finished" in w for w in compared.warnings)


def test_a_row_is_plain_json_with_the_promised_keys():
    plan = Plan(name="x", scheme=BdiaSection(), backward="reversible", model=Vit(depth=2), seed=3)
    row = rows.row(summary("x", plan=plan, test_accuracy=0.5, parameters=7, test_loss=float("nan")))

    assert json.loads(json.dumps(row, allow_nan=False)) == row
    promised = {
        "id", "name", "state", "architecture", "scheme", "backward", "dataset", "seed", "epoch",
        "parameters", "test_accuracy", "kept_for_backward_bytes", "seconds",
    }  # fmt: skip
    assert promised <= set(row)
    assert (row["scheme"], row["seed"], row["test_accuracy"], row["test_loss"]) == (
        "bdia",
        3,
        0.5,
        "nan",
    )


def test_wrong_gradients_are_warned_of_and_right_ones_are_not():
    plan = Plan(name="b", scheme=BdiaSection(grid_bits=9), backward="reversible")
    right = compare([summary("a"), summary("b", plan=plan, gradient_error=3e-7)])
    wrong = compare([summary("a"), summary("b", plan=plan, gradient_error=0.209)])

    assert not any("gradients" in warning for warning in right.warnings)
    assert any(w.startswith("the gradients of b were off by up to 20.9%") for w in wrong.warnings)


def test_settings_are_written_as_they_are_typed():
    plans = [
        Plan.model_validate({"name": "x", "train": {"deterministic": on}}) for on in (True, False)
    ]
    rows = [
        Summary(id=str(n), name="x", state="finished", plan=plan, created=0.0)
        for n, plan in enumerate(plans)
    ]
    shown = comparison_table(compare(rows))
    place = shown.headings.index("train.deterministic")
    assert [row[place] for row in shown.rows] == ["true", "false"]
