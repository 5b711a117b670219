"""The console in a browser: only the holder of the token gets it, by the name of this machine alone."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType
from aiohttp.test_utils import TestClient, TestServer

serving = pytest.importorskip("revconsole.console.serving")
PATIENCE_SECONDS = 120.0


@asynccontextmanager
async def served(store):
    server = serving.GuardedServer(store.root, 0)
    app = await server._make_app()
    begin, consoles = asyncio.create_subprocess_shell, []

    async def noted(*words, **named):
        consoles.append(await begin(*words, **named))
        return consoles[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_shell", noted)
        async with TestClient(TestServer(app, host=server.host, port=server.port)) as client:
            yield server, client
    async with asyncio.timeout(PATIENCE_SECONDS):
        for console in consoles:  # or its pipes would be closed with the loop of this test
            await console.wait()
            console._transport.close()


async def test_nothing_is_answered_without_the_token_or_by_another_name(store):
    async with served(store) as (server, client):
        for path in ("/", "/?token=", "/?token=wrong", "/static/js/textual.js", "/ws", "/nowhere"):
            answer = await client.get(path, allow_redirects=False)
            assert answer.status == 403, path
            assert "textual" not in await answer.text()

        elsewhere = {"Host": "evil.example"}
        answer = await client.get(
            f"/?token={server.token}", headers=elsewhere, allow_redirects=False
        )
        assert answer.status == 403
        assert not answer.cookies


async def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(store):
    async with served(store) as (server, client):
        answer = await client.get(f"/?token={server.token}", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (302, "/")
        cookie = answer.cookies[serving.COOKIE]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"

        page = await client.get("/")
        assert page.status == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]


async def test_the_page_is_a_console_on_the_store_that_ends_with_it(store, plan):
    store.create(plan, {})
    async with served(store) as (server, client):
        await client.get(f"/?token={server.token}")
        page = await client.ws_connect("/ws?width=100&height=30")
        shown = ""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "1 run" not in shown:
                message = await page.receive()
                assert message.type in {WSMsgType.BINARY, WSMsgType.TEXT}, message
                shown += message.data if isinstance(message.data, str) else message.data.decode()
        await page.send_json(["stdin", "q"])
        async with asyncio.timeout(PATIENCE_SECONDS):
            while message.type not in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING}:
                message = await page.receive()
