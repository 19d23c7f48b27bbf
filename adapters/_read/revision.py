"""Which commit is a run about? The families of annotations that say so, ours first.

Order: ``checkrail.dev``, Pipelines-as-Code, commit-status-tracker, the experimental github-app
notifier, pipelines-feedback, tekton-integration, Chains' type hints. The first family that names a
repository and a full commit id wins; a claim that is cut short or misspelt is no claim. What is
said here is only claimed: trust decides. What Flux says of its objects is `flux_revision`'s matter.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from adapters._read.meta import Annotations, Labels, Read
from adapters._read.repository import repository
from ghapp.core.model import Revision, commit_sha
from ghapp.core.source import Tried

OURS: Final = "checkrail.dev"
PIPELINES_AS_CODE: Final = "pipelinesascode.tekton.dev"
STATUS_TRACKER: Final = "tekton.dev/git-status"
NOTIFIER: Final = "github.integrations.tekton.dev"
FEEDBACK: Final = "pipelinesfeedback.keskad.pl"
INTEGRATION: Final = "integrations.tekton.ornew.io"
CHAINS: Final = "chains.tekton.dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a rule found, as it is written; `claim` makes a revision of it, or nothing."""

    rule: str
    repository: str = ""
    commit: str = ""
    ref: str = ""
    pull_request: str = ""
    silent: str = ""
    """Why the rule does not apply, where that says more than that it found nothing."""


def claim(offer: Offer) -> Revision | None:
    """The revision that is offered, if it names a repository and a full commit id."""
    sha = commit_sha(offer.commit) if offer.commit and not offer.silent else None
    named = repository(offer.repository) if sha else None
    if sha is None or named is None:
        return None
    return Revision(
        repository=named,
        commit=sha,
        ref=offer.ref.strip(),
        pull_request=pull_request_number(offer.pull_request),
        rule=offer.rule,
    )


def tried(offer: Offer) -> Tried:
    """What came of a rule, for people."""
    found = claim(offer)
    if found:
        why = f"{found.repository.host}/{found.repository.slug} at {found.commit}"
        return Tried(rule=offer.rule, matched=True, why=why)
    return Tried(rule=offer.rule, matched=False, why=_missing(offer))


def _missing(offer: Offer) -> str:
    if offer.silent:
        return offer.silent
    if not offer.repository and not offer.commit:
        return "it says nothing"
    missing = []
    if not offer.repository:
        missing.append("no repository is named")
    elif repository(offer.repository) is None:
        missing.append("what it names as the repository is none")  # not shown: it may hold a secret
    if not offer.commit:
        missing.append("no commit is named")
    elif commit_sha(offer.commit) is None:
        missing.append(f"{_word(offer.commit)} is no full commit id of 40 or 64 hex digits")
    return ", and ".join(missing)


def _word(text: str) -> str:
    return f"{text!r}" if _PLAIN_WORD.fullmatch(text) else "what it names"


_PLAIN_WORD: Final = re.compile(r"[\w.+/-]{1,64}", re.ASCII)


def first(offers: Iterator[Offer]) -> Revision | None:
    """The first offer that is a claim."""
    return next((found for found in map(claim, offers) if found), None)


def traced(offers: Iterator[Offer]) -> tuple[Tried, ...]:
    """Every rule that was asked, up to the one that matched."""
    asked: list[Tried] = []
    for offer in offers:
        asked.append(tried(offer))
        if asked[-1].matched:
            break
    return tuple(asked)


class Named(Read, frozen=True, kw_only=True, gc=False):
    """A parameter or a result; its value may be a text, a list or an object."""

    name: str = ""
    value: Any = None


Values = Iterable[Named] | None


def revision(
    annotations: Annotations, labels: Labels, params: Values = (), results: Values = ()
) -> Revision | None:
    """The commit that the run claims to be about, by the first family that names one."""
    return first(_offers(annotations, labels, (*(params or ()), *(results or ()))))


def trace(
    annotations: Annotations, labels: Labels, params: Values = (), results: Values = ()
) -> tuple[Tried, ...]:
    """The families that `revision` asks, and what each of them said."""
    return traced(_offers(annotations, labels, (*(params or ()), *(results or ()))))


def _offers(notes: Annotations, labels: Labels, values: tuple[Named, ...]) -> Iterator[Offer]:
    yield ours(notes)
    if notes.pac_check_run_id:
        yield Offer(rule=PIPELINES_AS_CODE, silent="Pipelines-as-Code reports this run itself")
        return
    if notes.technical_job:
        yield Offer(rule=FEEDBACK, silent="a technical job, which is about no commit")
        return
    for family in _FAMILIES:
        yield family(notes, labels, values)


def pull_request_number(text: str) -> int | None:
    """The number in ``42``, ``#42``, ``refs/pull/42/head`` or the URL of a pull request."""
    found = _PULL_REQUEST.search(text.strip())
    return int(found[1]) or None if found else None


_PULL_REQUEST: Final = re.compile(r"(?<![0-9])([0-9]{1,9})(?:/(?:head|merge|files))?/?$")


def ours(notes: Annotations) -> Offer:
    """What our own annotations say."""
    return Offer(
        rule=OURS,
        repository=notes.repository,
        commit=notes.commit,
        ref=notes.ref,
        pull_request=notes.pull_request,
    )


def _pipelines_as_code(notes: Annotations, _: Labels, __: tuple[Named, ...]) -> Offer:
    named = notes.pac_owner and f"{notes.pac_owner}/{notes.pac_repo}"
    return Offer(
        rule=PIPELINES_AS_CODE,
        repository=notes.pac_repo_url if repository(notes.pac_repo_url) else named,
        commit=notes.pac_sha,
        ref=notes.pac_source_branch or notes.pac_branch,
        pull_request=notes.pac_pull_request,
    )


def _status_tracker(notes: Annotations, _: Labels, values: tuple[Named, ...]) -> Offer:
    """``git-status: "true"`` asks for a status; without annotations the git parameters are meant.

    The tracker read them off the run's git PipelineResource, which Tekton has dropped since; runs
    that were migrated pass the same two as parameters.
    """
    if notes.git_status.strip().lower() != "true":
        return Offer(rule=STATUS_TRACKER, silent='it is not asked for: git-status is not "true"')
    return Offer(
        rule=STATUS_TRACKER,
        repository=notes.git_repo or _first(values, _REPOSITORY_PARAMS),
        commit=notes.git_revision or _first(values, _COMMIT_PARAMS),
    )


_REPOSITORY_PARAMS: Final = ("repo-url", "git-url", "repository-url", "repo_url", "url")
_COMMIT_PARAMS: Final = ("git-revision", "revision", "commit", "sha", "git-sha", "commit-sha")


def _notifier(notes: Annotations, _: Labels, __: tuple[Named, ...]) -> Offer:
    named = notes.notifier_owner and f"{notes.notifier_owner}/{notes.notifier_repo}"
    return Offer(rule=NOTIFIER, repository=named, commit=notes.notifier_commit)


def _feedback(notes: Annotations, labels: Labels, _: tuple[Named, ...]) -> Offer:
    if labels.feedback_enabled.strip().lower() not in {"", "true"}:
        return Offer(rule=FEEDBACK, silent="the label enabled switches it off")
    return Offer(
        rule=FEEDBACK,
        repository=notes.feedback_url,
        commit=notes.feedback_commit,
        ref=notes.feedback_ref,
        pull_request=notes.feedback_pr,
    )


def _integration(notes: Annotations, _: Labels, __: tuple[Named, ...]) -> Offer:
    named = notes.integration_owner and f"{notes.integration_owner}/{notes.integration_repo}"
    return Offer(rule=INTEGRATION, repository=named, commit=notes.integration_sha)


def _chains(_: Annotations, __: Labels, values: tuple[Named, ...]) -> Offer:
    """Type hints: https://tekton.dev/docs/chains/slsa-provenance/#type-hinting."""
    url, commit = _first(values, ("CHAINS-GIT_URL",)), _first(values, ("CHAINS-GIT_COMMIT",))
    hinted = Offer(rule=CHAINS, repository=url, commit=commit)
    inputs = (one.value for one in values if one.name.endswith("ARTIFACT_INPUTS"))
    offers = (_chains_input(value) for value in inputs if isinstance(value, dict))
    if claim(hinted):
        return hinted
    return next((offer for offer in offers if claim(offer)), hinted)


def _chains_input(value: dict[str, Any]) -> Offer:
    uri, digest = value.get("uri"), value.get("digest")
    if not isinstance(uri, str) or not isinstance(digest, str) or not digest.startswith("sha1:"):
        return Offer(rule=CHAINS)  # an image is an input too, and its digest is no commit
    return Offer(rule=CHAINS, repository=uri, commit=digest.removeprefix("sha1:"))


def _first(values: tuple[Named, ...], names: tuple[str, ...]) -> str:
    """The text of the first of these names that has one."""
    known = {one.name: one.value for one in reversed(values) if isinstance(one.value, str)}
    return next((known[name].strip() for name in names if known.get(name)), "")


_FAMILIES: Final[tuple[Callable[[Annotations, Labels, tuple[Named, ...]], Offer], ...]] = (
    _pipelines_as_code,
    _status_tracker,
    _notifier,
    _feedback,
    _integration,
    _chains,
)
