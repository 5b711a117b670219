"""The simulation of a study on many devices: whatever is killed or fails, each run is trained to one end."""

import random
from collections import Counter

from tests.conformance.simulated_study import Simulation


def test_every_run_comes_to_one_end_and_each_attempt_belongs_to_one_device(tmp_path):
    simulation = Simulation(tmp_path, arms=40, devices=6, chance=random.Random(1))

    watched = simulation.run()

    runs = simulation.lab.store.list()
    states = Counter(run.state for run in runs)
    assert len(runs) == 40
    assert states.keys() <= {"finished", "failed", "lost"}
    assert states["failed"] + states["lost"] <= 5
    assert sum(run.attempt for run in runs) == simulation.taken > 40, "some were killed"
    assert {run.device for run in runs} == {f"cuda:{number}" for number in range(6)}
    assert "50 %: the queues" in watched.seconds
