"""The board: files of studies joined with the runs of a store, again and again at little cost."""

from dataclasses import replace
from pathlib import Path

import pytest

from revconsole.lab.board import AskedStudy, Board
from revconsole.lab.lab import Lab
from revconsole.lab.study import RunKeys, memory, standings, tally
from revconsole.records.logs.events import Started
from revconsole.records.runs.pace import pace_key
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MIB = 2**20


@pytest.fixture
def lab(tmp_path, tiny_study):
    return Lab(tmp_path / "runs")


def row(plan, run_id="a", **given):
    known = {"state": "finished", "created": 0.0, "attempt": 1, "seconds": 10.0, "steps": 100}
    return Summary(id=run_id * 8, name=plan.name, plan=plan, **(known | given))


def rows_of(lab, accuracies, **settings):
    """A finished run of each arm and seed that has an accuracy."""
    plans = lab.study("tiny", settings).plans
    return [
        row(plan, "abcdefgh"[n], test_accuracy=accuracies[plan.arm, plan.seed])
        for n, plan in enumerate(plans)
        if (plan.arm, plan.seed) in accuracies
    ]


def test_every_study_has_the_shares_of_both_of_its_forms(lab):
    rows = rows_of(lab, {("plain", 0): 0.9, ("plain", 1): 0.8})

    found = {entry.name: entry for entry in Board(lab).entries(rows)}

    full, quick = found["tiny"].shares
    assert (full.done, full.total, quick.done, quick.total) == (2, 4, 0, 2)
    assert found["tiny"].own
    assert not found["mnist-patch"].own


def test_what_is_odd_of_the_runs_to_come_is_shown_and_nothing_of_those_that_have_begun(lab):
    asked = AskedStudy(study=str(Path("tiny.toml").absolute()), settings={"train.batch": 5000})
    before = Board(lab).study(asked, [])
    done = [row(each.plan, "abcdefgh"[n]) for n, each in enumerate(before.standing)]

    assert any("batch of 5,000" in note for note in before.notes)
    assert Board(lab).study(asked, done).notes == ()


def test_in_a_clone_the_shipped_studies_are_not_called_ones_own(lab, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])

    assert not any(entry.own for entry in Board(lab).entries([]))


def test_a_file_that_is_wrong_says_so_and_hides_no_other(lab):
    Path("broken.toml").write_text('[study]\ntitle = "t"\n[model]\ndepht = 1\n')

    found = {entry.name: entry for entry in Board(lab).entries([])}

    assert "did you mean 'depth'" in found["broken"].problem
    assert found["broken"].shares == ()
    assert found["tiny"].shares[0].total == 4


def test_a_file_that_changes_is_read_anew(lab, tiny_study):
    board, asked = Board(lab), AskedStudy(study=str(tiny_study.absolute()))
    before = board.study(asked, [])
    text = tiny_study.read_text(encoding="utf-8")
    tiny_study.write_text(text.replace("seeds = [0, 1]", "seeds = [0, 1, 2]"), encoding="utf-8")

    assert (before.seeds, board.study(asked, []).seeds) == ((0, 1), (0, 1, 2))


def test_a_gain_is_said_only_where_both_arms_have_the_same_seeds(lab, tiny_study):
    asked = AskedStudy(study=str(tiny_study))
    one = {("plain", 0): 0.9, ("plain", 1): 0.8, ("two streams", 0): 0.95}

    some = Board(lab).study(asked, rows_of(lab, one))
    every = Board(lab).study(asked, rows_of(lab, one | {("two streams", 1): 0.95}))

    assert some.arms[1].gain is None
    assert every.arms[1].gain == pytest.approx(0.1)
    assert every.arms[0].baseline
    assert every.arms[0].gain is None


def test_runs_with_several_settings_of_one_arm_stand_apart(lab, tiny_study):
    rows = [
        *rows_of(lab, {("plain", 0): 0.9}),
        *rows_of(lab, {("plain", 0): 0.7}, **{"train.epochs": 9}),
    ]
    rows[1] = row(rows[1].plan, "z", test_accuracy=0.7)

    view = Board(lab).study(AskedStudy(study=str(tiny_study), launched=True), rows)

    assert [arm.name for arm in view.arms] == ["plain", "plain (2)"]


def test_runs_that_something_else_launched_are_recognised_in_every_view(lab, tiny_study):
    """18 finished runs of a study were `nothing of this study has been launched`, as `train` had launched them."""
    foreign = [
        row(r.plan.model_copy(update={"study": "", "arm": "", "profile": "other"}), r.id[0], test_accuracy=0.9)
        for r in rows_of(lab, {("plain", 0): 0.9, ("two streams", 1): 0.8})
    ]  # fmt: skip
    board = Board(lab)

    full = board.study(AskedStudy(study=str(tiny_study)), foreign)
    launched = board.study(AskedStudy(study=str(tiny_study), launched=True), foreign)

    assert full.tally == "2 of 4 runs done, 2 to do"
    assert launched.tally == "2 of 2 runs done"
    assert {arm.name for arm in launched.arms} == {"plain", "two streams"}


def test_a_study_without_a_quick_form_has_no_share_of_one(lab):
    Path("mine.toml").write_text('title = "a grid"\n[vary]\n"model.depth" = [1, 2]\n')

    (mine,) = [entry for entry in Board(lab).entries([]) if entry.name == "mine"]

    assert [share.total for share in mine.shares] == [2]
    assert not Board(lab).study(AskedStudy(study=mine.path), []).has_quick


def test_a_baseline_that_is_no_arm_is_the_problem_of_the_study_and_one_left_out_is_noted(
    lab, tiny_study
):
    text = tiny_study.read_text(encoding="utf-8").replace(
        "source =", 'baseline = "two streams"\nsource ='
    )
    tiny_study.write_text(text, encoding="utf-8")
    left_out = Board(lab).study(AskedStudy(study=str(tiny_study)), [])
    tiny_study.write_text(text.replace('"two streams"', '"two stream"', 1), encoding="utf-8")

    wrong = Board(lab).study(AskedStudy(study=str(tiny_study)), [])

    assert left_out.note == ""
    assert "there is no arm 'two stream'; did you mean 'two streams'?" in wrong.problem


def test_what_a_run_is_known_by_is_worked_out_once(plan):
    keys, other = RunKeys(), plan.model_copy(update={"seed": 7})

    first = keys.digest(row(plan)), keys.pace(row(plan))

    assert first == (plan.digest(), pace_key(plan))
    assert (keys.digest(row(other)), keys.digest(row(other, "b"))) == (first[0], other.digest())


def test_memory_is_that_of_runs_alike_or_as_counted_and_never_guessed():
    plans = [Plan(name="p", seed=seed, arm="plain") for seed in range(2)]
    earlier = row(plans[0], peak_memory_bytes=300 * MIB, peak_memory_of="resident")

    def said(rows, needs):
        return memory(standings(plans, rows), rows, needs)

    assert said([earlier], {}) == "at most 300 MiB resident, as earlier runs took"
    assert said([], {pace_key(plans[0]): 5 * MIB}) == (
        "at most 5.00 MiB for a training step (plain), as counted"
    )
    assert said([], {}).startswith("unknown")


def test_runs_that_wait_are_told_from_runs_that_train():
    plans = [Plan(name="p", seed=seed) for seed in range(2)]
    rows = [row(plans[0], state="running"), row(plans[1], "b", state="queued")]

    assert tally(standings(plans, rows)) == "0 of 2 runs done, 1 running, 1 waiting"


def test_stopping_a_study_empties_its_queue_and_names_what_trains(lab, store):
    first, second = (store.create(plan, {}) for plan in lab.study("tiny").plans[:2])
    attempt = store.claim(first, 1)
    attempt.emit(
        Started(facts={"steps": 10, "steps_per_epoch": 10, "device": "cpu", "fingerprint": "7d"})
    )

    said = lab.stop_runs([first, second])

    assert said == ("1 taken out of the queue, 1 will stop after this step with a checkpoint")
    assert lab.summary(second).state == "stopped"
    assert lab.stop_runs([second]) == "nothing trains or waits"
    attempt.close()


def test_seeds_that_gave_the_very_same_weights_have_no_deviation_on_the_screen(lab, tiny_study):
    given = {("plain", 0): 0.9, ("plain", 1): 0.9, ("two streams", 0): 0.8, ("two streams", 1): 0.9}
    rows = [
        replace(each, weights_sha256=("f" if each.plan.arm == "plain" else each.id[0]) * 64)
        for each in rows_of(lab, given)
    ]

    same, different = Board(lab).study(AskedStudy(study=str(tiny_study)), rows).arms

    assert (same.accuracy.n, same.accuracy.deviation) == (1, None)
    assert different.accuracy.n == 2
