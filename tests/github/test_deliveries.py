"""The sweep: what GitHub could not deliver is fetched once, what we know or heard is left alone.

How a delivery is then judged is in tests/engine; that it is kept, in tests/store.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.github import GitHub, Installation
from ghapp.errors import Reject, Retry
from ghapp.github.deliveries import AT_ONCE, Attempt, Sweep, missed
from ghapp.ports import Delivery
from tests.github.fixtures import Opened, opened
from tests.github_fixtures import Clock, Inbox

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


@pytest.fixture
def github_clock() -> Clock:
    return Clock(now=NOW.timestamp())


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    await github.settled()
    async with opened(github, github_installation.app, github_clock) as one:
        yield one


class Inn:
    """Who was taken in; as the store answers `known`."""

    def __init__(self) -> None:
        self.guests: dict[str, Delivery] = {}

    async def known(self, guids: Sequence[str]) -> frozenset[str]:
        return frozenset(guids) & self.guests.keys()

    def take(self, deliveries: Sequence[Delivery]) -> list[str]:
        self.guests.update({each.guid: each for each in deliveries})
        return [each.event for each in deliveries]


async def swept(sweep: Sweep, inn: Inn, world: Opened) -> list[str]:
    now = datetime.fromtimestamp(world.clock(), UTC)
    return inn.take(await sweep.missed(inn.known, now=now))


async def happen(github: GitHub, world: Opened, *, arrives: bool) -> None:
    """One webhook; of an event that is not held against a description, whatever is in it."""
    world.clock.advance(60)
    if not arrives:
        github.hooks.drop(1)
    app = next(iter(github.world.apps.values()))
    github.hooks.send(app, "star", {"ü": "\U0001f600"})
    await github.settled()


async def test_a_webhook_that_was_dropped_is_brought_with_its_guid_and_body(
    github: GitHub, world: Opened, github_inbox: Inbox
) -> None:
    await happen(github, world, arrives=True)
    await happen(github, world, arrives=False)
    inn = Inn()
    assert await swept(Sweep(world.client), inn, world) == ["star"]
    (found,) = inn.guests.values()
    lost = max(github.hooks.log.values(), key=lambda each: each.id)
    assert found.guid == lost.guid
    assert json.loads(found.body) == lost.payload
    assert found.received == NOW + timedelta(minutes=2)
    assert found.guid not in {each.guid for each in github_inbox.arrived}


async def test_nothing_is_brought_twice_once_it_is_kept(github: GitHub, world: Opened) -> None:
    inn, sweep = Inn(), Sweep(world.client)
    await happen(github, world, arrives=False)
    assert await swept(sweep, inn, world) == ["star"]
    assert await swept(sweep, inn, world) == []


async def test_what_was_brought_but_not_kept_is_brought_again(
    github: GitHub, world: Opened
) -> None:
    inn, sweep = Inn(), Sweep(world.client)
    await happen(github, world, arrives=False)
    await sweep.missed(inn.known, now=NOW + timedelta(minutes=5))
    assert await swept(sweep, inn, world) == ["star"]


async def test_a_failed_attempt_that_was_redelivered_is_no_loss(
    github: GitHub, world: Opened
) -> None:
    await happen(github, world, arrives=False)
    lost = max(github.hooks.log.values(), key=lambda each: each.id)
    github.hooks.redeliver(lost.id)
    await github.settled()
    assert await swept(Sweep(world.client), Inn(), world) == []


async def test_a_sweep_reads_no_further_than_the_one_before(github: GitHub, world: Opened) -> None:
    for _ in range(150):
        await happen(github, world, arrives=True)
    inn, sweep = Inn(), Sweep(world.client)
    assert await swept(sweep, inn, world) == []
    assert world.seen.methods == {"GET": 2}
    world.seen.clear()
    await happen(github, world, arrives=False)
    assert await swept(sweep, inn, world) == ["star"]
    assert world.seen.count("GET", "/deliveries") == 1


async def test_deliveries_of_more_than_three_days_ago_are_left_alone(
    github: GitHub, world: Opened
) -> None:
    await happen(github, world, arrives=False)
    sweep = Sweep(world.client)
    later = datetime.fromtimestamp(world.clock(), UTC) + timedelta(days=3, seconds=1)
    assert await sweep.missed(Inn().known, now=later) == []


async def test_a_detail_that_is_gone_does_not_stop_the_others(
    github: GitHub, world: Opened
) -> None:
    await happen(github, world, arrives=False)
    await happen(github, world, arrives=False)
    github.faults.add("status", status=404, path="/deliveries/")
    assert await swept(Sweep(world.client), Inn(), world) == ["star"]


async def test_a_detail_that_cannot_be_read_does_not_stop_the_others(
    github: GitHub, world: Opened
) -> None:
    await happen(github, world, arrives=False)
    await happen(github, world, arrives=False)
    github.faults.add("status", status=410, path="/deliveries/")
    assert await swept(Sweep(world.client), Inn(), world) == ["star"]


async def test_those_that_are_gone_do_not_hide_the_ones_behind_them(
    github: GitHub, world: Opened
) -> None:
    for _ in range(AT_ONCE + 1):
        await happen(github, world, arrives=False)
    github.faults.add("status", status=404, path="/deliveries/", times=AT_ONCE)
    assert await swept(Sweep(world.client), Inn(), world) == ["star"]


async def test_a_long_list_is_brought_bit_by_bit_and_completely(
    github: GitHub, world: Opened
) -> None:
    for _ in range(2 * AT_ONCE + 5):
        await happen(github, world, arrives=False)
    inn, sweep = Inn(), Sweep(world.client)
    brought, left = [], []
    for _ in range(4):
        brought.append(len(await swept(sweep, inn, world)))
        left.append(sweep.more)
    assert brought == [AT_ONCE, AT_ONCE, 5, 0]
    assert left == [True, True, False, False]
    assert world.seen.count("GET", "/deliveries") == 2 * 3, "listed once, and once to be sure"


async def test_what_was_left_is_not_brought_once_it_arrived_by_itself(
    github: GitHub, world: Opened
) -> None:
    for _ in range(AT_ONCE + 2):
        await happen(github, world, arrives=False)
    inn, sweep = Inn(), Sweep(world.client)
    await swept(sweep, inn, world)
    lost = max(github.hooks.log.values(), key=lambda each: each.id)
    inn.take([Delivery(guid=lost.guid, event="star", body=b"{}", received=NOW)])
    assert await swept(sweep, inn, world) == ["star"]
    assert await swept(sweep, inn, world) == []


async def test_a_sweep_that_was_stopped_goes_on_where_it_was(github: GitHub, world: Opened) -> None:
    for _ in range(AT_ONCE + 2):
        await happen(github, world, arrives=False)
    inn, sweep = Inn(), Sweep(world.client)
    await swept(sweep, inn, world)
    github.faults.add("secondary", path="/deliveries/")
    with pytest.raises(Retry) as caught:
        await swept(sweep, inn, world)
    assert sweep.more
    world.clock.advance(caught.value.after or 0)
    assert await swept(sweep, inn, world) == ["star", "star"]


async def test_below_more_than_one_sweep_reads_what_failed_is_found(
    github: GitHub, world: Opened
) -> None:
    await happen(github, world, arrives=False)
    for _ in range(20):
        await happen(github, world, arrives=True)
    inn, sweep = Inn(), Sweep(world.client, entries=15)
    assert await swept(sweep, inn, world) == ["star"]
    assert await swept(sweep, inn, world) == []
    world.seen.clear()
    assert await swept(sweep, inn, world) == []
    assert world.seen.methods == {"GET": 1}, "the mark has moved"


async def test_the_mark_does_not_move_past_what_was_not_read(github: GitHub, world: Opened) -> None:
    for _ in range(12):
        await happen(github, world, arrives=False)
    inn, sweep = Inn(), Sweep(world.client, entries=5)
    assert len(await swept(sweep, inn, world)) == 5
    assert await swept(sweep, inn, world) == []
    sweep._entries = 20  # as if GitHub listed the others by now
    assert len(await swept(sweep, inn, world)) == 7


async def test_what_we_accepted_is_not_brought_although_github_did_not_hear_so(
    github: GitHub, world: Opened, github_inbox: Inbox
) -> None:
    github_inbox.status = 500
    await happen(github, world, arrives=True)
    (arrived,) = [each for each in github_inbox.arrived if each.event == "star"]
    inn = Inn()
    inn.guests[arrived.guid] = Delivery(
        guid=arrived.guid, event="star", body=arrived.raw, received=NOW
    )
    assert await swept(Sweep(world.client), inn, world) == []
    assert world.seen.count("GET", "/deliveries/{id}") == 0


async def test_the_first_sweep_after_a_start_looks_back_three_days_and_no_further(
    github: GitHub, world: Opened
) -> None:
    for _ in range(3):
        await happen(github, world, arrives=False)
        world.clock.advance(timedelta(days=1).total_seconds())
    world.clock.advance(timedelta(hours=1).total_seconds())
    assert await swept(Sweep(world.client), Inn(), world) == ["star", "star"]


async def test_what_arrives_while_an_installation_is_suspended_is_not_missed(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    """GitHub sends nothing then; the list belongs to the App and is read all the same."""
    await happen(github, world, arrives=False)
    github.suspend(github_installation, "ann")
    await github.settled()
    assert await swept(Sweep(world.client), Inn(), world) == ["star"]


async def test_a_github_without_such_a_list_is_no_trouble(github: GitHub, world: Opened) -> None:
    github.faults.add("status", status=404, path="/app/hook/deliveries", times=2)
    inn, sweep = Inn(), Sweep(world.client)
    await happen(github, world, arrives=False)
    assert await swept(sweep, inn, world) == []
    assert await swept(sweep, inn, world) == []
    assert await swept(sweep, inn, world) == ["star"], "it may have one after an upgrade"


async def test_an_app_that_github_suspended_is_told_and_tried_again(
    github: GitHub, world: Opened
) -> None:
    await happen(github, world, arrives=False)
    github.faults.add("status", status=403, path="/app/hook/deliveries")
    inn, sweep = Inn(), Sweep(world.client)
    with pytest.raises(Reject):
        await swept(sweep, inn, world)
    assert await swept(sweep, inn, world) == ["star"]


GUIDS = st.sampled_from("abcdef")
ATTEMPTS = st.lists(
    st.builds(
        Attempt,
        id=st.integers(1, 100),
        guid=GUIDS,
        delivered_at=st.integers(0, 100).map(lambda minutes: NOW + timedelta(minutes=minutes)),
        status=st.sampled_from(["OK", "timed out", "Invalid HTTP Response: 500"]),
        event=st.just("push"),
    )
)


@given(ATTEMPTS)
def test_each_guid_without_an_ok_is_missed_once_by_its_first_attempt(
    attempts: list[Attempt],
) -> None:
    found = missed(attempts)
    heard = {each.guid for each in attempts if each.status == "OK"}
    assert sorted(each.guid for each in found) == sorted({a.guid for a in attempts} - heard)
    for each in found:
        of_guid = [a.delivered_at for a in attempts if a.guid == each.guid]
        assert each.delivered_at == min(of_guid)
    assert [each.delivered_at for each in found] == sorted(each.delivered_at for each in found)
