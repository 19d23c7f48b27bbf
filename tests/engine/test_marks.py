"""The queue of marks: each key once, one worker on each, and nothing that was marked is lost."""

import asyncio
from collections import Counter
from random import Random

from ghapp.engine.marks import QUEUE_LIMIT, Queue


async def test_a_key_marked_often_is_given_out_once() -> None:
    queue = Queue()
    for key in ("a", "b", "a", "a"):
        await queue.put(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert await gives_nothing(queue)


async def test_a_key_is_given_to_nobody_else_before_it_is_given_back() -> None:
    queue = Queue()
    await queue.put("a")
    assert await queue.get() == "a"
    await queue.put("a")
    assert await gives_nothing(queue)
    queue.done("a")
    assert await queue.get() == "a"


async def test_a_key_that_was_not_marked_again_is_done_with() -> None:
    queue = Queue()
    await queue.put("a")
    queue.done(await queue.get())
    assert queue.idle
    assert await gives_nothing(queue)


async def test_the_oldest_mark_comes_first_however_often_others_are_marked() -> None:
    queue = Queue()
    await queue.put("quiet")
    for _ in range(100):
        await queue.put("busy")
    assert await queue.get() == "quiet"


async def test_who_waits_is_woken_by_a_mark() -> None:
    queue = Queue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait("a")
    assert await waiting == "a"


async def test_above_the_limit_whoever_marks_has_to_wait() -> None:
    queue = Queue()
    for number in range(QUEUE_LIMIT):
        await queue.put(str(number))
    waiting = asyncio.create_task(queue.put("one more"))
    await turns()
    assert not waiting.done()
    queue.done(await queue.get())
    await waiting


async def test_a_key_that_waits_already_needs_no_room() -> None:
    queue = Queue()
    for number in range(QUEUE_LIMIT):
        queue.put_nowait(str(number))
    async with asyncio.timeout(5):
        await queue.put("7")


async def test_a_worker_that_went_away_takes_nothing_with_it() -> None:
    queue = Queue()
    leaving = asyncio.create_task(queue.get())
    await turns()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await queue.put("a")
    assert await queue.get() == "a"


async def test_many_workers_see_the_last_mark_of_every_key_and_never_share_one() -> None:
    queue, dice = Queue(), Random(7)
    marked: Counter[str] = Counter()
    seen: dict[str, int] = {}
    busy: set[str] = set()

    async def work() -> None:
        while True:
            key = await queue.get()
            assert key not in busy
            busy.add(key)
            count = marked[key]
            await turns(dice.randrange(4))
            seen[key] = count
            busy.remove(key)
            queue.done(key)

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(work()) for _ in range(8)]
        for _ in range(2_000):
            key = f"k{dice.randrange(20)}"
            marked[key] += 1
            await queue.put(key)
            await turns(dice.randrange(2))
        async with asyncio.timeout(10):
            while not queue.idle:
                await turns()
        for worker in workers:
            worker.cancel()
    assert seen == dict(marked)


async def turns(count: int = 5) -> None:
    """Lets everybody else go on a little."""
    for _ in range(count):
        await asyncio.sleep(0)


async def gives_nothing(queue: Queue) -> bool:
    """Whether nobody would be given anything now."""
    waiting = asyncio.create_task(queue.get())
    await turns()
    given = waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return not given
