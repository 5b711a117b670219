"""What is odd of a form's runs: the sentence apart from the setting that would change it."""

import pytest

from revconsole.console.remedies import in_lines, parted, remedy
from revconsole.records.logs.events import Advised


@pytest.mark.parametrize(
    ("sentence", "action", "settings"),
    [
        ("the rate is high (a; b): optimizer.learning_rate=0.1, or train.batch=512", "optimizer.learning_rate=0.1, or train.batch=512", {"optimizer.learning_rate": "0.1"}),
        ("narrow heads (ViT 64): model.heads=1 or model.dim=32", "model.heads=1 or model.dim=32", {"model.heads": "1"}),
        ("few steps; lower train.batch (32), or raise train.epochs", "lower train.batch (32), or raise train.epochs", {}),
        ("not so: backward=stored", "backward=stored", {"backward": "stored"}),
        ("two at once: train.batch=8 train.accumulate=2", "train.batch=8 train.accumulate=2", {"train.batch": "8", "train.accumulate": "2"}),
        ("nothing can be done about it", "", {}),
    ],
)  # fmt: skip
def test_what_to_do_is_the_last_part_of_a_sentence(sentence, action, settings):
    assert parted(sentence)[1] == action
    assert remedy(sentence) == settings


NOTES = [
    Advised(
        level="warning",
        rule=str(n),
        text=f"{'a long sentence on what is odd ' * 4}: train.batch={n}",
    )
    for n in range(5)
]


@pytest.mark.parametrize("most", [3, 6, 12, 40])
def test_each_note_has_its_action_on_a_line_as_far_as_there_is_room(most):
    lines = in_lines(NOTES, 40, most, style={}, accent="").plain.split("\n")
    assert max(map(len, lines)) <= 40
    assert len(lines) <= max(most, 3)
    assert lines[1 if most < 40 else 4].strip() == "→ train.batch=0"
    shown = sum("→" in line for line in lines)
    assert lines[-1] == f"  and {5 - shown} more" or shown == 5
