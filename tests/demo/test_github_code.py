"""The Git Data API, contents, commits, comparisons and merges, over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ghapp.demo.github import GitHub
from tests.github_contract import Contract
from tests.github_fixtures import Api, Inbox

GIT = "/repos/acme/shop/git"
CONTENTS = "/repos/acme/shop/contents"


async def head(api: Api, branch: str = "main") -> str:
    sha: str = (await api.get(f"{GIT}/ref/heads/{branch}")).body["object"]["sha"]
    return sha


async def commit_on(api: Api, parent: str, files: dict[str, str]) -> str:
    base = (await api.get(f"{GIT}/commits/{parent}")).body["tree"]["sha"]
    entries = [
        {"path": path, "mode": "100644", "type": "blob", "content": text}
        for path, text in files.items()
    ]
    tree = await api.post(f"{GIT}/trees", {"base_tree": base, "tree": entries})
    made = await api.post(
        f"{GIT}/commits", {"message": "m", "tree": tree.body["sha"], "parents": [parent]}
    )
    assert made.status == 201, made.body
    sha: str = made.body["sha"]
    return sha


async def test_a_branch_is_made_from_blob_tree_commit_and_ref(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    main = await head(api)
    text = base64.b64encode("größe: 1\n".encode()).decode()
    blob = await api.post(f"{GIT}/blobs", {"content": text, "encoding": "base64"})
    assert blob.status == 201
    read = await api.get(f"{GIT}/blobs/{blob.body['sha']}")
    assert base64.b64decode(read.body["content"]).decode() == "größe: 1\n"
    base = (await api.get(f"{GIT}/commits/{main}")).body["tree"]["sha"]
    entry = {"path": "apps/values.yaml", "mode": "100644", "type": "blob", **blob.body}
    entry.pop("url")
    tree = await api.post(f"{GIT}/trees", {"base_tree": base, "tree": [entry]})
    flat = await api.get(f"{GIT}/trees/{tree.body['sha']}?recursive=1")
    assert [each["path"] for each in flat.body["tree"]] == [
        "README.md",
        "apps",
        "apps/values.yaml",
    ]
    wish = {"message": "promote", "tree": tree.body["sha"], "parents": [main]}
    commit = await api.post(f"{GIT}/commits", wish)
    assert commit.body["author"]["name"] == "checkrail[bot]"
    made = await api.post(
        f"{GIT}/refs", {"ref": "refs/heads/promote/staging/shop", "sha": commit.body["sha"]}
    )
    assert made.status == 201
    assert await head(api, "promote/staging/shop") == commit.body["sha"]
    content = github.file("acme/shop", "apps/values.yaml", "promote/staging/shop")
    assert content.decode() == "größe: 1\n"
    await github.settled()
    push = github_inbox.last("push").body
    assert (push["created"], push["head_commit"]["added"]) == (True, ["apps/values.yaml"])
    assert push["sender"]["login"] == "checkrail[bot]"


async def test_the_same_commit_made_twice_has_one_id(api: Api) -> None:
    main = await head(api)
    tree = (await api.get(f"{GIT}/commits/{main}")).body["tree"]["sha"]
    who = {"name": "a", "email": "a@example.com", "date": "2026-01-01T00:00:00Z"}
    wish = {"message": "m", "tree": tree, "parents": [main], "author": who}
    one, two = [await api.post(f"{GIT}/commits", wish) for _ in range(2)]
    assert one.body["sha"] == two.body["sha"]
    assert one.body["author"] == who


async def test_an_entry_without_a_sha_is_taken_out_of_the_tree(github: GitHub, api: Api) -> None:
    github.push("acme/shop", "main", {"d/a": "a", "d/b": "b", "c": "c"}, "m", "dev")
    base = (await api.get(f"{GIT}/trees/main")).body["sha"]
    gone: list[dict[str, Any]] = [{"path": "d", "mode": "040000", "type": "tree", "sha": None}]
    tree = await api.post(f"{GIT}/trees", {"base_tree": base, "tree": gone})
    assert [each["path"] for each in tree.body["tree"]] == ["README.md", "c"]


async def test_a_ref_moves_forward_and_only_by_force_elsewhere(api: Api) -> None:
    main = await head(api)
    one, two = await commit_on(api, main, {"a": "1"}), await commit_on(api, main, {"a": "2"})
    await api.post(f"{GIT}/refs", {"ref": "refs/heads/x", "sha": one})
    refused = await api.patch(f"{GIT}/refs/heads/x", {"sha": two})
    assert (refused.status, refused.body["message"]) == (422, "Update is not a fast forward")
    forced = await api.patch(f"{GIT}/refs/heads/x", {"sha": two, "force": True})
    assert forced.status == 200
    assert await head(api, "x") == two


async def test_refs_are_refused_for_what_is_wrong_with_them(
    api: Api, github_contract_held: Contract | None
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    main = await head(api)
    for body, words in (
        ({"ref": "refs/heads/main", "sha": main}, "Reference already exists"),
        ({"ref": "main", "sha": main}, "Reference name must start with 'refs/'"),
        ({"ref": "refs/heads/x", "sha": "f" * 40}, "Object does not exist"),
        ({"ref": "refs/heads/x"}, '"sha" wasn\'t supplied'),
    ):
        refused = await api.post(f"{GIT}/refs", body)
        assert refused.status == 422
        assert words in refused.body["message"]
    assert (await api.patch(f"{GIT}/refs/heads/nope", {"sha": main})).status == 422
    assert (await api.delete(f"{GIT}/refs/heads/nope")).status == 422
    assert (await api.get(f"{GIT}/ref/heads/nope")).status == 404


async def test_refs_are_found_by_their_beginning_and_deleted(github: GitHub, api: Api) -> None:
    main = await head(api)
    for name in ("promote/dev", "promote/prod", "other"):
        await api.post(f"{GIT}/refs", {"ref": f"refs/heads/{name}", "sha": main})
    url = f"{GIT}/matching-refs/heads/promote/"
    found = (await api.get(url)).body
    assert [each["ref"] for each in found] == [
        "refs/heads/promote/dev",
        "refs/heads/promote/prod",
    ]
    assert (await api.delete(f"{GIT}/refs/heads/promote/dev")).status == 204
    assert len((await api.get(url)).body) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("commits", {"message": "m", "tree": "f" * 40}),
        ("trees", {"base_tree": "f" * 40, "tree": []}),
        ("trees", {"tree": [{"path": "a", "mode": "100644", "sha": "f" * 40}]}),
        ("blobs", {"content": "!", "encoding": "base64"}),
    ],
)
async def test_objects_that_do_not_exist_are_refused(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    assert (await api.post(f"{GIT}/{path}", body)).status == 422


async def test_what_is_not_there_is_404(api: Api) -> None:
    for path in (
        f"commits/{'f' * 40}",
        f"trees/{'f' * 40}",
        f"blobs/{'f' * 40}",
        "ref/heads/none",
    ):
        assert (await api.get(f"{GIT}/{path}")).status == 404


# -- contents ---------------------------------------------------------------------------------


def put(text: str, **more: str) -> dict[str, str]:
    return {"message": "m", "content": base64.b64encode(text.encode()).decode(), **more}


async def test_a_file_is_made_changed_with_its_sha_and_deleted(github: GitHub, api: Api) -> None:
    made = await api.put(f"{CONTENTS}/a/b.txt", put("one"))
    assert made.status == 201
    sha = made.body["content"]["sha"]
    assert (await api.put(f"{CONTENTS}/a/b.txt", put("two"))).status == 422
    assert (await api.put(f"{CONTENTS}/a/b.txt", put("two", sha="f" * 40))).status == 409
    changed = await api.put(f"{CONTENTS}/a/b.txt", put("two", sha=sha))
    assert changed.status == 200
    assert github.file("acme/shop", "a/b.txt") == b"two"
    read = await api.get(f"{CONTENTS}/a/b.txt")
    assert base64.b64decode(read.body["content"]) == b"two"
    gone = await api.delete(f"{CONTENTS}/a/b.txt", {"message": "m", "sha": read.body["sha"]})
    assert gone.status == 200
    assert (await api.get(f"{CONTENTS}/a/b.txt")).status == 404


async def test_a_folder_lists_what_is_in_it_at_a_ref(github: GitHub, api: Api) -> None:
    github.push("acme/shop", "other", {"d/x.yaml": "x", "d/e/y": "y"}, "m", "dev")
    listed = await api.get(f"{CONTENTS}/d?ref=other")
    assert {each["name"]: each["type"] for each in listed.body} == {"x.yaml": "file", "e": "dir"}
    assert (await api.get(f"{CONTENTS}/d")).status == 404
    assert (await api.get(f"{CONTENTS}/d?ref=nope")).status == 404
    root = await api.get(f"{CONTENTS}/")
    assert [each["name"] for each in root.body] == ["README.md"]


# -- commits, comparisons, merges -------------------------------------------------------------


async def test_a_commit_shows_its_files_and_is_found_by_branch(github: GitHub, api: Api) -> None:
    sha = github.push("acme/shop", "main", {"a": "1\n2\n", "README.md": None}, "m", "dev")
    by_sha = await api.get(f"/repos/acme/shop/commits/{sha}")
    by_branch = await api.get("/repos/acme/shop/commits/main")
    assert by_sha.body == by_branch.body
    assert {each["filename"]: each["status"] for each in by_sha.body["files"]} == {
        "README.md": "removed",
        "a": "added",
    }
    assert by_sha.body["stats"] == {"total": 3, "additions": 2, "deletions": 1}
    assert by_sha.body["author"]["login"] == "dev"
    missing = await api.get(f"/repos/acme/shop/commits/{'f' * 40}")
    assert missing.status == 422
    assert missing.body["message"] == f"No commit found for SHA: {'f' * 40}"


async def test_a_comparison_says_who_is_ahead(github: GitHub, api: Api) -> None:
    github.push("acme/shop", "feature", {"a": "1"}, "one", "dev")
    github.push("acme/shop", "feature", {"a": "2"}, "two", "dev")
    url = "/repos/acme/shop/compare"
    ahead = (await api.get(f"{url}/main...feature")).body
    assert (ahead["status"], ahead["ahead_by"]) == ("ahead", 2)
    assert [each["commit"]["message"] for each in ahead["commits"]] == ["one", "two"]
    assert [each["filename"] for each in ahead["files"]] == ["a"]
    assert (await api.get(f"{url}/feature...main")).body["status"] == "behind"
    assert (await api.get(f"{url}/main...main")).body["status"] == "identical"
    github.push("acme/shop", "main", {"b": "1"}, "b", "dev")
    assert (await api.get(f"{url}/main...feature")).body["status"] == "diverged"
    assert (await api.get(f"{url}/main...nope")).status == 404


async def test_branches_merge_once_and_conflicts_are_told(github: GitHub, api: Api) -> None:
    url = "/repos/acme/shop/merges"
    github.push("acme/shop", "feature", {"a": "1"}, "a", "dev")
    wish = {"base": "main", "head": "feature", "commit_message": "join"}
    merged = await api.post(url, wish)
    assert merged.status == 201
    assert merged.body["commit"]["message"] == "join"
    assert await head(api) == merged.body["sha"]
    assert (await api.post(url, wish)).status == 204
    github.push("acme/shop", "feature", {"a": "2"}, "a", "dev")
    github.push("acme/shop", "main", {"a": "3"}, "a", "dev")
    assert (await api.post(url, wish)).status == 409
    assert (await api.post(url, {"base": "main", "head": "nope"})).status == 404


async def test_an_empty_repository_has_nothing(github: GitHub, api: Api) -> None:
    github.create_repository("acme/empty", {})
    assert (await api.get("/repos/acme/empty/git/ref/heads/main")).status == 409
    assert (await api.get("/repos/acme/empty/contents/x")).status == 404
    made = await api.put("/repos/acme/empty/contents/x", put("first"))
    assert made.status == 201
    assert github.file("acme/empty", "x") == b"first"
