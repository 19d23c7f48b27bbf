"""The Kubernetes API over HTTP: which request means what, and every refusal as a Status."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ghapp.demo.kube import bodies, discovery, forms, meaning, paths, reads, status, watching
from ghapp.demo.kube.access import Question
from ghapp.demo.kube.faults import Failure, Fault
from ghapp.demo.kube.forms import Form
from ghapp.demo.kube.objects import Entry, Object, encode
from ghapp.demo.kube.paths import Target
from ghapp.demo.kube.status import StatusError
from ghapp.demo.kube.watching import Asked, Watch

if TYPE_CHECKING:
    from ghapp.demo.kube.api import KubeApi

_HEALTH = frozenset({"healthz", "livez", "readyz"})


class Server:
    """One HTTP front of a `KubeApi`."""

    def __init__(self, api: "KubeApi") -> None:
        self._api = api
        self._acts: dict[str, Callable[[web.Request, Target], Awaitable[web.StreamResponse]]] = {
            "create": self._create,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
            "get": self._get,
            "list": self._list,
            "patch": self._patch,
            "update": self._update,
            "watch": self._watch,
        }

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        app.on_shutdown.append(self._end_watches)
        return app

    async def _end_watches(self, _: web.Application) -> None:
        self._api.close_watches()

    # --- every request --------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = [part for part in request.match_info["tail"].split("/") if part]
        try:
            return await self._answer(request, path)
        except StatusError as refusal:
            return _refused(refusal)

    async def _answer(self, request: web.Request, path: list[str]) -> web.StreamResponse:
        if path and path[0] in _HEALTH:
            return web.Response(text="ok")
        if not self._api.access.knows(request.headers.get("Authorization")):
            raise status.unauthorized()
        target = paths.target(self._api.registry, path)
        if target is None:
            return await self._discover(request, path)
        verb = meaning.verb(request, target)
        self._api.requests[verb, target.words] += 1
        return await self._with_faults(request, target, verb)

    async def _discover(self, request: web.Request, path: list[str]) -> web.StreamResponse:
        await self._wait()
        found = discovery.document(self._api.registry, path)
        if found is None:
            return web.Response(status=404, text="404 page not found\n")
        if request.method not in ("GET", "HEAD"):
            raise status.method_not_allowed()
        return _json(encode(found))

    async def _wait(self) -> None:
        if self._api.faults.latency:
            await asyncio.sleep(self._api.faults.latency)

    async def _with_faults(
        self, request: web.Request, target: Target, verb: str
    ) -> web.StreamResponse:
        await self._wait()
        fault = self._api.faults.take(verb, target.words)
        if fault is not None and fault.failure is not Failure.DROP_ANSWER:
            return _failed(request, fault)
        self._check_access(target, verb)
        act = self._acts.get(verb)
        if act is None or (verb not in target.resource.verbs and not target.subresource):
            raise status.method_not_allowed()
        answer = await act(request, target)
        return answer if fault is None else _failed(request, fault)

    def _check_access(self, target: Target, verb: str) -> None:
        question = Question(
            verb=verb,
            group=target.resource.group,
            resource=target.words,
            namespace=target.namespace,
            name=target.name,
        )
        self._api.access.check(target.resource, question)

    def _form(self, request: web.Request) -> Form:
        form = forms.of(request.headers.get("Accept", ""), now=self._api.now)
        if form is None:
            message = "only the following media types are accepted: application/json"
            raise StatusError(406, "NotAcceptable", message)
        return form

    # --- reads ----------------------------------------------------------------------------------

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        entry = self._api.store.collection(target.resource.key).items.get(target.place)
        if entry is None:
            raise status.not_found(target.resource, target.name)
        if target.subresource == "log":
            return web.Response(body=self._api.logs.read(entry.object, request.query))
        return _json(self._form(request).one(target.resource, entry))

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        chosen = reads.selection(target.resource, target.namespace, request.query)
        page = reads.page(self._api.store, target.resource, chosen, request.query)
        form = self._form(request)
        return _json(form.many(target.resource, page.entries, page.metadata))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        chosen = reads.selection(target.resource, target.namespace, request.query)
        asked = Asked.by(request.query)
        form = self._form(request)
        watch = Watch(self._api.store, target.resource, chosen, asked, form)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        sent = watching.lines(
            watch,
            timeout=asked.timeout,
            bookmark_every=self._api.bookmark_every if asked.bookmarks else None,
            faults=self._api.faults,
        )
        closings = self._api.faults.closings
        with contextlib.suppress(ConnectionError):  # the client went
            async with contextlib.aclosing(sent):
                await _send(request, response, sent)
            if self._api.faults.closings != closings and self._api.faults.abrupt:
                _break(request)
        return response

    # --- writes ---------------------------------------------------------------------------------

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await bodies.read_object(request)
        if target.resource.plural == "selfsubjectaccessreviews":
            return _json(encode(self._api.access.review(body)), code=201)
        if target.name or (target.resource.namespaced and not target.namespace):
            raise status.method_not_allowed()
        options = meaning.options(request.query)
        entry = self._api.writes.create(target.resource, target.namespace, body, options)
        return self._written(request, target, entry, code=201)

    async def _update(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await bodies.read_object(request)
        options = meaning.options(request.query, target.subresource)
        if target.resource.put_creates and not self._exists(target):
            meaning.check_name(target, body)
            entry = self._api.writes.create(target.resource, target.namespace, body, options)
            return self._written(request, target, entry, code=201)
        entry = self._api.writes.update(
            target.resource, target.place, lambda _: body, options, whole=True
        )
        return self._written(request, target, entry)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        change = await bodies.read_patch(request, target.resource)
        options = meaning.options(request.query, target.subresource)
        if request.content_type == bodies.APPLY:
            meaning.check_field_manager(request.query)
            if not self._exists(target) and not target.subresource:
                applied = change({"metadata": {"name": target.name}})
                meaning.check_is_new(target, applied)
                entry = self._api.writes.create(target.resource, target.namespace, applied, options)
                return self._written(request, target, entry, code=201)
        entry = self._api.writes.update(target.resource, target.place, change, options)
        return self._written(request, target, entry)

    def _exists(self, target: Target) -> bool:
        return target.place in self._api.store.collection(target.resource.key).items

    def _written(
        self, request: web.Request, target: Target, entry: Entry, *, code: int = 200
    ) -> web.Response:
        return _json(self._form(request).one(target.resource, entry), code=code)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = meaning.delete_options(request.query, await bodies.read_object(request))
        entry, gone = self._api.endings.delete(target.resource, target.place, options)
        if not gone or target.resource.returned:
            return self._written(request, target, entry)
        return _json(encode(_deleted(target, entry)))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = meaning.delete_options(request.query, await bodies.read_object(request))
        chosen = reads.selection(target.resource, target.namespace, request.query)
        page = reads.page(self._api.store, target.resource, chosen, {})
        present = self._api.store.collection(target.resource.key).items
        for entry in page.entries:
            if entry.place in present:  # it may have gone with its owner
                self._api.endings.delete(target.resource, entry.place, options)
        return _json(forms.WHOLE.many(target.resource, page.entries, page.metadata))


# --- answers ------------------------------------------------------------------------------------


def _json(body: bytes, *, code: int = 200) -> web.Response:
    return web.Response(status=code, body=body, content_type="application/json")


def _refused(refusal: StatusError) -> web.Response:
    answer = _json(encode(refusal.document()), code=refusal.code)
    if refusal.retry_after is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after)
    return answer


def _deleted(target: Target, entry: Entry) -> Object:
    group = {"group": target.resource.group} if target.resource.group else {}
    details = {"name": target.name, **group, "kind": target.resource.plural, "uid": entry.uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


_FAILURES = {
    429: ("TooManyRequests", "the server has received too many requests"),
    500: ("InternalError", "Internal error occurred: planned"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within requested timeout"),
}


def _failed(request: web.Request, fault: Fault) -> web.Response:
    if fault.failure is Failure.STATUS:
        reason, message = _FAILURES.get(fault.code, ("", "planned"))
        details = None if fault.retry_after is None else {"retryAfterSeconds": fault.retry_after}
        raise StatusError(
            fault.code, reason, message, details=details, retry_after=fault.retry_after
        )
    _break(request)
    return web.Response()


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _send(
    request: web.Request, response: web.StreamResponse, texts: AsyncIterator[bytes]
) -> None:
    async for text in texts:
        if text:
            await response.write(text)
        elif request.transport is None or request.transport.is_closing():
            return  # the client went
