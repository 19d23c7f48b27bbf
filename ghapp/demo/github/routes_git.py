"""Routes of the Git Data API, of contents, commits and comparisons."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from . import refs, render_code
from .call import Call, Reply, get, write
from .errors import ApiError, Json, invalid, missing, needs, not_found
from .git import FOLDER, Entry, Signature
from .model import Account, Repository

READ, WRITE = "contents=read", "contents=write"
REPO = "/repos/{owner}/{repo}"


def refs_seen(call: Call) -> dict[str, str]:
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
    sha = refs_seen(call).get(name)
    if sha is None:
        raise not_found()
    return Reply(body=render_code.ref(call.world, call.repo, name, sha))


def _matching(call: Call) -> Reply:
    prefix = f"refs/{call.path['ref']}"
    found = sorted(item for item in refs_seen(call).items() if item[0].startswith(prefix))
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
    sha = call.repo.git.blob(decoded(text) if encoding == "base64" else text.encode())
    shown = render_code.blob(call.world, call.repo, sha, b"")
    return Reply(status=201, body={"sha": sha, "url": shown["url"]})


def decoded(text: str) -> bytes:
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
)
