"""`checkrail setup` against the stand-in on loopback, and a browser that knows only forms."""

import asyncio
import contextlib
import html
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from yarl import URL

from ghapp.demo.github import GitHub
from ghapp.http import open_session
from ghapp.setup.flow import Tell, register
from ghapp.setup.places import Place
from ghapp.setup.wish import Wish, wish

WEBHOOK = "https://checkrail.example.com/github/webhook"


def wished(github: GitHub, **changes: Any) -> Wish:
    """An App to be made at the stand-in."""
    values: dict[str, Any] = {
        "github": github.base_url,
        "api_url": "",
        "organization": "",
        "name": "checkrail-test",
        "webhook_url": WEBHOOK,
        "public": False,
    }
    return wish(**{**values, **changes})


@dataclass
class Answer:
    """What the browser got."""

    status: int
    text: str
    url: str
    headers: Any


@dataclass
class Flow:
    """A flow that waits for its browser."""

    task: "asyncio.Task[Any]"
    said: list[str]
    session: aiohttp.ClientSession
    url: str = ""

    async def get(self, url: str, *, follow: bool = True, **headers: str) -> Answer:
        async with self.session.get(url, allow_redirects=follow, headers=headers) as answer:
            return Answer(answer.status, await answer.text(), str(answer.url), answer.headers)

    async def submit(self, page: Answer, *, follow: bool = True, **values: str) -> Answer:
        """Presses the button of the form on a page."""
        action, fields = form(page.text)
        target = URL(page.url).join(URL(action))
        async with self.session.post(
            target, data={**fields, **values}, allow_redirects=follow
        ) as answer:
            return Answer(answer.status, await answer.text(), str(answer.url), answer.headers)

    async def to_github(self) -> Answer:
        """The first click; GitHub's page."""
        return await self.submit(await self.get(self.url))

    async def back(self) -> str:
        """Both clicks, but for the way back: the address that GitHub sends to."""
        answer = await self.submit(await self.to_github(), follow=False)
        assert answer.status == 302, answer.text
        return str(answer.headers["Location"])

    @property
    def everything(self) -> str:
        """What the terminal was told."""
        return "\n".join(self.said)


def form(text: str) -> tuple[str, dict[str, str]]:
    """Where a form goes, and its fields."""
    found = re.search(r'<form[^>]* action="([^"]*)"', text)
    assert found, text
    fields = re.findall(r'<input[^>]* name="([^"]*)"[^>]* value="([^"]*)"', text)
    return html.unescape(found[1]), {name: html.unescape(value) for name, value in fields}


def query(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@contextlib.asynccontextmanager
async def playing(start: Callable[[Tell], Coroutine[Any, Any, Any]]) -> AsyncIterator[Flow]:
    """What `start` begins, with its page open; cancelled at the end if it still waits."""
    said: list[str] = []
    opened = asyncio.Event()

    def tell(line: str) -> None:
        said.append(line)
        opened.set()

    async with aiohttp.ClientSession() as browser:
        task = asyncio.create_task(start(tell))
        waiting = asyncio.create_task(opened.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            yield Flow(task, said, browser, url=said[0].split()[1] if said else "")
        finally:
            waiting.cancel()
            task.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)


@contextlib.asynccontextmanager
async def begun(wanted: Wish, place: Place, **options: Any) -> AsyncIterator[Flow]:
    """The flow for a wish and a place."""
    async with open_session() as session:

        def start(tell: Tell) -> Coroutine[Any, Any, Any]:
            return register(wanted, place, session=session, tell=tell, **options)

        async with playing(start) as flow:
            yield flow
