"""What GraphQL can change here: a commit on a branch, merging, auto-merge, closing, commenting."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import code, comments, graphql_checks, graphql_objects, merging, pulls
from .errors import Json
from .graphql_run import Arguments, GraphqlError, Object
from .model import Account, App, Pull, Repository
from .world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The mutations of one caller; `demand` raises unless the caller may."""

    world: World
    actor: Account
    app: App | None
    demand: Callable[[Repository, str], None]

    def root(self) -> Object:
        return Object(
            "Mutation",
            {
                "createCommitOnBranch": self._create_commit,
                "enablePullRequestAutoMerge": self._auto_merge,
                "mergePullRequest": self._merge,
                "closePullRequest": self._close,
                "addComment": self._comment,
            },
        )

    # -- code --------------------------------------------------------------------------------

    def _create_commit(self, arguments: Arguments) -> Object:
        """A compare-and-swap: nothing happens unless the branch is where the caller saw it."""
        wish = arguments["input"]
        repo, branch = self._branch(wish["branch"])
        self.demand(repo, "contents=write")
        head = repo.git.refs.get(f"refs/heads/{branch}")
        if head is None:
            raise GraphqlError(f"No branch '{branch}'", "NOT_FOUND")
        if wish.get("expectedHeadOid") != head:
            raise GraphqlError(
                f'Expected branch to point to "{wish.get("expectedHeadOid")}" but it did not.'
                " Pull and try again.",
                "STALE_DATA",
            )
        message = wish["message"]
        text = "\n\n".join(part for part in (message["headline"], message.get("body")) if part)
        files = _files(wish.get("fileChanges") or {})
        sha = code.commit_files(self.world, repo, branch, files, text, self.actor)
        made = graphql_checks.commit(self.world, repo, sha)
        ref = graphql_checks.ref(self.world, repo, branch, sha)
        return _payload("CreateCommitOnBranch", wish, commit=made, ref=ref)

    def _branch(self, given: Json) -> tuple[Repository, str]:
        if "id" in given:
            repository, _, ref = graphql_objects.number_of_node(given["id"], "Ref").partition(":")
            repo = self.world.repositories.get(int(repository or 0))
            branch = ref
        else:
            repo = self.world.former(given.get("repositoryNameWithOwner", ""))
            branch = given.get("branchName", "")
        if repo is None:
            raise GraphqlError("Could not resolve to a Repository", "NOT_FOUND")
        return repo, branch.removeprefix("refs/heads/")

    # -- pull requests -----------------------------------------------------------------------

    def _pull(self, wish: Json, key: str = "pullRequestId") -> Pull:
        return graphql_objects.pull_of_node(self.world, wish[key])

    def _shown(self, pull: Pull) -> Object:
        return graphql_objects.pull(self.world, pull, self.actor)

    def _auto_merge(self, arguments: Arguments) -> Object:
        wish = arguments["input"]
        pull = self._pull(wish)
        self.demand(pull.repository, "pull_requests=write")
        _expect_head(pull, wish)
        method = {"merge_method": wish.get("mergeMethod", "MERGE").lower()}
        merging.enable_auto_merge(self.world, pull, method, self.actor)
        return _payload("EnablePullRequestAutoMerge", wish, pullRequest=self._shown(pull))

    def _merge(self, arguments: Arguments) -> Object:
        wish = arguments["input"]
        pull = self._pull(wish)
        self.demand(pull.repository, "contents=write")
        body = {
            "sha": wish.get("expectedHeadOid"),
            "merge_method": (wish.get("mergeMethod") or "MERGE").lower(),
            "commit_title": wish.get("commitHeadline"),
            "commit_message": wish.get("commitBody") or "",
        }
        merging.merge(self.world, pull, body, self.actor)
        return _payload("MergePullRequest", wish, pullRequest=self._shown(pull))

    def _close(self, arguments: Arguments) -> Object:
        wish = arguments["input"]
        pull = self._pull(wish)
        self.demand(pull.repository, "pull_requests=write")
        pulls.close(self.world, pull, self.actor)
        return _payload("ClosePullRequest", wish, pullRequest=self._shown(pull))

    def _comment(self, arguments: Arguments) -> Object:
        wish = arguments["input"]
        pull = self._pull(wish, "subjectId")
        self.demand(pull.repository, "issues=write; pull_requests=write")
        made = comments.create(self.world, pull, {"body": wish["body"]}, self.actor, self.app)
        node = graphql_objects.comment(self.world, made, self.actor)
        edge = Object("IssueCommentEdge", {"node": node})
        return _payload("AddComment", wish, commentEdge=edge)


def _payload(kind: str, wish: Json, **fields: Any) -> Object:
    return Object(f"{kind}Payload", {"clientMutationId": wish.get("clientMutationId"), **fields})


def _expect_head(pull: Pull, wish: Json) -> None:
    if wish.get("expectedHeadOid") not in (None, pull.head_sha):
        raise GraphqlError("Head sha didn't match expected head oid")


def _files(changes: Json) -> dict[str, bytes | None]:
    files: dict[str, bytes | None] = {each["path"]: None for each in changes.get("deletions") or ()}
    for each in changes.get("additions") or ():
        try:
            files[each["path"]] = base64.b64decode(each["contents"], validate=True)
        except binascii.Error as error:
            raise GraphqlError(f"{each['path']}: contents are not Base64") from error
    return files
