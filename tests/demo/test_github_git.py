"""The stand-in's little git gives the ids that git gives; histories and merges come out as git's.

The golden ids were made with `git hash-object`, `git write-tree` and `git commit-tree`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ghapp.demo.github.git import Conflict, Entry, Git, Signature, object_id

ANN = Signature("Ann Ö", "ann@example.com", 1_700_000_000)
BOB = Signature("Bob", "bob@example.com", 1_700_000_060)
FILES = {
    "a.txt": ("100644", b"hello\n"),
    "a/b": ("100644", b"x"),
    "a.b": ("100644", b"z"),
    "lib/x/empty": ("100644", b""),
    "run.sh": ("100755", b"#!/bin/sh\n"),
}


def checkout(git: Git, files: dict[str, tuple[str, bytes]]) -> str:
    return git.build({path: Entry(mode, git.blob(raw)) for path, (mode, raw) in files.items()})


def commit(git: Git, files: dict[str, str], *parents: str) -> str:
    tree = checkout(git, {path: ("100644", text.encode()) for path, text in files.items()})
    return git.commit(tree, parents, "change", author=ANN)


@pytest.mark.parametrize(
    ("content", "sha"),
    [
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"x", "c1b0730e0133447badcfd47fd144e254807b06e1"),
    ],
)
def test_a_blob_has_the_id_that_git_gives_it(content: bytes, sha: str) -> None:
    assert object_id("blob", content) == sha


def test_a_tree_and_a_commit_have_the_ids_that_git_gives_them() -> None:
    git = Git()
    tree = checkout(git, FILES)
    assert tree == "27961dbd216983f7c1cb481794c90ecc66369b17"
    message = "Add all\n\nBody ünïcode\n"
    sha = git.commit(tree, [], message, author=ANN, committer=BOB)
    assert sha == "87000be209cb3b30d9f7c5ea06060c725f57f0b0"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_itself_reads_what_was_written(tmp_path: Path) -> None:
    git = Git()
    first = git.commit(checkout(git, FILES), [], "one", author=ANN)
    tree = checkout(git, {**FILES, "lib.y": ("100644", b"y"), "lib-z": ("100644", b"z")})
    second = git.commit(tree, [first], "two\n", author=BOB)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for kind in ("blob", "tree", "commit"):
        for sha, (found, body) in git.objects.items():
            if found == kind:
                written = subprocess.run(
                    ["git", "-C", tmp_path, "hash-object", "-w", "-t", kind, "--stdin"],
                    input=body,
                    capture_output=True,
                    check=True,
                )
                assert written.stdout.decode().strip() == sha
    subprocess.run(["git", "-C", tmp_path, "fsck", "--strict", second], check=True)


def test_what_was_written_is_read_back() -> None:
    git = Git()
    sha = git.commit(checkout(git, FILES), [], "Text\n\nmore", author=ANN, committer=BOB)
    read = git.read_commit(sha)
    assert (read.author, read.committer, read.message) == (ANN, BOB, "Text\n\nmore")
    assert set(git.files(sha)) == set(FILES)
    assert git.files(sha)["run.sh"].mode == "100755"


def test_history_is_walked_once_however_it_branches() -> None:
    git = Git()
    root = commit(git, {"a": "1"})
    left, right = commit(git, {"a": "2"}, root), commit(git, {"a": "1", "b": "1"}, root)
    tip = commit(git, {"a": "2", "b": "1"}, left, right)
    assert sorted(git.history(tip)) == sorted([root, left, right, tip])
    assert git.merge_base(left, right) == root
    assert git.between(left, tip) == [right, tip]
    assert git.reaches(root, tip)
    assert not git.reaches(tip, root)


def test_a_merge_takes_both_sides_and_refuses_what_both_changed() -> None:
    git = Git()
    root = commit(git, {"a": "1", "b": "1", "c": "1"})
    ours = commit(git, {"a": "2", "b": "1", "c": "1"}, root)
    theirs = commit(git, {"a": "1", "b": "2"}, root)
    merged = {path: git.content(entry.sha) for path, entry in
              git.files(git.merged_tree(ours, theirs)).items()}  # fmt: skip
    assert merged == {"a": b"2", "b": b"2"}
    with pytest.raises(Conflict):
        git.merged_tree(ours, commit(git, {"a": "3", "b": "1", "c": "1"}, root))


def test_a_commit_is_found_by_branch_tag_ref_and_shortened_id() -> None:
    git = Git()
    sha = commit(git, {"a": "1"})
    git.set_ref("refs/heads/main", sha, at=1)
    git.set_ref("refs/tags/v1", sha, at=2)
    for name in ("main", "v1", "heads/main", "refs/heads/main", sha, sha[:8]):
        assert git.resolve(name) == sha
    assert git.resolve("no-such") is None
    assert git.resolve(sha[:4]) is None


def test_the_refs_can_be_asked_as_they_stood_at_a_moment() -> None:
    git = Git()
    one, two = commit(git, {"a": "1"}), commit(git, {"a": "2"})
    git.set_ref("refs/heads/main", one, at=10)
    git.set_ref("refs/heads/main", two, at=20)
    git.set_ref("refs/heads/main", None, at=30)
    assert [git.refs_at(moment).get("refs/heads/main") for moment in (5, 10, 25, 30)] == [
        None,
        one,
        two,
        None,
    ]
