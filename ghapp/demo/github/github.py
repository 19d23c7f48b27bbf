"""A GitHub of one's own: the whole stand-in behind one object.

    github = GitHub(base_url="http://127.0.0.1:8080/github")
    root.add_subapp("/github", github.app())

Everything that a person would do in GitHub's pages is a method here; everything that a program
would do goes over HTTP.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from . import apps, people, registration, server
from .faults import Faults
from .graphql import Graphql
from .limits import RELAXED, Limits, Meter
from .model import (
    Account,
    App,
    CheckRun,
    CheckSuite,
    Comment,
    Installation,
    Pull,
    Repository,
    Team,
)
from .notices import Listener
from .webhooks import Hooks
from .world import World


class GitHub:
    """State, knobs and scripts; `app()` serves it."""

    def __init__(
        self,
        *,
        base_url: str = "http://127.0.0.1",
        web_url: str | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        limits: Limits = RELAXED,
        stateless_tokens: bool = True,
    ) -> None:
        self.world = World(
            base_url=base_url,
            web_url=web_url,
            clock=clock,
            randomness=randomness,
            stateless_tokens=stateless_tokens,
        )
        self.faults = Faults(sleep)
        self.meter = Meter(limits)

    def app(self, middlewares: Iterable[Any] = ()) -> web.Application:
        """An application for the root, or for `add_subapp` below any prefix. Make it once."""
        graphql = Graphql(self.world, self.meter, self.faults)
        stage = server.Stage(
            world=self.world, meter=self.meter, faults=self.faults, graphql=graphql.endpoint
        )
        return server.application(stage, middlewares)

    @property
    def base_url(self) -> str:
        return self.world.base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self.world.base_url = url.rstrip("/")

    @property
    def hooks(self) -> Hooks:
        return self.world.hooks

    def subscribe(self) -> Listener:
        """Small notices of every change, from now on."""
        return self.world.notices.subscribe()

    async def settled(self) -> None:
        """Until every webhook has been delivered or has failed."""
        await self.hooks.settled()

    # -- who there is ------------------------------------------------------------------------

    def create_user(self, login: str, *, email: str | None = None) -> Account:
        return self.world.create_user(login, email=email)

    def create_org(self, login: str, *, owners: tuple[str, ...] = ()) -> Account:
        return self.world.create_org(login, owners=owners)

    def create_team(self, org: str, slug: str, members: tuple[str, ...] = ()) -> Team:
        return self.world.create_team(org, slug, members)

    def create_user_token(self, login: str) -> str:
        return self.world.create_user_token(login)

    def set_role(self, repository: str, login: str, role: str) -> None:
        self.world.set_role(repository, login, role)

    # -- repositories ------------------------------------------------------------------------

    def create_repository(
        self,
        full_name: str,
        files: Mapping[str, str | bytes | None] | None = None,
        *,
        private: bool = False,
        default_branch: str = "main",
    ) -> Repository:
        """With a first commit by its owner, unless `files` is an empty mapping."""
        repo = self.world.create_repository(
            full_name, private=private, default_branch=default_branch
        )
        first = {"README.md": f"# {repo.name}\n"} if files is None else files
        if first:
            self.push(full_name, default_branch, first, "Initial commit", repo.owner.login)
        return repo

    def repository(self, full_name: str) -> Repository:
        return self.world.repository(full_name)

    def fork(self, full_name: str, owner: str) -> Repository:
        return self.world.fork(full_name, owner)

    def rename_repository(self, full_name: str, name: str, login: str) -> Repository:
        return people.rename(self.world, full_name, name, login)

    def transfer_repository(self, full_name: str, owner: str, login: str) -> Repository:
        return people.transfer(self.world, full_name, owner, login)

    def archive_repository(self, full_name: str, login: str) -> None:
        people.archive(self.world, full_name, login, action="archived")

    def unarchive_repository(self, full_name: str, login: str) -> None:
        people.archive(self.world, full_name, login, action="unarchived")

    def delete_repository(self, full_name: str, login: str) -> None:
        people.delete_repository(self.world, full_name, login)

    def push(
        self,
        repository: str,
        branch: str,
        files: Mapping[str, str | bytes | None],
        message: str,
        author: str,
        *,
        force_from: str | None = None,
    ) -> str:
        """A commit on a branch; `force_from` rewrites the branch from that commit on."""
        return people.push(
            self.world, repository, branch, files, message, author, force_from=force_from
        )

    def delete_branch(self, repository: str, branch: str, login: str) -> None:
        people.delete_branch(self.world, repository, branch, login)

    def file(self, repository: str, path: str, ref: str = "main") -> bytes:
        """What is in a file; KeyError if there is none."""
        git = self.world.repository(repository).git
        return git.content(git.files(git.resolve(ref) or "")[path].sha) or b""

    # -- Apps --------------------------------------------------------------------------------

    def create_app(
        self,
        slug: str,
        permissions: Mapping[str, str],
        events: Iterable[str] = (),
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        *,
        owner: str = "octo-org",
        private_key: str | None = None,
    ) -> App:
        """A new App with its private key in PEM; a key of one's own saves the making."""
        return apps.create_app(
            self.world,
            slug,
            permissions=permissions,
            events=events,
            webhook_url=webhook_url,
            webhook_secret=webhook_secret,
            owner=owner,
            private_key=private_key,
        )

    def install(
        self, app: App, account: str, repositories: Iterable[str] | None = None
    ) -> Installation:
        return apps.install(self.world, app, account, repositories)

    def suspend(self, installation: Installation, login: str) -> None:
        apps.suspend(self.world, installation, login)

    def unsuspend(self, installation: Installation, login: str) -> None:
        apps.unsuspend(self.world, installation, login)

    def uninstall(self, installation: Installation, login: str) -> None:
        apps.uninstall(self.world, installation, login)

    def accept_permissions(self, installation: Installation, login: str) -> None:
        apps.accept_permissions(self.world, installation, login)

    def change_repositories(
        self, installation: Installation, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        apps.change_repositories(self.world, installation, add=add, remove=remove)

    def manifest_code(self, app: App) -> str:
        """A code for POST /app-manifests/{code}/conversions; it works once, for an hour."""
        return registration.new_code(self.world, app)

    # -- checks ------------------------------------------------------------------------------

    def check_runs(self, repository: str, sha: str) -> list[CheckRun]:
        """Every run on a commit, oldest first."""
        suites = self.world.repository(repository).suites_by_sha.get(sha, [])
        return sorted((run for suite in suites for run in suite.runs), key=lambda run: run.id)

    def suite(self, repository: str, sha: str, app: App) -> CheckSuite:
        return people.suite_of(self.world, repository, sha, app)

    def click_rerun(self, check_run_id: int, login: str, *, forged: bool = False) -> None:
        people.click_rerun(self.world, check_run_id, login, forged=forged)

    def click_rerun_all(self, check_suite_id: int, login: str) -> None:
        people.click_rerun_all(self.world, check_suite_id, login)

    def click_rerun_failed(self, check_suite_id: int, login: str) -> list[CheckRun]:
        return people.click_rerun_failed(self.world, check_suite_id, login)

    def click_action(
        self, check_run_id: int, identifier: str, login: str, *, forged: bool = False
    ) -> None:
        people.click_action(self.world, check_run_id, identifier, login, forged=forged)

    # -- pull requests -----------------------------------------------------------------------

    def pull(self, repository: str, number: int) -> Pull:
        return self.world.repository(repository).pulls[number]

    def open_pull(
        self,
        repository: str,
        *,
        head: str,
        title: str,
        login: str,
        base: str = "main",
        body: str | None = None,
        draft: bool = False,
    ) -> Pull:
        return people.open_pull(
            self.world,
            repository,
            head=head,
            base=base,
            title=title,
            login=login,
            body=body,
            draft=draft,
        )

    def merge_pull(self, repository: str, number: int, login: str, *, method: str = "merge") -> str:
        return people.merge_pull(self.world, repository, number, login, method=method)

    def close_pull(self, repository: str, number: int, login: str) -> None:
        people.close_pull(self.world, repository, number, login)

    def comment(self, repository: str, number: int, text: str, login: str) -> Comment:
        return people.comment(self.world, repository, number, text, login)

    def merge_group(self, repository: str, number: int, login: str) -> str:
        return people.merge_group(self.world, repository, number, login)

    def end_merge_group(
        self, repository: str, sha: str, login: str, *, reason: str = "invalidated"
    ) -> None:
        people.end_merge_group(self.world, repository, sha, login, reason=reason)
