"""The queue as everybody sees it: its order, what comes before a run, how long it takes, and other orders of it."""

from dataclasses import replace

import pytest

from revconsole.errors import WrongState
from revconsole.lab import queue as queues
from revconsole.lab.lab import Lab
from revconsole.lab.launchers import thread
from revconsole.lab.queue import QueueReader, explained, waits
from revconsole.records import devices
from revconsole.records.logs.events import HandedOver, Started
from revconsole.records.runs import identity
from revconsole.records.runs.queued import FIRST_OF_ALL, read_queued
from revconsole.records.runs.turns import DeviceTurns
from revconsole.records.settings.plan import Plan

SECONDS = 180.0
STARTED = {"steps": 40, "steps_per_epoch": 10, "device": "cpu", "fingerprint": "7d"}


@pytest.fixture
def add(store):
    """A function: create and queue runs of these names; returns their ids."""

    def added(*names, device="cpu", gpus=1, **settings):
        ids = []
        for name in names:
            train = {"device": device, "epochs": 4, "gpus": gpus}
            ids.append(store.create(Plan.model_validate({"name": name, "train": train}), {}))
            store.queue(ids[-1], 1, identity.mine(), "thread", **settings)
        return ids

    return added


@pytest.fixture
def begin(store):
    """A function: let a queued run train."""

    def begun(run_id):
        attempt = store.claim(run_id, 1)
        attempt.emit(Started(facts=STARTED))
        return attempt

    return begun


@pytest.fixture
def looks_often(monkeypatch):
    """What waits for a device of another process looks again at once, not after a second."""
    monkeypatch.setattr(thread, "POLL_SECONDS", 0.02)


def names(queue):
    return [each.run.name for each in queue.waiting]


def test_what_trains_and_what_waits_is_in_the_order_in_which_it_was_launched(store, add, begin):
    first, *_ = add("one", "two", "three")
    begin(first)

    (queue,) = QueueReader(store).read(store.list())

    assert [each.run.name for each in queue.training] == ["one"]
    assert names(queue) == ["two", "three"]
    assert queue.devices == ("cpu",)
    assert queue.sentence == "1 trains and 2 wait on cpu: how long is not known"


def test_another_process_and_another_lab_read_the_same_queue(store, add):
    one, two, three = add("one", "two", "three")
    queues.move(store, three, to=0)

    (seen,) = QueueReader(Lab(store.root).store).read(Lab(store.root).store.list())

    assert [each.run.id for each in seen.waiting] == [three, one, two]
    places = {run.id: run.place for run in store.list()}
    assert sorted(places, key=places.get) == [three, one, two]


def test_each_device_has_a_queue_of_its_own_and_auto_is_in_that_of_every_card(
    store, add, monkeypatch
):
    cards = {f"cuda:{number}": "" for number in range(2)}
    monkeypatch.setattr(devices, "_cards", lambda: cards)
    add("a", device="cpu")
    add("b", device="auto")
    add("c", device="cuda:1")

    found = {queue.named: names(queue) for queue in QueueReader(store).read(store.list())}

    assert found == {"cpu": ["a"], "cuda:0 or cuda:1": ["b", "c"]}


@pytest.mark.parametrize(
    ("moved", "how", "order"),
    [
        ("d", {"to": 0}, "dabc"),
        ("a", {"to": 99}, "bcda"),
        ("b", {"by": 1}, "acbd"),
        ("b", {"by": -1}, "bacd"),
        ("a", {"by": -1}, "abcd"),
        ("d", {"by": 1}, "abcd"),
    ],
)
def test_a_waiting_run_moves_and_the_others_keep_their_order(store, add, moved, how, order):
    ids = dict(zip("abcd", add(*"abcd"), strict=True))

    said = queues.move(store, ids[moved], **how)

    (queue,) = QueueReader(store).read(store.list())
    assert "".join(names(queue)) == order
    assert said == f"is number {order.index(moved) + 1} of 4 that wait for cpu"


def test_runs_with_equal_places_move_all_the_same(store, add):
    ids = add(*"abc")
    for run_id in ids:
        store.move(run_id, 1, place=5.0)
    (queue,) = QueueReader(store).read(store.list())
    last = queue.waiting[-1].run

    queues.move(store, last.id, by=-1)

    (queue,) = QueueReader(store).read(store.list())
    assert queue.waiting[1].run.id == last.id


def test_a_run_that_does_not_wait_has_no_place(store, add, begin):
    run_id, *_ = add("one")
    begin(run_id)

    with pytest.raises(WrongState, match="only a run that waits has a place in a queue"):
        queues.move(store, run_id, to=0)


def finished(run, **seconds):
    return replace(run, id="done", state="finished", seconds_per_epoch=10.0, **seconds)


def test_what_a_run_waits_for_is_said_with_how_long_it_takes(store, add, begin):
    ids = add("one", "two", "three", "four")
    begin(ids[0])
    runs = [replace(run, eta_seconds=100.0) if run.name == "one" else run for run in store.list()]
    done = finished(runs[0], seconds=45.0, seconds_at_end=5.0)

    (queue,) = QueueReader(store).read([*runs, done])

    assert queue.seconds == 100.0 + 3 * 45.0
    assert queue.begins()[ids[3]] == 100.0 + 2 * 45.0
    assert queue.waits()[ids[3]] == (
        f"waits for cpu behind one ({ids[0]}, running) and two ({ids[1]}, queued) and 1 more: about 3 min 10 s"
    )


def test_on_several_cards_the_time_is_that_of_the_one_that_takes_longest(store, add, monkeypatch):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})
    ids = add("one", "two", "three", device="auto")
    runs = store.list()
    done = finished(runs[0], seconds=40.0, seconds_at_end=0.0)

    (queue,) = QueueReader(store).read([*runs, done])

    assert (queue.begins()[ids[1]], queue.begins()[ids[2]], queue.seconds) == (0.0, 40.0, 80.0)


def test_a_run_on_two_cards_waits_for_both_and_the_next_one_for_either(
    store, add, begin, monkeypatch
):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})
    one, *_ = add("one", device="cuda:0")
    (two,) = add("two", device="cuda", gpus=2)
    (three,) = add("three", device="auto")
    begin(one)
    (queue,) = QueueReader(store).read(store.list())
    timed = replace(
        queue,
        training=tuple(replace(each, seconds=60.0) for each in queue.training),
        waiting=tuple(replace(each, seconds=30.0) for each in queue.waiting),
    )

    assert queue.sentence.startswith("1 trains and 2 wait on cuda:0 or cuda:1")
    assert timed.waits()[two].startswith("waits for cuda:0 and cuda:1 behind one (")
    assert timed.begins() == {two: 60.0, three: 90.0}
    assert timed.seconds == 120.0


def test_the_first_run_of_an_idle_device_waits_for_nobody(store, add):
    run_id, *_ = add("one")
    assert waits(store, store.follow(run_id).summary()) == ""


def test_the_row_of_a_waiting_run_says_what_it_waits_for(store, add, begin):
    one, two = add("one", "two")
    begin(one)
    runs = store.list()
    rows = {run.id: run for run in explained(runs, QueueReader(store).read(runs))}

    assert rows[two].reason.startswith(f"waits for cpu behind one ({one}, ")
    assert rows[one].reason == ""


def test_a_run_that_moves_to_another_process_keeps_its_place(store, add):
    one, two = add("one", "two")
    before = read_queued(store.folder(one) / "launch.json").place

    store.queue(one, 1, identity.mine(), "process")

    assert read_queued(store.folder(one) / "launch.json").place == before
    attempt = store.claim(two, 1)
    attempt.emit(HandedOver(step=3, to="a background process"))
    attempt.close()
    store.queue(two, 2, identity.mine(), "process")
    assert read_queued(store.folder(two) / "launch.json").place == FIRST_OF_ALL


def test_a_run_that_is_resumed_stands_last(store, add):
    one, two = add("one", "two")
    store.stop_queued(one, 1)
    store.queue(one, 2, identity.mine(), "thread")

    (queue,) = QueueReader(store).read(store.list())
    assert [each.run.id for each in queue.waiting] == [two, one]


@pytest.mark.usefixtures("looks_often")
def test_a_run_of_this_process_waits_for_the_device_and_then_trains(tmp_path, tiny_study):
    lab = Lab(tmp_path / "runs")
    plan = lab.plan("tiny", {"seeds": [0]})
    other = lab.store.create(plan.plans[0], {})
    lab.store.queue(other, 1, identity.mine(), "process")
    elsewhere = DeviceTurns(lab.store.root)
    assert elsewhere.next([(other, 1)])

    ids = lab.launch(plan.only(plan.plans[:1]))
    assert not lab.wait(0.2)
    assert lab.summary(ids[0]).state == "queued"
    elsewhere.leave()

    assert lab.wait(SECONDS)
    assert lab.summary(ids[0]).state == "finished"


@pytest.mark.usefixtures("looks_often")
def test_a_run_of_this_process_that_is_taken_out_of_the_queue_is_waited_for_no_more(
    tmp_path, tiny_study
):
    lab = Lab(tmp_path / "runs")
    plan = lab.plan("tiny", {"seeds": [0]})
    other = lab.store.create(plan.plans[0], {})
    lab.store.queue(other, 1, identity.mine(), "process")
    elsewhere = DeviceTurns(lab.store.root)
    assert elsewhere.next([(other, 1)])
    (run_id,) = lab.launch(plan.only(plan.plans[:1]))

    assert lab.stop(run_id) == "taken out of the queue"

    assert lab.wait(SECONDS)
    assert lab.summary(run_id).state == "stopped"


def test_the_workers_of_one_device_are_so_many_places(store, add):
    ids = add("one", "two", "three", slots=("cpu", "cpu"))
    runs = store.list()
    done = finished(runs[0], seconds=40.0, seconds_at_end=0.0)

    (queue,) = QueueReader(store).read([*runs, done])

    assert list(queue.begins().values()) == [0.0, 0.0, 40.0]
    assert queue.seconds == 80.0
    assert queue.waits()[ids[2]].endswith("about 40 s")


def test_a_queue_of_many_devices_counts_them(store, add):
    (run_id,) = add("one", slots=tuple(f"cuda:{number}" for number in range(8)))

    (queue,) = QueueReader(store).read(store.list())

    assert (queue.named, queue.places) == ("any of 8 devices", 8)
    assert store.follow(run_id).summary().state == "queued"
