"""Notices: who is told of the end of a run, when, and that nothing waits for it."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from revconsole.records.config import places
from revconsole.records.config.notice import Notice, tell

FAILED = Notice(id="abcd2345", name="vit-s1", state="failed", reason="no space left")


@pytest.mark.parametrize(
    ("state", "alarm", "occasion"),
    [
        ("finished", "", "ended"), ("stopped", "", "ended"), ("finished", "diverged", "diverged"),
        ("failed", "", "failed"), ("killed", "", "failed"), ("out of memory", "", "out of memory"), ("running", "", ""),
    ],
)  # fmt: skip
def test_an_end_has_its_occasion(state, alarm, occasion):
    assert Notice(id="a", name="b", state=state, alarm=alarm).occasion == occasion


def test_without_an_address_or_another_occasion_nobody_is_told():
    assert not tell(FAILED)
    places.user_file().write_text('[notify]\non = ["ended"]\ncommand = ["true"]')
    assert not tell(FAILED)


def test_a_command_that_fails_does_not_keep_a_notice_from_the_servers():
    came = {}

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            came[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, file = f"http://127.0.0.1:{server.server_port}", Path("told").resolve()
    places.user_file().write_text(
        '[notify]\ncommand = ["sh", "-c", "printenv REVCONSOLE_NOTICE > \\"$0\\"; exit 3", '
        f'"{file}"]\n'
        f'webhook = "{address}/hook"\nntfy = "{address}/topic"\n'
    )

    assert tell(FAILED)

    end = time.monotonic() + 120
    while len(came) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    server.shutdown()
    server.server_close()
    sentence = "vit-s1 (abcd2345): failed, no space left"
    assert json.loads(came["/hook"])["occasion"] == "failed"
    assert came["/topic"].decode() == json.loads(came["/hook"])["text"] == sentence
    assert file.read_text() == f"{sentence}\n"
