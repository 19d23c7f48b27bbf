"""Every REST route of the stand-in. Longer templates come before those that would swallow them."""

from __future__ import annotations

from . import routes_apps, routes_checks, routes_contents, routes_git, routes_pulls, routes_repos
from .call import Route

ROUTES: tuple[Route, ...] = (
    *routes_apps.ROUTES,
    *routes_checks.ROUTES,
    *routes_pulls.ROUTES,
    *routes_git.ROUTES,
    *routes_contents.ROUTES,
    *routes_repos.ROUTES,
)
