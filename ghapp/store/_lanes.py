"""The outbox in SQLite: what becomes of an effect's row, and of the lane it stands in.

A row is pending, then done or parked. Of the pending rows of a lane the oldest is its head, and
only heads are claimed, so order is kept without looking at what waits behind them; the index of
heads is all that a claim reads, however much waits. Of checks only the newest state counts: it
takes the place of an older one that is not on its way, and its back-off with it.

All of this runs in the writing thread, inside its transaction.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Any, Final, NamedTuple, assert_never

from ghapp.core.effects import Effect
from ghapp.ports import Addressed, Again, Claimed, Done, Parked, Settled, Slot
from ghapp.store import sql
from ghapp.store.codec import Unreadable, decode_effect, encode, micros, moment

SQL: Final = sql.load("queries.sql")
REPLACED: Final = "replaced by a newer state"

_ROUNDS: Final = 10
"""How often one claim looks again after it found rows that cannot be read."""
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """An effect as it is inserted."""

    sink: str
    key: str
    lane: str
    subject: str
    newest: bool
    due: int
    value: bytes


def new_row(addressed: Addressed) -> NewRow:
    """The row of an effect; encoding happens here, in the caller's thread."""
    effect = addressed.effect
    return NewRow(
        sink=addressed.sink,
        key=effect.key,
        lane=effect.lane,
        subject=effect.subject.key,
        newest=effect.newest,
        due=micros(addressed.due),
        value=encode(effect),
    )


class _Place(NamedTuple):
    """A row and the lane it stands in."""

    row: int
    sink: str
    lane: str
    newest: bool
    state: str
    tries: int
    uncertain: bool

    @property
    def names(self) -> dict[str, Any]:
        return {"row": self.row, "sink": self.sink, "lane": self.lane}


class Lanes:
    """The lanes of one file, as this process delivers them.

    Whoever dies between delivering and settling leaves a row that looks as if nobody had ever
    tried it, although the far side may have it. From inside the file the two cannot be told apart:
    what is on its way is remembered in memory only, because a durable note "I am about to deliver"
    would cost a commit before each request. So every row that was there when this process began
    counts as uncertain until it is settled: its sink looks before it creates. That costs one GET
    for each row of a restart's backlog, and saves a second check on somebody's commit.

    `inherited` is the last of those rows. It is kept as a number rather than as a mark on each row:
    a backlog of a hundred thousand rows opens at once, and `checkrail dead list`, which opens the
    file beside a running process, changes nothing in it.
    """

    def __init__(self, connection: Connection) -> None:
        connection.execute(SQL["held_create"])
        self._inherited: int = connection.execute(SQL["last_row"]).fetchone()[0]

    # --- in -----------------------------------------------------------------------------------

    def add(self, db: Connection, new: NewRow, now: int) -> None:
        """Puts an effect at the end of its lane, unless its key is known.

        One that was given up is tried again: what it failed for may be mended since, and somebody
        asks for it once more.
        """
        added = db.execute(
            SQL["effect_insert"],
            {
                "sink": new.sink,
                "key": new.key,
                "lane": new.lane,
                "subject": new.subject,
                "newest": new.newest,
                "due": new.due,
                "value": new.value,
                "now": now,
            },
        ).fetchall()
        if not added:
            for (row,) in _all(db, "effect_parked", {"sink": new.sink, "key": new.key}):
                self.revive(db, row, new.due)
        for row, head in added:
            if new.newest and not head:
                self._replace(db, _Place(row, new.sink, new.lane, True, "pending", 0, False), now)

    def _replace(self, db: Connection, heir: _Place, now: int) -> None:
        """The older states of the lane that are not on their way give way to `heir`."""
        for row, head, due, tries, uncertain, reason in _all(db, "effects_replaceable", heir.names):
            self._done(db, row, now, reason=REPLACED)
            _do(
                db,
                "effect_inherit",
                row=heir.row,
                head=head,
                due=due,
                tries=tries,
                uncertain=self._uncertain(row, uncertain),
                reason=reason,
            )

    # --- out ----------------------------------------------------------------------------------

    def claim(self, db: Connection, sink: str, now: int, limit: int) -> list[Claimed]:
        """Heads of due lanes; what cannot be read is parked on the way."""
        claimed: list[Claimed] = []
        for _ in range(_ROUNDS):
            wanted = {"sink": sink, "now": now, "limit": limit - len(claimed)}
            found = list(_all(db, "claimable", wanted))
            readable = [one for row in found if (one := self._take(db, sink, row, now))]
            claimed += readable
            if len(readable) == len(found):
                break
        return claimed

    def _take(
        self, db: Connection, sink: str, columns: tuple[Any, ...], now: int
    ) -> Claimed | None:
        row, key, lane, value, tries, created, uncertain, slot = columns
        try:
            effect: Effect = decode_effect(value)
        except Unreadable as error:
            _log.warning("parked what cannot be read", extra={"key": key, "sink": sink, "row": row})
            self._park(db, _place(db, row), reason=str(error), now=now, tried=0)
            return None
        _do(db, "held_insert", sink=sink, lane=lane, row=row)
        return Claimed(
            row=row,
            sink=sink,
            key=key,
            lane=lane,
            effect=effect,
            slot=Slot(id=slot, certain=not self._uncertain(row, uncertain)),
            tries=tries,
            created=moment(created),
        )

    def release(self, db: Connection, claimed: list[Claimed]) -> None:
        """Nobody heard of this claim: it never was."""
        for one in claimed:
            _do(db, "held_delete", sink=one.sink, lane=one.lane, row=one.row)

    def next_due(self, db: Connection, sink: str) -> datetime | None:
        """When the next lane that nobody holds is due."""
        for (due,) in _all(db, "next_due", {"sink": sink}):
            return moment(due)
        return None

    # --- settled ------------------------------------------------------------------------------

    def settle(self, db: Connection, settled: Settled, now: int) -> None:
        """What became of a delivery. Saying it twice changes nothing the second time."""
        place = _place(db, settled.row)
        if place is None:
            return
        _do(db, "held_delete", **place.names)
        match settled:
            case Done():
                self._delivered(db, place, settled.slot, now)
            case Again():
                self._again(db, place, settled, now)
            case Parked():
                self._park(db, place, reason=settled.reason, now=now, tried=1)
            case _:
                assert_never(settled)

    def _delivered(self, db: Connection, place: _Place, slot: str | None, now: int) -> None:
        if place.newest or slot is not None:
            _do(db, "slot_told", row=place.row, id=slot, now=now)
        if place.state == "pending":
            self._done(db, place.row, now)
            _advance(db, place)

    def _again(self, db: Connection, place: _Place, again: Again, now: int) -> None:
        """It waits; a newer state behind it, if there is one, waits in its stead.

        Uncertainty stays until it is delivered: that a later try failed for certain says nothing of
        the one before, which may have got through.
        """
        if place.state != "pending":
            return
        uncertain = self._uncertain(place.row, place.uncertain) or again.uncertain
        _do(
            db,
            "effect_again",
            row=place.row,
            due=micros(again.due),
            reason=again.reason,
            uncertain=uncertain,
        )
        (heir,) = next(_all(db, "effect_heir", place.names)) if place.newest else (None,)
        if heir is not None:
            self._replace(db, place._replace(row=heir), now)

    def _park(
        self, db: Connection, place: _Place | None, *, reason: str, now: int, tried: int
    ) -> None:
        if place is None or place.state != "pending":
            return
        uncertain = self._uncertain(place.row, place.uncertain)
        if place.newest and uncertain:
            _do(db, "slot_uncertain", row=place.row, now=now)
        _do(
            db,
            "effect_park",
            row=place.row,
            reason=reason,
            now=now,
            tried=tried,
            uncertain=uncertain,
        )
        _advance(db, place)

    def _done(self, db: Connection, row: int, now: int, *, reason: str = "") -> None:
        _do(db, "effect_done", row=row, now=now, reason=reason)

    def _uncertain(self, row: int, marked: int | bool) -> bool:
        return bool(marked) or row <= self._inherited

    # --- a person looked ----------------------------------------------------------------------

    def revive(self, db: Connection, row: int, now: int) -> bool:
        """Back into its lane, at its old place.

        A state of a check is not told after a newer one: it is done then.
        """
        place = _place(db, row)
        if place is None or place.state != "parked":
            return False
        _do(db, "effect_revive", row=row, now=now)
        if place.newest and self._outdated(db, place):
            self._done(db, row, now, reason=REPLACED)
            return True
        if place.newest:
            self._replace(db, place, now)
        _advance(db, place)
        return True

    def _outdated(self, db: Connection, place: _Place) -> bool:
        (waiting,) = next(_all(db, "effect_heir", place.names))
        return waiting is not None or any(_all(db, "slot_newer", place.names))

    def drop(self, db: Connection, row: int) -> bool:
        """Forgets a parked effect, and its key with it."""
        return any(_all(db, "effect_drop", {"row": row}))


def _place(db: Connection, row: int) -> _Place | None:
    for sink, lane, newest, state, tries, uncertain in _all(db, "effect_by_row", {"row": row}):
        return _Place(row, sink, lane, bool(newest), state, tries, bool(uncertain))
    return None


def _advance(db: Connection, place: _Place) -> None:
    db.execute(SQL["lane_advance"], place.names)


def _do(db: Connection, name: str, **values: Any) -> None:
    db.execute(SQL[name], values)


def _all(db: Connection, name: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """All rows, read to the end before any of them is looked at."""
    return iter(db.execute(SQL[name], values).fetchall())
