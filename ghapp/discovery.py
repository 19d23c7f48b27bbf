"""Which plug-ins are there: one file in a folder is one source, one sink, one tool.

Nothing lists them: a module of `adapters` says ``ADAPTER = Adapter(...)``, one of `ghapp.sinks`
says ``SINK = SinkType(...)``, one of `ghapp.migrate` ``TOOL = Tool(...)``, and is found. Modules
whose name starts with an underscore are not plug-ins but what plug-ins share.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ghapp.core.source import Adapter
from ghapp.errors import CheckrailError
from ghapp.migrate._tool import Tool
from ghapp.ports import SinkType

T = TypeVar("T")


def adapters(package: str = "adapters") -> tuple[Adapter[Any], ...]:
    """Every source, in the order of the files' names."""
    found = tuple(_plugins(package, "ADAPTER", Adapter))
    _distinct(found, "the name", lambda adapter: adapter.name)
    # One worker a key: two sources of one resource would both write the same rows.
    _distinct(found, "the resource", lambda adapter: adapter.resource.id)
    return found


def sinks(package: str = "ghapp.sinks") -> tuple[SinkType, ...]:
    """Every sink, in the order of the files' names."""
    found = tuple(_plugins(package, "SINK", SinkType))
    _distinct(found, "the name", lambda sink: sink.name)
    return found


def tools(package: str = "ghapp.migrate") -> tuple[Tool, ...]:
    """Every tool that can be moved over from, in the order of the files' names."""
    found = tuple(_plugins(package, "TOOL", Tool))
    _distinct(found, "the name", lambda tool: tool.name)
    _distinct([one for tool in found for one in tool.resources], "the resource", lambda one: one.id)
    return found


def _plugins(package: str, attribute: str, type_: type[T]) -> Iterator[T]:
    folder = importlib.import_module(package)
    names = sorted(found.name for found in pkgutil.iter_modules(folder.__path__))
    for name in names:
        if not name.startswith("_"):
            yield _plugin(f"{package}.{name}", attribute, type_)


def _plugin(name: str, attribute: str, type_: type[T]) -> T:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise CheckrailError(
            f"plug-in {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    plugin = getattr(module, attribute, None)
    if not isinstance(plugin, type_):
        raise CheckrailError(
            f"{module.__file__}: expected {attribute} = {type_.__name__}(...), found "
            f"{'nothing' if plugin is None else type(plugin).__name__}; "
            "start the file's name with '_' if it is not a plug-in"
        )
    return plugin


def _distinct(plugins: Sequence[T], what: str, key: Callable[[T], str]) -> None:
    keys = [key(plugin) for plugin in plugins]
    twice = sorted({one for one in keys if keys.count(one) > 1})
    if twice:
        raise CheckrailError(f"two plug-ins have {what} {twice[0]!r}; rename or remove one")
