"""The GraphQL of the stand-in: the language, what is read, and changes that compare and swap."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.github import GITHUB_COM, GitHub, Kind, Limits, Pull
from ghapp.demo.github.graphql_parse import GraphqlSyntaxError, Variable, parse
from tests.github_fixtures import Answer, Api

COMMIT = """
mutation ($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid url } ref { name } clientMutationId }
}
"""


@pytest.fixture
def github_limits() -> Limits:
    return GITHUB_COM


@pytest.fixture
def pull(github: GitHub, api: Api) -> Pull:
    github.push("acme/shop", "feature", {"a": "a"}, "Add a", "dev")
    return github.open_pull("acme/shop", head="feature", title="Add a", login="dev")


async def ask(api: Api, query: str, *, token: str | None = None, **variables: Any) -> Answer:
    return await api.post("/graphql", {"query": query, "variables": variables}, token=token)


def head(github: GitHub, branch: str = "main") -> str:
    return github.repository("acme/shop").git.refs[f"refs/heads/{branch}"]


# -- the language -----------------------------------------------------------------------------


def test_operations_fragments_variables_and_aliases_are_read() -> None:
    document = parse(
        """
        query Q($n: Int! = 3, $s: [State!]) @cached { one: pulls(first: $n, in: [OPEN, "x"],
          by: {field: AT, up: true, none: null, f: -1.5e2}) { ...P, ... on X @skip(if: $s) { y } } }
        # a comment
        fragment P on Pull { title }
        """
    )
    (query,) = document.operations
    (field,) = query.selections
    assert (query.kind, query.name, query.defaults) == ("query", "Q", {"n": 3})
    assert (field.alias, field.name) == ("one", "pulls")
    assert field.arguments == {
        "first": Variable("n"),
        "in": ["OPEN", "x"],
        "by": {"field": "AT", "up": True, "none": None, "f": -150.0},
    }
    assert [each.spread or each.on for each in field.selections] == ["P", "X"]
    assert document.fragments["P"].on == "Pull"


def test_block_strings_and_escapes_are_read() -> None:
    (operation,) = parse('{ a(x: """ one "two" """, y: "a\\n\\u00e9") }').operations
    assert operation.selections[0].arguments == {"x": 'one "two"', "y": "a\né"}


@pytest.mark.parametrize(
    "text", ["{", "query", "{ a(", "{ a(x: ) }", "subscription { a }", "{ a ; }", "{" * 100, "}"]
)
def test_what_is_not_graphql_is_a_syntax_error(text: str) -> None:
    with pytest.raises(GraphqlSyntaxError):
        parse(text)


@given(st.text(alphabet='{}()[]:!$@|&."\\ abc019-,#\n', max_size=80))
def test_garbage_is_a_document_or_a_syntax_error(text: str) -> None:
    try:
        parse(text)
    except GraphqlSyntaxError:
        return


async def test_a_syntax_error_is_answered_not_raised(api: Api) -> None:
    answer = await ask(api, "{ viewer {")
    assert answer.status == 200
    assert "Parse error" in answer.body["errors"][0]["message"]


async def test_an_unknown_field_and_fragment_are_errors_beside_the_data(api: Api) -> None:
    answer = await ask(api, "{ nothing viewer { login } }")
    assert answer.body["data"] == {"nothing": None, "viewer": {"login": "checkrail"}}
    assert answer.body["errors"][0]["type"] == "undefinedField"
    unknown = await ask(api, "{ viewer { ...X } }")
    assert unknown.body["errors"][0]["type"] == "undefinedFragment"


async def test_fields_are_included_and_skipped_by_directives(api: Api) -> None:
    query = "query ($no: Boolean!) { viewer { login @skip(if: true) id @include(if: $no) name } }"
    answer = await ask(api, query, no=False)
    assert answer.body["data"] == {"viewer": {"name": "checkrail[bot]"}}


# -- reading ----------------------------------------------------------------------------------


async def test_a_repository_is_seen_only_by_those_who_may(github: GitHub, api: Api) -> None:
    query = '{ repository(owner: "acme", name: "secret") { nameWithOwner } }'
    github.create_repository("acme/secret", private=True)
    assert (await ask(api, query)).body["data"]["repository"]["nameWithOwner"] == "acme/secret"
    narrow = await api.mint(repositories=["shop"])
    hidden = await ask(api, query, token=narrow)
    assert hidden.body["data"] == {"repository": None}
    assert hidden.body["errors"][0]["type"] == "NOT_FOUND"
    assert (await ask(api, query, token="ghs_wrong")).status == 401


async def test_pull_requests_are_read_page_by_page_from_either_end(
    github: GitHub, api: Api
) -> None:
    for number in range(3):
        github.push("acme/shop", f"b{number}", {f"{number}": "x"}, "x", "dev")
        github.open_pull("acme/shop", head=f"b{number}", title=str(number), login="dev")
    query = """
      query ($after: String) { repository(owner: "acme", name: "shop") {
        pullRequests(first: 2, after: $after, states: OPEN) {
          totalCount nodes { title } pageInfo { hasNextPage endCursor }
        } last: pullRequests(last: 1) { edges { node { number } } }
      } }"""
    first = (await ask(api, query)).body["data"]["repository"]
    page = first["pullRequests"]
    assert ([each["title"] for each in page["nodes"]], page["totalCount"]) == (["0", "1"], 3)
    assert first["last"]["edges"][0]["node"]["number"] == 3
    second = (await ask(api, query, after=page["pageInfo"]["endCursor"])).body["data"]
    rest = second["repository"]["pullRequests"]
    assert [each["title"] for each in rest["nodes"]] == ["2"]
    assert rest["pageInfo"]["hasNextPage"] is False


async def test_the_checks_of_a_commit_have_one_verdict(api: Api, pull: Pull) -> None:
    query = """query ($n: Int!) { repository(owner: "acme", name: "shop") {
      pullRequest(number: $n) { statusCheckRollup { state contexts(first: 9) { nodes {
        ... on CheckRun { name conclusion } ... on StatusContext { context state } } } } } } }"""

    async def rollup() -> Any:
        answer = await ask(api, query, n=pull.number)
        return answer.body["data"]["repository"]["pullRequest"]["statusCheckRollup"]

    assert await rollup() is None
    run = {"name": "build", "head_sha": pull.head_sha, "status": "in_progress"}
    made = await api.post("/repos/acme/shop/check-runs", run)
    assert (await rollup())["state"] == "PENDING"
    await api.patch(f"/repos/acme/shop/check-runs/{made.body['id']}", {"conclusion": "success"})
    await api.post(f"/repos/acme/shop/statuses/{pull.head_sha}", {"state": "success"})
    found = await rollup()
    assert found["state"] == "SUCCESS"
    assert found["contexts"]["nodes"] == [
        {"name": "build", "conclusion": "SUCCESS"},
        {"context": "default", "state": "SUCCESS"},
    ]


# -- changing ---------------------------------------------------------------------------------


def wish(expected: str, **files: str | None) -> dict[str, Any]:
    additions = [
        {"path": path, "contents": base64.b64encode(text.encode()).decode()}
        for path, text in files.items()
        if text is not None
    ]
    deletions = [{"path": path} for path, text in files.items() if text is None]
    return {
        "branch": {"repositoryNameWithOwner": "acme/shop", "branchName": "main"},
        "message": {"headline": "Promote", "body": "to staging"},
        "expectedHeadOid": expected,
        "fileChanges": {"additions": additions, "deletions": deletions},
        "clientMutationId": "once",
    }


async def test_a_commit_is_made_on_a_branch_that_is_where_it_was_seen(
    github: GitHub, api: Api
) -> None:
    before = head(github)
    github.push("acme/shop", "main", {"old": "x"}, "old", "dev")
    body = wish(head(github), values="tag: 2\n", old=None)
    done = (await ask(api, COMMIT, input=body)).body["data"]["createCommitOnBranch"]
    assert (done["commit"]["oid"], done["clientMutationId"]) == (head(github), "once")
    assert github.file("acme/shop", "values") == b"tag: 2\n"
    git = github.repository("acme/shop").git
    assert "old" not in git.files(head(github))
    assert git.read_commit(head(github)).message == "Promote\n\nto staging"
    stale = await ask(api, COMMIT, input=wish(before, values="tag: 3\n"))
    assert stale.body["data"] == {"createCommitOnBranch": None}
    assert stale.body["errors"][0]["type"] == "STALE_DATA"
    assert github.file("acme/shop", "values") == b"tag: 2\n"


async def test_a_change_needs_the_permission(github: GitHub, api: Api) -> None:
    narrow = await api.mint(permissions={"contents": "read"})
    refused = await ask(api, COMMIT, token=narrow, input=wish(head(github), x="x"))
    assert refused.body["errors"][0]["type"] == "FORBIDDEN"


async def test_auto_merge_is_refused_where_nothing_blocks(
    github: GitHub, api: Api, pull: Pull
) -> None:
    query = """mutation ($id: ID!, $head: GitObjectID) { enablePullRequestAutoMerge(
      input: {pullRequestId: $id, mergeMethod: SQUASH, expectedHeadOid: $head}) {
      pullRequest { autoMergeRequest { mergeMethod } } } }"""
    node = (await api.get("/repos/acme/shop/pulls/1")).body["node_id"]
    off = await ask(api, query, id=node)
    assert "Auto merge is not allowed" in off.body["errors"][0]["message"]
    pull.repository.allow_auto_merge = True
    clean = await ask(api, query, id=node)
    assert clean.body["errors"][0]["message"] == "Pull request Pull request is in clean status"
    pull.blocked = True
    moved = await ask(api, query, id=node, head="f" * 40)
    assert "Head sha didn't match" in moved.body["errors"][0]["message"]
    done = await ask(api, query, id=node, head=pull.head_sha)
    shown = done.body["data"]["enablePullRequestAutoMerge"]["pullRequest"]
    assert shown["autoMergeRequest"]["mergeMethod"] == "SQUASH"
    assert (await api.get("/repos/acme/shop/pulls/1")).body["auto_merge"] is not None


async def test_graphql_has_a_budget_of_its_own_and_faults_too(github: GitHub, api: Api) -> None:
    query = "{ rateLimit { limit remaining used } }"
    answer = await ask(api, query)
    assert answer.body["data"]["rateLimit"] == {"limit": 5000, "remaining": 4999, "used": 1}
    assert answer.headers["x-ratelimit-resource"] == "graphql"
    github.faults.add(Kind.STATUS, status=502, path=r"^/graphql$")
    assert (await ask(api, query)).status == 502
    assert (await ask(api, query)).status == 200
    enterprise = await api.post("/api/graphql", {"query": query})
    assert enterprise.status == 200
