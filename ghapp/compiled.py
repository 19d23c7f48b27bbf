"""Documents at work: references looked up, expressions and templates compiled.

What is wrong with one document is kept beside it and takes nothing from the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ghapp.config import Config
from ghapp.core.audience import BUILT_IN, Listening, in_order
from ghapp.core.notification import Notification, NotificationSpec
from ghapp.core.references import resolve

DEFAULT: Final = "default"
"""A ClusterNotification of this name stands in the place of the one that the environment makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """All Notifications at work, and what is wrong with each."""

    listening: tuple[Listening, ...]
    problems: Mapping[str, tuple[str, ...]]
    """By `Notification.id`."""


def compile_documents(config: Config, built_in: tuple[str, ...], *, cluster: str) -> Compiled:
    """The Notifications of `config`, whoever has the last word last.

    `built_in` are the ids of the providers that the environment sets up: they are told of
    everything, unless a ClusterNotification named ``default`` says otherwise.
    """
    problems: dict[str, tuple[str, ...]] = {}
    listening: list[Listening] = []
    if not any(_is_default(one) for one in config.notifications):
        listening.append(Listening(document=_everything(), providers=built_in))
    for document in in_order(config.notifications):
        found = resolve(document, config.providers, config.trust, cluster=cluster)
        listening.append(Listening(document=document, providers=found.providers))
        if found.problems:
            problems[document.id] = found.problems
    return Compiled(listening=tuple(listening), problems=problems)


def _is_default(document: Notification) -> bool:
    return document.kind == "ClusterNotification" and document.name == DEFAULT


def _everything() -> Notification:
    return Notification(
        kind="ClusterNotification",
        namespace="",
        name=DEFAULT,
        spec=NotificationSpec(),
        rank=BUILT_IN,
    )
