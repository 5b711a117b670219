"""Lists of runs: the columns that tell them apart, orders, groups over seeds, and their texts."""

import math
import time

import pytest

from revconsole.lab import rows, utilisation
from revconsole.lab.compare import compare
from revconsole.lab.comparison_table import comparison_table
from revconsole.lab.listing.columns import telling
from revconsole.lab.listing.fields import AmbiguousName, every, named
from revconsole.lab.listing.groups import Grouping, curves
from revconsole.lab.listing.order import Order
from revconsole.lab.listing.sparks import small_curve, sparkline
from revconsole.lab.listing.texts import age, group_text, ranges, text
from revconsole.lab.listing.where import filter_of
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan


def run(scheme: str = "bdia", lr: float = 3e-3, seed: int = 0, **values: object) -> Summary:
    backward = "stored" if scheme == "residual" else "reversible"
    plan = Plan.model_validate({
        "name": f"grid-{scheme}-s{seed}", "seed": seed, "backward": backward,
        "scheme": {"name": scheme}, "optimizer": {"name": "adamw", "learning_rate": lr},
    })  # fmt: skip
    fixed = {"id": f"{scheme}-{lr}-{seed}", "name": plan.name, "state": "finished"}
    return Summary(**{**fixed, "created": time.time(), **values}, plan=plan)


def keys(runs: list[Summary]) -> list[str]:
    return [field.key for field in telling(runs)]


def test_the_columns_of_a_grid_are_what_it_varies_and_tell_all_its_runs_apart():
    runs = [run(s, lr, n) for s in ("residual", "bdia") for lr in (0.1, 0.2) for n in range(3)]
    fields = telling(runs)
    assert [field.label for field in fields] == ["scheme", "lr", "seed"]
    assert len({tuple(text(field, each) for field in fields) for each in runs}) == len(runs)


def test_a_setting_that_follows_from_another_is_no_column():
    runs = [run("residual"), run("bdia"), run("momentum")]
    assert [each.plan.backward for each in runs] == ["stored", "reversible", "reversible"]
    assert keys(runs) == ["scheme.name"]


def test_runs_that_are_alike_or_alone_have_no_columns():
    assert keys([]) == keys([run()]) == keys([run(), run()]) == []


def test_a_short_name_is_a_setting_if_only_one_has_it():
    assert named("warmup_epochs").key == "schedule.warmup_epochs"
    assert named("norm", ["norm"]).key == "norm"
    with pytest.raises(AmbiguousName, match=r"'start' may be .* or .*: write one of them"):
        named("start")


@pytest.mark.parametrize("descending", [False, True])
def test_what_is_unknown_or_nan_is_last_in_either_direction(descending):
    losses = [0.5, None, 0.1, math.nan, 2.0, 0.0]
    ordered = Order(named("loss"), descending).sorted([run(loss=loss) for loss in losses])
    known = sorted([0.5, 0.1, 2.0, 0.0], reverse=descending)
    assert [each.loss for each in ordered[:4]] == known
    assert {str(each.loss) for each in ordered[4:]} == {"None", "nan"}


def test_groups_are_runs_that_differ_in_the_seed_alone():
    runs = [run(seed=2), run(seed=0), run(lr=0.1), run("residual"), run(seed=1)]
    groups = Grouping().groups(runs)
    assert [group.seeds for group in groups] == [(0, 1, 2), (0,), (0,)]
    assert groups[0].name == "grid-bdia"


def test_a_group_says_mean_and_deviation_and_counts_copies_once():
    runs = [
        run(seed=0, test_accuracy=0.90, weights_sha256="a"),
        run(seed=1, test_accuracy=0.94, weights_sha256="b"),
        run(seed=2, test_accuracy=0.94, weights_sha256="b"),
        run(seed=3),
    ]
    (group,) = Grouping().groups(runs)
    assert group_text(named("test"), group) == "92.0 ± 2.8"  # sqrt(2 * 2**2 / 1)
    assert group.spread(named("test")).n == 2
    assert group_text(named("seed"), group) == "0–3"
    assert group_text(named("lr"), group) == "0.003"


def test_groups_are_sorted_by_their_means():
    runs = [run(lr=0.1, seed=n, test_accuracy=0.5 + n / 10) for n in range(2)]
    runs += [run(lr=0.2, seed=n, test_accuracy=0.52) for n in range(2)]
    ordered = Order(named("test"), descending=True).sorted_groups(Grouping().groups(runs))
    assert [group.first.plan.optimizer.learning_rate for group in ordered] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("numbers", "written"),
    [((), ""), ((3,), "3"), ((0, 1, 2, 7), "0–2 7"), ((1, 3, 5, 6), "1 3 5–6")],
)
def test_seeds_are_written_as_ranges(numbers, written):
    assert ranges(numbers) == written


def test_a_sparkline_falls_with_the_loss_and_marks_what_is_not_finite():
    assert sparkline([7, 6, 5, 4, 3, 2, 1], 8) == "▇▆▅▄▃▂▁"
    assert sparkline([8, 8, 1, 1], 2) == "▇▁"
    assert sparkline([1.0, math.nan, 2.0], 9) == "▁×▇"
    assert sparkline([5.0, 5.0], 9) == "▁▁"
    assert sparkline([math.inf], 9) == "×"
    assert sparkline([], 9) == ""
    assert sparkline([3.0, math.nan, 1.0], 9, "ascii") == "^x_"


def test_a_small_curve_goes_from_the_top_left_to_the_bottom_right_with_a_gap_where_it_is_not_finite():
    lines = small_curve([1.0, 0.0], 4, 2, "braille")
    assert lines[0][0] != " "
    assert lines[1][3] != " "
    assert lines[0][3] == lines[1][0] == " "
    flat = small_curve([1.0, 1.0], 2, 1, "braille")
    assert flat == ["\u28c0\u28c0"]  # both dots of the lowest line
    assert " " in small_curve([1.0, math.nan, 1.0, 1.0, 1.0], 8, 1, "braille")[0]
    assert small_curve([], 2, 1, "braille") == ["  "]


@pytest.mark.parametrize(
    ("seconds", "written"), [(5, "now"), (60, "1 min"), (7300, "2 h"), (1e5, "1 d"), (4e7, "1 y")]
)
def test_an_age_is_said_in_its_largest_unit(seconds, written):
    assert age(seconds) == written


def test_runs_that_differ_only_in_their_seed_are_one_curve_of_a_comparison():
    four = [
        run(scheme, lr, n) for scheme in ("residual", "bdia") for lr in (0.1, 0.2) for n in range(3)
    ]
    assert curves(four) == 4
    assert curves([*four, run("bdia", 0.1, 0, id="again")]) == 7, "one seed twice has no mean"


def test_a_damaged_run_is_a_group_of_its_own_and_its_unknown_values_are_dashes():
    damaged = [run(state="damaged", id=name) for name in ("a", "b")]
    assert len(Grouping().groups(damaged)) == 2
    assert text(named("test"), damaged[0]) == "–"


def test_a_run_whose_plan_cannot_be_read_has_no_settings_and_no_results(tmp_path):
    (tmp_path / "zzzzzzzz").mkdir()
    (empty,) = RunStore(tmp_path).list()
    told = {"id", "name", "state", "tag", "note", "archived", "alarm", "advice", "reason"}
    assert {text(field, empty) for field in every() if field.key not in told} == {"–"}
    assert filter_of("vit OR residual OR digits OR seed=0 OR epochs=10").chosen([empty]) == []
    assert filter_of("damaged").chosen([empty]) == [empty]
    invented = {key for key, value in rows.row(empty).items() if value not in (None, [], False)}
    assert invented == {"id", "name", "state", "reason"}
    assert "plan.json" in empty.reason
    details = rows.details(Run(summary=empty))
    assert set(details["settings"].values()) == {None}
    shown = comparison_table(compare([run(), empty]))
    assert set(shown.rows[1][2:]) <= {"–", ""}
    assert not shown.rows[1][0].startswith("grid")
    assert any("zzzzzzzz" in note for note in shown.notes)


def test_mfu_is_a_column_in_percent_and_a_pair_that_says_of_what():
    summary = run(metrics={"mfu": 0.415}, device="cuda:0")
    assert text(named("mfu"), summary) == "41.5"
    metric = MetricDeclared(name="mfu", unit="fraction", per="step", direction="up", meaning="")
    told = Run(
        summary=summary,
        facts={"device_peak_flops": 9.894e14, "device_name": "NVIDIA H200"},
        series={"mfu": Series(metric, (1,), (0.415,), 1)},
    )
    assert utilisation.pairs(told) == [("MFU", "41.5 % of 989.4 TFLOP/s in float32 (NVIDIA H200)")]
    assert utilisation.pairs(Run(summary=summary, facts={"device_name": "NVIDIA H200"})) == []
