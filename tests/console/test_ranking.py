"""In what order names are listed that match what is typed."""

import pytest
from rich.text import Text
from textual.app import App

from revconsole.console import form
from revconsole.console.palette import Commands
from revconsole.console.ranking import NOT_MATCHED, rank
from revconsole.console.screens.choices import matching


@pytest.mark.parametrize(
    ("typed", "name", "expected"),
    [
        ("epoch", "epochs", 0), ("EPOCHS", "epochs", 0), ("learning_rate", "learning rate", 0), ("epoc", "epochs", 1),
        ("learn", "learning rate", 1), ("vit 224", "vit_base_patch16_224", 2), ("epoc", "warmup epochs", 3),
        ("rate lea", "learning rate", 3), ("epoc", "train.epochs", 3), ("earn", "learning rate", 4), ("vit", "convit", 4),
        ("epoc", "steps", NOT_MATCHED), ("epochs each", "epochs", NOT_MATCHED),
    ],
)  # fmt: skip
def test_the_more_of_a_name_is_typed_the_better_it_matches(typed, name, expected):
    assert rank(typed, (name,)) == expected
    assert rank(typed, ("nothing alike", name)) == expected, "the best of its names counts"


def test_the_setting_itself_comes_before_those_of_a_longer_name_and_of_a_meaning():
    names = [field.key for field in form.found(form.asked(), "epoc")]
    assert names[0] == "train.epochs"
    ranks = [rank("epoc", (key.rpartition(".")[2], key)) for key in names]
    assert ranks == sorted(ranks)


def test_choices_come_in_the_same_order():
    options = [(name, name) for name in ("convit", "maxvit_tiny", "tiny_vit", "vit_tiny", "vit")]
    assert [name for name, _ in matching(options, "vit")] == [
        "vit",
        "vit_tiny",
        "tiny_vit",
        "convit",
        "maxvit_tiny",
    ]
    assert matching(options, "") == tuple(options)


async def test_so_does_the_palette_and_letters_apart_come_last():
    class Some(Commands):
        def _commands(self):
            for name in ("Steering of open points", "Do not stop", "Stops", "Stop now", "Stop"):
                yield name, "", lambda: None

    app = App()
    async with app.run_test():
        hits = [hit async for hit in Some(app.screen).search("stop")]
    listed = [
        str(hit.prompt) if isinstance(hit.prompt, Text) else hit.text
        for hit in sorted(hits, reverse=True)
    ]
    assert set(listed[:2]) == {"Stop", "Stops"}
    assert listed[2:] == ["Stop now", "Do not stop", "Steering of open points"]
