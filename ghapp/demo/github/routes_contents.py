"""Routes of files, commits, comparisons and merges of branches."""

from __future__ import annotations

from typing import Any

from . import code, render_code, render_pulls
from .call import Call, Reply, get, paged, write
from .errors import ApiError, missing, needs, no_commit, not_found
from .git import FOLDER, Entry
from .model import Repository
from .routes_git import READ, REPO, WRITE, decoded, refs_seen


def _commit_at(call: Call, name: str | None) -> str:
    """The commit behind ?ref=, as a reader sees the branches."""
    seen = refs_seen(call)
    wanted = name or call.repo.default_branch
    sha = seen.get(f"refs/heads/{wanted}") or call.repo.git.resolve(wanted)
    if sha is None:
        if name is None:
            raise ApiError(404, "This repository is empty.")
        raise ApiError(404, f"No commit found for the ref {wanted}")
    return sha


def _contents(call: Call) -> Reply:
    repo, world, path = call.repo, call.world, call.path.get("path", "").strip("/")
    at = call.query.get("ref") or repo.default_branch
    tree = repo.git.read_commit(_commit_at(call, call.query.get("ref"))).tree
    entries = dict(repo.git.walk(tree))
    if path in entries and entries[path].mode != FOLDER:
        return Reply(body=render_code.content_file(world, repo, path, at, entries[path]))
    if path and path not in entries:
        raise not_found()
    inside = {name: entry for name, entry in entries.items() if name.rpartition("/")[0] == path}
    shown: list[Any] = [
        render_code.content(world, repo, name, at, entry) for name, entry in inside.items()
    ]
    return Reply(body=shown)


def _put_file(call: Call) -> Reply:
    repo, path = call.repo, call.path["path"]
    branch = call.body.get("branch") or repo.default_branch
    message = needs(call.body, "message")
    if not isinstance(call.body.get("content"), str):
        raise missing("content")
    old = _old_file(repo, branch, path)
    _expect(path, old, call.body.get("sha"), deleting=False)
    content = decoded(call.body["content"])
    sha = code.commit_files(call.world, repo, branch, {path: content}, message, call.actor)
    entry = repo.git.files(sha)[path]
    body = {
        "content": render_code.content(call.world, repo, path, branch, entry),
        "commit": render_code.git_commit(call.world, repo, repo.git.read_commit(sha)),
    }
    return Reply(status=201 if old is None else 200, body=body)


def _delete_file(call: Call) -> Reply:
    repo, path = call.repo, call.path["path"]
    branch = call.body.get("branch") or call.query.get("branch") or repo.default_branch
    message = needs(call.body, "message")
    old = _old_file(repo, branch, path)
    if old is None:
        raise not_found()
    _expect(path, old, needs(call.body, "sha"), deleting=True)
    sha = code.commit_files(call.world, repo, branch, {path: None}, message, call.actor)
    commit = render_code.git_commit(call.world, repo, repo.git.read_commit(sha))
    return Reply(body={"content": None, "commit": commit})


def _old_file(repo: Repository, branch: str, path: str) -> Entry | None:
    at = repo.git.refs.get(f"refs/heads/{branch}")
    if at is None and repo.git.refs:
        raise ApiError(404, f"Branch {branch} not found")
    return repo.git.files(at).get(path) if at else None


def _expect(path: str, old: Entry | None, sha: str | None, *, deleting: bool) -> None:
    if old is not None and sha is None and not deleting:
        raise ApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if old is not None and sha != old.sha:
        raise ApiError(409, f"{path} does not match {sha}")
    if old is None and sha is not None:
        raise ApiError(409, f"{path} does not match {sha}")


# -- commits ----------------------------------------------------------------------------------


def _commit(call: Call) -> Reply:
    sha = refs_seen(call).get(f"refs/heads/{call.path['ref']}") or call.repo.git.resolve(
        call.path["ref"]
    )
    if sha is None:
        raise no_commit(call.path["ref"])
    commit = call.repo.git.read_commit(sha)
    return Reply(body=render_code.commit(call.world, call.repo, commit, files=True))


def _pulls_of_commit(call: Call) -> Reply:
    """Pull requests whose head is this commit, or which brought it in; none from forks."""
    repo = call.repo
    sha = code.commit_of(repo, call.path["commit_sha"])
    found = [
        pull
        for pull in repo.pulls.values()
        if pull.head_repository is repo
        and sha in (pull.merge_sha, *repo.git.between(pull.base_sha, pull.head_sha), pull.head_sha)
    ]
    return paged(call, found, lambda each: render_pulls.pull_simple(call.world, each))


def _compare(call: Call) -> Reply:
    repo, name = call.repo, call.path["basehead"]
    base, _, head = name.partition("...")
    found = [repo.git.resolve(each.rpartition(":")[2]) for each in (base, head)]
    if found[0] is None or found[1] is None:
        raise not_found()
    return Reply(body=render_code.comparison(call.world, repo, found[0], found[1], name))


def _merge(call: Call) -> Reply:
    base, head = needs(call.body, "base"), needs(call.body, "head")
    message = call.body.get("commit_message") or f"Merge {head} into {base}"
    sha = code.merge_branches(call.world, call.repo, base, head, message, call.actor)
    if sha is None:
        return Reply(status=204)
    commit = call.repo.git.read_commit(sha)
    return Reply(status=201, body=render_code.commit(call.world, call.repo, commit, files=True))


ROUTES = (
    get(f"{REPO}/contents/{{path}}", _contents, READ),
    write("PUT", f"{REPO}/contents/{{path}}", _put_file, WRITE),
    write("DELETE", f"{REPO}/contents/{{path}}", _delete_file, WRITE),
    get(f"{REPO}/compare/{{basehead}}", _compare, READ),
    write("POST", f"{REPO}/merges", _merge, WRITE),
    get(f"{REPO}/commits/{{commit_sha}}/pulls", _pulls_of_commit, READ),
    get(f"{REPO}/commits/{{ref}}", _commit, READ),
)
