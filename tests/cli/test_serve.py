"""`revconsole serve`: what it says before it serves."""

import socket

import pytest

pytest.importorskip("textual_serve")


def test_a_port_that_is_taken_is_said_before_any_address(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = run("serve", "--port", str(taken.getsockname()[1]))

    assert (said.code, said.out) == (4, "")
    assert "cannot be opened" in said.err
