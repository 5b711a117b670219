"""The catalogue, the glossary, printable text and keys."""

import pytest

from revconsole.errors import UnknownName
from revconsole.records.datasets import catalogue
from revconsole.records.keys import key
from revconsole.records.printable import one_line, printable
from revconsole.records.sections import KINDS
from revconsole.records.settings import glossary


def test_the_catalogue_is_what_the_profile_offers():
    assert set(catalogue.schemes()) == set(KINDS["scheme"][1])
    assert set(catalogue.architectures()) == set(KINDS["model"][1])
    assert {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "synthetic"} <= set(
        catalogue.datasets()
    )


def test_every_member_says_what_it_is():
    titles = [*catalogue.schemes().values(), *catalogue.architectures().values()]

    assert all(len(title) > 10 for title in titles)


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'cifar10'"):
        catalogue.dataset("cifar-10")


def test_every_setting_explains_itself():
    for entry in glossary.entries():
        assert len(entry["meaning"]) > 8, entry["key"]
        assert entry["default"], entry["key"]


@pytest.mark.parametrize(
    "hostile",
    ["\x1b]52;c;aGk=\x07", "\x9b31m", "a\u202eb", "\x00", "\x7f", "\u2028", "\u200b"],
)
def test_nothing_a_terminal_obeys_is_shown(hostile):
    shown = printable(f"name{hostile}")

    assert shown.startswith("name")
    assert not set(shown) & set("\x1b\x07\x9b\u202e\x00\x7f\u2028\u200b")


def test_honest_text_is_shown_as_it_is():
    text = "ViT γ=½ – Größe 日本 🙂 [bold]x[/]"

    assert printable(text) == text


def test_one_line_is_one_line():
    assert one_line("a\n  b\tc") == "a b c"


def test_keys_depend_on_every_part_and_on_nothing_else():
    assert key(1, "order", 2) == key(1, "order", 2) == 5971170691884857887
    assert (
        len({key(1, "order", 2), key(2, "order", 2), key(1, "augment", 2), key(1, "order", 3)}) == 4
    )
    assert key(1, "a", 23) != key(1, "a", 2, 3)
    assert all(0 <= key(0, "x", i) < 2**63 for i in range(1000))
