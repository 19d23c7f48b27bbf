"""Metadata as every Kubernetes object has it, and the annotations and labels that are read.

Annotations are declared one by one instead of kept as a map: what is not named here (an applied
configuration of 200 KB, say) is skipped while decoding and costs no memory.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from ghapp.core.model import LogsWhen, Subject, without_credentials
from ghapp.core.source import Resource

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a creation time that the object does not carry: a manifest never applied."""

Time = Annotated[datetime, Meta(tz=True)]
"""A time with its zone; one without is no Kubernetes time."""

OURS: Final = "checkrail.dev/"
RERUN_OF: Final = f"{OURS}rerun-of"
RERUN_OF_UID: Final = f"{OURS}rerun-of-uid"
RERUN_NAME: Final = f"{OURS}rerun-name"
CANCELLED_BY: Final = f"{OURS}cancelled-by"
REQUESTED_BY: Final = f"{OURS}requested-by"
REQUEST: Final = f"{OURS}request"

_PAC: Final = "pipelinesascode.tekton.dev/"
_NOTIFIER: Final = "github.integrations.tekton.dev/"
_FEEDBACK: Final = "pipelinesfeedback.keskad.pl/"
_INTEGRATION: Final = "integrations.tekton.ornew.io/"
_FLUX: Final = "event.toolkit.fluxcd.io/"


class Read(Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """Fields that are read of an object; all others are skipped. It never points back at itself."""


class Annotations(Read, frozen=True, kw_only=True, gc=False):
    """Every annotation that means something to us; empty: not there."""

    repository: str = field(default="", name=f"{OURS}repository")
    commit: str = field(default="", name=f"{OURS}commit")
    ref: str = field(default="", name=f"{OURS}ref")
    pull_request: str = field(default="", name=f"{OURS}pull-request")
    check_name: str = field(default="", name=f"{OURS}check-name")
    environment: str = field(default="", name=f"{OURS}environment")
    environment_url: str = field(default="", name=f"{OURS}environment-url")
    dashboard_url: str = field(default="", name=f"{OURS}dashboard-url")
    ignore: str = field(default="", name=f"{OURS}ignore")
    logs: str = field(default="", name=f"{OURS}logs")
    rerun_of: str = field(default="", name=RERUN_OF)
    rerun_of_uid: str = field(default="", name=RERUN_OF_UID)
    rerun_name: str = field(default="", name=RERUN_NAME)
    cancelled_by: str = field(default="", name=CANCELLED_BY)

    pac_sha: str = field(default="", name=f"{_PAC}sha")
    pac_repo_url: str = field(default="", name=f"{_PAC}repo-url")
    pac_owner: str = field(default="", name=f"{_PAC}url-org")
    pac_repo: str = field(default="", name=f"{_PAC}url-repository")
    pac_branch: str = field(default="", name=f"{_PAC}branch")
    pac_source_branch: str = field(default="", name=f"{_PAC}source-branch")
    pac_pull_request: str = field(default="", name=f"{_PAC}pull-request")
    pac_check_run_id: str = field(default="", name=f"{_PAC}check-run-id")
    pac_log_url: str = field(default="", name=f"{_PAC}log-url")

    git_status: str = field(default="", name="tekton.dev/git-status")
    git_repo: str = field(default="", name="tekton.dev/git-repo")
    git_revision: str = field(default="", name="tekton.dev/git-revision")
    status_context: str = field(default="", name="tekton.dev/status-context")
    status_target_url: str = field(default="", name="tekton.dev/status-target-url")

    notifier_owner: str = field(default="", name=f"{_NOTIFIER}owner")
    notifier_repo: str = field(default="", name=f"{_NOTIFIER}repo")
    notifier_commit: str = field(default="", name=f"{_NOTIFIER}commit")

    feedback_url: str = field(default="", name=f"{_FEEDBACK}https-repo-url")
    feedback_commit: str = field(default="", name=f"{_FEEDBACK}commit")
    feedback_ref: str = field(default="", name=f"{_FEEDBACK}ref")
    feedback_pr: str = field(default="", name=f"{_FEEDBACK}pr-id")
    technical_job: str = field(default="", name=f"{_FEEDBACK}technical-job")

    integration_owner: str = field(default="", name=f"{_INTEGRATION}github-owner")
    integration_repo: str = field(default="", name=f"{_INTEGRATION}github-repo")
    integration_sha: str = field(default="", name=f"{_INTEGRATION}github-sha")
    integration_context: str = field(default="", name=f"{_INTEGRATION}context-id")
    integration_dashboard: str = field(default="", name=f"{_INTEGRATION}tekton-dashboard-base-url")

    flux_commit: str = field(default="", name=f"{_FLUX}commit")
    flux_change_request: str = field(default="", name=f"{_FLUX}change_request")

    event_id: str = field(default="", name="triggers.tekton.dev/triggers-eventid")


class ChildLabels(Read, frozen=True, kw_only=True, gc=False):
    """Whose part an object is, and which."""

    pipeline_run_uid: str = field(default="", name="tekton.dev/pipelineRunUID")
    pipeline_task: str = field(default="", name="tekton.dev/pipelineTask")


class Labels(ChildLabels, frozen=True, kw_only=True, gc=False):
    """Every label that means something to us; empty: not there."""

    pipeline: str = field(default="", name="tekton.dev/pipeline")
    pipeline_run: str = field(default="", name="tekton.dev/pipelineRun")
    task: str = field(default="", name="tekton.dev/task")
    event_id: str = field(default="", name="triggers.tekton.dev/triggers-eventid")
    feedback_enabled: str = field(default="", name=f"{_FEEDBACK}enabled")
    kustomization: str = field(default="", name="kustomize.toolkit.fluxcd.io/name")
    kustomization_namespace: str = field(default="", name="kustomize.toolkit.fluxcd.io/namespace")
    parent_release: str = field(default="", name="helm.toolkit.fluxcd.io/name")
    parent_release_namespace: str = field(default="", name="helm.toolkit.fluxcd.io/namespace")


class Owner(Read, frozen=True, kw_only=True, gc=False):
    """An owner reference."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ManagedFields(Read, frozen=True, kw_only=True, gc=False):
    """Who wrote to the object last, and when."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: Time | None = None


class Metadata(Read, frozen=True, kw_only=True, gc=False):
    """Of an object that is a run of its own."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generate_name: str | None = None
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    annotations: Annotations | None = None
    labels: Labels | None = None
    owner_references: tuple[Owner, ...] | None = None


class ChildMetadata(Read, frozen=True, kw_only=True, gc=False):
    """Of an object that is a part of another's run; its annotations are the other's, copied."""

    name: str = ""
    labels: ChildLabels | None = None
    owner_references: tuple[Owner, ...] | None = None


class Condition(Read, frozen=True, kw_only=True, gc=False):
    """A condition of a status."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: Time | None = None

    @property
    def true(self) -> bool:
        """Whether it holds."""
        return self.status == "True"

    @property
    def false(self) -> bool:
        """Whether it is known not to hold."""
        return self.status == "False"


NO_ANNOTATIONS: Final = Annotations()
NO_LABELS: Final = Labels()


def condition(conditions: Iterable[Condition] | None, type_: str) -> Condition | None:
    """The condition of this type."""
    return next((one for one in conditions or () if one.type == type_), None)


def annotations(metadata: Metadata) -> Annotations:
    """Its annotations, or none."""
    return metadata.annotations or NO_ANNOTATIONS


def labels(metadata: Metadata) -> Labels:
    """Its labels, or none."""
    return metadata.labels or NO_LABELS


def child_labels(metadata: ChildMetadata) -> ChildLabels:
    """Its labels, or none."""
    return metadata.labels or NO_LABELS


def controller(metadata: Metadata | ChildMetadata) -> Owner | None:
    """The owner that made it and looks after it."""
    return next((owner for owner in metadata.owner_references or () if owner.controller), None)


def ignored(metadata: Metadata) -> bool:
    """Whether its author asked us not to look: ``checkrail.dev/ignore: "true"``."""
    return annotations(metadata).ignore.strip().lower() == "true"


_LOGS_WHEN: Final[Mapping[str, LogsWhen]] = {
    "failed": "failed",
    "always": "always",
    "never": "never",
}


def logs_when(metadata: Metadata) -> LogsWhen | None:
    """What its author says of its log; a word that means nothing says nothing."""
    return _LOGS_WHEN.get(annotations(metadata).logs.strip().lower())


def created(metadata: Metadata, *otherwise: datetime | None) -> datetime:
    """When it was created; a manifest that never was has the first other time, or the epoch."""
    times = (metadata.creation_timestamp, *otherwise)
    return next((time for time in times if time), EPOCH)


def chain(metadata: Metadata) -> str:
    """What Tekton Triggers calls the event that caused this run."""
    return labels(metadata).event_id or annotations(metadata).event_id


def served(resource: Resource, api_version: str) -> Resource:
    """`resource` in the version that the object at hand has: an older server has no other."""
    group, _, version = api_version.rpartition("/")
    if group != resource.group or not version:
        return resource  # items of a list need not say
    return resource if version == resource.version else replace(resource, version=version)


def subject(metadata: Metadata, *, kind: str, cluster: str, revision: str = "") -> Subject:
    """The run behind an object."""
    return Subject(
        kind=kind,
        cluster=cluster,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        revision=revision,
    )


COPY_SUFFIX: Final = re.compile(r"-r-[0-9a-z]{5,10}$")
"""How a copy's name ends; see `copies.copy_name`."""


def origin(name: str, *, copy: bool) -> str:
    """`name` without what made it a copy's."""
    return COPY_SUFFIX.sub("", name) if copy else name


def run_name(metadata: Metadata) -> str:
    """What runs, as far as metadata tells: a copy says whose, else generateName, else its name.

    A copy has neither the generateName nor the owner of its original, so it carries the name.
    """
    notes = annotations(metadata)
    if notes.rerun_of and notes.rerun_name:
        return notes.rerun_name
    prefix = (metadata.generate_name or "").rstrip("-")
    return prefix or origin(metadata.name, copy=bool(notes.rerun_of))


def shown(text: str, limit: int) -> str:
    """`text` as one may show it: without the credentials of URLs, and cut where it is long."""
    plain = without_credentials(text)
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


_PLAIN_URL: Final = re.compile(r"https?://[^\s<>\"'`{}\\/@]+(?:/[^\s<>\"'`{}\\]*)?", re.IGNORECASE)
_TEMPLATE: Final = re.compile(r"\{\{-?\s*\.(\w+)\s*-?\}\}")
URL_LIMIT: Final = 2048


def web_url(text: str) -> str:
    """`text` when it is an http(s) URL that can be shown and linked to, else nothing.

    One with credentials is not shown, nor one that hides its host behind an @.
    """
    url = text.strip()
    return url if len(url) <= URL_LIMIT and _PLAIN_URL.fullmatch(url) else ""


def dashboard_url(metadata: Metadata, *, kind: str) -> str:
    """The run's page, by the first annotation that names one.

    commit-status-tracker's is a Go template of .Namespace, .Name, .Group, .Version and .Kind.
    """
    notes = annotations(metadata)
    if not (
        notes.dashboard_url
        or notes.status_target_url
        or notes.integration_dashboard
        or notes.pac_log_url
    ):
        return ""
    fields = {
        "Namespace": metadata.namespace,
        "Name": metadata.name,
        "Group": "tekton.dev",
        "Version": "v1",
        "Kind": kind,
    }
    target = _TEMPLATE.sub(lambda found: fields.get(found[1], found[0]), notes.status_target_url)
    base = notes.integration_dashboard.rstrip("/")
    page = f"{base}/#/namespaces/{metadata.namespace}/{kind.lower()}s/{metadata.name}"
    found = (notes.dashboard_url, target, page if base else "", notes.pac_log_url)
    return next((url for url in map(web_url, found) if url), "")
