"""Routes of pull requests, comments, labels and reviewers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import comments, merging, pulls, render_pulls
from .call import Call, Reply, get, paged, write
from .errors import needs, not_found
from .model import Pull

READ, WRITE = "pull_requests=read", "pull_requests=write"
TALK_READ, TALK_WRITE = (
    "issues=read; pull_requests=read",
    "issues=write; pull_requests=write",
)
MERGE = "contents=write"
REPO = "/repos/{owner}/{repo}"


def _pull(call: Call, key: str = "pull_number") -> Pull:
    pull = pulls.find(call.repo, call.number(key))
    if call.method == "GET" and not call.world.is_visible(pull.born):
        raise not_found()
    return pull


# -- pull requests ----------------------------------------------------------------------------


def _list(call: Call) -> Reply:
    found = [pull for pull in call.repo.pulls.values() if _wanted(call, pull)]
    by: Callable[[Pull], float] = (
        (lambda pull: pull.updated)
        if call.query.get("sort") == "updated"
        else (lambda pull: pull.number)
    )
    newest_first = call.query.get("direction", "desc") == "desc"
    found.sort(key=by, reverse=newest_first)
    return paged(call, found, lambda each: render_pulls.pull_simple(call.world, each))


def _wanted(call: Call, pull: Pull) -> bool:
    state, head, base = (call.query.get(key) for key in ("state", "head", "base"))
    name = f"{pull.head_repository.owner.login}:{pull.head}"
    return (state in ("all", pull.state) or (state is None and pull.state == "open")) and (
        (head is None or ":" not in head or head == name)
        and base in (None, pull.base)
        and call.world.is_visible(pull.born)
    )


def _create(call: Call) -> Reply:
    pull = pulls.open_pull(call.world, call.repo, call.body, call.actor)
    return Reply(status=201, body=render_pulls.pull(call.world, pull))


def _get(call: Call) -> Reply:
    pull = _pull(call)
    body = render_pulls.pull(call.world, pull)
    pull.computing = max(0, pull.computing - 1)
    return Reply(body=body)


def _update(call: Call) -> Reply:
    pull = _pull(call)
    pulls.update(call.world, pull, call.body, call.actor)
    return Reply(body=render_pulls.pull(call.world, pull))


def _is_merged(call: Call) -> Reply:
    if _pull(call).merged is None:
        raise not_found()
    return Reply(status=204)


def _merge(call: Call) -> Reply:
    sha = merging.merge(call.world, _pull(call), call.body, call.actor)
    message = "Pull Request successfully merged"
    return Reply(body={"sha": sha, "merged": True, "message": message})


def _merge_async(call: Call) -> Reply:
    status, body = merging.merge_async(call.world, _pull(call), call.body, call.actor)
    return Reply(status=status, body=body)


def _merge_result(call: Call) -> Reply:
    result = _pull(call).merge_requests.get(call.path["uuid"])
    if result is None:
        raise not_found()
    return Reply(body=result)


def _reviewers(call: Call) -> Reply:
    pull = _pull(call)
    comments.request_review(call.world, pull, call.body)
    return Reply(status=201, body=render_pulls.pull_simple(call.world, pull))


# -- labels -----------------------------------------------------------------------------------


def _labels(call: Call) -> Reply:
    pull = _pull(call, "issue_number")
    return paged(call, pull.labels, lambda name: render_pulls.label(call.world, call.repo, name))


def _add_labels(call: Call) -> Reply:
    given: list[Any] = call.body.get("labels") or call.body.get("") or []
    names = [each["name"] if isinstance(each, dict) else each for each in given]
    pull = _pull(call, "issue_number")
    comments.add_labels(call.world, pull, names, call.actor)
    return Reply(body=[render_pulls.label(call.world, call.repo, name) for name in pull.labels])


# -- comments ---------------------------------------------------------------------------------


def _list_comments(call: Call) -> Reply:
    pull = _pull(call, "issue_number")
    found = [
        each
        for each in call.repo.comments.values()
        if each.pull is pull
        and call.world.is_visible(each.born)
        and call.world.iso(each.updated) >= call.query.get("since", "")
    ]
    return paged(call, found, lambda each: render_pulls.comment(call.world, each))


def _comment(call: Call) -> Reply:
    pull = _pull(call, "issue_number")
    made = comments.create(call.world, pull, call.body, call.actor, call.acting_app)
    return Reply(status=201, body=render_pulls.comment(call.world, made))


def _get_comment(call: Call) -> Reply:
    found = comments.find(call.repo, call.number("comment_id"))
    return Reply(body=render_pulls.comment(call.world, found))


def _edit_comment(call: Call) -> Reply:
    found = comments.find(call.repo, call.number("comment_id"))
    comments.update(call.world, found, call.body, call.actor)
    return Reply(body=render_pulls.comment(call.world, found))


def _delete_comment(call: Call) -> Reply:
    found = comments.find(call.repo, call.number("comment_id"))
    comments.delete(call.world, found, call.actor)
    return Reply(status=204)


def _react(call: Call) -> Reply:
    found = comments.find(call.repo, call.number("comment_id"))
    new, body = comments.react(call.world, found, needs(call.body, "content"), call.actor)
    return Reply(status=201 if new else 200, body=body)


PULL = f"{REPO}/pulls/{{pull_number}}"
ISSUE = f"{REPO}/issues/{{issue_number}}"
COMMENT = f"{REPO}/issues/comments/{{comment_id}}"
ROUTES = (
    get(f"{REPO}/pulls", _list, READ),
    write("POST", f"{REPO}/pulls", _create, WRITE, notifies=True),
    get(PULL, _get, READ),
    write("PATCH", PULL, _update, WRITE),
    get(f"{PULL}/merge", _is_merged, READ),
    write("PUT", f"{PULL}/merge", _merge, MERGE, notifies=True),
    write("PUT", f"{PULL}/merge-async", _merge_async, MERGE, notifies=True),
    get(f"{PULL}/merge-async/{{uuid}}", _merge_result, READ),
    write("POST", f"{PULL}/requested_reviewers", _reviewers, WRITE, notifies=True),
    get(f"{ISSUE}/labels", _labels, TALK_READ),
    write("POST", f"{ISSUE}/labels", _add_labels, TALK_WRITE),
    get(f"{ISSUE}/comments", _list_comments, TALK_READ),
    write("POST", f"{ISSUE}/comments", _comment, TALK_WRITE, notifies=True),
    get(COMMENT, _get_comment, TALK_READ),
    write("PATCH", COMMENT, _edit_comment, TALK_WRITE),
    write("DELETE", COMMENT, _delete_comment, TALK_WRITE),
    write("POST", f"{COMMENT}/reactions", _react, TALK_WRITE),
)
