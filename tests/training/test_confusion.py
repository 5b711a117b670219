"""Which class was taken for which: counted in the test, recorded, and read back."""

import torch

from revconsole.records.logs.events import Confused, Finished, LoggedEvent
from revconsole.records.runs.history import History
from revconsole.training.step.evaluation import evaluate


def test_the_counts_are_those_of_a_loop_over_the_images(realise):
    setting = realise()
    scores = evaluate(setting, setting.data.test, lambda: None)

    expected = torch.zeros(10, 10, dtype=torch.int64)
    model = setting.model.eval()
    for images, labels in setting.evaluation_batches(setting.data.test):
        for image, label in zip(images, labels, strict=True):
            with torch.no_grad():
                expected[label, model(image[None]).argmax()] += 1
    assert torch.equal(scores.confusion, expected)
    assert scores.accuracy == expected.diag().sum().item() / 360


def test_a_finished_run_says_what_its_test_confused(runner, small):
    log = runner(small())
    (confused,) = log.of(Confused)

    assert list(confused.names) == [str(n) for n in range(10)]
    right = sum(row[n] for n, row in enumerate(confused.counts))
    assert right / sum(map(sum, confused.counts)) == log.ending.values["test_accuracy"]


def test_classes_know_their_accuracy_and_their_commonest_mistake():
    history = History()
    names, counts = ["cat", "dog", "fox"], [[8, 2, 0], [0, 5, 0], [0, 0, 0]]
    history.add(
        LoggedEvent(
            seq=1, time=0.0, elapsed=0.5, event=Confused(step=9, names=names, counts=counts)
        )
    )
    history.add(
        LoggedEvent(seq=2, time=0.0, elapsed=0.5, event=Finished(outcome="completed", step=9))
    )

    found = history.confusion
    assert found.accuracies == {"cat": 0.8, "dog": 1.0, "fox": None}
    assert [found.mistaken(n) for n in range(3)] == ["dog", None, None]
