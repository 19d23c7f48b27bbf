"""Following a resource: what is told, and that nothing gets lost however the connection behaves.

Recorded bytes of a real API server are replayed by `Script`; the stand-in plays everything that
needs a memory. Left to others: decoding of lines (test_kube_events), requests (test_kube).
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from ghapp.demo.kube import KubeApi
from ghapp.engine.kube import KubeClient
from ghapp.engine.kube_follow import (
    Changed,
    Event,
    Gone,
    Listed,
    Malformed,
    Missing,
    follow,
)
from tests.engine.kube_rig import (
    DISCOVERY,
    EMPTY,
    RUNS,
    Run,
    Script,
    Time,
    World,
    body,
    client,
    kube_api,
    line,
    recorded,
    run,
    served,
    stream,
)

NOT_FOUND = body(recorded("list-crd-not-installed-404.json"), status=404)


@asynccontextmanager
async def events_of(
    app: web.Application,
    *,
    namespace: str = "",
    reads: Sequence[type] = (Run,),
    time: Time,
    keep_raw: bool = False,
    silence: float = 5,
) -> AsyncIterator[AsyncIterator[Event]]:
    """All that is told of the server's runs, for at most ten seconds."""
    async with (
        asyncio.timeout(10),
        served(app) as url,
        client(url, silence=silence) as api,
        aclosing(
            follow(api, RUNS, namespace, reads, pace=time.pace(), keep_raw=lambda: keep_raw)
        ) as events,
    ):
        yield events


async def told(
    script: Script, count: int, *, reads: Sequence[type] = (Run,), silence: float = 5
) -> tuple[list[Event], Time]:
    """The first `count` events from a scripted server, and the time they took."""
    time = Time()
    async with events_of(script.app(), reads=reads, time=time, silence=silence) as events:
        return [await anext(events) for _ in range(count)], time


@asynccontextmanager
async def following(api: KubeApi, time: Time, namespace: str = "") -> AsyncIterator[World]:
    """A world that is kept up to date beside the test."""
    world = World()

    async def keep(kube: KubeClient) -> None:
        async for event in follow(kube, RUNS, namespace, (Run,), pace=time.pace()):
            world.hear(event)

    async with served(api.app()) as url, client(url) as kube:
        task = asyncio.create_task(keep(kube))
        yield world
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def state(api: KubeApi) -> dict[str, str]:
    """The server's own view."""
    runs = (one["metadata"] for one in api.list("pipelineruns"))
    return {one["uid"]: one["resourceVersion"] for one in runs}


# --- the straight way ---------------------------------------------------------------------------


async def test_what_is_there_is_told_then_listed_then_every_change() -> None:
    api = kube_api()
    uid = api.create(run("a"))["metadata"]["uid"]
    async with events_of(api.app(), namespace="ci", time=Time()) as events:
        there, listed = await anext(events), await anext(events)
        conditions = [{"type": "Succeeded", "status": "Unknown"}]
        api.patch(
            "pipelineruns",
            "ci",
            "a",
            {"status": {"conditions": conditions}},
            subresource="status",
        )
        changed = await anext(events)
        api.delete("pipelineruns", "ci", "a")
        gone = await anext(events)
    assert isinstance(there, Changed)
    assert (there.head.namespace, there.head.name, there.head.uid) == ("ci", "a", uid)
    assert listed == Listed(frozenset({uid}))
    assert isinstance(changed, Changed)
    assert changed.objects[Run].status.conditions[0].status == "Unknown"
    assert isinstance(gone, Gone)
    assert gone.head.uid == uid
    assert gone.raw is None


async def test_a_long_list_is_read_in_pages() -> None:
    api = kube_api()
    for number in range(1001):
        api.create(run(f"run-{number:04}"))
    async with events_of(api.app(), time=Time()) as stream_of_events:
        events = [await anext(stream_of_events) for _ in range(1002)]
    assert isinstance(events[-1], Listed)
    assert len(events[-1].keys) == 1001
    assert api.requests["list", "pipelineruns"] == 3


async def test_only_the_namespace_asked_for_is_followed() -> None:
    api = kube_api()
    mine = api.create(run("mine"))
    api.create(run("other") | {"metadata": {"name": "other", "namespace": "elsewhere"}})
    async with following(api, Time(), "ci") as world:
        await world.becomes(lambda: {mine["metadata"]["uid"]: mine["metadata"]["resourceVersion"]})


async def test_each_type_that_is_asked_for_is_decoded_once_even_if_named_twice() -> None:
    script = Script()
    script.watches = [stream(line("ADDED", "a", "101"))]
    events, _ = await told(script, 2, reads=(Run, dict, Run))
    assert isinstance(events[1], Changed)
    assert events[1].objects[Run].metadata.name == "a"
    assert events[1].objects[dict]["metadata"]["uid"] == "uid-of-a"
    assert len(events[1].objects) == 2


async def test_raw_bytes_are_kept_only_for_who_asks() -> None:
    script = Script()
    script.watches = [stream(line("ADDED", "a", "101"))]
    async with events_of(script.app(), time=Time(), keep_raw=True) as events:
        await anext(events)
        event = await anext(events)
    assert isinstance(event, Changed)
    assert event.raw is not None
    assert event.raw.startswith(b'{"metadata":')


async def test_a_recorded_watch_is_told_and_resumed_at_its_last_bookmark() -> None:
    script = Script()
    script.watches = [stream(recorded("watch-bookmarks.jsonl"))]
    script.watches.append(stream(line("DELETED", "x", "7050")))
    events, time = await told(script, 6)
    versions = [one.head.resourceVersion for one in events if isinstance(one, Changed | Gone)]
    assert versions == ["7015", "7021", "7024", "7042", "7050"]
    assert script.asked == ["list", "watch 100", "watch 7042"]
    assert time.slept == []  # events flowed: nothing to wait for


# --- the end of a stream ------------------------------------------------------------------------


async def test_a_stream_that_ends_at_once_is_never_asked_for_more_than_once_a_second() -> None:
    script = Script()
    empty = stream(recorded("watch-timeout-empty.jsonl"), b"\n")
    script.watches = [empty] * 5 + [stream(line("ADDED", "a", "101"))]
    _, time = await told(script, 2)
    assert time.slept == [1.0] * 5
    assert script.asked == ["list"] + ["watch 100"] * 6


async def test_a_silent_stream_is_given_up_and_resumed_from_the_last_version() -> None:
    script = Script()
    script.watches = []
    silent = script._hold
    script.watches = [stream(line("ADDED", "a", "101")), silent, stream(line("ADDED", "b", "102"))]
    events, _ = await told(script, 3, silence=0.05)
    assert [one.head.name for one in events if isinstance(one, Changed)] == ["a", "b"]
    assert script.asked == ["list", "watch 100", "watch 101", "watch 101"]


async def test_a_version_of_the_future_is_noticed_by_the_silence_that_it_causes() -> None:
    script = Script()
    silent = stream()
    script.lists = [body(EMPTY.replace(b"100", b"99999999"))]
    script.watches = [silent] * 4
    events, _ = await told(script, 2)
    assert events == [Listed(frozenset()), Listed(frozenset())]
    assert script.asked == ["list"] + ["watch 99999999"] * 4 + ["list"]


async def test_a_line_that_was_cut_is_not_an_event_and_comes_whole_after_resuming() -> None:
    script = Script()
    whole, half = line("ADDED", "a", "101"), line("ADDED", "b", "102")
    script.watches = [stream(whole + half[:40], cut=True), stream(half)]
    events, time = await told(script, 3)
    assert [one.head.name for one in events if isinstance(one, Changed)] == ["a", "b"]
    assert script.asked == ["list", "watch 100", "watch 101"]
    assert time.slept == [1.0]


async def test_a_half_line_at_a_proper_end_is_dropped_too() -> None:
    script = Script()
    script.watches = [stream(line("ADDED", "a", "101")[:-1]), stream(line("ADDED", "a", "101"))]
    events, _ = await told(script, 2)
    assert isinstance(events[1], Changed)
    assert script.asked == ["list", "watch 100", "watch 100"]


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        stream(recorded("watch-expired-410.jsonl")),
        stream(recorded("watch-error-504-too-large-rv.jsonl")),
        stream(recorded("watchlist-send-initial-events.jsonl")),
        stream(b'{"type":"ERROR","object":17}\n'),
        body(b"", status=410),
        body(b"", status=504),
        body(recorded("list-continue-bad.json"), status=400),
    ],
    ids=["410 event", "504 event", "500 event", "odd event", "410", "504", "400"],
)
async def test_a_worthless_version_means_a_new_list_after_a_while(error: object) -> None:
    script = Script()
    script.watches = [error]  # type: ignore[list-item]
    events, time = await told(script, 2)
    assert events == [Listed(frozenset()), Listed(frozenset())]
    assert script.asked[:3] == ["list", "watch 100", "list"]
    assert time.slept == [1.0]


async def test_versions_that_expire_again_and_again_are_backed_off_from() -> None:
    script = Script()
    script.watches = [stream(recorded("watch-expired-410.jsonl"))] * 8
    _, time = await told(script, 9)
    assert time.slept == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_an_event_ends_the_back_off() -> None:
    script = Script()
    expired = recorded("watch-expired-410.jsonl")
    script.watches = [stream(expired), stream(line("ADDED", "a", "101"), expired), stream(expired)]
    _, time = await told(script, 5)
    assert time.slept == [1, 1, 2]


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_a_busy_server_is_given_the_time_it_asks_for_and_the_version_kept(
    status: int,
) -> None:
    script = Script()
    script.watches = [body(b"", status=status, headers={"Retry-After": "7"})]
    script.watches.append(stream(line("ADDED", "a", "101")))
    _, time = await told(script, 2)
    assert time.slept == [7.0]
    assert script.asked == ["list", "watch 100", "watch 100"]


async def test_no_server_makes_us_wait_for_longer_than_five_minutes() -> None:
    script = Script()
    script.lists = [body(b"", status=429, headers={"Retry-After": "86400"})]
    _, time = await told(script, 1)
    assert time.slept == [300.0]


async def test_a_continue_token_that_expired_restarts_the_list() -> None:
    script = Script()
    page = recorded("list-page1-limit2.json")
    script.lists = [body(page), body(b"", status=410), body(page), body(EMPTY)]
    events, time = await told(script, 5)
    assert [type(one) for one in events] == [Changed, Changed, Changed, Changed, Listed]
    assert isinstance(events[-1], Listed)
    assert len(events[-1].keys) == 2
    assert time.slept == [1.0]


async def test_the_version_of_the_first_page_is_where_the_watch_begins() -> None:
    script = Script()
    script.lists = [body(recorded("list-page1-limit2.json")), body(EMPTY)]
    script.watches = [stream(line("ADDED", "a", "7009"))]
    await told(script, 4)
    assert script.asked == ["list", "list", "watch 7008"]


async def test_a_list_without_a_version_is_asked_for_again() -> None:
    script = Script()
    script.lists = [body(b'{"items":null}'), body(b"<html>log in</html>")]
    events, time = await told(script, 1)
    assert events == [Listed(frozenset())]
    assert time.slept == [1.0, 2.0]


async def test_a_forbidden_list_is_logged_with_what_to_do_and_followed_once_it_is_granted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api, time = kube_api(), Time()
    api.deny("list", "pipelineruns")
    api.create(run("a"))
    async with events_of(api.app(), namespace="ci", time=time) as events:
        with caplog.at_level(logging.INFO):
            pending = asyncio.ensure_future(anext(events))
            await time.slept_times(2)
        api.allow("list", "pipelineruns")
        event = await pending
    assert isinstance(event, Changed)
    record = next(one for one in caplog.records if one.levelno == logging.WARNING)
    facts = vars(record)["checkrail_fields"]
    assert (facts["resource"], facts["namespace"], facts["verb"]) == (RUNS.id, "ci", "list")
    assert "checkrail rbac" in facts["mend"]


async def test_an_unknown_token_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    script = Script()
    script.lists = [body(recorded("unauthorized-401.json"), status=401)]
    events, time = await told(script, 1)
    assert events == [Listed(frozenset())]
    assert time.slept == [1.0]
    assert "not known to the API server" in caplog.text


# --- resources that come and go -----------------------------------------------------------------


async def test_a_missing_resource_is_told_looked_for_and_followed_when_it_appears() -> None:
    script = Script()
    script.lists = [NOT_FOUND]
    script.discoveries = [NOT_FOUND, body(b'{"resources":[{"name":"taskruns"}]}'), body(DISCOVERY)]
    events, time = await told(script, 2)
    assert events == [Missing(RUNS), Listed(frozenset())]
    assert time.slept == [60.0] * 3
    assert script.asked[:5] == ["list", "discover", "discover", "discover", "list"]


async def test_a_crd_that_appears_and_vanishes_while_we_watch() -> None:
    api, told_events = KubeApi(), list[Event]()
    api.auto_namespaces = True
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "pipelineruns.tekton.dev"},
        "spec": {
            "group": "tekton.dev",
            "scope": "Namespaced",
            "names": {"plural": "pipelineruns", "singular": "pipelinerun", "kind": "PipelineRun"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": SCHEMA}],
        },
    }
    async with events_of(api.app(), time=Time()) as events:
        async for event in events:
            told_events.append(event)
            if isinstance(event, Missing) and len(told_events) == 1:
                api.create(crd)
            if isinstance(event, Listed):
                api.create(run("a"))
            if isinstance(event, Changed):
                api.delete("customresourcedefinitions", "", "pipelineruns.tekton.dev")
            if isinstance(event, Missing) and len(told_events) > 1:
                break
    kinds = [type(one) for one in told_events if not isinstance(one, Gone)]
    assert kinds == [Missing, Listed, Changed, Missing]


SCHEMA = {
    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


async def test_discovery_that_is_refused_or_down_does_not_end_the_following() -> None:
    script = Script()
    script.lists = [NOT_FOUND, NOT_FOUND]
    script.discoveries = [body(b"", status=503), body(b"", status=403)]
    events, _ = await told(script, 3)
    assert events == [Missing(RUNS), Missing(RUNS), Listed(frozenset())]


# --- odd objects and lines ----------------------------------------------------------------------


async def test_what_cannot_be_read_is_told_and_the_stream_goes_on() -> None:
    script = Script()
    script.watches = [
        stream(
            line("MODIFIED", "odd", "101", status="a string"),
            b"garbage\n",
            b'{"type":"ADDED"}\n',
            line("DELETED", "odd", "103", status=[]),
            b"\n",
            line("RENAMED", "a", "104"),
            line("ADDED", "b", "105"),
        )
    ]
    events, _ = await told(script, 7)
    odd, garbage, half, gone, unknown, good = events[1:]
    assert isinstance(odd, Malformed)
    assert (odd.head.namespace, odd.head.name, odd.gone) == ("ci", "odd", False)
    assert "$.status" in odd.error
    assert isinstance(garbage, Malformed)
    assert isinstance(half, Malformed)
    assert isinstance(gone, Malformed)
    assert (gone.head.uid, gone.gone) == ("uid-of-odd", True)
    assert isinstance(unknown, Malformed)
    assert "RENAMED" in unknown.error
    assert isinstance(good, Changed)


async def test_a_malformed_object_of_a_list_is_still_there() -> None:
    script = Script()
    item = b'{"metadata":{"name":"odd","uid":"u1","resourceVersion":"1"},"status":7}'
    script.lists = [body(b'{"metadata":{"resourceVersion":"100"},"items":[%b,17]}' % item)]
    events, _ = await told(script, 3)
    assert [type(one) for one in events] == [Malformed, Malformed, Listed]
    assert events[2] == Listed(frozenset({"u1"}))


async def test_an_object_of_the_largest_size_etcd_takes_is_an_event_like_any() -> None:
    script = Script()
    large = line("ADDED", "large", "101", spec={"padding": "x" * 1_400_000})
    script.watches = [stream(large, line("ADDED", "b", "102"))]
    events, _ = await told(script, 3, reads=(Run, dict))
    assert isinstance(events[1], Changed)
    assert len(events[1].objects[dict]["spec"]["padding"]) == 1_400_000


async def test_a_line_above_the_limit_is_skipped_and_told() -> None:
    script = Script()
    huge = line("ADDED", "huge", "101", spec={"padding": "x" * 5 * 2**20})
    script.watches = [stream(huge, line("ADDED", "b", "102"))]
    events, _ = await told(script, 3)
    assert isinstance(events[1], Malformed)
    assert "limit" in events[1].error
    assert isinstance(events[2], Changed)
    assert events[2].head.name == "b"


async def test_garbage_that_comes_again_with_each_stream_is_asked_for_once_a_second() -> None:
    script = Script()
    script.watches = [stream(b"garbage\n")] * 3
    _, time = await told(script, 4)
    assert time.slept[:2] == [1.0, 1.0]


# --- the promise --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_interrupts_in_the_end_we_know_what_the_server_knows(seed: int) -> None:
    chance = random.Random(seed)
    api, time = kube_api(keep=20, bookmark_every=0.02), Time()
    async with following(api, time) as world:
        for number in range(120):
            change(api, chance, number)
            interrupt(api, chance)
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
        api.faults.clear()
        api.drop_watches()
        await world.becomes(lambda: state(api))
    assert world.runs


def change(api: KubeApi, chance: random.Random, number: int) -> None:
    names = [one["metadata"]["name"] for one in api.list("pipelineruns")]
    match chance.choice(["create", "patch", "patch", "delete"]):
        case "patch" if names:
            patch = {"metadata": {"labels": {"number": str(number)}}}
            api.patch("pipelineruns", "ci", chance.choice(names), patch)
        case "delete" if len(names) > 2:
            api.delete("pipelineruns", "ci", chance.choice(names))
        case _:
            api.create(run(f"run-{number}"))


def interrupt(api: KubeApi, chance: random.Random) -> None:
    faults = api.faults
    some: list[tuple[int, object]] = [
        (2, api.close_watches),
        (2, api.drop_watches),
        (2, api.compact),
        (1, lambda: faults.fail_next(code=chance.choice([429, 500, 503, 504]))),
        (1, lambda: faults.fail_next(code=410, verb="watch")),
        (1, faults.drop_next),
        (1, faults.drop_next_answer),
        (30, lambda: None),
    ]
    weights, actions = zip(*some, strict=True)
    chance.choices(actions, weights)[0]()
