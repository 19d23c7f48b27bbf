"""What every store promises, through `ghapp.ports.Store` alone.

The order of lanes under many turns of fate is in test_lanes.py; files, processes and SQL are in
test_sqlite.py and test_sql.py.
"""

import asyncio
from datetime import timedelta

import pytest

from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot, Vote
from ghapp.core.model import Phase, Repository, Verb
from ghapp.errors import CheckrailError, Conflict
from ghapp.ports import Addressed, Again, Commit, Done, Parked, Store
from tests.store.conftest import Place
from tests.store.values import (
    NOW,
    REPOSITORY,
    SHA,
    at,
    check,
    delivery,
    event,
    put,
    row,
    state,
    subject,
    take,
    take_one,
    to,
)


def again(number: int, *, due: float = 60, uncertain: bool = False) -> Again:
    return Again(row=number, due=at(due), reason="503", uncertain=uncertain)


# --- subjects -----------------------------------------------------------------------------------


async def test_a_row_comes_back_as_it_was_committed(store: Store) -> None:
    seen = row(subject(), told=check())
    await store.commit(Commit(seen=(seen,)))
    assert await store.seen(subject().key) == seen


async def test_what_was_never_seen_is_none(store: Store) -> None:
    assert await store.seen("nobody") is None
    assert await store.latest("nobody") is None
    assert await store.by_external_id("nobody") is None
    assert await store.on_commit(REPOSITORY, SHA) == []
    assert await store.unfinished("default", "PipelineRun") == []


async def test_a_look_replaces_the_one_before(store: Store) -> None:
    await store.commit(Commit(seen=(row(subject()),)))
    await store.commit(Commit(seen=(row(subject(), version=2, phase=Phase.FAILED),)))
    assert await store.seen(subject().key) == row(subject(), version=2, phase=Phase.FAILED)


@pytest.mark.parametrize("version", [1, 2, 4, 0])
async def test_a_version_that_does_not_follow_is_a_conflict(store: Store, version: int) -> None:
    await store.commit(Commit(seen=(row(subject()),)))
    await store.commit(Commit(seen=(row(subject(), version=2),)))
    with pytest.raises(Conflict):
        await store.commit(Commit(seen=(row(subject(), version=version, phase=Phase.FAILED),)))
    assert await store.seen(subject().key) == row(subject(), version=2)


async def test_a_later_version_of_what_was_never_seen_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.commit(Commit(seen=(row(subject(), version=2),)))
    assert await store.seen(subject().key) is None


async def test_nothing_of_a_commit_in_conflict_is_applied(store: Store) -> None:
    await store.accept(delivery("g"))
    await put(store, event(1))
    claimed = await take_one(store)
    await store.commit(Commit(seen=(row(subject("other")),)))
    with pytest.raises(Conflict):
        await store.commit(
            Commit(
                seen=(row(subject("mine")), row(subject("other"))),
                effects=to("a", event(1, subject("mine"))),
                settled=Done(row=claimed.row),
                delivery="g",
            )
        )
    assert await store.seen(subject("mine").key) is None
    assert (await store.backlog()).pending == {"a": 1}
    assert await take(store) == []  # still on its way
    assert [one.guid for one in await store.deliveries(NOW, 10)] == ["g"]
    await store.commit(Commit(settled=Done(row=claimed.row)))
    assert (await store.backlog()).pending == {}


async def test_the_latest_run_of_an_object_is_the_one_that_began_last(store: Store) -> None:
    first, second = subject("shop", revision="1"), subject("shop", revision="2")
    await store.commit(Commit(seen=(row(first),)))
    await store.commit(Commit(seen=(row(first, version=2, closed=True), row(second))))
    await store.commit(Commit(seen=(row(first, version=3, closed=True),)))  # a click on its check
    assert await store.latest(first.object_key) == row(second)


async def test_a_run_that_is_taken_up_again_is_the_latest(store: Store) -> None:
    first, second = subject("shop", revision="1"), subject("shop", revision="2")
    await store.commit(Commit(seen=(row(first, closed=True),)))
    await store.commit(Commit(seen=(row(second),)))
    back = row(first, version=2)
    await store.commit(Commit(seen=(row(second, version=2, closed=True), back)))
    assert await store.latest(first.object_key) == back


async def test_a_check_leads_to_its_run(store: Store) -> None:
    await store.commit(Commit(seen=(row(subject("a")), row(subject("b")))))
    assert await store.by_external_id(subject("b").external_id) == row(subject("b"))


async def test_the_checks_of_a_commit_are_found_however_the_repository_is_spelt(
    store: Store,
) -> None:
    rows = [row(subject(name), told=check()) for name in ("z", "a", "m")]
    for one in rows:
        await store.commit(Commit(seen=(one,)))
    shouted = Repository(host="GitHub.com", owner="ACME", name="SHOP")
    assert await store.on_commit(shouted, SHA.upper()) == rows


async def test_the_checks_of_a_commit_are_found_whatever_their_repository_is_called(
    store: Store,
) -> None:
    elsewhere = Repository(host="github.com", owner="acme", name="other")
    rows = (
        row(subject("here"), told=check()),
        row(subject("there"), told=check(), repository=elsewhere),
    )
    await store.commit(Commit(seen=(*rows, row(subject("no-check")))))
    anywhere = Repository(host="", owner="", name="")
    assert tuple(await store.on_commit(anywhere, SHA)) == rows
    assert await store.on_commit(anywhere, "f" * 40) == []


async def test_only_checks_of_that_commit_and_repository_are_found(store: Store) -> None:
    elsewhere = Repository(host="github.com", owner="acme", name="other")
    ghes = Repository(host="github.acme.example", owner="acme", name="shop")
    strangers = (
        row(subject("no-check")),
        row(subject("other-commit"), told=check(), commit="f" * 40),
        row(subject("other-name"), told=check(), repository=elsewhere),
        row(subject("other-host"), told=check(), repository=ghes),
    )
    await store.commit(Commit(seen=strangers))
    assert await store.on_commit(REPOSITORY, SHA) == []


async def test_unfinished_are_the_rows_of_which_more_may_come(store: Store) -> None:
    running, done = row(subject("running")), row(subject("done"), phase=Phase.SUCCEEDED)
    living = row(subject("shop", revision="2"), phase=Phase.SUCCEEDED)
    closed = row(subject("shop", revision="1"), phase=Phase.SUCCEEDED, closed=True)
    abroad = row(subject("abroad", cluster="other"))
    await store.commit(Commit(seen=(running, done, living, closed, abroad)))
    assert await store.unfinished("default", "PipelineRun") == [running]
    assert await store.unfinished("default", "HelmRelease") == [living]
    await store.commit(Commit(seen=(row(subject("running"), version=2, phase=Phase.FAILED),)))
    assert await store.unfinished("default", "PipelineRun") == []


# --- effects ------------------------------------------------------------------------------------


async def test_an_effect_is_claimed_as_it_was_committed(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    assert (claimed.effect, claimed.key, claimed.lane) == (
        event(1),
        event(1).key,
        event(1).lane,
    )
    assert (claimed.sink, claimed.tries, claimed.slot.id, claimed.slot.certain) == (
        "a",
        0,
        None,
        True,
    )
    assert timedelta(0) <= claimed.created - NOW < timedelta(minutes=1)


async def test_what_is_on_its_way_is_not_claimed_again(store: Store) -> None:
    await put(store, event(1))
    await take_one(store)
    assert await take(store) == []


async def test_events_of_a_lane_are_claimed_one_by_one_in_order(store: Store) -> None:
    await put(store, event(2), event(1))
    await put(store, event(3))
    order = []
    for _ in range(3):
        claimed = await take_one(store)
        order.append(claimed.effect)
        await store.commit(Commit(settled=Done(row=claimed.row)))
    assert order == [event(2), event(1), event(3)]


async def test_a_later_event_with_an_earlier_due_time_still_waits_its_turn(store: Store) -> None:
    await put(store, event(1), due=at(10))
    await put(store, event(2), due=at(0))
    assert await take(store, now=at(5)) == []
    assert (await take_one(store, now=at(10))).effect == event(1)


async def test_lanes_that_waited_longest_come_first(store: Store) -> None:
    for name, due in (("late", 3), ("early", 1), ("middle", 2), ("future", 9)):
        await put(store, event(1, subject(name)), due=at(due))
    claimed = await store.claim("a", at(5), 2)
    assert [one.effect.subject.name for one in claimed] == ["early", "middle"]
    assert [one.effect.subject.name for one in await take(store, now=at(5))] == ["late"]


async def test_one_sink_does_not_wait_for_another(store: Store) -> None:
    await store.commit(Commit(effects=(*to("a", event(1)), *to("b", event(1)))))
    claimed = await take_one(store, sink="a")
    await store.commit(Commit(settled=again(claimed.row)))
    assert (await take_one(store, sink="b")).effect == event(1)
    assert await take(store, sink="c") == []


async def test_again_delays_the_whole_lane_and_no_other(store: Store) -> None:
    await put(store, event(1), event(2), event(1, subject("other")))
    first, other = await take(store)
    await store.commit(Commit(settled=again(first.row, due=60)))
    await store.commit(Commit(settled=Done(row=other.row)))
    await put(store, event(2, subject("other")))
    assert [one.effect for one in await take(store, now=at(59))] == [event(2, subject("other"))]
    retried = await take_one(store, now=at(60))
    assert (retried.effect, retried.tries) == (event(1), 1)


async def test_a_known_key_is_ignored_even_when_it_is_done(store: Store) -> None:
    await put(store, event(1), event(1))
    claimed = await take_one(store)
    await put(store, event(1))
    await store.commit(Commit(settled=Done(row=claimed.row)))
    await put(store, event(1))
    assert await take(store) == []
    assert await store.next_due("a") is None


async def test_settling_and_what_follows_from_it_are_one(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    await store.commit(
        Commit(seen=(row(subject()),), settled=Done(row=claimed.row), effects=to("a", event(2)))
    )
    assert (await take_one(store)).effect == event(2)
    assert await store.seen(subject().key) == row(subject())


async def test_settling_twice_changes_nothing(store: Store) -> None:
    await put(store, event(1), event(2))
    first = await take_one(store)
    await store.commit(Commit(settled=Done(row=first.row)))
    second = await take_one(store)
    for late in (Done(row=first.row), again(first.row), Parked(row=first.row, reason="r")):
        await store.commit(Commit(settled=late))
    assert await take(store, now=at(999)) == []  # the second is still on its way
    assert await store.dead() == []
    await store.commit(Commit(settled=Done(row=second.row)))


# --- checks: only the newest --------------------------------------------------------------------


async def test_a_newer_state_replaces_one_that_waits(store: Store) -> None:
    await put(store, state(1))
    await put(store, state(2), state(3))
    assert (await take_one(store)).effect == state(3)
    await put(store, state(2))  # the key of what was replaced is still known
    assert (await store.backlog()).pending == {"a": 1}


async def test_of_two_states_that_were_not_tried_the_earlier_time_counts(store: Store) -> None:
    await put(store, state(1), due=at(5))
    await put(store, state(2), due=at(30))
    assert await store.next_due("a") == at(5)
    await put(store, state(3), due=at(1))
    assert await store.next_due("a") == at(1)


async def test_a_newer_state_keeps_the_back_off(store: Store) -> None:
    await put(store, state(1))
    claimed = await take_one(store)
    await store.commit(Commit(settled=again(claimed.row, due=60, uncertain=True)))
    await put(store, state(2))
    assert await take(store, now=at(59)) == []
    retried = await take_one(store, now=at(60))
    assert (retried.effect, retried.tries, retried.slot.certain) == (state(2), 1, False)


async def test_a_state_on_its_way_is_not_touched_and_not_overtaken(store: Store) -> None:
    await put(store, state(1))
    claimed = await take_one(store)
    await put(store, state(2))
    await put(store, state(3))
    assert await take(store) == []
    await store.commit(Commit(settled=Done(row=claimed.row, slot="check-7")))
    following = await take_one(store)
    assert (following.effect, following.slot.id, following.slot.certain) == (
        state(3),
        "check-7",
        True,
    )


async def test_a_state_that_failed_gives_way_to_a_newer_one(store: Store) -> None:
    await put(store, state(1))
    claimed = await take_one(store)
    await put(store, state(2))
    await store.commit(Commit(settled=again(claimed.row, due=60, uncertain=True)))
    assert await take(store, now=at(59)) == []
    retried = await take_one(store, now=at(60))
    assert (retried.effect, retried.tries, retried.slot.certain) == (state(2), 1, False)
    await store.commit(Commit(settled=Done(row=retried.row)))
    assert (await store.backlog()).pending == {}


async def test_a_slot_is_of_one_lane_and_one_sink_and_is_kept(store: Store, place: Place) -> None:
    await store.commit(Commit(effects=(*to("a", state(1)), *to("b", state(1)))))
    claimed = await take_one(store, sink="a")
    await store.commit(Commit(settled=Done(row=claimed.row, slot="check-7")))
    claimed = await take_one(store, sink="b")
    await store.commit(Commit(settled=Done(row=claimed.row)))
    store = await place.restart()
    await store.commit(Commit(effects=(*to("a", state(2)), *to("b", state(2)))))
    second = await take_one(store, sink="a")
    assert second.slot.id == "check-7"
    assert (await take_one(store, sink="b")).slot.id is None
    await store.commit(Commit(settled=Done(row=second.row)))  # an update returns no new place
    await put(store, state(3))
    assert (await take_one(store)).slot.id == "check-7"


# --- what may have got through unheard ----------------------------------------------------------


async def test_doubt_stays_until_it_is_delivered(store: Store) -> None:
    await put(store, event(1), event(2))
    for uncertain in (True, False):
        claimed = await take_one(store)
        await store.commit(Commit(settled=again(claimed.row, due=0, uncertain=uncertain)))
    claimed = await take_one(store)
    assert (claimed.slot.certain, claimed.tries) == (False, 2)
    await store.commit(Commit(settled=Done(row=claimed.row)))
    assert (await take_one(store)).slot.certain


async def test_doubt_about_a_parked_state_falls_on_the_next_one(store: Store) -> None:
    await put(store, state(1))
    claimed = await take_one(store)
    await store.commit(Commit(settled=again(claimed.row, due=0, uncertain=True)))
    claimed = await take_one(store)
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="given up")))
    await put(store, state(2))
    claimed = await take_one(store)
    assert not claimed.slot.certain
    await store.commit(Commit(settled=Done(row=claimed.row, slot="check-7")))
    await put(store, state(3))
    assert (await take_one(store)).slot.certain


async def test_after_a_restart_what_waits_is_free_and_in_doubt(store: Store, place: Place) -> None:
    await put(store, event(1), event(2), state(1))
    await take(store)
    store = await place.restart()
    inherited = await take(store)
    assert [one.effect for one in inherited] == [event(1), state(1)]
    assert not any(one.slot.certain for one in inherited)
    assert [one.tries for one in inherited] == [0, 0]
    await put(store, state(1, subject("new")))
    assert (await take_one(store)).slot.certain


async def test_a_newer_state_inherits_the_doubt_of_a_restart(store: Store, place: Place) -> None:
    await put(store, state(1))
    store = await place.restart()
    await put(store, state(2))
    claimed = await take_one(store)
    assert (claimed.effect, claimed.slot.certain) == (state(2), False)


async def test_looking_at_the_dead_beside_a_running_process_casts_no_doubt(
    store: Store, place: Place
) -> None:
    await put(store, event(1))
    assert await (await place.open()).dead() == []
    assert (await take_one(store)).slot.certain


# --- parked -------------------------------------------------------------------------------------


async def test_a_parked_effect_is_shown_and_its_lane_goes_on(store: Store) -> None:
    await put(store, event(1), event(2))
    claimed = await take_one(store)
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="422 no such field")))
    assert (await take_one(store)).effect == event(2)
    (dead,) = await store.dead()
    assert (dead.row, dead.sink, dead.key, dead.effect, dead.reason, dead.tries) == (
        claimed.row,
        "a",
        event(1).key,
        event(1),
        "422 no such field",
        1,
    )
    assert dead.created <= dead.parked < at(60)
    assert await store.dead(dead.row) == [dead]
    assert await store.dead(dead.row + 99) == []
    assert (await store.backlog()).parked == {"a": 1}


async def test_the_dead_are_shown_oldest_first(store: Store) -> None:
    names = ["z", "a", "m"]
    for sink, name in zip("cab", names, strict=True):
        await put(store, event(1, subject(name)), sink=sink)
        claimed = await take_one(store, sink=sink)
        await store.commit(Commit(settled=Parked(row=claimed.row, reason="r")))
    assert [one.effect.subject.name for one in await store.dead() if one.effect] == names


async def test_a_revived_effect_is_tried_as_if_it_never_was(store: Store) -> None:
    await put(store, event(1), event(2))
    claimed = await take_one(store)
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="r")))
    assert await store.revive(claimed.row, at(5))
    assert await take(store, now=at(4)) == []  # what comes after it waits with it
    revived = await take_one(store, now=at(5))
    assert (revived.effect, revived.tries) == (event(1), 0)
    assert await store.dead() == []


async def test_a_revived_effect_does_not_overtake_what_is_on_its_way(store: Store) -> None:
    await put(store, event(1), event(2), event(3))
    first = await take_one(store)
    await store.commit(Commit(settled=Parked(row=first.row, reason="r")))
    second = await take_one(store)
    assert await store.revive(first.row, NOW)
    assert await take(store) == []
    await store.commit(Commit(settled=again(second.row)))
    assert (await take_one(store)).effect == event(1)


async def test_a_revived_state_is_not_told_after_a_newer_one(store: Store) -> None:
    await put(store, state(1))
    first = await take_one(store)
    await store.commit(Commit(settled=Parked(row=first.row, reason="r")))
    await put(store, state(2))
    second = await take_one(store)
    await store.commit(Commit(settled=Done(row=second.row)))
    assert await store.revive(first.row, NOW)
    assert await take(store) == []
    assert await store.dead() == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_of_several_revived_states_the_newest_is_told(
    store: Store, order: tuple[int, ...]
) -> None:
    rows = []
    for serial in (1, 2, 3):
        await put(store, state(serial))
        claimed = await take_one(store)
        rows.append(claimed.row)
        await store.commit(Commit(settled=Parked(row=claimed.row, reason="403")))
    for index in order:
        assert await store.revive(rows[index], NOW)
    assert (await take_one(store)).effect == state(3)
    assert (await store.backlog()).pending == {"a": 1}


async def test_a_dropped_effect_is_forgotten(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    assert not await store.drop(claimed.row)  # it is not parked
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="r")))
    assert await store.drop(claimed.row)
    assert await store.dead() == []
    assert not await store.drop(claimed.row)
    assert not await store.revive(claimed.row, NOW)
    await put(store, event(1))
    assert (await take_one(store)).row != claimed.row


async def test_only_what_is_parked_can_be_revived(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    assert not await store.revive(claimed.row, NOW)
    await store.commit(Commit(settled=Done(row=claimed.row)))
    assert not await store.revive(claimed.row, NOW)
    assert not await store.revive(12345, NOW)


# --- how much waits -----------------------------------------------------------------------------


async def test_next_due_is_when_a_lane_that_nobody_holds_is_due(store: Store) -> None:
    assert await store.next_due("a") is None
    await put(store, event(1), due=at(3))
    await put(store, event(2), due=at(1))
    await put(store, event(1, subject("other")), due=at(7))
    assert await store.next_due("a") == at(3)
    await take_one(store, now=at(3))
    assert await store.next_due("a") == at(7)
    assert await store.next_due("b") is None


async def test_the_backlog_counts_by_sink(store: Store) -> None:
    empty = await store.backlog()
    assert (empty.pending, empty.parked, empty.deliveries, empty.oldest) == ({}, {}, 0, None)
    await put(store, event(1), event(2), due=at(4))
    await put(store, event(1), sink="b", due=at(2))
    await store.accept(delivery("g"))
    full = await store.backlog()
    assert (full.pending, full.parked, full.deliveries) == ({"a": 2, "b": 1}, {}, 1)
    assert full.oldest == at(2)


# --- deliveries ---------------------------------------------------------------------------------


async def test_a_webhook_is_accepted_once(store: Store) -> None:
    assert await store.accept(delivery("g", body=b"first"))
    assert not await store.accept(delivery("g", body=b"second"))
    assert await store.deliveries(NOW, 10) == [delivery("g", body=b"first")]


async def test_a_webhook_that_is_done_is_still_known(store: Store) -> None:
    await store.accept(delivery("g"))
    await store.commit(Commit(delivery="g"))
    assert await store.deliveries(at(99), 10) == []
    assert not await store.accept(delivery("g"))
    assert await store.known(["x", "g", "y'"]) == {"g"}
    assert await store.known([]) == frozenset()


async def test_webhooks_come_oldest_first(store: Store) -> None:
    for guid, received in (("b", 2), ("c", 3), ("a", 1), ("later", 9)):
        await store.accept(delivery(guid, received=at(received)))
    assert [one.guid for one in await store.deliveries(at(5), 2)] == ["a", "b"]
    assert [one.guid for one in await store.deliveries(at(5), 9)] == ["a", "b", "c"]


async def test_a_postponed_webhook_waits_and_counts_its_tries(store: Store) -> None:
    await store.accept(delivery("g"))
    await store.postpone("g", due=at(30), reason="GitHub is down")
    assert await store.deliveries(at(29), 10) == []
    (late,) = await store.deliveries(at(30), 10)
    assert (late.guid, late.tries, late.received) == ("g", 1, NOW)


async def test_a_webhook_that_is_done_cannot_be_postponed(store: Store) -> None:
    await store.accept(delivery("g"))
    await store.commit(Commit(delivery="g"))
    await store.postpone("g", due=at(1), reason="r")
    await store.postpone("unknown", due=at(1), reason="r")
    assert await store.deliveries(at(99), 10) == []


# --- wake-ups -----------------------------------------------------------------------------------


async def is_woken(listener: asyncio.Future[None]) -> bool:
    """Whether it resolved, after everything that is ready to happen has happened."""
    for _ in range(5):
        await asyncio.sleep(0)
    return listener.done()


async def test_what_is_committed_after_looking_is_not_missed(store: Store) -> None:
    changed, arrived = store.changed(), store.arrived()
    assert await take(store) == []
    await put(store, event(1))
    await store.accept(delivery("g"))
    await asyncio.wait_for(changed, 1)
    await asyncio.wait_for(arrived, 1)


async def test_everybody_who_listens_is_woken(store: Store) -> None:
    listeners = [asyncio.ensure_future(store.changed()) for _ in range(3)]
    await put(store, event(1))
    await asyncio.wait_for(asyncio.gather(*listeners), 1)


async def test_settling_and_reviving_wake(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    settled = store.changed()
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="r")))
    await asyncio.wait_for(settled, 1)
    revived = store.changed()
    await store.revive(claimed.row, NOW)
    await asyncio.wait_for(revived, 1)


async def test_what_changes_no_effects_wakes_nobody(store: Store) -> None:
    listener = asyncio.ensure_future(store.changed())
    await store.commit(Commit(seen=(row(subject()),)))
    with pytest.raises(Conflict):
        await store.commit(Commit(seen=(row(subject()),), effects=to("a", event(1))))
    await take(store)
    assert not await is_woken(listener)
    await put(store, event(1))
    assert await is_woken(listener)


async def test_what_happened_before_one_listens_wakes_nobody(store: Store) -> None:
    await put(store, event(1))
    await store.accept(delivery("g"))
    listeners = asyncio.ensure_future(store.changed()), asyncio.ensure_future(store.arrived())
    assert not any([await is_woken(one) for one in listeners])
    for one in listeners:
        one.cancel()


async def test_a_claim_that_nobody_waits_for_is_given_back(store: Store) -> None:
    await put(store, event(1))
    claiming = asyncio.ensure_future(store.claim("a", NOW, 10))
    await asyncio.sleep(0)  # it is handed in, and not answered
    changed = store.changed()
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    await asyncio.wait_for(changed, 1)
    assert (await take_one(store)).effect == event(1)


# --- prune --------------------------------------------------------------------------------------


async def settle_all(store: Store, *, slot: str | None = None) -> None:
    for claimed in await take(store):
        await store.commit(Commit(settled=Done(row=claimed.row, slot=slot)))


async def test_what_was_done_before_is_forgotten(store: Store) -> None:
    await store.commit(
        Commit(seen=(row(subject(), phase=Phase.FAILED),), effects=to("a", event(1)))
    )
    await settle_all(store)
    await store.accept(delivery("g"))
    await store.commit(Commit(delivery="g"))
    assert await store.prune(NOW, audit=NOW) == 0  # it was done just now
    assert await store.prune(at(3600), audit=at(3600)) == 3
    assert await store.seen(subject().key) is None
    assert await store.known(["g"]) == frozenset()
    await put(store, event(1))
    assert (await take_one(store)).effect == event(1)


async def test_what_is_not_done_is_never_forgotten(store: Store) -> None:
    living = subject("shop", revision="1")
    rows = (row(subject()), row(living, phase=Phase.SUCCEEDED))
    await store.commit(Commit(seen=rows, effects=to("a", event(1), event(2))))
    await store.accept(delivery("g"))
    assert await store.prune(at(10**9), audit=at(10**9)) == 0
    assert await store.seen(subject().key) == rows[0]
    assert await store.seen(living.key) == rows[1]
    assert (await store.backlog()).pending == {"a": 2}
    assert len(await store.deliveries(NOW, 9)) == 1


async def test_what_was_given_up_is_kept_for_a_person_until_nobody_came(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="r")))
    assert await store.prune(NOW, audit=NOW) == 0
    assert len(await store.dead()) == 1
    assert await store.prune(at(3600), audit=at(3600)) == 1
    assert await store.dead() == []


async def test_a_slot_is_kept_as_long_as_its_subject(store: Store) -> None:
    await store.commit(Commit(seen=(row(subject()),), effects=to("a", state(1))))
    await settle_all(store, slot="check-7")
    await store.prune(at(3600), audit=at(3600))
    await put(store, state(2))
    claimed = await take_one(store)
    assert claimed.slot.id == "check-7"
    await store.commit(Commit(settled=Done(row=claimed.row)))
    await store.commit(Commit(seen=(row(subject(), version=2, phase=Phase.FAILED),)))
    await store.prune(at(3600), audit=at(3600))
    await put(store, state(3))
    assert (await take_one(store)).slot.id is None


async def test_however_much_was_done_all_of_it_is_forgotten(store: Store) -> None:
    effects = to("a", *(event(n, subject(f"s{n}")) for n in range(1201)))
    await store.commit(Commit(effects=effects))
    for claimed in await store.claim("a", NOW, 2000):
        await store.commit(Commit(settled=Done(row=claimed.row)))
    assert await store.prune(at(3600), audit=at(3600)) == 1201


async def test_stamps_follow_the_latest_time_that_was_told(store: Store) -> None:
    await store.claim("a", at(10**6), 1)
    await put(store, event(1))
    claimed = await take_one(store)
    assert claimed.created >= at(10**6)
    await store.commit(Commit(settled=Done(row=claimed.row)))
    assert await store.prune(at(10**6), audit=at(10**6)) == 0


# --- many at once, and the end ------------------------------------------------------------------


async def test_a_hundred_callers_each_find_what_they_committed(store: Store) -> None:
    async def caller(number: int) -> None:
        mine = subject(f"s{number}")
        for version in range(1, 11):
            seen = row(mine, version=version)
            await store.commit(Commit(seen=(seen,), effects=to("a", event(version, mine))))
            assert await store.seen(mine.key) == seen

    await asyncio.gather(*(caller(number) for number in range(100)))
    assert (await store.backlog()).pending == {"a": 1000}


async def test_of_many_who_commit_the_same_version_one_wins(store: Store) -> None:
    async def caller(number: int) -> bool:
        effects = (Addressed(effect=event(number), sink="a", due=NOW),)
        try:
            await store.commit(Commit(seen=(row(subject()),), effects=effects))
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(caller(number) for number in range(100)))
    assert sum(won) == 1
    assert (await take_one(store)).effect == event(won.index(True))
    assert (await store.backlog()).pending == {"a": 1}


async def test_many_who_claim_share_out_what_there_is(store: Store) -> None:
    await put(store, *(event(n, subject(f"s{n}")) for n in range(200)))
    shares = await asyncio.gather(*(store.claim("a", NOW, 7) for _ in range(40)))
    rows = [claimed.row for share in shares for claimed in share]
    assert len(rows) == len(set(rows)) == 200
    assert max(len(share) for share in shares) == 7


async def test_a_store_remembers_when_it_was_born(store: Store, place: Place) -> None:
    assert store.born == NOW
    assert (await place.open(at(3600))).born == NOW


async def test_closing_finishes_what_was_begun(store: Store, place: Place) -> None:
    begun = [asyncio.ensure_future(put(store, event(n, subject(f"s{n}")))) for n in range(50)]
    await asyncio.sleep(0)
    store = await place.restart()
    await asyncio.gather(*begun)
    assert (await store.backlog()).pending == {"a": 50}


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(CheckrailError, match="the store is closed"):
        await store.seen("k")
    with pytest.raises(CheckrailError, match="the store is closed"):
        await store.commit(Commit())
    with pytest.raises(CheckrailError, match="the store is closed"):
        await store.claim("a", NOW, 1)


async def test_what_was_given_up_and_is_asked_for_again_is_tried_again(store: Store) -> None:
    await put(store, event(1))
    claimed = await take_one(store)
    await store.commit(Commit(settled=Parked(row=claimed.row, reason="r")))
    await put(store, event(1))
    again = await take_one(store)
    assert (again.row, again.tries) == (claimed.row, 0)
    assert await store.dead() == []


# --- what waits for a sink that is gone -----------------------------------------------------------


async def test_what_waits_for_no_known_sink_is_parked(store: Store) -> None:
    await put(store, event(1), event(2), sink="gone")
    await put(store, event(1), sink="there")
    assert await store.park_orphans(["there"], reason="it is gone", now=at(9)) == 2
    assert [(one.sink, one.reason, one.parked) for one in await store.dead()] == [
        ("gone", "it is gone", at(9)),
        ("gone", "it is gone", at(9)),
    ]
    assert await take(store, sink="gone") == []
    assert len(await take(store, sink="there")) == 1


async def test_what_is_on_its_way_to_it_settles_by_itself(store: Store) -> None:
    await put(store, event(1), event(2), sink="gone")
    claimed = await take_one(store, sink="gone")
    assert await store.park_orphans([], reason="it is gone", now=NOW) == 1
    await store.commit(Commit(settled=Done(row=claimed.row)))
    assert [one.key for one in await store.dead()] == [event(2).key]
    assert await take(store, sink="gone") == []


async def test_an_orphan_is_delivered_when_its_sink_is_back_and_somebody_asks(
    store: Store,
) -> None:
    await put(store, event(1), sink="gone")
    await store.park_orphans([], reason="it is gone", now=NOW)
    (dead,) = await store.dead()
    assert await store.revive(dead.row, at(1))
    assert (await take_one(store, sink="gone", now=at(1))).effect == event(1)


# --- what need not wait any longer ----------------------------------------------------------------


async def test_what_waits_for_a_reason_that_is_gone_is_due_at_once(store: Store) -> None:
    for name, reason, sink in (
        ("one", "Acme/shop is suspended", "a"),
        ("two", "acme/web is suspended", "b"),
        ("other", "acme2/shop is suspended", "a"),
        ("busy", "GitHub asked us to slow down", "a"),
        ("elsewhere", "acme/shop is suspended", "c"),
    ):
        await put(store, event(1, subject(name)), event(2, subject(name)), sink=sink)
        claimed = await take_one(store, sink=sink)
        later = Again(row=claimed.row, due=at(600), reason=reason, uncertain=False)
        await store.commit(Commit(settled=later))
    assert await store.hurry(["a", "b"], because="acme/", now=at(5)) == 2
    assert await store.next_due("a") == at(5)
    assert [one.effect for one in await take(store, sink="a", now=at(5))] == [
        event(1, subject("one"))
    ]
    (two,) = await take(store, sink="b", now=at(5))
    assert (two.effect, two.tries) == (event(1, subject("two")), 1)
    assert await take(store, sink="c", now=at(5)) == []
    assert await store.hurry(["a", "b"], because="acme/", now=at(6)) == 0


async def test_whoever_looks_for_what_is_due_is_woken_then(store: Store) -> None:
    await put(store, state(1))
    claimed = await take_one(store)
    await store.commit(Commit(settled=again(claimed.row, due=600)))
    listener = asyncio.ensure_future(store.changed())
    await store.hurry(["a"], because="503", now=at(1))
    assert await is_woken(listener)


async def test_open_rows_come_in_pages(store: Store) -> None:
    names = [f"build-{number}" for number in range(5)]
    for name in names:
        await store.commit(Commit(seen=(row(subject(name)),)))
    await store.commit(Commit(seen=(row(subject("done"), phase=Phase.FAILED),)))
    found: list[str] = []
    last = ""
    while page := await store.open_rows(last, 2):
        assert len(page) <= 2
        last = page[-1].look.subject.key
        found += [one.look.subject.name for one in page]
    assert found == names


# --- audit ----------------------------------------------------------------------------------------


def audited(login: str = "ann", *, seconds: float = 0, why: str = "") -> Audited:
    return Audited(
        at=at(seconds),
        login=login,
        verb=Verb.RERUN,
        subject=subject().key,
        allowed=True,
        why=why,
        request="g",
    )


async def test_the_audit_log_is_read_newest_first(store: Store) -> None:
    one, two, three = audited("Ann", seconds=1), audited("bob", seconds=3), audited(seconds=2)
    await store.commit(Commit(audit=(one,)))
    await store.commit(Commit(audit=(two, three)))
    assert await store.audit(at(0), 9) == [two, three, one]
    assert await store.audit(at(2), 9) == [two, three]
    assert await store.audit(at(0), 1) == [two]
    assert await store.audit(at(0), 9, login="ANN") == [three, one]
    assert await store.audit(at(0), 9, login="eve") == []


async def test_what_was_asked_at_one_moment_is_all_kept(store: Store) -> None:
    entries = tuple(audited(why=why) for why in "abc")
    await store.commit(Commit(audit=entries))
    assert await store.audit(NOW, 9) == list(reversed(entries))


async def test_nothing_is_in_the_audit_log_that_was_not_committed(store: Store) -> None:
    await store.commit(Commit(seen=(row(subject()),)))
    with pytest.raises(Conflict):
        await store.commit(Commit(seen=(row(subject(), version=7),), audit=(audited(),)))
    assert await store.audit(NOW, 9) == []


async def test_the_audit_log_is_kept_longer_than_all_else(store: Store) -> None:
    old, new = audited(seconds=0), audited(seconds=100)
    await store.commit(Commit(audit=(old, new)))
    assert await store.prune(at(10**6), audit=at(0)) == 0
    assert await store.prune(at(10**6), audit=at(50)) == 1
    assert await store.audit(at(0), 9) == [new]


# --- ballots --------------------------------------------------------------------------------------


def ballot(version: int = 1, *logins: str, lasting: bool = False) -> Ballot:
    votes = tuple(Vote(login=login, at=NOW) for login in logins)
    return Ballot(key="vote/x", version=version, votes=votes, lasting=lasting)


async def test_a_ballot_comes_back_as_it_was_committed(store: Store) -> None:
    assert await store.ballots(["vote/x"]) == []
    await store.commit(Commit(ballots=(ballot(1, "ann"),)))
    await store.commit(Commit(ballots=(ballot(2, "ann", "bob"), ballot(3))))
    assert await store.ballots(["vote/x", "vote/y"]) == [ballot(3)]


@pytest.mark.parametrize("version", [1, 2, 4])
async def test_two_who_vote_at_once_are_a_conflict_and_nothing_is_lost(
    store: Store, version: int
) -> None:
    await store.commit(Commit(ballots=(ballot(1), ballot(2, "ann"))))
    with pytest.raises(Conflict):
        await store.commit(Commit(ballots=(ballot(version, "bob"),), seen=(row(subject()),)))
    assert await store.ballots(["vote/x"]) == [ballot(2, "ann")]
    assert await store.seen(subject().key) is None


async def test_votes_are_forgotten_and_holds_are_not(store: Store) -> None:
    held = Ballot(key="hold/x", version=1, lasting=True)
    await store.commit(Commit(ballots=(ballot(), held)))
    await store.prune(at(10_000), audit=at(10_000))
    assert await store.ballots(["vote/x", "hold/x"]) == [held]
