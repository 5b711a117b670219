"""Serving: the console in a browser, on this machine alone, for whoever holds the token.

textual-serve starts a console for each page and passes keys and pictures over a websocket. What it lacks is added here:
a token, without which nothing is answered; a check of the host name, so that a web page elsewhere cannot reach the
console through a name of its own that points here (DNS rebinding); and a policy that keeps the page from loading
anything from elsewhere.
"""

import hmac
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from textual_serve.server import Server

LOOPBACK = "127.0.0.1"
COOKIE = "revconsole"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
"""What the page may load: its own scripts and styles."""
FOCUS = """<script>
  new MutationObserver((changes, watch) => {
    const keys = document.querySelector(".xterm-helper-textarea");
    if (keys && document.body.classList.contains("-first-byte")) {
      keys.focus();
      watch.disconnect();
    }
  }).observe(document.body, {attributes: true, childList: true, subtree: true});
</script>
"""
"""Gives the keys to the console as soon as it shows something; without it they act after a click only."""
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GuardedServer(Server):
    """Serves consoles on a store to whoever holds `token`. port: 0 for any. Raises OSError if the port cannot be opened."""

    def __init__(self, store: Path, port: int, *options: str) -> None:
        self.token = secrets.token_urlsafe(24)
        words = [
            sys.executable,
            "-P",
            "-m",
            "revconsole",
            "--store",
            str(store.absolute()),
            *options,
        ]
        super().__init__(
            f"exec {shlex.join(words)}", host=LOOPBACK, port=_opened_port(port), title="revconsole"
        )

    @property
    def address(self) -> str:
        """What opens the console in a browser. It holds the token, so it is a secret."""
        return f"{self.public_url}/?token={self.token}"

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guarded)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Nothing: the verb says where the console is."""

    def initialize_logging(self) -> None:
        """Leave the log as it is."""

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        if request.host != f"{self.host}:{self.port}":
            raise web.HTTPForbidden(text=f"open {self.public_url} with the token\n")
        if self._holds(request.query.get("token", "")) and request.path == "/":
            entered = web.HTTPFound("/")
            entered.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict")
            raise entered
        if not self._holds(request.cookies.get(COOKIE, "")):
            raise web.HTTPForbidden(
                text="the token is missing or wrong: open the address that `revconsole serve` printed\n"
            )
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY
        if request.path == "/" and isinstance(response, web.Response) and response.text:
            response.text = response.text.replace("</body>", f"{FOCUS}</body>")
        return response

    def _holds(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())


def _opened_port(port: int) -> int:
    """A port that can be opened: the wanted one, or any for 0. Raises OSError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        probe.bind((LOOPBACK, port))
        return int(probe.getsockname()[1])
