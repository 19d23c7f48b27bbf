"""The table of endpoints: names for metrics, the least permissions, the cost. And hosts."""

import pytest

from ghapp.core.budget import Cost, Urgency
from ghapp.github import routes
from ghapp.github.hosts import host_of, keeps_published_limits

RUN = "/repos/{owner}/{repo}/check-runs/{id}"


@pytest.mark.parametrize(
    ("path", "template", "permissions"),
    [
        ("/repos/acme/shop/check-runs", "/repos/{owner}/{repo}/check-runs", {"checks": "write"}),
        ("/repos/acme/shop/check-runs/7?x=/y", RUN, {"checks": "write"}),
        ("/repositories/9/check-runs/7", RUN, {"checks": "write"}),
        (
            "/repos/acme/shop/git/ref/heads/a/b",
            "/repos/{owner}/{repo}/git/ref/{ref+}",
            {"contents": "write", "pull_requests": "write"},
        ),
        (
            "/repos/acme/shop/collaborators/dev/permission",
            "/repos/{owner}/{repo}/collaborators/{login}/permission",
            {"metadata": "read"},
        ),
        ("/repos/acme/shop", "/repos/{owner}/{repo}", {"metadata": "read"}),
        ("/repos/acme/shop/something/new", "other", None),
        ("/repos/acme/shop/issues/comments/7", "/repos/{owner}/{repo}/issues/comments/{id}", None),
        (
            "/repos/acme/shop/deployments/7/statuses",
            "/repos/{owner}/{repo}/deployments/{id}/statuses",
            {"deployments": "write"},
        ),
        ("/app", "/app", None),
    ],
)
def test_a_path_has_a_name_and_the_least_permissions(
    path: str, template: str, permissions: dict[str, str] | None
) -> None:
    route = routes.find(path)
    assert route.template == template
    found = None if route.permissions is None else dict(route.permissions)
    assert found == permissions


def test_who_reads_a_file_need_not_be_allowed_to_write_it() -> None:
    contents = routes.find("/repos/acme/shop/contents/.github/CODEOWNERS")
    assert contents.needs("GET") == (("contents", "read"),)
    assert contents.needs("PUT") == (("contents", "write"), ("pull_requests", "write"))


@pytest.mark.parametrize(
    ("method", "path", "urgency", "cost"),
    [
        (
            "GET",
            "/app",
            Urgency.FINAL,
            Cost(points=1, endpoint="GET /app", urgency=Urgency.FINAL),
        ),
        (
            "PATCH",
            "/repos/a/b/check-runs/1",
            Urgency.PROGRESS,
            Cost(points=5, endpoint=f"PATCH {RUN}", urgency=Urgency.PROGRESS),
        ),
        (
            "POST",
            "/repos/a/b/pulls",
            Urgency.ANSWER,
            Cost(points=5, endpoint="POST /repos/{owner}/{repo}/pulls", content=True),
        ),
        (
            "GET",
            "/repos/a/b/pulls",
            Urgency.ANSWER,
            Cost(points=1, endpoint="GET /repos/{owner}/{repo}/pulls"),
        ),
    ],
)
def test_a_request_costs_what_github_publishes(
    method: str, path: str, urgency: Urgency, cost: Cost
) -> None:
    assert routes.cost(routes.find(path), method, urgency) == cost


@pytest.mark.parametrize(
    ("api", "host", "published"),
    [
        ("https://api.github.com", "github.com", True),
        ("https://api.github.com/", "github.com", True),
        ("https://api.acme.ghe.com", "acme.ghe.com", True),
        ("https://git.acme.example/api/v3", "git.acme.example", False),
        ("https://git.acme.example:8443/api/v3/", "git.acme.example", False),
        ("http://127.0.0.1:8080/github", None, False),
        ("https://proxy.example/github", None, False),
        ("https://api.github.com.evil.example", None, False),
        ("nonsense", None, False),
    ],
)
def test_an_api_tells_whose_repositories_it_serves(
    api: str, host: str | None, published: bool
) -> None:
    assert host_of(api) == host
    assert keeps_published_limits(api) == published
