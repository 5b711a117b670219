"""A server on this machine that takes notices."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


class Taker(HTTPServer):
    """Keeps what comes to each path, with the header that says who sends it; refuses `/refused`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Post)
        self.address, self.came = f"http://127.0.0.1:{self.server_port}", {}


class Post(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(403 if self.path == "/refused" else 200)
        self.end_headers()
        self.server.came[self.path] = body, self.headers["Authorization"]

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Taker() as taker:
        threading.Thread(target=taker.serve_forever, daemon=True).start()
        yield taker
        taker.shutdown()
