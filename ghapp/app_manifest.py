"""The GitHub App as GitHub's manifest flow takes it: what it may do, and what it hears.

Permissions are those that the sinks declare, with their reasons, and `BASE`. What only a declared
Provider needs is not asked of everybody: it stands in the file as a comment, to be taken in by
whoever wants one; GitHub asks the owners of an installation to accept what is added later. Events
are those that `core.webhook` understands. https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ghapp.core.webhook import COMMENT_EVENT, INSTALLATION_EVENTS, PULL_EVENT, QUEUE_EVENT
from ghapp.errors import CheckrailError
from ghapp.ports import SinkType

BASE: Final[Mapping[str, str]] = {
    "metadata:read": "who clicked, and what that person may do in the repository",
    "issues:read": "GitHub tells of comments on pull requests whoever may read those on issues",
    "members:read": "whether who clicked is in a team that an AccessPolicy names",
    "contents:read": "who owns a path that an AccessPolicy names, and who made a commit",
    "pull_requests:read": "whether a pull request is open, and by whom, before it is run again",
}

EVENTS: Final[Mapping[str, str]] = {
    COMMENT_EVENT: "commands in comments on pull requests",
    PULL_EVENT: "the comment with all runs is there as soon as the pull request is",
    "repository": "a repository was renamed, moved or deleted: its installation is found anew",
}
"""Event -> reason. check_run and check_suite are not among them: an App with ``checks:write`` is
subscribed to these without asking."""

QUEUE: Final[Mapping[str, str]] = {
    "merge_queues:read": "GitHub tells of a merge queue whoever may read it",
}
QUEUE_EVENTS: Final[Mapping[str, str]] = {
    QUEUE_EVENT: "runs on a commit that the merge queue gave up are cancelled",
}
"""Asked for where GitHub has merge queues. An Enterprise Server (3.19) has none and knows neither
word, and a manifest with a word that GitHub does not know makes no App at all."""

UNLISTED: Final = frozenset({"installation", "installation_repositories", "installation_target"})
"""Understood, and not asked for. The first two are sent to every App, and GitHub refuses a manifest
that lists them. The third is in no list of GitHub's of what an App may ask for; a refused manifest
makes no App at all, and without the event a renamed account is found by the next 404."""

LEVELS: Final = ("read", "write", "admin")


def permissions(sinks: Iterable[SinkType]) -> dict[str, tuple[str, list[str]]]:
    """Permission -> (level, reasons): the highest level that anybody needs."""
    found: dict[str, tuple[str, list[str]]] = {}
    declared = [*BASE.items(), *(one for sink in sinks for one in sink.permissions.items())]
    for permission, reason in sorted(declared):
        name, _, level = permission.partition(":")
        if level not in LEVELS:
            raise CheckrailError(f"permission {permission!r}: expected NAME:read or NAME:write")
        before, reasons = found.get(name, ("read", []))
        found[name] = (
            max(before, level, key=LEVELS.index),
            list(dict.fromkeys([*reasons, reason])),
        )
    return found


def base(sinks: Iterable[SinkType]) -> dict[str, tuple[str, list[str]]]:
    """What the App needs whatever Providers are declared."""
    return permissions(sink for sink in sinks if not sink.optional)


def asked(sinks: Iterable[SinkType], *, queues: bool) -> dict[str, tuple[str, list[str]]]:
    """The permissions that a new App asks for; `queues`: GitHub has merge queues there."""
    return {**base(sinks), **(_of_queues() if queues else {})}


def heard(*, queues: bool) -> dict[str, str]:
    """The events that it asks for: event -> reason."""
    return {**EVENTS, **(QUEUE_EVENTS if queues else {})}


def manifest(
    sinks: Iterable[SinkType],
    *,
    url: str = "https://checkrail.example.com",
    queues: bool = False,
) -> Any:
    """The manifest for a checkrail at `url`; reasons are comments beside what they are for."""
    if set(EVENTS) != {*INSTALLATION_EVENTS, COMMENT_EVENT, PULL_EVENT} - UNLISTED:
        raise CheckrailError("app_manifest.EVENTS and the events of core.webhook differ")
    permitted, events_heard = asked(sinks, queues=queues), heard(queues=queues)
    levels = CommentedMap({name: level for name, (level, _) in permitted.items()})
    for name, (_, reasons) in permitted.items():
        levels.yaml_add_eol_comment("; ".join(reasons), name, column=0)
    events = CommentedSeq(sorted(events_heard))
    for index, event in enumerate(events):
        events.yaml_add_eol_comment(events_heard[event], index, column=0)
    return CommentedMap(
        {
            "name": "checkrail",
            "description": "Kubernetes runs as checks; a click on a check as exactly one effect.",
            "url": url,
            "hook_attributes": CommentedMap({"url": f"{url}/github/webhook", "active": True}),
            "public": False,
            "default_permissions": levels,
            "default_events": events,
        }
    )


def _of_queues() -> dict[str, tuple[str, list[str]]]:
    named = ((*permission.split(":"), reason) for permission, reason in QUEUE.items())
    return {name: (level, [reason]) for name, level, reason in named}


COMMENT: Final = """\
# GENERATED by `make generate` from what the sinks declare: a GitHub App manifest.
# `checkrail setup` creates an App with it. By hand: enter the same under Settings, Developer
# settings, GitHub Apps, New GitHub App, with the address at which GitHub reaches checkrail in place
# of checkrail.example.com.
"""


def extra(sinks: Iterable[SinkType]) -> dict[str, tuple[str, list[str]]]:
    """What those need in addition who declare every Provider there is: permission -> (level,
    reasons), each with the type of the Provider."""
    every = list(sinks)
    needed = base(every)
    more = permissions(_named(sink) for sink in every if sink.optional)
    return {
        name: (level, reasons)
        for name, (level, reasons) in more.items()
        if name not in needed or LEVELS.index(level) > LEVELS.index(needed[name][0])
    }


def _named(sink: SinkType) -> SinkType:
    said = {asked: f"{sink.provider}: {why}" for asked, why in sink.permissions.items()}
    return replace(sink, permissions=said)


def as_yaml(sinks: Iterable[SinkType]) -> str:
    """``app.yml``."""
    sinks = list(sinks)
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 200  # a reason stays on its line
    stream = StringIO()
    yaml.dump(manifest(sinks), stream)
    more = _commented("Only for Providers of these types", extra(sinks))
    more += _commented(_QUEUES, _of_queues())
    events = "".join(f"  # - {event} # {reason}\n" for event, reason in QUEUE_EVENTS.items())
    text = stream.getvalue().replace(_EVENTS, more + _EVENTS)
    return f"{COMMENT}{text}  # {_QUEUES}:\n{events}"


_EVENTS: Final = "default_events:\n"
_QUEUES: Final = "Only where there are merge queues, which Enterprise Server 3.19 does not know"


def _commented(title: str, permissions: Mapping[str, tuple[str, list[str]]]) -> str:
    """Lines that are permissions once their first ``#`` is taken away."""
    if not permissions:
        return ""
    lines = [
        f"  # {name}: {level} # {'; '.join(reasons)}\n"
        for name, (level, reasons) in permissions.items()
    ]
    return f"  # {title}:\n" + "".join(lines)
