"""The machine, and whose its processes are."""

import dataclasses
import os

import psutil
import pytest

from revconsole.console import gauges
from revconsole.lab.system import OnCard, System, SystemReader, TrainingHere, historian
from revconsole.lab.system_words import groups
from revconsole.records import host
from revconsole.records.host import Host, HostReader
from revconsole.records.nvml import Gpu, GpuProcess
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

GIB = 2**30
MACHINE = Host(
    host="lab7", cores=4, use=0.25, load=1.5, memory_free=6 * GIB, memory_total=8 * GIB, swap_used=0, disk_free=GIB,
    disk_total=100 * GIB, driver=True,
)  # fmt: skip
CARD = Gpu(
    number=0, name="H200", use=0.87, used=18 * GIB, total=24 * GIB, temperature=61, hottest=90, power=310, power_limit=300,
    processes=(GpuProcess(pid=os.getpid(), used=GIB), GpuProcess(pid=2**30)),
)  # fmt: skip


def values(system):
    return {(g.title, e.name): e.value for g in groups(system) for e in g.gauges}


def test_memory_is_that_of_the_container_where_it_is_less(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(host, "CONTAINER_LIMIT", limit)
    monkeypatch.setattr(host, "CONTAINER_USED", used)
    total = psutil.virtual_memory().total
    assert host.memory()[1] == total

    limit.write_text("max\n")
    used.write_text("4\n")
    assert host.memory()[1] == total

    limit.write_text("12\n")
    assert host.memory() == (8, 12)


def test_the_use_of_the_processors_is_that_since_the_last_reading(tmp_path, monkeypatch):
    seconds = iter([(10.0, 100.0), (13.0, 110.0), (13.0, 110.0), (11.0, 120.0)])
    monkeypatch.setattr(host, "_core_seconds", lambda: next(seconds))
    reader = HostReader(tmp_path / "store" / "to be made")

    assert reader.use() == pytest.approx(0.3)
    assert reader.use() is None  # no time has passed
    assert reader.use() == 0.0  # counters that run back


def test_the_disk_is_that_of_the_nearest_folder_that_exists(tmp_path):
    read = HostReader(tmp_path / "store" / "to be made").read()

    assert read.disk_total
    assert read.disk_total >= read.disk_free >= 0
    assert 0 <= read.memory_free <= read.memory_total


def test_a_run_that_trains_here_is_named_with_its_memory(store, plan, tmp_path):
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    waiting = store.create(plan, {})

    (training,) = SystemReader(store).read(store.list()).trainings

    attempt.close()
    assert waiting != run_id
    assert (training.id, training.pid, training.cores) == (run_id, os.getpid(), None)
    assert training.resident
    assert training.resident > 10**6


def test_processes_of_a_card_are_runs_or_named_by_user_and_program(store, plan, monkeypatch):
    run_id = store.create(plan, {})
    other = GpuProcess(pid=os.getppid(), used=2)
    card = dataclasses.replace(CARD, processes=(*CARD.processes, other))
    monkeypatch.setattr(HostReader, "gpus", lambda _: (card,))
    reader = SystemReader(store)
    with_nobody = reader.read(store.list()).on_cards[0]
    attempt = store.claim(run_id, 1)
    ours, gone, job = reader.read(store.list()).on_cards[0]
    attempt.close()

    assert not any(process.ours for process in with_nobody)
    assert ours == OnCard(pid=os.getpid(), used=GIB, whose=f"{run_id} {plan.name}", ours=True)
    assert gone.whose == f"process {2**30}"
    assert psutil.Process(os.getppid()).name() in job.whose
    assert not job.ours


def test_gauges_have_shares_limits_and_units():
    system = System(
        machine=dataclasses.replace(MACHINE, gpus=(CARD,)), trainings=(), on_cards={0: ()}
    )

    assert values(system) == {
        ("lab7", "processors"): "25 % of 4 cores, load 1.5",
        ("lab7", "memory"): "2.0 of 8.0 GiB",
        ("lab7", "disk of the store"): "1.0 of 100.0 GiB free",
        ("GPU 0  H200", "use"): "87 % of the time",
        ("GPU 0  H200", "memory"): "18.0 of 24.0 GiB",
        ("GPU 0  H200", "temperature"): "61 of 90 °C",
        ("GPU 0  H200", "power"): "310 of 300 W",
    }
    high = {e.name for g in groups(system) for e in g.gauges if e.high}
    assert high == {"disk of the store", "power"}


def test_a_card_that_says_nothing_is_still_listed():
    system = System(
        machine=dataclasses.replace(MACHINE, gpus=(Gpu(number=3),)), trainings=(), on_cards={}
    )

    machine, card = groups(system)
    assert (card.title, card.gauges) == ("GPU 3", ())
    assert not machine.notes


@pytest.mark.parametrize("width", [20, 78, 158])
def test_lines_fit_the_terminal_and_what_is_full_is_said_in_words(width):
    system = System(machine=MACHINE, trainings=(), on_cards={}, uses=(0.0, 0.5, 1.0))

    text = gauges.lines(system, width, {}).plain
    assert "nearly full" in text
    assert "▁▅█" in text
    assert width < 70 or max(map(len, text.splitlines())) <= width


def test_the_history_of_the_machine_is_that_of_what_trains_here_else_of_the_newest_that_did():
    def run(name, **more):
        return Summary(id=name, name=name, plan=Plan(name=name), created=0.0, **{"state": "finished", "step": 9, "host": "lab7"} | more)  # fmt: skip

    elsewhere, waits, new, old = run("a", host="lab8"), run("b", step=0), run("c"), run("d")
    idle = System(machine=MACHINE, trainings=(), on_cards={})
    every = [elsewhere, waits, new, old]
    assert historian(idle, every) is new
    assert historian(idle, [elsewhere, waits]) is None
    here = TrainingHere(id="d", name="d", state="running", device="cpu", pid=1, cores=None, resident=None)  # fmt: skip
    assert historian(dataclasses.replace(idle, trainings=(here,)), every) is old
