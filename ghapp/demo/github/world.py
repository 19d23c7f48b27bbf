"""The state of the stand-in: who there is, which repositories there are, and who may do what.

It has the clock, the randomness and the addresses; the modules beside it hold the rules of checks,
pull requests and Apps, as functions of a World. It does not speak HTTP.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

from .errors import ApiError, not_found
from .git import Git, Signature
from .model import ROLES, Account, App, CheckRun, CheckSuite, Installation, Repository, Team, Token
from .notices import Notice, Notices
from .webhooks import Hooks


class World:
    """Everything that the stand-in remembers."""

    def __init__(
        self,
        *,
        base_url: str,
        web_url: str | None = None,
        clock: Callable[[], float] = time.time,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        stateless_tokens: bool = True,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._web_url = web_url.rstrip("/") if web_url else None
        self.clock = clock
        self.randomness = randomness
        self.stateless_tokens = stateless_tokens
        self.read_lag = 0.0  # a write is not seen by reads for so many seconds
        self.token_lag = 0.0  # a fresh token answers 401 for so many seconds
        self.hooks = Hooks(clock=clock, guid=self.guid)
        self.notices = Notices()
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[int, Repository] = {}
        self.names: dict[str, int] = {}  # full name, also former ones -> repository id
        self.teams: dict[tuple[str, str], Team] = {}
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, Token] = {}
        self.manifest_codes: dict[str, tuple[App, float]] = {}
        """Code -> the App, and when the code was made."""
        self._ids = itertools.count(1001)

    # -- small things ------------------------------------------------------------------------

    @property
    def web_url(self) -> str:
        """Where people look; the API's own address unless told otherwise."""
        return self._web_url or self.base_url

    @web_url.setter
    def web_url(self, url: str) -> None:
        self._web_url = url.rstrip("/")

    def next_id(self, *, large: bool = False) -> int:
        """An id; large ones do not fit 32 bits, as those of check runs on github.com."""
        return next(self._ids) + (30_000_000_000 if large else 0)

    def guid(self) -> str:
        return str(UUID(bytes=self.randomness(16), version=4))

    def word(self, length: int) -> str:
        """Random letters and digits."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return "".join(alphabet[byte % 62] for byte in self.randomness(length))

    def iso(self, at: float | None = None) -> str:
        moment = self.clock() if at is None else at
        return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def is_visible(self, born: float) -> bool:
        return born <= self.clock() - self.read_lag

    def notice(self, kind: str, repository: Repository | None = None, **facts: object) -> None:
        name = repository.full_name if repository else None
        self.notices.publish(Notice(kind=kind, repository=name, facts=facts))

    # -- people ------------------------------------------------------------------------------

    def add_account(self, login: str, *, kind: str, email: str | None = None) -> Account:
        number = self.next_id()
        account = Account(
            id=number,
            login=login,
            kind=kind,
            name=login,
            email=email or f"{number}+{login}@users.noreply.github.com",
            created=self.clock(),
        )
        self.accounts[login.lower()] = account
        return account

    def create_user(self, login: str, *, email: str | None = None) -> Account:
        return self.add_account(login, kind="User", email=email)

    def create_org(self, login: str, *, owners: tuple[str, ...] = ()) -> Account:
        organization = self.add_account(login, kind="Organization")
        organization.members.update({self.account(login).login: "admin" for login in owners})
        return organization

    def account(self, login: str) -> Account:
        """Looks an account up; the scripts of tests and demo may name people freely."""
        found = self.accounts.get(login.lower())
        return found if found is not None else self.create_user(login)

    def create_team(self, org: str, slug: str, members: tuple[str, ...] = ()) -> Team:
        team = Team(id=self.next_id(), organization=self.account(org), slug=slug, name=slug)
        for login in members:
            self.account(login)
            team.organization.members.setdefault(login, "member")
            team.members[login] = ("member", "active")
        self.teams[(org.lower(), slug)] = team
        return team

    def create_user_token(self, login: str) -> str:
        """A personal access token, as `gh` and people's scripts use."""
        value = f"ghp_{self.word(36)}"
        self.tokens[value] = Token(
            value=value,
            installation=None,
            person=self.account(login),
            permissions={},
            repositories=None,
            created=self.clock() - 60,
            expires=None,
        )
        return value

    def signature(self, account: Account) -> Signature:
        return Signature(account.name, account.email, int(self.clock()))

    # -- repositories ------------------------------------------------------------------------

    def create_repository(
        self, full_name: str, *, private: bool = False, default_branch: str = "main"
    ) -> Repository:
        """An empty repository; its owner becomes an account if it is not one."""
        owner, _, name = full_name.partition("/")
        return self._add_repository(
            self.account(owner), name, Git(), private=private, default_branch=default_branch
        )

    def fork(self, full_name: str, owner: str) -> Repository:
        origin = self.repository(full_name)
        git = Git(origin.git.objects)
        for ref, sha in origin.git.refs.items():
            git.set_ref(ref, sha, at=self.clock())
        fork = self._add_repository(
            self.account(owner),
            origin.name,
            git,
            private=origin.private,
            default_branch=origin.default_branch,
        )
        fork.fork_of = origin
        return fork

    def _add_repository(
        self, owner: Account, name: str, git: Git, *, private: bool, default_branch: str
    ) -> Repository:
        repository = Repository(
            id=self.next_id(),
            owner=owner,
            name=name,
            private=private,
            default_branch=default_branch,
            created=self.clock(),
            pushed=self.clock(),
            git=git,
        )
        self.repositories[repository.id] = repository
        self.names[repository.full_name.lower()] = repository.id
        self.notice("repository", repository)
        return repository

    def repository(self, full_name: str) -> Repository:
        """By its present name."""
        found = self.repositories.get(self.names.get(full_name.lower(), 0))
        if found is None or found.full_name.lower() != full_name.lower():
            raise not_found()
        return found

    def former(self, full_name: str) -> Repository | None:
        """The repository that once had this name."""
        return self.repositories.get(self.names.get(full_name.lower(), 0))

    def run(self, check_run_id: int) -> CheckRun:
        for repository in self.repositories.values():
            if check_run_id in repository.runs:
                return repository.runs[check_run_id]
        raise not_found()

    def suite(self, check_suite_id: int) -> CheckSuite:
        for repository in self.repositories.values():
            if check_suite_id in repository.suites:
                return repository.suites[check_suite_id]
        raise not_found()

    # -- who may what ------------------------------------------------------------------------

    def set_role(self, full_name: str, login: str, role: str) -> None:
        """Make somebody a collaborator: read, triage, write, maintain or admin; none removes."""
        repository = self.repository(full_name)
        repository.collaborators.pop(self.account(login).login, None)
        if role != "none":
            assert role in ROLES, role
            repository.collaborators[self.account(login).login] = role

    def role(self, repository: Repository, account: Account) -> str:
        """The role's name; "none" where there is no access at all."""
        owner = repository.owner
        if owner is account or owner.members.get(account.login) == "admin":
            return "admin"
        given = repository.collaborators.get(account.login)
        if given is not None:
            return given
        return "none" if repository.private else "read"

    def allowed(self, repository: Repository, account: Account, wanted: str) -> bool:
        role = self.role(repository, account)
        return role != "none" and ROLES.index(role) >= ROLES.index(wanted)

    def demand(self, repository: Repository, account: Account, wanted: str) -> None:
        if not self.allowed(repository, account, wanted):
            raise ApiError(403, f"Must have {wanted} rights to Repository.")

    # -- installations -----------------------------------------------------------------------

    def installations_of(self, repository: Repository) -> Iterator[Installation]:
        for installation in self.installations.values():
            if covers(installation, repository):
                yield installation

    def installation_of(self, app: App, repository: Repository) -> Installation | None:
        return next((i for i in self.installations_of(repository) if i.app is app), None)


def covers(installation: Installation, repository: Repository) -> bool:
    if installation.account is not repository.owner:
        return False
    return installation.repositories is None or repository.id in installation.repositories
