"""Where a study stands and how long it will take: from the runs of a store, by what they train."""

import pytest
import torch

from revconsole.errors import DataUnavailable, RevconsoleError, RunFailed
from revconsole.lab.lab import Lab
from revconsole.lab.study import begun, forecast, standings, tally, to_launch
from revconsole.records.runs.pace import TimedDevice, by_steps
from revconsole.records.runs.run import Summary
from revconsole.records.sections import Train
from revconsole.records.sections.scheme import AdditiveSection
from revconsole.records.settings.own_profile import own_profile
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile
from revconsole.training.machine.devices import device_name

SECONDS = 300.0


def row(plan: Plan, run_id: str = "a", **given) -> Summary:
    known = {"state": "finished", "created": 0.0, "attempt": 1, "seconds": 10.0, "steps": 100}
    return Summary(id=run_id * 8, name=plan.name, plan=plan, **(known | given))


def plan(seed: int = 0, epochs: int = 10, **given) -> Plan:
    return Plan(name="p", seed=seed, train=Train(epochs=epochs), **given)


def test_a_run_answers_to_a_plan_by_what_it_trains_whatever_it_is_called():
    (found,) = standings([plan()], [row(plan().model_copy(update={"name": "other"}))])

    assert found.progress == "done"


def test_another_seed_or_another_setting_is_another_run():
    found = standings([plan(seed=1), plan(epochs=9)], [row(plan())])

    assert [each.progress for each in found] == ["to do", "to do"]


@pytest.mark.parametrize(
    ("state", "progress"),
    [
        ("finished", "done"), ("running", "running"), ("queued", "running"), ("stalled", "running"),
        ("stopped", "interrupted"), ("failed", "interrupted"), ("killed", "interrupted"),
        ("lost", "interrupted"), ("out of memory", "interrupted"), ("damaged", "to do"),
    ],
)  # fmt: skip
def test_each_state_asks_for_one_thing(state, progress):
    (found,) = standings([plan()], [row(plan(), state=state)])

    assert found.progress == progress


def test_a_finished_run_counts_before_a_newer_one_that_failed():
    rows = [row(plan(), "b", state="failed", created=2.0), row(plan(), "a", created=1.0)]

    assert standings([plan()], rows)[0].summary.id == "aaaaaaaa"


def test_of_runs_that_ended_early_the_newest_goes_on():
    rows = [row(plan(), i, state="stopped", created=c) for i, c in (("a", 1.0), ("b", 2.0))]

    assert standings([plan()], rows)[0].summary.id == "bbbbbbbb"


def test_begun_runs_of_a_study_are_found_by_its_name_with_the_settings_they_had():
    mine = plan(epochs=3).model_copy(update={"study": "mine"})
    rows = [row(mine, state="stopped"), row(plan(seed=5), "b")]

    assert [each.plan for each in begun("mine", rows)] == [mine]
    with pytest.raises(RevconsoleError, match="no run of this study has been launched"):
        to_launch(begun("other", rows))


def test_runs_of_other_arms_are_not_said_to_be_nothing_though_they_tell_no_time():
    rows = [row(plan(seed=n), "abc"[n]) for n in range(2)]
    other = plan(scheme=AdditiveSection())

    found = forecast(standings([plan(seed=0), plan(seed=1), other], rows), rows)
    nothing = forecast(standings([other], []), [])

    assert found.sentence == "unknown: the 2 runs done are of other arms"
    assert nothing.sentence == "unknown until one run of each kind is done"


def test_time_is_taken_from_earlier_runs_that_differ_in_seed_and_epochs_only():
    rows = [row(plan(seed=0, epochs=10), seconds=20.0)]
    wanted = standings([plan(seed=1, epochs=5), plan(seed=2, epochs=5)], rows)

    found = forecast(wanted, rows)

    assert found.seconds == pytest.approx(2 * 5 * 2.0)
    assert found.sentence == "about 20 s (2 runs as long as earlier ones took)"


def test_what_a_short_run_did_once_is_not_charged_to_every_epoch_of_a_long_one():
    """One epoch of 1.5 s, and a test of 4 s after it."""
    rows = [row(plan(epochs=1), seconds=5.5, seconds_per_epoch=1.5, seconds_at_end=4.0)]

    found = forecast(standings([plan(epochs=100)], rows), rows)

    assert found.seconds == pytest.approx(100 * 1.5 + 4.0)


def test_a_run_that_counts_steps_is_forecast_by_the_epochs_they_make():
    def counted(seed, steps):
        return Plan(name="p", seed=seed, train=Train(steps=steps, epochs=1))

    rows = [row(counted(0, 33), seconds=9.0)]  # 11 steps an epoch: 1,294 images in batches of 128

    found = forecast(standings([counted(1, 66)], rows), rows)

    assert (counted(0, 33).epochs, counted(1, 66).epochs) == (3, 6)
    assert found.seconds == pytest.approx(6 * 3.0)


def test_time_of_what_nothing_is_known_of_is_measured_once_for_all_seeds():
    measured = []
    wanted = standings([plan(seed=1), plan(seed=2)], [])

    found = forecast(wanted, [], lambda p: measured.append(p) or 30.0)

    assert (len(measured), found.seconds) == (1, 60.0)
    assert found.sentence == "about 1 min 00 s (2 runs from a few steps measured)"


def test_unknown_time_is_said_and_not_guessed():
    rows = [row(plan(seed=0), seconds=20.0)]
    other = plan(scheme=AdditiveSection())

    assert "unknown" in forecast(standings([other], rows), rows).sentence
    mixed = forecast(standings([plan(seed=1), other], rows), rows).sentence
    assert "1 run unknown and not counted" in mixed


def refuse(error):
    def measure(plan):
        raise error

    return measure


def test_what_cannot_be_measured_is_unknown_and_stops_nothing():
    wanted = standings([plan()], [])

    assert forecast(wanted, [], refuse(RunFailed("no memory"))).unknown == 1


def test_data_that_every_run_lacks_is_said_before_any_of_them_begins():
    rows = [row(plan(seed=0))]
    measure = refuse(DataUnavailable("no images"))

    with pytest.raises(DataUnavailable):
        forecast(standings([plan(scheme=AdditiveSection())], rows), rows, measure)
    mixed = forecast(standings([plan(seed=1), plan(scheme=AdditiveSection())], rows), rows, measure)
    assert (mixed.from_runs, mixed.unknown) == (1, 1)


def test_what_is_done_takes_no_time_and_half_a_run_takes_half():
    rows = [row(plan(seed=0), seconds=20.0), row(plan(seed=1), "b", state="stopped", step=50)]
    wanted = standings([plan(seed=0), plan(seed=1)], rows)

    assert forecast(wanted, rows).seconds == pytest.approx(10.0)
    assert forecast(wanted[:1], rows).sentence == "nothing left"


def test_the_tally_counts_every_run():
    rows = [row(plan(seed=0)), row(plan(seed=1), "b", state="lost")]

    assert tally(standings([plan(seed=s) for s in range(3)], rows)) == (
        "1 of 3 runs done, 1 interrupted, 1 to do"
    )


def test_the_profile_of_one_run_of_a_study_makes_that_run():
    one = plan(seed=3, scheme=AdditiveSection(), backward="reversible")

    (again,) = Profile(name="again", where="again.toml", table=own_profile(one)).plans()

    assert again.digest() == one.digest()


@pytest.fixture
def lab(tmp_path, tiny_study):
    made = Lab(tmp_path / "runs")
    yield made
    made.stop_all()
    assert made.wait(SECONDS)


def test_a_study_trains_each_run_once_and_goes_on_with_what_was_interrupted(lab):
    planned = lab.study("tiny")
    lost = planned.plans[0]
    early = lab.store.create(lost, {})
    lab.store.stop_queued(early, 1)
    lab.go_on(lab.standings(planned)[1:2])
    assert lab.wait(SECONDS)
    assert [each.progress for each in lab.standings(planned)] == [
        "interrupted", "done", "to do", "to do"
    ]  # fmt: skip
    before = {s.id for s in lab.store.list()}

    ids = lab.go_on(lab.standings(planned))
    assert lab.wait(SECONDS)

    assert len(ids) == 3
    assert ids[0] == early, "what was interrupted goes on and is not begun anew"
    assert {s.state for s in lab.store.list()} == {"finished"}
    assert len(lab.store.list()) == len(planned.plans) == len(before | set(ids))
    assert lab.go_on(lab.standings(planned)) == []


def test_a_measured_forecast_is_a_time_and_leaves_no_run_behind(lab):
    found = lab.forecast(lab.standings(lab.study("tiny")), measure=True)

    assert 0.0 < found.seconds < SECONDS
    assert found.measured == 4
    assert lab.store.list() == ()


def test_what_was_measured_for_a_study_is_what_its_runs_record_as_foreseen_and_is_measured_once(
    lab,
):
    standing = lab.standings(lab.study("tiny"))
    found = lab.forecast(standing, measure=True)
    plan = standing[0].plan

    told = by_steps(plan, TimedDevice(device="cpu", name=device_name(torch.device("cpu"))))
    assert told is not None
    assert Lab(lab.store.root).forecast(standing[:1], measure=True).seconds == told.seconds
    assert told.seconds < found.seconds


def test_the_time_of_several_at_once_is_that_of_the_place_that_takes_longest():
    """Runs of 5, 4, 3, 3 and 3 epochs, 10 s each: on two places 5+3 and 4+3+3, each taking the next as it is free."""
    standing = standings([plan(epochs=epochs) for epochs in (5, 4, 3, 3, 3)], [])

    found = forecast(standing, (), lambda each: 10.0 * each.epochs, at_once=2)

    assert found.seconds == 100.0
    assert "2 at once, each as fast as alone" in found.sentence
    assert forecast(standing, (), lambda each: 10.0 * each.epochs).seconds == 180.0
