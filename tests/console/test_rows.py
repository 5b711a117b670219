"""Which columns fit, and what filter words find."""

from revconsole.console import rows, states

ESSENTIAL = {"state", "name", "scheme", "epoch", "val"}


def test_columns_never_take_more_than_the_width():
    for width in range(60, 200):
        columns = rows.columns(rows.fitting(width), width)
        assert sum(column.width + 1 for column in columns) <= width
        assert {column.label for column in columns} >= ESSENTIAL


def test_eighty_columns_show_backward_and_test_accuracy_too():
    labels = {field.column.label for field in rows.fitting(80)}
    assert labels >= ESSENTIAL | {"backward", "test", "ETA"}


def test_every_word_must_be_found_in_any_case(recorder, store):
    recorder.finished("Demo", scheme="bdia")
    (run,) = store.list()
    assert rows.matches(run, "demo BDIA finished")
    assert rows.matches(run, "")
    assert not rows.matches(run, "demo additive")


def test_an_alarm_of_a_foreign_log_is_shown_on_one_line_without_what_a_terminal_obeys():
    text = states.shown("finished", {}, alarm="\x1b]0;owned\x07\n\u202e" + "long " * 100).plain

    assert text.startswith("! finished, ")
    assert text.isprintable()
    assert len(text) < 80
