"""Tables on a terminal: no line wider than it, no word broken, what differs first, names told apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from revconsole.cli.table import laid, sentence
from revconsole.records.sections.scheme import AdditiveSection, BdiaSection, ResidualSection
from revconsole.records.settings.plan import Plan
from tests.cli.test_verbs import finished

WORDS = st.text("abcdefgh-_.", min_size=1, max_size=30)
PROSE = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)


@given(
    rows=st.lists(st.tuples(WORDS, WORDS, st.integers().map(str), PROSE), min_size=1, max_size=6),
    width=st.integers(40, 140),
)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(rows, width):
    labels = ["name", "state of it", "number", "meaning"]
    found = laid(labels, rows, width, prose=["meaning"], yields=["number"])

    lines = [*found.above.splitlines(), *found.head, *found.body]
    whole = {word for row in rows for cell in row for word in cell.split()}
    whole |= {word for label in labels for word in label.split()} | {"·"}
    assert max(map(len, lines)) <= width
    shown = {word for line in lines for word in line.split()}
    assert all(word in whole or "…" in word for word in shown)


def test_names_that_do_not_fit_lose_their_middle_and_are_told_apart():
    names = [f"mine-{scheme}-dropout{d}-s{s}" for scheme in ("residual", "bdia") for d in (0, 0.1) for s in (0, 1)]  # fmt: skip
    rows = [[name, "x" * 11, "y" * 10] for name in names]
    rows[0][1], rows[0][2] = "z", "z"

    found = laid(["name", "one", "two"], rows, 45)

    shown = [line.split()[0] for line in found.body]
    assert len(set(shown)) == 8
    assert all("…" in name or name in names for name in shown)
    assert max(map(len, found.body)) <= 45


def test_a_long_name_loses_its_middle_before_prose_becomes_a_narrow_tower():
    long = "a-rather-long-name-of-a-study-with-everything-in-it"
    title = (
        "One vision transformer wired in four ways on digits, and what that means for its accuracy"
    )
    found = laid(["name", "from", "title"], [[long, "yours", title], ["b", "shipped", "B"]], 80)
    assert len(found.body) == 4
    assert found.body[0].startswith("a-rather-long-na…everything-in-it  yours")


def test_a_long_word_of_prose_is_whole_as_long_as_another_column_can_give_way():
    key = "data.augmentation_of_the_training_split"
    rows = [[f"run-of-a-rather-long-name-{n}", "x" * 13 + str(n), f"{key} is {n}"] for n in (1, 2)]
    found = laid(["name", "more", "differs"], rows, 76, prose=["differs"], yields=["more"])
    assert found.left_out == ("more",)
    assert all(any(key in line for line in each) for each in (found.body[:1], found.body[-1:]))


def test_letters_of_two_cells_are_counted_as_two_and_names_keep_their_ends():
    names = [
        f"größe-日本語-とても長い{each}-s{seed}" for each in ("名前", "🚀🚀") for seed in (0, 1)
    ]

    found = laid(["name", "one"], [[name, f"{n}" * 12] for n, name in enumerate(names)], 32)

    shown = [line.split()[0] for line in found.body]
    assert len(set(shown)) == 4
    assert [name[-3:] for name in shown] == ["-s0", "-s1", "-s0", "-s1"]
    assert all("…" in name for name in shown)
    assert max(map(cell_len, found.body)) <= 32


def test_a_sentence_with_letters_of_two_cells_is_broken_between_its_words():
    text = (
        "test accuracy of 日本語の名前  over seeds 0, 1: 8.00 ± 0.00 %, 日本語の 名前 🚀🚀🚀 rocket"
    )

    lines = sentence(text, 30).splitlines()

    assert max(map(cell_len, lines)) <= 30
    assert [word for line in lines for word in line.split()] == text.split()
    assert "日本語の名前  over" in sentence(text, 80)


def test_what_every_row_has_is_said_once_above_and_what_nobody_knows_not_at_all():
    rows = [["a", "vit", "–", "finished", "1"], ["b", "vit", "–", "finished", "2"]]

    found = laid(["name", "model", "eta", "state", "seed"], rows, 80, stays=["state"])

    assert found.above == "model vit"
    assert found.head == ("name  state     seed",)
    assert found.body == ("a     finished     1", "b     finished     2")
    single = laid(["name", "model"], [["a", "vit"]], 80)
    assert (single.above, single.body) == ("", ("a     vit",))


def test_columns_give_way_by_importance_and_that_is_said():
    rows = [
        ["name-a", "1234567890", "123456789", "12"],
        ["name-b", "2345678901", "234567890", "34"],
    ]
    labels = ["name", "least", "most", "middle"]

    assert laid(labels, rows, 60, yields=["least", "middle"]).left_out == ()
    found = laid(labels, rows, 30, yields=["least", "middle"])
    assert found.left_out == ("least",)
    assert found.head == ("name         most  middle",)


def test_a_long_label_is_broken_between_words_and_after_the_marks_of_a_key():
    rows = [["a", "1", "2"], ["b", "2", "3"]]

    found = laid(["name", "kept for backward", "model.multiply_adds"], rows, 30)

    assert found.head == (
        "                   model.",
        "      kept for  multiply_",
        "name  backward       adds",
    )


def test_narration_is_broken_between_words_and_a_path_loses_its_middle():
    path = "/home/somebody/a/very/long/way/down/the/folders/of/the/machine/nowhere.toml"
    shown = sentence(f"{path}: no such file; `revconsole profiles` lists the known ones", 60)

    assert max(map(len, shown.splitlines())) <= 60
    assert "/nowhere.toml:" in shown
    assert "…" in shown
    assert " ".join(shown.split()).endswith("`revconsole profiles` lists the known ones")


@pytest.fixture
def grid(store, monkeypatch) -> list[str]:
    """Runs with long names that differ in their middle, in ./runs."""
    monkeypatch.setenv("REVCONSOLE_STORE", str(store.root))
    made = []
    for scheme in (ResidualSection(), AdditiveSection(), BdiaSection(grid_bits=9)):
        for dropout in (0.0, 0.1, 0.2):
            for seed in (0, 1):
                name = f"mine-of-a-long-name-{scheme.name}-dropout{dropout:g}-s{seed}"
                backward = "stored" if scheme.name == "residual" else "reversible"
                plan = Plan(name=name, seed=seed, scheme=scheme, backward=backward)
                plan = plan.model_copy(
                    update={"model": plan.model.model_copy(update={"dropout": dropout})}
                )
                made.append(finished(store, plan, 0.7 + dropout + seed / 100))
    return made


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize(
    "verb",
    [["ls"], ["compare"], ["profiles"], ["models"], ["data"], ["settings", "scheme"], ["show", "@1"], ["study", "list"]],
    ids=" ".join,
)  # fmt: skip
def test_no_table_breaks_inside_a_word_on_a_terminal(run, on_a_terminal, grid, width, verb):
    words = [*verb, *(grid if verb == ["compare"] else [])]
    shown, piped = on_a_terminal(width, *words), run(*words)

    whole = set((piped.out + piped.err).split())
    words = {w for line in shown.splitlines() for w in re.split(r"\s+", line) if w}
    broken = [w for w in words if w not in whole and "…" not in w and not _ours(w)]
    assert max(map(len, shown.splitlines())) <= width
    assert not broken
    assert shown.count("\n") > 5


def _ours(word: str) -> bool:
    """Words of the table itself: parts of a label, and what is said of columns without room."""
    said = "columns left out: ; a wider terminal, a pipe or --json has all · "
    return word in said.split() or word.endswith((".", "_", ",", ";")) or word in LABELS


LABELS = {
    "dropout", "model.", "backward", "kept", "for", "accuracy", "error", "gradient", "best", "validation", "it", "of",
    "baseline", "test", "mistaken",
}  # fmt: skip


def test_every_run_of_a_grid_is_one_line_and_none_is_taken_for_another(on_a_terminal, grid):
    for width in (80, 100):
        lines = on_a_terminal(width, "ls").splitlines()
        rows = [line for line in lines if line[:8] in grid]
        assert len(rows) == 18
        assert len({row.split()[1] for row in rows}) == 18
