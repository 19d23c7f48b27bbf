"""Requests to one cluster's API: what is sent, and what each answer and each failure becomes.

Left to others: what is made of lists and watches (test_kube_follow), where credentials come from
(test_kube_config).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ghapp import __version__
from ghapp.engine import kube
from ghapp.engine.kube_identity import Identity
from ghapp.engine.kube_wire import Lines, message
from ghapp.errors import ConfigError, DeliveryError, Reject, Retry
from tests.engine.kube_rig import RUNS, client, kube_api, recorded, run, served


async def error_of(action: Awaitable[object]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await action
    return caught.value


def answering(content: bytes, *, status: int = 200, **headers: str) -> web.Application:
    """Says the same to everything."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=content, status=status, headers=headers)

    return app_of(answer)


def app_of(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    return app


# --- objects ------------------------------------------------------------------------------------


async def test_an_object_is_created_read_and_patched() -> None:
    api = kube_api()
    async with served(api.app()) as url, client(url) as cluster:
        made = await cluster.create(RUNS, "ci", run("a"))
        await cluster.patch(RUNS, "ci", "a", {"spec": {"status": "Cancelled"}})
        read = await cluster.get(RUNS, "ci", "a")
    assert read["metadata"]["uid"] == made["metadata"]["uid"]
    assert read["spec"] == {"status": "Cancelled"}


async def test_a_name_that_is_taken_is_a_409_with_the_servers_words() -> None:
    api = kube_api()
    api.create(run("a"))
    async with served(api.app()) as url, client(url) as cluster:
        error = await error_of(cluster.create(RUNS, "ci", run("a")))
    assert isinstance(error, Reject)
    assert error.status == 409
    assert 'AlreadyExists: pipelineruns.tekton.dev "a" already exists' in error.reason


async def test_a_patch_with_another_objects_uid_is_a_409_and_changes_nothing() -> None:
    api = kube_api()
    api.create(run("a"))
    body = {"metadata": {"uid": "another"}, "spec": {"status": "Cancelled"}}
    async with served(api.app()) as url, client(url) as cluster:
        error = await error_of(cluster.patch(RUNS, "ci", "a", body))
    assert (type(error), error.status) == (Reject, 409)
    assert "spec" not in api.get("pipelineruns", "ci", "a")


async def test_an_absent_object_is_a_404() -> None:
    async with served(kube_api().app()) as url, client(url) as cluster:
        error = await error_of(cluster.get(RUNS, "ci", "a"))
    assert (type(error), error.status) == (Reject, 404)
    assert "GET /apis/tekton.dev/v1/namespaces/ci/pipelineruns/a" in error.reason


async def test_every_request_says_who_we_are_and_a_write_who_manages_the_fields() -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({})

    async with served(app_of(answer)) as url, client(f"{url}/kube", token="t0k3n") as cluster:
        await cluster.get(RUNS, "ci", "a")
        await cluster.create(RUNS, "ci", {})
        await cluster.patch(RUNS, "ci", "a", {})
    assert {one.headers["User-Agent"] for one in seen} == {f"checkrail/{__version__}"}
    assert {one.headers["Authorization"] for one in seen} == {"Bearer t0k3n"}
    assert [one.query.get("fieldManager") for one in seen] == [None, "checkrail", "checkrail"]
    assert seen[1].content_type == "application/json"
    assert seen[2].content_type == "application/merge-patch+json"
    assert seen[2].path == "/kube/apis/tekton.dev/v1/namespaces/ci/pipelineruns/a"


# --- refusals and failures ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
async def test_a_refusal_is_final(status: int) -> None:
    async with served(answering(b"{}", status=status)) as url, client(url) as cluster:
        error = await error_of(cluster.create(RUNS, "ci", {}))
    assert (type(error), error.status) == (Reject, status)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_asked_again_when_it_says(status: int) -> None:
    app = answering(b"", status=status, **{"Retry-After": "9"})
    async with served(app) as url, client(url) as cluster:
        error = await error_of(cluster.create(RUNS, "ci", {}))
    assert isinstance(error, Retry)
    assert (error.status, error.after) == (status, 9)
    assert error.uncertain is (status != 429)


async def test_the_message_is_the_status_objects() -> None:
    app = answering(recorded("forbidden-403-anonymous.json"), status=403)
    async with served(app) as url, client(url) as cluster:
        error = await error_of(cluster.page(RUNS, "ci"))
    assert 'Forbidden: pipelineruns.tekton.dev is forbidden: User "system:anonymous"' in str(error)


async def test_a_redirect_is_not_followed() -> None:
    app = answering(b"", status=302, Location="http://elsewhere.example/")
    async with served(app) as url, client(url) as cluster:
        error = await error_of(cluster.get(RUNS, "ci", "a"))
    assert (type(error), error.status) == (Reject, 302)


async def test_a_write_whose_answer_was_lost_may_have_happened() -> None:
    api = kube_api()
    api.faults.drop_next_answer(verb="create")
    async with served(api.app()) as url, client(url) as cluster:
        error = await error_of(cluster.create(RUNS, "ci", run("a")))
    assert isinstance(error, Retry)
    assert error.uncertain
    assert api.get("pipelineruns", "ci", "a")


async def test_a_server_that_is_not_there_did_nothing() -> None:
    async with served(kube_api().app()) as url:
        pass
    async with client(url) as cluster:
        error = await error_of(cluster.create(RUNS, "ci", run("a")))
    assert isinstance(error, Retry)
    assert not error.uncertain


@pytest.mark.parametrize("content", [b"<html>log in</html>", b"[]", b"\xff", b""])
async def test_an_answer_that_is_not_the_apis_is_tried_again(content: bytes) -> None:
    async with served(answering(content)) as url, client(url) as cluster:
        errors = [
            await error_of(cluster.get(RUNS, "ci", "a")),
            await error_of(cluster.page(RUNS, "ci")),
            await error_of(cluster.served(RUNS)),
        ]
    assert {type(one) for one in errors} == {Retry}


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    async with served(answering(b" " * (kube.BODY_LIMIT + 1))) as url, client(url) as cluster:
        error = await error_of(cluster.get(RUNS, "ci", "a"))
    assert isinstance(error, Reject)
    assert "longer than" in error.reason


# --- credentials --------------------------------------------------------------------------------


class Rotating:
    """Credentials whose first token has expired."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = [Identity(headers={"Authorization": f"Bearer {one}"}) for one in tokens]

    async def identity(self, rejected: Identity | None = None) -> Identity:
        if rejected is self.tokens[0] and len(self.tokens) > 1:
            self.tokens.pop(0)
        return self.tokens[0]


async def test_a_refused_token_is_renewed_and_the_request_sent_once_more() -> None:
    api = kube_api(token="new")
    async with served(api.app()) as url, client(url, credentials=Rotating("old", "new")) as cluster:
        assert await cluster.create(RUNS, "ci", run("a"))


async def test_a_renewed_token_that_is_refused_too_is_a_401() -> None:
    api = kube_api(token="new")
    async with served(api.app()) as url, client(url, credentials=Rotating("a", "b")) as cluster:
        error = await error_of(cluster.create(RUNS, "ci", run("a")))
    assert (type(error), error.status) == (Reject, 401)


async def test_a_token_that_never_changes_is_not_tried_twice() -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=401)

    async with served(app_of(answer)) as url, client(url, token="old") as cluster:
        await error_of(cluster.get(RUNS, "ci", "a"))
    assert asked == 1


async def test_credentials_that_cannot_be_had_now_are_tried_again_later() -> None:
    class Broken:
        async def identity(self, rejected: Identity | None = None) -> Identity:
            raise ConfigError("the plugin failed")

    async with client("http://127.0.0.1:9", credentials=Broken()) as cluster:
        error = await error_of(cluster.get(RUNS, "ci", "a"))
    assert isinstance(error, Retry)
    assert "the plugin failed" in error.reason


async def test_a_token_with_a_line_break_is_not_sent() -> None:
    async with served(answering(b"{}")) as url, client(url, token="a\r\nX-Bad: b") as cluster:
        error = await error_of(cluster.get(RUNS, "ci", "a"))
    assert isinstance(error, Reject)
    assert "X-Bad" not in str(error)


# --- pods and their logs ------------------------------------------------------------------------


def pod(name: str, **labels: str) -> dict[str, object]:
    metadata = {"name": name, "namespace": "ci", "labels": labels}
    spec = {"containers": [{"name": "main", "image": "i"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def test_pods_are_listed_by_label_in_one_namespace() -> None:
    api = kube_api()
    for name, job in (("a-1", "a"), ("a-2", "a"), ("b-1", "b")):
        api.create(pod(name, job=job))
    async with served(api.app()) as url, client(url) as cluster:
        found = await cluster.pods("ci", "job=a")
        nowhere = await cluster.pods("apps", "job=a")
    assert [one["metadata"]["name"] for one in found] == ["a-1", "a-2"]
    assert nowhere == []


async def log_of(text: str, *, tail_lines: int = 3, limit_bytes: int = 100) -> bytes:
    api = kube_api()
    api.create(pod("a"))
    api.set_log("ci", "a", "main", text)
    async with served(api.app()) as url, client(url) as cluster:
        return await cluster.log("ci", "a", "main", tail_lines=tail_lines, limit_bytes=limit_bytes)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", ""),
        ("one\ntwo\n", "one\ntwo\n"),
        ("1\n2\n3\n4\n5", "3\n4\n5"),
        ("ä" * 60 + "\n", "ä" * 49 + "\n"),
    ],
)
async def test_of_a_log_the_last_lines_come_and_of_those_the_last_bytes(
    text: str, end: str
) -> None:
    assert (await log_of(text)).decode("utf-8", "ignore") == end


async def test_what_is_longer_than_any_answer_is_asked_for_in_fewer_lines() -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        lines = int(request.query["tailLines"])
        whole = b"x" * 999_999 + b"\n"
        return web.Response(body=(whole * lines)[: int(request.query["limitBytes"])])

    async with served(app_of(answer)) as url, client(url) as cluster:
        end = await cluster.log("ci", "a", "main", tail_lines=100, limit_bytes=10)
    assert end == b"x" * 9 + b"\n"
    assert [query["tailLines"] for query in asked] == ["100", "12"]
    assert {query["container"] for query in asked} == {"main"}


async def test_a_line_that_is_longer_than_any_answer_is_refused() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * int(request.query["limitBytes"]))

    async with served(app_of(answer)) as url, client(url) as cluster:
        error = await error_of(cluster.log("ci", "a", "main", tail_lines=9, limit_bytes=10))
    assert isinstance(error, Reject)
    assert "the last line of the log is longer than" in error.reason


async def test_a_log_that_ends_before_its_end_is_a_retry() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async with served(app_of(answer)) as url, client(url) as cluster:
        error = await error_of(cluster.log("ci", "a", "main", tail_lines=9, limit_bytes=10))
    assert isinstance(error, Retry)


@pytest.mark.parametrize(("limit", "told"), [(3, "one"), (100, "one\ntwo\n")])
async def test_a_whole_log_begins_at_its_beginning(limit: int, told: str) -> None:
    api = kube_api()
    api.create(pod("a"))
    api.set_log("ci", "a", "main", "one\ntwo\n")
    async with served(api.app()) as url, client(url) as cluster:
        raw = await cluster.whole_log("ci", "a", "main", limit_bytes=limit)
    assert raw.decode() == told


async def test_of_a_server_that_knows_no_limit_no_more_is_read() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:  # until the client goes away
            await response.write(b"x" * 10_000)

    async with served(app_of(answer)) as url, client(url) as cluster:
        raw = await cluster.whole_log("ci", "a", "main", limit_bytes=25_000)
    assert raw == b"x" * 25_000


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_log_that_is_refused_is_a_reject_with_the_servers_words(status: int) -> None:
    body = b'{"kind":"Status","reason":"Why","message":"no log"}'
    async with served(answering(body, status=status)) as url, client(url) as cluster:
        error = await error_of(cluster.log("ci", "a", "main", tail_lines=9, limit_bytes=10))
    assert (type(error), error.status) == (Reject, status)
    assert "Why: no log" in error.reason


# --- discovery, lists, watches ------------------------------------------------------------------


async def test_a_resource_is_served_if_its_group_version_names_it() -> None:
    api = kube_api()
    other = type(RUNS)("tekton.dev", "v1", "taskruns", "TaskRun")
    absent = type(RUNS)("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")
    jobs = type(RUNS)("batch", "v1", "jobs", "Job")
    pods = type(RUNS)("", "v1", "pods", "Pod")
    async with served(api.app()) as url, client(url) as cluster:
        known = [await cluster.served(one) for one in (RUNS, other, absent, jobs, pods)]
    assert known == [True, False, False, True, True]


async def test_a_recorded_page_names_its_version_and_the_next() -> None:
    async with served(answering(recorded("list-page1-limit2.json"))) as url, client(url) as cluster:
        page = await cluster.page(RUNS, "ci")
    assert page.metadata.resourceVersion == "7008"
    assert page.metadata.next.startswith("eyJ2Ijoi")
    assert page.items is not None
    assert len(page.items) == 2


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    limits: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        limit = int(request.query["limit"])
        limits.append(limit)
        items = [{"padding": "x" * 1_400_000}] * min(limit, 14)
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async with served(app_of(answer)) as url, client(url) as cluster:
        page = await cluster.page(RUNS)
    assert limits == [500, 62, 7]
    assert page.items is not None
    assert len(page.items) == 7


async def test_a_watch_asks_for_bookmarks_an_end_and_no_compression() -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(body=b"one\ntwo\nthr")

    async with served(app_of(answer)) as url, client(url) as cluster:
        lines = [line async for batch in cluster.watch(RUNS, "ci", "7") for line in batch]
    assert lines == [b"one", b"two"]
    assert dict(asked[0].query) == {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "20",
        "resourceVersion": "7",
    }
    assert asked[0].headers["Accept-Encoding"] == "identity"


async def test_a_watch_that_is_left_closes_its_connection() -> None:
    gone = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"line\n")
        finally:
            gone.set()

    async with served(app_of(answer)) as url, client(url) as cluster:
        async with aclosing(cluster.watch(RUNS, "ci", "7")) as batches:
            await anext(batches)
        async with asyncio.timeout(5):
            await gone.wait()


@given(st.lists(st.binary(max_size=12)), st.lists(st.integers(1, 9)), st.integers(0, 12))
def test_however_a_stream_is_cut_into_chunks_its_lines_are_the_same(
    lines: list[bytes], cuts: list[int], limit: int
) -> None:
    clean = [one.replace(b"\n", b"") for one in lines]
    text, splitter, found = b"".join(one + b"\n" for one in clean), Lines(limit), []
    for cut in cuts:
        found += splitter.feed(text[:cut])
        text = text[cut:]
    found += splitter.feed(text)
    assert found == [one if len(one) <= limit else None for one in clean]


def test_what_is_kept_of_a_line_above_the_limit_does_not_grow() -> None:
    splitter = Lines(10)
    for _ in range(1000):
        assert splitter.feed(b"x" * 100) == []
    assert splitter.feed(b"\nshort\n") == [None, b"short"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (recorded("unauthorized-401.json"), "Unauthorized: Unauthorized"),
        (b"404 page not found\n", "404 page not found"),
        (json.dumps({"message": "no"}).encode(), "no"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"message": 1}', '{"message": 1}'),
        (b"", ""),
    ],
)
def test_a_refusal_in_any_shape_has_a_message(body: bytes, said: str) -> None:
    assert message(body) == said
