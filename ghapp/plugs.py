"""Plug-ins put to work: sinks from their types, and what a source asks to be watched and done.

A sink's fields are filled from `ports`, by name; a Provider adds its own Secret and, where it
declares one, its own GitHub App.
"""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import msgspec

from ghapp.core.model import Verb
from ghapp.core.provider import GitHubApp, Provider
from ghapp.core.source import Adapter, Resource
from ghapp.core.wishes import Plans
from ghapp.documents.kinds import provider_types
from ghapp.errors import ConfigError
from ghapp.github.apps import PRIVATE_KEY, Apps
from ghapp.ports import Sink, SinkType
from ghapp.secret import Secret

Credentials = Mapping[str, Secret]

# --- sinks ----------------------------------------------------------------------------------------


def build_sink(kind: SinkType, given: Mapping[str, Any], ports: Mapping[str, Any]) -> Sink:
    """A sink with its settings decoded and its other fields filled from `ports`, by name."""
    settings = msgspec.convert(dict(given), kind.settings)
    wanted = [each for each in fields(typing.cast("Any", kind.build)) if each.init]
    values = {**ports, "settings": settings}
    return kind.build(
        **{
            each.name: values[each.name]
            for each in wanted
            if each.name in values or each.default is each.default_factory is MISSING
        }
    )


def make_sink(
    ports: Mapping[str, Any], apps: Apps, provider: Provider, credentials: Credentials
) -> Sink:
    """The sink of a declared Provider; raises ConfigError."""
    kind = provider_types().get(provider.type)
    if kind is None:
        raise ConfigError(f"there is no type {provider.type}")
    own: dict[str, Any] = {"secret": credentials, "provider": provider.id}
    try:
        app = app_of(provider)
        if app is not None:
            own["github"] = apps.declare(
                provider.id, api_url=app.api_url, app=app.id, credentials=credentials
            )
        return build_sink(kind, provider.settings, {**ports, **own})
    except msgspec.ValidationError as error:
        raise ConfigError(f"spec.{provider.type}: {error}") from error
    except KeyError as error:
        raise ConfigError(f"{provider.type} needs {error.args[0]}, which is not set up") from error


def lacks(provider: Provider, credentials: Credentials) -> str:
    """What the Provider's Secret misses; empty: nothing."""
    kind = provider_types().get(provider.type)
    needed = kind.required_keys if kind else ()
    if provider.settings.get("app"):
        needed = (*needed, PRIVATE_KEY)
    missing = [key for key in needed if key not in credentials]
    return f"its Secret has no {' and no '.join(missing)}" if missing else ""


def app_of(provider: Provider) -> GitHubApp | None:
    """The GitHub App that a Provider declares; raises ValidationError."""
    given = provider.settings.get("app")
    return msgspec.convert(given, GitHubApp) if given is not None else None


def is_provider(sink: str) -> bool:
    """Whether a built-in sink is one that a Provider may declare, too."""
    return any(kind.name == sink for kind in provider_types().values())


# --- sources --------------------------------------------------------------------------------------


def watched(adapter: Adapter[Any]) -> Sequence[Resource]:
    """All that is followed for the sake of a source."""
    return [adapter.resource, *(part.resource for part in adapter.parts)]


def plans_of(adapter: Adapter[Any]) -> Plans:
    """What can be done to a source's objects, by verb."""
    plans = {
        Verb.RERUN: adapter.rerun,
        Verb.RERUN_FAILED: adapter.rerun_failed,
        Verb.CANCEL: adapter.cancel,
        Verb.RECONCILE: adapter.reconcile,
    }
    return {verb: plan for verb, plan in plans.items() if plan is not None}
