"""From the stand-ins' state to what the page shows: plain JSON values, one part at a time.

This is GitHub's side of the demo, so it may look into GitHub's memory; checkrail itself never does.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ghapp.demo import documents
from ghapp.demo.events import Events
from ghapp.demo.flux import GITOPS, SHOP
from ghapp.demo.github import CheckRun, Pull, Repository
from ghapp.demo.github.git import Entry, Git
from ghapp.demo.kinds import ENVIRONMENTS, RELEASE
from ghapp.demo.kube import StatusError
from ghapp.demo.markup import html_of
from ghapp.demo.scene import PEOPLE, Scene

Json = dict[str, Any]

COMMITS: Final = 16
PULLS: Final = 12
RUNS: Final = 6
"""Runs of one check on one commit; older ones are not shown."""
NOTES: Final = 10
"""Annotations of a run."""
DOCUMENTS: Final = 40
_DIFF_LINES: Final = 200
_BAD: Final = frozenset({"failure", "timed_out", "action_required", "cancelled", "stale"})
_LEVELS: Final = ("failure", "warning", "notice")
"""Of annotations, the worst first."""


@dataclass(frozen=True, slots=True)
class View:
    """All parts of the page."""

    scene: Scene
    events: Events

    def parts(self) -> dict[str, str]:
        """Name -> JSON text."""
        commits = list(self._commits())
        values: dict[str, Any] = {
            "about": {"people": PEOPLE, "received": self.events.received},
            "commits": [commit["sha"] for commit in commits],
            "environments": [self._environment(name) for name in ENVIRONMENTS],
            "documents": sorted(islice(self._documents(), DOCUMENTS), key=_is_fine),
            "pulls": [self._pull(pull) for pull in self._pulls()],
            "events": [event["id"] for event in self.events.newest],
        }
        values |= {f"commit:{commit['sha']}": commit for commit in commits}
        values |= {f"event:{event['id']}": event for event in self.events.newest}
        return {name: json.dumps(value, separators=(",", ":")) for name, value in values.items()}

    # -- commits and their checks --------------------------------------------------------------

    def _commits(self) -> Iterator[Json]:
        git = self.scene.github.repository(SHOP).git
        head = git.refs.get("refs/heads/main")
        for sha in islice(git.history(head), COMMITS) if head else ():
            yield self._commit(git, sha)

    def _commit(self, git: Git, sha: str) -> Json:
        commit = git.read_commit(sha)
        checks = self._checks(sha)
        newest = [check["runs"][-1] for check in checks]
        return {
            "sha": sha,
            "title": commit.message.partition("\n")[0],
            "author": commit.author.name,
            "at": commit.author.at,
            "version": self._version(sha),
            "checks": checks,
            "state": _together(newest),
            "done": sum(run["conclusion"] in {"success", "neutral", "skipped"} for run in newest),
        }

    def _version(self, sha: str) -> str:
        versions = self.scene.charts.commits.items()
        return next((version for version, commit in versions if commit == sha), "")

    def _checks(self, sha: str) -> list[Json]:
        by_name: dict[str, list[CheckRun]] = {}
        for run in self.scene.github.check_runs(SHOP, sha):
            by_name.setdefault(run.name, []).append(run)
        return [
            {"name": name, "suite": runs[-1].suite.id, "runs": [_run(run) for run in runs[-RUNS:]]}
            for name, runs in sorted(by_name.items(), key=_builds_first)
        ]

    # -- environments --------------------------------------------------------------------------

    def _environment(self, name: str) -> Json:
        try:
            release = self.scene.kube.get("helmreleases", name, RELEASE)
        except StatusError:
            release = {}
        status = release.get("status") or {}
        running: Json = next(
            (one for one in status.get("history", ()) if one["status"] == "deployed"), {}
        )
        version: str = running.get("chartVersion", "")
        commit = self.scene.charts.commits.get(version, "")
        wanted = release.get("spec", {}).get("chart", {}).get("spec", {}).get("version", "")
        return {
            "name": name,
            "version": version,
            "wanted": wanted,
            "commit": commit,
            "title": self._title(commit),
            "since": running.get("lastDeployed", ""),
            **_health(status),
        }

    def _title(self, commit: str) -> str:
        git = self.scene.github.repository(SHOP).git
        return git.read_commit(commit).message.partition("\n")[0] if git.is_commit(commit) else ""

    # -- documents -----------------------------------------------------------------------------

    def _documents(self) -> Iterator[Json]:
        for plural in documents.plurals():
            for found in self._listed(plural):
                yield _document(plural, found)

    def _listed(self, plural: str) -> list[Json]:
        try:
            return self.scene.kube.list(plural)
        except StatusError:
            return []  # a visitor removed the kind

    # -- pull requests -------------------------------------------------------------------------

    def _pulls(self) -> list[Pull]:
        found = self.scene.github.repository(GITOPS).pulls.values()
        return sorted(found, key=lambda pull: pull.number, reverse=True)[:PULLS]

    def _pull(self, pull: Pull) -> Json:
        state = "merged" if pull.merged else pull.state
        return {
            "number": pull.number,
            "title": pull.title,
            "body": html_of(pull.body or ""),
            "author": pull.author.login,
            "head": pull.head,
            "base": pull.base,
            "state": state,
            "merged_by": pull.merged_by.login if pull.merged_by else "",
            "at": pull.updated,
            "files": list(_files(pull.repository, pull)),
        }


def _builds_first(item: tuple[str, list[CheckRun]]) -> tuple[int, int, str]:
    """Builds, then tests, then deployments in the order of promotion."""
    name = item[0]
    kind = next(
        (i for i, start in enumerate(("tekton", "job", "flux")) if name.startswith(start)), 3
    )
    stage = next((i for i, each in enumerate(ENVIRONMENTS) if f" {each}/" in name), -1)
    return kind, stage, name


def _run(run: CheckRun) -> Json:
    return {
        "id": run.id,
        "name": run.name,
        "status": run.shown_status,
        "conclusion": run.shown_conclusion or "",
        "title": run.title or "",
        "html": html_of(run.summary or ""),
        "text": html_of(run.text or ""),
        "notes": [_note(note) for note in sorted(run.annotations, key=_rank)[:NOTES]],
        "started": run.started,
        "completed": run.completed or "",
        "details": run.details_url,
        "external": run.external_id,
        "actions": list(run.actions),
    }


def _rank(note: Json) -> int:
    return _LEVELS.index(note["annotation_level"])


def _note(note: Json) -> Json:
    """An annotation of a line; which columns it is about is not shown."""
    return {
        "level": note["annotation_level"],
        "path": note["path"],
        "line": note["start_line"],
        "title": note.get("title") or "",
        "message": note["message"],
        "raw": note.get("raw_details") or "",
    }


def _together(runs: Iterable[Json]) -> str:
    """One state of all checks, as the icon beside a commit shows it."""
    shown = list(runs)
    if not shown:
        return ""
    if any(run["conclusion"] in _BAD for run in shown):
        return "failure"
    return "pending" if any(run["status"] != "completed" for run in shown) else "success"


def _health(status: Mapping[str, Any]) -> Json:
    """What a release's conditions come down to, in a word and a sentence."""
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    ready, reconciling = conditions.get("Ready", {}), conditions.get("Reconciling", {})
    if reconciling.get("status") == "True":
        return {"state": "working", "says": reconciling.get("message", "")}
    if ready.get("status") == "True":
        return {"state": "healthy", "says": ready.get("message", "")}
    if conditions.get("Remediated", {}).get("status") == "True":
        return {"state": "rolledback", "says": ready.get("message", "")}
    return {"state": "failed" if ready else "empty", "says": ready.get("message", "")}


def _is_fine(document: Json) -> bool:
    """What needs a person comes first."""
    return bool(document["state"] != "False")


def _document(plural: str, found: Json) -> Json:
    """A document, and how it does: what is wrong with it comes before that it is in use."""
    meta, status = found["metadata"], found.get("status") or {}
    conditions = sorted(status.get("conditions", ()), key=lambda one: one["status"] == "True")
    says = conditions[0] if conditions else {}
    place = meta.get("namespace", "")
    return {
        "kind": found["kind"],
        "name": f"{place}/{meta['name']}" if place else meta["name"],
        "url": "/".join(part for part in ("/object", plural, place, meta["name"]) if part),
        "state": says.get("status", ""),
        "reason": says.get("reason", ""),
        "says": says.get("message", ""),
        "delivered": status.get("delivered", 0),
    }


# --- differences ----------------------------------------------------------------------------------


def _files(repository: Repository, pull: Pull) -> Iterator[Json]:
    """What a pull request changes, as unified differences."""
    git = repository.git
    base = git.merge_base(pull.base_sha, pull.head_sha)
    for path, (before, after) in git.changes(base, pull.head_sha).items():
        lines = _lines(_text(git, before), _text(git, after))
        yield {"path": path, "lines": list(islice(lines, _DIFF_LINES))}


def _text(git: Git, entry: Entry | None) -> list[str]:
    content = (git.content(entry.sha) or b"") if entry else b""
    return content.decode(errors="replace").splitlines()


def _lines(before: list[str], after: list[str]) -> Iterator[Json]:
    for line in islice(difflib.unified_diff(before, after, lineterm="", n=3), 2, None):
        yield {"kind": line[0], "text": line if line[0] == "@" else line[1:]}
