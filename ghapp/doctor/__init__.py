"""Can it reach and may it use the cluster and GitHub? What is missing, and how to mend it.

Asks the same clients that the product uses, with the same settings; changes nothing. Each question
is asked on its own, so that one that cannot be answered does not hide the others. Here are the
cluster, the documents and whom to ask; what GitHub is asked is in `github`, and what is needed
there in `needs`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Final

import msgspec

from ghapp import discovery, rbac
from ghapp.app import clients
from ghapp.core.provider import Provider
from ghapp.core.source import Resource
from ghapp.doctor import github as github_ward
from ghapp.doctor.finding import Finding
from ghapp.doctor.needs import OwnApp, of_environment, own_apps, title
from ghapp.documents import config
from ghapp.documents.kinds import Kind, kinds
from ghapp.engine.kube import KubeClient, open_session
from ghapp.engine.kube_config import from_kubeconfig
from ghapp.engine.providers import SECRETS, Credentials, decoded, refused
from ghapp.errors import CheckrailError, ConfigError, Reject
from ghapp.github import GitHubClient
from ghapp.github.apps import CA, PRIVATE_KEY
from ghapp.github.session import open_session as open_github_session
from ghapp.http import utc_now
from ghapp.kubeconfigs import find
from ghapp.settings import Settings

PATIENCE: Final = 20.0
"""Seconds for one question."""
_REVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)
Question = Callable[[Any], Awaitable[Iterable[Finding]]]


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """One finding after the other, as they come; raises ConfigError where nobody can be asked."""
    documents = _Documents()
    yield documents.read(settings)
    async with clients(settings) as (kube, github):
        async for finding in _cluster(kube, settings, at_home=True):
            yield finding
        async for finding in _fleet(settings):
            yield finding
        async for finding in _asked("documents", partial(documents.ask, settings), kube):
            yield finding
        async for finding in _apps(settings, kube, github, list(documents.providers.values())):
            yield finding


class _Documents:
    """The Providers that are declared, by id: files first, as in the product."""

    def __init__(self) -> None:
        self.providers: dict[str, Provider] = {}

    def read(self, settings: Settings) -> Finding:
        """Those in files."""
        try:
            found = config.load(settings.config)
        except CheckrailError as error:
            return Finding("documents", str(error), "mend them; `checkrail validate` shows all")
        self.providers = {one.id: one for one in found.providers}
        return Finding("documents", f"{len(found.declared)} in files")

    async def ask(self, settings: Settings, kube: KubeClient) -> list[Finding]:
        """Those in the cluster; one that is wrong says so in its status."""
        found = list[Provider]()
        for kind in (kinds()["Provider"], kinds()["ClusterProvider"]):
            if not await kube.served(kind.resource):
                continue
            for namespace in settings.namespaces or ("",) if kind.namespaced else ("",):
                try:
                    found += [one async for one in _declared(kube, kind, namespace)]
                except Reject as error:
                    what = f"{kind.name}s in the cluster cannot be read, so what they need is not"
                    return [Finding("documents", f"{what} examined: {error}", "see the message")]
        self.providers = {one.id: one for one in found} | self.providers
        return []


async def _declared(kube: KubeClient, kind: Kind, namespace: str) -> AsyncIterator[Provider]:
    after = ""
    while True:
        page = await kube.page(kind.resource, namespace, after=after)
        for item in page.items or ():
            value = msgspec.json.decode(item, type=dict[str, Any])
            whole = {"apiVersion": kind.resource.api_version, "kind": kind.name, **value}
            try:
                declared = config.read_object(whole)
            except ConfigError:
                continue
            if isinstance(declared, Provider):
                yield declared
        after = page.metadata.next
        if not after:
            return


# --- the Apps -----------------------------------------------------------------------------------


async def _apps(
    settings: Settings,
    kube: KubeClient,
    github: GitHubClient | None,
    providers: Sequence[Provider],
) -> AsyncIterator[Finding]:
    """The environment's, then those of Providers."""
    if github is None or settings.github is None:
        mend = "`checkrail setup` creates one; then set CHECKRAIL_GITHUB_APP_ID, key and secret"
        yield Finding("GitHub", "no App is set", mend)
    else:
        api_url, needs = settings.github.api_url, of_environment(providers)
        patient = github_ward.Patient(github=github, api_url=api_url, needs=needs)
        async for finding in _examined(github_ward.ABOUT, github_ward.QUESTIONS, patient):
            yield finding
    for own in own_apps(providers):
        async for finding in _own_app(settings, kube, own):
            yield finding


async def _examined(
    about: str, questions: Iterable[Question], patient: github_ward.Patient
) -> AsyncIterator[Finding]:
    told = set[Finding]()  # a wrong key is the answer to all of them
    for question in questions:
        async for finding in _asked(about, question, patient):
            if finding not in told:
                yield replace(finding, about=about)
            told.add(finding)


async def _own_app(settings: Settings, kube: KubeClient, own: OwnApp) -> AsyncIterator[Finding]:
    """What can be asked with the key in the Secret of one of its Providers."""
    about = f"GitHub, {title(own.providers[0])}"
    credentials, why = await _key(settings, kube, own)
    async with AsyncExitStack() as stack:
        try:
            patient = await _patient(own, credentials, stack)
        except (CheckrailError, ValueError, OSError) as error:
            patient, why = None, str(error)
        if patient is None:
            mend = f"its key belongs into the Secret as `{PRIVATE_KEY}`, and checkrail must read it"
            yield Finding(about, f"its App {own.app.id} was not examined: {why}", mend)
            return
        async for finding in _examined(about, github_ward.OF_OWN_APPS, patient):
            yield finding


async def _key(settings: Settings, kube: KubeClient, own: OwnApp) -> tuple[Credentials, str]:
    """The first Secret with a key in it, or why there is none."""
    why = "no Secret is named"
    for one in own.providers:
        namespace = one.namespace or settings.secrets_namespace
        if not one.secret:
            continue
        try:
            async with asyncio.timeout(PATIENCE):
                credentials = decoded(await kube.get(SECRETS, namespace, one.secret))
        except Reject as error:
            why = refused(error, namespace, one.secret)
        except (CheckrailError, TimeoutError) as error:
            why = f"Secret {namespace}/{one.secret} cannot be read now: {error}"
        else:
            if PRIVATE_KEY in credentials:
                return credentials, ""
            why = f"Secret {namespace}/{one.secret} has no {PRIVATE_KEY}"
    return {}, why


async def _patient(
    own: OwnApp, credentials: Credentials, stack: AsyncExitStack
) -> github_ward.Patient | None:
    """Its client lives as long as `stack`; None: there is no key."""
    key, ca = credentials.get(PRIVATE_KEY), credentials.get(CA)
    if key is None:
        return None
    session = open_github_session(ca=ca.reveal() if ca else "")
    await stack.enter_async_context(session)
    github = GitHubClient(session, api_url=own.app.api_url, app=own.app.id, key=key, clock=utc_now)
    stack.push_async_callback(github.close)
    return github_ward.Patient(
        github=github, api_url=own.app.api_url, needs=own.needs, hears=own.hears
    )


# --- the cluster --------------------------------------------------------------------------------


async def _asked(about: str, question: Question, whom: Any) -> AsyncIterator[Finding]:
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
