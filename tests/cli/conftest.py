"""One fixture: run the command line in this process and see what it says."""

import sys
from dataclasses import dataclass

import pytest

from revconsole.cli.app import main


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capfd):
    """`run("ls", "--json")` → exit code, stdout, stderr. Stdout is no terminal here."""

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["revconsole", *arguments])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return call
