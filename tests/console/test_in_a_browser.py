"""The console in Chromium without a window, where that is installed: the page shows it, and keys act without a click."""

import asyncio
import re
import shutil
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.console.test_serving import PATIENCE_SECONDS, served

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs Chromium")]
SAYS = "document.body.className + ' ' + document.body.innerText"
PIXELS = """(() => { const layer = document.querySelector(".xterm-text-layer"); if (!layer) return 0;
  const {width, height} = layer, all = layer.getContext("2d").getImageData(0, Math.floor(height * 0.9), width, Math.ceil(height * 0.1)).data;
  return new Set(new Uint32Array(all.buffer)).size; })()"""
"""The number of colours in the last tenth of the text, where the line of keys is."""


class Page:
    """A page of the browser, by its own protocol."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0

    async def call(self, method, **parameters):
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            pass
        return answer["result"]

    async def value(self, expression):
        return (await self.call("Runtime.evaluate", expression=expression))["result"].get("value")

    async def until(self, expression, right):
        """The value once it is right; the page may still be empty."""
        return await until_right(
            lambda: self.value(expression), lambda found: found and right(found)
        )


async def until_right(ask, right):
    """What `ask` answers, once it is right."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        found = await ask()
        while not right(found):
            await asyncio.sleep(0.1)
            found = await ask()
    return found


@asynccontextmanager
async def browsing(folder):
    """A page in a browser of its own."""
    words = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
    ]
    process = await asyncio.create_subprocess_exec(
        BROWSER,
        *words,
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), aiohttp.ClientSession() as session:
            while not (found := re.search(rb"ws://([\d.:]+)/", await process.stderr.readline())):
                pass
            address = f"http://{found[1].decode()}/json"

            async def pages():
                targets = await (await session.get(address)).json()
                return [each for each in targets if each["type"] == "page"]

            opened = await until_right(pages, bool)
            async with session.ws_connect(
                opened[0]["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket:
                yield Page(socket)
    finally:
        process.kill()
        await process.communicate()


async def test_the_page_shows_the_console_with_its_keys_which_act_without_a_click(
    store, plan, tmp_path
):
    store.create(plan, {})
    async with served(store) as (server, _), browsing(tmp_path / "browser") as page:
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.call("Page.navigate", url=server.address)
        await page.until(SAYS, lambda text: "-first-byte" in text)
        await page.until(PIXELS, lambda colours: colours > 2)
        await page.until("document.activeElement.className", lambda name: "xterm" in name)
        assert await page.value("document.cookie + location.search") == "", (
            "no script reads the token"
        )

        for kind in ("keyDown", "keyUp"):
            await page.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key="q",
                text="q",
                code="KeyQ",
                windowsVirtualKeyCode=81,
            )
        assert "Session ended." in await page.until(SAYS, lambda text: "-closed" in text)
