"""Where state outlives the process: finds the store that a URL names.

A store is one file in this folder with a `STORE`; it implements `ghapp.ports.Store`. Modules whose
name begins with an underscore are parts of a store, not stores.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from ghapp.errors import CheckrailError, ConfigError
from ghapp.ports import Store


class Unavailable(CheckrailError):
    """The store cannot do it now: it is closed, or its disk is full or broken.

    Whoever asked has heard of no change; everything that the store promised before is kept.
    """


class Open(Protocol):
    """Opens a store."""

    def __call__(self, url: str, now: datetime, *, make: bool) -> Awaitable[Store]:
        """The store behind `url`, born now if there is none and `make` allows to make one; raises
        ConfigError that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreType:
    """A store as a plug-in."""

    scheme: str
    """Of the URLs it answers to: ``sqlite``."""
    open: Open


def store_types() -> dict[str, StoreType]:
    """Every store in this folder, by scheme."""
    names = (module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    types = (getattr(module, "STORE", None) for module in modules)
    return {found.scheme: found for found in types if isinstance(found, StoreType)}


async def open_store(url: str, *, now: datetime, make: bool = True) -> Store:
    """Opens the store behind `url`; where there is none, makes one, or raises ConfigError."""
    scheme = url.partition("://")[0]
    types = store_types()
    if scheme not in types:
        known = ", ".join(f"{name}://" for name in sorted(types))
        raise ConfigError(f"CHECKRAIL_STORE: no store for {scheme!r}; there are {known}")
    return await types[scheme].open(url, now, make=make)
