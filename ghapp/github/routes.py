"""The endpoints we use, as a table: how metrics name them, what a token for them may do, the cost.

An endpoint that is not in the table still works: it is called "other" in metrics, and its token may
do what the installation may.
"""

import re
from dataclasses import dataclass
from typing import Final

from ghapp.core.budget import Cost, Urgency

Permissions = tuple[tuple[str, str], ...]

_CHECKS: Final = (("checks", "write"),)
_STATUSES: Final = (("statuses", "write"),)
_CODE: Final = (("contents", "write"), ("pull_requests", "write"))
_DEPLOYMENTS: Final = (("deployments", "write"),)
_PULLS_READ: Final = (("pull_requests", "read"),)
_PULLS_OF_COMMIT: Final = (("contents", "read"), ("pull_requests", "read"))
_FILES: Final = (("contents", "read"),)
_READ: Final = (("metadata", "read"),)
_MEMBERS: Final = (("members", "read"),)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    template: str
    permissions: Permissions | None = None
    """The least that a token needs; None: whatever the installation was granted."""
    notifies: frozenset[str] = frozenset()
    """Methods whose description says "This endpoint triggers notifications"."""
    repeats: bool = False
    """Its GET is asked again and again, and its answer is short and seldom another."""
    reads: Permissions | None = None
    """The least that a GET needs, where it is asked for by those who never write there."""

    def needs(self, method: str) -> Permissions | None:
        """The least that a token needs for this."""
        return self.reads if method == "GET" and self.reads else self.permissions


_POST: Final = frozenset({"POST"})
_PUT: Final = frozenset({"PUT"})
_REPO: Final = "/repos/{owner}/{repo}"
_TABLE: Final = (
    Route(_REPO + "/check-runs", _CHECKS),
    Route(_REPO + "/check-runs/{id}", _CHECKS),
    Route(_REPO + "/check-runs/{id}/annotations", _CHECKS),
    Route(_REPO + "/check-suites/{id}", _CHECKS),
    Route(_REPO + "/check-suites/{id}/check-runs", _CHECKS),
    Route(_REPO + "/commits/{ref}/check-runs", _CHECKS, repeats=True),
    Route(_REPO + "/commits/{ref}/check-suites", _CHECKS),
    Route(_REPO + "/statuses/{sha}", _STATUSES),
    Route(_REPO + "/commits/{ref}/statuses", _STATUSES),
    Route(_REPO + "/git/blobs", _CODE),
    Route(_REPO + "/git/blobs/{sha}", _CODE),
    Route(_REPO + "/git/commits", _CODE),
    Route(_REPO + "/git/commits/{sha}", _CODE),
    Route(_REPO + "/git/ref/{ref+}", _CODE),
    Route(_REPO + "/git/refs", _CODE),
    Route(_REPO + "/git/refs/{ref+}", _CODE),
    Route(_REPO + "/git/trees", _CODE),
    Route(_REPO + "/git/trees/{sha}", _CODE),
    Route(_REPO + "/contents/{path+}", _CODE, reads=_FILES, repeats=True),
    Route(_REPO + "/deployments", _DEPLOYMENTS),
    Route(_REPO + "/deployments/{id}", _DEPLOYMENTS),
    Route(_REPO + "/deployments/{id}/statuses", _DEPLOYMENTS),
    Route(_REPO + "/pulls", _CODE, _POST),
    Route(_REPO + "/pulls/{number}", _CODE, reads=_PULLS_READ),
    Route(_REPO + "/pulls/{number}/merge", _CODE, _PUT),
    Route(_REPO + "/commits/{ref}/pulls", _PULLS_OF_COMMIT),
    # issues:write or pull_requests:write does; a token cannot ask for one of the two.
    Route(_REPO + "/issues/{number}/comments", notifies=_POST),
    Route(_REPO + "/issues/comments/{id}"),
    Route(_REPO + "/issues/comments/{id}/reactions"),
    Route(_REPO + "/collaborators/{login}/permission", _READ, repeats=True),
    Route(_REPO + "/installation", repeats=True),
    Route(_REPO, _READ, repeats=True),
    Route("/orgs/{org}/teams/{team}/memberships/{login}", _MEMBERS, repeats=True),
    Route("/orgs/{org}/members/{login}", _MEMBERS, repeats=True),
    Route("/app"),
    Route("/app/installations"),
    Route("/app/installations/{id}"),
    Route("/app/installations/{id}/access_tokens"),
    Route("/app/hook/deliveries"),
    Route("/app/hook/deliveries/{id}"),
    Route("/app/hook/deliveries/{id}/attempts"),
    Route("/app/hook/config"),
    Route("/installation/repositories"),
    Route("/rate_limit"),
)
_OTHER: Final = Route("other")


def _pattern(template: str) -> re.Pattern[str]:
    """A listing of a renamed repository goes on at ``/repositories/{id}``."""
    whole = re.sub(r"\{\w+\+\}", ".+", template)
    whole = re.sub(
        r"\{\w+\}", "[^/]+", whole.replace(_REPO, "(?:/repos/[^/]+/[^/]+|/repositories/[0-9]+)")
    )
    return re.compile(whole)


_PATTERNS: Final = tuple((_pattern(route.template), route) for route in _TABLE)


def find(path: str) -> Route:
    """The endpoint of this path; a query does not matter."""
    bare = path.partition("?")[0]
    return next((route for pattern, route in _PATTERNS if pattern.fullmatch(bare)), _OTHER)


def cost(route: Route, method: str, urgency: Urgency) -> Cost:
    """What a request counts for.

    Points as published: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#calculating-points-for-the-secondary-rate-limit
    """
    return Cost(
        points=1 if method in {"GET", "HEAD"} else 5,
        endpoint=f"{method} {route.template}",
        content=method in route.notifies,
        urgency=urgency,
    )
