"""Can it reach and may it use the cluster and GitHub? What is missing, and how to mend it.

Asks the same clients that the product uses, with the same settings; changes nothing. Each question
is asked on its own, so that one that cannot be answered does not hide the others. Here are the
cluster and the documents; what is asked of GitHub is in `github`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ghapp import discovery, rbac
from ghapp.app import clients
from ghapp.core.source import Resource
from ghapp.doctor import github as github_ward
from ghapp.doctor.finding import Finding
from ghapp.documents import config
from ghapp.documents.kinds import Kind, kinds
from ghapp.engine.kube import KubeClient, open_session
from ghapp.engine.kube_config import from_kubeconfig
from ghapp.errors import CheckrailError, ConfigError
from ghapp.kubeconfigs import find
from ghapp.settings import Settings

PATIENCE: Final = 20.0
"""Seconds for one question."""
_REVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """One finding after the other, as they come; raises ConfigError where nobody can be asked."""
    yield _documents(settings)
    async with clients(settings) as (kube, github):
        async for finding in _cluster(kube, settings, at_home=True):
            yield finding
        async for finding in _fleet(settings):
            yield finding
        if github is None:
            mend = "`checkrail setup` creates one; then set CHECKRAIL_GITHUB_APP_ID, key and secret"
            yield Finding("GitHub", "no App is set", mend)
            return
        told = set[Finding]()  # a wrong key is the answer to all of them
        for question in github_ward.QUESTIONS:
            async for finding in _asked(github_ward.ABOUT, question, github):
                if finding not in told:
                    yield finding
                told.add(finding)


def _documents(settings: Settings) -> Finding:
    try:
        found = config.load(settings.config)
    except CheckrailError as error:
        return Finding("documents", str(error), "mend them; `checkrail validate` shows all")
    return Finding("documents", f"{len(found.declared)} in files")


async def _asked(
    about: str, question: Callable[[Any], Awaitable[Iterable[Finding]]], whom: Any
) -> AsyncIterator[Finding]:
    """What a question finds, or why it could not be answered."""
    try:
        async with asyncio.timeout(PATIENCE):
            for finding in await question(whom):
                yield finding
    except TimeoutError:
        yield Finding(about, f"no answer within {PATIENCE:.0f} s", "is the network open to it?")
    except CheckrailError as error:
        yield Finding(about, str(error), "see the message")


async def _fleet(settings: Settings) -> AsyncIterator[Finding]:
    """The clusters of the folder, each as the one at home."""
    if settings.clusters is None:
        return
    for name, file in find(settings.clusters, home=settings.cluster).files.items():
        about = f"cluster {name}"
        try:
            connection = await from_kubeconfig((file,))
        except ConfigError as error:
            yield Finding(about, str(error), "mend the kubeconfig; it is read again by itself")
            continue
        async with open_session() as session:
            kube = KubeClient(session=session, connection=connection)
            async for finding in _cluster(kube, settings, about, at_home=False):
                yield finding


async def _cluster(
    kube: KubeClient, settings: Settings, about: str = "cluster", *, at_home: bool
) -> AsyncIterator[Finding]:
    """What is served there, and what we may; documents are read in the cluster at home only."""
    documents: list[Kind] = []
    """The kinds that are installed there: of others nothing has to be allowed."""

    async def resources(client: KubeClient) -> list[Finding]:
        return [await _served(client, adapter.resource) for adapter in discovery.adapters()]

    async def installed(client: KubeClient) -> list[Finding]:
        documents.extend([one for one in kinds().values() if await client.served(one.resource)])
        return [_installed(documents)]

    async def rights(client: KubeClient) -> list[Finding]:
        needs = rbac.Needs(
            adapters=discovery.adapters(),
            sinks=[sink for sink in discovery.sinks() if settings.logs or sink.name != "logs"],
            kinds=documents,
        )
        places = needs.rules(settings.namespaces, settings.secrets_namespace)
        return [
            found for one, rules in places.items() for found in await _rights(client, one, rules)
        ]

    questions = (resources, installed, rights) if at_home else (resources, rights)
    for question in questions:
        async for finding in _asked(about, question, kube):
            yield replace(finding, about=about)


async def _served(kube: KubeClient, resource: Resource) -> Finding:
    if await kube.served(resource):
        return Finding("cluster", f"{resource.kind}s are served")
    return Finding("cluster", f"{resource.kind}s are not installed; watched once they are")


def _installed(found: Sequence[Kind]) -> Finding:
    missing = [name for name in kinds() if name not in {one.name for one in found}]
    if not missing:
        return Finding("cluster", "documents are read from files and from the cluster")
    some = f": {', '.join(missing)}" if found else ""
    mend = "`checkrail crds | kubectl apply --server-side -f -` installs them"
    what = f"our own kinds are not installed{some}; only documents in files count"
    return Finding("cluster", f"{what} ({mend})")


async def _rights(
    kube: KubeClient, namespace: str, rules: Iterable[Mapping[str, Any]]
) -> list[Finding]:
    """Everything that the generated role would allow, asked one by one."""
    where = f"in {namespace}" if namespace else "everywhere"
    needed = [
        (rule["apiGroups"][0], resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    missing = [
        f"{verb} {resource}"
        for group, resource, verb in needed
        if not await _may(kube, group, resource, verb, namespace)
    ]
    if not missing:
        return [Finding("cluster", f"may do all it needs {where}")]
    mend = "`checkrail rbac | kubectl apply -f -` grants exactly what is needed"
    return [Finding("cluster", f"may not {', '.join(missing)} {where}", mend)]


async def _may(kube: KubeClient, group: str, resource: str, verb: str, namespace: str) -> bool:
    plural, _, part = resource.partition("/")
    asked = {"group": group, "resource": plural, "verb": verb, "namespace": namespace}
    review = {
        "apiVersion": _REVIEW.api_version,
        "kind": _REVIEW.kind,
        "spec": {"resourceAttributes": asked | ({"subresource": part} if part else {})},
    }
    answer = await kube.create(_REVIEW, "", review)
    return bool(answer.get("status", {}).get("allowed"))
