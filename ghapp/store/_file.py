"""The SQLite file: finds it, opens it, brings its schema up to date, or says what is wrong with it.

Nothing here knows what the tables mean.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from ghapp.errors import ConfigError
from ghapp.store import sql

APPLICATION_ID: Final = 0x4352_4149
"""Marks the file as ours (https://www.sqlite.org/pragma.html#pragma_application_id): CRAI."""

BUSY_SECONDS: Final = 5.0
"""How long to wait for another process that writes, such as `checkrail dead retry`."""

STEPS: Final = tuple(sql.load("schema.sql").values())
"""Each leads from the schema version of its index to the next one."""

_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",  # a commit that was acknowledged survives a power cut
    "PRAGMA temp_store = MEMORY",  # `held` never touches the disk
    "PRAGMA cache_size = -8000",  # KiB
    "PRAGMA journal_size_limit = 67108864",  # a WAL that a burst made large shrinks again
    "PRAGMA trusted_schema = OFF",
)

_ADVICE: Final = {
    sqlite3.SQLITE_NOTADB: "is not an SQLite database; choose another file, or move it away",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a copy, or move it away to begin anew",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; make room or a larger volume",
    sqlite3.SQLITE_READONLY: "cannot be written; mount the volume writable",
    sqlite3.SQLITE_PERM: "cannot be written; mount the volume writable",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; is the volume mounted, and writable?",
    sqlite3.SQLITE_IOERR: "cannot be read or written; look after the disk",
    sqlite3.SQLITE_BUSY: "is locked by another process; stop that one first",
    sqlite3.SQLITE_LOCKED: "is locked by another process; stop that one first",
}


def path_of(url: str) -> Path:
    """``sqlite:///relative.db`` or ``sqlite:////absolute/path.db`` as a path."""
    head, rest = url[:10], unquote(url[10:])
    if head != "sqlite:///" or not rest or rest.endswith("/") or "?" in rest or "\0" in rest:
        raise ConfigError(
            f"CHECKRAIL_STORE: {url!r} names no file;"
            " write sqlite:///relative.db or sqlite:////absolute/path.db"
        )
    if rest == ":memory:":
        raise ConfigError(
            "CHECKRAIL_STORE: sqlite:///:memory: would forget everything at the end; name a file"
        )
    return Path(rest)


def open_file(path: Path, *, make: bool = True) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Two connections, one to write and one to read, on a file with the present schema.

    Where there is no file, one is made if `make` says so.
    """
    with config_errors(path):
        _look(path)
        if not (make or path.exists()):
            raise ConfigError(
                f"CHECKRAIL_STORE: there is no {path}; name the store of the running checkrail"
            )
        writer = connect(path)
        try:
            _claim(writer, path)
            migrate(writer, STEPS, path)
            return writer, _reader(path)
        except BaseException:
            writer.close()
            raise


def connect(path: Path) -> sqlite3.Connection:
    """A connection with our settings, in which nothing begins or commits by itself."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # it is opened here, and then owned by one thread
        cached_statements=256,
    )
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


def migrate(connection: sqlite3.Connection, steps: Sequence[str], path: Path) -> None:
    """Takes the steps that the file has not taken yet, all or none of them."""
    connection.execute("BEGIN IMMEDIATE")  # another process may be about to do the same
    try:
        version = _pragma(connection, "user_version")
        _refuse_newer(version, len(steps), path)
        for statement in (one for step in steps[version:] for one in _statements(step)):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _refuse_newer(version: int, known: int, path: Path) -> None:
    if version > known:
        raise ConfigError(
            f"CHECKRAIL_STORE: {path} has schema version {version}, and this checkrail knows"
            f" up to {known}; run the newer version, or restore an older copy"
        )


def _look(path: Path) -> None:
    """The mistakes for which SQLite has one vague message."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(
            f"CHECKRAIL_STORE: the folder {folder} does not exist; create it, or mount a volume"
        )
    if path.is_dir():
        raise ConfigError(f"CHECKRAIL_STORE: {path} is a folder; name a file in it")
    for place in (folder, path):  # SQLite keeps its log beside the file
        if place.exists() and not os.access(place, os.W_OK):
            raise ConfigError(
                f"CHECKRAIL_STORE: {place} is not writable by uid {os.getuid()};"
                " change its owner, or set securityContext.fsGroup"
            )


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Makes the file ours, or refuses what is somebody else's."""
    owner = _pragma(connection, "application_id")
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if owner != APPLICATION_ID and not (owner == 0 and empty):
        raise ConfigError(
            f"CHECKRAIL_STORE: {path} is the database of another program; choose another file"
        )
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise ConfigError(
            f"CHECKRAIL_STORE: {path} cannot have a write-ahead log; network volumes have no"
            " shared memory: use a local or block volume"
        )
    if owner == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _reader(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    with closing(connection.execute(f"PRAGMA {name}")) as cursor:
        return int(cursor.fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def config_errors(path: Path) -> Iterator[None]:
    """SQLite's errors, and the system's, as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigError(f"CHECKRAIL_STORE: {path} {advice(error)}") from error
    except OSError as error:
        raise ConfigError(f"CHECKRAIL_STORE: {path} cannot be reached: {error.strerror}") from error


def advice(error: sqlite3.Error) -> str:
    """What is wrong with the file and what to do: the end of a sentence."""
    code = getattr(error, "sqlite_errorcode", None)
    known = _ADVICE.get(code & 0xFF) if code is not None else None
    return f"{known} ({error})" if known else f"cannot be used: {error}"
