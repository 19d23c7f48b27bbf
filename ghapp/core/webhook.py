"""Is this request GitHub's, and what does it ask? Bytes in, a verdict or a command out.

`verify` works on the raw bytes, before anything is parsed: until the signature holds, the body is
just bytes from the internet. Nothing here has seen a server.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from ghapp.core.model import Value

SIGNATURE_HEADER: Final = "X-Hub-Signature-256"
BODY_LIMIT: Final = 26 * 1024 * 1024
"""GitHub never sends more than 25 MB (docs: webhook events and payloads)."""

_PREFIX: Final = "sha256="


def sign(body: bytes, secret: bytes) -> str:
    """The header that GitHub sends for this body."""
    return _PREFIX + hmac.new(secret, body, sha256).hexdigest()


def verify(body: bytes, signature: str, secrets: Sequence[bytes]) -> bool:
    """Whether one of the secrets signed these bytes; takes the same time whichever did.

    Only HMAC-SHA256 counts: SHA-1 (``X-Hub-Signature``) is not looked at. Without secrets nothing
    is genuine.
    """
    given = signature.strip().encode("utf-8", "replace")
    matches = [hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets]
    return any(matches)


ALL_RUNS: Final = "checkrail.dev/all"
"""What the ``external_id`` of a check that sums up all runs of a commit begins with: *Re-run* on it
means those that failed, or all of them if none did."""


class Press(Value, frozen=True, kw_only=True):
    """Somebody clicked a button of one check, or Re-run on it."""

    identifier: str
    external_id: str
    check_run: int
    commit: str
    app: int
    repository: str
    """``owner/name``, as it is called now."""
    login: str
    began: str = ""
    """When the check run began, as GitHub writes it; empty: not said."""
    formerly: frozenset[str] = frozenset()
    """Names, in lower case, that lead to the repository by now; GitHub was asked."""


class RerunAll(Value, frozen=True, kw_only=True):
    """Somebody clicked *Re-run all checks* on a commit, or *Re-run* on the check of all runs."""

    commit: str
    app: int
    repository: str
    login: str
    failed: bool = False
    """If any failed, those only: *Re-run failed checks* is about the check of all runs, too."""
    formerly: frozenset[str] = frozenset()


class Comment(Value, frozen=True, kw_only=True):
    """Somebody wrote commands into a pull request's discussion."""

    id: int
    number: int
    """Of the pull request."""
    created: str
    """As GitHub writes it: ``2026-05-04T02:00:00Z``."""
    text: str
    repository: str
    login: str
    formerly: frozenset[str] = frozenset()
    source: str = ""
    """The id of the Provider whose App heard it; empty: the environment's."""


class GroupEnded(Value, frozen=True, kw_only=True):
    """The merge queue gave up a commit that it had made: nothing that is found out of it counts."""

    commit: str
    repository: str
    reason: str
    """``dequeued`` or ``invalidated``, or a word newer than this file."""
    formerly: frozenset[str] = frozenset()


class Completed(Value, frozen=True, kw_only=True):
    """A check run was completed, as a rule by us; as GitHub shows it now."""

    check_run: int
    external_id: str
    commit: str
    app: int
    repository: str
    name: str
    conclusion: str
    title: str
    began: str = ""
    """As GitHub writes it; empty: not said."""


class PullOpened(Value, frozen=True, kw_only=True):
    """A pull request was opened, or has another newest commit."""

    number: int
    head: str
    repository: str
    formerly: frozenset[str] = frozenset()


class InstallationChanged(Value, frozen=True, kw_only=True):
    """Where the App may work has changed: what is cached about it is stale."""

    event: str


Request: TypeAlias = Press | RerunAll | Comment
"""What a person asks for."""

Command: TypeAlias = Request | GroupEnded | Completed | PullOpened | InstallationChanged

COMMENT_EVENT: Final = "issue_comment"
PULL_EVENT: Final = "pull_request"
QUEUE_EVENT: Final = "merge_group"
QUEUE_BRANCHES: Final = "refs/heads/gh-readonly-queue/"
"""Where the commits of a merge queue are, and nobody else's."""
INSTALLATION_EVENTS: Final = frozenset(
    {"installation", "installation_repositories", "installation_target", "repository"}
)


class _App(Struct):
    id: int = 0


class _Output(Struct):
    title: str | None = ""


class _CheckRun(Struct):
    id: int
    head_sha: str
    name: str = ""
    conclusion: str | None = ""
    output: _Output | None = None
    external_id: str | None = ""
    started_at: str | None = ""
    app: _App | None = None


class _CheckSuite(Struct):
    head_sha: str
    app: _App | None = None


class _Action(Struct):
    identifier: str = ""


class _Account(Struct):
    login: str = ""
    type: str = ""


class _Issue(Struct):
    number: int
    pull_request: dict[str, msgspec.Raw] | None = None


class _Head(Struct):
    sha: str


class _Pull(Struct):
    number: int
    head: _Head


class _Comment(Struct):
    id: int
    body: str | None = ""
    created_at: str = ""
    user: _Account | None = None
    performed_via_github_app: _App | None = None


class _Repository(Struct):
    full_name: str


class _Group(Struct):
    head_sha: str
    head_ref: str = ""


class _Payload(Struct):
    """The few fields that are read; everything else is skipped while decoding."""

    action: str = ""
    check_run: _CheckRun | None = None
    check_suite: _CheckSuite | None = None
    requested_action: _Action | None = None
    repository: _Repository | None = None
    sender: _Account | None = None
    issue: _Issue | None = None
    comment: _Comment | None = None
    merge_group: _Group | None = None
    pull_request: _Pull | None = None
    reason: str = ""


_payload = msgspec.json.Decoder(_Payload)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_json_object(body: bytes) -> bool:
    """Whether the body is one well-formed JSON object; does not look inside it."""
    try:
        _object.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def parse(event: str, body: bytes) -> Command | None:
    """What a verified delivery asks for; None: nothing (most deliveries are echoes of our writes).

    Raises ValueError for a body that is not shaped as GitHub describes it.
    """
    if event in INSTALLATION_EVENTS:
        return InstallationChanged(event=event)
    read = _READERS.get(event)
    if read is None:
        return None
    try:
        payload = _payload.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"a {event} delivery of an unknown shape: {error}") from error
    return read(payload)


def _check_run(payload: _Payload) -> Command | None:
    run, repository, sender = payload.check_run, payload.repository, payload.sender
    if run is None or repository is None or sender is None:
        return None
    app = run.app.id if run.app else 0
    if payload.action == "completed":
        return _completed(run, app, repository)
    identifier = _identifier(payload)
    if not identifier:
        return None  # created: our own write comes back
    if (run.external_id or "").startswith(ALL_RUNS):
        return _all_runs(identifier, run, app, repository, sender)
    return Press(
        identifier=identifier,
        external_id=run.external_id or "",
        check_run=run.id,
        commit=run.head_sha,
        app=app,
        repository=repository.full_name,
        login=sender.login,
        began=run.started_at or "",
    )


def _completed(run: _CheckRun, app: int, repository: _Repository) -> Completed:
    output = run.output or _Output()
    return Completed(
        check_run=run.id,
        external_id=run.external_id or "",
        commit=run.head_sha,
        app=app,
        repository=repository.full_name,
        name=run.name,
        conclusion=run.conclusion or "",
        title=output.title or "",
        began=run.started_at or "",
    )


def _all_runs(
    identifier: str, run: _CheckRun, app: int, repository: _Repository, sender: _Account
) -> RerunAll | None:
    if identifier != "rerun":
        return None  # it has no buttons of its own
    return RerunAll(
        commit=run.head_sha,
        app=app,
        repository=repository.full_name,
        login=sender.login,
        failed=True,
    )


def _identifier(payload: _Payload) -> str:
    if payload.action == "rerequested":
        return "rerun"
    if payload.action == "requested_action" and payload.requested_action:
        return payload.requested_action.identifier
    return ""


def _check_suite(payload: _Payload) -> Command | None:
    suite, repository, sender = payload.check_suite, payload.repository, payload.sender
    if payload.action != "rerequested" or suite is None or repository is None or sender is None:
        return None
    return RerunAll(
        commit=suite.head_sha,
        app=suite.app.id if suite.app else 0,
        repository=repository.full_name,
        login=sender.login,
    )


def _comment(payload: _Payload) -> Command | None:
    """A new comment of a person; what is edited or deleted later changes nothing."""
    issue, comment, repository = payload.issue, payload.comment, payload.repository
    if payload.action != "created" or issue is None or comment is None or repository is None:
        return None
    if issue.pull_request is None or not _is_a_persons(comment):
        return None
    assert comment.user is not None
    return Comment(
        id=comment.id,
        number=issue.number,
        created=comment.created_at,
        text=comment.body or "",
        repository=repository.full_name,
        login=comment.user.login,
    )


def _pull_request(payload: _Payload) -> Command | None:
    pull, repository = payload.pull_request, payload.repository
    if payload.action not in _SHOWN_ANEW or pull is None or repository is None:
        return None
    return PullOpened(number=pull.number, head=pull.head.sha, repository=repository.full_name)


_SHOWN_ANEW: Final = frozenset({"opened", "reopened", "synchronize"})


def _merge_group(payload: _Payload) -> Command | None:
    """Only an end without a merge: what was merged is the branch, and its runs go on."""
    group, repository = payload.merge_group, payload.repository
    if payload.action != "destroyed" or group is None or repository is None:
        return None
    if payload.reason == "merged" or not group.head_ref.startswith(QUEUE_BRANCHES):
        return None
    return GroupEnded(commit=group.head_sha, repository=repository.full_name, reason=payload.reason)


def _is_a_persons(comment: _Comment) -> bool:
    """Apps talk to each other for ever if one lets them: also our own answers come back."""
    user = comment.user
    if user is None or comment.performed_via_github_app is not None:
        return False
    return user.type != "Bot" and not user.login.endswith("[bot]")


_READERS: Final[Mapping[str, Callable[[_Payload], Command | None]]] = {
    "check_run": _check_run,
    "check_suite": _check_suite,
    COMMENT_EVENT: _comment,
    PULL_EVENT: _pull_request,
    QUEUE_EVENT: _merge_group,
}
