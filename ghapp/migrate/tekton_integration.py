"""Tekton Integration: `Provider` and `Notification` of integrations.tekton.ornew.io.

The documentation's wrong group, integrations.tekton.dev, is read as well.
"""

from typing import Final

from ghapp.core.source import Resource
from ghapp.migrate._source import Source
from ghapp.migrate._texts import label_selector, say_host, without_empty
from ghapp.migrate._tool import GITHUB, Around, Draft, Json, Page, Tool, app_provider

GROUPS: Final = ("integrations.tekton.ornew.io", "integrations.tekton.dev")
APP, SLACK, EVENTS = "GitHubApp", "SlackApp", "CloudEvents"


def move(source: Source, around: Around) -> tuple[Draft, ...]:
    """A Provider, or a Notification."""
    if source.kind == "Provider":
        return _provider(source)
    return _notification(source, around)


# --- Provider -------------------------------------------------------------------------------------


def _provider(source: Source) -> tuple[Draft, ...]:
    match source.text("spec", "type"):
        case "GitHubApp":
            return _app(source)
        case "CloudEvents":
            return _events(source)
        case "SlackApp":
            source.left("checkrail sends no messages to Slack, nor to other chats", "spec")
        case _:
            source.left("there is no such type", "spec", "type")
    return ()


def _app(source: Source) -> tuple[Draft, ...]:
    where = ("spec", "githubApp")
    number = source.number(*where, "appId")
    app = "of the App" if number is None else str(number)
    source.to_do(f"set CHECKRAIL_GITHUB_APP_ID={app} where checkrail runs", *where, "appId")
    secret = (*where, "privateKey", "secretRef")
    source.to_do(
        "mount the key private-key.pem of this Secret where checkrail runs, and name the file in "
        "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE",
        *(*secret, "name"),
    )
    source.needless("it was never read: the key is private-key.pem", *secret, "key")
    say_host(source, source.text(*where, "baseURL"), *where, "baseURL")
    return (app_provider(),)


def _events(source: Source) -> tuple[Draft, ...]:
    where = ("spec", "cloudEvents")
    hook, beside = (*where, "webhook"), ("spec", "cdevents")
    source.needless("checkrail speaks HTTP", *where, "protocol")
    url, query, _ = source.text(*hook, "url").partition("?")
    text = "CDEvents are sent, not events of its own"
    source.differs(text, *hook, "url", beside=beside)
    if query:
        source.to_do("without its query, which may be secret", *hook, "url", beside=beside)
    enabled = source.flag(*hook, "authorization", "enabled")
    if source.at(*hook, "authorization") is not None and enabled is not False:
        text = "events are sent without a token; does the receiver ask for one?"
        source.left(text, *hook, "authorization", beside=beside)
    else:
        source.needless("it is switched off", *hook, "authorization")
    text = "no handshake is made before events are sent"
    source.left_if_there(text, *hook, "validation", beside=beside)
    provider = Draft(
        kind="Provider",
        namespace=source.namespace,
        name=source.name,
        spec={"type": "cdevents", "cdevents": {"url": url}},
        id=_id(source.namespace, source.name),
    )
    return (provider,)


def _id(namespace: str, name: str) -> str:
    return f"tekton-integration/{namespace}/{name}"


# --- Notification ---------------------------------------------------------------------------------


def _notification(source: Source, around: Around) -> tuple[Draft, ...]:
    told = _told(source, around)
    kinds = _kinds(source)
    namespaces = source.texts("spec", "filter", "namespaceSelector", "matchNames")
    elsewhere = bool(namespaces) and namespaces != [source.namespace]
    if told is not None and not elsewhere:
        text = "it told of the runs of all namespaces; a Notification is about its own"
        source.differs(text, beside=("spec", "filter"))
    chosen = without_empty(
        kinds=kinds,
        namespaces=namespaces if elsewhere else [],
        labelSelector=label_selector(source, "spec", "filter", "labelSelector"),
    )
    suspend = source.flag("spec", "suspend") or not kinds
    if told is None:
        return ()
    draft = Draft(
        kind="ClusterNotification" if elsewhere else "Notification",
        namespace="" if elsewhere else source.namespace,
        name=f"{source.namespace}-{source.name}" if elsewhere else source.name,
        spec=without_empty(suspend=suspend or None, filter=chosen),
        tells=told,
    )
    return (draft,)


def _told(source: Source, around: Around) -> tuple[str, ...] | None:
    """Of its Provider; None: nothing of the Notification is left."""
    where = ("spec", "providerRef", "name")
    name = source.text(*where)
    named = (around.find(group, "Provider", source.namespace, name) for group in GROUPS)
    provider = next((one for one in named if one), None)
    if provider is None:
        text = "this Provider was not among what was read; give it, too, or name one"
        source.to_do(text, *where, beside=("spec",))
        return ()
    match provider.text("spec", "type"):
        case "GitHubApp":
            return (GITHUB,)
        case "CloudEvents":
            return (_id(source.namespace, name),)
        case _:
            source.left("its Provider is of a type that checkrail does not have", *where)
            return None


def _kinds(source: Source) -> list[str]:
    """PipelineRuns unless switched off, TaskRuns if switched on."""
    runs = source.flag("spec", "filter", "pipelineRun", "enabled")
    tasks = source.flag("spec", "filter", "taskRun", "enabled")
    kinds = ["PipelineRun"] * (runs is not False) + ["TaskRun"] * (tasks is True)
    if not kinds:
        text = "no kind of run is enabled, so the Notification is suspended"
        source.differs(text, "spec", "filter", "pipelineRun", beside=("spec", "suspend"))
    return kinds


_ANNOTATIONS: Json = {
    "`context-id`": "keeps working: the check is called `tekton: ID`",
    "`github-owner`, `github-repo`, `github-sha`": "keep working",
    "`tekton-dashboard-base-url`": "keeps working: the link of the check",
    "`github-commit-status`, `last-status`": "not needed",
}

TOOL: Final = Tool(
    name="Tekton Integration",
    resources=tuple(
        Resource(group, "v1alpha1", plural, kind)
        for group in GROUPS
        for plural, kind in (("providers", "Provider"), ("notifications", "Notification"))
    ),
    move=move,
    fields={
        "Provider `githubApp.appId`": "to do: `CHECKRAIL_GITHUB_APP_ID`",
        "Provider `githubApp.privateKey.secretRef`": "to do: `CHECKRAIL_GITHUB_PRIVATE_KEY_FILE`",
        "Provider `githubApp.baseURL`": "to do: `CHECKRAIL_GITHUB_API_URL`",
        "Provider `cloudEvents.webhook.url`": "a Provider of type `cdevents`",
        "Provider `cloudEvents.webhook.authorization`": "not carried over",
        "Provider `slackApp`": "not supported",
        "Notification `providerRef`": "`providerRefs`",
        "Notification `suspend`": "`suspend`",
        "Notification `filter.pipelineRun`, `filter.taskRun`": "`filter.kinds`",
        "Notification `filter.labelSelector`": "`filter.labelSelector`",
        "Notification `filter.namespaceSelector.matchNames`": "`filter.namespaces` of a "
        "ClusterNotification",
        **_ANNOTATIONS,
    },
    page=Page(
        about=(
            "Providers and Notifications of `integrations.tekton.ornew.io`, and of "
            "`integrations.tekton.dev` as its documentation wrote."
        ),
        better=(
            "Its filters were documented and never built; here they work.",
            "A Notification no longer tells of other namespaces' runs.",
            "Nothing is lost when GitHub or the process is away.",
            "Annotations on runs keep working as they are.",
        ),
        missing=("Slack.", "A token for the receiver of events."),
    ),
)
