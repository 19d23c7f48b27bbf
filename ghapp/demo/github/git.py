"""A little git: blobs, trees, commits and refs in memory, with the ids that git itself would give.

What GitHub's Git Data API, pull requests and comparisons need and no more: no packs, no tags as
objects, no renames. A merge is made file by file; two sides that changed one file differently
are a conflict.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

FILE, EXECUTABLE, LINK, MODULE, FOLDER = "100644", "100755", "120000", "160000", "040000"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who made a commit, and when (UTC)."""

    name: str
    email: str
    at: int

    def __str__(self) -> str:
        return f"{self.name} <{self.email}> {self.at} +0000"

    @property
    def date(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as written."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a tree."""

    mode: str
    sha: str

    @property
    def kind(self) -> str:
        return {FOLDER: "tree", MODULE: "commit"}.get(self.mode, "blob")


class Conflict(Exception):
    """Both sides changed one file, each in its own way."""


def object_id(kind: str, body: bytes) -> str:
    header = f"{kind} {len(body)}\0".encode()
    return hashlib.sha1(header + body, usedforsecurity=False).hexdigest()


class Git:
    """The objects and refs of one repository (or of a family of forks: they share objects)."""

    def __init__(self, objects: dict[str, tuple[str, bytes]] | None = None) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {} if objects is None else objects
        self.refs: dict[str, str] = {}
        self.log: list[tuple[float, str, str | None]] = []  # (when, ref, new id or None)
        self._commits: dict[str, Commit] = {}

    # -- writing ------------------------------------------------------------------------------

    def _put(self, kind: str, body: bytes) -> str:
        sha = object_id(kind, body)
        self.objects[sha] = (kind, body)
        return sha

    def blob(self, content: bytes) -> str:
        return self._put("blob", content)

    def tree(self, entries: Mapping[str, Entry]) -> str:
        """One folder; names sort as git sorts them, a folder as if its name ended in a slash."""
        ordered = sorted(entries.items(), key=_git_order)
        body = b"".join(
            f"{entry.mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(entry.sha)
            for name, entry in ordered
        )
        return self._put("tree", body)

    def commit(
        self,
        tree: str,
        parents: Iterable[str],
        message: str,
        *,
        author: Signature,
        committer: Signature | None = None,
    ) -> str:
        lines = [f"tree {tree}", *(f"parent {sha}" for sha in parents)]
        lines += [f"author {author}", f"committer {committer or author}", "", message]
        return self._put("commit", "\n".join(lines).encode())

    def build(self, files: Mapping[str, Entry]) -> str:
        """The tree of a whole checkout, from path -> entry."""
        here: dict[str, Entry] = {}
        below: dict[str, dict[str, Entry]] = {}
        for path, entry in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            else:
                here[name] = entry
        for name, inside in below.items():
            here[name] = Entry(FOLDER, self.build(inside))
        return self.tree(here)

    def set_ref(self, ref: str, sha: str | None, *, at: float) -> None:
        if sha is None:
            self.refs.pop(ref, None)
        else:
            self.refs[ref] = sha
        self.log.append((at, ref, sha))

    # -- reading ------------------------------------------------------------------------------

    def refs_at(self, moment: float) -> dict[str, str]:
        """The refs as they stood then: what a lagging replica answers."""
        refs: dict[str, str] = {}
        for at, ref, sha in self.log:
            if at > moment:
                continue
            if sha is None:
                refs.pop(ref, None)
            else:
                refs[ref] = sha
        return refs

    def content(self, sha: str, kind: str = "blob") -> bytes | None:
        found = self.objects.get(sha)
        return found[1] if found is not None and found[0] == kind else None

    def is_commit(self, sha: str) -> bool:
        return self.objects.get(sha, ("", b""))[0] == "commit"

    def read_commit(self, sha: str) -> Commit:
        if sha not in self._commits:
            self._commits[sha] = _parse_commit(sha, self.objects[sha][1])
        return self._commits[sha]

    def read_tree(self, sha: str) -> dict[str, Entry]:
        body, entries = self.content(sha, "tree") or b"", {}
        while body:
            head, _, rest = body.partition(b"\0")
            mode, _, name = head.decode().partition(" ")
            entries[name] = Entry(mode.zfill(6), rest[:20].hex())
            body = rest[20:]
        return entries

    def walk(self, tree: str, under: str = "") -> Iterator[tuple[str, Entry]]:
        """Every entry below a tree, folders before what is in them."""
        for name, entry in self.read_tree(tree).items():
            yield under + name, entry
            if entry.mode == FOLDER:
                yield from self.walk(entry.sha, f"{under}{name}/")

    def files(self, commit_or_tree: str) -> dict[str, Entry]:
        tree = commit_or_tree
        if self.is_commit(tree):
            tree = self.read_commit(tree).tree
        return {path: entry for path, entry in self.walk(tree) if entry.mode != FOLDER}

    def resolve(self, name: str) -> str | None:
        """A branch, tag, ref or (abbreviated) commit id -> the commit id."""
        for ref in (f"refs/heads/{name}", f"refs/tags/{name}", f"refs/{name}", name):
            if ref in self.refs:
                return self.refs[ref]
        if self.is_commit(name):
            return name
        if len(name) < 7:
            return None
        hits = [sha for sha in self.objects if sha.startswith(name) and self.is_commit(sha)]
        return hits[0] if len(hits) == 1 else None

    # -- history ------------------------------------------------------------------------------

    def history(self, sha: str) -> Iterator[str]:
        """A commit and its ancestors, nearest first, each once."""
        seen, queue = {sha}, deque([sha])
        while queue:
            current = queue.popleft()
            yield current
            for parent in self.read_commit(current).parents:
                if parent not in seen:
                    seen.add(parent)
                    queue.append(parent)

    def reaches(self, ancestor: str, sha: str) -> bool:
        return any(found == ancestor for found in self.history(sha))

    def merge_base(self, one: str, other: str) -> str | None:
        known = set(self.history(one))
        return next((sha for sha in self.history(other) if sha in known), None)

    def between(self, base: str, head: str) -> list[str]:
        """What head has and base has not, oldest first."""
        known = set(self.history(base))
        return [sha for sha in self.history(head) if sha not in known][::-1]

    def changes(self, base: str | None, head: str) -> dict[str, tuple[Entry | None, Entry | None]]:
        """path -> (before, after) of every file that differs."""
        before = self.files(base) if base else {}
        after = self.files(head)
        return {
            path: (before.get(path), after.get(path))
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
        }

    def merged_tree(self, ours: str, theirs: str) -> str:
        """The tree of a merge, or Conflict."""
        base = self.merge_base(ours, theirs)
        result, mine = self.files(ours), self.changes(base, ours)
        for path, (_, after) in self.changes(base, theirs).items():
            if path in mine and mine[path][1] != after:
                raise Conflict(path)
            if after is None:
                result.pop(path, None)
            else:
                result[path] = after
        return self.build(result)


def _git_order(item: tuple[str, Entry]) -> bytes:
    name, entry = item
    return (name + "/" if entry.mode == FOLDER else name).encode()


def _parse_commit(sha: str, body: bytes) -> Commit:
    head, _, message = body.decode().partition("\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    return Commit(
        sha=sha,
        tree=fields["tree"][0],
        parents=tuple(fields.get("parent", ())),
        author=_parse_signature(fields["author"][0]),
        committer=_parse_signature(fields["committer"][0]),
        message=message,
    )


def _parse_signature(text: str) -> Signature:
    name, _, rest = text.partition(" <")
    email, _, when = rest.partition("> ")
    return Signature(name, email, int(when.split(" ")[0]))
