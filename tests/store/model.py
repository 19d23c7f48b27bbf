"""The rules of lanes once more, written naively: what a store is compared with."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """An effect of one lane."""

    number: int
    sink: str
    lane: str
    key: str
    newest: bool
    due: int
    state: str = "pending"
    tries: int = 0
    doubt: bool = False
    held: bool = False


@dataclass
class Lanes:
    """All rows in the order in which they were committed; every question reads all of them."""

    rows: list[Row] = field(default_factory=list)
    keys: set[tuple[str, str]] = field(default_factory=set)
    slots: dict[tuple[str, str], str] = field(default_factory=dict)
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    doubted: set[tuple[str, str]] = field(default_factory=set)
    """Lanes of checks whose last word may have got through unheard."""
    count: int = 0

    def pending(self, sink: str, lane: str) -> list[Row]:
        """What waits in a lane, oldest first."""
        where = (sink, lane, "pending")
        return [row for row in self.rows if (row.sink, row.lane, row.state) == where]

    def parked(self) -> list[Row]:
        """What waits for a person."""
        return [row for row in self.rows if row.state == "parked"]

    def held(self) -> list[Row]:
        """What is on its way."""
        return [row for row in self.rows if row.held]

    def add(self, sink: str, *, lane: str, key: str, newest: bool, due: int) -> None:
        """A commit of one effect."""
        if (sink, key) in self.keys:
            for row in self.rows:
                if (row.sink, row.key, row.state) == (sink, key, "parked"):
                    self.revive(row, due)
            return
        self.keys.add((sink, key))
        self.count += 1
        row = Row(self.count, sink, lane, key, newest, due)
        self.rows.append(row)
        if newest:
            self.replace(row)

    def replace(self, heir: Row) -> None:
        """Older states that are not on their way give way to `heir`."""
        for old in self.pending(heir.sink, heir.lane):
            if old.number < heir.number and not old.held:
                heir.due = old.due if old.tries else min(old.due, heir.due)
                heir.tries = max(old.tries, heir.tries)
                heir.doubt |= old.doubt
                old.state = "done"

    def free_heads(self, sink: str) -> list[Row]:
        """The oldest row of each lane of which nothing is on its way, longest waiting first."""
        lanes = {row.lane: self.pending(sink, row.lane) for row in self.rows if row.sink == sink}
        heads = [rows[0] for rows in lanes.values() if rows and not any(row.held for row in rows)]
        return sorted(heads, key=lambda row: (row.due, row.number))

    def claim(self, sink: str, now: int, limit: int) -> list[Row]:
        """Takes heads that are due."""
        claimed = [row for row in self.free_heads(sink) if row.due <= now][:limit]
        for row in claimed:
            row.held = True
        return claimed

    def certain(self, row: Row) -> bool:
        """Whether nothing about its place is in doubt."""
        return not row.doubt and (row.sink, row.lane) not in self.doubted

    def done(self, row: Row, slot: str | None) -> None:
        """It was delivered."""
        row.state, row.held = "done", False
        where = (row.sink, row.lane)
        if slot is not None:
            self.slots[where] = slot
        self.told[where] = max(row.number, self.told.get(where, 0))
        self.doubted.discard(where)

    def again(self, row: Row, *, due: int, doubt: bool) -> None:
        """It was not, and may be later."""
        row.held, row.due, row.tries = False, due, row.tries + 1
        row.doubt |= doubt
        later = self.pending(row.sink, row.lane)[-1]
        if row.newest and later is not row:
            self.replace(later)

    def park(self, row: Row) -> None:
        """It never will be."""
        row.held, row.state, row.tries = False, "parked", row.tries + 1
        if row.newest and row.doubt:
            self.doubted.add((row.sink, row.lane))

    def revive(self, row: Row, now: int) -> None:
        """A person wants it tried again."""
        newer = [other for other in self.pending(row.sink, row.lane) if other.number > row.number]
        if row.newest and (newer or self.told.get((row.sink, row.lane), 0) > row.number):
            row.state = "done"
            return
        row.state, row.tries, row.due = "pending", 0, now
        if row.newest:
            self.replace(row)

    def drop(self, row: Row) -> None:
        """A person does not want it."""
        self.rows.remove(row)
        self.keys.remove((row.sink, row.key))

    def restart(self) -> None:
        """Nobody remembers what was on its way."""
        for row in self.rows:
            row.held, row.doubt = False, True
