"""A check as the body of GitHub's request, and which of GitHub's check runs is ours.

https://docs.github.com/en/rest/checks/runs — `core.checks` has already cut everything to size.

Annotations are appended to those that are there and can never be taken back, so `Run` remembers
which a check run has: it is what the sink keeps between two states of a check.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from ghapp.core import annotations
from ghapp.core.annotations import Annotation
from ghapp.core.effects import Check, SetCheck
from ghapp.core.moments import stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A check run at GitHub, and what we know of its annotations."""

    id: str
    digest: str = ""
    """Of the set that it has; empty: it has none, as far as we know."""
    count: int = 0
    """How many it has."""

    @classmethod
    def read(cls, slot: str) -> "Run":
        """What `written` wrote, or a bare id."""
        number, _, rest = slot.partition(":")
        digest, _, count = rest.partition(":")
        return cls(id=number, digest=digest, count=int(count) if count.isdecimal() else 0)

    @property
    def written(self) -> str:
        """``ID``, or ``ID:DIGEST:COUNT``."""
        return f"{self.id}:{self.digest}:{self.count}" if self.digest else self.id

    def has(self, wanted: Sequence[Annotation]) -> bool:
        """Whether this set was sent, to its end."""
        return not wanted or self.digest == digest(wanted)

    def is_one_of(self, ids: Collection[int]) -> bool:
        """Whether GitHub knows it by one of these numbers."""
        return self.id.isdecimal() and int(self.id) in ids

    def given(self, wanted: Sequence[Annotation]) -> "Run":
        """The run once it has `wanted` too."""
        return replace(self, digest=digest(wanted), count=self.count + len(wanted))


def digest(wanted: Sequence[Annotation]) -> str:
    """Names a set of annotations."""
    encoded = json.dumps([annotations.body(one) for one in wanted]).encode()
    return sha256(encoded).hexdigest()[:12]


def body(effect: SetCheck, some: Sequence[Annotation] = ()) -> dict[str, Any]:
    """What creates the check run, with some of its annotations."""
    return {"name": effect.check.name, "head_sha": effect.commit, **update(effect, some)}


def update(effect: SetCheck, some: Sequence[Annotation] = ()) -> dict[str, Any]:
    """What makes an existing check run look like this: its name and commit cannot change.

    ``actions`` is always the full list: a PATCH replaces it, and an empty one takes buttons away.
    `some` are the annotations that it gets with this request; GitHub takes 50.
    """
    return fields(effect.check, some)


def fields(check: Check, some: Sequence[Annotation] = ()) -> dict[str, Any]:
    """What a check run looks like."""
    found: dict[str, Any] = {
        "external_id": check.external_id,
        "status": check.status,
        "conclusion": check.conclusion.value if check.conclusion else None,
        "started_at": stamp(check.started_at) or None,
        "completed_at": stamp(check.completed_at) or None,
        "details_url": check.details_url or None,
        "output": _output(check, some),
        "actions": [
            {"label": b.label, "description": b.description, "identifier": b.identifier}
            for b in check.buttons
        ],
    }
    return {key: value for key, value in found.items() if value is not None}


def pick(effect: SetCheck, runs: Iterable[Mapping[str, Any]]) -> str | None:
    """The id of the check run that this effect is about, or None: there is none yet.

    Only the newest with our ``external_id`` counts that nobody spoiled. A completed one is final on
    GitHub, so what is not completed is another; and later attempts share the ``external_id`` of the
    first, so they have to agree about when they began and ended too.
    """
    mine = [
        run
        for run in runs
        if run.get("external_id") == effect.check.external_id and run["id"] not in effect.spoiled
    ]
    if not mine:
        return None
    newest = max(mine, key=lambda run: int(run["id"]))
    done = newest.get("status") == "completed"
    if done and effect.check.status != "completed":
        return None
    if effect.attempt and not _same_attempt(effect, newest, done=done):
        return None
    return str(newest["id"])


def annotated(run: Mapping[str, Any]) -> int:
    """How many annotations GitHub says that a check run has."""
    count = (run.get("output") or {}).get("annotations_count")
    return count if isinstance(count, int) else 0


def _same_attempt(effect: SetCheck, run: Mapping[str, Any], *, done: bool) -> bool:
    began, ended = stamp(effect.check.started_at), stamp(effect.check.completed_at)
    if began and run.get("started_at") not in (None, began):
        return False
    return not done or not ended or run.get("completed_at") == ended


def _output(check: Check, some: Sequence[Annotation]) -> dict[str, Any]:
    output: dict[str, Any] = {"title": check.title, "summary": check.summary}
    if check.text:
        output["text"] = check.text
    if some:
        output["annotations"] = [annotations.body(one) for one in some]
    return output
