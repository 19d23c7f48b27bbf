"""May this namespace speak for that repository? And whose Providers may it use?

Without any TrustPolicy there is one tenant, and everybody who may create a run in the cluster may
speak for every repository that the GitHub App is installed on. The first TrustPolicy turns that
round: from then on nobody may do what no policy grants. Policies only grant, so their order and
number do not matter.

Never may a document refer to a Provider of another namespace unless a policy grants it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from ghapp.core import globs
from ghapp.core.model import Observation, Repository, Value
from ghapp.core.provider import Pattern

Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=500)]
EVERYTHING = ("*",)


class TrustPolicySpec(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Grants namespaces the right to speak for repositories."""

    namespaces: Patterns
    """Namespaces that may speak: patterns, `team-*`."""
    repositories: Patterns
    """Repositories that they may speak for: patterns, ``OWNER/NAME`` or ``HOST/OWNER/NAME``; case
    does not matter."""
    clusters: Patterns = EVERYTHING
    """Clusters that the namespaces are in: patterns; left out: all of them."""
    providers: Annotated[tuple[Pattern, ...], Meta(max_length=500)] = ()
    """Providers of other namespaces (``NAMESPACE/NAME``) and ClusterProviders (``NAME``) that the
    namespaces may use beside their own. With them goes the App installation that is used."""


class TrustPolicy(Value, frozen=True, kw_only=True):
    """A named grant."""

    name: str
    spec: TrustPolicySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """A verdict, and who said so."""

    yes: bool
    why: str


ONE_TENANT = Trusted(yes=True, why="there is no TrustPolicy, so every namespace is trusted")


def may_speak(
    policies: Iterable[TrustPolicy], *, cluster: str, namespace: str, repository: Repository
) -> Trusted:
    """Whether runs of the namespace may be shown on commits of the repository."""
    policies = tuple(policies)
    if not policies:
        return ONE_TENANT
    for policy in _of(policies, cluster, namespace):
        if any(_covers(pattern, repository) for pattern in policy.spec.repositories):
            return Trusted(yes=True, why=f"TrustPolicy {policy.name} grants it")
    place = f"namespace {namespace}" + (f" of cluster {cluster}" if cluster != "default" else "")
    return Trusted(
        yes=False, why=f"no TrustPolicy lets {place} speak for {repository.host}/{repository.slug}"
    )


def may_use(
    policies: Iterable[TrustPolicy], *, cluster: str, namespace: str, owner: str, name: str
) -> Trusted:
    """Whether the namespace's documents may refer to a provider; empty `owner`: a ClusterProvider.

    One's own Providers need no grant. ClusterProviders are everybody's as long as there is one
    tenant.
    """
    if owner == namespace:
        return Trusted(yes=True, why="it is its own")
    policies = tuple(policies)
    if not owner and not policies:
        return ONE_TENANT
    wanted = f"{owner}/{name}" if owner else name
    for policy in _of(policies, cluster, namespace):
        if any(_names(pattern, wanted) for pattern in policy.spec.providers):
            return Trusted(yes=True, why=f"TrustPolicy {policy.name} grants it")
    what = f"Provider {wanted}" if owner else f"ClusterProvider {wanted}"
    return Trusted(yes=False, why=f"no TrustPolicy lets namespace {namespace} use {what}")


def applied(
    look: Observation, policies: Iterable[TrustPolicy]
) -> tuple[Observation, Trusted | None]:
    """`look` without the commit that its namespace must not speak for, and the verdict on it."""
    if look.revision is None:
        return look, None
    verdict = may_speak(
        policies,
        cluster=look.subject.cluster,
        namespace=look.subject.namespace,
        repository=look.revision.repository,
    )
    return (look if verdict.yes else replace(look, revision=None)), verdict


def _of(policies: Iterable[TrustPolicy], cluster: str, namespace: str) -> Iterable[TrustPolicy]:
    return (
        policy
        for policy in policies
        if globs.any_matches(namespace, policy.spec.namespaces)
        and globs.any_matches(cluster, policy.spec.clusters)
    )


def _covers(pattern: str, repository: Repository) -> bool:
    """A pattern without a host is of every host that our Apps are on."""
    slug = repository.slug.lower()
    wanted = pattern.lower()
    return globs.matches(slug, wanted) or globs.matches(f"{repository.host}/{slug}", wanted)


def _names(pattern: str, wanted: str) -> bool:
    """``*`` alone means every ClusterProvider, not everybody's Providers."""
    return globs.matches(wanted, pattern) and pattern.count("/") == wanted.count("/")
