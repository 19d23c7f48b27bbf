"""What is found out about people and pull requests: roles, teams, owners, authors.

What follows from it is `tests/core/test_access.py`; how CODEOWNERS is read `test_owners.py`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.tekton_pipelinerun import ADAPTER
from ghapp.core.access import Person
from ghapp.core.model import Phase, Verb
from ghapp.core.wishes import Inquiry, Pull
from ghapp.demo.github import GitHub, Installation
from ghapp.engine.gather import PATIENCE, YAML_LIMIT, People, Runs
from ghapp.errors import Retry
from ghapp.http import utc_now
from ghapp.plugs import plans_of
from ghapp.store import open_store
from tests.core.builders import run_look, tell
from tests.github.fixtures import SHOP, Opened, opened
from tests.github_fixtures import Clock

OWNERS = "approvers: [bob, crew]\n"
ALIASES = "aliases:\n  crew: [cas]\n"


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    async with opened(github, github_installation.app, github_clock, timeout=2.0) as one:
        yield one


@pytest.fixture
def people(world: Opened) -> People:
    return People(github=world.client, repository=SHOP)


async def ask(
    people: People, login: str, *, pull: Pull | None = None, commit: str = "main", **asked: Any
) -> Person:
    inquiry = Inquiry(
        teams=frozenset(asked.get("teams", ())),
        owners=frozenset(asked.get("owners", ())),
        authors=bool(asked.get("authors")),
    )
    return await people.person(login, inquiry, commit=commit, pulls=[pull] if pull else [])


@pytest.mark.parametrize("role", ["read", "triage", "write", "maintain", "admin"])
async def test_roles_are_told_apart_although_github_folds_them(
    people: People, github: GitHub, role: str
) -> None:
    github.create_user("pat")
    github.set_role("acme/shop", "pat", role)
    assert await people.role("pat") == role
    assert await people.role("nobody-at-all") == "none"


async def test_who_is_in_a_team_is_asked_once(
    people: People, github: GitHub, world: Opened
) -> None:
    for login in ("ann", "bob"):
        github.create_user(login)
    github.create_team("acme", "release", ("ann",))
    assert (await ask(people, "ann", teams=("Acme/release",))).teams == {"acme/release"}
    assert not (await ask(people, "bob", teams=("acme/release", "acme/none"))).teams
    world.seen.clear()
    await ask(people, "bob", teams=("acme/release",))
    assert not world.seen.count("GET", "/memberships/{login}")


async def test_what_the_app_may_not_read_is_said_and_admits_nobody(
    people: People, github: GitHub
) -> None:
    github.create_user("ann")
    github.faults.add("status", status=403, path="/memberships/", times=9)
    found = await ask(people, "ann", teams=("acme/release",))
    assert not found.teams
    assert "who is in acme/release may not be read" in found.unknown["acme/release"]


async def test_an_app_that_was_never_granted_to_read_members_says_so(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> None:
    del github_installation
    github.create_user("ann")
    few = {"metadata": "read", "contents": "write", "pull_requests": "write"}
    app = github.create_app("lean", few, (), webhook_url="http://127.0.0.1:1", webhook_secret="s")
    github.install(app, "acme")
    async with opened(github, app, github_clock) as lean:
        found = await ask(People(github=lean.client, repository=SHOP), "ann", teams=("acme/a",))
    assert "the App lacks members:read" in found.unknown["acme/a"]


async def test_code_owners_count_before_owners_files(people: People, github: GitHub) -> None:
    for login in ("ann", "bob", "cas"):
        github.create_user(login)
    files = {"deploy/OWNERS": OWNERS, "OWNERS": "approvers: [ann]\n", "OWNERS_ALIASES": ALIASES}
    github.push("acme/shop", "main", dict(files), "Owners", "ann")

    async def owns(path: str) -> list[str]:
        found = [await ask(people, login, owners=(path,)) for login in ("ann", "bob", "cas")]
        return [one.login for one in found if one.owns]

    assert await owns("/deploy/") == ["ann", "bob", "cas"]
    assert await owns("/src/") == ["ann"]
    github.push("acme/shop", "main", {"CODEOWNERS": "/deploy/ @cas\n"}, "Code", "ann")
    assert await owns("/deploy/") == ["cas"]
    assert await owns("/src/") == []


@pytest.mark.parametrize("text", ["{", "[" * 500, "x" * (YAML_LIMIT + 1), "approvers: 7"])
async def test_an_owners_file_that_is_none_names_nobody(
    people: People, github: GitHub, text: str
) -> None:
    github.create_user("ann")
    github.push("acme/shop", "main", {"OWNERS": text}, "Odd", "ann")
    assert not (await ask(people, "ann", owners=("/",))).owns


async def test_owners_are_those_of_the_default_branch_and_of_no_other(
    people: People, github: GitHub
) -> None:
    """Whoever may write can make a branch, name oneself in it and open a pull request into it."""
    github.create_user("zoe")
    sha = github.push("acme/shop", "topic", {"CODEOWNERS": "* @zoe\n"}, "Mine", "zoe")
    github.push("acme/shop", "more", {"x": "x"}, "X", "zoe")
    github.open_pull("acme/shop", head="more", base="topic", title="Mine", login="zoe")
    pull = Pull(number=1, head=sha, author="zoe", author_role="write")
    assert not (await ask(people, "zoe", owners=("/",), pull=pull)).owns
    github.push("acme/shop", "main", {"CODEOWNERS": "* @zoe\n"}, "Theirs", "dev")
    assert (await ask(people, "zoe", owners=("/",), pull=pull)).owns


async def test_whoever_opened_a_pull_request_of_the_commit_is_an_author_though_no_run_says_so(
    people: People, github: GitHub
) -> None:
    for login in ("ann", "zoe"):
        github.create_user(login)
    sha = github.push("acme/shop", "topic", {"x": "x"}, "X", "ann")
    github.open_pull("acme/shop", head="topic", title="X", login="zoe")
    found = await ask(people, "bob", commit=sha, authors=True)
    assert found.authors == frozenset({"ann", "zoe"})


async def test_authors_are_those_of_the_commit_and_of_its_pull_request(
    people: People, github: GitHub
) -> None:
    github.create_user("ann")
    sha = github.push("acme/shop", "main", {"x": "x"}, "X", "ann")
    pull = Pull(number=1, head=sha, author="Zoe", author_role="read")
    assert (await ask(people, "bob", commit=sha, authors=True)).authors == frozenset({"ann"})
    both = await ask(people, "bob", commit=sha, authors=True, pull=pull)
    assert both.authors == frozenset({"ann", "zoe"})
    assert (await ask(people, "bob", commit="f" * 40, authors=True)).authors is None
    assert (await ask(people, "bob", commit=sha)).authors is None


async def test_a_pull_request_is_as_it_is_now(people: People, github: GitHub) -> None:
    github.create_user("zoe")
    github.set_role("acme/shop", "zoe", "triage")
    sha = github.push("acme/shop", "topic", {"b": "b"}, "B", "zoe")
    made = github.open_pull("acme/shop", head="topic", title="B", login="zoe")
    found = await people.pull(made.number)
    assert found
    assert (found.head, found.author, found.open) == (sha, "zoe", True)
    assert (await people.with_author(found)).author_role == "triage"
    github.close_pull("acme/shop", made.number, "zoe")
    later = await people.pull(made.number)
    assert later
    assert not later.open
    assert await people.pull(4711) is None


async def test_a_cluster_that_does_not_come_keeps_no_other_run_from_being_judged(
    tmp_path: Path,
) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'store.db'}", now=utc_now())
    look = run_look(Phase.FAILED)
    plans = {look.resource: plans_of(ADAPTER)}
    runs = Runs(store=store, clusters={}, resources={}, plans=plans, pieces={})
    (seen,) = tell(None, look).seen
    with pytest.raises(Retry, match="is not connected here yet"):
        await runs.whole(Verb.RERUN, seen, tries=0)
    target = await runs.whole(Verb.RERUN, seen, tries=PATIENCE)
    assert target.away == "cluster default is not connected here now"
    assert (await runs.whole(Verb.PROMOTE, seen, tries=0)).away == ""
    await store.close()
