"""Verbs are listed without being imported: what the list says of one is what the verb says of itself."""

import typer

from revconsole.cli.app import app
from revconsole.cli.verbs import VERBS, verb


def test_the_list_says_of_each_verb_the_first_paragraph_of_its_own_help():
    said = {name: about for name, (_, about) in VERBS.items()}
    own = {name: " ".join(verb(name).help.split("\n\n")[0].split()) for name in VERBS}

    assert said == own


def test_every_file_of_verbs_is_in_the_list():
    listed = set(typer.main.get_command(app).commands)
    files = {file for file, _ in VERBS.values()}

    assert listed == set(VERBS)
    assert {name for file in files for name in verbs_of(file)} == listed


def verbs_of(file):
    """The names that a file registers."""
    from importlib import import_module

    found = typer.Typer()
    import_module(f"revconsole.cli.{file}").register(found)
    return set(typer.main.get_group(found).commands)
