"""Every store that there is, for the suite that is written against the port."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from ghapp.ports import Store
from ghapp.store import open_store
from tests.store.values import NOW


@dataclass
class Place:
    """Where a store lives. It can be opened again, as after a restart."""

    url: str
    opened: list[Store] = field(default_factory=list)

    async def open(self, now: datetime = NOW) -> Store:
        """The store, as one more process would open it."""
        store = await open_store(self.url, now=now)
        self.opened.append(store)
        return store

    async def restart(self) -> Store:
        """The store, as the next process finds it."""
        await self.opened[-1].close()
        return await self.open()


@pytest.fixture(params=["sqlite"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    urls = {"sqlite": f"sqlite:///{tmp_path / 'store.db'}"}
    found = Place(urls[request.param])
    yield found
    for store in found.opened:
        await store.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()
