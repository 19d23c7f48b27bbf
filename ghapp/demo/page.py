"""The page and what it may ask for: GitHub's buttons, pressed by one of three people.

GitHub itself shows its buttons to nobody who may not write. Here they are shown to all, and a click
of somebody who may only read is sent on as a forged one, so that one sees checkrail refuse it.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib import resources
from io import StringIO
from typing import Any, Final

from aiohttp import web
from ruamel.yaml import YAML

from ghapp.demo import documents
from ghapp.demo.board import Board, Full
from ghapp.demo.events import Events
from ghapp.demo.flux import GITOPS, SHOP
from ghapp.demo.github.errors import ApiError
from ghapp.demo.kinds import NONSENSE
from ghapp.demo.kube import StatusError
from ghapp.demo.scene import PEOPLE, Scene
from ghapp.demo.script import Developers
from ghapp.demo.view import View

QUIET: Final = 15.0
"""Seconds after which a silent stream says that it is still there."""
SETTLE: Final = 0.05
"""Seconds to wait for more before the page is told of a change."""
FILES: Final = {
    "demo.css": "text/css",
    "demo.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)

Act = Callable[[web.Request, str, dict[str, Any]], str]
"""(request, login, body) -> what to tell the visitor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The visitor's side of the demo."""

    scene: Scene
    developers: Developers
    events: Events
    board: Board
    poke: asyncio.Event

    def routes(self) -> list[web.RouteDef]:
        """To be added to the root application."""
        return [
            web.get("/", _index),
            web.get("/static/{name}", _static),
            web.get("/demo/state", self.state),
            web.get("/demo/stream", self.stream),
            web.get("/object/{plural}/{namespace}/{name}", self.thing),
            web.get("/object/{plural}/{name}", self.thing),
            web.post("/events", self.events.receive),
            web.post("/demo/checks/{id:\\d+}/rerun", self._acting(self.rerun)),
            web.post("/demo/checks/{id:\\d+}/actions/{verb}", self._acting(self.press)),
            web.post("/demo/suites/{id:\\d+}/rerun", self._acting(self.rerun_all)),
            web.post("/demo/pulls/{number:\\d+}/merge", self._acting(self.merge)),
            web.post("/demo/commits", self._acting(self.push)),
        ]

    # -- what it shows -------------------------------------------------------------------------

    async def run(self) -> None:
        """Keeps the board true until cancelled."""
        view = View(self.scene, self.events)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(self.scene.github.subscribe()))
            for plural in ("helmreleases", *documents.plurals()):
                group.create_task(self._listen(self.scene.kube.subscribe(plural)))
            while True:
                self.poke.clear()
                self._show(view)
                await self.poke.wait()
                await asyncio.sleep(SETTLE)

    def _show(self, view: View) -> None:
        try:
            self.board.show(view.parts())
        except NONSENSE:
            log.exception("something cannot be shown; the page stays as it is")

    async def _listen(self, changes: AsyncIterator[object]) -> None:
        async for _ in changes:
            self.poke.set()

    async def state(self, _: web.Request) -> web.Response:
        """Everything at once, for who cannot hold a stream."""
        return web.Response(
            text=_together(dict(self.board.parts)), content_type="application/json", headers=HEADERS
        )

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: all parts, then those that change."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        try:
            async with aclosing(self.board.follow(QUIET)) as changes:
                await response.prepare(request)
                async for parts in changes:
                    text = f"data: {_together(parts)}\n\n" if parts else ": quiet\n\n"
                    await response.write(text.encode())
        except Full as full:
            raise web.HTTPServiceUnavailable(text="too many listeners; poll instead\n") from full
        except ConnectionResetError:
            return response  # the visitor went away
        return response

    async def thing(self, request: web.Request) -> web.Response:
        """An object of the cluster, as YAML: where a check's details lead."""
        where = request.match_info
        try:
            place = where.get("namespace", "")
            found = self.scene.kube.get(where["plural"], place, where["name"])
        except StatusError as error:
            return web.Response(status=error.code, text=f"{error.message}\n", headers=HEADERS)
        text = StringIO()
        YAML(typ="safe").dump(found, text)
        return web.Response(text=text.getvalue(), headers=HEADERS)

    # -- what it does ----------------------------------------------------------------------------

    def _acting(self, act: Act) -> Callable[[web.Request], Any]:
        async def acting(request: web.Request) -> web.Response:
            try:
                login, body = await _asked(request)
                message = act(request, login, body)
            except ApiError as error:
                return _said(error.status, f"GitHub refuses: {error.message}")
            return _said(202, message)

        return acting

    def rerun(self, request: web.Request, login: str, _: dict[str, Any]) -> str:
        """Re-run of one check."""
        check = int(request.match_info["id"])
        self.scene.github.click_rerun(check, login, forged=_reads_only(login))
        return f"{login} asks to run it again"

    def rerun_all(self, request: web.Request, login: str, _: dict[str, Any]) -> str:
        """Re-run of all checks of a commit."""
        self.scene.github.click_rerun_all(int(request.match_info["id"]), login)
        return f"{login} asks to run all checks of this commit again"

    def press(self, request: web.Request, login: str, _: dict[str, Any]) -> str:
        """One of the check's own buttons."""
        check, verb = int(request.match_info["id"]), request.match_info["verb"]
        self.scene.github.click_action(check, verb, login, forged=_reads_only(login))
        return f"{login} presses “{verb}”"

    def merge(self, request: web.Request, login: str, _: dict[str, Any]) -> str:
        """Merge pull request."""
        number = int(request.match_info["number"])
        self.scene.github.merge_pull(GITOPS, number, login)
        return f"{login} merged pull request #{number}; Flux will notice"

    def push(self, _: web.Request, login: str, body: dict[str, Any]) -> str:
        """A commit on main."""
        world = self.scene.github.world
        world.demand(world.repository(SHOP), world.account(login), "write")
        sha = self.developers.push_for(login, broken=body.get("broken") is True)
        return f"{login} pushed {sha[:7]} to main"


async def _asked(request: web.Request) -> tuple[str, dict[str, Any]]:
    """Who asks, and the body; only from this page."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise ApiError(403, f"{origin} is not this page")
    if request.content_type != "application/json":
        raise ApiError(415, "the body is not JSON")
    try:
        body = await request.json()
    except ValueError as error:
        raise ApiError(400, "the body is not JSON") from error
    login = body.get("login") if isinstance(body, dict) else None
    if not isinstance(login, str) or login not in PEOPLE:
        raise ApiError(400, f"there is nobody called {login!r} here")
    return login, body


def _reads_only(login: str) -> bool:
    return PEOPLE[login] == "read"


def _said(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers=HEADERS)


def _together(parts: dict[str, Any]) -> str:
    """Parts, JSON each, as one JSON object."""
    inside = (f"{json.dumps(name)}:{text or 'null'}" for name, text in parts.items())
    return f"{{{','.join(inside)}}}"


async def _index(_: web.Request) -> web.Response:
    return _file("index.html", "text/html")


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in FILES:
        raise web.HTTPNotFound
    return _file(name, FILES[name])


def _file(name: str, content_type: str) -> web.Response:
    text = (resources.files(__package__) / "static" / name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=HEADERS)
