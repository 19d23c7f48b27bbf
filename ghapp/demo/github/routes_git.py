"""Routes of the Git Data API, of contents, commits and comparisons."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from . import code, refs, render_code, render_pulls
from .call import Call, Reply, get, paged, write
from .errors import ApiError, Json, invalid, missing, needs, no_commit, not_found
from .git import FOLDER, Entry, Signature
from .model import Account, Repository

READ, WRITE = "contents=read", "contents=write"
REPO = "/repos/{owner}/{repo}"


def _refs(call: Call) -> dict[str, str]:
    """The refs as a reader sees them."""
    git, world = call.repo.git, call.world
    return git.refs if not world.read_lag else git.refs_at(world.clock() - world.read_lag)


def _empty_check(repo: Repository) -> None:
    if not repo.git.refs:
        raise ApiError(409, "Git Repository is empty.")


# -- refs -------------------------------------------------------------------------------------


def _get_ref(call: Call) -> Reply:
    _empty_check(call.repo)
    name = f"refs/{call.path['ref']}"
    sha = _refs(call).get(name)
    if sha is None:
        raise not_found()
    return Reply(body=render_code.ref(call.world, call.repo, name, sha))


def _matching(call: Call) -> Reply:
    prefix = f"refs/{call.path['ref']}"
    found = sorted(item for item in _refs(call).items() if item[0].startswith(prefix))
    return Reply(body=[render_code.ref(call.world, call.repo, *item) for item in found])


def _create_ref(call: Call) -> Reply:
    name, sha = needs(call.body, "ref"), needs(call.body, "sha")
    refs.create_ref(call.world, call.repo, name, sha, call.actor)
    return Reply(status=201, body=render_code.ref(call.world, call.repo, name, sha))


def _update_ref(call: Call) -> Reply:
    name, sha = f"refs/{call.path['ref']}", needs(call.body, "sha")
    force = call.body.get("force") is True
    refs.update_ref(call.world, call.repo, name, sha, call.actor, force=force)
    return Reply(body=render_code.ref(call.world, call.repo, name, sha))


def _delete_ref(call: Call) -> Reply:
    name = f"refs/{call.path['ref']}"
    if name not in call.repo.git.refs:
        raise ApiError(422, "Reference does not exist")
    refs.move_ref(call.world, call.repo, name, None, call.actor)
    return Reply(status=204)


# -- objects ----------------------------------------------------------------------------------


def _create_commit(call: Call) -> Reply:
    git, body = call.repo.git, call.body
    message, tree = needs(body, "message"), needs(body, "tree")
    if git.content(tree, "tree") is None:
        raise ApiError(422, "Tree SHA does not exist")
    for parent in body.get("parents", ()):
        if not git.is_commit(parent):
            raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    author = _signature(call, body.get("author"), call.actor)
    committer = _signature(call, body["committer"], call.actor) if "committer" in body else author
    sha = git.commit(tree, body.get("parents", ()), message, author=author, committer=committer)
    return Reply(
        status=201, body=render_code.git_commit(call.world, call.repo, git.read_commit(sha))
    )


def _signature(call: Call, given: Json | None, who: Account) -> Signature:
    if given is None:
        return call.world.signature(who)
    at = call.world.clock()
    if given.get("date"):
        at = _seconds(given["date"])
    return Signature(needs(given, "name"), needs(given, "email"), int(at))


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise invalid("Commit", "date", f"{text} is not a date", code="invalid") from error


def _git_commit(call: Call) -> Reply:
    sha = call.path["commit_sha"]
    if not call.repo.git.is_commit(sha):
        raise not_found()
    body = render_code.git_commit(call.world, call.repo, call.repo.git.read_commit(sha))
    return Reply(body=body)


def _create_tree(call: Call) -> Reply:
    """Entries laid over `base_tree`; a null sha deletes, inline content becomes a blob."""
    git, base = call.repo.git, call.body.get("base_tree")
    if "tree" not in call.body:
        raise missing("tree")
    if base is not None and git.is_commit(base):
        base = git.read_commit(base).tree
    if base is not None and git.content(base, "tree") is None:
        raise ApiError(422, "base_tree is not a valid tree oid")
    files = git.files(base) if base else {}
    for each in call.body["tree"]:
        _lay(call, files, each)
    return Reply(status=201, body=render_code.tree(call.world, call.repo, git.build(files)))


def _lay(call: Call, files: dict[str, Entry], each: Json) -> None:
    git, path, mode = call.repo.git, needs(each, "path"), each.get("mode", "100644")
    if "content" in each:
        files[path] = Entry(mode, git.blob(each["content"].encode()))
        return
    sha = each.get("sha")
    if sha is None:
        for known in [p for p in files if p == path or p.startswith(f"{path}/")]:
            del files[known]
        return
    if sha not in git.objects and mode != "160000":
        raise ApiError(422, f"tree.sha {sha} is not a valid blob")
    if mode == FOLDER:
        files.update({f"{path}/{name}": entry for name, entry in git.files(sha).items()})
    else:
        files[path] = Entry(mode, sha)


def _tree(call: Call) -> Reply:
    git, name = call.repo.git, call.path["tree_sha"]
    commit = git.resolve(name)
    sha = git.read_commit(commit).tree if commit else name
    if git.content(sha, "tree") is None:
        raise not_found()
    recursive = "recursive" in call.query
    return Reply(body=render_code.tree(call.world, call.repo, sha, recursive=recursive))


def _create_blob(call: Call) -> Reply:
    if not isinstance(call.body.get("content"), str):
        raise missing("content")
    text, encoding = call.body["content"], call.body.get("encoding", "utf-8")
    sha = call.repo.git.blob(_decoded(text) if encoding == "base64" else text.encode())
    shown = render_code.blob(call.world, call.repo, sha, b"")
    return Reply(status=201, body={"sha": sha, "url": shown["url"]})


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ApiError(422, "content is not valid Base64") from error


def _blob(call: Call) -> Reply:
    sha = call.path["file_sha"]
    content = call.repo.git.content(sha)
    if content is None:
        raise not_found()
    return Reply(body=render_code.blob(call.world, call.repo, sha, content))


# -- contents ---------------------------------------------------------------------------------


def _commit_at(call: Call, name: str | None) -> str:
    """The commit behind ?ref=, as a reader sees the branches."""
    seen = _refs(call)
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
    content = _decoded(call.body["content"])
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
    sha = _refs(call).get(f"refs/heads/{call.path['ref']}") or call.repo.git.resolve(
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
    get(f"{REPO}/git/ref/{{ref}}", _get_ref, READ),
    get(f"{REPO}/git/matching-refs/{{ref}}", _matching, READ),
    write("POST", f"{REPO}/git/refs", _create_ref, WRITE),
    write("PATCH", f"{REPO}/git/refs/{{ref}}", _update_ref, WRITE),
    write("DELETE", f"{REPO}/git/refs/{{ref}}", _delete_ref, WRITE),
    write("POST", f"{REPO}/git/commits", _create_commit, WRITE),
    get(f"{REPO}/git/commits/{{commit_sha}}", _git_commit, READ),
    write("POST", f"{REPO}/git/trees", _create_tree, WRITE),
    get(f"{REPO}/git/trees/{{tree_sha}}", _tree, READ),
    write("POST", f"{REPO}/git/blobs", _create_blob, WRITE),
    get(f"{REPO}/git/blobs/{{file_sha}}", _blob, READ),
    get(f"{REPO}/contents/{{path}}", _contents, READ),
    write("PUT", f"{REPO}/contents/{{path}}", _put_file, WRITE),
    write("DELETE", f"{REPO}/contents/{{path}}", _delete_file, WRITE),
    get(f"{REPO}/compare/{{basehead}}", _compare, READ),
    write("POST", f"{REPO}/merges", _merge, WRITE),
    get(f"{REPO}/commits/{{commit_sha}}/pulls", _pulls_of_commit, READ),
    get(f"{REPO}/commits/{{ref}}", _commit, READ),
)
