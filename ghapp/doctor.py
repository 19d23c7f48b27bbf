"""Can it reach and may it use the cluster and GitHub? What is missing, and how to mend it.

Asks the same clients that the product uses, with the same settings; changes nothing. Each question
is asked on its own, so that one that cannot be answered does not hide the others.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ghapp import app_manifest, config, discovery, rbac
from ghapp.app import clients
from ghapp.core.source import Resource
from ghapp.engine.kube import KubeClient, open_session
from ghapp.engine.kube_config import from_kubeconfig
from ghapp.errors import CheckrailError, ConfigError
from ghapp.kinds import Kind, kinds
from ghapp.kubeconfigs import find
from ghapp.ports import GitHub
from ghapp.settings import Settings

PATIENCE: Final = 20.0
"""Seconds for one question."""
_REVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)
_LEVELS: Final = ("none", "read", "write", "admin")


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer: `mend` is empty where all is well."""

    about: str
    what: str
    mend: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing has to be done."""
        return not self.mend


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """One finding after the other, as they come; raises ConfigError where nobody can be asked."""
    yield _documents(settings)
    async with clients(settings) as (kube, github):
        async for finding in _cluster(kube, settings, at_home=True):
            yield finding
        async for finding in _fleet(settings):
            yield finding
        if github is None:
            yield Finding("GitHub", "no App is set", "set CHECKRAIL_GITHUB_APP_ID, key and secret")
            return
        for question in (_app, _installations, _webhook):
            async for finding in _asked("GitHub", question, github):
                yield finding


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


async def _app(github: GitHub) -> list[Finding]:
    app = await github.request("GET", "/app", repository=None)
    granted: Mapping[str, str] = app.get("permissions", {})
    lacking = [
        f"{name}: {level}"
        for name, (level, _) in app_manifest.permissions(discovery.sinks()).items()
        if _LEVELS.index(granted.get(name, "none")) < _LEVELS.index(level)
    ]
    who = f"App {app.get('slug') or app.get('name')} ({app['id']})"
    if not lacking:
        return [Finding("GitHub", f"{who} has the permissions it needs")]
    mend = "add them in the App's settings; owners of installations have to accept"
    return [Finding("GitHub", f"{who} lacks {', '.join(lacking)}", mend)]


async def _installations(github: GitHub) -> list[Finding]:
    found = [each async for each in github.pages("/app/installations", repository=None)]
    suspended = [each["account"]["login"] for each in found if each.get("suspended_at")]
    if not found:
        return [
            Finding("GitHub", "the App is installed nowhere", "install it on your repositories")
        ]
    names = ", ".join(sorted(each["account"]["login"] for each in found)[:10])
    findings = [Finding("GitHub", f"installed on {names}")]
    if suspended:
        mend = "unsuspend it in the account's settings"
        findings.append(Finding("GitHub", f"suspended by {', '.join(suspended)}", mend))
    return findings


async def _webhook(github: GitHub) -> list[Finding]:
    """Whether GitHub reaches us: its own log of the last deliveries tells."""
    hook = await github.request("GET", "/app/hook/config", repository=None)
    url = hook.get("url")
    if not url:
        mend = "set it to https://YOUR-HOST/github/webhook in the App's settings"
        return [Finding("GitHub", "no webhook URL is set", mend)]
    path = "/app/hook/deliveries?per_page=20"
    last = await github.request("GET", path, repository=None)
    failed = [each for each in last if each["status"] != "OK"]
    if not failed:
        return [Finding("GitHub", f"webhooks reach {url}: all of the last {len(last)}")]
    why = ", ".join(sorted({str(each["status"]) for each in failed}))
    mend = "401: the webhook secret differs; else: is the URL right and open to GitHub?"
    text = f"{len(failed)} of the last {len(last)} webhooks did not reach {url}: {why}"
    return [Finding("GitHub", text, mend)]
