"""Stop, pause and continue, asked through files while a run trains in a thread."""

import queue
import threading
from types import SimpleNamespace

import pytest

from revconsole.records.logs.events import Answered, Checkpointed, Finished, HandedOver, Measured
from revconsole.records.runs import control
from revconsole.records.runs.control import Control
from revconsole.training.requests import POLL_SECONDS, NotOurs, Requests, StopAsked

PATIENCE_SECONDS = 300.0


class Underway:
    """A run in a thread, whose events can be waited for."""

    def __init__(self, runner, plan):
        self.runner, self.events, self.seen = runner, queue.Queue(), []
        self.thread = threading.Thread(target=runner, args=(plan, "run", self.events.put))
        self.thread.start()

    def ask(self, verb):
        control.ask(self.runner.place(), verb)

    def until(self, wanted):
        """The next event of a kind."""
        while True:
            event = self.events.get(timeout=PATIENCE_SECONDS)
            self.seen.append(event)
            if isinstance(event, wanted):
                return event

    def end(self):
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()
        while not self.events.empty():
            self.seen.append(self.events.get())
        return self.seen


@pytest.fixture
def long(runner, small):
    """A run of many more steps than a test waits for."""
    return Underway(runner, small(train={"epochs": 100_000, "checkpoint_epochs": 1000}))


def test_a_stop_makes_a_checkpoint_then_answers_then_ends(long, runner):
    long.until(Measured)
    long.ask("stop")
    answer = long.until(Answered)
    events = long.end()

    ending = events[-1]
    assert (answer.verb, ending.outcome) == ("stop", "stopped")
    assert ending.by == answer.by == control.whoami()
    saved = [e for e in events if isinstance(e, Checkpointed)][-1]
    assert saved.step == answer.step == ending.step
    assert events.index(saved) < events.index(answer)
    assert runner.checkpoints().load(ending.step).state["progress"]["step"] == ending.step
    assert not list((runner.place() / "control").iterdir())


def test_a_pause_holds_between_two_steps_until_it_is_told_to_go_on(long):
    long.until(Measured)
    long.ask("pause")
    paused = long.until(Answered)
    with pytest.raises(queue.Empty):
        long.events.get(timeout=1.0)  # two flushes would have come by now
    long.ask("continue")
    going = long.until(Answered)
    following = long.until(Measured)
    long.ask("stop")
    long.end()

    assert (paused.verb, going.verb) == ("pause", "continue")
    assert going.step == paused.step
    assert following.step == paused.step + 1


def test_a_paused_run_can_be_stopped(long):
    long.until(Measured)
    long.ask("pause")
    paused = long.until(Answered)
    long.ask("stop")
    events = long.end()

    assert isinstance(events[-1], Finished)
    assert events[-1].step == paused.step
    assert len([e for e in events if isinstance(e, Checkpointed) and e.step == paused.step]) == 1


def test_requests_that_cannot_be_read_are_left_alone(tmp_path):
    emitted = []
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "1-stop-x.json").write_text("{half")
    requests = Requests(Control(tmp_path), emitted.append, secure=lambda: None)

    assert requests.poll(1) is False
    assert emitted == []


def test_the_folder_is_looked_into_a_few_times_a_second_only(tmp_path, monkeypatch):
    now = iter([100.0, 100.0 + 0.9 * POLL_SECONDS, 100.0 + 1.1 * POLL_SECONDS])
    monkeypatch.setattr(
        "revconsole.training.requests.time", SimpleNamespace(monotonic=now.__next__)
    )
    requests = Requests(Control(tmp_path), lambda _: None, secure=lambda: None)
    requests.poll(1)
    control.ask(tmp_path, "stop")

    assert requests.poll(2) is False
    with pytest.raises(StopAsked):
        requests.poll(3)
    assert 0.1 <= POLL_SECONDS <= 0.5


def test_asking_to_go_on_does_nothing_to_a_run_that_goes(tmp_path):
    emitted = []
    control.ask(tmp_path, "continue")
    requests = Requests(Control(tmp_path), emitted.append, secure=lambda: pytest.fail("not needed"))

    assert requests.poll(4) is False
    assert [event.verb for event in emitted] == ["continue"]


def test_a_run_handed_over_is_secured_and_goes_on_from_that_very_step(long, runner, small):
    long.until(Measured)
    long.ask("handover")
    events = long.end()

    ending, answer, saved = events[-1], events[-2], events[-3]
    assert isinstance(ending, HandedOver)
    assert isinstance(saved, Checkpointed)
    assert ending.step == answer.step == saved.step
    assert runner.checkpoints().steps()[0] == ending.step


def test_a_run_that_was_deleted_or_taken_over_is_left_alone(store, plan):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    requests = Requests(Control(store.folder(run_id), attempt), pytest.fail, secure=pytest.fail)
    requests.poll(1)
    (store.folder(run_id) / "attempts" / "0002").mkdir()
    requests._looked = 0.0
    with pytest.raises(NotOurs):
        requests.poll(2)
