"""Signs in a terminal without Unicode."""

from revconsole.console import rows, signs, states
from revconsole.console.model_drawing import drawing
from revconsole.console.panel import PARTS
from revconsole.lab import format as shown
from revconsole.lab.lab import Lab


def test_every_sign_of_the_console_is_one_ascii_character_without_unicode():
    marks = (rows.MARK, rows.BASELINE, rows.MARKED_BASELINE, rows.CLOSED, rows.OPEN)
    for sign in (*states.SIGNS.values(), *marks, *"▲▼⏎␣·…▔▁▏▊⇥⋮⋯┊▮", shown.UNKNOWN):
        assert len(signs.plain(sign)) == len(sign)
        assert signs.plain(sign).isascii()


def test_states_with_different_signs_differ_from_what_failed_without_unicode():
    assert signs.plain("✓ finished") != signs.plain("✗ finished")
    assert signs.plain("Müller") == "Müller"


def test_a_key_is_a_word_without_unicode():
    assert signs.key_words("⏎") == "enter"
    assert signs.key_words("shift+→") == "shift+right"


def test_what_the_launch_form_draws_is_ascii_and_the_parts_of_a_bar_differ(tmp_path):
    plan = Lab(tmp_path).plan("cct-cifar10", {"scheme.name": "residual"}).plans[0]
    drawn = "\n".join(line.plain for line in drawing(plan))
    assert signs.plain(drawn).isascii()
    assert len(signs.plain(drawn)) == len(drawn)
    assert len({signs.plain(letter) for letter, _, _ in PARTS}) == len(PARTS)
