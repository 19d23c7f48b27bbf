"""Which commit is a run about? The families of annotations that say so, ours first.

Order: ``checkrail.dev``, Pipelines-as-Code, commit-status-tracker, the experimental github-app
notifier, pipelines-feedback, tekton-integration, Chains' type hints. The first family that names a
repository and a full commit id wins; a claim that is cut short or misspelt is no claim. What is
said here is only claimed: trust decides.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from adapters._read.meta import Annotations, Labels, Read
from adapters._read.repository import repository
from ghapp.core.model import Repository, Revision, commit_sha

OURS: Final = "checkrail.dev"
PIPELINES_AS_CODE: Final = "pipelinesascode.tekton.dev"
STATUS_TRACKER: Final = "tekton.dev/git-status"
NOTIFIER: Final = "github.integrations.tekton.dev"
FEEDBACK: Final = "pipelinesfeedback.keskad.pl"
INTEGRATION: Final = "integrations.tekton.ornew.io"
CHAINS: Final = "chains.tekton.dev"
FLUX: Final = "event.toolkit.fluxcd.io"


class Named(Read, frozen=True, kw_only=True, gc=False):
    """A parameter or a result; its value may be a text, a list or an object."""

    name: str = ""
    value: Any = None


Values = Iterable[Named] | None


def revision(
    annotations: Annotations, labels: Labels, params: Values = (), results: Values = ()
) -> Revision | None:
    """The commit that the run claims to be about, by the first family that names one."""
    own = _ours(annotations)
    if own or annotations.pac_check_run_id:
        return own  # Pipelines-as-Code reports a run of its own itself
    values = (*(params or ()), *(results or ()))
    found = (family(annotations, labels, values) for family in _FAMILIES)
    return next((claim for claim in found if claim), None)


def flux_revision(annotations: Annotations) -> Revision | None:
    """Of a Flux object: ours, else Flux' own commit annotation (``main@sha1:…``, or bare).

    Flux names no repository beside it: that comes from ``checkrail.dev/repository``.
    """
    commit = annotations.flux_commit.rpartition("@")[2].rpartition("/")[2]
    return _ours(annotations) or _claim(
        FLUX,
        repository(annotations.repository),
        commit.removeprefix("sha1:"),
        ref=annotations.ref,
        pull_request=annotations.pull_request or annotations.flux_change_request,
    )


def pull_request_number(text: str) -> int | None:
    """The number in ``42``, ``#42``, ``refs/pull/42/head`` or the URL of a pull request."""
    found = _PULL_REQUEST.search(text.strip())
    return int(found[1]) or None if found else None


_PULL_REQUEST: Final = re.compile(r"(?<![0-9])([0-9]{1,9})(?:/(?:head|merge|files))?/?$")


def _claim(
    rule: str, repo: Repository | None, commit: str, *, ref: str = "", pull_request: str = ""
) -> Revision | None:
    sha = commit_sha(commit)
    if repo is None or sha is None:
        return None
    return Revision(
        repository=repo,
        commit=sha,
        ref=ref.strip(),
        pull_request=pull_request_number(pull_request),
        rule=rule,
    )


def _ours(notes: Annotations) -> Revision | None:
    return _claim(
        OURS,
        repository(notes.repository),
        notes.commit,
        ref=notes.ref,
        pull_request=notes.pull_request,
    )


def _pipelines_as_code(notes: Annotations, _: Labels, __: tuple[Named, ...]) -> Revision | None:
    return _claim(
        PIPELINES_AS_CODE,
        repository(notes.pac_repo_url) or repository(f"{notes.pac_owner}/{notes.pac_repo}"),
        notes.pac_sha,
        ref=notes.pac_source_branch or notes.pac_branch,
        pull_request=notes.pac_pull_request,
    )


def _status_tracker(notes: Annotations, _: Labels, values: tuple[Named, ...]) -> Revision | None:
    """``git-status: "true"`` asks for a status; without annotations the git parameters are meant.

    The tracker read them off the run's git PipelineResource, which Tekton has dropped since; runs
    that were migrated pass the same two as parameters.
    """
    if notes.git_status.strip().lower() != "true":
        return None
    repo = notes.git_repo or _first(values, _REPOSITORY_PARAMS)
    commit = notes.git_revision or _first(values, _COMMIT_PARAMS)
    return _claim(STATUS_TRACKER, repository(repo), commit)


_REPOSITORY_PARAMS: Final = ("repo-url", "git-url", "repository-url", "repo_url", "url")
_COMMIT_PARAMS: Final = ("git-revision", "revision", "commit", "sha", "git-sha", "commit-sha")


def _notifier(notes: Annotations, _: Labels, __: tuple[Named, ...]) -> Revision | None:
    repo = repository(f"{notes.notifier_owner}/{notes.notifier_repo}")
    return _claim(NOTIFIER, repo, notes.notifier_commit)


def _feedback(notes: Annotations, labels: Labels, _: tuple[Named, ...]) -> Revision | None:
    if labels.feedback_enabled.strip().lower() not in {"", "true"}:
        return None
    return _claim(
        FEEDBACK,
        repository(notes.feedback_url),
        notes.feedback_commit,
        ref=notes.feedback_ref,
        pull_request=notes.feedback_pr,
    )


def _integration(notes: Annotations, _: Labels, __: tuple[Named, ...]) -> Revision | None:
    repo = repository(f"{notes.integration_owner}/{notes.integration_repo}")
    return _claim(INTEGRATION, repo, notes.integration_sha)


def _chains(_: Annotations, __: Labels, values: tuple[Named, ...]) -> Revision | None:
    """Type hints: https://tekton.dev/docs/chains/slsa-provenance/#type-hinting."""
    repo = repository(_first(values, ("CHAINS-GIT_URL",)))
    hinted = _claim(CHAINS, repo, _first(values, ("CHAINS-GIT_COMMIT",)))
    inputs = (one.value for one in values if one.name.endswith("ARTIFACT_INPUTS"))
    found = (_chains_input(value) for value in inputs if isinstance(value, dict))
    return hinted or next((claim for claim in found if claim), None)


def _chains_input(value: dict[str, Any]) -> Revision | None:
    uri, digest = value.get("uri"), value.get("digest")
    if not isinstance(uri, str) or not isinstance(digest, str):
        return None
    if not digest.startswith("sha1:"):
        return None  # an image is an input too, and its digest is no commit
    return _claim(CHAINS, repository(uri), digest.removeprefix("sha1:"))


def _first(values: tuple[Named, ...], names: tuple[str, ...]) -> str:
    """The text of the first of these names that has one."""
    known = {one.name: one.value for one in reversed(values) if isinstance(one.value, str)}
    return next((known[name].strip() for name in names if known.get(name)), "")


_FAMILIES: Final[tuple[Callable[..., Revision | None], ...]] = (
    _pipelines_as_code,
    _status_tracker,
    _notifier,
    _feedback,
    _integration,
    _chains,
)
