"""Which Providers a Notification means, and whether it may use them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ghapp.core.audience import LOCAL_FILE
from ghapp.core.notification import Notification
from ghapp.core.provider import Provider, ProviderRef
from ghapp.core.trust import TrustPolicy, may_use


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The ids of the Providers that are meant, and what is wrong with the other references."""

    providers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def resolve(
    notification: Notification,
    providers: Iterable[Provider],
    trust: tuple[TrustPolicy, ...],
    *,
    cluster: str,
) -> Resolved:
    """Looks the references up.

    Whoever may write a ClusterNotification or the process' own files may refer to everything; a
    Notification to its own namespace, and beyond it to what a TrustPolicy grants. Its author must
    not learn what there is elsewhere, so permission comes before existence.
    """
    known: dict[tuple[str, str, str], Provider]
    known = {(one.kind, one.namespace, one.name): one for one in providers}
    found: list[str] = []
    problems: list[str] = []
    for ref in notification.spec.provider_refs:
        problem = _forbidden(notification, ref, trust, cluster)
        provider = None if problem else _look_up(notification, ref, known)
        if provider is not None:
            found.append(provider.id)
        else:
            problems.append(problem or f"there is no {_shown(notification, ref)}")
    return Resolved(providers=tuple(dict.fromkeys(found)), problems=tuple(problems))


def _forbidden(
    notification: Notification, ref: ProviderRef, trust: tuple[TrustPolicy, ...], cluster: str
) -> str:
    if not notification.namespace or notification.rank == LOCAL_FILE:
        return ""
    kind, namespace = _meant(notification, ref)
    verdict = may_use(
        trust,
        cluster=cluster,
        namespace=notification.namespace,
        owner=namespace if kind == "Provider" else "",
        name=ref.name,
    )
    return "" if verdict.yes else verdict.why


def _look_up(
    notification: Notification,
    ref: ProviderRef,
    known: Mapping[tuple[str, str, str], Provider],
) -> Provider | None:
    return known.get((*_meant(notification, ref), ref.name))


def _meant(notification: Notification, ref: ProviderRef) -> tuple[str, str]:
    """Kind and namespace: of the document's own scope where the reference does not say."""
    if ref.kind == "ClusterProvider" or (ref.kind is None and not notification.namespace):
        return "ClusterProvider", ""
    return "Provider", ref.namespace or notification.namespace


def _shown(notification: Notification, ref: ProviderRef) -> str:
    kind, namespace = _meant(notification, ref)
    return f"{kind} {namespace}/{ref.name}" if namespace else f"{kind} {ref.name}"
