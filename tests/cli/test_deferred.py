"""Verbs are listed without being imported: what the list says of one is what the verb says of itself."""

import typer

from revconsole.cli.app import app
from revconsole.cli.verbs import VERBS, verb


def test_the_list_says_of_each_verb_the_first_paragraph_of_its_own_help():
    said = {name: about for name, (_, about) in VERBS.items()}
    own = {name: " ".join(verb(name).help.split("\n\n")[0].split()) for name in VERBS}

    assert said == own


def test_the_help_lists_each_verb_and_a_group_has_its_own():
    assert list(typer.main.get_command(app).commands) == list(VERBS)
    assert set(verb("study").commands) == {"list", "run", "show", "resume", "stop"}
