"""Rows of subjects in SQLite: the columns they are found by, and how a newer look is written."""

from sqlite3 import Connection
from typing import Any

from ghapp.core.model import Repository
from ghapp.core.seen import Seen
from ghapp.errors import Conflict
from ghapp.store._lanes import SQL
from ghapp.store.codec import Unreadable, decode_seen, encode


def seen_columns(seen: Seen, now: int) -> dict[str, Any]:
    """The row of a subject; encoding happens here, in the caller's thread."""
    subject = seen.look.subject
    nowhere = dict.fromkeys(("host", "owner", "repository", "sha"))
    revision = seen.look.revision if seen.check is not None else None
    return {
        "key": subject.key,
        "object_key": subject.object_key,
        "external_id": subject.external_id,
        "cluster": subject.cluster,
        "kind": subject.kind,
        **(commit_columns(revision.repository, revision.commit) if revision else nowhere),
        "open": seen.open,
        "version": seen.version,
        "now": now,
        "value": encode(seen),
    }


def commit_columns(repository: Repository, commit: str) -> dict[str, str]:
    """GitHub compares hosts, owners and names without regard to case; git compares hex digits."""
    return {
        "host": repository.host.lower(),
        "owner": repository.owner.lower(),
        "repository": repository.name.lower(),
        "sha": commit.lower(),
    }


def write_seen(db: Connection, columns: dict[str, Any]) -> None:
    """Writes a look if it follows the stored one; raises Conflict."""
    first = columns["version"] == 1
    statement = SQL["seen_insert" if first else "seen_update"]
    if db.execute(statement, columns).rowcount == 1:
        return
    if first and _is_unreadable(db, columns["key"]):
        # It read as None, so the decision began anew; its version is nobody's any more.
        db.execute(SQL["seen_delete"], columns)
        db.execute(statement, columns)
        return
    raise Conflict(f"{columns['key']}: version {columns['version']} does not follow the stored one")


def _is_unreadable(db: Connection, key: str) -> bool:
    for _, value in db.execute(SQL["seen_by_key"], {"key": key}).fetchall():
        try:
            decode_seen(value)
        except Unreadable:
            return True
    return False
