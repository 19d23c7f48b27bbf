"""Commits, trees, refs, files and comparisons as GitHub's JSON."""

from __future__ import annotations

import base64
import difflib

from . import render
from .errors import Json
from .git import FOLDER, LINK, Commit, Entry, Signature
from .model import Account, Repository
from .world import World

UNSIGNED: Json = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def _person(signature: Signature) -> Json:
    return {"name": signature.name, "email": signature.email, "date": signature.date}


def _who(world: World, signature: Signature) -> Json | None:
    found: Account | None = next(
        (each for each in world.accounts.values() if each.email == signature.email), None
    )
    return render.account(world, found) if found else None


def git_commit(world: World, repo: Repository, commit: Commit) -> Json:
    """As the Git Data API shows it."""
    url, page = render.repository_url(world, repo), render.web_page(world, repo)
    return {
        "sha": commit.sha,
        "node_id": render.node_id("Commit", commit.sha),
        "url": f"{url}/git/commits/{commit.sha}",
        "html_url": f"{page}/commit/{commit.sha}",
        "author": _person(commit.author),
        "committer": _person(commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
        "parents": [
            {
                "sha": sha,
                "url": f"{url}/git/commits/{sha}",
                "html_url": f"{page}/commit/{sha}",
            }
            for sha in commit.parents
        ],
        "verification": UNSIGNED,
    }


def commit(world: World, repo: Repository, which: Commit, *, files: bool = False) -> Json:
    """As the Commits API shows it."""
    url, page = render.repository_url(world, repo), render.web_page(world, repo)
    inner = git_commit(world, repo, which)
    body: Json = {
        "sha": which.sha,
        "node_id": inner["node_id"],
        "url": f"{url}/commits/{which.sha}",
        "html_url": inner["html_url"],
        "comments_url": f"{url}/commits/{which.sha}/comments",
        "commit": {
            "url": inner["url"],
            "author": inner["author"],
            "committer": inner["committer"],
            "message": which.message,
            "tree": inner["tree"],
            "comment_count": 0,
            "verification": UNSIGNED,
        },
        "author": _who(world, which.author),
        "committer": _who(world, which.committer),
        "parents": [
            {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/commit/{sha}"}
            for sha in which.parents
        ],
    }
    if files:
        changed = diff(world, repo, which.parents[0] if which.parents else None, which.sha)
        added, removed = (sum(file[key] for file in changed) for key in ("additions", "deletions"))
        body["stats"] = {"total": added + removed, "additions": added, "deletions": removed}
        body["files"] = changed
    return body


def diff(world: World, repo: Repository, base: str | None, head: str) -> list[Json]:
    """The changed files with their patches."""
    return [
        _changed_file(world, repo, head, path, old, new)
        for path, (old, new) in repo.git.changes(base, head).items()
    ]


def _changed_file(
    world: World, repo: Repository, head: str, path: str, old: Entry | None, new: Entry | None
) -> Json:
    url, page = render.repository_url(world, repo), render.web_page(world, repo)
    before, after = (_lines(repo, entry) for entry in (old, new))
    patch = list(difflib.unified_diff(before, after, lineterm=""))[2:]
    added = sum(line.startswith("+") for line in patch)
    removed = sum(line.startswith("-") for line in patch)
    return {
        "sha": (new or old or Entry("", "")).sha,
        "filename": path,
        "status": "added" if old is None else "removed" if new is None else "modified",
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": f"{page}/blob/{head}/{path}",
        "raw_url": f"{page}/raw/{head}/{path}",
        "contents_url": f"{url}/contents/{path}?ref={head}",
        "patch": "\n".join(patch),
    }


def _lines(repo: Repository, entry: Entry | None) -> list[str]:
    content = repo.git.content(entry.sha) if entry else None
    return (content or b"").decode(errors="replace").splitlines()


def ref(world: World, repo: Repository, name: str, sha: str) -> Json:
    url = render.repository_url(world, repo)
    return {
        "ref": name,
        "node_id": render.node_id("Ref", f"{repo.id}:{name}"),
        "url": f"{url}/git/{name}",
        "object": {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"},
    }


def tree(world: World, repo: Repository, sha: str, *, recursive: bool = False) -> Json:
    git, url = repo.git, render.repository_url(world, repo)
    entries = git.walk(sha) if recursive else git.read_tree(sha).items()
    return {
        "sha": sha,
        "url": f"{url}/git/trees/{sha}",
        "tree": [_tree_entry(repo, url, path, entry) for path, entry in entries],
        "truncated": False,
    }


def _tree_entry(repo: Repository, url: str, path: str, entry: Entry) -> Json:
    folder = {"blob": "blobs", "tree": "trees", "commit": "commits"}[entry.kind]
    body: Json = {
        "path": path,
        "mode": entry.mode,
        "type": entry.kind,
        "sha": entry.sha,
        "url": f"{url}/git/{folder}/{entry.sha}",
    }
    if entry.kind == "blob":
        body["size"] = len(repo.git.content(entry.sha) or b"")
    return body


def blob(world: World, repo: Repository, sha: str, content: bytes) -> Json:
    return {
        "sha": sha,
        "node_id": render.node_id("Blob", sha),
        "size": len(content),
        "url": f"{render.repository_url(world, repo)}/git/blobs/{sha}",
        "content": base64.encodebytes(content).decode(),
        "encoding": "base64",
    }


def content(world: World, repo: Repository, path: str, at: str, entry: Entry) -> Json:
    """A file or folder as the Contents API lists it."""
    api, page = render.repository_url(world, repo), render.web_page(world, repo)
    folder = entry.mode == FOLDER
    url = f"{api}/contents/{path}?ref={at}"
    git_url = f"{api}/git/{'trees' if folder else 'blobs'}/{entry.sha}"
    html_url = f"{page}/{'tree' if folder else 'blob'}/{at}/{path}"
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "size": len(repo.git.content(entry.sha) or b""),
        "type": "dir" if folder else "symlink" if entry.mode == LINK else "file",
        "url": url,
        "git_url": git_url,
        "html_url": html_url,
        "download_url": None if folder else f"{page}/raw/{at}/{path}",
        "_links": {"self": url, "git": git_url, "html": html_url},
    }


def content_file(world: World, repo: Repository, path: str, at: str, entry: Entry) -> Json:
    raw = repo.git.content(entry.sha) or b""
    return content(world, repo, path, at, entry) | {
        "type": "file",
        "encoding": "base64",
        "content": base64.encodebytes(raw).decode(),
    }


def comparison(world: World, repo: Repository, base: str, head: str, name: str) -> Json:
    """GET .../compare/{base}...{head}."""
    git, url = repo.git, render.repository_url(world, repo)
    page = f"{render.web_page(world, repo)}/compare/{name}"
    common = git.merge_base(base, head) or base
    ahead, behind = git.between(base, head), git.between(head, base)
    standing = {
        (False, False): "identical",
        (True, False): "ahead",
        (False, True): "behind",
        (True, True): "diverged",
    }
    return {
        "url": f"{url}/compare/{name}",
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": commit(world, repo, git.read_commit(base)),
        "merge_base_commit": commit(world, repo, git.read_commit(common)),
        "status": standing[(bool(ahead), bool(behind))],
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [commit(world, repo, git.read_commit(sha)) for sha in ahead],
        "files": diff(world, repo, common, head),
    }
