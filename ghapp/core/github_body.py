"""A check as the body of GitHub's request, and which of GitHub's check runs is ours.

https://docs.github.com/en/rest/checks/runs — `core.checks` has already cut everything to size.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ghapp.core.effects import Check, SetCheck


def body(effect: SetCheck) -> dict[str, Any]:
    """What creates the check run."""
    return {"name": effect.check.name, "head_sha": effect.commit, **update(effect)}


def update(effect: SetCheck) -> dict[str, Any]:
    """What makes an existing check run look like this: its name and commit cannot change.

    ``actions`` is always the full list: a PATCH replaces it, and an empty one takes buttons away.
    """
    check = effect.check
    fields: dict[str, Any] = {
        "external_id": check.external_id,
        "status": check.status,
        "conclusion": check.conclusion.value if check.conclusion else None,
        "started_at": _stamp(check.started_at),
        "completed_at": _stamp(check.completed_at),
        "details_url": check.details_url or None,
        "output": _output(check),
        "actions": [
            {"label": b.label, "description": b.description, "identifier": b.identifier}
            for b in check.buttons
        ],
    }
    return {key: value for key, value in fields.items() if value is not None}


def pick(effect: SetCheck, runs: Iterable[Mapping[str, Any]]) -> str | None:
    """The id of the check run that this effect is about, or None: there is none yet.

    Only the newest with our ``external_id`` counts. A completed one is final on GitHub, so what is
    not completed is another; and later attempts share the ``external_id`` of the first, so they
    have to agree about when they began and ended too.
    """
    mine = [run for run in runs if run.get("external_id") == effect.check.external_id]
    if not mine:
        return None
    newest = max(mine, key=lambda run: int(run["id"]))
    done = newest.get("status") == "completed"
    if done and effect.check.status != "completed":
        return None
    if effect.attempt and not _same_attempt(effect, newest, done=done):
        return None
    return str(newest["id"])


def _same_attempt(effect: SetCheck, run: Mapping[str, Any], *, done: bool) -> bool:
    began, ended = _stamp(effect.check.started_at), _stamp(effect.check.completed_at)
    if began and run.get("started_at") not in (None, began):
        return False
    return not done or ended is None or run.get("completed_at") == ended


def _output(check: Check) -> dict[str, str]:
    output = {"title": check.title, "summary": check.summary}
    return {**output, "text": check.text} if check.text else output


def _stamp(moment: datetime | None) -> str | None:
    """``YYYY-MM-DDTHH:MM:SSZ``, the form that GitHub documents."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
