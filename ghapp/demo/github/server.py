"""The stand-in over HTTP: an aiohttp application around the routes.

The same API is served at the root and below `/api/v3`, as an Enterprise Server has it; GraphQL at
`/graphql` and `/api/graphql`. It may be mounted below any prefix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from . import auth, registration
from .call import Call, Proof, Reply, Route
from .errors import ApiError, Json, not_found
from .faults import Fault, Faults, Kind, refusal
from .limits import Cost, Meter
from .model import App, Token
from .routes import ROUTES
from .world import World

VERSIONS = ("2022-11-28", "2026-03-10")
WHOLE_PATHS = {"path": ".*", "ref": ".+", "basehead": ".+", "branch": ".+"}  # with slashes
REQUEST_LIMIT = 26 * 1024 * 1024
ROUTE = web.RequestKey("route", Route)

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the stand-in is made of, as far as HTTP is concerned."""

    world: World
    meter: Meter
    faults: Faults
    graphql: Endpoint


def application(stage: Stage, middlewares: Iterable[Any] = ()) -> web.Application:
    """The whole stand-in; middlewares see each request first and each answer last."""
    outer = tuple(middlewares)
    root = _rest(stage, outer)
    registration.add_pages(root, stage.world)
    root.router.add_post("/graphql", stage.graphql)
    root.router.add_post("/api/graphql", stage.graphql)
    root.add_subapp("/api/v3", _rest(stage, ()))

    async def deliver(_: web.Application) -> AsyncIterator[None]:
        async with stage.world.hooks.running():
            yield

    async def let_go(_: web.Application) -> None:
        stage.faults.release()

    root.cleanup_ctx.append(deliver)
    root.on_shutdown.append(let_go)
    return root


def _rest(stage: Stage, middlewares: tuple[Any, ...]) -> web.Application:
    rest = web.Application(middlewares=middlewares, client_max_size=REQUEST_LIMIT)
    for route in ROUTES:
        for path in _addresses(route.path):
            rest.router.add_route(route.method, path, _endpoint(stage, route))
    rest.router.add_route("*", "/{nothing:.*}", _nothing)
    return rest


async def _nothing(_: web.Request) -> web.Response:
    return web.json_response(not_found().body, status=404)


def _addresses(template: str) -> list[str]:
    """A repository answers to its name and to its number."""
    named = template
    for name, pattern in WHOLE_PATHS.items():
        named = named.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
    numbered = named.replace("/repos/{owner}/{repo}", "/repositories/{repository_id}", 1)
    paths = dict.fromkeys((named, numbered))
    return [*paths, *(each.removesuffix("/{path:.*}") for each in paths if "{path" in each)]


def _endpoint(stage: Stage, route: Route) -> Endpoint:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        request[ROUTE] = route
        fault = stage.faults.take(request.method, _bare_path(request, route))
        if fault is None:
            return await _answer(stage, route, request, None)
        await stage.faults.wait(fault)
        if fault.kind is Kind.LOSE_REQUEST:
            return broken(request)
        response = await _answer(stage, route, request, fault)
        return broken(request) if fault.kind is Kind.LOSE_ANSWER else response

    return endpoint


def _bare_path(request: web.Request, route: Route) -> str:
    """Without the prefix under which we are mounted."""
    start = request.path.find(route.path.split("{")[0].rstrip("/") or "/")
    return request.path[max(start, 0) :]


def broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _answer(
    stage: Stage, route: Route, request: web.Request, fault: Fault | None
) -> web.Response:
    meter = stage.meter
    meter.in_flight += 1
    caller = ""
    try:
        body = await json_body(request)
        call, caller = _understand(stage, route, request, body)
        if fault is not None and (no := refusal(fault, stage.world.clock() + 3600)):
            raise no
        _charge(stage, route, caller)
        reply = _moved(call) or _run(call, route)
    except ApiError as error:
        reply = Reply(status=error.status, body=error.body, headers=error.headers)
    finally:
        meter.in_flight -= 1
    return _response(stage, request, reply, caller)


def _understand(stage: Stage, route: Route, request: web.Request, body: Json) -> tuple[Call, str]:
    version = request.headers.get("X-GitHub-Api-Version", VERSIONS[0])
    if version not in VERSIONS:
        raise ApiError(400, f'"{version}" is not a supported version')
    if not request.headers.get("User-Agent"):
        raise ApiError(403, "Request forbidden by administrative rules. Add a User-Agent header.")
    app, token = auth.identify(stage.world, request.headers, route.proof)
    caller = caller_name(app, token)
    call = Call(
        world=stage.world,
        method=request.method,
        url=request.url,
        path=request.match_info,
        query=request.query,
        body=body,
        headers=request.headers,
        app=app,
        token=token,
        meter=stage.meter,
        caller=caller,
    )
    return call, caller


def caller_name(app: App | None, token: Token | None) -> str:
    """Whose budget a request uses."""
    if token is None:
        return f"app ID {app.id}" if app else "anonymous"
    if token.installation is not None:
        return f"installation ID {token.installation.id}"
    return f"user ID {token.person.id if token.person else 0}"


def _charge(stage: Stage, route: Route, caller: str) -> None:
    if route.path == "/rate_limit" or route.proof is Proof.NONE:
        return
    points = 1 if route.method == "GET" else 5
    stage.meter.charge(caller, Cost(points=points, content=route.notifies), stage.world.clock())


def _run(call: Call, route: Route) -> Reply:
    auth.permit(call, route)
    if route.method != "GET" and call.names_repository and call.repo.archived:
        raise ApiError(403, "Repository was archived so is read-only.")
    return route.run(call)


def _moved(call: Call) -> Reply | None:
    """A repository under a former name: go to its number."""
    if "owner" not in call.path:
        return None
    name = f"{call.path['owner']}/{call.path['repo']}"
    repo = call.repo
    if repo.full_name.lower() == name.lower():
        return None
    prefix = f"/repos/{name}"
    here = str(call.url)
    target = here.replace(prefix, f"/repositories/{repo.id}", 1)
    body = {
        "message": "Moved Permanently" if call.method == "GET" else "Temporary Redirect",
        "url": target,
        "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest"
        "-api#follow-redirects",
    }
    status = 301 if call.method == "GET" else 307
    return Reply(status=status, body=body, headers={"Location": target})


async def json_body(request: web.Request) -> Json:
    raw = await request.read()
    if not raw:
        return {}
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, "Problems parsing JSON") from error
    if isinstance(found, list):  # labels may be a bare list
        return {"": found}
    if not isinstance(found, dict):
        raise ApiError(400, "Body should be a JSON object")
    return found


# -- out --------------------------------------------------------------------------------------


def _response(stage: Stage, request: web.Request, reply: Reply, caller: str) -> web.Response:
    now = stage.world.clock()
    headers = common_headers(stage.world, now) | dict(reply.headers)
    if reply.status == 204 or reply.body is None:
        return web.Response(status=reply.status, headers=_limits(stage, caller, headers))
    raw = json.dumps(reply.body, separators=(",", ":"), ensure_ascii=False).encode()
    if request.method == "GET" and reply.status == 200:
        tag = f'W/"{hashlib.sha256(raw).hexdigest()}"'
        headers["ETag"] = tag
        if request.headers.get("If-None-Match") == tag:
            stage.meter.forgive(caller, now)
            return web.Response(status=304, headers=_limits(stage, caller, headers))
    return web.Response(
        status=reply.status,
        body=raw,
        content_type="application/json",
        charset="utf-8",
        headers=_limits(stage, caller, headers),
    )


def common_headers(world: World, now: float) -> dict[str, str]:
    return {
        "Date": format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True),
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-GitHub-Request-Id": world.word(16),
        "X-GitHub-Api-Version-Selected": VERSIONS[0],
    }


def _limits(stage: Stage, caller: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Rate-limit headers, unless a fault has already set its own."""
    counted = stage.meter.headers(caller, "core", stage.world.clock()) if caller else {}
    return counted | dict(headers)
