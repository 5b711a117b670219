"""Runs killed at random moments, wherever they train, lose nothing that was written."""

import os
import signal

import psutil
import pytest

from revconsole.records.runs import control
from revconsole.records.sections import KINDS
from tests.faults.conftest import PATIENCE_SECONDS

STEPS = 310
"""Of a whole run, about."""
ON_A_GRID = {"bdia", "midpoint_a", "coefficients"}


def wired(scheme):
    """Settings of a run of this scheme, reversible where it can be."""
    grid = {"scheme.grid_bits": 9} if scheme in ON_A_GRID else {}
    probes = {} if scheme == "residual" else {"train.probe_epochs": 10}
    return {"scheme.name": scheme} | grid | probes


def words(settings):
    return [f"{key}={value}" for key, value in settings.items()]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", list(KINDS["scheme"][1]))
def test_five_kills_and_two_hand_overs_change_no_bit(site, noted, scheme, complete):
    whole = site.detached(**wired(scheme))
    handed, command = site.terminal(*words(wired(scheme)))
    site.reaches(handed, 40)
    command.send_signal(signal.SIGHUP)
    assert command.wait(PATIENCE_SECONDS) == 128 + signal.SIGHUP
    site.until(lambda: site.lab.summary(handed).attempt == 2)
    site.reaches(handed, 150)
    control.ask(site.lab.store.folder(handed), "handover")

    killed, worst = site.detached(**wired(scheme)), 0.0
    for kill in range(5):
        before = site.reaches(killed, 30 + 45 * kill + site.chance.randrange(20))
        assert not before.summary.ended, "killed before its end"
        read = site.kill(killed)
        worst = max(worst, site.resume(killed))
        assert site.lab.store.read(killed).summary.attempt == kill + 2
        site.regains(killed, read)

    runs = [site.finish(run_id) for run_id in (whole, killed, handed)]
    assert [run.summary.attempt for run in runs] == [1, 6, 3]
    site.same(runs[0], runs[1])
    site.same(runs[0], runs[2])
    noted(f"five kills, two hand-overs, {scheme}: bit-identical", 7, worst=worst)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["process", "terminal"])
def test_a_kill_at_any_moment_is_told_and_survived(site, noted, often, where, complete):
    count, worst, gone = often(1), 0.0, 0
    whole = site.finish(site.detached())
    run_id = None
    for _ in range(count):
        if run_id is None or site.lab.summary(run_id).step > STEPS - 100:
            run_id = site.detached() if where == "process" else site.terminal()[0]
            site.reaches(run_id, 1)
        elif where == "process":
            worst = max(worst, site.resume(run_id))
        now = site.lab.summary(run_id).step
        site.reaches(run_id, now + site.chance.randrange(1, 60))
        read = site.kill(run_id)
        after = site.finish(run_id)
        assert after.summary.state == ("killed" if where == "process" else "lost"), after.summary
        gone += site.lost(read, after)
        assert after.summary.damaged_lines == 0
        if where == "terminal":
            worst = max(worst, site.resume(run_id))
            site.same(whole, site.finish(run_id))
            run_id = None
    if run_id is not None:
        site.resume(run_id)
        site.same(whole, site.finish(run_id))
    noted(f"kill -9 of a run in a {where}", count, lost=gone, worst=worst)


@pytest.mark.slow
def test_a_killed_supervisor_leaves_its_trainer_alone(site, noted, complete):
    run_id = site.detached()
    site.reaches(run_id, 5)
    trainer = site.trainer(run_id)
    os.kill(psutil.Process(trainer.pid).ppid(), signal.SIGKILL)
    assert site.finish(run_id).summary.state == "finished"
    noted("kill -9 of a trainer's parent", 1)
