"""What a run is said to have taken, and to need still, from the times of its events alone."""

import pytest

from revconsole.records.logs.events import (
    Answered,
    Checkpointed,
    EpochFinished,
    Failed,
    Finished,
    HandedOver,
    LoggedEvent,
    Measured,
    Started,
)
from revconsole.records.runs.running import RunningSummary

FACTS = {
    "steps": 40, "epochs": 4, "steps_per_epoch": 10, "evaluated_per_epoch": 100, "evaluated_at_end": 300,
    "image_seconds": 0.02,
}  # fmt: skip


class Run:
    """Writes the events of attempts by a clock that stands still unless told to go on."""

    def __init__(self, **facts):
        self.running, self.now, self.facts = RunningSummary(), 0.0, FACTS | facts
        self.step = self.epoch = 0
        self.running.begin_attempt()

    def say(self, event, after=0.0):
        self.now += after
        self.running.add(LoggedEvent(seq=1, time=0.0, elapsed=self.now, event=event))

    def begin(self, importing=0.0, reading=0.0, resumed_from=None):
        self.say(Started(facts=self.facts, resumed_from=resumed_from), after=importing)
        self.say(
            Measured(step=self.step, epoch=self.epoch, values={"resident_bytes": 1e8}),
            after=reading,
        )

    def next_attempt(self, **began):
        self.running.begin_attempt()
        self.now = 0.0
        self.begin(resumed_from=self.step, **began)

    def train(self, steps, seconds):
        """Steps that are reported together, as the meter does."""
        self.now += seconds
        for number in range(1, steps + 1):
            memory = {"resident_bytes": 1e8} if number == steps else {}
            self.step += 1
            self.say(Measured(step=self.step, epoch=self.epoch + 1, values={"loss": 1.0} | memory))

    def end_epoch(self, *, trained, validation, checkpoint=0.0, probe=0.0):
        self.epoch += 1
        values = {"epoch_seconds": trained, "validation_seconds": validation}
        self.say(EpochFinished(epoch=self.epoch, step=self.step, values=values), after=validation)
        if probe:
            values = {"probe_seconds": probe, "resident_bytes": 1e8}
            self.say(Measured(step=self.step, epoch=self.epoch, values=values), after=probe)
        self.say(Checkpointed(step=self.step, epoch=self.epoch, file="a"), after=checkpoint)

    def finish(self, after):
        self.say(Finished(outcome="completed", step=self.step), after=after)


def trained(run):
    run.train(10, 5.0)
    run.end_epoch(trained=5.0, validation=1.0, checkpoint=0.5)
    run.finish(after=2.0)
    return run.running.seconds


def test_importing_and_reading_are_no_training_so_equal_runs_of_a_process_take_equally_long():
    first, second = Run(), Run()
    first.begin(importing=40.0, reading=6.0)
    second.begin(importing=0.1, reading=0.2)

    assert trained(first) == pytest.approx(trained(second)) == pytest.approx(8.5)


def test_probes_which_plain_runs_do_not_have_are_in_no_ones_seconds():
    plain, reversed_ = Run(), Run()
    for run, probe in ((plain, 0.0), (reversed_, 3.0)):
        run.begin()
        run.train(10, 5.0)
        run.end_epoch(trained=5.0, validation=1.0, probe=probe)
        run.finish(after=2.0)

    assert plain.running.seconds == pytest.approx(reversed_.running.seconds) == pytest.approx(8.0)


def test_a_pause_is_no_training():
    run = Run()
    run.begin()
    run.train(5, 2.5)
    run.say(Answered(verb="pause", by="me", step=5))
    assert run.running.seconds == pytest.approx(2.5)
    run.say(Answered(verb="continue", by="me", step=5), after=3600.0)
    run.train(5, 2.5)

    assert run.running.seconds == pytest.approx(5.0)
    assert run.running.step_seconds() == pytest.approx(0.5)


def test_a_pause_that_ends_with_the_attempt_is_none_either():
    run = Run()
    run.begin()
    run.train(5, 2.5)
    run.say(Answered(verb="pause", by="me", step=5))
    run.say(Answered(verb="stop", by="me", step=5), after=3600.0)
    run.say(Finished(outcome="stopped", step=5))

    assert run.running.seconds == pytest.approx(2.5)


def test_attempts_add_up_each_from_its_first_measurement():
    run = Run()
    run.begin(importing=40.0)
    run.train(10, 5.0)
    run.end_epoch(trained=5.0, validation=1.0)
    run.say(HandedOver(step=10, to="a background process"))
    run.next_attempt(importing=20.0, reading=3.0)
    run.train(10, 5.0)
    run.end_epoch(trained=5.0, validation=1.0)
    run.finish(after=2.0)

    assert run.running.seconds == pytest.approx(6.0 + 8.0)


def test_a_run_that_fails_before_it_trains_has_trained_for_no_time():
    run = Run()
    run.say(Started(facts={}), after=9.0)
    run.say(Failed(reason="no data"), after=9.0)

    assert run.running.seconds == 0.0


def test_a_log_that_says_nothing_before_its_first_step_begins_with_its_introduction():
    run = Run()
    run.say(Started(facts={}), after=9.0)
    run.train(10, 5.0)

    assert run.running.seconds == pytest.approx(5.0)


EPOCH, CHECK, PROBE, TEST = 5.0 + 1.0, 0.5, 3.0, 3.0
"""Ten steps and a validation; a checkpoint; a probe; the test has three times the images of a validation."""


def four_epochs(run, looks):
    """Trains to the end; looks: takes how far it is and the ETA, at every report."""
    for _ in range(4):
        for _ in range(2):
            run.train(5, 2.5)
            looks(run)
        run.end_epoch(trained=5.0, validation=1.0, checkpoint=CHECK, probe=PROBE)
        looks(run)
    run.finish(after=TEST)


def test_the_eta_has_validations_checkpoints_probes_and_the_test_in_it():
    run, said = Run(image_seconds=0.01), []
    run.begin()
    four_epochs(run, lambda r: said.append((r.now, r.running.eta_seconds())))

    for now, eta in said[3:]:  # from the second epoch on, all of it has been seen once
        assert eta == pytest.approx(run.now - now, rel=1e-6), now
    assert run.now == pytest.approx(4 * (EPOCH + CHECK + PROBE) + TEST)


def test_before_any_validation_it_goes_by_the_image_that_was_timed():
    run = Run(image_seconds=0.01)
    run.begin()
    run.train(1, 0.5)
    run.train(4, 2.0)

    assert run.running.eta_seconds() == pytest.approx(35 * 0.5 + 4 * 1.0 + 3.0)


@pytest.mark.parametrize("at_once", [50, 400])
def test_a_report_of_hundreds_of_steps_is_timed_from_the_report_before(at_once):
    run = Run(steps=40 * at_once, epochs=1, steps_per_epoch=40 * at_once)
    run.begin()
    for _ in range(20):
        run.train(at_once, 0.5)

    assert run.running.step_seconds() == pytest.approx(0.5 / at_once)
    assert run.running.eta_seconds() == pytest.approx(20 * 0.5 + 2.0 + 6.0)


def test_in_the_middle_of_a_report_the_eta_is_what_it_is_at_its_end():
    run = Run(steps=400, epochs=1)
    run.begin()
    run.train(100, 0.5)
    run.train(100, 0.5)
    whole = run.running.eta_seconds()
    run.now += 0.5
    run.step += 1
    run.say(Measured(step=run.step, epoch=1, values={"loss": 1.0}))

    assert run.running.eta_seconds() == pytest.approx(whole - 0.5)


def test_epochs_shorter_than_a_report_are_timed_by_what_they_say_of_themselves():
    run = Run(steps=2000, epochs=200, evaluated_at_end=100)
    run.begin()
    for _ in range(50):
        run.train(10, 0.02)
        run.end_epoch(trained=0.02, validation=0.03, checkpoint=0.05)

    assert run.running.step_seconds() == pytest.approx(0.002)
    assert run.running.eta_seconds() == pytest.approx(150 * 0.1 + 0.03, rel=0.01)


def test_a_machine_that_slows_down_is_believed_soon():
    run = Run(steps=400, epochs=40)
    run.begin()
    for epoch in range(20):
        slow = 1.0 if epoch < 10 else 3.0
        run.train(10, slow)
        run.end_epoch(trained=slow, validation=0.0)

    assert run.running.eta_seconds() == pytest.approx(20 * 3.0, rel=0.1)


def test_after_a_resume_the_pace_is_that_of_the_new_attempt():
    run = Run()
    run.begin()
    run.train(10, 50.0)
    run.end_epoch(trained=50.0, validation=10.0)
    run.train(5, 25.0)
    run.next_attempt(importing=9.0)
    assert run.running.eta_seconds() is None
    run.train(1, 0.5)
    run.train(4, 2.0)

    # Nothing was validated in this attempt, so as long as before: the slower machine's.
    assert run.running.eta_seconds() == pytest.approx(20 * 0.5 + 3 * 10.0 + 30.0)
    run.end_epoch(trained=27.5, validation=1.0)
    run.train(10, 5.0)
    run.end_epoch(trained=5.0, validation=1.0)

    assert run.running.eta_seconds() == pytest.approx(10 * 0.5 + 1.0 + 3.0)


def test_there_is_none_while_it_rests_and_once_it_has_ended():
    run = Run()
    run.begin()
    run.train(5, 2.5)
    run.say(Answered(verb="pause", by="me", step=5))
    assert run.running.eta_seconds() is None
    run.say(Answered(verb="continue", by="me", step=5), after=9.0)
    run.train(1, 0.5)
    assert run.running.eta_seconds() is not None
    run.finish(after=1.0)
    assert run.running.eta_seconds() is None


def test_what_is_done_once_is_told_from_what_every_epoch_takes():
    run = Run()
    run.begin(importing=40.0)
    for _ in range(3):
        run.train(10, 5.0)
        run.end_epoch(trained=5.0, validation=1.0, checkpoint=0.5, probe=0.25)
    run.finish(after=7.0)

    assert run.running.seconds_per_epoch() == pytest.approx(6.75)
    assert run.running.seconds_at_end() == pytest.approx(0.75 + 7.0)


def test_what_the_first_step_loads_and_compiles_is_in_no_pace():
    run = Run(steps=20, epochs=2, image_seconds=0.0)
    run.begin()
    run.train(1, 30.0)
    assert run.running.eta_seconds() is None, "nothing is known of a step"
    run.train(4, 2.0)
    assert run.running.eta_seconds() == pytest.approx(15 * 0.5)
    run.train(5, 2.5)
    run.end_epoch(trained=34.5, validation=0.0)

    assert run.running.step_seconds() == pytest.approx(0.5)
    assert run.running.eta_seconds() == pytest.approx(10 * 0.5)


def test_a_run_that_says_itself_what_is_left_is_believed_until_its_epoch_ends():
    run = Run(steps=45, epochs=1)
    run.begin()
    run.train(9, 9.0)
    run.say(Measured(step=9, epoch=1, values={"seconds_left": 100.0}))
    assert run.running.eta_seconds() == pytest.approx(100.0)
    run.train(1, 4.0)
    assert run.running.eta_seconds() == pytest.approx(96.0)
    run.say(Answered(verb="pause", by="me", step=10))
    run.say(Answered(verb="continue", by="me", step=10), after=3600.0)
    run.train(35, 20.0)
    assert run.running.eta_seconds() == pytest.approx(76.0)
    run.say(Measured(step=45, epoch=1, values={"seconds_left": 4.0}))
    assert run.running.eta_seconds() == pytest.approx(4.0)

    run.end_epoch(trained=33.0, validation=1.0)
    assert run.running.eta_seconds() == pytest.approx(3.0)  # the test, of three times the images


def test_before_it_says_so_nothing_is_known_of_what_a_fitted_run_still_takes():
    facts = {name: value for name, value in FACTS.items() if name != "image_seconds"}
    run = Run()
    run.facts = facts
    run.begin()
    run.train(5, 2.5)
    run.train(5, 2.5)

    assert run.running.eta_seconds() is None, "its evaluation may take longer than its steps"


def test_where_only_the_test_is_left_no_pace_has_to_be_known():
    run = Run(steps=10, epochs=1)
    run.begin()
    run.train(10, 5.0)
    run.end_epoch(trained=5.0, validation=1.0)
    run.next_attempt(importing=9.0)

    assert run.running.eta_seconds() == pytest.approx(3.0)
