"""The small part of GitHub's GraphQL API that checkrail and `gh` ask, over HTTP.

Wrong questions are answered as GitHub does: status 200, `data` with nulls and a list of `errors`.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from . import auth, graphql_checks, graphql_objects, pulls, server
from .call import Call, Proof, Route
from .errors import ApiError, Json, not_found
from .faults import Faults, Kind, refusal
from .graphql_mutations import Changes
from .graphql_parse import Document, GraphqlSyntaxError, Operation, parse
from .graphql_run import Arguments, GraphqlError, Object, Run
from .limits import Cost, Meter
from .model import App, Repository, Token
from .world import World

PATH = "/graphql"


class Graphql:
    """Answers POST /graphql."""

    def __init__(self, world: World, meter: Meter, faults: Faults) -> None:
        self.world, self.meter, self.faults = world, meter, faults

    async def endpoint(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("POST", PATH)
        if fault is not None:
            await self.faults.wait(fault)
            if fault.kind is Kind.LOSE_REQUEST:
                return server.broken(request)
            if no := refusal(fault, self.world.clock() + 3600):
                return self._reply(no.body, "", no)
        self.meter.in_flight += 1
        try:
            response = await self._answer(request)
        finally:
            self.meter.in_flight -= 1
        lost = fault is not None and fault.kind is Kind.LOSE_ANSWER
        return server.broken(request) if lost else response

    async def _answer(self, request: web.Request) -> web.Response:
        caller = ""
        try:
            body = await server.json_body(request)
            app, token = auth.identify(self.world, request.headers, Proof.TOKEN)
            caller = server.caller_name(app, token)
            found = self._execute(body, request, app, token, caller)
        except ApiError as error:
            return self._reply(error.body, caller, error)
        return self._reply(found, caller)

    def _reply(self, body: Json, caller: str, error: ApiError | None = None) -> web.Response:
        now = self.world.clock()
        headers = self.meter.headers(caller, "graphql", now) if caller else {}
        headers |= server.common_headers(self.world, now)
        headers |= error.headers if error else {}
        return web.json_response(body, status=error.status if error else 200, headers=headers)

    def _execute(
        self, body: Json, request: web.Request, app: App | None, token: Token | None, caller: str
    ) -> Json:
        try:
            document = parse(str(body.get("query", "")))
            operation = _chosen(document, body.get("operationName"))
        except GraphqlSyntaxError as error:
            return {"errors": [{"message": f"Parse error: {error}"}]}
        changing = operation.kind == "mutation"
        cost = Cost(points=5 if changing else 1, content=False, resource="graphql")
        self.meter.charge(caller, cost, self.world.clock())
        asked = _Question(self, request, app, token, caller)
        run = Run(document, body.get("variables") or {})
        try:
            return run.execute(operation, asked.mutation() if changing else asked.query())
        except GraphqlError as error:
            return {"errors": [{"type": error.kind, "message": error.message}]}


def _chosen(document: Document, name: str | None) -> Operation:
    for operation in document.operations:
        if name in (None, "", operation.name):
            return operation
    raise GraphqlSyntaxError("there is no such operation")


class _Question:
    """The root objects, as this caller may see them."""

    def __init__(
        self,
        graphql: Graphql,
        request: web.Request,
        app: App | None,
        token: Token | None,
        caller: str,
    ) -> None:
        self._graphql, self._request = graphql, request
        self._app, self._token, self._caller = app, token, caller
        self._world = graphql.world

    def query(self) -> Object:
        return Object(
            "Query",
            {
                "viewer": lambda _: graphql_checks.account(self._world, self._call({}).actor),
                "rateLimit": self._rate_limit,
                "repository": self._repository,
                "repositoryOwner": self._owner,
                "node": self._node,
                "__type": _introspect,
            },
        )

    def mutation(self) -> Object:
        call = self._call({})
        return Changes(
            world=self._world, actor=call.actor, app=call.acting_app, demand=self._demand
        ).root()

    def _call(self, path: dict[str, str]) -> Call:
        return Call(
            world=self._world,
            method="POST",
            url=self._request.url,
            path=path,
            query={},
            body={},
            headers=self._request.headers,
            app=self._app,
            token=self._token,
            meter=self._graphql.meter,
            caller=self._caller,
        )

    def _demand(self, repo: Repository, needs: str) -> None:
        call = self._call({"owner": repo.owner.login, "repo": repo.name})
        auth.permit(call, Route(method="POST", path=PATH, run=_unused, needs=needs))

    def _repository(self, arguments: Arguments) -> Object:
        name = f"{arguments['owner']}/{arguments['name']}"
        call = self._call({"owner": arguments["owner"], "repo": arguments["name"]})
        try:
            repo = call.repo
        except ApiError as error:
            message = f"Could not resolve to a Repository with the name '{name}'."
            raise GraphqlError(message, "NOT_FOUND") from error
        return graphql_objects.repository(self._world, repo, call.actor)

    def _node(self, arguments: Arguments) -> Object:
        pull = graphql_objects.pull_of_node(self._world, arguments["id"])
        repo = pull.repository
        call = self._call({"owner": repo.owner.login, "repo": repo.name})
        return graphql_objects.pull(self._world, pulls.find(call.repo, pull.number), call.actor)

    def _owner(self, arguments: Arguments) -> Object:
        found = self._world.accounts.get(arguments["login"].lower())
        if found is None:
            raise not_found()
        return graphql_checks.account(self._world, found)

    def _rate_limit(self, _: Arguments) -> Object | None:
        now = self._world.clock()
        shown = self._graphql.meter.standing(self._caller, "graphql", now)
        if shown is None:
            return None
        facts = {**shown, "cost": 1, "nodeCount": 0, "resetAt": self._world.iso(shown["reset"])}
        return Object("RateLimit", facts)


def _unused(_: Call) -> Any:
    raise not_found()


def _introspect(arguments: Arguments) -> Object | None:
    """Enough of introspection for `gh` to find out what this GitHub can do."""
    names = KNOWN.get(arguments["name"])
    if names is None:
        return None
    fields = [Object("__Field", {"name": name, "args": []}) for name in names]
    return Object(
        "__Type",
        {"name": arguments["name"], "fields": lambda _: fields, "inputFields": lambda _: [],
         "enumValues": lambda _: []},
    )  # fmt: skip


KNOWN = {
    "PullRequest": ("isInMergeQueue", "isMergeQueueEnabled", "mergeStateStatus"),
    "StatusCheckRollupContextConnection": (
        "checkRunCount",
        "checkRunCountsByState",
        "statusContextCount",
        "statusContextCountsByState",
    ),
    "CheckRun": ("name", "status", "conclusion", "isRequired"),
    "WorkflowRun": ("event",),
    "Repository": ("name", "mergeCommitAllowed", "autoMergeAllowed"),
}
