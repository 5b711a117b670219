"""A moving average of the weights is what is judged; the weights train on as without it."""

import pytest
import torch

from revconsole.records.logs.events import EpochFinished
from revconsole.training.learning.preparing import prepare
from revconsole.training.step.evaluation import evaluate
from revconsole.training.step.stepping import compute_gradients, update_weights
from tests.training.conftest import meant

DECAY = 0.75


def test_the_average_is_the_sum_of_its_formula(realise):
    setting = realise(train={"average": DECAY})
    expected = None
    for number, (images, labels) in enumerate(setting.training_batches(1), start=1):
        update_weights(setting, compute_gradients(setting, number, 1, images=images, labels=labels))
        now = setting.model.head.weight.detach().double()
        expected = now if expected is None else DECAY * expected + (1 - DECAY) * now

    found = setting.judged.head.weight.detach().double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert not torch.equal(found.float(), setting.model.head.weight)


@pytest.mark.parametrize("scheme", ["residual", "bdia"])
def test_training_is_what_it_is_without_and_the_judgement_is_not(runner, small, scheme):
    plain = runner(small(**meant(scheme)), "plain")
    averaged = runner(small(**meant(scheme), train={"average": DECAY}), "averaged")

    assert averaged.losses == plain.losses
    assert averaged.ending.weights_sha256 == plain.ending.weights_sha256
    judged, raw = (log.of(EpochFinished)[-1].values for log in (averaged, plain))
    assert judged["validation_loss"] != raw["validation_loss"]


def test_it_survives_a_resume(runner, small, tmp_path):
    plan = small(train={"average": DECAY, "epochs": 3, "checkpoint_steps": 2})

    class Killed(BaseException):
        pass

    def kill(event):
        if isinstance(event, EpochFinished) and event.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        runner(plan, "parts", watch=kill)
    parts, whole = runner(plan, "parts"), runner(plan, "whole")

    assert parts.ending.values == whole.ending.values
    best = max(whole.of(EpochFinished), key=lambda e: e.values["validation_accuracy"])
    setting = prepare(plan, data=tmp_path)
    setting.average.load_state_dict(runner.checkpoints("whole").load(best.step).state["average"])
    scores = evaluate(setting, setting.data.test, lambda: None)
    found = {name: whole.ending.values[name] for name in ("test_loss", "test_accuracy")}
    assert found == {"test_loss": scores.loss, "test_accuracy": scores.accuracy}
