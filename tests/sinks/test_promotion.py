"""promotion against the stand-in: one commit, one branch, one pull request, wherever it is cut off.

What may stand on a marked line is in tests/core/test_marker.py.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ghapp.core.effects import Promote, Rerun
from ghapp.core.model import Repository, Subject
from ghapp.core.source import Patch
from ghapp.demo.github import GitHub, Installation, Pull, merging
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.github import GitHubClient
from ghapp.ports import Receipt, Slot
from ghapp.sinks.promotion import FILES as MOST_FILES
from ghapp.sinks.promotion import SINK, Promotion, Settings
from tests.github.fixtures import Only, Opened, opened
from tests.github_fixtures import Clock

GITOPS = Repository(host="github.com", owner="acme", name="gitops")
SUBJECT = Subject(kind="HelmRelease", cluster="prod-eu", namespace="dev", name="shop", uid="u-1")
MARKED = 'version: 6.2.0 # {"$promotion": "apps:shop:staging"}\n'
FILES = {
    "README.md": MARKED,
    "apps/shop.yaml": f"kind: HelmRelease\n# keep me\nspec:\n  {MARKED}",
    "apps/values.yml": 'tag: "v1" # {"$promotion": "apps:shop:prod"}\n',
    "apps/plain.yaml": "a: 1\n",
}


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    github.create_repository("acme/gitops", FILES)
    async with opened(github, github_installation.app, github_clock, timeout=2.0) as one:
        yield one


@pytest.fixture
def sink(world: Opened) -> Promotion:
    return Promotion(Settings(), Only(world.client))


def promote(
    version: str = "6.3.0",
    *,
    environment: str = "staging",
    base_branch: str = "main",
    pipeline: str = "apps:shop",
    repository: Repository = GITOPS,
) -> Promote:
    return Promote(
        subject=SUBJECT,
        login="dev",
        token="t",
        pipeline=pipeline,
        environment=environment,
        version=version,
        repository=repository,
        base_branch=base_branch,
    )


async def told(sink: Promotion, effect: Promote) -> Receipt:
    return await sink.deliver(effect, key=effect.key, slot=Slot())


async def until_done(sink: Promotion, effect: Promote, clock: Clock) -> Receipt:
    """As the outbox does it; waiting moves the clock."""
    for _ in range(5):
        try:
            return await told(sink, effect)
        except Retry as error:
            clock.advance(error.after or 1.0)
    raise AssertionError("it never got through")


def pulls(github: GitHub) -> list[Pull]:
    return list(github.repository("acme/gitops").pulls.values())


def text_of(github: GitHub, branch: str, path: str) -> str:
    git = github.repository("acme/gitops").git
    content = git.content(git.files(git.refs[f"refs/heads/{branch}"])[path].sha)
    assert content is not None
    return content.decode()


BRANCH = "promotion-apps-shop-staging"


async def test_a_promotion_is_one_commit_that_changes_one_value(
    github: GitHub, sink: Promotion
) -> None:
    receipt = await told(sink, promote())
    git = github.repository("acme/gitops").git
    tip, main = git.refs[f"refs/heads/{BRANCH}"], git.refs["refs/heads/main"]
    commit = git.read_commit(tip)
    assert commit.parents == (main,)
    assert commit.message == "Promote apps/shop in staging to 6.3.0"
    assert commit.author.name == "checkrail[bot]"
    before, after = git.files(main), git.files(tip)
    assert {path for path in after if after[path] != before[path]} == {"apps/shop.yaml"}
    changed = FILES["apps/shop.yaml"].replace("6.2.0", "6.3.0")
    assert text_of(github, BRANCH, "apps/shop.yaml") == changed
    (pull,) = pulls(github)
    assert receipt.slot == f"{github.world.web_url}/acme/gitops/pull/{pull.number}"


async def test_the_pull_request_is_found_by_what_knew_the_old_controller(
    github: GitHub, sink: Promotion
) -> None:
    receipt = await told(sink, promote())
    (pull,) = pulls(github)
    assert (pull.head, pull.base) == (BRANCH, "main")
    assert pull.title == "Promote apps/shop in staging to 6.3.0"
    assert pull.body is not None
    block, _, rest = pull.body.partition("</details>\n")
    assert block + "</details>" == (
        "<details>\n<summary>metadata</summary>\n!!! DO NOT EDIT !!!\n\n"
        "apps/shop/staging\n</details>"
    )
    assert rest.strip() == (
        "Asked by @dev with the button on the check of HelmRelease `dev/shop` in cluster `prod-eu`."
    )
    assert receipt.notice == (
        f"Opened [#{pull.number}]({receipt.slot}) to bring apps/shop in staging to 6.3.0,"
        " asked by **dev**."
    )


async def test_the_same_promotion_twice_is_one_pull_request_and_one_commit(
    github: GitHub, sink: Promotion, world: Opened
) -> None:
    first = await told(sink, promote())
    world.seen.clear()
    assert await told(sink, promote()) == first
    assert len(pulls(github)) == 1
    assert world.seen.count("POST", "/git/commits") == 0
    assert world.seen.count("PATCH", "") == 0
    assert world.seen.count("GET", "/git/blobs/{sha}") == 0


async def test_a_newer_version_takes_over_branch_and_pull_request(
    github: GitHub, sink: Promotion
) -> None:
    await told(sink, promote("6.3.0"))
    receipt = await told(sink, promote("6.4.0"))
    (pull,) = pulls(github)
    assert pull.title == "Promote apps/shop in staging to 6.4.0"
    assert "6.4.0" in text_of(github, BRANCH, "apps/shop.yaml")
    assert receipt.notice.startswith(f"Updated [#{pull.number}]")


async def test_a_base_that_moved_on_is_the_new_base(github: GitHub, sink: Promotion) -> None:
    await told(sink, promote())
    moved = github.push("acme/gitops", "main", {"apps/plain.yaml": "a: 2\n"}, "Move on", "ann")
    await told(sink, promote())
    git = github.repository("acme/gitops").git
    assert git.read_commit(git.refs[f"refs/heads/{BRANCH}"]).parents == (moved,)
    assert len(pulls(github)) == 1


async def test_a_version_that_is_there_already_needs_no_pull_request(
    github: GitHub, sink: Promotion
) -> None:
    receipt = await told(sink, promote("6.2.0"))
    assert receipt == Receipt(notice="apps/shop in staging is already at 6.2.0")
    assert not pulls(github)


async def test_after_the_merge_the_next_promotion_is_a_new_pull_request(
    github: GitHub, sink: Promotion
) -> None:
    await told(sink, promote())
    (pull,) = pulls(github)
    merging.merge(github.world, pull, {}, github.world.account("ann"))
    assert (await told(sink, promote())).slot is None
    await told(sink, promote("6.4.0"))
    assert [each.state for each in pulls(github)] == ["closed", "open"]


async def test_without_a_marker_the_refusal_names_marker_repository_and_branch(
    sink: Promotion,
) -> None:
    with pytest.raises(Reject) as caught:
        await told(sink, promote(environment="qa"))
    for word in ('# {"$promotion": "apps:shop:qa"}', "acme/gitops", "main"):
        assert word in caught.value.reason


async def test_a_missing_branch_is_refused_by_name(sink: Promotion) -> None:
    with pytest.raises(Reject, match="has no branch release/1"):
        await told(sink, promote(base_branch="release/1"))


async def test_a_base_branch_with_slashes_works(github: GitHub, sink: Promotion) -> None:
    git = github.repository("acme/gitops").git
    git.refs["refs/heads/release/1"] = git.refs["refs/heads/main"]
    await told(sink, promote(base_branch="release/1"))
    assert [pull.base for pull in pulls(github)] == ["release/1"]


@pytest.mark.parametrize("version", ["", " 1", "1\n2", "x" * 200, "a\u2028b"])
async def test_what_cannot_be_a_version_is_refused(sink: Promotion, version: str) -> None:
    with pytest.raises(Reject, match="cannot be a version"):
        await told(sink, promote(version))


async def test_two_pipelines_that_share_a_branch_name_do_not_fight(
    github: GitHub, sink: Promotion
) -> None:
    other = 'v: 1.0.0 # {"$promotion": "apps-shop:x:staging"}\n'
    mine = 'v: 1.0.0 # {"$promotion": "apps:shop-x:staging"}\n'
    github.push("acme/gitops", "main", {"a.yaml": other, "b.yaml": mine}, "Two", "ann")
    await told(sink, promote(pipeline="apps-shop:x"))
    with pytest.raises(Reject, match="holds another promotion"):
        await told(sink, promote(pipeline="apps:shop-x"))
    assert [pull.title for pull in pulls(github)] == ["Promote apps-shop/x in staging to 6.3.0"]


async def test_only_text_files_of_a_sane_size_are_read(
    github: GitHub, sink: Promotion, world: Opened
) -> None:
    files: dict[str, str | bytes | None] = {
        "big.yaml": MARKED + "#" * 2**20,
        "latin.yaml": MARKED.encode() + b"# \xe9\n",
        "notes.txt": MARKED,
    }
    github.create_repository("acme/odd", files)
    odd = Repository(host="github.com", owner="acme", name="odd")
    with pytest.raises(Reject, match="no value is marked"):
        await told(sink, promote(repository=odd))
    assert world.seen.count("GET", "/git/blobs/{sha}") == 1


async def test_too_many_files_are_refused_before_any_is_read(
    github: GitHub, sink: Promotion, world: Opened
) -> None:
    github.create_repository("acme/odd", {f"{n}.yaml": "a: 1\n" for n in range(MOST_FILES + 1)})
    odd = Repository(host="github.com", owner="acme", name="odd")
    with pytest.raises(Reject, match="more than 2000 YAML files"):
        await told(sink, promote(repository=odd))
    assert world.seen.count("GET", "/git/blobs/{sha}") == 0


@dataclass(frozen=True)
class Truncating:
    """GitHub as it is with a repository of 100,000 files: the whole tree is cut off."""

    client: GitHubClient

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
    ) -> Any:
        answer = await self.client.request(method, path, body, repository=repository)
        cut = {"truncated": True, "tree": answer["tree"][:1]} if "recursive" in path else {}
        return {**answer, **cut} if cut else answer

    @property
    def app_id(self) -> int:
        return self.client.app_id

    async def identify(self) -> int:
        return await self.client.identify()

    def serves(self, repository: Repository) -> bool:
        return self.client.serves(repository)

    def pages(
        self, path: str, *, repository: Repository | None, items: str | None = None
    ) -> AsyncIterator[Any]:
        return self.client.pages(path, repository=repository, items=items)

    def forget(self, event: str, payload: Mapping[str, Any]) -> None:
        self.client.forget(event, payload)


async def test_a_tree_that_is_cut_off_is_walked_folder_by_folder(
    github: GitHub, world: Opened
) -> None:
    deep = "clusters/eu/apps/shop.yaml"
    github.push("acme/gitops", "main", {deep: MARKED}, "Deeper", "ann")
    await told(Promotion(Settings(), Only(Truncating(world.client))), promote())
    assert text_of(github, BRANCH, deep) == MARKED.replace("6.2.0", "6.3.0")
    assert "6.3.0" in text_of(github, BRANCH, "apps/shop.yaml")


STEPS = (
    ("GET", "/git/ref/heads/main"),
    ("GET", "/git/commits/"),
    ("GET", "/git/trees/"),
    ("GET", "/git/blobs/"),
    ("POST", "/git/trees$"),
    ("POST", "/git/commits$"),
    ("POST", "/git/refs$"),
    ("PATCH", "/git/refs/heads/"),
    ("POST", "/pulls$"),
    ("GET", "/pulls$"),
    ("PATCH", "/pulls/"),
)


@pytest.mark.parametrize("kind", ["lose_answer", "lose_request", "status", "too_many"])
@pytest.mark.parametrize(("method", "path"), STEPS, ids=[f"{m} {p}" for m, p in STEPS])
async def test_cut_off_at_any_request_and_repeated_it_is_one_pull_request(
    github: GitHub, sink: Promotion, world: Opened, kind: str, method: str, path: str
) -> None:
    github.faults.add(kind, method=method, path=path, status=502)
    for version in ("6.3.0", "6.4.0"):  # the second takes the way over PATCH
        await until_done(sink, promote(version), world.clock)
    (pull,) = pulls(github)
    assert pull.title == "Promote apps/shop in staging to 6.4.0"
    assert sorted(github.repository("acme/gitops").git.refs) == [
        "refs/heads/main",
        f"refs/heads/{BRANCH}",
    ]
    assert "6.4.0" in text_of(github, BRANCH, "apps/shop.yaml")


async def test_an_app_without_the_permission_says_which_one(
    github: GitHub, sink: Promotion, github_installation: Installation
) -> None:
    github_installation.permissions["contents"] = "read"
    with pytest.raises(Reject, match=r"lacks contents:write and pull_requests:write"):
        await told(sink, promote())


async def test_only_promotions_are_accepted(sink: Promotion) -> None:
    write = Patch(resource="v1/pods", namespace="ci", name="x", uid="u", body={})
    rerun = Rerun(subject=SUBJECT, login="dev", token="t", write=write)
    assert sink.accepts(promote())
    assert not sink.accepts(rerun)
    with pytest.raises(DeliveryError):
        await sink.deliver(rerun, key=rerun.key, slot=Slot())


def test_the_plug_in_says_what_it_needs() -> None:
    assert (SINK.name, SINK.build) == ("promotion", Promotion)
    assert set(SINK.permissions) == {"contents:write", "pull_requests:write"}
