"""Flux' notification-controller: `Provider` and `Alert`.

It is alive, and may go on beside checkrail: what is moved over are commit statuses, which become
checks. Providers of all other types stay where they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ghapp.core.source import Resource
from ghapp.documents.reading import Steps
from ghapp.migrate._source import Source
from ghapp.migrate._texts import (
    expression_problem,
    label_selector,
    one_of,
    quoted,
    say_host,
    text_problem,
    without_empty,
)
from ghapp.migrate._tool import GITHUB, Around, Draft, Json, Page, Tool, app_provider

GROUP: Final = "notification.toolkit.fluxcd.io"
PROVIDER: Final = Resource(GROUP, "v1beta3", "providers", "Provider", older=("v1beta2", "v1beta1"))
ALERT: Final = Resource(GROUP, "v1beta3", "alerts", "Alert", older=("v1beta2", "v1beta1"))
WATCHED: Final = ("HelmRelease", "Kustomization")

CHECKS: Final = frozenset({"github", "githubpullrequestcomment"})
"""Types whose place a check takes."""

_STAYS: Final = "notification-controller goes on with it; leave it, and its Alerts, where they are"
_OTHERS: Final = {
    "githubdispatch": f"checkrail starts no workflows: {_STAYS}",
    "generic": f"checkrail sends CDEvents (a Provider of type cdevents), not these: {_STAYS}",
}


def move(source: Source, around: Around) -> tuple[Draft, ...]:
    """A Provider, or an Alert."""
    return _provider(source) if source.kind == PROVIDER.kind else _alert(source, around)


# --- Provider -------------------------------------------------------------------------------------


def _provider(source: Source) -> tuple[Draft, ...]:
    type_ = source.text("spec", "type")
    if type_ not in CHECKS:
        source.left(_why_not(type_, source.text("spec", "address")), "spec")
        return ()
    address = ("spec", "address")
    say_host(source, source.text(*address), *address)
    source.needless("the repository is that of the commit", *address)
    for name in ("secretRef", "serviceAccountName", "username", "channel"):
        source.needless("checkrail is a GitHub App", "spec", name)
    source.needless("deliveries have their own limits, and are tried again", "spec", "timeout")
    source.needless("nothing is polled", "spec", "interval")
    for name in ("proxy", "proxySecretRef", "certSecretRef"):
        source.left_if_there("connections to GitHub are set where checkrail runs", "spec", name)
    text = "the check has a name of its own; another one is checkName of a Notification"
    source.left_if_there(text, "spec", "commitStatusExpr")
    if source.flag("spec", "suspend"):
        source.differs(
            "the Notifications that refer to it are suspended instead", "spec", "suspend"
        )
    if type_ == "githubpullrequestcomment":
        source.differs("a check on the commit instead of a comment", "spec", "type")
    return (app_provider(),)


def _why_not(type_: str, address: str) -> str:
    path = _path(address)
    if path.startswith("/promotion/"):
        return "checkrail watches what is deployed itself; the Pipeline and its button replace this"
    if path.startswith("/flux/events"):
        return "it posts to checkrail; needed only for a cluster that checkrail cannot watch"
    return _OTHERS.get(type_.removesuffix("-hmac"), f"checkrail has no such type: {_STAYS}")


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""


# --- Alert ----------------------------------------------------------------------------------------


def _alert(source: Source, around: Around) -> tuple[Draft, ...]:
    provider = _provider_of(source, around)
    if provider is not None and provider.text("spec", "type") not in CHECKS:
        source.left(f"of a Provider of another type: {_STAYS}", "spec")
        return ()
    stopped = provider is not None and provider.flag("spec", "suspend")
    suspend = source.flag("spec", "suspend") or stopped
    groups = _groups(source)
    if not groups:
        source.left("of its sources checkrail watches none", "spec", "eventSources")
    common, condition, summary = _common(source), _messages(source), _summary(source)
    return tuple(
        _notification(
            source,
            group,
            spec=without_empty(
                suspend=suspend or None,
                filter=_filter(source, group, common, condition),
                summary=summary,
            ),
            tells=() if provider is None else (GITHUB,),
        )
        for group in groups
    )


def _notification(source: Source, group: "_Group", *, spec: Json, tells: tuple[str, ...]) -> Draft:
    """Beyond its own namespace it is no tenant's any more."""
    home = group.home(source.namespace)
    return Draft(
        kind="Notification" if home else "ClusterNotification",
        namespace=source.namespace if home else "",
        name=source.name if home else f"{source.namespace}-{source.name}",
        spec=spec,
        tells=tells,
    )


def _provider_of(source: Source, around: Around) -> Source | None:
    where = ("spec", "providerRef", "name")
    provider = around.find(GROUP, PROVIDER.kind, source.namespace, source.text(*where))
    if provider is None:
        text = "this Provider was not among what was read; give it, too, or name one"
        source.to_do(text, *where, beside=("spec",))
    return provider


def _common(source: Source) -> Json:
    """Of the filter, what is the same for all sources; what has no place is said."""
    severity = source.text("spec", "eventSeverity")
    text = "events carry what the run says itself"
    source.left_if_there(text, "spec", "eventMetadata")
    if severity != "error":
        return {}
    text = (
        "told when it fails, and no more when it is well again: without phases the check turns "
        "green then"
    )
    beside = ("spec", "filter", "phases")
    source.differs(text, "spec", "eventSeverity", beside=beside)
    return {"phases": ["failed", "errored"]}


def _summary(source: Source) -> str:
    text = source.text("spec", "summary")
    if not text:
        return ""
    problem = "it holds {{ or {%" if "{{" in text or "{%" in text or "{#" in text else ""
    if problem := problem or text_problem("summary", text):
        source.to_do(f"{problem}; write it anew", "spec", "summary")
        return ""
    return text


def _messages(source: Source) -> str:
    """The regular expressions as one condition on the run's message."""
    wanted = " || ".join(_patterns(source, "inclusionList"))
    refused = " || ".join(_patterns(source, "exclusionList"))
    parts = [f"({wanted})"] if wanted else []
    parts += [f"!({refused})"] if refused else []
    if parts:
        text = "asked of the object's own message, which may be worded unlike Flux' event"
        source.differs(text, beside=("spec", "filter", "expression"))
    return " && ".join(parts)


def _patterns(source: Source, name: str) -> Iterator[str]:
    for at, pattern in enumerate(source.texts("spec", name)):
        expression = f"run.message.matches({quoted(pattern)})"
        problem = expression_problem(expression)
        if problem:
            source.to_do(f"not a regular expression of ours: {problem}", "spec", name, at)
        else:
            yield expression


# --- which objects --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Sources that one filter can name."""

    labels: Json
    objects: tuple[tuple[str, str], ...]
    """Kind and name; a name that is empty means all."""
    namespaces: tuple[str, ...]

    def home(self, namespace: str) -> bool:
        """Whether all of them are in the Alert's own namespace."""
        return self.namespaces == (namespace,)


def _groups(source: Source) -> tuple[_Group, ...]:
    """Sources that differ in labels, or in what they name in a namespace, are several filters."""
    by_place: dict[tuple[str, str], tuple[Json, list[tuple[str, str]]]] = {}
    for at in range(source.count("spec", "eventSources")):
        found = _event_source(source, ("spec", "eventSources", at))
        if found is None:
            continue
        namespace, labels, named = found
        _, objects = by_place.setdefault((namespace, repr(labels)), (labels, []))
        objects.append(named)
    by_filter: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Json, list[str]]] = {}
    for (namespace, spelled), (labels, objects) in by_place.items():
        named_all = _without_needless(objects)
        by_filter.setdefault((spelled, named_all), (labels, []))[1].append(namespace)
    return tuple(
        _Group(labels=labels, objects=objects, namespaces=tuple(sorted(namespaces)))
        for (_, objects), (labels, namespaces) in by_filter.items()
    )


def _without_needless(objects: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Whoever names all of a kind need not name one of them."""
    every = {kind for kind, name in objects if not name}
    return tuple(sorted({one for one in objects if not one[1] or one[0] not in every}))


def _event_source(source: Source, where: Steps) -> tuple[str, Json, tuple[str, str]] | None:
    kind, name = source.text(*where, "kind"), source.text(*where, "name")
    namespace = source.text(*where, "namespace") or source.namespace
    labels = label_selector(source, *where)
    if kind not in WATCHED:
        source.left("checkrail watches HelmReleases and Kustomizations", *where)
        return None
    return namespace, labels, (kind, "" if name == "*" else name)


def _filter(source: Source, group: _Group, common: Json, condition: str) -> Json:
    names = _names(group.objects)
    expression = " && ".join(part for part in (names, condition) if part)
    if expression and (problem := expression_problem(expression)):
        text = f"names and messages together are no filter of ours: {problem}"
        source.to_do(text, beside=("spec", "filter"))
        expression = ""
    return without_empty(
        kinds=sorted({kind for kind, _ in group.objects}),
        namespaces=[] if group.home(source.namespace) else list(group.namespaces),
        labelSelector=group.labels,
        **common,
        expression=expression,
    )


def _names(objects: tuple[tuple[str, str], ...]) -> str:
    """A condition on names; empty: all of these kinds are meant."""
    kinds = dict.fromkeys(kind for kind, _ in objects)
    if not any(name for _, name in objects):
        return ""
    parts = []
    for kind in kinds:
        names = [name for one, name in objects if one == kind and name]
        here = [f"run.kind == {quoted(kind)}"] if len(kinds) > 1 else []
        here += [one_of("run.name", names)] if names else []
        parts.append(" && ".join(here))
    if len(parts) == 1:
        return parts[0]
    return "(" + " || ".join(f"({one})" if "&&" in one else one for one in parts) + ")"


TOOL: Final = Tool(
    name="Flux notification-controller",
    resources=(PROVIDER, ALERT),
    move=move,
    fields={
        "Provider `type: github`": "the ClusterProvider `github`: a check instead of a status",
        "Provider `type: githubpullrequestcomment`": "the same: a check instead of a comment",
        "Provider of any other type": "stays with Flux",
        "Provider `address` on a GitHub Enterprise Server": "to do: `CHECKRAIL_GITHUB_API_URL`",
        "Provider `secretRef`": "not needed: checkrail is a GitHub App",
        "Provider `commitStatusExpr`": "not carried over: `checkName` of a Notification",
        "Provider `certSecretRef`, `proxySecretRef`": "not carried over",
        "Provider `suspend`": "`suspend` of the Notifications",
        "Alert `eventSources`": "`filter.kinds`, `namespaces`, `labelSelector`, and names as an "
        "`expression`; beyond its own namespace a ClusterNotification",
        "Alert `eventSources` of other kinds than HelmRelease and Kustomization": "not carried "
        "over",
        "Alert `eventSeverity: error`": "`filter.phases: [failed, errored]`",
        "Alert `inclusionList`, `exclusionList`": "`filter.expression` on `run.message`",
        "Alert `eventMetadata`": "not carried over",
        "Alert `summary`": "`summary`",
        "Alert `suspend`": "`suspend`",
    },
    page=Page(
        about=(
            "notification-controller goes on: leave what is of another type than `github` where it "
            "is, and remove from Flux what was moved over, or commits have a status and a check."
        ),
        better=(
            "A check that is in progress, too, with its steps, why it failed, and buttons.",
            "It turns green again when the release is well again.",
            "Nothing is lost while GitHub is away; Flux gives up after four tries.",
        ),
        missing=(
            "Chats, incident tools, queues, `githubdispatch`, other Git hosts.",
            "Events of sources and images: only HelmReleases and Kustomizations are watched.",
            "`eventMetadata`.",
        ),
    ),
)
