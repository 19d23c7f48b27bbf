"""What is SQLite's own: the file, its mistakes, its schema; processes that die; disks that fill.

What every store promises is in test_contract.py.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.errors import CheckrailError, ConfigError
from ghapp.ports import Again, Commit, Done, Store
from ghapp.store import Unavailable, _file, open_store
from ghapp.store.sqlite import SqliteStore
from tests.store.values import (
    NOW,
    at,
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

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def opened(path: Path) -> SqliteStore:
    store = await open_store(f"sqlite:///{path}", now=NOW)
    assert isinstance(store, SqliteStore)
    return store


def change(path: Path, statement: str, *values: object) -> None:
    """What another version, or an accident, does to the file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


# --- URLs and mistakes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///checkrail.db", "checkrail.db"),
        ("sqlite:///data/checkrail.db", "data/checkrail.db"),
        ("sqlite:////var/lib/checkrail.db", "/var/lib/checkrail.db"),
        ("sqlite:////my%20data/c.db", "/my data/c.db"),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: str) -> None:
    assert _file.path_of(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite://host/c.db",
        "sqlite:///folder/",
        "sqlite:///c.db?mode=ro",
        "sqlite:///:memory:",
        "sqlite:///a%00b",
    ],
)
async def test_a_url_that_names_no_file_is_a_mistake(url: str) -> None:
    with pytest.raises(ConfigError, match=r"CHECKRAIL_STORE: .*(write sqlite:///|name a file)"):
        await open_store(url, now=NOW)


@given(st.text())
def test_any_text_is_a_path_or_a_mistake(text: str) -> None:
    for url in (text, "sqlite:///" + text):
        with suppress(ConfigError):
            assert str(_file.path_of(url)) != ":memory:"


@pytest.mark.parametrize("url", ["postgres://db/checkrail", "checkrail.db", ""])
async def test_an_unknown_scheme_is_a_mistake_that_names_the_known_ones(url: str) -> None:
    with pytest.raises(ConfigError, match=r"there are .*sqlite://"):
        await open_store(url, now=NOW)


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"folder .*/nowhere does not exist; create it"):
        await opened(tmp_path / "nowhere" / "store.db")


async def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        await opened(tmp_path)


def test_a_folder_that_is_not_writable_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    folder = tmp_path if os.getuid() else Path("/proc/self")  # root may write everywhere else
    with pytest.raises(ConfigError, match=r"is not writable by uid \d+; change its owner"):
        _file.open_file(folder / "store.db")


def test_a_name_that_the_disk_cannot_hold_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be reached: .*too long"):
        _file.open_file(tmp_path / ("x" * 300))


def test_what_is_not_a_database_is_left_alone(path: Path) -> None:
    path.write_text("minutes of the meeting\n" * 100)
    with pytest.raises(ConfigError, match="is not an SQLite database; choose another file"):
        _file.open_file(path)
    assert path.read_text().startswith("minutes")


async def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    change(path, "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(ConfigError, match="database of another program"):
        await opened(path)
    assert ask(path, "SELECT name FROM sqlite_schema") == [("bookmarks",)]


async def test_a_damaged_file_is_a_mistake(path: Path) -> None:
    await (await opened(path)).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    with pytest.raises(ConfigError, match="is damaged; restore a copy"):
        await opened(path)


async def test_a_newer_schema_is_a_mistake_that_says_which(path: Path) -> None:
    await (await opened(path)).close()
    change(path, "PRAGMA user_version = 99")
    known = len(_file.STEPS)
    with pytest.raises(
        ConfigError, match=f"schema version 99, and this checkrail knows .* {known}"
    ):
        await opened(path)


# --- the schema ---------------------------------------------------------------------------------


def migrated(path: Path, *steps: str) -> None:
    with closing(_file.connect(path)) as connection:
        _file.migrate(connection, steps, path)


ONE: Final = "CREATE TABLE t (a);\nINSERT INTO t VALUES ('kept; whole');"
TWO: Final = "-- more\nALTER TABLE t ADD COLUMN b DEFAULT 'new';\n"


def test_a_file_takes_only_the_steps_it_has_not_taken(path: Path) -> None:
    migrated(path, ONE)
    migrated(path, ONE)
    migrated(path, ONE, TWO)
    assert ask(path, "SELECT * FROM t") == [("kept; whole", "new")]
    assert ask(path, "PRAGMA user_version") == [(2,)]


def test_a_new_file_takes_all_steps(path: Path) -> None:
    migrated(path, ONE, TWO)
    assert ask(path, "SELECT * FROM t") == [("kept; whole", "new")]


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    migrated(path, ONE)
    with pytest.raises(sqlite3.OperationalError):
        migrated(path, ONE, TWO, "CREATE TABLE u (a);\nINSERT INTO nowhere VALUES (1);")
    assert ask(path, "SELECT * FROM t") == [("kept; whole",)]
    assert ask(path, "PRAGMA user_version") == [(1,)]


async def test_the_file_is_marked_and_has_a_write_ahead_log(path: Path) -> None:
    await (await opened(path)).close()
    assert ask(path, "PRAGMA user_version") == [(len(_file.STEPS),)]
    assert ask(path, "PRAGMA application_id") == [(_file.APPLICATION_ID,)]
    assert ask(path, "PRAGMA journal_mode") == [("wal",)]


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    with closing(_file.connect(path)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


async def test_closing_leaves_one_file(path: Path) -> None:
    store = await opened(path)
    await put(store, event(1))
    await store.close()
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


async def test_what_is_settled_keeps_no_body(path: Path) -> None:
    store = await opened(path)
    await put(store, event(1), state(1))
    await put(store, state(2))  # replaces
    for claimed in await take(store):
        await store.commit(Commit(settled=Done(row=claimed.row)))
    await store.accept(delivery("g", body=b"x" * 1000))
    await store.commit(Commit(delivery="g"))
    await store.close()
    assert ask(path, "SELECT count(*), count(value) FROM effects") == [(3, 0)]
    assert ask(path, "SELECT count(*), count(body) FROM deliveries") == [(1, 0)]


# --- what this version cannot read --------------------------------------------------------------

GARBAGE: Final = (
    b"",
    b"\xff",
    b"\x80",
    b"\x81\xa6effect\xa5never",
    b"\x81\xa1\xff",
    b"\x91" * 3000,
)


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_an_effect_that_cannot_be_read_is_parked_and_its_lane_goes_on(
    path: Path, garbage: bytes
) -> None:
    store = await opened(path)
    await put(store, event(1), event(2))
    change(path, "UPDATE effects SET value = ? WHERE key = ?", garbage, event(1).key)
    assert (await take_one(store)).effect == event(2)
    (dead,) = await store.dead()
    assert (dead.key, dead.effect, dead.tries) == (event(1).key, None, 0)
    assert "cannot be read" in dead.reason
    assert await store.drop(dead.row)
    await store.close()


async def test_many_that_cannot_be_read_do_not_hide_the_one_that_can(path: Path) -> None:
    store = await opened(path)
    await put(store, *(event(n, subject(f"s{n}")) for n in range(20)), due=at(-1))
    change(path, "UPDATE effects SET value = x'ff'")
    await put(store, event(1, subject("good")))
    claimed = await store.claim("a", NOW, 3)
    assert [one.effect.subject.name for one in claimed] == ["good"]
    assert (await store.backlog()).parked == {"a": 20}
    await store.close()


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_a_row_that_cannot_be_read_counts_as_new(path: Path, garbage: bytes) -> None:
    store = await opened(path)
    for version in (1, 2, 3):
        await store.commit(Commit(seen=(row(subject(), version=version),)))
    change(path, "UPDATE seen SET value = ?", garbage)
    assert await store.seen(subject().key) is None
    assert await store.unfinished("default", "PipelineRun") == []
    assert store.unreadable == 2
    await store.commit(Commit(seen=(row(subject()),), effects=to("a", event(1))))
    assert await store.seen(subject().key) == row(subject())
    await store.close()


# --- processes that die, disks that fill --------------------------------------------------------

COMMITTER: Final = """
import asyncio, sys
from tests.store.test_sqlite import opened, Path
from tests.store.values import Commit, event, row, subject, to

async def caller(store, number):
    mine = subject(f"s{number}")
    before = await store.seen(mine.key)
    version = before.version if before else 0
    while True:
        version += 1
        seen = row(mine, version=version)
        await store.commit(Commit(seen=(seen,), effects=to("a", event(version, mine))))
        print(number, version, flush=True)

async def main():
    store = await opened(Path(sys.argv[1]))
    await asyncio.gather(*(caller(store, number) for number in range(8)))

asyncio.run(main())
"""


def killed(path: Path, after: int) -> Iterator[tuple[int, int]]:
    """What a process said it had committed, until it was killed in the middle of its work."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMITTER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for count, line in enumerate(process.stdout):
            if count == after:
                process.send_signal(signal.SIGKILL)
            if line.endswith("\n"):
                number, version = line.split()
                yield int(number), int(version)
    assert process.returncode == -signal.SIGKILL


async def test_a_process_that_is_killed_loses_nothing_it_acknowledged(path: Path) -> None:
    latest: dict[int, int] = {}
    for after in (1, 50, 333):
        latest |= dict(killed(path, after))
    store = await opened(path)
    for number, version in latest.items():
        seen = await store.seen(subject(f"s{number}").key)
        assert seen is not None
        assert seen.version - version in (0, 1)  # the last one may not have been said
        waiting = (await store.backlog()).pending["a"]
    assert waiting >= sum(latest.values())
    assert ask(path, "PRAGMA integrity_check") == [("ok",)]
    assert len(await take(store)) == 8
    await store.close()


FILLER: Final = """
import asyncio, resource, signal, sys
from ghapp.errors import CheckrailError
from tests.store.test_sqlite import opened, Path
from tests.store.values import Commit, event, put, row, subject, to

async def attempt(store, number):
    mine = subject(f"s{number}")
    try:
        await store.commit(Commit(seen=(row(mine),), effects=to("a", event(1, mine))))
    except CheckrailError as error:
        return str(error)
    return ""

async def main():
    store = await opened(Path(sys.argv[1]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    none, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    said, kept = [], []
    for start in range(0, 2000, 20):
        answers = await asyncio.gather(*(attempt(store, start + n) for n in range(20)))
        kept += [start + n for n in range(20) if not answers[n]]
        said += filter(None, answers)
        if said:
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (none, hard))
    assert await attempt(store, 9999) == "", "it goes on once there is room"
    print(len(kept), (await store.backlog()).pending["a"] - 1, said[0])
    await store.close()

asyncio.run(main())
"""


def test_a_full_disk_is_said_clearly_and_is_over_when_there_is_room(path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", FILLER, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    acknowledged, found, said = process.stdout.split(maxsplit=2)
    assert int(acknowledged) == int(found) > 0
    assert "the store's file" in said
    assert "disk" in said


async def test_another_process_that_writes_is_waited_for(path: Path) -> None:
    store = await opened(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        committing = asyncio.ensure_future(put(store, event(1)))
        await asyncio.sleep(0)
        assert await can_read(store)
        assert not committing.done()
        other.execute("ROLLBACK")
        await committing
    assert (await take_one(store)).effect == event(1)
    await store.close()


async def can_read(store: Store) -> bool:
    """Reading does not wait for who writes."""
    return await store.seen("k") is None and (await store.backlog()).pending == {}


async def test_a_job_that_fails_fails_alone(path: Path) -> None:
    store = await opened(path)
    too_big = Again(row=1, due=at(0), reason="\ud800", uncertain=False)  # not text to SQLite
    await put(store, event(1))
    await take_one(store)
    answers = await asyncio.gather(
        put(store, event(2)),
        store.commit(Commit(settled=too_big, effects=to("a", event(3)))),
        put(store, event(4)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), UnicodeEncodeError, type(None)]
    assert (await store.backlog()).pending == {"a": 3}
    assert await take(store) == []  # the first is still on its way: that was rolled back too
    await store.close()


async def test_a_file_that_breaks_while_it_is_used_is_unavailable(path: Path) -> None:
    store = await opened(path)
    change(path, "ALTER TABLE effects RENAME TO gone")
    with pytest.raises(Unavailable, match="the store's file cannot be used: no such table"):
        await put(store, event(1))
    with pytest.raises(CheckrailError, match="no such table"):
        await store.backlog()
    assert await store.seen("k") is None
    await store.close()


# --- much of it ---------------------------------------------------------------------------------


async def steps_of_a_claim(path: Path, lanes: int) -> int:
    """Instructions of SQLite's machine for one claim beside so many lanes that back off."""
    store = await opened(path)
    waiting = (event(n, subject(f"s{lane}")) for lane in range(lanes) for n in (1, 2, 3))
    await put(store, *waiting, due=at(-1))
    for claimed in await store.claim("a", NOW, lanes):
        failed = Again(row=claimed.row, due=at(60), reason="503", uncertain=False)
        await store.commit(Commit(settled=failed))
    await put(store, event(1, subject("ready")))
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    connection = store._writer._connection
    connection.set_progress_handler(step, 1)
    (claimed,) = await store.claim("a", NOW, 50)
    connection.set_progress_handler(None, 0)
    assert claimed.effect.subject.name == "ready"
    await store.close()
    return steps


async def test_a_claim_costs_the_same_however_much_backs_off(tmp_path: Path) -> None:
    few = await steps_of_a_claim(tmp_path / "few.db", 10)
    many = await steps_of_a_claim(tmp_path / "many.db", 1000)
    assert many <= few + 10
