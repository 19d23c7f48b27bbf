"""Promotions: a pull request that sets a marked value to a version, made wholly through the API.

Nothing is cloned. The files of the base branch are looked through for the marker; the change
becomes one commit (GitHub signs what an App commits through its API), one branch named for pipeline
and environment, one pull request. Every step finds what an earlier try has left behind, so that a
promotion that was interrupted anywhere and repeated ends as one pull request.

Branch, title and the metadata in the pull request's text are those of pipeline-controller: other
tools find its pull requests by them.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from cachetools import LRUCache
from msgspec import Struct

from ghapp.core import markdown, marker, pull_request
from ghapp.core.effects import Effect, Promote
from ghapp.errors import Reject, Retry
from ghapp.ports import GitHub, GitHubs, Receipt, SinkType, Slot

FILES: Final = 2000
"""YAML files of one branch that are looked into: each costs a request when it is new."""
FILE_BYTES: Final = 1024 * 1024
_FOLDERS: Final = 2000
_AT_A_TIME: Final = 4
_CACHE_BYTES: Final = 16 * 1024 * 1024
_VERSION_LENGTH: Final = 128
_MODES: Final = frozenset({"100644", "100755"})


class Settings(Struct, frozen=True, kw_only=True):
    """Nothing to set: repository and branch are in the Pipeline document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a git tree; with `text` as it shall be, a change."""

    path: str
    mode: str
    sha: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as far as we compare it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str


def _texts() -> LRUCache[str, str]:
    return LRUCache(_CACHE_BYTES, getsizeof=lambda text: len(text) + 100)


@dataclass(frozen=True, slots=True)
class Promotion:
    """Pull requests that promote."""

    settings: Settings
    githubs: GitHubs
    _known: LRUCache[str, str] = field(default_factory=_texts, init=False, repr=False)
    """Files by the id of their content, which never changes; empty: it has no marker."""

    def accepts(self, effect: Effect) -> bool:
        """Promotions."""
        return isinstance(effect, Promote)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt:
        """Open the pull request, or bring the open one up to date."""
        if not isinstance(effect, Promote):
            raise Reject(f"{key}: promotion takes promotions only")
        _check_version(effect.version)
        github = self.githubs.serving(effect.repository)
        if github is None:
            raise Reject(f"no GitHub App is set up for {effect.repository.host}")
        step = _Step(effect=effect, github=github, known=self._known)
        base = await step.base()
        changes = await step.changes(base)
        if not changes:
            return Receipt(notice=f"{pull_request.what(effect)} is already at {effect.version}")
        branch = await step.branch()
        await step.move_branch(branch, await step.commit(base, changes, branch))
        return await step.propose()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What one promotion asks of GitHub, in the order of the methods."""

    effect: Promote
    github: GitHub
    known: LRUCache[str, str]

    async def base(self) -> Commit:
        """The tip of the base branch."""
        branch = self.effect.base_branch
        tip = await self._tip(branch)
        if tip is None:
            raise Reject(f"{self.effect.repository.url} has no branch {branch}", status=404)
        return tip

    async def changes(self, base: Commit) -> Sequence[File]:
        """The files that are not yet as they shall be; none: it is done already."""
        turns = asyncio.Semaphore(_AT_A_TIME)
        files = [file async for file in self._yaml_files(base.tree)]
        texts = await _all([self._text(file, turns) for file in files])
        count, changed = 0, []
        for file, before in zip(files, texts, strict=True):
            text, found = marker.promote(before, self.effect.marker, self.effect.version)
            count += found
            if text != before:
                changed.append(File(path=file.path, mode=file.mode, sha=file.sha, text=text))
        if not count:
            raise Reject(self._no_marker())
        return changed

    async def branch(self) -> Commit | None:
        """The tip of our branch, if an earlier promotion left one; raises if it is not ours."""
        tip = await self._tip(pull_request.branch(self.effect))
        if tip is not None:
            self._check_owner(tip)
        return tip

    async def commit(self, base: Commit, changes: Sequence[File], branch: Commit | None) -> Commit:
        """The change on top of `base`; the one on our branch, if that is it already."""
        entries = [
            {"path": file.path, "mode": file.mode, "type": "blob", "content": file.text}
            for file in changes
        ]
        tree = await self._ask("POST", "/git/trees", {"base_tree": base.tree, "tree": entries})
        if branch and (branch.tree, branch.parents) == (tree["sha"], (base.sha,)):
            return branch
        body = {
            "message": pull_request.title(self.effect),
            "tree": tree["sha"],
            "parents": [base.sha],
        }
        return _commit(await self._ask("POST", "/git/commits", body))

    async def move_branch(self, branch: Commit | None, commit: Commit) -> None:
        """Our branch has this commit on top of the base branch and nothing else."""
        if branch == commit:
            return
        name = f"refs/heads/{pull_request.branch(self.effect)}"
        try:
            if branch is None:
                await self._ask("POST", "/git/refs", {"ref": name, "sha": commit.sha})
            else:
                body = {"sha": commit.sha, "force": True}
                await self._ask("PATCH", f"/git/{quote(name)}", body)
        except Reject as error:
            if error.status == 422 and "Reference" in error.reason:  # made or deleted just now
                raise Retry(error.reason, after=1.0, status=422) from error
            raise

    async def propose(self) -> Receipt:
        """The one pull request of our branch."""
        effect = self.effect
        wanted = {
            "title": pull_request.title(effect),
            "body": pull_request.body(effect),
            "base": effect.base_branch,
        }
        try:
            pull = await self._ask(
                "POST", "/pulls", {**wanted, "head": pull_request.branch(effect)}
            )
        except Reject as error:
            if error.status != 422 or "already exists" not in error.reason:
                raise
            return await self._update(wanted)
        return self._receipt("Opened", pull)

    async def _update(self, wanted: Mapping[str, str]) -> Receipt:
        owner, base = self.effect.repository.owner, self.effect.base_branch
        head = f"{owner}:{pull_request.branch(self.effect)}"
        query = urlencode({"head": head, "base": base, "state": "open"})
        pulls = await self._ask("GET", f"/pulls?{query}")
        if not pulls:  # GitHub's lists lag behind by a moment; or it was closed just now
            raise Retry(f"the pull request of {head} cannot be found yet", after=2.0)
        pull = pulls[0]
        if (pull["title"], pull["body"]) == (wanted["title"], wanted["body"]):
            return self._receipt("Opened", pull)
        words = {"title": wanted["title"], "body": wanted["body"]}
        return self._receipt("Updated", await self._ask("PATCH", f"/pulls/{pull['number']}", words))

    def _receipt(self, done: str, pull: Mapping[str, Any]) -> Receipt:
        url, effect = str(pull["html_url"]), self.effect
        link = f"[#{pull['number']}]({url})"
        notice = f"{done} {link} to bring {pull_request.what(effect)} to {effect.version}"
        return Receipt(slot=url, notice=f"{notice}, asked by {markdown.who(effect.login)}.")

    # --- reading ----------------------------------------------------------------------------

    async def _tip(self, branch: str) -> Commit | None:
        try:
            ref = await self._ask("GET", f"/git/ref/heads/{quote(branch)}")
        except Reject as error:
            if error.status == 404:
                return None
            raise
        return _commit(await self._ask("GET", f"/git/commits/{ref['object']['sha']}"))

    async def _yaml_files(self, tree: str) -> AsyncIterator[File]:
        count = 0
        async for entry in self._entries(tree):
            if not _may_be_marked(entry):
                continue
            count += 1
            if count > FILES:
                raise Reject(f"{self._where()} has more than {FILES} YAML files, too many to read")
            yield File(path=entry["path"], mode=entry["mode"], sha=entry["sha"])

    async def _entries(self, tree: str) -> AsyncIterator[Mapping[str, Any]]:
        """Every entry below a tree; GitHub cuts one listing at 100,000 entries or 7 MB."""
        whole = await self._ask("GET", f"/git/trees/{tree}?recursive=1")
        if not whole.get("truncated"):
            for entry in whole["tree"]:
                yield entry
            return
        folders = [("", tree)]
        for number, (prefix, sha) in enumerate(folders):
            if number >= _FOLDERS:
                raise Reject(f"{self._where()} has more than {_FOLDERS} folders, too many to read")
            for entry in (await self._ask("GET", f"/git/trees/{sha}"))["tree"]:
                path = prefix + entry["path"]
                if entry["type"] == "tree":
                    folders.append((f"{path}/", entry["sha"]))
                yield {**entry, "path": path}

    async def _text(self, file: File, turns: asyncio.Semaphore) -> str:
        """The file's text if it has a marker of any promotion, else nothing."""
        text = self.known.get(file.sha)
        if text is None:
            async with turns:
                blob = await self._ask("GET", f"/git/blobs/{file.sha}")
            text = self.known[file.sha] = _marked_text(str(blob["content"]))
        return text

    # --- words ------------------------------------------------------------------------------

    def _where(self) -> str:
        return f"{self.effect.repository.slug} on {self.effect.base_branch}"

    def _no_marker(self) -> str:
        return (
            f'no value is marked # {{"$promotion": "{self.effect.marker}"}} in {self._where()};'
            " add that comment to the line of the version"
        )

    def _check_owner(self, tip: Commit) -> None:
        """``a-b`` + ``c`` and ``a`` + ``b-c`` make one branch name: do not fight over it."""
        about = pull_request.title(self.effect).removesuffix(self.effect.version)
        if tip.message.startswith("Promote ") and not tip.message.startswith(about):
            raise Reject(
                f"branch {pull_request.branch(self.effect)} of {self.effect.repository.slug} holds"
                f" another promotion ({tip.message.splitlines()[0]}); rename one of the pipelines"
            )

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        repository = self.effect.repository
        whole = f"{repository.api_path}{path}"
        return await self.github.request(method, whole, body, repository=repository)


# --- small things --------------------------------------------------------------------------------


def _check_version(version: str) -> None:
    """It goes on one line of a file, and into a title."""
    good = version.isprintable() and version == version.strip()
    if not version or not good or len(version) > _VERSION_LENGTH:
        raise Reject(f"{version[:_VERSION_LENGTH]!r} cannot be a version: one line of text is")


async def _all(reads: Sequence[Coroutine[Any, Any, str]]) -> list[str]:
    """The results in order; the first failure stops the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _commit(found: Mapping[str, Any]) -> Commit:
    return Commit(
        sha=str(found["sha"]),
        tree=str(found["tree"]["sha"]),
        parents=tuple(str(parent["sha"]) for parent in found["parents"]),
        message=str(found["message"]),
    )


def _may_be_marked(entry: Mapping[str, Any]) -> bool:
    return (
        entry["type"] == "blob"
        and entry["mode"] in _MODES
        and entry["path"].endswith((".yaml", ".yml"))
        and entry.get("size", 0) <= FILE_BYTES
    )


def _marked_text(content: str) -> str:
    try:
        text = base64.b64decode(content).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # not text, so not ours to edit
    return text if marker.WORD in text else ""


SINK = SinkType(
    "promotion",
    Settings,
    Promotion,
    permissions={
        "contents:write": "commits the new version to a branch of its own",
        "pull_requests:write": "opens the pull request and keeps its title up to date",
    },
)
