"""One run trains at a time on each device, whatever processes ask for it, and the order is that of the places."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from revconsole.records import devices
from revconsole.records.runs import identity, turns
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.turns import DeviceTurns, NextRun, lined_up
from revconsole.records.settings.plan import Plan

WAITS = """
import sys
from pathlib import Path
from revconsole.records.runs.turns import DeviceTurns
turns = DeviceTurns(Path(sys.argv[1]))
print("begins" if turns.next([(sys.argv[2], 1)]) else "waits", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def queue(store):
    """A function: create a run and queue it, on the CPU if nothing is said; returns what `next` takes."""

    def made(device="cpu", *, now=False, gpus=1):
        train = {"device": device, "gpus": gpus, "batch": 64}
        run_id = store.create(Plan.model_validate({"name": "a", "train": train}), {})
        store.queue(run_id, 1, identity.mine(), "thread", now=now)
        return run_id, 1

    return made


@pytest.fixture
def process(store):
    """A function: start a process that asks for the turn of a run; returns it with what it was told."""
    started = []

    def begun(run):
        command = [sys.executable, "-X", "preloaded", "-c", WAITS, str(store.root), run[0]]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(child)
        return child, child.stdout.readline().strip()

    yield begun
    for child in started:
        child.kill()
        child.communicate()


def files(store):
    """What stands in the folders of the devices."""
    return sorted(path.name for path in (store.root / turns.FOLDER).glob("*/*/*"))


def test_a_run_waits_until_the_one_on_its_device_is_over(store, queue):
    here, there = DeviceTurns(store.root), DeviceTurns(store.root)
    first, second = queue(), queue()

    assert here.next([first]) == NextRun(*first)
    assert there.next([second]) is None
    assert lined_up(store.root, second[0])
    assert here.next([]) is None
    assert there.next([second]) == NextRun(*second)
    assert not lined_up(store.root, second[0])


def test_runs_on_different_devices_do_not_wait_for_each_other(store, queue):
    assert DeviceTurns(store.root).next([queue("cpu")])
    assert DeviceTurns(store.root).next([queue("mps")])


def test_a_run_that_may_use_any_card_takes_the_one_that_is_free(store, queue, monkeypatch):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})
    held = [DeviceTurns(store.root) for _ in range(3)]

    assert held[0].next([queue("cuda:0")])
    assert held[1].next([queue("auto")])
    third = queue("auto")
    assert held[2].next([third]) is None
    held[0].leave()
    assert held[2].next([third])


@pytest.fixture
def cards(monkeypatch):
    """Eight of them."""
    monkeypatch.setattr(devices, "_cards", lambda: {f"cuda:{n}": "" for n in range(8)})


def test_a_run_on_several_cards_and_one_on_one_of_them_wait_for_each_other(store, queue, cards):
    four, one, other = (DeviceTurns(store.root) for _ in range(3))
    ranks, third, fifth = queue("cuda", gpus=4), queue("cuda:2"), queue("cuda:4")
    assert four.next([ranks]) == NextRun(*ranks)
    assert one.next([third]) is None
    assert other.next([fifth]) == NextRun(*fifth)

    four.leave()
    assert one.next([third]) == NextRun(*third)
    again = queue("cuda", gpus=4)
    assert four.next([again]) is None
    one.leave()
    assert four.next([again]) == NextRun(*again)


def test_of_runs_with_devices_in_common_nobody_holds_some_while_it_waits_for_the_rest(
    store, queue, cards
):
    one, early, late, other = (DeviceTurns(store.root) for _ in range(4))
    runs = [queue("cuda:3"), queue("cuda", gpus=4), queue("cuda", gpus=2), queue("cuda:0")]
    assert one.next(runs[:1])
    assert early.next([runs[1]]) is None, "the last of its four is taken"
    assert early.pass_on() is None
    assert late.next([runs[2]]) is None, "both of its are free, but the other stands before it"
    assert other.next([runs[3]]) is None

    one.leave()
    assert late.next([runs[2]]) is None
    assert early.next([runs[1]]) == NextRun(*runs[1])
    assert late.next([runs[2]]) is None
    early.leave()
    assert late.next([runs[2]]) == NextRun(*runs[2])


def test_a_killed_process_frees_all_the_devices_of_its_ranks(store, queue, process, monkeypatch):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})
    child, said = process(queue("cuda", gpus=2))
    assert said == "begins"
    here, mine = DeviceTurns(store.root), queue("cuda:1")
    assert here.next([mine]) is None

    child.send_signal(signal.SIGKILL)
    child.wait()

    assert here.next([mine]) == NextRun(*mine)


def test_ranks_that_begin_now_train_beside_on_each_of_their_cards(store, queue, cards):
    training, beside, after = (DeviceTurns(store.root) for _ in range(3))
    assert training.next([queue("cuda:1")])
    assert beside.next([queue("cuda", gpus=2, now=True)])
    late = queue("cuda:0")
    assert after.next([late]) is None
    beside.leave()
    assert after.next([late])


def test_the_ranks_of_a_processor_take_the_turn_of_the_processor(store, queue):
    run, _ = queue("cpu", gpus=2)
    queued = read_queued(store.folder(run) / "launch.json")
    assert (queued.devices, queued.at_once) == (("cpu",), True)


def test_the_first_in_the_queue_is_the_next_and_another_order_counts_at_once(store, queue):
    training, one, two = (DeviceTurns(store.root) for _ in range(3))
    begun, early, late = queue(), queue(), queue()
    assert training.next([begun])
    assert one.next([early]) is None
    assert two.next([late]) is None

    store.move(late[0], 1, place=read_queued(store.folder(early[0]) / "launch.json").place - 1)
    training.leave()

    assert one.next([early]) is None, "the other was moved before it"
    assert two.next([late]) == NextRun(*late)
    assert one.next([early]) is None, "now it trains"


def test_a_process_keeps_the_device_for_its_next_run_only_if_that_is_the_first(store, queue):
    here, there = DeviceTurns(store.root), DeviceTurns(store.root)
    batch = [queue(), queue(), queue()]
    other = queue()
    assert here.next(batch) == NextRun(*batch[0])
    assert there.next([other]) is None

    assert here.next(batch[1:]) == NextRun(*batch[1]), "it stood in the queue before the other"
    store.move(other[0], 1, place=1.0)
    assert here.next(batch[2:]) is None
    assert there.next([other]) == NextRun(*other)


def test_the_runs_of_a_process_begin_in_the_order_of_their_places(store, queue):
    first, second = queue(), queue()
    store.move(second[0], 1, place=1.0)

    assert DeviceTurns(store.root).next([first, second]) == NextRun(*second)


def test_a_waiting_process_whose_device_is_busy_elsewhere_holds_up_nobody(
    store, queue, monkeypatch
):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})
    here, there = DeviceTurns(store.root), DeviceTurns(store.root)
    mine = [queue("cuda:0"), queue("cuda:1")]
    other = queue("cuda:1")

    assert here.next(mine[:1]), "the second of its runs comes before the other, and cannot begin"
    assert there.next([other]) == NextRun(*other)


def test_a_run_that_was_stopped_or_deleted_waits_no_more(store, queue):
    here = DeviceTurns(store.root)
    assert here.next([queue()])
    stopped, deleted, waiting = queue(), queue(), queue()
    there = DeviceTurns(store.root)
    assert there.next([stopped, deleted, waiting]) is None

    store.stop_queued(*stopped)
    store.folder(deleted[0]).rename(store.root / ".gone")

    assert there.next([stopped, deleted, waiting]) == NextRun(*stopped)
    assert there.next([deleted, waiting]) == NextRun(*deleted)
    assert there.next([waiting]) is None


def test_the_device_of_a_killed_process_is_free_at_once(store, queue, process):
    child, said = process(queue())
    assert said == "begins"
    here, mine = DeviceTurns(store.root), queue()
    assert here.next([mine]) is None

    child.send_signal(signal.SIGKILL)
    child.wait()

    assert here.next([mine]) == NextRun(*mine)


def test_a_killed_process_is_out_of_the_queue_and_what_it_left_is_removed(store, queue, process):
    here, training, early, late = DeviceTurns(store.root), queue(), queue(), queue()
    assert here.next([training])
    child, said = process(early)
    assert said == "waits"
    there = DeviceTurns(store.root)
    assert there.next([late]) is None
    assert early[0] in files(store)

    child.send_signal(signal.SIGKILL)
    child.wait()
    here.leave()

    assert there.next([late]) == NextRun(*late)
    assert files(store) == [turns.BESIDE, turns.TURN]


def test_a_suspended_process_holds_up_nobody(store, queue, process):
    training = DeviceTurns(store.root)
    assert training.next([queue()])
    early, late = queue(), queue()
    child, _ = process(early)
    store.queue(*early, identity.Identity.of(child.pid), "thread")
    here = DeviceTurns(store.root)
    assert here.next([late]) is None
    training.leave()
    assert here.next([late]) is None

    child.send_signal(signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)

    assert here.next([late]) == NextRun(*late)


def test_a_run_that_begins_now_trains_beside_and_the_next_ones_wait_for_both(store, queue):
    one, beside, third = (DeviceTurns(store.root) for _ in range(3))
    assert one.next([queue()])
    assert beside.next([queue(now=True)])
    waiting = queue()
    one.leave()

    assert third.next([waiting]) is None
    beside.leave()
    assert third.next([waiting])


def test_a_waiting_run_may_be_told_to_begin_now(store, queue):
    one, two = DeviceTurns(store.root), DeviceTurns(store.root)
    assert one.next([queue()])
    waiting = queue()
    assert two.next([waiting]) is None

    store.move(*waiting, now=True)

    assert two.next([waiting]) == NextRun(*waiting)


def test_a_turn_is_passed_on_without_a_moment_in_which_the_device_is_free(store, queue, tmp_path):
    here, there, third = (DeviceTurns(store.root) for _ in range(3))
    run, other = queue(), queue()
    assert here.next([run])
    assert third.next([other]) is None
    descriptor = os.dup(here.pass_on())

    here.passed()
    assert third.next([other]) is None, "the descriptor holds it"
    there.inherit(descriptor)
    assert os.read(descriptor, 1) == b"", "what was the descriptor reads nothing"
    os.close(descriptor)

    assert third.next([other]) is None
    assert there.next([run]) == NextRun(*run)
    there.leave()
    assert third.next([other])


def test_another_descriptor_is_no_turn(store, queue):
    here = DeviceTurns(store.root)
    here.inherit(os.open(os.devnull, os.O_RDONLY))
    assert here.pass_on() is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # this process may have threads
def test_a_forked_process_does_not_hold_the_device(store, queue):
    here, there = DeviceTurns(store.root), DeviceTurns(store.root)
    assert here.next([queue()])
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        here.passed()  # closed without a word, as when this process is killed
        assert there.next([queue()])
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def test_where_no_lock_can_be_taken_a_run_begins_and_says_so(store, queue, monkeypatch):
    def refuses(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    begun = DeviceTurns(store.root).next([run := queue()])

    assert begun[:2] == run
    assert begun.note.startswith("no lock can be taken in the store (No locks available): this run")


def test_who_waits_writes_nothing(store, queue):
    here, there, waiting = DeviceTurns(store.root), DeviceTurns(store.root), [queue(), queue()]
    assert here.next([queue()])
    assert there.next(waiting) is None
    folders = [store.root, *(store.root / turns.FOLDER).glob("**"), *store.root.glob("*/*")]
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in folders]

    for _ in range(3):
        assert there.next(waiting) is None

    assert [(path, path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in folders] == before


def test_who_leaves_leaves_no_file_but_those_of_the_device(store, queue):
    here, there = DeviceTurns(store.root), DeviceTurns(store.root)
    assert here.next([queue()])
    assert there.next([queue()]) is None

    there.leave()
    here.leave()

    assert files(store) == [turns.BESIDE, turns.TURN]


@pytest.mark.parametrize("damage", ["[]", "{", '{"attempt": 1}'])
def test_a_run_whose_note_is_damaged_waits_for_nobody(store, queue, damage):
    assert DeviceTurns(store.root).next([queue()])
    run = queue()
    (store.folder(run[0]) / "launch.json").write_text(damage)

    assert DeviceTurns(store.root).next([run]) == NextRun(*run)


def test_folders_and_locks_are_open_to_whoever_may_create_runs(store, queue):
    run = queue()
    store.root.chmod(0o775)
    assert DeviceTurns(store.root).next([run])

    device = next((store.root / turns.FOLDER).glob("*/*"))
    assert device.stat().st_mode & 0o777 == 0o775
    assert (device / turns.TURN).stat().st_mode & 0o777 == 0o664


@pytest.fixture
def two_cards(monkeypatch):
    monkeypatch.setattr(devices, "_cards", lambda: {"cuda:0": "", "cuda:1": ""})


def test_a_worker_of_one_card_takes_the_first_run_for_it_and_leaves_other_cards_alone(
    store, queue, two_cards
):
    runs = [queue("cuda:0"), queue("auto")]
    here, there = (DeviceTurns(store.root, only=f"cuda:{number}") for number in range(2))

    assert there.next(runs) == NextRun(*runs[1])
    assert here.next(runs) == NextRun(*runs[0])
    third = queue("auto")
    assert there.next([third]) == NextRun(*third), "its own card is kept"
    assert here.next([third]) == NextRun(*third), "only the claim decides between workers"


def test_workers_that_share_a_device_train_there_together_and_nobody_else(store, queue):
    mates = [DeviceTurns(store.root, together="a") for _ in range(2)]
    others, alone = DeviceTurns(store.root, together="bb"), DeviceTurns(store.root)
    first, second, third, fourth = (queue() for _ in range(4))

    assert mates[0].next([first])
    assert mates[1].next([second])
    assert others.next([third]) is None
    assert alone.next([fourth]) is None
    mates[0].leave()
    assert alone.next([fourth]) is None, "one still trains"
    mates[1].leave()
    assert others.next([third])
    assert mates[0].next([fourth]) is None, "now the others have it"


def test_workers_that_share_a_device_wait_for_whoever_has_it_alone_or_stands_before(store, queue):
    alone, mates = DeviceTurns(store.root), [DeviceTurns(store.root, together="a") for _ in "ab"]
    first, second, third = (queue() for _ in range(3))
    assert alone.next([first])
    assert mates[0].next([second]) is None
    alone.leave()
    assert mates[0].next([second])
    store.move(*third, place=1.0)
    assert alone.next([third]) is None

    fourth = queue()
    assert mates[1].next([fourth]) is None, "the third was moved to the head of the queue"
    assert mates[0].next([fourth]) is None
    assert alone.next([third])


def test_folders_of_earlier_boots_go_once_they_are_old_and_nobody_holds_a_lock_there(store, queue):
    queues = store.root / turns.FOLDER
    old, recent, held, strange = (queues / name / "cpu" for name in ("old", "recent", "held", "my"))
    for folder in (old, recent, held, strange):
        folder.mkdir(parents=True)
        (folder / "turn").touch()
    (strange / "notes.txt").write_text("somebody's")
    outside = store.root.parent / "elsewhere" / "cpu"
    outside.mkdir(parents=True)
    (outside / "turn").touch()
    (queues / "link").symlink_to(outside.parent)
    for folder in (old, held, strange, outside):
        os.utime(folder.parent, (0, 0))
    with (held / "turn").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert DeviceTurns(store.root).next([queue()])

    assert not old.parent.exists()
    assert (recent / "turn").exists()
    assert (held / "turn").exists()
    assert (strange / "notes.txt").read_text() == "somebody's"
    assert (outside / "turn").exists()
